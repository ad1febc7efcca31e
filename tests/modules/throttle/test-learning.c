/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * throttle's closed loop: what replies do to a lane and what they leave alone, steps, pauses and what comes after
 * them, the way up, held tenants and campaigns, and warm-up over thirty days.
 */
#include "harness.h"

#define GOOGLE "[source s1]\n[source s2]\n[provider google]\nmx = google.com\n"
#define RULES                                                                                      \
    "[throttle-rule slow]\ncode = 421\nphase = rcpt, body\naction = slow\n"                        \
    "[throttle-rule block]\ncode = 550\ntext = blocked\naction = pause\nfor = 1h\n"                \
    "[throttle-rule many]\ncode = 452\nphase = banner\naction = connections\n"                     \
    "[throttle-rule tenant]\ncode = 451\ntext = spam\naction = stop-tenant\nfor = 2h\n"            \
    "[throttle-rule campaign]\ncode = 451\ntext = link\naction = stop-campaign\nfor = 3h\n"        \
    "[throttle-rule often]\ncode = 450\ntext = busy\naction = slow\nhits = 3/10m\n"

/* The interval between two now. */
static gint64
interval (World *world)
{
    gint64 left;

    while (world_send (world) == 0)
        continue;
    left = world_send (world);
    world_advance (world, left);
    g_assert_cmpint (world_send (world), ==, 0);
    left = world_send (world);
    g_assert_cmpint (left, >, 0);
    return left;
}

static void
slow (World *world)
{
    world_advance (world, SECOND);
    world_reply (world, "dot", 421, "4.7.28", "4.7.28 too many messages from you");
}

static void
assert_event (World *world, const char *action, const char *const *wanted)
{
    g_autofree char *event = world_take_event (world, action);

    g_assert_nonnull (event);
    g_test_message ("%s", event);
    for (; *wanted != NULL; wanted++)
        g_assert_nonnull (strstr (event, *wanted));
}

/* A burst of replies is one step; each step halves, to the floor. */
static void
test_slow (void)
{
    World *world = world_new (GOOGLE RULES "[throttle]\nrate = 60/m burst 1\nmin_rate = 10/m\n");

    g_assert_cmpint (interval (world), ==, SECOND);
    for (guint i = 0; i < 30; i++)
        slow (world);
    assert_event (world, "slow",
                  (const char *const[]){"\"rule\":\"slow\"", "\"from\":\"60/m burst 1\"",
                                        "\"to\":\"30/m burst 1\"", "\"provider\":\"google\"",
                                        "\"source\":\"s1\"", "too many messages", NULL});
    g_assert_null (world_take_event (world, "slow"));
    g_assert_cmpint (interval (world), ==, 2 * SECOND);
    g_assert_nonnull (strstr (world_reason (world), "lowered (slow)"));
    world_advance (world, MINUTE);
    slow (world);
    g_assert_cmpint (interval (world), ==, 4 * SECOND);
    for (guint i = 0; i < 5; i++) {
        world_advance (world, MINUTE);
        slow (world);
    }
    g_assert_cmpint (interval (world), <=, 6 * SECOND);
    g_assert_cmpint (interval (world), >=, 6 * SECOND - 100);
    /* The other source goes on as before. */
    relais_test_set_lane (world->test, "s2", "default", "google", "google");
    g_assert_cmpint (interval (world), ==, SECOND);
    world_free (world);
}

/* Time without a bad sign raises by a tenth each five minutes; successes do sooner. */
static void
test_raise (void)
{
    World *world =
        world_new (GOOGLE RULES "[throttle]\nrate = 60/m burst 1\nraise_successes = 50\n");

    slow (world);
    slow (world);
    g_assert_cmpint (interval (world), ==, 2 * SECOND);
    world_advance (world, 5 * MINUTE);
    g_assert_cmpint (interval (world), ==, 1666667);
    assert_event (world, "raise",
                  (const char *const[]){"\"from\":\"30/m burst 1\"", "\"to\":\"36/m burst 1\"",
                                        "no bad sign", NULL});
    for (guint i = 0; i < 49; i++)
        world_deliver (world);
    g_assert_cmpint (interval (world), ==, 1666667);
    world_deliver (world);
    assert_event (world, "raise",
                  (const char *const[]){"\"to\":\"42/m burst 1\"", "successes", NULL});
    /* Not again before a minute, and a bad sign begins anew. */
    for (guint i = 0; i < 200; i++)
        world_deliver (world);
    g_assert_null (world_take_event (world, "raise"));
    world_advance (world, MINUTE);
    world_reply (world, "dot", 450, "4.3.0", "something");
    for (guint i = 0; i < 49; i++)
        world_deliver (world);
    g_assert_null (world_take_event (world, "raise"));
    world_deliver (world);
    assert_event (world, "raise", (const char *const[]){"successes", NULL});
    world_advance (world, DAY);
    g_assert_cmpint (interval (world), ==, SECOND);
    world_free (world);
}

