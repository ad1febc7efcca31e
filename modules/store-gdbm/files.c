/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Listing the files, and reading them in the one order that counts. What is damaged is told, stepped
 * over by looking for the next good record, and never dropped silently; a torn end is possible in the
 * last journal only. Blocks; no state of its own.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };
G_STATIC_ASSERT (CHUNK_BYTES > 2 * SG_RECORD_BYTES);

/* --- The disk --------------------------------------------------------------------------------- */

static gssize
system_write (int fd, gconstpointer bytes, gsize size)
{
    return write (fd, bytes, size);
}

static gint
system_sync (int fd)
{
    return fdatasync (fd);
}

static gint64
system_free_bytes (const char *dir)
{
    struct statvfs info;

    return statvfs (dir, &info) == 0 ? (gint64)(info.f_bavail * info.f_frsize) : -1;
}

const SgIo sg_system_io = {system_write, system_sync, system_free_bytes};

bool
sg_fail (GError **error, const char *path)
{
    const int saved = errno;

    g_set_error (error, SG_ERROR, SG_ERROR_IO, "%s: %s", path, g_strerror (saved));
    return false;
}

bool
sg_write_all (const SgIo *io, int fd, const guint8 *bytes, gsize size)
{
    gsize done = 0;

    while (done < size) {
        gssize n = io->write (fd, bytes + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

bool
sg_sync_dir (const char *dir, const SgIo *io, GError **error)
{
    int fd = open (dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    /* fdatasync, which io's may be, need not write the names in a directory. */
    bool good = fd >= 0 && io->sync (fd) == 0 && fsync (fd) == 0;

    if (!good)
        sg_fail (error, dir);
    if (fd >= 0)
        close (fd);
    return good;
}

guint64
sg_random (void)
{
    guint64 number = 0;

    while (getrandom (&number, sizeof number, 0) != sizeof number)
        continue;
    return number;
}

/* --- The list --------------------------------------------------------------------------------- */

char *
sg_file_path (const char *dir, bool is_snapshot, guint64 number)
{
    g_autofree char *name =
        g_strdup_printf ("%s-%010" G_GUINT64_FORMAT, is_snapshot ? "snapshot" : "journal", number);

    return g_build_filename (dir, name, NULL);
}

void
sg_file_free (gpointer data)
{
    SgFile *file = data;

    if (file == NULL)
        return;
    g_free (file->path);
    g_free (file);
}

/* Reads size and head of an open file. A file shorter than a head has a bad one. */
static bool
look_at (SgFile *file, int fd, GError **error)
{
    guint8 bytes[SG_FILE_HEAD_BYTES];
    struct stat info;
    guint32 format = SG_FORMAT;
    gssize n;

    if (fstat (fd, &info) != 0)
        return sg_fail (error, file->path);
    n = pread (fd, bytes, sizeof bytes, 0);
    if (n < 0)
        return sg_fail (error, file->path);
    file->size = (guint64)info.st_size;
    file->head_is_good =
        n == (gssize)sizeof bytes && sg_file_head_read (bytes, &file->head, &format) &&
        file->head.number == file->number && (file->head.kind == SG_SNAPSHOT) == file->is_snapshot;
    if (format == SG_FORMAT)
        return true;
    g_set_error (error, SG_ERROR, SG_ERROR_FORMAT,
                 _ ("%s: format %u was written by a later Relais; this one reads %u"), file->path,
                 format, SG_FORMAT);
    return false;
}

static bool
parse_name (const char *name, bool *is_snapshot, guint64 *number)
{
    const char *digits;

    *is_snapshot = g_str_has_prefix (name, "snapshot-");
    if (!*is_snapshot && !g_str_has_prefix (name, "journal-"))
        return false;
    digits = strchr (name, '-') + 1;
    return g_ascii_string_to_unsigned (digits, 10, 1, G_MAXINT64, number, NULL);
}

SgFile *
sg_file_open (const char *path, bool is_snapshot, guint64 number, GError **error)
{
    SgFile *file = g_new0 (SgFile, 1);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = false;

    file->path = g_strdup (path);
    file->is_snapshot = is_snapshot;
    file->number = number;
    if (fd < 0)
        sg_fail (error, path);
    else
        good = look_at (file, fd, error);
    if (fd >= 0)
        close (fd);
    if (!good)
        g_clear_pointer (&file, sg_file_free);
    return file;
}

static gint
compare_files (gconstpointer a, gconstpointer b)
{
    const SgFile *x = *(const SgFile *const *)a, *y = *(const SgFile *const *)b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (int)y->is_snapshot - (int)x->is_snapshot;
}

GPtrArray *
sg_files_list (const char *path, GError **error)
{
    GPtrArray *files = g_ptr_array_new_with_free_func (sg_file_free);
    GDir *dir = g_dir_open (path, 0, error);
    const char *name;
    bool good = dir != NULL;

    while (good && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *full = g_build_filename (path, name, NULL);
        bool is_snapshot;
        guint64 number;
        SgFile *file;

        if (!parse_name (name, &is_snapshot, &number))
            continue;
        file = sg_file_open (full, is_snapshot, number, error);
        good = file != NULL;
        if (good)
            g_ptr_array_add (files, file);
    }
    g_clear_pointer (&dir, g_dir_close);
    g_ptr_array_sort (files, compare_files);
    if (!good)
        g_clear_pointer (&files, g_ptr_array_unref);
    return files;
}

/* --- One file --------------------------------------------------------------------------------- */

typedef struct {
    const SgFile *file;
    const SgVisitor *visitor;
    SgReading *reading;
    int fd;
    guint64 limit;    /* octets of the file that are looked at */
    guint8 *buffer;   /* CHUNK_BYTES */
    gsize from, fill; /* what of the buffer is not used up */
    guint64 offset;   /* in the file, of buffer + from */
    guint64 bad_from; /* where a damaged stretch began; SG_ALL: in none */
    guint64 in_file;  /* records */
    bool saw_end;
} Reader;

static void G_GNUC_PRINTF (2, 3) damage (Reader *reader, const char *format, ...)
{
    g_autofree char *what = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    what = g_strdup_vprintf (format, args);
    va_end (args);
    reader->reading->damages++;
    if (reader->visitor == NULL || reader->visitor->damage == NULL)
        return;
    text = g_strdup_printf ("%s: %s", reader->file->path, what);
    reader->visitor->damage (reader->visitor->data, text);
}

/* Reads on; what is not used up moves to the buffer's start. False when nothing more is there. */
static bool
fill (Reader *reader, bool *failed)
{
    const guint64 at = reader->offset + reader->fill - reader->from;
    gssize n;

    memmove (reader->buffer, reader->buffer + reader->from, reader->fill - reader->from);
    reader->fill -= reader->from;
    reader->from = 0;
    if (at >= reader->limit || reader->fill == CHUNK_BYTES)
        return false;
    n = pread (reader->fd, reader->buffer + reader->fill,
               MIN (CHUNK_BYTES - reader->fill, reader->limit - at), (off_t)at);
    *failed = n < 0 && errno != EINTR;
    if (n > 0)
        reader->fill += (gsize)n;
    return n > 0 || (n < 0 && !*failed);
}

static void
use (Reader *reader, gsize size)
{
    reader->from += size;
    reader->offset += size;
}

/* Tells of a damaged stretch that ends here, and of the records that are gone with it. */
static void
end_bad_stretch (Reader *reader, const SgRecord *next)
{
    const guint64 last = reader->reading->last_seq;
    const bool bad = reader->bad_from != SG_ALL;
    const bool gap = !reader->file->is_snapshot && next->seq > last + 1;

    if (bad && gap)
        damage (reader, _ ("octets %llu to %llu are damaged: changes %llu to %llu are lost"),
                sg_llu (reader->bad_from), sg_llu (reader->offset), sg_llu (last + 1),
                sg_llu (next->seq - 1));
    else if (bad)
        damage (reader, _ ("octets %llu to %llu are damaged"), sg_llu (reader->bad_from),
                sg_llu (reader->offset));
    else if (gap)
        damage (reader, _ ("changes %llu to %llu are missing"), sg_llu (last + 1),
                sg_llu (next->seq - 1));
    reader->bad_from = SG_ALL;
}

/* A good record. False ends the reading. */
static bool
take (Reader *reader, const SgRecord *record)
{
    SgReading *reading = reader->reading;

    end_bad_stretch (reader, record);
    if (record->op == SG_OP_END) {
        reader->saw_end = reader->file->is_snapshot;
        if (record->seq != reader->in_file)
            damage (reader, _ ("%llu values are there, %llu were written"),
                    sg_llu (reader->in_file), sg_llu (record->seq));
        return true;
    }
    if (!reader->file->is_snapshot) {
        if (record->seq <= reading->last_seq) {
            damage (reader, _ ("change %llu comes after %llu"), sg_llu (record->seq),
                    sg_llu (reading->last_seq));
            return true;
        }
        reading->last_seq = record->seq;
    }
    reader->in_file++;
    reading->records++;
    reading->ended = reader->visitor != NULL && reader->visitor->record != NULL &&
                     !reader->visitor->record (reader->visitor->data, record);
    return !reading->ended;
}

static bool
read_records (Reader *reader)
{
    bool failed = false;

    for (;;) {
        SgRecord record;
        gsize used = 0, size = reader->fill - reader->from;
        SgScan scan = size > 0 ? sg_record_scan (reader->buffer + reader->from, size,
                                                 reader->file->head.salt, &record, &used)
                               : SG_SCAN_MORE;

        if (scan == SG_SCAN_RECORD) {
            bool go_on = take (reader, &record);

            use (reader, used);
            if (!go_on)
                return true;
        } else if (scan == SG_SCAN_BAD) {
            if (reader->bad_from == SG_ALL)
                reader->bad_from = reader->offset;
            use (reader,
                 sg_record_skip (reader->buffer + reader->from, size, reader->file->head.salt));
        } else if (!fill (reader, &failed)) {
            return !failed;
        }
    }
}

/* What is left at the end, and is no record. */
static void
look_at_end (Reader *reader, bool may_be_torn)
{
    const guint64 end = reader->offset + reader->fill - reader->from;
    const guint64 good = MIN (reader->bad_from, reader->offset);

    reader->reading->tail_bytes = good;
    if (good < end && may_be_torn)
        reader->reading->torn_bytes = end - good;
    else if (good < end)
        damage (reader, _ ("octets %llu to %llu are damaged"), sg_llu (good), sg_llu (end));
    if (reader->file->is_snapshot && !reader->saw_end)
        damage (reader, _ ("the end is missing"));
    if (reader->limit != SG_ALL && end < reader->limit)
        damage (reader, _ ("%llu octets are missing at the end"), sg_llu (reader->limit - end));
}

bool
sg_file_read (const SgFile *file, guint64 limit, bool may_be_torn, const SgVisitor *visitor,
              SgReading *reading, GError **error)
{
    Reader reader = {.file = file,
                     .visitor = visitor,
                     .reading = reading,
                     .limit = limit,
                     .offset = SG_FILE_HEAD_BYTES,
                     .bad_from = SG_ALL};
    bool good;

    reading->torn_bytes = reading->tail_bytes = 0;
    if (!file->head_is_good) {
        /* Without its salt nothing in it can be read. A short one at the end was being made. */
        if (file->size >= SG_FILE_HEAD_BYTES || !may_be_torn)
            damage (&reader, _ ("the head is damaged: all of it is lost"));
        return true;
    }
    reader.fd = open (file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (reader.fd < 0)
        return sg_fail (error, file->path);
    reader.buffer = g_malloc (CHUNK_BYTES);
    good = read_records (&reader);
    if (!good)
        sg_fail (error, file->path);
    else if (!reading->ended)
        look_at_end (&reader, may_be_torn);
    g_free (reader.buffer);
    close (reader.fd);
    return good;
}

bool
sg_file_is_whole (const SgFile *file, guint64 limit)
{
    SgReading reading = {.last_seq = file->head.first_seq - 1};

    return sg_file_read (file, limit, false, NULL, &reading, NULL) && reading.damages == 0;
}

/* --- All files -------------------------------------------------------------------------------- */

static const SgFile *
nth (const GPtrArray *files, guint n)
{
    return n < files->len ? g_ptr_array_index (files, n) : NULL;
}

/* The place of the newest good snapshot; the first place if there is none. */
static guint
find_base (const GPtrArray *files, const SgVisitor *visitor, SgReading *reading)
{
    for (guint i = files->len; i > 0; i--) {
        const SgFile *file = nth (files, i - 1);
        Reader reader = {.file = file, .visitor = visitor, .reading = reading};

        if (!file->is_snapshot)
            continue;
        if (sg_file_is_whole (file, SG_ALL)) {
            reading->base = file->number;
            return i - 1;
        }
        damage (&reader, _ ("the snapshot is damaged; an older one is used if there is one"));
    }
    return 0;
}

/* The journal after the one at `place`, or NULL. */
static const SgFile *
next_journal (const GPtrArray *files, guint place)
{
    for (guint i = place + 1; i < files->len; i++)
        if (!nth (files, i)->is_snapshot)
            return nth (files, i);
    return NULL;
}

guint64
sg_files_limit (const GPtrArray *files, guint place)
{
    const SgFile *file = nth (files, place);
    const SgFile *next = next_journal (files, place);

    if (file->is_snapshot || next == NULL || !next->head_is_good ||
        next->number != file->number + 1)
        return SG_ALL;
    return next->head.before_bytes;
}

static bool
read_journal (const GPtrArray *files, guint place, guint64 expected, const SgVisitor *visitor,
              SgReading *reading, GError **error)
{
    const SgFile *file = nth (files, place);
    Reader reader = {.file = file, .visitor = visitor, .reading = reading};

    if (expected != 0 && file->number != expected)
        damage (&reader, _ ("the journals %llu to %llu before it are missing"), sg_llu (expected),
                sg_llu (file->number - 1));
    return sg_file_read (file, sg_files_limit (files, place), next_journal (files, place) == NULL,
                         visitor, reading, error);
}

bool
sg_files_read (const GPtrArray *files, const SgVisitor *visitor, SgReading *reading, GError **error)
{
    guint place;
    guint64 expected = 1;

    *reading = (SgReading){0};
    place = find_base (files, visitor, reading);
    for (; place < files->len && !reading->ended; place++) {
        const SgFile *file = nth (files, place);

        if (file->is_snapshot) {
            if (!sg_file_read (file, SG_ALL, false, visitor, reading, error))
                return false;
            if (file->head_is_good)
                reading->last_seq = MAX (reading->last_seq, file->head.first_seq - 1);
            expected = MAX (expected, file->number);
            continue;
        }
        if (!read_journal (files, place, expected, visitor, reading, error))
            return false;
        expected = file->number + 1;
    }
    return true;
}
