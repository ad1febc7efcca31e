/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What throttle keeps over a restart and over kill -9, on a store on disk; that no limit and no cap of warm-up is
 * exceeded across either; and a store that is not there, or fails.
 */
#include "harness.h"

#include <relais/store.h>

#include <sys/wait.h>
#include <unistd.h>

#define GOOGLE "[source s1]\n[provider google]\nmx = google.com\n"
#define RULES                                                                                      \
    "[throttle-rule slow]\ncode = 421\naction = slow\n"                                            \
    "[throttle-rule block]\ncode = 550\naction = pause\nfor = 6h\n"                                \
    "[throttle-rule tenant]\ncode = 451\naction = stop-tenant\nfor = 2h\n"
#define WARM                                                                                       \
    "[source s1]\nthrottle.warmup = plan\nthrottle.warmup_start = " BEGIN_DAY "\n"                 \
    "[throttle-warmup plan]\n"

/* Stops and starts; what was sent goes on being written down. */
static World *
restart (World *world, const char *config, const char *dir, gint64 after_us)
{
    const gint64 wall_us = world->wall_us + after_us;
    GArray *sent = world_end (world);
    World *next = world_new_at (config, dir, wall_us);

    g_array_unref (next->sent);
    next->sent = sent;
    return next;
}

static void
test_buckets (void)
{
    const char *config = "[throttle]\nrate = 60/m burst 20, 300/h burst 30\n"
                         "connection_rate = 6/h burst 3\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN);
    GArray *sent;
    guint n = 0;

    for (guint i = 0; i < 3; i++)
        g_assert_cmpint (world_connect (world), ==, 0);
    for (guint i = 0; i < 25; i++) {
        n += world_run (world, g_test_rand_int_range (1, 200) * SECOND);
        world = restart (world, config, dir, g_test_rand_int_range (0, 3) * SECOND);
        if (i == 0)
            g_assert_cmpint (world_connect (world), >, 0);
    }
    g_assert_cmpuint (n, >, 30);
    /* A long stop fills them to the burst and no further. */
    world = restart (world, config, dir, 3 * DAY);
    g_assert_cmpuint (world_run (world, SECOND), ==, 20);
    sent = world_end (world);
    assert_kept (sent, 60, MINUTE, 20);
    assert_kept (sent, 300, HOUR, 30);
    g_array_unref (sent);
    remove_dir (dir);
}

/* A limit that was changed while it was down. */
static void
test_changed (void)
{
    char *dir = make_dir ();
    World *world = world_new_at ("[throttle]\nrate = 60/m burst 20\n", dir, BEGIN);

    for (guint i = 0; i < 10; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world = restart (world, "[throttle]\nrate = 6/m burst 2\n", dir, 0);
    /* Half of the old burst was left. */
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 10 * SECOND);
    world_free (world);
    remove_dir (dir);
}

/* An hour that was used up is the hour's wherever it stands. */
static void
test_reordered (void)
{
    char *dir = make_dir ();
    World *world = world_new_at ("[throttle]\nrate = 60/m burst 60, 20/h burst 5\n", dir, BEGIN);

    for (guint i = 0; i < 5; i++)
        g_assert_cmpint (world_send (world), ==, 0);
    world = restart (world, "[throttle]\nrate = 20/h burst 5, 60/m burst 60\n", dir, 0);
    g_assert_cmpint (world_send (world), ==, 3 * MINUTE);
    world_free (world);
    remove_dir (dir);
}

static void
test_learned (void)
{
    const char *config = GOOGLE RULES "[throttle]\nrate = 60/m burst 1\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN);

    world_send (world);
    world_reply (world, "dot", 421, NULL, "slow down");
    g_assert_cmpint (world_send (world), ==, 2 * SECOND);
    world = restart (world, config, dir, 0);
    g_assert_cmpint (world_send (world), ==, 2 * SECOND);
    g_assert_nonnull (strstr (world_reason (world), "lowered (slow)"));
    /* The time that it was down is time without a bad sign. */
    world = restart (world, config, dir, 5 * MINUTE);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 1666667);
    world_advance (world, MINUTE);
    relais_test_set_tenant (world->test, "a");
    world_reply (world, "dot", 451, NULL, "spam");
    world_reply (world, "mail", 550, NULL, "blocked");
    world = restart (world, config, dir, HOUR);
    g_assert_cmpint (world_send (world), ==, 5 * HOUR);
    g_assert_nonnull (strstr (world_reason (world), "(block): blocked"));
    world_advance (world, 5 * HOUR);
    g_assert_cmpint (world_send (world), >=, SECOND);
    world = restart (world, config, dir, 0);
    world_reply (world, "dot", 451, NULL, "spam");
    relais_test_set_tenant (world->test, "a");
    world_advance (world, MINUTE);
    world_reply (world, "dot", 451, NULL, "spam");
    world = restart (world, config, dir, HOUR);
    relais_test_set_tenant (world->test, "a");
    g_assert_cmpint (world_send (world), >=, HOUR - MINUTE);
    g_assert_cmpuint (world_scope (world), ==, RELAIS_WAIT_TENANT);
    world_free (world);
    remove_dir (dir);
}

