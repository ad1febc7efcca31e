/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * throttle's limits as the queue meets them: what waits, for whom, until when and why; several limits at once;
 * where a value comes from; a reload; and every interval of what was sent.
 */
#include "harness.h"

#define GOOGLE                                                                                     \
    "[source s1]\n[source s2]\n[provider google]\nmx = google.com\n[provider yahoo]\nmx = "        \
    "yahoodns.net\n"

static void
test_nothing_configured (void)
{
    World *world = world_new (GOOGLE);
    RelaisLaneLimits limits;

    for (guint i = 0; i < 1000; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_connect (world), ==, 0);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.connections, ==, 0);
    g_assert_cmpuint (limits.messages_per_connection, ==, 0);
    g_assert_cmpuint (limits.recipients, ==, 0);
    world_free (world);
}

static void
test_rate (void)
{
    World *world = world_new (GOOGLE "throttle.rate = 20/m\n");

    /* That is yahoo's. */
    for (guint i = 0; i < 10; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
    world = world_new (GOOGLE "[throttle-lane x]\nprovider = google\nrate = 20/m\n");
    /* The default burst of 20/m is two; then one every three seconds, not a microsecond late. */
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 3 * SECOND);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_LANE);
    g_assert_cmpstr (world_reason (world), ==, "rate of provider google from source s1: 20/m");
    /* Another source and another site have their own. */
    relais_test_set_lane (world->test, "s2", "default", "google", "google");
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "s1", "default", "mx.example.org", NULL);
    for (guint i = 0; i < 10; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "s1", "default", "google", "google");
    world_advance (world, 3 * SECOND - 1);
    g_assert_cmpint (world_send (world), ==, 1);
    world_advance (world, 1);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpuint (relais_test_get_count (world->test, "throttle", "throttle_waits", "lane"), ==,
                      2);
    world_free (world);
}

static void
test_several (void)
{
    World *world = world_new ("[throttle]\nrate = 10/s burst 5, 60/m burst 20, 1000/h burst 100\n");
    GArray *sent;

    g_assert_cmpuint (world_run (world, 2 * HOUR), >=, 2000);
    sent = world_end (world);
    assert_kept (sent, 10, SECOND, 5);
    assert_kept (sent, 60, MINUTE, 20);
    assert_kept (sent, 1000, HOUR, 100);
    /* All that the slowest allows. */
    g_assert_cmpuint (sent->len, ==, 2099);
    g_array_unref (sent);
}

/* No limit loses a token for what another one held back. */
static void
test_none_taken (void)
{
    World *world = world_new (GOOGLE "[throttle]\nrate = 60/m burst 3\n[tenant a]\n"
                                     "throttle.rate = 1/m\n[tenant b]\n");

    relais_test_set_tenant (world->test, "a");
    g_assert_cmpint (world_send (world), ==, 0);
    for (guint i = 0; i < 50; i++)
        g_assert_cmpint (world_send (world), ==, MINUTE);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_TENANT);
    g_assert_cmpstr (world_reason (world), ==,
                     "rate of the tenant to provider google from source s1: 1/m");
    relais_test_set_tenant (world->test, "b");
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, SECOND);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_LANE);
    world_free (world);
}

static void
test_campaign (void)
{
    World *world = world_new (GOOGLE "[throttle]\ncampaign_rate = 2/m burst 1\n[tenant a]\n"
                                     "[tenant b]\nthrottle.campaign_rate = 1/h\n");

    relais_test_set_tenant (world->test, "a");
    relais_test_set_campaign (world->test, "spring");
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 30 * SECOND);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_CAMPAIGN);
    relais_test_set_campaign (world->test, "autumn");
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_campaign (world->test, NULL);
    g_assert_cmpint (world_send (world), ==, 0);
    /* The tenant's own figure comes before the one for all. */
    relais_test_set_tenant (world->test, "b");
    relais_test_set_campaign (world->test, "spring");
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, HOUR);
    world_free (world);
}

/* Recipients are counted, and no more are let into a transaction than there are tokens. */
static void
test_recipients (void)
{
    World *world = world_new ("[throttle]\nrate = 60/m burst 10\nrecipients = 7\n");
    RelaisLaneLimits limits;

    g_assert_cmpint (world_send_many (world, 100), ==, 0);
    g_assert_cmpuint (world->sent->len, ==, 7);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.recipients, ==, 7);
    g_assert_cmpint (world_send_many (world, 2), ==, 0);
    g_assert_cmpint (world_send_many (world, 100), ==, 0);
    g_assert_cmpuint (world->sent->len, ==, 10);
    g_assert_cmpint (world_send_many (world, 100), ==, SECOND);
    world_free (world);
}

