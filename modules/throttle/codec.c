/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lanes and stops as they stand in the store: a table of names and values, so that a later release may add some. What
 * comes from there is looked at as if it came from anywhere. Times are wall-clock microseconds in it. Loop thread.
 */
#include "throttle.h"

#include <string.h>

/* Nothing that was learned keeps for longer. */
#define LONGEST_US (8 * THROTTLE_DAY_US)
/* What was counted in a day is never more. */
#define COUNT_MOST (G_GINT64_CONSTANT (1) << 40)

/* --- Times ------------------------------------------------------------------------------------ */

/* A moment of the monotonic clock as wall-clock time, and back; 0 stays 0. */
static gint64
to_wall (gint64 at_us, gint64 now_us, gint64 wall_us)
{
    return at_us != 0 ? wall_us + (at_us - now_us) : 0;
}

/* Told by the wall clock of the record, which may have been wrong, and what has passed since. */
static gint64
from_wall (gint64 at_us, gint64 then_us, gint64 now_us, gint64 passed_us)
{
    if (at_us == 0)
        return 0;
    return now_us + CLAMP (at_us, then_us - LONGEST_US, then_us + LONGEST_US) - then_us - passed_us;
}

/* --- Packing ---------------------------------------------------------------------------------- */

static void
put_string (GVariantDict *dict, const char *key, const char *value)
{
    g_autofree char *valid = value != NULL ? g_utf8_make_valid (value, -1) : NULL;

    if (valid != NULL)
        g_variant_dict_insert (dict, key, "s", valid);
}

static void
put_meter (GVariantDict *dict, const char *key, const ThrottleMeter *meter)
{
    GVariantBuilder builder;

    if (meter->n == 0)
        return;
    g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(xxxxx)"));
    for (guint i = 0; i < meter->n; i++) {
        const ThrottleBucket *bucket = &meter->buckets[i];

        g_variant_builder_add (&builder, "(xxxxx)", bucket->rate.n, bucket->rate.period_us,
                               bucket->rate.burst, bucket->level, bucket->at_us);
    }
    g_variant_dict_insert_value (dict, key, g_variant_builder_end (&builder));
}

static void
put_warmup (GVariantDict *dict, const ThrottleLane *lane)
{
    const ThrottleWarmup *warmup = &lane->warmup;

    if (warmup->day == 0)
        return;
    g_variant_dict_insert (dict, "start", "x", warmup->start);
    g_variant_dict_insert (dict, "day", "x", warmup->day);
    g_variant_dict_insert (dict, "held", "x", warmup->held);
    g_variant_dict_insert (dict, "bad-run", "u", warmup->bad_run);
    g_variant_dict_insert (dict, "bad", "b", warmup->bad);
    g_variant_dict_insert (dict, "used", "x", warmup->used);
    g_variant_dict_insert (dict, "sure", "x", MAX (warmup->sure, lane->sure_asked));
    g_variant_dict_insert (dict, "results", "t", warmup->results);
    g_variant_dict_insert (dict, "deferrals", "t", warmup->deferrals);
}

GVariant *
throttle_codec_pack (const ThrottleLane *lane, gint64 now_us, gint64 wall_us)
{
    const ThrottleLearned *learned = &lane->learned;
    GVariantDict dict;

    g_variant_dict_init (&dict, NULL);
    put_string (&dict, "source", lane->source);
    put_string (&dict, "site", lane->site);
    put_string (&dict, "provider", lane->provider);
    /* What both clocks were: a bucket's time is told by them. */
    g_variant_dict_insert (&dict, "wall", "x", wall_us);
    g_variant_dict_insert (&dict, "now", "x", now_us);
    g_variant_dict_insert (&dict, "parts", "u", learned->parts);
    g_variant_dict_insert (&dict, "base", "x", learned->base);
    g_variant_dict_insert (&dict, "connections", "u", learned->connections);
    g_variant_dict_insert (&dict, "pause", "x", to_wall (learned->pause_us, now_us, wall_us));
    g_variant_dict_insert (&dict, "step", "x", to_wall (learned->next_step_us, now_us, wall_us));
    g_variant_dict_insert (&dict, "raise", "x", to_wall (learned->raise_from_us, now_us, wall_us));
    put_string (&dict, "rule", learned->rule);
    put_string (&dict, "why", learned->why);
    put_warmup (&dict, lane);
    put_meter (&dict, "messages", &lane->messages);
    put_meter (&dict, "connects", &lane->connects);
    put_meter (&dict, "spread", &lane->spread);
    return g_variant_dict_end (&dict);
}