/* Tenants' and campaigns' buckets are not kept: they begin empty. */
static void
test_shares (void)
{
    const char *config = "[source s1]\n[tenant a]\ndomains = a.test\nthrottle.rate = 6/h burst 2\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN);
    GArray *sent;

    relais_test_set_tenant (world->test, "a");
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 0);
    g_assert_cmpint (world_send (world), ==, 10 * MINUTE);
    world = restart (world, config, dir, SECOND);
    relais_test_set_tenant (world->test, "a");
    g_assert_cmpuint (world_run (world, HOUR), >=, 5);
    sent = world_end (world);
    assert_kept (sent, 6, HOUR, 2);
    g_array_unref (sent);
    remove_dir (dir);
}

/* The clock was ahead when it was written: what was to last six hours does. */
static void
test_clock_back (void)
{
    const char *config = GOOGLE RULES "[throttle]\nrate = 60/m burst 1\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN + 30 * DAY);

    world_reply (world, "mail", 550, NULL, "blocked");
    g_assert_cmpint (world_send (world), ==, 6 * HOUR);
    world = restart (world, config, dir, -30 * DAY);
    g_assert_cmpint (world_send (world), ==, 6 * HOUR);
    world_free (world);
    remove_dir (dir);
}

/* The same of a tenant that is held. */
static void
test_clock_back_stop (void)
{
    const char *config = GOOGLE RULES;
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN + 30 * DAY);

    relais_test_set_tenant (world->test, "a");
    world_reply (world, "dot", 451, NULL, "spam");
    g_assert_cmpint (world_send (world), ==, 2 * HOUR);
    world = restart (world, config, dir, HOUR);
    relais_test_set_tenant (world->test, "a");
    g_assert_cmpint (world_send (world), ==, HOUR);
    world = restart (world, config, dir, -30 * DAY);
    relais_test_set_tenant (world->test, "a");
    g_assert_cmpint (world_send (world), ==, 2 * HOUR);
    world_free (world);
    remove_dir (dir);
}

/* --- kill -9 ---------------------------------------------------------------------------------- */

typedef struct {
    guint32 n;      /* sent in that life */
    gint64 wall_us; /* when it ended */
} Life;

/* One life in a process of its own, that ends without a word after so many are sent or so much time has passed. */
static Life
live_and_die (const char *config, const char *dir, gint64 wall_us, guint32 most, gint64 for_us,
              GArray *sent)
{
    Life life = {0, wall_us};
    int pipes[2], status;
    gint64 at_us;
    pid_t pid;

    g_assert_cmpint (pipe (pipes), ==, 0);
    pid = fork ();
    g_assert_cmpint (pid, >=, 0);
    if (pid == 0) {
        World *world = world_new_at (config, dir, wall_us);
        const gint64 end_us = wall_us + for_us;

        while (world->sent->len < most && world->wall_us < end_us) {
            const gint64 left = world_send (world);

            if (left > 0)
                world_advance (world, MIN (left, end_us - world->wall_us));
        }
        g_array_append_val (world->sent, world->wall_us); /* when it ended */
        for (guint i = 0; i < world->sent->len; i++)
            if (write (pipes[1], &g_array_index (world->sent, gint64, i), sizeof at_us) !=
                sizeof at_us)
                _exit (1);
        _exit (0);
    }
    close (pipes[1]);
    while (read (pipes[0], &at_us, sizeof at_us) == sizeof at_us) {
        g_array_append_val (sent, at_us);
        life.n++;
        life.wall_us = at_us;
    }
    close (pipes[0]);
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
    g_assert_cmpuint (life.n, >, 0);
    g_array_set_size (sent, sent->len - 1);
    life.n--;
    return life;
}

