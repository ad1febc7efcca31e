/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf, quiet hours: what may be said, and when they end, above all in the nights in which clocks change: by a
 * table written by hand, and minute by minute against the calendar of GLib.
 */
#include "config.h"

#include "conf/quiet-private.h"

#include <string.h>

#define MINUTE_US G_TIME_SPAN_MINUTE

static RelaisQuiet *
parse (const char *text, const char *zone)
{
    g_auto (GStrv) items = g_strsplit (text, " ", -1);
    g_autofree char *bad = NULL;
    RelaisQuiet *quiet = relais_quiet_parse ((const char *const *)items, zone, &bad);

    g_assert_cmpstr (bad, ==, NULL);
    return quiet;
}

static gint64
at (const char *text)
{
    g_autofree char *full = g_strconcat (text, "Z", NULL);
    g_autoptr (GDateTime) moment = g_date_time_new_from_iso8601 (full, NULL);

    g_assert_nonnull (moment);
    return g_date_time_to_unix (moment) * G_USEC_PER_SEC;
}

/* In UTC; an end of NULL: not quiet then. */
static const struct {
    const char *zone, *spans, *moment, *end;
} ends[] = {
    /* no change of clocks: across midnight, and across the week's end */
    {"UTC", "22:00-07:00", "2027-06-01T21:59:59", NULL},
    {"UTC", "22:00-07:00", "2027-06-01T22:00:00", "2027-06-02T07:00:00"},
    {"UTC", "22:00-07:00", "2027-06-02T06:59:59", "2027-06-02T07:00:00"},
    {"UTC", "22:00-07:00", "2027-06-02T07:00:00", NULL},
    {"UTC", "sun 22:00-07:00", "2027-06-06T23:30:00", "2027-06-07T07:00:00"},
    {"UTC", "sun 22:00-07:00", "2027-06-07T23:30:00", NULL},
    {"UTC", "mon-fri 20:00-08:00 sat sun 00:00-24:00", "2027-06-04T21:00:00",
     "2027-06-07T00:00:00"},
    {"UTC", "22:00-24:00 00:00-07:00", "2027-06-01T23:59:00", "2027-06-02T07:00:00"},
    /* Paris, 28 March 2027: 02:00 to 03:00 is missing; the night is an hour shorter */
    {"Europe/Paris", "22:00-07:00", "2027-03-27T20:59:59", NULL},
    {"Europe/Paris", "22:00-07:00", "2027-03-27T21:00:00", "2027-03-28T05:00:00"},
    {"Europe/Paris", "22:00-07:00", "2027-03-28T04:59:59", "2027-03-28T05:00:00"},
    {"Europe/Paris", "22:00-07:00", "2027-03-28T05:00:00", NULL},
    {"Europe/Paris", "22:00-07:00", "2027-03-28T20:00:00", "2027-03-29T05:00:00"},
    {"Europe/Paris", "02:00-03:00", "2027-03-27T01:00:00", "2027-03-27T02:00:00"},
    {"Europe/Paris", "02:00-03:00", "2027-03-28T00:59:59", NULL},
    {"Europe/Paris", "02:00-03:00", "2027-03-28T01:00:00", NULL},
    {"Europe/Paris", "02:30-04:00", "2027-03-28T00:59:59", NULL},
    {"Europe/Paris", "02:30-04:00", "2027-03-28T01:00:00", "2027-03-28T02:00:00"},
    {"Europe/Paris", "01:30-02:30", "2027-03-28T00:30:00", "2027-03-28T01:00:00"},
    {"Europe/Paris", "sat 23:00-03:30", "2027-03-27T22:00:00", "2027-03-28T01:30:00"},
    {"Europe/Paris", "sun 00:00-24:00", "2027-03-27T23:00:00", "2027-03-28T22:00:00"},
    /* Paris, 31 October 2027: 02:00 to 03:00 comes twice */
    {"Europe/Paris", "22:00-07:00", "2027-10-30T20:00:00", "2027-10-31T06:00:00"},
    {"Europe/Paris", "22:00-07:00", "2027-10-31T05:59:59", "2027-10-31T06:00:00"},
    {"Europe/Paris", "22:00-07:00", "2027-10-31T06:00:00", NULL},
    {"Europe/Paris", "22:00-07:00", "2027-10-31T20:59:59", NULL},
    {"Europe/Paris", "02:00-03:00", "2027-10-31T00:00:00", "2027-10-31T02:00:00"},
    {"Europe/Paris", "02:30-02:45", "2027-10-31T00:30:00", "2027-10-31T00:45:00"},
    {"Europe/Paris", "02:30-02:45", "2027-10-31T00:45:00", NULL},
    {"Europe/Paris", "02:30-02:45", "2027-10-31T01:30:00", "2027-10-31T01:45:00"},
    {"Europe/Paris", "01:00-02:30", "2027-10-30T23:00:00", "2027-10-31T00:30:00"},
    {"Europe/Paris", "01:00-02:30", "2027-10-31T00:45:00", NULL},
    {"Europe/Paris", "01:00-02:30", "2027-10-31T01:00:00", "2027-10-31T01:30:00"},
    {"Europe/Paris", "sun 00:00-24:00", "2027-10-30T22:00:00", "2027-10-31T23:00:00"},
    /* New York, 14 March 2027 */
    {"America/New_York", "22:00-07:00", "2027-03-14T02:59:59", NULL},
    {"America/New_York", "22:00-07:00", "2027-03-14T03:00:00", "2027-03-14T11:00:00"},
    {"America/New_York", "22:00-07:00", "2027-03-14T11:00:00", NULL},
    {"America/New_York", "02:00-03:00", "2027-03-14T06:59:59", NULL},
    {"America/New_York", "02:00-03:00", "2027-03-14T07:00:00", NULL},
    {"America/New_York", "sun 00:00-24:00", "2027-03-14T05:00:00", "2027-03-15T04:00:00"},
    /* New York, 7 November 2027: 01:00 to 02:00 comes twice */
    {"America/New_York", "22:00-07:00", "2027-11-07T02:00:00", "2027-11-07T12:00:00"},
    {"America/New_York", "22:00-07:00", "2027-11-07T12:00:00", NULL},
    {"America/New_York", "01:00-02:00", "2027-11-07T05:00:00", "2027-11-07T07:00:00"},
    {"America/New_York", "01:30-02:30", "2027-11-07T05:30:00", "2027-11-07T06:00:00"},
    {"America/New_York", "01:30-02:30", "2027-11-07T06:00:00", NULL},
    {"America/New_York", "01:30-02:30", "2027-11-07T06:30:00", "2027-11-07T07:30:00"},
    {"America/New_York", "sun 00:00-24:00", "2027-11-07T04:00:00", "2027-11-08T05:00:00"},
};

