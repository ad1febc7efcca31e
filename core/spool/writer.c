/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The writer: frames groups and writes many of them with one call. Heads and small bodies are laid out
 * in one arena, larger bodies are written from where they are. A group never straddles segments.
 *
 * Its own thread; nothing else writes records.
 */
#include "config.h"

#include <unistd.h>

#include "spool/spool-state.h"

enum {
    COPY_BODY_BYTES = 2048, /* below, a copy is cheaper than another piece of the vector */
    FLUSH_BYTES = 4 << 20,  /* in the arena and beside it */
    FLUSH_CUTS = 400,
    ARENA_KEEP_BYTES = 8 << 20
};

/* "After `at` bytes of the arena, these." */
typedef struct {
    gsize at;
    const guint8 *bytes;
    gsize size;
} Cut;

GArray *
relais_writer_new_cuts (void)
{
    return g_array_new (FALSE, FALSE, sizeof (Cut));
}

/* --- Laying out --------------------------------------------------------------------------------- */

static void
add_body (RelaisSpool *spool, RelaisItem *item)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (item->body, &size);
    Cut cut = {spool->arena->len, bytes, size};

    item->record.body_bytes = (guint32)size;
    if (size <= COPY_BODY_BYTES)
        g_byte_array_append (spool->arena, bytes, (guint)size);
    else
        g_array_append_val (spool->cuts, cut);
}

static void
add_message (RelaisSpool *spool, RelaisItem *item)
{
    gsize head = spool->arena->len;
    guint8 ref[RELAIS_BODY_FILE_BYTES];
    RelaisBodyFileRef body;

    relais_message_encode (item->message, spool->arena);
    item->record.head_bytes = (guint32)(spool->arena->len - head);
    if (item->file == NULL) {
        add_body (spool, item);
        return;
    }
    body = relais_body_file_get_ref (item->file);
    relais_body_file_ref_encode (&body, ref);
    item->record.flags |= RELAIS_RECORD_FILE;
    item->record.body_bytes = sizeof ref;
    g_byte_array_append (spool->arena, ref, sizeof ref);
}

/* Lays one item out in the arena; its header is filled in once its place is known. Returns its
 * size. A copy brings lengths and flags in its record. */
static guint64
lay_out_item (RelaisSpool *spool, RelaisItem *item)
{
    static const guint8 blank[RELAIS_RECORD_BYTES];
    gsize size;
    const guint8 *bytes;

    item->arena_at = spool->arena->len;
    g_byte_array_append (spool->arena, blank, sizeof blank);
    item->record.type = item->type;
    item->record.id = item->id;
    item->record.flags &= RELAIS_RECORD_FILE;
    if (item->message != NULL)
        add_message (spool, item);
    else if (item->bytes != NULL) {
        bytes = g_bytes_get_data (item->bytes, &size);
        g_byte_array_append (spool->arena, bytes, (guint)size);
        if (!item->copy)
            item->record.head_bytes = (guint32)size;
    }
    return relais_record_size (&item->record);
}

static guint64
lay_out_group (RelaisSpool *spool, RelaisGroup *group, guint *n)
{
    guint64 size = 0;

    *n = 0;
    for (guint i = 0; i < group->items->len; i++) {
        RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->copy) {
            g_mutex_lock (&spool->index_lock);
            item->skip = relais_ledger_copy_is_stale (spool, item);
            g_mutex_unlock (&spool->index_lock);
        }
        if (item->skip)
            continue;
        size += lay_out_item (spool, item);
        (*n)++;
    }
    return size;
}

/* --- Sealing the layout ------------------------------------------------------------------------- */

static void
checksum_item (RelaisSpool *spool, RelaisItem *item)
{
    const RelaisFraming *framing = &item->segment->framing;
    const guint8 *head = spool->arena->data + item->arena_at + RELAIS_RECORD_BYTES;
    const guint8 *body = head + item->record.head_bytes;

    if (item->record.body_bytes > COPY_BODY_BYTES && item->body != NULL)
        body = g_bytes_get_data (item->body, NULL);
    item->record.head_crc = relais_record_crc (framing, head, item->record.head_bytes);
    item->record.body_crc = relais_record_crc (framing, body, item->record.body_bytes);
}

