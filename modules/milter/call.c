/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a call of a hook ends: with a verdict, by a milter that cannot be asked, or since nobody waits for
 * it. Loop; the references on any thread.
 */
#include "call.h"

MilterCall *
milter_call_ref (MilterCall *call)
{
    g_atomic_ref_count_inc (&call->refs);
    return call;
}

void
milter_call_unref (MilterCall *call)
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

MilterLink *
milter_call_get_link (MilterCall *call)
{
    return &call->session->links[call->current];
}

void
milter_call_leave (MilterCall *call)
{
    call->session->call = NULL;
    call->session = NULL;
    milter_call_unref (call);
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

void
milter_call_finish (MilterCall *call, RelaisVerdict verdict)
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
    milter_call_leave (call);
}

void
milter_call_refuse (MilterCall *call, bool permanent, guint32 code, const char *enhanced,
                    const char *text)
{
    RelaisHook *hook = relais_ticket_get_hook (call->ticket);

    if (hook != NULL &&
        !relais_hook_set_reply (hook, code, enhanced,
                                text != NULL && *text != '\0' ? text : "Refused by a filter"))
        relais_log (call->self->module, RELAIS_LOG_WARNING,
                    "milter %s: its reply cannot be given: %u %s",
                    milter_call_get_link (call)->server->name, code, text);
    milter_call_finish (call, permanent ? RELAIS_VERDICT_REJECT : RELAIS_VERDICT_TEMPFAIL);
}

void
milter_call_by_failure (MilterCall *call)
{
    switch (milter_call_get_link (call)->server->on_failure) {
    case MILTER_FAIL_ACCEPT: milter_call_next_link (call); break;
    case MILTER_FAIL_REJECT:
        milter_call_refuse (call, true, 554, "5.3.0", "A filter cannot be asked");
        break;
    default: milter_call_refuse (call, false, 451, "4.3.0", "A filter cannot be asked now");
    }
}

void
milter_call_fail (MilterCall *call, const char *what)
{
    MilterLink *link = milter_call_get_link (call);

    relais_counter_add (call->self->failures, link->server->name, 1);
    relais_log (call->self->module, RELAIS_LOG_WARNING, "milter %s at %s: %s", link->server->name,
                link->server->address, what);
    milter_link_drop (link);
    link->failed = true;
    milter_call_by_failure (call);
}

void
milter_call_lost (MilterCall *call, RelaisChannelOutcome outcome)
{
    g_autofree char *what =
        g_strdup_printf ("%s %s", relais_channel_outcome_to_string (outcome),
                         relais_channel_get_text (milter_call_get_link (call)->channel));

    milter_call_fail (call, what);
}

void
milter_call_cancel (gpointer data)
{
    MilterCall *call = data;

    if (call->session == NULL)
        return;
    if (call->current < call->session->n_links)
        milter_link_drop (milter_call_get_link (call)); /* nobody knows where its answers stand */
    milter_call_leave (call);
}
