/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tail's file: a head of fixed size, then octets of the journal. Whatever goes wrong with it, the journal goes
 * on without.
 */
#include "config.h"

#include "suppress/tail-private.h"

#include "spool/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 + 1 + 16 + 1 + 8 + 1, CHECKED_BYTES = 16 + 1 + 16 };

struct RelaisJournalTail {
    int dir_fd, fd; /* fd -1: there is none for now */
    guint64 id;
    guint64 size; /* behind the head */
};

RelaisJournalTail *
relais_journal_tail_new (int dir_fd)
{
    RelaisJournalTail *tail = g_new (RelaisJournalTail, 1);

    *tail = (RelaisJournalTail){.dir_fd = dir_fd, .fd = -1};
    return tail;
}

static void
drop (RelaisJournalTail *tail)
{
    if (tail->fd < 0)
        return;
    (void)!ftruncate (tail->fd, 0);
    close (tail->fd);
    tail->fd = -1;
}

void
relais_journal_tail_free (RelaisJournalTail *tail)
{
    if (tail == NULL)
        return;
    if (tail->fd >= 0)
        close (tail->fd);
    g_free (tail);
}

static void
write_at (RelaisJournalTail *tail, const char *bytes, gsize size, guint64 at)
{
    for (gsize done = 0; done < size && tail->fd >= 0;) {
        ssize_t n = pwrite (tail->fd, bytes + done, size - done, (off_t)(at + done));

        if (n > 0)
            done += (gsize)n;
        else if (n == 0 || errno != EINTR)
            drop (tail);
    }
}

void
relais_journal_tail_begin (RelaisJournalTail *tail, guint64 id, guint64 at)
{
    char head[HEAD_BYTES + 1];

    tail->id = id;
    tail->size = 0;
    if (tail->fd < 0)
        tail->fd =
            openat (tail->dir_fd, "journal.tail", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (tail->fd < 0)
        return;
    if (ftruncate (tail->fd, 0) < 0) {
        drop (tail);
        return;
    }
    g_snprintf (head, sizeof head, "%016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER "x", id, at);
    g_snprintf (head + CHECKED_BYTES, sizeof head - CHECKED_BYTES, " %08x\n",
                relais_crc32c (0, head, CHECKED_BYTES));
    write_at (tail, head, HEAD_BYTES, 0);
}

void
relais_journal_tail_append (RelaisJournalTail *tail, const GString *bytes, guint64 end)
{
    const bool fits = bytes->len <= RELAIS_JOURNAL_TAIL_BYTES;

    if (tail->fd < 0 || tail->size + bytes->len > RELAIS_JOURNAL_TAIL_BYTES)
        relais_journal_tail_begin (tail, tail->id, fits ? end - bytes->len : end);
    if (!fits)
        return;
    write_at (tail, bytes->str, bytes->len, HEAD_BYTES + tail->size);
    tail->size += bytes->len;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static GString *
read_all (int fd)
{
    g_autoptr (GString) bytes = g_string_new (NULL);
    char block[65536];

    while (bytes->len <= HEAD_BYTES + RELAIS_JOURNAL_TAIL_BYTES) {
        ssize_t n = pread (fd, block, sizeof block, (off_t)bytes->len);

        if (n == 0)
            return g_steal_pointer (&bytes);
        if (n < 0 && errno != EINTR)
            return NULL;
        if (n > 0)
            g_string_append_len (bytes, block, n);
    }
    return NULL;
}

static bool
read_head (const GString *bytes, RelaisJournalTailRead *read)
{
    g_auto (GStrv) words = NULL;
    g_autofree char *head = NULL;
    guint64 checksum;

    if (bytes->len < HEAD_BYTES || bytes->str[HEAD_BYTES - 1] != '\n')
        return false;
    head = g_strndup (bytes->str, HEAD_BYTES - 1);
    words = g_strsplit (head, " ", 4);
    return g_strv_length (words) == 3 &&
           g_ascii_string_to_unsigned (words[0], 16, 0, G_MAXUINT64, &read->id, NULL) &&
           g_ascii_string_to_unsigned (words[1], 16, 0, G_MAXINT64, &read->at, NULL) &&
           g_ascii_string_to_unsigned (words[2], 16, 0, G_MAXUINT32, &checksum, NULL) &&
           checksum == relais_crc32c (0, head, CHECKED_BYTES);
}

void
relais_journal_tail_read (int dir_fd, RelaisJournalTailRead *read)
{
    int fd = openat (dir_fd, "journal.tail", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    g_autoptr (GString) bytes = NULL;

    *read = (RelaisJournalTailRead){.exists = fd >= 0};
    if (fd < 0)
        return;
    bytes = read_all (fd);
    close (fd);
    if (bytes == NULL || !read_head (bytes, read))
        return;
    g_string_erase (bytes, 0, HEAD_BYTES);
    read->bytes = g_steal_pointer (&bytes);
}

void
relais_journal_tail_read_clear (RelaisJournalTailRead *read)
{
    if (read->bytes != NULL)
        g_string_free (read->bytes, TRUE);
    *read = (RelaisJournalTailRead){0};
}
