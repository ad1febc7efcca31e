/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The owner thread: takes all requests that came in, carries them out, writes the journal once for all of
 * them, and has it synced while the next ones come in. It sleeps unless there is something to do or due.
 * Beside it the syncer, which has one descriptor to sync at a time.
 *
 * After a failed write or sync nothing more goes into that journal; reads go on, writes get ERROR, and
 * every probe_us a new journal is tried.
 */
#include "store-gdbm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
sg_log (const SgStore *store, bool bad, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    store->options.log (store->options.data, bad, text);
}

/* --- The syncer ------------------------------------------------------------------------------- */

static gpointer
syncer_main (gpointer data)
{
    SgStore *store = data;

    g_mutex_lock (&store->mutex);
    for (;;) {
        int fd, result;

        while (!store->sync_wanted)
            g_cond_wait (&store->sync_wake, &store->mutex);
        store->sync_wanted = false;
        fd = store->sync_fd;
        if (fd < 0)
            break;
        g_mutex_unlock (&store->mutex);
        result = store->options.io->sync (fd) == 0 ? 0 : errno;
        g_mutex_lock (&store->mutex);
        store->sync_errno = result;
        store->sync_ended = true;
        g_cond_signal (&store->wake);
    }
    g_mutex_unlock (&store->mutex);
    return NULL;
}

/* A descriptor, or -1 to end it. */
static void
hand_to_syncer (SgStore *store, int fd)
{
    g_mutex_lock (&store->mutex);
    store->sync_fd = fd;
    store->sync_wanted = true;
    g_cond_signal (&store->sync_wake);
    g_mutex_unlock (&store->mutex);
}

/* --- Failure ---------------------------------------------------------------------------------- */

/* What was acknowledged and is not on disk is made again later. */
static void
remember_debts (SgStore *store, const SgOverlay *overlay)
{
    GHashTableIter iter;
    gpointer next;

    g_hash_table_iter_init (&iter, overlay->owed);
    while (g_hash_table_iter_next (&iter, &next, NULL)) {
        const SgDebt *debt = next;

        sg_overlay_owe (store->owed, &debt->key, debt->delta, debt->expires_us);
    }
}

/* Drops an overlay as if it had never been. */
static void
undo (SgStore *store, SgOverlay *overlay, const char *why)
{
    remember_debts (store, overlay);
    sg_outcomes_end (overlay->outcomes, why);
    sg_overlay_free (overlay);
}

/* The journal must not be written to again. What the sync that runs covers is not lost yet. */
static void
break_journal (SgStore *store, const char *why)
{
    g_free (store->broken);
    store->broken = g_strdup (why);
    sg_log (store, true, "writes are refused until a new journal can be made: %s", why);
    sg_outcomes_end (store->lazies, why);
    undo (store, store->next, why);
    store->next = sg_overlay_new ();
    sg_listing_drop (store);
    store->probe_at_us = g_get_monotonic_time () + store->options.probe_us;
}

static void
probe (SgStore *store)
{
    g_autoptr (GError) error = NULL;

    const guint64 sealed = store->journal.synced_bytes != SG_ALL ? store->journal.synced_bytes : 0;

    sg_journal_give_up (&store->journal);
    if (!sg_journal_begin (&store->journal, &error)) {
        g_free (store->broken);
        store->broken = g_strdup (error->message);
        store->probe_at_us = g_get_monotonic_time () + store->options.probe_us;
        return;
    }
    store->sealed_bytes += sealed;
    g_clear_pointer (&store->broken, g_free);
    sg_log (store, false, "a new journal was made; writes are taken again");
    sg_pay (store);
}

/* The index cannot be trusted any more. It is built anew, at once; requests wait. */
static void
lose_index (SgStore *store)
{
    sg_log (store, true, "the index is lost and built anew: %s", sg_index_trouble (store->index));
    sg_index_close (store->index, NULL);
    store->index = NULL;
    store->unreadable = false;
    sg_settled_drop (store); /* the files have it */
    g_clear_pointer (&store->sweep_key, free);
    sg_listing_drop (store);
    if (!sg_rebuild (store))
        store->probe_at_us = g_get_monotonic_time () + store->options.probe_us;
}

/* --- Syncing ---------------------------------------------------------------------------------- */

