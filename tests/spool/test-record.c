/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool, the framing: checksums against known vectors, headers, and the scan of segments that
 * were cut, flipped or written by someone hostile.
 */
#include "config.h"

#include <string.h>

#include "spool/crc32c.h"
#include "spool/index.h"
#include "spool/record.h"

/* --- Checksums ---------------------------------------------------------------------------------- */

static void
test_crc_vectors (void)
{
    guint8 bytes[32];
    guint8 many[1000];

    /* RFC 3720 B.4 and the check value of the CRC catalogue. */
    g_assert_cmphex (relais_crc32c (0, "123456789", 9), ==, 0xE3069283);
    memset (bytes, 0, sizeof bytes);
    g_assert_cmphex (relais_crc32c (0, bytes, 32), ==, 0x8A9136AA);
    memset (bytes, 0xff, sizeof bytes);
    g_assert_cmphex (relais_crc32c (0, bytes, 32), ==, 0x62A8AB43);
    for (guint i = 0; i < 32; i++)
        bytes[i] = (guint8)i;
    g_assert_cmphex (relais_crc32c (0, bytes, 32), ==, 0x46DD794E);
    for (guint i = 0; i < 32; i++)
        bytes[i] = (guint8)(31 - i);
    g_assert_cmphex (relais_crc32c (0, bytes, 32), ==, 0x113FDB5C);
    for (guint i = 0; i < sizeof many; i++)
        many[i] = (guint8)(i * 7 + i / 256);
    for (gsize n = 0; n < sizeof many; n += 13) {
        guint32 whole = relais_crc32c (5, many, sizeof many);

        g_assert_cmphex (relais_crc32c (5, many, n), ==, relais_crc32c_portable (5, many, n));
        g_assert_cmphex (relais_crc32c (relais_crc32c (5, many, n), many + n, sizeof many - n), ==,
                         whole);
    }
}

/* --- A segment in memory ------------------------------------------------------------------------ */

typedef struct {
    RelaisSegmentHeader header;
    RelaisFraming framing;
    GByteArray *bytes;
    guint64 lsn;
    GArray *ends; /* guint32, of the groups */
} Segment;

static void
segment_init (Segment *segment, guint8 salt)
{
    guint8 block[RELAIS_SEGMENT_HEADER_BYTES];

    *segment = (Segment){.lsn = 1};
    segment->header.format = RELAIS_SPOOL_FORMAT;
    segment->header.capacity = 65536;
    segment->header.number = 7;
    segment->header.first_lsn = 1;
    segment->header.id_floor = 1000;
    memset (segment->header.salt, salt, sizeof segment->header.salt);
    segment->header.n_notes = 2;
    segment->header.notes[0] = (RelaisSegmentNote){3, 4096};
    segment->header.notes[1] = (RelaisSegmentNote){5, 9999};
    segment->framing = relais_segment_framing (&segment->header);
    segment->bytes = g_byte_array_new ();
    segment->ends = g_array_new (FALSE, FALSE, sizeof (guint32));
    relais_segment_header_encode (&segment->header, block);
    g_byte_array_append (segment->bytes, block, sizeof block);
}

static void
segment_clear (Segment *segment)
{
    g_byte_array_unref (segment->bytes);
    g_array_unref (segment->ends);
}

static void
add_record (Segment *segment, guint64 id, guint8 type, guint8 flags, const void *body, gsize size)
{
    guint8 header[RELAIS_RECORD_BYTES];
    RelaisRecord record = {.lsn = segment->lsn++,
                           .id = id,
                           .type = type,
                           .flags = flags,
                           .head_bytes = 4,
                           .body_bytes = (guint32)size,
                           .head_crc = relais_record_crc (&segment->framing, "head", 4),
                           .body_crc = relais_record_crc (&segment->framing, body, size)};

    relais_record_encode (&segment->framing, &record, header);
    g_byte_array_append (segment->bytes, header, sizeof header);
    g_byte_array_append (segment->bytes, (const guint8 *)"head", 4);
    g_byte_array_append (segment->bytes, body, (guint)size);
}

/* A group of `n` records: MESSAGE and STATEs of one id. */
static void
add_group (Segment *segment, guint64 id, guint n)
{
    for (guint i = 0; i < n; i++)
        add_record (
            segment, id, i == 0 ? RELAIS_RECORD_MESSAGE : RELAIS_RECORD_STATE,
            (guint8)((i == 0 ? RELAIS_RECORD_FIRST : 0) | (i == n - 1 ? RELAIS_RECORD_COMMIT : 0)),
            "some body of it", 15);
    g_array_append_val (segment->ends, segment->bytes->len);
}

