/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one who moves the laboratory's clock: core/loop/clock-virtual-private.h says how it is done.
 */
#include "config.h"

#include "internet.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void
sim_clock_open (Sim *sim, const char *path)
{
    g_autofree char *fifo = g_strconcat (path, ".wake", NULL);
    const int fd = open (path, O_RDWR | O_CLOEXEC);
    gpointer page =
        fd < 0 ? MAP_FAILED
               : mmap (NULL, sizeof (RelaisClockPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        sim_fail ("the clock %s cannot be mapped", path);
    close (fd);
    sim->page = page;
    if (sim->page->magic != RELAIS_CLOCK_MAGIC || sim->page->version != RELAIS_CLOCK_VERSION)
        sim_fail ("%s is no clock of this version", path);
    /* Open for both, so that it stays while Relais is started again. */
    sim->wake_fd = open (fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (sim->wake_fd < 0)
        sim_fail ("%s: nobody made it", fifo);
    sim->began_us = sim->page->mono_us;
}

gint64
sim_now_us (const Sim *sim)
{
    return sim->page->mono_us - sim->began_us;
}

gint64
sim_real_us (void)
{
    return g_get_monotonic_time ();
}

gint64
sim_clock_due_us (const Sim *sim)
{
    const gint64 due_us = __atomic_load_n (&sim->page->due_us, __ATOMIC_RELAXED);

    return due_us == G_MAXINT64 ? SIM_NEVER : due_us - sim->began_us;
}

gint32
sim_clock_n_others (const Sim *sim)
{
    return __atomic_load_n (&sim->page->waiting, __ATOMIC_RELAXED) -
           __atomic_load_n (&sim->page->peers, __ATOMIC_RELAXED) -
           __atomic_load_n (&sim->page->tried, __ATOMIC_RELAXED);
}

bool
sim_clock_is_at_rest (const Sim *sim)
{
    const RelaisClockPage *page = sim->page;
    const guint64 turns = __atomic_load_n (&page->turns, __ATOMIC_ACQUIRE);
    const bool rests = __atomic_load_n (&page->sleeping, __ATOMIC_ACQUIRE) == 1 &&
                       __atomic_load_n (&page->seen_us, __ATOMIC_RELAXED) == page->mono_us &&
                       __atomic_load_n (&page->jobs, __ATOMIC_ACQUIRE) == 0 &&
                       __atomic_load_n (&page->peers, __ATOMIC_RELAXED) == sim->n_held &&
                       sim_clock_n_others (sim) == 0;

    return rests && __atomic_load_n (&page->turns, __ATOMIC_ACQUIRE) == turns &&
           __atomic_load_n (&page->sleeping, __ATOMIC_ACQUIRE) == 1;
}

void
sim_clock_move (Sim *sim, gint64 to_us)
{
    const gint64 step = to_us - sim_now_us (sim);

    if (step > 0) {
        __atomic_store_n (&sim->page->wall_us, sim->page->wall_us + step, __ATOMIC_RELEASE);
        __atomic_store_n (&sim->page->mono_us, sim->page->mono_us + step, __ATOMIC_RELEASE);
        sim->moves++;
    }
    (void)!write (sim->wake_fd, "1", 1); /* full of such octets: it is awake */
}
