/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, the receiving side: dialogues as scripts over loopback, with a real spool. The script's
 * language is that of server-bed.h.
 */
#include "config.h"

#include "server-bed.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

/* --- The way through ---------------------------------------------------------------------------- */

static void
test_accepts (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    RelaisSmtpServerFigures figures;
    const RelaisEnvelope *envelope;
    g_autofree char *text = NULL;

    bed_run (bed, "< 220 mx.test ESMTP*\n"
                  "> EHLO client.test\n"
                  "< 250-mx.test 250-PIPELINING 250-SIZE 52428800 250-8BITMIME 250-CHUNKING "
                  "250-SMTPUTF8 250-DSN 250 ENHANCEDSTATUSCODES\n"
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
    Bed *bed = bed_new (BED_TRUSTED);

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
    bed_run_alone (BED_TRUSTED, "< 220 *\n"
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
    Bed *bed = bed_new (BED_TRUSTED);

    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n"
                  "> MAIL FROM:<a@one.test> ENVID=old\n< 250 *\n> RCPT TO:<old@far.test>\n< 250 *\n"
                  "> RSET\n< 250 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<older@far.test>\n< 250 *\n"
                  "> EHLO d\n< 250-*\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<bad@far.test>\n< 250 *\n"
                  "> DATA\n< 354 *\n>> From: a@two.test\\r\\n\\r\\nx\\r\\n.\\r\\n\n< 550 5.7.1 *\n"
                  "> RCPT TO:<again@far.test>\n< 503 5.5.1 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<new@far.test>\n< 250 *\n"
                  "> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
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
    Bed *bed = bed_new (BED_STRANGER);

    bed_run (bed, "< 220 *\n>> GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> POST / HTTP/1.1\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> CONNECT x:25 HTTP/1.1\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> \\026\\003\\001\\002\n< 554 5.5.1 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> EHLO c\\n\n< 500 5.5.2 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n>> EHLO c\\rNOOP\\r\\n\n< 500 5.5.2 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> NOOP \x01\n< 500 5.5.2 *\n> NOOP\n< 250 *\n");
    bed_free (bed);
}

/* --- Message data ------------------------------------------------------------------------------- */

/* reliability of framing: TEXT A . B and then what would be a second message. Whether it is smuggled
 * shows in how many messages were accepted and from whom. */
static void
send_product (Bed *bed, GByteArray *bytes, gsize split)
{
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, BED_BEGIN);
    if (split > 0) {
        peer_send (peer, (const char *)bytes->data, split);
        relais_loop_turn (bed->loop, false);
        relais_loop_turn (bed->loop, false);
    }
    peer_send (peer, (const char *)bytes->data + split, bytes->len - split);
    for (char *reply = peer_reply (peer); reply != NULL; reply = peer_reply (peer)) {
        const bool last = g_str_has_prefix (reply, "221");

        g_free (reply);
        if (last)
            break;
    }
    peer_free (peer);
}

static void
test_smuggling (void)
{
    static const struct {
        const char *bytes;
        guint size;
    } ends[] = {{"\r", 1}, {"\n", 1}, {"\r\n", 2}, {"\0", 1}, {"\r\r", 2}, {"", 0}};
    static const char tail[] = "MAIL FROM:<smuggled@one.test>\r\nRCPT TO:<v@far.test>\r\nDATA\r\n"
                               "From: smuggled@one.test\r\n\r\nx\r\n.\r\nQUIT\r\n";
    Bed *bed = bed_new (BED_TRUSTED);
    guint smuggled = 0, accepted = 0;

    for (guint i = 0; i < 36; i++) {
        const guint before = i / 6, after = i % 6;
        g_autoptr (GByteArray) bytes = g_byte_array_new ();
        guint point;

        g_byte_array_append (bytes, (const guint8 *)"From: a@one.test\r\n\r\nbody", 24);
        point = bytes->len;
        g_byte_array_append (bytes, (const guint8 *)ends[before].bytes, ends[before].size);
        g_byte_array_append (bytes, (const guint8 *)".", 1);
        g_byte_array_append (bytes, (const guint8 *)ends[after].bytes, ends[after].size);
        g_byte_array_append (bytes, (const guint8 *)tail, sizeof tail - 1);
        for (gsize split = point; split <= point + 3; split++) {
            send_product (bed, bytes, split == point ? 0 : split);
            for (guint n = 0; n < bed->accepted->len; n++) {
                const bool second =
                    g_str_has_prefix (bed_message (bed, n)->envelope.sender, "smuggled");

                accepted++;
                smuggled += second;
                /* CRLF.CRLF alone makes two messages of it. */
                if (second)
                    g_assert_true (before == 2 && after == 2);
            }
            if (before < 2 || before == 4 || after < 2 || after == 4)
                g_assert_cmpuint (bed->accepted->len, ==, 0);
            g_ptr_array_set_size (bed->accepted, 0);
        }
    }
    g_assert_cmpuint (smuggled, ==, 4);
    g_assert_cmpuint (accepted, >, 4);
    bed_free (bed);
}

static void
test_bare_newlines (void)
{
    Bed *bed =
        bed_new (BED_TRUSTED "[listener lax]\nport = 0\ntrusted_nets = 127.0.0.1\ntenant = one\n"
                             "bare_newline = normalize\n");
    Peer *peer;
    g_autofree char *text = NULL;

    bed_run (bed, BED_BEGIN
             ">> From: a@one.test\\r\\n\\r\\nx\\ny\\r\\n.\\r\\n\n< 550 5.5.2 *\n<CLOSED\n");
    bed_run (bed, BED_BEGIN
             ">> From: a@one.test\\r\\n\\r\\nx\\ry\\r\\n.\\r\\n\n< 550 5.5.2 *\n<CLOSED\n");
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    peer = peer_new (bed, 1);
    peer_run (peer, BED_BEGIN
              ">> From: a@one.test\\n\\nx\\n.\\ny\\r.\\r\\n\\r\\n.\\r\\n\n< 250 2.0.0 *\n");
    peer_free (peer);
    text = bed_text (bed, 0);
    g_assert_true (g_str_has_suffix (text, "\r\n\r\nx\r\n.\r\ny\r\n.\r\n\r\n"));
    bed_free (bed);
}

static void
test_nul (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    Peer *peer = peer_new (bed, 0);
    static const char data[] = "From: a@one.test\r\n\r\na\0b\r\n.\r\n";

    peer_run (peer, BED_BEGIN);
    peer_send (peer, data, sizeof data - 1);
    peer_run (peer, "< 550 5.6.0 *\n> NOOP\n< 250 *\n");
    peer_free (peer);
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

/* --- Limits: one below, at, and one above ------------------------------------------------------- */

#define LIMITS "[limits]\n"

static void
send_filled (Peer *peer, const char *before, gsize n, const char *after)
{
    g_autofree char *filler = g_strnfill (n, 'x');
    g_autofree char *all = g_strconcat (before, filler, after, NULL);

    peer_send (peer, all, strlen (all));
}

static void
test_limit_command_line (void)
{
    Bed *bed = bed_new (BED_TRUSTED LIMITS "command_line = 512\n");

    for (gsize n = 511; n <= 513; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, "< 220 *\n");
        send_filled (peer, "NOOP ", n - 7, "\r\n");
        peer_run (peer, n <= 512 ? "< 250 2.0.0 *\n" : "< 500 5.5.2 line too long\n<CLOSED\n");
        peer_free (peer);
    }
    bed_free (bed);
}

static void
test_limit_auth_line (void)
{
    Bed *bed =
        bed_new (BED_DOMAINS "[listener main]\nport = 0\nauth = yes\n" LIMITS "auth_line = 4096\n");

    for (gsize n = 4095; n <= 4097; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> AUTH PLAIN\n< 334 \n");
        send_filled (peer, "", n - 2, "\r\n");
        peer_run (peer, n == 4095   ? "< 501 5.5.2 *\n"
                        : n == 4096 ? "< 501 5.5.2 *\n"
                                    : "< 500 5.5.6 *\n<CLOSED\n");
        peer_free (peer);
    }
    bed_free (bed);
}

static void
test_limit_message_size (void)
{
    enum { HEAD = 20 }; /* "From: a@one.test" and two line ends */
    Bed *bed = bed_new (BED_TRUSTED LIMITS "message_size = 65536\n");

    bed_run (bed, "< 220 *\n> EHLO c\n< 250-* 250-SIZE 65536 *\n"
                  "> MAIL FROM:<a@one.test> SIZE=65537\n< 552 5.3.4 *\n"
                  "> MAIL FROM:<a@one.test> SIZE=65536\n< 250 *\n");
    for (gsize n = 65535; n <= 65537; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, BED_BEGIN);
        send_filled (peer, "From: a@one.test\r\n\r\n", n - HEAD - 2, "\r\n.\r\n");
        peer_run (peer, n <= 65536 ? "< 250 2.0.0 *\n" : "< 552 5.3.4 *\n> NOOP\n< 250 *\n");
        peer_free (peer);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 2);
    bed_free (bed);
}

