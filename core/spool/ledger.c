/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What records do to the table of the living and to the segments' counts. A record moves its message
 * when it is written (so that later records see it), frees what it replaced when it is synced (so
 * that a crash or a failed sync still finds the old one), and can be undone in between.
 *
 * All calls with the index lock held; no I/O.
 */
#include "config.h"

#include "spool/spool-state.h"

RelaisSegment *
relais_ledger_segment (RelaisSpool *spool, guint32 number)
{
    return g_hash_table_lookup (spool->segments, GUINT_TO_POINTER (number));
}

guint32
relais_ledger_record_bytes (const RelaisRecord *record)
{
    return (guint32)relais_record_size (record) + RELAIS_INDEX_ENTRY_BYTES;
}

static void
count_living (RelaisSpool *spool, guint32 number, gint64 n, gint64 bytes)
{
    RelaisSegment *segment = number != 0 ? relais_ledger_segment (spool, number) : NULL;

    if (segment == NULL)
        return;
    segment->living += n;
    segment->living_bytes += bytes;
}

void
relais_ledger_add (RelaisSpool *spool, guint32 number, guint32 bytes)
{
    count_living (spool, number, 1, bytes);
}

void
relais_ledger_let_die (RelaisSpool *spool, guint32 number, guint32 bytes)
{
    count_living (spool, number, -1, -(gint64)bytes);
}

static void
add_guard (RelaisSpool *spool, RelaisSegment *segment, guint32 guarded)
{
    RelaisGuard guard = {guarded, 1};

    if (guarded == 0 || guarded == segment->number ||
        relais_ledger_segment (spool, guarded) == NULL)
        return;
    for (guint i = segment->guards->len; i > 0; i--) {
        RelaisGuard *known = &g_array_index (segment->guards, RelaisGuard, i - 1);

        if (known->number == guarded) {
            known->count++;
            return;
        }
    }
    g_array_append_val (segment->guards, guard);
}

/* A segment that is being drained may hold an older copy of any MESSAGE, so each DONE guards it
 * too. */
void
relais_ledger_guard (RelaisSpool *spool, RelaisSegment *segment, guint32 guarded)
{
    add_guard (spool, segment, guarded);
    for (guint i = 0; i < spool->drained->len; i++) {
        guint32 number = g_array_index (spool->drained, guint32, i);

        if (number != guarded)
            add_guard (spool, segment, number);
    }
}

void
relais_ledger_drain (RelaisSpool *spool, guint32 number)
{
    for (guint i = 0; i < spool->drained->len; i++)
        if (g_array_index (spool->drained, guint32, i) == number)
            return;
    g_array_append_val (spool->drained, number);
}

void
relais_ledger_drop_guards (RelaisSpool *spool, guint32 number)
{
    RelaisSegment *segment = relais_ledger_segment (spool, number);

    if (segment != NULL)
        g_array_set_size (segment->guards, 0);
}

void
relais_ledger_forget_segment (RelaisSpool *spool, guint32 number)
{
    for (guint i = spool->drained->len; i > 0; i--)
        if (g_array_index (spool->drained, guint32, i - 1) == number)
            g_array_remove_index_fast (spool->drained, i - 1);
    g_hash_table_remove (spool->segments, GUINT_TO_POINTER (number));
}

static RelaisPlace
message_place (const RelaisIndexEntry *entry)
{
    return (RelaisPlace){entry->message_segment, entry->message_offset};
}

static RelaisPlace
state_place (const RelaisIndexEntry *entry)
{
    return (RelaisPlace){entry->state_segment, entry->state_offset};
}

static void
set_message_place (RelaisIndexEntry *entry, RelaisPlace place)
{
    entry->message_segment = place.segment;
    entry->message_offset = place.offset & G_MAXINT32;
}

static void
set_state_place (RelaisIndexEntry *entry, RelaisPlace place)
{
    entry->state_segment = place.segment;
    entry->state_offset = place.offset & G_MAXINT32;
}

/* Whether a MESSAGE of its id may lie in a segment other than the DONE's own, with which it goes. */
static bool
done_is_needed (RelaisSpool *spool, const RelaisItem *item)
{
    return spool->drained->len > 0 ||
           relais_ledger_segment (spool, item->record.message_segment) != NULL;
}

bool
relais_ledger_copy_is_stale (RelaisSpool *spool, const RelaisItem *item)
{
    const RelaisIndexEntry *entry = relais_index_find (spool->index, item->id);
    RelaisPlace now;

    if (item->type == RELAIS_RECORD_DONE)
        return !done_is_needed (spool, item);
    if (entry == NULL || entry->dying)
        return true;
    now = item->type == RELAIS_RECORD_MESSAGE ? message_place (entry) : state_place (entry);
    return now.segment != item->before.segment || now.offset != item->before.offset;
}

