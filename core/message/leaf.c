/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leaves: their life, and the encodings that change nothing, where an edit of the text is one of the
 * content. What is written there goes out as it is, so that an edit must leave no line too long and
 * no CR or LF alone. Owned by the caller; one thread at a time.
 */
#include "config.h"

#include "message/leaf-codec-private.h"

#include <string.h>

/* --- What the encodings share ----------------------------------------------------------------- */

/* The first CRLF, or NULL. Lines that end otherwise are rare, and memchr () is quicker than memmem (). */
static const guint8 *
find_crlf (const guint8 *bytes, gsize size)
{
    const guint8 *at = bytes, *end = bytes + size;

    while (at < end && (at = memchr (at, '\n', (gsize)(end - at))) != NULL) {
        if (at > bytes && at[-1] == '\r')
            return at - 1;
        at++;
    }
    return NULL;
}

gsize
relais_leaf_line_end (RelaisLeaf *leaf, gsize from)
{
    const guint8 *found = NULL;
    gsize end;

    if (from < leaf->raw_size)
        found = find_crlf (leaf->raw + from, leaf->raw_size - from);
    end = found != NULL ? (gsize)(found - leaf->raw) : leaf->raw_size;
    leaf->steps += end - from + 1;
    return end;
}

bool
relais_leaf_line_ends_at (const RelaisLeaf *leaf, gsize at)
{
    return at == leaf->raw_size ||
           (leaf->raw_size - at >= 2 && leaf->raw[at] == '\r' && leaf->raw[at + 1] == '\n');
}

void
relais_leaf_note_place (RelaisLeaf *leaf, gsize content, gsize text)
{
    const RelaisLeafPlace place = {content, text};
    const RelaisLeafPlace *last =
        &g_array_index (leaf->places, RelaisLeafPlace, leaf->places->len - 1);

    if (content - last->content >= RELAIS_LEAF_PLACE_OCTETS)
        g_array_append_val (leaf->places, place);
}

bool
relais_leaf_edit_is_empty (const RelaisLeafEdit *edit)
{
    return edit->size == 0 && g_bytes_get_size (edit->bytes) == 0;
}

bool
relais_leaf_splits_line_end (const RelaisLeaf *leaf, gsize at)
{
    return at > 0 && at < leaf->raw_size && leaf->raw[at - 1] == '\r' && leaf->raw[at] == '\n';
}

void
relais_leaf_add_edit (GArray *edits, gsize offset, gsize size, GString *bytes)
{
    const RelaisLeafEdit edit = {offset, size, g_bytes_new (bytes->str, bytes->len)};

    g_string_truncate (bytes, 0);
    g_array_append_val (edits, edit);
}

/* --- 7bit, 8bit, binary ----------------------------------------------------------------------- */

/* A line of the content, without its CRLF. */
typedef struct {
    gsize start, end;
} Line;

/* A way through the content and the edits made so far, and the line this makes. */
typedef struct {
    Line line; /* of the content, in which `at` lies */
    gsize at;
    gsize column;     /* of the line being made */
    bool long_before; /* it may be too long: so was one whose octets it begins or ends with */
    bool fits;        /* all lines made so far */
} Way;

static bool
is_long (const Line *line)
{
    return line->end - line->start > RELAIS_LEAF_LINE_OCTETS;
}

/* The line in which `at`, which lies behind, is found. */
static void
find_line (RelaisLeaf *leaf, Line *line, gsize at)
{
    while (line->end < at) {
        line->start = line->end + 2;
        line->end = relais_leaf_line_end (leaf, line->start);
    }
}

static void
end_line (Way *way, gsize more)
{
    way->fits &= way->long_before || way->column + more <= RELAIS_LEAF_LINE_OCTETS;
}

