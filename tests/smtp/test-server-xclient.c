/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp: XCLIENT: who may say it, what it changes, that it begins the session anew, and that rights
 * are those of the client it names.
 */
#include "config.h"

#include "server-bed.h"

#define LISTED(nets)                                                                               \
    BED_DOMAINS "[listener main]\nport = 0\nauth = yes\ntenant = one\n"                            \
                "trusted_nets = 192.0.2.0/24\nxclient_nets = " nets "\n"
#define RELAY "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n"
#define OFFER "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

static void
test_client (void)
{
    Bed *bed = bed_new (LISTED ("127.0.0.0/8"));
    const RelaisEnvelope *envelope;

    bed_run (bed,
             "< 220 *\n> EHLO proxy\n< 250-*" OFFER " 250 *\n" RELAY "< 550 5.7.1 *\n"
             "> XCLIENT ADDR=192.0.2.7\n< 503 *\n> RSET\n< 250 *\n"
             "> xclient addr=192.0.2.7 Name=mail.test PORT=4711 PROTO=ESMTP DESTADDR=192.0.2.1 "
             "DESTPORT=25\n< 220 mx.test *\n"
             /* As if it had just connected. */
             "> MAIL FROM:<a@one.test>\n< 503 *\n"
             "> EHLO one\n< 250-*" OFFER " 250 *\n" RELAY "< 250 *\n"
             "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n"
             /* Rights go as they came. */
             "> XCLIENT ADDR=IPV6:2001:db8::7 HELO=two.test\n< 220 *\n"
             "> EHLO proxy\n< 250-*\n" RELAY "< 550 5.7.1 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
             "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n"
             "> XCLIENT ADDR=192.0.2.7\n< 220 *\n> XCLIENT ADDR=[UNAVAILABLE]\n< 220 *\n"
             "> EHLO c\n< 250-*\n" RELAY "< 550 5.7.1 *\n");
    envelope = &bed_message (bed, 0)->envelope;
    g_assert_cmpstr (envelope->client, ==, "192.0.2.7");
    g_assert_cmpstr (envelope->helo, ==, "one");
    envelope = &bed_message (bed, 1)->envelope;
    g_assert_cmpstr (envelope->client, ==, "2001:db8::7");
    g_assert_cmpstr (envelope->helo, ==, "two.test");
    bed_free (bed);
}

static void
test_login (void)
{
    Bed *bed = bed_new (LISTED ("127.0.0.0/8"));

    bed_set_user (bed, RELAIS_USERS_ADD, "anna@one.test", "secret", "one");
    bed_run (bed, "< 220 *\n> EHLO proxy\n< 250-*\n"
                  "> XCLIENT LOGIN=anna+40one.test ADDR=198.51.100.1\n< 220 *\n> EHLO c\n< 250-*\n"
                  "> AUTH PLAIN\n< 503 5.5.1 *\n" RELAY "< 250 *\n"
                  "> DATA\n< 354 *\n" BED_MESSAGE "< 250 *\n"
                  /* The next client is not her. */
                  "> XCLIENT ADDR=198.51.100.1\n< 220 *\n> EHLO c\n< 250-*\n" RELAY "< 550 *\n"
                  "> RSET\n< 250 *\n> XCLIENT LOGIN=nobody\n< 535 5.7.8 *\n"
                  "> MAIL FROM:<a@one.test>\n< 503 *\n> EHLO c\n< 250-*\n" RELAY "< 550 *\n");
    g_assert_cmpstr (bed_message (bed, 0)->envelope.user, ==, "anna@one.test");
    bed_free (bed);
}

static void
test_not_listed (void)
{
    bed_run_alone (LISTED ("198.51.100.0/24"),
                   "< 220 *\n> XCLIENT ADDR=192.0.2.7\n< 500 5.5.1 command not known\n"
                   "> EHLO c\n< 250-* 250 ENHANCEDSTATUSCODES\n" RELAY "< 550 5.7.1 *\n"
                   "> XCLIENT ADDR=192.0.2.7\n< 500 5.5.1 *\n");
    bed_run_alone (BED_STRANGER, "< 220 *\n> XCLIENT ADDR=192.0.2.7\n< 500 5.5.1 *\n");
    /* A client that a listed host named is not one of them. */
    bed_run_alone (BED_DOMAINS "[listener main]\nport = 0\nproxy = yes\nxclient_nets = 127.0.0.1\n",
                   "> PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n< 220 *\n> XCLIENT ADDR=192.0.2.7\n"
                   "< 500 *\n");
}

static void
test_syntax (void)
{
    static const char *const bad[] = {"",
                                      "ADDR",
                                      "ADDR=",
                                      "ADDR=x",
                                      "ADDR=192.0.2.1 ADDR=192.0.2.2",
                                      "ADDR=IPV6:192.0.2.1",
                                      "ADDR=+00",
                                      "PORT=0",
                                      "PORT=65536",
                                      "PORT=x",
                                      "HELO=a+20b",
                                      "HELO=a=b",
                                      "LOGIN=a+3Ab",
                                      "PROTO=HTTP",
                                      "DESTADDR=x",
                                      "DESTPORT=0",
                                      "NAME=a+0D+0Ab",
                                      "CLIENT=x"};
    Bed *bed = bed_new (LISTED ("127.0.0.1") "[limits]\nerrors = 100\n");
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, "< 220 *\n");
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autofree char *script = g_strdup_printf ("> XCLIENT %s\n< 501 5.5.4 *\n", bad[i]);

        peer_run (peer, script);
    }
    for (guint n = 254; n <= 256; n++) {
        g_autofree char *value = g_strnfill (n, 'x');
        g_autofree char *script =
            g_strdup_printf ("> XCLIENT NAME=%s\n< %s *\n", value, n <= 255 ? "220" : "501");

        peer_run (peer, script);
    }
    peer_free (peer);
    bed_free (bed);
}

/* The client that is named counts in the books, and may be one too many. */
static void
test_books (void)
{
    Bed *bed = bed_new (LISTED ("127.0.0.1") "[limits]\nsessions_per_client = 1\n");
    Peer *first = peer_new (bed, 0), *second = peer_new (bed, 0);

    peer_run (first, "< 220 *\n> XCLIENT ADDR=198.51.100.1\n< 220 *\n");
    peer_run (second, "< 220 *\n> XCLIENT ADDR=198.51.100.1\n< 421 4.7.0 *\n<CLOSED\n");
    peer_run (first, "> XCLIENT ADDR=198.51.100.2\n< 220 *\n");
    peer_free (second);
    second = peer_new (bed, 0);
    peer_run (second, "< 220 *\n> XCLIENT ADDR=198.51.100.1\n< 220 *\n");
    peer_free (first);
    peer_free (second);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/xclient/client", test_client);
    g_test_add_func ("/smtp/xclient/login", test_login);
    g_test_add_func ("/smtp/xclient/not-listed", test_not_listed);
    g_test_add_func ("/smtp/xclient/syntax", test_syntax);
    g_test_add_func ("/smtp/xclient/books", test_books);
    return g_test_run ();
}