static void
write_message (RelaisSpool *spool, RelaisItem *item, RelaisPlace here)
{
    RelaisIndexEntry *entry = relais_index_insert (spool->index, item->id);

    set_message_place (entry, here);
    item->before_bytes = entry->message_bytes;
    entry->message_bytes = relais_ledger_record_bytes (&item->record);
    relais_ledger_add (spool, here.segment, entry->message_bytes);
    item->counted = true;
    if (item->copy)
        relais_ledger_drain (spool, item->before.segment);
    if (item->file != NULL) {
        RelaisBodyFileRef ref = relais_body_file_get_ref (item->file);

        entry->file = 1;
        g_hash_table_insert (spool->files, g_memdup2 (&item->id, sizeof item->id),
                             g_memdup2 (&ref.number, sizeof ref.number));
    }
}

static void
write_state (RelaisSpool *spool, RelaisItem *item, RelaisPlace here)
{
    RelaisIndexEntry *entry = relais_index_find (spool->index, item->id);

    if (entry == NULL || entry->dying)
        return;
    item->before = state_place (entry);
    item->before_bytes = entry->state_bytes;
    set_state_place (entry, here);
    entry->state_bytes = relais_ledger_record_bytes (&item->record);
    relais_ledger_add (spool, here.segment, entry->state_bytes);
    item->counted = true;
}

static void
write_done (RelaisSpool *spool, RelaisItem *item)
{
    RelaisIndexEntry *entry = relais_index_find (spool->index, item->id);

    if (entry != NULL && !entry->dying) {
        entry->dying = 1;
        item->record.message_segment = entry->message_segment;
        item->counted = true;
    }
    relais_ledger_guard (spool, item->segment, item->record.message_segment);
}

void
relais_ledger_write (RelaisSpool *spool, RelaisItem *item)
{
    RelaisPlace here = {item->segment->number, item->offset};

    item->counted = false;
    switch ((RelaisRecordType)item->type) {
    case RELAIS_RECORD_MESSAGE: write_message (spool, item, here); break;
    case RELAIS_RECORD_STATE: write_state (spool, item, here); break;
    case RELAIS_RECORD_DONE: write_done (spool, item); break;
    case RELAIS_RECORD_EVENT: item->segment->last_event_lsn = item->record.lsn; break;
    }
}

static void
sync_done (RelaisSpool *spool, RelaisItem *item)
{
    RelaisIndexEntry *entry = relais_index_find (spool->index, item->id);
    guint64 *file;

    if (entry == NULL)
        return;
    relais_ledger_let_die (spool, entry->message_segment, entry->message_bytes);
    relais_ledger_let_die (spool, entry->state_segment, entry->state_bytes);
    file = entry->file ? g_hash_table_lookup (spool->files, &item->id) : NULL;
    if (file != NULL) {
        g_array_append_val (spool->dying_files, *file);
        g_hash_table_remove (spool->files, &item->id);
    }
    relais_index_remove (spool->index, item->id);
}

void
relais_ledger_sync (RelaisSpool *spool, RelaisItem *item)
{
    if (!item->counted)
        return;
    switch ((RelaisRecordType)item->type) {
    case RELAIS_RECORD_MESSAGE:
    case RELAIS_RECORD_STATE:
        relais_ledger_let_die (spool, item->before.segment, item->before_bytes);
        break;
    case RELAIS_RECORD_DONE: sync_done (spool, item); break;
    case RELAIS_RECORD_EVENT: break;
    }
}

void
relais_ledger_undo (RelaisSpool *spool, RelaisItem *item)
{
    RelaisIndexEntry *entry = relais_index_find (spool->index, item->id);

    if (!item->counted || entry == NULL)
        return;
    item->counted = false;
    switch ((RelaisRecordType)item->type) {
    case RELAIS_RECORD_MESSAGE:
        relais_ledger_let_die (spool, item->segment->number, entry->message_bytes);
        if (item->copy) {
            set_message_place (entry, item->before);
            entry->message_bytes = item->before_bytes;
            return;
        }
        g_hash_table_remove (spool->files, &item->id);
        relais_index_remove (spool->index, item->id);
        return;
    case RELAIS_RECORD_STATE:
        relais_ledger_let_die (spool, item->segment->number, entry->state_bytes);
        set_state_place (entry, item->before);
        entry->state_bytes = item->before_bytes;
        return;
    case RELAIS_RECORD_DONE: entry->dying = 0; return;
    case RELAIS_RECORD_EVENT: return;
    }
}
