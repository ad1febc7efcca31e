/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/throttle: the days of a warm-up plan, its bad days, midnight, and dates.
 */
#include "warmup.h"

#include <string.h>

static ThrottlePlan
plan_of (const gint64 *caps, guint n)
{
    ThrottlePlan plan = {.caps = g_array_new (FALSE, FALSE, sizeof (gint64)), .spread = true};

    g_array_append_vals (plan.caps, caps, n);
    return plan;
}

static void
test_days (void)
{
    static const struct {
        const char *text;
        gint64 day;
    } cases[] = {
        {"1970-01-01", 0}, {"1970-01-02", 1}, {"2026-11-28", 20785}, {"2028-02-29", 21243}};
    static const char *const bad[] = {"",         "2026-1-01",   "2026-02-30", "2026-13-01",
                                      "26-01-01", "2026-01-01T", "1969-12-31", "tomorrow"};
    gint64 day;

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *text = throttle_day_to_string (cases[i].day);

        g_assert_true (throttle_day_parse (cases[i].text, &day));
        g_assert_cmpint (day, ==, cases[i].day);
        g_assert_cmpstr (text, ==, cases[i].text);
        g_assert_cmpint (throttle_day_of (throttle_day_begins_us (day)), ==, day);
        g_assert_cmpint (throttle_day_of (throttle_day_begins_us (day) - 1), <=, day);
    }
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (throttle_day_parse (bad[i], &day));
}

static void
test_plan (void)
{
    const gint64 caps[] = {50, 100, 200};
    ThrottlePlan plan = plan_of (caps, 3);
    ThrottleWarmup warmup = {0};

    throttle_warmup_roll (&warmup, 100, 99);
    g_assert_cmpint (throttle_warmup_phase (&warmup, &plan), ==, THROTTLE_WARMUP_BEFORE);
    g_assert_cmpint (throttle_warmup_next_cap (&warmup, &plan), ==, 50);
    for (gint64 day = 0; day < 3; day++) {
        throttle_warmup_roll (&warmup, 100, 100 + day);
        g_assert_cmpint (throttle_warmup_phase (&warmup, &plan), ==, THROTTLE_WARMUP_ON);
        g_assert_cmpint (throttle_warmup_cap (&warmup, &plan), ==, caps[day]);
        g_assert_cmpint (throttle_warmup_next_cap (&warmup, &plan), ==,
                         day < 2 ? caps[day + 1] : -1);
        throttle_warmup_take (&warmup, caps[day]);
        throttle_warmup_settle (&warmup, caps[day], caps[day]);
        g_assert_cmpint (warmup.used, ==, caps[day]);
    }
    /* A clock that goes back opens no day again. */
    throttle_warmup_roll (&warmup, 100, 100);
    g_assert_cmpint (warmup.used, ==, 200);
    throttle_warmup_roll (&warmup, 100, 103);
    g_assert_cmpint (throttle_warmup_phase (&warmup, &plan), ==, THROTTLE_WARMUP_OVER);
    /* Another start is another warm-up. */
    throttle_warmup_roll (&warmup, 103, 103);
    g_assert_cmpint (throttle_warmup_cap (&warmup, &plan), ==, 50);
    g_array_unref (plan.caps);
}

static void
test_bad_days (void)
{
    const gint64 caps[] = {50, 100, 200, 500};
    /* bad days, and the cap of each day */
    const struct {
        bool bad;
        gint64 cap;
    } days[] = {{false, 50}, {false, 100}, {true, 200},  {false, 200}, {true, 500},
                {true, 500}, {true, 200},  {false, 100}, {false, 200}, {false, 500}};
    ThrottlePlan plan = plan_of (caps, 4);
    ThrottleWarmup warmup = {0};

    for (guint i = 0; i < G_N_ELEMENTS (days); i++) {
        throttle_warmup_roll (&warmup, 100, 100 + i);
        g_assert_cmpint (throttle_warmup_cap (&warmup, &plan), ==, days[i].cap);
        warmup.bad = days[i].bad;
    }
    throttle_warmup_roll (&warmup, 100, 100 + G_N_ELEMENTS (days));
    g_assert_cmpint (throttle_warmup_phase (&warmup, &plan), ==, THROTTLE_WARMUP_OVER);
    /* The first day is the least that there is. */
    warmup = (ThrottleWarmup){0};
    for (guint i = 0; i < 5; i++) {
        throttle_warmup_roll (&warmup, 100, 100 + i);
        g_assert_cmpint (throttle_warmup_cap (&warmup, &plan), ==, 50);
        warmup.bad = true;
    }
    g_array_unref (plan.caps);
}

/* What was allowed before midnight and goes after it is the new day's. */
static void
test_midnight (void)
{
    ThrottleWarmup warmup = {0};

    throttle_warmup_roll (&warmup, 100, 100);
    throttle_warmup_take (&warmup, 10);
    throttle_warmup_settle (&warmup, 4, 4);
    throttle_warmup_take (&warmup, 3);
    throttle_warmup_settle (&warmup, 3, 1);
    g_assert_cmpint (warmup.used, ==, 11);
    throttle_warmup_roll (&warmup, 100, 101);
    g_assert_cmpint (warmup.used, ==, 6);
    g_assert_cmpint (warmup.sure, ==, 0);
    throttle_warmup_settle (&warmup, 6, 2);
    g_assert_cmpint (warmup.used, ==, 2);
    g_assert_cmpint (warmup.out, ==, 0);
}

static void
test_shares (void)
{
    g_assert_cmpint (throttle_warmup_block (1), ==, 1);
    g_assert_cmpint (throttle_warmup_block (200), ==, 10);
    g_assert_cmpint (throttle_warmup_block (1000), ==, 50);
    g_assert_cmpint (throttle_warmup_block (1000000), ==, 50);
    g_assert_cmpint (throttle_warmup_spread (50).burst, ==, 3);
    g_assert_cmpint (throttle_warmup_spread (1).burst, ==, 1);
    g_assert_cmpint (throttle_warmup_spread (2400).burst, ==, 100);
}

static void
test_providers (void)
{
    char *names[] = {(char *)"google", (char *)"orange", NULL};
    ThrottlePlan plan = {0};

    g_assert_true (throttle_plan_is_for (&plan, NULL));
    plan.providers = names;
    g_assert_true (throttle_plan_is_for (&plan, "orange"));
    g_assert_false (throttle_plan_is_for (&plan, "yahoo"));
    g_assert_false (throttle_plan_is_for (&plan, NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/throttle/warmup/days", test_days);
    g_test_add_func ("/throttle/warmup/plan", test_plan);
    g_test_add_func ("/throttle/warmup/bad-days", test_bad_days);
    g_test_add_func ("/throttle/warmup/midnight", test_midnight);
    g_test_add_func ("/throttle/warmup/shares", test_shares);
    g_test_add_func ("/throttle/warmup/providers", test_providers);
    return g_test_run ();
}
