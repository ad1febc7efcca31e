/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What replies do to a lane: its rate goes down by a step, it rests, it gets fewer connections, a tenant's or a
 * campaign's mail is held; and what successes and time without a bad sign give back. A burst of replies is one step.
 * Each change is an event "throttle" that says from what to what and why. Loop thread.
 */
#include "throttle.h"

#include <relais/event.h>
#include <relais/log.h>

#include <glib/gi18n-lib.h>
#include <string.h>

enum {
    PERCENT_PARTS = THROTTLE_PARTS / 100,
    CORE_CONNECTIONS = 10,     /* where the core decides */
    BASE_MOST = 1000 * 60 * 60 /* an hour: above that no limit is looked for */
};

char *
throttle_cut (const char *text)
{
    g_autofree char *valid = text != NULL ? g_utf8_make_valid (text, -1) : g_strdup ("");
    const char *end = valid;

    while (*end != '\0' && g_utf8_next_char (end) - valid <= THROTTLE_REASON_BYTES)
        end = g_utf8_next_char (end);
    return g_strndup (valid, (gsize)(end - valid));
}

/* --- Events ----------------------------------------------------------------------------------- */

/* What has changed. Strings may be NULL. */
typedef struct {
    const char *action, *rule, *reason, *from, *to, *tenant, *campaign;
    gint64 until_us; /* 0: none */
} Change;

static char *
time_to_string (gint64 wall_us)
{
    g_autoptr (GDateTime) at = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);

    return at != NULL ? g_date_time_format (at, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

static void
tell (const ThrottleLane *lane, const Change *change)
{
    RelaisModule *module = lane->module->module;
    const gint64 wall_us = relais_module_wall_us (module);
    RelaisEvent *event = relais_event_new (module, "throttle", wall_us, NULL, -1);
    g_autofree char *reason = change->reason != NULL ? throttle_cut (change->reason) : NULL;
    g_autofree char *until =
        change->until_us != 0
            ? time_to_string (wall_us + change->until_us - relais_module_now_us (module))
            : NULL;

    relais_event_add (event, "action", change->action);
    relais_event_add (event, "source", lane->source);
    relais_event_add (event, "site", lane->site);
    relais_event_add (event, "provider", lane->provider);
    relais_event_add (event, "tenant", change->tenant);
    relais_event_add (event, "campaign", change->campaign);
    relais_event_add (event, "rule", change->rule);
    relais_event_add (event, "reason", reason);
    relais_event_add (event, "from", change->from);
    relais_event_add (event, "to", change->to);
    relais_event_add (event, "until", until);
    relais_event_emit (event);
    relais_counter_add (lane->module->actions, change->action, 1);
    relais_log (module, RELAIS_LOG_NOTICE, "%s: %s from source %s: %s -> %s (%s: %s)",
                change->action, lane->site, lane->source, change->from != NULL ? change->from : "-",
                change->to != NULL ? change->to : "-", change->rule != NULL ? change->rule : "-",
                reason != NULL ? reason : "-");
}

/* --- Down ------------------------------------------------------------------------------------- */

/* Below this the rate does not go. */
static guint32
least_parts (const ThrottleLane *lane, const ThrottleRates *rates)
{
    const ThrottleRates *least = &lane->settings->values[THROTTLE_MIN_RATE].rates;
    const ThrottleRate *slowest = &rates->rates[0];

    for (guint i = 1; i < rates->n; i++)
        if (throttle_rate_is_below (&rates->rates[i], slowest))
            slowest = &rates->rates[i];
    return least->n > 0
               ? MAX (throttle_rate_divide (&least->rates[0], slowest), THROTTLE_PARTS_LEAST)
               : THROTTLE_PARTS_LEAST;
}

/* Where no rate is configured, what went in the last minutes is the rate that was too much. */
static gint64
measured_an_hour (ThrottleLane *lane, gint64 now_us)
{
    const gint64 span_us = CLAMP (now_us - lane->made_us, THROTTLE_MINUTE_US, THROTTLE_MEASURED_US);
    const ThrottleRates *least = &lane->settings->values[THROTTLE_MIN_RATE].rates;
    guint64 total, bad;
    gint64 floor = 1;

    throttle_window_sum (&lane->sent, now_us, &total, &bad);
    if (least->n > 0)
        floor = MAX (least->rates[0].n * THROTTLE_HOUR_US / least->rates[0].period_us, 1);
    return CLAMP ((gint64)MIN (total, THROTTLE_RATE_MOST / 60) * THROTTLE_HOUR_US / span_us, floor,
                  THROTTLE_RATE_MOST);
}

static void
remember (ThrottleLearned *learned, const ThrottleAction *action, const ThrottleReason *reason)
{
    g_free (learned->rule);
    g_free (learned->why);
    learned->rule = g_strdup (action->rule);
    learned->why = throttle_cut (reason->text);
}

/* The rate, by a step. */
static void
lower (ThrottleLane *lane)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 now_us = relais_module_now_us (lane->module->module);
    ThrottleRates rates = throttle_lane_get_rates (lane);
    guint64 parts;

    if (rates.n == 0) {
        learned->base = measured_an_hour (lane, now_us);
        rates = throttle_lane_get_rates (lane);
    }
    parts = (guint64)learned->parts * (guint64)throttle_lane_number (lane, THROTTLE_STEP) / 100;
    parts = MAX (parts, least_parts (lane, &rates));
    learned->parts = (guint32)MIN (parts, learned->parts);
    throttle_lane_apply (lane);
}

