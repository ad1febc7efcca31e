/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The framing of journals and snapshots: a file begins with a head, then come records. Both carry their
 * own checks, seeded with the file's random salt, so that no value can forge a record and no length is
 * trusted before its check. Pure functions; any thread.
 *
 * All numbers are little-endian. A record is
 *
 *     0  magic u32, from the salt       16  seq u64
 *     4  op u8, 0 u8, key size u16      24  expiry i64, wall-clock microseconds, 0 never
 *     8  value size u32, 0 u32          32  XXH3 of the 32 octets before
 *    40  key, value                     ..  XXH3 of key and value, seeded with salt and seq
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    SG_FILE_HEAD_BYTES = 72,
    SG_RECORD_HEAD_BYTES = 40,
    SG_RECORD_TAIL_BYTES = 8,
    SG_KEY_BYTES = 64 + 1 + 512, /* namespace, NUL, key */
    SG_VALUE_BYTES = 65536,
    SG_RECORD_BYTES = SG_RECORD_HEAD_BYTES + SG_KEY_BYTES + SG_VALUE_BYTES + SG_RECORD_TAIL_BYTES,
    SG_FORMAT = 1
};

typedef enum { SG_JOURNAL = 1, SG_SNAPSHOT = 2 } SgFileKind;

typedef struct {
    SgFileKind kind;
    guint64 store_id;  /* of all files of one store */
    guint64 number;    /* journal: its place; snapshot: of the first journal it does not cover */
    guint64 salt;      /* random, of this file */
    guint64 first_seq; /* journal: of its first record; snapshot: of the first it does not cover */
    guint64 before_bytes; /* journal: how much of the journal before counts; SG_ALL: all of it */
} SgFileHead;
#define SG_ALL G_MAXUINT64

typedef enum {
    SG_OP_PUT = 1,
    SG_OP_REMOVE = 2,
    SG_OP_END = 3 /* last of a snapshot; seq is the number of records before it */
} SgOp;

typedef struct {
    SgOp op;
    guint64 seq;
    gint64 expires_us;
    const guint8 *key, *value; /* when scanned: in the scanned octets */
    gsize key_size, value_size;
} SgRecord;

typedef enum {
    SG_SCAN_RECORD, /* one is there, whole and good */
    SG_SCAN_MORE,   /* good as far as it goes */
    SG_SCAN_BAD     /* none begins here */
} SgScan;

void sg_file_head_write (guint8 to[SG_FILE_HEAD_BYTES], const SgFileHead *head);
/* False if it is damaged; `format` (of what a good one says) may be one that we do not read. */
bool sg_file_head_read (const guint8 bytes[SG_FILE_HEAD_BYTES], SgFileHead *head, guint32 *format);

void sg_record_append (GByteArray *to, guint64 salt, const SgRecord *record);
/* Looks at `size` octets; `used` is the record's size when one is there. */
SgScan
sg_record_scan (const guint8 *bytes, gsize size, guint64 salt, SgRecord *record, gsize *used);
/* How many octets from `bytes` cannot be the start of a record; at least 1 if there is any. */
gsize sg_record_skip (const guint8 *bytes, gsize size, guint64 salt);
