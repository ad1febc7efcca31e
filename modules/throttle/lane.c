/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of lanes: made when they are first asked about, kept up with the configuration, forgotten when they tell
 * nothing that a new one would not. How many there are is bounded: beyond, those used longest ago go, and buckets
 * that are made from then on begin empty, so that forgetting never lets more through. A warm-up's count goes to the
 * store, and is read there before the lane sends again. Loop thread.
 */
#include "throttle.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum {
    SWEEP_LANES = 1000, /* looked at in one go */
    EVICT_TRIES = 8     /* looked at for a place */
};

/* A lane that was not asked about for so long may be forgotten. */
#define IDLE_US (10 * THROTTLE_MINUTE_US)

/* --- Waits ------------------------------------------------------------------------------------ */

void
throttle_wait_clear (ThrottleWait *wait)
{
    g_clear_pointer (&wait->reason, g_free);
    *wait = (ThrottleWait){0};
}

void
throttle_wait_set (ThrottleWait *wait, gint64 until_us, const char *reason)
{
    throttle_wait_clear (wait);
    wait->until_us = until_us;
    wait->reason = g_strdup (reason);
}

/* --- Shares ----------------------------------------------------------------------------------- */

static void
share_free (gpointer data)
{
    ThrottleShare *share = data;

    throttle_wait_clear (&share->wait);
    g_free (share->tenant);
    g_free (share->campaign);
    g_free (share);
}

static bool
share_is_idle (ThrottleShare *share, gint64 now_us)
{
    return share->uses == 0 && throttle_meter_is_full (&share->meter, now_us);
}

/* Forgets those that are full. */
static void
sweep_shares (ThrottleLane *lane, gint64 now_us)
{
    GHashTableIter iter;
    gpointer share;

    g_hash_table_iter_init (&iter, lane->shares);
    while (g_hash_table_iter_next (&iter, NULL, &share))
        if (share_is_idle (share, now_us))
            g_hash_table_iter_remove (&iter);
}

/* Room for one more: full ones go, or else any that nothing is on its way for. */
static void
make_room (ThrottleLane *lane, gint64 now_us)
{
    GHashTableIter iter;
    gpointer share;

    sweep_shares (lane, now_us);
    if (g_hash_table_size (lane->shares) < THROTTLE_SHARES)
        return;
    g_hash_table_iter_init (&iter, lane->shares);
    while (g_hash_table_iter_next (&iter, NULL, &share))
        if (((ThrottleShare *)share)->uses == 0) {
            g_hash_table_iter_remove (&iter);
            lane->module->empty_us = now_us;
            return;
        }
}

/* The rates of a tenant, or of one of its campaigns, in this lane. */
static const ThrottleRates *
share_rates (const ThrottleLane *lane, const char *tenant, bool campaign)
{
    const ThrottleTenant *own = throttle_config_find_tenant (lane->module->config, tenant);

    if (!campaign)
        return own != NULL ? &own->rate.rates : NULL;
    if (own != NULL && own->campaign_rate.origin != NULL)
        return &own->campaign_rate.rates;
    return &lane->settings->values[THROTTLE_CAMPAIGN_RATE].rates;
}

