/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP client's AUTH (RFC 4954): SCRAM-SHA-256 (RFC 7677) where it is offered, else PLAIN, else LOGIN,
 * and none of them in clear unless that is allowed. Owns the state of the exchange.
 *
 * Loop thread, but for derive (): the peer says how often SCRAM hashes the password, so that a worker does
 * it. A peer that says 235 before it proved that it knows the password itself is not believed.
 */
#include "config.h"

#include "smtp/client-state-private.h"
#include "smtp/sasl-private.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <string.h>

enum { RETRY_US = 10 * 1000 };

typedef enum { MECHANISM_SCRAM_SHA_256, MECHANISM_PLAIN, MECHANISM_LOGIN } Mechanism;

/* SCRAM's own; the worker's while `busy`. A step that outlives the client frees it. */
typedef struct {
    RelaisSmtpClient *client; /* NULL once nobody waits */
    Gsasl *gsasl;
    Gsasl_session *session;
    char *challenge, *answer;
    int result;
    bool busy;
} Scram;

struct SmtpAuth {
    Mechanism mechanism;
    guint step;
    bool complete; /* the peer proved what it has to */
    Scram *scram;
};

/* --- SCRAM ------------------------------------------------------------------------------------ */

static void
wipe (char *text)
{
    if (text != NULL)
        OPENSSL_cleanse (text, strlen (text));
    free (text); /* libgsasl's own */
}

static void
scram_free (Scram *scram)
{
    if (scram->session != NULL)
        gsasl_finish (scram->session);
    if (scram->gsasl != NULL)
        gsasl_done (scram->gsasl);
    g_free (scram->challenge);
    wipe (scram->answer);
    g_free (scram);
}

static Scram *
scram_new (RelaisSmtpClient *client)
{
    Scram *scram = g_new0 (Scram, 1);

    scram->client = client;
    if (gsasl_init (&scram->gsasl) == GSASL_OK &&
        gsasl_client_start (scram->gsasl, "SCRAM-SHA-256", &scram->session) == GSASL_OK &&
        gsasl_property_set (scram->session, GSASL_AUTHID, client->credentials->user) == GSASL_OK &&
        gsasl_property_set (scram->session, GSASL_PASSWORD, client->credentials->password) ==
            GSASL_OK)
        return scram;
    scram_free (scram);
    return NULL;
}

