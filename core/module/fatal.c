/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fatal handler and the watchdog's thread. See the header.
 *
 * The first thread that dies writes the record; others that die meanwhile wait for the end. Then the action that was
 * there before is put back and the signal comes again: a sanitizer's report, a core file, the status that the
 * service manager sees are what they would have been. A stray write may have left the module's record unreadable, so
 * that the handler dies of it: the same thread then tells the same end without it, and waits for nobody.
 */
#include "config.h"

#include "module/fatal-private.h"

#include "loop/thread-private.h"
#include "module/guard-private.h"
#include "module/module-private.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
static struct sigaction before[G_N_ELEMENTS (fatal_signals)];

static int record_fd = -1;
static guint64 record_number;
static int dying;          /* atomic: the thread that is, or 0 */
static int first_signal;   /* that it got */
static RelaisGuard blamed; /* by the watchdog, which dies for another thread */
static bool is_blamed;

/* --- The handler ------------------------------------------------------------------------------ */

static void
copy_name (char to[RELAIS_CRASH_NAME_BYTES], const char *from)
{
    gsize i = 0;

    for (; from != NULL && from[i] != '\0' && i < RELAIS_CRASH_NAME_BYTES - 1; i++)
        to[i] = from[i];
    to[i] = '\0';
}

typedef struct {
    char text[512];
    gsize size;
} Line;

static void
add (Line *line, const char *text)
{
    while (*text != '\0' && line->size < sizeof line->text)
        line->text[line->size++] = *text++;
}

static void
add_number (Line *line, guint64 number)
{
    char digits[24];
    guint at = sizeof digits - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add (line, digits + at);
}

static void
say (const RelaisCrash *crash)
{
    Line line = {.size = 0};
    char id[RELAIS_ID_TEXT_BYTES];

    add (&line, "relaisd: ended by signal ");
    add_number (&line, crash->signal);
    add (&line, (crash->flags & RELAIS_CRASH_STUCK) != 0 ? " (watchdog) in " : " in ");
    add (&line, crash->module[0] != '\0' ? "module " : "the core");
    add (&line, crash->module);
    if (crash->what[0] != '\0') {
        add (&line, ", ");
        add (&line, crash->what);
    }
    if (crash->id != 0) {
        relais_id_to_text (crash->id, id);
        add (&line, ", message ");
        add (&line, id);
    }
    add (&line, "\n");
    (void)!write (STDERR_FILENO, line.text, line.size);
}

static void
keep (const RelaisCrash *crash)
{
    guint8 bytes[RELAIS_CRASH_BYTES];

    if (record_fd < 0)
        return;
    relais_crash_encode (crash, bytes);
    (void)!pwrite (record_fd, bytes, sizeof bytes, relais_crash_offset (crash->number));
    (void)fdatasync (record_fd);
}

/* Whether this thread is the one that tells; `again`: its own telling was what failed. */
static bool
is_teller (bool *again)
{
    const int me = (int)gettid ();
    int who = 0;

    *again =
        !__atomic_compare_exchange_n (&dying, &who, me, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return !*again || who == me;
}

static void
on_fatal (int number)
{
    const RelaisGuard *guard = is_blamed ? &blamed : relais_guard_current ();
    RelaisCrash crash = {.number = record_number, .flags = is_blamed ? RELAIS_CRASH_STUCK : 0};
    struct timespec now;
    bool again;

    if (!is_teller (&again))
        for (;;)
            pause ();
    if (again)
        guard = NULL;
    else
        first_signal = number;
    crash.signal = (guint32)first_signal;
    clock_gettime (CLOCK_REALTIME, &now);
    crash.wall_us = now.tv_sec * RELAIS_USEC_PER_SEC + now.tv_nsec / 1000;
    if (guard != NULL && guard->module != NULL) {
        copy_name (crash.module, guard->module->descriptor.name);
        copy_name (crash.what, guard->what);
        crash.id = guard->id;
        crash.hooks = guard->module->hooks;
    } else if (is_blamed) {
        copy_name (crash.what, "loop");
    }
    keep (&crash);
    say (&crash);
    for (guint i = 0; i < G_N_ELEMENTS (fatal_signals); i++)
        if (fatal_signals[i] == number)
            (void)sigaction (number, &before[i], NULL);
    /* Blocked until the handler returns: it comes then. */
    (void)raise (number);
}

void
relais_fatal_install (void)
{
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};

    relais_guard_set_loop_thread ();
    sigemptyset (&action.sa_mask);
    for (guint i = 0; i < G_N_ELEMENTS (fatal_signals); i++)
        (void)sigaction (fatal_signals[i], &action, &before[i]);
}

