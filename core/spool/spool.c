/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The spool as its users see it: opening and closing, ids, refusals, figures, and the way back of
 * what the threads have to say. Loop thread, but for the few calls that say otherwise.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spool-state.h"
#include "loop/memory-private.h"
#include "loop/thread-private.h"

#define DEFAULT_SEGMENT_BYTES (G_GUINT64_CONSTANT (64) << 20)
#define DEFAULT_MEMORY_BYTES (G_GUINT64_CONSTANT (256) << 20)
#define DEFAULT_PROBE_US (10 * RELAIS_USEC_PER_SEC)
#define JOBS_RETRY_US (5 * RELAIS_USEC_PER_MSEC)
#define LEAST_MEMORY_BYTES (G_GUINT64_CONSTANT (1) << 20)
enum { DEFAULT_FREE_INODES = 5000, MEMORY_SHARE = 8 /* of what there is, for each of the two */ };

/* --- Notices: what the threads tell the loop ------------------------------------------------------ */

static void
deliver (const RelaisNotice *notice)
{
    RelaisGroup *group = notice->group;

    if (notice->kind == RELAIS_NOTICE_WRITTEN) {
        group->written (group->data);
        return;
    }
    if (group->error != NULL)
        for (guint i = 0; i < group->items->len; i++) {
            const RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

            if (item->message != NULL)
                relais_spool_cool (group->spool, item->id);
            if (item->file != NULL)
                relais_spool_drop_file (group->spool, relais_body_file_get_ref (item->file).number);
        }
    if (group->synced != NULL)
        group->synced (group->data, group->error);
    relais_group_free (group);
}

static void
deliver_notices (gpointer data)
{
    RelaisSpool *spool = data;
    GArray *batch;

    g_mutex_lock (&spool->notice_lock);
    batch = spool->notices;
    spool->notices = spool->notices_taken;
    spool->notices_posted = false;
    g_mutex_unlock (&spool->notice_lock);
    for (guint i = 0; i < batch->len; i++)
        deliver (&g_array_index (batch, RelaisNotice, i));
    g_array_set_size (batch, 0);
    spool->notices_taken = batch;
}

void
relais_spool_notify (RelaisSpool *spool, RelaisGroup *const *groups, guint n, RelaisNoticeKind kind)
{
    bool post;

    if (n == 0)
        return;
    g_mutex_lock (&spool->notice_lock);
    for (guint i = 0; i < n; i++) {
        RelaisNotice notice = {groups[i], kind};

        g_array_append_val (spool->notices, notice);
    }
    post = !spool->notices_posted;
    spool->notices_posted = true;
    g_mutex_unlock (&spool->notice_lock);
    if (post)
        relais_loop_post (spool->loop, deliver_notices, spool);
}

/* --- Jobs --------------------------------------------------------------------------------------- */

typedef struct {
    RelaisSpool *spool;
    RelaisLoopFunc work, done;
    gpointer data;
} Job;

static void
job_work (gpointer data)
{
    Job *job = data;

    job->work (job->data);
}

static void
job_done (gpointer data)
{
    Job *job = data;

    job->spool->jobs--;
    job->done (job->data);
    g_free (job);
}

static void
run_waiting_jobs (gpointer data)
{
    RelaisSpool *spool = data;

    while (spool->jobs_waiting.length > 0) {
        if (!relais_pool_run (spool->pool, job_work, job_done,
                              g_queue_peek_head (&spool->jobs_waiting))) {
            relais_timer_set (&spool->jobs_timer, JOBS_RETRY_US);
            return;
        }
        g_queue_pop_head (&spool->jobs_waiting);
    }
}

void
relais_spool_run_job (RelaisSpool *spool, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data)
{
    Job *job = g_new (Job, 1);

    *job = (Job){spool, work, done, data};
    spool->jobs++;
    g_queue_push_tail (&spool->jobs_waiting, job);
    if (!relais_timer_is_set (&spool->jobs_timer))
        run_waiting_jobs (spool);
}

