/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The journal that is written to: records gather in memory, are appended by one write, and count once a
 * sync that began later has returned. A write or sync that failed is never tried again on the same file:
 * a new one says how much of it counts. The owner thread has it; the syncer has its descriptor.
 */
#pragma once

#include "files.h"

typedef struct {
    char *dir;
    const SgIo *io;
    int fd; /* -1: there is none that may be written to */
    guint64 store_id, number, salt;
    guint64 next_seq;
    guint64 written_bytes; /* in the file */
    GByteArray *buffer;    /* not written yet */
    /* what the last sync covered */
    guint64 synced_seq, synced_bytes;
} SgJournal;

void sg_journal_init (SgJournal *journal, const char *dir, const SgIo *io, guint64 store_id);
void sg_journal_clear (SgJournal *journal);
/* Goes on with a journal that was read: cuts off what is torn, and syncs it. */
bool
sg_journal_adopt (SgJournal *journal, const SgFile *file, const SgReading *reading, GError **error);
/* Makes the next one, of which nothing is in doubt: it says that the one before counts as far as it was
 * synced. */
bool sg_journal_begin (SgJournal *journal, GError **error);
/* Adds a record, with the next seq, to the buffer. */
void sg_journal_add (SgJournal *journal, SgRecord *record);
/* Writes the buffer. After false the journal must not be written to again. */
bool sg_journal_write (SgJournal *journal, GError **error);
/* Gives up the file; what was not synced does not count. */
void sg_journal_give_up (SgJournal *journal);
