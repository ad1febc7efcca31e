/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verbs. What changes a state goes through local work, so that it is in the spool before it counts.
 * A delivery that is under way is marked, and the wish granted when the attempt ends; only the
 * deletion is written at once, since a deleted message must not return.
 */
#include "config.h"

#include "queue/destination-private.h"
#include "queue/grace-private.h"
#include "queue/live-private.h"
#include "queue/outcome-private.h"
#include "queue/rest-private.h"
#include "queue/schedule-private.h"
#include "queue/verbs-private.h"

#include <string.h>

enum { SLOTS_PER_TURN = 2000 };

typedef struct {
    RelaisQueue *queue;
    RelaisVerb verb;
    RelaisSelection selection;
    char *domain, *tenant, *sender;
    guint32 next;    /* slot */
    guint32 top;     /* of a selection by id: the slot after its own */
    guint64 read_id; /* of the message whose sender is looked at */
    guint64 n, n_waiting;
    RelaisVerbDone done;
    gpointer data;
} Walk;

static bool
is_held (const RelaisDelivery *delivery)
{
    return delivery->place == RELAIS_PLACE_HELD ||
           (delivery->place == RELAIS_PLACE_LOCAL && delivery->action == RELAIS_ACTION_HOLD);
}

bool
relais_selection_has (const RelaisQueue *queue, const RelaisSelection *selection, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    const RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);

    if (selection->id != 0 && slot->id != selection->id)
        return false;
    if (selection->held && !is_held (delivery))
        return false;
    if (selection->tenant != NULL && strcmp (flow->tenant->name, selection->tenant) != 0)
        return false;
    if (selection->sender != NULL && slot->sender != relais_queue_name_hash (selection->sender))
        return false;
    return selection->domain == NULL ||
           strcmp (relais_queue_domain_at (queue, delivery->domain)->name, selection->domain) ==
               0 ||
           strcmp (flow->destination->name, selection->domain) == 0;
}

bool
relais_selection_has_slot (const RelaisQueue *queue, const RelaisSelection *selection, guint32 slot)
{
    if (slot == 0 || !relais_slot_at (&queue->records, slot)->used)
        return false;
    for (guint32 number = relais_slot_at (&queue->records, slot)->first; number != 0;
         number = relais_delivery_at (&queue->records, number)->after)
        if (relais_selection_has (queue, selection, number))
            return true;
    return false;
}

bool
relais_selection_has_message (const RelaisQueue *queue, const RelaisSelection *selection)
{
    return relais_selection_has_slot (queue, selection,
                                      relais_records_find (&queue->records, selection->id));
}

/* --- One delivery ----------------------------------------------------------------------------- */

static void
delete_under_way (RelaisQueue *queue, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    guint64 id = relais_slot_at (&queue->records, delivery->message)->id;
    RelaisLive *live = g_hash_table_lookup (queue->lives, &id);
    const RelaisResultFacts nothing = {0};
    const RelaisResult result = {.kind = RELAIS_RESULT_DELETED, .internal = true, .stage = "queue"};
    RelaisSettlement *settlement;

    relais_queue_make_local (queue, number, RELAIS_ACTION_DELETE); /* marks it */
    if (live == NULL || live->message == NULL)
        return; /* it is being loaded: nothing was sent, the attempt will end at the mark */
    settlement = relais_settlement_new (relais_live_ref (live), &nothing);
    relais_settlement_note (settlement, number, &result);
    relais_settlement_commit (settlement, NULL, NULL);
}

static void
release (RelaisQueue *queue, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);

    if (delivery->place == RELAIS_PLACE_ACTIVE && delivery->action == RELAIS_ACTION_HOLD)
        delivery->action = RELAIS_ACTION_NONE;
    if (!is_held (delivery))
        return;
    /* Held beyond its lifetime: it was released to be sent, not to be returned at once. */
    if (relais_loop_now_us (queue->loop) >=
        relais_schedule_expiry_us (relais_queue_schedule (queue, slot), slot->born_us,
                                   slot->bounce))
        relais_queue_give_grace (queue, delivery->message);
    relais_queue_make_local (queue, number, RELAIS_ACTION_RELEASE);
}

/* True if it waits all the same, for the end of quiet hours or its release, for it is not `forced`. */
static bool
retry (RelaisQueue *queue, guint32 number, bool forced)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);

    if (delivery->place != RELAIS_PLACE_WAITING && delivery->place != RELAIS_PLACE_DUE)
        return false;
    if (!forced && relais_queue_release_us (queue, number) > 0)
        return true;
    if (delivery->place == RELAIS_PLACE_WAITING || (forced && relais_rest_begins (flow))) {
        relais_flow_remove (flow, number);
        if (forced && relais_rest_begins (flow))
            flow = relais_flow_move (queue, number, flow->destination, true);
        relais_flow_put_due (flow, number, false);
    }
    if (delivery->place == RELAIS_PLACE_DUE)
        relais_destination_wake (flow->destination);
    return relais_flow_is_resting (flow);
}

