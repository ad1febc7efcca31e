/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quiet hours of flows, by the wall clock. Timers are monotonic, so a long rest is cut into pieces: a wall clock that
 * is set meanwhile is believed at the next of them.
 */
#include "config.h"

#include "queue/rest-private.h"

#include "queue/destination-private.h"
#include "queue/lane-private.h"

static const gint64 PIECE_US = 15 * RELAIS_USEC_PER_MIN;

static const RelaisSchedule *
schedule_of (const RelaisFlow *flow)
{
    return flow->tenant->schedules[flow->key.klass == RELAIS_CLASS_BULK];
}

static gint64
quiet_end_us (const RelaisFlow *flow, gint64 wall_us)
{
    RelaisQuiet *quiet = schedule_of (flow)->quiet;

    return quiet != NULL && !flow->key.restless ? relais_quiet_end_us (quiet, wall_us) : 0;
}

static void
set_timer (RelaisFlow *flow, gint64 wall_us)
{
    relais_timer_set (&flow->rest_timer, CLAMP (flow->rest_until_us - wall_us, 0, PIECE_US));
}

static void
rest (RelaisFlow *flow, gint64 end_us, gint64 wall_us)
{
    const gint64 spread = schedule_of (flow)->quiet_spread_us;
    const gint64 jitter = spread > 0 ? (gint64)(g_random_double () * (double)spread) : 0;

    /* The moment that was drawn stays while the end does. */
    if (flow->rest_until_us < end_us || flow->rest_until_us - end_us > spread)
        flow->rest_until_us = end_us + jitter;
    set_timer (flow, wall_us);
}

/* Quiet hours are over, but not for this flow yet. */
static bool
awaits_its_moment (const RelaisFlow *flow, gint64 wall_us)
{
    const gint64 left = flow->rest_until_us - wall_us;

    return schedule_of (flow)->quiet != NULL && left > 0 &&
           left <= schedule_of (flow)->quiet_spread_us;
}

static void
on_timer (gpointer data)
{
    RelaisFlow *flow = data;
    const gint64 wall = relais_loop_wall_us (flow->queue->loop);
    const gint64 end = quiet_end_us (flow, wall);

    if (end > 0)
        rest (flow, end, wall);
    else if (awaits_its_moment (flow, wall))
        set_timer (flow, wall);
    else
        relais_destination_serve (flow->destination, flow);
}

void
relais_rest_init (RelaisFlow *flow)
{
    relais_timer_init (&flow->rest_timer, flow->queue->loop, on_timer, flow);
}

bool
relais_rest_begins (RelaisFlow *flow)
{
    const gint64 wall = relais_loop_wall_us (flow->queue->loop);
    gint64 end;

    if (relais_flow_is_resting (flow))
        return true;
    end = quiet_end_us (flow, wall);
    if (end == 0)
        return false;
    rest (flow, end, wall);
    return true;
}

void
relais_rest_reload (RelaisQueue *queue)
{
    const gint64 wall = relais_loop_wall_us (queue->loop);

    for (guint i = 0; i < queue->flow_table->len; i++) {
        RelaisFlow *flow = g_ptr_array_index (queue->flow_table, i);

        if (flow == NULL || !relais_flow_is_resting (flow) || quiet_end_us (flow, wall) > 0 ||
            awaits_its_moment (flow, wall))
            continue;
        relais_timer_stop (&flow->rest_timer);
        relais_destination_serve (flow->destination, flow);
    }
}

gint64
relais_rest_until_us (const RelaisFlow *flow)
{
    return relais_loop_now_us (flow->queue->loop) + flow->rest_until_us -
           relais_loop_wall_us (flow->queue->loop);
}
