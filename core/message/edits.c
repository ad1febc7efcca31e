/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edits of a message's text leaves; see edits-private.h. The splitter says where the leaves are, a leaf
 * what its content stands for; here it is decided which of them may be touched, and put together what
 * came of it. Owned by its caller; one thread at a time.
 */
#include "config.h"

#include "message/edits-private.h"

#include <gio/gio.h>
#include <string.h>

#include "message/leaf-private.h"
#include "message/mime-private.h"

typedef struct {
    guint64 offset, size; /* of the content in the rope */
    RelaisMimeFields fields;
    const char *reason;
    bool looked_at; /* `leaf` or `reason` is final */
    RelaisLeaf *leaf;
    RelaisHtmlSpans spans;
    bool scanned;
    GArray *staged; /* RelaisLeafEdit, ascending; NULL: none */
} Text;

struct RelaisEdits {
    RelaisRope *rope;
    RelaisMimeSplitter *splitter; /* of the rope as it was */
    GArray *texts;                /* Text */
};

static void
edit_clear (gpointer data)
{
    g_bytes_unref (((RelaisLeafEdit *)data)->bytes);
}

static void
text_clear (gpointer data)
{
    Text *text = data;

    relais_mime_fields_clear (&text->fields);
    relais_leaf_free (text->leaf);
    if (text->scanned)
        relais_html_spans_clear (&text->spans);
    g_clear_pointer (&text->staged, g_array_unref);
}

static Text *
text_at (const RelaisEdits *edits, guint n)
{
    return &g_array_index (edits->texts, Text, n);
}

/* --- The index -------------------------------------------------------------------------------- */

static GBytes *
read_range (const RelaisRope *rope, guint64 offset, gsize size, GError **error)
{
    g_autofree guint8 *bytes = g_malloc (MAX (size, 1));
    const gssize got = relais_rope_read (rope, offset, bytes, size, error);

    return got == (gssize)size ? g_bytes_new_take (g_steal_pointer (&bytes), size) : NULL;
}

static bool
is_attached (const RelaisMimeSplitter *splitter, const RelaisMimePart *part)
{
    while (part->parent >= 0) {
        part = relais_mime_part (splitter, (guint)part->parent);
        if (part->kind == RELAIS_MIME_MESSAGE)
            return true;
    }
    return false;
}

/* Charsets in which ASCII octets that markup is made of stand for nothing else: those of one octet a
 * character, UTF-8, and those whose second octets are 0x30 to 0x39 and 0x40 and on. Not iso-2022 and hz,
 * which shift, nor utf-16, utf-32 and utf-7; an unknown one may be like them. */
static bool
charset_is_safe (const char *charset)
{
    static const char *const prefixes[] = {"iso-8859-", "iso8859-", "windows-125", "cp125",
                                           "koi8-",     "ibm8",     NULL};
    static const char *const names[] = {
        "us-ascii",    "ascii",          "utf-8",     "utf8",        "latin1",
        "windows-874", "tis-620",        "gb2312",    "gbk",         "gb18030",
        "big5",        "big5-hkscs",     "shift_jis", "windows-31j", "euc-jp",
        "euc-kr",      "ks_c_5601-1987", "macintosh", "x-mac-roman", NULL};

    if (charset == NULL || g_strv_contains (names, charset))
        return true;
    for (guint i = 0; prefixes[i] != NULL; i++)
        if (g_str_has_prefix (charset, prefixes[i]))
            return true;
    return false;
}

/* What can be said without looking at the content. */
static const char *
reason_of (const RelaisMimeSplitter *splitter, const RelaisMimePart *part, const Text *text)
{
    if (is_attached (splitter, part))
        return "attached-message";
    if (part->sealed)
        return "sealed";
    if (text->fields.attachment)
        return "attachment";
    if (g_strcmp0 (text->fields.type, "text/x-amp-html") == 0)
        return "amp";
    if (!charset_is_safe (text->fields.charset))
        return "charset";
    if (part->encoding == RELAIS_MIME_OTHER)
        return "encoding";
    return text->size > RELAIS_EDITS_TEXT_BYTES ? "too-large" : NULL;
}

/* Adds the leaf whose content is `content`, if it is a text. `header` is that of the same part. */
static bool
add_leaf (RelaisEdits *edits, const RelaisMimeSplitter *splitter, const RelaisMimeSegment *header,
          const RelaisMimeSegment *content, GError **error)
{
    const RelaisMimePart *part = relais_mime_part (splitter, content->part);
    Text text = {.offset = content->offset, .size = content->size};
    g_autoptr (GBytes) bytes = NULL;
    gsize size;

    if (part->kind != RELAIS_MIME_LEAF || header->size > RELAIS_EDITS_TEXT_BYTES)
        return true;
    bytes = read_range (edits->rope, header->offset, (gsize)header->size, error);
    if (bytes == NULL)
        return false;
    relais_mime_fields_read (&text.fields, g_bytes_get_data (bytes, &size), (gsize)header->size);
    if (text.fields.type == NULL && !part->has_type)
        text.fields.type = g_strdup ("text/plain"); /* RFC 2045 section 5.2 */
    if (text.fields.type == NULL || !g_str_has_prefix (text.fields.type, "text/")) {
        relais_mime_fields_clear (&text.fields);
        return true;
    }
    text.reason = reason_of (splitter, part, &text);
    g_array_append_val (edits->texts, text);
    return true;
}