/* What comes back is free again, and who waits is woken. */
static void
test_returned (void)
{
    World *world = world_new ("[throttle]\nrate = 60/m burst 10\n");
    guint32 n_wakes;

    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_ADMIT), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_get_max_recipients (world->test), ==, 10);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_TAKEN, 10);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_RETURNED, 0);
    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_ADMIT), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_get_max_recipients (world->test), ==, 10);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_TAKEN, 10);
    /* Six were refused before MAIL FROM. */
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_USED, 4);
    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_ADMIT), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_get_max_recipients (world->test), ==, 6);
    /* Never answered: the next run gives it back. */
    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_ADMIT), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_get_max_recipients (world->test), ==, 6);
    n_wakes = relais_test_n_wakes (world->test);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_TAKEN, 6);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_USED, 6);
    g_assert_cmpuint (relais_test_n_wakes (world->test), ==, n_wakes);
    world_free (world);
}

static void
test_connections (void)
{
    World *world =
        world_new (GOOGLE "throttle.connections = 4\n[throttle]\nconnections = 9\n"
                          "messages_per_connection = 50\nconnection_rate = 30/m burst 2\n"
                          "[throttle-lane one]\nsource = s1\nprovider = google\nconnections = 3\n"
                          "[throttle-lane two]\nsource = s1\nmessages_per_connection = 20\n");
    RelaisLaneLimits limits;
    g_autofree char *reason = NULL;

    g_assert_cmpint (world_connect (world), ==, 0);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.connections, ==, 3);
    g_assert_cmpuint (limits.messages_per_connection, ==, 20);
    g_assert_cmpint (world_connect (world), ==, 0);
    g_assert_cmpint (world_connect (world), ==, 2 * SECOND);
    g_assert_cmpstr (world_reason (world), ==,
                     "connection rate of provider google from source s1: 30/m burst 2");
    /* Mail over those that are open goes on. */
    g_assert_cmpint (world_send (world), ==, 0);
    relais_test_set_lane (world->test, "s2", "default", "yahoo", "yahoo");
    g_assert_cmpint (world_connect (world), ==, 0);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.connections, ==, 4);
    g_assert_cmpuint (limits.messages_per_connection, ==, 50);
    relais_test_set_lane (world->test, "s2", "default", "mx.example.org", NULL);
    g_assert_cmpint (world_connect (world), ==, 0);
    relais_test_get_lane_limits (world->test, &limits);
    g_assert_cmpuint (limits.connections, ==, 9);
    world_free (world);
}

/* A reload: the new limit from then on, and none of both exceeded by going to and fro. */
static void
test_reload (void)
{
    World *world = world_new ("[throttle]\nrate = 60/m burst 30\n");
    GArray *sent;
    guint32 n_wakes;

    world_run (world, 5 * MINUTE);
    n_wakes = relais_test_n_wakes (world->test);
    world_reload (world, "[throttle]\nrate = 6/m burst 3\n");
    g_assert_cmpuint (relais_test_n_wakes (world->test), >, n_wakes);
    sent = world->sent;
    world->sent = g_array_new (FALSE, FALSE, sizeof (gint64));
    assert_kept (sent, 60, MINUTE, 30);
    g_array_unref (sent);
    world_run (world, 10 * MINUTE);
    assert_kept (world->sent, 6, MINUTE, 3);
    g_assert_cmpuint (world->sent->len, >=, 59);
    for (guint i = 0; i < 20; i++) {
        world_reload (world, "[throttle]\nrate = 6/m burst 3\nconnections = 5\n");
        world_run (world, 20 * SECOND);
        world_reload (world, "[throttle]\nrate = 6/m burst 3\n");
        world_run (world, 20 * SECOND);
    }
    assert_kept (world->sent, 6, MINUTE, 3);
    world_reload (world, "");
    for (guint i = 0; i < 100; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world_free (world);
}

/* Rates are told apart by their period: another order, or one that is gone, gives no hour back that was used up. */
static void
test_reordered (void)
{
    static const char *const after[] = {"20/h burst 5, 60/m burst 60", "20/h burst 5",
                                        "1000/d burst 1000, 60/m burst 60, 20/h burst 5"};

    for (guint i = 0; i < G_N_ELEMENTS (after); i++) {
        g_autofree char *config = g_strdup_printf ("[throttle]\nrate = %s\n", after[i]);
        World *world = world_new ("[throttle]\nrate = 60/m burst 60, 20/h burst 5\n");

        while (world_send (world) == 0)
            ;
        g_assert_cmpuint (world->sent->len, ==, 5);
        g_test_message ("%s", after[i]);
        world_reload (world, config);
        g_assert_cmpint (world_send (world), ==, 3 * MINUTE);
        world_run (world, 2 * HOUR);
        assert_kept (world->sent, 20, HOUR, 5);
        g_assert_cmpuint (world->sent->len, >=, 44);
        world_free (world);
    }
}

static void
assert_refused (const char *config, const char *wanted)
{
    World *world = world_new ("");
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_reload (world->test, config, &error));
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, wanted));
    world_free (world);
}

