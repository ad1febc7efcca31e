/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Segment files; see segment.h. Every function blocks on a disk, none takes a lock.
 */
#include "config.h"

#include "spool/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spool-private.h"

enum {
    ZERO_BYTES = 1 << 20,
    FIRST_READ_BYTES = 4096,
    WINDOW_BYTES = 256 << 10,
    GAP_BYTES = 32 << 10
};

GQuark
relais_spool_error_quark (void)
{
    return g_quark_from_static_string ("relais-spool-error");
}

void
relais_spool_set_errno (GError **error, int saved_errno, const char *what)
{
    bool space = saved_errno == ENOSPC || saved_errno == EDQUOT;

    g_set_error (error, RELAIS_SPOOL_ERROR,
                 space ? RELAIS_SPOOL_ERROR_SPACE : RELAIS_SPOOL_ERROR_IO, "%s: %s", what,
                 g_strerror (saved_errno));
}

void
relais_segment_name (char name[RELAIS_SEGMENT_NAME_BYTES], guint32 number)
{
    g_snprintf (name, RELAIS_SEGMENT_NAME_BYTES, "segment-%08x", number);
}

void
relais_blank_name (char name[RELAIS_SEGMENT_NAME_BYTES], guint32 number)
{
    g_snprintf (name, RELAIS_SEGMENT_NAME_BYTES, "blank-%08x", number);
}

bool
relais_segment_parse_name (const char *name, const char *prefix, guint32 *number)
{
    gsize n = strlen (prefix);
    guint64 value;

    if (strncmp (name, prefix, n) != 0 || strlen (name) != n + 8 ||
        !g_ascii_string_to_unsigned (name + n, 16, 1, G_MAXUINT32, &value, NULL))
        return false;
    *number = (guint32)value;
    return true;
}

RelaisSegment *
relais_segment_new (guint32 number)
{
    RelaisSegment *segment = g_new0 (RelaisSegment, 1);

    segment->number = number;
    segment->fd = -1;
    segment->guards = g_array_new (FALSE, FALSE, sizeof (RelaisGuard));
    return segment;
}

void
relais_segment_free (RelaisSegment *segment)
{
    if (segment == NULL)
        return;
    if (segment->fd >= 0)
        close (segment->fd);
    if (segment->index != NULL)
        g_byte_array_unref (segment->index);
    g_array_unref (segment->guards);
    g_free (segment);
}

/* --- Writing ------------------------------------------------------------------------------------ */

