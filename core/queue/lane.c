/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lanes: limits, and the order of turns. A lane is owned by what uses it (strands, paths,
 * connections) and goes with the last of them.
 *
 * A strand is in the order while its flow has something due for this source and its path is open.
 * In a pool with several sources another lane may take the last of a flow; the strand that finds
 * nothing then leaves the order when its turn comes.
 */
#include "config.h"

#include "queue/lane-private.h"

#include "queue/attempt-private.h"
#include "queue/connection-private.h"

#include <string.h>

enum { SERVED_SCALE = 1000000 };

static void path_update_strands (RelaisPath *path);
static void invite (RelaisQueue *queue);

/* --- Life ------------------------------------------------------------------------------------- */

static void
lane_unref (RelaisLane *lane)
{
    RelaisQueue *queue = lane->queue;

    if (--lane->uses > 0)
        return;
    if (lane->dirty)
        g_queue_unlink (&queue->dirty_lanes, &lane->dirty_link);
    if (lane->starved)
        g_queue_unlink (&queue->starved_lanes, &lane->starved_link);
    if (lane->invited && !queue->closed)
        invite (queue);
    g_hash_table_remove (queue->lanes, lane->key);
    for (gsize i = 0; i < G_N_ELEMENTS (lane->places); i++)
        g_hash_table_unref (lane->places[i]);
    g_hash_table_unref (lane->paths);
    g_ptr_array_unref (lane->connections);
    g_free (lane->site);
    g_free (lane->key);
    g_free (lane);
}

static RelaisLane *
lane_get (RelaisQueue *queue, RelaisSource *source, const RelaisRoute *route)
{
    g_autofree char *key = g_strconcat (source->name, " ", route->site, NULL);
    RelaisLane *lane = g_hash_table_lookup (queue->lanes, key);

    if (lane == NULL) {
        lane = g_new0 (RelaisLane, 1);
        lane->queue = queue;
        lane->source = source;
        lane->site = g_strdup (route->site);
        lane->most = route->connections;
        lane->limit = MIN (queue->settings.first_connections, lane->most);
        lane->messages_per_connection = route->messages_per_connection;
        lane->connections = g_ptr_array_new ();
        for (gsize i = 0; i < G_N_ELEMENTS (lane->places); i++)
            lane->places[i] = g_hash_table_new_full (NULL, NULL, NULL, g_free);
        lane->paths = g_hash_table_new (g_str_hash, g_str_equal);
        lane->dirty_link.data = lane->starved_link.data = lane;
        lane->key = g_steal_pointer (&key);
        g_hash_table_insert (queue->lanes, lane->key, lane);
    }
    lane->uses++;
    return lane;
}

void
relais_lane_mark (RelaisLane *lane)
{
    if (lane->dirty)
        return;
    lane->dirty = true;
    g_queue_push_tail_link (&lane->queue->dirty_lanes, &lane->dirty_link);
    relais_queue_wake (lane->queue);
}

void
relais_lane_mark_all (RelaisQueue *queue)
{
    GHashTableIter iter;
    gpointer lane;

    g_hash_table_iter_init (&iter, queue->lanes);
    while (g_hash_table_iter_next (&iter, NULL, &lane))
        relais_lane_mark (lane);
}

/* --- The order -------------------------------------------------------------------------------- */

static RelaisLaneTurn *
turn_of (RelaisLane *lane, const RelaisFlow *flow)
{
    GHashTable *places = lane->places[flow->key.klass];
    RelaisLaneTurn *turn = g_hash_table_lookup (places, flow->tenant);

    if (turn == NULL) {
        turn = g_new0 (RelaisLaneTurn, 1);
        turn->tenant = flow->tenant;
        turn->link.data = turn;
        g_hash_table_insert (places, flow->tenant, turn);
    }
    return turn;
}

static void
enter_order (RelaisStrand *strand)
{
    RelaisLane *lane = strand->lane;
    RelaisLaneTurn *turn = turn_of (lane, strand->flow);

    if (turn->strands.length == 0) {
        turn->credit = turn->tenant->weight;
        g_queue_push_tail_link (&lane->turns[strand->flow->key.klass], &turn->link);
    }
    strand->turn = turn;
    strand->active = true;
    lane->queue->n_in_order++;
    g_queue_push_tail_link (&turn->strands, &strand->link);
    relais_lane_mark (lane);
}