/* Buckets begin empty, so no interval across a crash has more than is allowed. */
static void
test_crash_buckets (void)
{
    const char *config = "[throttle]\nrate = 60/m burst 20, 1000/h burst 50\n";
    g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (gint64));
    char *dir = make_dir ();
    gint64 wall_us = BEGIN;

    for (guint i = 0; i < 8; i++)
        wall_us = live_and_die (config, dir, wall_us, (guint32)g_test_rand_int_range (1, 60),
                                g_test_rand_int_range (5, 100) * SECOND, sent)
                      .wall_us;
    assert_kept (sent, 60, MINUTE, 20);
    assert_kept (sent, 1000, HOUR, 50);
    g_assert_cmpuint (sent->len, >, 20);
    remove_dir (dir);
}

/* The day's cap holds whatever dies when, and a crash costs at most a twentieth of it. */
static void
test_crash_warmup (void)
{
    const char *config = WARM "caps = 200 400\nspread = no\n";
    g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (gint64));
    char *dir = make_dir ();
    guint n = 0, crashes = 0;
    World *world;

    for (; crashes < 6; crashes++)
        n += live_and_die (config, dir, BEGIN + crashes * HOUR,
                           (guint32)g_test_rand_int_range (1, 40), HOUR, sent)
                 .n;
    world = world_new_at (config, dir, BEGIN + 12 * HOUR);
    n += world_run (world, 11 * HOUR);
    g_assert_cmpuint (n, <=, 200);
    g_assert_cmpuint (n, >=, 200 - 10 * 2 * crashes);
    /* A clean stop costs none. */
    world_advance (world, HOUR);
    n = world_run (world, HOUR);
    g_assert_cmpuint (n, ==, 400);
    world_free (world);
    remove_dir (dir);
}

static void
test_warmup_restart (void)
{
    const char *config = WARM "caps = 240 480\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN);
    guint n = 0;

    for (guint hour = 0; hour < 24; hour++) {
        n += world_run (world, HOUR);
        world = restart (world, config, dir, 0);
    }
    g_assert_cmpuint (n, <=, 240);
    g_assert_cmpuint (n, >=, 235);
    assert_kept (world->sent, 240, DAY, 10);
    n = world_run (world, DAY);
    g_assert_cmpuint (n, <=, 480);
    g_assert_cmpuint (n, >=, 475);
    world_free (world);
    remove_dir (dir);
}

/* --- No store, a bad one ---------------------------------------------------------------------- */

/* How many lanes are warmed up. */
static guint
count_warm (World *world)
{
    const char *const words[] = {"--json", "warmup", NULL};
    g_autofree char *output = NULL;
    guint n = 0;

    g_assert_cmpint (relais_test_command (world->test, words, &output), ==, 0);
    for (const char *p = output; (p = strstr (p, "\"cap\"")) != NULL; p++)
        n++;
    return n;
}

/* A lane is remembered while something of its plan is counted, and no longer. */
static void
test_warmup_forgotten (void)
{
    World *world = world_new (WARM "caps = 5 5 5\n");

    g_assert_cmpuint (world_run (world, 5 * SECOND), ==, 1);
    world_advance (world, HOUR);
    g_assert_cmpuint (count_warm (world), ==, 1);
    world_advance (world, DAY);
    world_advance (world, HOUR);
    g_assert_cmpuint (count_warm (world), ==, 0);
    /* The day of the plan is the calendar's. */
    g_assert_cmpuint (world_run (world, 5 * SECOND), ==, 1);
    g_assert_cmpuint (count_warm (world), ==, 1);
    world_free (world);
}

/* More lanes than are remembered: a day's count of one that had to go is not begun anew, and the next day is. Without a
 * store a lane that comes back counts as having used all that one did. */
static void
check_evicted (World *world, bool stored)
{
    guint n[150] = {0};

    for (guint round = 0; round < 2; round++)
        for (guint i = 0; i < G_N_ELEMENTS (n); i++) {
            g_autofree char *site = g_strdup_printf ("mx%u.example", i);

            relais_test_set_lane (world->test, "s1", "default", site, NULL);
            n[i] += world_run (world, 4 * SECOND);
            g_assert_cmpuint (n[i], <=, 5);
            if (round > 0 && stored)
                g_assert_cmpuint (n[i], ==, 5);
        }
    world_advance (world, DAY);
    relais_test_set_lane (world->test, "s1", "default", "mx0.example", NULL);
    g_assert_cmpuint (world_run (world, 4 * SECOND), ==, 7);
    world_free (world);
}

