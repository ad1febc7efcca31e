/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compaction: when most of what the closed segments hold is dead, the emptiest one has its living
 * records, and those DONEs that are still needed, copied forward through the writer; then nothing in
 * it lives and it is freed like any other. A copy whose original died meanwhile is dropped by the
 * writer, so nothing that is done comes back.
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
    DONE_WEIGHT = 10 /* DONEs that cost about what one MESSAGE with its STATE does */
};

struct RelaisCompaction {
    RelaisSpool *spool;
    guint32 victim; /* 0: none */
    int fd;
    RelaisFraming framing;
    GArray *records; /* RelaisRecordAt */
    guint next;
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

/* Thousandths of a segment that must be kept. */
static guint64
weight (RelaisSpool *spool, const RelaisSegment *segment)
{
    guint64 kept = (guint64)MAX (segment->living, 0) * DONE_WEIGHT;

    for (guint i = 0; i < segment->guards->len; i++) {
        const RelaisGuard *guard = &g_array_index (segment->guards, RelaisGuard, i);

        if (relais_ledger_segment (spool, guard->number) != NULL)
            kept += guard->count;
    }
    return MIN (1000, kept * 1000 / ((guint64)MAX (segment->records, 1) * DONE_WEIGHT));
}

static guint32
choose (RelaisSpool *spool, RelaisFraming *framing)
{
    const RelaisSegment *best = NULL;
    const RelaisSegment *segment;
    guint64 total = 0, best_weight = 750;
    guint n = 0;
    guint32 number;
    GHashTableIter iter;

    g_mutex_lock (&spool->index_lock);
    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&segment)) {
        guint64 w;

        if (!__atomic_load_n (&segment->closed, __ATOMIC_ACQUIRE) || segment->unmovable)
            continue;
        w = weight (spool, segment);
        total += w;
        n++;
        if (w < best_weight) {
            best_weight = w;
            best = segment;
        }
    }
    if (n < MIN_SEGMENTS || total > (guint64)n * 500)
        best = NULL;
    number = best != NULL ? best->number : 0;
    if (best != NULL)
        *framing = best->framing;
    g_mutex_unlock (&spool->index_lock);
    return number;
}

static void
set_unmovable (RelaisCompaction *compaction)
{
    RelaisSpool *spool = compaction->spool;
    RelaisSegment *segment;

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
    if (group->items->len > 0)
        submit (compaction, group);
    else
        relais_group_free (group);
    return good;
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
    if (compaction->victim == 0) {
        compaction->victim = choose (spool, &compaction->framing);
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
    if (compaction->next == compaction->records->len)
        end_victim (compaction);
    else if (!__atomic_load_n (&compaction->under_way, __ATOMIC_ACQUIRE))
        relais_spool_ask_keeper (spool);
}
