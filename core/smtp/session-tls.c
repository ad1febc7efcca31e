/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954, 4616): who the client is, and that nothing from
 * before TLS is believed after it. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

#include <string.h>

static const RelaisServerReply tls_ready = {220, "2.0.0", "go ahead"};
static const RelaisServerReply tls_not_offered = {502, "5.5.1", "STARTTLS is not offered"};
static const RelaisServerReply tls_already = {503, "5.5.1", "TLS is on already"};
static const RelaisServerReply no_arguments = {501, "5.5.4", "no arguments are taken"};
static const RelaisServerReply injected = {554, "5.5.1", "commands came behind STARTTLS"};
static const RelaisServerReply auth_not_offered = {502, "5.5.1", "AUTH is not offered"};
static const RelaisServerReply auth_already = {503, "5.5.1", "you are logged in already"};
static const RelaisServerReply auth_needs_tls = {538, "5.7.11", "STARTTLS first"};
static const RelaisServerReply auth_mechanism = {504, "5.5.4", "PLAIN is the only mechanism"};
static const RelaisServerReply auth_challenge = {334, NULL, ""};
static const RelaisServerReply auth_cancelled = {501, "5.7.0", "login cancelled"};
static const RelaisServerReply auth_not_base64 = {501, "5.5.2", "not base64"};
static const RelaisServerReply auth_failed = {535, "5.7.8", "wrong name or password"};
static const RelaisServerReply auth_busy = {454, "4.7.0", "too many logins at once"};
static const RelaisServerReply auth_ok = {235, "2.7.0", "welcome"};
static const RelaisServerReply auth_too_many = {421, "4.7.0", "too many failed logins"};

/* --- STARTTLS --------------------------------------------------------------------------------- */

bool
relais_session_offers_starttls (const RelaisSession *session)
{
    return session->listener->tls_context != NULL && !session->tls;
}

const RelaisServerReply *
relais_check_starttls (RelaisSession *session, const char *args, gsize size)
{
    if (session->tls)
        return &tls_already;
    if (!relais_session_offers_starttls (session))
        return &tls_not_offered;
    return size > 0 ? &no_arguments : NULL;
}

/* Commands that came behind STARTTLS in clear were not the client's, or it does not know what it
 * does; either way the connection is not worth keeping (CVE-2011-0411). */
void
relais_proceed_starttls (RelaisSession *session, const RelaisHookResult *result)
{
    if (relais_stream_discard_input (session->stream) > 0) {
        relais_session_reply_and_finish (session, &injected);
        return;
    }
    relais_session_reply (session, &tls_ready);
    relais_session_set_state (session, RELAIS_SESSION_TLS);
    relais_session_set_deadline (session, session->settings->limits.tls_timeout);
    relais_stream_start_tls (session->stream, session->listener->tls_context, NULL);
}

/* RFC 3207 section 4.2: everything that was learnt in clear is forgotten. */
void
relais_session_tls_ready (RelaisSession *session, const GError *error)
{
    if (error != NULL) {
        relais_session_cut (session);
        return;
    }
    session->tls = true;
    g_clear_pointer (&session->helo, g_free);
    g_clear_pointer (&session->user, relais_user_unref);
    session->esmtp = false;
    relais_session_set_state (session, RELAIS_SESSION_START);
    relais_session_set_deadline (session, session->settings->limits.command_timeout);
}

/* --- AUTH ------------------------------------------------------------------------------------- */

static bool
auth_is_open (const RelaisSession *session)
{
    return session->tls || (session->listener->auth == RELAIS_LISTENER_AUTH_YES &&
                            session->listener->tls != RELAIS_LISTENER_TLS_REQUIRED);
}

bool
relais_session_offers_auth (const RelaisSession *session)
{
    return session->listener->auth != RELAIS_LISTENER_AUTH_NO && auth_is_open (session);
}

