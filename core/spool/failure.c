/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * After a failed write or sync: what was not synced is never written or synced again in that segment,
 * because after an error the kernel may say yes to data that are gone. New mail among it is refused,
 * outcomes are kept, and everything stops until a fresh segment, which says up to where the old one
 * counts, was written and synced.
 *
 * Writer's thread, but for relais_spool_note_failure ().
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "spool/spool-state.h"

/* What clients are told while the spool is stopped follows its latest failure. */
static void
note_cause (RelaisSpool *spool, const GError *error)
{
    __atomic_store_n (&spool->no_room,
                      g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_SPACE),
                      __ATOMIC_RELAXED);
}

void
relais_spool_note_failure (RelaisSpool *spool, GError *error)
{
    bool first;

    g_mutex_lock (&spool->log_lock);
    first = !spool->failing;
    if (first) {
        spool->failure = g_error_copy (error);
        note_cause (spool, error);
        __atomic_store_n (&spool->stopped, true, __ATOMIC_RELEASE);
        __atomic_store_n (&spool->failing, true, __ATOMIC_RELEASE);
        g_cond_signal (&spool->writer_wake);
        g_cond_signal (&spool->syncer_wake);
    }
    g_mutex_unlock (&spool->log_lock);
    if (first)
        g_warning ("the spool \"%s\" takes no mail until a fresh segment works: %s", spool->dir,
                   error->message);
    g_error_free (error);
}

/* Ends the life of every segment that has unsynced bytes. Log lock held. */
static void
condemn_segments (RelaisSpool *spool)
{
    for (guint i = 0; i < spool->dirty->len; i++) {
        RelaisSegment *segment = g_ptr_array_index (spool->dirty, i);

        segment->failed = true;
        segment->synced = MAX (segment->synced, RELAIS_SEGMENT_HEADER_BYTES);
        if (segment->fd >= 0)
            close (segment->fd);
        segment->fd = -1;
        __atomic_store_n (&segment->closed, true, __ATOMIC_RELEASE);
    }
    g_ptr_array_set_size (spool->dirty, 0);
    spool->active = NULL;
}

static void
undo_groups (RelaisSpool *spool, GPtrArray *groups)
{
    g_mutex_lock (&spool->index_lock);
    for (guint i = groups->len; i > 0; i--) {
        GArray *items = ((RelaisGroup *)g_ptr_array_index (groups, i - 1))->items;

        for (guint j = items->len; j > 0; j--)
            relais_ledger_undo (spool, &g_array_index (items, RelaisItem, j - 1));
    }
    g_mutex_unlock (&spool->index_lock);
}

/* New mail is refused, outcomes are kept. */
static void
sort_out (RelaisSpool *spool, GPtrArray *groups)
{
    for (guint i = 0; i < groups->len; i++) {
        RelaisGroup *group = g_ptr_array_index (groups, i);

        if (group->urgency == RELAIS_GROUP_LAZY) {
            g_ptr_array_add (spool->kept, group);
            continue;
        }
        if (group->error == NULL)
            group->error = g_error_copy (spool->failure);
        relais_spool_notify (spool, &group, 1, RELAIS_NOTICE_SYNCED);
    }
    g_ptr_array_set_size (groups, 0);
}

/* Takes all groups that are not synced, when no sync is under way. */
static void
collect_unsynced (RelaisSpool *spool)
{
    g_autoptr (GPtrArray) groups = g_ptr_array_new ();

    g_mutex_lock (&spool->log_lock);
    while (spool->syncing)
        g_cond_wait (&spool->writer_wake, &spool->log_lock);
    for (guint i = 0; i < spool->written->len; i++)
        g_ptr_array_add (groups, g_ptr_array_index (spool->written, i));
    g_ptr_array_set_size (spool->written, 0);
    spool->urgent_written = 0;
    condemn_segments (spool);
    g_mutex_unlock (&spool->log_lock);
    undo_groups (spool, groups);
    sort_out (spool, groups);
}

static void
collect_incoming (RelaisSpool *spool)
{
    g_autoptr (GPtrArray) groups = NULL;

    g_mutex_lock (&spool->log_lock);
    groups = spool->incoming;
    spool->incoming = g_ptr_array_new ();
    g_mutex_unlock (&spool->log_lock);
    sort_out (spool, groups);
}

