/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/reply: every vector gives the same reply however it is cut; limits hold exactly; what
 * comes out as text is one printable line whatever went in.
 */
#include "config.h"

#include "smtp/reply-private.h"

#include <string.h>

typedef struct {
    const char *name;
    const char *input;
    RelaisReplyStatus status; /* of the whole input: DONE, BROKEN or MORE */
    guint16 code;
    guint16 enhanced[3];
    const char *text;
    guint lines; /* LINE results before the end */
} Vector;

static const Vector vectors[] = {
    {"plain", "250 ok\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "ok", 0},
    {"no-text", "250\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "", 0},
    {"blank-text", "354 \r\n", RELAIS_REPLY_DONE, 354, {0, 0, 0}, "", 0},
    {"enhanced",
     "550 5.1.1 no such user\r\n",
     RELAIS_REPLY_DONE,
     550,
     {5, 1, 1},
     "no such user",
     0},
    {"enhanced-alone", "250 2.0.0\r\n", RELAIS_REPLY_DONE, 250, {2, 0, 0}, "", 0},
    {"enhanced-other-class", "450 5.1.1 x\r\n", RELAIS_REPLY_DONE, 450, {0, 0, 0}, "5.1.1 x", 0},
    {"enhanced-of-3xx", "354 3.0.0 go\r\n", RELAIS_REPLY_DONE, 354, {0, 0, 0}, "3.0.0 go", 0},
    {"enhanced-three-digits", "550 5.7.515 x\r\n", RELAIS_REPLY_DONE, 550, {5, 7, 515}, "x", 0},
    {"enhanced-too-big", "550 5.1000.1 x\r\n", RELAIS_REPLY_DONE, 550, {0, 0, 0}, "5.1000.1 x", 0},
    {"enhanced-cut", "550 5.1\r\n", RELAIS_REPLY_DONE, 550, {0, 0, 0}, "5.1", 0},
    {"enhanced-dot-end", "550 5.1.\r\n", RELAIS_REPLY_DONE, 550, {0, 0, 0}, "5.1.", 0},
    {"enhanced-no-blank", "550 5.1.1x\r\n", RELAIS_REPLY_DONE, 550, {0, 0, 0}, "5.1.1x", 0},
    {"address-like", "550 5.1.1.9 x\r\n", RELAIS_REPLY_DONE, 550, {0, 0, 0}, "5.1.1.9 x", 0},
    {"multi", "250-a\r\n250-b\r\n250 c\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "a b c", 2},
    {"multi-empty", "250-\r\n250-b\r\n250\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "b", 2},
    {"multi-enhanced",
     "550-5.7.1 one\r\n550 5.7.1 two\r\n",
     RELAIS_REPLY_DONE,
     550,
     {5, 7, 1},
     "one two",
     1},
    {"multi-enhanced-differs",
     "550-5.7.1 one\r\n550 5.7.2 two\r\n",
     RELAIS_REPLY_DONE,
     550,
     {5, 7, 1},
     "one 5.7.2 two",
     1},
    {"multi-enhanced-late",
     "550-one\r\n550 5.7.2 two\r\n",
     RELAIS_REPLY_DONE,
     550,
     {5, 7, 2},
     "one two",
     1},
    {"lone-lf", "250-a\n250 b\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "a b", 1},
    {"bare-cr", "250 a\rb\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "a\\x0db", 0},
    {"two-cr", "250 a\r\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "a\\x0d", 0},
    {"escape",
     "250 \x01\x1b[31m\x7f\r\n",
     RELAIS_REPLY_DONE,
     250,
     {0, 0, 0},
     "\\x01\\x1b[31m\\x7f",
     0},
    {"utf8",
     "250 caf\xc3\xa9 \xe2\x82\xac\r\n",
     RELAIS_REPLY_DONE,
     250,
     {0, 0, 0},
     "caf\xc3\xa9 \xe2\x82\xac",
     0},
    {"c1", "250 \xc2\x85\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "\\xc2\\x85", 0},
    {"bidi", "250 \xe2\x80\xae\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "\\xe2\\x80\\xae", 0},
    {"line-separator",
     "250 \xe2\x80\xa8\r\n",
     RELAIS_REPLY_DONE,
     250,
     {0, 0, 0},
     "\\xe2\\x80\\xa8",
     0},
    {"no-escape",
     "250 \\x41 \\x4 \\y\r\n",
     RELAIS_REPLY_DONE,
     250,
     {0, 0, 0},
     "\\x5cx41 \\x4 \\y",
     0},
    {"latin1", "250 caf\xe9\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "caf\\xe9", 0},
    {"utf8-cut", "250 \xe2\x82\r\n", RELAIS_REPLY_DONE, 250, {0, 0, 0}, "\\xe2\\x82", 0},
    {"no-digit", "\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"one-digit", "2\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"two-digits", "25 ok\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"four-digits", "2500 ok\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"class-1", "150 ok\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"class-6", "650 ok\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"tab-mark", "250\tok\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"text", "HTTP/1.1 400 Bad Request\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 0},
    {"mixed-codes", "250-a\r\n251 b\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 1},
    {"mixed-class", "250-a\r\n550 b\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 1},
    {"continued-without-code", "250-a\r\nb\r\n", RELAIS_REPLY_BROKEN, 0, {0, 0, 0}, NULL, 1},
    {"unfinished", "250-a\r\n250 b\r", RELAIS_REPLY_MORE, 0, {0, 0, 0}, NULL, 1},
};

/* Feeds pieces cut at `first` (then whole), or one byte at a time if `first` is 0. */
static RelaisReplyStatus
feed (RelaisReplyParser *parser, const char *input, gsize size, gsize first, guint *lines,
      RelaisSmtpReply *reply)
{
    RelaisReplyStatus status = RELAIS_REPLY_MORE;
    gsize at = 0;

    while (at < size && (status == RELAIS_REPLY_MORE || status == RELAIS_REPLY_LINE)) {
        gsize piece = first == 0 ? 1 : at < first ? MIN (first, size) - at : size - at;
        gsize used;

        /* A copy of its own size, so that the sanitizer sees an over-read. */
        g_autofree guint8 *bytes = g_memdup2 (input + at, piece);
        status = relais_reply_parse (parser, bytes, piece, &used, reply);
        g_assert_cmpuint (used, <=, piece);
        g_assert_true (used > 0 || status == RELAIS_REPLY_BROKEN);
        at += used;
        *lines += status == RELAIS_REPLY_LINE;
    }
    if (status == RELAIS_REPLY_DONE)
        g_assert_cmpuint (at, ==, size);
    return status == RELAIS_REPLY_LINE ? RELAIS_REPLY_MORE : status;
}

static void
check_vector (const Vector *vector, gsize first)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    RelaisSmtpReply reply = {0};
    guint lines = 0;
    RelaisReplyStatus status =
        feed (parser, vector->input, strlen (vector->input), first, &lines, &reply);

    g_assert_cmpint (status, ==, vector->status);
    g_assert_cmpuint (lines, ==, vector->lines);
    g_assert_cmpuint (reply.code, ==, vector->code);
    g_assert_cmpmem (reply.enhanced, sizeof reply.enhanced, vector->enhanced,
                     sizeof vector->enhanced);
    g_assert_cmpstr (reply.text, ==, vector->text);
    if (status == RELAIS_REPLY_BROKEN) {
        gsize used = 7;

        g_assert_nonnull (relais_reply_parser_problem (parser));
        g_assert_cmpint (
            relais_reply_parse (parser, (const guint8 *)"250 ok\r\n", 8, &used, &reply), ==,
            RELAIS_REPLY_BROKEN);
    } else {
        g_assert_null (relais_reply_parser_problem (parser));
        g_assert_true (relais_reply_parser_is_empty (parser) == (status == RELAIS_REPLY_DONE));
    }
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
}

static void
test_vector (gconstpointer data)
{
    const Vector *vector = data;

    for (gsize first = 0; first <= strlen (vector->input); first++)
        check_vector (vector, first);
}

static void
test_nul (void)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    RelaisSmtpReply reply = {0};
    guint lines = 0;

    g_assert_cmpint (feed (parser, "250 a\0b\r\n", 9, 0, &lines, &reply), ==, RELAIS_REPLY_DONE);
    g_assert_cmpstr (reply.text, ==, "a\\x00b");
    g_assert_cmpint (feed (parser, "25\0 ab\r\n", 8, 0, &lines, &reply), ==, RELAIS_REPLY_BROKEN);
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
}

static void
test_pipelined (void)
{
    static const char input[] = "250 one\r\n451-4.3.0 two\r\n451 4.3.0 three\r\n354\r\n";
    RelaisReplyParser *parser = relais_reply_parser_new ();
    RelaisSmtpReply reply = {0};
    g_autoptr (GString) seen = g_string_new (NULL);
    gsize at = 0;

    while (at < sizeof input - 1) {
        gsize used;
        RelaisReplyStatus status = relais_reply_parse (parser, (const guint8 *)input + at,
                                                       sizeof input - 1 - at, &used, &reply);

        at += used;
        g_assert_true (status == RELAIS_REPLY_LINE || status == RELAIS_REPLY_DONE);
        g_string_append_printf (seen, "[%s]", relais_reply_parser_line (parser));
        if (status == RELAIS_REPLY_DONE)
            g_string_append_printf (seen, "%u %u.%u %s;", reply.code, reply.enhanced[0],
                                    reply.enhanced[1], reply.text);
    }
    g_assert_cmpstr (seen->str, ==,
                     "[one]250 0.0 one;[4.3.0 two][4.3.0 three]451 4.3 two three;[]354 0.0 ;");
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
}

static void
test_strict (void)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    RelaisSmtpReply reply = {0};
    guint lines = 0;

    relais_reply_parser_set_strict (parser, true);
    g_assert_cmpint (feed (parser, "220 go\r\n", 8, 0, &lines, &reply), ==, RELAIS_REPLY_DONE);
    g_assert_cmpint (feed (parser, "220 go\n", 7, 0, &lines, &reply), ==, RELAIS_REPLY_BROKEN);
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
}

/* One line of `size` octets with its end. */
static RelaisReplyStatus
one_line (gsize size, gsize first, char **text)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    g_autoptr (GString) input = g_string_new ("250 ");
    RelaisSmtpReply reply = {0};
    RelaisReplyStatus status;
    guint lines = 0;

    while (input->len < size - 2)
        g_string_append_c (input, 'x');
    g_string_append (input, "\r\n");
    status = feed (parser, input->str, input->len, first, &lines, &reply);
    *text = g_strdup (reply.text);
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
    return status;
}

static void
test_line_limit (void)
{
    static const gsize firsts[] = {0, 1, RELAIS_REPLY_LINE_BYTES - 1, RELAIS_REPLY_LINE_BYTES,
                                   RELAIS_REPLY_LINE_BYTES + 1};

    for (guint i = 0; i < G_N_ELEMENTS (firsts); i++) {
        g_autofree char *text = NULL;
        g_autofree char *none = NULL;

        g_assert_cmpint (one_line (RELAIS_REPLY_LINE_BYTES, firsts[i], &text), ==,
                         RELAIS_REPLY_DONE);
        g_assert_cmpuint (strlen (text), ==, RELAIS_REPLY_TEXT_BYTES);
        g_assert_cmpint (one_line (RELAIS_REPLY_LINE_BYTES + 1, firsts[i], &none), ==,
                         RELAIS_REPLY_BROKEN);
    }
}

static void
test_total_limit (void)
{
    for (gsize over = 0; over < 2; over++) {
        RelaisReplyParser *parser = relais_reply_parser_new ();
        g_autoptr (GString) input = g_string_new (NULL);
        RelaisSmtpReply reply = {0};
        guint lines = 0;

        while (input->len < RELAIS_REPLY_TOTAL_BYTES - 8 - 8)
            g_string_append (input, "250-ab\r\n");
        while (input->len < RELAIS_REPLY_TOTAL_BYTES - 6 + over)
            g_string_append (input, input->len % 8 == 0 ? "250-" : "x");
        g_string_set_size (input, RELAIS_REPLY_TOTAL_BYTES - 8 + over);
        memcpy (input->str + input->len - 2, "\r\n", 2);
        g_string_append (input, "250 ab\r\n");
        g_assert_cmpint (feed (parser, input->str, input->len, 4096, &lines, &reply), ==,
                         over ? RELAIS_REPLY_BROKEN : RELAIS_REPLY_DONE);
        /* Limits are a reply's: the next one starts anew. */
        if (!over)
            g_assert_cmpint (feed (parser, input->str, input->len, 0, &lines, &reply), ==,
                             RELAIS_REPLY_DONE);
        relais_smtp_reply_clear (&reply);
        relais_reply_parser_free (parser);
    }
}

static void
test_text_limit (void)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    g_autoptr (GString) input = g_string_new ("250 x");
    RelaisSmtpReply reply = {0};
    guint lines = 0;

    /* Two-octet characters from an odd place: the last one that would be cut is left out. */
    while (input->len < 2000)
        g_string_append (input, "\xc3\xa9");
    g_string_append (input, "\r\n");
    g_assert_cmpint (feed (parser, input->str, input->len, 3, &lines, &reply), ==,
                     RELAIS_REPLY_DONE);
    g_assert_cmpuint (strlen (reply.text), ==, RELAIS_REPLY_TEXT_BYTES - 1);
    g_assert_true (g_utf8_validate (reply.text, -1, NULL));
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
}

static void
test_copy (void)
{
    RelaisSmtpReply from = {.code = 550, .enhanced = {5, 1, 1}, .text = g_strdup ("no")};
    RelaisSmtpReply to = {.code = 250, .text = g_strdup ("yes")};

    relais_smtp_reply_copy (&to, &from);
    g_assert_cmpuint (to.code, ==, 550);
    g_assert_cmpstr (to.text, ==, "no");
    g_assert_true (to.text != from.text);
    relais_smtp_reply_copy (&to, &to);
    g_assert_cmpstr (to.text, ==, "no");
    relais_smtp_reply_clear (&from);
    relais_smtp_reply_clear (&to);
    g_assert_cmpuint (to.code, ==, 0);
    g_assert_null (to.text);
}

static void
check_text (const RelaisSmtpReply *reply)
{
    g_assert_cmpuint (reply->code, >=, 200);
    g_assert_cmpuint (reply->code, <=, 599);
    g_assert_cmpuint (strlen (reply->text), <=, RELAIS_REPLY_TEXT_BYTES);
    g_assert_true (g_utf8_validate (reply->text, -1, NULL));
    for (const char *p = reply->text; *p != '\0'; p = g_utf8_next_char (p))
        g_assert_true (g_unichar_isprint (g_utf8_get_char (p)));
}

/* Random bytes with a taste for reply syntax, fed in random pieces, give what they give whole. */
static void
test_random (void)
{
    static const char *const words[] = {"250",  "-",          " ",  "\r\n", "\n",   "5.1.1",
                                        "550",  "x",          "\r", "\xc3", "\xa9", "\t",
                                        "250-", "250 ok\r\n", "4",  "\x7f", "354",  ""};

    for (guint round = 0; round < 20000; round++) {
        g_autoptr (GString) input = g_string_new (g_test_rand_bit () ? "250-" : "");
        RelaisReplyParser *whole = relais_reply_parser_new ();
        RelaisReplyParser *split = relais_reply_parser_new ();
        RelaisSmtpReply a = {0}, b = {0};
        guint a_lines = 0, b_lines = 0;
        gint n = g_test_rand_int_range (1, 24);

        for (gint i = 0; i < n; i++) {
            gint word = g_test_rand_int_range (0, G_N_ELEMENTS (words));

            if (words[word][0] != '\0')
                g_string_append (input, words[word]);
            else
                g_string_append_c (input, (char)g_test_rand_int_range (0, 256));
        }
        gsize end = 0, used;
        RelaisReplyStatus status = RELAIS_REPLY_MORE;

        while (end < input->len && (status == RELAIS_REPLY_MORE || status == RELAIS_REPLY_LINE)) {
            status = relais_reply_parse (whole, (const guint8 *)input->str + end, input->len - end,
                                         &used, &a);
            end += used;
            a_lines += status == RELAIS_REPLY_LINE;
        }
        gsize size = status == RELAIS_REPLY_DONE ? end : input->len;
        RelaisReplyStatus other =
            feed (split, input->str, size, (gsize)g_test_rand_int_range (0, 16), &b_lines, &b);

        g_assert_cmpint (status == RELAIS_REPLY_LINE ? RELAIS_REPLY_MORE : status, ==, other);
        g_assert_cmpuint (a_lines, ==, b_lines);
        g_assert_cmpuint (a.code, ==, b.code);
        g_assert_cmpstr (a.text, ==, b.text);
        if (status == RELAIS_REPLY_DONE)
            check_text (&a);
        relais_smtp_reply_clear (&a);
        relais_smtp_reply_clear (&b);
        relais_reply_parser_free (whole);
        relais_reply_parser_free (split);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (vectors); i++) {
        g_autofree char *path = g_strdup_printf ("/smtp/reply/vector/%s", vectors[i].name);

        g_test_add_data_func (path, &vectors[i], test_vector);
    }
    g_test_add_func ("/smtp/reply/nul", test_nul);
    g_test_add_func ("/smtp/reply/pipelined", test_pipelined);
    g_test_add_func ("/smtp/reply/strict", test_strict);
    g_test_add_func ("/smtp/reply/line-limit", test_line_limit);
    g_test_add_func ("/smtp/reply/total-limit", test_total_limit);
    g_test_add_func ("/smtp/reply/text-limit", test_text_limit);
    g_test_add_func ("/smtp/reply/copy", test_copy);
    g_test_add_func ("/smtp/reply/random", test_random);
    return g_test_run ();
}