/* What is base64 but no name and password leaves command.plain empty: a failed login. */
static const RelaisServerReply *
parse_plain (RelaisSession *session, const char *text, gsize size)
{
    return relais_auth_parse_plain (text, size, &session->command.plain) == RELAIS_PLAIN_NOT_BASE64
               ? &auth_not_base64
               : NULL;
}

const RelaisServerReply *
relais_check_auth (RelaisSession *session, const char *args, gsize size)
{
    const char *blank = memchr (args, ' ', size);
    const gsize mechanism_size = blank != NULL ? (gsize)(blank - args) : size;

    if (session->listener->auth == RELAIS_LISTENER_AUTH_NO)
        return &auth_not_offered;
    if (session->user != NULL)
        return &auth_already;
    if (!auth_is_open (session))
        return &auth_needs_tls;
    if (mechanism_size != 5 || g_ascii_strncasecmp (args, "PLAIN", 5) != 0)
        return &auth_mechanism;
    if (blank == NULL)
        return NULL;
    while (blank < args + size && *blank == ' ')
        blank++;
    session->command.has_plain = true;
    return parse_plain (session, blank, (gsize)(args + size - blank));
}

/* Both kinds of failure look alike; after some of them the session ends. */
static void
say_failed (RelaisSession *session)
{
    relais_session_reply (session, &auth_failed);
    if (session->stream != NULL &&
        ++session->auth_failures >= (guint)session->settings->limits.auth_failures)
        relais_session_reply (session, &auth_too_many);
}

static void
proceed_logged_in (RelaisSession *session, const RelaisHookResult *result)
{
    session->user = g_steal_pointer (&session->command.user);
    relais_session_set_state (session, RELAIS_SESSION_READY);
    relais_session_reply (session, &auth_ok);
}

static void
back_to_ready (RelaisSession *session)
{
    relais_session_set_state (session, RELAIS_SESSION_READY);
}

/* The password was right; modules have their say. */
static const RelaisSessionStep logged_in = {"(logged in)",
                                            1u << RELAIS_SESSION_VERIFY,
                                            RELAIS_HOOK_AUTH,
                                            NULL,
                                            proceed_logged_in,
                                            back_to_ready,
                                            0};

static void
end_login (RelaisSession *session, RelaisUser *user)
{
    if (user != NULL) {
        session->command.user = relais_user_ref (user);
        relais_session_run_step (session, &logged_in, NULL, 0);
        return;
    }
    g_message ("login failed: client %s, listener %s", session->client, session->listener->name);
    back_to_ready (session);
    say_failed (session);
}

static void
on_verified (gpointer data, const RelaisUser *user)
{
    RelaisSession *session = data;

    if (session->state == RELAIS_SESSION_VERIFY) {
        end_login (session, (RelaisUser *)user);
        relais_session_continue (session);
    }
    relais_session_unref (session);
}

static void
verify (RelaisSession *session)
{
    RelaisUser *user = NULL;

    if (session->command.plain.name == NULL) {
        say_failed (session);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_VERIFY);
    switch (relais_auth_start (session->server->auth, &session->command.plain, &user, on_verified,
                               relais_session_ref (session))) {
    case RELAIS_AUTH_STARTED: return;
    case RELAIS_AUTH_KNOWN: end_login (session, user); break;
    case RELAIS_AUTH_BUSY:
        back_to_ready (session);
        relais_session_reply (session, &auth_busy);
        break;
    }
    relais_user_unref (user);
    relais_session_unref (session);
}

void
relais_proceed_auth (RelaisSession *session, const RelaisHookResult *result)
{
    if (session->command.has_plain) {
        verify (session);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_AUTH);
    relais_session_reply (session, &auth_challenge);
}

void
relais_session_take_auth_answer (RelaisSession *session, const char *line, gsize size)
{
    const RelaisServerReply *refusal =
        size == 1 && line[0] == '*' ? &auth_cancelled : parse_plain (session, line, size);

    back_to_ready (session);
    if (refusal == NULL)
        verify (session);
    else
        relais_session_reply (session, refusal);
    relais_plain_clear (&session->command.plain);
}
