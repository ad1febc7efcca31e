/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compaction: when more than half of the bytes of the closed segments are dead, the emptiest one has its
 * living records, and those DONEs that are still needed, copied forward through the writer; then nothing
 * in it lives, nothing rests on it, and it is freed like any other. A copy whose original died meanwhile
 * is dropped by the writer, so nothing that is done comes back.
 *
 * What that costs. The emptiest segment is less than half full, so each byte that is copied gives back
 * more than one; and the segments take at most twice what lives, but for the MIN_SEGMENTS that are left
 * alone. Copies share the syncs of the intake: between two steps there is a pause in which three times
 * as long is spent on the rest, unless so much is dead, or so little room left, that room comes first.
 *
 * Keeper's thread, one bounded step at a time, one group under way.
 */
#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "spool/spool-state.h"

enum {
    MIN_SEGMENTS = 8,
    STEP_BYTES = 1 << 20,
    STEP_RECORDS = 512,
    STEP_LOOKED_AT = 20000,
    DONE_BYTES = RELAIS_RECORD_BYTES + RELAIS_INDEX_ENTRY_BYTES,
    MOST_LIVING = 500,   /* thousandths of the closed segments; above, nothing is compacted */
    URGENT_LIVING = 250, /* below, without a pause */
    PAUSE_FACTOR = 3
};
#define MOST_PAUSE_US (250 * RELAIS_USEC_PER_MSEC)

struct RelaisCompaction {
    RelaisSpool *spool;
    guint32 victim; /* 0: none */
    int fd;
    RelaisFraming framing;
    GArray *records; /* RelaisRecordAt */
    guint next;
    bool incomplete; /* a record could not be copied: the victim must stay */
    bool urgent;
    gint64 submitted_us;
    gint64 next_us; /* no step before */
    gint64
        took_us; /* loop's until `under_way` ends: the last group, from its submission to its sync */
    bool under_way; /* atomic: a group is not synced yet */
};

RelaisCompaction *
relais_compaction_new (RelaisSpool *spool)
{
    RelaisCompaction *compaction = g_new0 (RelaisCompaction, 1);

    compaction->spool = spool;
    compaction->fd = -1;
    return compaction;
}

static void
end_victim (RelaisCompaction *compaction)
{
    if (compaction->fd >= 0)
        close (compaction->fd);
    compaction->fd = -1;
    g_clear_pointer (&compaction->records, g_array_unref);
    compaction->victim = 0;
}

void
relais_compaction_free (RelaisCompaction *compaction)
{
    if (compaction == NULL)
        return;
    end_victim (compaction);
    g_free (compaction);
}

/* --- Choice ------------------------------------------------------------------------------------- */

/* Bytes of a segment that must be kept. */
static guint64
kept_bytes (RelaisSpool *spool, const RelaisSegment *segment)
{
    guint64 kept = (guint64)MAX (segment->living_bytes, 0);

    for (guint i = 0; i < segment->guards->len; i++) {
        const RelaisGuard *guard = &g_array_index (segment->guards, RelaisGuard, i);

        if (relais_ledger_segment (spool, guard->number) != NULL)
            kept += (guint64)guard->count * DONE_BYTES;
    }
    return MIN (kept, segment->capacity);
}

static guint32
choose (RelaisCompaction *compaction)
{
    RelaisSpool *spool = compaction->spool;
    const RelaisSegment *best = NULL;
    const RelaisSegment *segment;
    guint64 kept = 0, total = 0, best_share = MOST_LIVING + 1;
    guint n = 0;
    guint32 number;
    GHashTableIter iter;

    g_mutex_lock (&spool->index_lock);
    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&segment)) {
        guint64 bytes, share;

        if (!__atomic_load_n (&segment->closed, __ATOMIC_ACQUIRE) || segment->unmovable)
            continue;
        bytes = kept_bytes (spool, segment);
        share = bytes * 1000 / segment->capacity;
        kept += bytes;
        total += segment->capacity;
        n++;
        if (share < best_share) {
            best_share = share;
            best = segment;
        }
    }
    if (n < MIN_SEGMENTS || kept * 1000 > total * MOST_LIVING)
        best = NULL;
    number = best != NULL ? best->number : 0;
    if (best != NULL)
        compaction->framing = best->framing;
    compaction->urgent = kept * 1000 < total * URGENT_LIVING;
    g_mutex_unlock (&spool->index_lock);
    return number;
}

