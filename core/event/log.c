/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event log's writer. Owns a thread, the open day file, and the bytes that no sync has covered
 * yet; callers only queue, under the mutex.
 *
 * Unsynced bytes stay in memory until fdatasync(2) covered them. After a failed write or sync the
 * file is cut back to its last synced length and all of them are written again a second later,
 * because after a failed sync nobody knows what the kernel still has. If that goes on until
 * BACKLOG_BYTES are held, nothing more is taken: writing later lines without the lost ones would
 * hide the gap, while as it is the next start finds the last seq and the spool hands over the rest.
 */
#include "config.h"

#include "event/event-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/cursor-private.h"
#include "event/files-private.h"
#include "event/index-private.h"
#include "loop/thread-private.h"

#define GATHER_US (10 * RELAIS_USEC_PER_MSEC) /* lines that come together share a write */
#define SYNC_US RELAIS_USEC_PER_SEC           /* the longest that a line stays unsynced */

enum {
    GATHER_BYTES = 256 * 1024, /* as much is written without gathering more */
    BACKLOG_BYTES = 256 * 1024 * 1024
};

typedef struct {
    guint64 seq;
    GBytes *line;
} Observed;

struct RelaisEventLog {
    RelaisLoop *loop;
    const RelaisClock *clock;
    int dir_fd;
    RelaisEventIndex *index;
    GThread *thread;
    guint turn_func;
    GHashTable *known_lines; /* of `known_seq`: on disk already; immutable */
    guint64 known_seq;

    GMutex mutex; /* over what follows, up to `end` */
    GCond wake;   /* for the thread */
    GCond done;   /* for those who wait in relais_event_log_sync () */
    GByteArray *queue;
    guint64 queued_seq;
    guint64 synced_seq;
    guint64 rounds;       /* syncs tried */
    guint64 failed_round; /* the last one that failed; 0 none */
    bool sync_asked;      /* by relais_event_log_sync (), until a round begins */
    gsize held;           /* length of `unsynced` */
    bool full;            /* the backlog's limit was reached */
    bool stopping;
    guint64 queued_lines; /* so many were ever queued */
    guint64 taken_lines;  /* so many of them the thread has, or had */
    GQueue waiting;       /* Waiter, for lines that no sync has covered */
    GQueue settled;       /* Waiter, to be told */
    RelaisEventObserver observer;
    gpointer observer_data;
    GArray *observed;       /* Observed */
    GArray *observed_spare; /* the other half of the double buffer, loop's own */
    RelaisLogPlace end;     /* of what is synced */

    /* The thread's own. */
    int fd;
    char *file_name;
    off_t synced_bytes;   /* length of the file that a sync covered */
    GByteArray *unsynced; /* what should follow it */
    gsize written;        /* how much of `unsynced` write(2) took */
    bool failing;
};

/* Somebody who is told when the lines up to `line` are synced. */
typedef struct {
    guint64 line;
    RelaisEventSynced func;
    gpointer data;
    bool good;
} Waiter;

/* --- The thread ------------------------------------------------------------------------------- */

/* One layer logs, and once: at the change from good to bad and back. */
static bool
note_failure (RelaisEventLog *log, const char *what)
{
    int saved = errno;

    if (!log->failing)
        g_warning ("event log: cannot %s '%s': %s; trying again", what, log->file_name,
                   g_strerror (saved));
    log->failing = true;
    return false;
}

static void
note_success (RelaisEventLog *log)
{
    if (log->failing)
        g_message ("event log: '%s' is written again", log->file_name);
    log->failing = false;
}

/* Opens the file of the day; its directory entry is durable before its first line can be. */
static bool
open_file (RelaisEventLog *log)
{
    struct stat st;
    int fd =
        openat (log->dir_fd, log->file_name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd < 0)
        return note_failure (log, "open");
    if (fsync (log->dir_fd) < 0 || fstat (fd, &st) < 0) {
        note_failure (log, "open");
        close (fd);
        return false;
    }
    log->fd = fd;
    log->synced_bytes = st.st_size;
    return true;
}

