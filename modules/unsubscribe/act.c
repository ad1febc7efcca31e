/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acting on a wish: evidence to the suppression list, and once that is on disk, the event; once that is, too, the
 * counter and the answer. A delivery that is unsubscribed from twice counts once: its evidence has one name. Who posts
 * a good link without end would have a sync for each: of one delivery a few wishes in a minute have an event of their
 * own, and those beyond, which the list has long since, are told of together when the minute is over. Any thread, then
 * the loop.
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
act_free (gpointer data)
{
    Act *act = data;

    unsubscribe_identity_clear (&act->identity);
    g_free (act);
}

static void
answer (Act *act, bool kept)
{
    relais_counter_add (kept ? act->self->unsubscribed : act->self->failed, words[act->how], 1);
    act->done (act->data, kept);
}

/* The list has it, whatever became of the event. */
static void
on_told (gpointer data, gboolean synced)
{
    answer (data, true);
    act_free (data);
}

/* Of `n` wishes, the last of which this is. */
static RelaisEvent *
event_of (const Act *act, guint64 n)
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
    if (n > 1)
        relais_event_add_int (event, "repeats", (gint64)n);
    return event;
}

/* --- Again and again -------------------------------------------------------------------------- */

static void
tell_repeats (gpointer last, guint64 n)
{
    relais_event_emit (event_of (last, n));
    act_free (last);
}

static void
set_timer (Unsubscribe *self)
{
    const gint64 next_us = tracking_repeats_next_us (self->repeats);
    const gint64 left_us = next_us - relais_module_now_us (self->module);

    if (next_us != G_MAXINT64)
        relais_module_timer_set (self->timer, MAX (left_us, G_USEC_PER_SEC));
}

static void
on_timer (gpointer data)
{
    Unsubscribe *self = data;

    tracking_repeats_end (self->repeats, relais_module_now_us (self->module));
    set_timer (self);
}

void
unsubscribe_repeats_init (Unsubscribe *self)
{
    self->repeats = tracking_repeats_new (tell_repeats, act_free);
}

void
unsubscribe_repeats_flush (Unsubscribe *self)
{
    g_clear_pointer (&self->repeats, tracking_repeats_free);
    g_clear_pointer (&self->timer, relais_module_timer_free);
}

/* Whether it has an event of its own, as all have after stop; else it was taken. */
static bool
passes (Act *act)
{
    Unsubscribe *self = act->self;
    const UnsubscribeIdentity *identity = &act->identity;
    char *key;

    if (self->repeats == NULL)
        return true;
    key = g_strdup_printf ("%s-%u/%d/%s", identity->queue_id, identity->recipient, act->how,
                           identity->address);
    if (self->timer == NULL)
        self->timer = relais_module_timer_new (self->module, on_timer, self);
    if (tracking_repeats_pass (self->repeats, key, relais_module_now_us (self->module),
                               UNSUBSCRIBE_REPEATS, act))
        return true;
    set_timer (self);
    return false;
}

/* --- One -------------------------------------------------------------------------------------- */

static void
on_reported (gpointer data, RelaisSuppressResult result)
{
    Act *act = data;

    if (result == RELAIS_SUPPRESS_FAILED) {
        answer (act, false);
        act_free (act);
        return;
    }
    if (passes (act))
        relais_event_emit_synced (event_of (act, 1), on_told, act);
    else
        answer (act, true);
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