static bool
fill_with_zeros (int fd, guint32 capacity)
{
    g_autofree guint8 *zeros = g_malloc0 (ZERO_BYTES);

    for (guint32 at = 0; at < capacity;) {
        ssize_t n = pwrite (fd, zeros, MIN (ZERO_BYTES, capacity - at), at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (guint32)n;
    }
    return fdatasync (fd) == 0;
}

bool
relais_segment_make_blank (int dir_fd, guint32 blank_number, guint32 capacity, GError **error)
{
    char name[RELAIS_SEGMENT_NAME_BYTES];
    bool good;
    int fd;

    relais_assert_may_block ();
    relais_blank_name (name, blank_number);
    fd = openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    good = fd >= 0 && fill_with_zeros (fd, capacity);
    if (!good)
        relais_spool_set_errno (error, errno, "cannot make a new segment");
    if (fd >= 0) {
        close (fd);
        if (!good)
            unlinkat (dir_fd, name, 0);
    }
    return good;
}

bool
relais_segment_write (RelaisSegment *segment, struct iovec *iov, gsize n, guint32 offset,
                      GError **error)
{
    relais_assert_may_block ();
    while (n > 0) {
        ssize_t done = pwritev (segment->fd, iov, (int)MIN (n, IOV_MAX), offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            relais_spool_set_errno (error, done < 0 ? errno : EIO, "cannot write to the spool");
            return false;
        }
        offset += (guint32)done;
        while (n > 0 && (gsize)done >= iov->iov_len) {
            done -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (done > 0) {
            iov->iov_base = (guint8 *)iov->iov_base + done;
            iov->iov_len -= (gsize)done;
        }
    }
    return true;
}

static bool
write_header (RelaisSegment *segment, const RelaisSegmentHeader *header, GError **error)
{
    guint8 bytes[RELAIS_SEGMENT_HEADER_BYTES];
    struct iovec iov = {bytes, sizeof bytes};

    relais_segment_header_encode (header, bytes);
    return relais_segment_write (segment, &iov, 1, 0, error);
}

RelaisSegment *
relais_segment_activate (int dir_fd, guint32 blank_number, RelaisSegmentHeader *header,
                         GError **error)
{
    char blank[RELAIS_SEGMENT_NAME_BYTES], name[RELAIS_SEGMENT_NAME_BYTES];
    RelaisSegment *segment = relais_segment_new (header->number);
    struct stat st;

    relais_assert_may_block ();
    relais_blank_name (blank, blank_number);
    relais_segment_name (name, header->number);
    segment->fd = openat (dir_fd, blank, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (segment->fd < 0 || fstat (segment->fd, &st) < 0 ||
        getrandom (header->salt, sizeof header->salt, 0) != (ssize_t)sizeof header->salt) {
        relais_spool_set_errno (error, errno, "cannot open a new segment");
        relais_segment_free (segment);
        return NULL;
    }
    header->format = RELAIS_SPOOL_FORMAT;
    header->capacity = (guint32)CLAMP (st.st_size, 0, RELAIS_SEGMENT_MAX_BYTES);
    if (!write_header (segment, header, error)) {
        relais_segment_free (segment);
        return NULL;
    }
    if (renameat (dir_fd, blank, dir_fd, name) < 0) {
        relais_spool_set_errno (error, errno, "cannot name a new segment");
        relais_segment_free (segment);
        return NULL;
    }
    segment->framing = relais_segment_framing (header);
    segment->capacity = header->capacity;
    segment->end = segment->written = RELAIS_SEGMENT_HEADER_BYTES;
    segment->index = g_byte_array_new ();
    return segment;
}

bool
relais_segment_has_room (const RelaisSegment *segment, guint64 bytes, guint n)
{
    guint64 index = segment->index->len + (guint64)n * RELAIS_INDEX_ENTRY_BYTES;

    return segment->end + bytes + index + RELAIS_TRAILER_BYTES <= segment->capacity;
}

bool
relais_segment_seal (RelaisSegment *segment, GError **error)
{
    guint8 trailer[RELAIS_TRAILER_BYTES];
    struct iovec index = {segment->index->data, segment->index->len};
    struct iovec last = {trailer, sizeof trailer};

    relais_trailer_encode (&segment->framing, segment->index, segment->end, trailer);
    return relais_segment_write (segment, &index, segment->index->len > 0 ? 1 : 0, segment->end,
                                 error) &&
           relais_segment_write (segment, &last, 1, segment->capacity - RELAIS_TRAILER_BYTES,
                                 error);
}

/* --- Reading ------------------------------------------------------------------------------------ */

bool
relais_spool_pread (int fd, gpointer to, gsize size, guint64 offset, GError **error)
{
    guint8 *at = to;

    relais_assert_may_block ();
    while (size > 0) {
        ssize_t n = pread (fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            relais_spool_set_errno (error, errno, "cannot read from the spool");
            return false;
        }
        if (n == 0) {
            g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                                 "a file of the spool is shorter than it was");
            return false;
        }
        at += n;
        size -= (gsize)n;
        offset += (guint64)n;
    }
    return true;
}

bool
relais_segment_read_header (int fd, RelaisSegmentHeader *header, RelaisHeaderVerdict *verdict,
                            GError **error)
{
    guint8 bytes[RELAIS_SEGMENT_HEADER_BYTES];
    g_autoptr (GError) local = NULL;

    if (relais_spool_pread (fd, bytes, sizeof bytes, 0, &local)) {
        *verdict = relais_segment_header_decode (bytes, header);
        return true;
    }
    *verdict = RELAIS_HEADER_BROKEN;
    if (g_error_matches (local, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED))
        return true;
    g_propagate_error (error, g_steal_pointer (&local));
    return false;
}

void
relais_scan_room_clear (RelaisScanRoom *room)
{
    g_free (room->bytes);
    g_clear_pointer (&room->entries, g_array_unref);
    *room = (RelaisScanRoom){0};
}

static guint8 *
room_for (RelaisScanRoom *room, gsize size)
{
    if (room->size < size) {
        g_free (room->bytes);
        room->bytes = g_try_malloc (size);
        room->size = room->bytes != NULL ? size : 0;
    }
    return room->bytes;
}

GArray *
relais_segment_read_index (int fd, const RelaisSegmentHeader *header, RelaisScanRoom *room)
{
    RelaisFraming framing = relais_segment_framing (header);
    guint8 trailer[RELAIS_TRAILER_BYTES];
    guint32 offset, size, crc;

    if (!relais_spool_pread (fd, trailer, sizeof trailer, header->capacity - sizeof trailer,
                             NULL) ||
        !relais_trailer_decode (&framing, trailer, &offset, &size, &crc) ||
        (guint64)offset + size > header->capacity)
        return NULL;
    if (room_for (room, MAX (size, 1)) == NULL ||
        !relais_spool_pread (fd, room->bytes, size, offset, NULL))
        return NULL;
    if (room->entries == NULL)
        room->entries = g_array_new (FALSE, FALSE, sizeof (RelaisRecordAt));
    return relais_index_decode (&framing, room->bytes, size, crc, offset, room->entries)
               ? g_array_ref (room->entries)
               : NULL;
}

guint32
relais_segment_missing (int fd, guint32 capacity)
{
    struct stat st;

    if (fstat (fd, &st) < 0 || (guint64)st.st_size >= capacity)
        return 0;
    return capacity - (guint32)st.st_size;
}

bool
relais_segment_scan_file (int fd, const RelaisFraming *framing, guint32 valid, RelaisScanRoom *room,
                          RelaisScan *scan, GError **error)
{
    guint8 *bytes;
    struct stat st;

    relais_assert_may_block ();
    if (fstat (fd, &st) < 0) {
        relais_spool_set_errno (error, errno, "cannot look at a segment");
        return false;
    }
    valid = (guint32)MIN ((guint64)st.st_size, valid);
    bytes = room_for (room, MAX (valid, 1));
    if (bytes == NULL) {
        relais_spool_set_errno (error, ENOMEM, "cannot read a segment");
        return false;
    }
    if (!relais_spool_pread (fd, bytes, valid, 0, error))
        return false;
    relais_scan_segment (framing, bytes, valid, scan);
    return true;
}

static GBytes *
fail_damaged (const char *what, guint32 offset, GError **error)
{
    g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                 "%s at offset %u has a wrong checksum", what, offset);
    return NULL;
}

/* What there is at `offset`, as much as a record's head mostly needs; -1 with the error set. */
static ssize_t
read_some (int fd, guint32 offset, guint8 *to, gsize size, GError **error)
{
    ssize_t n;

    do
        n = pread (fd, to, size, offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        relais_spool_set_errno (error, errno, "cannot read from the spool");
    return n;
}

GBytes *
relais_segment_read_record (int fd, const RelaisFraming *framing, guint32 offset, bool with_body,
                            RelaisRecord *record, GError **error)
{
    guint8 first[FIRST_READ_BYTES];
    g_autofree guint8 *payload = NULL;
    gsize size, have;
    ssize_t n;

    relais_assert_may_block ();
    n = read_some (fd, offset, first, sizeof first, error);
    if (n < 0)
        return NULL;
    /* A read that ends early does not say whether the file does. */
    if (n < RELAIS_RECORD_BYTES) {
        if (!relais_spool_pread (fd, first + n, RELAIS_RECORD_BYTES - (gsize)n,
                                 (guint64)offset + (guint64)n, error))
            return NULL;
        n = RELAIS_RECORD_BYTES;
    }
    if (!relais_record_decode (framing, first, record))
        return fail_damaged ("the record", offset, error);
    size = record->head_bytes + (with_body ? (gsize)record->body_bytes : 0);
    have = MIN (size, (gsize)n - RELAIS_RECORD_BYTES);
    payload = g_try_malloc (MAX (size, 1));
    if (payload == NULL) {
        relais_spool_set_errno (error, ENOMEM, "cannot read a record");
        return NULL;
    }
    memcpy (payload, first + RELAIS_RECORD_BYTES, have);
    if (have < size && !relais_spool_pread (fd, payload + have, size - have,
                                            (guint64)offset + RELAIS_RECORD_BYTES + have, error))
        return NULL;
    if (relais_record_crc (framing, payload, record->head_bytes) != record->head_crc)
        return fail_damaged ("the envelope or state", offset, error);
    if (with_body && relais_record_crc (framing, payload + record->head_bytes,
                                        record->body_bytes) != record->body_crc)
        return fail_damaged ("the body", offset, error);
    return g_bytes_new_take (g_steal_pointer (&payload), size);
}

/* --- A window ------------------------------------------------------------------------------------- */

void
relais_segment_window_clear (RelaisSegmentWindow *window)
{
    g_free (window->bytes);
    *window = (RelaisSegmentWindow){0};
}

/* Reads `size` bytes at `offset`, or as many as there are. */
static bool
move_window (int fd, guint32 offset, gsize size, RelaisSegmentWindow *window, GError **error)
{
    ssize_t n;

    window->size = 0; /* what a failed read leaves there is unknown */
    if (window->room < size) {
        g_free (window->bytes);
        window->bytes = g_try_malloc (size);
        window->room = window->bytes != NULL ? size : 0;
    }
    if (window->bytes == NULL) {
        relais_spool_set_errno (error, ENOMEM, "cannot read a record");
        return false;
    }
    n = read_some (fd, offset, window->bytes, size, error);
    if (n < 0)
        return false;
    window->from = offset;
    window->size = (guint32)n;
    return true;
}

/* The `need` bytes at `offset`, out of the window, which is moved there if it must be: far, as long as
 * its user goes forward in small steps. */
static const guint8 *
look_through (int fd, guint32 offset, gsize need, RelaisSegmentWindow *window, GError **error)
{
    const guint64 end = (guint64)window->from + window->size;
    const bool near = offset >= window->from && offset < end + GAP_BYTES;

    if (offset < window->from || offset + need > end) {
        if (!move_window (fd, offset, MAX (need, near ? WINDOW_BYTES : FIRST_READ_BYTES), window,
                          error))
            return NULL;
        /* A read that ends early does not say whether the file does. */
        if (window->size < need &&
            !relais_spool_pread (fd, window->bytes + window->size, need - window->size,
                                 (guint64)offset + window->size, error))
            return NULL;
        window->size = MAX (window->size, (guint32)need);
    }
    return window->bytes + (offset - window->from);
}

const guint8 *
relais_segment_look (int fd, const RelaisFraming *framing, guint32 offset,
                     RelaisSegmentWindow *window, RelaisRecord *record, GError **error)
{
    const guint8 *bytes = look_through (fd, offset, RELAIS_RECORD_BYTES, window, error);

    relais_assert_may_block ();
    if (bytes == NULL)
        return NULL;
    if (!relais_record_decode (framing, bytes, record)) {
        fail_damaged ("the record", offset, error);
        return NULL;
    }
    bytes =
        look_through (fd, offset, RELAIS_RECORD_BYTES + (gsize)record->head_bytes, window, error);
    if (bytes == NULL)
        return NULL;
    bytes += RELAIS_RECORD_BYTES;
    if (relais_record_crc (framing, bytes, record->head_bytes) != record->head_crc) {
        fail_damaged ("the envelope or state", offset, error);
        return NULL;
    }
    return bytes;
}
