/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message/leaf: what leaves say, which octets an edit changes, and that the work grows as the
 * input does.
 */
#include "config.h"

#include "leaf-check.h"

#include <string.h>

#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10
#define X100 X70 X10 X10 X10
#define X900 X100 X100 X100 X100 X100 X100 X100 X100 X100

static RelaisLeaf *
new_leaf (GBytes *content, RelaisMimeEncoding encoding)
{
    const char *reason = NULL;
    RelaisLeaf *leaf = relais_leaf_new (content, encoding, &reason);

    g_assert_cmpstr (reason, ==, NULL);
    g_assert_nonnull (leaf);
    return leaf;
}

/* --- By hand ---------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    RelaisMimeEncoding encoding;
    const char *content;
    const char *text; /* NULL: not looked at */
    struct {
        int offset, size; /* -1: the end of the text, or up to it */
        const char *bytes;
    } edits[3];
    const char *result;
    guint left_out;
} Case;

#define NONE                                                                                       \
    {                                                                                              \
        0, 0, NULL                                                                                 \
    }
#define QP RELAIS_MIME_QUOTED_PRINTABLE
#define B64 RELAIS_MIME_BASE64
#define BIT8 RELAIS_MIME_8BIT

static const Case cases[] = {
    {"qp/nothing", QP, "a=3Db=\r\nc\r\n", "a=bc\r\n", {NONE}, "a=3Db=\r\nc\r\n", 0},
    {"qp/nothing asked for", QP, "a=3db \r\n", "a=b \r\n", {{2, 0, ""}, NONE}, "a=3db \r\n", 0},
    {"qp/lower case stays", QP, "=c3=a9=3d1", "\xc3\xa9=1", {{3, 1, "2"}, NONE}, "=c3=a9=3d2", 0},
    {"qp/blanks in a soft break", QP, "a= \t\r\nb", "ab", {{1, 1, "="}, NONE}, "a= \t\r\n=3D", 0},
    {"qp/soft break inside goes", QP, "ab=\r\ncd", "abcd", {{1, 2, "X"}, NONE}, "aXd", 0},
    {"qp/soft breaks outside stay",
     QP,
     "a=\r\nb=\r\nc",
     "abc",
     {{1, 1, "X"}, NONE},
     "a=\r\nX=\r\nc",
     0},
    {"qp/insertion behind a soft break", QP, "a=\r\nc", "ac", {{1, 0, "b"}, NONE}, "a=\r\nbc", 0},
    {"qp/insertion at the end", QP, "a=\r\n", "a", {{-1, 0, "b"}, NONE}, "a=\r\nb", 0},
    {"qp/into nothing", QP, "", "", {{0, 0, "\xff="}, NONE}, "=FF=3D", 0},
    {"qp/all goes", QP, "a=20b\r\n", "a b\r\n", {{0, -1, ""}, NONE}, "", 0},
    {"qp/octets that look like hex", QP, "a=3D41", "a=41", {{1, 1, "\xe9"}, NONE}, "a=E941", 0},
    {"qp/equals sign before hex", QP, "a41", "a41", {{1, 0, "="}, NONE}, "a=3D41", 0},
    {"qp/a blank that ends a line", QP, "ab\r\n", "ab\r\n", {{1, 1, " "}, NONE}, "a=20\r\n", 0},
    {"qp/a blank that ends the content", QP, "ab", "ab", {{1, 1, "\t"}, NONE}, "a=09", 0},
    {"qp/a blank before a new line end", QP, "ab", "ab", {{1, 0, " \r\n"}, NONE}, "a=20\r\nb", 0},
    {"qp/a kept blank becomes the last",
     QP,
     "a b\r\nc",
     "a b\r\nc",
     {{2, 1, ""}, NONE},
     "a =\r\n\r\nc",
     0},
    {"qp/a kept blank before a new line end",
     QP,
     "a b\r\n",
     "a b\r\n",
     {{2, 0, "\r\n"}, NONE},
     "a =\r\n\r\nb\r\n",
     0},
    {"qp/a kept blank before a soft break",
     QP,
     "a b=\r\nc",
     "a bc",
     {{2, 1, ""}, NONE},
     "a =\r\nc",
     0},
    {"qp/blanks at a line's end stay",
     QP,
     "a \t\r\nb",
     "a \t\r\nb",
     {{0, 1, "c"}, NONE},
     "c \t\r\nb",
     0},
    {"qp/blanks inside", QP, "a \r\nb", "a \r\nb", {{0, 5, "c"}, NONE}, "a \r\nb", 1},
    {"qp/blanks inside, but not at the end",
     QP,
     "a b\r\nc",
     "a b\r\nc",
     {{0, 6, "c"}, NONE},
     "c",
     0},
    {"qp/blanks coded inside", QP, "a=20\r\nb", "a \r\nb", {{0, 5, "c"}, NONE}, "c", 0},
    {"qp/blanks first", QP, "a \r\nb", "a \r\nb", {{1, 4, "c"}, NONE}, "ac", 0},
    {"qp/blanks last", QP, "a \r\nb", "a \r\nb", {{0, 2, "c"}, NONE}, "c\r\nb", 0},
    {"qp/between CR and LF", QP, "a\r\nb", "a\r\nb", {{2, 0, "c"}, {3, 1, "d"}, NONE}, "a\r\nd", 1},
    {"qp/CR and LF alone", QP, "ab", "ab", {{1, 0, "\n\r"}, NONE}, "a=0A=0Db", 0},
    {"qp/CR and LF kept apart", QP, "a \rb\nc", "a \rb\nc", {{3, 1, ""}, NONE}, "a \r=\r\n\nc", 0},
    {"qp/a line end in coded octets",
     QP,
     "a=0D=0Ab",
     "a\r\nb",
     {{2, 0, "c"}, NONE},
     "a=0Dc=0Ab",
     0},
    {"qp/edits side by side are one", QP, "abc", "abc", {{0, 1, "x"}, {1, 1, "y"}, NONE}, "xyc", 0},
    {"qp/no delimiter is made", QP, "a\r\nb", "a\r\nb", {{3, 1, "--b"}, NONE}, "a\r\n=2D-b", 0},
    {"qp/room for as much", QP, X70 "123456\r\n", NULL, {{75, 1, "7"}, NONE}, X70 "123457\r\n", 0},
    {"qp/room for as much before",
     QP,
     X70 "123456\r\n",
     NULL,
     {{1, 1, "y"}, NONE},
     "xyxxxxxxxx" X10 X10 X10 X10 X10 X10 "123456\r\n",
     0},
    {"qp/no room before",
     QP,
     X70 "123456\r\n",
     NULL,
     {{75, 1, "78"}, NONE},
     X70 "12345=\r\n78\r\n",
     0},
    {"qp/no room behind",
     QP,
     X70 "123456",
     NULL,
     {{1, 0, "y"}, NONE},
     "xy=\r\nxxxxxxxxx" X10 X10 X10 X10 X10 X10 "123456",
     0},
    {"qp/no room inside",
     QP,
     "ab",
     "ab",
     {{1, 0, X100}, NONE},
     "a" X70 "xxxx=\r\n" X10 X10 "xxxxxxb",
     0},
    {"qp/a full line goes on",
     QP,
     X70 "123456\r\n",
     NULL,
     {{76, 0, "7"}, NONE},
     X70 "12345=\r\n67\r\n",
     0},
    {"qp/a full line goes on, coded",
     QP,
     X70 "123=3D\r\n",
     NULL,
     {{74, 0, "7"}, NONE},
     X70 "123=\r\n=3D7\r\n",
     0},
    {"qp/two full lines become one",
     QP,
     X70 "123456\r\n" X70 "12345=\r\n",
     NULL,
     {{76, 2, ""}, NONE},
     X70 "12345=\r\n6=\r\n" X70 "12345=\r\n",
     0},
    {"qp/a full line ends twice",
     QP,
     X70 "123456\r\n",
     NULL,
     {{76, 0, "\r\n"}, NONE},
     X70 "123456\r\n\r\n",
     0},
    {"qp/a long line stays long before and behind",
     QP,
     X100 "y" X100,
     NULL,
     {{100, 1, "z"}, NONE},
     X100 "=\r\nz=\r\n" X100,
     0},
    {"qp/another long line is left",
     QP,
     X100 "\r\ny\r\n" X100,
     NULL,
     {{102, 1, "z"}, NONE},
     X100 "\r\nz\r\n" X100,
     0},

    {"identity/offsets",
     BIT8,
     "a\r\nb",
     "a\r\nb",
     {{1, 2, "<\xe9>"}, {4, 0, "\r\n"}, NONE},
     "a<\xe9>b\r\n",
     0},
    {"identity/a line of 998",
     RELAIS_MIME_7BIT,
     X900 X70 X10,
     NULL,
     {{0, 0, "123456789012345678"}, NONE},
     "123456789012345678" X900 X70 X10,
     0},
    {"identity/a line of 999",
     RELAIS_MIME_7BIT,
     X900 X70 X10 "x",
     NULL,
     {{0, 0, "123456789012345678"}, NONE},
     X900 X70 X10 "x",
     1},
    {"identity/longer and shorter",
     BIT8,
     "a" X900 X70 "b",
     NULL,
     {{0, 0, X100}, {1, 900, ""}, NONE},
     X100 "a" X70 "b",
     0},
    {"identity/the first fits", BIT8, X900, NULL, {{0, 0, X70}, {900, 0, X70}, NONE}, X70 X900, 1},
    {"identity/lines joined",
     BIT8,
     X900 "\r\n" X100,
     NULL,
     {{900, 2, ""}, {903, 1, "y"}, NONE},
     X900 "\r\nxyxxxxxxxx" X10 X10 X10 X10 X10 X10 X10 X10 X10,
     1},
    {"identity/cut",
     BIT8,
     X900,
     NULL,
     {{450, 0, X100 "\r\n" X100}, NONE},
     X100 X100 X100 X100 X10 X10 X10 X10 X10 X100
     "\r\n" X100 X100 X100 X100 X100 X10 X10 X10 X10 X10,
     0},
    {"identity/a new line too long",
     BIT8,
     "ab",
     NULL,
     {{1, 0, "\r\n" X900 X100 "\r\n"}, NONE},
     "ab",
     1},
    {"identity/long before", BIT8, X900 X100, NULL, {{1000, 0, X10}, NONE}, X900 X100 X10, 0},
    {"identity/the next one long before",
     BIT8,
     "a\r\n" X900 X100,
     NULL,
     {{1, 2, "\r\nb"}, NONE},
     "a\r\nb" X900 X100,
     0},
    {"identity/the one before long before",
     BIT8,
     X900 X100 "\r\na",
     NULL,
     {{1000, 2, ""}, NONE},
     X900 X100 "a",
     0},
    {"identity/not long before",
     BIT8,
     X900 X100 "\r\na",
     NULL,
     {{999, 3, "\r\n" X900 X100}, NONE},
     X900 X100 "\r\na",
     1},
    {"identity/CR alone", RELAIS_MIME_BINARY, "ab", NULL, {{1, 0, "\r"}, NONE}, "ab", 1},
    {"identity/between CR and LF",
     BIT8,
     "a\r\nb",
     NULL,
     {{1, 1, ""}, {2, 1, ""}, NONE},
     "a\r\nb",
     2},

    {"base64/nothing", B64, "YWJj\r\nZGVm\r\n", "abcdef", {NONE}, "YWJj\r\nZGVm\r\n", 0},
    {"base64/from the line on",
     B64,
     "YWJj\r\nZGVm\r\nZw==\r\n",
     "abcdefg",
     {{4, 1, "E"}, NONE},
     "YWJj\r\nZEVm\r\nZw==\r\n",
     0},
    {"base64/longer",
     B64,
     "YWJj\r\nZGVm\r\n",
     "abcdef",
     {{3, 0, "12"}, NONE},
     "YWJj\r\nMTJk\r\nZWY=\r\n",
     0},
    {"base64/at the end", B64, "YWJj\r\nZA==", "abcd", {{-1, 0, "e"}, NONE}, "YWJj\r\nZGU=", 0},
    {"base64/full line at the end",
     B64,
     "YWJj\r\nZGVm\r\n\r\n",
     "abcdef",
     {{-1, 0, "g"}, NONE},
     "YWJj\r\nZGVm\r\nZw==\r\n\r\n",
     0},
    {"base64/a short line that is alone",
     B64,
     "YWJj\r\n",
     "abc",
     {{-1, 0, "def"}, NONE},
     "YWJjZGVm\r\n",
     0},
    {"base64/lines that cut quanta",
     B64,
     "YWJjZ\r\nGVmZ2\r\nhp\r\n",
     "abcdefghi",
     {{8, 1, "I"}, NONE},
     "YWJjZ\r\nGVmZ2\r\nhJ\r\n",
     0},
    {"base64/blanks",
     B64,
     " YW Jj \r\n\tZGVm \r\n",
     "abcdef",
     {{3, 1, "D"}, NONE},
     " YW Jj \r\nRGVm\r\n",
     0},
    {"base64/all goes", B64, "YWJj\r\nZGVm\r\n", "abcdef", {{0, 6, ""}, NONE}, "\r\n", 0},
    {"base64/the last line goes",
     B64,
     "YWJj\r\nZGVm\r\n",
     "abcdef",
     {{3, 3, ""}, NONE},
     "YWJj\r\n",
     0},
    {"base64/into nothing", B64, "", "", {{0, 0, "a"}, NONE}, "YQ==", 0},
    {"base64/edits and what stands between",
     B64,
     "YWJjZGVm",
     "abcdef",
     {{0, 1, ""}, {5, 1, "F"}, NONE},
     "YmNkZUY=",
     0},
};

