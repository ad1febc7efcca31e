/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See leaf-check.h. Text is read octet by octet and edits are judged one by one, whatever the time.
 */
#include "config.h"

#include "leaf-check.h"

#include <string.h>

enum { QP_LINE_OCTETS = 76 };

void
leaf_check_same (gconstpointer a, gsize a_size, gconstpointer b, gsize b_size)
{
    if (a_size != b_size || (a_size > 0 && memcmp (a, b, a_size) != 0))
        g_error ("%.*s\nis not\n%.*s", (int)a_size, (const char *)a, (int)b_size, (const char *)b);
}

/* --- Edits ------------------------------------------------------------------------------------ */

static void
edit_clear (gpointer data)
{
    g_bytes_unref (((RelaisLeafEdit *)data)->bytes);
}

GArray *
leaf_check_edits_new (void)
{
    GArray *edits = g_array_new (FALSE, FALSE, sizeof (RelaisLeafEdit));

    g_array_set_clear_func (edits, edit_clear);
    return edits;
}

void
leaf_check_add_edit (GArray *edits, gsize offset, gsize size, const char *bytes, gsize bytes_size)
{
    RelaisLeafEdit edit = {offset, size, g_bytes_new (bytes, bytes_size)};

    g_array_append_val (edits, edit);
}

static const RelaisLeafEdit *
edit_at (const GArray *edits, guint i)
{
    return &g_array_index (edits, RelaisLeafEdit, i);
}

static GString *
draw_replacement (LeafChance chance, gpointer data)
{
    static const char *const words[] = {"x",    "=",     "\r\n",      " ",   "\t",    "--b1",
                                        "From", ".",     "\xc3\xa9",  "\r",  "\n",    "=3D",
                                        "3D",   "=\r\n", "http://e/", "a b", " \r\n", "<br>"};
    static const guint lengths[] = {1, 3, 3, 12, 90, 1100};
    GString *text = g_string_new (NULL);
    guint n;

    if (chance (data, 4) == 0)
        return text;
    n = 1 + chance (data, lengths[chance (data, G_N_ELEMENTS (lengths))]);
    if (chance (data, 3) == 0)
        for (guint i = 0; i < n; i++)
            g_string_append_c (text, 'y');
    else
        for (guint i = 0; i < n; i++)
            g_string_append (text, words[chance (data, G_N_ELEMENTS (words))]);
    return text;
}

GArray *
leaf_check_draw_edits (gsize text_size, guint most, LeafChance chance, gpointer data)
{
    static const guint lengths[] = {1, 2, 4, 20, 200};
    GArray *edits = leaf_check_edits_new ();
    const guint gap = lengths[chance (data, G_N_ELEMENTS (lengths))];
    const guint longest = lengths[chance (data, G_N_ELEMENTS (lengths))];
    const guint n = chance (data, most + 1);
    gsize at = chance (data, (guint)text_size + 1);

    at = chance (data, 2) == 0 ? at : 0;
    for (guint i = 0; i < n && at <= text_size; i++) {
        g_autoptr (GString) bytes = draw_replacement (chance, data);
        gsize size = chance (data, longest + 1);

        size = MIN (size, text_size - at);
        leaf_check_add_edit (edits, at, size, bytes->str, bytes->len);
        at += size + chance (data, gap);
    }
    return edits;
}

GBytes *
leaf_check_apply (const guint8 *bytes, gsize size, const GArray *edits)
{
    GString *out = g_string_new (NULL);
    gsize at = 0;

    if (bytes == NULL) /* an empty text is nowhere */
        bytes = (const guint8 *)"";
    for (guint i = 0; i < edits->len; i++) {
        const RelaisLeafEdit *edit = edit_at (edits, i);

        g_assert_true (edit->offset >= at && edit->offset <= size &&
                       edit->size <= size - edit->offset);
        g_string_append_len (out, (const char *)bytes + at, (gssize)(edit->offset - at));
        g_string_append_len (out, g_bytes_get_data (edit->bytes, NULL),
                             (gssize)g_bytes_get_size (edit->bytes));
        at = edit->offset + edit->size;
    }
    g_string_append_len (out, (const char *)bytes + at, (gssize)(size - at));
    return g_string_free_to_bytes (out);
}

