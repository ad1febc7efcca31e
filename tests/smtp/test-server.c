/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, the receiving side: dialogues as scripts over loopback, with a real spool. The script's
 * language is that of server-bed.h.
 */
#include "config.h"

#include "server-bed.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Loopback may relay as tenant one; in.test is ours with a route. */
#define DOMAINS                                                                                    \
    "postmaster = root@one.test\n"                                                                 \
    "[tenant one]\ndomains = one.test *.one.test\n"                                                \
    "[tenant two]\ndomains = two.test\n"                                                           \
    "[route away]\nhost = 127.0.0.1\n"                                                             \
    "[domain in.test]\ninbound = away\n"                                                           \
    "[domain bare.test]\n"

#define TRUSTED                                                                                    \
    DOMAINS "[listener main]\nport = 0\ntrusted_nets = 127.0.0.0/8\ntenant = one\nauth = no\n"
#define STRANGER DOMAINS "[listener main]\nport = 0\nauth = no\n"

#define MESSAGE "From: a@one.test\\r\\nSubject: x\\r\\n\\r\\nhello\\r\\n.\\r\\n"

static void
run_with (const char *conf, const char *script)
{
    Bed *bed = bed_new (conf);

    bed_run (bed, script);
    bed_free (bed);
}

/* --- The way through ---------------------------------------------------------------------------- */

static void
test_accepts (void)
{
    Bed *bed = bed_new (TRUSTED);
    RelaisSmtpServerFigures figures;
    const RelaisEnvelope *envelope;
    g_autofree char *text = NULL;

    bed_run (bed, "< 220 mx.test ESMTP*\n"
                  "> EHLO client.test\n"
                  "< 250-mx.test 250-PIPELINING 250-SIZE 52428800 250-8BITMIME 250-DSN 250 "
                  "ENHANCEDSTATUSCODES\n"
                  "> MAIL FROM:<a@one.test> RET=HDRS ENVID=e1\n"
                  "< 250 2.1.0 *\n"
                  "> RCPT TO:<b@Far.Test> NOTIFY=FAILURE ORCPT=rfc822;b@far.test\n"
                  "< 250 2.1.5 *\n"
                  "> DATA\n"
                  "< 354 *\n"
                  ">> From: a@one.test\\r\\nSubject: x\\r\\n\\r\\n..hello\\r\\n.\\r\\n\n"
                  "< 250 2.0.0 queued as ?????????????\n"
                  "> QUIT\n"
                  "< 221 2.0.0 *\n"
                  "<CLOSED\n");
    envelope = &bed_message (bed, 0)->envelope;
    g_assert_cmpstr (envelope->sender, ==, "a@one.test");
    g_assert_cmpstr (envelope->tenant, ==, "one");
    g_assert_cmpstr (envelope->envid, ==, "e1");
    g_assert_cmpint (envelope->ret, ==, RELAIS_RET_HDRS);
    g_assert_cmpstr (envelope->listener, ==, "main");
    g_assert_cmpstr (envelope->client, ==, "127.0.0.1");
    g_assert_cmpstr (envelope->helo, ==, "client.test");
    g_assert_cmpstr (envelope->header_from, ==, "a@one.test");
    g_assert_cmpuint (envelope->recipients->len, ==, 1);
    g_assert_cmpstr (relais_envelope_recipient (envelope, 0)->address, ==, "b@far.test");
    g_assert_cmpstr (relais_envelope_recipient (envelope, 0)->orcpt, ==, "rfc822;b@far.test");
    g_assert_cmpuint (relais_envelope_recipient (envelope, 0)->notify, ==, RELAIS_NOTIFY_FAILURE);
    g_assert_false (relais_envelope_recipient (envelope, 0)->claimed);
    text = bed_text (bed, 0);
    g_assert_true (g_str_has_prefix (text, "Received: from client.test ([127.0.0.1])"));
    g_assert_nonnull (strstr (text, "\r\nDate: "));
    g_assert_nonnull (strstr (text, "\r\nMessage-ID: <"));
    g_assert_true (g_str_has_suffix (text, "\r\n\r\n.hello\r\n"));
    relais_smtp_server_figures (bed->server, &figures);
    g_assert_cmpuint (figures.messages_total, ==, 1);
    g_assert_cmpuint (figures.sessions_total, ==, 1);
    g_assert_cmpuint (figures.in_transaction, ==, 0);
    bed_settle (bed);
    relais_smtp_server_figures (bed->server, &figures);
    g_assert_cmpuint (figures.sessions, ==, 0);
    bed_free (bed);
}

