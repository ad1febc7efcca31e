/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quiet hours as a map of the week's minutes. What is asked for is the local time's label: in the night in which
 * 02:00 to 03:00 is missing a span of just that hour is empty, in the night that has it twice it lasts two hours.
 * Pure, but for the zones: each is read from disk once in the life of the process and kept, so that the loop finds
 * those that a worker has checked. Any thread; a RelaisQuiet of one at a time.
 */
#include "config.h"

#include "conf/quiet-private.h"

#include <string.h>

enum { DAY_MINUTES = 24 * 60, EPOCH_DAY = 3 /* 1970-01-01 was a Thursday */ };
#define MINUTE_US G_TIME_SPAN_MINUTE

struct RelaisQuiet {
    guint refs;
    GTimeZone *zone;
    gint64 from_us, until_us; /* `end_us` holds in between */
    gint64 end_us;
    guint8 map[RELAIS_QUIET_MINUTES]; /* 1: quiet; Monday's first minute is [0] */
};

/* --- Text --------------------------------------------------------------------------------------- */

static int
parse_day (const char *text, gsize size)
{
    static const char days[] = "montuewedthufrisatsun";

    for (int day = 0; size == 3 && day < 7; day++)
        if (g_ascii_strncasecmp (text, days + day * 3, 3) == 0)
            return day;
    return -1;
}

/* "mon" or "mon-fri", or "sat-mon": adds to the set of days. */
static bool
parse_days (const char *item, guint *days)
{
    const char *dash = strchr (item, '-');
    int first = parse_day (item, dash != NULL ? (gsize)(dash - item) : strlen (item));
    int last = dash != NULL ? parse_day (dash + 1, strlen (dash + 1)) : first;

    if (first < 0 || last < 0)
        return false;
    for (int day = first;; day = (day + 1) % 7) {
        *days |= 1u << day;
        if (day == last)
            return true;
    }
}

/* "7:00" or "07:00", up to 24:00, and what follows it. */
static bool
parse_minute (const char *text, const char **rest, guint *minute)
{
    guint parts[2] = {0, 0};

    for (int i = 0; i < 2; i++) {
        const char *start = text;

        for (; g_ascii_isdigit (*text) && text - start < 2; text++)
            parts[i] = parts[i] * 10 + (guint)(*text - '0');
        if (text == start || (i == 1 && text - start != 2) || (i == 0 && *text++ != ':'))
            return false;
    }
    *rest = text;
    *minute = parts[0] * 60 + parts[1];
    return parts[1] < 60 && *minute <= DAY_MINUTES;
}

static bool
parse_span (const char *item, guint *from, guint *until)
{
    return parse_minute (item, &item, from) && *item == '-' &&
           parse_minute (item + 1, &item, until) && *item == '\0' && *from < DAY_MINUTES &&
           *from != *until;
}

static void
add_span (RelaisQuiet *quiet, guint days, guint from, guint until)
{
    const guint length = until > from ? until - from : until + DAY_MINUTES - from;

    for (guint day = 0; day < 7; day++)
        for (guint i = 0; (days & 1u << day) != 0 && i < length; i++)
            quiet->map[(day * DAY_MINUTES + from + i) % RELAIS_QUIET_MINUTES] = 1;
}

/* NULL if all is well, else the item that is not; days without a span behind them are not. */
static const char *
parse_items (RelaisQuiet *quiet, const char *const *items)
{
    enum { EVERY_DAY = 0x7f };
    guint days = EVERY_DAY, from, until;
    const char *dangling = NULL;

    for (; *items != NULL; items++) {
        if (parse_span (*items, &from, &until)) {
            add_span (quiet, days, from, until);
            dangling = NULL;
            continue;
        }
        if (dangling == NULL)
            days = 0;
        if (!parse_days (*items, &days))
            return *items;
        dangling = *items;
    }
    return dangling;
}

/* --- Life --------------------------------------------------------------------------------------- */

/* A reference; NULL if there is no such zone. Blocks when it is asked for the first time. */
static GTimeZone *
find_zone (const char *name)
{
    static GMutex lock;
    static GHashTable *zones; /* name -> GTimeZone; as many as a configuration names good ones */
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
    GTimeZone *zone;

    if (zones == NULL)
        zones = g_hash_table_new (g_str_hash, g_str_equal);
    zone = g_hash_table_lookup (zones, name);
    if (zone == NULL && (zone = g_time_zone_new_identifier (name)) != NULL)
        g_hash_table_insert (zones, g_strdup (name), zone);
    return zone != NULL ? g_time_zone_ref (zone) : NULL;
}

