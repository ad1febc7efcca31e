/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Body files; see body-file.h. The mutex guards the pieces and the descriptor and is not held over
 * I/O: one worker at a time writes, and readers take bytes that are in memory from there. A file that
 * ends small keeps its pieces until it is freed; from its sync on they do not change.
 */
#include "config.h"

#include "spool/body-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop-private.h"
#include "spool/crc32c.h"
#include "spool/segment.h"
#include "spool/spool-private.h"

enum { FLUSH_BYTES = 256 * 1024, CHECK_BYTES = 256 * 1024 };

struct RelaisBodyFile {
    gatomicrefcount refs;
    int dir_fd;
    guint64 number;
    gpointer upload;

    GMutex mutex;
    int fd;
    GPtrArray *pieces; /* GBytes in memory, from `begin` on */
    guint next;        /* the first one that is not written */
    gsize queued;      /* in `pieces` from `next` on */
    guint64 begin, written, flushed;
    bool dropping; /* what is written need not stay in memory */
    guint64 size;
    guint32 crc;
    bool ended, synced;
    GError *error;
    GMutex check_mutex; /* held over the first read's check, so that it is done once */
    bool checked;
};

void
relais_body_file_name (char name[RELAIS_BODY_FILE_NAME_BYTES], guint64 number)
{
    g_snprintf (name, RELAIS_BODY_FILE_NAME_BYTES, "%016" G_GINT64_MODIFIER "x", number);
}

bool
relais_body_file_parse_name (const char *name, guint64 *number)
{
    return strlen (name) == 16 &&
           g_ascii_string_to_unsigned (name, 16, 1, G_MAXUINT64, number, NULL);
}

RelaisBodyFile *
relais_body_file_new (int dir_fd, guint64 number)
{
    RelaisBodyFile *file = g_new0 (RelaisBodyFile, 1);

    g_atomic_ref_count_init (&file->refs);
    file->dir_fd = dir_fd;
    file->number = number;
    file->fd = -1;
    file->checked = true;
    g_mutex_init (&file->mutex);
    g_mutex_init (&file->check_mutex);
    file->pieces = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    return file;
}

RelaisBodyFile *
relais_body_file_new_written (int dir_fd, const RelaisBodyFileRef *ref)
{
    RelaisBodyFile *file = relais_body_file_new (dir_fd, ref->number);

    file->size = file->written = ref->size_bytes;
    file->crc = ref->crc;
    file->ended = file->synced = true;
    file->checked = false;
    return file;
}

RelaisBodyFile *
relais_body_file_ref (RelaisBodyFile *file)
{
    g_atomic_ref_count_inc (&file->refs);
    return file;
}

void
relais_body_file_unref (RelaisBodyFile *file)
{
    if (!g_atomic_ref_count_dec (&file->refs))
        return;
    if (file->fd >= 0)
        close (file->fd);
    g_ptr_array_unref (file->pieces);
    g_clear_error (&file->error);
    g_mutex_clear (&file->mutex);
    g_mutex_clear (&file->check_mutex);
    g_free (file);
}

/* --- Writing ------------------------------------------------------------------------------------ */

gsize
relais_body_file_append (RelaisBodyFile *file, GBytes *bytes)
{
    gsize queued;

    g_mutex_lock (&file->mutex);
    file->size += g_bytes_get_size (bytes);
    file->queued += g_bytes_get_size (bytes);
    g_ptr_array_add (file->pieces, bytes);
    queued = file->queued;
    g_mutex_unlock (&file->mutex);
    return queued;
}

void
relais_body_file_end (RelaisBodyFile *file)
{
    g_mutex_lock (&file->mutex);
    file->ended = true;
    g_mutex_unlock (&file->mutex);
}

static bool
fail (RelaisBodyFile *file, int saved_errno, const char *what)
{
    g_mutex_lock (&file->mutex);
    if (file->error == NULL)
        relais_spool_set_errno (&file->error, saved_errno, what);
    g_ptr_array_set_size (file->pieces, 0);
    file->queued = 0;
    file->next = 0;
    file->begin = file->size;
    g_mutex_unlock (&file->mutex);
    return false;
}

