/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a milter answers to a step, and what follows. Loop.
 */
#include "call.h"

#include <string.h>

static void on_length (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes,
                       guint64 size, gpointer data);

gint64
milter_call_time_left (MilterCall *call)
{
    const MilterServer *server = milter_call_get_link (call)->server;
    const char step = call->steps[call->step];
    const gint64 left_us = call->deadline_us - relais_module_now_us (call->self->module);
    const gint64 step_us = step == 'E'   ? server->message_us
                           : step == 'O' ? server->connect_us
                                         : server->command_us;

    return MAX (MIN (left_us, step_us), 1);
}

void
milter_call_await (MilterCall *call)
{
    MilterLink *link = milter_call_get_link (call);

    relais_channel_read (link->channel, MILTER_LENGTH_BYTES, milter_call_time_left (call),
                         on_length, link->session);
}

static void
note_edit (MilterCall *call, const MilterReply *reply)
{
    g_autofree char *was = NULL;
    MilterEdit edit = {
        .kind = (MilterEditKind)reply->kind, .name = reply->name, .value = reply->value};

    if (reply->kind == MILTER_CHANGE_HEADER) {
        was = milter_edits_name_field (call->header->data, call->header->len, reply->name,
                                       MAX (reply->index, 1), &edit.below);
        edit.was = was;
        if (was == NULL && *reply->value == '\0')
            return; /* none to be removed */
        if (was == NULL)
            edit.kind = MILTER_EDIT_ADD; /* as libmilter's manual has it */
    }
    if (!milter_edits_put (call->edits, &edit))
        relais_log (call->self->module, RELAIS_LOG_WARNING,
                    "milter %s: too many changes of the header",
                    milter_call_get_link (call)->server->name);
}

static bool
is_change (MilterReplyKind kind)
{
    return kind != '\0' && strchr ("himq+-2eb", (int)kind) != NULL;
}

/* What only the end of a message is answered by. */
static void
change (MilterCall *call, const MilterReply *reply)
{
    MilterLink *link = milter_call_get_link (call);

    if (call->steps[call->step] != 'E') {
        milter_call_fail (call, "asks for a change before the end of the message");
        return;
    }
    if (reply->kind == MILTER_HOLD)
        call->quarantine = true;
    else if (strchr ("him", (int)reply->kind) != NULL)
        note_edit (call, reply);
    else
        relais_log (call->self->module, RELAIS_LOG_WARNING,
                    "milter %s wants to change body, sender or recipients (%c), which is not done",
                    link->server->name, (char)reply->kind);
    milter_call_await (call);
}

static void
negotiated (MilterCall *call, const MilterReply *reply)
{
    MilterLink *link = milter_call_get_link (call);

    if (reply->kind != MILTER_NEGOTIATED) {
        milter_call_fail (call, "does not agree on a protocol");
        return;
    }
    if ((reply->steps & ~(guint32)MILTER_OFFERED_STEPS) != 0) {
        milter_call_fail (call, "wants a protocol that it was not offered");
        return;
    }
    link->actions = reply->actions & MILTER_OFFERED_ACTIONS;
    /* Before version 4 there was no command for DATA, and none that could be declined. */
    link->steps = reply->steps | (reply->version < MILTER_DATA_VERSION ? MILTER_NO_DATA : 0);
    call->step++;
    milter_call_next_step (call);
}

static void
proceed (MilterCall *call)
{
    const char step = call->steps[call->step];
    MilterLink *link = milter_call_get_link (call);

    if (step == 'E')
        link->in_mail = false;
    if (step != 'L' && step != 'B')
        call->step++;
    milter_call_next_step (call);
}

static void
accept_mail (MilterCall *call)
{
    MilterLink *link = milter_call_get_link (call);
    const char step = call->steps[call->step];

    if (step == 'C' || step == 'H')
        link->done_session = true;
    else
        link->done_mail = true;
    if (step == 'E')
        link->in_mail = false;
    milter_call_next_link (call);
}

static void
discard (MilterCall *call)
{
    if (call->steps[call->step] == 'E')
        milter_call_get_link (call)->in_mail = false;
    call->session->discard = true;
    milter_call_finish (call, call->hook == RELAIS_HOOK_MESSAGE ? RELAIS_VERDICT_DISCARD
                                                                : RELAIS_VERDICT_CONTINUE);
}

static void
decide (MilterCall *call, const MilterReply *reply)
{
    MilterLink *link = milter_call_get_link (call);

    if (call->steps[call->step] == 'E')
        link->in_mail = false;
    switch (reply->kind) {
    case MILTER_REJECT: milter_call_refuse (call, true, 550, "5.7.1", "Refused by a filter"); break;
    case MILTER_REPLY_CODE:
        milter_call_refuse (call, reply->code >= 500, reply->code, reply->enhanced, reply->text);
        break;
    case MILTER_SHUTDOWN:
    case MILTER_CONNECTION_FAILED:
    default: milter_call_refuse (call, false, 451, "4.7.1", "A filter says: try again later");
    }
}

static void
judge (MilterCall *call, const MilterReply *reply)
{
    const char step = call->steps[call->step];

    if (reply->kind != MILTER_PROGRESS)
        call->n_progress = 0;
    if (step == 'O')
        negotiated (call, reply);
    else if (is_change (reply->kind))
        change (call, reply);
    else if (reply->kind == MILTER_CONTINUE)
        proceed (call);
    else if (reply->kind == MILTER_PROGRESS && ++call->n_progress < MILTER_MAX_PROGRESS)
        milter_call_await (call);
    else if (reply->kind == MILTER_SKIP_BODY && step == 'B') {
        call->skip_body = true;
        milter_call_next_step (call);
    } else if (reply->kind == MILTER_ACCEPT)
        accept_mail (call);
    else if (reply->kind == MILTER_DISCARD && step != 'C' && step != 'H')
        discard (call);
    else if (strchr ("4frty", (int)reply->kind) != NULL)
        decide (call, reply);
    else
        milter_call_fail (call, "answers what does not belong there");
}

static void
on_packet (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
           gpointer data)
{
    MilterSession *session = data;
    MilterCall *call = session->call;
    MilterReply reply;

    if (outcome != RELAIS_CHANNEL_OK) {
        milter_call_lost (call, outcome);
    } else if (!milter_reply_parse (bytes, (gsize)size, &reply)) {
        milter_call_fail (call, "answers what is not of the protocol");
    } else {
        judge (call, &reply);
        milter_reply_clear (&reply);
    }
}

static void
on_length (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
           gpointer data)
{
    MilterSession *session = data;
    MilterCall *call = session->call;
    MilterLink *link = milter_call_get_link (call);
    const gsize length =
        outcome == RELAIS_CHANNEL_OK ? milter_length_parse ((const guint8 *)bytes) : 0;

    if (outcome != RELAIS_CHANNEL_OK)
        milter_call_lost (call, outcome);
    else if (length == 0)
        milter_call_fail (call, "answers a packet that is too large");
    else
        relais_channel_read (link->channel, length, milter_call_time_left (call), on_packet,
                             session);
}
