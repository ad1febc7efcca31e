/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH (RFC 4954): PLAIN, LOGIN and SCRAM, each a few answers of the client to our challenges. Owns
 * the login under way, which is made by AUTH and gone when it was answered for good, so that nothing
 * of a failed one is there for the next. All failures look alike. Loop thread; passwords are hashed
 * and users looked up behind relais_auth_start () and relais_auth_find ().
 */
#include "config.h"

#include "smtp/session-private.h"

#include "smtp/scram-private.h"

#include <openssl/crypto.h>
#include <string.h>

static const RelaisServerReply not_offered = {502, "5.5.1", "AUTH is not offered"};
static const RelaisServerReply already = {503, "5.5.1", "you are logged in already"};
static const RelaisServerReply needs_tls = {538, "5.7.11", "STARTTLS first"};
static const RelaisServerReply unknown = {504, "5.5.4", "no such mechanism is offered"};
static const RelaisServerReply ask_any = {334, NULL, ""};
static const RelaisServerReply ask_name = {334, NULL, "VXNlcm5hbWU6"};     /* Username: */
static const RelaisServerReply ask_password = {334, NULL, "UGFzc3dvcmQ6"}; /* Password: */
static const RelaisServerReply cancelled = {501, "5.7.0", "login cancelled"};
static const RelaisServerReply not_base64 = {501, "5.5.2", "not base64"};
static const RelaisServerReply failed = {535, "5.7.8", "wrong name or password"};
static const RelaisServerReply busy = {454, "4.7.0", "too many logins at once"};
static const RelaisServerReply welcome = {235, "2.7.0", "welcome"};
static const RelaisServerReply too_many = {421, "4.7.0", "too many failed logins"};
static const RelaisServerReply too_many_of_client = {
    421, "4.7.0", "too many failed logins from your address, come again later"};

/* Takes one decoded answer. */
typedef void (*TakeAnswer) (RelaisSession *session, const char *answer, gsize size);

typedef struct {
    const char *name;
    const RelaisServerReply *challenge; /* before the first answer */
    TakeAnswer take;                    /* the first answer */
    bool scram, plus;
} Mechanism;

struct RelaisLogin {
    const Mechanism *mechanism;
    TakeAnswer take; /* the answer that is due */
    char *name;      /* LOGIN */
    gsize name_size;
    char *first; /* SCRAM: the client's first message, while its user is looked up */
    gsize first_size;
    RelaisScram *scram;
    RelaisUser *user; /* SCRAM: who this may turn out to be; NULL if nobody */
};

static void take_plain (RelaisSession *session, const char *answer, gsize size);
static void take_login_name (RelaisSession *session, const char *answer, gsize size);
static void take_scram_first (RelaisSession *session, const char *answer, gsize size);

/* What is best stands first: clients take the first they know. */
static const Mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", &ask_any, take_scram_first, true, true},
    {"SCRAM-SHA-256", &ask_any, take_scram_first, true, false},
    {"PLAIN", &ask_any, take_plain, false, false},
    {"LOGIN", &ask_name, take_login_name, false, false},
};

/* --- The login -------------------------------------------------------------------------------- */

void
relais_session_end_login (RelaisSession *session)
{
    RelaisLogin *login = g_steal_pointer (&session->login);

    if (login == NULL)
        return;
    relais_scram_free (login->scram);
    relais_user_unref (login->user);
    g_free (login->name);
    g_free (login->first);
    g_free (login);
}

/* --- Offers ----------------------------------------------------------------------------------- */

static bool
is_open (const RelaisSession *session)
{
    return session->tls || (session->listener->auth == RELAIS_LISTENER_AUTH_YES &&
                            session->listener->tls != RELAIS_LISTENER_TLS_REQUIRED);
}

static bool
has_binding (const RelaisSession *session)
{
    guint8 binding[RELAIS_TLS_BINDING_BYTES];

    return relais_stream_tls_binding (session->stream, binding);
}

static bool
offers (const RelaisSession *session, const Mechanism *mechanism)
{
    return !mechanism->scram || (relais_auth_offers_scram (session->server->auth) &&
                                 (!mechanism->plus || has_binding (session)));
}

bool
relais_session_append_auth (const RelaisSession *session, GString *to)
{
    if (session->listener->auth == RELAIS_LISTENER_AUTH_NO || !is_open (session))
        return false;
    g_string_append (to, "AUTH");
    for (gsize i = 0; i < G_N_ELEMENTS (mechanisms); i++)
        if (offers (session, &mechanisms[i]))
            g_string_append_printf (to, " %s", mechanisms[i].name);
    return true;
}

/* --- How it ends ------------------------------------------------------------------------------ */

static void
back_to_ready (RelaisSession *session)
{
    relais_session_set_state (session, RELAIS_SESSION_READY);
    relais_session_end_login (session);
}

