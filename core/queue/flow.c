/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Flows. The queue owns them through its tables; an empty one stays for a while (see queue.c), since
 * the next message often comes soon.
 */
#include "config.h"

#include "queue/flow-private.h"

#include "queue/destination-private.h"
#include "queue/lane-private.h"
#include "queue/rest-private.h"

enum { DUE_PER_TURN = 1000 };

/* --- The heap --------------------------------------------------------------------------------- */

static inline guint32
heap_at (const RelaisFlow *flow, guint32 place)
{
    return g_array_index (flow->heap, guint32, place);
}

static inline gint64
due_of (const RelaisFlow *flow, guint32 place)
{
    return relais_delivery_at (&flow->queue->records, heap_at (flow, place))->due_us;
}

static inline void
heap_put (RelaisFlow *flow, guint32 place, guint32 delivery)
{
    g_array_index (flow->heap, guint32, place) = delivery;
    relais_delivery_at (&flow->queue->records, delivery)->prev = place;
}

static void
sift_up (RelaisFlow *flow, guint32 place, guint32 delivery)
{
    gint64 due = relais_delivery_at (&flow->queue->records, delivery)->due_us;

    while (place > 1 && due_of (flow, place / 2) > due) {
        heap_put (flow, place, heap_at (flow, place / 2));
        place /= 2;
    }
    heap_put (flow, place, delivery);
}

static void
sift_down (RelaisFlow *flow, guint32 place, guint32 delivery)
{
    guint32 last = flow->heap->len - 1;
    gint64 due = relais_delivery_at (&flow->queue->records, delivery)->due_us;

    while ((gsize)place * 2 <= last) {
        guint32 child = place * 2;

        if (child < last && due_of (flow, child + 1) < due_of (flow, child))
            child++;
        if (due_of (flow, child) >= due)
            break;
        heap_put (flow, place, heap_at (flow, child));
        place = child;
    }
    heap_put (flow, place, delivery);
}

static void
heap_remove (RelaisFlow *flow, guint32 place)
{
    guint32 last_place = flow->heap->len - 1;
    guint32 last = heap_at (flow, last_place);

    g_array_set_size (flow->heap, last_place);
    if (place == last_place)
        return;
    if (place > 1 &&
        due_of (flow, place / 2) > relais_delivery_at (&flow->queue->records, last)->due_us)
        sift_up (flow, place, last);
    else
        sift_down (flow, place, last);
}

static void
arm (RelaisFlow *flow)
{
    if (flow->is_late)
        return;
    if (flow->heap->len > 1)
        relais_timer_set_at (&flow->timer, due_of (flow, 1));
    else
        relais_timer_stop (&flow->timer);
}

static void
on_timer (gpointer data)
{
    RelaisFlow *flow = data;
    gint64 now = relais_loop_now_us (flow->queue->loop);

    for (guint i = 0; i < DUE_PER_TURN && flow->heap->len > 1 && due_of (flow, 1) <= now; i++) {
        guint32 delivery = heap_at (flow, 1);

        heap_remove (flow, 1);
        relais_delivery_at (&flow->queue->records, delivery)->place = RELAIS_PLACE_NONE;
        relais_flow_put_due (flow, delivery, false);
    }
    /* A timer that is due at once would run again in the same turn. */
    if (flow->heap->len > 1 && due_of (flow, 1) <= now) {
        flow->is_late = true;
        g_queue_push_tail_link (&flow->queue->late_flows, &flow->late_link);
        relais_queue_wake (flow->queue);
    }
    arm (flow);
}