static void
derive (gpointer data)
{
    Scram *scram = data;

    wipe (g_steal_pointer (&scram->answer));
    scram->result = gsasl_step64 (scram->session, scram->challenge, &scram->answer);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
say (RelaisSmtpClient *client, const char *verb, const char *answer)
{
    char *line = g_strconcat (verb, answer, "\r\n", NULL);

    smtp_client_set_phase (client, RELAIS_PHASE_AUTH);
    smtp_client_command (client, line, strlen (line), 1);
    OPENSSL_cleanse (line, strlen (line));
    g_free (line);
}

static void
say_encoded (RelaisSmtpClient *client, const char *verb, const char *bytes, gsize size)
{
    char *encoded = g_base64_encode ((const guchar *)bytes, size);

    say (client, verb, encoded);
    OPENSSL_cleanse (encoded, strlen (encoded));
    g_free (encoded);
}

static void
say_plain (RelaisSmtpClient *client)
{
    const RelaisCredentials *mine = client->credentials;
    GString *bytes = g_string_new (NULL);

    g_string_append_c (bytes, '\0');
    g_string_append_len (bytes, mine->user, (gssize)strlen (mine->user) + 1);
    g_string_append (bytes, mine->password);
    say_encoded (client, "AUTH PLAIN ", bytes->str, bytes->len);
    OPENSSL_cleanse (bytes->str, bytes->len);
    g_string_free (bytes, TRUE);
}

static void
fail_exchange (RelaisSmtpClient *client, const char *what)
{
    smtp_client_fail (client, SMTP_FAIL_PLAIN, "AUTH failed: %s", what);
}

/* What the step gave is said, or ends the exchange. */
static void
after_step (RelaisSmtpClient *client)
{
    SmtpAuth *auth = client->auth;
    Scram *scram = auth->scram;

    if (scram->result != GSASL_OK && scram->result != GSASL_NEEDS_MORE) {
        fail_exchange (client, "the peer did not prove that it knows the password");
        return;
    }
    auth->complete = scram->result == GSASL_OK;
    say (client, auth->step++ == 0 ? "AUTH SCRAM-SHA-256 " : "",
         scram->answer != NULL ? scram->answer : "");
}

static void
on_derived (gpointer data)
{
    Scram *scram = data;
    RelaisSmtpClient *client = scram->client;

    scram->busy = false;
    if (client == NULL) {
        scram_free (scram);
        return;
    }
    smtp_client_ref (client);
    after_step (client);
    smtp_client_unref (client);
}

static void
step_scram (RelaisSmtpClient *client)
{
    Scram *scram = client->auth->scram;

    g_free (scram->challenge);
    scram->challenge = g_strdup (client->reply.text);
    if (client->auth->step == 1 && !relais_sasl_challenge_is_sane (scram->challenge)) {
        fail_exchange (client, "the peer's challenge makes no sense");
        return;
    }
    smtp_auth_go_on (client);
}

void
smtp_auth_go_on (RelaisSmtpClient *client)
{
    Scram *scram = client->auth->scram;

    scram->busy = relais_pool_run (client->pool, derive, on_derived, scram);
    if (!scram->busy)
        relais_timer_set (&client->retry, RETRY_US);
}

/* --- The exchange ----------------------------------------------------------------------------- */

static void
start_scram (RelaisSmtpClient *client)
{
    client->auth->scram = scram_new (client);
    if (client->auth->scram == NULL) {
        fail_exchange (client, "SCRAM-SHA-256 cannot be begun");
        return;
    }
    derive (client->auth->scram); /* the first message needs no hashing */
    after_step (client);
}

static bool
choose (const RelaisSmtpCaps *caps, Mechanism *mechanism)
{
    if (caps->auth_scram_sha_256)
        *mechanism = MECHANISM_SCRAM_SHA_256;
    else if (caps->auth_plain)
        *mechanism = MECHANISM_PLAIN;
    else if (caps->auth_login)
        *mechanism = MECHANISM_LOGIN;
    else
        return false;
    return true;
}

void
smtp_auth_start (RelaisSmtpClient *client)
{
    Mechanism mechanism;

    smtp_client_set_phase (client, RELAIS_PHASE_AUTH);
    if (!relais_stream_is_tls (client->stream) && !client->auth_in_clear) {
        fail_exchange (client, "credentials are not sent without TLS");
        return;
    }
    if (!choose (&client->caps, &mechanism)) {
        fail_exchange (client, "the peer offers none of SCRAM-SHA-256, PLAIN and LOGIN");
        return;
    }
    client->auth = g_new0 (SmtpAuth, 1);
    client->auth->mechanism = mechanism;
    switch (mechanism) {
    case MECHANISM_SCRAM_SHA_256: start_scram (client); break;
    case MECHANISM_PLAIN:
        client->auth->complete = true;
        say_plain (client);
        break;
    case MECHANISM_LOGIN:
        client->auth->complete = true;
        say (client, "AUTH LOGIN", "");
        break;
    }
}

static void
answer_login (RelaisSmtpClient *client)
{
    const RelaisCredentials *mine = client->credentials;
    const char *const answers[] = {mine->user, mine->password};
    SmtpAuth *auth = client->auth;

    if (auth->step >= G_N_ELEMENTS (answers)) {
        fail_exchange (client, "the peer asks for more than name and password");
        return;
    }
    say_encoded (client, "", answers[auth->step], strlen (answers[auth->step]));
    auth->step++;
}

static void
answer_challenge (RelaisSmtpClient *client)
{
    SmtpAuth *auth = client->auth;

    if (auth->mechanism == MECHANISM_LOGIN)
        answer_login (client);
    else if (auth->mechanism == MECHANISM_SCRAM_SHA_256 && !auth->complete)
        step_scram (client);
    else
        fail_exchange (client, "the peer goes on when all was said");
}

void
smtp_auth_on_reply (RelaisSmtpClient *client)
{
    SmtpAuth *auth = client->auth;

    if (client->reply.code == 334) {
        answer_challenge (client);
    } else if (client->reply.code == 235 && auth->complete) {
        smtp_auth_clear (client);
        client->authenticated = true;
        smtp_session_become_ready (client);
    } else if (client->reply.code == 235) {
        fail_exchange (client, "the peer did not prove that it knows the password");
    } else {
        smtp_client_fail_by_reply (client, smtp_reply_is_refusal (&client->reply),
                                   "AUTH was refused");
    }
}

void
smtp_auth_clear (RelaisSmtpClient *client)
{
    SmtpAuth *auth = g_steal_pointer (&client->auth);

    if (auth == NULL)
        return;
    if (auth->scram != NULL && auth->scram->busy)
        auth->scram->client = NULL;
    else if (auth->scram != NULL)
        scram_free (auth->scram);
    g_free (auth);
}