static void
finish_sync (SgStore *store, int failure)
{
    SgOverlay *overlay = g_steal_pointer (&store->syncing);

    if (failure != 0) {
        if (store->broken == NULL)
            break_journal (store, g_strerror (failure));
        undo (store, overlay, g_strerror (failure));
        return;
    }
    store->journal.synced_seq = MAX (store->journal.synced_seq, overlay->last_seq);
    store->journal.synced_bytes = overlay->end_bytes;
    g_mutex_lock (&store->mutex);
    store->figures.syncs++;
    g_mutex_unlock (&store->mutex);
    sg_outcomes_end (overlay->outcomes, NULL);
    if (store->index != NULL)
        sg_settled_take (store, overlay);
    sg_overlay_free (overlay);
}

static bool
sync_is_due (const SgStore *store)
{
    const SgOverlay *next = store->next;

    if (store->syncing != NULL || store->broken != NULL || next->since_us == 0)
        return false;
    return next->outcomes->len > 0 || g_hash_table_size (next->entries) >= SG_LAZY_KEYS ||
           g_get_monotonic_time () >= next->since_us + store->options.lazy_us;
}

/* What is in `next` is all written; it becomes `syncing`. */
static void
turn_over (SgStore *store)
{
    store->syncing = store->next;
    store->syncing->end_bytes = store->journal.written_bytes;
    store->next = sg_overlay_new ();
}

static void
start_sync (SgStore *store)
{
    turn_over (store);
    hand_to_syncer (store, store->journal.fd);
}

/* Syncs what is written, here and now. No sync runs. */
static void
sync_here (SgStore *store)
{
    if (store->broken != NULL || store->next->since_us == 0)
        return;
    turn_over (store);
    finish_sync (store, store->options.io->sync (store->journal.fd) == 0 ? 0 : errno);
}

/* --- A batch ---------------------------------------------------------------------------------- */

static void
set_refusal (SgStore *store)
{
    gint64 free_bytes;

    g_clear_pointer (&store->refusal, g_free);
    if (store->broken != NULL) {
        store->refusal = g_strdup (store->broken);
        return;
    }
    free_bytes = store->options.io->free_bytes (store->dir);
    if (free_bytes >= 0 && (guint64)free_bytes < store->options.min_free_bytes)
        store->refusal = g_strdup_printf ("%s: only %" G_GINT64_FORMAT " octets are free",
                                          store->dir, free_bytes);
}

/* An increment that was written counts as done; it is owed until it is synced. */
static void
end_lazies (SgStore *store)
{
    for (guint i = 0; i < store->lazies->len; i++) {
        RelaisStoreRequest *request = g_array_index (store->lazies, SgOutcome, i).request;
        SgKey key;

        key.bytes = relais_store_request_get_key (request, &key.size);
        sg_overlay_owe (store->next->owed, &key, relais_store_request_get_delta (request),
                        relais_store_request_get_expires_us (request));
    }
    sg_outcomes_end (store->lazies, NULL);
}

static void
write_journal (SgStore *store)
{
    g_autoptr (GError) error = NULL;

    if (store->broken != NULL)
        return;
    if (sg_journal_write (&store->journal, &error)) {
        end_lazies (store);
        return;
    }
    break_journal (store, error->message);
    set_refusal (store);
}

static void
run_batch (SgStore *store)
{
    if (store->taken->len > 0)
        set_refusal (store);
    for (guint i = 0; i < store->taken->len; i++) {
        sg_execute (store, store->taken->pdata[i]);
        if (store->journal.buffer->len >= SG_BUFFER_BYTES)
            write_journal (store);
    }
    g_ptr_array_set_size (store->taken, 0);
    write_journal (store);
}

/* --- Compaction ------------------------------------------------------------------------------- */

typedef struct {
    SgStore *store;
    SgCompaction compaction;
} CompactorJob;

static gpointer
compactor_main (gpointer data)
{
    g_autofree CompactorJob *job = data;
    SgStore *store = job->store;
    g_autoptr (GError) error = NULL;
    bool good = sg_compact (&job->compaction, &error);

    if (!good)
        sg_log (store, true, "no snapshot could be made: %s", error->message);
    g_mutex_lock (&store->mutex);
    g_clear_pointer (&store->figures.compaction, g_free);
    store->figures.compacting = false;
    if (good)
        store->figures.snapshot_bytes = job->compaction.bytes;
    else
        store->figures.compaction = g_strdup (error->message);
    store->compaction_ended = true;
    g_cond_signal (&store->wake);
    g_mutex_unlock (&store->mutex);
    return NULL;
}