static void
test_limit_text_line (void)
{
    Bed *bed = bed_new (BED_TRUSTED LIMITS "text_line = 1000\n");

    for (gsize n = 999; n <= 1001; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, BED_BEGIN);
        send_filled (peer, "From: a@one.test\r\n\r\n", n - 2, "\r\n.\r\n");
        peer_run (peer, n <= 1000 ? "< 250 2.0.0 *\n" : "< 550 5.6.0 line*\n> NOOP\n< 250 *\n");
        peer_free (peer);
    }
    bed_free (bed);
}

/* The block with its empty line; a header without end is cut off long before the message is. */
static void
test_limit_header_size (void)
{
    enum { HEAD = 18 + 4 + 4 }; /* From, "X: " and three line ends around it */
    Bed *bed = bed_new (BED_TRUSTED LIMITS "header_size = 4096\n");

    for (gsize n = 4095; n <= 4097; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, BED_BEGIN);
        send_filled (peer, "From: a@one.test\r\nX: ", n - HEAD + 1, "\r\n\r\nbody\r\n.\r\n");
        peer_run (peer, n <= 4096 ? "< 250 2.0.0 *\n" : "< 552 5.3.4 header*\n> NOOP\n< 250 *\n");
        peer_free (peer);
    }
    bed_free (bed);
}

