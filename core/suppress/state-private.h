/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the room's files share: the list's state, and changes to it.
 *
 * A change is in memory at once and in the journal soon after; if it fails there it is taken back, with all that
 * were made after it. Whoever made it learns of the end when it is synced. Loop thread, but the inbox.
 */
#pragma once

#include "suppress/entry-private.h"
#include "suppress/journal-private.h"
#include "suppress/load-private.h"
#include "suppress/policy-private.h"
#include "suppress/suppress-private.h"

typedef struct RelaisChanges RelaisChanges; /* that are handed to the journal as one */
typedef struct RelaisAgain RelaisAgain;     /* a list that is tried again: again.c */

enum { RELAIS_SUPPRESS_STRING_BYTES = 512 /* of tenant, campaign and text */ };
/* A copy, no longer than that; "" of NULL. */
char *relais_suppression_cut (const char *text);

/* A rewriting of the journal (rebuild.c). */
typedef struct {
    bool running;
    bool repair;   /* what is damaged goes into a file of its own */
    guint pieces;  /* that the journal has not written yet */
    guint64 lines; /* in the new file */
    RelaisEntryWalk walk;
    RelaisTimer retry;
    GPtrArray *waiting; /* Waiting: for the end of a repair */
} RelaisRebuild;

struct RelaisSuppression {
    RelaisLoop *loop;
    char *dir;
    RelaisEntryTable table;
    RelaisSuppressPolicies policies;
    RelaisLoad load;        /* what start-up found; cleared by a repair */
    RelaisJournal *journal; /* NULL: nobody may write */
    RelaisAgain *again;     /* NULL: it was read */
    bool dead;              /* the journal takes nothing until it was rewritten */
    guint64 lines;          /* in the journal */
    RelaisChanges *open;    /* not handed over yet, or NULL */
    GQueue changes;         /* RelaisChanges, oldest first, `open` the last */
    guint64 epoch;
    guint blocked; /* nothing else may change the list: an import of one piece is under way */
    RelaisRebuild rebuild;
    RelaisTimer sweep;
    RelaisEntryWalk sweeping;
    guint64 reports, checks;
    bool stopped; /* nothing is begun any more */

    GMutex mutex;
    GQueue inbox; /* Item; under mutex, with what follows */
    bool posted;
};

/* --- Turns (suppression.c). */
typedef void (*RelaisTurnFunc) (RelaisSuppression *suppression, gpointer data);
/* Calls `func` once from a later turn, after all that was asked for before, when nothing is blocked. Any thread. */
void
relais_suppression_when_free (RelaisSuppression *suppression, RelaisTurnFunc func, gpointer data);
/* From a later turn, blocked or not. Loop. */
void
relais_suppression_next_turn (RelaisSuppression *suppression, RelaisTurnFunc func, gpointer data);
void relais_suppression_unblock (RelaisSuppression *suppression);

/* --- Changes (changes.c). */
typedef void (*RelaisChangeFunc) (gpointer data, RelaisSuppressResult result);
/* Whether changes can be made now. */
bool relais_suppression_takes_changes (const RelaisSuppression *suppression);
/* Puts `fresh` (NULL: nothing; taken over) where `old` stands; both NULL changes nothing, and `done` comes in order all
 * the same. `done` (nullable) is called with `result`, or FAILED, from a later turn. */
void
relais_suppression_change (RelaisSuppression *suppression, RelaisEntry *old, RelaisEntry *fresh,
                           RelaisSuppressResult result, RelaisChangeFunc done, gpointer data);
/* Hands over what was changed. At the end of each turn in which something was. */
void relais_suppression_flush (RelaisSuppression *suppression);
/* Writes lines that are not in memory yet, all or none of them; blocked. Takes the lines. */
void relais_suppression_write_group (RelaisSuppression *suppression, GString *lines,
                                     guint64 n_lines, RelaisChangeFunc done, gpointer data);

/* --- Rewriting (rebuild.c). */
void relais_rebuild_init (RelaisSuppression *suppression);
/* Begins one if it is worth it, or goes on with it. */
void relais_rebuild_consider (RelaisSuppression *suppression);
typedef void (*RelaisRepairFunc) (gpointer data, bool good);
/* Takes out what is damaged. `func` is called once, from a later turn. */
void relais_rebuild_repair (RelaisSuppression *suppression, RelaisRepairFunc func, gpointer data);
/* Begins nothing more. */
void relais_rebuild_clear (RelaisSuppression *suppression);
void relais_rebuild_free (RelaisSuppression *suppression);

/* --- Reading (again.c). */
/* Reads the journal and begins to write it; NULL, and the table is empty, if it cannot be read. `load` and
 * `table` are made. Blocks. */
RelaisJournal *relais_suppression_read (RelaisLoop *loop, const char *dir, RelaisLoad *load,
                                        RelaisEntryTable *table, bool *dead);
/* Tries it again, from time to time, until it can be read. */
void relais_again_begin (RelaisSuppression *suppression);
/* No more. May block. */
void relais_again_end (RelaisSuppression *suppression);
/* Until the next time; -1: there is none. */
gint64 relais_again_wait_us (const RelaisSuppression *suppression);
/* suppression.c: tells the log what was found. */
void relais_suppression_log_load (const RelaisSuppression *suppression);