static bool
compaction_is_due (SgStore *store)
{
    const guint64 size = store->sealed_bytes + store->journal.written_bytes;

    if (store->compactor != NULL || store->broken != NULL || store->index == NULL ||
        store->syncing != NULL)
        return false;
    return store->compact_wanted ||
           (size > MAX (store->options.compact_bytes, 4 * store->snapshot_bytes) &&
            g_get_monotonic_time () >= store->compact_at_us);
}

/* Each try reads all files and leaves a journal more, so that the tries become rarer. */
static void
put_compaction_off (SgStore *store)
{
    store->compact_at_us =
        g_get_monotonic_time () + (store->options.probe_us << store->compact_failures);
    store->compact_failures = MIN (store->compact_failures + 1, SG_COMPACT_DOUBLINGS);
}

/* What was written so far is sealed with a new journal, so that the snapshot has a place to stand. */
static void
start_compaction (SgStore *store)
{
    g_autoptr (GError) error = NULL;
    CompactorJob *job;
    guint64 sealed;

    store->compact_wanted = false;
    sync_here (store);
    sealed = store->sealed_bytes + store->journal.synced_bytes;
    if (store->broken != NULL || store->index == NULL)
        return;
    if (!sg_journal_begin (&store->journal, &error)) {
        sg_log (store, true, "no snapshot could be made: %s", error->message);
        put_compaction_off (store);
        return;
    }
    store->sealed_bytes = store->covered_bytes = sealed;
    job = g_new (CompactorJob, 1);
    *job = (CompactorJob){store,
                          {.dir = store->dir,
                           .io = store->options.io,
                           .store_id = store->journal.store_id,
                           .number = store->journal.number,
                           .first_seq = store->journal.next_seq,
                           .now_us = store->options.now_us (store->options.data)}};
    store->compacting = store->journal.number;
    g_mutex_lock (&store->mutex);
    store->figures.compacting = true;
    g_mutex_unlock (&store->mutex);
    store->compactor = g_thread_new ("store-compact", compactor_main, job);
}

static void
end_compaction (SgStore *store)
{
    bool good;

    g_thread_join (g_steal_pointer (&store->compactor));
    g_mutex_lock (&store->mutex);
    store->compaction_ended = false;
    good = store->figures.compaction == NULL;
    if (good)
        store->snapshot_bytes = store->figures.snapshot_bytes;
    g_mutex_unlock (&store->mutex);
    if (good) {
        store->snapshot = store->compacting;
        store->sealed_bytes -= store->covered_bytes;
        store->compact_failures = 0;
    } else {
        put_compaction_off (store);
    }
}

/* --- What others ask -------------------------------------------------------------------------- */

typedef struct {
    SgAskFunc func;
    gpointer data;
    bool done; /* under mutex */
} Ask;

static void
answer_asks (SgStore *store)
{
    g_mutex_lock (&store->mutex);
    while (store->asks.length > 0) {
        Ask *ask = g_queue_pop_head (&store->asks);

        g_mutex_unlock (&store->mutex);
        ask->func (store, ask->data);
        g_mutex_lock (&store->mutex);
        ask->done = true;
        g_cond_broadcast (&store->answered);
    }
    g_mutex_unlock (&store->mutex);
}

void
sg_store_ask (SgStore *store, SgAskFunc func, gpointer data)
{
    Ask ask = {func, data, false};

    g_mutex_lock (&store->mutex);
    g_queue_push_tail (&store->asks, &ask);
    g_cond_signal (&store->wake);
    while (!ask.done)
        g_cond_wait (&store->answered, &store->mutex);
    g_mutex_unlock (&store->mutex);
}

void
sg_store_compact (SgStore *store)
{
    g_mutex_lock (&store->mutex);
    store->compaction_asked = true;
    g_cond_signal (&store->wake);
    g_mutex_unlock (&store->mutex);
}

void
sg_store_figures (SgStore *store, SgFigures *figures)
{
    g_mutex_lock (&store->mutex);
    *figures = store->figures;
    figures->trouble = g_strdup (figures->trouble);
    figures->compaction = g_strdup (figures->compaction);
    g_mutex_unlock (&store->mutex);
}

/* What `store status` shows of the owner's own. */
static void
publish (SgStore *store)
{
    const char *trouble = store->unloaded != NULL ? store->unloaded
                          : store->broken != NULL ? store->broken
                                                  : store->refusal;
    SgFigures *figures = &store->figures;

    g_mutex_lock (&store->mutex);
    figures->state = store->index == NULL ? SG_DOWN : trouble != NULL ? SG_READ_ONLY : SG_UP;
    g_free (figures->trouble);
    figures->trouble = g_strdup (trouble);
    figures->journal = store->journal.number;
    figures->journal_bytes = store->sealed_bytes + store->journal.written_bytes;
    figures->snapshot = store->snapshot;
    figures->snapshot_bytes = store->snapshot_bytes;
    figures->last_seq = store->journal.next_seq - 1;
    g_mutex_unlock (&store->mutex);
}

