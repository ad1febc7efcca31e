/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leaves in base64 (RFC 2045 section 6.8). Owned by the caller; one thread at a time.
 *
 * Four octets of the alphabet, a quantum, are three of the text, so that an edit moves all that
 * follows: from the line that it touches to the end of the last line with octets of the alphabet the
 * content is written anew; what line ends there are behind it stay.
 */
#include "config.h"

#include "message/leaf-codec-private.h"

#include <string.h>

enum { NO_VALUE = -1, LINE_OCTETS = 76 };

/* --- Reading ---------------------------------------------------------------------------------- */

static int
value_of (guint8 octet)
{
    if (octet >= 'A' && octet <= 'Z')
        return octet - 'A';
    if (octet >= 'a' && octet <= 'z')
        return octet - 'a' + 26;
    if (octet >= '0' && octet <= '9')
        return octet - '0' + 52;
    return octet == '+' ? 62 : octet == '/' ? 63 : NO_VALUE;
}

static bool
is_white (guint8 octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static bool
begins_line (const guint8 *raw, gsize at)
{
    return at >= 2 && raw[at - 2] == '\r' && raw[at - 1] == '\n';
}

typedef struct {
    RelaisLeaf *leaf;
    guint32 bits;
    guint n_values, n_pads; /* of the quantum under way */
    bool ended;             /* by padding */
    gsize text;
} Decoder;

static void
end_quantum (Decoder *decoder)
{
    guint8 *to = decoder->leaf->decoded + decoder->text;
    const guint n = 3 - decoder->n_pads;
    const guint32 bits = decoder->bits << (6 * decoder->n_pads);

    for (guint i = 0; i < n; i++)
        to[i] = (guint8)(bits >> (16 - 8 * i));
    decoder->text += n;
    decoder->ended = decoder->n_pads > 0;
    decoder->bits = 0;
    decoder->n_values = decoder->n_pads = 0;
}

static const char *
take_pad (Decoder *decoder)
{
    if (decoder->ended || decoder->n_values < 2)
        return "padding where none belongs";
    decoder->n_pads++;
    if (decoder->n_values + decoder->n_pads < 4)
        return NULL;
    /* 4 bits are left over before two pads, 2 before one. */
    if ((decoder->bits & (decoder->n_pads == 2 ? 15 : 3)) != 0)
        return "bits under the padding";
    end_quantum (decoder);
    return NULL;
}

static const char *
take_octet (Decoder *decoder, guint8 octet)
{
    const int value = value_of (octet);

    if (octet == '=')
        return take_pad (decoder);
    if (value == NO_VALUE)
        return "an octet that is not of the alphabet";
    if (decoder->ended || decoder->n_pads > 0)
        return "something behind the padding";
    decoder->bits = decoder->bits << 6 | (guint32)value;
    if (++decoder->n_values == 4)
        end_quantum (decoder);
    return NULL;
}

/* --- The length of lines ---------------------------------------------------------------------- */

static gsize
skip_white (const RelaisLeaf *leaf, gsize at)
{
    while (at < leaf->base64_end && is_white (leaf->raw[at]))
        at++;
    return at;
}

/* As long as the first one. A line that is alone does not say how long lines are to be: when it is
 * shorter than usual, more goes on up to the usual length. Nor does one that is too long to be sent. */
static gsize
choose_width (RelaisLeaf *leaf)
{
    gsize at = skip_white (leaf, 0), end = relais_leaf_line_end (leaf, at);
    gsize width = 0;

    leaf->steps += end;
    for (; at < end; at++)
        width += !is_white (leaf->raw[at]);
    if (width > RELAIS_LEAF_LINE_OCTETS)
        return LINE_OCTETS;
    if (end >= leaf->base64_end)
        return MAX (width, (gsize)LINE_OCTETS);
    return width;
}

const char *
relais_leaf_decode_base64 (RelaisLeaf *leaf)
{
    Decoder decoder = {.leaf = leaf};
    const guint8 *raw = leaf->raw;

    leaf->decoded = g_malloc (leaf->raw_size / 4 * 3);
    leaf->steps += leaf->raw_size;
    for (gsize at = 0; at < leaf->raw_size; at++) {
        const char *wrong = NULL;

        if (decoder.n_values == 0 && begins_line (raw, at))
            relais_leaf_note_place (leaf, at, decoder.text);
        if (is_white (raw[at]))
            continue;
        wrong = take_octet (&decoder, raw[at]);
        if (wrong != NULL)
            return wrong;
        leaf->base64_end = at + 1;
    }
    if (decoder.n_values > 0)
        return "octets missing at the end";
    leaf->decoded = g_realloc (leaf->decoded, decoder.text);
    leaf->text_size = decoder.text;
    leaf->base64_width = choose_width (leaf);
    return NULL;
}

/* --- Edits ------------------------------------------------------------------------------------ */

/* The last line that begins with a quantum and not behind `text`. */
static RelaisLeafPlace
find_line (RelaisLeaf *leaf, gsize text)
{
    RelaisLeafPlace found = {0, 0};
    gsize octets = 0, base, at;

    for (guint i = leaf->places->len; i > 0; i--) {
        found = g_array_index (leaf->places, RelaisLeafPlace, i - 1);
        leaf->steps++;
        if (found.text <= text && found.content < leaf->base64_end)
            break;
    }
    base = found.text;
    for (at = found.content; at < leaf->base64_end && base + octets / 4 * 3 <= text; at++) {
        if (octets % 4 == 0 && begins_line (leaf->raw, at))
            found = (RelaisLeafPlace){at, base + octets / 4 * 3};
        octets += !is_white (leaf->raw[at]);
        leaf->steps++;
    }
    return found;
}

/* The text from `from` on, edited. */
static GString *
edited_text (RelaisLeaf *leaf, gsize from, const RelaisLeafEdit *edits, guint n)
{
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < n; i++) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (edits[i].bytes, &size);

        g_string_append_len (text, (const char *)leaf->text + from,
                             (gssize)(edits[i].offset - from));
        g_string_append_len (text, (const char *)bytes, (gssize)size);
        from = edits[i].offset + edits[i].size;
        leaf->steps++;
    }
    g_string_append_len (text, (const char *)leaf->text + from, (gssize)(leaf->text_size - from));
    leaf->steps += text->len;
    return text;
}

