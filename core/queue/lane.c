/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lanes: limits, and who goes next over which connection. A lane is owned by what uses it (strands, paths,
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
#include "queue/permit-private.h"
#include "queue/rest-private.h"
#include "queue/terms-private.h"

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
    relais_permit_clear (&lane->opening);
    relais_hold_clear (&lane->opening_hold);
    relais_order_clear (&lane->order);
    g_hash_table_unref (lane->paths);
    g_ptr_array_unref (lane->connections);
    relais_static_route_unref (lane->fixed);
    g_free (lane->site);
    g_free (lane->key);
    g_free (lane);
}

static void
on_opening_hold_over (gpointer data)
{
    RelaisLane *lane = data;

    relais_hold_clear (&lane->opening_hold);
    relais_lane_mark (lane);
}

/* The limits without any module: of the static route, or of all others. */
static void
set_core_limits (RelaisLane *lane)
{
    const RelaisQueueSettings *settings = &lane->queue->settings;
    const RelaisStaticRoute *fixed = lane->fixed;

    lane->core = (RelaisLaneLimits){
        .connections = fixed != NULL ? fixed->connections : settings->connections,
        .messages_per_connection =
            fixed != NULL ? fixed->messages_per_connection : settings->messages_per_connection,
        .recipients = settings->recipients_per_transaction};
    relais_lane_set_limits (lane, &(RelaisLaneLimits){0});
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
        lane->connections = g_ptr_array_new ();
        lane->is_provider = route->is_provider;
        lane->fixed = relais_static_route_ref (route->fixed);
        set_core_limits (lane);
        lane->limit = MIN (queue->settings.first_connections, lane->most);
        relais_order_init (&lane->order, lane);
        relais_hold_init (&lane->opening_hold, queue->loop, on_opening_hold_over, lane);
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

/* --- Strands in the order ----------------------------------------------------------------------- */

static guint
place_of (const RelaisStrand *strand)
{
    return (guint)(strand - strand->flow->strands);
}

static bool
belongs_in_order (const RelaisStrand *strand)
{
    return strand->lane != NULL && strand->permit.ask == NULL &&
           relais_flow_has_due (strand->flow, place_of (strand)) &&
           (strand->path->state == RELAIS_PATH_OPEN || strand->path->state == RELAIS_PATH_PROBE);
}

static void
leave_order (RelaisStrand *strand)
{
    if (!strand->active)
        return;
    strand->active = false;
    strand->lane->queue->n_in_order--;
    relais_order_leave (&strand->lane->order, strand);
}

void
relais_lane_update_strand (RelaisStrand *strand)
{
    bool belongs = belongs_in_order (strand);

    if (belongs && !strand->active) {
        strand->active = true;
        strand->lane->queue->n_in_order++;
        relais_order_enter (&strand->lane->order, strand);
        relais_lane_mark (strand->lane);
    } else if (!belongs) {
        leave_order (strand);
    }
}

void
relais_lane_update_flow (RelaisFlow *flow)
{
    for (guint i = 0; i < flow->pool->sources->len; i++)
        relais_lane_update_strand (&flow->strands[i]);
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
            other->lane->served < strand->lane->served &&
            relais_order_find_hold (&other->lane->order, other) == NULL)
            return true;
    }
    return false;
}

