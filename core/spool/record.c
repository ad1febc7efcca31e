/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The framing of a segment; see record.h. Pure.
 */
#include "config.h"

#include "spool/record.h"

#include <string.h>

#include "spool/crc32c.h"

static const char segment_magic[16] = "relais segment\r\n";

enum { HEADER_COPY_BYTES = RELAIS_SEGMENT_HEADER_BYTES / 2, NOTES_AT = 80 };
G_STATIC_ASSERT (NOTES_AT + 8 * RELAIS_SEGMENT_MAX_NOTES <= HEADER_COPY_BYTES - 4);

static void
put32 (guint8 *to, guint32 value)
{
    value = GUINT32_TO_LE (value);
    memcpy (to, &value, sizeof value);
}

static void
put64 (guint8 *to, guint64 value)
{
    value = GUINT64_TO_LE (value);
    memcpy (to, &value, sizeof value);
}

static guint32
get32 (const guint8 *from)
{
    guint32 value;

    memcpy (&value, from, sizeof value);
    return GUINT32_FROM_LE (value);
}

static guint64
get64 (const guint8 *from)
{
    guint64 value;

    memcpy (&value, from, sizeof value);
    return GUINT64_FROM_LE (value);
}

/* --- Segment header ----------------------------------------------------------------------------- */

void
relais_segment_header_encode (const RelaisSegmentHeader *header,
                              guint8 to[RELAIS_SEGMENT_HEADER_BYTES])
{
    g_assert (header->n_notes <= RELAIS_SEGMENT_MAX_NOTES);
    memset (to, 0, RELAIS_SEGMENT_HEADER_BYTES);
    memcpy (to, segment_magic, sizeof segment_magic);
    put32 (to + 16, header->format);
    put32 (to + 20, header->capacity);
    put32 (to + 24, header->number);
    put32 (to + 28, header->n_notes);
    put64 (to + 32, header->first_lsn);
    put64 (to + 40, header->id_floor);
    put64 (to + 48, (guint64)header->created_us);
    memcpy (to + 56, header->salt, sizeof header->salt);
    for (guint32 i = 0; i < header->n_notes; i++) {
        put32 (to + NOTES_AT + 8 * i, header->notes[i].number);
        put32 (to + NOTES_AT + 8 * i + 4, header->notes[i].valid);
    }
    put32 (to + HEADER_COPY_BYTES - 4, relais_crc32c (0, to, HEADER_COPY_BYTES - 4));
    memcpy (to + HEADER_COPY_BYTES, to, HEADER_COPY_BYTES);
}

static RelaisHeaderVerdict
decode_header_copy (const guint8 *from, RelaisSegmentHeader *header)
{
    RelaisSegmentHeader found = {0};

    if (memcmp (from, segment_magic, sizeof segment_magic) != 0)
        return RELAIS_HEADER_BROKEN;
    found.format = get32 (from + 16);
    found.n_notes = get32 (from + 28);
    if (get32 (from + HEADER_COPY_BYTES - 4) != relais_crc32c (0, from, HEADER_COPY_BYTES - 4))
        return found.format > RELAIS_SPOOL_FORMAT ? RELAIS_HEADER_NEWER : RELAIS_HEADER_BROKEN;
    if (found.format > RELAIS_SPOOL_FORMAT)
        return RELAIS_HEADER_NEWER;
    found.capacity = get32 (from + 20);
    found.number = get32 (from + 24);
    found.first_lsn = get64 (from + 32);
    found.id_floor = get64 (from + 40);
    found.created_us = (gint64)get64 (from + 48);
    memcpy (found.salt, from + 56, sizeof found.salt);
    if (found.n_notes > RELAIS_SEGMENT_MAX_NOTES || found.capacity < RELAIS_SEGMENT_MIN_BYTES ||
        found.capacity > RELAIS_SEGMENT_MAX_BYTES)
        return RELAIS_HEADER_BROKEN;
    for (guint32 i = 0; i < found.n_notes; i++)
        found.notes[i] = (RelaisSegmentNote){get32 (from + NOTES_AT + 8 * i),
                                             get32 (from + NOTES_AT + 8 * i + 4)};
    *header = found;
    return RELAIS_HEADER_GOOD;
}

RelaisHeaderVerdict
relais_segment_header_decode (const guint8 from[RELAIS_SEGMENT_HEADER_BYTES],
                              RelaisSegmentHeader *header)
{
    RelaisHeaderVerdict first = decode_header_copy (from, header);
    RelaisHeaderVerdict second;

    if (first == RELAIS_HEADER_GOOD)
        return first;
    second = decode_header_copy (from + HEADER_COPY_BYTES, header);
    if (second == RELAIS_HEADER_GOOD)
        return second;
    if (first == RELAIS_HEADER_NEWER || second == RELAIS_HEADER_NEWER)
        return RELAIS_HEADER_NEWER;
    for (gsize i = 0; i < RELAIS_SEGMENT_HEADER_BYTES; i++)
        if (from[i] != 0)
            return RELAIS_HEADER_BROKEN;
    return RELAIS_HEADER_BLANK;
}