ThrottleShare *
throttle_share_get (ThrottleLane *lane, const char *tenant, const char *campaign)
{
    const ThrottleRates *rates = share_rates (lane, tenant, campaign != NULL);
    const gint64 now_us = relais_module_now_us (lane->module->module);
    g_autofree char *key = NULL;
    ThrottleShare *share;

    if (rates == NULL || rates->n == 0)
        return NULL;
    key = g_strdup_printf ("%s\n%s%s", tenant != NULL ? tenant : "", campaign != NULL ? "\n" : "",
                           campaign != NULL ? campaign : "");
    share = g_hash_table_lookup (lane->shares, key);
    if (share == NULL) {
        if (g_hash_table_size (lane->shares) >= THROTTLE_SHARES)
            make_room (lane, now_us);
        share = g_new0 (ThrottleShare, 1);
        share->lane = lane;
        share->tenant = g_strdup (tenant);
        share->campaign = g_strdup (campaign);
        g_hash_table_insert (lane->shares, g_steal_pointer (&key), share);
    }
    if (share->serial != lane->module->serial) {
        share->serial = lane->module->serial;
        throttle_meter_set (&share->meter, rates, THROTTLE_PARTS, now_us,
                            MAX (lane->module->empty_us, lane->module->shares_us));
    }
    return share;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void
lane_free (gpointer data)
{
    ThrottleLane *lane = data;

    g_queue_unlink (&lane->module->order, &lane->link);
    if (lane->dirty)
        g_queue_unlink (&lane->module->dirty, &lane->dirty_link);
    g_hash_table_unref (lane->shares);
    g_hash_table_unref (lane->hits);
    throttle_wait_clear (&lane->wait);
    throttle_wait_clear (&lane->connect_wait);
    throttle_learned_clear (&lane->learned);
    g_free (lane->counted);
    g_free (lane->accepted);
    g_free (lane->source);
    g_free (lane->site);
    g_free (lane->provider);
    g_free (lane->key);
    g_free (lane);
}

static ThrottleLane *
lane_new (ThrottleModule *module, const char *key, const char *source, const char *site)
{
    ThrottleLane *lane = g_new0 (ThrottleLane, 1);

    lane->module = module;
    lane->key = g_strdup (key);
    lane->source = g_strdup (source);
    lane->site = g_strdup (site);
    lane->made_us = relais_module_now_us (module->module);
    lane->shares = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, share_free);
    lane->hits = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, throttle_hits_free);
    lane->learned.parts = THROTTLE_PARTS;
    lane->link.data = lane->dirty_link.data = lane;
    g_hash_table_insert (module->lanes, lane->key, lane);
    g_queue_push_tail_link (&module->order, &lane->link);
    return lane;
}

void
throttle_lanes_init (ThrottleModule *module)
{
    module->empty_us = module->shares_us = G_MININT64;
    module->lanes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, lane_free);
    module->stops = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, throttle_stop_free);
    g_queue_init (&module->order);
    g_queue_init (&module->dirty);
    g_queue_init (&module->pending);
    g_queue_init (&module->calls);
}

void
throttle_lanes_clear (ThrottleModule *module)
{
    throttle_reply_clear (module);
    g_hash_table_unref (module->lanes);
    g_hash_table_unref (module->stops);
}

/* --- Forgetting ------------------------------------------------------------------------------- */

bool
throttle_learned_is_clear (const ThrottleLearned *learned)
{
    return learned->parts == THROTTLE_PARTS && learned->base == 0 && learned->connections == 0 &&
           learned->pause_us == 0;
}

static gboolean
are_over (gpointer key, gpointer hits, gpointer now_us)
{
    return throttle_hits_are_over (hits, *(const gint64 *)now_us);
}

/* Whether a new one would stand where it stands: the plan is over, or nothing is counted and no day lost. */
static bool
is_warm_anew (ThrottleLane *lane)
{
    const ThrottleWarmup *warmup = &lane->warmup;

    if (warmup->day == 0)
        return true;
    return warmup->out == 0 &&
           (throttle_ask_plan (lane) == NULL ||
            (warmup->used == 0 && warmup->held == 0 && warmup->bad_run == 0 && !warmup->bad));
}

/* Whether a new one would be the same. */
static bool
is_forgettable (ThrottleLane *lane, gint64 now_us)
{
    return lane->uses == 0 && lane->sure_asked == 0 && is_warm_anew (lane) && !lane->dirty &&
           throttle_learned_is_clear (&lane->learned) && g_hash_table_size (lane->shares) == 0 &&
           g_hash_table_size (lane->hits) == 0 &&
           throttle_meter_is_full (&lane->messages, now_us) &&
           throttle_meter_is_full (&lane->spread, now_us) &&
           throttle_meter_is_full (&lane->connects, now_us);
}

void
throttle_lanes_sweep (gpointer data)
{
    ThrottleModule *module = data;
    const gint64 now_us = relais_module_now_us (module->module);

    for (guint n = MIN (SWEEP_LANES, module->order.length); n > 0; n--) {
        GList *link = g_queue_pop_head_link (&module->order);
        ThrottleLane *lane = link->data;

        g_queue_push_tail_link (&module->order, link);
        throttle_lane_sync (lane);
        sweep_shares (lane, now_us);
        g_hash_table_foreach_remove (lane->hits, are_over, (gpointer)&now_us);
        if (now_us - lane->used_us >= IDLE_US && is_forgettable (lane, now_us))
            g_hash_table_remove (module->lanes, lane->key);
    }
    throttle_stops_sweep (module);
    relais_module_timer_set (module->sweep_timer, THROTTLE_MINUTE_US);
}

