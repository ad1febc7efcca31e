/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/loop: the clock in a shared page. It stands still between writes and goes forward only; the loop sleeps
 * whatever timers there are and is woken through the FIFO; what it publishes is true when it sleeps.
 */
#include "config.h"

#include "loop/clock-virtual-private.h"
#include "loop/pool-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    char *dir, *path, *fifo;
    RelaisClockPage *page; /* the other side's mapping */
    RelaisVirtualClock *clock;
    RelaisLoop *loop;
} Fixture;

static void
write_page (const Fixture *f, guint32 version, gsize size)
{
    const RelaisClockPage page = {.magic = RELAIS_CLOCK_MAGIC,
                                  .version = version,
                                  .mono_us = 1000,
                                  .wall_us = 5000000,
                                  .due_us = G_MAXINT64};

    g_assert_true (g_file_set_contents (f->path, (const char *)&page, (gssize)size, NULL));
}

static void
make_dir (Fixture *f)
{
    *f = (Fixture){.dir = g_dir_make_tmp ("relais-clock-XXXXXX", NULL)};
    g_assert_nonnull (f->dir);
    f->path = g_build_filename (f->dir, "clock", NULL);
    f->fifo = g_strconcat (f->path, ".wake", NULL);
}

static void
fixture_init (Fixture *f)
{
    int fd;

    make_dir (f);
    write_page (f, RELAIS_CLOCK_VERSION, sizeof (RelaisClockPage));
    fd = open (f->path, O_RDWR | O_CLOEXEC);
    f->page = mmap (NULL, sizeof *f->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true (f->page != MAP_FAILED);
    close (fd);
    f->clock = relais_virtual_clock_open (f->path, NULL);
    g_assert_nonnull (f->clock);
    f->loop = relais_loop_new (relais_virtual_clock_get (f->clock), NULL);
    g_assert_true (relais_virtual_clock_attach (f->clock, f->loop, NULL));
}

static void
remove_files (Fixture *f)
{
    g_remove (f->path);
    g_remove (f->fifo);
    g_assert_cmpint (g_rmdir (f->dir), ==, 0);
    g_free (f->fifo);
    g_free (f->path);
    g_free (f->dir);
}

static void
fixture_clear (Fixture *f)
{
    relais_virtual_clock_detach (f->clock);
    relais_loop_free (f->loop);
    relais_virtual_clock_free (f->clock);
    munmap (f->page, sizeof *f->page);
    remove_files (f);
}

/* As tests/lab/virtual.py does. */
static void
move_to (const Fixture *f, gint64 mono_us)
{
    const int fd = open (f->fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    __atomic_store_n (&f->page->wall_us, f->page->wall_us + mono_us - f->page->mono_us,
                      __ATOMIC_RELEASE);
    __atomic_store_n (&f->page->mono_us, mono_us, __ATOMIC_RELEASE);
    g_assert_cmpint (write (fd, "1", 1), ==, 1);
    close (fd);
}

static void
count (gpointer data)
{
    ++*(int *)data;
}

/* --- Times ------------------------------------------------------------------------------------ */

static void
test_forward_only (void)
{
    Fixture f;

    fixture_init (&f);
    const RelaisClock *clock = relais_loop_clock (f.loop);

    g_assert_cmpint (relais_clock_mono_us (clock), ==, 1000);
    g_assert_cmpint (relais_clock_wall_us (clock), ==, 5000000);
    g_usleep (2000);
    g_assert_cmpint (relais_clock_mono_us (clock), ==, 1000);
    move_to (&f, 3000);
    g_assert_cmpint (relais_clock_mono_us (clock), ==, 3000);
    g_assert_cmpint (relais_clock_wall_us (clock), ==, 5002000);
    move_to (&f, 2000);
    g_assert_cmpint (relais_clock_mono_us (clock), ==, 3000);
    g_assert_cmpint (relais_clock_wall_us (clock), ==, 5002000);
    fixture_clear (&f);
}

static void
test_timers (void)
{
    Fixture f;
    RelaisTimer first, second;
    int fired = 0;

    fixture_init (&f);
    relais_timer_init (&first, f.loop, count, &fired);
    relais_timer_init (&second, f.loop, count, &fired);
    relais_timer_set (&first, 10);
    relais_timer_set (&second, RELAIS_USEC_PER_DAY);
    while (relais_loop_turn (f.loop, false))
        continue;
    g_usleep (2000); /* more than the first timer's time on the machine's clock */
    relais_loop_turn (f.loop, false);
    g_assert_cmpint (fired, ==, 0);
    g_assert_cmpint (f.page->due_us, ==, 1010);
    move_to (&f, 1009);
    relais_loop_turn (f.loop, true);
    g_assert_cmpint (fired, ==, 0);
    move_to (&f, 1010);
    while (fired == 0)
        relais_loop_turn (f.loop, true);
    while (relais_loop_turn (f.loop, false))
        continue;
    g_assert_cmpint (fired, ==, 1);
    g_assert_cmpint (f.page->due_us, ==, 1000 + RELAIS_USEC_PER_DAY);
    move_to (&f, f.page->due_us);
    while (fired == 1)
        relais_loop_turn (f.loop, true);
    while (relais_loop_turn (f.loop, false))
        continue;
    g_assert_cmpint (f.page->due_us, ==, G_MAXINT64);
    fixture_clear (&f);
}

/* --- Sleeping and waking ---------------------------------------------------------------------- */

/* Another process would: waits until the loop sleeps, then moves the clock by an hour. */
static gpointer
move_when_asleep (gpointer data)
{
    const Fixture *f = data;
    const RelaisClockPage *page = f->page;

    while (__atomic_load_n (&page->sleeping, __ATOMIC_ACQUIRE) == 0 ||
           __atomic_load_n (&page->seen_us, __ATOMIC_ACQUIRE) != 1000)
        g_usleep (100);
    move_to (f, 1000 + RELAIS_USEC_PER_HOUR);
    return NULL;
}

static void
test_woken (void)
{
    Fixture f;
    RelaisTimer timer;
    int fired = 0;
    GThread *thread;

    fixture_init (&f);
    relais_timer_init (&timer, f.loop, count, &fired);
    relais_timer_set (&timer, RELAIS_USEC_PER_HOUR);
    thread = g_thread_new ("mover", move_when_asleep, &f);
    while (fired == 0)
        relais_loop_turn (f.loop, true);
    g_thread_join (thread);
    g_assert_cmpint (relais_loop_now_us (f.loop), ==, 1000 + RELAIS_USEC_PER_HOUR);
    fixture_clear (&f);
}

static guint
three (gpointer data)
{
    return 3;
}

static void
two_and_one (gpointer data, guint *peers, guint *tried)
{
    *peers = 2;
    *tried = 1;
}

static void
test_published (void)
{
    Fixture f;
    guint64 turns;

    fixture_init (&f);
    g_assert_cmpint (f.page->pid, ==, getpid ());
    relais_virtual_clock_set_waiting (f.clock, three, NULL);
    relais_virtual_clock_set_peers (f.clock, two_and_one, NULL);
    turns = f.page->turns;
    relais_loop_turn (f.loop, false);
    g_assert_cmpuint (f.page->turns, >, turns);
    g_assert_cmpint (f.page->waiting, ==, 3);
    g_assert_cmpint (f.page->peers, ==, 2);
    g_assert_cmpint (f.page->tried, ==, 1);
    g_assert_cmpint (f.page->seen_us, ==, 1000);
    fixture_clear (&f);
}

static void
do_nothing (gpointer data)
{
}

/* It does not say that it sleeps while there is something for it to do. */
static void
test_posted (void)
{
    Fixture f;

    fixture_init (&f);
    f.page->seen_us = 0;
    relais_loop_post (f.loop, do_nothing, NULL);
    relais_loop_turn (f.loop, false);
    g_assert_cmpint (f.page->seen_us, ==, 0);
    relais_loop_turn (f.loop, false);
    g_assert_cmpint (f.page->seen_us, ==, 1000);
    fixture_clear (&f);
}

typedef struct {
    GMutex mutex;
    GCond cond;
    bool go;
    RelaisClockPage *page;
    int seen, done;
} Gate;

static void
wait_at_gate (gpointer data)
{
    Gate *gate = data;

    g_mutex_lock (&gate->mutex);
    while (!gate->go)
        g_cond_wait (&gate->cond, &gate->mutex);
    g_mutex_unlock (&gate->mutex);
}

static void
passed_gate (gpointer data)
{
    Gate *gate = data;

    gate->done++;
    gate->seen = __atomic_load_n (&gate->page->jobs, __ATOMIC_ACQUIRE);
}

static void
test_jobs (void)
{
    Fixture f;
    RelaisPool *pool;
    Gate gate = {0};

    fixture_init (&f);
    g_mutex_init (&gate.mutex);
    g_cond_init (&gate.cond);
    gate.page = f.page;
    pool = relais_pool_new (f.loop, "test", 1, 1);
    g_assert_true (relais_pool_run (pool, wait_at_gate, passed_gate, &gate));
    g_assert_cmpint (__atomic_load_n (&f.page->jobs, __ATOMIC_ACQUIRE), ==, 1);
    g_mutex_lock (&gate.mutex);
    gate.go = true;
    g_cond_signal (&gate.cond);
    g_mutex_unlock (&gate.mutex);
    while (gate.done == 0)
        relais_loop_turn (f.loop, true);
    g_assert_cmpint (gate.seen, ==, 1); /* while `done` runs it is not over */
    g_assert_cmpint (__atomic_load_n (&f.page->jobs, __ATOMIC_ACQUIRE), ==, 0);
    relais_pool_free (pool);
    g_cond_clear (&gate.cond);
    g_mutex_clear (&gate.mutex);
    fixture_clear (&f);
}

/* --- Files ------------------------------------------------------------------------------------ */

static void
refuse (const Fixture *f, const char *words)
{
    g_autoptr (GError) error = NULL;

    g_assert_null (relais_virtual_clock_open (f->path, &error));
    g_assert_nonnull (g_strstr_len (error->message, -1, f->path));
    g_assert_nonnull (g_strstr_len (error->message, -1, words));
}

static void
test_refused (void)
{
    Fixture f;

    make_dir (&f);
    refuse (&f, "No such file");
    write_page (&f, RELAIS_CLOCK_VERSION, sizeof (RelaisClockPage) - 1);
    refuse (&f, "too short");
    write_page (&f, RELAIS_CLOCK_VERSION + 1, sizeof (RelaisClockPage));
    refuse (&f, "another version");
    remove_files (&f);
}

/* What another daemon of this clock left is not taken for ours. */
static void
test_taken_over (void)
{
    Fixture f;
    RelaisVirtualClock *again;

    fixture_init (&f);
    f.page->sleeping = f.page->jobs = f.page->waiting = 7;
    f.page->peers = f.page->tried = 7;
    again = relais_virtual_clock_open (f.path, NULL);
    g_assert_nonnull (again);
    g_assert_cmpint (f.page->sleeping + f.page->jobs + f.page->waiting, ==, 0);
    g_assert_cmpint (f.page->peers + f.page->tried, ==, 0);
    g_assert_cmpint (relais_clock_wall_us (relais_virtual_clock_get (again)), ==, 5000000);
    relais_virtual_clock_free (again);
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/clock/forward-only", test_forward_only);
    g_test_add_func ("/clock/timers", test_timers);
    g_test_add_func ("/clock/woken", test_woken);
    g_test_add_func ("/clock/published", test_published);
    g_test_add_func ("/clock/posted", test_posted);
    g_test_add_func ("/clock/jobs", test_jobs);
    g_test_add_func ("/clock/refused", test_refused);
    g_test_add_func ("/clock/taken-over", test_taken_over);
    return g_test_run ();
}