/* All in one segment, twice over, with HELO in between; and the same octet by octet. */
static void
test_pipelining (void)
{
    static const char all[] =
        "EHLO c\r\nMAIL FROM:<a@one.test>\r\nRCPT TO:<b@far.test>\r\nRCPT TO:<c@far.test>\r\n"
        "DATA\r\nFrom: a@one.test\r\n\r\n1\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<d@in.test>\r\n"
        "DATA\r\nFrom: x@y.test\r\n\r\n2\r\n.\r\nNOOP\r\nHELO d\r\nQUIT\r\n";
    static const char answers[] =
        "< 220 *\n< 250-*\n< 250 *\n< 250 *\n< 250 *\n< 354 *\n< 250 2.0.0 *\n"
        "< 250 *\n< 250 *\n< 354 *\n< 250 2.0.0 *\n< 250 2.0.0 ok\n"
        "< 250 mx.test\n< 221 *\n<CLOSED\n";
    Bed *bed = bed_new (TRUSTED);

    for (int split = 0; split < 2; split++) {
        Peer *peer = peer_new (bed, 0);

        for (gsize at = 0; split == 1 && at < sizeof all - 1; at++) {
            peer_send (peer, all + at, 1);
            relais_loop_turn (bed->loop, false);
        }
        if (split == 0)
            peer_send (peer, all, sizeof all - 1);
        peer_run (peer, answers);
        peer_free (peer);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 4);
    g_assert_cmpstr (bed_message (bed, 1)->envelope.sender, ==, "");
    g_assert_null (bed_message (bed, 1)->envelope.tenant);
    g_assert_true (relais_envelope_recipient (&bed_message (bed, 1)->envelope, 0)->claimed);
    bed_free (bed);
}

/* --- States and syntax -------------------------------------------------------------------------- */

static void
test_states (void)
{
    run_with (TRUSTED, "< 220 *\n"
                       "> MAIL FROM:<a@one.test>\n< 503 5.5.1 *\n"
                       "> RCPT TO:<b@far.test>\n< 503 5.5.1 *\n"
                       "> DATA\n< 503 5.5.1 *\n"
                       "> AUTH PLAIN\n< 503 5.5.1 *\n"
                       "> NOOP anything\n< 250 2.0.0 *\n"
                       "> RSET\n< 250 2.0.0 *\n"
                       "> HELO\n< 501 a host name*\n"
                       "> EHLO a b\n< 501 a host name*\n"
                       "> HELO c\n< 250 mx.test\n"
                       "> RCPT TO:<b@far.test>\n< 503 5.5.1 *\n"
                       "> mail from:<a@one.test>\n< 250 2.1.0 *\n"
                       "> MAIL FROM:<a@one.test>\n< 503 5.5.1 *\n"
                       "> AUTH PLAIN\n< 503 5.5.1 *\n"
                       "> STARTTLS\n< 503 5.5.1 *\n"
                       "> DATA\n< 554 5.5.1 no valid recipients\n"
                       "> RSET x\n< 501 5.5.4 *\n"
                       "> RCPT TO:<b@far.test>\n< 250 2.1.5 *\n"
                       "> DATA x\n< 501 5.5.4 *\n"
                       "> RSET\n< 250 2.0.0 *\n"
                       "> DATA\n< 503 5.5.1 *\n"
                       "> VRFY a\n< 252 2.5.0 *\n"
                       "> VRFY\n< 501 5.5.4 *\n"
                       "> HELP\n< 214 2.0.0 *\n"
                       "> EXPN a\n< 500 5.5.1 *\n"
                       "> QUIT\n< 221 2.0.0 *\n<CLOSED\n");
}

/* RSET and EHLO end the transaction and nothing else; a refused message leaves nothing behind. */
static void
test_reset (void)
{
    Bed *bed = bed_new (TRUSTED);

    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n"
                  "> MAIL FROM:<a@one.test> ENVID=old\n< 250 *\n> RCPT TO:<old@far.test>\n< 250 *\n"
                  "> RSET\n< 250 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<older@far.test>\n< 250 *\n"
                  "> EHLO d\n< 250-*\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<bad@far.test>\n< 250 *\n"
                  "> DATA\n< 354 *\n>> From: a@two.test\\r\\n\\r\\nx\\r\\n.\\r\\n\n< 550 5.7.1 *\n"
                  "> RCPT TO:<again@far.test>\n< 503 5.5.1 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<new@far.test>\n< 250 *\n"
                  "> DATA\n< 354 *\n>> " MESSAGE "\n< 250 2.0.0 *\n");
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    g_assert_cmpuint (bed_message (bed, 0)->envelope.recipients->len, ==, 1);
    g_assert_cmpstr (relais_envelope_recipient (&bed_message (bed, 0)->envelope, 0)->address, ==,
                     "new@far.test");
    g_assert_null (bed_message (bed, 0)->envelope.envid);
    g_assert_cmpstr (bed_message (bed, 0)->envelope.helo, ==, "d");
    bed_free (bed);
}

static void
test_foreign_protocols (void)
{
    Bed *bed = bed_new (STRANGER);

    bed_run (bed, "< 220 *\n>> GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> POST / HTTP/1.1\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> CONNECT x:25 HTTP/1.1\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> \\026\\003\\001\\002\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> EHLO c\\n\n< 500 5.5.2 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> EHLO c\\rNOOP\\r\\n\n< 500 5.5.2 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> NOOP \x01\n< 500 5.5.2 *\n> NOOP\n< 250 *\n");
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/server/accepts", test_accepts);
    g_test_add_func ("/smtp/server/pipelining", test_pipelining);
    g_test_add_func ("/smtp/server/states", test_states);
    g_test_add_func ("/smtp/server/reset", test_reset);
    g_test_add_func ("/smtp/server/foreign-protocols", test_foreign_protocols);
    return g_test_run ();
}
