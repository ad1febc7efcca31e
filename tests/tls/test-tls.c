/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/tls under TLS: both of our ends against each other, a foreign client with ALPN, cleartext
 * around the handshake, garbage, verification, the end. The certificate is made here.
 */
#include "config.h"

#include "tls/handshakes-private.h"
#include "tls/stream-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The certificate ---------------------------------------------------------------------------- */

typedef struct {
    char *folder, *certificate, *key;
    RelaisTlsContext *server;
    RelaisTlsContext *client;
} Fixture;

static void
write_certificate (Fixture *fixture)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509 *x509 = X509_new ();
    X509_NAME *name = X509_get_subject_name (x509);
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid (NULL, NULL, NID_subject_alt_name, "DNS:mx.example.test");
    FILE *file;

    X509_set_version (x509, 2);
    ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
    X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
    X509_gmtime_adj (X509_getm_notAfter (x509), 86400);
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guint8 *)"mx.example.test", -1, -1,
                                0);
    X509_set_issuer_name (x509, name);
    X509_set_pubkey (x509, key);
    X509_add_ext (x509, san, -1);
    g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
    file = fopen (fixture->certificate, "we");
    PEM_write_X509 (file, x509);
    fclose (file);
    file = fopen (fixture->key, "we");
    PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
    fclose (file);
    X509_EXTENSION_free (san);
    X509_free (x509);
    EVP_PKEY_free (key);
}

static void
fixture_set_up (Fixture *fixture)
{
    g_autoptr (GError) error = NULL;

    fixture->folder = g_dir_make_tmp ("relais-tls-XXXXXX", NULL);
    fixture->certificate = g_build_filename (fixture->folder, "certificate.pem", NULL);
    fixture->key = g_build_filename (fixture->folder, "key.pem", NULL);
    write_certificate (fixture);
    fixture->server = relais_tls_context_new_server (fixture->certificate, fixture->key, &error);
    g_assert_no_error (error);
    fixture->client = relais_tls_context_new_client (false, &error);
    g_assert_no_error (error);
}

static void
fixture_clear (Fixture *fixture)
{
    g_unlink (fixture->certificate);
    g_unlink (fixture->key);
    g_rmdir (fixture->folder);
    g_free (fixture->certificate);
    g_free (fixture->key);
    g_free (fixture->folder);
    relais_tls_context_unref (fixture->server);
    relais_tls_context_unref (fixture->client);
}

static Fixture fixture;

/* --- Ends --------------------------------------------------------------------------------------- */

typedef struct {
    RelaisStream *stream;
    GString *got;
    int ready, closed;
    bool echo, closed_failed;
    GError *error;
} End;

static void
on_input (RelaisStream *stream, gpointer data)
{
    End *end = data;
    gsize size;
    const guint8 *bytes = relais_stream_peek (stream, &size);

    g_string_append_len (end->got, (const char *)bytes, (gssize)size);
    if (end->echo && !relais_stream_write (stream, bytes, size))
        relais_stream_pause (stream, true);
    relais_stream_consume (stream, size);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    relais_stream_pause (stream, false);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    End *end = data;

    end->ready++;
    end->error = error != NULL ? g_error_copy (error) : NULL;
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    End *end = data;

    end->closed++;
    end->closed_failed = error != NULL;
}

static const RelaisStreamCallbacks callbacks = {on_input, on_drained, on_ready, on_closed};

