/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The syncer: one fdatasync for all that was written when it began. It waits before syncing only while
 * enough sessions are still on their way to join, and for outcomes alone it starts none for 50 ms.
 *
 * Its own thread; nothing else syncs a segment that records are written to, but for the fresh one that
 * ends a failure, when this thread has nothing to do.
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "spool/spool-state.h"

#define SLOW_SYNC_US (16 * RELAIS_USEC_PER_MSEC)

/* A segment and how far it was written when the sync began. */
typedef struct {
    RelaisSegment *segment;
    guint32 written;
    bool full, entry_synced;
} Target;

/* What one sync covers. */
typedef struct {
    GPtrArray *groups;
    GArray *targets; /* Target */
    bool files;      /* body files were made: their directory first */
} Round;

/* --- When --------------------------------------------------------------------------------------- */

/* Whether all have joined that are waited for. Log lock held. */
static bool
has_gathered (const RelaisSpool *spool)
{
    const guint busy = __atomic_load_n (&spool->busy, __ATOMIC_RELAXED);

    if (spool->gather_target > 0)
        return spool->urgent_written >= spool->gather_target;
    return busy < RELAIS_BUSY_SESSIONS || spool->urgent_written >= busy;
}

/* Whether a sync takes long and many were answered by the last one. Log lock held. */
static bool
expects_return (const RelaisSpool *spool)
{
    return __atomic_load_n (&spool->last_sync_us, __ATOMIC_RELAXED) >= SLOW_SYNC_US &&
           spool->answered >= RELAIS_BUSY_SESSIONS;
}

/* Waits for more sessions to join, as long as that pays. Where a sync is slow that includes those whom the
 * one before answered: they are on their way back, but in no transaction yet, and without them each
 * sync would take half of the sessions. Log lock held. */
static void
gather (RelaisSpool *spool)
{
    const gint64 last = __atomic_load_n (&spool->last_sync_us, __ATOMIC_RELAXED);
    const bool slow = expects_return (spool);
    const gint64 wait = slow ? last / 2 : MIN (RELAIS_SYNC_WAIT_US, 2 * last);
    const gint64 until = g_get_monotonic_time () + wait;

    spool->gathering = true;
    spool->gather_target = slow ? spool->urgent_written + spool->answered : 0;
    while (!spool->failing && !spool->closing && !has_gathered (spool))
        if (!g_cond_wait_until (&spool->syncer_wake, &spool->log_lock, until))
            break;
    spool->gathering = false;
    spool->answered = 0;
}

/* After the writer went there is one round left, for the last segment's index. Log lock held. */
static bool
has_full (const RelaisSpool *spool)
{
    for (guint i = 0; i < spool->dirty->len; i++)
        if (((RelaisSegment *)g_ptr_array_index (spool->dirty, i))->full)
            return true;
    return false;
}

/* Sleeps until there is something to sync; false when there will be nothing more. Log lock held. */
static bool
wait_for_work (RelaisSpool *spool)
{
    for (;;) {
        if (spool->writer_gone)
            return !spool->failing && has_full (spool);
        if (spool->failing || spool->written->len == 0) {
            g_cond_wait (&spool->syncer_wake, &spool->log_lock);
            continue;
        }
        if (spool->urgent_written > 0) {
            gather (spool);
            if (!spool->failing)
                return true;
            continue;
        }
        /* Outcomes alone are due: a slow sync of theirs is shared with those who come back. */
        if (spool->closing || !g_cond_wait_until (&spool->syncer_wake, &spool->log_lock,
                                                  spool->lazy_since_us + RELAIS_LAZY_SYNC_US))
            if (!spool->failing && spool->written->len > 0) {
                if (expects_return (spool))
                    gather (spool);
                if (!spool->failing)
                    return true;
            }
    }
}

static bool
group_has_files (const RelaisGroup *group)
{
    for (guint i = 0; i < group->items->len; i++)
        if (g_array_index (group->items, RelaisItem, i).file != NULL)
            return true;
    return false;
}

