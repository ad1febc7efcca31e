/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP client's life: making it, its phases and their deadlines, the progress watchdog, taking
 * replies off the stream one by one, and the one place where a session ends. Owns the stream and
 * everything in struct RelaisSmtpClient.
 *
 * Loop thread. Never calls its owner from inside a call of the owner's.
 *
 *   CONNECT -> BANNER -> EHLO -> IDLE <-> [RSET ->] MAIL -> RCPT -> DATA -> BODY -> DOT
 *                         ^ |     |         (back to IDLE from MAIL, RCPT, DATA, DOT)
 *                         | v     v
 *                TLS <- STARTTLS QUIT       any -> CLOSED
 *
 * AUTH stands between EHLO (or a STARTTLS that was refused) and IDLE; with implicit TLS, TLS between
 * CONNECT and BANNER.
 */
#include "config.h"

#include "smtp/client-state-private.h"

#include <gio/gio.h>
#include <stddef.h>
#include <string.h>

/* The watchdog looks this often while output waits, where no call tells us of progress. */
enum { WATCH_US = 1000 * 1000 };

const RelaisSmtpTimeouts relais_smtp_default_timeouts = {
    /* RFC 5321 section 4.5.3.2, but for connecting and the handshake, which it does not know, and
     * QUIT, whose answer changes nothing. */
    .connect_us = 30 * RELAIS_USEC_PER_SEC, .banner_us = 5 * RELAIS_USEC_PER_MIN,
    .ehlo_us = 5 * RELAIS_USEC_PER_MIN,     .tls_us = 1 * RELAIS_USEC_PER_MIN,
    .mail_us = 5 * RELAIS_USEC_PER_MIN,     .rcpt_us = 5 * RELAIS_USEC_PER_MIN,
    .data_us = 2 * RELAIS_USEC_PER_MIN,     .body_us = 3 * RELAIS_USEC_PER_MIN,
    .dot_us = 10 * RELAIS_USEC_PER_MIN,     .quit_us = 5 * RELAIS_USEC_PER_SEC,
    .stall_us = 5 * RELAIS_USEC_PER_MIN,
};

RelaisSmtpTimeouts
relais_smtp_cap_timeouts (gint64 most_us)
{
    const RelaisSmtpTimeouts *usual = &relais_smtp_default_timeouts;

    return (RelaisSmtpTimeouts){
        .connect_us = MIN (usual->connect_us, most_us),
        .banner_us = MIN (usual->banner_us, most_us),
        .ehlo_us = MIN (usual->ehlo_us, most_us),
        .tls_us = MIN (usual->tls_us, most_us),
        .mail_us = MIN (usual->mail_us, most_us),
        .rcpt_us = MIN (usual->rcpt_us, most_us),
        .data_us = MIN (usual->data_us, most_us),
        .body_us = MIN (usual->body_us, most_us),
        .dot_us = MIN (usual->dot_us, most_us),
        .quit_us = MIN (usual->quit_us, most_us),
        .stall_us = MIN (usual->stall_us, most_us),
    };
}

/* --- Phases ----------------------------------------------------------------------------------- */

#define TO(phase) (1U << (phase))
#define TIMEOUT(member) ((int)offsetof (RelaisSmtpTimeouts, member))

typedef struct {
    const char *name;
    guint next;  /* phases that may follow, but for CLOSED, which always may */
    int timeout; /* of RelaisSmtpTimeouts; -1: none */
    void (*on_reply) (RelaisSmtpClient *client); /* NULL: none is owed here */
} Phase;

