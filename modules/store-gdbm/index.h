/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The index: a GDBM file that says what the journals led to. It is no truth: it is trusted only if it was
 * closed in order and says so, and thrown away else. GDBM has no locking, so one thread owns an index;
 * it does not map the file, so that a full or a broken disk is an error and no signal. Blocks.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct SgIndex SgIndex;

/* What the index is the image of; written when it is closed in order. */
typedef struct {
    guint64 store_id;
    guint64 seq;     /* last change that is in it */
    guint64 journal; /* number of the last journal, and its size */
    guint64 journal_bytes;
} SgMark;

typedef enum { SG_ERROR_ANSWER, SG_FOUND, SG_ABSENT } SgAnswer;

/* Opens one that was closed in order as the image of what `mark` says; NULL, with the reason, if there is
 * no such. From then on it has no mark, until it is closed. `mark->seq` is read from it. */
SgIndex *sg_index_open (const char *path, SgMark *mark, GError **error);
/* Makes an empty one, in place of what may be there. */
SgIndex *sg_index_create (const char *path, GError **error);
/* With a mark it can be opened again; without (NULL) it cannot. Accepts NULL. */
void sg_index_close (SgIndex *index, const SgMark *mark);

/* `value` is the caller's, to be freed with free (). */
SgAnswer sg_index_get (SgIndex *index, const guint8 *key, gsize key_size, guint8 **value,
                       gsize *value_size, gint64 *expires_us);
bool sg_index_put (SgIndex *index, const guint8 *key, gsize key_size, const guint8 *value,
                   gsize value_size, gint64 expires_us);
bool sg_index_remove (SgIndex *index, const guint8 *key, gsize key_size);
/* When the key that is there goes; ABSENT also where it never does. */
SgAnswer
sg_index_get_expiry (SgIndex *index, const guint8 *key, gsize key_size, gint64 *expires_us);
/* Walks in GDBM's own order: the key after `key` (NULL: the first), the caller's, to be freed with free ();
 * ABSENT at the end. Only sound while nothing is put or removed. */
SgAnswer
sg_index_next (SgIndex *index, const guint8 *key, gsize key_size, guint8 **next, gsize *next_size);
guint64 sg_index_count (SgIndex *index);
/* GDBM's word for the last ERROR. */
const char *sg_index_trouble (const SgIndex *index);