/* What is far below is raised by a quarter of itself, not by a tenth of the whole. */
static void
test_raise_from_below (void)
{
    World *world = world_new (GOOGLE RULES "[throttle]\nrate = 80/m burst 1\n");

    for (guint i = 0; i < 3; i++) {
        slow (world);
        world_advance (world, MINUTE);
    }
    g_assert_cmpint (interval (world), ==, 6 * SECOND);
    world_advance (world, 5 * MINUTE);
    g_assert_cmpint (interval (world), ==, 4800000);
    world_free (world);
}

/* Without a configured rate: from what went in the last minutes. */
static void
test_measured (void)
{
    World *world = world_new (GOOGLE RULES);

    for (guint i = 0; i < 300; i++) {
        g_assert_cmpint (world_send (world), ==, 0);
        world_deliver (world);
        world_advance (world, SECOND / 2);
    }
    slow (world);
    /* 120/m became 60/m. */
    g_assert_cmpint (interval (world), >=, SECOND * 95 / 100);
    g_assert_cmpint (interval (world), <=, SECOND * 110 / 100);
    assert_event (world, "slow", (const char *const[]){"\"from\":\"unlimited\"", NULL});
    /* Back at 120/m, and then by quarters: there is a limit somewhere. */
    world_advance (world, 25 * MINUTE);
    g_assert_cmpint (interval (world), >=, SECOND / 2 * 95 / 100);
    /* Not while it is not used. */
    world_advance (world, HOUR);
    g_assert_cmpint (interval (world), >=, SECOND / 2 * 95 / 100);
    for (guint i = 0; i < 700; i++) {
        world_send (world);
        world_deliver (world);
        world_advance (world, SECOND / 2);
    }
    g_assert_cmpint (interval (world), >=, SECOND / 2 * 50 / 100);
    g_assert_cmpint (interval (world), <=, SECOND / 2 * 90 / 100);
    world_advance (world, DAY + HOUR);
    for (guint i = 0; i < 100; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
}

/* Rests as long as the rule says, then goes on at half the rate, with nothing saved up. */
static void
test_pause (void)
{
    World *world = world_new (GOOGLE RULES "[throttle]\nrate = 60/m burst 30\n");
    guint n;

    world_send (world);
    world_reply (world, "mail", 550, "5.7.1", "5.7.1 your address is blocked");
    assert_event (world, "pause",
                  (const char *const[]){"\"until\":\"2040-01-01T01:00:00Z\"", "\"rule\":\"block\"",
                                        "is blocked", NULL});
    g_assert_cmpint (world_send (world), ==, HOUR);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_LANE);
    g_assert_nonnull (strstr (world_reason (world), "rests from source s1 (block)"));
    g_assert_cmpint (world_connect (world), ==, HOUR);
    /* What was on its way comes back with the same: nothing is added. */
    for (guint i = 0; i < 20; i++)
        world_reply (world, "mail", 550, "5.7.1", "5.7.1 your address is blocked");
    g_assert_null (world_take_event (world, "pause"));
    world_advance (world, HOUR);
    g_assert_cmpint (world_send (world), ==, 2 * SECOND);
    assert_event (world, "resume", (const char *const[]){"\"to\":\"30/m burst 15\"", NULL});
    n = world_run (world, MINUTE);
    g_assert_cmpuint (n, <=, 30);
    g_assert_cmpuint (n, >=, 29);
    n = world_run (world, HOUR);
    g_assert_cmpuint (n, <=, 3600);
    g_assert_cmpuint (n, >=, 3000);
    world_free (world);
}

