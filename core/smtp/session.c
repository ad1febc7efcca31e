/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A session's life: states, input, deadlines, and the engine that takes each command through check,
 * hooks and proceed. What commands mean stands in the other session files. Owns the stream, the
 * timer, the transaction and what a hook is looking at. Loop thread only.
 *
 * Almost everything here may end the session (a reply can be the last one allowed), so whoever goes
 * on after a call looks at the state; the entry points hold a reference.
 */
#include "config.h"

#include "smtp/session-private.h"

#include "smtp/proxy-private.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

enum { REPLY_TEXT_BYTES = 400, ENHANCED_BYTES = 12 };

static const gint64 LINGER_US = 5 * RELAIS_USEC_PER_SEC;

struct RelaisDynamicReply {
    RelaisServerReply reply;
    char enhanced[ENHANCED_BYTES];
    char text[];
};

static const RelaisServerReply bad_sequence = {503, "5.5.1", "bad sequence of commands"};
static const RelaisServerReply too_many_errors = {421, "4.7.0", "too many errors"};
static const RelaisServerReply timed_out = {421, "4.4.2", "waited too long"};
static const RelaisServerReply going_down = {421, "4.3.2", "going down, come again"};
static const RelaisServerReply line_too_long = {500, "5.5.2", "line too long"};
static const RelaisServerReply auth_too_long = {500, "5.5.6", "line too long"};
static const RelaisServerReply bare_newline = {500, "5.5.2",
                                               "a line ends in CRLF and nothing else"};
static const RelaisServerReply not_smtp = {554, "5.5.1", "SMTP is spoken here"};
static const RelaisServerReply proxy_only = {554, NULL, "a PROXY header must come first"};
static const RelaisServerReply proxy_foreign = {554, NULL, "not a proxy of ours"};

/* --- States ----------------------------------------------------------------------------------- */

#define BIT(state) (1u << RELAIS_SESSION_##state)

static const struct {
    const char *name;
    guint32 next; /* states that may follow; ENDED always may */
} states[RELAIS_N_SESSION_STATES] = {
    [RELAIS_SESSION_PROXY] = {"proxy", BIT (GREET) | BIT (TLS)},
    [RELAIS_SESSION_GREET] = {"greet", BIT (START) | BIT (TLS)},
    [RELAIS_SESSION_START] = {"start",
                              BIT (GREET) | BIT (READY) | BIT (TLS) | BIT (VERIFY) | BIT (CHUNK)},
    [RELAIS_SESSION_TLS] = {"tls", BIT (START) | BIT (GREET)},
    [RELAIS_SESSION_READY] = {"ready", BIT (GREET) | BIT (READY) | BIT (TLS) | BIT (AUTH) |
                                           BIT (VERIFY) | BIT (MAIL) | BIT (CHUNK)},
    [RELAIS_SESSION_AUTH] = {"auth", BIT (AUTH) | BIT (VERIFY) | BIT (READY)},
    [RELAIS_SESSION_VERIFY] = {"verify", BIT (GREET) | BIT (START) | BIT (AUTH) | BIT (READY)},
    [RELAIS_SESSION_MAIL] = {"mail", BIT (RCPT) | BIT (READY) | BIT (CHUNK)},
    [RELAIS_SESSION_RCPT] = {"rcpt", BIT (RCPT) | BIT (DATA) | BIT (READY) | BIT (CHUNK)},
    [RELAIS_SESSION_DATA] = {"data", BIT (COMMIT) | BIT (READY)},
    [RELAIS_SESSION_CHUNK] = {"chunk", BIT (START) | BIT (READY) | BIT (CHUNKS) | BIT (COMMIT)},
    [RELAIS_SESSION_CHUNKS] = {"chunks", BIT (CHUNK) | BIT (READY)},
    [RELAIS_SESSION_COMMIT] = {"commit", BIT (READY)},
    [RELAIS_SESSION_ENDED] = {"ended", 0},
};

