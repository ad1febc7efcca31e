/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The order of turns in a lane. Owned by the lane; turns live as long as it, groups while they have a strand or a
 * hold.
 *
 * A group is linked in its turn's list while it has strands and is not held, a turn in its class's list while it
 * has such groups and is not held.
 */
#include "config.h"

#include "queue/order-private.h"

#include "queue/lane-private.h"

/* A campaign's place in a tenant's turn. */
struct RelaisOrderGroup {
    RelaisOrderTurn *turn;
    RelaisCampaign *campaign; /* NULL: mail of none */
    GQueue strands;           /* RelaisStrand, by link: round robin */
    RelaisHold hold;
    GList link; /* in the turn */
    bool linked;
};

/* A tenant's place in one class. */
struct RelaisOrderTurn {
    RelaisOrder *order;
    RelaisTenant *tenant;
    RelaisClass klass;
    guint credit;          /* turns left in this round */
    GQueue groups;         /* RelaisOrderGroup that may go, by link */
    GHashTable *campaigns; /* RelaisCampaign -> RelaisOrderGroup */
    RelaisHold hold;
    GList link; /* in the order */
    bool linked;
};

/* --- Holds -------------------------------------------------------------------------------------- */

void
relais_hold_init (RelaisHold *hold, RelaisLoop *loop, RelaisTimerFunc func, gpointer data)
{
    *hold = (RelaisHold){0};
    relais_timer_init (&hold->timer, loop, func, data);
}

void
relais_hold_begin (RelaisHold *hold, gint64 until_us, char *reason)
{
    g_free (hold->reason);
    hold->reason = reason;
    relais_timer_set_at (&hold->timer, until_us);
}

void
relais_hold_clear (RelaisHold *hold)
{
    relais_timer_stop (&hold->timer);
    g_clear_pointer (&hold->reason, g_free);
}

/* --- Lists -------------------------------------------------------------------------------------- */

static void
settle_turn (RelaisOrderTurn *turn)
{
    GQueue *turns = &turn->order->turns[turn->klass];
    bool belongs = turn->groups.length > 0 && !relais_hold_is_set (&turn->hold);

    if (belongs == turn->linked)
        return;
    turn->linked = belongs;
    if (belongs) {
        turn->credit = turn->tenant->weight;
        g_queue_push_tail_link (turns, &turn->link);
    } else {
        g_queue_unlink (turns, &turn->link);
    }
}

static void
group_free (RelaisOrderGroup *group)
{
    g_hash_table_remove (group->turn->campaigns, group->campaign);
    relais_hold_clear (&group->hold);
    relais_campaign_unref (group->campaign);
    g_free (group);
}

/* Puts the group where it belongs; one that has nothing left goes. */
static void
settle_group (RelaisOrderGroup *group)
{
    RelaisOrderTurn *turn = group->turn;
    bool held = relais_hold_is_set (&group->hold);
    bool belongs = group->strands.length > 0 && !held;

    if (belongs != group->linked) {
        group->linked = belongs;
        if (belongs)
            g_queue_push_tail_link (&turn->groups, &group->link);
        else
            g_queue_unlink (&turn->groups, &group->link);
        settle_turn (turn);
    }
    if (group->strands.length == 0 && !held)
        group_free (group);
}

static void
on_group_hold_over (gpointer data)
{
    RelaisOrderGroup *group = data;
    RelaisLane *lane = group->turn->order->lane;

    relais_hold_clear (&group->hold);
    settle_group (group);
    relais_lane_mark (lane);
}

static void
on_turn_hold_over (gpointer data)
{
    RelaisOrderTurn *turn = data;

    relais_hold_clear (&turn->hold);
    settle_turn (turn);
    relais_lane_mark (turn->order->lane);
}

static void
on_lane_hold_over (gpointer data)
{
    RelaisOrder *order = data;

    relais_hold_clear (&order->hold);
    relais_lane_mark (order->lane);
}

static RelaisOrderTurn *
turn_get (RelaisOrder *order, const RelaisFlow *flow)
{
    GHashTable *places = order->places[flow->key.klass];
    RelaisOrderTurn *turn = g_hash_table_lookup (places, flow->tenant);

    if (turn != NULL)
        return turn;
    turn = g_new0 (RelaisOrderTurn, 1);
    turn->order = order;
    turn->tenant = flow->tenant;
    turn->klass = flow->key.klass;
    turn->campaigns = g_hash_table_new (NULL, NULL);
    turn->link.data = turn;
    relais_hold_init (&turn->hold, order->lane->queue->loop, on_turn_hold_over, turn);
    g_hash_table_insert (places, turn->tenant, turn);
    return turn;
}

static RelaisOrderGroup *
group_get (RelaisOrder *order, const RelaisFlow *flow)
{
    RelaisOrderTurn *turn = turn_get (order, flow);
    RelaisOrderGroup *group = g_hash_table_lookup (turn->campaigns, flow->campaign);

    if (group != NULL)
        return group;
    group = g_new0 (RelaisOrderGroup, 1);
    group->turn = turn;
    group->campaign = relais_campaign_ref (flow->campaign);
    group->link.data = group;
    relais_hold_init (&group->hold, order->lane->queue->loop, on_group_hold_over, group);
    g_hash_table_insert (turn->campaigns, group->campaign, group);
    return group;
}

