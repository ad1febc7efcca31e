/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leaves (core/message/leaf.c): the first octet says the encoding, the rest is the content; edits of
 * the text are drawn by chance. Properties: those of tests/message/leaf-check.h, with the edits, with
 * more edits of the result, and without any; the work is bounded by what there is to do.
 *
 * Parsers: core/message/leaf.c, core/message/leaf-base64.c, core/message/leaf-qp.c.
 */
#include "config.h"

#include "fuzz.h"
#include "leaf-check.h"

static const char *const words[] = {"=\r\n",
                                    "= \t\r\n",
                                    "=3D",
                                    "=c3=A9",
                                    " \r\n",
                                    "=20\r\n",
                                    "=0D=0A",
                                    "=",
                                    "<a href=3D\"http://example.org/\">",
                                    "</body>",
                                    "--b1",
                                    "YWJj",
                                    "YQ==",
                                    "YWI=",
                                    "YWJj\r\n",
                                    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789"
                                    "abcdefghijklmn",
                                    NULL};
const FuzzTarget fuzz_target = {8000, words};

enum { WAYS = RELAIS_MIME_OTHER + 1, MOST_EDITS = 10, STEPS_AN_OCTET = 16 };

static guint
chance (gpointer data, guint limit)
{
    return (guint)fuzz_random_below (data, limit);
}

/* The bytes in base64, in lines of one length. */
static GBytes *
code (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    const gsize width = 1 + fuzz_random_below (random, 100);
    g_autofree char *octets = g_base64_encode (bytes, size);
    GString *lines = g_string_new (NULL);
    const gsize n = strlen (octets);

    for (gsize at = 0; at < n; at += width) {
        g_string_append_len (lines, octets + at, (gssize)MIN (width, n - at));
        g_string_append (lines, "\r\n");
    }
    return g_string_free_to_bytes (lines);
}

static gsize
input_size (GBytes *content, const GArray *edits)
{
    gsize size = g_bytes_get_size (content) + edits->len + 1;

    for (guint i = 0; i < edits->len; i++)
        size += g_bytes_get_size (g_array_index (edits, RelaisLeafEdit, i).bytes);
    return size;
}

/* The content with edits of chance; NULL if it is refused. */
static GBytes *
edit (GBytes *content, RelaisMimeEncoding encoding, guint most, FuzzRandom *random)
{
    const char *reason = NULL;
    g_autoptr (RelaisLeaf) leaf = relais_leaf_new (content, encoding, &reason);
    g_autoptr (GArray) edits = NULL;
    g_autoptr (GArray) map = NULL;
    guint left_out;
    gsize size;

    g_assert_true ((leaf == NULL) == (reason != NULL));
    if (leaf == NULL)
        return NULL;
    relais_leaf_text (leaf, &size);
    edits = leaf_check_draw_edits (size, most, chance, random);
    map = relais_leaf_map (leaf, (const RelaisLeafEdit *)(gpointer)edits->data, edits->len,
                           &left_out);
    g_assert_cmpuint (relais_leaf_steps (leaf), <=, input_size (content, edits) * STEPS_AN_OCTET);
    return leaf_check (content, encoding, edits, &left_out);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    const guint way = size > 0 ? bytes[0] % WAYS : 0;
    const RelaisMimeEncoding encoding = MIN (way, RELAIS_MIME_BASE64);
    g_autoptr (GBytes) content = NULL, once = NULL, twice = NULL, again = NULL;

    if (size == 0)
        return 0;
    content = way == RELAIS_MIME_OTHER ? code (bytes + 1, size - 1, &random)
                                       : g_bytes_new (bytes + 1, size - 1);
    once = edit (content, encoding, MOST_EDITS, &random);
    if (once == NULL)
        return 0;
    twice = edit (once, encoding, MOST_EDITS, &random);
    again = edit (content, encoding, 0, &random);
    fuzz_assert_same (g_bytes_get_data (again, NULL), g_bytes_get_size (again),
                      g_bytes_get_data (content, NULL), g_bytes_get_size (content));
    return 0;
}
