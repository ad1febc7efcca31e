/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quiet hours: spans of the week, by the clock of a time zone, in which a class's mail does not go out. Immutable
 * but for a memory of the last answer; of one thread at a time.
 *
 *   mon-fri 22:00-07:00 sat sun 00:00-24:00
 *
 * Days stand before the spans that begin on them, every day where none was named. A span that ends at or before
 * its beginning ends on the day after.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { RELAIS_QUIET_MINUTES = 7 * 24 * 60 }; /* of a week */

typedef struct RelaisQuiet RelaisQuiet;

/* NULL with `*bad` NULL for no item, NULL with `*bad` (owned) for what cannot be understood: an item, or the zone.
 * `zone` is a name of the zone database, or NULL for the machine's; it is read from disk: may block. */
RelaisQuiet *relais_quiet_parse (const char *const *items, const char *zone, char **bad);
/* Whether there is such a zone; reads it from disk: may block. */
bool relais_quiet_has_zone (const char *zone);
RelaisQuiet *relais_quiet_ref (RelaisQuiet *quiet);
/* NULL ok. */
void relais_quiet_unref (RelaisQuiet *quiet);
/* The wall-clock moment (microseconds) at which the quiet span ends that `wall_us` lies in; 0 if it lies in none. */
gint64 relais_quiet_end_us (RelaisQuiet *quiet, gint64 wall_us);
/* The longest time that mail can have to wait, in microseconds: the longest span, and the hour by which the night is
 * longer when clocks are put back. G_MAXINT64 if the whole week is quiet. */
gint64 relais_quiet_longest_us (const RelaisQuiet *quiet);
/* The longest span in hours, rounded up; 168 for the whole week. For people. */
guint relais_quiet_longest_hours (const RelaisQuiet *quiet);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisQuiet, relais_quiet_unref)