const char *
relais_session_state_to_string (RelaisSessionState state)
{
    return states[state].name;
}

void
relais_session_set_state (RelaisSession *session, RelaisSessionState state)
{
    g_assert (state == RELAIS_SESSION_ENDED || (states[session->state].next & (1u << state)) != 0);
    session->state = state;
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisSession *
relais_session_ref (RelaisSession *session)
{
    session->refs++;
    return session;
}

void
relais_session_unref (RelaisSession *session)
{
    if (--session->refs > 0)
        return;
    g_assert (session->stream == NULL);
    relais_server_settings_unref (session->settings);
    relais_smtp_server_unref (session->server);
    g_free (session);
}

static void
clear_command (RelaisSession *session)
{
    RelaisSessionCommand *command = &session->command;

    g_free (command->name);
    g_clear_pointer (&command->slots, g_hash_table_unref);
    g_clear_pointer (&command->message, relais_message_unref);
    if (command->recipient != NULL) {
        g_free (command->recipient->address);
        g_free (command->recipient->orcpt);
        g_free (command->recipient);
    }
    g_free (command->answer);
    relais_user_unref (command->user);
    *command = (RelaisSessionCommand){0};
}

static void
drop_run (RelaisSession *session)
{
    g_clear_pointer (&session->run, relais_host_cancel);
    g_clear_pointer (&session->subject, g_free);
}

/* Everything that belongs to the session goes; the object stays for those who hold it. */
static void
end (RelaisSession *session)
{
    if (session->state == RELAIS_SESSION_ENDED)
        return;
    relais_session_set_state (session, RELAIS_SESSION_ENDED);
    relais_timer_stop (&session->deadline);
    drop_run (session);
    relais_session_end_transaction (session);
    relais_session_end_login (session);
    relais_session_drop_xclient (session);
    clear_command (session);
    relais_smtp_server_leave (session->server, &session->admission);
    g_clear_pointer (&session->slots, g_hash_table_unref);
    g_clear_pointer (&session->pin, relais_pin_unref);
    g_clear_pointer (&session->dynamic, g_free);
    g_clear_pointer (&session->client, g_free);
    g_clear_pointer (&session->helo, g_free);
    g_clear_pointer (&session->given_helo, g_free);
    g_clear_pointer (&session->user, relais_user_unref);
    relais_smtp_server_remove_session (session->server, session);
}

void
relais_session_cut (RelaisSession *session)
{
    g_clear_pointer (&session->stream, relais_stream_free);
    end (session);
}

void
relais_session_finish (RelaisSession *session)
{
    if (session->stream != NULL)
        relais_stream_finish (g_steal_pointer (&session->stream), LINGER_US);
    end (session);
}

/* --- Replies ---------------------------------------------------------------------------------- */

/* There are four replies a message: they are put together without printf (). */
static void
write_reply (RelaisSession *session, const RelaisServerReply *reply)
{
    const char code[] = {(char)('0' + reply->code / 100), (char)('0' + reply->code / 10 % 10),
                         (char)('0' + reply->code % 10), ' '};

    if (session->stream == NULL)
        return;
    relais_stream_write (session->stream, code, sizeof code);
    if (reply->enhanced != NULL) {
        relais_stream_write (session->stream, reply->enhanced, strlen (reply->enhanced));
        relais_stream_write (session->stream, " ", 1);
    }
    relais_stream_write (session->stream, reply->text, strlen (reply->text));
    relais_stream_write (session->stream, "\r\n", 2);
}

static void
count_refusal (RelaisSession *session, const RelaisServerReply *reply)
{
    const RelaisServerLimits *limits = &session->settings->limits;
    const guint flags = session->step != NULL ? session->step->flags : 0;

    if ((flags & RELAIS_STEP_REJECTS) != 0)
        session->server->figures.rejected_total++;
    /* A sender of ours may have any number of recipients refused; a stranger who guesses may not. */
    if ((flags & RELAIS_STEP_FREE_FOR_SENDERS) != 0 && relais_session_may_relay (session))
        return;
    /* For now it may be many: of the recipients of a long list, those over limits.recipients. */
    if (reply->code < 500 ? ++session->temporary_errors >= (guint)limits->temporary_errors
                          : ++session->errors >= (guint)limits->errors) {
        write_reply (session, &too_many_errors);
        relais_session_finish (session);
    }
}

void
relais_session_reply (RelaisSession *session, const RelaisServerReply *reply)
{
    write_reply (session, reply);
    session->answered = true;
    if (reply->code == 421)
        relais_session_finish (session);
    else if (reply->code >= 400 && session->stream != NULL)
        count_refusal (session, reply);
}

void
relais_session_reply_and_finish (RelaisSession *session, const RelaisServerReply *reply)
{
    write_reply (session, reply);
    relais_session_finish (session);
}

const RelaisServerReply *
relais_session_make_reply (RelaisSession *session, guint16 code, const char *enhanced,
                           const char *format, ...)
{
    struct RelaisDynamicReply *made = g_malloc0 (sizeof *made + REPLY_TEXT_BYTES + 1);
    va_list args;

    va_start (args, format);
    g_vsnprintf (made->text, REPLY_TEXT_BYTES + 1, format, args);
    va_end (args);
    /* Modules and addresses have a say in the text; it stays one line of ASCII all the same. */
    for (char *c = made->text; *c != '\0'; c++)
        if ((guint8)*c < 0x20 || (guint8)*c > 0x7e)
            *c = '?';
    if (enhanced != NULL)
        g_strlcpy (made->enhanced, enhanced, sizeof made->enhanced);
    made->reply = (RelaisServerReply){code, enhanced != NULL ? made->enhanced : NULL, made->text};
    g_free (session->dynamic);
    session->dynamic = made;
    return &made->reply;
}

/* --- Steps: check, hooks, proceed ------------------------------------------------------------- */

bool
relais_session_may_relay (const RelaisSession *session)
{
    return session->user != NULL || session->trusted;
}

const char *
relais_session_tenant (const RelaisSession *session)
{
    if (!relais_session_may_relay (session))
        return NULL;
    if (session->user != NULL && session->user->tenant != NULL)
        return session->user->tenant;
    return session->listener->tenant;
}

static RelaisSubject *
make_subject (RelaisSession *session)
{
    RelaisSubject *subject = g_new0 (RelaisSubject, 1);
    const RelaisSessionCommand *command = &session->command;
    /* HELO and EHLO may come within a transaction, which they end: it is not their hook's to see. */
    RelaisTransaction *tx = session->step->hook != RELAIS_HOOK_HELO ? session->tx : NULL;
    RelaisMessage *message = tx != NULL ? tx->message : command->message;

    subject->pin = session->pin;
    subject->session_slots = &session->slots;
    if (tx != NULL)
        subject->transaction_slots = &tx->slots;
    else if (command->message != NULL)
        subject->transaction_slots = &session->command.slots;
    subject->client = session->client;
    subject->client_port = session->client_port;
    subject->helo = command->name != NULL ? command->name : session->helo;
    subject->user = command->user != NULL   ? command->user->name
                    : session->user != NULL ? session->user->name
                                            : NULL;
    subject->tenant = relais_session_tenant (session);
    subject->listener = session->listener->name;
    subject->tls = session->tls;
    subject->trusted = session->trusted;
    subject->recipient = command->recipient;
    if (message != NULL)
        subject->envelope = &message->envelope;
    if (tx != NULL && tx->draft != NULL) {
        subject->message = message;
        subject->draft = tx->draft;
        subject->trace = tx->trace;
    }
    return subject;
}

static const char *
enhanced_or (const RelaisHookResult *result, guint16 code, const char *otherwise)
{
    return result->enhanced[0] == '0' + code / 100 ? result->enhanced : otherwise;
}

static const RelaisServerReply *
reject (RelaisSession *session, const RelaisHookResult *result)
{
    const guint16 code = result->code >= 500 && result->code < 600 ? result->code
                         : session->state == RELAIS_SESSION_GREET  ? 554
                                                                   : 550;

    return relais_session_make_reply (session, code, enhanced_or (result, code, "5.7.1"), "%s",
                                      result->text != NULL ? result->text : "refused");
}

static const RelaisServerReply *
tempfail (RelaisSession *session, const RelaisHookResult *result)
{
    const guint16 code = result->code >= 400 && result->code < 500 ? result->code
                         : session->state == RELAIS_SESSION_GREET  ? 421
                                                                   : 451;

    return relais_session_make_reply (session, code, enhanced_or (result, code, "4.7.1"), "%s",
                                      result->text != NULL ? result->text : "come again later");
}

/* The refusal that a hook decided on, or NULL to proceed. */
static const RelaisServerReply *
refusal_of (RelaisSession *session, const RelaisSessionStep *step, const RelaisHookResult *result)
{
    switch (result->verdict) {
    case RELAIS_VERDICT_CONTINUE:
    case RELAIS_VERDICT_ACCEPT: return NULL;
    case RELAIS_VERDICT_DISCARD:
    case RELAIS_VERDICT_QUARANTINE:
        if (step->hook == RELAIS_HOOK_MESSAGE)
            return NULL;
        break;
    case RELAIS_VERDICT_REJECT: return reject (session, result);
    default: break;
    }
    return tempfail (session, result);
}

/* A refused greeting or too eager peer ends the session, a refused command does not. */
static void
refuse (RelaisSession *session, const RelaisServerReply *reply)
{
    if (session->step->refused != NULL)
        session->step->refused (session);
    if (session->state == RELAIS_SESSION_GREET || (session->step->flags & RELAIS_STEP_FATAL) != 0)
        relais_session_reply_and_finish (session, reply);
    else
        relais_session_reply (session, reply);
}

/* A step may have begun another one, which waits for a hook and needs what is here. */
static void
clear_step (RelaisSession *session)
{
    if (session->run != NULL)
        return;
    g_clear_pointer (&session->subject, g_free);
    clear_command (session);
}

static void
end_step (RelaisSession *session, const RelaisHookResult *result)
{
    const RelaisSessionStep *step = session->step;
    const RelaisServerReply *refusal = refusal_of (session, step, result);

    if (refusal != NULL)
        refuse (session, refusal);
    else
        step->proceed (session, result);
    clear_step (session);
}

static void
on_hook_done (gpointer data, RelaisHookResult *result)
{
    RelaisSession *session = relais_session_ref (data);

    session->run = NULL;
    end_step (session, result);
    relais_session_continue (session);
    relais_session_unref (session);
}

static void
run_hooks (RelaisSession *session)
{
    RelaisHost *host = session->server->options.host;
    const RelaisSessionStep *step = session->step;
    RelaisHookResult result = {0};

    if (step->hook >= 0 && relais_host_has (host, (RelaisHookId)step->hook)) {
        session->subject = make_subject (session);
        session->run = relais_host_run (host, (RelaisHookId)step->hook, session->subject, &result,
                                        on_hook_done, session);
        if (session->run != NULL)
            return;
    }
    end_step (session, &result);
    relais_hook_result_clear (&result);
}

void
relais_session_run_step (RelaisSession *session, const RelaisSessionStep *step, const char *args,
                         gsize size)
{
    const RelaisServerReply *refusal = NULL;

    session->step = step;
    if ((step->states & (1u << session->state)) == 0)
        refusal = &bad_sequence;
    else if (step->check != NULL)
        refusal = step->check (session, args, size);
    if (refusal == NULL) {
        run_hooks (session);
        return;
    }
    refuse (session, refusal);
    clear_command (session);
}

/* --- Input ------------------------------------------------------------------------------------ */

/* Whether input may be looked at now. */
static bool
is_listening (const RelaisSession *session)
{
    switch (session->state) {
    case RELAIS_SESSION_PROXY:
    case RELAIS_SESSION_START:
    case RELAIS_SESSION_READY:
    case RELAIS_SESSION_AUTH:
    case RELAIS_SESSION_MAIL:
    case RELAIS_SESSION_RCPT:
    case RELAIS_SESSION_CHUNKS: break;
    case RELAIS_SESSION_DATA:
    case RELAIS_SESSION_CHUNK:
        if (session->tx != NULL && session->tx->stalled)
            return false;
        break;
    case RELAIS_SESSION_GREET:
    case RELAIS_SESSION_TLS:
    case RELAIS_SESSION_VERIFY:
    case RELAIS_SESSION_COMMIT:
    case RELAIS_SESSION_ENDED:
    case RELAIS_N_SESSION_STATES: return false;
    }
    /* A peer that sends and does not read its replies is not listened to either. */
    return session->run == NULL &&
           relais_stream_unwritten (session->stream) < RELAIS_STREAM_HIGH_BYTES;
}

/* To whoever connected, or is told of by a proxy. */
static void
greet (RelaisSession *session)
{
    if (session->listener->tls == RELAIS_LISTENER_TLS_IMPLICIT) {
        if (session->state == RELAIS_SESSION_PROXY)
            relais_session_begin_tls_behind_proxy (session);
        else
            relais_session_begin_tls (session);
        return;
    }
    if (session->state != RELAIS_SESSION_GREET)
        relais_session_set_state (session, RELAIS_SESSION_GREET);
    relais_session_run_step (session, &relais_step_connect, "", 0);
}

static bool
take_proxy_header (RelaisSession *session)
{
    struct sockaddr_storage address;
    const RelaisServerReply *refusal = NULL;
    gsize size, used = 0;
    const guint8 *bytes = relais_stream_peek (session->stream, &size);
    const RelaisProxyStatus status = relais_proxy_parse (bytes, size, &used, &address);

    if (status == RELAIS_PROXY_MORE)
        return false;
    if (status == RELAIS_PROXY_BAD) {
        relais_session_reply_and_finish (session, &proxy_only);
        return false;
    }
    relais_stream_consume (session->stream, used);
    if (status == RELAIS_PROXY_CLIENT) {
        refusal = relais_session_change_client (session, (const struct sockaddr *)&address);
        session->may_xclient = relais_nets_contain (session->listener->xclient_nets,
                                                    (const struct sockaddr *)&address);
    }
    if (refusal != NULL) {
        relais_session_reply_and_finish (session, refusal);
        return false;
    }
    greet (session);
    return true;
}

static gsize
line_limit (const RelaisSession *session, const guint8 *bytes, gsize size)
{
    const RelaisServerLimits *limits = &session->settings->limits;
    const bool is_auth = session->state == RELAIS_SESSION_AUTH ||
                         (size >= 5 && g_ascii_strncasecmp ((const char *)bytes, "AUTH ", 5) == 0);

    return (gsize)(is_auth ? MAX (limits->auth_line, limits->command_line) : limits->command_line);
}

/* A TLS hello at the place of a command; the peer meant another port. */
static bool
is_tls_hello (const RelaisSession *session, const guint8 *bytes, gsize size)
{
    return session->state == RELAIS_SESSION_START && size >= 2 && bytes[0] == 0x16 &&
           bytes[1] == 0x03;
}

static void
take_whole_line (RelaisSession *session, const guint8 *bytes, gsize size)
{
    g_autofree char *line = g_strndup ((const char *)bytes, size - 2);

    relais_stream_consume (session->stream, size);
    if (session->state == RELAIS_SESSION_AUTH)
        relais_session_take_auth_answer (session, line, size - 2);
    else
        relais_session_take_line (session, line, size - 2);
}

static bool
take_line (RelaisSession *session)
{
    gsize size, line_size = 0;
    const guint8 *bytes = relais_stream_peek (session->stream, &size);

    if (size == 0)
        return false;
    if (is_tls_hello (session, bytes, size)) {
        relais_session_reply_and_finish (session, &not_smtp);
        return false;
    }
    switch (relais_command_find_line (bytes, size, line_limit (session, bytes, size), &line_size)) {
    case RELAIS_LINE_MORE: return false;
    case RELAIS_LINE_TOO_LONG:
        relais_session_reply_and_finish (
            session, session->state == RELAIS_SESSION_AUTH ? &auth_too_long : &line_too_long);
        return false;
    case RELAIS_LINE_BARE: relais_session_reply_and_finish (session, &bare_newline); return false;
    case RELAIS_LINE_WHOLE: break;
    }
    take_whole_line (session, bytes, line_size);
    return true;
}

static bool
take_input (RelaisSession *session)
{
    if (session->state == RELAIS_SESSION_PROXY)
        return take_proxy_header (session);
    if (session->state == RELAIS_SESSION_DATA)
        return relais_session_take_data (session);
    if (session->state == RELAIS_SESSION_CHUNK)
        return relais_session_take_chunk (session);
    return take_line (session);
}

static bool
is_idle (const RelaisSession *session)
{
    return session->run == NULL &&
           (session->state == RELAIS_SESSION_START || session->state == RELAIS_SESSION_READY);
}

void
relais_session_drain (RelaisSession *session)
{
    if (is_idle (session))
        relais_session_reply_and_finish (session, &going_down);
}

static void
pause_if (RelaisSession *session, bool paused)
{
    if (session->paused == paused)
        return;
    session->paused = paused;
    relais_stream_pause (session->stream, paused);
}

static bool
is_stalled (const RelaisSession *session)
{
    return session->tx != NULL && session->tx->stalled;
}

/* It is not the peer who is slow. */
static bool
waits_for_us (const RelaisSession *session)
{
    return session->run != NULL || session->state == RELAIS_SESSION_VERIFY ||
           session->state == RELAIS_SESSION_COMMIT || is_stalled (session);
}

/* Here octets buy time, not commands: see relais_session_pay (). */
static bool
takes_data (const RelaisSession *session)
{
    return session->state == RELAIS_SESSION_DATA || session->state == RELAIS_SESSION_CHUNK ||
           session->state == RELAIS_SESSION_CHUNKS;
}

/* Nothing more can be done now: sees to the deadline and to how much may pile up. */
static void
settle (RelaisSession *session)
{
    const RelaisServerLimits *limits = &session->settings->limits;
    gsize waiting;

    if (session->server->draining)
        relais_session_drain (session);
    if (session->state == RELAIS_SESSION_ENDED)
        return;
    if (!is_listening (session)) {
        relais_stream_peek (session->stream, &waiting);
        if (session->state != RELAIS_SESSION_TLS)
            pause_if (session, is_stalled (session) || waiting > (gsize)limits->pipelined);
        if (waits_for_us (session))
            relais_timer_stop (&session->deadline);
        else if (!relais_timer_is_set (&session->deadline)) /* it does not read its replies */
            relais_session_set_deadline (session, limits->command_timeout);
        return;
    }
    if (session->eof) {
        relais_session_finish (session);
        return;
    }
    pause_if (session, false);
    /* A hook that was asked between two chunks has stopped the data's deadline. */
    if (session->answered && (!takes_data (session) || !relais_timer_is_set (&session->deadline)))
        relais_session_await_command (session, limits->command_timeout);
    session->answered = false;
}

void
relais_session_continue (RelaisSession *session)
{
    if (session->state == RELAIS_SESSION_ENDED)
        return;
    relais_session_ref (session);
    while (is_listening (session) && take_input (session))
        continue;
    if (session->state != RELAIS_SESSION_ENDED)
        settle (session);
    relais_session_unref (session);
}

/* --- The stream's callbacks, and the deadline ------------------------------------------------- */

static void
on_input (RelaisStream *stream, gpointer data)
{
    relais_session_continue (data);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisSession *session = relais_session_ref (data);

    relais_session_tls_ready (session, error);
    relais_session_continue (session);
    relais_session_unref (session);
}

/* While a hook is asked: whether the peer, which closed its side, is gone rather than done. Who has more to be
 * answered, if only the QUIT that Exim sends right behind a message, waits for the answers. */
static bool
is_gone (const RelaisSession *session)
{
    gsize waiting;

    relais_stream_peek (session->stream, &waiting);
    return session->run != NULL && waiting == 0;
}

/* A peer that sent all it has and closed its side still gets the answers to it. */
static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisSession *session = data;

    if (error != NULL || session->state == RELAIS_SESSION_TLS || is_gone (session)) {
        relais_session_cut (session);
        return;
    }
    session->eof = true;
    relais_session_continue (session);
}