static void
keep_to (RelaisLeaf *leaf, Way *way, gsize offset)
{
    if (offset <= way->line.end) {
        way->column += offset - way->at;
    } else {
        end_line (way, way->line.end - way->at);
        find_line (leaf, &way->line, offset);
        way->column = offset - way->line.start;
        way->long_before = is_long (&way->line);
    }
    way->at = offset;
}

static void
replace (RelaisLeaf *leaf, Way *way, const RelaisLeafEdit *edit)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (edit->bytes, &size);
    const guint8 *found;

    leaf->steps += size + 1;
    while (size > 0 && (found = find_crlf (bytes, size)) != NULL) {
        end_line (way, (gsize)(found - bytes));
        way->column = 0;
        way->long_before = false;
        size -= (gsize)(found - bytes) + 2;
        bytes = found + 2;
    }
    way->column += size;
    way->at = edit->offset + edit->size;
    find_line (leaf, &way->line, way->at);
    way->long_before |= is_long (&way->line);
}

/* Whether all lines fit when no more edits are made. */
static bool
fits_to_end (const Way *way)
{
    Way last = *way;

    end_line (&last, last.line.end - last.at);
    return last.fits;
}

/* Whether `bytes` hold a CR or LF that is no half of a CRLF. */
static bool
has_lone_line_octet (RelaisLeaf *leaf, GBytes *bytes)
{
    gsize size;
    const guint8 *octets = g_bytes_get_data (bytes, &size);

    leaf->steps += size;
    for (gsize i = 0; i < size; i++) {
        if (octets[i] == '\r' && i + 1 < size && octets[i + 1] == '\n')
            i++;
        else if (octets[i] == '\r' || octets[i] == '\n')
            return true;
    }
    return false;
}

/* The edits that can be made at all, borrowed. */
static GPtrArray *
sound_edits (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, guint *left_out)
{
    GPtrArray *sound = g_ptr_array_new ();

    for (guint i = 0; i < n; i++) {
        leaf->steps++;
        if (relais_leaf_edit_is_empty (&edits[i]))
            continue;
        if (has_lone_line_octet (leaf, edits[i].bytes) ||
            relais_leaf_splits_line_end (leaf, edits[i].offset) ||
            relais_leaf_splits_line_end (leaf, edits[i].offset + edits[i].size))
            ++*left_out;
        else
            g_ptr_array_add (sound, (gpointer)&edits[i]);
    }
    return sound;
}

static void
take (GArray *out, const RelaisLeafEdit *edit)
{
    const RelaisLeafEdit copy = {edit->offset, edit->size, g_bytes_ref (edit->bytes)};

    g_array_append_val (out, copy);
}

/* Makes the edits from `*i` on that hang together: each begins on the line on which the one before it
 * ends. `*i` is the first that does not. */
static void
make_together (RelaisLeaf *leaf, Way *way, const GPtrArray *edits, guint *i)
{
    const RelaisLeafEdit *edit;

    do {
        edit = g_ptr_array_index (edits, *i);
        keep_to (leaf, way, edit->offset);
        replace (leaf, way, edit);
        ++*i;
        edit = *i < edits->len ? g_ptr_array_index (edits, *i) : NULL;
    } while (edit != NULL && edit->offset <= way->line.end);
}

/* Makes one edit if all lines fit then without those that follow. */
static bool
make_one (RelaisLeaf *leaf, Way *way, const RelaisLeafEdit *edit)
{
    Way tried;

    keep_to (leaf, way, edit->offset);
    tried = *way;
    replace (leaf, &tried, edit);
    if (!fits_to_end (&tried))
        return false;
    *way = tried;
    return true;
}

/* Edits of a line may lengthen and shorten it: so all that hang together are tried at once, and only
 * if that fails one after the other. */
