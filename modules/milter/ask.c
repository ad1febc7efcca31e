/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hooks: a call of one asks the milters one after the other, each by the commands that the hook is made
 * of. Loop.
 */
#include "call.h"

enum {
    GRACE_US =
        2 * G_USEC_PER_SEC /* that the ticket outlives the milters: their failure tells more */
};

/* --- Links ------------------------------------------------------------------------------------ */

static bool
applies (const MilterServer *server, RelaisHook *hook)
{
    const char *listener = relais_hook_get_listener (hook);
    const char *tenant = relais_hook_get_tenant (hook);

    if (server->listeners[0] != NULL &&
        (listener == NULL || !g_strv_contains ((const gchar *const *)server->listeners, listener)))
        return false;
    if (server->tenants[0] == NULL)
        return true;
    return relais_hook_get_id (hook) >= RELAIS_HOOK_MAIL && tenant != NULL &&
           g_strv_contains ((const gchar *const *)server->tenants, tenant);
}

/* The commands of this hook, with those that the milter was not told yet. */
static void
plan (MilterCall *call, MilterLink *link, RelaisHook *hook)
{
    GString *steps = g_string_new (NULL);

    if (link->channel == NULL)
        g_string_append_c (steps, 'O');
    if (link->in_mail && call->hook == RELAIS_HOOK_MAIL)
        g_string_append_c (steps, 'A');
    if (!link->told_connect)
        g_string_append_c (steps, 'C');
    if (relais_hook_get_helo (hook) != NULL && call->hook != RELAIS_HOOK_CONNECT &&
        (!link->told_helo || call->hook == RELAIS_HOOK_HELO))
        g_string_append_c (steps, 'H');
    if (call->hook >= RELAIS_HOOK_MAIL)
        g_string_append (steps, call->hook == RELAIS_HOOK_MAIL   ? "M"
                                : call->hook == RELAIS_HOOK_RCPT ? "R"
                                                                 : "TLNBE");
    g_strlcpy (call->steps, steps->str, sizeof call->steps);
    g_string_free (steps, TRUE);
}

static void
begin_link (MilterCall *call, MilterLink *link, RelaisHook *hook)
{
    const MilterServer *server = link->server;

    if (link->channel == NULL && call->hook > RELAIS_HOOK_MAIL) {
        milter_call_fail (call, "knows nothing of this mail");
        return;
    }
    plan (call, link, hook);
    call->step = 0;
    call->header_at = call->body_at = 0;
    call->skip_body = false;
    call->deadline_us = relais_module_now_us (call->self->module) + server->connect_us +
                        server->command_us +
                        (call->hook == RELAIS_HOOK_MESSAGE ? server->message_us : 0);
    milter_call_next_step (call);
}

/* From the current link on, the first that has something to say. */
static void
ask_link (MilterCall *call)
{
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);

    if (hook == NULL)
        return; /* its cancellation is on the way */
    for (; call->current < call->session->n_links; call->current++) {
        MilterLink *link = milter_call_get_link (call);

        if (link->done_session || link->done_mail || !applies (link->server, hook))
            continue;
        if (link->failed) {
            milter_call_by_failure (call);
            return;
        }
        begin_link (call, link, hook);
        return;
    }
    milter_call_finish (call,
                        call->quarantine ? RELAIS_VERDICT_QUARANTINE : RELAIS_VERDICT_CONTINUE);
}

void
milter_call_next_link (MilterCall *call)
{
    call->current++;
    ask_link (call);
}

/* The client's name was looked up. The call that waited for it may have gone. */
static void
on_reverse (gpointer data)
{
    const MilterSession *session = data;

    if (session->call != NULL)
        ask_link (session->call);
}

/* True if milters can be told who the client is: else on_reverse () goes on. */
static bool
reverse_is_there (MilterSession *session, RelaisHook *hook, const MilterConfig *config)
{
    const char *client = relais_hook_get_client (hook);

    if (client == NULL || !config->reverse_names)
        return true;
    if (session->reverse != NULL && !milter_reverse_is_of (session->reverse, client))
        g_clear_pointer (&session->reverse, milter_reverse_free);
    if (session->reverse == NULL)
        session->reverse = milter_reverse_new (session->self->module, client, on_reverse, session);
    return session->reverse == NULL || milter_reverse_is_done (session->reverse);
}

static void
begin (MilterCall *call, RelaisHook *hook)
{
    if (call->hook == RELAIS_HOOK_MESSAGE) {
        call->original = relais_hook_dup_original (hook);
        call->edits = g_byte_array_new ();
    }
    if (reverse_is_there (call->session, hook, call->config))
        ask_link (call);
}

/* --- The hooks -------------------------------------------------------------------------------- */

static bool
has_work (const MilterSession *session, RelaisHook *hook)
{
    for (guint i = 0; i < session->n_links; i++) {
        const MilterLink *link = &session->links[i];

        if (!link->done_session && !link->done_mail && applies (link->server, hook))
            return true;
    }
    return false;
}

static void
begin_mail (MilterSession *session)
{
    session->discard = false;
    for (guint i = 0; i < session->n_links; i++)
        session->links[i].failed = session->links[i].done_mail = false;
}

static gint64
time_for (const MilterSession *session)
{
    gint64 sum_us = GRACE_US + MILTER_REVERSE_S * G_USEC_PER_SEC;

    for (guint i = 0; i < session->n_links; i++) {
        const MilterServer *server = session->links[i].server;

        sum_us += server->connect_us + server->command_us * 2 + server->message_us;
    }
    return sum_us;
}

static MilterSession *
session_of (Milter *self, RelaisHook *hook)
{
    const MilterConfig *config = relais_hook_get_config (hook);
    MilterSession *session = relais_hook_get_slot (hook, self->session_slot);

    if (session != NULL || config->servers->len == 0)
        return session;
    session = milter_session_new (self, config);
    if (relais_hook_set_slot (hook, self->session_slot, session))
        return session;
    milter_session_free (session);
    return NULL;
}

RelaisVerdict
milter_ask (RelaisHook *hook, gpointer data)
{
    MilterSession *session = session_of (data, hook);
    const RelaisHookId id = relais_hook_get_id (hook);
    MilterCall *call;

    if (session == NULL)
        return RELAIS_VERDICT_CONTINUE;
    if (id < RELAIS_HOOK_RCPT)
        begin_mail (session);
    if (session->discard)
        return id == RELAIS_HOOK_MESSAGE ? RELAIS_VERDICT_DISCARD : RELAIS_VERDICT_CONTINUE;
    if (!has_work (session, hook))
        return RELAIS_VERDICT_CONTINUE;
    call = g_new0 (MilterCall, 1);
    g_atomic_ref_count_init (&call->refs);
    call->self = data;
    call->session = session;
    call->config = relais_hook_get_config (hook);
    call->hook = id;
    call->ticket =
        relais_hook_suspend (hook, "milter", time_for (session), milter_call_cancel, call);
    session->call = call;
    begin (call, hook);
    return RELAIS_VERDICT_PENDING;
}

void
milter_call_forget (MilterSession *session)
{
    if (session->call != NULL)
        milter_call_leave (session->call);
}