void
relais_spool_ask_keeper (RelaisSpool *spool)
{
    g_mutex_lock (&spool->log_lock);
    spool->keeper_asked = true;
    g_cond_signal (&spool->keeper_wake);
    g_mutex_unlock (&spool->log_lock);
}

void
relais_spool_drop_file (RelaisSpool *spool, guint64 number)
{
    g_mutex_lock (&spool->log_lock);
    g_array_append_val (spool->dead_files, number);
    spool->keeper_asked = true;
    g_cond_signal (&spool->keeper_wake);
    g_mutex_unlock (&spool->log_lock);
}

/* --- Opening ------------------------------------------------------------------------------------ */

/* On a small machine, or in a small control group, the kernel would end us before we refuse anything. */
static void
bound_memory (const RelaisSpool *spool, RelaisSpoolOptions *to)
{
    const guint64 allowed = relais_memory_allowed ("");
    const guint64 most = MAX (allowed / MEMORY_SHARE, LEAST_MEMORY_BYTES);

    if (to->hot_memory_bytes <= most && to->receive_memory_bytes <= most)
        return;
    g_message ("the spool \"%s\" takes at most %" G_GUINT64_FORMAT
               " MiB each for hot_memory and receive_memory: the daemon may use %" G_GUINT64_FORMAT
               " MiB in all",
               spool->dir, most >> 20, allowed >> 20);
    to->hot_memory_bytes = MIN (to->hot_memory_bytes, most);
    to->receive_memory_bytes = MIN (to->receive_memory_bytes, most);
}

static void
set_options (RelaisSpool *spool, const RelaisSpoolOptions *options)
{
    RelaisSpoolOptions *to = &spool->options;

    *to = *options;
    to->dir = NULL;
    if (to->segment_bytes == 0)
        to->segment_bytes = DEFAULT_SEGMENT_BYTES;
    to->segment_bytes =
        CLAMP (to->segment_bytes, RELAIS_SEGMENT_MIN_BYTES, RELAIS_SEGMENT_MAX_BYTES) &
        ~G_GUINT64_CONSTANT (4095);
    if (to->hot_memory_bytes == 0)
        to->hot_memory_bytes = DEFAULT_MEMORY_BYTES;
    if (to->receive_memory_bytes == 0)
        to->receive_memory_bytes = DEFAULT_MEMORY_BYTES;
    bound_memory (spool, to);
    if (to->min_free_inodes == 0)
        to->min_free_inodes = DEFAULT_FREE_INODES;
    if (to->probe_us == 0)
        to->probe_us = DEFAULT_PROBE_US;
}

