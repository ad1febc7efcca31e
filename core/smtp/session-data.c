/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Message data: from DATA to the 250 that is said after the sync. Data is decoded straight from the
 * input into the draft; what goes wrong on the way is remembered and said at the end of data, but for
 * a bare CR or LF, after which no end can be trusted. The commit is an object of its own: once the
 * spool has it, neither the client's leaving nor the session's end stops it. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

#include "message/header-private.h"

#include <string.h>

enum { PAID_BYTES = 64 * 1024 }; /* of data for one data_timeout */

typedef struct {
    RelaisSmtpServer *server;
    RelaisSession *session;
    RelaisMessage *message;
} Commit;

static const RelaisServerReply go_ahead = {354, NULL, "end data with <CRLF>.<CRLF>"};
static const RelaisServerReply no_arguments = {501, "5.5.4", "no arguments are taken"};
static const RelaisServerReply header_too_big = {552, "5.3.4", "header too big"};
static const RelaisServerReply line_too_long = {550, "5.6.0", "line too long"};
static const RelaisServerReply has_nul = {550, "5.6.0", "NUL in the message"};
static const RelaisServerReply not_utf8 = {550, "5.6.0", "the header is not UTF-8"};
static const RelaisServerReply disk_full = {452, "4.3.1", "no room for the message now"};
static const RelaisServerReply disk_failed = {451, "4.3.0", "the message cannot be kept now"};
static const RelaisServerReply foreign_from = {
    550, "5.7.1", "you may not use the domain of the From header, or there is not exactly one"};

const RelaisServerReply relais_reply_no_recipients = {554, "5.5.1", "no valid recipients"};
const RelaisServerReply relais_reply_bare_newline = {
    550, "5.5.2", "a CR or LF stands alone in the data; the connection is closed"};
const RelaisServerReply relais_reply_too_big = {552, "5.3.4", "message too big"};

static const RelaisServerReply *
reply_of_error (const GError *error)
{
    return g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_SPACE) ||
                   g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_MEMORY)
               ? &disk_full
               : &disk_failed;
}

/* --- DATA ------------------------------------------------------------------------------------- */

const RelaisServerReply *
relais_session_spool_refusal (RelaisSession *session, guint64 size_bytes)
{
    const GError *error = relais_spool_refusal (session->server->options.spool, size_bytes);

    return error != NULL ? reply_of_error (error) : NULL;
}

const RelaisServerReply *
relais_check_data (RelaisSession *session, const char *args, gsize size)
{
    if (size > 0)
        return &no_arguments;
    if (session->tx->message->envelope.recipients->len == 0)
        return &relais_reply_no_recipients;
    return relais_session_spool_refusal (session, session->tx->declared_bytes);
}

static void
on_resume (gpointer data)
{
    RelaisSession *session = data;

    if (!session->tx->stalled)
        return;
    session->tx->stalled = false;
    session->unpaid_bytes = 0;
    relais_session_set_deadline (session, session->settings->limits.data_timeout);
    relais_session_continue (session);
}

void
relais_session_begin_data (RelaisSession *session)
{
    RelaisTransaction *tx = session->tx;

    tx->draft = relais_draft_new (session->server->options.spool);
    relais_draft_set_resume (tx->draft, on_resume, session);
    session->unpaid_bytes = 0;
    relais_session_set_deadline (session, session->settings->limits.data_timeout);
}

void
relais_proceed_data (RelaisSession *session, const RelaisHookResult *result)
{
    relais_framing_init (&session->tx->framing, session->listener->normalise);
    relais_session_set_state (session, RELAIS_SESSION_DATA);
    relais_session_reply (session, &go_ahead);
    relais_session_begin_data (session);
}

void
relais_transaction_fail (RelaisTransaction *tx, const RelaisServerReply *reply)
{
    tx->failure = reply;
    tx->stalled = false;
    g_clear_pointer (&tx->draft, relais_draft_free);
}

