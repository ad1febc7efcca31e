/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * XCLIENT: a host of listener.xclient_nets says for whom it speaks. The session then is as if that
 * client had just connected: with its rights and its place in the books, greeted anew behind the
 * connect hook, and with nothing left of what was known before. Whether the command is there at all is
 * settled by the host that connected, so no client named here can name another. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

static const RelaisServerReply no_user = {535, "5.7.8", "no such user"};
static const RelaisServerReply busy = {454, "4.7.0", "too many logins at once"};

static void
free_xclient (RelaisXclient *xclient)
{
    relais_xclient_clear (xclient);
    g_free (xclient);
}

void
relais_session_drop_xclient (RelaisSession *session)
{
    g_clear_pointer (&session->xclient, free_xclient);
}

const RelaisServerReply *
relais_check_xclient (RelaisSession *session, const char *args, gsize size)
{
    const RelaisServerReply *refusal;

    session->xclient = g_new0 (RelaisXclient, 1);
    refusal = relais_xclient_parse (args, size, session->xclient);
    if (refusal != NULL)
        relais_session_drop_xclient (session);
    return refusal;
}

/* NULL, or what is to be said because the client is one too many. */
static const RelaisServerReply *
take_client (RelaisSession *session, const RelaisXclient *xclient)
{
    if (xclient->address_unavailable)
        session->trusted = false;
    if (xclient->has_address)
        return relais_session_change_client (session, (const struct sockaddr *)&xclient->address);
    if (xclient->port != 0)
        session->client_port = xclient->port;
    return NULL;
}

static void
begin_anew (RelaisSession *session, RelaisUser *user)
{
    RelaisXclient *xclient = session->xclient;
    const RelaisServerReply *refusal = take_client (session, xclient);

    g_clear_pointer (&session->user, relais_user_unref);
    g_clear_pointer (&session->slots, g_hash_table_unref);
    g_clear_pointer (&session->helo, g_free);
    g_free (session->given_helo);
    session->given_helo = g_steal_pointer (&xclient->helo);
    session->user = user != NULL ? relais_user_ref (user) : NULL;
    session->esmtp = false;
    relais_session_drop_xclient (session);
    if (refusal != NULL) {
        relais_session_reply_and_finish (session, refusal);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_GREET);
    relais_session_run_step (session, &relais_step_connect, "", 0);
}

static void
refuse (RelaisSession *session, const RelaisServerReply *reply)
{
    relais_session_drop_xclient (session);
    relais_session_set_state (session, RELAIS_SESSION_START);
    relais_session_reply (session, reply);
}

static void
on_found (gpointer data, const RelaisUser *user)
{
    RelaisSession *session = data;

    if (session->state == RELAIS_SESSION_VERIFY) {
        if (user != NULL)
            begin_anew (session, (RelaisUser *)user);
        else
            refuse (session, &no_user);
        relais_session_continue (session);
    }
    relais_session_unref (session);
}

void
relais_proceed_xclient (RelaisSession *session, const RelaisHookResult *result)
{
    if (session->xclient->login == NULL) {
        begin_anew (session, NULL);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_VERIFY);
    if (relais_auth_find (session->server->auth, session->xclient->login, on_found,
                          relais_session_ref (session)) == RELAIS_AUTH_STARTED)
        return;
    relais_session_unref (session);
    refuse (session, &busy);
}
