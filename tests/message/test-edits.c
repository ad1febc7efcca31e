/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message/edits: which texts of a message may be edited, and that an edit changes nothing but what it
 * says, in every encoding and structure; whatever the input is, without an edit it comes out as it was.
 */
#include "config.h"

#include "message/edits-private.h"

#include <string.h>

static RelaisRope *
rope_of (const char *bytes, gsize size)
{
    RelaisRope *rope = relais_rope_new ();

    /* In pieces, so that nobody relies on one. */
    for (gsize at = 0; at < size; at += 100)
        relais_rope_append_copy (rope, bytes + at, MIN (100, size - at));
    return rope;
}

static RelaisEdits *
edits_of (const char *message)
{
    g_autoptr (RelaisRope) rope = rope_of (message, strlen (message));
    g_autoptr (GError) error = NULL;
    RelaisEdits *edits = relais_edits_new (rope, &error);

    g_assert_no_error (error);
    return edits;
}

static char *
bytes_of (const RelaisRope *rope)
{
    const gsize size = (gsize)relais_rope_size (rope);
    char *bytes = g_malloc0 (size + 1);

    g_assert_cmpint (relais_rope_read (rope, 0, bytes, size, NULL), ==, (gssize)size);
    return bytes;
}

static char *
apply (RelaisEdits *edits)
{
    guint left_out;
    RelaisBodyFacts facts;
    g_autoptr (RelaisRope) rope = relais_edits_apply (edits, &left_out, &facts);

    g_assert_cmpuint (left_out, ==, 0);
    return bytes_of (rope);
}

/* Stages "NEW" for the first `old` of a text. */
static bool
replace (RelaisEdits *edits, guint n, const char *old)
{
    gsize size;
    const char *text = (const char *)relais_edits_text (edits, n, &size);
    const char *at = text != NULL ? memmem (text, size, old, strlen (old)) : NULL;

    return at != NULL && relais_edits_stage (edits, n, (gsize)(at - text), strlen (old), "NEW", 3);
}

/* --- Which ------------------------------------------------------------------------------------ */

static const struct {
    const char *header, *type, *reason;
} kinds[] = {
    {"Content-Type: text/html\r\n", "text/html", NULL},
    {"Content-Type: TEXT/HTML; charset=UTF-8\r\n", "text/html", NULL},
    {"Content-Type: text/html; charset=\"windows-1252\"\r\n", "text/html", NULL},
    {"Content-Type: text/html; charset=Shift_JIS\r\n", "text/html", NULL},
    {"Content-Type: text/html; charset=iso-2022-jp\r\n", "text/html", "charset"},
    {"Content-Type: text/html; charset=utf-16\r\n", "text/html", "charset"},
    {"Content-Type: text/html; charset=utf-7\r\n", "text/html", "charset"},
    {"Content-Type: text/html; charset=klingon\r\n", "text/html", "charset"},
    {"Content-Type: text/html; charset=utf-8; charset=utf-16\r\n", "text/html", "charset"},
    {"Content-Type: text/html; charset*0=utf-; charset*1=8\r\n", "text/html", "charset"},
    {"Content-Type: text/plain\r\n", "text/plain", NULL},
    {"Subject: no type\r\n", "text/plain", NULL},
    {"Content-Type: text/x-amp-html\r\n", "text/x-amp-html", "amp"},
    {"Content-Type: text/html\r\nContent-Disposition: attachment; filename=a.html\r\n", "text/html",
     "attachment"},
    {"Content-Type: text/html\r\nContent-Disposition: inline\r\n", "text/html", NULL},
    {"Content-Type: text/html\r\nContent-Disposition: other\r\n", "text/html", "attachment"},
    {"Content-Type: text/html\r\nContent-Type: text/plain\r\n", "text/plain", "sealed"},
    {"Content-Type: text/html\r\nContent-Transfer-Encoding: x-uuencode\r\n", "text/html", "sealed"},
    {"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n", "text/html", "encoding"},
    {"Content-Type: image/png\r\n", NULL, NULL},
    {"Content-Type: application/octet-stream\r\n", NULL, NULL},
};