static void
test_header (void)
{
    Segment s;
    RelaisSegmentHeader back;
    guint8 block[RELAIS_SEGMENT_HEADER_BYTES];

    segment_init (&s, 1);
    memcpy (block, s.bytes->data, sizeof block);
    g_assert_cmpint (relais_segment_header_decode (block, &back), ==, RELAIS_HEADER_GOOD);
    g_assert_cmpuint (back.number, ==, 7);
    g_assert_cmpuint (back.id_floor, ==, 1000);
    g_assert_cmpuint (back.n_notes, ==, 2);
    g_assert_cmpuint (back.notes[1].valid, ==, 9999);
    /* A flip anywhere costs one of the two copies only. */
    for (gsize i = 0; i < sizeof block; i++) {
        block[i] ^= 0x10;
        g_assert_cmpint (relais_segment_header_decode (block, &back), ==, RELAIS_HEADER_GOOD);
        g_assert_cmpmem (back.salt, 16, s.header.salt, 16);
        block[i] ^= 0x10;
    }
    /* Both copies gone: broken, never taken for blank or newer. */
    block[100] ^= 1;
    block[2148] ^= 1;
    g_assert_cmpint (relais_segment_header_decode (block, &back), ==, RELAIS_HEADER_BROKEN);
    memset (block, 0, sizeof block);
    g_assert_cmpint (relais_segment_header_decode (block, &back), ==, RELAIS_HEADER_BLANK);
    s.header.format = RELAIS_SPOOL_FORMAT + 1;
    relais_segment_header_encode (&s.header, block);
    g_assert_cmpint (relais_segment_header_decode (block, &back), ==, RELAIS_HEADER_NEWER);
    segment_clear (&s);
}

/* --- Scans -------------------------------------------------------------------------------------- */

static void
test_scan_whole (void)
{
    Segment s;
    RelaisScan scan;

    segment_init (&s, 1);
    for (guint i = 0; i < 10; i++)
        add_group (&s, i + 1, 1 + i % 3);
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    g_assert_cmpuint (scan.records->len, ==, s.lsn - 1);
    g_assert_cmpuint (scan.damages->len, ==, 0);
    g_assert_cmpuint (scan.end, ==, s.bytes->len);
    g_assert_cmpuint (scan.torn, ==, 0);
    relais_scan_clear (&scan);
    segment_clear (&s);
}

static void
test_scan_torn_everywhere (void)
{
    Segment s;
    guint32 before;

    segment_init (&s, 1);
    add_group (&s, 1, 2);
    add_group (&s, 2, 3);
    before = g_array_index (s.ends, guint32, 0);
    for (guint32 cut = before; cut < s.bytes->len; cut++) {
        g_autofree guint8 *exact = g_memdup2 (s.bytes->data, cut);
        RelaisScan scan;

        relais_scan_segment (&s.framing, exact, cut, &scan);
        g_assert_cmpuint (scan.records->len, ==, 2);
        g_assert_cmpuint (scan.damages->len, ==, 0);
        g_assert_cmpuint (scan.end, ==, before);
        relais_scan_clear (&scan);
        /* The same with zeros, and with what a recycled file held, behind the cut. */
        for (int fill = 0; fill < 2; fill++) {
            g_autofree guint8 *filled = g_memdup2 (s.bytes->data, s.bytes->len);

            memset (filled + cut, fill * 0xA5, s.bytes->len - cut);
            relais_scan_segment (&s.framing, filled, s.bytes->len, &scan);
            g_assert_cmpuint (scan.records->len, ==, 2);
            g_assert_cmpuint (scan.end, ==, before);
            relais_scan_clear (&scan);
        }
    }
    segment_clear (&s);
}

/* Whatever byte is flipped: groups that are found are whole and were written, and all groups but the
 * one that was hit are found. */
