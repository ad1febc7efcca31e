/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event log's files: listing, recovery of a tail, search. Everything here blocks: start-up, a
 * worker or relaisctl.
 */
#include "config.h"

#include "event/files-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/event-private.h"

#define FILE_PREFIX "events-"
#define FILE_SUFFIX ".jsonl"
#define SEQ_PREFIX "{\"seq\":"

enum {
    FILE_NAME_BYTES = sizeof FILE_PREFIX - 1 + 8 + sizeof FILE_SUFFIX - 1,
    TAIL_BYTES = 1 << 20,       /* longer than the writer's longest line by far */
    SEARCH_BYTES = 1 << 20,     /* read at once */
    SEARCH_LINE_BYTES = 1 << 24 /* a longer line is no event; it is skipped */
};

bool
relais_event_fail (GError **error, const char *what, const char *name)
{
    int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "cannot %s '%s': %s", what,
                 name, g_strerror (saved));
    return false;
}

guint32
relais_event_day (gint64 wall_us)
{
    g_autoptr (GDateTime) day =
        g_date_time_new_from_unix_utc (MAX (wall_us, 0) / RELAIS_USEC_PER_SEC);

    return (guint32)(g_date_time_get_year (day) * 10000 + g_date_time_get_month (day) * 100 +
                     g_date_time_get_day_of_month (day));
}

char *
relais_event_day_file (guint32 day)
{
    return g_strdup_printf (FILE_PREFIX "%08u" FILE_SUFFIX, day);
}

char *
relais_event_file_name (gint64 wall_us)
{
    return relais_event_day_file (relais_event_day (wall_us));
}

guint32
relais_event_file_day (const char *name)
{
    return (guint32)g_ascii_strtoull (name + strlen (FILE_PREFIX), NULL, 10);
}

static bool
is_day_file (const char *name)
{
    if (strlen (name) != FILE_NAME_BYTES || !g_str_has_prefix (name, FILE_PREFIX) ||
        !g_str_has_suffix (name, FILE_SUFFIX))
        return false;
    for (gsize i = 0; i < 8; i++)
        if (!g_ascii_isdigit (name[sizeof FILE_PREFIX - 1 + i]))
            return false;
    return true;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
relais_event_file_list (int dir_fd, GError **error)
{
    g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", dir_fd);
    g_autoptr (GDir) dir = g_dir_open (path, 0, error);
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    const char *name;

    if (dir == NULL)
        return NULL;
    while ((name = g_dir_read_name (dir)) != NULL)
        if (is_day_file (name))
            g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, compare_names);
    return g_steal_pointer (&names);
}

/* --- Recovery --------------------------------------------------------------------------------- */

/* A whole line of ours begins with its seq and ends the object. */
static bool
parse_seq (const char *line, gsize size, guint64 *seq, gsize *rest)
{
    guint64 value = 0;
    gsize i = sizeof SEQ_PREFIX - 1;

    if (size < i || memcmp (line, SEQ_PREFIX, i) != 0 || line[size - 1] != '}')
        return false;
    for (; i < size && g_ascii_isdigit (line[i]); i++)
        if (!g_uint64_checked_mul (&value, value, 10) ||
            !g_uint64_checked_add (&value, value, (guint64)(line[i] - '0')))
            return false;
    if (i == size || line[i] != ',')
        return false;
    *seq = value;
    *rest = i;
    return true;
}

static void
note_line (RelaisEventTail *tail, guint64 seq, const char *line, gsize size, gsize rest)
{
    g_autoptr (GString) handed = NULL;

    if (seq < tail->last_seq)
        return;
    if (seq > tail->last_seq)
        g_hash_table_remove_all (tail->last_lines);
    tail->last_seq = seq;
    handed = g_string_new_len (line + rest, (gssize)(size - rest));
    handed->str[0] = '{'; /* it was the comma after the number */
    g_hash_table_add (tail->last_lines, g_string_free_to_bytes (g_steal_pointer (&handed)));
}

/* Walks the lines from the end as long as they may carry the highest seq. Returns the offset in
 * `bytes` after the last whole line of ours; 0 if there is none. */
static gsize
read_tail (const char *bytes, gsize size, bool whole, RelaisEventTail *tail)
{
    gsize good_end = 0, end = size;

    while (end > 0) {
        const char *lf = memrchr (bytes, '\n', end);
        const char *before =
            lf != NULL && lf > bytes ? memrchr (bytes, '\n', (gsize)(lf - bytes)) : NULL;
        gsize start = before != NULL ? (gsize)(before - bytes) + 1 : 0;
        guint64 seq;
        gsize rest;

        if (lf == NULL || (before == NULL && !whole))
            break;
        if (parse_seq (bytes + start, (gsize)(lf - bytes) - start, &seq, &rest)) {
            if (good_end == 0)
                good_end = (gsize)(lf - bytes) + 1;
            if (seq < tail->last_seq)
                break;
            note_line (tail, seq, bytes + start, (gsize)(lf - bytes) - start, rest);
        }
        end = start;
    }
    return good_end;
}

/* Where the file should end: after the last line of ours if one was found; else after its last LF,
 * because what we do not know we do not cut. */
static gsize
cut_at (const char *bytes, gsize size, gsize good_end)
{
    const char *lf;

    if (good_end > 0)
        return good_end;
    lf = memrchr (bytes, '\n', size);
    return lf != NULL ? (gsize)(lf - bytes) + 1 : 0;
}