static void
test_connections (void)
{
    World *world = world_new (GOOGLE RULES "[throttle]\nconnections = 8\n");
    static const guint32 wanted[] = {4, 2, 1, 1};
    RelaisLaneLimits limits;

    for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
        world_advance (world, MINUTE);
        world_reply (world, "banner", 452, NULL, "too many connections");
        g_assert_cmpint (world_connect (world), ==, 0);
        relais_test_get_lane_limits (world->test, &limits);
        g_assert_cmpuint (limits.connections, ==, wanted[i]);
    }
    assert_event (world, "connections",
                  (const char *const[]){"\"from\":\"8\"", "\"to\":\"4\"", NULL});
    world_advance (world, DAY);
    g_assert_cmpint (world_connect (world), ==, 0);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.connections, ==, 8);
    world_free (world);
}

static void
test_stops (void)
{
    World *world = world_new (GOOGLE RULES);

    relais_test_set_tenant (world->test, "a");
    relais_test_set_campaign (world->test, "spring");
    world_reply (world, "dot", 451, "4.7.1", "4.7.1 a bad link");
    assert_event (world, "stop-campaign",
                  (const char *const[]){"\"tenant\":\"a\"", "\"campaign\":\"spring\"", NULL});
    g_assert_cmpint (world_send (world), ==, 3 * HOUR);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_CAMPAIGN);
    relais_test_set_campaign (world->test, NULL);
    g_assert_cmpint (world_send (world), ==, 0);
    world_advance (world, SECOND);
    world_reply (world, "dot", 451, "4.7.1", "4.7.1 looks like spam");
    g_assert_cmpint (world_send (world), ==, 2 * HOUR);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_TENANT);
    /* From any source, but to this provider alone, and others' mail goes. */
    relais_test_set_lane (world->test, "s2", "default", "google", "google");
    g_assert_cmpint (world_send (world), ==, 2 * HOUR);
    relais_test_set_lane (world->test, "s1", "default", "mx.example.org", NULL);
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "s1", "default", "google", "google");
    relais_test_set_tenant (world->test, "b");
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_tenant (world->test, "a");
    world_advance (world, 2 * HOUR);
    g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
}

static void
test_hits (void)
{
    World *world = world_new (GOOGLE RULES "[throttle]\nrate = 60/m burst 1\nslow_at = 0\n");

    for (guint i = 0; i < 20; i++) /* all recipients of one transaction */
        world_reply (world, "dot", 450, NULL, "busy");
    g_assert_null (world_take_event (world, "slow"));
    world_advance (world, 9 * MINUTE);
    world_reply (world, "dot", 450, NULL, "busy");
    world_advance (world, 9 * MINUTE);
    world_reply (world, "dot", 450, NULL, "busy");
    g_assert_null (world_take_event (world, "slow"));
    world_advance (world, MINUTE);
    world_reply (world, "dot", 450, NULL, "busy");
    assert_event (world, "slow", (const char *const[]){"\"rule\":\"often\"", NULL});
    world_free (world);
}

/* Nothing of this may close a lane, or slow it down. */
static void
test_left_alone (void)
{
    World *world = world_new (GOOGLE RULES "[throttle-rule all]\ntext = .\naction = pause\n"
                                           "for = 1h\n[throttle]\nrate = 60/m burst 1\n");

    for (guint i = 0; i < 100; i++) {
        /* one mailbox */
        world_reply (world, "rcpt", 421, "4.2.1", "4.2.1 the user is receiving too much");
        world_reply (world, "rcpt", 452, "4.2.2", "4.2.2 mailbox full");
        world_reply (world, "rcpt", 550, "5.1.1", "5.1.1 unknown user, blocked");
        /* ours */
        world_reply (world, "connect", 0, NULL, "time-out");
        world_advance (world, SECOND);
    }
    g_assert_cmpint (interval (world), ==, SECOND);
    /* one was refused, another one of the same message was taken: before it, and after it */
    world_reply (world, "rcpt", 421, "4.7.28", "too many");
    world_deliver (world);
    world_advance (world, SECOND / 2);
    world_reply (world, "rcpt", 421, "4.7.28", "too many");
    world_advance (world, SECOND / 4);
    g_assert_null (world_take_event (world, "slow"));
    g_assert_cmpint (interval (world), ==, SECOND);
    /* one alone is about the lane */
    world_advance (world, MINUTE);
    world_reply (world, "rcpt", 421, "4.7.28", "too many");
    world_advance (world, 0);
    assert_event (world, "slow", (const char *const[]){"\"rule\":\"slow\"", NULL});
    world_free (world);
}