/* Whose turn it is; NULL when nothing is there to go. Strands that have nothing leave. */
static RelaisStrand *
next_strand (RelaisLane *lane)
{
    RelaisStrand *strand;

    while ((strand = relais_order_next (&lane->order)) != NULL) {
        lane->queue->steps++;
        if (!relais_destination_is_current (strand->flow->destination))
            continue; /* it left all lanes */
        if (!relais_rest_begins (strand->flow) && belongs_in_order (strand))
            return strand;
        relais_lane_update_strand (strand);
    }
    return NULL;
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

    if (lane->connections->len >= lane->limit || lane->opening.ask != NULL ||
        relais_hold_is_set (&lane->opening_hold))
        return ROOM_NONE;
    if (queue->n_connections < queue->settings.connections_total &&
        (lane->invited || queue->starved_lanes.length == 0))
        return ROOM_OPEN;
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

/* The strand's head goes. */
static void
start (RelaisStrand *strand, RelaisConnection *connection, RelaisGrant *opening, RelaisGrant *grant)
{
    RelaisLane *lane = strand->lane;
    RelaisPath *path = strand->path;
    RelaisAttempt *attempt;

    relais_order_end_turn (&lane->order, strand);
    attempt = relais_attempt_take (strand, connection, grant);
    lane->served += SERVED_SCALE / MAX (lane->source->weight, 1);
    if (path->state == RELAIS_PATH_PROBE) {
        path->state = RELAIS_PATH_PROBING;
        path_update_strands (path);
    }
    relais_lane_update_strand (strand);
    if (connection == NULL) {
        lane->invited = false;
        relais_connection_open (lane, path, attempt, opening);
    } else {
        relais_connection_give (connection, attempt);
    }
    relais_attempt_start (attempt);
}

/* Starts the strand's head if there is room and modules allow it. False: nothing more can be done now. */
static bool
try_start (RelaisLane *lane, RelaisStrand *strand, guint *refused)
{
    RelaisConnection *connection = NULL;
    RelaisGrant *opening = NULL, *grant = NULL;
    Room room = find_room (lane, strand, &connection);
    guint64 sifted;

    if (room == ROOM_OPEN && !relais_permit_open (lane, &opening))
        return true; /* it is held now: another way is looked for */
    if (room == ROOM_NONE)
        return false;
    if (!relais_permit_go (strand, &grant)) {
        relais_grant_end (opening, RELAIS_RESERVATION_RETURNED, 0);
        return ++*refused < RELAIS_LANE_REFUSALS;
    }
    sifted = lane->queue->sifted;
    start (strand, connection, opening, grant);
    *refused += (guint)(lane->queue->sifted - sifted);
    return *refused < RELAIS_LANE_REFUSALS;
}

void
relais_lane_pump (RelaisLane *lane)
{
    bool waited = lane->waited;
    RelaisStrand *strand;
    guint refused = 0;

    lane->uses++;
    lane->waited = false;
    while (relais_queue_may_send (lane->queue) && (strand = next_strand (lane)) != NULL) {
        if (!waited && is_for_another (strand)) {
            lane->waited = true;
            relais_lane_mark (lane);
            break;
        }
        waited = false;
        if (!try_start (lane, strand, &refused))
            break;
    }
    if (refused >= RELAIS_LANE_REFUSALS)
        relais_lane_mark (lane);
    give_way (lane);
    lane_unref (lane);
}

/* --- What modules say --------------------------------------------------------------------------- */

void
relais_lane_set_limits (RelaisLane *lane, const RelaisLaneLimits *limits)
{
    const RelaisLaneLimits *core = &lane->core;

    lane->most = limits->connections > 0 ? limits->connections : core->connections;
    lane->limit = MIN (lane->limit, lane->most);
    lane->messages_per_connection = limits->messages_per_connection > 0
                                        ? limits->messages_per_connection
                                        : core->messages_per_connection;
    lane->recipients = limits->recipients > 0 ? limits->recipients : core->recipients;
}

static void
end_waits (RelaisLane *lane)
{
    relais_hold_clear (&lane->opening_hold);
    relais_order_wake (&lane->order);
}

void
relais_lanes_end_waits (RelaisQueue *queue, const char *source, const char *site)
{
    GHashTableIter iter;
    gpointer data;

    if (source != NULL && site != NULL) {
        g_autofree char *key = g_strconcat (source, " ", site, NULL);

        data = g_hash_table_lookup (queue->lanes, key);
        if (data != NULL)
            end_waits (data);
        return;
    }
    g_hash_table_iter_init (&iter, queue->lanes);
    while (g_hash_table_iter_next (&iter, NULL, &data)) {
        RelaisLane *lane = data;

        if ((source == NULL || strcmp (lane->source->name, source) == 0) &&
            (site == NULL || strcmp (lane->site, site) == 0))
            end_waits (lane);
    }
}

/* What idles beyond a lower limit closes at once, the rest after its message. */
static void
close_idle (const RelaisLane *lane)
{
    guint excess = lane->connections->len > lane->most ? lane->connections->len - lane->most : 0;
    g_autoptr (GPtrArray) all = g_ptr_array_copy (lane->connections, NULL, NULL);

    for (guint i = 0; i < all->len && excess > 0; i++)
        if (relais_connection_is_idle (all->pdata[i])) {
            relais_connection_quit (all->pdata[i]);
            excess--;
        }
}

/* What is under way is finished; nothing that has not been sent stays. */
static void
stop_connections (const RelaisLane *lane)
{
    g_autoptr (GPtrArray) all = g_ptr_array_copy (lane->connections, NULL, NULL);

    for (guint i = 0; i < all->len; i++)
        relais_connection_retire (all->pdata[i]);
}

/* Its name is for the lane of the route that has taken the place of its own, whose connections it is not to use up.
 * No other key has a line end. */
static void
retire (RelaisLane *lane)
{
    RelaisQueue *queue = lane->queue;
    char *key = g_strdup_printf ("%s\n%" G_GUINT64_FORMAT, lane->key, ++queue->lanes_retired);

    lane->retired = true;
    g_hash_table_steal (queue->lanes, lane->key);
    g_free (lane->key);
    lane->key = key;
    g_hash_table_insert (queue->lanes, lane->key, lane);
    stop_connections (lane);
}

/* All lanes, each with a use of its own: what goes back from one has its destination follow a reload, by which
 * others may go. */
static GList *
hold_lanes (const RelaisQueue *queue)
{
    GList *lanes = g_hash_table_get_values (queue->lanes);

    for (GList *link = lanes; link != NULL; link = link->next)
        ((RelaisLane *)link->data)->uses++;
    return lanes;
}

static void
let_lanes_go (GList *lanes)
{
    for (GList *link = lanes; link != NULL; link = link->next)
        lane_unref (link->data);
    g_list_free (lanes);
}

void
relais_lanes_reload (RelaisQueue *queue)
{
    GList *lanes = hold_lanes (queue);

    for (GList *link = lanes; link != NULL; link = link->next) {
        RelaisLane *lane = link->data;

        set_core_limits (lane);
        end_waits (lane);
        if (lane->fixed != NULL && lane->fixed->gone && !lane->retired)
            retire (lane);
        else
            close_idle (lane);
    }
    let_lanes_go (lanes);
}

void
relais_lanes_use_sources (RelaisQueue *queue)
{
    GList *lanes = hold_lanes (queue);

    for (guint i = 0; i < queue->flow_table->len; i++) {
        RelaisFlow *flow = queue->flow_table->pdata[i];

        for (guint n = 0; flow != NULL && n < flow->pool->sources->len; n++)
            if (((const RelaisSource *)flow->pool->sources->pdata[n])->out)
                relais_flow_release_source (flow, n);
        if (flow != NULL)
            relais_lane_update_flow (flow);
    }
    for (GList *link = lanes; link != NULL; link = link->next) {
        RelaisLane *lane = link->data;

        if (lane->source->out)
            stop_connections (lane);
        else
            relais_lane_mark (lane);
    }
    let_lanes_go (lanes);
}

/* --- Connections report ------------------------------------------------------------------------- */

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
    relais_hold_clear (&lane->opening_hold); /* modules may think otherwise now */
    invite (lane->queue);
    relais_lane_mark (lane);
    lane_unref (lane);
}

