/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The way from one program to the next. See the header. Owns copies of what the process was started with and
 * descriptors of its ports. Main thread; the look before is a process of its own, so that nothing waits for it.
 */
#include "config.h"

#include "reexec-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 /* sd_listen_fds(3) */ };

struct RelaisReexec {
    char *program;
    char **argv, **environment;
    bool was_root;
    GArray *sockets; /* int */
    /* While a new program looks at the configuration. */
    GSource *watch;
    RelaisLoopFunc good;
    gpointer data;
};

static void
close_socket (gpointer data)
{
    close (*(int *)data);
}

RelaisReexec *
relais_reexec_new (char **argv)
{
    RelaisReexec *reexec = g_new0 (RelaisReexec, 1);

    reexec->program = g_file_read_link ("/proc/self/exe", NULL);
    reexec->argv = g_strdupv (argv);
    reexec->environment = g_get_environ ();
    reexec->was_root = geteuid () == 0;
    reexec->sockets = g_array_new (FALSE, FALSE, sizeof (int));
    g_array_set_clear_func (reexec->sockets, close_socket);
    return reexec;
}

void
relais_reexec_free (RelaisReexec *reexec)
{
    if (reexec == NULL)
        return;
    if (reexec->watch != NULL)
        g_source_destroy (reexec->watch);
    g_clear_pointer (&reexec->watch, g_source_unref);
    g_array_unref (reexec->sockets);
    g_strfreev (reexec->environment);
    g_strfreev (reexec->argv);
    g_free (reexec->program);
    g_free (reexec);
}

static void
keep (gpointer data, int fd)
{
    const int copy = fcntl (fd, F_DUPFD_CLOEXEC, FIRST_FD);

    if (copy >= 0)
        g_array_append_val (((RelaisReexec *)data)->sockets, copy);
}

void
relais_reexec_keep (RelaisReexec *reexec, const RelaisPorts *ports)
{
    relais_ports_each (ports, keep, reexec);
}

void
relais_reexec_let_go (RelaisReexec *reexec)
{
    g_array_set_size (reexec->sockets, 0);
}

/* --- A look before ---------------------------------------------------------------------------- */

static void
on_looked (GPid pid, gint status, gpointer data)
{
    RelaisReexec *reexec = data;
    g_autoptr (GError) error = NULL;

    g_spawn_close_pid (pid);
    g_clear_pointer (&reexec->watch, g_source_unref);
    if (g_spawn_check_wait_status (status, &error))
        reexec->good (reexec->data);
    else
        g_warning ("%s does not take over, see relaisd --check: %s", reexec->program,
                   error->message);
}

/* What stops us, or NULL. */
static const char *
find_obstacle (const RelaisReexec *reexec)
{
    if (reexec->program == NULL)
        return "its own path is not known";
    if (reexec->was_root && geteuid () != 0)
        return "it was started as root, which the new one could need; restart it";
    return NULL;
}

void
relais_reexec_begin (RelaisReexec *reexec, RelaisLoop *loop, RelaisLoopFunc good, gpointer data)
{
    const char *obstacle = find_obstacle (reexec);
    g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
    g_auto (GStrv) argv = NULL;
    g_autoptr (GError) error = NULL;
    GPid pid;

    if (reexec->watch != NULL)
        return;
    if (obstacle != NULL) {
        g_warning ("no new program takes over: %s", obstacle);
        return;
    }
    g_strv_builder_add (builder, reexec->program);
    g_strv_builder_addv (builder, (const char **)reexec->argv + 1);
    g_strv_builder_add (builder, "--check");
    argv = g_strv_builder_end (builder);
    if (!g_spawn_async (NULL, argv, reexec->environment,
                        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, &pid,
                        &error)) {
        g_warning ("no new program takes over: %s", error->message);
        return;
    }
    reexec->good = good;
    reexec->data = data;
    reexec->watch = g_child_watch_source_new (pid);
    g_source_set_callback (reexec->watch, G_SOURCE_FUNC (on_looked), reexec, NULL);
    g_source_attach (reexec->watch, relais_loop_context (loop));
}

/* --- The step --------------------------------------------------------------------------------- */

/* Puts the sockets where a service manager would have. They are first moved out of the way, as one may stand
 * where another belongs. What else is open there goes with the exec. */
static bool
place_sockets (RelaisReexec *reexec)
{
    const guint n = reexec->sockets->len;
    int *sockets = (int *)(gpointer)reexec->sockets->data;

    for (guint i = 0; i < n; i++) {
        const int moved = fcntl (sockets[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)n);

        if (moved < 0)
            return false;
        close (sockets[i]);
        sockets[i] = moved;
    }
    for (guint i = 0; i < n; i++)
        if (dup2 (sockets[i], FIRST_FD + (int)i) < 0)
            return false;
    return true;
}

static char **
name_sockets (char **environment, guint n)
{
    g_autoptr (GStrvBuilder) labels = g_strv_builder_new ();
    g_auto (GStrv) all = NULL;
    g_autofree char *names = NULL;
    char number[16];

    for (guint i = 0; i < n; i++)
        g_strv_builder_add (labels, RELAIS_PORTS_KEPT);
    all = g_strv_builder_end (labels);
    names = g_strjoinv (":", all);
    environment = g_environ_setenv (environment, "LISTEN_FDNAMES", names, TRUE);
    g_snprintf (number, sizeof number, "%u", n);
    environment = g_environ_setenv (environment, "LISTEN_FDS", number, TRUE);
    g_snprintf (number, sizeof number, "%d", (int)getpid ());
    return g_environ_setenv (environment, "LISTEN_PID", number, TRUE);
}

void
relais_reexec_set_variable (RelaisReexec *reexec, const char *name, const char *value)
{
    reexec->environment = g_environ_setenv (reexec->environment, name, value, TRUE);
}

void
relais_reexec_go (RelaisReexec *reexec)
{
    fflush (NULL);
    signal (SIGHUP, SIG_IGN); /* they would end the new program before it can listen to them */
    signal (SIGUSR2, SIG_IGN);
    reexec->environment = name_sockets (reexec->environment, reexec->sockets->len);
    if (place_sockets (reexec))
        execve (reexec->program, reexec->argv, reexec->environment);
    fprintf (stderr, "relaisd: %s: %s\n", reexec->program, g_strerror (errno));
}
