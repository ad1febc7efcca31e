/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names whose last question timed out: the resolver gives them fewer places, so that domains whose servers are dead do
 * not hold up the others. Bounded; loop thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Longer than a destination sleeps between two lookups, unless configured. */
enum { RELAIS_LATE_S = 3600 };

typedef struct RelaisLate RelaisLate;

/* Keeps at most `most` names. */
RelaisLate *relais_late_new (guint most);
void relais_late_free (RelaisLate *late);
/* `name` (lower case) is kept for RELAIS_LATE_S. */
void relais_late_note (RelaisLate *late, const char *name, gint64 now_us);
/* There was an answer. */
void relais_late_forget (RelaisLate *late, const char *name);
bool relais_late_has (const RelaisLate *late, const char *name, gint64 now_us);
