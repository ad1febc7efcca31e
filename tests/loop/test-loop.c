/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/loop: timers fire in order, once, and survive their neighbours' disarming; watches may be
 * freed by any callback; posts arrive from other threads in order; the pool is bounded.
 */
#include "config.h"

#include "loop/loop-private.h"
#include "loop/pool-private.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

/* --- A clock that the test moves ---------------------------------------------------------------- */

typedef struct {
    RelaisClock clock;
    gint64 now_us;
} TestClock;

static gint64
test_clock_now (const RelaisClock *self)
{
    return ((const TestClock *)self)->now_us;
}

static TestClock
test_clock (void)
{
    return (TestClock){{test_clock_now, test_clock_now}, 1000000};
}

/* --- Timers ------------------------------------------------------------------------------------- */

typedef struct {
    RelaisTimer timer;
    GArray *fired;
    int number;
} Numbered;

static void
note_number (gpointer data)
{
    Numbered *numbered = data;

    g_array_append_val (numbered->fired, numbered->number);
}

static void
test_timers_in_order (void)
{
    TestClock clock = test_clock ();
    g_autoptr (RelaisLoop) loop = relais_loop_new (&clock.clock, NULL);
    g_autoptr (GArray) fired = g_array_new (FALSE, FALSE, sizeof (int));
    enum { N = 1000 };
    g_autofree Numbered *timers = g_new0 (Numbered, N);

    for (int i = 0; i < N; i++) {
        timers[i].fired = fired;
        timers[i].number = (i * 7919) % N; /* a permutation */
        relais_timer_init (&timers[i].timer, loop, note_number, &timers[i]);
        relais_timer_set (&timers[i].timer, timers[i].number * 10);
    }
    /* Every third is disarmed, every fifth re-armed twice. */
    for (int i = 0; i < N; i++) {
        if (timers[i].number % 3 == 0)
            relais_timer_stop (&timers[i].timer);
        else if (timers[i].number % 5 == 0) {
            relais_timer_set (&timers[i].timer, 99999);
            relais_timer_set (&timers[i].timer, timers[i].number * 10);
        }
    }
    clock.now_us += N * 10;
    while (relais_loop_turn (loop, false))
        continue;
    int expected = 0;

    for (guint i = 0; i < fired->len; i++) {
        if (expected % 3 == 0)
            expected++;
        g_assert_cmpint (g_array_index (fired, int, i), ==, expected);
        expected++;
    }
    g_assert_cmpuint (fired->len, ==, N - (N + 2) / 3);
    g_assert_false (relais_loop_turn (loop, false));
}

static void
test_timer_not_early (void)
{
    TestClock clock = test_clock ();
    g_autoptr (RelaisLoop) loop = relais_loop_new (&clock.clock, NULL);
    g_autoptr (GArray) fired = g_array_new (FALSE, FALSE, sizeof (int));
    Numbered one = {.fired = fired, .number = 1};

    relais_timer_init (&one.timer, loop, note_number, &one);
    relais_timer_set (&one.timer, 500);
    clock.now_us += 499;
    relais_loop_turn (loop, false);
    g_assert_cmpuint (fired->len, ==, 0);
    clock.now_us += 1;
    relais_loop_turn (loop, false);
    g_assert_cmpuint (fired->len, ==, 1);
    g_assert_false (relais_timer_is_set (&one.timer));
}

/* --- Descriptors -------------------------------------------------------------------------------- */

typedef struct {
    RelaisIo *watches[2];
    int fds[2];
    int calls;
} Pair;

static void
free_both (gpointer data, guint32 events)
{
    Pair *pair = data;

    pair->calls++;
    g_clear_pointer (&pair->watches[0], relais_io_free);
    g_clear_pointer (&pair->watches[1], relais_io_free);
}

static void
test_watch_freed_in_its_turn (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    Pair pair = {0};

    for (int i = 0; i < 2; i++) {
        int fds[2];

        g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
        pair.fds[i] = fds[0];
        g_assert_cmpint (write (fds[1], "x", 1), ==, 1);
        close (fds[1]);
        pair.watches[i] = relais_io_new (loop, fds[0], EPOLLIN, free_both, &pair, NULL);
        g_assert_nonnull (pair.watches[i]);
    }
    relais_loop_turn (loop, true);
    g_assert_cmpint (pair.calls, ==, 1);
    close (pair.fds[0]);
    close (pair.fds[1]);
}

/* --- Posts and the pool ------------------------------------------------------------------------- */

typedef struct {
    RelaisLoop *loop;
    int next;
    int wanted;
} Order;