static void
end_with (RelaisSession *session, const RelaisServerReply *reply)
{
    back_to_ready (session);
    relais_session_reply (session, reply);
}

/* All kinds of failure look alike; after some of them the session ends. */
static void
fail (RelaisSession *session)
{
    g_message ("login failed: client %s, listener %s", session->client, session->listener->name);
    relais_smtp_server_note_failed_login (session->server, &session->admission);
    end_with (session, &failed);
    if (session->stream != NULL &&
        ++session->auth_failures >= (guint)session->settings->limits.auth_failures)
        relais_session_reply (session, &too_many);
}

static void
proceed_logged_in (RelaisSession *session, const RelaisHookResult *result)
{
    session->user = g_steal_pointer (&session->command.user);
    end_with (session, &welcome);
}

/* The client is who it says; modules have their say. */
static const RelaisSessionStep logged_in = {"(logged in)",
                                            1u << RELAIS_SESSION_VERIFY,
                                            RELAIS_HOOK_AUTH,
                                            NULL,
                                            proceed_logged_in,
                                            back_to_ready,
                                            0};

/* In VERIFY. A NULL user is nobody. */
static void
end_login (RelaisSession *session, RelaisUser *user)
{
    if (user == NULL) {
        fail (session);
        return;
    }
    session->command.user = relais_user_ref (user);
    relais_session_run_step (session, &logged_in, NULL, 0);
}

static void
ask (RelaisSession *session, const RelaisServerReply *challenge, TakeAnswer take)
{
    session->login->take = take;
    relais_session_set_state (session, RELAIS_SESSION_AUTH);
    relais_session_reply (session, challenge);
}

/* --- PLAIN and LOGIN -------------------------------------------------------------------------- */

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
verify (RelaisSession *session, RelaisPlainStatus status, RelaisPlain *plain)
{
    RelaisUser *user = NULL;

    if (status != RELAIS_PLAIN_OK) {
        fail (session);
        return;
    }
    relais_session_set_state (session, RELAIS_SESSION_VERIFY);
    switch (relais_auth_start (session->server->auth, plain, &user, on_verified,
                               relais_session_ref (session))) {
    case RELAIS_AUTH_STARTED: relais_plain_clear (plain); return;
    case RELAIS_AUTH_KNOWN: end_login (session, user); break;
    case RELAIS_AUTH_BUSY: end_with (session, &busy); break;
    }
    relais_plain_clear (plain);
    relais_user_unref (user);
    relais_session_unref (session);
}

static void
take_plain (RelaisSession *session, const char *answer, gsize size)
{
    RelaisPlain plain = {0};
    const RelaisPlainStatus status = relais_sasl_split_plain (answer, size, &plain);

    verify (session, status, &plain);
}

static void
take_login_password (RelaisSession *session, const char *answer, gsize size)
{
    RelaisPlain plain = {0};
    const RelaisLogin *login = session->login;
    const RelaisPlainStatus status =
        relais_sasl_take_plain (login->name, login->name_size, answer, size, &plain);

    verify (session, status, &plain);
}

