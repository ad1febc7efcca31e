/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The journal, line by line. A line that was not written to its end, and a group of which not all octets are there, were told to
 * nobody: they are passed over, and cut off later. Any other line that cannot be read is damage, which is never passed over
 * in silence.
 */
#include "config.h"

#include "suppress/load-private.h"

#include "suppress/tail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1024 * 1024, LINE_BYTES = 256 /* of one line, about */ };
G_STATIC_ASSERT (CHUNK_BYTES > 2 * RELAIS_JOURNAL_LINE_BYTES);

typedef struct {
    RelaisLoad *load;
    const char *dir;
    RelaisLoadFunc func;
    gpointer data;
    RelaisJournalScratch scratch;
    guint64 file_size;
    guint64 offset; /* of what is looked at */
    bool ended;     /* nothing behind `offset` counts */
} Reader;

static void
    G_GNUC_PRINTF (3, 4) trouble (RelaisLoad *load, RelaisLoadState state, const char *format, ...)
{
    va_list args;

    if (load->state >= state)
        return;
    load->state = state;
    g_free (load->trouble);
    va_start (args, format);
    load->trouble = g_strdup_vprintf (format, args);
    va_end (args);
}

static void
cannot (Reader *reader, const char *what)
{
    trouble (reader->load, RELAIS_LOAD_UNREADABLE, "%s: %s: %s", reader->dir, _ (what),
             g_strerror (errno));
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void
note_damage (Reader *reader, gsize size)
{
    GArray *damaged = reader->load->damaged;
    RelaisJournalRange *last =
        damaged->len > 0 ? &g_array_index (damaged, RelaisJournalRange, damaged->len - 1) : NULL;
    const RelaisJournalRange range = {reader->offset, size};

    trouble (reader->load, RELAIS_LOAD_DAMAGED,
             _ ("%s/journal: the line at octet %llu is damaged; see relaisctl suppress status"),
             reader->dir, (unsigned long long)reader->offset);
    if (last != NULL &&
        (last->from + last->size == range.from || damaged->len == RELAIS_LOAD_RANGES))
        last->size = range.from + range.size - last->from;
    else
        g_array_append_val (damaged, range);
}

static void
take (Reader *reader, const RelaisJournalLine *line, gsize used)
{
    RelaisLoad *load = reader->load;
    const bool is_first = reader->offset == 0;

    if (is_first && line->op != RELAIS_JOURNAL_HEAD)
        note_damage (reader, 0);
    load->lines++;
    switch (line->op) {
    case RELAIS_JOURNAL_HEAD:
        if (is_first)
            load->id = line->number;
        break;
    case RELAIS_JOURNAL_GROUP:
        reader->ended = line->number > reader->file_size - reader->offset - used;
        break;
    case RELAIS_JOURNAL_PUT:
    case RELAIS_JOURNAL_REMOVE: reader->func (reader->data, line); break;
    }
}

/* The lines in `size` octets. Returns how many of them were looked at. */
static gsize
read_lines (Reader *reader, const char *bytes, gsize size, bool at_end)
{
    gsize at = 0;

    while (at < size && !reader->ended) {
        RelaisJournalLine line;
        gsize used = 0;
        const RelaisJournalResult result = relais_journal_line_read (
            bytes + at, size - at, at_end, &reader->scratch, &line, &used);

        if (result == RELAIS_JOURNAL_MORE)
            return at;
        if (result == RELAIS_JOURNAL_GOOD)
            take (reader, &line, used);
        else if (result == RELAIS_JOURNAL_BAD)
            note_damage (reader, used);
        else
            reader->ended = true;
        if (result == RELAIS_JOURNAL_LATER)
            trouble (reader->load, RELAIS_LOAD_UNREADABLE,
                     _ ("%s/journal: octet %llu: written by a later Relais"), reader->dir,
                     (unsigned long long)reader->offset);
        if (!reader->ended)
            reader->offset += used;
        at += used;
    }
    return at;
}

static void
read_file (Reader *reader, int fd)
{
    g_autofree char *bytes = g_malloc (CHUNK_BYTES);
    gsize held = 0;

    while (!reader->ended && reader->load->state != RELAIS_LOAD_UNREADABLE) {
        const guint64 at = reader->offset + held;
        gssize n = pread (fd, bytes + held, CHUNK_BYTES - held, (off_t)at);
        gsize used;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cannot (reader, N_ ("cannot read"));
            return;
        }
        held += (gsize)n;
        if (held == 0)
            return;
        used = read_lines (reader, bytes, held, at + (guint64)n >= reader->file_size);
        memmove (bytes, bytes + used, held - used);
        held -= used;
        if (n == 0 && used == 0)
            return;
    }
}

