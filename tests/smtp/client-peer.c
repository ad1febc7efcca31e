/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The scripted peer and the run of a client against it; see client-peer.h.
 */
#include "config.h"

#include "client-peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RUN_LIMIT_US = 120 * 1000 * 1000 };

/* --- The peer, on its thread --------------------------------------------------------------------- */

typedef struct {
    Peer *peer;
    int fd;
    SSL *ssl;
    guint8 bytes[65536];
    gsize at, end;
} Talk;

static bool
talk_fill (Talk *talk)
{
    gssize n;

    if (talk->ssl != NULL)
        n = SSL_read (talk->ssl, talk->bytes, sizeof talk->bytes);
    else
        n = recv (talk->fd, talk->bytes, sizeof talk->bytes, 0);
    talk->at = 0;
    talk->end = n > 0 ? (gsize)n : 0;
    return n > 0;
}

static bool
talk_byte (Talk *talk, char *byte)
{
    if (talk->at == talk->end && !talk_fill (talk))
        return false;
    *byte = (char)talk->bytes[talk->at++];
    return true;
}

static bool
talk_say (Talk *talk, const char *bytes, gsize size)
{
    while (size > 0) {
        gssize n = talk->ssl != NULL ? SSL_write (talk->ssl, bytes, (int)size)
                                     : send (talk->fd, bytes, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        size -= (gsize)n;
    }
    return true;
}

static void
talk_line (Talk *talk, const char *wanted, bool whole)
{
    g_autoptr (GString) line = g_string_new (NULL);
    char byte = 0;

    while (byte != '\n' && talk_byte (talk, &byte))
        g_string_append_c (line, byte);
    if (byte != '\n')
        g_error ("peer, line %u: the client went before \"%s\"; had \"%s\"", talk->peer->at, wanted,
                 line->str);
    g_assert_cmpuint (line->len, >=, 2);
    g_assert_cmpint (line->str[line->len - 2], ==, '\r');
    g_string_append_len (talk->peer->said, line->str, (gssize)line->len);
    g_string_truncate (line, line->len - 2);
    if (whole ? strcmp (line->str, wanted) != 0 : !g_str_has_prefix (line->str, wanted))
        g_error ("peer, line %u: wanted \"%s\", got \"%s\"", talk->peer->at, wanted, line->str);
}

/* Counts to the dot and keeps nothing but the last five octets. */
static void
talk_count (Talk *talk)
{
    char last[5] = {0};
    char byte;

    do {
        if (!talk_byte (talk, &byte)) {
            talk->peer->cut = true;
            return;
        }
        memmove (last, last + 1, 4);
        last[4] = byte;
        talk->peer->octets++;
    } while (memcmp (last, "\r\n.\r\n", 5) != 0);
}

/* A receiver of its own making: CRLF.CRLF ends, one dot is taken off. */
static void
talk_message (Talk *talk)
{
    Peer *peer = talk->peer;
    GString *wire = peer->wire;
    char byte;

    if (!peer->keep_all) {
        g_string_truncate (wire, 0);
        g_string_truncate (peer->message, 0);
    }
    gsize line = wire->len;

    for (;;) {
        if (!talk_byte (talk, &byte)) {
            peer->cut = true;
            return;
        }
        g_string_append_c (wire, byte);
        if (byte != '\n')
            continue;
        if (wire->len - line == 3 && memcmp (wire->str + line, ".\r\n", 3) == 0)
            return;
        if (wire->len - line >= 2 && wire->str[wire->len - 2] == '\r') {
            gsize skip = wire->str[line] == '.' ? 1 : 0;

            g_string_append_len (peer->message, wire->str + line + skip,
                                 (gssize)(wire->len - line - skip));
            line = wire->len;
        }
    }
}

static void
talk_octets (Talk *talk, guint64 n)
{
    char byte;

    for (; n > 0; n--) {
        if (!talk_byte (talk, &byte)) {
            talk->peer->cut = true;
            return;
        }
        g_string_append_c (talk->peer->message, byte);
    }
}

static SSL_CTX *
make_server_context (void)
{
    SSL_CTX *context = SSL_CTX_new (TLS_server_method ());
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509 *certificate = X509_new ();
    X509_NAME *name = X509_get_subject_name (certificate);

    ASN1_INTEGER_set (X509_get_serialNumber (certificate), 1);
    X509_gmtime_adj (X509_getm_notBefore (certificate), -3600);
    X509_gmtime_adj (X509_getm_notAfter (certificate), 3600);
    X509_set_pubkey (certificate, key);
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guint8 *)"mx.test", -1, -1, 0);
    X509_set_issuer_name (certificate, name);
    X509_sign (certificate, key, EVP_sha256 ());
    SSL_CTX_use_certificate (context, certificate);
    SSL_CTX_use_PrivateKey (context, key);
    X509_free (certificate);
    EVP_PKEY_free (key);
    return context;
}