static void
test_limit_header_fields (void)
{
    Bed *bed = bed_new (BED_TRUSTED LIMITS "header_fields = 10\nhops = 5\n");

    for (int n = 9; n <= 11; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, BED_BEGIN "> From: a@one.test\n");
        for (int i = 1; i < n; i++)
            peer_run (peer, "> X: y\n");
        peer_run (peer, n <= 10 ? "> \n> .\n< 250 2.0.0 *\n" : "> \n> .\n< 5?? 5.?.? *\n");
        peer_free (peer);
    }
    for (int n = 4; n <= 6; n++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, BED_BEGIN "> From: a@one.test\n");
        for (int i = 0; i < n; i++)
            peer_run (peer, "> Received: x\n");
        peer_run (peer, n <= 5 ? "> \n> .\n< 250 2.0.0 *\n" : "> \n> .\n< 554 5.4.6 *\n");
        peer_free (peer);
    }
    bed_free (bed);
}

static void
test_limit_recipients (void)
{
    Bed *bed = bed_new (BED_TRUSTED LIMITS "recipients = 100\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n");
    for (int i = 0; i < 102; i++)
        peer_run (peer, i < 100 ? "> RCPT TO:<b@far.test>\n< 250 2.1.5 *\n"
                                : "> RCPT TO:<b@far.test>\n< 452 4.5.3 *\n");
    peer_run (peer, "> DATA\n< 354 *\n" BED_MESSAGE "< 250 2.0.0 *\n");
    peer_free (peer);
    g_assert_cmpuint (bed_message (bed, 0)->envelope.recipients->len, ==, 100);
    bed_free (bed);
}