static void
apply (Walk *walk, guint32 number)
{
    RelaisQueue *queue = walk->queue;
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    switch (walk->verb) {
    case RELAIS_VERB_HOLD:
        if (delivery->place != RELAIS_PLACE_HELD || delivery->quarantined)
            relais_queue_make_local (queue, number, RELAIS_ACTION_HOLD);
        return;
    case RELAIS_VERB_RELEASE: release (queue, number); return;
    case RELAIS_VERB_RETRY: walk->n_waiting += retry (queue, number, false); return;
    case RELAIS_VERB_FORCE: walk->n_waiting += retry (queue, number, true); return;
    case RELAIS_VERB_BOUNCE: relais_queue_make_local (queue, number, RELAIS_ACTION_BOUNCE); return;
    case RELAIS_VERB_DELETE:
        if (delivery->place == RELAIS_PLACE_ACTIVE)
            delete_under_way (queue, number);
        else
            relais_queue_make_local (queue, number, RELAIS_ACTION_DELETE);
        return;
    }
}

/* --- The walk --------------------------------------------------------------------------------- */

static void
walk_free (Walk *walk)
{
    relais_queue_unref (walk->queue);
    g_free (walk->domain);
    g_free (walk->tenant);
    g_free (walk->sender);
    g_free (walk);
}

static void
apply_to_slot (Walk *walk, guint32 slot)
{
    RelaisQueue *queue = walk->queue;
    guint32 next;

    for (guint32 number = relais_slot_at (&queue->records, slot)->first; number != 0;
         number = next) {
        next = relais_delivery_at (&queue->records, number)->after;
        if (!relais_selection_has (queue, &walk->selection, number))
            continue;
        walk->n++;
        apply (walk, number);
    }
}

static void walk_on (gpointer data);

/* The slot knows a hash of the sender, which others can have too. */
static void
apply_if_senders (Walk *walk, const RelaisMessage *message)
{
    const guint32 slot = relais_records_find (&walk->queue->records, walk->read_id);

    if (slot != 0 && strcmp (message->envelope.sender, walk->sender) == 0)
        apply_to_slot (walk, slot);
}

/* One that cannot be read is left as it is; the spool says so. */
static void
on_walk_live (gpointer data, RelaisLive *live, const GError *error)
{
    Walk *walk = data;

    if (live != NULL) {
        apply_if_senders (walk, live->message);
        relais_live_unref (live);
    }
    walk_on (walk);
}

/* False if the message is read first, which calls back. */
static bool
visit (Walk *walk, guint32 slot)
{
    RelaisQueue *queue = walk->queue;
    RelaisLive *live;

    if (!relais_selection_has_slot (queue, &walk->selection, slot))
        return true;
    if (walk->sender == NULL) {
        apply_to_slot (walk, slot);
        return true;
    }
    walk->read_id = relais_slot_at (&queue->records, slot)->id;
    live = relais_live_get (queue, walk->read_id, on_walk_live, walk);
    if (live == NULL)
        return false;
    apply_if_senders (walk, live->message);
    relais_live_unref (live);
    return true;
}

static void
walk_end (Walk *walk, guint64 n)
{
    walk->done (walk->data, n, walk->n_waiting);
    walk_free (walk);
}

static guint32
walk_top (const Walk *walk)
{
    return walk->selection.id != 0 ? walk->top : walk->queue->records.slots.top;
}

static void
walk_on (gpointer data)
{
    Walk *walk = data;
    RelaisQueue *queue = walk->queue;

    if (queue->closed) {
        walk_end (walk, G_MAXUINT64);
        return;
    }
    for (guint i = 0; i < SLOTS_PER_TURN && walk->next < walk_top (walk); i++)
        if (!visit (walk, walk->next++))
            return;
    if (walk->next < walk_top (walk))
        relais_loop_post (queue->loop, walk_on, walk);
    else
        walk_end (walk, walk->n);
}

static void
walk_begin (gpointer data)
{
    Walk *walk = data;

    if (walk->selection.id != 0 && !walk->queue->closed) {
        walk->next = relais_records_find (&walk->queue->records, walk->selection.id);
        walk->top = walk->next + (walk->next != 0);
    }
    walk_on (walk);
}

void
relais_queue_apply (RelaisQueue *queue, RelaisVerb verb, const RelaisSelection *selection,
                    RelaisVerbDone done, gpointer data)
{
    Walk *walk = g_new0 (Walk, 1);

    walk->queue = relais_queue_ref (queue);
    walk->verb = verb;
    walk->domain = g_strdup (selection->domain);
    walk->tenant = g_strdup (selection->tenant);
    walk->sender = g_strdup (selection->sender);
    walk->selection =
        (RelaisSelection){selection->id, walk->domain, walk->tenant, walk->sender, selection->held};
    walk->done = done;
    walk->data = data;
    relais_loop_post (queue->loop, walk_begin, walk);
}
