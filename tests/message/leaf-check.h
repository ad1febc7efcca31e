/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What holds of every leaf and all edits of it (core/message/leaf-private.h), checked with naive
 * means; for the unit test and the fuzz target.
 */
#pragma once

#include "message/leaf-private.h"

/* 0 .. limit - 1 */
typedef guint (*LeafChance) (gpointer data, guint limit);

void leaf_check_same (gconstpointer a, gsize a_size, gconstpointer b, gsize b_size);
/* RelaisLeafEdit, which clears itself. */
GArray *leaf_check_edits_new (void);
void
leaf_check_add_edit (GArray *edits, gsize offset, gsize size, const char *bytes, gsize bytes_size);
/* Edits of a text of `text_size` octets, ascending and apart, at most `most`. */
GArray *leaf_check_draw_edits (gsize text_size, guint most, LeafChance chance, gpointer data);

GBytes *leaf_check_apply (const guint8 *bytes, gsize size, const GArray *edits);
/* Maps the edits, checks all that is promised and returns the content with them. */
GBytes *
leaf_check (GBytes *content, RelaisMimeEncoding encoding, const GArray *edits, guint *left_out);