/* --- Its end ---------------------------------------------------------------------------------- */

/* Appends the lines of the tail that are whole. */
static bool
restore (Reader *reader, int fd, const char *bytes, gsize size)
{
    const guint64 start = reader->offset;
    gsize used, done = 0;

    reader->ended = false;
    reader->file_size = start + size;
    (void)read_lines (reader, bytes, size, true);
    used = (gsize)(reader->offset - start);
    while (done < used) {
        ssize_t n = pwrite (fd, bytes + done, used - done, (off_t)(start + done));

        if (n <= 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (gsize)n;
    }
    reader->load->restored_bytes = used;
    return used == size;
}

/* Compares the end with what the tail says was synced. */
static void
look_at_tail (Reader *reader, int dir_fd, int fd)
{
    RelaisLoad *load = reader->load;
    RelaisJournalTailRead tail;
    guint64 end;

    relais_journal_tail_read (dir_fd, &tail);
    end = tail.bytes != NULL ? tail.at + tail.bytes->len : 0;
    if (tail.bytes != NULL && tail.id == load->id && end > reader->offset &&
        load->state != RELAIS_LOAD_UNREADABLE) {
        const guint64 from = reader->offset - MIN (reader->offset, tail.at);

        load->missing_bytes = end - reader->offset;
        if (reader->offset >= tail.at &&
            restore (reader, fd, tail.bytes->str + from, tail.bytes->len - (gsize)from))
            load->missing_bytes = 0;
    }
    relais_journal_tail_read_clear (&tail);
    if (load->missing_bytes > 0)
        trouble (load, RELAIS_LOAD_DAMAGED,
                 _ ("%s/journal: %llu octets that were there are missing at its "
                    "end; see relaisctl suppress status"),
                 reader->dir, (unsigned long long)load->missing_bytes);
}

static bool
has_tail (int dir_fd)
{
    struct stat info;

    return fstatat (dir_fd, "journal.tail", &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
note_missing (Reader *reader)
{
    trouble (reader->load, RELAIS_LOAD_MISSING,
             _ ("%s/journal: it is missing, or empty, although there was a suppression list"),
             reader->dir);
}

static void
read_journal (Reader *reader, int dir_fd)
{
    RelaisLoad *load = reader->load;
    struct stat info;
    int fd = openat (dir_fd, "journal", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == EROFS)
        fd = openat (dir_fd, "journal", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (has_tail (dir_fd))
            note_missing (reader);
        return;
    }
    if (fd < 0 || fstat (fd, &info) < 0) {
        cannot (reader, N_ ("cannot open"));
    } else {
        reader->file_size = (guint64)info.st_size;
        read_file (reader, fd);
        load->torn_bytes = reader->file_size - MIN (reader->offset, reader->file_size);
        if (reader->offset == 0)
            note_missing (reader);
        else
            look_at_tail (reader, dir_fd, fd);
        load->size = reader->offset;
    }
    if (fd >= 0)
        close (fd);
}

void
relais_load_read (RelaisLoad *load, const char *dir, RelaisLoadFunc func, gpointer data)
{
    Reader *reader = g_new0 (Reader, 1);
    int dir_fd;

    *load = (RelaisLoad){.damaged = g_array_new (FALSE, FALSE, sizeof (RelaisJournalRange))};
    reader->load = load;
    reader->dir = dir;
    reader->func = func;
    reader->data = data;
    dir_fd = g_mkdir_with_parents (dir, 0700) == 0
                 ? open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    if (dir_fd < 0) {
        cannot (reader, N_ ("cannot open"));
    } else {
        read_journal (reader, dir_fd);
        close (dir_fd);
    }
    g_free (reader);
}

guint64
relais_load_guess (const char *dir)
{
    g_autofree char *path = g_build_filename (dir, "journal", NULL);
    struct stat info;

    return stat (path, &info) == 0 ? (guint64)info.st_size / LINE_BYTES : 0;
}

void
relais_load_clear (RelaisLoad *load)
{
    g_clear_pointer (&load->damaged, g_array_unref);
    g_clear_pointer (&load->trouble, g_free);
}