/* One of those used longest ago goes; one that has learned something only if there is no other. */
static void
evict (ThrottleModule *module)
{
    ThrottleLane *found = NULL;
    guint tries = 0;

    for (GList *link = module->order.head; link != NULL && tries < EVICT_TRIES;
         link = link->next, tries++) {
        ThrottleLane *lane = link->data;
        const bool plain = lane->warmup.day == 0 && throttle_learned_is_clear (&lane->learned);

        if (lane->uses > 0 || lane->sure_asked > 0)
            continue;
        if (found == NULL || plain)
            found = lane;
        if (plain)
            break;
    }
    if (found == NULL)
        return;
    throttle_lane_sync (found);
    throttle_state_put_away (found);
    module->empty_us = relais_module_now_us (module->module);
    g_hash_table_remove (module->lanes, found->key);
}

/* --- Asking ----------------------------------------------------------------------------------- */

gint64
throttle_lane_number (const ThrottleLane *lane, ThrottleKey key)
{
    return lane->settings->values[key].number;
}

ThrottleRates
throttle_lane_get_rates (const ThrottleLane *lane)
{
    const ThrottleRates *configured = &lane->settings->values[THROTTLE_RATE].rates;
    ThrottleRates learned = {1, {throttle_rate_new (lane->learned.base, THROTTLE_HOUR_US)}};

    return configured->n > 0 || lane->learned.base == 0 ? *configured : learned;
}

char *
throttle_lane_rate_to_string (const ThrottleLane *lane)
{
    const ThrottleRates rates = throttle_lane_get_rates (lane);

    return throttle_rates_to_string (&rates, lane->learned.parts);
}

char *
throttle_lane_name (const ThrottleLane *lane)
{
    return lane->provider != NULL ? g_strdup_printf (_ ("provider %s"), lane->provider)
                                  : g_strdup_printf (_ ("site %s"), lane->site);
}

guint32
throttle_lane_get_connections (const ThrottleLane *lane)
{
    const gint64 configured = throttle_lane_number (lane, THROTTLE_CONNECTIONS);

    if (lane->learned.connections == 0)
        return (guint32)configured;
    return configured > 0 ? MIN ((guint32)configured, lane->learned.connections)
                          : lane->learned.connections;
}

void
throttle_lane_apply (ThrottleLane *lane)
{
    const gint64 now_us = relais_module_now_us (lane->module->module);
    const ThrottleRates rates = throttle_lane_get_rates (lane);
    /* What was learned where nothing is configured was learned because it was too much. */
    const gint64 empty_us = lane->learned.base > 0 ? now_us : lane->module->empty_us;

    throttle_meter_set (&lane->messages, &rates, lane->learned.parts, now_us, empty_us);
    throttle_meter_set (&lane->connects, &lane->settings->values[THROTTLE_CONNECTION_RATE].rates,
                        THROTTLE_PARTS, now_us, lane->module->empty_us);
}

void
throttle_lane_sync (ThrottleLane *lane)
{
    ThrottleModule *module = lane->module;

    if (lane->serial != module->serial) {
        lane->serial = module->serial;
        lane->settings = throttle_config_resolve (module->config, lane->source, lane->provider);
        lane->plan = throttle_config_find_warmup (module->config, lane->source, lane->provider);
        if (lane->plan == NULL)
            lane->warmup = (ThrottleWarmup){0};
        if (lane->settings->values[THROTTLE_RATE].rates.n > 0)
            lane->learned.base = 0;
        throttle_lane_apply (lane);
    }
    throttle_learn_catch_up (lane);
}

ThrottleLane *
throttle_lane_get (ThrottleModule *module, const char *source, const char *site,
                   const char *provider)
{
    g_autofree char *key = g_strconcat (source, "\n", site, NULL);
    ThrottleLane *lane = g_hash_table_lookup (module->lanes, key);

    if (lane == NULL) {
        if (g_hash_table_size (module->lanes) >= throttle_config_get_lanes (module->config))
            evict (module);
        lane = lane_new (module, key, source, site);
    }
    lane->used_us = relais_module_now_us (module->module);
    g_queue_unlink (&module->order, &lane->link);
    g_queue_push_tail_link (&module->order, &lane->link);
    if (g_strcmp0 (lane->provider, provider) != 0) {
        g_free (lane->provider);
        lane->provider = g_strdup (provider);
        lane->serial = 0;
    }
    throttle_lane_sync (lane);
    return lane;
}

ThrottleLane *
throttle_lane_of_hook (ThrottleModule *module, const RelaisHook *hook)
{
    return throttle_lane_get (module, relais_hook_get_source (hook), relais_hook_get_site (hook),
                              relais_hook_get_provider (hook));
}