static void
test_mistakes (void)
{
    assert_refused ("[throttle]\nrate = 20/week\n", "test.conf:2: rate: \"20/week\": the unit");
    assert_refused (GOOGLE "throttle.rate = 20\n", "test.conf:7: throttle.rate: \"20\": expected");
    assert_refused ("[tenant a]\nthrottle.rate = fast\n", "test.conf:2: throttle.rate:");
    assert_refused ("[throttle-lane a]\nprovider = gogle\n",
                    "test.conf:2: there is no [provider gogle]");
    assert_refused ("[throttle-lane a]\nsource = s9\n", "test.conf:2: there is no [source s9]");
    assert_refused ("[throttle-warmup p]\ncaps = 50 none\n", "test.conf:2: caps: \"none\"");
    assert_refused ("[throttle-warmup p]\ncaps = 0\n", "test.conf:2: caps: \"0\"");
    assert_refused ("[source s1]\nthrottle.warmup = p\n",
                    "test.conf:2: there is no [throttle-warmup p]");
    assert_refused ("[source s1]\nthrottle.warmup = default\n", "needs throttle.warmup_start");
    assert_refused ("[source s1]\nthrottle.warmup = default\nthrottle.warmup_start = 2026-02-30\n",
                    "test.conf:3");
    assert_refused ("[throttle]\nlanes = 99\n", "99");
    assert_refused ("[throttle]\nstep = 100\n", "100");
}

/* More lanes than are remembered: none sends more for it. */
static void
test_many_lanes (void)
{
    World *world = world_new ("[throttle]\nlanes = 100\nrate = 1/m burst 2\n");
    GArray *of[300];

    for (guint i = 0; i < G_N_ELEMENTS (of); i++)
        of[i] = g_array_new (FALSE, FALSE, sizeof (gint64));
    for (guint round = 0; round < 5; round++) {
        for (guint i = 0; i < G_N_ELEMENTS (of); i++) {
            g_autofree char *site = g_strdup_printf ("mx%u.example", i);

            relais_test_set_lane (world->test, "s1", "default", site, NULL);
            while (world_send (world) == 0)
                g_array_append_val (of[i], world->wall_us);
        }
        world_advance (world, 20 * SECOND);
    }
    for (guint i = 0; i < G_N_ELEMENTS (of); i++) {
        assert_kept (of[i], 1, MINUTE, 2);
        g_array_unref (of[i]);
    }
    world_free (world);
}

/* Idle ones are forgotten, and begin full again. */
static void
test_idle (void)
{
    World *world = world_new ("[throttle]\nrate = 1/m burst 2\n");

    for (guint i = 0; i < 3000; i++) {
        g_autofree char *site = g_strdup_printf ("mx%u.example", i);

        relais_test_set_lane (world->test, "s1", "default", site, NULL);
        g_assert_cmpint (world_send (world), ==, 0);
        g_assert_cmpint (world_send (world), ==, 0);
        g_assert_cmpint (world_send (world), ==, MINUTE);
    }
    world_advance (world, HOUR);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, MINUTE);
    world_free (world);
}

/* A day of random limits, random demand, clocks that leap and reloads: brute force over all intervals. */
static void
test_random (void)
{
    for (guint round = 0; round < 10; round++) {
        const gint n = g_test_rand_int_range (1, 200), burst = g_test_rand_int_range (1, 20);
        g_autofree char *config =
            g_strdup_printf ("[throttle]\nrate = %d/m burst %d, 5000/d\n", n, burst);
        World *world = world_new (config);
        GArray *sent;

        for (guint i = 0; i < 400; i++) {
            world_send_many (world, (guint32)g_test_rand_int_range (1, 5));
            if (g_test_rand_int_range (0, 40) == 0)
                world_reload (world, config);
            switch (g_test_rand_int_range (0, 12)) {
            case 0: world_advance (world, HOUR); break;
            case 1: break;
            default: world_advance (world, g_test_rand_int_range (0, 120000000 / n)); break;
            }
        }
        sent = world_end (world);
        assert_kept (sent, n, MINUTE, burst);
        assert_kept (sent, 5000, DAY, 1);
        g_array_unref (sent);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_test_add_func ("/throttle/limits/nothing-configured", test_nothing_configured);
    g_test_add_func ("/throttle/limits/rate", test_rate);
    g_test_add_func ("/throttle/limits/several", test_several);
    g_test_add_func ("/throttle/limits/none-taken", test_none_taken);
    g_test_add_func ("/throttle/limits/campaign", test_campaign);
    g_test_add_func ("/throttle/limits/recipients", test_recipients);
    g_test_add_func ("/throttle/limits/returned", test_returned);
    g_test_add_func ("/throttle/limits/connections", test_connections);
    g_test_add_func ("/throttle/limits/reload", test_reload);
    g_test_add_func ("/throttle/limits/reordered", test_reordered);
    g_test_add_func ("/throttle/limits/mistakes", test_mistakes);
    g_test_add_func ("/throttle/limits/many-lanes", test_many_lanes);
    g_test_add_func ("/throttle/limits/idle", test_idle);
    g_test_add_func ("/throttle/limits/random", test_random);
    return g_test_run ();
}