static void
test_case (gconstpointer data)
{
    const Case *it = data;
    const gsize n = strlen (it->content);
    g_autoptr (GBytes) content = g_bytes_new (it->content, n);
    g_autoptr (GArray) edits = leaf_check_edits_new ();
    g_autoptr (GBytes) result = NULL;
    g_autoptr (RelaisLeaf) leaf = new_leaf (content, it->encoding);
    guint left_out = 0;
    gsize size;
    const guint8 *text;

    text = relais_leaf_text (leaf, &size);
    if (it->text != NULL)
        leaf_check_same (text, size, it->text, strlen (it->text));
    for (guint i = 0; it->edits[i].bytes != NULL; i++) {
        const gsize at = it->edits[i].offset < 0 ? size : (gsize)it->edits[i].offset;

        leaf_check_add_edit (edits, at,
                             it->edits[i].size < 0 ? size - at : (gsize)it->edits[i].size,
                             it->edits[i].bytes, strlen (it->edits[i].bytes));
    }
    result = leaf_check (content, it->encoding, edits, &left_out);
    leaf_check_same (g_bytes_get_data (result, NULL), g_bytes_get_size (result), it->result,
                     strlen (it->result));
    g_assert_cmpuint (left_out, ==, it->left_out);
}

static void
test_refused (void)
{
    static const struct {
        RelaisMimeEncoding encoding;
        const char *content;
    } refused[] = {{QP, "a="},
                   {QP, "a=\r"},
                   {QP, "a=\nb"},
                   {QP, "a=4"},
                   {QP, "a=4 b"},
                   {QP, "a=  "},
                   {QP, "=x1"},
                   {QP, "a=\r\r\n"},
                   {B64, "YWJ"},
                   {B64, "Y"},
                   {B64, "YW=="
                         "YQ=="},
                   {B64, "YW=j"},
                   {B64, "YWJj="},
                   {B64, "=YWJ"},
                   {B64, "Y==="},
                   {B64, "YQ="},
                   {B64, "YQ===="},
                   {B64, "YE=="},
                   {B64, "YR=="},
                   {B64, "YWK="
                         "\r\nx"},
                   {B64, "YWL="},
                   {B64, "YWJj-"},
                   {B64, "YW\xffJ"},
                   {B64, "YQ==\r\n."},
                   {RELAIS_MIME_OTHER, "a"}};

    for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
        g_autoptr (GBytes) content = g_bytes_new (refused[i].content, strlen (refused[i].content));
        const char *reason = NULL;

        g_test_message ("%u", i);
        g_assert_null (relais_leaf_new (content, refused[i].encoding, &reason));
        g_assert_nonnull (reason);
    }
}