/* For each octet of the result where it stood in the content, -1 for a new one. */
static gssize *
find_origins (gsize size, const GArray *edits, gsize result_size)
{
    gssize *origins = g_new (gssize, result_size + 1);
    gsize at = 0, n = 0;

    for (guint i = 0; i <= edits->len; i++) {
        const RelaisLeafEdit *edit = i < edits->len ? edit_at (edits, i) : NULL;
        const gsize end = edit != NULL ? edit->offset : size;

        while (at < end)
            origins[n++] = (gssize)at++;
        if (edit == NULL)
            break;
        for (gsize j = 0; j < g_bytes_get_size (edit->bytes); j++)
            origins[n++] = -1;
        at += edit->size;
    }
    g_assert_cmpuint (n, ==, result_size);
    return origins;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static bool
is_line_end (const guint8 *bytes, gsize size, gsize at)
{
    return at == size || (at + 2 <= size && bytes[at] == '\r' && bytes[at + 1] == '\n');
}

static bool
splits_line_end (const guint8 *bytes, gsize size, gsize at)
{
    return at > 0 && at < size && bytes[at - 1] == '\r' && bytes[at] == '\n';
}

static bool
is_blank (guint8 octet)
{
    return octet == ' ' || octet == '\t';
}

static gsize
line_length (const guint8 *bytes, gsize size, gsize at)
{
    gsize start = at, end = at;

    while (start > 0 && !(start >= 2 && bytes[start - 2] == '\r' && bytes[start - 1] == '\n'))
        start--;
    while (!is_line_end (bytes, size, end))
        end++;
    return end - start;
}

static gsize
longest_line (GBytes *bytes)
{
    gsize size, start = 0, longest = 0;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    for (gsize at = 0; at <= size; at++) {
        if (!is_line_end (data, size, at))
            continue;
        longest = MAX (longest, at - start);
        start = at + 2;
    }
    return longest;
}

/* --- Quoted-printable ------------------------------------------------------------------------- */

/* An octet of the text, and where it stands in the content. */
typedef struct {
    gsize from, to;
    guint8 octet;
} Octet;

static const Octet *
octet_at (const GArray *octets, gsize i)
{
    return &g_array_index (octets, Octet, i);
}

static GArray *
read_qp (const guint8 *raw, gsize size)
{
    GArray *octets = g_array_new (FALSE, FALSE, sizeof (Octet));
    gsize at = 0;

    while (at < size) {
        Octet octet = {at, at + 1, raw[at]};

        if (raw[at] == '=' && at + 2 < size && g_ascii_isxdigit (raw[at + 1])) {
            const char hex[] = {(char)raw[at + 1], (char)raw[at + 2], '\0'};

            octet.to = at + 3;
            octet.octet = (guint8)g_ascii_strtoull (hex, NULL, 16);
        } else if (raw[at] == '=') {
            while (raw[at++] != '\n')
                continue;
            continue;
        }
        g_array_append_val (octets, octet);
        at = octet.to;
    }
    return octets;
}

static bool
is_literal (const GArray *octets, gsize i, guint8 octet)
{
    const Octet *it = octet_at (octets, i);

    return it->octet == octet && it->to == it->from + 1;
}

static bool
has_blanks_inside (const guint8 *raw, gsize size, const GArray *octets, const RelaisLeafEdit *edit)
{
    for (gsize i = edit->offset + 2; i < edit->offset + edit->size; i++) {
        gsize blank = i;

        if (!is_literal (octets, i, '\r') || !is_line_end (raw, size, octet_at (octets, i)->from))
            continue;
        while (blank > edit->offset &&
               (is_literal (octets, blank - 1, ' ') || is_literal (octets, blank - 1, '\t')) &&
               octet_at (octets, blank - 1)->to == octet_at (octets, blank)->from)
            blank--;
        if (blank < i && blank > edit->offset)
            return true;
    }
    return false;
}

/* Whether a quoted-printable leaf must leave the edit out; else what may change is marked. */
static bool
judge_qp (const guint8 *raw, gsize size, const GArray *octets, const RelaisLeafEdit *edit,
          guint8 *may_change)
{
    const gsize end = edit->offset + edit->size;
    const gsize from = edit->offset < octets->len ? octet_at (octets, edit->offset)->from : size;
    const gsize to = edit->size > 0 ? octet_at (octets, end - 1)->to : from;

    if (splits_line_end (raw, size, from) || splits_line_end (raw, size, to) ||
        has_blanks_inside (raw, size, octets, edit))
        return false;
    if (to > from)
        memset (may_change + from, 1, to - from);
    return true;
}

static void
check_qp_line (const guint8 *raw, gsize raw_size, const guint8 *line, gsize size,
               const gssize *origins)
{
    if (size > 0 && line[0] == '-')
        g_assert_cmpint (origins[0], >=, 0);
    if (size > 0 && is_blank (line[size - 1])) {
        gsize at = (gsize)origins[size - 1];

        g_assert_cmpint (origins[size - 1], >=, 0);
        while (at < raw_size && is_blank (raw[at]))
            at++;
        g_assert_true (is_line_end (raw, raw_size, at));
    }
    if (size <= QP_LINE_OCTETS)
        return;
    /* Only what nobody touched may be that long, and only if its line was. */
    if (line[size - 1] == '=' && origins[size - 1] < 0)
        size--;
    g_assert_cmpint (origins[0], >=, 0);
    g_assert_cmpuint (line_length (raw, raw_size, (gsize)origins[0]), >, QP_LINE_OCTETS);
    for (gsize i = 1; i < size; i++)
        g_assert_cmpint (origins[i], ==, origins[0] + (gssize)i);
}

static void
check_qp (GBytes *content, GBytes *result, const GArray *map, const guint8 *may_change)
{
    gsize size, result_size, start = 0;
    const guint8 *raw = g_bytes_get_data (content, &size);
    const guint8 *made = g_bytes_get_data (result, &result_size);
    g_autofree gssize *origins = find_origins (size, map, result_size);

    for (guint i = 0; i < map->len; i++) {
        const RelaisLeafEdit *edit = edit_at (map, i);

        for (gsize at = edit->offset; at < edit->offset + edit->size; at++)
            g_assert_true (may_change[at]);
        g_assert_true (i == 0 ||
                       edit_at (map, i - 1)->offset + edit_at (map, i - 1)->size < edit->offset);
    }
    for (gsize at = 0; at <= result_size; at++) {
        if (!is_line_end (made, result_size, at))
            continue;
        check_qp_line (raw, size, made + start, at - start, origins + start);
        start = at + 2;
    }
    if (longest_line (content) <= QP_LINE_OCTETS)
        g_assert_cmpuint (longest_line (result), <=, QP_LINE_OCTETS);
}

/* --- Base64 ----------------------------------------------------------------------------------- */

/* Where the white space at the end begins that has to stay. */
static gsize
white_at_end (GBytes *bytes)
{
    gsize size, at;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    at = size;
    while (at > 0 && memchr ("\r\n\t ", data[at - 1], 4) != NULL)
        at--;
    while (!is_line_end (data, size, at))
        at++;
    return at;
}

static void
check_base64 (GBytes *content, GBytes *result, const GArray *map)
{
    const gsize end = white_at_end (content), white = g_bytes_get_size (content) - end;

    g_assert_cmpuint (map->len, <=, 1);
    if (map->len == 0)
        return;
    g_assert_cmpuint (edit_at (map, 0)->offset + edit_at (map, 0)->size, ==, end);
    g_assert_cmpuint (g_bytes_get_size (result), >=, white);
    g_assert_cmpuint (longest_line (result), <=,
                      MAX (longest_line (content), (gsize)QP_LINE_OCTETS));
}

static void
check_base64_text (GBytes *content, const guint8 *text, gsize size)
{
    g_autofree char *string =
        g_strndup (g_bytes_get_data (content, NULL), g_bytes_get_size (content));
    gsize expected_size = 0;
    g_autofree guint8 *expected = NULL;

    if (g_bytes_get_size (content) > 0)
        expected = g_base64_decode (string, &expected_size);
    leaf_check_same (text, size, expected, expected_size);
}

/* --- 7bit, 8bit, binary ----------------------------------------------------------------------- */

static bool
has_lone_line_octet (GBytes *bytes)
{
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    for (gsize i = 0; i < size; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            return true;
        if (data[i] == '\r' && (i + 1 == size || data[i + 1] != '\n'))
            return true;
    }
    return false;
}

/* An edit was left out though the ones before it were made: is there a reason? */
static bool
is_bad_identity (GBytes *content, const GArray *made, const RelaisLeafEdit *edit)
{
    gsize size;
    const guint8 *raw = g_bytes_get_data (content, &size);
    g_autoptr (GArray) tried = leaf_check_edits_new ();
    g_autoptr (GBytes) result = NULL;

    if (has_lone_line_octet (edit->bytes) || splits_line_end (raw, size, edit->offset) ||
        splits_line_end (raw, size, edit->offset + edit->size))
        return true;
    for (guint i = 0; i < made->len; i++)
        leaf_check_add_edit (tried, edit_at (made, i)->offset, edit_at (made, i)->size,
                             g_bytes_get_data (edit_at (made, i)->bytes, NULL),
                             g_bytes_get_size (edit_at (made, i)->bytes));
    leaf_check_add_edit (tried, edit->offset, edit->size, g_bytes_get_data (edit->bytes, NULL),
                         g_bytes_get_size (edit->bytes));
    result = leaf_check_apply (raw, size, tried);
    return longest_line (result) > RELAIS_LEAF_LINE_OCTETS;
}

/* --- All -------------------------------------------------------------------------------------- */

static bool
is_identity (RelaisMimeEncoding encoding)
{
    return encoding <= RELAIS_MIME_BINARY;
}

static bool
is_same_edit (const RelaisLeafEdit *a, const RelaisLeafEdit *b)
{
    return a->offset == b->offset && a->size == b->size && g_bytes_equal (a->bytes, b->bytes);
}

/* The edits that had to be made; for the others a reason is demanded. */
static GArray *
find_made (GBytes *content, RelaisMimeEncoding encoding, const GArray *edits, const GArray *map,
           guint8 *may_change, guint *n_left_out)
{
    gsize size;
    const guint8 *raw = g_bytes_get_data (content, &size);
    g_autoptr (GArray) octets = NULL;
    GArray *made = leaf_check_edits_new ();
    guint next = 0;

    if (encoding == RELAIS_MIME_QUOTED_PRINTABLE)
        octets = read_qp (raw, size);
    for (guint i = 0; i < edits->len; i++) {
        const RelaisLeafEdit *edit = edit_at (edits, i);
        bool make = true;

        if (edit->size == 0 && g_bytes_get_size (edit->bytes) == 0)
            continue;
        if (octets != NULL)
            make = judge_qp (raw, size, octets, edit, may_change);
        if (is_identity (encoding)) {
            make = next < map->len && is_same_edit (edit, edit_at (map, next));
            g_assert_true (make || is_bad_identity (content, made, edit));
            next += make;
        }
        *n_left_out += !make;
        if (make)
            leaf_check_add_edit (made, edit->offset, edit->size,
                                 g_bytes_get_data (edit->bytes, NULL),
                                 g_bytes_get_size (edit->bytes));
    }
    g_assert_true (!is_identity (encoding) || next == map->len);
    return made;
}

static void
check_text (GBytes *content, RelaisMimeEncoding encoding, const RelaisLeaf *leaf)
{
    gsize size, text_size;
    const guint8 *raw = g_bytes_get_data (content, &size);
    const guint8 *text = relais_leaf_text (leaf, &text_size);

    if (is_identity (encoding)) {
        leaf_check_same (text, text_size, raw, size);
    } else if (encoding == RELAIS_MIME_BASE64) {
        check_base64_text (content, text, text_size);
    } else {
        g_autoptr (GArray) octets = read_qp (raw, size);

        g_assert_cmpuint (text_size, ==, octets->len);
        for (gsize i = 0; i < text_size; i++)
            g_assert_cmpuint (text[i], ==, octet_at (octets, i)->octet);
    }
}

static void
check_result (GBytes *result, RelaisMimeEncoding encoding, GBytes *wanted)
{
    const char *reason = NULL;
    g_autoptr (RelaisLeaf) leaf = relais_leaf_new (result, encoding, &reason);
    gsize size;
    const guint8 *text;

    g_assert_cmpstr (reason, ==, NULL);
    text = relais_leaf_text (leaf, &size);
    leaf_check_same (text, size, g_bytes_get_data (wanted, NULL), g_bytes_get_size (wanted));
}

GBytes *
leaf_check (GBytes *content, RelaisMimeEncoding encoding, const GArray *edits, guint *left_out)
{
    const char *reason = NULL;
    g_autoptr (RelaisLeaf) leaf = relais_leaf_new (content, encoding, &reason);
    gsize size, text_size;
    const guint8 *raw = g_bytes_get_data (content, &size), *text;
    g_autofree guint8 *may_change = g_malloc0 (size + 1);
    g_autoptr (GArray) map = NULL;
    g_autoptr (GArray) made = NULL;
    g_autoptr (GBytes) wanted = NULL;
    GBytes *result;
    guint expected = 0;

    g_assert_cmpstr (reason, ==, NULL);
    check_text (content, encoding, leaf);
    text = relais_leaf_text (leaf, &text_size);
    map =
        relais_leaf_map (leaf, (const RelaisLeafEdit *)(gpointer)edits->data, edits->len, left_out);
    made = find_made (content, encoding, edits, map, may_change, &expected);
    g_assert_cmpuint (*left_out, ==, expected);
    g_assert_true (made->len > 0 || map->len == 0);
    wanted = leaf_check_apply (text, text_size, made);
    result = leaf_check_apply (raw, size, map);
    check_result (result, encoding, wanted);
    if (encoding == RELAIS_MIME_QUOTED_PRINTABLE)
        check_qp (content, result, map, may_change);
    else if (encoding == RELAIS_MIME_BASE64)
        check_base64 (content, result, map);
    else if (longest_line (content) <= RELAIS_LEAF_LINE_OCTETS)
        g_assert_cmpuint (longest_line (result), <=, RELAIS_LEAF_LINE_OCTETS);
    return result;
}
