/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The framing of spool segments (core/spool/record.c). The input is a list of changes (edits.h) to a
 * segment of several groups with index and trailer; it is also read as it is. Properties: what the
 * scan finds are whole records whose checksums are right, in ascending order, groups whole; damage
 * lies between them; a group that no change touched is found, unless bytes were copied about; a
 * header and an index are what they were or are refused.
 *
 * Parsers: core/spool/record.c.
 */
#include "config.h"

#include "edits.h"
#include "fuzz.h"
#include "spool/record.h"

static const char *const words[] = {"\1", "\2", "\3", "\4", "\20", "\60", NULL};
const FuzzTarget fuzz_target = {50000, words};

enum { CAPACITY = 16384, MAX_RECORDS = 32 };

typedef struct {
    guint32 from, to;
} Group;

static guint8 whole[CAPACITY];
static gsize whole_end; /* of the last group */
static RelaisFraming framing;
static RelaisSegmentHeader header;
static GArray *groups;      /* Group */
static GByteArray *entries; /* the index */
static guint32 entries_crc;

/* --- The segment -------------------------------------------------------------------------------- */

static void
add_record (RelaisRecordType type, guint8 flags, gsize head, gsize body)
{
    static guint64 lsn = 100;
    guint8 *at = whole + whole_end + RELAIS_RECORD_BYTES;
    RelaisRecordAt record = {.offset = (guint32)whole_end};

    for (gsize i = 0; i < head + body; i++)
        at[i] = (guint8)(lsn * 31 + i * 7);
    lsn++;
    record.record = (RelaisRecord){.lsn = lsn,
                                   .id = lsn / 3,
                                   .head_bytes = (guint32)head,
                                   .body_bytes = (guint32)body,
                                   .head_crc = relais_record_crc (&framing, at, head),
                                   .body_crc = relais_record_crc (&framing, at + head, body),
                                   .type = (guint8)type,
                                   .flags = flags};
    relais_record_encode (&framing, &record.record, whole + whole_end);
    relais_index_add (&framing, &record, entries);
    if (flags & RELAIS_RECORD_FIRST) {
        Group group = {(guint32)whole_end, 0};

        g_array_append_val (groups, group);
    }
    whole_end += relais_record_size (&record.record);
    g_array_index (groups, Group, groups->len - 1).to = (guint32)whole_end;
}

static void
build (void)
{
    enum { FIRST = RELAIS_RECORD_FIRST, COMMIT = RELAIS_RECORD_COMMIT };
    guint8 trailer[RELAIS_TRAILER_BYTES];
    guint32 size, offset;

    header = (RelaisSegmentHeader){.format = RELAIS_SPOOL_FORMAT,
                                   .capacity = CAPACITY,
                                   .number = 5,
                                   .first_lsn = 100,
                                   .id_floor = 9,
                                   .created_us = 12345,
                                   .salt = "0123456789abcde",
                                   .n_notes = 1,
                                   .notes = {{4, 8192}}};
    framing = relais_segment_framing (&header);
    groups = g_array_new (FALSE, FALSE, sizeof (Group));
    entries = g_byte_array_new ();
    relais_segment_header_encode (&header, whole);
    whole_end = RELAIS_SEGMENT_HEADER_BYTES;
    add_record (RELAIS_RECORD_MESSAGE, FIRST | COMMIT, 100, 700);
    add_record (RELAIS_RECORD_MESSAGE, FIRST, 80, 10);
    add_record (RELAIS_RECORD_EVENT, COMMIT, 150, 0);
    add_record (RELAIS_RECORD_STATE, FIRST, 30, 0);
    add_record (RELAIS_RECORD_EVENT, 0, 120, 0);
    add_record (RELAIS_RECORD_DONE, COMMIT, 0, 0);
    add_record (RELAIS_RECORD_MESSAGE, FIRST | COMMIT, 60, 2000);
    add_record (RELAIS_RECORD_MESSAGE, FIRST | RELAIS_RECORD_FILE | COMMIT, 60,
                RELAIS_BODY_FILE_BYTES);
    add_record (RELAIS_RECORD_DONE, FIRST | COMMIT, 0, 0);
    relais_trailer_encode (&framing, entries, (guint32)whole_end, trailer);
    g_assert_true (relais_trailer_decode (&framing, trailer, &offset, &size, &entries_crc));
    g_assert_true (offset == whole_end && size == entries->len);
}

/* --- Properties --------------------------------------------------------------------------------- */

static void
check_record (const guint8 *bytes, gsize size, const RelaisRecordAt *at)
{
    const guint8 *head = bytes + at->offset + RELAIS_RECORD_BYTES;
    const RelaisRecord *record = &at->record;
    RelaisRecord again;

    g_assert_cmpuint (at->offset + relais_record_size (record), <=, size);
    g_assert_true (relais_record_decode (&framing, bytes + at->offset, &again));
    g_assert_true (again.lsn == record->lsn && again.head_bytes == record->head_bytes &&
                   again.body_bytes == record->body_bytes);
    g_assert_cmpuint (relais_record_crc (&framing, head, record->head_bytes), ==, record->head_crc);
    g_assert_cmpuint (relais_record_crc (&framing, head + record->head_bytes, record->body_bytes),
                      ==, record->body_crc);
}

