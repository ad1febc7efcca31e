/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: guards nest and restore, are seen from other threads, and leave out the core's own waiting; a callback
 * over its budget is told of and counted; the watchdog and the fatal handler name whom they should, in a child.
 */
#include "config.h"

#include "module/fatal-private.h"
#include "module/module-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule module, other;
    guint seen;
    RelaisGuard last;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->module.host = fixture->other.host = fixture->host;
    fixture->module.descriptor.name = "guest";
    fixture->module.hooks = RELAIS_CRASH_HOOKS_KNOWN | 1;
    fixture->other.descriptor.name = "other";
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
    relais_loop_free (fixture->loop);
}

static void
test_nesting (Fixture *fixture, gconstpointer data)
{
    RelaisGuard first, second;

    relais_guard_enter (&first, &fixture->module, "rewrite", 42);
    g_assert_cmpuint (relais_guard_id (), ==, 42);
    relais_guard_enter (&second, &fixture->other, "service", 0);
    g_assert_true (relais_guard_current ()->module == &fixture->other);
    g_assert_cmpuint (relais_guard_id (), ==, 42); /* about the same message */
    relais_guard_leave (&second);
    g_assert_true (relais_guard_current ()->module == &fixture->module);
    g_assert_cmpstr (relais_guard_current ()->what, ==, "rewrite");
    relais_guard_leave (&first);
    g_assert_null (relais_guard_current ()->module);
    g_assert_cmpuint (relais_guard_id (), ==, 0);
}

static void
note (gpointer data, guint64 thread, bool is_loop, const RelaisGuard *guard)
{
    Fixture *fixture = data;

    fixture->seen++;
    fixture->last = *guard;
}

static gpointer
look (gpointer data)
{
    relais_guard_each (note, data);
    return NULL;
}

static void
test_pause (Fixture *fixture, gconstpointer data)
{
    RelaisGuard outer;
    gint64 paused;

    relais_guard_resume (relais_guard_pause ()); /* in no module: nothing */
    relais_guard_enter (&outer, &fixture->module, "job", 7);
    g_thread_join (g_thread_new ("look", look, fixture));
    g_assert_cmpuint (fixture->seen, ==, 1);
    g_assert_true (fixture->last.module == &fixture->module && fixture->last.id == 7);
    g_assert_cmpint (fixture->last.began_us, >, 0);
    paused = relais_guard_pause ();
    g_assert_cmpint (relais_guard_pause (), ==, 0); /* it is already */
    relais_guard_each (note, fixture);
    g_assert_cmpint (fixture->last.began_us, ==, 0);
    relais_guard_resume (paused);
    relais_guard_each (note, fixture);
    g_assert_cmpint (fixture->last.began_us, >, 0);
    relais_guard_leave (&outer);
    fixture->seen = 0;
    relais_guard_each (note, fixture);
    g_assert_cmpuint (fixture->seen, ==, 0);
}

static void
test_budget (Fixture *fixture, gconstpointer data)
{
    static const gint64 allowed[] = {0, RELAIS_GUARD_FREE};

    fixture->module.slow =
        relais_module_add_counter (&fixture->module, "callbacks_over_budget", "hook");
    relais_guard_set_budgets (1000, 1000);
    for (guint i = 0; i < G_N_ELEMENTS (allowed); i++) {
        RelaisGuard outer;
        gint64 paused;

        relais_guard_enter (&outer, &fixture->module, "rcpt", 7);
        relais_guard_allow (allowed[i]);
        g_usleep (20000);
        relais_guard_leave (&outer);
        relais_guard_enter (&outer, &fixture->module, "rewrite", 7);
        paused = relais_guard_pause (); /* the core's own waiting is no callback's */
        g_usleep (20000);
        relais_guard_resume (paused);
        relais_guard_leave (&outer);
    }
    relais_guard_set_budgets (50000, 5000000);
    g_assert_cmpuint (relais_host_count (fixture->host, "guest", "callbacks_over_budget", "rcpt"),
                      ==, 1);
    g_assert_cmpuint (
        relais_host_count (fixture->host, "guest", "callbacks_over_budget", "rewrite"), ==, 0);
}

/* --- In a child ------------------------------------------------------------------------------- */

typedef void (*Deed) (Fixture *fixture);

static gpointer
spin (gpointer data)
{
    Fixture *fixture = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, &fixture->module, "seal", 9);
    for (;;)
        g_usleep (1000);
    return NULL;
}

static void
spin_on_worker (Fixture *fixture)
{
    relais_watchdog_new (fixture->loop, 200000);
    g_thread_join (g_thread_new ("spin", spin, fixture));
}

static void
spin_in_turn (gpointer data)
{
    spin (data);
}

static void
spin_on_loop (Fixture *fixture)
{
    relais_watchdog_new (fixture->loop, 200000);
    relais_loop_post (fixture->loop, spin_in_turn, fixture);
    relais_loop_run (fixture->loop);
}