static void
take_login_name (RelaisSession *session, const char *answer, gsize size)
{
    session->login->name = g_memdup2 (answer, size + 1);
    session->login->name_size = size;
    ask (session, &ask_password, take_login_password);
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

static void take_scram_final (RelaisSession *session, const char *answer, gsize size);

/* The answer to our proof says nothing more. */
static void
take_scram_end (RelaisSession *session, const char *answer, gsize size)
{
    relais_session_set_state (session, RELAIS_SESSION_VERIFY);
    end_login (session, size == 0 ? session->login->user : NULL);
}

static void
step_scram (RelaisSession *session, const char *message, gsize size)
{
    RelaisLogin *login = session->login;
    g_autofree char *answer = NULL, *coded = NULL;
    RelaisServerReply challenge = {334, NULL, NULL};
    const RelaisScramStatus status = relais_scram_step (login->scram, message, size, &answer);

    if (status == RELAIS_SCRAM_FAILED || (status == RELAIS_SCRAM_DONE && login->user == NULL)) {
        fail (session);
        return;
    }
    coded = g_base64_encode ((const guchar *)answer, strlen (answer));
    challenge.text = coded;
    ask (session, &challenge, status == RELAIS_SCRAM_MORE ? take_scram_final : take_scram_end);
}

static void
take_scram_final (RelaisSession *session, const char *answer, gsize size)
{
    step_scram (session, answer, size);
}

/* Nobody gets a challenge too, and fails at the end. */
static char *
keys_for (RelaisSession *session, const RelaisUser *user, const char *name)
{
    guint8 salt[RELAIS_SCRAM_SALT_BYTES];

    if (user != NULL && user->scram != NULL)
        return g_strdup (user->scram);
    relais_auth_salt_of_nobody (session->server->auth, name, salt);
    return relais_scram_keys_of_nobody (salt);
}

static void
begin_scram (RelaisSession *session, RelaisUser *user)
{
    RelaisLogin *login = session->login;
    g_autofree char *keys = keys_for (session, user, login->name);
    guint8 binding[RELAIS_TLS_BINDING_BYTES];
    const bool bound =
        login->mechanism->plus && relais_stream_tls_binding (session->stream, binding);

    if (user != NULL && user->scram != NULL)
        login->user = relais_user_ref (user);
    login->scram = relais_scram_new (keys, bound ? binding : NULL);
    step_scram (session, login->first, login->first_size);
}

static void
on_found (gpointer data, const RelaisUser *user)
{
    RelaisSession *session = data;

    if (session->state == RELAIS_SESSION_VERIFY) {
        begin_scram (session, (RelaisUser *)user);
        relais_session_continue (session);
    }
    relais_session_unref (session);
}

/* A client that saw no channel binding in an offer that had it was shown another offer (RFC 5802
 * section 6). */
static bool
was_downgraded (const RelaisSession *session, const char *first, gsize size)
{
    return relais_scram_misses_binding (first, size) && has_binding (session);
}

static void
take_scram_first (RelaisSession *session, const char *answer, gsize size)
{
    RelaisLogin *login = session->login;

    login->name = relais_scram_find_name (answer, size);
    if (login->name == NULL || was_downgraded (session, answer, size)) {
        fail (session);
        return;
    }
    login->first = g_memdup2 (answer, size);
    login->first_size = size;
    relais_session_set_state (session, RELAIS_SESSION_VERIFY);
    if (relais_auth_find (session->server->auth, login->name, on_found,
                          relais_session_ref (session)) == RELAIS_AUTH_STARTED)
        return;
    relais_session_unref (session);
    end_with (session, &busy);
}

/* --- AUTH ------------------------------------------------------------------------------------- */

/* A word of the mechanism's name, in any case. */
static const Mechanism *
find_mechanism (const RelaisSession *session, const char *name, gsize size)
{
    for (gsize i = 0; i < G_N_ELEMENTS (mechanisms); i++)
        if (strlen (mechanisms[i].name) == size &&
            g_ascii_strncasecmp (mechanisms[i].name, name, size) == 0 &&
            offers (session, &mechanisms[i]))
            return &mechanisms[i];
    return NULL;
}

const RelaisServerReply *
relais_check_auth (RelaisSession *session, const char *args, gsize size)
{
    const char *end = args + size;
    const char *blank = memchr (args, ' ', size);
    const char *word_end = blank != NULL ? blank : end;

    if (session->listener->auth == RELAIS_LISTENER_AUTH_NO)
        return &not_offered;
    if (session->user != NULL)
        return &already;
    if (!is_open (session))
        return &needs_tls;
    if (!relais_smtp_server_may_log_in (session->server, &session->admission))
        return &too_many_of_client;
    session->command.mechanism = find_mechanism (session, args, (gsize)(word_end - args));
    if (session->command.mechanism == NULL)
        return &unknown;
    while (blank != NULL && blank < end && *blank == ' ')
        blank++;
    if (blank != NULL)
        session->command.answer = g_strndup (blank, (gsize)(end - blank));
    return NULL;
}

void
relais_session_take_auth_answer (RelaisSession *session, const char *line, gsize size)
{
    char *answer = NULL;
    gsize n;

    /* An empty line is an empty answer where one is due, which is at SCRAM's end alone. */
    if (size == 0 && session->login->take == take_scram_end) {
        take_scram_end (session, line, 0);
        return;
    }
    if (size == 1 && line[0] == '*') {
        end_with (session, &cancelled);
        return;
    }
    answer = relais_sasl_decode (line, size, &n);
    if (answer == NULL) {
        end_with (session, &not_base64);
        return;
    }
    session->login->take (session, answer, n);
    OPENSSL_cleanse (answer, n);
    g_free (answer);
}

void
relais_proceed_auth (RelaisSession *session, const RelaisHookResult *result)
{
    const Mechanism *mechanism = session->command.mechanism;
    g_autofree char *answer = g_steal_pointer (&session->command.answer);

    session->login = g_new0 (RelaisLogin, 1);
    session->login->mechanism = mechanism;
    if (answer == NULL) {
        ask (session, mechanism->challenge, mechanism->take);
        return;
    }
    session->login->take = mechanism->take;
    relais_session_set_state (session, RELAIS_SESSION_AUTH);
    relais_session_take_auth_answer (session, answer, strlen (answer));
    OPENSSL_cleanse (answer, strlen (answer));
}
