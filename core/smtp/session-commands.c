/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of commands, and those commands that touch neither TLS, AUTH nor a transaction but to
 * end it. A command that is not in the table does not exist; one that stands in it may come in the
 * states named there and in no other. Owns nothing. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

#include <string.h>

#define BIT(state) (1u << RELAIS_SESSION_##state)
#define COMMANDS (BIT (START) | BIT (READY) | BIT (MAIL) | BIT (RCPT) | BIT (CHUNKS))

static const RelaisServerReply unknown = {500, "5.5.1", "command not known"};
static const RelaisServerReply not_text = {500, "5.5.2", "control characters in a command"};
static const RelaisServerReply not_smtp = {554, "5.5.1", "SMTP is spoken here"};
static const RelaisServerReply no_arguments = {501, "5.5.4", "no arguments are taken"};
static const RelaisServerReply argument_needed = {501, "5.5.4", "an argument is needed"};
static const RelaisServerReply bad_name = {501, NULL, "a host name is needed"};
static const RelaisServerReply ok = {250, "2.0.0", "ok"};
static const RelaisServerReply cannot_verify = {252, "2.5.0", "send mail and it will be tried"};
static const RelaisServerReply help = {214, "2.0.0", "see RFC 5321"};
static const RelaisServerReply bye = {221, "2.0.0", "bye"};
static const RelaisServerReply too_many = {421, "4.7.0", "too many transactions"};
static const RelaisServerReply too_idle = {421, "4.7.0", "too many commands without a message"};

/* --- Checks ----------------------------------------------------------------------------------- */

static const RelaisServerReply *
check_no_arguments (RelaisSession *session, const char *args, gsize size)
{
    return size > 0 ? &no_arguments : NULL;
}

static const RelaisServerReply *
check_argument (RelaisSession *session, const char *args, gsize size)
{
    return size == 0 ? &argument_needed : NULL;
}

static const RelaisServerReply *
check_helo (RelaisSession *session, const char *args, gsize size)
{
    if (!relais_command_is_helo_name (args, size))
        return &bad_name;
    session->command.name =
        session->given_helo != NULL ? g_strdup (session->given_helo) : g_strndup (args, size);
    return NULL;
}

/* --- The greeting and HELO -------------------------------------------------------------------- */

static void
proceed_connect (RelaisSession *session, const RelaisHookResult *result)
{
    relais_stream_printf (session->stream, "220 %s ESMTP Relais\r\n", session->settings->hostname);
    relais_session_set_state (session, RELAIS_SESSION_START);
    relais_session_await_command (session, session->settings->limits.greeting_timeout);
}

const RelaisSessionStep relais_step_connect = {
    "(connect)", BIT (GREET), RELAIS_HOOK_CONNECT, NULL, proceed_connect, NULL, 0};

/* HELO and EHLO begin anew as RSET does (RFC 5321 section 4.1.4). */
static void
begin_session (RelaisSession *session, bool esmtp)
{
    g_free (session->helo);
    session->helo = g_steal_pointer (&session->command.name);
    session->esmtp = esmtp;
    relais_session_end_transaction (session);
    relais_session_set_state (session, RELAIS_SESSION_READY);
    session->answered = true;
}

static void
proceed_helo (RelaisSession *session, const RelaisHookResult *result)
{
    relais_stream_printf (session->stream, "250 %s\r\n", session->settings->hostname);
    begin_session (session, false);
}

