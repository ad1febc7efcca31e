/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The main loop. Owns the epoll descriptor, the wake-up descriptor, the watches' records and the
 * post queue. Runs on the thread that made it; the post queue alone is shared, under its mutex.
 *
 * A turn: epoll's events, then what was posted, then due timers, then the turn functions. A watch
 * that is freed while its turn still holds events for it is marked dead and its memory kept until
 * the turn ends, so that a callback may free anything.
 */
#include "config.h"

#include "loop/loop-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256, TIMERS_PER_TURN = 1024 };

struct RelaisIo {
    RelaisLoop *loop;
    int fd;
    guint32 events;
    RelaisIoFunc func; /* NULL once freed */
    gpointer data;
    RelaisIo *next_dead;
};

typedef struct {
    RelaisLoopFunc func;
    gpointer data;
    guint handle;
} Callback;

struct RelaisLoop {
    GMainContext *context;
    GSource *source;
    GThread *owner;
    const RelaisClock *clock;
    int epoll_fd;
    int wake_fd;
    bool quit;
    bool dispatching;
    gint64 now_us;
    gint64 wall_us;
    gint64 turn_began_us;  /* atomic: the same while a turn is under way, else 0 */
    gint64 awake_since_us; /* machine's monotonic clock at the last return from waiting */
    gint64 longest_gap_us;
    gint64 busy_us; /* in turns, in all */
    RelaisTimerHeap *timers;
    RelaisIo *dead;
    RelaisLoopObserver observer; /* all NULL if there is none */
    GArray *turn_funcs;          /* Callback */
    guint next_handle;

    GMutex mutex;
    GArray *posted; /* Callback, under mutex */
    GArray *taken;  /* the other half of the double buffer, loop's own */
};

typedef struct {
    GSource source;
    RelaisLoop *loop;
} LoopSource;

/* Per thread: is a turn of a loop under way here. Start-up and shutdown are outside of one. */
static __thread int loop_running;

void
relais_assert_may_block (void)
{
#ifdef RELAIS_LOOP_ASSERTS
    if (G_UNLIKELY (loop_running > 0))
        g_error ("a blocking call was made on the main loop");
#endif
}

void
relais_loop_assert_owner (const RelaisLoop *loop)
{
    g_assert (loop->owner == g_thread_self ());
}

static void
take_times (RelaisLoop *loop)
{
    loop->now_us = relais_clock_mono_us (loop->clock);
    loop->wall_us = relais_clock_wall_us (loop->clock);
}

static void
note_gap (RelaisLoop *loop)
{
    gint64 gap = g_get_monotonic_time () - loop->awake_since_us;

    loop->busy_us += gap;
    if (gap > loop->longest_gap_us)
        loop->longest_gap_us = gap;
}

static void
drain_wake_fd (RelaisLoop *loop)
{
    guint64 count;

    (void)!read (loop->wake_fd, &count, sizeof count);
}

static bool
run_posted (RelaisLoop *loop)
{
    GArray *batch;

    g_mutex_lock (&loop->mutex);
    batch = loop->posted;
    loop->posted = loop->taken;
    g_mutex_unlock (&loop->mutex);
    for (guint i = 0; i < batch->len; i++) {
        Callback *post = &g_array_index (batch, Callback, i);

        post->func (post->data);
    }
    bool any = batch->len > 0;

    g_array_set_size (batch, 0);
    loop->taken = batch;
    return any;
}

static bool
run_timers (RelaisLoop *loop)
{
    RelaisTimer *timer;
    int n = 0;

    while (n < TIMERS_PER_TURN &&
           (timer = relais_timer_heap_take (loop->timers, loop->now_us)) != NULL) {
        timer->func (timer->data);
        n++;
    }
    return n > 0;
}

static void
run_turn_funcs (RelaisLoop *loop)
{
    for (guint i = 0; i < loop->turn_funcs->len; i++) {
        Callback *callback = &g_array_index (loop->turn_funcs, Callback, i);

        if (callback->func != NULL)
            callback->func (callback->data);
    }
}

static void
bury_dead (RelaisLoop *loop)
{
    while (loop->dead != NULL) {
        RelaisIo *io = loop->dead;

        loop->dead = io->next_dead;
        g_free (io);
    }
    for (guint i = loop->turn_funcs->len; i > 0; i--)
        if (g_array_index (loop->turn_funcs, Callback, i - 1).func == NULL)
            g_array_remove_index (loop->turn_funcs, i - 1);
}

static bool
run_events (RelaisLoop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait (loop->epoll_fd, events, EVENTS_PER_TURN, 0);

    for (int i = 0; i < n; i++) {
        RelaisIo *io = events[i].data.ptr;

        if (io == NULL)
            drain_wake_fd (loop);
        else if (io->func != NULL)
            io->func (io->data, events[i].events);
    }
    return n > 0;
}