static void
test_limit_errors (void)
{
    Bed *bed = bed_new (BED_TRUSTED LIMITS "errors = 3\ntransactions = 2\n");

    bed_run (bed, "< 220 *\n> X\n< 500 *\n> X\n< 500 *\n> X\n< 500 *\n< 421 4.7.0 *\n<CLOSED\n");
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RSET\n< 250 *\n"
                  "> MAIL FROM:<a@one.test>\n< 250 *\n> RSET\n< 250 *\n"
                  "> MAIL FROM:<a@one.test>\n< 421 4.7.0 *\n<CLOSED\n");
    /* A sender's refused recipients are no errors; its other mistakes are. */
    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
                  "> RCPT TO:<b@[1.2.3.4]>\n< 550 5.1.2 *\n> RCPT TO:<b@[1.2.3.4]>\n< 550 *\n"
                  "> RCPT TO:<b@[1.2.3.4]>\n< 550 *\n> RCPT TO:<b@[1.2.3.4]>\n< 550 *\n"
                  "> RCPT TO:<b@far.test>\n< 250 *\n");
    bed_free (bed);
}

static void
test_limit_sessions (void)
{
    Bed *bed = bed_new (BED_STRANGER LIMITS "sessions = 3\nsessions_per_client = 2\n"
                                            "exempt_nets = 192.0.2.1\n");
    Bed *total = bed_new (BED_STRANGER LIMITS "sessions = 2\n");
    Peer *peers[2];

    for (int i = 0; i < 2; i++) {
        peers[i] = peer_new (bed, 0);
        peer_run (peers[i], "< 220 *\n");
    }
    bed_run (bed, "< 421 4.7.0 *\n<CLOSED\n");
    peer_free (peers[1]);
    bed_settle (bed);
    bed_run (bed, "< 220 *\n");
    peer_free (peers[0]);
    for (int i = 0; i < 2; i++) {
        peers[i] = peer_new (total, 0);
        peer_run (peers[i], "< 220 *\n");
    }
    bed_run (total, "< 421 4.7.0 too many sessions\n<CLOSED\n");
    peer_free (peers[0]);
    peer_free (peers[1]);
    bed_free (bed);
    bed_free (total);
}

/* --- Deadlines ---------------------------------------------------------------------------------- */

static void
wait_out (Bed *bed, gint64 seconds)
{
    bed_settle (bed);
    bed->skew_us += seconds * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
}

static void
test_deadlines (void)
{
    Bed *bed = bed_new (BED_DOMAINS
                        "[listener main]\nport = 0\ntrusted_nets = 127.0.0.0/8\n"
                        "tenant = one\ncertificate = @DIR@/tls.pem\nkey = @DIR@/tls.pem\n" LIMITS
                        "greeting_timeout = 10s\ncommand_timeout = 20s\n"
                        "data_timeout = 30s\ntls_timeout = 5s\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n");
    wait_out (bed, 9);
    peer_run (peer, ">> N\n");
    wait_out (bed, 2);
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);

    /* A command is due as a whole: an octet now and then gains nothing. */
    peer = peer_new (bed, 0);
    peer_run (peer, "< 220 *\n> EHLO c\n< 250-*\n");
    for (int i = 0; i < 4; i++) {
        peer_run (peer, ">> N\n");
        wait_out (bed, 4);
    }
    peer_run (peer, ">> N\n");
    wait_out (bed, 5);
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);

    peer = peer_new (bed, 0);
    peer_run (peer, BED_BEGIN ">> Subject: x\\r\\n\n");
    wait_out (bed, 29);
    send_filled (peer, "", 65536, "");
    wait_out (bed, 29);
    peer_run (peer, ">> Y\n");
    wait_out (bed, 2);
    peer_run (peer, "< 421 4.4.2 *\n<CLOSED\n");
    peer_free (peer);

    peer = peer_new (bed, 0);
    peer_run (peer, "< 220 *\n> STARTTLS\n< 220 2.0.0 *\n");
    wait_out (bed, 6);
    peer_run (peer, "<CLOSED\n");
    peer_free (peer);
    bed_free (bed);
}