bool
relais_quiet_has_zone (const char *name)
{
    g_autoptr (GTimeZone) zone = find_zone (name);

    return zone != NULL;
}

RelaisQuiet *
relais_quiet_parse (const char *const *items, const char *zone, char **bad)
{
    g_autoptr (RelaisQuiet) quiet = NULL;
    const char *wrong;

    *bad = NULL;
    if (items == NULL || items[0] == NULL)
        return NULL;
    quiet = g_new0 (RelaisQuiet, 1);
    quiet->refs = 1;
    quiet->zone = zone != NULL ? find_zone (zone) : g_time_zone_new_local ();
    wrong = quiet->zone == NULL ? zone : parse_items (quiet, items);
    if (wrong == NULL)
        return g_steal_pointer (&quiet);
    *bad = g_strdup (wrong);
    return NULL;
}

RelaisQuiet *
relais_quiet_ref (RelaisQuiet *quiet)
{
    quiet->refs++;
    return quiet;
}

void
relais_quiet_unref (RelaisQuiet *quiet)
{
    if (quiet == NULL || --quiet->refs > 0)
        return;
    g_clear_pointer (&quiet->zone, g_time_zone_unref);
    g_free (quiet);
}

/* --- Answers ------------------------------------------------------------------------------------ */

static gint64
floor_div (gint64 a, gint64 b)
{
    return a / b - (a % b < 0);
}

/* The minute of the local week. */
static guint
minute_at (const RelaisQuiet *quiet, gint64 wall_us)
{
    const gint64 seconds = floor_div (wall_us, G_USEC_PER_SEC);
    const int interval = g_time_zone_find_interval (quiet->zone, G_TIME_TYPE_UNIVERSAL, seconds);
    const gint64 local = seconds + g_time_zone_get_offset (quiet->zone, interval);
    const gint64 minutes = floor_div (local, 60) + EPOCH_DAY * DAY_MINUTES;

    return (guint)(minutes - floor_div (minutes, RELAIS_QUIET_MINUTES) * RELAIS_QUIET_MINUTES);
}

/* The first moment after `wall_us` at which it is quiet no more, or quiet now. Where clocks change in between it is
 * gone through by the minute. */
static gint64
next_change_us (const RelaisQuiet *quiet, gint64 wall_us)
{
    const guint8 now = quiet->map[minute_at (quiet, wall_us)];
    gint64 at = floor_div (wall_us, MINUTE_US) * MINUTE_US;
    guint minute = minute_at (quiet, wall_us);
    guint n = 0;

    while (n < RELAIS_QUIET_MINUTES && quiet->map[(minute + n) % RELAIS_QUIET_MINUTES] == now)
        n++;
    if (minute_at (quiet, at + n * MINUTE_US) == (minute + n) % RELAIS_QUIET_MINUTES)
        return at + n * MINUTE_US;
    for (guint i = 0; i <= RELAIS_QUIET_MINUTES + 60; i++) {
        at += MINUTE_US;
        if (quiet->map[minute_at (quiet, at)] != now)
            return at;
    }
    return at;
}

gint64
relais_quiet_end_us (RelaisQuiet *quiet, gint64 wall_us)
{
    if (wall_us < quiet->from_us || wall_us >= quiet->until_us) {
        quiet->from_us = wall_us;
        quiet->until_us = next_change_us (quiet, wall_us);
        quiet->end_us = quiet->map[minute_at (quiet, wall_us)] != 0 ? quiet->until_us : 0;
    }
    return quiet->end_us;
}

static guint
longest_minutes (const RelaisQuiet *quiet)
{
    guint run = 0, longest = 0;

    /* Twice around: a span may lie across the end of the week. */
    for (guint i = 0; i < 2 * RELAIS_QUIET_MINUTES; i++) {
        run = quiet->map[i % RELAIS_QUIET_MINUTES] != 0 ? run + 1 : 0;
        longest = MAX (longest, run);
    }
    return MIN (longest, RELAIS_QUIET_MINUTES);
}

gint64
relais_quiet_longest_us (const RelaisQuiet *quiet)
{
    const guint longest = longest_minutes (quiet);

    return longest >= RELAIS_QUIET_MINUTES ? G_MAXINT64 : (longest + 60) * MINUTE_US;
}

guint
relais_quiet_longest_hours (const RelaisQuiet *quiet)
{
    return (longest_minutes (quiet) + 59) / 60;
}
