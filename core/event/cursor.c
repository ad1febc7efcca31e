/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the event log on from a place; see cursor-private.h. Keeps nothing; blocks.
 */
#include "config.h"

#include "event/cursor-private.h"

#include "conf/kept-file-private.h"
#include "event/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PLACE_BYTES = 100, /* of a file that holds a place */
    STEP_BYTES = 64 * 1024,
    LINE_BYTES = 1 << 24 /* a longer one is no event; it is passed over */
};

/* --- Reading ------------------------------------------------------------------------------------ */

typedef struct {
    int dir_fd;
    RelaisLogPlace *place, end;
    guint max;
    gsize left; /* octets that may still be taken */
    GPtrArray *lines;
} Reading;

static bool
is_full (const Reading *reading)
{
    return reading->lines->len >= reading->max || reading->left == 0;
}

static bool
read_at (int fd, guint64 offset, GByteArray *to, gsize size)
{
    const guint old = to->len;
    ssize_t n;

    g_byte_array_set_size (to, old + (guint)size);
    do
        n = pread (fd, to->data + old, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    g_byte_array_set_size (to, old + (n > 0 ? (guint)n : 0));
    return n >= 0;
}

/* Takes the whole lines of `bytes`, which stand at the place; returns how many octets they are. */
static gsize
take_lines (Reading *reading, const GByteArray *bytes)
{
    gsize at = 0;

    while (!is_full (reading)) {
        const guint8 *lf =
            at < bytes->len ? memchr (bytes->data + at, '\n', bytes->len - at) : NULL;
        gsize size;

        if (lf == NULL)
            break;
        size = (gsize)(lf - bytes->data) - at;
        if (size > 0 && size <= LINE_BYTES)
            g_ptr_array_add (reading->lines, g_bytes_new (bytes->data + at, size));
        reading->left -= MIN (reading->left, size + 1);
        at += size + 1;
    }
    return at;
}

/* Where the line ends in which `offset` is, which is too long to be kept; 0 if its end is not there yet. */
static bool
find_line_end (int fd, guint64 offset, guint64 limit, guint64 *end)
{
    g_autoptr (GByteArray) bytes = g_byte_array_new ();

    *end = 0;
    do {
        const guint8 *lf;

        offset += bytes->len;
        g_byte_array_set_size (bytes, 0);
        if (!read_at (fd, offset, bytes, (gsize)MIN (limit - offset, (guint64)STEP_BYTES)))
            return false;
        lf = bytes->len > 0 ? memchr (bytes->data, '\n', bytes->len) : NULL;
        if (lf != NULL)
            *end = offset + (guint64)(lf - bytes->data) + 1;
    } while (*end == 0 && bytes->len > 0);
    return true;
}

/* Reads a file from the place up to `limit`. */
static bool
read_file (Reading *reading, int fd, guint64 limit)
{
    g_autoptr (GByteArray) bytes = g_byte_array_new ();

    while (!is_full (reading) && reading->place->offset + bytes->len < limit) {
        const guint64 from = reading->place->offset + bytes->len;
        const guint before = bytes->len;
        gsize taken;

        if (!read_at (fd, from, bytes, (gsize)MIN (limit - from, (guint64)STEP_BYTES)))
            return false;
        if (bytes->len == before)
            break;
        taken = take_lines (reading, bytes);
        g_byte_array_remove_range (bytes, 0, (guint)taken);
        reading->place->offset += taken;
        if (bytes->len > LINE_BYTES) {
            guint64 end;

            if (!find_line_end (fd, reading->place->offset + bytes->len, limit, &end))
                return false;
            if (end == 0)
                break;
            reading->place->offset = end;
            g_byte_array_set_size (bytes, 0);
        }
    }
    return true;
}

/* Whether a line ends where the place is. If not, the file is not the one that the place was of: somebody took that
 * away, and what is in this one has not been read. */
static bool
is_its_file (int fd, guint64 offset, guint64 size)
{
    char before = '\n';

    if (offset > size)
        return false;
    return offset == 0 || (pread (fd, &before, 1, (off_t)offset - 1) == 1 && before == '\n');
}

/* Reads the place's day, as far as it counts. */
static bool
read_day (Reading *reading, const char *name, bool *gap, GError **error)
{
    const int fd = openat (reading->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    guint64 limit;
    bool good = fd >= 0 && fstat (fd, &st) == 0;

    if (good) {
        limit = (guint64)st.st_size;
        if (reading->place->day == reading->end.day)
            limit = MIN (limit, reading->end.offset);
        if (!is_its_file (fd, reading->place->offset, (guint64)st.st_size)) {
            *gap = true;
            reading->place->offset = 0;
        }
        good = read_file (reading, fd, limit);
    }
    if (!good)
        relais_event_fail (error, "read", name);
    if (fd >= 0)
        close (fd);
    return good;
}

/* Day by day, oldest first. A place whose file is not there any more is a gap. */
static bool
read_days (Reading *reading, const GPtrArray *names, bool *gap, GError **error)
{
    for (guint i = 0; i < names->len && !is_full (reading); i++) {
        const guint32 day = relais_event_file_day (names->pdata[i]);

        if (day < reading->place->day)
            continue;
        if (day > reading->end.day)
            break;
        if (day > reading->place->day)
            *reading->place = (RelaisLogPlace){day, 0};
        if (!read_day (reading, names->pdata[i], gap, error))
            return false;
    }
    return true;
}

static bool
has_day (const GPtrArray *names, guint32 day)
{
    for (guint i = 0; i < names->len; i++)
        if (relais_event_file_day (names->pdata[i]) == day)
            return true;
    return false;
}

GPtrArray *
relais_event_read_on (RelaisEventLog *log, RelaisLogPlace *place, RelaisLogPlace end, guint max,
                      gsize max_bytes, bool *gap, GError **error)
{
    g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    g_autoptr (GPtrArray) names = NULL;
    Reading reading = {relais_event_log_dir (log), place, end, max, max_bytes, lines};

    relais_assert_may_block ();
    names = relais_event_file_list (reading.dir_fd, error);
    if (names == NULL)
        return NULL;
    *gap = place->day != 0 && !has_day (names, place->day);
    return read_days (&reading, names, gap, error) ? g_steal_pointer (&lines) : NULL;
}

/* --- Places in files ---------------------------------------------------------------------------- */

bool
relais_event_place_save (const char *path, const RelaisLogPlace *place, GError **error)
{
    g_autofree char *text =
        g_strdup_printf ("%08u %" G_GUINT64_FORMAT "\n", place->day, place->offset);

    relais_assert_may_block ();
    return g_file_set_contents_full (
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0640, error);
}

bool
relais_event_place_load (const char *path, RelaisLogPlace *place, GError **error)
{
    g_autofree char *text = relais_kept_file_read (path, PLACE_BYTES, error);
    g_auto (GStrv) parts = NULL;
    guint64 day, offset;

    if (text == NULL)
        return false;
    parts = g_strsplit (g_strchomp (text), " ", 2);
    if (parts[0] == NULL || parts[1] == NULL ||
        !g_ascii_string_to_unsigned (parts[0], 10, 0, 99999999, &day, NULL) ||
        !g_ascii_string_to_unsigned (parts[1], 10, 0, G_MAXINT64, &offset, NULL)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "'%s' holds no place", path);
        return false;
    }
    *place = (RelaisLogPlace){(guint32)day, offset};
    return true;
}