/* The length of lines: as the first, unless it is alone and short, or too long to be sent. */
static void
test_width (void)
{
    static const struct {
        guint first, more, expected;
    } widths[] = {{60, 4, 60}, {60, 0, 76}, {200, 0, 200}, {4, 4, 4}, {1200, 4, 76}, {1200, 0, 76}};

    for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
        g_autoptr (GString) string = g_string_new (NULL);
        g_autoptr (GString) added = g_string_new (NULL);
        g_autoptr (GArray) edits = leaf_check_edits_new ();
        g_autoptr (GBytes) content = NULL, result = NULL;
        const guint8 *made;
        guint left_out;

        for (guint j = 0; j < widths[i].first; j++)
            g_string_append_c (string, 'A');
        if (widths[i].more > 0)
            g_string_append (string, "\r\nAAAA");
        for (guint j = 0; j < 3000; j++)
            g_string_append_c (added, 'y');
        content = g_bytes_new (string->str, string->len);
        leaf_check_add_edit (edits, 0, 0, added->str, added->len);
        result = leaf_check (content, B64, edits, &left_out);
        made = g_bytes_get_data (result, NULL);
        g_assert_cmpuint ((gsize)((const guint8 *)memchr (made, '\r', 3000) - made), ==,
                          widths[i].expected);
    }
}

