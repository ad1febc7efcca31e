/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp: what the parameters of MAIL and RCPT leave in the envelope that the spool keeps:
 * SMTPUTF8 (RFC 6531) and DSN (RFC 3461).
 */
#include "config.h"

#include "server-bed.h"

#include <string.h>

#define HEAD "< 220 *\n> EHLO c\n< 250-*250-SMTPUTF8*\n"

static const RelaisRecipient *
recipient (Bed *bed, guint n)
{
    return relais_envelope_recipient (&bed_message (bed, 0)->envelope, n);
}

/* --- SMTPUTF8 ----------------------------------------------------------------------------------- */

static void
test_utf8 (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    g_autofree char *text = NULL;

    bed_run (bed, HEAD
             "> MAIL FROM:<\xc3\xa4@one.test> SMTPUTF8\n< 250 *\n"
             "> RCPT TO:<\xe7\x94\xa8@B\xc3\xbc"
             "cher.test> ORCPT=utf-8;\xc3\xa9@x.test\n< 250 *\n"
             "> DATA\n< 354 *\n"
             ">> From: \\303\\244@one.test\\r\\nSubject: \\303\\251\\r\\n\\r\\nx\\r\\n.\\r\\n\n"
             "< 250 2.0.0 *\n");
    g_assert_cmpstr (bed_message (bed, 0)->envelope.sender, ==, "\xc3\xa4@one.test");
    g_assert_true (bed_message (bed, 0)->envelope.smtputf8);
    g_assert_cmpstr (bed_message (bed, 0)->envelope.header_from, ==, "\xc3\xa4@one.test");
    g_assert_cmpstr (recipient (bed, 0)->address, ==, "\xe7\x94\xa8@xn--bcher-kva.test");
    g_assert_cmpstr (recipient (bed, 0)->orcpt, ==, "utf-8;\\x{E9}@x.test");
    g_assert_true (relais_body_facts (bed_message (bed, 0)->body)->eight_bit_header);
    text = bed_text (bed, 0);
    g_assert_nonnull (strstr (text, " with UTF8SMTP\r\n"));
    bed_free (bed);
}

/* The parameter alone makes no message need it, and a domain becomes ASCII once. */
static void
test_utf8_not_needed (void)
{
    Bed *bed = bed_new (BED_TRUSTED);

    bed_run (bed, HEAD "> MAIL FROM:<a@one.test> SMTPUTF8\n< 250 *\n"
                       "> RCPT TO:<b@b\xc3\xbc"
                       "cher.test>\n< 250 *\n> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    g_assert_cmpstr (recipient (bed, 0)->address, ==, "b@xn--bcher-kva.test");
    g_assert_false (relais_body_facts (bed_message (bed, 0)->body)->eight_bit_header);
    bed_free (bed);
}

static void
test_utf8_refused (void)
{
    static const char nul[] = "MAIL FROM:<\xc3\xa4\0@one.test> SMTPUTF8\r\n";
    Bed *bed = bed_new (BED_TRUSTED);
    Peer *peer;

    bed_run (
        bed, HEAD
        "> MAIL FROM:<\xc3\xa4@one.test>\n< 553 5.6.7 *\n"
        "> MAIL FROM:<\xc3@one.test> SMTPUTF8\n< 501 5.1.7 *\n"
        "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<\xc3\xa4@far.test>\n< 553 5.6.7 *\n"
        "> RCPT TO:<a@f\xc3\xa4r.test>\n< 553 5.6.7 *\n> RSET\n< 250 *\n"
        /* A header that is no UTF-8 is refused where UTF-8 was announced ... */
        "> MAIL FROM:<a@one.test> SMTPUTF8\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
        "> DATA\n< 354 *\n"
        ">> From: a@one.test\\r\\nSubject: \\351\\r\\n\\r\\n\\351\\r\\n.\\r\\n\n< 550 5.6.0 *\n"
        /* ... and taken as it is where not; content is not looked at. */
        "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
        "> DATA\n< 354 *\n"
        ">> From: a@one.test\\r\\nSubject: \\351\\r\\n\\r\\n\\351\\r\\n.\\r\\n\n< 250 *\n"
        "> MAIL FROM:<a@one.test> SMTPUTF8\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
        "> DATA\n< 354 *\n"
        ">> From: a@one.test\\r\\nSubject: \\303\\251\\r\\n\\r\\n\\351\\r\\n.\\r\\n\n< 250 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 2);
    peer = peer_new (bed, 0);
    peer_run (peer, HEAD);
    peer_send (peer, nul, sizeof nul - 1);
    peer_run (peer, "< 500 5.5.2 *\n");
    peer_free (peer);
    bed_free (bed);
}

/* --- DSN ---------------------------------------------------------------------------------------- */

static void
test_dsn (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    const RelaisEnvelope *envelope;

    bed_run (bed, HEAD "> MAIL FROM:<a@one.test> RET=FULL ENVID=x+2By\n< 250 *\n"
                       "> RCPT TO:<n@far.test> NOTIFY=NEVER\n< 250 *\n"
                       "> RCPT TO:<s@far.test> NOTIFY=success,delay ORCPT=rfc822;o+3Do@far.test\n"
                       "< 250 *\n"
                       "> RCPT TO:<x@far.test>\n< 250 *\n"
                       "> RCPT TO:<y@far.test> NOTIFY=NEVER,DELAY\n< 501 *\n"
                       "> RCPT TO:<y@far.test> ORCPT=rfc822;y+0D+0A@far.test\n< 501 *\n"
                       ">> BDAT 20 LAST\\r\\nFrom: a@one.test\\r\\n\\r\\n\n< 250 2.0.0 *\n");
    envelope = &bed_message (bed, 0)->envelope;
    g_assert_cmpint (envelope->ret, ==, RELAIS_RET_FULL);
    g_assert_cmpstr (envelope->envid, ==, "x+2By");
    g_assert_cmpuint (envelope->recipients->len, ==, 3);
    g_assert_cmpuint (recipient (bed, 0)->notify, ==, RELAIS_NOTIFY_NEVER);
    g_assert_null (recipient (bed, 0)->orcpt);
    g_assert_cmpuint (recipient (bed, 1)->notify, ==, RELAIS_NOTIFY_SUCCESS | RELAIS_NOTIFY_DELAY);
    g_assert_cmpstr (recipient (bed, 1)->orcpt, ==, "rfc822;o+3Do@far.test");
    g_assert_cmpuint (recipient (bed, 2)->notify, ==, 0);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/server/envelope/utf8", test_utf8);
    g_test_add_func ("/smtp/server/envelope/utf8-not-needed", test_utf8_not_needed);
    g_test_add_func ("/smtp/server/envelope/utf8-refused", test_utf8_refused);
    g_test_add_func ("/smtp/server/envelope/dsn", test_dsn);
    return g_test_run ();
}