/* --- The spool, the end, the beginning ---------------------------------------------------------- */

static void
test_disk_full (void)
{
    Bed *bed = bed_new (BED_TRUSTED "[spool]\nmin_free = 8000000T\n");

    bed_run (bed, "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"
                  "> RCPT TO:<b@far.test>\n< 250 *\n> DATA\n< 452 4.3.1 *\n> RSET\n< 250 *\n");
    bed_free (bed);
}

/* Eight MiB, which go to a file of their own while they come, and are all there in the end. */
static void
test_large_message (void)
{
    enum { LINES = 8 << 14 };
    Bed *bed = bed_new (BED_TRUSTED);
    Peer *peer = peer_new (bed, 0);
    g_autoptr (GString) body = g_string_new ("From: a@one.test\r\n\r\n");
    g_autofree char *text = NULL;
    gsize sent;

    for (int i = 0; i < LINES; i++)
        g_string_append_printf (body, "%062d\r\n", i);
    sent = body->len;
    peer_run (peer, BED_BEGIN);
    peer_send (peer, body->str, body->len);
    peer_run (peer, ">> .\\r\\n\n< 250 2.0.0 *\n");
    peer_free (peer);
    g_assert_cmpuint (relais_body_facts (bed_message (bed, 0)->body)->size_bytes, ==, sent);
    text = bed_text (bed, 0);
    g_assert_true (g_str_has_suffix (text, body->str + 20));
    bed_free (bed);
}

/* A client that sent all it has and closed its side still hears the answers. */
static void
test_half_close (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    Peer *peer = peer_new (bed, 0);
    static const char all[] = "EHLO c\r\nMAIL FROM:<a@one.test>\r\nRCPT TO:<b@far.test>\r\nDATA\r\n"
                              "From: a@one.test\r\n\r\n1\r\n.\r\nNOOP\r\n";

    peer_send (peer, all, sizeof all - 1);
    peer_shut (peer);
    peer_run (peer, "< 220 *\n< 250-*\n< 250 *\n< 250 *\n< 354 *\n< 250 2.0.0 *\n< 250 2.0.0 ok\n"
                    "<CLOSED\n");
    peer_free (peer);
    /* One that goes amid data leaves nothing. */
    bed_run (bed, BED_BEGIN ">> From: a@one.test\\r\\n\\r\\nx\\r\\n.\\r\n");
    bed_settle (bed);
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    bed_free (bed);
}

static void
note_drained (gpointer data)
{
    *(bool *)data = true;
}

/* Idle sessions go at once, transactions are finished first, nobody new is let in. */
static void
test_drain (void)
{
    Bed *bed = bed_new (BED_TRUSTED);
    Peer *idle = peer_new (bed, 0), *busy = peer_new (bed, 0);
    bool drained = false;

    peer_run (idle, "< 220 *\n> EHLO c\n< 250-*\n");
    peer_run (busy, BED_BEGIN);
    relais_smtp_server_drain (bed->server, note_drained, &drained);
    peer_run (idle, "< 421 4.3.2 *\n<CLOSED\n");
    bed_settle (bed);
    g_assert_false (drained);
    peer_run (busy, BED_MESSAGE "< 250 2.0.0 *\n< 421 4.3.2 *\n<CLOSED\n");
    bed_settle (bed);
    g_assert_true (drained);
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    peer_free (idle);
    peer_free (busy);
    bed_free (bed);
}