/* Lines without octets behind the last one, so many that places are kept among them. */
static void
test_empty_lines (void)
{
    g_autoptr (GString) string = g_string_new ("YWJj\r\nZA==");
    g_autoptr (GArray) edits = leaf_check_edits_new ();
    g_autoptr (GBytes) content = NULL, result = NULL;
    guint left_out;

    for (guint i = 0; i < 8192; i++)
        g_string_append (string, "\r\n");
    content = g_bytes_new (string->str, string->len);
    leaf_check_add_edit (edits, 4, 0, "ef", 2);
    result = leaf_check (content, B64, edits, &left_out);
    g_string_overwrite (string, 6, "ZGVm");
    leaf_check_same (g_bytes_get_data (result, NULL), g_bytes_get_size (result), string->str,
                     string->len);
}

/* An edit on each of many lines, found from whatever place is kept before it. */
static void
test_places (void)
{
    enum { LINES = 200, LINE_OCTETS = 64 };
    g_autoptr (GString) string = g_string_new (NULL);

    for (guint i = 0; i < LINES; i++)
        g_string_append (string, X10 X10 X10 X10 X10 X10 "xx\r\n");
    for (guint i = 0; i < LINES; i++) {
        g_autoptr (GBytes) content = g_bytes_new (string->str, string->len);
        g_autoptr (GArray) edits = leaf_check_edits_new ();
        g_autoptr (GString) wanted = g_string_new_len (string->str, (gssize)string->len);
        g_autoptr (GBytes) result = NULL;
        guint left_out;

        leaf_check_add_edit (edits, i * LINE_OCTETS + 5, 1, "y", 1);
        wanted->str[i * LINE_OCTETS + 5] = 'y';
        result = leaf_check (content, QP, edits, &left_out);
        leaf_check_same (g_bytes_get_data (result, NULL), g_bytes_get_size (result), wanted->str,
                         wanted->len);
    }
}