static const Phase phases[SMTP_N_PHASES] = {
    [RELAIS_PHASE_CONNECT] = {"connect", TO (RELAIS_PHASE_BANNER) | TO (RELAIS_PHASE_TLS),
                              TIMEOUT (connect_us), NULL},
    [RELAIS_PHASE_BANNER] = {"banner", TO (RELAIS_PHASE_EHLO), TIMEOUT (banner_us),
                             smtp_session_on_banner},
    [RELAIS_PHASE_EHLO] = {"ehlo",
                           TO (RELAIS_PHASE_EHLO) | TO (RELAIS_PHASE_STARTTLS) |
                               TO (RELAIS_PHASE_AUTH) | TO (RELAIS_PHASE_IDLE),
                           TIMEOUT (ehlo_us), smtp_session_on_ehlo},
    [RELAIS_PHASE_STARTTLS] = {"starttls",
                               TO (RELAIS_PHASE_TLS) | TO (RELAIS_PHASE_AUTH) |
                                   TO (RELAIS_PHASE_IDLE),
                               TIMEOUT (ehlo_us), smtp_session_on_starttls},
    [RELAIS_PHASE_TLS] = {"tls", TO (RELAIS_PHASE_EHLO) | TO (RELAIS_PHASE_BANNER),
                          TIMEOUT (tls_us), NULL},
    [RELAIS_PHASE_AUTH] = {"auth", TO (RELAIS_PHASE_AUTH) | TO (RELAIS_PHASE_IDLE),
                           TIMEOUT (ehlo_us), smtp_auth_on_reply},
    [RELAIS_PHASE_MAIL] = {"mail", TO (RELAIS_PHASE_RCPT) | TO (RELAIS_PHASE_IDLE),
                           TIMEOUT (mail_us), smtp_transaction_on_mail},
    [RELAIS_PHASE_RCPT] = {"rcpt",
                           TO (RELAIS_PHASE_DATA) | TO (RELAIS_PHASE_BODY) | TO (RELAIS_PHASE_IDLE),
                           TIMEOUT (rcpt_us), smtp_transaction_on_rcpt},
    [RELAIS_PHASE_DATA] = {"data",
                           TO (RELAIS_PHASE_BODY) | TO (RELAIS_PHASE_DOT) | TO (RELAIS_PHASE_IDLE),
                           TIMEOUT (data_us), smtp_transaction_on_data},
    [RELAIS_PHASE_BODY] = {"body", TO (RELAIS_PHASE_DOT), TIMEOUT (body_us), NULL},
    [RELAIS_PHASE_DOT] = {"dot", TO (RELAIS_PHASE_IDLE) | TO (RELAIS_PHASE_DOT), TIMEOUT (dot_us),
                          smtp_transaction_on_dot},
    [RELAIS_PHASE_RSET] = {"rset", TO (RELAIS_PHASE_MAIL), TIMEOUT (mail_us),
                           smtp_transaction_on_rset},
    [RELAIS_PHASE_IDLE] = {"idle",
                           TO (RELAIS_PHASE_MAIL) | TO (RELAIS_PHASE_RSET) | TO (RELAIS_PHASE_QUIT),
                           -1, NULL},
    [RELAIS_PHASE_QUIT] = {"quit", 0, TIMEOUT (quit_us), smtp_session_on_quit},
    [SMTP_PHASE_CLOSED] = {"closed", 0, -1, NULL},
};

const char *
relais_smtp_phase_to_string (RelaisSmtpPhase phase)
{
    return phases[phase].name;
}

void
smtp_client_arm_deadline (RelaisSmtpClient *client)
{
    const int timeout = phases[client->phase].timeout;

    if (timeout < 0) {
        relais_timer_stop (&client->deadline);
        return;
    }
    relais_timer_set (&client->deadline,
                      *(const gint64 *)((const char *)&client->timeouts + timeout));
}

/* In these phases the peer owes us progress; see RelaisSmtpTimeouts. */
static bool
is_watched (const RelaisSmtpClient *client)
{
    switch (client->phase) {
    case RELAIS_PHASE_CONNECT:
    case RELAIS_PHASE_IDLE:
    case SMTP_PHASE_CLOSED: return false;
    case RELAIS_PHASE_DOT: return relais_stream_unwritten (client->stream) > 0;
    default: return true;
    }
}

