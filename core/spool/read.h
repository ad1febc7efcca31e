/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading messages back from where they lie. The functions do I/O and block, but for those that hold
 * and release.
 */
#pragma once

#include "spool/spool-state.h"

/* Where a message lies. */
typedef struct {
    guint64 id;
    RelaisPlace message, state; /* segment 0: none */
    RelaisFraming message_framing, state_framing;
} RelaisWhere;

/* Finds a message and has its segments stay until they are released; false, with nothing to release,
 * if it does not live. Index lock held. */
bool relais_where_hold (RelaisSpool *spool, guint64 id, RelaisWhere *where);
void relais_where_release (RelaisSpool *spool, const RelaisWhere *where);

/* What was read of one; borrowed. */
typedef struct {
    RelaisRecord record, state_record;
    const guint8 *head;  /* `record.head_bytes` */
    const guint8 *state; /* `state_record.head_bytes`; NULL: there is none, or it cannot be read */
} RelaisPieces;

/* The message without its body, of which `facts` says what it is. NULL with RELAIS_SPOOL_ERROR_DAMAGED.
 * A state that cannot be read is said, and all recipients count as queued. */
RelaisMessage *
relais_where_decode (RelaisSpool *spool, const RelaisWhere *where, const RelaisPieces *pieces,
                     RelaisBodyFacts *facts, GError **error);

/* Reads a message that is held. NULL with an error of RELAIS_SPOOL_ERROR: DAMAGED, or what kept it
 * from being read now. */
RelaisMessage *relais_where_read (RelaisSpool *spool, const RelaisWhere *where, GError **error);

/* A descriptor of its own for the caller to close; -1 with an error. */
int relais_spool_open_segment (RelaisSpool *spool, guint32 number, GError **error);

/* load.c: copies what there is of a message that is held to the quarantine: its record, and its file
 * if it has one. False if not all of it is there now: the next start is to try again. */
bool relais_spool_save_message (RelaisSpool *spool, const RelaisWhere *where, const char *why);
/* Ends a message that was saved so, with an event. Loop. */
void relais_spool_end_damaged (RelaisSpool *spool, guint64 id, const char *why);
