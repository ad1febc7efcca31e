/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The suppression list: evidence against addresses, and which of them get no more mail because of it. A
 * journal of checksummed lines below the state directory is the truth; all that it says is in memory. What was not
 * read for sure makes every answer UNKNOWN.
 *
 * Loop thread, but relais_suppression_report (). The journal has a thread of its own, which writes and syncs.
 */
#pragma once

#include <relais/command.h>
#include <relais/option.h>
#include <relais/suppress.h>

#include "loop/loop-private.h"

typedef struct RelaisSuppression RelaisSuppression;

/* Reads the journal below `dir` (made if missing). May block: start-up. A journal that cannot be read is no error
 * here: the list is there, answers UNKNOWN, says why, and is read again from time to time. Never NULL. */
RelaisSuppression *
relais_suppression_open (const char *dir, RelaisConfig *config, RelaisLoop *loop);
/* Writes and syncs what was reported, calls back what is left, ends the thread: before those who are called back go. What is
 * reported after that has FAILED, from a later turn if there is one; checks still tell. May block. */
void relais_suppression_finish (RelaisSuppression *suppression);
/* That, and frees it: after the last thread that could report. NULL ok. */
void relais_suppression_close (RelaisSuppression *suppression);
/* The policies of another configuration ([suppression], [suppress CLASS]) from now on. */
void relais_suppression_configure (RelaisSuppression *suppression, RelaisConfig *config);

/* An entry that holds an address back. Borrowed until the loop is returned to. */
typedef struct {
    RelaisSuppressClass suppress_class;
    const char *reason, *text;            /* of the last evidence; NULL: none */
    gint64 first_us, last_us, expires_us; /* wall clock; expires_us 0: never */
} RelaisSuppressionEntry;

/* Whether mail of `tenant` and `campaign` (nullable) to `address` is held back; PRESENT sets `entry` (nullable). */
RelaisSuppressAnswer
relais_suppression_check (RelaisSuppression *suppression, const char *address, const char *tenant,
                          const char *campaign, RelaisSuppressionEntry *entry);
/* Why nothing is known, in words; NULL while it is. Borrowed. */
const char *relais_suppression_trouble (const RelaisSuppression *suppression);
/* What is to be done about it; NULL: nothing. Owned. */
char *relais_suppression_advice (const RelaisSuppression *suppression);
/* Whether a reason is one: [a-z0-9.-]+ of at most 64 octets. */
bool relais_suppression_is_reason (const char *reason);
/* As relais_suppress_report (). Any thread. */
void relais_suppression_report (RelaisSuppression *suppression, const RelaisEvidence *evidence,
                                RelaisSuppressFunc done, gpointer data);

/* `relaisctl suppress ...`; their data is the RelaisSuppression. */
const RelaisCommand *relais_suppression_commands (gsize *n);

typedef struct {
    guint64 entries, addresses; /* that hold mail back; that anything is known of */
    guint64 reports, checks, journal_bytes;
    guint waiting; /* writes that are not on disk yet */
} RelaisSuppressionFigures;
void relais_suppression_figures (const RelaisSuppression *suppression,
                                 RelaisSuppressionFigures *figures);