static void
leave_order (RelaisStrand *strand)
{
    RelaisLaneTurn *turn = strand->turn;

    if (!strand->active)
        return;
    strand->active = false;
    strand->lane->queue->n_in_order--;
    g_queue_unlink (&turn->strands, &strand->link);
    if (turn->strands.length == 0)
        g_queue_unlink (&strand->lane->turns[strand->flow->key.klass], &turn->link);
}

static guint
place_of (const RelaisStrand *strand)
{
    return (guint)(strand - strand->flow->strands);
}

static bool
belongs_in_order (const RelaisStrand *strand)
{
    return strand->lane != NULL && relais_flow_has_due (strand->flow, place_of (strand)) &&
           (strand->path->state == RELAIS_PATH_OPEN || strand->path->state == RELAIS_PATH_PROBE);
}

static void
update (RelaisStrand *strand)
{
    bool belongs = belongs_in_order (strand);

    if (belongs && !strand->active)
        enter_order (strand);
    else if (!belongs && strand->active)
        leave_order (strand);
}

void
relais_lane_update_flow (RelaisFlow *flow)
{
    for (guint i = 0; i < flow->pool->sources->len; i++)
        update (&flow->strands[i]);
}

/* Whether another source of the pool is to have the strand's head: its lane has had less by its
 * weight and is looked at after this one. A retry that keeps its source is for nobody else. */
static bool
is_for_another (const RelaisStrand *strand)
{
    const RelaisFlow *flow = strand->flow;

    if (flow->due[1 + place_of (strand)].n > 0)
        return false;
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        const RelaisStrand *other = &flow->strands[i];

        if (other->active && other->lane->dirty && other->lane->source->weight > 0 &&
            other->lane->served < strand->lane->served)
            return true;
    }
    return false;
}

/* Whose turn it is; NULL when nothing is there to go. Strands that have nothing leave. */
static RelaisStrand *
next_strand (RelaisLane *lane)
{
    GQueue *urgent = &lane->turns[RELAIS_CLASS_TRANSACTIONAL];
    GQueue *bulk = &lane->turns[RELAIS_CLASS_BULK];

    while (urgent->length > 0 || bulk->length > 0) {
        bool bulk_turn =
            urgent->length == 0 || (bulk->length > 0 && lane->streak >= RELAIS_LANE_STREAK);
        RelaisLaneTurn *turn = (bulk_turn ? bulk : urgent)->head->data;
        RelaisStrand *strand = turn->strands.head->data;

        lane->queue->steps++;
        if (!relais_destination_is_current (strand->flow->destination))
            continue; /* it left all lanes */
        if (belongs_in_order (strand))
            return strand;
        leave_order (strand);
    }
    return NULL;
}

/* The strand had its turn: the next of the tenant, and if the tenant's credit is used up the next
 * tenant. */
static void
end_turn (RelaisLane *lane, RelaisStrand *strand)
{
    RelaisLaneTurn *turn = strand->turn;
    GQueue *turns = &lane->turns[strand->flow->key.klass];

    if (strand->flow->key.klass == RELAIS_CLASS_BULK)
        lane->streak = 0;
    else if (lane->streak < RELAIS_LANE_STREAK && lane->turns[RELAIS_CLASS_BULK].length > 0)
        lane->streak++;
    g_queue_unlink (&turn->strands, &strand->link);
    g_queue_push_tail_link (&turn->strands, &strand->link);
    if (turn->credit > 1) {
        turn->credit--;
        return;
    }
    turn->credit = turn->tenant->weight;
    g_queue_unlink (turns, &turn->link);
    g_queue_push_tail_link (turns, &turn->link);
}

/* --- Room ------------------------------------------------------------------------------------- */

typedef enum { ROOM_NONE, ROOM_CONNECTION, ROOM_OPEN } Room;

/* A place of the daemon's total is free: the lane that has waited longest may have it. */
static void
invite (RelaisQueue *queue)
{
    GList *link = g_queue_pop_head_link (&queue->starved_lanes);
    RelaisLane *lane;

    if (link == NULL)
        return;
    lane = link->data;
    lane->starved = false;
    lane->invited = true;
    relais_lane_mark (lane);
}

/* The lane has what it can use: a place that was kept for it goes to the next, and what idles while
 * others wait gives way. */