void
relais_flows_go_on (RelaisQueue *queue)
{
    for (guint n = queue->late_flows.length; n > 0 && queue->late_flows.length > 0; n--) {
        RelaisFlow *flow = g_queue_pop_head_link (&queue->late_flows)->data;

        flow->is_late = false;
        on_timer (flow);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static guint
key_hash (gconstpointer data)
{
    const RelaisFlowKey *key = data;

    return ((g_direct_hash (key->destination) * 31 + g_direct_hash (key->pool)) * 31 +
            g_direct_hash (key->campaign)) *
               31 +
           g_direct_hash (key->tenant) * 4 + (guint)key->klass * 2 + (guint)key->restless;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
    const RelaisFlowKey *left = a;
    const RelaisFlowKey *right = b;

    return left->destination == right->destination && left->pool == right->pool &&
           left->tenant == right->tenant && left->klass == right->klass &&
           left->campaign == right->campaign && left->restless == right->restless;
}

static void
take_number (RelaisFlow *flow)
{
    RelaisQueue *queue = flow->queue;

    if (queue->free_flows->len > 0) {
        guint last = queue->free_flows->len - 1;

        flow->number = g_array_index (queue->free_flows, guint32, last);
        g_array_set_size (queue->free_flows, last);
        g_ptr_array_index (queue->flow_table, flow->number) = flow;
        return;
    }
    flow->number = queue->flow_table->len;
    g_ptr_array_add (queue->flow_table, flow);
}

static RelaisFlow *
flow_new (RelaisQueue *queue, const RelaisFlowKey *key, RelaisDestination *destination,
          RelaisSourcePool *pool, RelaisTenant *tenant, RelaisCampaign *campaign)
{
    RelaisFlow *flow = g_new0 (RelaisFlow, 1);
    const guint32 none = 0;
    guint n = pool->sources->len;

    flow->key = *key;
    flow->queue = queue;
    flow->destination = destination;
    flow->pool = pool;
    flow->tenant = tenant;
    flow->campaign = campaign;
    flow->heap = g_array_new (FALSE, FALSE, sizeof (guint32));
    g_array_append_val (flow->heap, none);
    relais_timer_init (&flow->timer, queue->loop, on_timer, flow);
    relais_rest_init (flow);
    flow->due = g_new0 (RelaisDeliveryList, n + 1);
    flow->strands = g_new0 (RelaisStrand, n);
    flow->destination_link.data = flow->idle_link.data = flow->late_link.data = flow;
    for (guint i = 0; i < n; i++)
        flow->strands[i].flow = flow;
    take_number (flow);
    g_hash_table_insert (queue->flows, &flow->key, flow);
    g_queue_push_tail_link (&queue->idle_flows, &flow->idle_link);
    flow->idle_since_us = relais_loop_now_us (queue->loop);
    relais_destination_add_flow (destination, flow);
    return flow;
}

GHashTable *
relais_flow_table_new (void)
{
    return g_hash_table_new (key_hash, key_equal);
}

RelaisFlow *
relais_flow_get (RelaisQueue *queue, RelaisDestination *destination, RelaisSourcePool *pool,
                 RelaisTenant *tenant, RelaisClass klass, const char *campaign)
{
    RelaisCampaign *name = relais_queue_campaign (queue, campaign);
    RelaisFlowKey key = {destination, pool, tenant, name, klass, false};
    RelaisFlow *flow = g_hash_table_lookup (queue->flows, &key);

    if (flow == NULL)
        return flow_new (queue, &key, destination, pool, tenant, name);
    relais_campaign_unref (name);
    return flow;
}

RelaisFlow *
relais_flow_move (RelaisQueue *queue, guint32 number, RelaisDestination *destination, bool restless)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);
    RelaisFlowKey key = flow->key;
    RelaisFlow *twin;

    if (key.destination == destination && key.restless == restless)
        return flow;
    key.destination = destination;
    key.restless = restless;
    twin = g_hash_table_lookup (queue->flows, &key);
    if (twin == NULL)
        twin = flow_new (queue, &key, destination, flow->pool, flow->tenant,
                         relais_campaign_ref (flow->campaign));
    relais_flow_enter (twin);
    relais_flow_leave (flow);
    delivery->flow = twin->number;
    return twin;
}

void
relais_flow_stop (RelaisFlow *flow)
{
    relais_timer_stop (&flow->timer);
    relais_timer_stop (&flow->rest_timer);
    if (flow->is_late)
        g_queue_unlink (&flow->queue->late_flows, &flow->late_link);
    flow->is_late = false;
}

void
relais_flow_free (RelaisFlow *flow)
{
    RelaisQueue *queue = flow->queue;

    if (flow->n == 0)
        g_queue_unlink (&queue->idle_flows, &flow->idle_link);
    relais_flow_stop (flow);
    g_hash_table_remove (queue->flows, &flow->key);
    relais_destination_remove_flow (flow->destination, flow);
    g_ptr_array_index (queue->flow_table, flow->number) = NULL;
    g_array_append_val (queue->free_flows, flow->number);
    relais_campaign_unref (flow->campaign);
    g_array_unref (flow->heap);
    g_free (flow->due);
    g_free (flow->strands);
    g_free (flow);
}