static bool
create (RelaisBodyFile *file)
{
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    int fd;

    if (file->fd >= 0)
        return true;
    relais_body_file_name (name, file->number);
    fd = openat (file->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail (file, errno, "cannot create a body file");
    g_mutex_lock (&file->mutex);
    file->fd = fd;
    g_mutex_unlock (&file->mutex);
    return true;
}

static bool
write_piece (RelaisBodyFile *file, GBytes *piece)
{
    gsize size, done = 0;
    const guint8 *bytes = g_bytes_get_data (piece, &size);

    while (done < size) {
        ssize_t n = pwrite (file->fd, bytes + done, size - done, (off_t)(file->written + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail (file, n < 0 ? errno : EIO, "cannot write a body file");
        done += (gsize)n;
    }
    file->crc = relais_crc32c (file->crc, bytes, size);
    return true;
}

/* Has the kernel begin to write what lies there while more comes in, so that the sync at the end is short. */
static void
start_flush (RelaisBodyFile *file)
{
    if (file->written - file->flushed < FLUSH_BYTES)
        return;
    (void)sync_file_range (file->fd, (off_t)file->flushed, (off_t)(file->written - file->flushed),
                           SYNC_FILE_RANGE_WRITE);
    file->flushed = file->written;
}

/* The first piece that is not written; it stays where it is for readers. */
static GBytes *
next_piece (RelaisBodyFile *file, bool *ended)
{
    GBytes *piece = NULL;

    g_mutex_lock (&file->mutex);
    if (file->next < file->pieces->len)
        piece = g_ptr_array_index (file->pieces, file->next);
    *ended = file->ended;
    g_mutex_unlock (&file->mutex);
    return piece;
}

/* The mutex is held. */
static void
drop_written (RelaisBodyFile *file)
{
    if (file->next == 0)
        return;
    g_ptr_array_remove_range (file->pieces, 0, file->next);
    file->next = 0;
    file->begin = file->written;
}

static void
note_written (RelaisBodyFile *file, gsize size)
{
    g_mutex_lock (&file->mutex);
    file->next++;
    file->written += size;
    file->queued -= size;
    if (file->dropping || file->size > RELAIS_BODY_KEPT_BYTES)
        drop_written (file);
    g_mutex_unlock (&file->mutex);
}

static bool
sync_all (RelaisBodyFile *file)
{
    if (fdatasync (file->fd) < 0)
        return fail (file, errno, "cannot sync a body file");
    g_mutex_lock (&file->mutex);
    file->synced = true;
    g_mutex_unlock (&file->mutex);
    return true;
}

bool
relais_body_file_write (RelaisBodyFile *file)
{
    GBytes *piece;
    bool ended;

    relais_assert_may_block ();
    if (!create (file))
        return false;
    while ((piece = next_piece (file, &ended)) != NULL) {
        if (!write_piece (file, piece))
            return false;
        note_written (file, g_bytes_get_size (piece));
        start_flush (file);
    }
    return !ended || sync_all (file);
}

gsize
relais_body_file_queued (RelaisBodyFile *file)
{
    gsize queued;

    g_mutex_lock (&file->mutex);
    queued = file->queued;
    g_mutex_unlock (&file->mutex);
    return queued;
}

gsize
relais_body_file_held (RelaisBodyFile *file)
{
    gsize held;

    g_mutex_lock (&file->mutex);
    held = (gsize)(file->size - file->begin);
    g_mutex_unlock (&file->mutex);
    return held;
}

bool
relais_body_file_is_kept (RelaisBodyFile *file)
{
    bool kept;

    g_mutex_lock (&file->mutex);
    kept =
        file->ended && !file->dropping && file->begin == 0 && file->size <= RELAIS_BODY_KEPT_BYTES;
    g_mutex_unlock (&file->mutex);
    return kept;
}

void
relais_body_file_let_go (RelaisBodyFile *file)
{
    g_mutex_lock (&file->mutex);
    if (!file->ended) {
        file->dropping = true;
        drop_written (file);
    }
    g_mutex_unlock (&file->mutex);
}

bool
relais_body_file_is_synced (RelaisBodyFile *file)
{
    bool synced;

    g_mutex_lock (&file->mutex);
    synced = file->synced;
    g_mutex_unlock (&file->mutex);
    return synced;
}

GError *
relais_body_file_error (RelaisBodyFile *file)
{
    GError *error = NULL;

    g_mutex_lock (&file->mutex);
    if (file->error != NULL)
        error = g_error_copy (file->error);
    g_mutex_unlock (&file->mutex);
    return error;
}

RelaisBodyFileRef
relais_body_file_get_ref (RelaisBodyFile *file)
{
    return (RelaisBodyFileRef){file->number, file->size, file->crc};
}

/* --- Reading ------------------------------------------------------------------------------------ */

static bool
open_written (RelaisBodyFile *file, GError **error)
{
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    int fd;

    relais_body_file_name (name, file->number);
    fd = openat (file->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                     "the body file %s is missing", name);
        return false;
    }
    if (fd < 0) {
        relais_spool_set_errno (error, errno, "cannot open a body file");
        return false;
    }
    file->fd = fd;
    return true;
}

static bool
check_all (RelaisBodyFile *file, GError **error)
{
    g_autofree guint8 *bytes = g_malloc (CHECK_BYTES);
    guint32 crc = 0;

    for (guint64 at = 0; at < file->size;) {
        gsize n = (gsize)MIN (CHECK_BYTES, file->size - at);

        if (!relais_spool_pread (file->fd, bytes, n, at, error))
            return false;
        crc = relais_crc32c (crc, bytes, n);
        at += n;
    }
    if (crc == file->crc)
        return true;
    g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                 "the body file %016" G_GINT64_MODIFIER "x has a wrong checksum", file->number);
    return false;
}

static bool
check_once (RelaisBodyFile *file, GError **error)
{
    bool good;

    g_mutex_lock (&file->check_mutex);
    if (!file->checked)
        file->checked = (file->fd >= 0 || open_written (file, error)) && check_all (file, error);
    good = file->checked;
    g_mutex_unlock (&file->check_mutex);
    return good;
}

/* The piece in memory that holds `offset`, and where it begins; NULL if it must be read. The mutex is
 * held. */
static GBytes *
find_piece (const RelaisBodyFile *file, guint64 offset, guint64 *begin)
{
    guint64 at = file->begin;

    for (guint i = 0; offset >= at && i < file->pieces->len; i++) {
        GBytes *piece = g_ptr_array_index (file->pieces, i);

        if (offset < at + g_bytes_get_size (piece)) {
            *begin = at;
            return piece;
        }
        at += g_bytes_get_size (piece);
    }
    return NULL;
}

/* Copies what begins at `offset` and is in memory; how many bytes, 0 if they are written. */
static gsize
copy_held (RelaisBodyFile *file, guint64 offset, guint8 *to, gsize size)
{
    guint64 begin;
    gsize n = 0;
    GBytes *piece;

    g_mutex_lock (&file->mutex);
    piece = find_piece (file, offset, &begin);
    if (piece != NULL) {
        const guint8 *bytes = g_bytes_get_data (piece, &n);

        n = MIN (size, n - (gsize)(offset - begin));
        memcpy (to, bytes + (offset - begin), n);
    }
    g_mutex_unlock (&file->mutex);
    return n;
}

gsize
relais_body_file_peek (gpointer data, guint64 offset, const guint8 **bytes)
{
    RelaisBodyFile *file = data;
    guint64 begin;
    gsize n = 0;

    g_mutex_lock (&file->mutex);
    if (file->synced && file->begin == 0) {
        GBytes *piece = find_piece (file, offset, &begin);

        if (piece != NULL) {
            *bytes = (const guint8 *)g_bytes_get_data (piece, &n) + (offset - begin);
            n -= (gsize)(offset - begin);
        }
    }
    g_mutex_unlock (&file->mutex);
    return n;
}

bool
relais_body_file_read (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    RelaisBodyFile *file = data;
    guint8 *out = to;

    relais_assert_may_block ();
    if (!check_once (file, error))
        return false;
    while (size > 0) {
        guint64 written;
        gsize n = copy_held (file, offset, out, size);

        if (n == 0) {
            g_mutex_lock (&file->mutex);
            written = file->written;
            g_mutex_unlock (&file->mutex);
            n = offset < written ? (gsize)MIN (size, written - offset) : size;
            if (!relais_spool_pread (file->fd, out, n, offset, error))
                return false;
        }
        out += n;
        offset += n;
        size -= n;
    }
    return true;
}

void
relais_body_file_set_upload (RelaisBodyFile *file, gpointer upload)
{
    file->upload = upload;
}

gpointer
relais_body_file_upload (const RelaisBodyFile *file)
{
    return file->upload;
}