static void
test_deferrals (void)
{
    World *world = world_new (GOOGLE "[throttle]\nrate = 60/m burst 1\n");
    g_autofree char *event = NULL;

    for (guint i = 0; i < 19; i++)
        world_reply (world, "dot", 450, "4.3.0", "try again");
    g_assert_null (world_take_event (world, "slow"));
    world_reply (world, "dot", 450, "4.3.0", "try again");
    assert_event (world, "slow",
                  (const char *const[]){"\"rule\":\"deferrals\"", "20 of 20 deferred", NULL});
    /* Counted anew; 30 % is not too many, one more is; what is older than five minutes is not counted. */
    world_advance (world, 10 * MINUTE);
    for (guint i = 0; i < 70; i++)
        world_deliver (world);
    for (guint i = 0; i < 30; i++)
        world_reply (world, "dot", 450, "4.3.0", "try again");
    g_assert_null (world_take_event (world, "slow"));
    world_reply (world, "dot", 450, "4.3.0", "try again");
    event = world_take_event (world, "slow");
    g_assert_nonnull (strstr (event, "31 of 101 deferred"));
    world_advance (world, 6 * MINUTE);
    for (guint i = 0; i < 100; i++)
        world_deliver (world);
    world_advance (world, 6 * MINUTE);
    for (guint i = 0; i < 19; i++)
        world_reply (world, "dot", 450, "4.3.0", "try again");
    g_assert_null (world_take_event (world, "slow"));
    world_free (world);
}

/* What a rule knows and does nothing about is no deferral that says something of the lane. */
static void
test_greylisted (void)
{
    World *world = world_new (GOOGLE "[throttle]\nrate = 60/m burst 1\n"
                                     "[throttle-rule greylist]\ncode = 4xx\ntext = greylist\n"
                                     "action = none\n");

    for (guint i = 0; i < 100; i++)
        world_reply (world, "dot", 450, "4.7.1", "greylisted, come back");
    g_assert_null (world_take_event (world, "slow"));
    for (guint i = 0; i < 50; i++)
        world_reply (world, "dot", 450, "4.3.0", "try again");
    assert_event (world, "slow", (const char *const[]){"\"rule\":\"deferrals\"", NULL});
    world_free (world);
}

/* --- Warm-up ---------------------------------------------------------------------------------- */

#define WARM                                                                                       \
    "[source old]\n[source s1]\nthrottle.warmup = plan\nthrottle.warmup_start = " BEGIN_DAY "\n"   \
    "[provider google]\nmx = google.com\n[provider other]\nmx = other.example\n"

/* Thirty days with more mail than may go: each day its cap to the last one, no hour more than its share. */
static void
test_thirty_days (void)
{
    World *world = world_new (WARM "[throttle-warmup plan]\ncaps = 5 10 15 20 25 30 35 40 45 50 "
                                   "55 60 65 70 75 80 85 90 95 100 105 110 115 120 125 130 135 "
                                   "140 145 150\n");

    for (guint day = 0; day < 30; day++) {
        const guint cap = 5 * (day + 1);
        guint n = 0;

        for (guint hour = 0; hour < 24; hour++) {
            const guint in_hour = world_run (world, HOUR);

            g_assert_cmpuint (in_hour, <=, 2 * (cap / 24 + 1));
            n += in_hour;
        }
        g_assert_cmpuint (n, <=, cap);
        g_assert_cmpuint (n, >=, cap - 1);
        assert_kept (world->sent, cap, DAY, (cap + 23) / 24);
    }
    /* It is over. */
    for (guint i = 0; i < 1000; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
}

static void
test_cap (void)
{
    World *world = world_new (WARM "[throttle-warmup plan]\ncaps = 100 200\nspread = no\n"
                                   "provider = google\n");
    gint64 left;

    world_advance (world, 6 * HOUR);
    g_assert_cmpuint (world_run (world, MINUTE), ==, 100);
    left = world_send (world);
    g_assert_cmpint (left, ==, BEGIN + DAY - world->wall_us);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_LANE);
    g_assert_cmpstr (world_reason (world), ==,
                     "warm-up of source s1 to provider google: the day's 100 are sent");
    /* Other providers, and sources that are not warmed up, take what comes. */
    relais_test_set_lane (world->test, "s1", "default", "other", "other");
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "old", "default", "google", "google");
    for (guint i = 0; i < 1000; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "s1", "default", "google", "google");
    world_advance (world, left);
    g_assert_cmpuint (world_run (world, DAY), ==, 200);
    for (guint i = 0; i < 500; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
}