/* Magic and seed come from different halves: a checksum is linear, so that of the same bytes the one
 * would give the other away. */
RelaisFraming
relais_segment_framing (const RelaisSegmentHeader *header)
{
    return (RelaisFraming){relais_crc32c (header->number, header->salt, 8),
                           relais_crc32c (header->number, header->salt + 8, 8)};
}

/* --- Records ------------------------------------------------------------------------------------ */

void
relais_record_encode (const RelaisFraming *framing, const RelaisRecord *record, guint8 *to)
{
    put32 (to, framing->magic);
    put64 (to + 8, record->lsn);
    put64 (to + 16, record->id);
    put32 (to + 24, (guint32)record->type | (guint32)record->flags << 8);
    put32 (to + 28, record->head_bytes);
    put32 (to + 32, record->body_bytes);
    put32 (to + 36, record->head_crc);
    put32 (to + 40, record->body_crc);
    put32 (to + 44, record->message_segment);
    put32 (to + 4, relais_crc32c (framing->seed, to + 8, RELAIS_RECORD_BYTES - 8));
}

bool
relais_record_decode (const RelaisFraming *framing, const guint8 *from, RelaisRecord *record)
{
    if (get32 (from) != framing->magic ||
        get32 (from + 4) != relais_crc32c (framing->seed, from + 8, RELAIS_RECORD_BYTES - 8))
        return false;
    *record = (RelaisRecord){.lsn = get64 (from + 8),
                             .id = get64 (from + 16),
                             .type = from[24],
                             .flags = from[25],
                             .head_bytes = get32 (from + 28),
                             .body_bytes = get32 (from + 32),
                             .head_crc = get32 (from + 36),
                             .body_crc = get32 (from + 40),
                             .message_segment = get32 (from + 44)};
    return true;
}

guint32
relais_record_crc (const RelaisFraming *framing, gconstpointer bytes, gsize size)
{
    return relais_crc32c (framing->seed, bytes, size);
}

void
relais_body_file_ref_encode (const RelaisBodyFileRef *ref, guint8 to[RELAIS_BODY_FILE_BYTES])
{
    put64 (to, ref->number);
    put64 (to + 8, ref->size_bytes);
    put32 (to + 16, ref->crc);
    put32 (to + 20, 0);
}

void
relais_body_file_ref_decode (const guint8 from[RELAIS_BODY_FILE_BYTES], RelaisBodyFileRef *ref)
{
    *ref = (RelaisBodyFileRef){get64 (from), get64 (from + 8), get32 (from + 16)};
}

/* --- Index -------------------------------------------------------------------------------------- */

void
relais_index_add (const RelaisFraming *framing, const RelaisRecordAt *at, GByteArray *index)
{
    guint8 entry[RELAIS_INDEX_ENTRY_BYTES];

    relais_record_encode (framing, &at->record, entry);
    put64 (entry + RELAIS_RECORD_BYTES, at->offset);
    g_byte_array_append (index, entry, sizeof entry);
}

void
relais_trailer_encode (const RelaisFraming *framing, const GByteArray *index, guint32 offset,
                       guint8 to[RELAIS_TRAILER_BYTES])
{
    memset (to, 0, RELAIS_TRAILER_BYTES);
    put32 (to, ~framing->magic);
    put32 (to + 8, offset);
    put32 (to + 12, index->len);
    put32 (to + 16, relais_crc32c (framing->seed, index->data, index->len));
    put32 (to + 4, relais_crc32c (framing->seed, to + 8, RELAIS_TRAILER_BYTES - 8));
}

bool
relais_trailer_decode (const RelaisFraming *framing, const guint8 from[RELAIS_TRAILER_BYTES],
                       guint32 *offset, guint32 *size, guint32 *crc)
{
    if (get32 (from) != ~framing->magic ||
        get32 (from + 4) != relais_crc32c (framing->seed, from + 8, RELAIS_TRAILER_BYTES - 8))
        return false;
    *offset = get32 (from + 8);
    *size = get32 (from + 12);
    *crc = get32 (from + 16);
    return true;
}

bool
relais_index_decode (const RelaisFraming *framing, const guint8 *bytes, gsize size, guint32 crc,
                     guint32 limit, GArray *entries)
{
    if (size % RELAIS_INDEX_ENTRY_BYTES != 0 || relais_crc32c (framing->seed, bytes, size) != crc)
        return false;
    g_array_set_size (entries, (guint)(size / RELAIS_INDEX_ENTRY_BYTES));
    for (guint i = 0; i < entries->len; i++, bytes += RELAIS_INDEX_ENTRY_BYTES) {
        RelaisRecordAt *entry = &g_array_index (entries, RelaisRecordAt, i);
        guint64 offset = get64 (bytes + RELAIS_RECORD_BYTES);

        if (!relais_record_decode (framing, bytes, &entry->record) || offset > limit ||
            offset + relais_record_size (&entry->record) > limit)
            return false;
        entry->offset = (guint32)offset;
    }
    return true;
}

/* --- Scan --------------------------------------------------------------------------------------- */