static void
test_scan_flips (void)
{
    enum { GROUPS = 6 };
    Segment s;

    segment_init (&s, 1);
    for (guint i = 0; i < GROUPS; i++)
        add_group (&s, i + 1, 3);
    for (guint32 at = RELAIS_SEGMENT_HEADER_BYTES; at < s.bytes->len; at++) {
        RelaisScan scan;
        guint hit = 0;

        while (at >= g_array_index (s.ends, guint32, hit))
            hit++;
        s.bytes->data[at] ^= (guint8)(1 << at % 8);
        relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
        g_assert_cmpuint (scan.records->len, ==, 3 * (GROUPS - 1));
        for (guint i = 0; i < scan.records->len; i++)
            g_assert_cmpuint (g_array_index (scan.records, RelaisRecordAt, i).record.id, !=,
                              hit + 1);
        g_assert_cmpuint (scan.damages->len, ==, hit == GROUPS - 1 ? 0 : 1);
        relais_scan_clear (&scan);
        s.bytes->data[at] ^= (guint8)(1 << at % 8);
    }
    segment_clear (&s);
}

/* A hole in the middle of a group must not let its rest pass for a group. */
static void
test_scan_lost_record (void)
{
    Segment s;
    RelaisScan scan;
    guint32 start;

    segment_init (&s, 1);
    add_group (&s, 1, 1);
    start = s.bytes->len;
    add_group (&s, 2, 4);
    add_group (&s, 3, 1);
    memset (s.bytes->data + start + 67, 0, 67);
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    g_assert_cmpuint (scan.records->len, ==, 2);
    g_assert_cmpuint (scan.damages->len, ==, 1);
    g_assert_cmpuint (g_array_index (scan.damages, RelaisDamage, 0).start, ==, start);
    relais_scan_clear (&scan);
    segment_clear (&s);
}

/* A body that holds whole records, made with every salt but the right one, is a body, even after
 * damage has the scan look for headers inside it. */
static void
test_scan_forged_body (void)
{
    Segment s, forged;
    RelaisScan scan;

    segment_init (&s, 1);
    segment_init (&forged, 2);
    forged.lsn = 100;
    add_group (&forged, 66, 2);
    add_record (&s, 1, RELAIS_RECORD_MESSAGE, RELAIS_RECORD_FIRST | RELAIS_RECORD_COMMIT,
                forged.bytes->data, forged.bytes->len);
    add_group (&s, 2, 1);
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    g_assert_cmpuint (scan.records->len, ==, 2);
    relais_scan_clear (&scan);
    s.bytes->data[RELAIS_SEGMENT_HEADER_BYTES + 30] ^= 1; /* its length */
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    g_assert_cmpuint (scan.records->len, ==, 1);
    g_assert_cmpuint (g_array_index (scan.records, RelaisRecordAt, 0).record.id, ==, 2);
    relais_scan_clear (&scan);
    segment_clear (&s);
    segment_clear (&forged);
}

/* A length of 4 GiB with a right checksum, which only we could have made, reaches beyond the end. */
static void
test_scan_lengths (void)
{
    Segment s;
    RelaisScan scan;
    guint8 header[RELAIS_RECORD_BYTES];
    RelaisRecord record = {.lsn = 1,
                           .id = 1,
                           .type = RELAIS_RECORD_MESSAGE,
                           .flags = RELAIS_RECORD_FIRST | RELAIS_RECORD_COMMIT,
                           .head_bytes = G_MAXUINT32,
                           .body_bytes = G_MAXUINT32};

    segment_init (&s, 1);
    relais_record_encode (&s.framing, &record, header);
    g_byte_array_append (s.bytes, header, sizeof header);
    s.lsn = 2;
    add_group (&s, 2, 1);
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    g_assert_cmpuint (scan.records->len, ==, 1);
    g_assert_cmpuint (scan.damages->len, ==, 1);
    relais_scan_clear (&scan);
    segment_clear (&s);
}