static void
arm_watchdog (RelaisSmtpClient *client)
{
    const gint64 stall = client->timeouts.stall_us;
    const gint64 now = relais_loop_now_us (client->loop);
    gint64 due = client->progress_us + stall;

    /* Replies tell us of progress; only output moves unseen. */
    if (client->phase == RELAIS_PHASE_BODY || client->phase == RELAIS_PHASE_DOT)
        due = MIN (due, now + MIN (stall / 4 + 1, WATCH_US));
    relais_timer_set_at (&client->watchdog, due);
}

void
smtp_client_set_phase (RelaisSmtpClient *client, guint phase)
{
    g_assert (phase == SMTP_PHASE_CLOSED || (phases[client->phase].next & TO (phase)) != 0);
    if (phase == SMTP_PHASE_CLOSED)
        client->last_phase = client->phase;
    client->phase = phase;
    smtp_client_arm_deadline (client);
    client->progress_us = relais_loop_now_us (client->loop);
    if (is_watched (client) &&
        (phase == RELAIS_PHASE_BODY || !relais_timer_is_set (&client->watchdog)))
        arm_watchdog (client);
}

/* --- Life ------------------------------------------------------------------------------------- */

void
smtp_client_ref (RelaisSmtpClient *client)
{
    client->refs++;
}

void
smtp_client_unref (RelaisSmtpClient *client)
{
    if (--client->refs > 0)
        return;
    g_assert (client->gone);
    g_free (client->host);
    g_free (client->helo);
    g_strfreev (client->tls_names);
    relais_tlsa_set_unref (client->tlsa);
    relais_credentials_unref (client->credentials);
    g_free (client->session_key);
    relais_tls_sessions_unref (client->sessions);
    g_free (client->planned.text);
    g_clear_pointer (&client->tls, relais_tls_context_unref);
    relais_reply_parser_free (client->parser);
    relais_smtp_reply_clear (&client->reply);
    g_free (client);
}

/* Lets go of everything that could call us; the memory stays as long as we are on the stack. */
static void
let_go (RelaisSmtpClient *client)
{
    if (client->gone)
        return;
    client->gone = true;
    if (client->phase != SMTP_PHASE_CLOSED)
        smtp_client_set_phase (client, SMTP_PHASE_CLOSED);
    relais_timer_stop (&client->deadline);
    relais_timer_stop (&client->watchdog);
    relais_timer_stop (&client->later);
    relais_timer_stop (&client->retry);
    if (client->tx != NULL)
        smtp_transaction_free (client, g_steal_pointer (&client->tx));
    smtp_auth_clear (client);
    g_clear_pointer (&client->stream, relais_stream_free);
    smtp_client_unref (client);
}

void
relais_smtp_client_free (RelaisSmtpClient *client)
{
    if (client != NULL)
        let_go (client);
}

void
smtp_client_end (RelaisSmtpClient *client, const RelaisSmtpReply *reply,
                 const RelaisSmtpFailure *failure)
{
    static const RelaisSmtpReply none = {0};

    if (client->phase == SMTP_PHASE_CLOSED)
        return;
    smtp_client_ref (client);
    smtp_client_set_phase (client, SMTP_PHASE_CLOSED);
    relais_timer_stop (&client->watchdog);
    relais_timer_stop (&client->later);
    if (client->tx != NULL)
        smtp_transaction_finish (client, failure);
    if (!client->gone && failure != NULL)
        client->callbacks.closed (client, reply != NULL ? reply : &none, failure, client->data);
    else if (!client->gone)
        client->callbacks.closed (client, NULL, NULL, client->data);
    let_go (client);
    smtp_client_unref (client);
}

/* A break behind the final dot is only in doubt once all of it had left. */
static RelaisSmtpPhase
failed_phase (const RelaisSmtpClient *client)
{
    if (client->phase == RELAIS_PHASE_DOT && relais_stream_unwritten (client->stream) > 0)
        return RELAIS_PHASE_BODY;
    return client->phase;
}