static const RelaisStreamCallbacks stream_callbacks = {on_input, on_input, on_ready, on_closed};

void
relais_session_set_deadline (RelaisSession *session, gint64 delay_us)
{
    relais_timer_set (&session->deadline, delay_us);
}

void
relais_session_await_command (RelaisSession *session, gint64 usual_us)
{
    const gint64 stress_us = session->settings->limits.stress_timeout;

    relais_session_set_deadline (session, relais_smtp_server_is_stressed (session->server)
                                              ? MIN (usual_us, stress_us)
                                              : usual_us);
}

static void
on_deadline (gpointer data)
{
    RelaisSession *session = data;

    if (session->state == RELAIS_SESSION_TLS)
        relais_session_cut (session);
    else
        relais_session_reply_and_finish (session, &timed_out);
}

/* --- Beginning -------------------------------------------------------------------------------- */

void
relais_session_set_client (RelaisSession *session, const struct sockaddr *address)
{
    g_free (session->client);
    session->client = relais_address_to_text (address);
    session->client_port = relais_address_port (address);
    session->trusted = relais_nets_contain (session->listener->trusted_nets, address);
}

const RelaisServerReply *
relais_session_change_client (RelaisSession *session, const struct sockaddr *address)
{
    const RelaisServerReply *refusal;

    relais_smtp_server_leave (session->server, &session->admission);
    refusal = relais_smtp_server_enter (session->server, address, &session->admission);
    relais_session_set_client (session, address);
    return refusal;
}