static RelaisSpool *
make (const RelaisSpoolOptions *options, RelaisLoop *loop, RelaisPool *pool, RelaisEventLog *events)
{
    RelaisSpool *spool = g_new0 (RelaisSpool, 1);

    spool->dir = g_strdup (options->dir);
    spool->dir_fd = spool->bodies_fd = spool->quarantine_fd = spool->lock_fd = -1;
    spool->loop = loop;
    spool->pool = pool;
    spool->events = events;
    spool->next_number = 1;
    set_options (spool, options);
    spool->submitting = g_ptr_array_new ();
    spool->hot = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
                                        (GDestroyNotify)relais_message_unref);
    g_queue_init (&spool->paused);
    g_queue_init (&spool->jobs_waiting);
    relais_timer_init (&spool->pause_timer, loop, relais_draft_memory_timer, spool);
    relais_timer_init (&spool->turn_timer, loop, relais_group_end_of_turn, spool);
    relais_timer_init (&spool->jobs_timer, loop, run_waiting_jobs, spool);
    spool->refuse_io = g_error_new_literal (RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_IO,
                                            "the spool is out of order");
    spool->refuse_space = g_error_new_literal (RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_SPACE,
                                               "the spool's file system is full");
    spool->refuse_memory = g_error_new_literal (RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_MEMORY,
                                                "too much mail is being received");
    g_mutex_init (&spool->log_lock);
    g_mutex_init (&spool->index_lock);
    g_mutex_init (&spool->notice_lock);
    g_cond_init (&spool->writer_wake);
    g_cond_init (&spool->syncer_wake);
    g_cond_init (&spool->keeper_wake);
    g_cond_init (&spool->blank_ready);
    spool->incoming = g_ptr_array_new ();
    spool->written = g_ptr_array_new ();
    spool->dirty = g_ptr_array_new ();
    spool->blanks = g_array_new (FALSE, FALSE, sizeof (guint32));
    spool->dead_files = g_array_new (FALSE, FALSE, sizeof (guint64));
    spool->kept = g_ptr_array_new ();
    spool->arena = g_byte_array_new ();
    spool->cuts = relais_writer_new_cuts ();
    spool->batch = g_ptr_array_new ();
    spool->index = relais_index_new ();
    spool->segments = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)relais_segment_free);
    spool->files = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    spool->dying_files = g_array_new (FALSE, FALSE, sizeof (guint64));
    spool->drained = g_array_new (FALSE, FALSE, sizeof (guint32));
    spool->notices = g_array_new (FALSE, FALSE, sizeof (RelaisNotice));
    spool->notices_taken = g_array_new (FALSE, FALSE, sizeof (RelaisNotice));
    return spool;
}