/* --- Paths ------------------------------------------------------------------------------------ */

static void
path_update_strands (RelaisPath *path)
{
    for (GList *link = path->strands.head; link != NULL; link = link->next)
        relais_lane_update_strand (link->data);
}

static void
on_nap_over (gpointer data)
{
    RelaisPath *path = data;

    path->state = RELAIS_PATH_PROBE;
    path_update_strands (path);
}

static RelaisPath *
path_get (RelaisLane *lane, const char *name)
{
    RelaisPath *path = g_hash_table_lookup (lane->paths, name);

    if (path == NULL) {
        path = g_new0 (RelaisPath, 1);
        path->lane = lane;
        path->name = g_strdup (name);
        relais_timer_init (&path->nap.timer, lane->queue->loop, on_nap_over, path);
        g_hash_table_insert (lane->paths, path->name, path);
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
    g_hash_table_remove (path->lane->paths, path->name);
    lane_unref (path->lane);
    g_free (path->name);
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
    return strand->lane != NULL && !strand->lane->source->out &&
           strand->path->state == RELAIS_PATH_OPEN;
}

/* --- Flows in lanes --------------------------------------------------------------------------- */

void
relais_lane_attach_flow (RelaisFlow *flow, const RelaisRoute *route)
{
    g_autofree char *path = relais_terms_name_path (flow->queue, route);

    for (guint i = 0; i < flow->pool->sources->len; i++) {
        RelaisStrand *strand = &flow->strands[i];

        strand->link.data = strand->path_link.data = strand;
        strand->lane = lane_get (flow->queue, g_ptr_array_index (flow->pool->sources, i), route);
        strand->path = path_get (strand->lane, path);
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
        relais_permit_clear (&strand->permit);
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