static void
test_ends (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
        RelaisQuiet *quiet = parse (ends[i].spans, ends[i].zone);
        const gint64 moment = at (ends[i].moment);
        const gint64 end = ends[i].end != NULL ? at (ends[i].end) : 0;

        g_test_message ("%s, %s at %s", ends[i].zone, ends[i].spans, ends[i].moment);
        g_assert_cmpint (relais_quiet_end_us (quiet, moment), ==, end);
        if (end > 0)
            g_assert_cmpint (end - moment, <=, relais_quiet_longest_us (quiet));
        relais_quiet_unref (quiet);
    }
}

/* --- Against a calendar ------------------------------------------------------------------------- */

static bool
is_quiet (GTimeZone *zone, gint64 moment_us, int from, int until)
{
    g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (moment_us / G_USEC_PER_SEC);
    g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, zone);
    const int minute = g_date_time_get_hour (local) * 60 + g_date_time_get_minute (local);

    return from < until ? minute >= from && minute < until : minute >= from || minute < until;
}

/* Every minute of three days, forwards, and then back, so that nothing is kept that does not hold. */
static void
compare (const char *name, const char *spans, int from, int until, const char *begin)
{
    enum { MINUTES = 3 * 24 * 60 };
    g_autoptr (GTimeZone) zone = g_time_zone_new_identifier (name);
    RelaisQuiet *quiet = parse (spans, name);
    const gint64 first = at (begin);
    g_autofree gint64 *wanted = g_new0 (gint64, MINUTES + 1);
    gint64 end = first + MINUTES * MINUTE_US;

    while (is_quiet (zone, end, from, until))
        end += MINUTE_US;
    for (int i = MINUTES - 1; i >= 0; i--) {
        if (is_quiet (zone, first + i * MINUTE_US, from, until))
            wanted[i] = end;
        else
            end = first + i * MINUTE_US;
    }
    for (int i = 0; i < MINUTES; i++)
        g_assert_cmpint (relais_quiet_end_us (quiet, first + i * MINUTE_US), ==, wanted[i]);
    for (int i = MINUTES - 1; i >= 0; i -= 17)
        g_assert_cmpint (relais_quiet_end_us (quiet, first + i * MINUTE_US + 59999999), ==,
                         wanted[i]);
    relais_quiet_unref (quiet);
}

