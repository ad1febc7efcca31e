/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One call of a hook: the milters are asked one after the other, each by the commands that the step is made of. Loop;
 * the message is read on a worker, a piece at a time.
 */
#include "milter.h"

#include <string.h>

enum {
    GRACE_US =
        2 * G_USEC_PER_SEC /* that the ticket outlives the milters: their failure tells more */
};

/* Lives as long as somebody refers to it: the session while it is asked for, and a read on the worker. */
struct MilterCall {
    gatomicrefcount refs;
    Milter *self;
    MilterSession *session; /* NULL once it is over */
    const MilterConfig *config;
    RelaisTicket *ticket;
    RelaisHookId hook;
    guint current; /* link */
    char steps[8]; /* commands of this link; the one under way is the first */
    guint step;
    gint64 deadline_us; /* of this link */
    guint n_progress;
    bool skip_body, quarantine;
    /* The message. */
    RelaisOriginal *original;
    GByteArray *header; /* NULL until it was read */
    guint64 header_at, body_at, body_begin;
    GByteArray *edits;
    guint8 *buffer; /* the worker's, while it reads */
    gint64 n_read;
};

static void next_step (MilterCall *call);
static void next_link (MilterCall *call);

static MilterCall *
call_ref (MilterCall *call)
{
    g_atomic_ref_count_inc (&call->refs);
    return call;
}

static void
call_unref (MilterCall *call)
{
    if (!g_atomic_ref_count_dec (&call->refs))
        return;
    relais_ticket_unref (call->ticket);
    relais_original_unref (call->original);
    g_clear_pointer (&call->header, g_byte_array_unref);
    g_clear_pointer (&call->edits, g_byte_array_unref);
    g_free (call->buffer);
    g_free (call);
}

static MilterLink *
link_of (MilterCall *call)
{
    return &call->session->links[call->current];
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
leave_session (MilterCall *call)
{
    call->session->call = NULL;
    call->session = NULL;
    call_unref (call);
}

static void
set_edits (MilterCall *call, RelaisHook *hook)
{
    g_autoptr (GBytes) bytes = NULL;

    if (call->edits == NULL || call->edits->len == 0)
        return;
    bytes = g_bytes_new (call->edits->data, call->edits->len);
    if (!relais_hook_set_attribute (hook, MILTER_ATTRIBUTE, bytes))
        relais_log (call->self->module, RELAIS_LOG_WARNING,
                    "there is no room for the changes of the header");
}

static void
finish (MilterCall *call, RelaisVerdict verdict)
{
    static const char *const names[] = {"continue", "accept",  "reject",
                                        "tempfail", "discard", "quarantine"};
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);

    if (hook != NULL &&
        (verdict == RELAIS_VERDICT_CONTINUE || verdict == RELAIS_VERDICT_QUARANTINE))
        set_edits (call, hook);
    if (verdict != RELAIS_VERDICT_CONTINUE)
        relais_counter_add (call->self->verdicts, names[verdict], 1);
    relais_ticket_complete (call->ticket, verdict);
    leave_session (call);
}

static void
refuse (MilterCall *call, bool permanent, guint32 code, const char *enhanced, const char *text)
{
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);

    if (hook != NULL &&
        !relais_hook_set_reply (hook, code, enhanced,
                                text != NULL && *text != '\0' ? text : "Refused by a filter"))
        relais_log (call->self->module, RELAIS_LOG_WARNING,
                    "milter %s: its reply cannot be given: %u %s", link_of (call)->server->name,
                    code, text);
    finish (call, permanent ? RELAIS_VERDICT_REJECT : RELAIS_VERDICT_TEMPFAIL);
}

/* The milter cannot be asked: as the administrator has it. */
static void
by_failure (MilterCall *call)
{
    switch (link_of (call)->server->on_failure) {
    case MILTER_FAIL_ACCEPT: next_link (call); break;
    case MILTER_FAIL_REJECT: refuse (call, true, 554, "5.3.0", "A filter cannot be asked"); break;
    default: refuse (call, false, 451, "4.3.0", "A filter cannot be asked now");
    }
}

