/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reasons that a verdict can have: the one list of them, for rules, for lint and for people. Immutable, any thread.
 */
#pragma once

#include <glib.h>

/* The n-th reason and what it means (translated), NULL behind the last. Static. */
const char *bounce_reason_nth (guint n, const char **meaning);
/* The reason as it stands in the list, NULL if it is none. Static. */
const char *bounce_reason_find (const char *name);