void
smtp_client_fail (RelaisSmtpClient *client, guint flags, const char *format, ...)
{
    RelaisSmtpFailure failure = {.phase = failed_phase (client),
                                 .timeout = (flags & SMTP_FAIL_TIMEOUT) != 0,
                                 .tls_handshake = (flags & SMTP_FAIL_TLS) != 0};
    va_list args;

    if (failure.tls_handshake && client->stream != NULL)
        failure.verify_code = relais_stream_verify_code (client->stream);

    va_start (args, format);
    failure.text = g_strdup_vprintf (format, args);
    va_end (args);
    smtp_client_end (client, NULL, &failure);
    g_free (failure.text);
}

void
smtp_client_fail_by_reply (RelaisSmtpClient *client, bool polite, const char *what)
{
    RelaisSmtpFailure failure = {.phase = failed_phase (client)};

    failure.text = g_strdup_printf ("%s: %u %s", what, client->reply.code, client->reply.text);
    if (polite) {
        relais_stream_write (client->stream, "QUIT\r\n", 6);
        relais_stream_finish (g_steal_pointer (&client->stream), client->timeouts.quit_us);
    }
    smtp_client_end (client, &client->reply, &failure);
    g_free (failure.text);
}

void
smtp_client_refuse (RelaisSmtpClient *client, RelaisSmtpRefusal refused, const char *format, ...)
{
    RelaisSmtpFailure failure = {.phase = failed_phase (client), .refused = refused};
    va_list args;

    va_start (args, format);
    failure.text = g_strdup_vprintf (format, args);
    va_end (args);
    smtp_client_end (client, NULL, &failure);
    g_free (failure.text);
}

/* --- Commands and replies --------------------------------------------------------------------- */

bool
smtp_client_input_waits (RelaisSmtpClient *client)
{
    gsize waiting;

    relais_stream_peek (client->stream, &waiting);
    return waiting > 0 || !relais_reply_parser_is_empty (client->parser);
}

void
smtp_client_command (RelaisSmtpClient *client, const char *bytes, gsize size, guint n_replies)
{
    if (smtp_client_input_waits (client))
        return; /* unsolicited; take_replies () or the deadline ends the session */
    relais_stream_write (client->stream, bytes, size);
    client->owed += n_replies;
}

/* What comes while nothing is owed. A 421 says that the peer goes; anything else could be taken for
 * the answer to our next command, so nothing is sent any more. */
static void
take_unsolicited (RelaisSmtpClient *client)
{
    const guint16 code = client->reply.code;

    if (code == 421)
        smtp_client_fail_by_reply (client, false, "the peer closed the session");
    else if (failed_phase (client) == RELAIS_PHASE_BODY && code >= 400)
        smtp_client_fail_by_reply (client, false, "the peer refused within the message");
    else
        smtp_client_fail (client, SMTP_FAIL_PLAIN, "a reply that nothing asked for: %u %s", code,
                          client->reply.text);
}

static void
take_reply (RelaisSmtpClient *client)
{
    const Phase *phase = &phases[client->phase];
    /* An answer to a dot that has not left yet answers something else. */
    bool early = client->phase == RELAIS_PHASE_DOT && relais_stream_unwritten (client->stream) > 0;
    bool final = client->reply.code == 421 || client->phase == RELAIS_PHASE_BODY || early;

    if (client->tx != NULL && final && client->reply.code >= 400)
        smtp_transaction_decide_rest (client, failed_phase (client));
    if (client->owed == 0 || early || phase->on_reply == NULL) {
        take_unsolicited (client);
        return;
    }
    client->owed--;
    if (client->reply.code == 421 && client->phase != RELAIS_PHASE_QUIT)
        smtp_client_fail_by_reply (client, false, "the peer closed the session");
    else
        phase->on_reply (client);
}

