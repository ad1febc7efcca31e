/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edits of a message's text leaves: an index of the leaves of a rope, each one's text as it is read
 * (decoded, its HTML spans found once), edits staged on that text by anybody, and in the end a new rope in
 * which every octet stands as it did but for those that an edit asked for. What must not be edited says
 * why. One thread at a time; reads the rope, which may block.
 */
#pragma once

#include "message/html-private.h"
#include "message/rope-private.h"

enum { RELAIS_EDITS_TEXT_BYTES = 4 << 20 /* of a leaf that is edited, encoded */ };

typedef struct RelaisEdits RelaisEdits;

/* Looks through the whole rope once. NULL when it cannot be read. */
RelaisEdits *relais_edits_new (RelaisRope *rope, GError **error);
void relais_edits_free (RelaisEdits *edits);

/* Leaves of type text/..., in the order in which they stand; the index goes into all that follows. */
guint relais_edits_n_texts (const RelaisEdits *edits);
/* "text/html" in lower case. Borrowed. */
const char *relais_edits_type (const RelaisEdits *edits, guint n);
/* The charset that the part names, in lower case; NULL if it names none. Borrowed. */
const char *relais_edits_charset (const RelaisEdits *edits, guint n);
/* NULL if the leaf may be edited; else why not, as a word that counters can be labelled with: sealed,
 * attachment, attached-message, amp, charset, encoding, too-large, unreadable. Static. */
const char *relais_edits_reason (RelaisEdits *edits, guint n);
/* The text as it was before any edit; NULL if the leaf must not be edited. Borrowed. */
const guint8 *relais_edits_text (RelaisEdits *edits, guint n, gsize *size);
/* Its HTML spans; NULL for another type, or as relais_edits_text (). Borrowed. */
const RelaisHtmlSpans *relais_edits_html (RelaisEdits *edits, guint n);

/* Replaces `size` octets of a text at `offset` by printable ASCII and whole line ends; an insertion has
 * size 0 and comes behind what was inserted there before. False, and nothing is staged, for other octets,
 * a range that is not in the text or that touches an edit, or a leaf that must not be edited. */
bool relais_edits_stage (RelaisEdits *edits, guint n, gsize offset, gsize size, const char *bytes,
                         gsize n_bytes);
/* The rope with all that was staged, with a new reference: the old one if that is nothing. Edits that cannot
 * be made without harm are left out and counted: one that makes a line too long; all, if the message would be
 * cut into other parts. `*facts` tells of a new rope what relais_outgoing_fit () asks: its longest line, and octets
 * that are not ASCII; of the old one it is not written. */
RelaisRope *relais_edits_apply (RelaisEdits *edits, guint *left_out, RelaisBodyFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisEdits, relais_edits_free)