static bool
talk_begin_tls (Talk *talk)
{
    SSL_CTX *context = make_server_context ();

    /* Cleartext that was read ahead would be lost to the handshake. */
    g_assert_cmpuint (talk->at, ==, talk->end);
    talk->ssl = SSL_new (context);
    SSL_CTX_free (context);
    SSL_set_fd (talk->ssl, talk->fd);
    return SSL_accept (talk->ssl) == 1;
}

static void
talk_end (Talk *talk, bool any, bool hold)
{
    char byte;

    /* The client's end cannot be seen behind the octets that we do not take. */
    while (hold && !g_atomic_int_get (&talk->peer->over))
        g_usleep (1000);
    while (talk_byte (talk, &byte)) {
        if (!any)
            g_error ("peer, line %u: the client goes on with '%c'", talk->peer->at, byte);
        g_string_append_c (talk->peer->said, byte);
    }
}

static void
talk_reset (Talk *talk)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt (talk->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* One line of the script; false when the client went. */
static bool
talk_step (Talk *talk, const char *step)
{
    g_autofree char *text = g_strcompress (step[0] != '\0' && step[1] == ' ' ? step + 2 : "");
    g_autofree char *line = g_strconcat (text, "\r\n", NULL);

    switch (step[0]) {
    case 'S': return talk_say (talk, line, strlen (line));
    case 's': return talk_say (talk, text, strlen (text));
    case 'D':
        for (const char *p = line; *p != '\0'; p++) {
            g_usleep (1000);
            if (!talk_say (talk, p, 1))
                return false;
        }
        return true;
    case 'F':
        while (talk_say (talk, text, strlen (text)))
            continue;
        return false;
    case 'C': talk_line (talk, text, false); return true;
    case 'E': talk_line (talk, text, true); return true;
    case 'B':
        if (talk->peer->keep_none)
            talk_count (talk);
        else
            talk_message (talk);
        return !talk->peer->cut;
    case 'c': return send (talk->fd, text, strlen (text), MSG_NOSIGNAL) > 0;
    case 'n': return SSL_shutdown (talk->ssl) >= 0;
    case 'N': talk_octets (talk, g_ascii_strtoull (text, NULL, 10)); return !talk->peer->cut;
    case 'T': return talk_begin_tls (talk);
    case 'H': talk->at = talk->end; return talk_fill (talk) && (talk->at = talk->end) > 0;
    case 'X': talk_end (talk, false, false); return false;
    case 'x': talk_end (talk, true, false); return false;
    case 'K': talk_end (talk, true, true); return false;
    case 'R': talk_reset (talk); return false;
    }
    g_error ("no such step: %s", step);
}

static gpointer
peer_main (gpointer data)
{
    Peer *peer = data;
    Talk *talk = g_new0 (Talk, 1);
    const struct timeval limit = {.tv_sec = RUN_LIMIT_US / 1000000};

    talk->peer = peer;
    talk->fd = accept (peer->listener, NULL, NULL);
    g_assert_cmpint (talk->fd, >=, 0);
    setsockopt (talk->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (peer->at = 0; peer->script[peer->at] != NULL; peer->at++)
        if (!talk_step (talk, peer->script[peer->at]))
            break;
    if (talk->ssl != NULL)
        SSL_free (talk->ssl);
    close (talk->fd);
    g_free (talk);
    g_atomic_int_set (&peer->finished, 1);
    return NULL;
}

void
peer_start (Peer *peer, const char *const *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    peer->script = script;
    peer->wire = g_string_new (NULL);
    peer->message = g_string_new (NULL);
    peer->said = g_string_new (NULL);
    peer->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (bind (peer->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint (listen (peer->listener, 4), ==, 0);
    getsockname (peer->listener, (struct sockaddr *)&address, &size);
    peer->port = ntohs (address.sin_port);
    peer->thread = g_thread_new ("peer", peer_main, peer);
}

void
peer_join (Peer *peer)
{
    if (peer->thread == NULL)
        return;
    g_atomic_int_set (&peer->over, 1);
    g_thread_join (g_steal_pointer (&peer->thread));
    close (peer->listener);
}

static void
peer_clear (Peer *peer)
{
    peer_join (peer);
    if (peer->wire == NULL)
        return;
    g_string_free (peer->wire, TRUE);
    g_string_free (peer->message, TRUE);
    g_string_free (peer->said, TRUE);
}

/* --- The client's owner -------------------------------------------------------------------------- */

static void
copy_failure (RelaisSmtpFailure *to, const RelaisSmtpFailure *from)
{
    g_free (to->text);
    *to = *from;
    to->text = g_strdup (from->text);
    g_assert_nonnull (to->text);
    g_assert_null (strpbrk (to->text, "\r\n"));
}

static void
send_or_quit (Run *run)
{
    if (run->n_transactions == 0) {
        if (!run->stay)
            relais_smtp_client_quit (run->client);
        return;
    }
    run->n_transactions--;
    relais_smtp_client_send (run->client, *run->transactions++);
    if (run->quit_after_send)
        relais_smtp_client_quit (run->client);
}

static void
on_ready (RelaisSmtpClient *client, const RelaisSmtpCaps *caps, gpointer data)
{
    Run *run = data;

    run->ready++;
    run->caps = *caps;
    g_assert_cmpuint (run->closed, ==, 0);
    g_assert_cmpint (relais_smtp_client_phase (client), ==, RELAIS_PHASE_IDLE);
    if (run->free_in_ready)
        g_clear_pointer (&run->client, relais_smtp_client_free);
    else
        send_or_quit (run);
}

static void
on_sent (RelaisSmtpClient *client, const RelaisSmtpOutcome *outcomes, guint n,
         const RelaisSmtpFailure *failure, gpointer data)
{
    Run *run = data;

    run->sent++;
    g_assert_cmpuint (run->ready, ==, 1);
    g_assert_cmpuint (run->closed, ==, 0);
    for (guint i = 0; i < n; i++) {
        Noted noted = {.phase = outcomes[i].phase};

        relais_smtp_reply_copy (&noted.reply, &outcomes[i].reply);
        g_assert_true (failure != NULL || noted.reply.code != 0);
        g_array_append_val (run->outcomes, noted);
    }
    run->sent_failed = failure != NULL;
    if (failure != NULL)
        copy_failure (&run->sent_failure, failure);
    if (run->free_in_sent)
        g_clear_pointer (&run->client, relais_smtp_client_free);
    else if (failure == NULL)
        send_or_quit (run);
}

static void
on_closed (RelaisSmtpClient *client, const RelaisSmtpReply *reply, const RelaisSmtpFailure *failure,
           gpointer data)
{
    Run *run = data;

    run->closed++;
    g_assert_true ((reply == NULL) == (failure == NULL));
    run->good_end = failure == NULL;
    if (failure != NULL) {
        copy_failure (&run->failure, failure);
        relais_smtp_reply_copy (&run->reply, reply);
    }
    run->client = NULL;
}

static const RelaisSmtpClientCallbacks callbacks = {on_ready, on_sent, on_closed};

/* --- Runs ---------------------------------------------------------------------------------------- */

static void
clear_noted (gpointer data)
{
    relais_smtp_reply_clear (&((Noted *)data)->reply);
}

void
run_init (Run *run)
{
    *run = (Run){.policy = RELAIS_TLS_POLICY_NONE, .host = "mx.test"};
    run->timeouts = (RelaisSmtpTimeouts){
        .connect_us = 5000000,
        .banner_us = 5000000,
        .ehlo_us = 5000000,
        .tls_us = 5000000,
        .mail_us = 5000000,
        .rcpt_us = 5000000,
        .data_us = 5000000,
        .body_us = 5000000,
        .dot_us = 5000000,
        .quit_us = 5000000,
        .stall_us = 5000000,
    };
    run->outcomes = g_array_new (FALSE, FALSE, sizeof (Noted));
    g_array_set_clear_func (run->outcomes, clear_noted);
    run->loop = relais_loop_new (NULL, NULL);
    run->pool = relais_pool_new (run->loop, "test", 1, 4);
}

void
run_begin (Run *run, const char *const *script)
{
    RelaisSmtpClientOptions options = {
        .peer_size = sizeof (struct sockaddr_in),
        .host = run->host,
        .helo = "client.test",
        .lmtp = run->lmtp,
        .implicit_tls = run->implicit_tls,
        .auth_in_clear = run->auth_in_clear,
        .credentials = run->credentials,
        .tls_policy = run->policy,
        .tls = run->tls,
    };
    struct sockaddr_in *address = (struct sockaddr_in *)&options.peer;
    g_autoptr (GError) error = NULL;

    if (run->shared_loop != NULL) {
        relais_pool_free (g_steal_pointer (&run->pool));
        relais_loop_free (run->loop);
        run->loop = run->shared_loop;
    }
    if (run->refused_port == 0)
        peer_start (&run->peer, script);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address->sin_port = htons (run->refused_port != 0 ? run->refused_port : run->peer.port);
    run->client = relais_smtp_client_new (run->loop, run->pool, &options, &run->timeouts,
                                          &callbacks, run, &error);
    g_assert_no_error (error);
}

void
run_script (Run *run, const char *const *script)
{
    gint64 start = g_get_monotonic_time ();

    run_begin (run, script);
    while (run->client != NULL) {
        relais_loop_turn (run->loop, true);
        if (run->client != NULL && run->free_when_in != RELAIS_PHASE_CONNECT &&
            relais_smtp_client_phase (run->client) == run->free_when_in)
            g_clear_pointer (&run->client, relais_smtp_client_free);
        g_assert_cmpint (g_get_monotonic_time () - start, <, RUN_LIMIT_US);
    }
    run->took_us = g_get_monotonic_time () - start;
    /* A stream that says QUIT behind its owner's back needs the loop until the peer has gone. */
    g_atomic_int_set (&run->peer.over, 1);
    while (run->peer.thread != NULL && !g_atomic_int_get (&run->peer.finished)) {
        relais_loop_turn (run->loop, false);
        g_usleep (100);
    }
    while (relais_loop_turn (run->loop, false))
        continue;
    peer_join (&run->peer);
}

void
run_mail (Run *run, const Mail *mail, const char *const *script)
{
    const RelaisSmtpTransaction *tx = &mail->tx;

    run->transactions = &tx;
    run->n_transactions = 1;
    run_script (run, script);
}

void
run_clear (Run *run)
{
    relais_smtp_client_free (run->client);
    relais_pool_free (run->pool);
    if (run->shared_loop == NULL)
        relais_loop_free (run->loop);
    g_array_unref (run->outcomes);
    g_free (run->sent_failure.text);
    g_free (run->failure.text);
    relais_smtp_reply_clear (&run->reply);
    g_clear_pointer (&run->credentials, relais_credentials_unref);
    g_clear_pointer (&run->tls, relais_tls_context_unref);
    peer_clear (&run->peer);
}

guint
run_code (const Run *run, guint i)
{
    g_assert_cmpuint (i, <, run->outcomes->len);
    return g_array_index (run->outcomes, Noted, i).reply.code;
}

RelaisSmtpPhase
run_phase (const Run *run, guint i)
{
    g_assert_cmpuint (i, <, run->outcomes->len);
    return g_array_index (run->outcomes, Noted, i).phase;
}

void
mail_init_rope (Mail *mail, guint n, RelaisRope *rope)
{
    mail->recipients = g_new0 (RelaisRecipient, n);
    mail->pointers = g_new0 (const RelaisRecipient *, n);
    for (guint i = 0; i < n; i++) {
        mail->recipients[i].address = g_strdup_printf ("r%u@b.test", i);
        mail->pointers[i] = &mail->recipients[i];
    }
    mail->tx = (RelaisSmtpTransaction){
        .sender = "s@a.test", .n_recipients = n, .recipients = mail->pointers, .rope = rope};
}

void
mail_init (Mail *mail, guint n, const char *text)
{
    RelaisRope *rope = relais_rope_new ();

    relais_rope_append_copy (rope, text, strlen (text));
    mail_init_rope (mail, n, rope);
}

void
mail_clear (Mail *mail)
{
    for (guint i = 0; i < mail->tx.n_recipients; i++) {
        g_free (mail->recipients[i].address);
        g_free (mail->recipients[i].orcpt);
    }
    g_free (mail->recipients);
    g_free (mail->pointers);
    relais_rope_unref (mail->tx.rope);
}

void
check_octets (const GString *got, const char *wanted, gsize size)
{
    g_assert_cmpuint (got->len, ==, size);
    g_assert_true (memcmp (got->str, wanted, size) == 0);
}