static void
check_order (const GArray *records)
{
    guint64 lsn = 0, end = RELAIS_SEGMENT_HEADER_BYTES;
    bool inside = false;

    for (guint i = 0; i < records->len; i++) {
        const RelaisRecordAt *at = &g_array_index (records, RelaisRecordAt, i);
        const bool first = (at->record.flags & RELAIS_RECORD_FIRST) != 0;

        g_assert_true (at->offset >= end && at->record.lsn > lsn);
        g_assert_true (first != inside);
        g_assert_true (first || (at->record.lsn == lsn + 1 && at->offset == end));
        inside = (at->record.flags & RELAIS_RECORD_COMMIT) == 0;
        lsn = at->record.lsn;
        end = at->offset + relais_record_size (&at->record);
    }
    g_assert_false (inside);
}

static bool
is_found (const GArray *records, guint32 offset)
{
    for (guint i = 0; i < records->len; i++)
        if (g_array_index (records, RelaisRecordAt, i).offset == offset)
            return true;
    return false;
}

static void
check_untouched (const guint8 *bytes, gsize size, const GArray *records)
{
    for (guint i = 0; i < groups->len; i++) {
        const Group *group = &g_array_index (groups, Group, i);

        if (group->to <= size &&
            memcmp (bytes + group->from, whole + group->from, group->to - group->from) == 0)
            g_assert_true (is_found (records, group->from));
    }
}

static void
check_scan (const guint8 *bytes, gsize size, bool copied)
{
    RelaisScan scan;
    guint32 end = 0;

    relais_scan_segment (&framing, bytes, size, &scan);
    g_assert_cmpuint (scan.records->len, <=, MAX_RECORDS);
    g_assert_cmpuint (scan.end + scan.torn, <=, MAX (size, (gsize)RELAIS_SEGMENT_HEADER_BYTES));
    for (guint i = 0; i < scan.records->len; i++)
        check_record (bytes, size, &g_array_index (scan.records, RelaisRecordAt, i));
    check_order (scan.records);
    for (guint i = 0; i < scan.damages->len; i++) {
        const RelaisDamage *damage = &g_array_index (scan.damages, RelaisDamage, i);

        g_assert_true (damage->start >= end && damage->start < damage->end);
        g_assert_cmpuint (damage->end, <=, scan.end);
        end = damage->end;
    }
    if (!copied)
        check_untouched (bytes, size, scan.records);
    relais_scan_clear (&scan);
}

static void
check_header (const guint8 *bytes, gsize size)
{
    RelaisSegmentHeader read;

    if (size < RELAIS_SEGMENT_HEADER_BYTES ||
        relais_segment_header_decode (bytes, &read) != RELAIS_HEADER_GOOD)
        return;
    g_assert_true (read.number == header.number && read.capacity == header.capacity &&
                   read.id_floor == header.id_floor && read.first_lsn == header.first_lsn &&
                   read.n_notes == header.n_notes);
    fuzz_assert_same (read.salt, sizeof read.salt, header.salt, sizeof header.salt);
}

/* The index with the same changes: whole or refused. */
static void
check_index (const guint8 *bytes, gsize size)
{
    g_autofree guint8 *changed = g_memdup2 (entries->data, entries->len);
    g_autoptr (GArray) decoded = g_array_new (FALSE, FALSE, sizeof (RelaisRecordAt));
    FuzzEdit edit;
    gsize n = entries->len, from, to;

    while (n > 0 && fuzz_next_edit (&bytes, &size, n, &edit))
        n = fuzz_apply_edit (&edit, changed, n, &from, &to);
    if (!relais_index_decode (&framing, changed, n, entries_crc, (guint32)whole_end, decoded))
        return;
    fuzz_assert_same (changed, n, entries->data, entries->len);
    g_assert_cmpuint (decoded->len * RELAIS_INDEX_ENTRY_BYTES, ==, n);
    g_assert_false (
        relais_index_decode (&framing, changed, n, entries_crc, (guint32)whole_end - 1, decoded));
}

static void
check_changed (const guint8 *bytes, gsize size)
{
    g_autofree guint8 *segment = g_memdup2 (whole, sizeof whole);
    guint8 *exact;
    FuzzEdit edit;
    gsize n = sizeof whole, from, to;
    bool copied = false;

    for (guint i = 0; i < FUZZ_EDITS && fuzz_next_edit (&bytes, &size, n, &edit); i++) {
        copied |= edit.kind == FUZZ_EDIT_COPY;
        n = fuzz_apply_edit (&edit, segment, n, &from, &to);
    }
    exact = fuzz_exact (segment, n);
    check_header (exact, n);
    check_scan (exact, n, copied);
    free (exact);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    if (groups == NULL)
        build ();
    check_changed (bytes, size);
    check_index (bytes, size);
    check_scan (bytes, size, true);
    return 0;
}