/* Whether readers are led to the record only once it is written: it takes the place of one that can be
 * read until then. (A new MESSAGE has no readers yet, a DONE never has.) */
static bool
counts_when_written (const RelaisItem *item)
{
    return item->type == RELAIS_RECORD_STATE || (item->type == RELAIS_RECORD_MESSAGE && item->copy);
}

/* Gives the group's records their LSNs and places, and makes those count that need not wait. */
static void
place_group (RelaisSpool *spool, RelaisGroup *group, guint n)
{
    RelaisSegment *segment = spool->active;
    guint32 offset = segment->end + (guint32)spool->batch_bytes;
    guint64 lsn = spool->next_lsn;
    guint nth = 0;

    for (guint i = 0; i < group->items->len; i++) {
        RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->skip)
            continue;
        item->segment = segment;
        item->offset = offset;
        item->record.lsn = lsn++;
        item->record.flags |= (guint8)((nth == 0 ? RELAIS_RECORD_FIRST : 0) |
                                       (nth == n - 1 ? RELAIS_RECORD_COMMIT : 0));
        checksum_item (spool, item);
        offset += (guint32)relais_record_size (&item->record);
        nth++;
    }
    g_mutex_lock (&spool->index_lock);
    for (guint i = 0; i < group->items->len; i++) {
        RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        item->counted = false;
        if (!item->skip && !counts_when_written (item))
            relais_ledger_write (spool, item);
    }
    g_mutex_unlock (&spool->index_lock);
    for (guint i = 0; i < group->items->len; i++) {
        const RelaisItem *item = &g_array_index (group->items, RelaisItem, i);
        RelaisRecordAt at = {item->record, item->offset};

        if (item->skip)
            continue;
        relais_record_encode (&segment->framing, &item->record,
                              spool->arena->data + item->arena_at);
        relais_index_add (&segment->framing, &at, segment->index);
    }
    __atomic_store_n (&spool->next_lsn, lsn, __ATOMIC_RELAXED);
    __atomic_fetch_add (&spool->n_records, n, __ATOMIC_RELAXED);
    __atomic_fetch_add (&spool->n_groups, 1, __ATOMIC_RELAXED);
}

/* --- Writing ------------------------------------------------------------------------------------ */

static GArray *
make_vector (RelaisSpool *spool)
{
    GArray *vector =
        g_array_sized_new (FALSE, FALSE, sizeof (struct iovec), 2 * spool->cuts->len + 1);
    gsize at = 0;
    struct iovec piece;

    for (guint i = 0; i < spool->cuts->len; i++) {
        const Cut *cut = &g_array_index (spool->cuts, Cut, i);

        piece = (struct iovec){spool->arena->data + at, cut->at - at};
        g_array_append_val (vector, piece);
        piece = (struct iovec){(gpointer)cut->bytes, cut->size};
        g_array_append_val (vector, piece);
        at = cut->at;
    }
    piece = (struct iovec){spool->arena->data + at, spool->arena->len - at};
    if (piece.iov_len > 0)
        g_array_append_val (vector, piece);
    return vector;
}

static void
clear_arena (RelaisSpool *spool)
{
    if (spool->arena->len > ARENA_KEEP_BYTES) {
        g_byte_array_unref (spool->arena);
        spool->arena = g_byte_array_new ();
    }
    g_byte_array_set_size (spool->arena, 0);
    g_array_set_size (spool->cuts, 0);
    g_ptr_array_set_size (spool->batch, 0);
    spool->batch_bytes = 0;
}

/* Tells the owners that asked for it. Before the syncer hears of the groups: it may be done with them,
 * and the loop have freed them, before we look again. */
static void
tell_written (RelaisSpool *spool)
{
    g_autoptr (GPtrArray) told = g_ptr_array_sized_new (spool->batch->len);

    for (guint i = 0; i < spool->batch->len; i++) {
        RelaisGroup *group = g_ptr_array_index (spool->batch, i);

        if (group->written == NULL || group->written_told)
            continue;
        group->written_told = true;
        g_ptr_array_add (told, group);
    }
    relais_spool_notify (spool, (RelaisGroup *const *)told->pdata, told->len,
                         RELAIS_NOTICE_WRITTEN);
}

