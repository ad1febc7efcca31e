/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The commands that a step is made of. Loop.
 */
#include "call.h"

#include <string.h>

static void
tell_cut (MilterCall *call, const RelaisHeaderField *field)
{
    enum { NAME_BYTES = 64 };
    g_autofree char *name = g_strndup (field->name, MIN (field->name_size, NAME_BYTES));
    g_autofree char *escaped = g_strescape (name, NULL);

    relais_log (call->self->module, RELAIS_LOG_WARNING,
                "milter %s sees only the beginning of the header field %s, which is longer than "
                "the %d octets of a packet",
                milter_call_get_link (call)->server->name, escaped, MILTER_DATA_BYTES);
}

/* The next fields, all of them where they are not answered. */
static void
send_headers (MilterCall *call)
{
    MilterLink *link = milter_call_get_link (call);
    g_autoptr (GByteArray) out = g_byte_array_new ();
    RelaisHeaderField field;
    bool more;

    while ((more = relais_header_next_field (call->header->data, call->header->len,
                                             &call->header_at, &field))) {
        if (!milter_packet_put_header (out, field.name, field.name_size, field.value,
                                       field.value_size, (link->steps & MILTER_LEADING_SPACE) != 0))
            tell_cut (call, &field);
        if ((link->steps & MILTER_NR_HEADER) == 0)
            break;
    }
    if (out->len > 0 && !relais_channel_write (link->channel, (const char *)out->data, out->len)) {
        milter_call_fail (call, "does not take a header");
    } else if (more) {
        milter_call_await (call);
    } else {
        call->step++;
        milter_call_next_step (call);
    }
}

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
put_command (GByteArray *out, char step, RelaisHook *hook, const MilterSession *session)
{
    guint begin;

    switch (step) {
    case 'O': put_negotiation (out); break;
    case 'C':
        milter_packet_put_connect (out, milter_reverse_get_name (session->reverse),
                                   relais_hook_get_client (hook),
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
        {'N', MILTER_NO_EOH, MILTER_NR_EOH},         {'B', MILTER_NO_BODY, MILTER_NR_BODY},
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
    MilterLink *link = milter_call_get_link (call);
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);
    g_autoptr (GByteArray) out = g_byte_array_new ();

    if (hook == NULL)
        return; /* its cancellation is on the way */
    milter_macros_put (out, step, hook, call->session, call->config);
    put_command (out, step, hook, call->session);
    if (!relais_channel_write (link->channel, (const char *)out->data, out->len))
        milter_call_lost (call, RELAIS_CHANNEL_CLOSED);
    else if (step == 'A' || (link->steps & flag_of (step, true)) != 0) {
        call->step++;
        milter_call_next_step (call);
    } else
        milter_call_await (call);
}

void
milter_call_next_step (MilterCall *call)
{
    MilterLink *link = milter_call_get_link (call);
    const char step = call->steps[call->step];

    if (step == '\0') {
        milter_call_next_link (call);
        return;
    }
    note_told (link, step);
    if (step == 'O' && !connect_to (call, link))
        milter_call_fail (call, "is no address");
    else if (step != 'O' && (link->steps & flag_of (step, false)) != 0) {
        call->step++;
        milter_call_next_step (call);
    } else if (call->hook == RELAIS_HOOK_MESSAGE && call->header == NULL &&
               strchr ("LNBE", step) != NULL)
        milter_call_read_header (call);
    else if (step == 'L')
        send_headers (call);
    else if (step == 'B')
        milter_call_send_body (call);
    else
        send_command (call, step);
}