GVariant *
throttle_codec_pack_stop (const ThrottleModule *module, const ThrottleStop *stop)
{
    const gint64 wall_us = relais_module_wall_us (module->module);
    GVariantDict dict;

    g_variant_dict_init (&dict, NULL);
    put_string (&dict, "stop-site", stop->site);
    put_string (&dict, "tenant", stop->tenant);
    put_string (&dict, "campaign", stop->campaign);
    put_string (&dict, "rule", stop->rule);
    put_string (&dict, "why", stop->why);
    g_variant_dict_insert (&dict, "wall", "x", wall_us); /* what "until" is told by */
    g_variant_dict_insert (
        &dict, "until", "x",
        to_wall (stop->until_us, relais_module_now_us (module->module), wall_us));
    return g_variant_dict_end (&dict);
}

/* --- Unpacking -------------------------------------------------------------------------------- */

static gint64
get_number (GVariantDict *dict, const char *key)
{
    gint64 number = 0;

    (void)g_variant_dict_lookup (dict, key, "x", &number);
    return number;
}

static gint64
get_bounded (GVariantDict *dict, const char *key, gint64 most)
{
    return CLAMP (get_number (dict, key), 0, most);
}

static guint64
get_count (GVariantDict *dict, const char *key)
{
    guint64 count = 0;

    (void)g_variant_dict_lookup (dict, key, "t", &count);
    return MIN (count, (guint64)COUNT_MOST);
}

/* Owned; NULL where there is none. */
static char *
get_string (GVariantDict *dict, const char *key)
{
    char *text = NULL;

    (void)g_variant_dict_lookup (dict, key, "s", &text);
    return text;
}

static bool
is_rate (const ThrottleRate *rate)
{
    return rate->n > 0 && rate->n <= THROTTLE_RATE_MOST && rate->burst > 0 &&
           rate->burst <= THROTTLE_RATE_MOST && rate->period_us > 0 &&
           rate->period_us <= THROTTLE_DAY_US * (THROTTLE_PARTS / THROTTLE_PARTS_LEAST) &&
           rate->burst <= G_MAXINT64 / rate->period_us;
}

/* The buckets of the record that are some, as they were. Returns how many. */
static guint
get_buckets (GVariantDict *dict, const char *key, ThrottleBucket buckets[THROTTLE_RATES],
             gint64 now_us, gint64 passed_us)
{
    const gint64 longest_us = G_MAXINT64 / 4;
    g_autoptr (GVariant) saved =
        g_variant_dict_lookup_value (dict, key, G_VARIANT_TYPE ("a(xxxxx)"));
    const gint64 then_us = CLAMP (get_number (dict, "now"), -longest_us, longest_us);
    const gsize n_saved = saved != NULL ? g_variant_n_children (saved) : 0;
    guint n = 0;

    for (gsize i = 0; i < n_saved && n < THROTTLE_RATES; i++) {
        ThrottleBucket *bucket = &buckets[n];
        gint64 at_us, most;

        *bucket = (ThrottleBucket){0};
        g_variant_get_child (saved, i, "(xxxxx)", &bucket->rate.n, &bucket->rate.period_us,
                             &bucket->rate.burst, &bucket->level, &at_us);
        if (!is_rate (&bucket->rate))
            continue;
        most = bucket->rate.burst * bucket->rate.period_us;
        bucket->level = CLAMP (bucket->level, -most, most);
        bucket->at_us = now_us - passed_us +
                        CLAMP (at_us, then_us - LONGEST_US, then_us + LONGEST_US) - then_us;
        n++;
    }
    return n;
}

/* Levels of the meter's buckets as they were, and what came in since; those that do not fit are left alone. The
 * meter keeps as many parts of what is configured as the record does: it was just read. */
static void
get_meter (GVariantDict *dict, const char *key, ThrottleMeter *meter, gint64 now_us,
           gint64 passed_us)
{
    ThrottleBucket saved[THROTTLE_RATES];
    const guint n = get_buckets (dict, key, saved, now_us, passed_us);

    throttle_meter_restore (meter, saved, n, now_us);
}

/* A day that has not come yet, of a clock that was wrong, is today's: else none would follow it. */
static void
get_warmup (GVariantDict *dict, ThrottleLane *lane, gint64 wall_us, bool clean)
{
    const gint64 today = throttle_day_of (wall_us);
    ThrottleWarmup *warmup = &lane->warmup;

    *warmup = (ThrottleWarmup){.start = get_bounded (dict, "start", today + THROTTLE_PLAN_DAYS),
                               .day = get_bounded (dict, "day", today),
                               .held = get_bounded (dict, "held", THROTTLE_PLAN_DAYS),
                               .used = get_bounded (dict, "used", COUNT_MOST),
                               .sure = get_bounded (dict, "sure", COUNT_MOST),
                               .results = get_count (dict, "results"),
                               .deferrals = get_count (dict, "deferrals")};
    (void)g_variant_dict_lookup (dict, "bad-run", "u", &warmup->bad_run);
    {
        gboolean bad = FALSE;

        (void)g_variant_dict_lookup (dict, "bad", "b", &bad);
        warmup->bad = bad;
    }
    /* All that was noted in advance may have gone. */
    if (!clean)
        warmup->used = MAX (warmup->used, warmup->sure);
}