static void
fail (MilterCall *call, const char *what)
{
    MilterLink *link = link_of (call);

    relais_counter_add (call->self->failures, link->server->name, 1);
    relais_log (call->self->module, RELAIS_LOG_WARNING, "milter %s at %s: %s", link->server->name,
                link->server->address, what);
    milter_link_drop (link);
    link->failed = true;
    by_failure (call);
}

static void
on_cancel (gpointer data)
{
    MilterCall *call = data;

    if (call->session == NULL)
        return;
    if (call->current < call->session->n_links)
        milter_link_drop (link_of (call)); /* nobody knows where its answers stand */
    leave_session (call);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void on_length (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes,
                       guint64 size, gpointer data);

static void
await (MilterCall *call)
{
    MilterLink *link = link_of (call);
    const char step = call->steps[call->step];
    const gint64 left_us = call->deadline_us - relais_module_now_us (call->self->module);
    const gint64 step_us = step == 'E'   ? link->server->message_us
                           : step == 'O' ? link->server->connect_us
                                         : link->server->command_us;

    relais_channel_read (link->channel, MILTER_LENGTH_BYTES, MAX (MIN (left_us, step_us), 1),
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
                    "milter %s: too many changes of the header", link_of (call)->server->name);
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
    MilterLink *link = link_of (call);

    if (call->steps[call->step] != 'E') {
        fail (call, "asks for a change before the end of the message");
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
    await (call);
}

static void
negotiated (MilterCall *call, const MilterReply *reply)
{
    MilterLink *link = link_of (call);

    if (reply->kind != MILTER_NEGOTIATED) {
        fail (call, "does not agree on a protocol");
        return;
    }
    if ((reply->steps & ~(guint32)MILTER_OFFERED_STEPS) != 0) {
        fail (call, "wants a protocol that it was not offered");
        return;
    }
    link->actions = reply->actions & MILTER_OFFERED_ACTIONS;
    link->steps = reply->steps;
    call->step++;
    next_step (call);
}

static void
proceed (MilterCall *call)
{
    const char step = call->steps[call->step];
    MilterLink *link = link_of (call);

    if (step == 'E')
        link->in_mail = false;
    if (step != 'L' && step != 'B')
        call->step++;
    next_step (call);
}

static void
accept_mail (MilterCall *call)
{
    MilterLink *link = link_of (call);
    const char step = call->steps[call->step];

    if (step == 'C' || step == 'H')
        link->done_session = true;
    else
        link->done_mail = true;
    if (step == 'E')
        link->in_mail = false;
    next_link (call);
}

static void
discard (MilterCall *call)
{
    if (call->steps[call->step] == 'E')
        link_of (call)->in_mail = false;
    call->session->discard = true;
    finish (call,
            call->hook == RELAIS_HOOK_MESSAGE ? RELAIS_VERDICT_DISCARD : RELAIS_VERDICT_CONTINUE);
}

static void
decide (MilterCall *call, const MilterReply *reply)
{
    MilterLink *link = link_of (call);

    if (call->steps[call->step] == 'E')
        link->in_mail = false;
    switch (reply->kind) {
    case MILTER_REJECT: refuse (call, true, 550, "5.7.1", "Refused by a filter"); break;
    case MILTER_REPLY_CODE:
        refuse (call, reply->code >= 500, reply->code, reply->enhanced, reply->text);
        break;
    case MILTER_SHUTDOWN:
    case MILTER_CONNECTION_FAILED:
    default: refuse (call, false, 451, "4.7.1", "A filter says: try again later");
    }
}

static void
judge (MilterCall *call, const MilterReply *reply)
{
    const char step = call->steps[call->step];

    link_of (call)->reused = false;
    if (reply->kind != MILTER_PROGRESS)
        call->n_progress = 0;
    if (step == 'O')
        negotiated (call, reply);
    else if (is_change (reply->kind))
        change (call, reply);
    else if (reply->kind == MILTER_CONTINUE)
        proceed (call);
    else if (reply->kind == MILTER_PROGRESS && ++call->n_progress < MILTER_MAX_PROGRESS)
        await (call);
    else if (reply->kind == MILTER_SKIP_BODY && step == 'B') {
        call->skip_body = true;
        next_step (call);
    } else if (reply->kind == MILTER_ACCEPT)
        accept_mail (call);
    else if (reply->kind == MILTER_DISCARD && step != 'C' && step != 'H')
        discard (call);
    else if (strchr ("4frty", (int)reply->kind) != NULL)
        decide (call, reply);
    else
        fail (call, "answers what does not belong there");
}

/* A connection out of the pool may be gone: then a new one is made, once. */
static void
lost (MilterCall *call, RelaisChannelOutcome outcome)
{
    MilterLink *link = link_of (call);
    g_autofree char *what = NULL;

    if (link->reused && outcome == RELAIS_CHANNEL_CLOSED && call->hook <= RELAIS_HOOK_MAIL) {
        const bool helo = strchr (call->steps, 'H') != NULL;
        const bool mail = strchr (call->steps, 'M') != NULL;

        milter_link_drop (link);
        g_snprintf (call->steps, sizeof call->steps, "OC%s%s", helo ? "H" : "", mail ? "M" : "");
        call->step = 0;
        next_step (call);
        return;
    }
    what = g_strdup_printf ("%s %s", relais_channel_outcome_to_string (outcome),
                            relais_channel_get_text (link->channel));
    fail (call, what);
}

static void
on_packet (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
           gpointer data)
{
    MilterSession *session = data;
    MilterCall *call = session->call;
    MilterReply reply;

    if (outcome != RELAIS_CHANNEL_OK) {
        lost (call, outcome);
    } else if (!milter_reply_parse (bytes, (gsize)size, &reply)) {
        fail (call, "answers what is not of the protocol");
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
    MilterLink *link = link_of (call);
    const gsize length =
        outcome == RELAIS_CHANNEL_OK ? milter_length_parse ((const guint8 *)bytes) : 0;

    if (outcome != RELAIS_CHANNEL_OK)
        lost (call, outcome);
    else if (length == 0)
        fail (call, "answers a packet that is too large");
    else
        relais_channel_read (link->channel, length, link->server->command_us, on_packet, session);
}

/* --- The message ------------------------------------------------------------------------------ */

/* Where the body begins; 0 if the header has no end in it. */
static guint64
header_end (const guint8 *bytes, gsize size)
{
    const guint8 *at = bytes;
    const guint8 *stop = bytes + size;

    if (size >= 2 && memcmp (bytes, "\r\n", 2) == 0)
        return 2;
    while (stop - at >= 4 && (at = memchr (at, '\r', (gsize)(stop - at) - 3)) != NULL) {
        if (memcmp (at, "\r\n\r\n", 4) == 0)
            return (guint64)(at - bytes) + 4;
        at++;
    }
    return 0;
}

static void
take_header (MilterCall *call)
{
    guint64 end = header_end (call->buffer, (gsize)call->n_read);

    if (end == 0 && (guint64)call->n_read < relais_original_get_size (call->original)) {
        fail (call, "the header of a message is too large to be shown");
        return;
    }
    if (end == 0)
        end = (guint64)call->n_read; /* nothing but a header */
    call->header = g_byte_array_append (g_byte_array_new (), call->buffer, (guint)end);
    call->body_begin = end;
    next_step (call);
}

static void
take_chunk (MilterCall *call)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    const guint begin = milter_packet_begin (out, 'B');

    g_byte_array_append (out, call->buffer, (guint)call->n_read);
    milter_packet_end (out, begin);
    call->body_at += (guint64)call->n_read;
    if (relais_channel_write (link_of (call)->channel, (const char *)out->data, out->len))
        await (call);
    else
        fail (call, "does not take a message");
}

static void
read_work (gpointer data)
{
    MilterCall *call = data;
    const guint64 offset = call->header == NULL ? 0 : call->body_begin + call->body_at;

    call->n_read =
        relais_original_read (call->original, offset, call->buffer, (guint64)call->n_read, NULL);
}

static void
read_done (gpointer data)
{
    MilterCall *call = data;

    if (call->session == NULL)
        ; /* the client has gone */
    else if (call->n_read < 0)
        refuse (call, false, 451, "4.3.0", "The message cannot be read now");
    else if (call->header == NULL)
        take_header (call);
    else if (call->n_read == 0) {
        call->step++;
        next_step (call);
    } else
        take_chunk (call);
    call_unref (call);
}

static void
read_piece (MilterCall *call, guint64 size)
{
    g_free (call->buffer);
    call->buffer = g_malloc (MAX (size, 1));
    call->n_read = (gint64)size;
    if (!relais_worker_run (call->self->module, read_work, read_done, call_ref (call))) {
        call_unref (call);
        refuse (call, false, 451, "4.3.0", "Too busy to filter the message now");
    }
}

static void
send_body (MilterCall *call)
{
    const guint64 most = link_of (call)->server->max_body;
    const guint64 left = most == 0 ? MILTER_CHUNK_BYTES : most - MIN (most, call->body_at);

    if (call->skip_body || left == 0) {
        call->step++;
        next_step (call);
    } else
        read_piece (call, MIN (left, MILTER_CHUNK_BYTES));
}

/* The next fields, all of them where they are not answered. */
static void
send_headers (MilterCall *call)
{
    MilterLink *link = link_of (call);
    g_autoptr (GByteArray) out = g_byte_array_new ();
    RelaisHeaderField field;
    bool more;

    while ((more = relais_header_next_field (call->header->data, call->header->len,
                                             &call->header_at, &field))) {
        milter_packet_put_header (out, field.name, field.name_size, field.value, field.value_size,
                                  (link->steps & MILTER_LEADING_SPACE) != 0);
        if ((link->steps & MILTER_NR_HEADER) == 0)
            break;
    }
    if (out->len > 0 && !relais_channel_write (link->channel, (const char *)out->data, out->len)) {
        fail (call, "does not take a header");
    } else if (more) {
        await (call);
    } else {
        call->step++;
        next_step (call);
    }
}

/* --- Steps ------------------------------------------------------------------------------------ */

static bool
connect_to (MilterCall *call, MilterLink *link)
{
    const RelaisChannelInfo info = {.struct_size = sizeof info,
                                    .flags = RELAIS_CHANNEL_TRUSTED,
                                    .address = link->server->address};

    link->channel = relais_channel_new (call->self->module, &info, NULL);
    return link->channel != NULL;
}

static void
put_path (GByteArray *out, char letter, const char *address)
{
    const guint begin = milter_packet_begin (out, letter);
    g_autofree char *path = g_strdup_printf ("<%s>", address);

    milter_packet_put_string (out, path);
    milter_packet_end (out, begin);
}

static void
put_negotiation (GByteArray *out)
{
    const guint begin = milter_packet_begin (out, 'O');

    milter_packet_put_number (out, MILTER_VERSION);
    milter_packet_put_number (out, MILTER_OFFERED_ACTIONS);
    milter_packet_put_number (out, MILTER_OFFERED_STEPS);
    milter_packet_end (out, begin);
}

static void
put_command (GByteArray *out, char step, RelaisHook *hook)
{
    guint begin;

    switch (step) {
    case 'O': put_negotiation (out); break;
    case 'C':
        milter_packet_put_connect (out, relais_hook_get_client (hook),
                                   (guint16)relais_hook_get_client_port (hook));
        break;
    case 'H':
        begin = milter_packet_begin (out, 'H');
        milter_packet_put_string (out, relais_hook_get_helo (hook));
        milter_packet_end (out, begin);
        break;
    case 'M': put_path (out, 'M', relais_hook_get_sender (hook)); break;
    case 'R': put_path (out, 'R', relais_hook_get_recipient (hook, 0)); break;
    default: milter_packet_put (out, step);
    }
}

/* What a milter does without, and what it does not answer, by step. */
static guint32
flag_of (char step, bool answer)
{
    static const struct {
        char step;
        guint32 without, unanswered;
    } rows[] = {
        {'C', MILTER_NO_CONNECT, MILTER_NR_CONNECT}, {'H', MILTER_NO_HELO, MILTER_NR_HELO},
        {'M', MILTER_NO_MAIL, MILTER_NR_MAIL},       {'R', MILTER_NO_RCPT, MILTER_NR_RCPT},
        {'T', MILTER_NO_DATA, MILTER_NR_DATA},       {'L', MILTER_NO_HEADERS, 0},
        {'N', MILTER_NO_EOH, MILTER_NR_EOH},         {'B', MILTER_NO_BODY, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        if (rows[i].step == step)
            return answer ? rows[i].unanswered : rows[i].without;
    return 0;
}

static void
note_told (MilterLink *link, char step)
{
    if (step == 'C')
        link->told_connect = true;
    if (step == 'H')
        link->told_helo = true;
    if (step == 'M')
        link->in_mail = true;
    if (step == 'A')
        link->in_mail = false;
}

static void
send_command (MilterCall *call, char step)
{
    MilterLink *link = link_of (call);
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);
    g_autoptr (GByteArray) out = g_byte_array_new ();

    if (hook == NULL)
        return; /* its cancellation is on the way */
    milter_macros_put (out, step, hook, call->config);
    put_command (out, step, hook);
    if (!relais_channel_write (link->channel, (const char *)out->data, out->len))
        lost (call, RELAIS_CHANNEL_CLOSED);
    else if (step == 'A' || (link->steps & flag_of (step, true)) != 0) {
        call->step++;
        next_step (call);
    } else
        await (call);
}

static void
next_step (MilterCall *call)
{
    MilterLink *link = link_of (call);
    const char step = call->steps[call->step];

    if (step == '\0') {
        next_link (call);
        return;
    }
    note_told (link, step);
    if (step == 'O' && !connect_to (call, link))
        fail (call, "is no address");
    else if (step != 'O' && (link->steps & flag_of (step, false)) != 0) {
        call->step++;
        next_step (call);
    } else if (call->hook == RELAIS_HOOK_MESSAGE && call->header == NULL &&
               strchr ("LNBE", step) != NULL)
        read_piece (call, MILTER_HEADER_BYTES);
    else if (step == 'L')
        send_headers (call);
    else if (step == 'B')
        send_body (call);
    else
        send_command (call, step);
}

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

static void
take_connection (MilterCall *call, MilterLink *link)
{
    g_autofree MilterIdle *idle =
        link->channel == NULL ? milter_pool_take (call->self, link->server) : NULL;

    if (idle == NULL)
        return;
    link->channel = idle->channel;
    link->actions = idle->actions;
    link->steps = idle->steps;
    link->reused = true;
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
        fail (call, "knows nothing of this mail");
        return;
    }
    take_connection (call, link);
    plan (call, link, hook);
    call->step = 0;
    call->header_at = call->body_at = 0;
    call->skip_body = false;
    call->deadline_us = relais_module_now_us (call->self->module) + server->connect_us +
                        server->command_us +
                        (call->hook == RELAIS_HOOK_MESSAGE ? server->message_us : 0);
    next_step (call);
}

/* From the current link on, the first that has something to say. */
static void
ask_link (MilterCall *call)
{
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);

    if (hook == NULL)
        return; /* its cancellation is on the way */
    for (; call->current < call->session->n_links; call->current++) {
        MilterLink *link = link_of (call);

        if (link->done_session || link->done_mail || !applies (link->server, hook))
            continue;
        if (link->failed) {
            by_failure (call);
            return;
        }
        begin_link (call, link, hook);
        return;
    }
    finish (call, call->quarantine ? RELAIS_VERDICT_QUARANTINE : RELAIS_VERDICT_CONTINUE);
}

static void
next_link (MilterCall *call)
{
    call->current++;
    ask_link (call);
}

static void
begin (MilterCall *call, RelaisHook *hook)
{
    if (call->hook == RELAIS_HOOK_MESSAGE) {
        call->original = relais_hook_dup_original (hook);
        call->edits = g_byte_array_new ();
    }
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
    gint64 sum_us = GRACE_US;

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
    call->ticket = relais_hook_suspend (hook, "milter", time_for (session), on_cancel, call);
    session->call = call;
    begin (call, hook);
    return RELAIS_VERDICT_PENDING;
}

void
milter_call_forget (MilterSession *session)
{
    if (session->call != NULL)
        leave_session (session->call);
}
