/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arithmetic of warm-up. Pure; one thread at a time.
 */
#include "warmup.h"

#include <string.h>

enum { BLOCK_MOST = 50, BLOCK_PART = 20 /* of the cap: 5 % */ };

/* --- Days ------------------------------------------------------------------------------------- */

static bool
is_date (const char *text)
{
    static const char FORM[] = "dddd-dd-dd";

    for (guint i = 0; FORM[i] != '\0'; i++)
        if (FORM[i] == 'd' ? !g_ascii_isdigit (text[i]) : text[i] != FORM[i])
            return false;
    return text[strlen (FORM)] == '\0';
}

bool
throttle_day_parse (const char *text, gint64 *day)
{
    g_autoptr (GDateTime) at = NULL;
    g_autofree char *full = NULL;

    if (!is_date (text))
        return false;
    full = g_strconcat (text, "T00:00:00Z", NULL);
    at = g_date_time_new_from_iso8601 (full, NULL);
    if (at == NULL || g_date_time_to_unix (at) < 0)
        return false;
    *day = throttle_day_of (g_date_time_to_unix (at) * G_USEC_PER_SEC);
    return true;
}

char *
throttle_day_to_string (gint64 day)
{
    g_autoptr (GDateTime) at =
        g_date_time_new_from_unix_utc (throttle_day_begins_us (day) / G_USEC_PER_SEC);

    return at != NULL ? g_date_time_format (at, "%Y-%m-%d") : g_strdup ("-");
}

gint64
throttle_day_of (gint64 wall_us)
{
    return wall_us / THROTTLE_DAY_US;
}

gint64
throttle_day_begins_us (gint64 day)
{
    return day * THROTTLE_DAY_US;
}

/* --- The plan --------------------------------------------------------------------------------- */

void
throttle_plan_free (gpointer data)
{
    ThrottlePlan *plan = data;

    if (plan->caps != NULL)
        g_array_unref (plan->caps);
    g_strfreev (plan->providers);
    g_free (plan->name);
    g_free (plan);
}

bool
throttle_plan_is_for (const ThrottlePlan *plan, const char *provider)
{
    if (plan->providers == NULL)
        return true;
    return provider != NULL && g_strv_contains ((const gchar *const *)plan->providers, provider);
}

/* --- Where it stands -------------------------------------------------------------------------- */

void
throttle_warmup_roll (ThrottleWarmup *warmup, gint64 start, gint64 today)
{
    if (warmup->day == 0 || warmup->start != start) {
        const gint64 out = warmup->out;

        *warmup = (ThrottleWarmup){.start = start, .day = today, .out = out, .used = out};
        return;
    }
    if (today <= warmup->day)
        return;
    if (warmup->bad) {
        /* The cap stays; a second bad day in a row takes it one back. */
        warmup->bad_run++;
        warmup->held += warmup->bad_run > 1 ? 2 : 1;
    } else
        warmup->bad_run = 0;
    warmup->day = today;
    warmup->bad = false;
    warmup->results = warmup->deferrals = 0;
    warmup->used = warmup->out;
    warmup->sure = 0;
    warmup->held = CLAMP (warmup->held, 0, MAX (today - start, 0));
}

gint64
throttle_warmup_step (const ThrottleWarmup *warmup)
{
    return MAX (warmup->day - warmup->start - warmup->held, 0);
}

ThrottleWarmupPhase
throttle_warmup_phase (const ThrottleWarmup *warmup, const ThrottlePlan *plan)
{
    if (warmup->day < warmup->start)
        return THROTTLE_WARMUP_BEFORE;
    return throttle_warmup_step (warmup) < plan->caps->len ? THROTTLE_WARMUP_ON
                                                           : THROTTLE_WARMUP_OVER;
}

gint64
throttle_warmup_cap (const ThrottleWarmup *warmup, const ThrottlePlan *plan)
{
    return g_array_index (plan->caps, gint64, throttle_warmup_step (warmup));
}

gint64
throttle_warmup_next_cap (const ThrottleWarmup *warmup, const ThrottlePlan *plan)
{
    ThrottleWarmup next = *warmup;

    throttle_warmup_roll (&next, warmup->start, MAX (warmup->day + 1, warmup->start));
    return throttle_warmup_phase (&next, plan) == THROTTLE_WARMUP_OVER
               ? -1
               : throttle_warmup_cap (&next, plan);
}

gint64
throttle_warmup_block (gint64 cap)
{
    return CLAMP (cap / BLOCK_PART, 1, BLOCK_MOST);
}

ThrottleRate
throttle_warmup_spread (gint64 cap)
{
    return (ThrottleRate){cap, THROTTLE_DAY_US, MAX ((cap + 23) / 24, 1)};
}

void
throttle_warmup_take (ThrottleWarmup *warmup, gint64 n)
{
    warmup->used += n;
    warmup->out += n;
}

/* What went out before midnight and was not used by then counts for the day after: it would be used there. */
void
throttle_warmup_settle (ThrottleWarmup *warmup, gint64 taken, gint64 used)
{
    /* Another plan may have begun meanwhile, which knows of none. */
    taken = MIN (taken, warmup->out);
    warmup->out -= taken;
    warmup->used -= taken - MIN (used, taken);
}
