/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The content of a leaf as the text it stands for, and edits of that text as edits of the content:
 * what is not edited keeps its octets. Pure, linear; any thread, one at a time.
 *
 * 7bit, 8bit, binary: the same offsets. Quoted-printable (RFC 2045 section 6.7): the touched span alone,
 * with soft line breaks before, within and behind it as far as lines of 76 octets need them; a full line
 * at whose end something is put is broken before its last octet. Base64 (section 6.8): from the line that
 * the first edit touches, with lines as long as the first one and the same end. A first line that is the
 * only one says little: more goes on up to 76, or to its own length if it is longer; and 76 also takes
 * the place of a length beyond RELAIS_LEAF_LINE_OCTETS.
 *
 * Not known here are the delimiters of the multiparts around: whoever puts the content back looks for
 * them, since any edit may make a line that is one.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "message/mime-private.h"

enum { RELAIS_LEAF_LINE_OCTETS = 998 };

/* Replaces `size` octets at `offset` by those of `bytes`. */
typedef struct {
    gsize offset, size;
    GBytes *bytes;
} RelaisLeafEdit;

typedef struct RelaisLeaf RelaisLeaf;

/* NULL when the content is not what its encoding says it is and readers may read it differently, with
 * `*reason` (static): a "=" in quoted-printable that begins neither an octet nor a soft line break; in
 * base64 an octet outside the alphabet, octets missing at the end, padding that is wrong, has bits under it
 * or something behind it; an encoding that is not known. `content` is referenced. */
RelaisLeaf *relais_leaf_new (GBytes *content, RelaisMimeEncoding encoding, const char **reason);
void relais_leaf_free (RelaisLeaf *leaf);
/* The text; borrowed, and perhaps NULL if it is empty. For 7bit, 8bit and binary it is the content itself.
 * Blanks before a hard line end of quoted-printable belong to it. */
const guint8 *relais_leaf_text (const RelaisLeaf *leaf, gsize *size);
/* Octets looked at and written, as a measure of the work done. */
guint64 relais_leaf_steps (const RelaisLeaf *leaf);

/* Turns edits of the text, ascending and apart (they may touch; an insertion has size 0), into edits of
 * the content, ascending and apart: a new array of RelaisLeafEdit that clears itself. Decoding the content
 * with the result applied gives the text with the edits applied, but for those left out, which are
 * counted in `*left_out`:
 *   - in 7bit, 8bit or binary one that would make a line longer than RELAIS_LEAF_LINE_OCTETS which was not.
 *     Edits of lines that hang together are tried together, and if that fails one after the other;
 *   - there also one whose bytes have a CR or LF alone, which nobody could send;
 *   - there and in quoted-printable one that begins or ends between CR and LF of a line end;
 *   - in quoted-printable one whose replaced octets stand on both sides of blanks at a line's end, which
 *     some readers drop and others do not. */
GArray *relais_leaf_map (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, guint *left_out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisLeaf, relais_leaf_free)
