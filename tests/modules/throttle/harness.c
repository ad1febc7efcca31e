/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "harness.h"

#include <glib/gstdio.h>

__extension__ typedef __int128 Wide;

static char *
module_dir (const char *name)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");

    return g_build_filename (build != NULL ? build : ".", "modules", name, ".libs", NULL);
}

/* One directory with both modules, since the harness takes one. */
static char *
both_modules (void)
{
    static const char *const names[] = {"throttle", "store-gdbm"};
    char *dir = make_dir ();

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *home = module_dir (names[i]);
        g_autofree char *file = g_strconcat (names[i], ".so", NULL);
        g_autofree char *from = g_build_filename (home, file, NULL);
        g_autofree char *to = g_build_filename (dir, file, NULL);
        g_autofree char *bytes = NULL;
        gsize size;

        g_assert_true (g_file_get_contents (from, &bytes, &size, NULL));
        g_assert_true (g_file_set_contents (to, bytes, (gssize)size, NULL));
        g_chmod (to, 0644);
    }
    return dir;
}

char *
make_dir (void)
{
    char *dir = g_dir_make_tmp ("relais-throttle-XXXXXX", NULL);

    g_assert_nonnull (dir);
    return dir;
}

void
remove_dir (char *dir)
{
    GDir *open = g_dir_open (dir, 0, NULL);
    const char *name;

    while (open != NULL && (name = g_dir_read_name (open)) != NULL) {
        char *path = g_build_filename (dir, name, NULL);

        if (g_file_test (path, G_FILE_TEST_IS_DIR))
            remove_dir (path);
        else {
            g_unlink (path);
            g_free (path);
        }
    }
    if (open != NULL)
        g_dir_close (open);
    g_rmdir (dir);
    g_free (dir);
}

/* As in a daemon that finds its queue full: mail is asked about while the store is still being read. */
static void
ask_early (World *world)
{
    if (relais_test_run (world->test, RELAIS_HOOK_ADMIT) == RELAIS_VERDICT_CONTINUE)
        relais_test_step_reservation (world->test, RELAIS_RESERVATION_RETURNED, 0);
}

static World *
load (const char *dir, const char *const *names, const char *config, gint64 wall_us, bool memory)
{
    World *world = g_new0 (World, 1);
    g_autoptr (GError) error = NULL;

    world->test = relais_test_new (dir);
    world->sent = g_array_new (FALSE, FALSE, sizeof (gint64));
    world->wall_us = wall_us;
    if (memory)
        relais_test_use_memory_store (world->test);
    relais_test_use_clock (world->test, wall_us);
    relais_test_load (world->test, names, config, &error);
    g_assert_no_error (error);
    relais_test_set_lane (world->test, "s1", "default", "google", "google");
    if (names[1] != NULL)
        ask_early (world);
    world_advance (world, 0);
    return world;
}

World *
world_new_bare (const char *config)
{
    static const char *const names[] = {"throttle", NULL};
    g_autofree char *dir = module_dir ("throttle");

    return load (dir, names, config, BEGIN, false);
}

World *
world_new (const char *config)
{
    static const char *const names[] = {"throttle", NULL};
    g_autofree char *dir = module_dir ("throttle");

    return load (dir, names, config, BEGIN, true);
}

World *
world_new_at (const char *config, const char *state_dir, gint64 wall_us)
{
    static const char *const names[] = {"store-gdbm", "throttle", NULL};
    g_autofree char *text = g_strdup_printf ("[store-gdbm]\ndir = %s\n%s", state_dir, config);
    char *dir = both_modules ();
    World *world = load (dir, names, text, wall_us, false);

    remove_dir (dir);
    world->state_dir = g_strdup (state_dir);
    return world;
}

GArray *
world_end (World *world)
{
    GArray *sent = world->sent;

    relais_test_free (world->test);
    g_free (world->state_dir);
    g_free (world);
    return sent;
}

void
world_free (World *world)
{
    g_array_unref (world_end (world));
}

void
world_advance (World *world, gint64 delta_us)
{
    relais_test_advance (world->test, delta_us);
    world->wall_us += delta_us;
}

void
world_reload (World *world, const char *config)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *text =
        world->state_dir != NULL
            ? g_strdup_printf ("[store-gdbm]\ndir = %s\n%s", world->state_dir, config)
            : g_strdup (config);

    relais_test_reload (world->test, text, &error);
    g_assert_no_error (error);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static gint64