static void
test_kinds (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
        g_autofree char *message =
            g_strdup_printf ("MIME-Version: 1.0\r\n%s\r\n<b>=</b>\r\n", kinds[i].header);
        g_autoptr (RelaisEdits) edits = edits_of (message);
        gsize size;

        g_test_message ("%s", kinds[i].header);
        g_assert_cmpuint (relais_edits_n_texts (edits), ==, kinds[i].type != NULL);
        if (kinds[i].type == NULL)
            continue;
        g_assert_cmpstr (relais_edits_type (edits, 0), ==, kinds[i].type);
        g_assert_cmpstr (relais_edits_reason (edits, 0), ==, kinds[i].reason);
        g_assert_true ((relais_edits_text (edits, 0, &size) == NULL) == (kinds[i].reason != NULL));
        g_assert_true (relais_edits_stage (edits, 0, 0, 0, "x", 1) == (kinds[i].reason == NULL));
    }
}

#define MULTI(type, boundary) "Content-Type: multipart/" type "; boundary=" boundary "\r\n\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n"

static const char nested[] = "MIME-Version: 1.0\r\n" MULTI ("mixed", "a") "--a\r\n" MULTI (
    "alternative",
    "b") "--b\r\n"
         "Content-Type: text/plain\r\n\r\nold\r\n--b\r\n" MULTI (
             "related",
             "c") "--c\r\n" HTML "Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>caf=C3=A9 "
                  "o=\r\nld</p>\r\n--c\r\n"
                  "Content-Type: image/gif\r\nContent-Transfer-Encoding: "
                  "base64\r\n\r\nb2xk\r\n--c--\r\n--b--\r\n--a\r\n"
                  "Content-Type: message/rfc822\r\n\r\n" HTML "\r\n<p>old</p>\r\n--a\r\n" HTML
                  "Content-Disposition: attachment\r\n\r\n<p>old</p>\r\n--a\r\n" MULTI (
                      "signed",
                      "d") "--d\r\n" HTML "\r\n<p>old</p>\r\n--d\r\nContent-Type: "
                           "application/pkcs7-signature\r\n\r\nx\r\n"
                           "--d--\r\n--a\r\n" HTML
                           "Content-Transfer-Encoding: base64\r\n\r\nPHA+b2xkPC9wPg==\r\n--a--\r\n"
                           "the end, without a line end";

static void
test_nested (void)
{
    static const char *const reasons[] = {NULL,         NULL,     "attached-message",
                                          "attachment", "sealed", NULL};
    g_autoptr (RelaisEdits) edits = edits_of (nested);
    g_autofree char *out = NULL;
    g_autoptr (GString) wanted = g_string_new (nested);

    g_assert_cmpuint (relais_edits_n_texts (edits), ==, G_N_ELEMENTS (reasons));
    for (guint i = 0; i < G_N_ELEMENTS (reasons); i++) {
        g_assert_cmpstr (relais_edits_reason (edits, i), ==, reasons[i]);
        g_assert_true (replace (edits, i, "old") == (reasons[i] == NULL));
    }
    out = apply (edits);
    g_string_replace (wanted, "\r\n\r\nold\r\n", "\r\n\r\nNEW\r\n", 1);
    g_string_replace (wanted, "o=\r\nld", "NEW", 1);
    g_string_replace (wanted, "PHA+b2xkPC9wPg==", "PHA+TkVXPC9wPg==", 1);
    g_assert_cmpstr (out, ==, wanted->str);
}

/* --- Staging ---------------------------------------------------------------------------------- */

