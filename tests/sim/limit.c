/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a provider takes from a source, kept exactly: of a sliding window the times of the last n, of a bucket its
 * level in integers. This is the judge of Relais' own arithmetic and shares nothing with it.
 */
#include "config.h"

#include "internet.h"

/* --- One limit -------------------------------------------------------------------------------- */

void
sim_meter_init (SimMeter *meter, const SimLimit *limit)
{
    *meter = (SimMeter){.at_us = G_MININT64 / 4};
    if (limit->burst == 0)
        meter->times = g_new0 (gint64, (gsize)limit->n);
}

/* On slow days half of it. */
static gint64
allowed (const SimLimit *limit, bool slow)
{
    return slow ? MAX (limit->n / 2, 1) : limit->n;
}

static void
drain (SimMeter *meter, const SimLimit *limit, gint64 at_us, bool slow)
{
    const gint64 n = allowed (limit, slow);
    const gint64 passed = at_us - meter->at_us;

    if (passed <= 0)
        return;
    meter->at_us = at_us;
    /* No overflow: beyond that time it is empty. */
    if (passed > meter->level / n)
        meter->level = 0;
    else
        meter->level -= passed * n;
}

bool
sim_meter_fits (SimMeter *meter, const SimLimit *limit, gint64 at_us, bool slow)
{
    const gint64 n = allowed (limit, slow);

    if (limit->burst != 0) {
        drain (meter, limit, at_us, slow);
        return meter->level + limit->period_us <= limit->burst * limit->period_us;
    }
    if (meter->count < n)
        return true;
    return at_us - meter->times[(meter->count - n) % limit->n] >= limit->period_us;
}

void
sim_meter_take (SimMeter *meter, const SimLimit *limit, gint64 at_us, bool slow)
{
    if (limit->burst != 0) {
        drain (meter, limit, at_us, slow);
        meter->level += limit->period_us;
    } else {
        meter->times[meter->count % limit->n] = at_us;
    }
    meter->count++;
}

/* --- A lane ----------------------------------------------------------------------------------- */

void
sim_lane_init (Sim *sim, SimLane *lane, SimProvider *provider, const SimSource *source)
{
    *lane = (SimLane){.provider = provider,
                      .source = source,
                      .stage = source != NULL ? source->age : 0,
                      .blocked_until_us = -1,
                      .last_violation_us = -1};
    for (guint i = 0; i < provider->limits.n; i++)
        sim_meter_init (&lane->meters[i], &provider->limits.limits[i]);
    for (guint i = 0; i < provider->connects.n; i++)
        sim_meter_init (&lane->connect_meters[i], &provider->connects.limits[i]);
    if (provider->block_hits > 0)
        lane->hits = g_new0 (gint64, (gsize)provider->block_hits);
    sim_lane_roll (sim, lane);
}

static gint64
cap_of (const SimLane *lane)
{
    const SimProvider *provider = lane->provider;

    return lane->stage < provider->n_caps ? provider->caps[lane->stage] : SIM_NEVER;
}

static void
end_day (SimLane *lane)
{
    const gint64 cap = cap_of (lane);

    if (cap != SIM_NEVER && lane->day_used > 0) {
        lane->cap_sum += cap;
        lane->cap_used += lane->day_used;
    }
    if (lane->provider->calendar || (lane->day_used > 0 && lane->day_violations == 0))
        lane->stage++;
    lane->day_used = lane->day_violations = 0;
}

void
sim_lane_end_minute (Sim *sim, SimLane *lane)
{
    sim_report_minute (sim, lane);
    for (guint i = 0; i < SIM_COUNTS; i++) {
        lane->sum[i] += lane->now[i];
        lane->now[i] = 0;
    }
}

void
sim_lane_roll (Sim *sim, SimLane *lane)
{
    const gint64 at_us = sim_now_us (sim);
    const gint64 wall_us = sim->scenario->start_us + at_us;
    const gint64 day = wall_us / SIM_DAY_US - sim->scenario->start_us / SIM_DAY_US;

    for (; lane->day < day; lane->day++)
        end_day (lane);
    if (at_us / SIM_MINUTE_US == lane->minute)
        return;
    sim_lane_end_minute (sim, lane);
    lane->minute = at_us / SIM_MINUTE_US;
}

