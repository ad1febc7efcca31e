/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp under TLS: from the first octet on; certificates by the name the client gives; files that
 * change while the server runs; and what is in clear where TLS is, or the other way round, is never
 * taken for commands.
 */
#include "config.h"

#include "server-bed.h"

#include <glib/gstdio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>

#define LISTEN BED_DOMAINS "[listener main]\nport = 0\n" BED_TLS
#define HELLO "< 220 *\n> EHLO c\n< 250-*\n"

static void
check_certificate (Peer *peer, const char *host)
{
    X509 *certificate = SSL_get0_peer_certificate (peer_tls (peer));
    g_autofree char *name = X509_NAME_oneline (X509_get_subject_name (certificate), NULL, 0);
    g_autofree char *wanted = g_strconcat ("/CN=", host, NULL);

    g_assert_cmpstr (name, ==, wanted);
}

/* Connects by STARTTLS and looks whose certificate it is. */
static void
check_served (Bed *bed, const char *name, const char *host)
{
    Peer *peer = peer_new (bed, 0);

    peer_run (peer, HELLO "> STARTTLS\n< 220 *\n");
    peer_start_tls_for (peer, name);
    check_certificate (peer, host);
    peer_free (peer);
}

static void
test_implicit (void)
{
    Bed *bed = bed_new (LISTEN "tls = implicit\n");
    Peer *peer = peer_new (bed, 0);

    bed_set_user (bed, RELAIS_USERS_ADD, "anna", "secret", "one");
    peer_start_tls (peer);
    peer_run (peer, "< 220 mx.test *\n> EHLO c\n< 250-* 250-AUTH PLAIN LOGIN 250 *\n"
                    "> STARTTLS\n< 503 *\n> AUTH PLAIN AGFubmEAc2VjcmV0\n< 235 *\n"
                    "> MAIL FROM:<a@one.test>\n< 250 *\n> RCPT TO:<b@far.test>\n< 250 *\n"
                    ">> BDAT 20 LAST\\r\\nFrom: a@one.test\\r\\n\\r\\n\n< 250 *\n"
                    "> QUIT\n< 221 *\n<CLOSED\n");
    peer_free (peer);
    g_assert_cmpuint (bed->accepted->len, ==, 1);
    /* Nothing is said in clear, nor listened to. */
    bed_run (bed, "> EHLO c\n<CLOSED\n");
    peer = peer_new (bed, 0);
    bed_settle (bed);
    bed->skew_us += 61 * RELAIS_USEC_PER_SEC;
    peer_run (peer, "<CLOSED\n");
    peer_free (peer);
    bed_free (bed);
}

/* The header in clear, then the handshake, in one segment with it or not: behind it the client's
 * rights are in force, and nothing in clear is a command. */
static void
test_behind_proxy (void)
{
    static const char header[] = "PROXY TCP4 192.0.2.9 192.0.2.1 4711 465\r\n";
    Bed *bed = bed_new (LISTEN "tls = implicit\nproxy = yes\n");

    for (int apart = 0; apart < 2; apart++) {
        Peer *peer = peer_new (bed, 0);

        if (apart) {
            peer_send (peer, header, 9);
            bed_settle (bed);
            peer_send (peer, header + 9, sizeof header - 1 - 9);
            bed_settle (bed);
        }
        peer_start_tls_behind (peer, apart ? "" : header);
        peer_run (peer, "< 220 mx.test *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@far.test>\n< 250 *\n"
                        "> RCPT TO:<b@far.test>\n< 550 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
                        ">> BDAT 20 LAST\\r\\nFrom: a@one.test\\r\\n\\r\\n\n< 250 *\n> QUIT\n< 221 "
                        "*\n<CLOSED\n");
        peer_free (peer);
        g_assert_cmpuint (bed->accepted->len, ==, apart + 1);
        g_assert_cmpstr (bed_message (bed, (guint)apart)->envelope.client, ==, "192.0.2.9");
    }
    bed_run (bed, "> PROXY TCP4 192.0.2.9 192.0.2.1 4711 465\n> EHLO c\n<CLOSED\n");
    bed_run (bed, "> EHLO c\n< 554 *\n<CLOSED\n");
    bed_free (bed);
}