typedef struct {
    const RelaisFraming *framing;
    const guint8 *bytes;
    gsize size;
    guint64 last_lsn;
    guint32 group_at;   /* where the group under way begins; 0 when there is none */
    guint32 group_from; /* number of committed records before it */
    guint32 bad_from;   /* start of bytes that belong to no whole group; 0 when there are none */
    bool group_bad;
} Scanner;

static bool
header_at (const Scanner *scanner, gsize offset, RelaisRecord *record)
{
    return offset + RELAIS_RECORD_BYTES <= scanner->size &&
           relais_record_decode (scanner->framing, scanner->bytes + offset, record) &&
           record->lsn > scanner->last_lsn;
}

/* Looks for the next record header after damage; the end of the bytes if there is none. */
static gsize
next_header (const Scanner *scanner, gsize offset)
{
    guint8 magic[4];
    RelaisRecord record;

    put32 (magic, scanner->framing->magic);
    while (offset + RELAIS_RECORD_BYTES <= scanner->size) {
        const guint8 *hit =
            memmem (scanner->bytes + offset, scanner->size - offset, magic, sizeof magic);

        if (hit == NULL)
            break;
        offset = (gsize)(hit - scanner->bytes);
        if (header_at (scanner, offset, &record))
            return offset;
        offset++;
    }
    return scanner->size;
}

static bool
payload_is_good (const Scanner *scanner, gsize offset, const RelaisRecord *record)
{
    const guint8 *head = scanner->bytes + offset + RELAIS_RECORD_BYTES;

    if (relais_record_size (record) > scanner->size - offset)
        return false;
    return relais_record_crc (scanner->framing, head, record->head_bytes) == record->head_crc &&
           relais_record_crc (scanner->framing, head + record->head_bytes, record->body_bytes) ==
               record->body_crc;
}

/* The group under way will never be whole. */
static void
drop_group (Scanner *scanner, RelaisScan *scan, guint32 bad_from)
{
    if (scanner->group_at != 0)
        bad_from = scanner->group_at;
    if (scanner->bad_from == 0)
        scanner->bad_from = bad_from;
    scanner->group_at = 0;
    g_array_set_size (scan->records, scanner->group_from);
}

static void
commit_group (Scanner *scanner, RelaisScan *scan, guint32 end)
{
    if (scanner->bad_from != 0) {
        RelaisDamage damage = {scanner->bad_from, scanner->group_at};

        g_array_append_val (scan->damages, damage);
        scanner->bad_from = 0;
    }
    scan->end = end;
    scanner->group_at = 0;
    scanner->group_from = scan->records->len;
}

static void
take_record (Scanner *scanner, RelaisScan *scan, const RelaisRecordAt *at, bool good)
{
    const RelaisRecord *record = &at->record;

    if (record->flags & RELAIS_RECORD_FIRST) {
        if (scanner->group_at != 0)
            drop_group (scanner, scan, at->offset);
        scanner->group_at = at->offset;
    } else if (scanner->group_at == 0 || record->lsn != scanner->last_lsn + 1) {
        drop_group (scanner, scan, at->offset);
        scanner->last_lsn = record->lsn;
        return;
    }
    scanner->last_lsn = record->lsn;
    if (!good) {
        drop_group (scanner, scan, at->offset);
        return;
    }
    g_array_append_vals (scan->records, at, 1);
    if (record->flags & RELAIS_RECORD_COMMIT)
        commit_group (scanner, scan, (guint32)(at->offset + relais_record_size (record)));
}

void
relais_scan_segment (const RelaisFraming *framing, const guint8 *bytes, gsize size,
                     RelaisScan *scan)
{
    Scanner scanner = {.framing = framing, .bytes = bytes, .size = size};
    gsize offset = RELAIS_SEGMENT_HEADER_BYTES;
    gsize seen = offset;

    *scan = (RelaisScan){.records = g_array_new (FALSE, FALSE, sizeof (RelaisRecordAt)),
                         .damages = g_array_new (FALSE, FALSE, sizeof (RelaisDamage)),
                         .end = RELAIS_SEGMENT_HEADER_BYTES};
    while (offset + RELAIS_RECORD_BYTES <= size) {
        RelaisRecordAt at = {.offset = (guint32)offset};

        if (!header_at (&scanner, offset, &at.record)) {
            gsize next = next_header (&scanner, offset + 1);

            if (next >= size)
                break;
            drop_group (&scanner, scan, (guint32)offset);
            offset = next;
            continue;
        }
        take_record (&scanner, scan, &at, payload_is_good (&scanner, offset, &at.record));
        /* A length beyond the end is what a torn tail or a stale header leaves: look further by
         * the magic. */
        if (relais_record_size (&at.record) > size - offset)
            offset += RELAIS_RECORD_BYTES;
        else
            offset += relais_record_size (&at.record);
        seen = MIN (offset, size);
    }
    g_array_set_size (scan->records, scanner.group_from);
    scan->torn = seen > scan->end ? (guint32)(seen - scan->end) : 0;
}

void
relais_scan_clear (RelaisScan *scan)
{
    g_clear_pointer (&scan->records, g_array_unref);
    g_clear_pointer (&scan->damages, g_array_unref);
}
