/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * STARTTLS (RFC 3207): that nothing from before TLS is believed after it. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

static const RelaisServerReply tls_ready = {220, "2.0.0", "go ahead"};
static const RelaisServerReply tls_not_offered = {502, "5.5.1", "STARTTLS is not offered"};
static const RelaisServerReply tls_already = {503, "5.5.1", "TLS is on already"};
static const RelaisServerReply no_arguments = {501, "5.5.4", "no arguments are taken"};
static const RelaisServerReply injected = {554, "5.5.1", "commands came behind STARTTLS"};

/* --- STARTTLS --------------------------------------------------------------------------------- */

bool
relais_session_offers_starttls (const RelaisSession *session)
{
    return session->listener->certificates != NULL && !session->tls;
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
    relais_session_begin_tls (session);
}

void
relais_session_begin_tls (RelaisSession *session)
{
    relais_session_set_state (session, RELAIS_SESSION_TLS);
    relais_session_set_deadline (session, session->settings->limits.tls_timeout);
    relais_stream_start_tls (session->stream,
                             relais_certificates_context (session->listener->certificates), NULL);
}

/* The handshake's first record may have come in one segment with the header, and was then read. */
void
relais_session_begin_tls_behind_proxy (RelaisSession *session)
{
    relais_session_set_state (session, RELAIS_SESSION_TLS);
    relais_session_set_deadline (session, session->settings->limits.tls_timeout);
    relais_stream_continue_as_tls (session->stream,
                                   relais_certificates_context (session->listener->certificates));
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
    if (session->listener->tls == RELAIS_LISTENER_TLS_IMPLICIT) {
        relais_session_set_state (session, RELAIS_SESSION_GREET);
        relais_session_run_step (session, &relais_step_connect, "", 0);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_START);
    relais_session_set_deadline (session, session->settings->limits.command_timeout);
}