static bool
add_leaves (RelaisEdits *edits, const RelaisMimeSplitter *splitter, GError **error)
{
    const GArray *segments = relais_mime_splitter_segments (splitter);

    for (guint i = 1; i < segments->len; i++) {
        const RelaisMimeSegment *segment = &g_array_index (segments, RelaisMimeSegment, i);

        /* A part's content stands right behind its header. */
        if (segment->kind == RELAIS_MIME_CONTENT && segment[-1].kind == RELAIS_MIME_HEADER &&
            segment[-1].part == segment->part &&
            !add_leaf (edits, splitter, segment - 1, segment, error))
            return false;
    }
    return true;
}

RelaisEdits *
relais_edits_new (RelaisRope *rope, GError **error)
{
    g_autoptr (RelaisEdits) edits = g_new0 (RelaisEdits, 1);

    edits->splitter = relais_mime_splitter_new ();
    edits->rope = relais_rope_ref (rope);
    edits->texts = g_array_new (FALSE, FALSE, sizeof (Text));
    g_array_set_clear_func (edits->texts, text_clear);
    if (!relais_mime_splitter_read (edits->splitter, rope, error) ||
        !add_leaves (edits, edits->splitter, error))
        return NULL;
    return g_steal_pointer (&edits);
}

void
relais_edits_free (RelaisEdits *edits)
{
    if (edits == NULL)
        return;
    relais_rope_unref (edits->rope);
    relais_mime_splitter_free (edits->splitter);
    g_array_unref (edits->texts);
    g_free (edits);
}

/* --- Texts -------------------------------------------------------------------------------------- */

guint
relais_edits_n_texts (const RelaisEdits *edits)
{
    return edits->texts->len;
}

const char *
relais_edits_type (const RelaisEdits *edits, guint n)
{
    return text_at (edits, n)->fields.type;
}

const char *
relais_edits_charset (const RelaisEdits *edits, guint n)
{
    return text_at (edits, n)->fields.charset;
}

/* Reads and decodes the content, once. */
static RelaisLeaf *
leaf_of (RelaisEdits *edits, guint n)
{
    Text *text = text_at (edits, n);
    g_autoptr (GBytes) content = NULL;
    const char *why;

    if (text->looked_at || text->reason != NULL)
        return text->leaf;
    text->looked_at = true;
    content = read_range (edits->rope, text->offset, (gsize)text->size, NULL);
    if (content == NULL) {
        text->reason = "unreadable";
        return NULL;
    }
    text->leaf = relais_leaf_new (content, text->fields.encoding, &why);
    if (text->leaf == NULL)
        text->reason = "encoding";
    return text->leaf;
}

const char *
relais_edits_reason (RelaisEdits *edits, guint n)
{
    (void)leaf_of (edits, n);
    return text_at (edits, n)->reason;
}

const guint8 *
relais_edits_text (RelaisEdits *edits, guint n, gsize *size)
{
    const RelaisLeaf *leaf = leaf_of (edits, n);

    return leaf != NULL ? relais_leaf_text (leaf, size) : NULL;
}

const RelaisHtmlSpans *
relais_edits_html (RelaisEdits *edits, guint n)
{
    Text *text = text_at (edits, n);
    const guint8 *bytes;
    gsize size;

    if (strcmp (text->fields.type, "text/html") != 0)
        return NULL;
    bytes = relais_edits_text (edits, n, &size);
    if (bytes == NULL)
        return NULL;
    if (!text->scanned)
        relais_html_scan (bytes, size, &text->spans);
    text->scanned = true;
    return &text->spans;
}

/* --- Staging ------------------------------------------------------------------------------------ */

/* Printable ASCII and CRLF alone: what every charset and every encoding takes. */
static bool
is_plain (const char *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '\r' && i + 1 < size && bytes[i + 1] == '\n')
            i++;
        else if (!g_ascii_isprint (bytes[i]))
            return false;
    }
    return true;
}

/* Whether an edit stands behind a new one of `size` octets at `offset`; insertions at the same place stay
 * in the order in which they came, before what is replaced there. */
static bool
is_behind (const RelaisLeafEdit *edit, gsize offset, gsize size)
{
    if (size > 0)
        return edit->offset >= offset + size;
    return edit->offset > offset || (edit->offset == offset && edit->size > 0);
}

static void
extend (RelaisLeafEdit *edit, const char *bytes, gsize size)
{
    gsize have;
    const guint8 *old = g_bytes_get_data (edit->bytes, &have);
    guint8 *both = g_malloc (have + size);

    memcpy (both, old, have);
    memcpy (both + have, bytes, size);
    g_bytes_unref (edit->bytes);
    edit->bytes = g_bytes_new_take (both, have + size);
}

