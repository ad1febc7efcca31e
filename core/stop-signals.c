/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signals to stop. See the header. The handler counts in an eventfd, which tells the loop, and later whoever asks,
 * what no loop has looked at. Main thread; the handler may run on any.
 */
#include "config.h"

#include "stop-signals-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct RelaisStopSignals {
    int fd;
    RelaisIo *io; /* NULL once nobody watches */
    RelaisLoopFunc func;
    gpointer data;
};

static const int numbers[] = {SIGTERM, SIGINT};
/* The handler has nothing else to go by. */
static volatile int signal_fd = -1;
static volatile pid_t owner;

/* A child that has not become another program yet shares the descriptor: what is sent to it is no affair of ours. */
static void
on_signal (int number)
{
    const guint64 one = 1;
    const int saved = errno;

    if (getpid () == owner) {
        (void)!write (signal_fd, &one, sizeof one);
    } else {
        signal (number, SIG_DFL);
        raise (number);
    }
    errno = saved;
}

static void
set_handlers (void (*handler) (int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigemptyset (&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
        (void)sigaction (numbers[i], &action, NULL);
}

static void
on_input (gpointer data, guint32 events)
{
    RelaisStopSignals *signals = data;

    if (relais_stop_signals_came (signals))
        signals->func (signals->data);
}

RelaisStopSignals *
relais_stop_signals_new (RelaisLoop *loop, RelaisLoopFunc func, gpointer data, GError **error)
{
    RelaisStopSignals *signals = g_new0 (RelaisStopSignals, 1);

    signals->func = func;
    signals->data = data;
    signals->fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (signals->fd < 0)
        g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno), "eventfd: %s",
                     g_strerror (errno));
    else
        signals->io = relais_io_new (loop, signals->fd, EPOLLIN, on_input, signals, error);
    if (signals->io == NULL) {
        relais_stop_signals_free (signals);
        return NULL;
    }
    signal_fd = signals->fd;
    owner = getpid ();
    set_handlers (on_signal);
    return signals;
}

void
relais_stop_signals_unwatch (RelaisStopSignals *signals)
{
    if (signals != NULL)
        g_clear_pointer (&signals->io, relais_io_free);
}

bool
relais_stop_signals_came (RelaisStopSignals *signals)
{
    guint64 count;

    return signals != NULL && read (signals->fd, &count, sizeof count) == sizeof count;
}

void
relais_stop_signals_free (RelaisStopSignals *signals)
{
    if (signals == NULL)
        return;
    if (signal_fd >= 0)
        set_handlers (SIG_DFL);
    signal_fd = -1;
    relais_stop_signals_unwatch (signals);
    if (signals->fd >= 0)
        close (signals->fd);
    g_free (signals);
}
