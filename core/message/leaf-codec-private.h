/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What leaf.c and the codecs beside it share: what a leaf is made of, and a decoder and a mapper an
 * encoding. For these files alone.
 */
#pragma once

#include "message/leaf-private.h"

/* Here begins a line of the content and, with it, an octet of the text. One is kept for each
 * RELAIS_LEAF_PLACE_OCTETS or more: any other is found from there. */
typedef struct {
    gsize content, text;
} RelaisLeafPlace;

enum { RELAIS_LEAF_PLACE_OCTETS = 4096 };

struct RelaisLeaf {
    GBytes *content;
    RelaisMimeEncoding encoding;
    const guint8 *raw; /* of `content` */
    gsize raw_size;
    guint8 *decoded; /* NULL: the text is the content */
    const guint8 *text;
    gsize text_size;
    GArray *places;     /* RelaisLeafPlace, ascending; the first is the beginning */
    gsize base64_end;   /* behind the last octet that is not white space */
    gsize base64_width; /* of the lines to be written */
    guint64 steps;
};

/* Where the line ends that goes on at `from`: its CRLF, or the end of the content. */
gsize relais_leaf_line_end (RelaisLeaf *leaf, gsize from);
/* Whether a line ends at `at`. */
bool relais_leaf_line_ends_at (const RelaisLeaf *leaf, gsize at);
/* Keeps a place if the last one is far enough. */
void relais_leaf_note_place (RelaisLeaf *leaf, gsize content, gsize text);
/* Whether an edit changes nothing. */
bool relais_leaf_edit_is_empty (const RelaisLeafEdit *edit);
/* Whether `at` lies between the CR and the LF of a line end of the content. */
bool relais_leaf_splits_line_end (const RelaisLeaf *leaf, gsize at);
/* Takes the octets of `bytes`, which is empty then. */
void relais_leaf_add_edit (GArray *edits, gsize offset, gsize size, GString *bytes);

/* Fill in `decoded` and `text_size`, and give NULL or the reason why not. */
const char *relais_leaf_decode_qp (RelaisLeaf *leaf);
const char *relais_leaf_decode_base64 (RelaisLeaf *leaf);
/* Append to `out`. */
void relais_leaf_map_qp (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, GArray *out,
                         guint *left_out);
void relais_leaf_map_base64 (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, GArray *out);