static bool
dispatch_turn (RelaisLoop *loop)
{
    bool any;

    loop->dispatching = true;
    loop_running++;
    loop->awake_since_us = g_get_monotonic_time ();
    __atomic_store_n (&loop->turn_began_us, loop->awake_since_us, __ATOMIC_RELAXED);
    take_times (loop);
    any = run_events (loop);
    any |= run_posted (loop);
    any |= run_timers (loop);
    run_turn_funcs (loop);
    bury_dead (loop);
    loop_running--;
    loop->dispatching = false;
    __atomic_store_n (&loop->turn_began_us, 0, __ATOMIC_RELAXED);
    note_gap (loop);
    return any;
}

/* --- The GSource ------------------------------------------------------------------------------ */

/* False: there is something to do. What watches may rely on it, so what came in or was posted meanwhile counts. */
static bool
sleep_until_woken (RelaisLoop *loop, gint64 next_us)
{
    const gint64 now_us = relais_clock_mono_us (loop->clock);
    struct pollfd events = {.fd = loop->epoll_fd, .events = POLLIN};

    if (next_us <= now_us || poll (&events, 1, 0) > 0)
        return false;
    loop->observer.sleeps (loop->observer.data, now_us, next_us);
    return true;
}

static gboolean
source_prepare (GSource *source, gint *timeout_ms)
{
    RelaisLoop *loop = ((LoopSource *)source)->loop;
    gint64 next = relais_timer_heap_next_us (loop->timers);
    gint64 wait;

    *timeout_ms = -1;
    if (loop->observer.sleeps != NULL)
        return !sleep_until_woken (loop, next);
    if (next == G_MAXINT64)
        return FALSE;
    wait = next - relais_clock_mono_us (loop->clock);
    if (wait <= 0)
        return TRUE;
    *timeout_ms = (gint)MIN ((wait + 999) / 1000, G_MAXINT / 2);
    return FALSE;
}

/* GLib itself looks at the epoll descriptor; here only the timers are asked. */
static gboolean
source_check (GSource *source)
{
    RelaisLoop *loop = ((LoopSource *)source)->loop;

    if (loop->observer.wakes != NULL)
        loop->observer.wakes (loop->observer.data);
    return relais_timer_heap_next_us (loop->timers) <= relais_clock_mono_us (loop->clock);
}

static gboolean
source_dispatch (GSource *source, GSourceFunc func, gpointer data)
{
    RelaisLoop *loop = ((LoopSource *)source)->loop;

    if (!loop->dispatching)
        dispatch_turn (loop);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {source_prepare, source_check, source_dispatch,
                                    NULL,           NULL,         NULL};

static gboolean
fail_errno (GError **error, const char *what)
{
    int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s: %s", what,
                 g_strerror (saved));
    return FALSE;
}

static bool
open_descriptors (RelaisLoop *loop, GError **error)
{
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};

    loop->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return fail_errno (error, "cannot create an epoll descriptor");
    loop->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        return fail_errno (error, "cannot create a wake-up descriptor");
    if (epoll_ctl (loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) < 0)
        return fail_errno (error, "cannot watch the wake-up descriptor");
    return true;
}

RelaisLoop *
relais_loop_new (const RelaisClock *clock, GError **error)
{
    RelaisLoop *loop = g_new0 (RelaisLoop, 1);

    loop->epoll_fd = loop->wake_fd = -1;
    loop->owner = g_thread_self ();
    loop->clock = clock != NULL ? clock : relais_clock_system ();
    loop->timers = relais_timer_heap_new ();
    loop->posted = g_array_new (FALSE, FALSE, sizeof (Callback));
    loop->taken = g_array_new (FALSE, FALSE, sizeof (Callback));
    loop->turn_funcs = g_array_new (FALSE, FALSE, sizeof (Callback));
    g_mutex_init (&loop->mutex);
    take_times (loop);
    if (!open_descriptors (loop, error)) {
        relais_loop_free (loop);
        return NULL;
    }
    loop->context = g_main_context_new ();
    loop->source = g_source_new (&source_funcs, sizeof (LoopSource));
    ((LoopSource *)loop->source)->loop = loop;
    g_source_set_name (loop->source, "relais-loop");
    /* GLib blocks a source that may not recurse around each dispatch, at the price of three system
     * calls; the guard in source_dispatch () does the same for nothing. */
    g_source_set_can_recurse (loop->source, TRUE);
    g_source_add_unix_fd (loop->source, loop->epoll_fd, G_IO_IN);
    g_source_attach (loop->source, loop->context);
    return loop;
}

void
relais_loop_free (RelaisLoop *loop)
{
    if (loop == NULL)
        return;
    g_assert (!loop->dispatching);
    bury_dead (loop);
    if (loop->source != NULL) {
        g_source_destroy (loop->source);
        g_source_unref (loop->source);
    }
    g_clear_pointer (&loop->context, g_main_context_unref);
    if (loop->wake_fd >= 0)
        close (loop->wake_fd);
    if (loop->epoll_fd >= 0)
        close (loop->epoll_fd);
    relais_timer_heap_free (loop->timers);
    g_array_unref (loop->posted);
    g_array_unref (loop->taken);
    g_array_unref (loop->turn_funcs);
    g_mutex_clear (&loop->mutex);
    g_free (loop);
}

