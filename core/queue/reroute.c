/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rerouting. A delivery goes by its flow's destination, and that is the one its domain leads to: what a reload changes
 * of routes is followed by looking at each delivery once, some thousands a turn. A domain asks for its destination
 * anew when the first of its mail is looked at, or when new mail for it comes.
 *
 *   where it lies    what becomes of it
 *   WAITING, DUE     due in the flow of the new destination: what the old one answered says nothing of the new one
 *   HELD, LOCAL      of that flow from now on, where it lies
 *   ACTIVE           the same; not sent yet, it goes back and is due there; if its attempt fails for now, it is due at
 *                    once
 *
 * Until all were looked at no attempt begins, so that nothing goes an old way after a reload. Loop thread.
 */
#include "config.h"

#include "queue/reroute-private.h"

#include "queue/connection-private.h"
#include "queue/destination-private.h"
#include "queue/lane-private.h"

enum { PATTERNS_PER_STEP = 10 };

void
relais_queue_renew_domain (RelaisQueue *queue, RelaisQueueDomain *domain)
{
    RelaisDestination *old = domain->destination;

    if (domain->routing == queue->routing)
        return;
    queue->steps += queue->settings.n_patterns / PATTERNS_PER_STEP;
    domain->routing = queue->routing;
    domain->destination = relais_destination_get (queue, domain->name);
    relais_destination_release (old);
}

/* --- One delivery ------------------------------------------------------------------------------- */

/* It keeps its pool: what is queued stays with the sources that it waits for. What is to wait for its release does. */
static void
move (RelaisQueue *queue, guint32 number, RelaisFlow *from, RelaisDestination *destination)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisPlace place = (RelaisPlace)delivery->place;

    if (place == RELAIS_PLACE_WAITING || place == RELAIS_PLACE_DUE)
        relais_flow_remove (from, number);
    relais_flow_move (queue, number, destination, from->key.restless);
    if (place == RELAIS_PLACE_WAITING)
        relais_queue_put (queue, number, false);
    else if (place == RELAIS_PLACE_DUE)
        relais_flow_put_due (relais_queue_flow_at (queue, delivery->flow), number, false);
    else if (place == RELAIS_PLACE_ACTIVE)
        delivery->moved = 1;
}

static void
look_at (RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisQueueDomain *domain = relais_queue_domain_at (queue, delivery->domain);
    RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);

    queue->steps++;
    relais_queue_renew_domain (queue, domain);
    if (flow->destination != domain->destination)
        move (queue, number, flow, domain->destination);
}

/* --- The walk ----------------------------------------------------------------------------------- */

static void
look_at_slot (RelaisQueue *queue, guint32 slot)
{
    guint32 next;

    queue->steps++;
    if (!relais_slot_at (&queue->records, slot)->used)
        return;
    for (guint32 number = relais_slot_at (&queue->records, slot)->first; number != 0;
         number = next) {
        next = relais_delivery_at (&queue->records, number)->after;
        look_at (queue, number);
    }
}

static void
finish (RelaisQueue *queue)
{
    queue->next_rerouted = 0;
    relais_queue_each_connection (queue, relais_connection_withdraw_moved);
    relais_queue_sweep_later (queue);
    relais_lane_mark_all (queue);
}

/* A timer that is due at once would run again in the same turn. */
static void
walk (gpointer data)
{
    RelaisQueue *queue = data;
    const guint64 end = queue->steps + RELAIS_REROUTE_STEPS;

    while (!queue->closed && queue->next_rerouted < queue->records.slots.top && queue->steps < end)
        look_at_slot (queue, queue->next_rerouted++);
    if (!queue->closed && queue->next_rerouted < queue->records.slots.top) {
        relais_loop_post (queue->loop, walk, queue);
        return;
    }
    if (!queue->closed)
        finish (queue);
    relais_queue_unref (queue);
}

void
relais_reroute_begin (RelaisQueue *queue)
{
    queue->routing++;
    relais_destinations_replace (queue);
    if (queue->next_rerouted == 0)
        relais_loop_post (queue->loop, walk, relais_queue_ref (queue));
    queue->next_rerouted = 1;
}