/* Takes all that is written now. Log lock held. */
static void
begin_round (RelaisSpool *spool, Round *round)
{
    GPtrArray *empty = round->groups;

    round->groups = spool->written;
    spool->written = empty;
    if (spool->urgent_written > 0)
        spool->answered = spool->urgent_written;
    spool->urgent_written = 0;
    spool->syncing = true;
    round->files = false;
    g_array_set_size (round->targets, 0);
    for (guint i = 0; i < spool->dirty->len; i++) {
        RelaisSegment *segment = g_ptr_array_index (spool->dirty, i);
        Target target = {segment, segment->written, segment->full, segment->entry_synced};

        if (segment->written > segment->synced || !segment->entry_synced || segment->full)
            g_array_append_val (round->targets, target);
    }
}

/* --- What --------------------------------------------------------------------------------------- */

static bool
sync_descriptor (int fd)
{
#ifdef RELAIS_MUTANT_NO_SYNC
    return true;
#else
    if (fdatasync (fd) == 0)
        return true;
#ifdef RELAIS_MUTANT_SYNC_RETRY
    return fdatasync (fd) == 0;
#else
    return false;
#endif
#endif
}

/* A directory: what is new in it is its names, which fdatasync (2) need not write. */
static bool
sync_names (int fd)
{
#ifdef RELAIS_MUTANT_NO_SYNC
    return true;
#else
    return fsync (fd) == 0;
#endif
}

static bool
sync_round (RelaisSpool *spool, const Round *round, GError **error)
{
    bool good = !round->files || sync_names (spool->bodies_fd);
    bool entries = true;

    for (guint i = 0; good && i < round->targets->len; i++) {
        const Target *target = &g_array_index (round->targets, Target, i);

        good = sync_descriptor (target->segment->fd);
        entries = entries && target->entry_synced;
    }
    if (good && !entries)
        good = sync_names (spool->dir_fd);
    if (!good)
        relais_spool_set_errno (error, errno, "cannot sync the spool");
    return good;
}

/* What the sync covered is safe. Log lock held. */
static void
settle_segments (RelaisSpool *spool, const Round *round)
{
    for (guint i = 0; i < round->targets->len; i++) {
        const Target *target = &g_array_index (round->targets, Target, i);
        RelaisSegment *segment = target->segment;

        segment->synced = target->written;
        segment->entry_synced = true;
    }
}

static void
close_segment (RelaisSpool *spool, RelaisSegment *segment)
{
    g_mutex_lock (&spool->log_lock);
    close (segment->fd);
    segment->fd = -1;
    __atomic_store_n (&segment->closed, true, __ATOMIC_RELEASE);
    g_ptr_array_remove (spool->dirty, segment);
    spool->keeper_asked = true;
    g_cond_signal (&spool->keeper_wake);
    g_mutex_unlock (&spool->log_lock);
}

/* Gives full segments their index, and closes them. A start believes an index without a look at the records:
 * it is written when all of them are on disk, else a power cut could leave it there without them. */
static void
seal_segments (RelaisSpool *spool, const Round *round)
{
    for (guint i = 0; i < round->targets->len; i++) {
        const Target *target = &g_array_index (round->targets, Target, i);
        RelaisSegment *segment = target->segment;
        GError *error = NULL;

        if (!target->full)
            continue;
        if (relais_segment_seal (segment, &error) && !sync_descriptor (segment->fd)) {
            __atomic_fetch_add (&spool->n_failed_syncs, 1, __ATOMIC_RELAXED);
            relais_spool_set_errno (&error, errno, "cannot sync the spool");
        }
        if (error != NULL) {
            relais_spool_note_failure (spool, error);
            return;
        }
        g_clear_pointer (&segment->index, g_byte_array_unref);
        close_segment (spool, segment);
    }
}