bool
relais_loop_turn (RelaisLoop *loop, bool may_wait)
{
    relais_loop_assert_owner (loop);
    return g_main_context_iteration (loop->context, may_wait);
}

void
relais_loop_run (RelaisLoop *loop)
{
    relais_loop_assert_owner (loop);
    g_main_context_push_thread_default (loop->context);
    loop->quit = false;
    while (!loop->quit)
        g_main_context_iteration (loop->context, TRUE);
    g_main_context_pop_thread_default (loop->context);
}

static void
quit_on_loop (gpointer data)
{
    ((RelaisLoop *)data)->quit = true;
}

void
relais_loop_quit (RelaisLoop *loop)
{
    relais_loop_post (loop, quit_on_loop, loop);
}

gint64
relais_loop_now_us (const RelaisLoop *loop)
{
    return loop->dispatching ? loop->now_us : relais_clock_mono_us (loop->clock);
}

gint64
relais_loop_wall_us (const RelaisLoop *loop)
{
    return loop->dispatching ? loop->wall_us : relais_clock_wall_us (loop->clock);
}

const RelaisClock *
relais_loop_clock (const RelaisLoop *loop)
{
    return loop->clock;
}

gint64
relais_loop_longest_gap_us (RelaisLoop *loop, bool reset)
{
    gint64 gap = loop->longest_gap_us;

    if (reset)
        loop->longest_gap_us = 0;
    return gap;
}

gint64
relais_loop_turn_began_us (const RelaisLoop *loop)
{
    return __atomic_load_n (&loop->turn_began_us, __ATOMIC_RELAXED);
}

gint64
relais_loop_busy_us (const RelaisLoop *loop)
{
    return loop->busy_us;
}

void
relais_loop_set_observer (RelaisLoop *loop, const RelaisLoopObserver *observer)
{
    relais_loop_assert_owner (loop);
    loop->observer = observer != NULL ? *observer : (RelaisLoopObserver){0};
}

void
relais_loop_count_jobs (RelaisLoop *loop, int change)
{
    if (loop->observer.jobs != NULL)
        __atomic_fetch_add (loop->observer.jobs, change, __ATOMIC_ACQ_REL);
}

GMainContext *
relais_loop_context (RelaisLoop *loop)
{
    return loop->context;
}

RelaisTimerHeap *
relais_loop_timers (RelaisLoop *loop)
{
    return loop->timers;
}

/* --- Descriptors ------------------------------------------------------------------------------ */

RelaisIo *
relais_io_new (RelaisLoop *loop, int fd, guint32 events, RelaisIoFunc func, gpointer data,
               GError **error)
{
    RelaisIo *io = g_new0 (RelaisIo, 1);
    struct epoll_event event = {.events = events, .data.ptr = io};

    relais_loop_assert_owner (loop);
    *io = (RelaisIo){.loop = loop, .fd = fd, .events = events, .func = func, .data = data};
    if (epoll_ctl (loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        fail_errno (error, "cannot watch a descriptor");
        g_free (io);
        return NULL;
    }
    return io;
}

void
relais_io_set_events (RelaisIo *io, guint32 events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    if (io->events == events)
        return;
    io->events = events;
    if (epoll_ctl (io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0)
        g_error ("cannot change a watch: %s", g_strerror (errno));
}

void
relais_io_free (RelaisIo *io)
{
    if (io == NULL)
        return;
    relais_loop_assert_owner (io->loop);
    epoll_ctl (io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->func = NULL;
    if (!io->loop->dispatching) {
        g_free (io);
        return;
    }
    io->next_dead = io->loop->dead;
    io->loop->dead = io;
}

/* --- Work handed to the loop ------------------------------------------------------------------ */

void
relais_loop_post (RelaisLoop *loop, RelaisLoopFunc func, gpointer data)
{
    Callback post = {func, data, 0};
    const guint64 one = 1;
    bool wake;

    g_mutex_lock (&loop->mutex);
    wake = loop->posted->len == 0;
    g_array_append_val (loop->posted, post);
    g_mutex_unlock (&loop->mutex);
    if (wake)
        (void)!write (loop->wake_fd, &one, sizeof one);
}

guint
relais_loop_add_turn_func (RelaisLoop *loop, RelaisLoopFunc func, gpointer data)
{
    Callback callback = {func, data, ++loop->next_handle};

    relais_loop_assert_owner (loop);
    g_array_append_val (loop->turn_funcs, callback);
    return callback.handle;
}

void
relais_loop_remove_turn_func (RelaisLoop *loop, guint handle)
{
    relais_loop_assert_owner (loop);
    for (guint i = 0; i < loop->turn_funcs->len; i++) {
        Callback *callback = &g_array_index (loop->turn_funcs, Callback, i);

        if (callback->handle == handle)
            callback->func = NULL;
    }
}