/* --- The owner -------------------------------------------------------------------------------- */

static gint64
next_due_us (const SgStore *store)
{
    gint64 due = MIN (sg_listing_due_us (store), sg_settled_due_us (store));

    if (store->index != NULL &&
        (store->unreadable || (store->broken == NULL && g_hash_table_size (store->owed) > 0)))
        return 0;
    if (store->broken != NULL || store->index == NULL)
        due = MIN (due, store->probe_at_us);
    else if (store->next->since_us != 0 && store->syncing == NULL)
        due = MIN (due, store->next->since_us + store->options.lazy_us);
    if (store->sweeping && store->index != NULL)
        due = MIN (due, store->sweep_at_us);
    return due;
}

static bool
has_work (const SgStore *store)
{
    return store->incoming->len > 0 || store->asks.length > 0 || store->sync_ended ||
           store->compaction_ended || store->compaction_asked || store->stopping;
}

typedef struct {
    bool sync_ended, compaction_ended, stopping;
    int sync_errno;
} News;

/* Sleeps until there is something to do; takes all requests that came in. */
static News
wait_for_news (SgStore *store)
{
    const gint64 due = next_due_us (store);
    GPtrArray *incoming;
    News news;

    g_mutex_lock (&store->mutex);
    store->asleep = true;
    while (!has_work (store)) {
        if (due == G_MAXINT64)
            g_cond_wait (&store->wake, &store->mutex);
        else if (!g_cond_wait_until (&store->wake, &store->mutex, due))
            break;
    }
    store->asleep = false;
    incoming = store->incoming;
    store->incoming = store->taken;
    store->taken = incoming;
    news = (News){store->sync_ended, store->compaction_ended, store->stopping && incoming->len == 0,
                  store->sync_errno};
    store->compact_wanted |= store->compaction_asked;
    store->sync_ended = store->compaction_asked = false;
    g_mutex_unlock (&store->mutex);
    return news;
}

static void
try_again (SgStore *store)
{
    const gint64 now = g_get_monotonic_time ();

    if (store->broken == NULL && store->index != NULL && g_hash_table_size (store->owed) > 0)
        sg_pay (store);
    if ((store->broken == NULL && store->index != NULL) || now < store->probe_at_us)
        return;
    store->probe_at_us = now + store->options.probe_us;
    if (store->index == NULL && !store->loaded)
        store->loaded = sg_load (store);
    else if (store->index == NULL)
        (void)sg_rebuild (store);
    if (store->index != NULL && store->broken != NULL && store->syncing == NULL)
        probe (store);
}

static void
do_what_is_due (SgStore *store)
{
    const gint64 now = g_get_monotonic_time ();

    if (now >= sg_listing_due_us (store))
        sg_listing_drop (store);
    if (now >= sg_settled_due_us (store) && !sg_settled_apply (store, false))
        lose_index (store);
    if (store->sweeping && store->index != NULL && now >= store->sweep_at_us) {
        sg_sweep (store);
        store->sweep_at_us = now + store->options.sweep_us;
    }
    if (compaction_is_due (store))
        start_compaction (store);
}

static bool
turn (SgStore *store)
{
    const News news = wait_for_news (store);

    if (news.sync_ended)
        finish_sync (store, news.sync_errno);
    if (news.compaction_ended)
        end_compaction (store);
    try_again (store);
    run_batch (store);
    if (store->unreadable && store->index != NULL)
        lose_index (store);
    do_what_is_due (store);
    if (sync_is_due (store))
        start_sync (store);
    publish (store);
    answer_asks (store);
    return !news.stopping;
}

/* Nothing comes in any more; all that was taken gets its answer. */
static void
finish (SgStore *store)
{
    if (store->syncing != NULL) {
        g_mutex_lock (&store->mutex);
        while (!store->sync_ended)
            g_cond_wait (&store->wake, &store->mutex);
        g_mutex_unlock (&store->mutex);
        finish_sync (store, store->sync_errno);
    }
    if (store->broken != NULL && store->index != NULL && g_hash_table_size (store->owed) > 0) {
        probe (store);
        write_journal (store);
    }
    sync_here (store);
    if (!sg_settled_apply (store, true))
        lose_index (store);
    if (store->compactor != NULL)
        end_compaction (store);
}

