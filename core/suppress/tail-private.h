/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * "journal.tail": the last lines of the journal once more, written after they were synced and not synced
 * itself. Where it is there it says how long the journal must be at least, and gives back what its end lost; where
 * it is not, nothing depends on it. The journal's thread, or start-up.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { RELAIS_JOURNAL_TAIL_BYTES = 1024 * 1024 };

typedef struct RelaisJournalTail RelaisJournalTail;

RelaisJournalTail *relais_journal_tail_new (int dir_fd);
void relais_journal_tail_free (RelaisJournalTail *tail);
/* Of the journal with that ID, from `at` on, so far nothing. */
void relais_journal_tail_begin (RelaisJournalTail *tail, guint64 id, guint64 at);
/* What the journal got, up to `end`. */
void relais_journal_tail_append (RelaisJournalTail *tail, const GString *bytes, guint64 end);

/* What a tail says. Zeroed: there is none that could be read. */
typedef struct {
    bool exists;
    guint64 id, at;
    GString *bytes; /* NULL: unreadable */
} RelaisJournalTailRead;
void relais_journal_tail_read (int dir_fd, RelaisJournalTailRead *read);
void relais_journal_tail_read_clear (RelaisJournalTailRead *read);