static void
give_way (RelaisLane *lane)
{
    RelaisQueue *queue = lane->queue;

    if (lane->invited) {
        lane->invited = false;
        if (queue->n_connections < queue->settings.connections_total)
            invite (queue);
    }
    if (queue->starved_lanes.length > 0 && queue->idle_connections.head != NULL)
        relais_connection_quit (queue->idle_connections.head->data);
}

static Room
room_to_open (RelaisLane *lane)
{
    RelaisQueue *queue = lane->queue;

    if (lane->connections->len >= lane->limit)
        return ROOM_NONE;
    if (queue->n_connections < queue->settings.connections_total &&
        (lane->invited || queue->starved_lanes.length == 0)) {
        lane->invited = false;
        return ROOM_OPEN;
    }
    /* The daemon's total is reached: an idle connection elsewhere gives way. */
    if (queue->idle_connections.head != NULL)
        relais_connection_quit (queue->idle_connections.head->data);
    if (!lane->starved)
        g_queue_push_tail_link (&queue->starved_lanes, &lane->starved_link);
    lane->starved = true;
    return ROOM_NONE;
}

/* Where the strand's head could go now. Ways in order: an idle connection, a new one, behind the
 * message that a busy one carries. */
static Room
find_room (RelaisLane *lane, const RelaisStrand *strand, RelaisConnection **connection)
{
    const RelaisRoute *route = strand->flow->destination->route;
    RelaisConnection *behind = NULL, *stranger = NULL;

    for (guint i = lane->connections->len; i > 0; i--) {
        RelaisConnection *candidate = g_ptr_array_index (lane->connections, i - 1);

        lane->queue->steps++;
        if (!relais_connection_carries (candidate, route)) {
            if (relais_connection_is_idle (candidate))
                stranger = candidate;
            continue;
        }
        if (relais_connection_is_idle (candidate)) {
            *connection = candidate;
            return ROOM_CONNECTION;
        }
        if (relais_connection_has_room_behind (candidate))
            behind = candidate;
    }
    switch (room_to_open (lane)) {
    case ROOM_OPEN: return ROOM_OPEN;
    case ROOM_CONNECTION:
    case ROOM_NONE: break;
    }
    if (behind != NULL) {
        *connection = behind;
        return ROOM_CONNECTION;
    }
    /* An idle connection to a host that this mail may not go to holds the lane's last place. */
    if (stranger != NULL)
        relais_connection_quit (stranger);
    return ROOM_NONE;
}

void
relais_lane_pump (RelaisLane *lane)
{
    bool waited = lane->waited;
    RelaisStrand *strand;

    lane->uses++;
    lane->waited = false;
    while (relais_queue_may_send (lane->queue) && (strand = next_strand (lane)) != NULL) {
        RelaisConnection *connection = NULL;
        RelaisAttempt *attempt;
        Room room;

        if (!waited && is_for_another (strand)) {
            lane->waited = true;
            relais_lane_mark (lane);
            break;
        }
        waited = false;
        room = find_room (lane, strand, &connection);
        if (room == ROOM_NONE)
            break;
        end_turn (lane, strand);
        attempt = relais_attempt_take (strand, connection);
        lane->served += SERVED_SCALE / MAX (lane->source->weight, 1);
        if (strand->path->state == RELAIS_PATH_PROBE) {
            strand->path->state = RELAIS_PATH_PROBING;
            path_update_strands (strand->path);
        }
        update (strand);
        if (room == ROOM_OPEN)
            relais_connection_open (lane, strand->path, attempt);
        else
            relais_connection_give (connection, attempt);
        relais_attempt_start (attempt);
    }
    give_way (lane);
    lane_unref (lane);
}

void
relais_lane_succeeded (RelaisLane *lane)
{
    if (lane->limit < lane->most &&
        relais_loop_now_us (lane->queue->loop) >= lane->growth_from_us) {
        lane->limit++;
        relais_lane_mark (lane);
    }
}

void
relais_lane_slow_down (RelaisLane *lane, guint limit)
{
    lane->limit = CLAMP (limit, 1, lane->most);
    lane->growth_from_us = relais_loop_now_us (lane->queue->loop) + RELAIS_USEC_PER_MIN;
}

void
relais_lane_add_connection (RelaisLane *lane, RelaisConnection *connection)
{
    g_ptr_array_add (lane->connections, connection);
    lane->queue->n_connections++;
    lane->uses++;
}