static bool
write_unsynced (RelaisEventLog *log)
{
    while (log->written < log->unsynced->len) {
        ssize_t n =
            pwrite (log->fd, log->unsynced->data + log->written, log->unsynced->len - log->written,
                    log->synced_bytes + (off_t)log->written);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return note_failure (log, "write");
        log->written += (gsize)n;
    }
    return true;
}

static bool
sync_unsynced (RelaisEventLog *log)
{
    if (log->unsynced->len == 0)
        return true;
    if (fdatasync (log->fd) < 0)
        return note_failure (log, "sync");
    relais_event_index_add (log->index, log->file_name, (guint64)log->synced_bytes,
                            log->unsynced->data, log->unsynced->len);
    log->synced_bytes += (off_t)log->unsynced->len;
    g_byte_array_set_size (log->unsynced, 0);
    log->written = 0;
    return true;
}

/* Forgets what was written since the last sync, so that it is written anew. */
static void
roll_back (RelaisEventLog *log)
{
    log->written = 0;
    if (log->fd >= 0 && ftruncate (log->fd, log->synced_bytes) < 0)
        note_failure (log, "cut back");
}

/* Goes to the file of today if it is another; not back to an earlier one when the clock steps. */
static bool
turn_page (RelaisEventLog *log)
{
    g_autofree char *today = relais_event_file_name (relais_clock_wall_us (log->clock));

    if (log->file_name != NULL && strcmp (today, log->file_name) <= 0)
        return log->fd >= 0 || open_file (log);
    if (log->fd >= 0) {
        if (!write_unsynced (log) || !sync_unsynced (log))
            return false;
        close (log->fd);
        log->fd = -1;
    }
    g_free (log->file_name);
    log->file_name = g_steal_pointer (&today);
    return open_file (log);
}

/* Takes the queue over; returns the seq that it reaches. Under the mutex. */
static guint64
take_queue (RelaisEventLog *log)
{
    log->sync_asked = false;
    log->taken_lines = log->queued_lines;
    if (log->unsynced->len == 0) {
        GByteArray *empty = log->unsynced;

        log->unsynced = log->queue;
        log->queue = empty;
    } else {
        g_byte_array_append (log->unsynced, log->queue->data, log->queue->len);
        g_byte_array_set_size (log->queue, 0);
    }
    log->held = log->unsynced->len;
    return log->queued_seq;
}

/* Waits, under the mutex, until there is something to do; true if it is time to sync. */
static bool
wait_for_work (RelaisEventLog *log, gint64 sync_at)
{
    gint64 gather_until = 0;

    for (;;) {
        const gint64 now = g_get_monotonic_time ();
        gint64 until;

        if (log->stopping || log->sync_asked || now >= sync_at)
            return true;
        until = sync_at;
        if (log->queue->len > 0 && !log->failing) {
            if (gather_until == 0)
                gather_until = now + GATHER_US;
            if (now >= gather_until || log->queue->len >= GATHER_BYTES)
                return false;
            until = MIN (until, gather_until);
        }
        if (until == G_MAXINT64)
            g_cond_wait (&log->wake, &log->mutex);
        else
            g_cond_wait_until (&log->wake, &log->mutex, until);
    }
}

/* One round without the mutex: writes, and syncs if asked to. */
static bool
write_out (RelaisEventLog *log, bool sync)
{
    if (log->unsynced->len == 0)
        return true;
    if (!turn_page (log) || !write_unsynced (log) || (sync && !sync_unsynced (log))) {
        roll_back (log);
        return false;
    }
    if (sync)
        note_success (log);
    return true;
}

/* Makes the loop turn; the turn function does the rest, so that no post outlives the log. */
static void
wake_loop (gpointer data)
{
}

/* Those whose lines a round had know now. Under the mutex. */
static void
settle_waiters (RelaisEventLog *log, bool good)
{
    const bool was_empty = g_queue_is_empty (&log->settled);
    Waiter *waiter;

    while ((waiter = g_queue_peek_head (&log->waiting)) != NULL &&
           waiter->line <= log->taken_lines) {
        waiter->good = good;
        g_queue_push_tail (&log->settled, g_queue_pop_head (&log->waiting));
    }
    if (was_empty && !g_queue_is_empty (&log->settled))
        relais_loop_post (log->loop, wake_loop, NULL);
}

