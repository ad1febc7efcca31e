/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where the living messages lie: a table from queue id to the places of MESSAGE and newest STATE.
 * Open addressing, 32 bytes an entry, since a million deferred messages must be cheap. Not
 * thread-safe: the spool's index lock guards it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    guint32 segment; /* 0: nowhere */
    guint32 offset;
} RelaisPlace;

typedef struct {
    guint64 id; /* 0: free */
    guint32 message_segment;
    guint32 message_offset : 31;
    guint32 dying : 1; /* its DONE is written, not yet synced */
    guint32 state_segment;
    guint32 state_offset : 31;
    guint32 file : 1;                   /* the body is a file of its own */
    guint32 message_bytes, state_bytes; /* what they take of their segments */
} RelaisIndexEntry;

typedef struct RelaisIndex RelaisIndex;

RelaisIndex *relais_index_new (void);
void relais_index_free (RelaisIndex *index);
guint64 relais_index_size (const RelaisIndex *index);
/* Memory of all of it. */
gsize relais_index_bytes (const RelaisIndex *index);
/* Valid until the next insertion or removal. NULL if there is none. */
RelaisIndexEntry *relais_index_find (RelaisIndex *index, guint64 id);
/* The entry of `id`, made if it is not there; an id is never 0. */
RelaisIndexEntry *relais_index_insert (RelaisIndex *index, guint64 id);
void relais_index_remove (RelaisIndex *index, guint64 id);
/* All ids, ascending. */
GArray *relais_index_ids (const RelaisIndex *index);