/* Makes the rest of the batch count. */
static void
count_written (RelaisSpool *spool)
{
    g_mutex_lock (&spool->index_lock);
    for (guint i = 0; i < spool->batch->len; i++) {
        RelaisGroup *group = g_ptr_array_index (spool->batch, i);

        for (guint k = 0; k < group->items->len; k++) {
            RelaisItem *item = &g_array_index (group->items, RelaisItem, k);

            if (!item->skip && counts_when_written (item))
                relais_ledger_write (spool, item);
        }
    }
    g_mutex_unlock (&spool->index_lock);
}

/* Passes the batch to the syncer: what failed goes there too, to be found with the rest. */
static void
pass_on (RelaisSpool *spool, bool good)
{
    RelaisSegment *segment = spool->active;

    g_mutex_lock (&spool->log_lock);
    if (good)
        segment->written = segment->end;
    if (spool->written->len == 0)
        spool->lazy_since_us = g_get_monotonic_time ();
    for (guint i = 0; i < spool->batch->len; i++) {
        RelaisGroup *group = g_ptr_array_index (spool->batch, i);

        g_ptr_array_add (spool->written, group);
        spool->urgent_written += group->urgency == RELAIS_GROUP_URGENT;
    }
    if (!spool->gathering ||
        spool->urgent_written >= (spool->gather_target > 0
                                      ? spool->gather_target
                                      : __atomic_load_n (&spool->busy, __ATOMIC_RELAXED)))
        g_cond_signal (&spool->syncer_wake);
    g_mutex_unlock (&spool->log_lock);
}

/* Writes the batch. False when the write failed, or a sync did meanwhile. */
static bool
flush (RelaisSpool *spool)
{
    g_autoptr (GArray) vector = NULL;
    GError *error = NULL;
    bool good;

    if (spool->batch->len == 0)
        return true;
    vector = make_vector (spool);
    good = relais_segment_write (spool->active, (struct iovec *)(gpointer)vector->data, vector->len,
                                 spool->active->end, &error);
    if (good) {
        spool->active->end += (guint32)spool->batch_bytes;
        count_written (spool);
        tell_written (spool);
    } else
        relais_spool_note_failure (spool, error);
    pass_on (spool, good);
    clear_arena (spool);
    return good;
}

/* --- Segments ----------------------------------------------------------------------------------- */

/* Takes a blank of at least `bytes`. The last one is reserved: it is given away only when no other
 * can be made, and for outcomes only. */
static bool
take_blank (RelaisSpool *spool, guint64 bytes, bool outcomes, guint32 *number, bool *reserved,
            GError **error)
{
    bool taken;

    g_mutex_lock (&spool->log_lock);
    g_clear_error (&spool->blank_error);
    if (bytes > spool->options.segment_bytes || spool->blanks->len < 2)
        spool->blank_wanted_bytes = MAX (bytes, spool->options.segment_bytes);
    while (spool->blank_wanted_bytes != 0 && spool->blank_error == NULL) {
        g_cond_signal (&spool->keeper_wake);
        g_cond_wait (&spool->blank_ready, &spool->log_lock);
    }
    spool->blank_wanted_bytes = 0;
    *reserved = spool->blank_error != NULL;
    taken = spool->blanks->len > 0 &&
            (!*reserved || (outcomes && bytes <= spool->options.segment_bytes));
    if (taken) {
        /* One that was made to measure stands last. */
        *number = g_array_index (spool->blanks, guint32, spool->blanks->len - 1);
        g_array_set_size (spool->blanks, spool->blanks->len - 1);
    } else
        g_propagate_error (error, g_steal_pointer (&spool->blank_error));
    g_mutex_unlock (&spool->log_lock);
    return taken;
}

/* What of earlier segments does not count. */
static bool
collect_notes (RelaisSpool *spool, RelaisSegmentHeader *header)
{
    GHashTableIter iter;
    RelaisSegment *segment;
    bool good = true;

    g_mutex_lock (&spool->index_lock);
    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&segment)) {
        if (!segment->failed)
            continue;
        if (header->n_notes == RELAIS_SEGMENT_MAX_NOTES) {
            good = false;
            break;
        }
        header->notes[header->n_notes++] = (RelaisSegmentNote){segment->number, segment->synced};
    }
    g_mutex_unlock (&spool->index_lock);
    return good;
}