/* --- At random -------------------------------------------------------------------------------- */

static guint
chance (gpointer data, guint limit)
{
    return limit > 1 ? (guint)g_test_rand_int_range (0, (gint32)limit) : 0;
}

static const char *const qp_words[] = {"a",
                                       "b c",
                                       "=\r\n",
                                       "= \t\r\n",
                                       "=3D",
                                       "=3d",
                                       "=C3=A9",
                                       "\r\n",
                                       " \r\n",
                                       "\t \r\n",
                                       " ",
                                       "-",
                                       "=20",
                                       "=20\r\n",
                                       "=0D",
                                       "=0A",
                                       "--b1",
                                       X10,
                                       X70 "12345=\r\n",
                                       X70 "123456\r\n",
                                       "\r\n" X70 "123=3D\r\n",
                                       X100,
                                       "\r",
                                       "\n",
                                       "\xe9",
                                       "\r\n" X70 "12345 \r\n"};
static const char *const plain_words[] = {"a",      "\r\n", " \r\n", X10,  X100, X900 "\r\n",
                                          X900 X70, "<p>",  "\xe9",  "\r", "\n", X70 "\r\n"};

static GBytes *
draw_words (const char *const *words, guint n_words)
{
    static const guint lengths[] = {2, 6, 30, 30, 200, 1000};
    GString *content = g_string_new (NULL);
    const guint n = chance (NULL, lengths[chance (NULL, G_N_ELEMENTS (lengths))]);
    const guint few = 1 + chance (NULL, n_words);

    for (guint i = 0; i < n; i++)
        g_string_append (content, words[(chance (NULL, few) * 7 + n) % n_words]);
    return g_string_free_to_bytes (content);
}