now_us (World *world)
{
    return relais_module_now_us (relais_test_find_module (world->test, "throttle"));
}

static gint64
wait_us (World *world)
{
    const gchar *reason;
    RelaisWaitScope scope;
    const gint64 left = relais_test_get_wait (world->test, &scope, &reason) - now_us (world);

    g_assert_nonnull (reason);
    g_assert_cmpint (left, >, 0);
    return left;
}

gint64
world_send_many (World *world, guint32 n)
{
    const RelaisVerdict verdict = relais_test_run (world->test, RELAIS_HOOK_ADMIT);
    const guint32 most = relais_test_get_max_recipients (world->test);

    if (verdict == RELAIS_VERDICT_WAIT)
        return wait_us (world);
    g_assert_cmpuint (verdict, ==, RELAIS_VERDICT_CONTINUE);
    if (most > 0)
        n = MIN (n, most);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_TAKEN, n);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_USED, n);
    for (guint32 i = 0; i < n; i++)
        g_array_append_val (world->sent, world->wall_us);
    return 0;
}

gint64
world_send (World *world)
{
    return world_send_many (world, 1);
}

gint64
world_connect (World *world)
{
    if (relais_test_run (world->test, RELAIS_HOOK_LANE) == RELAIS_VERDICT_WAIT)
        return wait_us (world);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_TAKEN, 1);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_USED, 1);
    relais_test_step_reservation (world->test, RELAIS_RESERVATION_ENDED, 0);
    return 0;
}

guint
world_run (World *world, gint64 for_us)
{
    const gint64 end_us = world->wall_us + for_us;
    guint n = 0;

    while (world->wall_us < end_us) {
        const guint32 n_wakes = relais_test_n_wakes (world->test);
        const gint64 left = world_send (world);

        n += left == 0;
        if (left > 0)
            world_advance (world, 0);
        /* Who is woken is asked again at once. */
        if (left > 0 && relais_test_n_wakes (world->test) == n_wakes)
            world_advance (world, MIN (left, end_us - world->wall_us));
    }
    return n;
}

void
world_reply (World *world, const char *phase, guint code, const char *enhanced, const char *text)
{
    relais_test_set_outcome (world->test,
                             code / 100 == 5 ? RELAIS_OUTCOME_BOUNCED : RELAIS_OUTCOME_DEFERRED,
                             phase, code, enhanced, text);
    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_RESULT), ==,
                      RELAIS_VERDICT_CONTINUE);
}

void
world_deliver (World *world)
{
    relais_test_set_outcome (world->test, RELAIS_OUTCOME_DELIVERED, "dot", 250, "2.0.0", "ok");
    g_assert_cmpuint (relais_test_run (world->test, RELAIS_HOOK_RESULT), ==,
                      RELAIS_VERDICT_CONTINUE);
}

const char *
world_reason (World *world)
{
    const gchar *reason;
    RelaisWaitScope scope;

    (void)relais_test_get_wait (world->test, &scope, &reason);
    return reason;
}

RelaisWaitScope
world_scope (World *world)
{
    const gchar *reason;
    RelaisWaitScope scope;

    (void)relais_test_get_wait (world->test, &scope, &reason);
    return scope;
}

char *
world_take_event (World *world, const char *action)
{
    g_autofree char *wanted = g_strdup_printf ("\"action\":\"%s\"", action);
    GBytes *event;

    while ((event = relais_test_take_event (world->test)) != NULL) {
        gsize size;
        const char *bytes = g_bytes_get_data (event, &size);
        char *text = g_strndup (bytes, size);

        g_bytes_unref (event);
        if (strstr (text, wanted) != NULL)
            return text;
        g_free (text);
    }
    return NULL;
}

void
assert_kept (const GArray *sent, gint64 n, gint64 period_us, gint64 burst)
{
    for (guint i = 0; i < sent->len; i++)
        for (guint j = i + (guint)burst; j < sent->len; j++) {
            const gint64 t = g_array_index (sent, gint64, j) - g_array_index (sent, gint64, i);

            g_assert_true ((Wide)(j - i + 1 - burst) * period_us <= (Wide)n * t);
        }
}
