/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The least time in which a provider's true limits let all of its messages through: from each source as much as
 * goes at each step of time, from the start of the first campaign on. What is deferred or greylisted for no fault of
 * ours is counted as sent once more. Has meters of its own.
 */
#include "config.h"

#include "internet.h"

#include <stdlib.h>

typedef struct {
    const SimProvider *provider;
    const SimSource *source;
    SimMeter meters[SIM_LIMITS];
    gint64 stage, day, day_used;
} Way;

/* Whether one more goes, and counts it. */
static bool
goes (Way *way, gint64 at_us)
{
    const SimProvider *provider = way->provider;
    const bool slow = sim_provider_is_slow (provider, at_us);

    if (way->stage < provider->n_caps && way->day_used >= provider->caps[way->stage])
        return false;
    for (guint i = 0; i < provider->limits.n; i++)
        if (!sim_meter_fits (&way->meters[i], &provider->limits.limits[i], at_us, slow))
            return false;
    for (guint i = 0; i < provider->limits.n; i++)
        sim_meter_take (&way->meters[i], &provider->limits.limits[i], at_us, slow);
    way->day_used++;
    return true;
}

static void
begin_day (Way *way, gint64 day)
{
    for (; way->day < day; way->day++) {
        if (way->provider->calendar || way->day_used > 0)
            way->stage++;
        way->day_used = 0;
    }
}

/* Messages for the provider that were handed in until then. */
static gint64
arrived (const SimScenario *scenario, const SimProvider *provider, gint64 at_us)
{
    gint64 sum = 0;

    for (guint i = 0; i < scenario->campaigns->len; i++) {
        const SimCampaign *campaign = g_ptr_array_index (scenario->campaigns, i);
        const gint64 whole = campaign->of_provider[provider->index];
        gint64 due = campaign->messages;

        if (at_us < campaign->at_us)
            continue;
        if (campaign->rate.n > 0)
            due = MIN (due, (gint64)((double)(at_us - campaign->at_us) *
                                     (double)campaign->rate.limits[0].n /
                                     (double)campaign->rate.limits[0].period_us) +
                                1);
        sum += (gint64)((double)whole * (double)due / (double)campaign->messages);
    }
    return sum;
}

/* A tenth of what a bucket takes to fill, so that none is lost at its end; a minute at most. */
static gint64
step_us (const SimProvider *provider)
{
    gint64 step = SIM_MINUTE_US;

    for (guint i = 0; i < provider->limits.n; i++) {
        const SimLimit *limit = &provider->limits.limits[i];

        step = MIN (step, MAX (limit->burst - 1, 1) * limit->period_us / limit->n / 10);
    }
    return MAX (step, SIM_SECOND_US / 100);
}

static gint64
walk (const SimScenario *scenario, const SimProvider *provider, Way *ways, guint n_ways)
{
    const gint64 step = step_us (provider);
    const double again = 1.0 / (1.0 - MIN ((double)provider->defer_ppm / 1e6, 0.9));
    gint64 sent = 0;

    for (gint64 at_us = 0; at_us <= scenario->limit_us; at_us += step) {
        const gint64 day =
            (scenario->start_us + at_us) / SIM_DAY_US - scenario->start_us / SIM_DAY_US;
        const gint64 most = (gint64)((double)arrived (scenario, provider, at_us) * again);

        if (at_us >= provider->stall_from_us && at_us < provider->stall_until_us)
            continue;
        for (guint i = 0; i < n_ways; i++) {
            begin_day (&ways[i], day);
            while (sent < most && goes (&ways[i], at_us))
                sent++;
        }
        if ((double)sent >= (double)provider->total * again - 0.5)
            return at_us;
    }
    return SIM_NEVER;
}

gint64
sim_ideal_us (const SimScenario *scenario, const SimProvider *provider)
{
    const guint n_ways = scenario->sources->len;
    Way *ways = g_new0 (Way, n_ways);
    gint64 ideal_us;

    if (provider->total == 0)
        return 0;
    for (guint i = 0; i < n_ways; i++) {
        ways[i].provider = provider;
        ways[i].source = g_ptr_array_index (scenario->sources, i);
        ways[i].stage = ways[i].source->age;
        for (guint j = 0; j < provider->limits.n; j++)
            sim_meter_init (&ways[i].meters[j], &provider->limits.limits[j]);
    }
    ideal_us = walk (scenario, provider, ways, n_ways);
    for (guint i = 0; i < n_ways; i++)
        for (guint j = 0; j < provider->limits.n; j++)
            g_free (ways[i].meters[j].times);
    g_free (ways);
    return ideal_us;
}
