/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/stop-signals, core/process: that no signal to stop is lost, on the loop, after it, and on the way to a new
 * program, which is this one again.
 */
#include "config.h"

#include "process-private.h"
#include "stop-signals-private.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
count (gpointer data)
{
    (*(guint *)data)++;
}

static void
run_turns (RelaisLoop *loop)
{
    while (relais_loop_turn (loop, false))
        continue;
}

static void
test_loop (void)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    pid_t child;
    guint n = 0;
    int status;
    RelaisStopSignals *signals = relais_stop_signals_new (loop, count, &n, NULL);

    g_assert_nonnull (signals);
    raise (SIGTERM);
    run_turns (loop);
    g_assert_cmpuint (n, ==, 1);
    raise (SIGINT);
    raise (SIGTERM);
    run_turns (loop);
    g_assert_cmpuint (n, ==, 2);
    g_assert_false (relais_stop_signals_came (signals));
    /* A child's are its own. */
    child = fork ();
    if (child == 0) {
        raise (SIGTERM);
        _exit (0);
    }
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_cmpint (WTERMSIG (status), ==, SIGTERM);
    g_assert_false (relais_stop_signals_came (signals));
    /* The loop has turned for the last time. */
    raise (SIGTERM);
    relais_stop_signals_unwatch (signals);
    run_turns (loop);
    relais_loop_free (loop);
    raise (SIGINT);
    g_assert_cmpuint (n, ==, 2);
    g_assert_true (relais_stop_signals_came (signals));
    g_assert_false (relais_stop_signals_came (signals));
    relais_stop_signals_free (signals);
}

/* What a process comes to that gets `number` on its way to a new program. */
static int
become_new (int number)
{
    const pid_t child = fork ();
    int status = 0;

    g_assert_cmpint (child, >=, 0);
    if (child == 0) {
        relais_process_hold_signals ();
        raise (number);
        execl ("/proc/self/exe", "new", NULL);
        _exit (1);
    }
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    return status;
}

static void
test_new_program (void)
{
    g_assert_cmpint (WTERMSIG (become_new (SIGTERM)), ==, SIGTERM);
    g_assert_cmpint (WTERMSIG (become_new (SIGINT)), ==, SIGINT);
    g_assert_cmpint (become_new (SIGHUP), ==, 0);
    g_assert_cmpint (become_new (SIGUSR2), ==, 0);
}

int
main (int argc, char **argv)
{
    if (strcmp (argv[0], "new") == 0) {
        relais_process_settle ();
        return 0;
    }
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/daemon/stop-signals/loop", test_loop);
    g_test_add_func ("/daemon/stop-signals/new-program", test_new_program);
    return g_test_run ();
}