static void
test_names (void)
{
    Bed *bed = bed_new (LISTEN "certificates = @DIR@/other.pem\n");

    check_served (bed, NULL, "mx.test");
    check_served (bed, "mx.test", "mx.test");
    check_served (bed, "other.test", "other.test");
    check_served (bed, "OTHER.test", "other.test");
    check_served (bed, "third.test", "mx.test");
    bed_free (bed);
}

/* What a listener does for old senders it does under each of its names. */
static void
test_names_of_old (void)
{
    static const char *const names[] = {NULL, "mx.test", "other.test"};
    Bed *bed = bed_new (LISTEN "certificates = @DIR@/other.pem\ntls_profile = compatible\n");

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        Peer *peer = peer_new (bed, 0);

        peer_run (peer, HELLO "> STARTTLS\n< 220 *\n");
        peer_start_old_tls_for (peer, names[i]);
        check_certificate (peer, i == 2 ? "other.test" : "mx.test");
        peer_free (peer);
    }
    bed_free (bed);
}

/* The time of the next look, and the look. */
static void
pass_interval (Bed *bed)
{
    bed_settle (bed);
    bed->skew_us += 61 * RELAIS_USEC_PER_SEC;
    bed_settle (bed);
}

static void
test_changed (void)
{
    Bed *bed = bed_new (LISTEN "certificates = @DIR@/other.pem\n");
    g_autofree char *path = g_build_filename (bed->dir, "tls.pem", NULL);
    g_autofree char *contents = NULL;

    check_served (bed, NULL, "mx.test");
    bed_write_certificate (bed, "tls.pem", "new.test");
    bed_write_certificate (bed, "other.pem", "second.test");
    check_served (bed, NULL, "mx.test");
    pass_interval (bed);
    check_served (bed, NULL, "new.test");
    check_served (bed, "second.test", "second.test");
    /* A broken one, half of one, none: the last good one stays, and it is said once. */
    g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
    for (int round = 0; round < 3; round++) {
        if (round < 2)
            g_assert_true (g_file_set_contents (path, contents, round == 0 ? 0 : 300, NULL));
        else
            g_assert_cmpint (g_unlink (path), ==, 0);
        g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "the certificate stays as it was:*");
        pass_interval (bed);
        g_test_assert_expected_messages ();
        pass_interval (bed);
        check_served (bed, NULL, "new.test");
    }
    bed_write_certificate (bed, "tls.pem", "newer.test");
    pass_interval (bed);
    check_served (bed, NULL, "newer.test");
    bed_free (bed);
}

/* The key that the server sealed a ticket with, by its name, which the ticket begins with. */
static GBytes *
ticket_key (Bed *bed, const char *name)
{
    Peer *peer = peer_new (bed, 0);
    const guint8 *ticket;
    gsize size;
    GBytes *key;

    peer_run (peer, HELLO "> STARTTLS\n< 220 *\n");
    peer_start_old_tls_for (peer, name);
    SSL_SESSION_get0_ticket (SSL_get0_session (peer_tls (peer)), &ticket, &size);
    g_assert_cmpuint (size, >, 16);
    key = g_bytes_new (ticket, 16);
    peer_free (peer);
    return key;
}

/* Counted from when the time is first looked at; one key for all names. */
static void
test_ticket_keys (void)
{
    Bed *bed = bed_new (LISTEN "certificates = @DIR@/other.pem\ntls_profile = compatible\n"
                               "[limits]\nticket_key_age = 60s\n");
    g_autoptr (GBytes) first = ticket_key (bed, NULL);
    g_autoptr (GBytes) of_other = NULL, second = NULL, third = NULL;

    pass_interval (bed);
    of_other = ticket_key (bed, "other.test");
    g_assert_true (g_bytes_equal (first, of_other));
    pass_interval (bed);
    second = ticket_key (bed, NULL);
    g_assert_false (g_bytes_equal (first, second));
    pass_interval (bed);
    third = ticket_key (bed, "other.test");
    g_assert_false (g_bytes_equal (second, third));
    bed_free (bed);
}

