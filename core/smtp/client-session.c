/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP client outside of transactions: banner, EHLO or HELO and what it offers, STARTTLS by
 * policy, QUIT. What was learnt in clear is forgotten when TLS begins (RFC 3207 section 4.2).
 *
 * Loop thread; see client-state-private.h for the rules. Must never let a command of a transaction
 * be reached under a policy that is not met.
 */
#include "config.h"

#include "smtp/client-state-private.h"

#include <string.h>

static bool
needs_tls (const RelaisSmtpClient *client)
{
    return client->tls_policy >= RELAIS_TLS_POLICY_REQUIRE &&
           !relais_stream_is_tls (client->stream);
}

static void
await_banner (RelaisSmtpClient *client)
{
    smtp_client_set_phase (client, RELAIS_PHASE_BANNER);
    client->owed = 1;
}

static void
begin_tls (RelaisSmtpClient *client)
{
    const RelaisTlsPeer peer = {.host = client->host,
                                .names = (const char *const *)client->tls_names,
                                .tlsa = client->tlsa,
                                .sessions = client->sessions,
                                .session_key = client->session_key};

    smtp_client_set_phase (client, RELAIS_PHASE_TLS);
    relais_stream_start_tls_to (client->stream, client->tls, &peer);
}

void
smtp_session_on_connect (RelaisSmtpClient *client)
{
    if (client->implicit_tls)
        begin_tls (client);
    else
        await_banner (client);
}

static void
greet (RelaisSmtpClient *client)
{
    const char *verb = client->lmtp ? "LHLO" : client->helo_only ? "HELO" : "EHLO";
    g_autofree char *line = g_strdup_printf ("%s %s\r\n", verb, client->helo);

    memset (&client->caps, 0, sizeof client->caps);
    client->ehlo_lines = 0;
    smtp_client_set_phase (client, RELAIS_PHASE_EHLO);
    smtp_client_command (client, line, strlen (line), 1);
}

void
smtp_session_on_banner (RelaisSmtpClient *client)
{
    if (smtp_reply_is_success (&client->reply))
        greet (client);
    else if (smtp_reply_is_refusal (&client->reply))
        smtp_client_fail_by_reply (client, true, "the peer does not want us");
    else
        smtp_client_fail_by_reply (client, false, "no banner");
}

/* One line of EHLO's reply; the first one is the peer's name and greeting. The reply is bounded as
 * a whole, so these are too. */
void
smtp_session_on_ehlo_line (RelaisSmtpClient *client)
{
    if (client->ehlo_lines++ > 0 && !client->helo_only)
        relais_smtp_caps_add_line (&client->caps, relais_reply_parser_line (client->parser));
}

/* --- EHLO and STARTTLS ------------------------------------------------------------------------ */

void
smtp_session_become_ready (RelaisSmtpClient *client)
{
    if (needs_tls (client)) {
        RelaisSmtpFailure failure = {
            .phase = RELAIS_PHASE_STARTTLS,
            .text = (char *)"the peer does not offer STARTTLS, which is required"};

        smtp_client_end (client, NULL, &failure);
        return;
    }
    if (client->credentials != NULL && !client->authenticated) {
        smtp_auth_start (client);
        return;
    }
    smtp_client_set_phase (client, RELAIS_PHASE_IDLE);
    client->callbacks.ready (client, &client->caps, client->data);
}

static bool
wants_starttls (const RelaisSmtpClient *client)
{
    return client->caps.starttls && client->tls != NULL &&
           client->tls_policy != RELAIS_TLS_POLICY_NONE && !relais_stream_is_tls (client->stream);
}

void
smtp_session_on_ehlo (RelaisSmtpClient *client)
{
    smtp_session_on_ehlo_line (client); /* the last line */
    if (smtp_reply_is_success (&client->reply) && wants_starttls (client)) {
        smtp_client_set_phase (client, RELAIS_PHASE_STARTTLS);
        relais_reply_parser_set_strict (client->parser, true);
        smtp_client_command (client, "STARTTLS\r\n", 10, 1);
    } else if (smtp_reply_is_success (&client->reply)) {
        smtp_session_become_ready (client);
    } else if (client->reply.code >= 500 && !client->helo_only && !client->lmtp) {
        client->helo_only = true;
        greet (client);
    } else {
        smtp_client_fail_by_reply (client, smtp_reply_is_refusal (&client->reply),
                                   "EHLO was refused");
    }
}

void
smtp_session_on_starttls (RelaisSmtpClient *client)
{
    if (client->reply.code == 220) {
        /* Octets that came in clear behind the 220 would be read as if they had come under TLS. */
        if (smtp_client_input_waits (client)) {
            smtp_client_fail (client, SMTP_FAIL_PLAIN,
                              "cleartext behind the reply to STARTTLS: an injection is likely");
            return;
        }
        begin_tls (client);
    } else if (!smtp_reply_is_refusal (&client->reply)) {
        smtp_client_fail_by_reply (client, false, "no answer to STARTTLS");
    } else if (needs_tls (client)) {
        smtp_client_fail_by_reply (client, true, "STARTTLS was refused, which is required");
    } else {
        relais_reply_parser_set_strict (client->parser, false);
        smtp_session_become_ready (client);
    }
}

void
smtp_session_on_tls (RelaisSmtpClient *client, const GError *error)
{
    const char *verify;

    if (error != NULL) {
        smtp_client_fail (client, SMTP_FAIL_TLS, "%s", error->message);
        return;
    }
    /* The context refuses in the handshake already; this holds even if it is the wrong context. */
    verify = relais_stream_tls_verify (client->stream);
    if (client->tls_policy == RELAIS_TLS_POLICY_VERIFY && g_strcmp0 (verify, "ok") != 0) {
        smtp_client_fail (client, SMTP_FAIL_TLS, "the certificate was not verified: %s",
                          verify != NULL ? verify : "none");
        return;
    }
    relais_reply_parser_set_strict (client->parser, false);
    client->helo_only = false;
    if (client->implicit_tls)
        await_banner (client);
    else
        greet (client);
}

/* --- QUIT ------------------------------------------------------------------------------------- */

void
smtp_session_quit (RelaisSmtpClient *client)
{
    smtp_client_set_phase (client, RELAIS_PHASE_QUIT);
    smtp_client_command (client, "QUIT\r\n", 6, 1);
}

void
smtp_session_on_quit (RelaisSmtpClient *client)
{
    smtp_client_end (client, NULL, NULL);
}