static void
test_warmup_evicted (void)
{
    const char *config = WARM "caps = 5 7 9\nspread = no\n[throttle]\nlanes = 100\n";

    check_evicted (world_new (config), true);
    check_evicted (world_new_bare (config), false);
}

/* More in the store than there is room for: those that were read at the start are not read again when they are asked
 * about, those that were not are, and none counts more than it used. */
static void
test_warmup_many_kept (void)
{
    const char *config = WARM "caps = 1000 2000\nspread = no\n[throttle]\nlanes = 100\n";
    char *dir = make_dir ();
    World *world = world_new_at (config, dir, BEGIN);
    guint at_once = 0;

    for (guint i = 0; i < 120; i++) {
        g_autofree char *site = g_strdup_printf ("mx%u.example", i);

        relais_test_set_lane (world->test, "s1", "default", site, NULL);
        while (world_send (world) != 0)
            world_advance (world, SECOND);
    }
    world = restart (world, config, dir, 0);
    for (guint i = 0; i < 120; i++) {
        g_autofree char *site = g_strdup_printf ("mx%u.example", i);
        guint tries = 0;

        relais_test_set_lane (world->test, "s1", "default", site, NULL);
        while (world_send (world) != 0 && tries++ < 10)
            world_advance (world, SECOND);
        at_once += tries == 0;
        g_assert_cmpuint (tries, <, 10);
    }
    g_assert_cmpuint (at_once, >=, 50);
    g_assert_cmpuint (at_once, <, 120);
    world_free (world);
    remove_dir (dir);
}

/* What a reload finds to be written is written by the plans of today. */
static void
test_reload_dirty (void)
{
    World *world = world_new (WARM "caps = 5 7 9\nspread = no\n");

    g_assert_cmpuint (world_run (world, 2 * SECOND), ==, 5);
    world_reload (world, WARM "caps = 6 7 9\nspread = no\n");
    world_advance (world, 10 * SECOND);
    g_assert_cmpuint (world_run (world, 2 * SECOND), ==, 1);
    world_reload (world, WARM "caps = 8 7 9\nspread = no\n");
    world_free (world);
}

static void
test_no_store (void)
{
    World *world = world_new_bare (GOOGLE WARM "caps = 100 200\nspread = no\n"
                                               "[throttle]\nrate = 60/m burst 10\n");

    g_assert_cmpuint (relais_test_get_count (world->test, "throttle", "throttle_store_errors", ""),
                      ==, 1);
    /* It may have crashed: nothing is saved up. */
    g_assert_cmpint (world_send (world), ==, SECOND);
    g_assert_cmpuint (world_run (world, HOUR), ==, 100);
    world_advance (world, DAY - HOUR);
    g_assert_cmpuint (world_run (world, HOUR), ==, 200);
    world_free (world);
}

static void
test_failing_store (void)
{
    World *world = world_new (GOOGLE RULES WARM "caps = 100 200\nspread = no\n"
                                                "[throttle]\nrate = 600/m burst 10\n");

    g_assert_cmpuint (world_run (world, 2 * SECOND), ==, 29);
    relais_test_fail_store (world->test, "disk full");
    g_assert_cmpuint (world_run (world, HOUR), ==, 71);
    world_reply (world, "dot", 421, NULL, "slow down");
    world_advance (world, MINUTE);
    g_assert_cmpuint (relais_test_get_count (world->test, "throttle", "throttle_store_errors", ""),
                      >, 1);
    relais_test_fail_store (world->test, NULL);
    world_advance (world, DAY);
    g_assert_cmpuint (world_run (world, HOUR), ==, 200);
    world_free (world);
}

/* --- Records that are not what was written --------------------------------------------------- */

static const char *const odd_numbers[] = {"wall",  "now", "base", "pause", "step", "raise",
                                          "start", "day", "held", "used",  "sure", NULL};
static const char *const odd_meters[] = {"messages", "connects", "spread", NULL};