void
relais_lane_remove_connection (RelaisLane *lane, RelaisConnection *connection)
{
    g_ptr_array_remove_fast (lane->connections, connection);
    lane->queue->n_connections--;
    invite (lane->queue);
    relais_lane_mark (lane);
    lane_unref (lane);
}

/* --- Paths ------------------------------------------------------------------------------------ */

static void
path_update_strands (RelaisPath *path)
{
    for (GList *link = path->strands.head; link != NULL; link = link->next)
        update (link->data);
}

static void
on_nap_over (gpointer data)
{
    RelaisPath *path = data;

    path->state = RELAIS_PATH_PROBE;
    path_update_strands (path);
}

static RelaisPath *
path_get (RelaisLane *lane, const char *set)
{
    RelaisPath *path = g_hash_table_lookup (lane->paths, set);

    if (path == NULL) {
        path = g_new0 (RelaisPath, 1);
        path->lane = lane;
        path->set = g_strdup (set);
        relais_timer_init (&path->nap.timer, lane->queue->loop, on_nap_over, path);
        g_hash_table_insert (lane->paths, path->set, path);
        lane->uses++;
    }
    return relais_path_ref (path);
}

RelaisPath *
relais_path_ref (RelaisPath *path)
{
    path->uses++;
    return path;
}

void
relais_path_unref (RelaisPath *path)
{
    if (--path->uses > 0)
        return;
    relais_timer_stop (&path->nap.timer);
    g_hash_table_remove (path->lane->paths, path->set);
    lane_unref (path->lane);
    g_free (path->set);
    g_free (path->text);
    g_free (path);
}

void
relais_path_opened (RelaisPath *path)
{
    path->nap.length_us = 0;
    g_clear_pointer (&path->text, g_free);
    if (path->state == RELAIS_PATH_OPEN)
        return;
    relais_timer_stop (&path->nap.timer);
    path->state = RELAIS_PATH_OPEN;
    path_update_strands (path);
}

void
relais_path_failed (RelaisPath *path, const char *text)
{
    RelaisQueue *queue = path->lane->queue;

    if (path->state == RELAIS_PATH_ASLEEP)
        return; /* several were opening when the hosts went away: one sleep */
    g_free (path->text);
    path->text = g_strdup (text);
    path->state = RELAIS_PATH_ASLEEP;
    relais_nap_start (&path->nap, queue, 0);
    /* What waited goes out slowly when it comes back. */
    path->lane->limit = MIN (queue->settings.first_connections, path->lane->most);
    for (GList *link = path->strands.head; link != NULL; link = link->next) {
        RelaisStrand *strand = link->data;

        relais_flow_release_source (strand->flow, place_of (strand));
        relais_lane_update_flow (strand->flow);
    }
}

void
relais_path_untried (RelaisPath *path)
{
    if (path->state != RELAIS_PATH_PROBING)
        return;
    path->state = RELAIS_PATH_PROBE;
    path_update_strands (path);
}

bool
relais_strand_is_usable (const RelaisStrand *strand)
{
    return strand->lane != NULL && strand->path->state == RELAIS_PATH_OPEN;
}

/* --- Flows in lanes --------------------------------------------------------------------------- */

void
relais_lane_attach_flow (RelaisFlow *flow, const RelaisRoute *route)
{
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        RelaisStrand *strand = &flow->strands[i];

        strand->link.data = strand->path_link.data = strand;
        strand->lane = lane_get (flow->queue, g_ptr_array_index (flow->pool->sources, i), route);
        strand->path = path_get (strand->lane, route->set);
        g_queue_push_tail_link (&strand->path->strands, &strand->path_link);
    }
    relais_lane_update_flow (flow);
}

void
relais_lane_detach_flow (RelaisFlow *flow)
{
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        RelaisStrand *strand = &flow->strands[i];
        RelaisLane *lane = strand->lane;

        if (lane == NULL)
            continue;
        leave_order (strand);
        g_queue_unlink (&strand->path->strands, &strand->path_link);
        strand->lane = NULL;
        relais_path_unref (g_steal_pointer (&strand->path));
        lane_unref (lane);
    }
}

void
relais_lane_wake_flow (RelaisFlow *flow)
{
    for (guint i = 0; i < flow->pool->sources->len; i++) {
        RelaisPath *path = flow->strands[i].path;

        if (path == NULL || path->state != RELAIS_PATH_ASLEEP)
            continue;
        relais_timer_stop (&path->nap.timer);
        on_nap_over (path);
    }
}