/* Whether a step may be made; the next may not before a while. */
static bool
take_step (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 now_us = relais_module_now_us (lane->module->module);

    /* Good is what comes after, and after the rule's own time. */
    learned->raise_from_us = MAX (learned->raise_from_us, now_us);
    learned->streak = 0;
    if (now_us < learned->next_step_us)
        return false;
    learned->next_step_us = now_us + throttle_lane_number (lane, THROTTLE_STEP_INTERVAL);
    learned->raise_from_us = MAX (learned->raise_from_us, now_us + action->duration_us);
    remember (learned, action, reason);
    return true;
}

static void
slow (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    const guint32 before = lane->learned.parts;
    g_autofree char *from = throttle_lane_rate_to_string (lane);
    g_autofree char *to = NULL;

    if (!take_step (lane, action, reason))
        return;
    lower (lane);
    if (lane->learned.parts == before && !g_str_equal (from, "unlimited"))
        return; /* it is as low as it may be */
    to = throttle_lane_rate_to_string (lane);
    tell (lane, &(Change){.action = "slow",
                          .rule = action->rule,
                          .reason = reason->text,
                          .from = from,
                          .to = to});
}

/* Rests, and goes on slowly and with nothing saved up. */
static void
rest (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 now_us = relais_module_now_us (lane->module->module);
    const bool resting = learned->pause_us > now_us;
    g_autofree char *from = throttle_lane_rate_to_string (lane);
    g_autofree char *to = NULL;

    /* What was on its way when it went to rest comes back with the same: it is one burst. */
    if (!take_step (lane, action, reason) && resting)
        return;
    if (!resting)
        lower (lane);
    remember (learned, action, reason);
    learned->pause_us = MAX (learned->pause_us, now_us + action->duration_us);
    learned->raise_from_us = learned->pause_us;
    throttle_meter_drain (&lane->messages, learned->pause_us);
    throttle_meter_drain (&lane->connects, learned->pause_us);
    to = throttle_lane_rate_to_string (lane);
    tell (lane, &(Change){.action = "pause",
                          .rule = action->rule,
                          .reason = reason->text,
                          .from = from,
                          .to = to,
                          .until_us = learned->pause_us});
    throttle_learn_bad_day (lane, action->rule, reason->text);
}

static void
fewer_connections (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    guint32 now = throttle_lane_get_connections (lane);
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;

    if (now == 0)
        now = CORE_CONNECTIONS;
    if (!take_step (lane, action, reason) || now == 1)
        return;
    lane->learned.connections = now / 2;
    from = g_strdup_printf ("%u", now);
    to = g_strdup_printf ("%u", now / 2);
    tell (lane, &(Change){.action = "connections",
                          .rule = action->rule,
                          .reason = reason->text,
                          .from = from,
                          .to = to});
}

/* --- Tenants and campaigns ------------------------------------------------------------------------ */

void
throttle_stop_free (gpointer data)
{
    ThrottleStop *stop = data;

    g_free (stop->key);
    g_free (stop->site);
    g_free (stop->tenant);
    g_free (stop->campaign);
    g_free (stop->rule);
    g_free (stop->why);
    g_free (stop);
}

static char *
stop_key (const char *site, const char *tenant, const char *campaign)
{
    return g_strdup_printf ("%s\n%s%s%s", site, tenant != NULL ? tenant : "",
                            campaign != NULL ? "\n" : "", campaign != NULL ? campaign : "");
}