static GBytes *
draw_base64 (void)
{
    GString *content = g_string_new (NULL);
    const guint n = chance (NULL, chance (NULL, 4) == 0 ? 9000 : 300);
    const guint width = 1 + chance (NULL, chance (NULL, 2) == 0 ? 80 : 8);
    g_autofree guint8 *octets = g_malloc (n + 1);
    g_autofree char *symbols = NULL;

    for (guint i = 0; i < n; i++)
        octets[i] = (guint8)chance (NULL, 256);
    symbols = g_base64_encode (octets, n);
    for (guint i = 0; symbols[i] != '\0'; i++) {
        if (i > 0 && i % width == 0)
            g_string_append (content, chance (NULL, 20) == 0 ? " \r\n\r\n " : "\r\n");
        g_string_append_c (content, symbols[i]);
    }
    if (chance (NULL, 2) == 0)
        g_string_append (content, "\r\n");
    return g_string_free_to_bytes (content);
}

static GBytes *
draw_content (RelaisMimeEncoding encoding)
{
    if (encoding == B64)
        return draw_base64 ();
    if (encoding == QP)
        return draw_words (qp_words, G_N_ELEMENTS (qp_words));
    return draw_words (plain_words, G_N_ELEMENTS (plain_words));
}

static void
test_random (gconstpointer data)
{
    const RelaisMimeEncoding encoding = GPOINTER_TO_INT (data);

    for (guint round = 0; round < 2000; round++) {
        g_autoptr (GBytes) content = draw_content (encoding);
        g_autoptr (RelaisLeaf) leaf = new_leaf (content, encoding);
        g_autoptr (GArray) edits = NULL;
        g_autoptr (GBytes) result = NULL;
        guint left_out;
        gsize size;

        relais_leaf_text (leaf, &size);
        edits = leaf_check_draw_edits (size, 12, chance, NULL);
        result = leaf_check (content, encoding, edits, &left_out);
    }
}

/* --- Work ------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    RelaisMimeEncoding encoding;
    const char *content; /* so many times */
    guint every, size;   /* an edit of so many octets each `every`; 0: all at one place */
    const char *bytes;   /* of each edit */
    const char *first;   /* what the content begins with */
} Growth;

static const Growth growths[] = {
    {"all soft breaks", QP, "=\r\n", 0, 0, "x", ""},
    {"soft breaks with blanks", QP, "x=          \t\r\n", 1, 1, "y", ""},
    {"one soft break of blanks", QP, " ", 1, 1, "y", "x="},
    {"all coded", QP, "=3D", 2, 1, "\xff", ""},
    {"lines of one octet", QP, "a\r\n", 3, 1, "bc", ""},
    {"lines of one octet joined", QP, "a\r\n", 3, 3, "", ""},
    {"one line", QP, "abcdefgh", 1000, 5, "=", ""},
    {"one line, an edit at each octet", QP, "abcdefgh", 1, 1, "=", ""},
    {"one line, an insertion at each octet", QP, "abcdefgh", 1, 0, "=", ""},
    {"blanks at line ends", QP, "a       \t\r\n", 11, 11, "", ""},
    {"blanks at line ends, kept", QP, "a       \t\r\n", 11, 1, "b", ""},
    {"full lines that go on", QP, X70 "123456\r\n", 78, 0, "x", ""},
    {"insertions at one place", QP, "a", 0, 0, "b", ""},
    {"insertions at the end of lines", QP, "\r\n", 2, 0, " ", ""},
    {"identity, insertions at one place", BIT8, "a\r\n", 0, 0, "b", ""},
    {"identity, an edit at each octet", BIT8, "aaaa", 1, 1, "b", ""},
    {"identity, one line, left out", BIT8, "aaaa", 200, 1, "\r\n" X900 X100, ""},
    {"identity, all lines joined", BIT8, "\r\n" X10, 12, 2, "", ""},
    {"identity, lines joined in vain", BIT8, X900 "\r\n", 902, 902, X100 X900, ""},
    {"identity, lines hang together", BIT8, X900 "\r\n" X100 "\r\n", 902, 901, "y", ""},
    {"base64, lines of four", B64, "AAAA\r\n", 1, 1, "x", ""},
    {"base64, lines of one", B64, "A\r\nA\r\nA\r\nA\r\n", 5, 0, "x", ""},
    {"base64, one line", B64, "AAAAAAAA", 7, 3, "yyyyyyyyy", ""},
    {"base64, insertions at one place", B64, "AAAA\r\n", 0, 0, "xy", ""},
    {"base64, blanks", B64, "A    AA      A\r\n", 2, 1, "", ""},
    {"base64, no line begins with a quantum", B64, "AAAA\r\n", 3, 1, "x", "AA\r\nAA"},
};