static void
test_not_begun (void)
{
    World *world = world_new ("[source s1]\nthrottle.warmup = default\n"
                              "throttle.warmup_start = 2040-01-03\n");

    g_assert_cmpint (world_send (world), ==, 2 * DAY);
    g_assert_cmpstr (world_reason (world), ==, "warm-up of source s1 begins on 2040-01-03");
    world_advance (world, 2 * DAY);
    g_assert_cmpuint (world_run (world, DAY), >=, 49);
    world_free (world);
}

/* A pause holds the plan for a day; two bad days in a row take it back. */
static void
test_bad_days (void)
{
    static const struct {
        bool bad;
        guint cap;
    } days[] = {{false, 100}, {true, 200},  {false, 200}, {true, 400},
                {true, 400},  {false, 200}, {false, 400}, {false, 800}};
    World *world = world_new (WARM RULES "[throttle-warmup plan]\ncaps = 100 200 400 800\n"
                                         "spread = no\n");

    for (guint i = 0; i < G_N_ELEMENTS (days); i++) {
        g_test_message ("day %u", i);
        g_assert_cmpuint (world_run (world, 12 * HOUR), ==, days[i].cap);
        if (days[i].bad) {
            world_reply (world, "mail", 550, "5.7.1", "blocked");
            world_reply (world, "mail", 550, "5.7.1", "blocked");
            assert_event (world, "warmup-held", (const char *const[]){"\"rule\":\"block\"", NULL});
            g_assert_null (world_take_event (world, "warmup-held"));
        }
        world_advance (world, 12 * HOUR);
    }
    world_free (world);
}

static void
test_bad_by_deferrals (void)
{
    World *world = world_new (WARM "[throttle]\nslow_at = 0\n[throttle-warmup plan]\n"
                                   "caps = 100 200\nspread = no\nbad_at = 10\n");

    g_assert_cmpuint (world_run (world, HOUR), ==, 100);
    for (guint i = 0; i < 90; i++)
        world_deliver (world);
    for (guint i = 0; i < 10; i++)
        world_reply (world, "dot", 450, NULL, "later");
    g_assert_null (world_take_event (world, "warmup-held"));
    world_reply (world, "dot", 450, NULL, "later");
    assert_event (world, "warmup-held",
                  (const char *const[]){"\"rule\":\"deferrals\"", "\"to\":\"100\"", NULL});
    world_advance (world, DAY);
    g_assert_cmpuint (world_run (world, HOUR), ==, 100);
    world_free (world);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_test_add_func ("/throttle/learning/slow", test_slow);
    g_test_add_func ("/throttle/learning/raise", test_raise);
    g_test_add_func ("/throttle/learning/raise-from-below", test_raise_from_below);
    g_test_add_func ("/throttle/learning/measured", test_measured);
    g_test_add_func ("/throttle/learning/pause", test_pause);
    g_test_add_func ("/throttle/learning/connections", test_connections);
    g_test_add_func ("/throttle/learning/stops", test_stops);
    g_test_add_func ("/throttle/learning/hits", test_hits);
    g_test_add_func ("/throttle/learning/left-alone", test_left_alone);
    g_test_add_func ("/throttle/learning/deferrals", test_deferrals);
    g_test_add_func ("/throttle/learning/greylisted", test_greylisted);
    g_test_add_func ("/throttle/warmup/thirty-days", test_thirty_days);
    g_test_add_func ("/throttle/warmup/cap", test_cap);
    g_test_add_func ("/throttle/warmup/not-begun", test_not_begun);
    g_test_add_func ("/throttle/warmup/bad-days", test_bad_days);
    g_test_add_func ("/throttle/warmup/bad-by-deferrals", test_bad_by_deferrals);
    return g_test_run ();
}