static void
adopt_segment (RelaisSpool *spool, RelaisSegment *segment)
{
    g_mutex_lock (&spool->index_lock);
    g_hash_table_insert (spool->segments, GUINT_TO_POINTER (segment->number), segment);
    g_mutex_unlock (&spool->index_lock);
    g_mutex_lock (&spool->log_lock);
    g_ptr_array_add (spool->dirty, segment);
    g_mutex_unlock (&spool->log_lock);
    spool->active = segment;
    relais_spool_ask_keeper (spool);
}

bool
relais_spool_next_segment (RelaisSpool *spool, guint64 bytes, bool outcomes, GError **error)
{
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    char name[RELAIS_SEGMENT_NAME_BYTES];
    RelaisSegment *segment;
    guint32 blank;
    bool reserved;

    if (!collect_notes (spool, header)) {
        g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_IO,
                             "too many segments failed");
        return false;
    }
    if (!take_blank (spool, bytes, outcomes, &blank, &reserved, error))
        return false;
    header->number = __atomic_fetch_add (&spool->next_number, 1, __ATOMIC_RELAXED);
    header->first_lsn = spool->next_lsn;
    header->id_floor = __atomic_load_n (&spool->next_id, __ATOMIC_RELAXED) + RELAIS_ID_LEASE;
    header->created_us = relais_clock_wall_us (relais_loop_clock (spool->loop));
    segment = relais_segment_activate (spool->dir_fd, blank, header, error);
    if (segment == NULL) {
        relais_blank_name (name, blank);
        unlinkat (spool->dir_fd, name, 0);
        return false;
    }
    segment->outcomes_only = reserved;
    spool->id_floor = header->id_floor;
    adopt_segment (spool, segment);
    return true;
}

/* The segment is full: it is the syncer's from now on, which gives it its index. */
static void
fill_up (RelaisSpool *spool, RelaisSegment *segment)
{
    g_mutex_lock (&spool->log_lock);
    segment->full = true;
    g_mutex_unlock (&spool->log_lock);
}

void
relais_spool_end_active (RelaisSpool *spool)
{
    RelaisSegment *segment = g_steal_pointer (&spool->active);

    if (segment != NULL)
        fill_up (spool, segment);
}

/* True if the group has to go to another segment than the active one. */
static bool
must_move (RelaisSpool *spool, const RelaisGroup *group, guint64 bytes, guint n)
{
    const RelaisSegment *segment = spool->active;

    return !relais_segment_has_room (segment, spool->batch_bytes + bytes, n) ||
           (segment->outcomes_only && group->has_mail) ||
           __atomic_load_n (&spool->next_id, __ATOMIC_RELAXED) + RELAIS_ID_LEASE / 2 >
               spool->id_floor;
}

typedef enum { PLACED, REFUSED, FAILED } Placing;

/* Moves on to a segment with room. A group of new mail is refused when there is none; an outcome
 * that finds none has everything wait. */
static Placing
move_on (RelaisSpool *spool, RelaisGroup *group, guint64 bytes)
{
    RelaisSegment *old = spool->active;

    if (relais_spool_next_segment (spool, bytes, !group->has_mail,
                                   group->has_mail ? &group->error : &spool->move_error)) {
        fill_up (spool, old);
        return PLACED;
    }
    if (group->has_mail)
        return REFUSED;
    relais_spool_note_failure (spool, g_steal_pointer (&spool->move_error));
    return FAILED;
}

static void
drop_layout (RelaisSpool *spool, gsize arena, guint cuts)
{
    g_byte_array_set_size (spool->arena, (guint)arena);
    g_array_set_size (spool->cuts, cuts);
}