static guint64
count_steps (const Growth *it, gsize size, gsize *input)
{
    g_autoptr (GString) string = g_string_new (it->first);
    g_autoptr (GArray) edits = leaf_check_edits_new ();
    g_autoptr (GBytes) content = NULL;
    g_autoptr (RelaisLeaf) leaf = NULL;
    g_autoptr (GArray) map = NULL;
    guint left_out;
    gsize text;

    while (string->len + strlen (it->content) <= size)
        g_string_append (string, it->content);
    if (it->encoding == QP && g_str_has_prefix (it->name, "one soft break of"))
        g_string_append (string, "\r\n");
    content = g_bytes_new (string->str, string->len);
    leaf = new_leaf (content, it->encoding);
    relais_leaf_text (leaf, &text);
    for (gsize i = 0; i < (it->every > 0 ? text / it->every : size / 8); i++)
        leaf_check_add_edit (edits, it->every > 0 ? i * it->every : text / 2, it->size, it->bytes,
                             strlen (it->bytes));
    map = relais_leaf_map (leaf, (const RelaisLeafEdit *)(gpointer)edits->data, edits->len,
                           &left_out);
    *input = string->len + edits->len * (1 + strlen (it->bytes));
    return relais_leaf_steps (leaf);
}

/* Twice the input, not much more than twice the work; and of each octet not much. */
static void
test_growth (gconstpointer data)
{
    const Growth *it = data;
    gsize small_input, large_input;
    const gsize size = it->every < 100 ? 1 << 17 : 1 << 20; /* where edits are many, less will do */
    const guint64 small = count_steps (it, size, &small_input);
    const guint64 large = count_steps (it, size * 2, &large_input);

    g_test_message ("%" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " steps of %" G_GSIZE_FORMAT
                    " and %" G_GSIZE_FORMAT " octets",
                    small, large, small_input, large_input);
    g_assert_cmpuint (large * 10, <=, small * 23);
    g_assert_cmpuint (small, <=, small_input * 16);
}

int
main (int argc, char **argv)
{
    static const char *const names[] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};

    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strconcat ("/message/leaf/", cases[i].name, NULL);

        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/message/leaf/refused", test_refused);
    g_test_add_func ("/message/leaf/places", test_places);
    g_test_add_func ("/message/leaf/base64-width", test_width);
    g_test_add_func ("/message/leaf/base64-empty-lines", test_empty_lines);
    for (gint i = RELAIS_MIME_8BIT; i <= RELAIS_MIME_BASE64; i++) {
        g_autofree char *path = g_strconcat ("/message/leaf/random/", names[i], NULL);

        g_test_add_data_func (path, GINT_TO_POINTER (i), test_random);
    }
    for (guint i = 0; i < G_N_ELEMENTS (growths); i++) {
        g_autofree char *path = g_strconcat ("/message/leaf/linear/", growths[i].name, NULL);

        g_test_add_data_func (path, &growths[i], test_growth);
    }
    return g_test_run ();
}