/* Behind a proxy the rights are those of the client that it names; without a name there are none. */
static void
begin (RelaisSession *session, const struct sockaddr *peer)
{
    const RelaisServerListener *listener = session->listener;

    relais_session_set_deadline (session, session->settings->limits.greeting_timeout);
    relais_session_set_client (session, peer);
    session->may_xclient = relais_nets_contain (listener->xclient_nets, peer);
    if (!listener->proxy) {
        greet (session);
        return;
    }
    session->trusted = session->may_xclient = false;
    if (!relais_nets_contain (listener->proxy_nets, peer))
        relais_session_reply_and_finish (session, &proxy_foreign);
}

void
relais_session_start (RelaisSmtpServer *server, const RelaisServerListener *listener, int fd,
                      const struct sockaddr *peer, const RelaisAdmission *admission)
{
    RelaisSession *session = g_new0 (RelaisSession, 1);

    session->refs = 1;
    session->server = relais_smtp_server_ref (server);
    session->settings = relais_server_settings_ref (server->settings);
    session->listener = listener;
    session->state = listener->proxy ? RELAIS_SESSION_PROXY : RELAIS_SESSION_GREET;
    session->admission = *admission;
    relais_timer_init (&session->deadline, server->options.loop, on_deadline, session);
    session->stream =
        relais_stream_new (server->options.loop, fd, &stream_callbacks, session, NULL);
    if (session->stream == NULL) {
        relais_smtp_server_leave (server, &session->admission);
        session->state = RELAIS_SESSION_ENDED;
        relais_session_unref (session);
        return;
    }
    session->pin = relais_host_pin (server->options.host);
    relais_smtp_server_add_session (server, session);
    begin (session, peer);
    relais_session_continue (session);
    relais_session_unref (session);
}