static GString *
encode (RelaisLeaf *leaf, const GString *text)
{
    g_autofree char *octets = g_base64_encode ((const guchar *)text->str, text->len);
    GString *lines = g_string_new (NULL);
    const gsize size = strlen (octets);

    for (gsize at = 0; at < size; at += leaf->base64_width) {
        if (at > 0)
            g_string_append_len (lines, "\r\n", 2);
        g_string_append_len (lines, octets + at, (gssize)MIN (leaf->base64_width, size - at));
    }
    leaf->steps += size + lines->len;
    return lines;
}

void
relais_leaf_map_base64 (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, GArray *out)
{
    g_autoptr (GString) text = NULL;
    g_autoptr (GString) lines = NULL;
    RelaisLeafPlace line;
    gsize from, to;

    while (n > 0 && relais_leaf_edit_is_empty (edits)) {
        leaf->steps++;
        edits++;
        n--;
    }
    if (n == 0)
        return;
    line = find_line (leaf, edits->offset);
    text = edited_text (leaf, line.text, edits, n);
    lines = encode (leaf, text);
    /* When nothing is left of the line, no empty one stays behind. */
    from = line.content;
    while (lines->len == 0 && from > 0 && is_white (leaf->raw[from - 1]))
        from--;
    to = relais_leaf_line_end (leaf, leaf->base64_end);
    relais_leaf_add_edit (out, from, to - from, lines);
}