static void
test_index (void)
{
    Segment s;
    RelaisScan scan;
    g_autoptr (GByteArray) index = g_byte_array_new ();
    g_autoptr (GArray) back = g_array_new (FALSE, FALSE, sizeof (RelaisRecordAt));
    guint8 trailer[RELAIS_TRAILER_BYTES];
    guint32 offset, size, crc;

    segment_init (&s, 1);
    for (guint i = 0; i < 5; i++)
        add_group (&s, i + 1, 2);
    relais_scan_segment (&s.framing, s.bytes->data, s.bytes->len, &scan);
    for (guint i = 0; i < scan.records->len; i++)
        relais_index_add (&s.framing, &g_array_index (scan.records, RelaisRecordAt, i), index);
    relais_trailer_encode (&s.framing, index, scan.end, trailer);
    g_assert_true (relais_trailer_decode (&s.framing, trailer, &offset, &size, &crc));
    g_assert_cmpuint (offset, ==, scan.end);
    g_assert_true (relais_index_decode (&s.framing, index->data, size, crc, offset, back));
    g_assert_cmpuint (back->len, ==, scan.records->len);
    for (guint i = 0; i < back->len; i++) {
        const RelaisRecordAt *a = &g_array_index (back, RelaisRecordAt, i);
        const RelaisRecordAt *b = &g_array_index (scan.records, RelaisRecordAt, i);

        g_assert_cmpuint (a->offset, ==, b->offset);
        g_assert_cmpuint (a->record.lsn, ==, b->record.lsn);
        g_assert_cmpuint (a->record.body_crc, ==, b->record.body_crc);
    }
    for (guint i = 0; i < index->len; i++) {
        index->data[i] ^= 4;
        g_assert_false (relais_index_decode (&s.framing, index->data, size, crc, offset, back));
        index->data[i] ^= 4;
    }
    for (guint i = 0; i < sizeof trailer; i++) {
        trailer[i] ^= 4;
        g_assert_false (relais_trailer_decode (&s.framing, trailer, &offset, &size, &crc));
        trailer[i] ^= 4;
    }
    /* An entry that reaches into the index is none, however right its checksum. */
    g_assert_false (relais_index_decode (&s.framing, index->data, size, crc, scan.end - 1, back));
    relais_scan_clear (&scan);
    segment_clear (&s);
}

/* --- The table ---------------------------------------------------------------------------------- */

static void
test_table (void)
{
    enum { N = 20000 };
    RelaisIndex *index = relais_index_new ();
    g_autoptr (GHashTable) model = g_hash_table_new (NULL, NULL);
    guint32 random = 1;

    for (guint step = 0; step < 6 * N; step++) {
        guint64 id;

        random = random * 1664525u + 1013904223u;
        id = 1 + (random >> 8) % N;
        if ((random >> 4) % 3 != 0) {
            relais_index_insert (index, id)->message_offset = (guint32)id & 0xffff;
            g_hash_table_add (model, GSIZE_TO_POINTER (id));
        } else {
            relais_index_remove (index, id);
            g_hash_table_remove (model, GSIZE_TO_POINTER (id));
        }
    }
    g_assert_cmpuint (relais_index_size (index), ==, g_hash_table_size (model));
    for (guint64 id = 1; id <= N; id++) {
        const RelaisIndexEntry *entry = relais_index_find (index, id);

        g_assert_cmpint (entry != NULL, ==, g_hash_table_contains (model, GSIZE_TO_POINTER (id)));
        if (entry != NULL)
            g_assert_cmpuint (entry->message_offset, ==, id & 0xffff);
    }
    for (guint64 id = 1; id <= N; id++)
        relais_index_remove (index, id);
    g_assert_cmpuint (relais_index_size (index), ==, 0);
    relais_index_free (index);
}

/* Ids as they come, one after the other: what each costs, at every size. */
static void
test_table_memory (void)
{
    enum { N = 1000000, LEAST = 10000, MOST_BYTES = 48 };
    RelaisIndex *index = relais_index_new ();

    for (guint64 id = 1; id <= N; id++) {
        relais_index_insert (index, id + (G_GUINT64_CONSTANT (1) << 50));
        if (id >= LEAST && id % 1000 == 0)
            g_assert_cmpuint (relais_index_bytes (index), <=, id * MOST_BYTES);
    }
    for (guint64 id = N; id > 100; id--)
        relais_index_remove (index, id + (G_GUINT64_CONSTANT (1) << 50));
    g_assert_cmpuint (relais_index_bytes (index), <=, 200000);
    relais_index_free (index);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spool/crc/vectors", test_crc_vectors);
    g_test_add_func ("/spool/record/header", test_header);
    g_test_add_func ("/spool/record/scan-whole", test_scan_whole);
    g_test_add_func ("/spool/record/torn-everywhere", test_scan_torn_everywhere);
    g_test_add_func ("/spool/record/flips", test_scan_flips);
    g_test_add_func ("/spool/record/lost-record", test_scan_lost_record);
    g_test_add_func ("/spool/record/forged-body", test_scan_forged_body);
    g_test_add_func ("/spool/record/lengths", test_scan_lengths);
    g_test_add_func ("/spool/record/index", test_index);
    g_test_add_func ("/spool/table", test_table);
    g_test_add_func ("/spool/table/memory", test_table_memory);
    return g_test_run ();
}
