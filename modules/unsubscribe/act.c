/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acting on a wish: evidence to the suppression list, and once that is on disk, the event; once that is, too, the
 * counter and the answer. A delivery that is unsubscribed from twice counts once: its evidence has one name. Any
 * thread, then the loop.
 */
#include "unsubscribe.h"

#include <relais/event.h>
#include <relais/suppress.h>

typedef struct {
    Unsubscribe *self;
    UnsubscribeIdentity identity;
    UnsubscribeHow how;
    UnsubscribeDone done;
    gpointer data;
} Act;

static const char *const words[] = {"one-click", "page", "mail"};

static void
end (Act *act, bool kept)
{
    relais_counter_add (kept ? act->self->unsubscribed : act->self->failed, words[act->how], 1);
    act->done (act->data, kept);
    unsubscribe_identity_clear (&act->identity);
    g_free (act);
}

/* The list has it, whatever became of the event. */
static void
on_told (gpointer data, gboolean synced)
{
    end (data, true);
}

static void
tell (Act *act)
{
    const UnsubscribeIdentity *identity = &act->identity;
    const bool known = identity->queue_id[0] != '\0';
    RelaisEvent *event =
        relais_event_new (act->self->module, "unsubscribe", 0, known ? identity->queue_id : NULL,
                          known ? (gint32)identity->recipient : -1);

    relais_event_add (event, "how", words[act->how]);
    relais_event_add (event, "recipient", identity->address);
    relais_event_add (event, "tenant", identity->tenant);
    relais_event_add (event, "campaign", identity->campaign);
    relais_event_emit_synced (event, on_told, act);
}

static void
on_reported (gpointer data, RelaisSuppressResult result)
{
    if (result != RELAIS_SUPPRESS_FAILED)
        tell (data);
    else
        end (data, false);
}

static void
copy_identity (UnsubscribeIdentity *to, const UnsubscribeIdentity *from)
{
    *to = *from;
    to->address = g_strdup (from->address);
    to->sender = g_strdup (from->sender);
    to->tenant = g_strdup (from->tenant);
    to->campaign = g_strdup (from->campaign);
}

void
unsubscribe_act (Unsubscribe *self, const UnsubscribeIdentity *identity, UnsubscribeHow how,
                 UnsubscribeDone done, gpointer data)
{
    Act *act = g_new (Act, 1);
    g_autofree char *id =
        identity->queue_id[0] != '\0'
            ? g_strdup_printf ("unsubscribe/%s/%u", identity->queue_id, identity->recipient)
            : NULL;
    const RelaisEvidence evidence = {
        .struct_size = sizeof evidence,
        .suppress_class = RELAIS_SUPPRESS_UNSUBSCRIBE,
        .address = identity->address,
        .tenant = identity->tenant,
        .campaign = identity->campaign,
        .reason = words[how],
        .id = id,
    };

    *act = (Act){.self = self, .how = how, .done = done, .data = data};
    copy_identity (&act->identity, identity);
    relais_suppress_report (self->module, &evidence, on_reported, act);
}