static Order order;

static void
check_order (gpointer data)
{
    g_assert_cmpint (GPOINTER_TO_INT (data), ==, order.next);
    if (++order.next == order.wanted)
        relais_loop_quit (order.loop);
}

static gpointer
post_many (gpointer data)
{
    for (int i = 0; i < order.wanted; i++)
        relais_loop_post (order.loop, check_order, GINT_TO_POINTER (i));
    return NULL;
}

static void
test_posts_in_order (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    GThread *thread;

    order = (Order){loop, 0, 20000};
    thread = g_thread_new ("poster", post_many, NULL);
    relais_loop_run (loop);
    g_thread_join (thread);
    g_assert_cmpint (order.next, ==, order.wanted);
}

typedef struct {
    RelaisLoop *loop;
    GMutex gate;
    int done;
    int wanted;
} Work;

static void
work_behind_gate (gpointer data)
{
    Work *work = data;

    relais_assert_may_block ();
    g_mutex_lock (&work->gate);
    g_mutex_unlock (&work->gate);
}

static void
count_done (gpointer data)
{
    Work *work = data;

    relais_loop_assert_owner (work->loop);
    if (++work->done == work->wanted)
        relais_loop_quit (work->loop);
}

static guint
queued (RelaisPool *pool)
{
    RelaisPoolFigures figures;

    relais_pool_figures (pool, &figures);
    return figures.queued;
}

static void
test_pool_is_bounded (void)
{
    enum { THREADS = 2, QUEUED = 10 };
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    Work work = {.loop = loop, .wanted = THREADS + QUEUED};
    RelaisPool *pool = relais_pool_new (loop, "test", THREADS, QUEUED);
    RelaisPoolFigures figures;

    g_mutex_init (&work.gate);
    g_mutex_lock (&work.gate);
    for (guint i = 0; i < THREADS; i++)
        g_assert_true (relais_pool_run (pool, work_behind_gate, count_done, &work));
    while (queued (pool) > 0) /* until each thread has one */
        g_usleep (1000);
    for (guint i = 0; i < QUEUED; i++)
        g_assert_true (relais_pool_run (pool, work_behind_gate, count_done, &work));
    g_assert_false (relais_pool_run (pool, work_behind_gate, count_done, &work));
    g_assert_cmpuint (queued (pool), ==, QUEUED);
    g_usleep (2000);
    g_mutex_unlock (&work.gate);
    relais_loop_run (loop);
    g_assert_cmpint (work.done, ==, THREADS + QUEUED);
    relais_pool_figures (pool, &figures);
    g_assert_cmpuint (figures.threads, ==, THREADS);
    g_assert_cmpint (figures.busy_us, >=, THREADS * 2000); /* both stood behind the gate */
    relais_pool_free (pool);
    g_mutex_clear (&work.gate);
}

static void
test_pool_free_runs_all (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    Work work = {.loop = loop, .wanted = -1};
    RelaisPool *pool = relais_pool_new (loop, "test", 2, 1000);

    g_mutex_init (&work.gate);
    for (int i = 0; i < 1000; i++)
        g_assert_true (relais_pool_run (pool, work_behind_gate, count_done, &work));
    relais_pool_free (pool);
    g_assert_cmpint (work.done, ==, 1000);
    g_mutex_clear (&work.gate);
}

#ifdef RELAIS_LOOP_ASSERTS
static void
block_here (gpointer data)
{
    relais_assert_may_block ();
}

static void
test_blocking_is_caught (void)
{
    if (g_test_subprocess ()) {
        g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);

        relais_assert_may_block (); /* no turn runs yet */
        relais_loop_post (loop, block_here, NULL);
        relais_loop_turn (loop, true);
        return;
    }
    g_test_trap_subprocess (NULL, 0, 0);
    g_test_trap_assert_failed ();
    g_test_trap_assert_stderr ("*blocking call*main loop*");
}
#endif

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/loop/timers/in-order", test_timers_in_order);
    g_test_add_func ("/loop/timers/not-early", test_timer_not_early);
    g_test_add_func ("/loop/io/freed-in-its-turn", test_watch_freed_in_its_turn);
    g_test_add_func ("/loop/post/in-order", test_posts_in_order);
    g_test_add_func ("/loop/pool/bounded", test_pool_is_bounded);
    g_test_add_func ("/loop/pool/free-runs-all", test_pool_free_runs_all);
#ifdef RELAIS_LOOP_ASSERTS
    g_test_add_func ("/loop/blocking-is-caught", test_blocking_is_caught);
#endif
    return g_test_run ();
}