static void
close_descriptor (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

static void
destroy (RelaisSpool *spool)
{
    relais_compaction_free (spool->compaction);
    g_hash_table_unref (spool->hot);
    g_ptr_array_unref (spool->submitting);
    g_error_free (spool->refuse_io);
    g_error_free (spool->refuse_space);
    g_error_free (spool->refuse_memory);
    g_ptr_array_unref (spool->incoming);
    g_ptr_array_unref (spool->written);
    g_ptr_array_unref (spool->dirty);
    g_array_unref (spool->blanks);
    g_array_unref (spool->dead_files);
    g_ptr_array_unref (spool->kept);
    g_byte_array_unref (spool->arena);
    g_array_unref (spool->cuts);
    g_ptr_array_unref (spool->batch);
    relais_index_free (spool->index);
    g_hash_table_unref (spool->segments);
    g_hash_table_unref (spool->files);
    g_array_unref (spool->dying_files);
    g_array_unref (spool->drained);
    g_array_unref (spool->notices);
    g_array_unref (spool->notices_taken);
    g_clear_error (&spool->failure);
    g_clear_error (&spool->blank_error);
    close_descriptor (&spool->bodies_fd);
    close_descriptor (&spool->quarantine_fd);
    close_descriptor (&spool->dir_fd);
    close_descriptor (&spool->lock_fd);
    g_mutex_clear (&spool->log_lock);
    g_mutex_clear (&spool->index_lock);
    g_mutex_clear (&spool->notice_lock);
    g_cond_clear (&spool->writer_wake);
    g_cond_clear (&spool->syncer_wake);
    g_cond_clear (&spool->keeper_wake);
    g_cond_clear (&spool->blank_ready);
    g_free (spool->dir);
    g_free (spool);
}

/* The spool itself may stand behind a link of the administrator's; what is in it may not. */
static bool
open_directory (int at, const char *name, int *fd, GError **error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (at != AT_FDCWD ? O_NOFOLLOW : 0);

    if (mkdirat (at, name, 0700) < 0 && errno != EEXIST) {
        relais_spool_set_errno (error, errno, "cannot make a directory of the spool");
        return false;
    }
    *fd = openat (at, name, flags);
    if (*fd < 0)
        relais_spool_set_errno (error, errno, "cannot open a directory of the spool");
    return *fd >= 0;
}

/* The lock is the kernel's and goes with the process; the file says nothing and stays. */
static bool
lock (RelaisSpool *spool, GError **error)
{
    spool->lock_fd =
        openat (spool->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock_fd < 0) {
        relais_spool_set_errno (error, errno, "cannot open the spool's lock");
        return false;
    }
    if (flock (spool->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_LOCKED,
                     "another process uses the spool \"%s\"", spool->dir);
    else
        relais_spool_set_errno (error, errno, "cannot lock the spool");
    return false;
}

/* The first segment of this run, on disk with its name before anything rests on it. */
static bool
first_segment (RelaisSpool *spool, GError **error)
{
    RelaisSegment *segment;

    if (!relais_spool_next_segment (spool, 0, true, error))
        return false;
    segment = spool->active;
    if (fdatasync (segment->fd) < 0 || fsync (spool->dir_fd) < 0) {
        relais_spool_set_errno (error, errno, "cannot sync the spool");
        return false;
    }
    segment->synced = segment->written;
    segment->entry_synced = true;
    return true;
}

static void
stop_keeper (RelaisSpool *spool)
{
    g_mutex_lock (&spool->log_lock);
    spool->keeper_stop = true;
    g_cond_signal (&spool->keeper_wake);
    g_mutex_unlock (&spool->log_lock);
    g_thread_join (spool->keeper);
}

RelaisSpool *
relais_spool_open (const RelaisSpoolOptions *options, RelaisLoop *loop, RelaisPool *pool,
                   RelaisEventLog *events, GError **error)
{
    RelaisSpool *spool = make (options, loop, pool, events);

    relais_assert_may_block ();
    if (!open_directory (AT_FDCWD, spool->dir, &spool->dir_fd, error) || !lock (spool, error) ||
        !open_directory (spool->dir_fd, "bodies", &spool->bodies_fd, error) ||
        !open_directory (spool->dir_fd, "quarantine", &spool->quarantine_fd, error) ||
        !relais_spool_read_all (spool, error)) {
        destroy (spool);
        return NULL;
    }
    spool->keeper = relais_thread_new ("spool-keeper", relais_spool_keeper_main, spool);
    if (!first_segment (spool, error)) {
        stop_keeper (spool);
        destroy (spool);
        return NULL;
    }
    spool->writer = relais_thread_new ("spool-writer", relais_spool_writer_main, spool);
    spool->syncer = relais_thread_new ("spool-syncer", relais_spool_syncer_main, spool);
    spool->turn_handle = relais_loop_add_turn_func (loop, relais_group_end_of_turn, spool);
    return spool;
}

/* --- Closing ------------------------------------------------------------------------------------ */

/* Body files under way and loads come to their end, which may hand over more groups. */
static void
finish_jobs (RelaisSpool *spool)
{
    while (spool->jobs > 0)
        relais_loop_turn (spool->loop, true);
    relais_group_end_of_turn (spool);
}

static bool
notices_are_posted (RelaisSpool *spool)
{
    bool posted;

    g_mutex_lock (&spool->notice_lock);
    posted = spool->notices_posted;
    g_mutex_unlock (&spool->notice_lock);
    return posted;
}

void
relais_spool_close (RelaisSpool *spool)
{
    if (spool == NULL)
        return;
    relais_assert_may_block ();
    finish_jobs (spool);
    g_mutex_lock (&spool->log_lock);
    __atomic_store_n (&spool->closing, true, __ATOMIC_RELEASE);
    g_cond_signal (&spool->writer_wake);
    g_cond_signal (&spool->syncer_wake);
    g_mutex_unlock (&spool->log_lock);
    g_thread_join (spool->writer);
    g_thread_join (spool->syncer);
    stop_keeper (spool);
    /* Who hears that his group is synced may have one more job to do. */
    while (notices_are_posted (spool) || spool->jobs > 0 ||
           __atomic_load_n (&spool->resume_posted, __ATOMIC_ACQUIRE))
        relais_loop_turn (spool->loop, true);
    relais_loop_remove_turn_func (spool->loop, spool->turn_handle);
    relais_timer_stop (&spool->pause_timer);
    relais_timer_stop (&spool->jobs_timer);
    destroy (spool);
}

/* --- Ids, refusals, figures --------------------------------------------------------------------- */

guint64
relais_spool_new_id (RelaisSpool *spool)
{
    return __atomic_fetch_add (&spool->next_id, 1, __ATOMIC_RELAXED);
}

const GError *
relais_spool_refusal (RelaisSpool *spool, guint64 size_bytes)
{
    guint64 free_bytes = __atomic_load_n (&spool->free_bytes, __ATOMIC_RELAXED);
    guint64 min_free = __atomic_load_n (&spool->min_free, __ATOMIC_RELAXED);

    if (relais_spool_is_stopped (spool))
        return __atomic_load_n (&spool->no_room, __ATOMIC_RELAXED) ? spool->refuse_space
                                                                   : spool->refuse_io;
    if (free_bytes < min_free || free_bytes - min_free < size_bytes ||
        __atomic_load_n (&spool->low_inodes, __ATOMIC_RELAXED))
        return spool->refuse_space;
    if (spool->receive_bytes > spool->options.receive_memory_bytes)
        return spool->refuse_memory;
    return NULL;
}

void
relais_spool_set_busy_sessions (RelaisSpool *spool, guint n)
{
    guint before = __atomic_exchange_n (&spool->busy, n, __ATOMIC_RELAXED);

    /* Nobody is left to wait for. */
    if (before >= RELAIS_BUSY_SESSIONS && n < RELAIS_BUSY_SESSIONS) {
        g_mutex_lock (&spool->log_lock);
        g_cond_signal (&spool->syncer_wake);
        g_mutex_unlock (&spool->log_lock);
    }
}

bool
relais_spool_is_stopped (RelaisSpool *spool)
{
    return __atomic_load_n (&spool->stopped, __ATOMIC_ACQUIRE);
}

void
relais_spool_set_resumed (RelaisSpool *spool, RelaisLoopFunc resumed, gpointer data)
{
    spool->resumed = resumed;
    spool->resumed_data = data;
}

gint64
relais_spool_sync_us (const RelaisSpool *spool)
{
    return __atomic_load_n (&spool->sync_us, __ATOMIC_RELAXED);
}

void
relais_spool_figures (RelaisSpool *spool, RelaisSpoolFigures *figures)
{
    const RelaisSegment *segment;
    GHashTableIter iter;

    *figures = (RelaisSpoolFigures){
        .hot_bytes = spool->hot_bytes,
        .receive_bytes = spool->receive_bytes,
        .groups = __atomic_load_n (&spool->n_groups, __ATOMIC_RELAXED),
        .records = __atomic_load_n (&spool->n_records, __ATOMIC_RELAXED),
        .syncs = __atomic_load_n (&spool->n_syncs, __ATOMIC_RELAXED),
        .failed_syncs = __atomic_load_n (&spool->n_failed_syncs, __ATOMIC_RELAXED),
        .quarantined = __atomic_load_n (&spool->n_quarantined, __ATOMIC_RELAXED),
        .compactions = __atomic_load_n (&spool->n_compactions, __ATOMIC_RELAXED),
        .compaction_bytes = __atomic_load_n (&spool->compaction_bytes, __ATOMIC_RELAXED),
        .last_sync_us = __atomic_load_n (&spool->last_sync_us, __ATOMIC_RELAXED),
        .stopped = relais_spool_is_stopped (spool)};
    g_mutex_lock (&spool->log_lock);
    figures->free_segments = spool->blanks->len;
    g_mutex_unlock (&spool->log_lock);
    figures->bytes_on_disk = figures->free_segments * spool->options.segment_bytes;
    g_mutex_lock (&spool->index_lock);
    figures->messages = relais_index_size (spool->index);
    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&segment)) {
        figures->segments++;
        figures->bytes_on_disk += segment->capacity;
        figures->living_bytes += (guint64)MAX (segment->living_bytes, 0);
    }
    g_mutex_unlock (&spool->index_lock);
}