ThrottleStop *
throttle_stop_add (ThrottleModule *module, const char *site, const char *tenant,
                   const char *campaign, gint64 until_us)
{
    g_autofree char *key = stop_key (site, tenant, campaign);
    ThrottleStop *stop = g_hash_table_lookup (module->stops, key);

    if (stop == NULL) {
        if (g_hash_table_size (module->stops) >= THROTTLE_STOPS)
            return NULL;
        stop = g_new0 (ThrottleStop, 1);
        stop->key = g_steal_pointer (&key);
        stop->site = g_strdup (site);
        stop->tenant = g_strdup (tenant);
        stop->campaign = g_strdup (campaign);
        g_hash_table_insert (module->stops, stop->key, stop);
    }
    stop->until_us = MAX (stop->until_us, until_us);
    return stop;
}

const ThrottleStop *
throttle_stop_find (ThrottleModule *module, const char *site, const char *tenant,
                    const char *campaign)
{
    g_autofree char *key = NULL;
    const ThrottleStop *stop;

    if (g_hash_table_size (module->stops) == 0)
        return NULL;
    key = stop_key (site, tenant, campaign);
    stop = g_hash_table_lookup (module->stops, key);
    return stop != NULL && stop->until_us > relais_module_now_us (module->module) ? stop : NULL;
}

void
throttle_stops_sweep (ThrottleModule *module)
{
    const gint64 now_us = relais_module_now_us (module->module);
    GHashTableIter iter;
    gpointer stop;

    g_hash_table_iter_init (&iter, module->stops);
    while (g_hash_table_iter_next (&iter, NULL, &stop))
        if (((ThrottleStop *)stop)->until_us <= now_us)
            g_hash_table_iter_remove (&iter);
}

static void
stop_sender (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    ThrottleModule *module = lane->module;
    const bool whole = action->kind == THROTTLE_ACTION_STOP_TENANT;
    const char *campaign = whole ? NULL : reason->campaign;
    const gint64 until_us = relais_module_now_us (module->module) + action->duration_us;
    ThrottleStop *stop;

    if ((!whole && campaign == NULL) ||
        throttle_stop_find (module, lane->site, reason->tenant, campaign) != NULL)
        return;
    stop = throttle_stop_add (module, lane->site, reason->tenant, campaign, until_us);
    if (stop == NULL)
        return;
    g_free (stop->rule);
    g_free (stop->why);
    stop->rule = g_strdup (action->rule);
    stop->why = throttle_cut (reason->text);
    throttle_state_keep_stop (module, stop);
    tell (lane, &(Change){.action = whole ? "stop-tenant" : "stop-campaign",
                          .rule = action->rule,
                          .reason = reason->text,
                          .tenant = reason->tenant,
                          .campaign = campaign,
                          .until_us = until_us});
}

void
throttle_learn_act (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason)
{
    switch (action->kind) {
    case THROTTLE_ACTION_SLOW: slow (lane, action, reason); break;
    case THROTTLE_ACTION_PAUSE: rest (lane, action, reason); break;
    case THROTTLE_ACTION_CONNECTIONS: fewer_connections (lane, action, reason); break;
    case THROTTLE_ACTION_STOP_TENANT:
    case THROTTLE_ACTION_STOP_CAMPAIGN: stop_sender (lane, action, reason); return;
    case THROTTLE_ACTION_NONE: return;
    }
    throttle_state_mark (lane);
}

/* --- Up --------------------------------------------------------------------------------------- */

static bool
is_lowered (const ThrottleLearned *learned)
{
    return learned->parts < THROTTLE_PARTS || learned->base > 0 || learned->connections > 0;
}

/* Where no rate is configured and the measured one was used without a bad sign: more, bit by bit, for that there is a
 * limit is known; none at all when nothing is to be expected of it any more. What is not used shows nothing. */
static void
raise_base (ThrottleLane *lane)
{
    ThrottleLearned *learned = &lane->learned;
    guint64 total, bad;

    throttle_window_sum (&lane->sent, relais_module_now_us (lane->module->module), &total, &bad);
    if (2 * total * (THROTTLE_HOUR_US / THROTTLE_MEASURED_US) < (guint64)learned->base)
        return;
    if (learned->base > BASE_MOST)
        learned->base = 0;
    else
        learned->base += (learned->base + 3) / 4;
}

/* One step: a part of the whole rate, but no more than a quarter of what goes now. A rate that was configured far too
 * high is approached that way, and not overshot from below each time. */
static void
raise_step (ThrottleLane *lane)
{
    ThrottleLearned *learned = &lane->learned;
    const guint32 step = (guint32)throttle_lane_number (lane, THROTTLE_RAISE) * PERCENT_PARTS;
    const gint64 configured = throttle_lane_number (lane, THROTTLE_CONNECTIONS);

    if (learned->parts == THROTTLE_PARTS && learned->base > 0)
        raise_base (lane);
    learned->parts = MIN (learned->parts + MIN (step, MAX (learned->parts / 4, 1)), THROTTLE_PARTS);
    if (learned->connections > 0 &&
        ++learned->connections >= (configured > 0 ? configured : CORE_CONNECTIONS))
        learned->connections = 0;
}