static void
append_events (RelaisSpool *spool, const RelaisGroup *group)
{
    for (guint i = 0; i < group->items->len; i++) {
        const RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->type == RELAIS_RECORD_EVENT && !item->skip)
            relais_event_log_append (spool->events, item->record.lsn, item->bytes);
    }
}

static void
finish_groups (RelaisSpool *spool, GPtrArray *groups)
{
    bool freed = false;

    g_mutex_lock (&spool->index_lock);
    for (guint i = 0; i < groups->len; i++) {
        GArray *items = ((RelaisGroup *)g_ptr_array_index (groups, i))->items;

        for (guint j = 0; j < items->len; j++)
            relais_ledger_sync (spool, &g_array_index (items, RelaisItem, j));
    }
    freed = spool->dying_files->len > 0;
    g_mutex_unlock (&spool->index_lock);
    if (spool->events != NULL)
        for (guint i = 0; i < groups->len; i++)
            append_events (spool, g_ptr_array_index (groups, i));
    if (freed)
        relais_spool_ask_keeper (spool);
    relais_spool_notify (spool, (RelaisGroup *const *)groups->pdata, groups->len,
                         RELAIS_NOTICE_SYNCED);
}

/* A sync failed: its groups are unsynced for good. They stand first again for the writer to find. */
static void
give_back (RelaisSpool *spool, Round *round)
{
    for (guint i = 0; i < round->groups->len; i++)
        g_ptr_array_insert (spool->written, (gint)i, g_ptr_array_index (round->groups, i));
    g_ptr_array_set_size (round->groups, 0);
}

static void
end_round (RelaisSpool *spool)
{
    g_mutex_lock (&spool->log_lock);
    spool->syncing = false;
    g_cond_signal (&spool->writer_wake);
    g_mutex_unlock (&spool->log_lock);
}

static void
run_round (RelaisSpool *spool, Round *round)
{
    gint64 began = g_get_monotonic_time (), took;
    GError *error = NULL;

    for (guint i = 0; i < round->groups->len && !round->files; i++)
        round->files = group_has_files (g_ptr_array_index (round->groups, i));
#ifdef RELAIS_MUTANT_EARLY_REPLY
    finish_groups (spool, round->groups);
    g_ptr_array_set_size (round->groups, 0);
#endif
    if (!sync_round (spool, round, &error)) {
        __atomic_fetch_add (&spool->n_failed_syncs, 1, __ATOMIC_RELAXED);
        g_mutex_lock (&spool->log_lock);
        give_back (spool, round);
        g_mutex_unlock (&spool->log_lock);
        relais_spool_note_failure (spool, error);
        end_round (spool);
        return;
    }
    took = g_get_monotonic_time () - began;
    __atomic_store_n (&spool->last_sync_us, took, __ATOMIC_RELAXED);
    __atomic_fetch_add (&spool->sync_us, took, __ATOMIC_RELAXED);
    __atomic_fetch_add (&spool->n_syncs, 1, __ATOMIC_RELAXED);
    g_mutex_lock (&spool->log_lock);
    settle_segments (spool, round);
    g_mutex_unlock (&spool->log_lock);
    finish_groups (spool, round->groups);
    g_ptr_array_set_size (round->groups, 0);
    seal_segments (spool, round);
    end_round (spool);
}

gpointer
relais_spool_syncer_main (gpointer data)
{
    RelaisSpool *spool = data;
    Round round = {g_ptr_array_new (), g_array_new (FALSE, FALSE, sizeof (Target)), false};

    g_mutex_lock (&spool->log_lock);
    while (wait_for_work (spool)) {
        begin_round (spool, &round);
        g_mutex_unlock (&spool->log_lock);
        run_round (spool, &round);
        g_mutex_lock (&spool->log_lock);
    }
    g_mutex_unlock (&spool->log_lock);
    g_ptr_array_unref (round.groups);
    g_array_unref (round.targets);
    return NULL;
}