static void
note_round (RelaisEventLog *log, bool synced, bool good, guint64 seq)
{
    log->held = log->unsynced->len;
    if (log->file_name != NULL)
        log->end =
            (RelaisLogPlace){relais_event_file_day (log->file_name), (guint64)log->synced_bytes};
    if (!synced && good)
        return;
    settle_waiters (log, good);
    log->rounds++;
    if (!good)
        log->failed_round = log->rounds;
    else
        log->synced_seq = seq;
    g_cond_broadcast (&log->done);
}

static gpointer
log_main (gpointer data)
{
    RelaisEventLog *log = data;
    gint64 sync_at = G_MAXINT64;

    g_mutex_lock (&log->mutex);
    for (;;) {
        bool sync = wait_for_work (log, sync_at);
        bool stop = log->stopping;
        guint64 seq = take_queue (log);
        bool good;

        g_mutex_unlock (&log->mutex);
        good = write_out (log, sync);
        g_mutex_lock (&log->mutex);
        note_round (log, sync, good, seq);
        if (stop)
            break;
        if (log->unsynced->len == 0)
            sync_at = G_MAXINT64;
        else if (sync || sync_at == G_MAXINT64)
            sync_at = g_get_monotonic_time () + SYNC_US;
    }
    g_mutex_unlock (&log->mutex);
    return NULL;
}

/* --- Observers -------------------------------------------------------------------------------- */

static void
observed_clear (gpointer data)
{
    g_bytes_unref (((Observed *)data)->line);
}

static GArray *
observed_new (void)
{
    GArray *array = g_array_new (FALSE, FALSE, sizeof (Observed));

    g_array_set_clear_func (array, observed_clear);
    return array;
}

static void
tell_waiters (GQueue *waiters)
{
    Waiter *waiter;

    while ((waiter = g_queue_pop_head (waiters)) != NULL) {
        waiter->func (waiter->data, waiter->good);
        g_free (waiter);
    }
}

static void
tell_observer (RelaisEventLog *log, GArray *batch)
{
    for (guint i = 0; i < batch->len && log->observer != NULL; i++) {
        const Observed *one = &g_array_index (batch, Observed, i);

        log->observer (log->observer_data, one->seq, one->line);
    }
    g_array_set_size (batch, 0);
}

/* At the end of each turn of the loop. */
static void
end_turn (gpointer data)
{
    RelaisEventLog *log = data;
    GArray *batch = NULL;
    GQueue settled;

    g_mutex_lock (&log->mutex);
    settled = log->settled;
    g_queue_init (&log->settled);
    if (log->observed->len > 0) {
        batch = log->observed;
        log->observed = log->observed_spare;
        log->observed_spare = batch;
    }
    g_mutex_unlock (&log->mutex);
    tell_waiters (&settled);
    if (batch != NULL)
        tell_observer (log, batch);
}

void
relais_event_log_set_observer (RelaisEventLog *log, RelaisEventObserver func, gpointer data)
{
    g_mutex_lock (&log->mutex);
    log->observer = func;
    log->observer_data = data;
    g_mutex_unlock (&log->mutex);
}

/* --- Places ----------------------------------------------------------------------------------- */

RelaisLogPlace
relais_event_log_end (RelaisEventLog *log)
{
    RelaisLogPlace end;

    g_mutex_lock (&log->mutex);
    end = log->end;
    g_mutex_unlock (&log->mutex);
    return end;
}

int
relais_event_log_dir (const RelaisEventLog *log)
{
    return log->dir_fd;
}

/* What earlier runs left is synced: their tails were recovered. A clock that was set back meanwhile does not lead to
 * an earlier file: whoever has read on to the last one would never see what is written there. */