static void
map_identity (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, GArray *out, guint *left_out)
{
    g_autoptr (GPtrArray) sound = sound_edits (leaf, edits, n, left_out);
    Way way = {.fits = true};
    guint next = 0;

    if (sound->len == 0)
        return;
    way.line.end = relais_leaf_line_end (leaf, 0);
    way.long_before = is_long (&way.line);
    for (guint i = 0; i < sound->len; i = next) {
        Way all = way;
        bool together;

        make_together (leaf, &all, sound, &next);
        together = fits_to_end (&all);
        for (guint j = i; j < next; j++) {
            const RelaisLeafEdit *edit = g_ptr_array_index (sound, j);

            if (together || make_one (leaf, &way, edit))
                take (out, edit);
            else
                ++*left_out;
        }
        if (together)
            way = all;
    }
}

/* --- Leaves ----------------------------------------------------------------------------------- */

static const char *
decode (RelaisLeaf *leaf)
{
    switch (leaf->encoding) {
    case RELAIS_MIME_7BIT:
    case RELAIS_MIME_8BIT:
    case RELAIS_MIME_BINARY: leaf->text_size = leaf->raw_size; return NULL;
    case RELAIS_MIME_QUOTED_PRINTABLE: return relais_leaf_decode_qp (leaf);
    case RELAIS_MIME_BASE64: return relais_leaf_decode_base64 (leaf);
    case RELAIS_MIME_OTHER: break;
    }
    return "an encoding that is not known";
}

RelaisLeaf *
relais_leaf_new (GBytes *content, RelaisMimeEncoding encoding, const char **reason)
{
    static const RelaisLeafPlace beginning = {0, 0};
    g_autoptr (RelaisLeaf) leaf = g_new0 (RelaisLeaf, 1);
    const char *wrong;

    leaf->content = g_bytes_ref (content);
    leaf->encoding = encoding;
    leaf->raw = g_bytes_get_data (content, &leaf->raw_size);
    leaf->places = g_array_new (FALSE, FALSE, sizeof (RelaisLeafPlace));
    g_array_append_val (leaf->places, beginning);
    wrong = decode (leaf);
    if (wrong != NULL) {
        *reason = wrong;
        return NULL;
    }
    leaf->text = leaf->decoded != NULL ? leaf->decoded : leaf->raw;
    if (leaf->text == NULL)
        leaf->text = (const guint8 *)""; /* empty, and nowhere: nothing may be added to that */
    return g_steal_pointer (&leaf);
}

void
relais_leaf_free (RelaisLeaf *leaf)
{
    if (leaf == NULL)
        return;
    g_bytes_unref (leaf->content);
    g_array_unref (leaf->places);
    g_free (leaf->decoded);
    g_free (leaf);
}

const guint8 *
relais_leaf_text (const RelaisLeaf *leaf, gsize *size)
{
    *size = leaf->text_size;
    return leaf->text;
}

guint64
relais_leaf_steps (const RelaisLeaf *leaf)
{
    return leaf->steps;
}

/* --- Edits ------------------------------------------------------------------------------------ */

static bool
are_in_order (const RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n)
{
    gsize end = 0;

    for (guint i = 0; i < n; i++) {
        if (edits[i].offset < end || edits[i].offset > leaf->text_size ||
            edits[i].size > leaf->text_size - edits[i].offset)
            return false;
        end = edits[i].offset + edits[i].size;
    }
    return true;
}

static void
edit_clear (gpointer data)
{
    g_bytes_unref (((RelaisLeafEdit *)data)->bytes);
}

GArray *
relais_leaf_map (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, guint *left_out)
{
    GArray *out;

    g_return_val_if_fail (are_in_order (leaf, edits, n), NULL);
    out = g_array_new (FALSE, FALSE, sizeof (RelaisLeafEdit));
    g_array_set_clear_func (out, edit_clear);
    *left_out = 0;
    if (leaf->encoding == RELAIS_MIME_QUOTED_PRINTABLE)
        relais_leaf_map_qp (leaf, edits, n, out, left_out);
    else if (leaf->encoding == RELAIS_MIME_BASE64)
        relais_leaf_map_base64 (leaf, edits, n, out);
    else
        map_identity (leaf, edits, n, out, left_out);
    return out;
}