static void
get_learned (GVariantDict *dict, ThrottleLane *lane, gint64 now_us, gint64 passed_us)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 then_us = get_bounded (dict, "wall", G_MAXINT64 / 4);
    guint32 parts = THROTTLE_PARTS, connections = 0;

    (void)g_variant_dict_lookup (dict, "parts", "u", &parts);
    (void)g_variant_dict_lookup (dict, "connections", "u", &connections);
    throttle_learned_clear (learned);
    learned->parts = CLAMP (parts, THROTTLE_PARTS_LEAST, THROTTLE_PARTS);
    learned->connections = MIN (connections, G_MAXUINT16);
    learned->base = CLAMP (get_number (dict, "base"), 0, THROTTLE_RATE_MOST);
    learned->pause_us = from_wall (get_number (dict, "pause"), then_us, now_us, passed_us);
    learned->next_step_us = from_wall (get_number (dict, "step"), then_us, now_us, passed_us);
    learned->raise_from_us = from_wall (get_number (dict, "raise"), then_us, now_us, passed_us);
    learned->rule = get_string (dict, "rule");
    learned->why = get_string (dict, "why");
}

/* The day's limit, as it would be made when the lane is asked about. */
static void
get_spread (GVariantDict *dict, ThrottleLane *lane, gint64 now_us, gint64 passed_us)
{
    const ThrottlePlan *plan = lane->plan != NULL ? lane->plan->plan : NULL;
    ThrottleRates rates;

    if (plan == NULL || !plan->spread ||
        throttle_warmup_phase (&lane->warmup, plan) != THROTTLE_WARMUP_ON)
        return;
    lane->spread_cap = throttle_warmup_cap (&lane->warmup, plan);
    rates = (ThrottleRates){1, {throttle_warmup_spread (lane->spread_cap)}};
    throttle_meter_set (&lane->spread, &rates, THROTTLE_PARTS, now_us, lane->module->empty_us);
    get_meter (dict, "spread", &lane->spread, now_us, passed_us);
}

bool
throttle_codec_unpack (ThrottleModule *module, GVariant *record, bool clean)
{
    const gint64 now_us = relais_module_now_us (module->module);
    const gint64 wall_us = relais_module_wall_us (module->module);
    g_autoptr (GVariantDict) dict = g_variant_dict_new (record);
    g_autofree char *source = get_string (dict, "source");
    g_autofree char *site = get_string (dict, "site");
    g_autofree char *provider = get_string (dict, "provider");
    const gint64 then_us = CLAMP (get_number (dict, "wall"), wall_us - LONGEST_US, wall_us);
    const gint64 passed_us = wall_us - then_us;
    ThrottleLane *lane;

    if (source == NULL || site == NULL)
        return false;
    lane = throttle_lane_get (module, source, site, provider);
    lane->known = true;
    get_learned (dict, lane, now_us, passed_us);
    if (lane->plan != NULL)
        get_warmup (dict, lane, wall_us, clean);
    if (lane->settings->values[THROTTLE_RATE].rates.n > 0)
        lane->learned.base = 0;
    throttle_lane_apply (lane);
    if (clean) {
        get_meter (dict, "messages", &lane->messages, now_us, passed_us);
        get_meter (dict, "connects", &lane->connects, now_us, passed_us);
        get_spread (dict, lane, now_us, passed_us);
    }
    if (lane->learned.pause_us > now_us) {
        throttle_meter_drain (&lane->messages, lane->learned.pause_us);
        throttle_meter_drain (&lane->connects, lane->learned.pause_us);
    }
    throttle_learn_catch_up (lane);
    return true;
}

bool
throttle_codec_unpack_stop (ThrottleModule *module, GVariant *record)
{
    const gint64 now_us = relais_module_now_us (module->module);
    const gint64 wall_us = relais_module_wall_us (module->module);
    g_autoptr (GVariantDict) dict = g_variant_dict_new (record);
    g_autofree char *site = get_string (dict, "stop-site");
    g_autofree char *tenant = get_string (dict, "tenant");
    g_autofree char *campaign = get_string (dict, "campaign");
    const gint64 written_us = get_bounded (dict, "wall", G_MAXINT64 / 4);
    /* Older records do not say when they were written: only that it was before now. */
    const gint64 then_us = written_us != 0 ? written_us : wall_us;
    const gint64 passed_us = wall_us - CLAMP (then_us, wall_us - LONGEST_US, wall_us);
    const gint64 until_us = from_wall (get_number (dict, "until"), then_us, now_us, passed_us);
    ThrottleStop *stop;

    if (site == NULL)
        return false;
    stop = throttle_stop_add (module, site, tenant, campaign, until_us);
    if (stop == NULL)
        return false;
    g_free (stop->rule);
    g_free (stop->why);
    stop->rule = get_string (dict, "rule");
    stop->why = get_string (dict, "why");
    return true;
}
