/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoding and scanning of files' heads and records. Pure; any thread.
 */
#include "record.h"

#include <string.h>
#include <xxhash.h>

static const char file_magic[8] = {'R', 'e', 'l', 'a', 'i', 's', 'S', 'G'};

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

/* --- Heads ------------------------------------------------------------------------------------ */

void
sg_file_head_write (guint8 to[SG_FILE_HEAD_BYTES], const SgFileHead *head)
{
    memset (to, 0, SG_FILE_HEAD_BYTES);
    memcpy (to, file_magic, sizeof file_magic);
    put32 (to + 8, SG_FORMAT);
    put32 (to + 12, head->kind);
    put64 (to + 16, head->store_id);
    put64 (to + 24, head->number);
    put64 (to + 32, head->salt);
    put64 (to + 40, head->first_seq);
    put64 (to + 48, head->before_bytes);
    put64 (to + 64, XXH3_64bits (to, 64));
}

bool
sg_file_head_read (const guint8 bytes[SG_FILE_HEAD_BYTES], SgFileHead *head, guint32 *format)
{
    if (memcmp (bytes, file_magic, sizeof file_magic) != 0 ||
        get64 (bytes + 64) != XXH3_64bits (bytes, 64))
        return false;
    *format = get32 (bytes + 8);
    *head = (SgFileHead){.kind = get32 (bytes + 12),
                         .store_id = get64 (bytes + 16),
                         .number = get64 (bytes + 24),
                         .salt = get64 (bytes + 32),
                         .first_seq = get64 (bytes + 40),
                         .before_bytes = get64 (bytes + 48)};
    return head->kind == SG_JOURNAL || head->kind == SG_SNAPSHOT;
}

/* --- Records ---------------------------------------------------------------------------------- */

static guint32
magic_of (guint64 salt)
{
    return (guint32)(salt ^ salt >> 32);
}

void
sg_record_append (GByteArray *to, guint64 salt, const SgRecord *record)
{
    const guint start = to->len;
    const gsize payload = record->key_size + record->value_size;
    guint8 *at;

    g_assert (record->key_size <= SG_KEY_BYTES && record->value_size <= SG_VALUE_BYTES);
    g_byte_array_set_size (to,
                           start + (guint)(SG_RECORD_HEAD_BYTES + payload + SG_RECORD_TAIL_BYTES));
    at = to->data + start;
    put32 (at, magic_of (salt));
    put32 (at + 4, (guint32)record->op | (guint32)record->key_size << 16);
    put32 (at + 8, (guint32)record->value_size);
    put32 (at + 12, 0);
    put64 (at + 16, record->seq);
    put64 (at + 24, (guint64)record->expires_us);
    put64 (at + 32, XXH3_64bits_withSeed (at, 32, salt));
    at += SG_RECORD_HEAD_BYTES;
    if (record->key_size > 0)
        memcpy (at, record->key, record->key_size);
    if (record->value_size > 0)
        memcpy (at + record->key_size, record->value, record->value_size);
    put64 (at + payload, XXH3_64bits_withSeed (at, payload, salt + record->seq));
}

/* Whether the sizes are such as we write; the head's check has passed. */
static bool
sizes_are_good (const SgRecord *record)
{
    if (record->key_size > SG_KEY_BYTES || record->value_size > SG_VALUE_BYTES)
        return false;
    if (record->op == SG_OP_END)
        return record->key_size == 0 && record->value_size == 0;
    return record->key_size > 0 &&
           (record->op == SG_OP_PUT || (record->op == SG_OP_REMOVE && record->value_size == 0));
}

SgScan
sg_record_scan (const guint8 *bytes, gsize size, guint64 salt, SgRecord *record, gsize *used)
{
    guint8 magic[4];
    gsize payload;
    SgRecord found;

    put32 (magic, magic_of (salt));
    if (memcmp (bytes, magic, MIN (size, sizeof magic)) != 0)
        return SG_SCAN_BAD;
    if (size < SG_RECORD_HEAD_BYTES)
        return SG_SCAN_MORE;
    if (get64 (bytes + 32) != XXH3_64bits_withSeed (bytes, 32, salt) || bytes[5] != 0 ||
        get32 (bytes + 12) != 0)
        return SG_SCAN_BAD;
    found = (SgRecord){.op = bytes[4],
                       .seq = get64 (bytes + 16),
                       .expires_us = (gint64)get64 (bytes + 24),
                       .key = bytes + SG_RECORD_HEAD_BYTES,
                       .key_size = get32 (bytes + 4) >> 16,
                       .value_size = get32 (bytes + 8)};
    if (!sizes_are_good (&found))
        return SG_SCAN_BAD;
    payload = found.key_size + found.value_size;
    if (size < SG_RECORD_HEAD_BYTES + payload + SG_RECORD_TAIL_BYTES)
        return SG_SCAN_MORE;
    found.value = found.key + found.key_size;
    if (get64 (found.key + payload) != XXH3_64bits_withSeed (found.key, payload, salt + found.seq))
        return SG_SCAN_BAD;
    *record = found;
    *used = SG_RECORD_HEAD_BYTES + payload + SG_RECORD_TAIL_BYTES;
    return SG_SCAN_RECORD;
}

gsize
sg_record_skip (const guint8 *bytes, gsize size, guint64 salt)
{
    guint8 magic[4];

    put32 (magic, magic_of (salt));
    for (gsize at = 1; at < size; at++) {
        const guint8 *next = memchr (bytes + at, magic[0], size - at);

        if (next == NULL)
            return size;
        at = (gsize)(next - bytes);
        if (memcmp (next, magic, MIN (size - at, sizeof magic)) == 0)
            return at;
    }
    return size;
}
