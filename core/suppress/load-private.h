/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the journal at start. Blocks.
 */
#pragma once

#include "suppress/journal-private.h"
#include "suppress/line-private.h"

typedef enum {
    RELAIS_LOAD_GOOD,
    RELAIS_LOAD_DAMAGED,   /* lines are lost; what is written goes on behind them */
    RELAIS_LOAD_MISSING,   /* there was a journal and is none */
    RELAIS_LOAD_UNREADABLE /* the disk's fault, or a later release's: nobody may write */
} RelaisLoadState;

typedef struct {
    RelaisLoadState state;
    guint64 size, id; /* for relais_journal_new () */
    guint64 lines;
    guint64 torn_bytes;     /* that were never written to the end */
    guint64 restored_bytes; /* that the tail gave back */
    guint64 missing_bytes;  /* that were synced, and it could not give back */
    GArray *damaged;        /* RelaisJournalRange, at most RELAIS_LOAD_RANGES */
    char *trouble;          /* in words; NULL: none */
} RelaisLoad;

enum { RELAIS_LOAD_RANGES = 10000 };

typedef void (*RelaisLoadFunc) (gpointer data, const RelaisJournalLine *line);
/* Makes `dir` if it is missing; calls `func` for each PUT and REMOVE. */
void relais_load_read (RelaisLoad *load, const char *dir, RelaisLoadFunc func, gpointer data);
/* About how many entries there will be. Blocks. */
guint64 relais_load_guess (const char *dir);
void relais_load_clear (RelaisLoad *load);