static void
go_on_from (RelaisEventLog *log, const GPtrArray *names)
{
    const char *last = names->len > 0 ? g_ptr_array_index (names, names->len - 1) : NULL;
    struct stat st;

    if (last == NULL || fstatat (log->dir_fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    log->file_name = g_strdup (last);
    log->synced_bytes = st.st_size;
    log->end = (RelaisLogPlace){relais_event_file_day (last), (guint64)st.st_size};
}

/* --- Life ------------------------------------------------------------------------------------- */

static bool
recover_all (RelaisEventLog *log, GError **error)
{
    RelaisEventTail tail = {0, log->known_lines};
    g_autoptr (GPtrArray) names = relais_event_file_list (log->dir_fd, error);

    if (names == NULL)
        return false;
    /* A day's file is synced before that of the next is begun. */
    for (guint i = 0; i < names->len; i++)
        if (!relais_event_file_recover (log->dir_fd, g_ptr_array_index (names, i),
                                        i + 1 < names->len, &tail, error))
            return false;
    log->known_seq = log->queued_seq = log->synced_seq = tail.last_seq;
    go_on_from (log, names);
    return true;
}

static bool
open_dir (RelaisEventLog *log, const char *dir, GError **error)
{
    if (g_mkdir_with_parents (dir, 0750) < 0)
        return relais_event_fail (error, "make", dir);
    log->dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir_fd < 0)
        return relais_event_fail (error, "open", dir);
    if (!recover_all (log, error))
        return false;
    log->index = relais_event_index_open (dir, log->clock, error);
    return log->index != NULL;
}

RelaisEventLog *
relais_event_log_open (const char *dir, RelaisLoop *loop, GError **error)
{
    RelaisEventLog *log = g_new0 (RelaisEventLog, 1);

    relais_assert_may_block ();
    log->loop = loop;
    log->clock = relais_loop_clock (loop);
    log->dir_fd = log->fd = -1;
    g_mutex_init (&log->mutex);
    g_cond_init (&log->wake);
    g_cond_init (&log->done);
    log->queue = g_byte_array_new ();
    log->unsynced = g_byte_array_new ();
    log->observed = observed_new ();
    log->observed_spare = observed_new ();
    log->known_lines =
        g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    if (!open_dir (log, dir, error)) {
        relais_event_log_close (log);
        return NULL;
    }
    log->turn_func = relais_loop_add_turn_func (loop, end_turn, log);
    log->thread = relais_thread_new ("event-log", log_main, log);
    return log;
}

void
relais_event_log_close (RelaisEventLog *log)
{
    if (log == NULL)
        return;
    if (log->thread != NULL) {
        g_mutex_lock (&log->mutex);
        log->stopping = true;
        g_cond_signal (&log->wake);
        g_mutex_unlock (&log->mutex);
        g_thread_join (log->thread);
        relais_loop_remove_turn_func (log->loop, log->turn_func);
        end_turn (log);
    }
    relais_event_index_close (log->index);
    if (log->fd >= 0)
        close (log->fd);
    if (log->dir_fd >= 0)
        close (log->dir_fd);
    g_free (log->file_name);
    g_byte_array_unref (log->queue);
    g_byte_array_unref (log->unsynced);
    g_array_unref (log->observed);
    g_array_unref (log->observed_spare);
    g_hash_table_unref (log->known_lines);
    g_cond_clear (&log->done);
    g_cond_clear (&log->wake);
    g_mutex_clear (&log->mutex);
    g_free (log);
}

guint64
relais_event_log_last_seq (RelaisEventLog *log)
{
    guint64 seq;

    g_mutex_lock (&log->mutex);
    seq = log->queued_seq;
    g_mutex_unlock (&log->mutex);
    return seq;
}

/* --- Queueing --------------------------------------------------------------------------------- */

/* Under the mutex. True if the thread may have to be woken. */
static bool
queue_line (RelaisEventLog *log, guint64 seq, GBytes *line)
{
    const bool was_empty = log->queue->len == 0;
    char head[sizeof "{\"seq\":18446744073709551615,"];
    int head_size = g_snprintf (head, sizeof head, "{\"seq\":%" G_GUINT64_FORMAT ",", seq);
    gsize size;
    const guint8 *data = g_bytes_get_data (line, &size);

    if (log->full || log->held + log->queue->len + size > BACKLOG_BYTES) {
        if (!log->full)
            g_critical ("event log: too much is unwritten; lines from seq %" G_GUINT64_FORMAT
                        " on are kept in the spool until the next start",
                        seq);
        log->full = true;
        return false;
    }
    g_byte_array_append (log->queue, (const guint8 *)head, (guint)head_size);
    g_byte_array_append (log->queue, data + 1, (guint)(size - 1));
    g_byte_array_append (log->queue, (const guint8 *)"\n", 1);
    log->queued_seq = MAX (log->queued_seq, seq);
    log->queued_lines++;
    return was_empty || log->queue->len >= GATHER_BYTES;
}

/* Under the mutex. True if the loop must be woken for the observer. */
static bool
owe_observer (RelaisEventLog *log, guint64 seq, GBytes *line)
{
    Observed one = {seq, line};
    const bool wake = log->observed->len == 0;

    if (log->observer == NULL)
        return false;
    g_bytes_ref (line);
    g_array_append_val (log->observed, one);
    return wake;
}

void
relais_event_log_append (RelaisEventLog *log, guint64 seq, GBytes *line)
{
    bool wake_observer;

    g_mutex_lock (&log->mutex);
    if (!(seq == log->known_seq && g_hash_table_contains (log->known_lines, line)) &&
        queue_line (log, seq, line))
        g_cond_signal (&log->wake);
    wake_observer = owe_observer (log, seq, line);
    g_mutex_unlock (&log->mutex);
    if (wake_observer)
        relais_loop_post (log->loop, wake_loop, NULL);
}

/* Under the mutex. What finds no room is told so at once. */
static void
add_waiter (RelaisEventLog *log, RelaisEventSynced func, gpointer data)
{
    Waiter *waiter = g_new (Waiter, 1);

    *waiter = (Waiter){log->queued_lines, func, data, false};
    g_queue_push_tail (&log->waiting, waiter);
    if (log->full) {
        g_queue_push_tail (&log->settled, g_queue_pop_tail (&log->waiting));
        relais_loop_post (log->loop, wake_loop, NULL);
        return;
    }
    log->sync_asked = true;
    g_cond_signal (&log->wake);
}

void
relais_event_log_append_now (RelaisEventLog *log, GBytes *line, RelaisEventSynced func,
                             gpointer data)
{
    bool wake_observer;

    g_mutex_lock (&log->mutex);
    if (queue_line (log, log->queued_seq, line))
        g_cond_signal (&log->wake);
    if (func != NULL)
        add_waiter (log, func, data);
    wake_observer = owe_observer (log, log->queued_seq, line);
    g_mutex_unlock (&log->mutex);
    if (wake_observer)
        relais_loop_post (log->loop, wake_loop, NULL);
}

bool
relais_event_log_sync (RelaisEventLog *log, guint64 seq)
{
    guint64 wanted, rounds;
    bool synced;

    relais_assert_may_block ();
    g_mutex_lock (&log->mutex);
    wanted = log->full ? seq : MIN (seq, log->queued_seq);
    rounds = log->rounds;
    log->sync_asked = true;
    g_cond_signal (&log->wake);
    while (log->synced_seq < wanted && log->failed_round <= rounds && !log->full)
        g_cond_wait (&log->done, &log->mutex);
    synced = log->synced_seq >= wanted;
    g_mutex_unlock (&log->mutex);
    return synced;
}

/* --- Finding ---------------------------------------------------------------------------------- */

RelaisEventIndex *
relais_event_log_get_index (RelaisEventLog *log)
{
    return log->index;
}

GPtrArray *
relais_event_log_find (RelaisEventLog *log, const char *queue_id, guint32 number, gint64 since_us,
                       GError **error)
{
    return relais_event_deliveries_find (log->index, log->dir_fd, queue_id, number, since_us,
                                         error);
}

GPtrArray *
relais_event_log_find_message_id (RelaisEventLog *log, const char *message_id, guint max,
                                  GError **error)
{
    return relais_event_deliveries_find_message_id (log->index, log->dir_fd, message_id, max,
                                                    error);
}