/* The process has no descriptors left: the listener rests and does not spin, then goes on. */
static void
test_no_descriptors (void)
{
    Bed *bed = bed_new (BED_STRANGER);
    Peer *peer = peer_new (bed, 0);
    struct rlimit before, none;
    int turns = 0;
    /* The spool's keeper may just want to make a segment. */
    const GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);

    g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
    none = before;
    none.rlim_cur = 3;
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
    for (int i = 0; i < 100; i++)
        turns += relais_loop_turn (bed->loop, false);
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
    g_assert_cmpint (turns, <, 10);
    bed->skew_us += RELAIS_USEC_PER_SEC;
    peer_run (peer, "< 220 *\n");
    peer_free (peer);
    bed_free (bed);
    g_log_set_always_fatal (fatal);
}

static gint64
allocated_now (void)
{
    struct mallinfo2 info = mallinfo2 ();

    return (gint64)(info.uordblks + info.hblkhd);
}

/* The allocator's count once it stands still: the spool's keeper, a thread of its own, may hold its
 * buffer for blank segments when the test begins. */
static gint64
allocated (Bed *bed)
{
    gint64 last = -1, now;

    bed_settle (bed);
    for (int same = 0, tries = 0; same < 10 && tries < 500; tries++) {
        now = allocated_now ();
        same = now == last ? same + 1 : 0;
        last = now;
        g_usleep (10000);
    }
    return last;
}

/* What an idle session costs, its stream included, by the allocator's own count. */
static void
test_idle_memory (void)
{
    enum { SESSIONS = 200 };
    Bed *bed = bed_new (BED_STRANGER);
    Peer *peers[SESSIONS], *first = peer_new (bed, 0);
    gint64 before, clients, each;

    peer_run (first, "< 220 *\n"); /* what sessions share is made for the first one */
    before = allocated (bed);
    for (int i = 0; i < SESSIONS; i++)
        peers[i] = peer_new (bed, 0);
    clients = allocated_now () - before;
    for (int i = 0; i < SESSIONS; i++)
        peer_run (peers[i], "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@b.test>\n< 250 *\n"
                            "> RSET\n< 250 *\n");
    each = (allocated (bed) - before - clients) / SESSIONS;
    g_test_message ("%d octets a session", (int)each);
#ifndef RELAIS_SANITIZED
    g_assert_cmpint (each, >, 100);
    g_assert_cmpint (each, <=, 4096);
#endif
    for (int i = 0; i < SESSIONS; i++)
        peer_free (peers[i]);
    peer_free (first);
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
    g_test_add_func ("/smtp/server/smuggling", test_smuggling);
    g_test_add_func ("/smtp/server/bare-newlines", test_bare_newlines);
    g_test_add_func ("/smtp/server/nul", test_nul);
    g_test_add_func ("/smtp/server/limits/command-line", test_limit_command_line);
    g_test_add_func ("/smtp/server/limits/auth-line", test_limit_auth_line);
    g_test_add_func ("/smtp/server/limits/message-size", test_limit_message_size);
    g_test_add_func ("/smtp/server/limits/text-line", test_limit_text_line);
    g_test_add_func ("/smtp/server/limits/header-size", test_limit_header_size);
    g_test_add_func ("/smtp/server/limits/header-fields", test_limit_header_fields);
    g_test_add_func ("/smtp/server/limits/recipients", test_limit_recipients);
    g_test_add_func ("/smtp/server/limits/errors", test_limit_errors);
    g_test_add_func ("/smtp/server/limits/sessions", test_limit_sessions);
    g_test_add_func ("/smtp/server/deadlines", test_deadlines);
    g_test_add_func ("/smtp/server/disk-full", test_disk_full);
    g_test_add_func ("/smtp/server/large-message", test_large_message);
    g_test_add_func ("/smtp/server/half-close", test_half_close);
    g_test_add_func ("/smtp/server/drain", test_drain);
    g_test_add_func ("/smtp/server/no-descriptors", test_no_descriptors);
    g_test_add_func ("/smtp/server/idle-memory", test_idle_memory);
    return g_test_run ();
}