static void
set_unmovable (RelaisCompaction *compaction)
{
    RelaisSpool *spool = compaction->spool;
    RelaisSegment *segment;

    compaction->incomplete = true;
    g_mutex_lock (&spool->index_lock);
    segment = relais_ledger_segment (spool, compaction->victim);
    if (segment != NULL)
        segment->unmovable = true;
    g_mutex_unlock (&spool->index_lock);
}

static bool
read_victim (RelaisCompaction *compaction)
{
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    char name[RELAIS_SEGMENT_NAME_BYTES];
    RelaisHeaderVerdict verdict;
    RelaisScan scan = {0};
    g_auto (RelaisScanRoom) room = {0};

    relais_segment_name (name, compaction->victim);
    compaction->fd = openat (compaction->spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    compaction->next = 0;
    if (compaction->fd < 0 ||
        !relais_segment_read_header (compaction->fd, header, &verdict, NULL) ||
        verdict != RELAIS_HEADER_GOOD)
        return false;
    compaction->records = relais_segment_read_index (compaction->fd, header, &room);
    if (compaction->records != NULL)
        return true;
    if (!relais_segment_scan_file (compaction->fd, &compaction->framing, header->capacity, &room,
                                   &scan, NULL))
        return false;
    compaction->records = g_steal_pointer (&scan.records);
    relais_scan_clear (&scan);
    return true;
}

/* --- Copying ------------------------------------------------------------------------------------ */

static bool
is_wanted (RelaisCompaction *compaction, const RelaisItem *item)
{
    RelaisSpool *spool = compaction->spool;
    bool stale;

    if (item->type == RELAIS_RECORD_EVENT)
        return false;
    g_mutex_lock (&spool->index_lock);
    stale = relais_ledger_copy_is_stale (spool, item);
    g_mutex_unlock (&spool->index_lock);
    return !stale;
}

/* Adds a copy of a record, if it is still wanted. False when it cannot be read. */
static bool
add_copy (RelaisCompaction *compaction, const RelaisRecordAt *at, RelaisGroup *group)
{
    RelaisItem item = {.type = at->record.type,
                       .copy = true,
                       .id = at->record.id,
                       .record = at->record,
                       .before = {compaction->victim, at->offset}};
    RelaisRecord record;

    if (!is_wanted (compaction, &item))
        return true;
    if (item.type != RELAIS_RECORD_DONE) {
        item.bytes = relais_segment_read_record (compaction->fd, &compaction->framing, at->offset,
                                                 true, &record, NULL);
        if (item.bytes == NULL)
            return false;
    }
    g_array_append_val (group->items, item);
    return true;
}

static void
copied (gpointer data, const GError *error)
{
    RelaisCompaction *compaction = data;

    compaction->took_us = g_get_monotonic_time () - compaction->submitted_us;
    __atomic_store_n (&compaction->under_way, false, __ATOMIC_RELEASE);
    relais_spool_ask_keeper (compaction->spool);
}

static void
submit (RelaisCompaction *compaction, RelaisGroup *group)
{
    RelaisSpool *spool = compaction->spool;
    bool closing;

    group->submitted = true;
    group->urgency = RELAIS_GROUP_LAZY;
    group->synced = copied;
    group->data = compaction;
    compaction->submitted_us = g_get_monotonic_time ();
    __atomic_store_n (&compaction->under_way, true, __ATOMIC_RELEASE);
    g_mutex_lock (&spool->log_lock);
    closing = spool->closing;
    if (!closing) {
        g_ptr_array_add (spool->incoming, group);
        g_cond_signal (&spool->writer_wake);
    }
    g_mutex_unlock (&spool->log_lock);
    if (!closing)
        return;
    __atomic_store_n (&compaction->under_way, false, __ATOMIC_RELEASE);
    relais_group_free (group);
}

/* One group of copies; false when a record could not be read. */
static bool
copy_some (RelaisCompaction *compaction)
{
    RelaisGroup *group = relais_group_new (compaction->spool);
    guint64 bytes = 0;
    guint end = MIN (compaction->records->len, compaction->next + STEP_LOOKED_AT);
    bool good = true;

    while (good && compaction->next < end && bytes < STEP_BYTES &&
           group->items->len < STEP_RECORDS) {
        const RelaisRecordAt *at =
            &g_array_index (compaction->records, RelaisRecordAt, compaction->next++);
        guint had = group->items->len;

        good = add_copy (compaction, at, group);
        if (group->items->len > had)
            bytes += relais_record_size (&at->record);
    }
    if (group->items->len > 0) {
        __atomic_fetch_add (&compaction->spool->n_compactions, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add (&compaction->spool->compaction_bytes, bytes, __ATOMIC_RELAXED);
        submit (compaction, group);
    } else
        relais_group_free (group);
    return good;
}

/* Once its last group is synced: what it guarded is guarded by the copies. */
static void
finish_victim (RelaisCompaction *compaction)
{
    RelaisSpool *spool = compaction->spool;

    if (!compaction->incomplete) {
        g_mutex_lock (&spool->index_lock);
        relais_ledger_drop_guards (spool, compaction->victim);
        g_mutex_unlock (&spool->index_lock);
    }
    end_victim (compaction);
    relais_spool_ask_keeper (spool); /* it can be freed now */
}

/* After a group, time for the rest. That outcomes wait for company before they are synced is none of
 * the group's work. */
static void
plan_pause (RelaisCompaction *compaction)
{
    const RelaisSpool *spool = compaction->spool;
    gint64 worked_us = MAX (compaction->took_us - RELAIS_LAZY_SYNC_US, compaction->took_us / 10);
    bool short_of_room = __atomic_load_n (&spool->free_bytes, __ATOMIC_RELAXED) <
                         __atomic_load_n (&spool->min_free, __ATOMIC_RELAXED);

    if (compaction->took_us == 0)
        return;
    compaction->took_us = 0;
    if (!compaction->urgent && !short_of_room)
        compaction->next_us =
            g_get_monotonic_time () + MIN (PAUSE_FACTOR * worked_us, MOST_PAUSE_US);
}

gint64
relais_compaction_due_us (const RelaisCompaction *compaction)
{
    if (__atomic_load_n (&compaction->under_way, __ATOMIC_ACQUIRE) ||
        (compaction->victim == 0 && compaction->next_us <= g_get_monotonic_time ()))
        return G_MAXINT64;
    return compaction->next_us;
}

void
relais_compaction_step (RelaisCompaction *compaction)
{
    RelaisSpool *spool = compaction->spool;

    relais_assert_may_block ();
    if (__atomic_load_n (&compaction->under_way, __ATOMIC_ACQUIRE) ||
        __atomic_load_n (&spool->stopped, __ATOMIC_ACQUIRE) ||
        __atomic_load_n (&spool->closing, __ATOMIC_ACQUIRE))
        return;
    plan_pause (compaction);
    if (compaction->victim != 0 && compaction->next == compaction->records->len)
        finish_victim (compaction);
    if (g_get_monotonic_time () < compaction->next_us)
        return;
    if (compaction->victim == 0) {
        compaction->incomplete = false;
        compaction->victim = choose (compaction);
        if (compaction->victim == 0)
            return;
        if (!read_victim (compaction)) {
            set_unmovable (compaction);
            end_victim (compaction);
            return;
        }
    }
    if (!copy_some (compaction))
        set_unmovable (compaction);
    if (!__atomic_load_n (&compaction->under_way, __ATOMIC_ACQUIRE))
        relais_spool_ask_keeper (spool);
}
