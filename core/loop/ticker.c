/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A tick on the machine's clock, by a timerfd of its own. See the header. Loop thread.
 */
#include "config.h"

#include "loop/ticker-private.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct RelaisTicker {
    int fd; /* -1: there was none left */
    RelaisIo *io;
    RelaisLoopFunc func;
    gpointer data;
};

static void
on_tick (gpointer data, guint32 events)
{
    RelaisTicker *ticker = data;
    guint64 n;

    if (read (ticker->fd, &n, sizeof n) == (gssize)sizeof n)
        ticker->func (ticker->data);
}

RelaisTicker *
relais_ticker_new (RelaisLoop *loop, guint interval_s, RelaisLoopFunc func, gpointer data)
{
    const struct itimerspec times = {.it_interval = {.tv_sec = interval_s},
                                     .it_value = {.tv_sec = interval_s}};
    RelaisTicker *ticker = g_new0 (RelaisTicker, 1);

    *ticker = (RelaisTicker){.fd = timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
                             .func = func,
                             .data = data};
    if (ticker->fd >= 0) {
        timerfd_settime (ticker->fd, 0, &times, NULL);
        ticker->io = relais_io_new (loop, ticker->fd, EPOLLIN, on_tick, ticker, NULL);
    }
    return ticker;
}

void
relais_ticker_free (RelaisTicker *ticker)
{
    if (ticker == NULL)
        return;
    relais_io_free (ticker->io);
    if (ticker->fd >= 0)
        close (ticker->fd);
    g_free (ticker);
}