/* RFC 4865 section 4: how long at most, and until when, as both are from now. */
static void
append_release (const RelaisSession *session, GString *to)
{
    const gint64 most = session->settings->limits.future_release / RELAIS_USEC_PER_SEC;
    const gint64 wall = relais_loop_wall_us (session->server->options.loop) / RELAIS_USEC_PER_SEC;
    g_autoptr (GDateTime) end = NULL;
    g_autofree char *text = NULL;

    if (!relais_session_offers_release (session))
        return;
    end = g_date_time_new_from_unix_utc (wall + most);
    text = end != NULL ? g_date_time_format (end, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    if (text != NULL)
        g_string_append_printf (to, "250-FUTURERELEASE %" G_GINT64_FORMAT " %s\r\n", most, text);
}

static void
proceed_ehlo (RelaisSession *session, const RelaisHookResult *result)
{
    const RelaisServerSettings *settings = session->settings;
    g_autoptr (GString) more = g_string_new ("250-");

    if (relais_session_append_auth (session, more))
        g_string_append (more, "\r\n");
    else
        g_string_truncate (more, 0);
    if (session->may_xclient)
        g_string_append_printf (more, "250-XCLIENT %s\r\n", relais_xclient_attributes ());
    append_release (session, more);
    relais_stream_printf (session->stream,
                          "250-%s\r\n250-PIPELINING\r\n250-SIZE %" G_GINT64_FORMAT
                          "\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n%s%s"
                          "250 ENHANCEDSTATUSCODES\r\n",
                          settings->hostname, settings->limits.message_size,
                          relais_session_offers_starttls (session) ? "250-STARTTLS\r\n" : "",
                          more->str);
    begin_session (session, true);
}

/* --- The rest --------------------------------------------------------------------------------- */

static void
proceed_rset (RelaisSession *session, const RelaisHookResult *result)
{
    relais_session_end_transaction (session);
    if (session->state != RELAIS_SESSION_START)
        relais_session_set_state (session, RELAIS_SESSION_READY);
    relais_session_reply (session, &ok);
}

static void
proceed_noop (RelaisSession *session, const RelaisHookResult *result)
{
    relais_session_reply (session, &ok);
}

static void
proceed_vrfy (RelaisSession *session, const RelaisHookResult *result)
{
    relais_session_reply (session, &cannot_verify);
}

static void
proceed_help (RelaisSession *session, const RelaisHookResult *result)
{
    relais_session_reply (session, &help);
}

static void
proceed_quit (RelaisSession *session, const RelaisHookResult *result)
{
    relais_session_reply_and_finish (session, &bye);
}

static const RelaisServerReply *
check_mail (RelaisSession *session, const char *args, gsize size)
{
    if (session->transactions >= (guint)session->settings->limits.transactions)
        return &too_many;
    return relais_check_mail (session, args, size);
}

static const RelaisSessionStep commands[] = {
    {"MAIL", BIT (READY), RELAIS_HOOK_MAIL, check_mail, relais_proceed_mail, NULL,
     RELAIS_STEP_REJECTS},
    {"RCPT", BIT (MAIL) | BIT (RCPT), RELAIS_HOOK_RCPT, relais_check_rcpt, relais_proceed_rcpt,
     NULL, RELAIS_STEP_REJECTS | RELAIS_STEP_FREE_FOR_SENDERS},
    {"DATA", BIT (MAIL) | BIT (RCPT), -1, relais_check_data, relais_proceed_data, NULL, 0},
    {"BDAT", COMMANDS, -1, relais_check_bdat, relais_proceed_bdat, NULL,
     RELAIS_STEP_REJECTS | RELAIS_STEP_FATAL},
    {"EHLO", COMMANDS, RELAIS_HOOK_HELO, check_helo, proceed_ehlo, NULL, RELAIS_STEP_IDLE},
    {"HELO", COMMANDS, RELAIS_HOOK_HELO, check_helo, proceed_helo, NULL, RELAIS_STEP_IDLE},
    {"RSET", COMMANDS, -1, check_no_arguments, proceed_rset, NULL, RELAIS_STEP_IDLE},
    {"NOOP", COMMANDS, -1, NULL, proceed_noop, NULL, RELAIS_STEP_IDLE},
    {"QUIT", COMMANDS, -1, check_no_arguments, proceed_quit, NULL, 0},
    {"VRFY", COMMANDS, -1, check_argument, proceed_vrfy, NULL, RELAIS_STEP_IDLE},
    {"HELP", COMMANDS, -1, NULL, proceed_help, NULL, RELAIS_STEP_IDLE},
    {"STARTTLS", BIT (START) | BIT (READY), -1, relais_check_starttls, relais_proceed_starttls,
     NULL, 0},
    {"AUTH", BIT (READY), -1, relais_check_auth, relais_proceed_auth, NULL, 0},
    {"XCLIENT", BIT (START) | BIT (READY), -1, relais_check_xclient, relais_proceed_xclient, NULL,
     RELAIS_STEP_XCLIENT | RELAIS_STEP_IDLE},
};

/* Words that HTTP clients, and pages that make browsers post to port 25, begin with. */
static const char *const foreign[] = {"GET",     "POST",    "PUT",    "HEAD",
                                      "CONNECT", "OPTIONS", "DELETE", "PATCH"};

static bool
is_verb (const RelaisCommandLine *line, const char *verb)
{
    return strlen (verb) == line->verb_size &&
           g_ascii_strncasecmp (line->verb, verb, line->verb_size) == 0;
}

static void
take_unknown (RelaisSession *session, const RelaisCommandLine *line)
{
    for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
        if (is_verb (line, foreign[i])) {
            relais_session_reply_and_finish (session, &not_smtp);
            return;
        }
    relais_session_reply (session, &unknown);
}

static bool
is_known_to (const RelaisSession *session, const RelaisSessionStep *step)
{
    return (step->flags & RELAIS_STEP_XCLIENT) == 0 || session->may_xclient;
}

static void
take_command (RelaisSession *session, const RelaisSessionStep *step,
              const RelaisCommandLine *command)
{
    if ((step->flags & RELAIS_STEP_IDLE) != 0 &&
        ++session->idle_commands > (guint)session->settings->limits.idle_commands)
        relais_session_reply_and_finish (session, &too_idle);
    else
        relais_session_run_step (session, step, command->args, command->args_size);
}

void
relais_session_take_line (RelaisSession *session, const char *line, gsize size)
{
    RelaisCommandLine command;

    session->step = NULL;
    if (!relais_command_split (line, size, &command)) {
        relais_session_reply (session, &not_text);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        if (is_verb (&command, commands[i].verb) && is_known_to (session, &commands[i])) {
            take_command (session, &commands[i], &command);
            return;
        }
    take_unknown (session, &command);
}