void
relais_flow_enter (RelaisFlow *flow)
{
    if (flow->n++ == 0)
        g_queue_unlink (&flow->queue->idle_flows, &flow->idle_link);
}

void
relais_flow_leave (RelaisFlow *flow)
{
    if (--flow->n > 0)
        return;
    flow->idle_since_us = relais_loop_now_us (flow->queue->loop);
    g_queue_push_tail_link (&flow->queue->idle_flows, &flow->idle_link);
}

/* --- Places ----------------------------------------------------------------------------------- */

/* The list of the source that a retry keeps, 0 if it has none, or one that is of no use now. */
static guint8
list_for (const RelaisFlow *flow, const RelaisDelivery *delivery)
{
    if (delivery->source == 0)
        return 0;
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        const RelaisSource *source = g_ptr_array_index (flow->pool->sources, i);

        if (source->hash == delivery->source)
            return relais_strand_is_usable (&flow->strands[i]) ? (guint8)(i + 1) : 0;
    }
    return 0;
}

void
relais_flow_put_due (RelaisFlow *flow, guint32 number, bool first)
{
    RelaisRecords *records = &flow->queue->records;
    RelaisDelivery *delivery = relais_delivery_at (records, number);

    delivery->place = RELAIS_PLACE_DUE;
    delivery->moved = 0;
    delivery->list = list_for (flow, delivery);
    if (first)
        relais_delivery_list_prepend (records, &flow->due[delivery->list], number);
    else
        relais_delivery_list_append (records, &flow->due[delivery->list], number);
    flow->n_due++;
    relais_destination_count_due (flow->destination, 1);
    relais_destination_serve (flow->destination, flow);
}

void
relais_flow_put_waiting (RelaisFlow *flow, guint32 number, gint64 due_us)
{
    RelaisDelivery *delivery = relais_delivery_at (&flow->queue->records, number);

    delivery->place = RELAIS_PLACE_WAITING;
    delivery->due_us = due_us;
    g_array_append_val (flow->heap, number);
    sift_up (flow, flow->heap->len - 1, number);
    if (heap_at (flow, 1) == number)
        arm (flow);
}

void
relais_flow_remove (RelaisFlow *flow, guint32 number)
{
    RelaisRecords *records = &flow->queue->records;
    RelaisDelivery *delivery = relais_delivery_at (records, number);

    if (delivery->place == RELAIS_PLACE_WAITING) {
        heap_remove (flow, delivery->prev);
        delivery->prev = 0;
        arm (flow);
    } else if (delivery->place == RELAIS_PLACE_DUE) {
        relais_delivery_list_remove (records, &flow->due[delivery->list], number);
        flow->n_due--;
        relais_destination_count_due (flow->destination, -1);
    }
    delivery->place = RELAIS_PLACE_NONE;
}

guint32
relais_flow_peek (const RelaisFlow *flow, guint source)
{
    const RelaisDeliveryList *kept = &flow->due[1 + source];
    const RelaisDeliveryList *any = &flow->due[0];

    if (!relais_flow_has_due (flow, source))
        return 0;
    if (kept->n == 0 ||
        (any->n > 0 && flow->other_turn && flow->strands[source].lane->source->weight > 0))
        return any->head;
    return kept->head;
}

guint32
relais_flow_take (RelaisFlow *flow, guint source)
{
    guint32 number = relais_flow_peek (flow, source);

    if (number == 0)
        return 0;
    flow->other_turn = !flow->other_turn;
    relais_flow_remove (flow, number);
    return number;
}

void
relais_flow_release_source (RelaisFlow *flow, guint source)
{
    RelaisRecords *records = &flow->queue->records;
    RelaisDeliveryList *kept = &flow->due[1 + source];
    RelaisDeliveryList *any = &flow->due[0];

    for (guint32 number = kept->head; number != 0;
         number = relais_delivery_at (records, number)->next)
        relais_delivery_at (records, number)->list = 0;
    if (kept->n == 0)
        return;
    relais_delivery_at (records, kept->head)->prev = any->tail;
    if (any->tail != 0)
        relais_delivery_at (records, any->tail)->next = kept->head;
    else
        any->head = kept->head;
    any->tail = kept->tail;
    any->n += kept->n;
    *kept = (RelaisDeliveryList){0};
}