/* Takes one reply or what there is of it; false when there is nothing more to take. */
static bool
take_input (RelaisSmtpClient *client)
{
    gsize size, used;
    const guint8 *bytes = relais_stream_peek (client->stream, &size);
    RelaisReplyStatus status;

    if (size == 0)
        return false;
    status = relais_reply_parse (client->parser, bytes, size, &used, &client->reply);
    relais_stream_consume (client->stream, used);
    switch (status) {
    case RELAIS_REPLY_MORE: break;
    case RELAIS_REPLY_LINE:
        if (client->phase == RELAIS_PHASE_EHLO)
            smtp_session_on_ehlo_line (client);
        break;
    case RELAIS_REPLY_DONE: take_reply (client); break;
    case RELAIS_REPLY_BROKEN:
        smtp_client_fail (client, SMTP_FAIL_PLAIN, "not an SMTP reply: %s",
                          relais_reply_parser_problem (client->parser));
        break;
    }
    return true;
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    client->progress_us = relais_loop_now_us (client->loop);
    while (!client->gone && client->phase != RELAIS_PHASE_TLS && take_input (client))
        continue;
    smtp_client_unref (client);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    client->progress_us = relais_loop_now_us (client->loop);
    if (client->phase == RELAIS_PHASE_BODY)
        smtp_body_pump (client);
    smtp_client_unref (client);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    if (client->phase == RELAIS_PHASE_TLS)
        smtp_session_on_tls (client, error);
    else if (error != NULL)
        smtp_client_fail (client, SMTP_FAIL_PLAIN, "%s", error->message);
    else
        smtp_session_on_connect (client);
    smtp_client_unref (client);
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    if (client->phase == RELAIS_PHASE_QUIT)
        smtp_client_end (client, NULL, NULL); /* many go without a word; nothing hangs on it */
    else if (error != NULL)
        smtp_client_fail (client,
                          client->phase == RELAIS_PHASE_TLS ? SMTP_FAIL_TLS : SMTP_FAIL_PLAIN,
                          "the connection broke: %s", error->message);
    else
        smtp_client_fail (client,
                          client->phase == RELAIS_PHASE_TLS ? SMTP_FAIL_TLS : SMTP_FAIL_PLAIN,
                          "the peer closed the connection");
    smtp_client_unref (client);
}

static const RelaisStreamCallbacks stream_callbacks = {on_input, on_drained, on_ready, on_closed};

/* --- Timers ----------------------------------------------------------------------------------- */

static void
fail_timeout (RelaisSmtpClient *client, const char *what)
{
    const guint flags = client->phase == RELAIS_PHASE_TLS ? SMTP_FAIL_TLS : 0;

    smtp_client_fail (client, SMTP_FAIL_TIMEOUT | flags, "%s in phase %s", what,
                      phases[client->phase].name);
}

static void
on_deadline (gpointer data)
{
    RelaisSmtpClient *client = data;
    guint64 written = client->stream != NULL ? relais_stream_bytes_out (client->stream) : 0;

    /* In the body the deadline is for each high mark's worth of octets. */
    if (client->phase == RELAIS_PHASE_BODY &&
        written - client->tx->body.written_mark >= RELAIS_STREAM_HIGH_BYTES) {
        client->tx->body.written_mark = written;
        smtp_client_arm_deadline (client);
        return;
    }
    fail_timeout (client, "timeout");
}

static void
on_watchdog (gpointer data)
{
    RelaisSmtpClient *client = data;
    guint64 octets =
        relais_stream_bytes_in (client->stream) + relais_stream_bytes_out (client->stream);
    gint64 now = relais_loop_now_us (client->loop);

    if (!is_watched (client))
        return;
    if (octets != client->octets)
        client->progress_us = now;
    client->octets = octets;
    if (now - client->progress_us >= client->timeouts.stall_us)
        fail_timeout (client, "no progress");
    else
        arm_watchdog (client);
}

/* What a call of the owner's asked for and could not be told inside it. */
static void
on_later (gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    client->planned.phase = failed_phase (client);
    if (client->planned.refused == RELAIS_REFUSED_NOT) {
        smtp_client_end (client, NULL, &client->planned);
    } else {
        client->planned.phase = RELAIS_PHASE_MAIL;
        smtp_transaction_finish (client, &client->planned);
        if (!client->gone && client->phase == RELAIS_PHASE_IDLE)
            smtp_session_quit (client);
    }
    smtp_client_unref (client);
}