void
relais_fatal_set_file (int fd, guint64 number)
{
    record_number = number;
    record_fd = fd;
}

/* --- The watchdog ----------------------------------------------------------------------------- */

enum { MIN_TICK_US = 10000, MAX_TICK_US = 1000000 };

/* What was seen of a thread at the last ticks. */
typedef struct {
    gint64 began_us;
    gint64 seen_us; /* in ticks, since it began */
    guint64 tick;
} Seen;

struct RelaisWatchdog {
    GThread *thread;
    RelaisLoop *loop;
    gint64 limit_us, tick_us;
    GHashTable *threads; /* number -> Seen */
    Seen loop_seen;
    RelaisGuard on_loop; /* what the loop's thread is in, at this tick */
    guint64 tick;
    GMutex mutex;
    GCond cond;
    bool stopping; /* under mutex */
};

static void G_GNUC_NORETURN
blame (const RelaisGuard *guard)
{
    blamed = *guard;
    is_blamed = true;
    abort ();
}

/* Whether it was in the same thing for so many ticks: clocks alone would count time in which the process
 * stood still. */
static bool
is_stuck (const RelaisWatchdog *watchdog, Seen *seen, gint64 began_us, gint64 allowed_us)
{
    const gint64 limit = MAX (watchdog->limit_us, allowed_us);

    if (seen->began_us != began_us || seen->tick + 1 != watchdog->tick)
        seen->seen_us = 0;
    else
        seen->seen_us += watchdog->tick_us;
    seen->began_us = began_us;
    seen->tick = watchdog->tick;
    return seen->seen_us >= limit && relais_guard_now_us () - began_us >= limit;
}

static void
look_at (gpointer data, guint64 thread, bool is_loop, const RelaisGuard *guard)
{
    RelaisWatchdog *watchdog = data;
    Seen *seen = g_hash_table_lookup (watchdog->threads, &thread);

    if (is_loop)
        watchdog->on_loop = *guard;

    if (guard->began_us == 0 || guard->allowed_us == RELAIS_GUARD_FREE)
        return;
    if (seen == NULL) {
        seen = g_new0 (Seen, 1);
        g_hash_table_insert (watchdog->threads, g_memdup2 (&thread, sizeof thread), seen);
    }
    if (is_stuck (watchdog, seen, guard->began_us, guard->allowed_us))
        blame (guard);
}

/* The loop's own thread in a module is that module's doing; else the core's. */
static void
look_at_loop (RelaisWatchdog *watchdog)
{
    const gint64 began = relais_loop_turn_began_us (watchdog->loop);

    if (began != 0 && is_stuck (watchdog, &watchdog->loop_seen, began, 0))
        blame (&watchdog->on_loop);
}

static gpointer
watch (gpointer data)
{
    RelaisWatchdog *watchdog = data;

    g_mutex_lock (&watchdog->mutex);
    while (!watchdog->stopping) {
        g_cond_wait_until (&watchdog->cond, &watchdog->mutex,
                           g_get_monotonic_time () + watchdog->tick_us);
        watchdog->tick++;
        watchdog->on_loop = (RelaisGuard){0};
        relais_guard_each (look_at, watchdog);
        look_at_loop (watchdog);
    }
    g_mutex_unlock (&watchdog->mutex);
    return NULL;
}

RelaisWatchdog *
relais_watchdog_new (RelaisLoop *loop, gint64 limit_us)
{
    RelaisWatchdog *watchdog = g_new0 (RelaisWatchdog, 1);

    watchdog->loop = loop;
    watchdog->limit_us = limit_us;
    watchdog->tick_us = CLAMP (limit_us / 8, MIN_TICK_US, MAX_TICK_US);
    watchdog->threads = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    g_mutex_init (&watchdog->mutex);
    g_cond_init (&watchdog->cond);
    watchdog->thread = relais_thread_new ("watchdog", watch, watchdog);
    return watchdog;
}

void
relais_watchdog_free (RelaisWatchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    g_mutex_lock (&watchdog->mutex);
    watchdog->stopping = true;
    g_cond_signal (&watchdog->cond);
    g_mutex_unlock (&watchdog->mutex);
    g_thread_join (watchdog->thread);
    g_hash_table_unref (watchdog->threads);
    g_cond_clear (&watchdog->cond);
    g_mutex_clear (&watchdog->mutex);
    g_free (watchdog);
}