static bool
read_range (int fd, off_t offset, char *to, gsize size)
{
    while (size > 0) {
        ssize_t n = pread (fd, to, size, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            return false;
        }
        to += n;
        offset += n;
        size -= (gsize)n;
    }
    return true;
}

/* Reads what stands before `*end`, TAIL_BYTES at most. After a power cut some file systems have a file's length but
 * zeros for some of what was written since its last sync, and whole lines behind them perhaps. No line of ours has a
 * zero: the file ends before the first of them, and what stood behind it comes again from the spool. */
static bool
read_end (int fd, bool synced, char *bytes, off_t *end, gsize *size)
{
    const char *zero;

    do {
        *size = (gsize)MIN (*end, (off_t)TAIL_BYTES);
        if (!read_range (fd, *end - (off_t)*size, bytes, *size))
            return false;
        zero = synced ? NULL : memchr (bytes, '\0', *size);
        if (zero != NULL)
            *end -= (bytes + *size) - zero;
    } while (zero != NULL);
    return true;
}

static bool
recover_fd (int fd, const char *name, bool synced, RelaisEventTail *tail, GError **error)
{
    struct stat st;
    g_autofree char *bytes = NULL;
    gsize size;
    off_t end, keep;

    if (fstat (fd, &st) < 0)
        return relais_event_fail (error, "look at", name);
    if (st.st_size == 0)
        return true;
    bytes = g_malloc (TAIL_BYTES);
    end = st.st_size;
    if (!read_end (fd, synced, bytes, &end, &size))
        return relais_event_fail (error, "read", name);
    keep = end - (off_t)size;
    keep += (off_t)cut_at (bytes, size, read_tail (bytes, size, keep == 0, tail));
    if (keep < st.st_size && ftruncate (fd, keep) < 0)
        return relais_event_fail (error, "cut the torn end of", name);
    if (fdatasync (fd) < 0)
        return relais_event_fail (error, "sync", name);
    return true;
}

bool
relais_event_file_recover (int dir_fd, const char *name, bool synced, RelaisEventTail *tail,
                           GError **error)
{
    int fd = openat (dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool good;

    if (fd < 0)
        return relais_event_fail (error, "open", name);
    good = recover_fd (fd, name, synced, tail, error);
    close (fd);
    return good;
}

/* --- Search ----------------------------------------------------------------------------------- */

typedef struct {
    const char *needle;
    gsize needle_size;
    RelaisEventReader func;
    gpointer data;
    bool stopped;
    bool skipping; /* what stands before the next line end is no event */
} Search;

/* Reports the matching lines in whole lines. */
static void
search_lines (Search *search, const char *bytes, gsize size)
{
    const char *at = bytes, *end = bytes + size;

    while (at < end && !search->stopped) {
        const char *hit = memmem (at, (gsize)(end - at), search->needle, search->needle_size);
        const char *start, *lf;

        if (hit == NULL)
            return;
        start = memrchr (at, '\n', (gsize)(hit - at));
        start = start != NULL ? start + 1 : at;
        lf = memchr (hit, '\n', (gsize)(end - hit));
        search->stopped = !search->func (search->data, start, (gsize)(lf - start));
        at = lf + 1;
    }
}

/* Takes the whole lines out of `buffer`. */
static void
search_buffer (Search *search, GByteArray *buffer)
{
    const guint8 *lf = buffer->len > 0 ? memrchr (buffer->data, '\n', buffer->len) : NULL;
    guint whole, from = 0;

    if (lf == NULL) {
        search->skipping = search->skipping || buffer->len >= SEARCH_LINE_BYTES;
        if (search->skipping)
            g_byte_array_set_size (buffer, 0);
        return;
    }
    whole = (guint)(lf - buffer->data) + 1;
    if (search->skipping)
        from = (guint)((const guint8 *)memchr (buffer->data, '\n', whole) - buffer->data) + 1;
    search->skipping = false;
    search_lines (search, (const char *)buffer->data + from, whole - from);
    g_byte_array_remove_range (buffer, 0, whole);
}

static bool
search_file (Search *search, int dir_fd, const char *name, GError **error)
{
    g_autoptr (GByteArray) buffer = g_byte_array_new ();
    int fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = 0;

    if (fd < 0)
        return relais_event_fail (error, "open", name);
    while (!search->stopped) {
        const guint old = buffer->len;

        g_byte_array_set_size (buffer, old + SEARCH_BYTES);
        n = read (fd, buffer->data + old, SEARCH_BYTES);
        g_byte_array_set_size (buffer, old + (guint)MAX (n, 0));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        search_buffer (search, buffer);
    }
    search->skipping = false;
    if (n < 0)
        relais_event_fail (error, "read", name);
    close (fd);
    return n >= 0;
}

bool
relais_event_log_search (const char *dir, const char *needle, RelaisEventReader func, gpointer data,
                         GError **error)
{
    Search search = {.needle = needle, .needle_size = strlen (needle), .func = func, .data = data};
    g_autoptr (GPtrArray) names = NULL;
    bool good = true;
    int dir_fd;

    relais_assert_may_block ();
    dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return relais_event_fail (error, "open", dir);
    names = relais_event_file_list (dir_fd, error);
    for (guint i = 0; names != NULL && i < names->len && good && !search.stopped; i++)
        good = search_file (&search, dir_fd, g_ptr_array_index (names, i), error);
    close (dir_fd);
    return good && names != NULL;
}