/* A record in which the members named hold the value, and all others what they may. */
static void
put_record (World *world, const char *const *odd, GVariant *value)
{
    RelaisModule *module = relais_test_find_module (world->test, "throttle");
    g_autoptr (GVariant) record = NULL;
    GVariantDict dict;

    g_variant_dict_init (&dict, NULL);
    g_variant_dict_insert (&dict, "source", "s", "s1");
    g_variant_dict_insert (&dict, "site", "s", "site.test");
    for (guint i = 0; odd_numbers[i] != NULL; i++)
        g_variant_dict_insert (&dict, odd_numbers[i], "x", G_GINT64_CONSTANT (1));
    g_variant_dict_insert (&dict, "wall", "x", BEGIN - DAY);
    g_variant_dict_insert (&dict, "parts", "u", 1000000u);
    for (guint i = 0; odd[i] != NULL; i++)
        g_variant_dict_insert_value (&dict, odd[i], value);
    record = g_variant_ref_sink (g_variant_dict_end (&dict));
    relais_store_put (module, "lodd", 4, g_variant_get_data (record), g_variant_get_size (record),
                      0, NULL, NULL);
}

static GVariant *
odd_meter (gint64 number)
{
    GVariantBuilder builder;

    g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(xxxxx)"));
    g_variant_builder_add (&builder, "(xxxxx)", G_GINT64_CONSTANT (60), MINUTE,
                           G_GINT64_CONSTANT (10), number, number);
    g_variant_builder_add (&builder, "(xxxxx)", number, number, number, number, number);
    return g_variant_builder_end (&builder);
}

/* The module reads it at its start, and keeps its limits. */
static void
check_record (const char *const *odd, GVariant *value)
{
    const char *config = WARM "caps = 100 200\n[throttle]\nrate = 60/m burst 10, 600/h burst 20\n";
    g_autoptr (GVariant) owned = g_variant_ref_sink (value);
    char *dir = make_dir ();
    World *world = world_new_at ("[throttle]\n", dir, BEGIN - DAY);
    g_autoptr (GArray) sent = NULL;

    put_record (world, odd, owned);
    world_free (world);
    world = world_new_at (config, dir, BEGIN);
    relais_test_set_lane (world->test, "s1", "default", "site.test", NULL);
    (void)world_run (world, 10 * MINUTE);
    world_advance (world, 9 * DAY); /* no pause that was kept is longer */
    g_assert_cmpuint (world_run (world, 2 * HOUR), >, 0);
    sent = world_end (world);
    assert_kept (sent, 60, MINUTE, 10);
    assert_kept (sent, 600, HOUR, 20);
    remove_dir (dir);
}

static void
test_odd_records (void)
{
    static const gint64 odd[] = {G_MININT64, G_MAXINT64};

    for (guint i = 0; i < G_N_ELEMENTS (odd); i++) {
        check_record (odd_numbers, g_variant_new_int64 (odd[i]));
        check_record (odd_meters, odd_meter (odd[i]));
    }
    check_record ((const char *const[]){"parts", "connections", NULL},
                  g_variant_new_uint32 (G_MAXUINT32));
    check_record ((const char *const[]){"results", "deferrals", NULL},
                  g_variant_new_uint64 (G_MAXUINT64));
    check_record ((const char *const[]){"source", NULL}, g_variant_new_int64 (1));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    /* First what forks: there is no thread yet. */
    g_test_add_func ("/throttle/state/crash-buckets", test_crash_buckets);
    g_test_add_func ("/throttle/state/crash-warmup", test_crash_warmup);
    g_test_add_func ("/throttle/state/buckets", test_buckets);
    g_test_add_func ("/throttle/state/changed", test_changed);
    g_test_add_func ("/throttle/state/reordered", test_reordered);
    g_test_add_func ("/throttle/state/learned", test_learned);
    g_test_add_func ("/throttle/state/shares", test_shares);
    g_test_add_func ("/throttle/state/clock-back", test_clock_back);
    g_test_add_func ("/throttle/state/clock-back-stop", test_clock_back_stop);
    g_test_add_func ("/throttle/state/warmup-restart", test_warmup_restart);
    g_test_add_func ("/throttle/state/warmup-forgotten", test_warmup_forgotten);
    g_test_add_func ("/throttle/state/warmup-evicted", test_warmup_evicted);
    g_test_add_func ("/throttle/state/warmup-many-kept", test_warmup_many_kept);
    g_test_add_func ("/throttle/state/reload-dirty", test_reload_dirty);
    g_test_add_func ("/throttle/state/no-store", test_no_store);
    g_test_add_func ("/throttle/state/failing-store", test_failing_store);
    g_test_add_func ("/throttle/state/odd-records", test_odd_records);
    return g_test_run ();
}
