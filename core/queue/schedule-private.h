/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times: when a deferred delivery is tried again, when a message is too old, and how both survive a
 * restart. Pure.
 *
 * While the daemon runs everything is monotonic, so a step of the wall clock changes nothing. Over a
 * restart only the wall clock is left, and it is believed within bounds: the time that passed counts
 * for at most RELAIS_SCHEDULE_MAX_GAP_US of age, and no retry is further away than its interval.
 */
#pragma once

#include "queue/settings-private.h"

enum { RELAIS_SCHEDULE_NOTICES = 7 }; /* a state counts those that were sent in three bits */
#define RELAIS_SCHEDULE_MAX_GAP_US RELAIS_USEC_PER_DAY

/* Wait after the `attempts`-th attempt (from 1), with up to a tenth added by `random`. */
gint64 relais_schedule_wait_us (const RelaisSchedule *schedule, guint attempts, guint32 random);
/* Age at start of what had `age_us` when its state was last written and came in at `received_us`. */
gint64 relais_schedule_age_us (gint64 age_us, gint64 received_us, gint64 wall_us);
/* Wait at start of what was due at `due_us` (wall). */
gint64 relais_schedule_rest_us (const RelaisSchedule *schedule, guint attempts, gint64 due_us,
                                gint64 wall_us);
/* Monotonic moment at which something is next owed to a message born at `born_us`: the notice after the
 * `noticed` that its sender has had, or its expiry. The null sender is told nothing (RFC 3461, section 4). */
gint64 relais_schedule_deadline_us (const RelaisSchedule *schedule, gint64 born_us, guint noticed,
                                    bool null_sender);
/* When it expires. */
gint64 relais_schedule_expiry_us (const RelaisSchedule *schedule, gint64 born_us, bool null_sender);
/* How many notices the age owes by now; what was owed while nobody ran is owed once. */
guint relais_schedule_notices (const RelaisSchedule *schedule, gint64 age_us);
