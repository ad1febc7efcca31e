/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The invariant: every delivery has a timer or a live owner. Looks at all of the queue; for tests.
 */
#include "config.h"

#include "queue/connection-private.h"

#include <string.h>

static char *
check_due (const RelaisQueue *queue, guint32 number, const RelaisFlow *flow)
{
    const RelaisDestination *destination = flow->destination;

    if (relais_flow_is_resting (flow) || queue->next_rerouted != 0)
        return NULL;
    switch (destination->state) {
    case RELAIS_DESTINATION_UNKNOWN:
    case RELAIS_DESTINATION_REFUSED:
        return queue->started
                   ? g_strdup_printf ("due delivery %u: nobody looks at its destination", number)
                   : NULL;
    case RELAIS_DESTINATION_LOOKING:
        return destination->lookup != NULL || destination->sts_lookup != NULL
                   ? NULL
                   : g_strdup_printf ("due delivery %u: no lookup is under way", number);
    case RELAIS_DESTINATION_ASLEEP:
        return relais_timer_is_set (&destination->nap.timer)
                   ? NULL
                   : g_strdup_printf ("due delivery %u: its destination sleeps for ever", number);
    case RELAIS_DESTINATION_ROUTED: break;
    }
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        const RelaisStrand *strand = &flow->strands[i];

        if (strand->active || strand->permit.ask != NULL ||
            (strand->lane != NULL && strand->lane->source->out) || strand->path == NULL ||
            strand->path->state == RELAIS_PATH_PROBING ||
            (strand->path->state == RELAIS_PATH_ASLEEP &&
             relais_timer_is_set (&strand->path->nap.timer)))
            return NULL;
    }
    return g_strdup_printf ("due delivery %u: in no lane's order", number);
}

/* A domain that is not of the routing in force is so once mail for it comes. */
static bool
is_by_routing (const RelaisQueue *queue, const RelaisDelivery *delivery, const RelaisFlow *flow)
{
    const RelaisQueueDomain *domain = relais_queue_domain_at (queue, delivery->domain);

    return domain->routing == queue->routing && domain->destination == flow->destination;
}

static char *
check_delivery (const RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);

    if (queue->next_rerouted == 0 && !is_by_routing (queue, delivery, flow))
        return g_strdup_printf ("delivery %u goes by an old routing", number);
    switch ((RelaisPlace)delivery->place) {
    case RELAIS_PLACE_NONE: return g_strdup_printf ("delivery %u is nowhere", number);
    case RELAIS_PLACE_WAITING:
        if (g_array_index (flow->heap, guint32, delivery->prev) != number)
            return g_strdup_printf ("delivery %u is not where its heap place says", number);
        if (!flow->is_late &&
            (!relais_timer_is_set (&flow->timer) || flow->timer.due_us > delivery->due_us))
            return g_strdup_printf ("waiting delivery %u: no timer is set in time", number);
        return NULL;
    case RELAIS_PLACE_DUE: return check_due (queue, number, flow);
    case RELAIS_PLACE_LOCAL:
        return queue->local.n > 0
                   ? NULL
                   : g_strdup_printf ("delivery %u: no local work is listed", number);
    case RELAIS_PLACE_ACTIVE:
    case RELAIS_PLACE_HELD: return NULL;
    }
    return g_strdup_printf ("delivery %u is in an unknown place", number);
}

typedef struct {
    guint64 deliveries, active, held, quarantined, attempts;
    guint64 due[RELAIS_N_DESTINATION_STATES];
} Counts;

static char *
check_slot (const RelaisQueue *queue, guint32 number, Counts *counts)
{
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);
    guint32 open = 0;

    if (relais_records_find (&queue->records, slot->id) != number)
        return g_strdup_printf ("slot %u is not found by its id", number);
    for (guint32 i = slot->first; i != 0; i = relais_delivery_at (&queue->records, i)->after) {
        const RelaisDelivery *delivery = relais_delivery_at (&queue->records, i);
        char *problem = check_delivery (queue, i);

        if (problem != NULL)
            return problem;
        open++;
        counts->active += delivery->place == RELAIS_PLACE_ACTIVE;
        counts->held += delivery->place == RELAIS_PLACE_HELD;
        counts->quarantined += delivery->place == RELAIS_PLACE_HELD && delivery->quarantined;
        if (delivery->place == RELAIS_PLACE_DUE)
            counts->due[relais_queue_flow_at (queue, delivery->flow)->destination->state]++;
        /* Only what an operator holds may be without a deadline. */
        if (slot->deadline_s == 0 && delivery->place != RELAIS_PLACE_HELD &&
            delivery->place != RELAIS_PLACE_LOCAL && delivery->place != RELAIS_PLACE_ACTIVE)
            return g_strdup_printf ("delivery %u never expires", i);
        if (slot->deadline_s == 0 && delivery->quarantined &&
            queue->settings.quarantine_lifetime_us > 0)
            return g_strdup_printf ("delivery %u never goes from the quarantine", i);
    }
    counts->deliveries += open;
    return open == slot->open ? NULL : g_strdup_printf ("slot %u miscounts", number);
}

bool
relais_queue_check (RelaisQueue *queue, char **problem)
{
    Counts counts = {0};

    *problem = NULL;
    for (guint32 i = 1; i < queue->records.slots.top && *problem == NULL; i++)
        if (relais_slot_at (&queue->records, i)->used)
            *problem = check_slot (queue, i, &counts);
    for (GList *link = queue->attempts.head; link != NULL; link = link->next)
        counts.attempts += ((const RelaisAttempt *)link->data)->n;
    if (*problem == NULL && counts.deliveries != queue->records.deliveries.used)
        *problem = g_strdup ("a delivery belongs to no message");
    if (*problem == NULL && (counts.active != queue->active || counts.active < counts.attempts ||
                             (counts.active > counts.attempts && queue->n_local == 0)))
        *problem = g_strdup ("an active delivery has no owner");
    if (*problem == NULL &&
        (counts.held != queue->held || counts.quarantined != queue->quarantined))
        *problem = g_strdup ("held deliveries are miscounted");
    if (*problem == NULL && memcmp (counts.due, queue->n_due, sizeof counts.due) != 0)
        *problem = g_strdup ("due deliveries are miscounted");
    return *problem == NULL;
}
