/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clock in a shared page. Owns the mapping and its end of the FIFO. See the header for threads.
 */
#include "config.h"

#include "loop/clock-virtual-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct RelaisVirtualClock {
    RelaisClock clock; /* first: what the loop gets */
    RelaisClockPage *page;
    int wake_fd;
    RelaisLoop *loop;
    RelaisIo *io;
    RelaisVirtualClockWaiting waiting;
    gpointer waiting_data;
    RelaisVirtualClockPeers peers;
    gpointer peers_data;
    /* The latest that was seen of either; atomic. */
    gint64 mono_us, wall_us;
};

/* --- Times ------------------------------------------------------------------------------------ */

/* What stands in the page, or the latest that was seen if that is more. */
static gint64
forward (const gint64 *source, gint64 *latest)
{
    const gint64 now = __atomic_load_n (source, __ATOMIC_ACQUIRE);
    gint64 known = __atomic_load_n (latest, __ATOMIC_RELAXED);

    while (now > known)
        if (__atomic_compare_exchange_n (latest, &known, now, true, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED))
            return now;
    return known;
}

static gint64
virtual_mono_us (const RelaisClock *self)
{
    RelaisVirtualClock *clock = (RelaisVirtualClock *)(gpointer)self;

    return forward (&clock->page->mono_us, &clock->mono_us);
}

static gint64
virtual_wall_us (const RelaisClock *self)
{
    RelaisVirtualClock *clock = (RelaisVirtualClock *)(gpointer)self;

    return forward (&clock->page->wall_us, &clock->wall_us);
}

/* --- The page and the FIFO -------------------------------------------------------------------- */

static bool
fail (GError **error, const char *path, const char *what)
{
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the clock %s: %s", path, what);
    return false;
}

static bool
map_page (RelaisVirtualClock *clock, const char *path, GError **error)
{
    const int fd = open (path, O_RDWR | O_CLOEXEC);
    struct stat status;
    gpointer page = MAP_FAILED;

    if (fd < 0)
        return fail (error, path, g_strerror (errno));
    if (fstat (fd, &status) == 0 && status.st_size >= (off_t)sizeof (RelaisClockPage))
        page = mmap (NULL, sizeof (RelaisClockPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close (fd);
    if (page == MAP_FAILED)
        return fail (error, path, "it is too short, or cannot be mapped");
    clock->page = page;
    if (clock->page->magic != RELAIS_CLOCK_MAGIC || clock->page->version != RELAIS_CLOCK_VERSION)
        return fail (error, path, "it is none, or of another version");
    clock->page->sleeping = clock->page->jobs = clock->page->waiting = 0;
    clock->page->peers = clock->page->tried = 0;
    clock->page->pid = getpid ();
    return true;
}

static bool
open_fifo (RelaisVirtualClock *clock, const char *path, GError **error)
{
    g_autofree char *fifo = g_strconcat (path, ".wake", NULL);

    if (mkfifo (fifo, 0600) != 0 && errno != EEXIST)
        return fail (error, fifo, g_strerror (errno));
    clock->wake_fd = open (fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return clock->wake_fd >= 0 || fail (error, fifo, g_strerror (errno));
}

RelaisVirtualClock *
relais_virtual_clock_open (const char *path, GError **error)
{
    g_autoptr (RelaisVirtualClock) clock = g_new0 (RelaisVirtualClock, 1);

    clock->clock = (RelaisClock){virtual_wall_us, virtual_mono_us};
    clock->wake_fd = -1;
    if (!map_page (clock, path, error) || !open_fifo (clock, path, error))
        return NULL;
    return g_steal_pointer (&clock);
}

void
relais_virtual_clock_free (RelaisVirtualClock *clock)
{
    if (clock == NULL)
        return;
    relais_virtual_clock_detach (clock);
    if (clock->page != NULL)
        munmap (clock->page, sizeof (RelaisClockPage));
    if (clock->wake_fd >= 0)
        close (clock->wake_fd);
    g_free (clock);
}

const RelaisClock *
relais_virtual_clock_get (const RelaisVirtualClock *clock)
{
    return &clock->clock;
}

/* --- The loop --------------------------------------------------------------------------------- */

static void
on_wake (gpointer data, guint32 events)
{
    char octets[64];

    while (read (((RelaisVirtualClock *)data)->wake_fd, octets, sizeof octets) > 0)
        continue;
}

static void
on_sleep (gpointer data, gint64 now_us, gint64 due_us)
{
    RelaisVirtualClock *clock = data;
    RelaisClockPage *page = clock->page;
    const guint waiting = clock->waiting != NULL ? clock->waiting (clock->waiting_data) : 0;
    guint peers = 0, tried = 0;

    if (clock->peers != NULL)
        clock->peers (clock->peers_data, &peers, &tried);
    __atomic_store_n (&page->peers, (gint32)peers, __ATOMIC_RELAXED);
    __atomic_store_n (&page->tried, (gint32)tried, __ATOMIC_RELAXED);
    __atomic_store_n (&page->waiting, (gint32)waiting, __ATOMIC_RELAXED);
    __atomic_store_n (&page->due_us, due_us, __ATOMIC_RELAXED);
    __atomic_store_n (&page->seen_us, now_us, __ATOMIC_RELAXED);
    __atomic_store_n (&page->sleeping, 1, __ATOMIC_RELEASE);
}

static void
on_awake (gpointer data)
{
    RelaisClockPage *page = ((RelaisVirtualClock *)data)->page;

    __atomic_store_n (&page->sleeping, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add (&page->turns, 1, __ATOMIC_RELEASE);
}

bool
relais_virtual_clock_attach (RelaisVirtualClock *clock, RelaisLoop *loop, GError **error)
{
    const RelaisLoopObserver observer = {on_sleep, on_awake, clock, &clock->page->jobs};

    clock->io = relais_io_new (loop, clock->wake_fd, EPOLLIN, on_wake, clock, error);
    if (clock->io == NULL)
        return false;
    clock->loop = loop;
    relais_loop_set_observer (loop, &observer);
    return true;
}

void
relais_virtual_clock_detach (RelaisVirtualClock *clock)
{
    if (clock->loop == NULL)
        return;
    relais_loop_set_observer (clock->loop, NULL);
    g_clear_pointer (&clock->io, relais_io_free);
    clock->loop = NULL;
}

void
relais_virtual_clock_set_waiting (RelaisVirtualClock *clock, RelaisVirtualClockWaiting func,
                                  gpointer data)
{
    clock->waiting = func;
    clock->waiting_data = data;
}

void
relais_virtual_clock_set_peers (RelaisVirtualClock *clock, RelaisVirtualClockPeers func,
                                gpointer data)
{
    clock->peers = func;
    clock->peers_data = data;
}