/* --- Strands ------------------------------------------------------------------------------------ */

void
relais_order_enter (RelaisOrder *order, RelaisStrand *strand)
{
    RelaisOrderGroup *group = group_get (order, strand->flow);

    strand->group = group;
    g_queue_push_tail_link (&group->strands, &strand->link);
    settle_group (group);
}

void
relais_order_leave (RelaisOrder *order, RelaisStrand *strand)
{
    RelaisOrderGroup *group = g_steal_pointer (&strand->group);

    g_queue_unlink (&group->strands, &strand->link);
    settle_group (group);
}

RelaisStrand *
relais_order_next (const RelaisOrder *order)
{
    const GQueue *urgent = &order->turns[RELAIS_CLASS_TRANSACTIONAL];
    const GQueue *bulk = &order->turns[RELAIS_CLASS_BULK];
    bool bulk_turn =
        urgent->length == 0 || (bulk->length > 0 && order->streak >= RELAIS_ORDER_STREAK);
    const GList *head = bulk_turn ? bulk->head : urgent->head;
    const RelaisOrderGroup *group;

    if (head == NULL || relais_hold_is_set (&order->hold))
        return NULL;
    group = ((const RelaisOrderTurn *)head->data)->groups.head->data;
    return group->strands.head->data;
}

static void
to_tail (GQueue *list, GList *link)
{
    g_queue_unlink (list, link);
    g_queue_push_tail_link (list, link);
}

void
relais_order_end_turn (RelaisOrder *order, RelaisStrand *strand)
{
    RelaisOrderGroup *group = strand->group;
    RelaisOrderTurn *turn = group->turn;

    if (turn->klass == RELAIS_CLASS_BULK)
        order->streak = 0;
    else if (order->streak < RELAIS_ORDER_STREAK && order->turns[RELAIS_CLASS_BULK].length > 0)
        order->streak++;
    to_tail (&group->strands, &strand->link);
    if (group->linked)
        to_tail (&turn->groups, &group->link);
    if (turn->credit > 1) {
        turn->credit--;
        return;
    }
    turn->credit = turn->tenant->weight;
    if (turn->linked)
        to_tail (&order->turns[turn->klass], &turn->link);
}

/* --- Waiting ------------------------------------------------------------------------------------ */

void
relais_order_hold (RelaisOrder *order, const RelaisStrand *strand, RelaisWaitScope scope,
                   gint64 until_us, char *reason)
{
    RelaisOrderGroup *group = strand->group;

    switch (scope) {
    case RELAIS_WAIT_TENANT:
        relais_hold_begin (&group->turn->hold, until_us, reason);
        settle_turn (group->turn);
        return;
    case RELAIS_WAIT_CAMPAIGN:
        relais_hold_begin (&group->hold, until_us, reason);
        settle_group (group);
        return;
    default: relais_hold_begin (&order->hold, until_us, reason); return;
    }
}

static void
wake_turn (RelaisOrderTurn *turn)
{
    g_autoptr (GList) groups = g_hash_table_get_values (turn->campaigns);

    for (GList *link = groups; link != NULL; link = link->next) {
        RelaisOrderGroup *group = link->data;

        if (!relais_hold_is_set (&group->hold))
            continue;
        relais_hold_clear (&group->hold);
        settle_group (group);
    }
    relais_hold_clear (&turn->hold);
    settle_turn (turn);
}

void
relais_order_wake (RelaisOrder *order)
{
    relais_hold_clear (&order->hold);
    for (gsize i = 0; i < G_N_ELEMENTS (order->places); i++) {
        GHashTableIter iter;
        gpointer turn;

        g_hash_table_iter_init (&iter, order->places[i]);
        while (g_hash_table_iter_next (&iter, NULL, &turn))
            wake_turn (turn);
    }
    relais_lane_mark (order->lane);
}

const RelaisHold *
relais_order_find_hold (const RelaisOrder *order, const RelaisStrand *strand)
{
    const RelaisOrderGroup *group = strand->group;

    if (relais_hold_is_set (&order->hold))
        return &order->hold;
    if (relais_hold_is_set (&group->turn->hold))
        return &group->turn->hold;
    return relais_hold_is_set (&group->hold) ? &group->hold : NULL;
}

/* --- Life --------------------------------------------------------------------------------------- */

static void
turn_free (gpointer data)
{
    RelaisOrderTurn *turn = data;
    g_autoptr (GList) groups = g_hash_table_get_values (turn->campaigns);

    for (GList *link = groups; link != NULL; link = link->next)
        group_free (link->data);
    relais_hold_clear (&turn->hold);
    g_hash_table_unref (turn->campaigns);
    g_free (turn);
}

void
relais_order_init (RelaisOrder *order, RelaisLane *lane)
{
    *order = (RelaisOrder){.lane = lane};
    for (gsize i = 0; i < G_N_ELEMENTS (order->places); i++)
        order->places[i] = g_hash_table_new_full (NULL, NULL, NULL, turn_free);
    relais_hold_init (&order->hold, lane->queue->loop, on_lane_hold_over, order);
}

void
relais_order_clear (RelaisOrder *order)
{
    for (gsize i = 0; i < G_N_ELEMENTS (order->places); i++)
        g_hash_table_unref (order->places[i]);
    relais_hold_clear (&order->hold);
}