/* --- The fresh segment ---------------------------------------------------------------------------- */

static bool
probe (RelaisSpool *spool, GError **error)
{
    RelaisSegment *segment;

    if (!relais_spool_next_segment (spool, 0, true, error))
        return false;
    segment = spool->active;
    if (fdatasync (segment->fd) < 0 || fsync (spool->dir_fd) < 0) {
        relais_spool_set_errno (error, errno, "cannot sync a fresh segment");
        g_mutex_lock (&spool->log_lock);
        condemn_segments (spool);
        g_mutex_unlock (&spool->log_lock);
        return false;
    }
    g_mutex_lock (&spool->log_lock);
    segment->synced = segment->written;
    segment->entry_synced = true;
    g_mutex_unlock (&spool->log_lock);
    return true;
}

static void
tell_resumed (gpointer data)
{
    RelaisSpool *spool = data;

    __atomic_store_n (&spool->resume_posted, false, __ATOMIC_RELEASE);
    if (spool->resumed != NULL)
        spool->resumed (spool->resumed_data);
}

static void
resume (RelaisSpool *spool)
{
    bool post;

    g_mutex_lock (&spool->log_lock);
    for (guint i = 0; i < spool->kept->len; i++)
        g_ptr_array_insert (spool->incoming, (gint)i, g_ptr_array_index (spool->kept, i));
    g_ptr_array_set_size (spool->kept, 0);
    g_clear_error (&spool->failure);
    post = !__atomic_exchange_n (&spool->resume_posted, true, __ATOMIC_ACQ_REL);
    __atomic_store_n (&spool->failing, false, __ATOMIC_RELEASE);
    __atomic_store_n (&spool->stopped, false, __ATOMIC_RELEASE);
    g_cond_signal (&spool->syncer_wake);
    g_mutex_unlock (&spool->log_lock);
    if (post)
        relais_loop_post (spool->loop, tell_resumed, spool);
}

/* Waits for the time of the next probe, answering what comes meanwhile. True when the spool is
 * closing. */
static bool
wait_for_probe (RelaisSpool *spool, gint64 until)
{
    bool closing;

    for (;;) {
        bool waited = true;

        collect_incoming (spool);
        g_mutex_lock (&spool->log_lock);
        while (waited && spool->incoming->len == 0 && !spool->closing)
            waited = g_cond_wait_until (&spool->writer_wake, &spool->log_lock, until);
        closing = spool->closing;
        g_mutex_unlock (&spool->log_lock);
        if (!waited || closing)
            return closing;
    }
}

/* The spool closes and there is no segment to write to: the outcomes are lost, and said to be. */
static void
give_up (RelaisSpool *spool)
{
    g_autoptr (GError) error = NULL;

    collect_incoming (spool);
    g_warning ("%u outcomes could not be written to the spool \"%s\"", spool->kept->len,
               spool->dir);
    g_mutex_lock (&spool->log_lock);
    error = g_steal_pointer (&spool->failure);
    __atomic_store_n (&spool->failing, false, __ATOMIC_RELEASE);
    g_cond_signal (&spool->syncer_wake);
    g_mutex_unlock (&spool->log_lock);
    for (guint i = 0; i < spool->kept->len; i++) {
        RelaisGroup *group = g_ptr_array_index (spool->kept, i);

        group->error = g_error_copy (error);
        relais_spool_notify (spool, &group, 1, RELAIS_NOTICE_SYNCED);
    }
    g_ptr_array_set_size (spool->kept, 0);
}

void
relais_spool_handle_failure (RelaisSpool *spool)
{
    gint64 now = g_get_monotonic_time ();
    gint64 next = MAX (now, spool->last_failure_us + spool->options.probe_us);
    bool closing = false;

    collect_unsynced (spool);
    for (;;) {
        g_autoptr (GError) error = NULL;

        if (next > g_get_monotonic_time ())
            closing = wait_for_probe (spool, next);
        spool->last_failure_us = g_get_monotonic_time ();
        if (probe (spool, &error))
            break;
        note_cause (spool, error);
        g_warning ("the spool \"%s\" is still out of order: %s", spool->dir, error->message);
        if (closing) {
            give_up (spool);
            return;
        }
        next = g_get_monotonic_time () + spool->options.probe_us;
    }
    g_message ("the spool \"%s\" works again", spool->dir);
    resume (spool);
}
