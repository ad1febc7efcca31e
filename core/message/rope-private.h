/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A rope: the bytes of an outgoing message as a list of pieces, each some bytes in memory or a
 * range of a body, so that edits cost what they change and a body of 100 MiB is never in memory as
 * a whole. Built on one thread, then read-only and shared by reference between threads.
 */
#pragma once

#include "message/message-private.h"

typedef struct RelaisRope RelaisRope;

RelaisRope *relais_rope_new (void);
RelaisRope *relais_rope_ref (RelaisRope *rope);
void relais_rope_unref (RelaisRope *rope);

/* While it is built. */
void relais_rope_append_bytes (RelaisRope *rope, GBytes *bytes);
void relais_rope_append_copy (RelaisRope *rope, gconstpointer bytes, gsize size);
void relais_rope_append_body (RelaisRope *rope, RelaisBody *body, guint64 offset, guint64 size);
/* A range of another rope, which must lie inside; its pieces are shared, not copied. */
void
relais_rope_append_rope (RelaisRope *rope, const RelaisRope *other, guint64 offset, guint64 size);
/* A range of another rope, which must lie inside; its pieces are shared, not copied. */
void
relais_rope_append_rope (RelaisRope *rope, const RelaisRope *other, guint64 offset, guint64 size);
void relais_rope_prepend_copy (RelaisRope *rope, gconstpointer bytes, gsize size);

guint64 relais_rope_size (const RelaisRope *rope);
/* Copies up to `size` bytes from `offset`; returns how many, 0 at the end, -1 on error. Blocks if
 * the range's body is not in memory. */
gssize
relais_rope_read (const RelaisRope *rope, guint64 offset, gpointer to, gsize size, GError **error);
/* Hands a range, which must lie inside, to `func` in pieces, without copying what is in memory. False on
 * error; blocks as relais_rope_read (). */
typedef void (*RelaisRopeFunc) (gpointer data, const guint8 *bytes, gsize size);
bool relais_rope_each (const RelaisRope *rope, guint64 offset, guint64 size, RelaisRopeFunc func,
                       gpointer data, GError **error);
/* If the bytes at `offset` are in memory, points at a run of them and returns its length; 0 when they
 * would have to be read from disk. Never blocks. */
gsize relais_rope_peek (const RelaisRope *rope, guint64 offset, const guint8 **bytes);
/* True when no read of this rope can block. */
bool relais_rope_in_memory (const RelaisRope *rope);

/* The message as its readers see it: prepend, then the body without the cuts. */
RelaisRope *relais_rope_new_message (const RelaisMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisRope, relais_rope_unref)
