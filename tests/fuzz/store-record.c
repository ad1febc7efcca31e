/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The framing of the store's journals (modules/store-gdbm/record.c). The input is read as a journal, and
 * once more written over a good one, at the place that its first two octets name. Properties: a record
 * that is found lies within what was given, is of the sizes that we write, and is the same octets when it
 * is written again; all that is before its end is "more"; a head is what it was or is refused.
 *
 * Parsers: modules/store-gdbm/record.c.
 */
#include "fuzz.h"
#include "record.h"

static const char *const words[] = {"\1", "\2", "\3", "\50", "RelaisSG", NULL};
const FuzzTarget fuzz_target = {50000, words};

static const guint64 salt = 0x1122334455667788;

static GByteArray *
good_journal (void)
{
    GByteArray *journal = g_byte_array_new ();

    for (guint64 seq = 1; seq <= 5; seq++) {
        const SgRecord record = {.op = seq == 3 ? SG_OP_REMOVE : SG_OP_PUT,
                                 .seq = seq,
                                 .expires_us = (gint64)seq * 1000,
                                 .key = (const guint8 *)"open-tracker\0key",
                                 .key_size = 11 + seq,
                                 .value = (const guint8 *)"a value that is of some length",
                                 .value_size = seq == 3 ? 0 : seq * 6};

        sg_record_append (journal, salt, &record);
    }
    sg_record_append (journal, salt, &(SgRecord){.op = SG_OP_END, .seq = 5});
    return journal;
}

static void
check_record (const guint8 *bytes, gsize size, const SgRecord *record, gsize used)
{
    GByteArray *again = g_byte_array_new ();
    SgRecord other;
    gsize other_used;

    if (used > size || record->key_size > SG_KEY_BYTES || record->value_size > SG_VALUE_BYTES)
        abort ();
    sg_record_append (again, salt, record);
    if (again->len != used || memcmp (again->data, bytes, used) != 0)
        abort ();
    for (gsize part = 1; part < used; part++)
        if (sg_record_scan (bytes, part, salt, &other, &other_used) != SG_SCAN_MORE)
            abort ();
    g_byte_array_unref (again);
}

static void
scan_all (const guint8 *bytes, gsize size)
{
    while (size > 0) {
        SgRecord record;
        gsize used = 0;
        SgScan scan = sg_record_scan (bytes, size, salt, &record, &used);

        if (scan == SG_SCAN_RECORD)
            check_record (bytes, size, &record, used);
        else if (scan == SG_SCAN_MORE)
            return;
        else
            used = sg_record_skip (bytes, size, salt);
        if (used == 0 || used > size)
            abort ();
        bytes += used;
        size -= used;
    }
}

static void
read_head (const guint8 *bytes, gsize size)
{
    guint8 again[SG_FILE_HEAD_BYTES];
    SgFileHead head;
    guint32 format;

    if (size < SG_FILE_HEAD_BYTES || !sg_file_head_read (bytes, &head, &format) ||
        format != SG_FORMAT)
        return;
    sg_file_head_write (again, &head);
    if (memcmp (again, bytes, 56) != 0)
        abort ();
}

/* A head of numbers drawn from the input comes back, and with an octet changed it does not. */
static void
write_head (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    const SgFileHead head = {.kind = fuzz_random_below (&random, 2) == 0 ? SG_JOURNAL : SG_SNAPSHOT,
                             .store_id = fuzz_random_next (&random),
                             .number = fuzz_random_next (&random),
                             .salt = fuzz_random_next (&random),
                             .first_seq = fuzz_random_next (&random),
                             .before_bytes = fuzz_random_next (&random)};
    guint8 written[SG_FILE_HEAD_BYTES];
    SgFileHead read;
    guint32 format;

    sg_file_head_write (written, &head);
    if (!sg_file_head_read (written, &read, &format) || format != SG_FORMAT ||
        read.kind != head.kind || read.number != head.number || read.salt != head.salt ||
        read.store_id != head.store_id || read.before_bytes != head.before_bytes)
        abort ();
    written[fuzz_random_below (&random, 64)] ^= (guint8)(1 + fuzz_random_below (&random, 255));
    if (sg_file_head_read (written, &read, &format))
        abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    GByteArray *journal = good_journal ();
    gsize at;

    scan_all (bytes, size);
    read_head (bytes, size);
    write_head (bytes, size);
    if (size > 2) {
        at = (gsize)(bytes[0] << 8 | bytes[1]) % journal->len;
        memcpy (journal->data + at, bytes + 2, MIN (size - 2, journal->len - at));
        scan_all (journal->data, journal->len);
    }
    g_byte_array_unref (journal);
    return 0;
}