static void
test_calendar (void)
{
    static const struct {
        const char *spans;
        int from, until;
    } spans[] = {
        {"22:00-07:00", 22 * 60, 7 * 60},
        {"02:00-03:00", 2 * 60, 3 * 60},
        {"01:30-02:30", 90, 150},
        {"00:00-01:00", 0, 60},
        {"02:59-03:00", 2 * 60 + 59, 3 * 60},
        {"03:00-01:59", 3 * 60, 119},
    };
    static const struct {
        const char *zone, *begin;
    } nights[] = {
        {"Europe/Paris", "2027-03-27T00:00:00"},        {"Europe/Paris", "2027-10-30T00:00:00"},
        {"America/New_York", "2027-03-13T00:00:00"},    {"America/New_York", "2027-11-06T00:00:00"},
        {"Australia/Lord_Howe", "2027-04-03T00:00:00"}, /* half an hour */
    };

    for (gsize night = 0; night < G_N_ELEMENTS (nights); night++)
        for (gsize i = 0; i < G_N_ELEMENTS (spans); i++) {
            g_test_message ("%s, %s", nights[night].zone, spans[i].spans);
            compare (nights[night].zone, spans[i].spans, spans[i].from, spans[i].until,
                     nights[night].begin);
        }
}

/* --- Text --------------------------------------------------------------------------------------- */

static void
test_text (void)
{
    static const struct {
        const char *text, *bad;
    } wrong[] = {
        {"22:00", "22:00"},
        {"22-7", "22-7"},
        {"22:00-22:00", "22:00-22:00"},
        {"24:00-07:00", "24:00-07:00"},
        {"22:00-24:01", "22:00-24:01"},
        {"22:60-23:00", "22:60-23:00"},
        {"22:0-23:00", "22:0-23:00"},
        {"22:00-07:00x", "22:00-07:00x"},
        {"222:00-07:00", "222:00-07:00"},
        {"-22:00-07:00", "-22:00-07:00"},
        {"mon", "mon"},
        {"22:00-07:00 sat", "sat"},
        {"sat sun", "sun"},
        {"monday 22:00-07:00", "monday"},
        {"mon-fry 22:00-07:00", "mon-fry"},
        {"mon- 22:00-07:00", "mon-"},
    };
    const char *const none[] = {NULL};
    g_autofree char *bad = NULL;
    RelaisQuiet *quiet;

    for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_auto (GStrv) items = g_strsplit (wrong[i].text, " ", -1);
        g_autofree char *found = NULL;

        g_assert_null (relais_quiet_parse ((const char *const *)items, "UTC", &found));
        g_assert_cmpstr (found, ==, wrong[i].bad);
    }
    g_assert_null (relais_quiet_parse (none, "UTC", &bad));
    g_assert_null (bad);
    quiet = parse ("7:00-9:00 MON-Fri 12:00-13:00", "UTC");
    g_assert_cmpuint (relais_quiet_longest_hours (quiet), ==, 2);
    relais_quiet_unref (quiet);
    quiet = parse ("00:00-24:00", NULL);
    g_assert_cmpint (relais_quiet_longest_us (quiet), ==, G_MAXINT64);
    relais_quiet_unref (quiet);
    g_assert_true (relais_quiet_has_zone ("America/New_York"));
    g_assert_false (relais_quiet_has_zone ("Europe/Pari"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/conf/quiet/ends", test_ends);
    g_test_add_func ("/conf/quiet/calendar", test_calendar);
    g_test_add_func ("/conf/quiet/text", test_text);
    return g_test_run ();
}
