/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of a server (core/smtp/reply.c). Properties: what is read does not depend on where the
 * input is cut; a reply has a code of 200 to 599, an enhanced code of its class, and text that is
 * one line of printable UTF-8 within its limit; after "broken" nothing is read any more.
 *
 * Parsers: core/smtp/reply.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/reply-private.h"

static const char *const words[] = {
    "250-",  "250 ",      "550 5.1.1 ", "421",      "250-SIZE 1",   "4.7.1 ", "354 go\r\n",
    "2.0.0", "220-x\r\n", "599 ",       "\xc2\x85", "\xe2\x80\xae", NULL};
const FuzzTarget fuzz_target = {20000, words};

static void
check_reply (const RelaisSmtpReply *reply)
{
    const char *p = reply->text;

    g_assert_true (reply->code >= 200 && reply->code <= 599);
    g_assert_true (reply->enhanced[0] == 0 || reply->enhanced[0] == reply->code / 100);
    g_assert_nonnull (p);
    g_assert_cmpuint (strlen (p), <=, RELAIS_REPLY_TEXT_BYTES);
    g_assert_true (g_utf8_validate (p, -1, NULL));
    for (; *p != '\0'; p = g_utf8_next_char (p))
        g_assert_true (g_unichar_isprint (g_utf8_get_char (p)));
}

static void
note (GString *story, RelaisReplyStatus status, const RelaisReplyParser *parser,
      const RelaisSmtpReply *reply)
{
    switch (status) {
    case RELAIS_REPLY_MORE: return;
    case RELAIS_REPLY_LINE:
        g_string_append_printf (story, "line %s\n", relais_reply_parser_line (parser));
        return;
    case RELAIS_REPLY_DONE:
        check_reply (reply);
        g_assert_true (relais_reply_parser_is_empty (parser));
        g_string_append_printf (story, "done %u %u.%u.%u %s\n", reply->code, reply->enhanced[0],
                                reply->enhanced[1], reply->enhanced[2], reply->text);
        return;
    case RELAIS_REPLY_BROKEN:
        g_assert_nonnull (relais_reply_parser_problem (parser));
        g_string_append (story, "broken\n");
        return;
    }
}

static char *
read_all (const guint8 *bytes, gsize size, bool strict, guint way)
{
    RelaisReplyParser *parser = relais_reply_parser_new ();
    GString *story = g_string_new (NULL);
    FuzzRandom random = fuzz_random_from (bytes, size);
    RelaisReplyStatus status = RELAIS_REPLY_MORE;
    RelaisSmtpReply reply = {0};

    relais_reply_parser_set_strict (parser, strict);
    for (gsize at = 0, used; at < size && status != RELAIS_REPLY_BROKEN; at += used) {
        const gsize piece = fuzz_next_piece (&random, way, size - at);

        status = relais_reply_parse (parser, bytes + at, piece, &used, &reply);
        g_assert_true (used <= piece && (used > 0 || status == RELAIS_REPLY_BROKEN));
        note (story, status, parser, &reply);
    }
    if (status == RELAIS_REPLY_BROKEN) {
        gsize used;

        g_assert_cmpint (relais_reply_parse (parser, bytes, size, &used, &reply), ==,
                         RELAIS_REPLY_BROKEN);
        g_assert_cmpuint (used, ==, 0);
    }
    relais_smtp_reply_clear (&reply);
    relais_reply_parser_free (parser);
    return g_string_free (story, FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    for (guint strict = 0; strict < 2; strict++) {
        g_autofree char *whole = read_all (bytes, size, strict == 1, 0);

        for (guint way = 1; way < 3; way++) {
            g_autofree char *other = read_all (bytes, size, strict == 1, way);

            g_assert_cmpstr (other, ==, whole);
        }
    }
    return 0;
}