static gpointer
owner_main (gpointer data)
{
    SgStore *store = data;
    const SgMark *mark = NULL;
    SgMark whole;

    store->loaded = sg_load (store);
    store->probe_at_us = g_get_monotonic_time () + store->options.probe_us;
    publish (store);
    while (turn (store))
        continue;
    finish (store);
    whole = (SgMark){store->journal.store_id, store->journal.synced_seq, store->journal.number,
                     store->journal.synced_bytes};
    if (store->broken == NULL && store->next->since_us == 0)
        mark = &whole;
    sg_index_close (store->index, mark);
    store->index = NULL;
    return NULL;
}

/* --- Up and down ------------------------------------------------------------------------------ */

static void
free_store (SgStore *store)
{
    sg_listing_drop (store);
    sg_journal_clear (&store->journal);
    sg_overlay_free (store->next);
    sg_overlay_free (store->syncing);
    sg_overlay_free (store->settled);
    g_hash_table_unref (store->owed);
    g_array_unref (store->lazies);
    g_ptr_array_unref (store->incoming);
    g_ptr_array_unref (store->taken);
    free (store->sweep_key);
    g_free (store->figures.trouble);
    g_free (store->figures.compaction);
    g_free (store->broken);
    g_free (store->unloaded);
    g_free (store->refusal);
    g_free (store->dir);
    g_free (store->index_path);
    g_cond_clear (&store->wake);
    g_cond_clear (&store->sync_wake);
    g_cond_clear (&store->answered);
    g_mutex_clear (&store->mutex);
    close (store->lock_fd);
    g_free (store);
}

static SgStore *
new_store (const SgOptions *options, int lock_fd)
{
    SgStore *store = g_new0 (SgStore, 1);

    store->options = *options;
    store->dir = g_strdup (options->dir);
    store->options.dir = store->dir;
    store->index_path = g_build_filename (options->dir, "index.gdbm", NULL);
    store->lock_fd = lock_fd;
    g_mutex_init (&store->mutex);
    g_cond_init (&store->wake);
    g_cond_init (&store->sync_wake);
    g_cond_init (&store->answered);
    g_queue_init (&store->asks);
    store->incoming = g_ptr_array_new ();
    store->taken = g_ptr_array_new ();
    sg_journal_init (&store->journal, store->dir, options->io, 0);
    store->next = sg_overlay_new ();
    store->settled = sg_overlay_new ();
    store->owed = sg_debts_new ();
    store->lazies = g_array_new (FALSE, FALSE, sizeof (SgOutcome));
    return store;
}

/* The lock is had before anything is looked at; a format that is not ours is refused before the daemon
 * says that it is up. */
SgStore *
sg_store_open (const SgOptions *options, GError **error)
{
    int lock_fd = sg_lock_dir (options->dir, error);
    GPtrArray *files;
    SgStore *store;

    if (lock_fd < 0)
        return NULL;
    files = sg_files_list (options->dir, error);
    if (files == NULL) {
        close (lock_fd);
        return NULL;
    }
    g_ptr_array_unref (files);
    store = new_store (options, lock_fd);
    store->syncer = g_thread_new ("store-sync", syncer_main, store);
    store->owner = g_thread_new ("store", owner_main, store);
    return store;
}

void
sg_store_close (SgStore *store)
{
    if (store == NULL)
        return;
    g_mutex_lock (&store->mutex);
    store->stopping = true;
    g_cond_signal (&store->wake);
    g_mutex_unlock (&store->mutex);
    g_thread_join (store->owner);
    hand_to_syncer (store, -1);
    g_thread_join (store->syncer);
    free_store (store);
}

void
sg_store_submit (gpointer data, RelaisStoreRequest *request)
{
    SgStore *store = data;

    g_mutex_lock (&store->mutex);
    g_ptr_array_add (store->incoming, request);
    if (store->asleep)
        g_cond_signal (&store->wake);
    g_mutex_unlock (&store->mutex);
}

const RelaisStoreBackend sg_backend = {
    .struct_size = sizeof sg_backend,
    .ops = 1u << RELAIS_STORE_GET | 1u << RELAIS_STORE_PUT | 1u << RELAIS_STORE_REMOVE |
           1u << RELAIS_STORE_INCREMENT | 1u << RELAIS_STORE_COMPARE_AND_SET |
           1u << RELAIS_STORE_SCAN,
    .submit = sg_store_submit,
};