void
relais_session_append_data (gpointer data, const guint8 *bytes, gsize size)
{
    RelaisSession *session = data;
    const RelaisServerLimits *limits = &session->settings->limits;
    RelaisTransaction *tx = session->tx;
    gsize header_size;

    tx->received_bytes += size;
    if (tx->failure != NULL)
        return;
    if (tx->received_bytes > (guint64)limits->message_size) {
        relais_transaction_fail (tx, &relais_reply_too_big);
        return;
    }
    if (!relais_draft_append (tx->draft, bytes, size))
        tx->stalled = true;
    relais_draft_header (tx->draft, &header_size);
    if (header_size > (gsize)limits->header_size)
        relais_transaction_fail (tx, &header_too_big);
    else if (relais_draft_failure (tx->draft) != NULL)
        relais_transaction_fail (tx, reply_of_error (relais_draft_failure (tx->draft)));
}

void
relais_session_pay (RelaisSession *session, gsize size)
{
    session->unpaid_bytes += size;
    if (session->unpaid_bytes < PAID_BYTES)
        return;
    session->unpaid_bytes %= PAID_BYTES;
    relais_session_set_deadline (session, session->settings->limits.data_timeout);
}

bool
relais_session_take_data (RelaisSession *session)
{
    gsize size, used = 0;
    const guint8 *bytes = relais_stream_peek (session->stream, &size);
    RelaisFramingStatus status;

    if (size == 0)
        return false;
    status = relais_framing_decode (&session->tx->framing, bytes, size, &used,
                                    relais_session_append_data, session);
    relais_stream_consume (session->stream, used);
    switch (status) {
    case RELAIS_FRAMING_MORE: relais_session_pay (session, used); break;
    case RELAIS_FRAMING_BARE:
        session->server->figures.rejected_total++;
        relais_session_reply_and_finish (session, &relais_reply_bare_newline);
        return false;
    case RELAIS_FRAMING_END:
        session->tx->stalled = false;
        relais_session_run_step (session, &relais_step_end_of_data, NULL, 0);
        return true;
    }
    /* Who goes on for as long again after a message too big never means to end it. */
    if (session->tx->received_bytes / 2 > (guint64)session->settings->limits.message_size) {
        relais_session_reply_and_finish (session, &relais_reply_too_big);
        return false;
    }
    return true;
}

/* --- The end of data: check ------------------------------------------------------------------- */

static char *
describe_client (const RelaisSession *session)
{
    const char *tag = strchr (session->client, ':') != NULL ? "IPv6:" : "";

    return g_strdup_printf ("%s ([%s%s])", session->helo, tag, session->client);
}