static void
spin_alone (gpointer data)
{
    for (;;)
        g_usleep (1000);
}

static void
spin_in_core (Fixture *fixture)
{
    relais_watchdog_new (fixture->loop, 200000);
    relais_loop_post (fixture->loop, spin_alone, fixture);
    relais_loop_run (fixture->loop);
}

/* Ends well: declared deadlines and the core's own waiting are respected. */
static void
take_time (Fixture *fixture)
{
    RelaisGuard outer;
    gint64 paused;

    relais_watchdog_new (fixture->loop, 100000);
    relais_guard_enter (&outer, &fixture->module, "route", 0);
    relais_guard_allow (2000000);
    g_usleep (500000);
    relais_guard_leave (&outer);
    relais_guard_enter (&outer, &fixture->module, "rewrite", 0);
    paused = relais_guard_pause ();
    g_usleep (500000);
    relais_guard_resume (paused);
    relais_guard_leave (&outer);
    _exit (0);
}

static void
end_by (Fixture *fixture, int number)
{
    RelaisGuard outer;

    relais_guard_enter (&outer, &fixture->module, "rewrite", 42);
    raise (number);
}

static void
abort_in (Fixture *fixture)
{
    end_by (fixture, SIGABRT);
}

static void
fault_in (Fixture *fixture)
{
    end_by (fixture, SIGBUS);
}

static void
trap_in (Fixture *fixture)
{
    end_by (fixture, SIGTRAP);
}

/* What a stray write has left of the module's record. */
static void
abort_damaged (Fixture *fixture)
{
    fixture->module.descriptor.name = (const char *)8;
    end_by (fixture, SIGABRT);
}

static const struct {
    const char *name;
    Deed deed;
    int signal;
    const char *module, *what;
    guint64 id;
    guint32 flags;
} deeds[] = {
    {"abort", abort_in, SIGABRT, "guest", "rewrite", 42, 0},
    {"bus", fault_in, SIGBUS, "guest", "rewrite", 42, 0},
    {"trap", trap_in, SIGTRAP, "guest", "rewrite", 42, 0},
    {"damaged", abort_damaged, SIGABRT, "", "", 0, 0},
    {"stuck-worker", spin_on_worker, SIGABRT, "guest", "seal", 9, RELAIS_CRASH_STUCK},
    {"stuck-loop", spin_on_loop, SIGABRT, "guest", "seal", 9, RELAIS_CRASH_STUCK},
    {"stuck-core", spin_in_core, SIGABRT, "", "loop", 0, RELAIS_CRASH_STUCK},
    {"in-time", take_time, 0, NULL, NULL, 0, 0},
};

static void
run_child (Deed deed, int fd)
{
    const struct rlimit none = {0, 0};
    Fixture fixture = {0};

    (void)setrlimit (RLIMIT_CORE, &none);
    alarm (30); /* it must end by itself */
    set_up (&fixture, NULL);
    relais_fatal_install ();
    relais_fatal_set_file (fd, 5);
    deed (&fixture);
    _exit (99);
}

static void
test_child (gconstpointer data)
{
    const guint i = GPOINTER_TO_UINT (data);
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp ("relais-guard-XXXXXX", &path, NULL), status;
    GArray *crashes;
    pid_t child = fork ();

    if (child == 0)
        run_child (deeds[i].deed, fd);
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    crashes = relais_crashes_load (path, NULL);
    if (deeds[i].signal == 0) {
        g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
        g_assert_cmpuint (crashes->len, ==, 0);
    } else {
        const RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, 0);

        g_assert_cmpuint (crashes->len, ==, 1);
        g_assert_cmpuint (crash->number, ==, 5);
        g_assert_cmpstr (crash->module, ==, deeds[i].module);
        g_assert_cmpstr (crash->what, ==, deeds[i].what);
        g_assert_cmpuint (crash->id, ==, deeds[i].id);
        g_assert_cmpuint (crash->flags, ==, deeds[i].flags);
        g_assert_cmpint ((int)crash->signal, ==, deeds[i].signal);
        /* It ended as it would have without the handler. */
        g_assert_true (!WIFEXITED (status) || WEXITSTATUS (status) != 99);
    }
    g_array_unref (crashes);
    close (fd);
    g_unlink (path);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (deeds); i++) {
        g_autofree char *name = g_strconcat ("/guard/child/", deeds[i].name, NULL);

        g_test_add_data_func (name, GUINT_TO_POINTER (i), test_child);
    }
    g_test_add ("/guard/nesting", Fixture, NULL, set_up, test_nesting, tear_down);
    g_test_add ("/guard/pause", Fixture, NULL, set_up, test_pause, tear_down);
    g_test_add ("/guard/budget", Fixture, NULL, set_up, test_budget, tear_down);
    return g_test_run ();
}
