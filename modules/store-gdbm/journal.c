/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Appending to the journal. Owner thread; blocks.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void
sg_journal_init (SgJournal *journal, const char *dir, const SgIo *io, guint64 store_id)
{
    *journal = (SgJournal){.dir = g_strdup (dir),
                           .io = io,
                           .fd = -1,
                           .store_id = store_id,
                           .next_seq = 1,
                           .buffer = g_byte_array_new ()};
}

static void
close_file (SgJournal *journal)
{
    if (journal->fd >= 0)
        close (journal->fd);
    journal->fd = -1;
}

void
sg_journal_clear (SgJournal *journal)
{
    close_file (journal);
    g_clear_pointer (&journal->buffer, g_byte_array_unref);
    g_clear_pointer (&journal->dir, g_free);
}

bool
sg_journal_adopt (SgJournal *journal, const SgFile *file, const SgReading *reading, GError **error)
{
    journal->number = file->number;
    journal->salt = file->head.salt;
    journal->next_seq = reading->last_seq + 1;
    journal->written_bytes = journal->synced_bytes = reading->tail_bytes;
    journal->synced_seq = reading->last_seq;
    journal->fd = open (file->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (journal->fd >= 0 &&
        (reading->torn_bytes == 0 || ftruncate (journal->fd, (off_t)reading->tail_bytes) == 0) &&
        journal->io->sync (journal->fd) == 0)
        return true;
    sg_fail (error, file->path);
    close_file (journal);
    return false;
}

static bool
write_head (SgJournal *journal, int fd, guint64 salt)
{
    const SgFileHead head = {
        .kind = SG_JOURNAL,
        .store_id = journal->store_id,
        .number = journal->number + 1,
        .salt = salt,
        .first_seq = journal->synced_seq + 1,
        .before_bytes = journal->number > 0 ? journal->synced_bytes : SG_ALL,
    };
    guint8 bytes[SG_FILE_HEAD_BYTES];

    sg_file_head_write (bytes, &head);
    return sg_write_all (journal->io, fd, bytes, sizeof bytes) && journal->io->sync (fd) == 0;
}

bool
sg_journal_begin (SgJournal *journal, GError **error)
{
    g_autofree char *path = sg_file_path (journal->dir, false, journal->number + 1);
    const guint64 salt = sg_random ();
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return sg_fail (error, path);
    if (!write_head (journal, fd, salt)) {
        sg_fail (error, path);
        close (fd);
        unlink (path);
        return false;
    }
    if (!sg_sync_dir (journal->dir, journal->io, error)) {
        close (fd);
        unlink (path);
        return false;
    }
    close_file (journal);
    journal->fd = fd;
    journal->number++;
    journal->salt = salt;
    journal->next_seq = journal->synced_seq + 1;
    journal->written_bytes = journal->synced_bytes = SG_FILE_HEAD_BYTES;
    g_byte_array_set_size (journal->buffer, 0);
    return true;
}

void
sg_journal_add (SgJournal *journal, SgRecord *record)
{
    record->seq = journal->next_seq++;
    sg_record_append (journal->buffer, journal->salt, record);
}

bool
sg_journal_write (SgJournal *journal, GError **error)
{
    const gsize size = journal->buffer->len;

    if (size == 0)
        return true;
    if (!sg_write_all (journal->io, journal->fd, journal->buffer->data, size)) {
        g_autofree char *path = sg_file_path (journal->dir, false, journal->number);

        return sg_fail (error, path);
    }
    journal->written_bytes += size;
    g_byte_array_set_size (journal->buffer, 0);
    return true;
}

void
sg_journal_give_up (SgJournal *journal)
{
    close_file (journal);
    g_byte_array_set_size (journal->buffer, 0);
    journal->next_seq = journal->synced_seq + 1;
}