/* RFC 3848, and RFC 6531 section 4.3. */
static const char *
protocol_of (const RelaisSession *session)
{
    static const char *const names[2][4] = {{"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"},
                                            {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"}};

    if (!session->esmtp)
        return "SMTP";
    return names[session->tx->message->envelope.smtputf8]
                [(session->tls ? 2 : 0) + (session->user != NULL ? 1 : 0)];
}

static bool
class_is_fixed (const RelaisSession *session)
{
    return session->listener->class_choice != RELAIS_CLASS_CHOICE_AUTO ||
           (session->user != NULL && session->user->klass != RELAIS_CLASS_CHOICE_AUTO);
}

static const RelaisServerReply *
apply_hygiene (RelaisSession *session)
{
    const RelaisServerSettings *settings = session->settings;
    const RelaisTransaction *tx = session->tx;
    g_autofree char *client = describe_client (session);
    g_autofree char *tls = NULL;
    const RelaisHygieneOptions options = {
        .submission = tx->relays,
        .missing = session->listener->missing_headers,
        .duplicate = session->listener->duplicate_headers,
        .max_hops = (guint)settings->limits.hops,
        .max_fields = (guint)settings->limits.header_fields,
        .hostname = settings->hostname,
        .authserv_id = settings->authserv_id,
        .received_with = protocol_of (session),
        .client_name_and_address = client,
        .tls = session->tls ? (tls = g_strdup_printf ("%s with cipher %s",
                                                      relais_stream_tls_version (session->stream),
                                                      relais_stream_tls_cipher (session->stream)))
                            : NULL,
        .wall_us = tx->message->envelope.received_us,
    };
    RelaisHeaderRefusal refusal = {0};
    const RelaisServerReply *reply = NULL;
    gsize size;
    const guint8 *header = relais_draft_header (tx->draft, &size);

    if (!relais_hygiene_apply (tx->message, header, size, &options,
                               tx->relays && session->listener->class_header,
                               class_is_fixed (session), &refusal))
        reply = relais_session_make_reply (session, refusal.code, refusal.enhanced, "%s",
                                           refusal.text != NULL ? refusal.text : "bad header");
    relais_header_refusal_clear (&refusal);
    return reply;
}

static const RelaisServerReply *
check_facts (const RelaisServerLimits *limits, const RelaisBodyFacts *facts)
{
    if ((gint64)facts->longest_line + 2 > limits->text_line)
        return &line_too_long;
    if (facts->has_nul)
        return &has_nul;
    return facts->header_bytes > (guint64)limits->header_size ? &header_too_big : NULL;
}

/* Octets above 127 that were not announced as UTF-8 are passed on as the client's affair. */
static const RelaisServerReply *
check_encoding (const RelaisTransaction *tx, const RelaisBodyFacts *facts)
{
    gsize size;
    const char *header = (const char *)relais_draft_header (tx->draft, &size);

    if (!tx->message->envelope.smtputf8 || !facts->eight_bit_header)
        return NULL;
    return g_utf8_validate (header, (gssize)size, NULL) ? NULL : &not_utf8;
}

static const RelaisServerReply *
failure_so_far (const RelaisTransaction *tx)
{
    const GError *error = relais_draft_failure (tx->draft);

    return error != NULL ? reply_of_error (error) : NULL;
}

static const RelaisServerReply *
check_end_of_data (RelaisSession *session, const char *args, gsize size)
{
    RelaisTransaction *tx = session->tx;
    const RelaisServerSettings *settings = session->settings;
    const RelaisServerReply *refusal = tx->failure != NULL ? tx->failure : failure_so_far (tx);
    const RelaisBodyFacts *facts;

    if (refusal != NULL)
        return refusal;
    facts = relais_draft_end (tx->draft);
    tx->received_bytes = facts->size_bytes;
    refusal = check_facts (&settings->limits, facts);
    if (refusal == NULL)
        refusal = check_encoding (tx, facts);
    if (refusal != NULL)
        return refusal;
    if (relais_host_has (session->server->options.host, RELAIS_HOOK_MESSAGE))
        tx->trace = relais_trace_new ();
    tx->message->id = relais_spool_new_id (session->server->options.spool);
    tx->message->envelope.received_us = relais_loop_wall_us (session->server->options.loop);
    refusal = apply_hygiene (session);
    if (refusal == NULL && tx->relays &&
        !relais_server_tenant_owns (settings, tx->message->envelope.tenant,
                                    tx->message->envelope.header_from))
        refusal = &foreign_from;
    return refusal;
}

void
relais_session_drop_transaction (RelaisSession *session)
{
    relais_session_end_transaction (session);
    relais_session_set_state (session, RELAIS_SESSION_READY);
}

/* --- The end of data: acceptance -------------------------------------------------------------- */

static GBytes *
accepted_line (const RelaisSession *session)
{
    const RelaisEnvelope *envelope = &session->tx->message->envelope;
    const RelaisTrace *trace = session->tx->trace;
    g_autofree char *auth = trace != NULL ? relais_trace_summary (trace) : NULL;
    RelaisEventLine *line;
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (session->tx->message->id, id);
    line = relais_event_line_new ("accepted", envelope->received_us, id, -1, 0);
    relais_event_line_add (line, "sender", envelope->sender);
    relais_event_line_add_int (line, "recipients", envelope->recipients->len);
    relais_event_line_add_int (line, "size", (gint64)session->tx->received_bytes);
    relais_event_line_add (line, "listener", envelope->listener);
    relais_event_line_add (line, "client", envelope->client);
    relais_event_line_add (line, "helo", envelope->helo);
    relais_event_line_add (line, "user", envelope->user);
    relais_event_line_add (line, "tenant", envelope->tenant);
    relais_event_line_add (line, "campaign", envelope->campaign);
    relais_event_line_add (line, "class", relais_class_to_string (envelope->klass));
    relais_event_line_add (line, "message_id", envelope->message_id);
    relais_event_line_add (line, "header_from", envelope->header_from);
    relais_event_line_add (line, "auth", auth);
    relais_event_line_add_bool (line, "tls", session->tls);
    return relais_event_line_end (line);
}

static void
reply_accepted (RelaisSession *session, guint64 message_id)
{
    char id[RELAIS_ID_TEXT_BYTES];

    session->idle_commands = session->temporary_errors = 0;
    relais_id_to_text (message_id, id);
    relais_session_reply (session,
                          relais_session_make_reply (session, 250, "2.0.0", "queued as %s", id));
}

static void
on_synced (gpointer data, const GError *error)
{
    Commit *commit = data;
    RelaisSmtpServer *server = commit->server;
    RelaisSession *session = commit->session;

    server->commits--;
    if (error == NULL && !server->freed) {
        server->figures.messages_total++;
        server->options.accepted (server->options.data, commit->message);
    }
    if (session->state != RELAIS_SESSION_ENDED) {
        relais_session_drop_transaction (session);
        if (error == NULL)
            reply_accepted (session, commit->message->id);
        else
            relais_session_reply (session, reply_of_error (error));
        relais_session_continue (session);
    }
    relais_smtp_server_check_drained (server);
    relais_message_unref (commit->message);
    relais_session_unref (session);
    relais_smtp_server_unref (server);
    g_free (commit);
}

/* A quarantined message is kept and goes nowhere until an operator releases it. */
static void
hold (RelaisMessage *message, const RelaisHookResult *result)
{
    g_autofree char *reason =
        g_strdup_printf ("quarantined by %s", result->module != NULL ? result->module : "a module");

    for (guint i = 0; i < message->envelope.recipients->len; i++)
        relais_message_quarantine_state (&message->states[i], reason,
                                         message->envelope.received_us);
}

static GBytes *
quarantined_line (const RelaisMessage *message)
{
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("quarantined", message->envelope.received_us, id, -1, 0);
    relais_event_line_add (line, "reason", message->states[0].reply);
    return relais_event_line_end (line);
}

static void
commit (RelaisSession *session, const RelaisHookResult *result)
{
    RelaisSmtpServer *server = session->server;
    RelaisTransaction *tx = session->tx;
    RelaisMessage *message = tx->message;
    RelaisGroup *group = relais_group_new (server->options.spool);
    g_autoptr (GBytes) line = accepted_line (session);
    Commit *made = g_new (Commit, 1);

    *made = (Commit){relais_smtp_server_ref (server), relais_session_ref (session),
                     relais_message_ref (message)};
    server->commits++;
    if (tx->trace != NULL)
        relais_trace_apply (tx->trace, message, session->settings->authserv_id);
    relais_message_init_states (message);
    relais_group_add_message (group, message, g_steal_pointer (&tx->draft));
    relais_group_add_event (group, line);
    if (result->verdict == RELAIS_VERDICT_QUARANTINE) {
        g_autoptr (GBytes) quarantined = NULL;

        hold (message, result);
        quarantined = quarantined_line (message);
        relais_group_add_state (group, message);
        relais_group_add_event (group, quarantined);
    }
    if (tx->counted)
        relais_smtp_server_count_transaction (server, -1);
    tx->counted = false;
    relais_session_set_state (session, RELAIS_SESSION_COMMIT);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_synced, made);
}

static void
proceed_end_of_data (RelaisSession *session, const RelaisHookResult *result)
{
    const guint64 id = session->tx->message->id;
    const bool discarded = result->verdict == RELAIS_VERDICT_DISCARD;
    /* The body's file is written and synced behind the end of data, while a hook is asked, too. */
    const RelaisServerReply *failure = discarded ? NULL : failure_so_far (session->tx);

    if (!discarded && failure == NULL) {
        commit (session, result);
        return;
    }
    relais_session_drop_transaction (session);
    if (failure != NULL)
        relais_session_reply (session, failure);
    else
        reply_accepted (session, id);
}

const RelaisSessionStep relais_step_end_of_data = {
    "(end of data)",     1u << RELAIS_SESSION_DATA | 1u << RELAIS_SESSION_CHUNK,
    RELAIS_HOOK_MESSAGE, check_end_of_data,
    proceed_end_of_data, relais_session_drop_transaction,
    RELAIS_STEP_REJECTS};
