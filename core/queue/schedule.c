/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times of the queue. Pure functions; see the header for what they promise.
 */
#include "config.h"

#include "queue/schedule-private.h"

static gint64
interval_us (const RelaisSchedule *schedule, guint attempts)
{
    gsize step = attempts > 0 ? attempts - 1 : 0;

    if (schedule->n_retry == 0) /* "retry =" with nothing behind it */
        return RELAIS_USEC_PER_HOUR;
    return schedule->retry_us[MIN (step, schedule->n_retry - 1)];
}

gint64
relais_schedule_wait_us (const RelaisSchedule *schedule, guint attempts, guint32 random)
{
    gint64 interval = interval_us (schedule, attempts);
    gint64 spread = interval / 10;

    return interval + (spread > 0 ? (gint64)random % (spread + 1) : 0);
}

gint64
relais_schedule_age_us (gint64 age_us, gint64 received_us, gint64 wall_us)
{
    gint64 known = MAX (age_us, 0);
    gint64 passed;

    /* With an honest wall clock the age is the time since it came in; what that is beyond the known age
     * passed since the state was written. */
    if (__builtin_sub_overflow (wall_us, received_us, &passed))
        return known;
    return known + CLAMP (passed - known, 0, RELAIS_SCHEDULE_MAX_GAP_US);
}

gint64
relais_schedule_rest_us (const RelaisSchedule *schedule, guint attempts, gint64 due_us,
                         gint64 wall_us)
{
    gint64 interval = interval_us (schedule, attempts);
    gint64 rest;

    if (attempts == 0 || __builtin_sub_overflow (due_us, wall_us, &rest))
        return 0;
    return CLAMP (rest, 0, interval + interval / 10);
}

gint64
relais_schedule_expiry_us (const RelaisSchedule *schedule, gint64 born_us, bool null_sender)
{
    const gint64 lifetime = null_sender ? schedule->bounce_lifetime_us : schedule->lifetime_us;
    gint64 expiry;

    return __builtin_add_overflow (born_us, lifetime, &expiry) ? G_MAXINT64 : expiry;
}

gint64
relais_schedule_deadline_us (const RelaisSchedule *schedule, gint64 born_us, guint noticed,
                             bool null_sender)
{
    const gint64 expiry = relais_schedule_expiry_us (schedule, born_us, null_sender);

    if (null_sender || noticed >= schedule->n_notices ||
        schedule->notices_us[noticed] >= schedule->lifetime_us)
        return expiry;
    return born_us + schedule->notices_us[noticed];
}

guint
relais_schedule_notices (const RelaisSchedule *schedule, gint64 age_us)
{
    guint n = 0;

    while (n < schedule->n_notices && schedule->notices_us[n] <= age_us)
        n++;
    return n;
}
