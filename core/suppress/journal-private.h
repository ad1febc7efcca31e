/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The journal's files and the thread that writes them. Below the directory:
 *
 *   journal       the lines; the truth
 *   journal.new   another one that is being written to take its place
 *   journal.tail  the last lines once more, as they were synced: it gives them back where the journal lost its end
 *   damaged-TIME  damaged lines that a repair took out
 *
 * Jobs are done in the order in which they were handed over, their ends told on the loop in the same order. All
 * writes that wait share one sync. A write or sync that failed is never tried again on the same data: the file is cut back
 * to what was synced, and all that was handed over up to its end is told to have failed. After a sync that failed,
 * or a cut that did, nothing more goes into that file: only a new one helps.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisJournal RelaisJournal;

typedef enum {
    RELAIS_JOURNAL_DONE,
    RELAIS_JOURNAL_FAILED, /* nothing of it is kept */
    RELAIS_JOURNAL_DEAD    /* the same, and it will be so until there is a new file */
} RelaisJournalOutcome;

/* Loop thread. */
typedef void (*RelaisJournalFunc) (gpointer data, RelaisJournalOutcome outcome);

/* A stretch of a file. */
typedef struct {
    guint64 from, size;
} RelaisJournalRange;

typedef enum {
    RELAIS_JOURNAL_NONE, /* there is to be none yet */
    RELAIS_JOURNAL_MAKE,
    RELAIS_JOURNAL_GO_ON /* `size` octets count: what is behind them is cut off; `id` is the file's */
} RelaisJournalStart;
/* `dead`: nothing can be written before there is a new file. Blocks. */
RelaisJournal *relais_journal_new (RelaisLoop *loop, const char *dir, RelaisJournalStart start,
                                   guint64 size, guint64 id, bool *dead);
/* Waits for all that was handed over and tells its end; then the thread ends. May block. */
void relais_journal_finish (RelaisJournal *journal);
/* After that. NULL ok. */
void relais_journal_free (RelaisJournal *journal);

/* Appends; done once it is synced. Takes the bytes. What is handed over with an `epoch` that is not newer than that of something that
 * failed fails too: it was made on top of it. */
void relais_journal_write (RelaisJournal *journal, GString *bytes, guint64 epoch,
                           RelaisJournalFunc done, gpointer data);

/* A new file, which gets all that is written from here on, too. Nothing comes of it if something of this `epoch` has failed,
 * which those who write it do not know yet. */
void relais_journal_begin_new (RelaisJournal *journal, guint64 epoch);
/* What stands in it besides. Takes the bytes. */
void relais_journal_write_new (RelaisJournal *journal, GString *bytes, RelaisJournalFunc done,
                               gpointer data);
/* It takes the place of the old one; DONE: it did, and the journal is as good as new. The `n_damaged` stretches of the old one are
 * kept in a file of their own before. If anything went wrong since it was begun, a write to the old file included, nothing
 * comes of it. */
void relais_journal_end_new (RelaisJournal *journal, const RelaisJournalRange *damaged,
                             guint n_damaged, RelaisJournalFunc done, gpointer data);

/* Jobs that have not ended. Loop thread. */
guint relais_journal_n_waiting (const RelaisJournal *journal);
/* As of the last job that ended. Loop thread. */
guint64 relais_journal_bytes (const RelaisJournal *journal);
/* What went wrong last, in words; NULL: nothing since it went well. Owned. Any thread. */
char *relais_journal_trouble (RelaisJournal *journal);