void
sim_lane_count (Sim *sim, SimLane *lane, SimCount what)
{
    sim_lane_roll (sim, lane);
    lane->now[what]++;
}

static void
note_hour (Sim *sim, SimLane *lane, gint64 at_us)
{
    if (at_us < sim->scenario->settle_us)
        return;
    if (lane->hour != at_us / SIM_HOUR_US)
        lane->hour_violations = 0;
    lane->hour = at_us / SIM_HOUR_US;
    lane->hour_violations++;
    lane->worst_hour = MAX (lane->worst_hour, lane->hour_violations);
}

void
sim_lane_violate (Sim *sim, SimLane *lane, SimViolation kind)
{
    const SimProvider *provider = lane->provider;
    const gint64 at_us = sim_now_us (sim), hits = provider->block_hits;

    sim_lane_count (sim, lane, SIM_COUNT_VIOLATIONS);
    lane->of_kind[kind]++;
    lane->day_violations++;
    lane->last_violation_us = at_us;
    note_hour (sim, lane, at_us);
    sim_report_violation (sim, lane, kind);
    if (hits == 0)
        return;
    lane->hits[lane->n_hits++ % hits] = at_us;
    if (lane->n_hits < hits || at_us - lane->hits[lane->n_hits % hits] > provider->block_within_us)
        return;
    lane->n_hits = 0;
    lane->blocked_until_us = at_us + provider->block_us;
    lane->blocks++;
}

bool
sim_provider_is_slow (const SimProvider *provider, gint64 at_us)
{
    const gint64 day = at_us / SIM_DAY_US;

    return provider->slow_until > 0 && day >= provider->slow_from && day < provider->slow_until;
}

gint64
sim_provider_stalls_until (const Sim *sim, const SimProvider *provider)
{
    const gint64 at_us = sim_now_us (sim);

    if (sim->no_stall || at_us < provider->stall_from_us || at_us >= provider->stall_until_us)
        return 0;
    return provider->stall_reply_us > 0 ? at_us + provider->stall_reply_us
                                        : provider->stall_until_us;
}

const char *
sim_lane_take_message (Sim *sim, SimLane *lane)
{
    const SimProvider *provider = lane->provider;
    const gint64 at_us = sim_now_us (sim);
    const bool slow = sim_provider_is_slow (provider, at_us);

    sim_lane_roll (sim, lane);
    if (at_us < lane->blocked_until_us)
        return provider->on_block;
    for (guint i = 0; i < provider->limits.n; i++)
        if (!sim_meter_fits (&lane->meters[i], &provider->limits.limits[i], at_us, slow)) {
            sim_lane_violate (sim, lane, SIM_VIOLATES_RATE);
            return provider->on_limit;
        }
    if (lane->day_used >= cap_of (lane)) {
        sim_lane_violate (sim, lane, SIM_VIOLATES_CAP);
        return provider->on_cap;
    }
    for (guint i = 0; i < provider->limits.n; i++)
        sim_meter_take (&lane->meters[i], &provider->limits.limits[i], at_us, slow);
    lane->day_used++;
    return NULL;
}

const char *
sim_lane_take_connection (Sim *sim, SimLane *lane)
{
    const SimProvider *provider = lane->provider;
    const gint64 at_us = sim_now_us (sim);

    sim_lane_count (sim, lane, SIM_COUNT_CONNECTIONS);
    if (provider->connections > 0 && lane->open > provider->connections) {
        sim_lane_violate (sim, lane, SIM_VIOLATES_CONNECTIONS);
        return provider->on_connections;
    }
    for (guint i = 0; i < provider->connects.n; i++)
        if (!sim_meter_fits (&lane->connect_meters[i], &provider->connects.limits[i], at_us,
                             false)) {
            sim_lane_violate (sim, lane, SIM_VIOLATES_CONNECT_RATE);
            return provider->on_connections;
        }
    for (guint i = 0; i < provider->connects.n; i++)
        sim_meter_take (&lane->connect_meters[i], &provider->connects.limits[i], at_us, false);
    return NULL;
}