static void
raise_by (ThrottleLane *lane, guint64 steps, const char *why)
{
    const guint32 parts = lane->learned.parts, connections = throttle_lane_get_connections (lane);
    const gint64 base = lane->learned.base;
    g_autofree char *from = throttle_lane_rate_to_string (lane);
    g_autofree char *to = NULL;
    g_autofree char *few = g_strdup_printf ("%u", connections);
    g_autofree char *more = NULL;

    for (guint64 i = 0; i < steps && is_lowered (&lane->learned); i++)
        raise_step (lane);
    throttle_lane_apply (lane);
    throttle_state_mark (lane);
    to = throttle_lane_rate_to_string (lane);
    more = g_strdup_printf ("%u", throttle_lane_get_connections (lane));
    if (parts != lane->learned.parts || base != lane->learned.base)
        tell (lane, &(Change){.action = "raise", .reason = why, .from = from, .to = to});
    if (connections != throttle_lane_get_connections (lane))
        tell (lane,
              &(Change){.action = "raise-connections", .reason = why, .from = few, .to = more});
}

void
throttle_learn_success (ThrottleLane *lane)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 now_us = relais_module_now_us (lane->module->module);

    if (!is_lowered (learned) || now_us < learned->raise_from_us)
        return;
    learned->streak++;
    if (learned->streak < throttle_lane_number (lane, THROTTLE_RAISE_SUCCESSES) ||
        now_us < learned->next_step_us)
        return;
    learned->streak = 0;
    learned->next_step_us = now_us + throttle_lane_number (lane, THROTTLE_STEP_INTERVAL);
    learned->raise_from_us = now_us;
    raise_by (lane, 1, "successes in a row");
}

void
throttle_learn_catch_up (ThrottleLane *lane)
{
    ThrottleLearned *learned = &lane->learned;
    const gint64 now_us = relais_module_now_us (lane->module->module);
    const gint64 after_us = throttle_lane_number (lane, THROTTLE_RAISE_AFTER);
    gint64 steps;

    if (learned->pause_us != 0 && learned->pause_us <= now_us) {
        g_autofree char *to = throttle_lane_rate_to_string (lane);

        learned->pause_us = 0;
        throttle_state_mark (lane);
        tell (lane, &(Change){.action = "resume", .rule = learned->rule, .to = to});
    }
    if (!is_lowered (learned) || now_us - learned->raise_from_us < after_us)
        return;
    /* A day after the last step what was measured means nothing any more. */
    if (learned->next_step_us != 0 && now_us - learned->next_step_us >= THROTTLE_DAY_US)
        learned->base = 0;
    steps = (now_us - learned->raise_from_us) / after_us;
    learned->raise_from_us += steps * after_us;
    raise_by (lane, (guint64)steps, "no bad sign");
}

/* --- Warm-up, and forgetting ------------------------------------------------------------------------ */

void
throttle_learn_bad_day (ThrottleLane *lane, const char *rule, const char *why)
{
    const ThrottlePlan *plan = throttle_ask_plan (lane);
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    gint64 next;

    if (plan == NULL || lane->warmup.bad ||
        throttle_warmup_phase (&lane->warmup, plan) != THROTTLE_WARMUP_ON)
        return;
    from = g_strdup_printf ("%" G_GINT64_FORMAT, throttle_warmup_cap (&lane->warmup, plan));
    lane->warmup.bad = true;
    next = throttle_warmup_next_cap (&lane->warmup, plan);
    to = g_strdup_printf ("%" G_GINT64_FORMAT, next);
    throttle_state_mark (lane);
    tell (lane,
          &(Change){.action = "warmup-held", .rule = rule, .reason = why, .from = from, .to = to});
}

void
throttle_learned_clear (ThrottleLearned *learned)
{
    g_free (learned->rule);
    g_free (learned->why);
    *learned = (ThrottleLearned){.parts = THROTTLE_PARTS};
}

void
throttle_learn_reset (ThrottleLane *lane)
{
    g_autofree char *from = throttle_lane_rate_to_string (lane);
    g_autofree char *to = NULL;

    throttle_learned_clear (&lane->learned);
    throttle_window_clear (&lane->results);
    g_hash_table_remove_all (lane->hits);
    throttle_lane_apply (lane);
    throttle_state_mark (lane);
    to = throttle_lane_rate_to_string (lane);
    tell (lane, &(Change){.action = "reset", .from = from, .to = to});
    relais_lanes_wake (lane->module->module, lane->source, lane->site);
}