/* --- Clear and not ------------------------------------------------------------------------------ */

/* After close_notify, an alert, half a record, a reset, or with a record that is none, in whatever
 * the session is at (CVE-2026-45185 and its kin): the end, and no clear octet is ever a command. */
static void
test_end_of_tls (void)
{
    static const char *const places[] = {
        "",
        "> EHLO c\n< 250-*\n",
        "> HELO c\n< 250 *\n",
        "> EHLO c\n< 250-*\n> AUTH LOGIN\n< 334 *\n",
        "> EHLO c\n< 250-*\n> AUTH LOGIN\n< 334 *\n> YQ==\n< 334 *\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@in.test>\n< 250 *\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
        "> DATA\n< 354 *\n>> From: a@b.test\\r\\n\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
        ">> BDAT 100 LAST\\r\\nFrom: a@b.test\\r\\n\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n> RCPT TO:<b@in.test>\n< 250 *\n"
        ">> BDAT 6\\r\\nA: b\\r\\n\n< 250 *\n",
        "> EHLO c\n< 250-*\n> MAIL FROM:<>\n< 250 *\n> RSET\n< 250 *\n",
        "> EHLO c\n< 250-*\n>> MAIL FROM:<>",
    };
    Bed *bed = bed_new (LISTEN "tls = implicit\n");
    RelaisSmtpServerFigures figures;

    for (guint i = 0; i < PEER_N_ENDS * G_N_ELEMENTS (places); i++) {
        Peer *peer = peer_new (bed, 0);

        peer_start_tls (peer);
        peer_run (peer, "< 220 *\n");
        peer_run (peer, places[i / PEER_N_ENDS]);
        peer_end_tls (peer, (PeerEnd)(i % PEER_N_ENDS));
        peer_run (peer, "<CLOSED\n");
        peer_free (peer);
    }
    bed_settle (bed);
    relais_smtp_server_figures (bed->server, &figures);
    g_assert_cmpuint (figures.sessions, ==, 0);
    g_assert_cmpuint (figures.in_transaction, ==, 0);
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

/* CVE-2011-0411 and its kin: what came in clear behind STARTTLS is answered neither in clear nor under
 * TLS, were it an octet or four commands. */
static void
test_injection (void)
{
    static const char *const behind[] = {
        "\\n",
        "x",
        "NOOP\\r\\n",
        "NOOP\\r\\nNOOP\\r\\n",
        "NOOP\\r\\nNOOP\\r\\nRSET\\r\\n",
        "EHLO x\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<b@in.test>\\r\\nBDAT 0 LAST\\r\\n"};
    Bed *bed = bed_new (LISTEN);

    for (guint i = 0; i < G_N_ELEMENTS (behind); i++) {
        g_autofree char *script =
            g_strdup_printf (HELLO ">> STARTTLS\\r\\n%s\n< 554 5.5.1 *\n<CLOSED\n", behind[i]);

        bed_run (bed, script);
    }
    g_assert_cmpuint (bed->accepted->len, ==, 0);
    bed_free (bed);
}

int
main (int argc, char **argv)
{
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/server/tls/implicit", test_implicit);
    g_test_add_func ("/smtp/server/tls/behind-proxy", test_behind_proxy);
    g_test_add_func ("/smtp/server/tls/names", test_names);
    g_test_add_func ("/smtp/server/tls/names-of-old", test_names_of_old);
    g_test_add_func ("/smtp/server/tls/changed", test_changed);
    g_test_add_func ("/smtp/server/tls/ticket-keys", test_ticket_keys);
    g_test_add_func ("/smtp/server/tls/end-of-tls", test_end_of_tls);
    g_test_add_func ("/smtp/server/tls/injection", test_injection);
    return g_test_run ();
}