static void
test_staging (void)
{
    g_autoptr (RelaisEdits) edits = edits_of (HTML "\r\n0123456789");
    g_autofree char *out = NULL;

    g_assert_true (relais_edits_stage (edits, 0, 4, 2, "ab", 2));
    g_assert_false (relais_edits_stage (edits, 0, 5, 1, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 3, 2, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 3, 8, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 5, 0, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 9, 2, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 11, 0, "x", 1));
    g_assert_false (relais_edits_stage (edits, 0, 0, G_MAXSIZE, "x", 1));
    g_assert_true (relais_edits_stage (edits, 0, 4, 0, "<", 1));
    g_assert_true (relais_edits_stage (edits, 0, 6, 0, ">", 1));
    g_assert_true (relais_edits_stage (edits, 0, 4, 0, "=", 1));
    g_assert_true (relais_edits_stage (edits, 0, 6, 1, "", 0));
    g_assert_false (relais_edits_stage (edits, 0, 6, 1, "", 0));
    g_assert_true (relais_edits_stage (edits, 0, 0, 0, "[", 1));
    g_assert_true (relais_edits_stage (edits, 0, 10, 0, "]", 1));
    out = apply (edits);
    g_assert_cmpstr (out, ==, HTML "\r\n[0123<=ab>789]");
}

static void
test_octets (void)
{
    g_autoptr (RelaisEdits) edits = edits_of (HTML "\r\nx");

    g_assert_true (relais_edits_stage (edits, 0, 0, 0, "a\r\n\r\n", 5));
    g_assert_false (relais_edits_stage (edits, 0, 0, 0, "a\n", 2));
    g_assert_false (relais_edits_stage (edits, 0, 0, 0, "a\r", 2));
    g_assert_false (relais_edits_stage (edits, 0, 0, 0, "\t", 1));
    g_assert_false (relais_edits_stage (edits, 0, 0, 0, "\xc3\xa9", 2));
    g_assert_false (relais_edits_stage (edits, 0, 0, 0, "", 1));
}

static void
test_html (void)
{
    g_autoptr (RelaisEdits) edits =
        edits_of (HTML "\r\n<body><a href='http://x/?a&amp;b'>x</a></body>\r\n");
    const RelaisHtmlSpans *spans = relais_edits_html (edits, 0);
    const RelaisHtmlLink *link;
    g_autofree char *out = NULL;

    g_assert_cmpuint (spans->links->len, ==, 1);
    link = &g_array_index (spans->links, RelaisHtmlLink, 0);
    g_assert_true (relais_edits_stage (edits, 0, link->offset, link->size, "u", 1));
    g_assert_true (relais_edits_stage (edits, 0, spans->body_end, 0, "<i>", 3));
    out = apply (edits);
    g_assert_cmpstr (out, ==, HTML "\r\n<body><a href='u'>x</a><i></body>\r\n");
}

/* What would be taken for a delimiter is not put into a message, in whatever way it comes about. */
static void
test_delimiters (void)
{
    static const char message[] =
        MULTI ("mixed", "a") "--a\r\n" HTML "\r\nx --a y\r\n--b\r\n--a--\r\n";
    static const struct {
        const char *old, *bytes;
    } rows[] = {{"x --a y", "\r\n--a\r\n"}, {"b", "a"}, {"x ", "\r\n"}, {"x", "--a--\r\n"}};

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (RelaisEdits) edits = edits_of (message);
        gsize size;
        const char *text = (const char *)relais_edits_text (edits, 0, &size);
        const char *at = memmem (text, size, rows[i].old, strlen (rows[i].old));
        const bool harmless = i == 2; /* "--a y" is no delimiter */
        guint left_out;
        RelaisBodyFacts facts;

        g_assert_true (relais_edits_stage (edits, 0, (gsize)(at - text), strlen (rows[i].old),
                                           rows[i].bytes, strlen (rows[i].bytes)));
        g_autoptr (RelaisRope) out = relais_edits_apply (edits, &left_out, &facts);
        g_autofree char *bytes = bytes_of (out);

        g_assert_cmpuint (left_out, ==, harmless ? 0 : 1);
        g_assert_true ((strcmp (bytes, message) == 0) != harmless);
    }
}

