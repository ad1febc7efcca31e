/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edits of a message's own header: fields removed, replaced and added, staged on the block as it was, and
 * in the end a rope in which every octet that no edit asked for stands as it did. Nothing here can end the
 * header early, make a second field of a kind of which there is one, or change how the body is read. Pure,
 * linear, bounded; one thread at a time.
 */
#pragma once

#include "message/rope-private.h"

enum { RELAIS_HEADER_EDIT_BYTES = 64 * 1024 /* of replacing and added fields, in all */ };

typedef struct RelaisHeaderEdits RelaisHeaderEdits;

/* `block` is the header from the first octet of the message on, with its empty line if there is one. */
RelaisHeaderEdits *relais_header_edits_new (GBytes *block);
void relais_header_edits_free (RelaisHeaderEdits *edits);

/* Fields of a name are counted from 0, from the top, as they were before any edit. False, and nothing is
 * staged, where there is none, it was edited before, or the name is one that must stay. */
bool relais_header_edits_remove (RelaisHeaderEdits *edits, const char *name, guint n);
/* `value` is what stands behind "Name: ": visible ASCII and blanks, folds as CRLF and a blank. */
bool relais_header_edits_replace (RelaisHeaderEdits *edits, const char *name, guint n,
                                  const char *value);
/* Puts a field behind the last one. */
bool relais_header_edits_add (RelaisHeaderEdits *edits, const char *name, const char *value);

/* The rope, which begins with that block, with all that was staged; a new reference. */
RelaisRope *relais_header_edits_apply (const RelaisHeaderEdits *edits, RelaisRope *rope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisHeaderEdits, relais_header_edits_free)