static void
on_retry (gpointer data)
{
    RelaisSmtpClient *client = data;

    smtp_client_ref (client);
    if (client->phase == RELAIS_PHASE_BODY)
        smtp_body_pump (client);
    else if (client->phase == RELAIS_PHASE_AUTH)
        smtp_auth_go_on (client);
    smtp_client_unref (client);
}

/* --- The owner's calls ------------------------------------------------------------------------ */

RelaisSmtpClient *
relais_smtp_client_new (RelaisLoop *loop, RelaisPool *pool, const RelaisSmtpClientOptions *options,
                        const RelaisSmtpTimeouts *timeouts,
                        const RelaisSmtpClientCallbacks *callbacks, gpointer data, GError **error)
{
    RelaisSmtpClient *client = g_new0 (RelaisSmtpClient, 1);

    g_assert (options->tls != NULL ||
              (options->tls_policy < RELAIS_TLS_POLICY_REQUIRE && !options->implicit_tls));
    client->refs = 1;
    client->loop = loop;
    client->pool = pool;
    client->callbacks = *callbacks;
    client->data = data;
    client->timeouts = *timeouts;
    client->host = g_strdup (options->host);
    client->helo = g_strdup (options->helo);
    client->lmtp = options->lmtp;
    client->tls_policy = options->tls_policy;
    if (options->credentials != NULL)
        client->credentials = relais_credentials_ref (options->credentials);
    client->auth_in_clear = options->auth_in_clear;
    client->implicit_tls = options->implicit_tls;
    client->session_key = g_strdup (options->session_key);
    if (options->sessions != NULL)
        client->sessions = relais_tls_sessions_ref (options->sessions);
    client->tls_names = g_strdupv ((char **)options->tls_names);
    client->tlsa = options->tlsa != NULL ? relais_tlsa_set_ref (options->tlsa) : NULL;
    client->tls = options->tls != NULL ? relais_tls_context_ref (options->tls) : NULL;
    client->parser = relais_reply_parser_new ();
    relais_timer_init (&client->deadline, loop, on_deadline, client);
    relais_timer_init (&client->watchdog, loop, on_watchdog, client);
    relais_timer_init (&client->later, loop, on_later, client);
    relais_timer_init (&client->retry, loop, on_retry, client);
    client->stream = relais_stream_connect (
        loop, (const struct sockaddr *)&options->peer, options->peer_size,
        options->local_size > 0 ? (const struct sockaddr *)&options->local : NULL,
        options->local_size, &stream_callbacks, client, error);
    if (client->stream == NULL) {
        let_go (client);
        return NULL;
    }
    smtp_client_arm_deadline (client);
    return client;
}

void
relais_smtp_client_send (RelaisSmtpClient *client, const RelaisSmtpTransaction *tx)
{
    g_return_if_fail (client->phase == RELAIS_PHASE_IDLE && client->tx == NULL);
    g_return_if_fail (tx->n_recipients > 0);
    g_clear_pointer (&client->planned.text, g_free);
    client->planned = (RelaisSmtpFailure){0};
    client->tx = smtp_transaction_new (client, tx, &client->planned);
    if (client->planned.refused != RELAIS_REFUSED_NOT)
        relais_timer_set (&client->later, 0);
    else
        smtp_transaction_start (client);
}

void
relais_smtp_client_quit (RelaisSmtpClient *client)
{
    if (client->phase == RELAIS_PHASE_QUIT || client->phase == SMTP_PHASE_CLOSED)
        return;
    if (client->phase == RELAIS_PHASE_IDLE && client->tx == NULL) {
        smtp_session_quit (client);
        return;
    }
    g_free (client->planned.text);
    client->planned = (RelaisSmtpFailure){.text = g_strdup ("the session was cut short by us")};
    relais_timer_set (&client->later, 0);
}

RelaisSmtpPhase
relais_smtp_client_phase (const RelaisSmtpClient *client)
{
    return client->phase == SMTP_PHASE_CLOSED ? client->last_phase : client->phase;
}

RelaisStream *
relais_smtp_client_stream (RelaisSmtpClient *client)
{
    return client->stream;
}