/* --- Identity ----------------------------------------------------------------------------------- */

/* What edits tell of the new message is what a look at its octets tells: where a header ends may be seen otherwise in
 * a malformed one, but not for a message that would have to be changed. */
static void
check_facts (const char *bytes, const RelaisBodyFacts *facts)
{
    RelaisBodyScanner scanner = {0};
    const RelaisBodyFacts *scanned;

    relais_body_scan (&scanner, (const guint8 *)bytes, strlen (bytes));
    scanned = relais_body_scan_end (&scanner);
    g_assert_true ((facts->longest_line > 998) == (scanned->longest_line > 998));
    g_assert_true ((facts->eight_bit || facts->eight_bit_header) ==
                   (scanned->eight_bit || scanned->eight_bit_header));
    g_assert_true (facts->eight_bit || !scanned->eight_bit);
}

/* Malformed messages, made of what messages are made of: nothing staged, nothing changed; and where an edit
 * is staged, all octets outside of it are there. */
static void
test_malformed (void)
{
    static const char *const words[] = {"\r\n",
                                        "\r\n\r\n",
                                        "--a",
                                        "--a\r\n",
                                        "--a--\r\n",
                                        "--b\r\n",
                                        "--b--",
                                        HTML,
                                        "Content-Type: text/plain\r\n",
                                        "Content-Type: multipart/mixed; boundary=a\r\n",
                                        "Content-Type: multipart/alternative; boundary=\"b\"\r\n",
                                        "Content-Type: multipart/mixed\r\n",
                                        "Content-Transfer-Encoding: base64\r\n",
                                        "Content-Transfer-Encoding: quoted-printable\r\n",
                                        "Content-Transfer-Encoding: 8bit\r\n",
                                        "Content-Type: message/rfc822\r\n",
                                        "=",
                                        "=3D",
                                        "=\r\n",
                                        "<a href=x>",
                                        "</body>",
                                        "PGI+eDwvYj4=",
                                        " ",
                                        "\t",
                                        "\xc3\xa9",
                                        "\n",
                                        "\r",
                                        "x",
                                        "MIME-Version: 1.0\r\n"};

    for (guint round = 0; round < 3000; round++) {
        g_autoptr (GString) message = g_string_new (NULL);
        gint n = g_test_rand_int_range (0, 40);

        for (gint i = 0; i < n; i++)
            g_string_append (message, words[g_test_rand_int_range (0, G_N_ELEMENTS (words))]);

        g_autoptr (RelaisEdits) edits = edits_of (message->str);
        g_autofree char *same = apply (edits);
        g_autofree char *edited = NULL;
        guint left_out, staged = 0;
        RelaisBodyFacts facts = {0};

        g_assert_cmpstr (same, ==, message->str);
        for (guint i = 0; i < relais_edits_n_texts (edits); i++) {
            (void)relais_edits_html (edits, i);
            staged += relais_edits_stage (edits, i, 0, 0, "0", 1);
        }

        g_autoptr (RelaisRope) rope = relais_edits_apply (edits, &left_out, &facts);

        edited = bytes_of (rope);
        if (staged == left_out) {
            g_assert_cmpstr (edited, ==, message->str);
        } else {
            g_assert_cmpstr (edited, !=, message->str);
            check_facts (edited, &facts);
        }
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/edits/kinds", test_kinds);
    g_test_add_func ("/message/edits/nested", test_nested);
    g_test_add_func ("/message/edits/staging", test_staging);
    g_test_add_func ("/message/edits/octets", test_octets);
    g_test_add_func ("/message/edits/html", test_html);
    g_test_add_func ("/message/edits/delimiters", test_delimiters);
    g_test_add_func ("/message/edits/malformed", test_malformed);
    return g_test_run ();
}