static void
end_clear (End *end)
{
    g_clear_pointer (&end->stream, relais_stream_free);
    if (end->got != NULL)
        g_string_free (end->got, TRUE);
    end->got = NULL;
    g_clear_error (&end->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (End, end_clear)

static void
open_end (RelaisLoop *loop, End *end, int fd)
{
    end->got = g_string_new (NULL);
    end->stream = relais_stream_new (loop, fd, &callbacks, end, NULL);
    g_assert_nonnull (end->stream);
}

static void
make_pair (int fds[2])
{
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==,
                     0);
}

static void
open_both (RelaisLoop *loop, End *server, End *client)
{
    int fds[2];

    make_pair (fds);
    open_end (loop, server, fds[0]);
    open_end (loop, client, fds[1]);
}

static void
run_turns (RelaisLoop *loop)
{
    while (relais_loop_turn (loop, false))
        continue;
}

static void
handshake (RelaisLoop *loop, End *server, End *client)
{
    relais_stream_start_tls (server->stream, fixture.server, NULL);
    relais_stream_start_tls (client->stream, fixture.client, "mx.example.test");
    g_assert_cmpint (server->ready + client->ready, ==, 0);
    run_turns (loop);
    g_assert_cmpint (server->ready, ==, 1);
    g_assert_cmpint (client->ready, ==, 1);
    g_assert_no_error (server->error);
    g_assert_no_error (client->error);
}

static void
wait_for_bytes (RelaisLoop *loop, const End *end, gsize size)
{
    gint64 end_us = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (end->got->len < size) {
        g_assert_cmpint (g_get_monotonic_time (), <, end_us);
        relais_loop_turn (loop, true);
    }
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void
test_handshake_after_clear (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    g_auto (End) client = {0};

    open_both (loop, &server, &client);
    relais_stream_write (client.stream, "STARTTLS\r\n", 10);
    run_turns (loop);
    g_assert_cmpstr (server.got->str, ==, "STARTTLS\r\n");
    relais_stream_write (server.stream, "220 go ahead\r\n", 14);
    relais_stream_start_tls (server.stream, fixture.server, NULL);
    relais_stream_write (server.stream, "written early, sent under TLS", 29);
    run_turns (loop);
    g_assert_cmpstr (client.got->str, ==, "220 go ahead\r\n");
    g_assert_null (relais_stream_tls_version (client.stream));
    relais_stream_start_tls (client.stream, fixture.client, "mx.example.test");
    run_turns (loop);
    g_assert_cmpint (client.ready, ==, 1);
    g_assert_no_error (client.error);
    g_assert_cmpstr (client.got->str, ==, "220 go ahead\r\nwritten early, sent under TLS");
    g_assert_true (relais_stream_is_tls (server.stream));
    g_assert_cmpstr (relais_stream_tls_version (client.stream), ==, "TLSv1.3");
    g_assert_nonnull (relais_stream_tls_cipher (client.stream));
    g_assert_cmpstr (relais_stream_tls_verify (client.stream), ==, "self-signed certificate");
    g_assert_cmpstr (relais_stream_tls_verify (server.stream), ==, "no certificate");
}

static void
test_echo (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {.echo = true};
    g_auto (End) client = {0};
    const gsize size = 1 << 20;
    g_autofree char *block = g_malloc (size);

    open_both (loop, &server, &client);
    handshake (loop, &server, &client);
    for (gsize i = 0; i < size; i++)
        block[i] = (char)(guint8)((i * 2654435761u >> 11) & 0x7f);
    relais_stream_write (client.stream, block, size);
    wait_for_bytes (loop, &client, size);
    g_assert_cmpuint (client.got->len, ==, size);
    g_assert_cmpint (memcmp (client.got->str, block, size), ==, 0);
    g_assert_cmpuint (relais_stream_bytes_in (server.stream), >, size);
}

static void
test_pause_under_tls (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    g_auto (End) client = {0};

    open_both (loop, &server, &client);
    handshake (loop, &server, &client);
    relais_stream_pause (server.stream, true);
    relais_stream_write (client.stream, "one", 3);
    run_turns (loop);
    g_clear_pointer (&client.stream, relais_stream_free); /* close_notify, then the end */
    run_turns (loop);
    g_assert_false (relais_loop_turn (loop, false));
    g_assert_cmpuint (server.got->len, ==, 0);
    g_assert_cmpint (server.closed, ==, 0);
    relais_stream_pause (server.stream, false);
    run_turns (loop);
    g_assert_cmpstr (server.got->str, ==, "one");
    g_assert_cmpint (server.closed, ==, 1);
    g_assert_false (server.closed_failed);
}

/* Cleartext sent with STARTTLS, in the same segment or a later one, is never seen as input. */
static void
test_clear_before_handshake (void)
{
    static const char *const injected[] = {"EHLO evil\r\n", "X", "RSET\r\nMAIL FROM:<a@b>\r\n"};

    for (gsize i = 0; i < G_N_ELEMENTS (injected); i++) {
        for (int late = 0; late < 2; late++) {
            g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
            g_auto (End) server = {0};
            int fds[2];

            make_pair (fds);
            open_end (loop, &server, fds[0]);
            if (!late)
                g_assert_cmpint (write (fds[1], injected[i], strlen (injected[i])), >, 0);
            relais_stream_start_tls (server.stream, fixture.server, NULL);
            run_turns (loop);
            if (late)
                g_assert_cmpint (write (fds[1], injected[i], strlen (injected[i])), >, 0);
            run_turns (loop);
            close (fds[1]);
            run_turns (loop);
            g_assert_cmpint (server.ready, ==, 1);
            g_assert_error (server.error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE);
            g_assert_cmpuint (server.got->len, ==, 0);
            g_assert_cmpint (server.closed, ==, 0);
        }
    }
}

/* Input that the owner had left when it started TLS is dropped. */
static void
leave_input (RelaisStream *stream, gpointer data)
{
    End *end = data;
    gsize size;

    if (relais_stream_is_tls (stream)) {
        on_input (stream, data);
        return;
    }
    relais_stream_peek (stream, &size);
    end->closed_failed = size > 0;
    relais_stream_consume (stream, 2);
    relais_stream_start_tls (stream, fixture.server, NULL);
}

static void
test_left_input_is_dropped (void)
{
    static const RelaisStreamCallbacks leaving = {leave_input, on_drained, on_ready, on_closed};
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    g_auto (End) client = {0};
    int fds[2];

    make_pair (fds);
    server.got = g_string_new (NULL);
    server.stream = relais_stream_new (loop, fds[0], &leaving, &server, NULL);
    open_end (loop, &client, fds[1]);
    relais_stream_write (client.stream, "s!INJECTED\r\n", 12);
    run_turns (loop);
    g_assert_true (server.closed_failed);
    relais_stream_start_tls (client.stream, fixture.client, NULL);
    run_turns (loop);
    g_assert_no_error (server.error);
    g_assert_cmpint (server.ready, ==, 1);
    relais_stream_write (client.stream, "EHLO\r\n", 6);
    run_turns (loop);
    g_assert_cmpstr (server.got->str, ==, "EHLO\r\n");
}

/* A cleartext byte, or garbage, within an established connection breaks it and is not input. */
static void
test_garbage_after_handshake (void)
{
    static const char *const garbage[] = {"NOOP\r\n", "\x17\x03\x03\x00\x05hello", "\x15\x03\x03"};

    for (gsize i = 0; i < G_N_ELEMENTS (garbage); i++) {
        g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
        g_auto (End) server = {0};
        g_auto (End) client = {0};
        int fds[2], raw;

        make_pair (fds);
        raw = fcntl (fds[1], F_DUPFD_CLOEXEC, 3);
        open_end (loop, &server, fds[0]);
        open_end (loop, &client, fds[1]);
        handshake (loop, &server, &client);
        relais_stream_write (client.stream, "one", 3);
        run_turns (loop);
        g_assert_cmpint (write (raw, garbage[i], MAX (strlen (garbage[i]), 3)), >, 0);
        shutdown (raw, SHUT_WR);
        run_turns (loop);
        g_assert_cmpstr (server.got->str, ==, "one");
        g_assert_cmpint (server.closed, ==, 1);
        close (raw);
    }
}

static void
test_peer_leaves_handshake (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) client = {0};
    int fds[2];

    make_pair (fds);
    open_end (loop, &client, fds[0]);
    relais_stream_start_tls (client.stream, fixture.client, "mx.example.test");
    run_turns (loop);
    g_assert_cmpint (client.ready, ==, 0);
    close (fds[1]);
    run_turns (loop);
    g_assert_error (client.error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE);
    g_assert_cmpint (client.closed, ==, 0);
    relais_stream_write (client.stream, "x", 1);
    run_turns (loop);
    g_assert_cmpint (client.ready, ==, 1);
}

/* --- Handshakes that come all at once ----------------------------------------------------------- */

enum { CROWD = 30 };

typedef struct {
    RelaisLoop *loop;
    SSL_CTX *context;
    End servers[CROWD];
    SSL *clients[CROWD];
    int fds[CROWD];
} Crowd;

/* All have sent their ClientHello, and the server has seen none yet. */
static void
crowd_open (Crowd *crowd)
{
    crowd->loop = relais_loop_new (NULL, NULL);
    crowd->context = SSL_CTX_new (TLS_client_method ());
    for (int i = 0; i < CROWD; i++) {
        int fds[2];

        make_pair (fds);
        open_end (crowd->loop, &crowd->servers[i], fds[0]);
        relais_stream_start_tls (crowd->servers[i].stream, fixture.server, NULL);
        crowd->fds[i] = fds[1];
    }
    run_turns (crowd->loop);
    for (int i = 0; i < CROWD; i++) {
        crowd->clients[i] = SSL_new (crowd->context);
        SSL_set_fd (crowd->clients[i], crowd->fds[i]);
        g_assert_cmpint (SSL_connect (crowd->clients[i]), ==, -1);
    }
}

static void
crowd_clear (Crowd *crowd)
{
    for (int i = 0; i < CROWD; i++) {
        end_clear (&crowd->servers[i]);
        SSL_free (crowd->clients[i]);
        close (crowd->fds[i]);
    }
    SSL_CTX_free (crowd->context);
    g_clear_pointer (&crowd->loop, relais_loop_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Crowd, crowd_clear)

/* Whether the server has answered, or closed. */
static bool
is_answered (const Crowd *crowd, int i)
{
    guint8 byte;

    return recv (crowd->fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static int
n_answered (const Crowd *crowd)
{
    int n = 0;

    for (int i = 0; i < CROWD; i++)
        n += is_answered (crowd, i);
    return n;
}

static void
test_crowd (void)
{
    g_auto (Crowd) crowd = {0};
    int before, now = 0, turns = 0;

    crowd_open (&crowd);
    for (; now < CROWD; turns++) {
        g_assert_cmpint (turns, <, CROWD);
        relais_loop_turn (crowd.loop, false);
        before = now;
        now = n_answered (&crowd);
        /* those of the turn and, as the queue is worked off within it, none beside */
        g_assert_cmpint (now - before, <=, RELAIS_HANDSHAKES_PER_TURN);
    }
    g_assert_cmpint (turns, >=, CROWD / RELAIS_HANDSHAKES_PER_TURN);
    for (int i = 0; i < CROWD; i++)
        g_assert_cmpint (SSL_connect (crowd.clients[i]), ==, 1);
    run_turns (crowd.loop);
    for (int i = 0; i < CROWD; i++) {
        g_assert_cmpint (crowd.servers[i].ready, ==, 1);
        g_assert_no_error (crowd.servers[i].error);
    }
    g_assert_false (relais_loop_turn (crowd.loop, false));
}

/* Owners that give up while theirs waits, and peers that go. */
static void
test_crowd_disperses (void)
{
    g_auto (Crowd) crowd = {0};

    crowd_open (&crowd);
    relais_loop_turn (crowd.loop, false);
    g_assert_cmpint (n_answered (&crowd), ==, RELAIS_HANDSHAKES_PER_TURN);
    for (int i = 0; i < CROWD; i++)
        if (!is_answered (&crowd, i) && i % 3 == 0)
            g_clear_pointer (&crowd.servers[i].stream, relais_stream_free);
        else if (!is_answered (&crowd, i) && i % 3 == 1)
            shutdown (crowd.fds[i], SHUT_RDWR);
    run_turns (crowd.loop);
    g_assert_false (relais_loop_turn (
        crowd.loop, false)); /* a hang-up that waits is not told again and again */
    for (int i = 0; i < CROWD; i++) {
        const End *server = &crowd.servers[i];

        if (server->stream == NULL)
            g_assert_cmpint (server->ready, ==, 0);
        else if (SSL_connect (crowd.clients[i]) == 1)
            g_assert_no_error (server->error);
        else
            g_assert_error (server->error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE);
    }
}

/* Handshakes of a client that is not ours; returns whether it came through. */
static bool
foreign_client (RelaisTlsContext *serving, const guint8 *alpn, guint alpn_size, int version)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    SSL_CTX *context = SSL_CTX_new (TLS_client_method ());
    SSL *ssl;
    bool done = false;
    int fds[2];

    make_pair (fds);
    open_end (loop, &server, fds[0]);
    relais_stream_start_tls (server.stream, serving, NULL);
    SSL_CTX_set_security_level (context, 0);
    SSL_CTX_set_min_proto_version (context, version);
    SSL_CTX_set_max_proto_version (context, version);
    ssl = SSL_new (context);
    if (alpn != NULL)
        SSL_set_alpn_protos (ssl, alpn, alpn_size);
    SSL_set_fd (ssl, fds[1]);
    for (int i = 0; i < 10 && !done; i++) {
        done = SSL_connect (ssl) == 1;
        run_turns (loop);
    }
    /* In TLS 1.3 the client is done before the server agrees. */
    done = done && server.ready == 1 && server.error == NULL;
    SSL_free (ssl);
    SSL_CTX_free (context);
    close (fds[1]);
    return done;
}

static void
test_foreign_clients (void)
{
    static const guint8 smtp[] = "\x04smtp", http[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
    g_autoptr (RelaisTlsContext) web =
        relais_tls_context_new_server (fixture.certificate, fixture.key, NULL);

    g_assert_true (foreign_client (fixture.server, NULL, 0, TLS1_3_VERSION));
    g_assert_true (foreign_client (fixture.server, NULL, 0, TLS1_2_VERSION));
    g_assert_false (foreign_client (fixture.server, NULL, 0, TLS1_1_VERSION));
    g_assert_true (foreign_client (fixture.server, smtp, sizeof smtp - 1, TLS1_3_VERSION));
    g_assert_false (foreign_client (fixture.server, http, sizeof http - 1, TLS1_3_VERSION));
    g_assert_false (foreign_client (fixture.server, http, sizeof http - 1, TLS1_2_VERSION));
    /* behind a web server's, what browsers offer is taken, and mail is not */
    relais_tls_context_serve_http (web);
    g_assert_true (foreign_client (web, NULL, 0, TLS1_3_VERSION));
    g_assert_true (foreign_client (web, http, sizeof http - 1, TLS1_3_VERSION));
    g_assert_true (foreign_client (web, http, sizeof http - 1, TLS1_2_VERSION));
    g_assert_false (foreign_client (web, h2, sizeof h2 - 1, TLS1_3_VERSION));
    g_assert_false (foreign_client (web, smtp, sizeof smtp - 1, TLS1_3_VERSION));
}

/* A client that verifies, with our certificate as its trust: the right name passes, others not. */
static void
test_verification (void)
{
    static const struct {
        const char *host;
        bool trusted, passes;
        const char *names[3];
    } cases[] = {{"mx.example.test", true, true, {"other.test", "mx.example.test"}},
                 {"mx.example.test", true, false, {"other.test"}},
                 {"other.test", true, true, {".example.test"}},
                 {"192.0.2.1", true, true, {"mx.example.test"}},
                 {"mx.example.test", true, true},
                 {"mx.example.test.", true, true},
                 {"other.example.test", true, false},
                 {"192.0.2.1", true, false},
                 {"mx.example.test", false, false}};

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (RelaisTlsContext) verifying = NULL;
        RelaisTlsPeer peer;
        g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
        g_auto (End) server = {0};
        g_auto (End) client = {0};

        if (cases[i].trusted)
            g_setenv ("SSL_CERT_FILE", fixture.certificate, TRUE);
        else
            g_unsetenv ("SSL_CERT_FILE");
        verifying = relais_tls_context_new_client (true, NULL);
        if (verifying == NULL && !cases[i].trusted)
            continue; /* no trust at all on this machine: refused even earlier */
        open_both (loop, &server, &client);
        relais_stream_start_tls (server.stream, fixture.server, NULL);
        peer = (RelaisTlsPeer){cases[i].host, cases[i].names[0] != NULL ? cases[i].names : NULL};
        relais_stream_start_tls_to (client.stream, verifying, &peer);
        run_turns (loop);
        g_assert_cmpint (client.ready, ==, 1);
        if (cases[i].passes)
            g_assert_cmpstr (relais_stream_tls_verify (client.stream), ==, "ok");
        else
            g_assert_error (client.error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_VERIFY);
    }
    g_unsetenv ("SSL_CERT_FILE");
}

/* --- Sessions --------------------------------------------------------------------------------- */

/* One connection under `key`; says whether it resumed a session. */
static bool
connect_once (RelaisTlsSessions *sessions, const char *key, int version)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    g_auto (End) client = {0};
    const RelaisTlsPeer peer = {
        .host = "mx.example.test", .sessions = sessions, .session_key = key};

    SSL_CTX_set_max_proto_version (relais_tls_context_native (fixture.server), version);
    open_both (loop, &server, &client);
    relais_stream_start_tls (server.stream, fixture.server, NULL);
    relais_stream_start_tls_to (client.stream, fixture.client, &peer);
    run_turns (loop);
    g_assert_cmpint (client.ready, ==, 1);
    g_assert_no_error (client.error);
    relais_stream_write (server.stream, "250 ok\r\n", 8); /* behind the ticket */
    run_turns (loop);
    g_assert_cmpstr (client.got->str, ==, "250 ok\r\n");
    SSL_CTX_set_max_proto_version (relais_tls_context_native (fixture.server), 0);
    return relais_stream_tls_resumed (client.stream);
}

static void
test_resumption (gconstpointer data)
{
    const int version = GPOINTER_TO_INT (data);
    RelaisTlsSessions *sessions = relais_tls_sessions_new (2);

    g_assert_false (connect_once (sessions, "one", version));
    g_assert_cmpuint (relais_tls_sessions_count (sessions), ==, 1);
    g_assert_true (connect_once (sessions, "one", version));
    g_assert_true (connect_once (sessions, "one", version));
    /* another key has no part in it */
    g_assert_false (connect_once (sessions, "two", version));
    g_assert_cmpuint (relais_tls_sessions_count (sessions), ==, 2);
    /* the oldest goes */
    g_assert_false (connect_once (sessions, "three", version));
    g_assert_cmpuint (relais_tls_sessions_count (sessions), ==, 2);
    g_assert_false (connect_once (sessions, "one", version));
    g_assert_true (connect_once (sessions, "three", version));
    relais_tls_sessions_set_most (sessions, 0);
    g_assert_cmpuint (relais_tls_sessions_count (sessions), ==, 0);
    g_assert_false (connect_once (sessions, "three", version));
    g_assert_cmpuint (relais_tls_sessions_count (sessions), ==, 0);
    relais_tls_sessions_unref (sessions);
}

/* A server that has lost its ticket keys gets a full handshake. */
static void
test_resumption_refused (void)
{
    RelaisTlsSessions *sessions = relais_tls_sessions_new (2);
    RelaisTlsContext *before = fixture.server;

    g_assert_false (connect_once (sessions, "one", 0));
    fixture.server = relais_tls_context_new_server (fixture.certificate, fixture.key, NULL);
    g_assert_false (connect_once (sessions, "one", 0));
    g_assert_true (connect_once (sessions, "one", 0));
    relais_tls_context_unref (fixture.server);
    fixture.server = before;
    relais_tls_sessions_unref (sessions);
}

/* A ticket outlives the key's age, but not twice that, nor a key that was long due. */
static void
test_resumption_turn (gconstpointer data)
{
    const int version = GPOINTER_TO_INT (data);
    RelaisTlsSessions *sessions = relais_tls_sessions_new (2);
    RelaisTlsContext *before = fixture.server;
    RelaisTlsContext *named;

    fixture.server = relais_tls_context_new_server (fixture.certificate, fixture.key, NULL);
    named = relais_tls_context_new_server (fixture.certificate, fixture.key, NULL);
    relais_tls_context_add_names (fixture.server, named);
    g_assert_false (relais_tls_context_turn_tickets (fixture.server, 5000, 1000));
    g_assert_false (connect_once (sessions, "one", version));
    g_assert_false (relais_tls_context_turn_tickets (fixture.server, 5999, 1000));
    g_assert_true (connect_once (sessions, "one", version));
    g_assert_true (relais_tls_context_turn_tickets (fixture.server, 6000, 1000));
    g_assert_true (connect_once (sessions, "one", version)); /* and has a new ticket now */
    g_assert_true (relais_tls_context_turn_tickets (fixture.server, 7000, 1000));
    g_assert_true (connect_once (sessions, "one", version));
    g_assert_true (relais_tls_context_turn_tickets (fixture.server, 8000, 1000));
    g_assert_true (relais_tls_context_turn_tickets (fixture.server, 9000, 1000));
    g_assert_false (connect_once (sessions, "one", version));
    g_assert_true (relais_tls_context_turn_tickets (fixture.server, 11000, 1000));
    g_assert_false (connect_once (sessions, "one", version));
    relais_tls_context_unref (fixture.server);
    fixture.server = before;
    relais_tls_sessions_unref (sessions);
}

static int
take_any (int ok, X509_STORE_CTX *store)
{
    return 1;
}

static void
test_client_certificate (void)
{
    g_autoptr (RelaisTlsContext) asking =
        relais_tls_context_new_server (fixture.certificate, fixture.key, NULL);
    g_autoptr (RelaisTlsContext) showing = relais_tls_context_new_client (false, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_false (
        relais_tls_context_use_certificate (showing, "/nonexistent", fixture.key, &error));
    g_assert_error (error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_CERTIFICATE);
    g_assert_true (
        relais_tls_context_use_certificate (showing, fixture.certificate, fixture.key, NULL));
    SSL_CTX_set_verify (relais_tls_context_native (asking),
                        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
    for (int i = 0; i < 2; i++) {
        g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
        g_auto (End) server = {0};
        g_auto (End) client = {0};

        open_both (loop, &server, &client);
        relais_stream_start_tls (server.stream, asking, NULL);
        relais_stream_start_tls (client.stream, i == 0 ? showing : fixture.client, NULL);
        run_turns (loop);
        g_assert_true ((server.error == NULL) == (i == 0));
        if (i == 0)
            g_assert_cmpstr (relais_stream_tls_verify (server.stream), !=, "no certificate");
    }
}

static void
test_bad_certificates (void)
{
    static const char *const wrong[][2] = {{"/nonexistent", NULL}, {NULL, "/nonexistent"}};

    for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_autoptr (GError) error = NULL;

        g_assert_null (relais_tls_context_new_server (
            wrong[i][0] != NULL ? wrong[i][0] : fixture.certificate,
            wrong[i][1] != NULL ? wrong[i][1] : fixture.key, &error));
        g_assert_error (error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_CERTIFICATE);
        g_assert_nonnull (strstr (error->message, "/nonexistent"));
    }
}

static void
test_finish_under_tls (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {0};
    g_auto (End) client = {0};

    open_both (loop, &server, &client);
    handshake (loop, &server, &client);
    relais_stream_write (server.stream, "221 bye\r\n", 9);
    relais_stream_finish (g_steal_pointer (&server.stream), 10 * G_USEC_PER_SEC);
    run_turns (loop);
    g_assert_cmpstr (client.got->str, ==, "221 bye\r\n");
    g_assert_cmpint (client.closed, ==, 1);
    g_assert_false (client.closed_failed);
    g_clear_pointer (&client.stream, relais_stream_free);
    run_turns (loop);
}

int
main (int argc, char **argv)
{
    int result;

    g_test_init (&argc, &argv, NULL);
    signal (SIGPIPE, SIG_IGN); /* as the mains do */
    fixture_set_up (&fixture);
    g_test_add_data_func ("/tls/resumption/1.3", GINT_TO_POINTER (TLS1_3_VERSION), test_resumption);
    g_test_add_data_func ("/tls/resumption/1.2", GINT_TO_POINTER (TLS1_2_VERSION), test_resumption);
    g_test_add_data_func ("/tls/resumption/turn/1.3", GINT_TO_POINTER (TLS1_3_VERSION),
                          test_resumption_turn);
    g_test_add_data_func ("/tls/resumption/turn/1.2", GINT_TO_POINTER (TLS1_2_VERSION),
                          test_resumption_turn);
    g_test_add_func ("/tls/resumption/refused", test_resumption_refused);
    g_test_add_func ("/tls/client-certificate", test_client_certificate);
    g_test_add_func ("/tls/handshake-after-clear", test_handshake_after_clear);
    g_test_add_func ("/tls/echo", test_echo);
    g_test_add_func ("/tls/pause", test_pause_under_tls);
    g_test_add_func ("/tls/clear-before-handshake", test_clear_before_handshake);
    g_test_add_func ("/tls/left-input-is-dropped", test_left_input_is_dropped);
    g_test_add_func ("/tls/garbage-after-handshake", test_garbage_after_handshake);
    g_test_add_func ("/tls/peer-leaves-handshake", test_peer_leaves_handshake);
    g_test_add_func ("/tls/crowd", test_crowd);
    g_test_add_func ("/tls/crowd-disperses", test_crowd_disperses);
    g_test_add_func ("/tls/foreign-clients", test_foreign_clients);
    g_test_add_func ("/tls/verification", test_verification);
    g_test_add_func ("/tls/bad-certificates", test_bad_certificates);
    g_test_add_func ("/tls/finish", test_finish_under_tls);
    result = g_test_run ();
    fixture_clear (&fixture);
    return result;
}
