/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The framing of a segment: its header, the records' headers, the index at the end, and the scan that
 * finds the whole groups in bytes that a crash or a bad disk left behind. Pure functions over bytes,
 * any thread; nothing here does I/O, and no length is trusted before its checksum.
 *
 *   0     header, twice (a flipped bit in one costs nothing)
 *   4096  records: 48 bytes of header, head (envelope, states or event line), body
 *         ...
 *         index: a record header and its offset for each record, once the segment is sealed
 *   end   trailer of 64 bytes
 *
 * All numbers are little-endian. A group's first record carries FIRST, its last COMMIT, its LSNs
 * are consecutive. A segment has a random salt from which its records' magic and the seed of all
 * checksums are drawn, so that neither a body nor what a recycled file held before can pass for a
 * record.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_SPOOL_FORMAT = 1,
    RELAIS_SEGMENT_HEADER_BYTES = 4096,
    RELAIS_SEGMENT_MAX_NOTES = 128,
    RELAIS_SEGMENT_MIN_BYTES = 16384,
    RELAIS_SEGMENT_MAX_BYTES = 1 << 30,
    RELAIS_RECORD_BYTES = 48,
    RELAIS_INDEX_ENTRY_BYTES = 56,
    RELAIS_TRAILER_BYTES = 64,
    RELAIS_BODY_FILE_BYTES = 24 /* the body part of a MESSAGE whose body is a file */
};

typedef enum {
    RELAIS_RECORD_MESSAGE = 1,
    RELAIS_RECORD_STATE = 2,
    RELAIS_RECORD_DONE = 3,
    RELAIS_RECORD_EVENT = 4
} RelaisRecordType;

enum {
    RELAIS_RECORD_FIRST = 1,
    RELAIS_RECORD_COMMIT = 2,
    RELAIS_RECORD_FILE = 4 /* MESSAGE: the body part names a file */
};

/* What a salt turns into. */
typedef struct {
    guint32 magic, seed;
} RelaisFraming;

typedef struct {
    guint64 lsn, id;
    guint32 head_bytes, body_bytes;
    guint32 head_crc, body_crc;
    guint32 message_segment; /* DONE: where the MESSAGE lay, 0 unknown; else 0 */
    guint8 type, flags;
} RelaisRecord;

/* "Of segment `number` only the bytes before `valid` count": left by a failed write or sync. */
typedef struct {
    guint32 number, valid;
} RelaisSegmentNote;

typedef struct {
    guint32 format, capacity, number;
    guint64 first_lsn;
    guint64 id_floor; /* above every id given while this segment is the newest */
    gint64 created_us;
    guint8 salt[16];
    guint32 n_notes;
    RelaisSegmentNote notes[RELAIS_SEGMENT_MAX_NOTES];
} RelaisSegmentHeader;

typedef enum {
    RELAIS_HEADER_GOOD,
    RELAIS_HEADER_BLANK, /* nothing was ever written there */
    RELAIS_HEADER_NEWER, /* by a release after this one */
    RELAIS_HEADER_BROKEN
} RelaisHeaderVerdict;

void relais_segment_header_encode (const RelaisSegmentHeader *header,
                                   guint8 to[RELAIS_SEGMENT_HEADER_BYTES]);
RelaisHeaderVerdict relais_segment_header_decode (const guint8 from[RELAIS_SEGMENT_HEADER_BYTES],
                                                  RelaisSegmentHeader *header);
RelaisFraming relais_segment_framing (const RelaisSegmentHeader *header);

void relais_record_encode (const RelaisFraming *framing, const RelaisRecord *record, guint8 *to);
/* False unless magic and checksum are right. */
bool relais_record_decode (const RelaisFraming *framing, const guint8 *from, RelaisRecord *record);
static inline guint64
relais_record_size (const RelaisRecord *record)
{
    return RELAIS_RECORD_BYTES + (guint64)record->head_bytes + record->body_bytes;
}
/* Checksums of a head or body under this framing. */
guint32 relais_record_crc (const RelaisFraming *framing, gconstpointer bytes, gsize size);

typedef struct {
    RelaisRecord record;
    guint32 offset;
} RelaisRecordAt;

/* Appends an entry of the index. */
void relais_index_add (const RelaisFraming *framing, const RelaisRecordAt *at, GByteArray *index);
/* The trailer for an index that begins at `offset`. */
void relais_trailer_encode (const RelaisFraming *framing, const GByteArray *index, guint32 offset,
                            guint8 to[RELAIS_TRAILER_BYTES]);
/* Where the index lies; false if there is no trailer of this segment. */
bool relais_trailer_decode (const RelaisFraming *framing, const guint8 from[RELAIS_TRAILER_BYTES],
                            guint32 *offset, guint32 *size, guint32 *crc);
/* Sets `entries`, of RelaisRecordAt, to what the index says; false unless every byte is right. `limit`
 * is where the index begins: no record reaches beyond. */
bool relais_index_decode (const RelaisFraming *framing, const guint8 *bytes, gsize size, guint32 crc,
                          guint32 limit, GArray *entries);

typedef struct {
    guint32 start, end;
} RelaisDamage;

typedef struct {
    GArray *records; /* RelaisRecordAt of whole groups, ascending */
    GArray *damages; /* RelaisDamage: what stands before a whole group and is none */
    guint32 end;     /* of the last whole group */
    guint32 torn;    /* bytes after it that once began a group; they count for nothing */
} RelaisScan;

/* Finds the whole groups in a segment of which the first `size` bytes count. */
void relais_scan_segment (const RelaisFraming *framing, const guint8 *bytes, gsize size,
                          RelaisScan *scan);
void relais_scan_clear (RelaisScan *scan);

/* The body part of a MESSAGE whose body is a file. */
typedef struct {
    guint64 number; /* of the file */
    guint64 size_bytes;
    guint32 crc;
} RelaisBodyFileRef;
void relais_body_file_ref_encode (const RelaisBodyFileRef *ref, guint8 to[RELAIS_BODY_FILE_BYTES]);
void
relais_body_file_ref_decode (const guint8 from[RELAIS_BODY_FILE_BYTES], RelaisBodyFileRef *ref);