/* Lays a group out and gives it its place in the batch. */
static Placing
place (RelaisSpool *spool, RelaisGroup *group)
{
    gsize arena = spool->arena->len;
    guint cuts = spool->cuts->len;
    guint n;
    guint64 bytes = lay_out_group (spool, group, &n);

    if (n == 0) { /* copies only, and all of them are dead by now */
        g_ptr_array_add (spool->batch, group);
        return PLACED;
    }
    if (must_move (spool, group, bytes, n)) {
        Placing moved;

        drop_layout (spool, arena, cuts);
        if (!flush (spool))
            return FAILED;
        moved = move_on (spool, group,
                         RELAIS_SEGMENT_HEADER_BYTES + bytes +
                             (guint64)n * RELAIS_INDEX_ENTRY_BYTES + RELAIS_TRAILER_BYTES);
        if (moved != PLACED)
            return moved;
        bytes = lay_out_group (spool, group, &n);
    }
    place_group (spool, group, n);
    spool->batch_bytes += bytes;
    g_ptr_array_add (spool->batch, group);
    return PLACED;
}

static bool
is_copy (const RelaisGroup *group)
{
    return group->items->len > 0 && g_array_index (group->items, RelaisItem, 0).copy;
}

guint
relais_spool_write_groups (RelaisSpool *spool, GPtrArray *groups)
{
    for (guint i = 0; i < groups->len; i++) {
        RelaisGroup *group = g_ptr_array_index (groups, i);
        Placing placing = FAILED;

        /* Whether a copy is stale is known once all before it counts. */
        if (is_copy (group) && !flush (spool))
            return i;
        if (group->error == NULL && !__atomic_load_n (&spool->failing, __ATOMIC_ACQUIRE))
            placing = place (spool, group);
        else if (group->error != NULL)
            placing = REFUSED;
        if (placing == FAILED) {
            flush (spool);
            return i;
        }
        if (placing == REFUSED) { /* the loop may free it at once */
            relais_spool_notify (spool, &group, 1, RELAIS_NOTICE_SYNCED);
            continue;
        }
        if (spool->batch_bytes >= FLUSH_BYTES || spool->cuts->len >= FLUSH_CUTS ||
            is_copy (group)) {
            if (!flush (spool))
                return i + 1;
        }
    }
    flush (spool);
    return groups->len;
}

/* --- The thread --------------------------------------------------------------------------------- */

/* The spool closes and all is synced. Log lock held. */
static bool
is_finished (const RelaisSpool *spool)
{
    return spool->closing && spool->incoming->len == 0 && spool->written->len == 0 &&
           !spool->syncing;
}

/* Takes what was handed over; false when there will be no more. */
static bool
take_incoming (RelaisSpool *spool, GPtrArray **groups)
{
    bool more;

    g_mutex_lock (&spool->log_lock);
    while (spool->incoming->len == 0 && !spool->failing && !is_finished (spool))
        g_cond_wait (&spool->writer_wake, &spool->log_lock);
    more = spool->incoming->len > 0 || spool->failing;
    if (!spool->failing) {
        GPtrArray *empty = *groups;

        *groups = spool->incoming;
        spool->incoming = empty;
    }
    g_mutex_unlock (&spool->log_lock);
    return more;
}

/* Groups that a failure left undone come first again. */
static void
put_back (RelaisSpool *spool, GPtrArray *groups, guint done)
{
    g_mutex_lock (&spool->log_lock);
    for (guint i = done; i < groups->len; i++)
        g_ptr_array_insert (spool->incoming, (gint)(i - done), g_ptr_array_index (groups, i));
    g_mutex_unlock (&spool->log_lock);
}

gpointer
relais_spool_writer_main (gpointer data)
{
    RelaisSpool *spool = data;
    GPtrArray *groups = g_ptr_array_new ();

    while (take_incoming (spool, &groups)) {
        guint done = relais_spool_write_groups (spool, groups);

        if (done < groups->len)
            put_back (spool, groups, done);
        g_ptr_array_set_size (groups, 0);
        if (__atomic_load_n (&spool->failing, __ATOMIC_ACQUIRE))
            relais_spool_handle_failure (spool);
    }
    g_ptr_array_unref (groups);
    relais_spool_end_active (spool);
    g_mutex_lock (&spool->log_lock);
    spool->writer_gone = true;
    g_cond_signal (&spool->syncer_wake);
    g_mutex_unlock (&spool->log_lock);
    return NULL;
}
