/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compaction: what the journals before a certain one led to goes into a snapshot, which is synced and read
 * again before it gets its name. Then what lies before the snapshot before it is removed: one older
 * generation stays. The files are read several times and never held in memory; what is held is, for a
 * part of the keys at a time, a hash of each and where its last record stands. Its own thread.
 */
#include "store-gdbm.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { PART_RECORDS = 1 << 20, OUT_BYTES = 1 << 20 };

/* Where the last record of a key stands: `place` counts all records; 0 is a free slot. */
typedef struct {
    XXH128_hash_t hash;
    guint64 place;
} Slot;

typedef struct {
    SgCompaction *compaction;
    guint64 place; /* of the record that is looked at */
    guint64 parts, part;
    Slot *slots; /* open addressing; about half full at most */
    guint64 n_slots;
    int fd;
    guint64 salt;
    GByteArray *out;
    bool failed; /* to write; errno says why */
} Work;

static bool
is_covered (const Work *work, const SgRecord *record)
{
    return record->seq < work->compaction->first_seq;
}

static bool
count_record (gpointer data, const SgRecord *record)
{
    Work *work = data;

    if (!is_covered (work, record))
        return false;
    work->place++;
    return true;
}

/* The slot of the record's key, or the free one where it belongs; NULL: not of this part. The hash is
 * seeded by chance, so that nobody can choose keys that fall together. */
static Slot *
find_slot (const Work *work, const SgRecord *record)
{
    const XXH128_hash_t hash = XXH3_128bits_withSeed (record->key, record->key_size, work->salt);
    guint64 at = hash.low64;

    if (hash.high64 % work->parts != work->part)
        return NULL;
    for (;; at++) {
        Slot *slot = &work->slots[at % work->n_slots];

        if (slot->place == 0)
            slot->hash = hash;
        if (XXH128_isEqual (slot->hash, hash))
            return slot;
    }
}

static bool
note_record (gpointer data, const SgRecord *record)
{
    Work *work = data;
    Slot *slot;

    if (!is_covered (work, record))
        return false;
    work->place++;
    slot = find_slot (work, record);
    if (slot != NULL)
        slot->place = work->place;
    return true;
}

static bool
flush (Work *work)
{
    SgCompaction *compaction = work->compaction;

    work->failed |= !sg_write_all (compaction->io, work->fd, work->out->data, work->out->len);
    compaction->bytes += work->out->len;
    g_byte_array_set_size (work->out, 0);
    return !work->failed;
}

static bool
write_record (gpointer data, const SgRecord *record)
{
    Work *work = data;
    const Slot *slot;

    if (!is_covered (work, record))
        return false;
    work->place++;
    slot = find_slot (work, record);
    if (slot == NULL || slot->place != work->place || record->op != SG_OP_PUT ||
        (record->expires_us != 0 && record->expires_us <= work->compaction->now_us))
        return true;
    sg_record_append (work->out, work->salt, record);
    work->compaction->keys++;
    return work->out->len < OUT_BYTES || flush (work);
}

/* --- One snapshot ----------------------------------------------------------------------------- */

static bool
read_all (Work *work, const GPtrArray *files, bool (*record) (gpointer, const SgRecord *),
          SgReading *reading, GError **error)
{
    const SgVisitor visitor = {record, NULL, work};

    work->place = 0;
    return sg_files_read (files, &visitor, reading, error);
}

static void
append_head (Work *work)
{
    const SgCompaction *compaction = work->compaction;
    const SgFileHead head = {.kind = SG_SNAPSHOT,
                             .store_id = compaction->store_id,
                             .number = compaction->number,
                             .salt = work->salt,
                             .first_seq = compaction->first_seq,
                             .before_bytes = SG_ALL};
    guint8 bytes[SG_FILE_HEAD_BYTES];

    sg_file_head_write (bytes, &head);
    g_byte_array_append (work->out, bytes, sizeof bytes);
}

/* Part by part: first where each key's last record stands, then those records. */
static bool
write_parts (Work *work, const GPtrArray *files, SgReading *reading, GError **error)
{
    if (!read_all (work, files, count_record, reading, error))
        return false;
    work->parts = 1 + work->place / PART_RECORDS;
    work->n_slots = 2 * MIN (work->place, PART_RECORDS) + 1;
    work->slots = g_new (Slot, work->n_slots);
    append_head (work);
    for (work->part = 0; work->part < work->parts && !work->failed; work->part++) {
        memset (work->slots, 0, work->n_slots * sizeof (Slot));
        if (!read_all (work, files, note_record, reading, error) ||
            !read_all (work, files, write_record, reading, error))
            return false;
    }
    sg_record_append (work->out, work->salt,
                      &(SgRecord){.op = SG_OP_END, .seq = work->compaction->keys});
    return true;
}

static bool
write_file (Work *work, const GPtrArray *files, const char *path, SgReading *reading,
            GError **error)
{
    bool good;

    work->fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (work->fd < 0)
        return sg_fail (error, path);
    good = write_parts (work, files, reading, error);
    if (good && (!flush (work) || work->compaction->io->sync (work->fd) != 0))
        good = sg_fail (error, path);
    close (work->fd);
    g_free (work->slots);
    return good;
}

/* Reads again what was written. */
static bool
verify (const SgCompaction *compaction, const char *path, GError **error)
{
    SgFile *file = sg_file_open (path, true, compaction->number, error);
    bool good = file != NULL && sg_file_is_whole (file, SG_ALL) && file->size == compaction->bytes;

    if (file != NULL && !good)
        g_set_error (error, SG_ERROR, SG_ERROR_IO, _ ("%s: what was written cannot be read again"),
                     path);
    sg_file_free (file);
    return good;
}

/* --- What is not needed any more -------------------------------------------------------------- */

/* A damaged file may be worth a look, by people: it is kept under another name. */
static void
drop_file (const SgFile *file, guint64 limit)
{
    g_autofree char *aside = g_strconcat (file->path, ".damaged", NULL);

    if (sg_file_is_whole (file, limit))
        unlink (file->path);
    else
        (void)!rename (file->path, aside);
}

static void
drop_before (const GPtrArray *files, guint64 base)
{
    for (guint i = 0; i < files->len; i++) {
        const SgFile *file = g_ptr_array_index (files, i);

        if (file->number < base)
            drop_file (file, sg_files_limit (files, i));
    }
}

bool
sg_compact (SgCompaction *compaction, GError **error)
{
    g_autofree char *name = g_strdup_printf ("new-snapshot-%" G_GUINT64_FORMAT, compaction->number);
    g_autofree char *path = g_build_filename (compaction->dir, name, NULL);
    g_autofree char *target = sg_file_path (compaction->dir, true, compaction->number);
    g_autoptr (GPtrArray) files = sg_files_list (compaction->dir, error);
    Work work = {
        .compaction = compaction, .salt = sg_random (), .out = g_byte_array_new (), .fd = -1};
    SgReading reading = {0};
    bool good = files != NULL && write_file (&work, files, path, &reading, error) &&
                verify (compaction, path, error);

    g_byte_array_unref (work.out);
    if (good && rename (path, target) != 0)
        good = sg_fail (error, target);
    if (!good) {
        unlink (path);
        return false;
    }
    if (!sg_sync_dir (compaction->dir, compaction->io, error))
        return false;
    drop_before (files, reading.base);
    return true;
}