bool
relais_edits_stage (RelaisEdits *edits, guint n, gsize offset, gsize size, const char *bytes,
                    gsize n_bytes)
{
    RelaisLeafEdit edit = {.offset = offset, .size = size};
    Text *text = text_at (edits, n);
    RelaisLeafEdit *staged, *before = NULL;
    guint place;
    gsize whole;

    if (relais_edits_text (edits, n, &whole) == NULL || offset > whole || size > whole - offset ||
        !is_plain (bytes, n_bytes))
        return false;
    if (text->staged == NULL) {
        text->staged = g_array_new (FALSE, FALSE, sizeof (RelaisLeafEdit));
        g_array_set_clear_func (text->staged, edit_clear);
    }
    staged = (RelaisLeafEdit *)text->staged->data;
    for (place = text->staged->len; place > 0; place--)
        if (!is_behind (&staged[place - 1], offset, size))
            break;
    if (place > 0)
        before = &staged[place - 1];
    if (before != NULL && before->offset + before->size > offset)
        return false;
    if (before != NULL && size == 0 && before->size == 0 && before->offset == offset) {
        extend (before, bytes, n_bytes);
        return true;
    }
    edit.bytes = g_bytes_new (bytes, n_bytes);
    g_array_insert_val (text->staged, place, edit);
    return true;
}

/* --- Putting together ----------------------------------------------------------------------------- */

static void
append_edited (RelaisRope *out, const RelaisEdits *edits, const Text *text, guint64 *at,
               guint *left_out)
{
    g_autoptr (GArray) mapped = relais_leaf_map (
        text->leaf, (const RelaisLeafEdit *)text->staged->data, text->staged->len, left_out);

    for (guint i = 0; i < mapped->len; i++) {
        const RelaisLeafEdit *edit = &g_array_index (mapped, RelaisLeafEdit, i);
        const guint64 begin = text->offset + edit->offset;

        relais_rope_append_rope (out, edits->rope, *at, begin - *at);
        relais_rope_append_bytes (out, edit->bytes);
        *at = begin + edit->size;
    }
}

/* Whether the edited message is cut into the same parts: an edit may have made a line a delimiter, or one
 * that is none any more. */
static bool
has_same_shape (const GArray *before, const GArray *after)
{
    if (after->len != before->len)
        return false;
    for (guint i = 0; i < after->len; i++) {
        const RelaisMimeSegment *a = &g_array_index (before, RelaisMimeSegment, i);
        const RelaisMimeSegment *b = &g_array_index (after, RelaisMimeSegment, i);

        if (a->kind != b->kind || a->part != b->part ||
            (a->kind != RELAIS_MIME_CONTENT && a->size != b->size))
            return false;
    }
    return true;
}

/* Its header is the first segment; those of parts belong to its content. */
static void
learn (const GArray *segments, RelaisBodyFacts *facts)
{
    for (guint i = 0; i < segments->len; i++) {
        const RelaisMimeSegment *segment = &g_array_index (segments, RelaisMimeSegment, i);

        facts->longest_line = MAX (facts->longest_line, segment->longest_line);
        if (i == 0)
            facts->eight_bit_header = segment->eight_bit;
        else
            facts->eight_bit |= segment->eight_bit;
    }
}

/* Looks through what edits made of the message; false if it is another one now. */
static bool
look_over (const RelaisEdits *edits, const RelaisRope *out, RelaisBodyFacts *facts)
{
    g_autoptr (RelaisMimeSplitter) splitter = relais_mime_splitter_new ();
    const GArray *after;

    if (!relais_mime_splitter_read (splitter, out, NULL))
        return false;
    after = relais_mime_splitter_segments (splitter);
    if (!has_same_shape (relais_mime_splitter_segments (edits->splitter), after))
        return false;
    *facts = (RelaisBodyFacts){.size_bytes = relais_rope_size (out)};
    learn (after, facts);
    return true;
}

static guint
count_staged (const RelaisEdits *edits)
{
    guint staged = 0;

    for (guint n = 0; n < edits->texts->len; n++)
        if (text_at (edits, n)->staged != NULL)
            staged += text_at (edits, n)->staged->len;
    return staged;
}

RelaisRope *
relais_edits_apply (RelaisEdits *edits, guint *left_out, RelaisBodyFacts *facts)
{
    g_autoptr (RelaisRope) out = NULL;
    guint64 at = 0;

    *left_out = 0;
    for (guint n = 0; n < edits->texts->len; n++) {
        const Text *text = text_at (edits, n);
        guint here = 0;

        if (text->staged == NULL)
            continue;
        if (out == NULL)
            out = relais_rope_new ();
        append_edited (out, edits, text, &at, &here);
        *left_out += here;
    }
    if (out == NULL)
        return relais_rope_ref (edits->rope);
    relais_rope_append_rope (out, edits->rope, at, relais_rope_size (edits->rope) - at);
    if (look_over (edits, out, facts))
        return g_steal_pointer (&out);
    *left_out = count_staged (edits);
    return relais_rope_ref (edits->rope);
}
