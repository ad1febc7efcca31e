/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hooks lane and admit: whether something may go now, else until when it waits, and why in words. All limits
 * must allow before any token is taken; what was taken is held until the core says what came of it. A call costs the
 * same whatever waits. Loop thread.
 */
#include "throttle.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* Asked again then at the latest, where nobody knows until when: the end of what is out wakes the lane before. */
#define BLOCKED_US (30 * THROTTLE_SECOND_US)
/* The same while the store is read or written. */
#define STORE_US THROTTLE_SECOND_US

/* --- Holds ------------------------------------------------------------------------------------ */

/* What one CONTINUE has taken. */
typedef struct {
    ThrottleLane *lane;
    ThrottleShare *shares[2]; /* NULL: none */
    bool connection;
    gint64 n; /* on their way; 0 once they are settled */
} Hold;

static void
hold_take (Hold *hold, gint64 now_us, gint64 n)
{
    ThrottleLane *lane = hold->lane;

    if (hold->connection) {
        throttle_meter_take (&lane->connects, now_us, n);
    } else {
        throttle_meter_take (&lane->messages, now_us, n);
        throttle_meter_take (&lane->spread, now_us, n);
        throttle_warmup_take (&lane->warmup, n);
        for (guint i = 0; i < G_N_ELEMENTS (hold->shares); i++)
            if (hold->shares[i] != NULL)
                throttle_meter_take (&hold->shares[i]->meter, now_us, n);
    }
    hold->n += n;
}

/* Whether who waits may go earlier than it was told. */
static bool
wakes (ThrottleWait *wait, gint64 now_us, bool given_back)
{
    const bool wakes_up = wait->blocked || (given_back && wait->until_us > now_us);

    if (wakes_up)
        throttle_wait_clear (wait);
    return wakes_up;
}

/* Of `taken`, `used` went. */
static void
hold_settle (Hold *hold, gint64 taken, gint64 used)
{
    ThrottleLane *lane = hold->lane;
    RelaisModule *module = lane->module->module;
    const gint64 now_us = relais_module_now_us (module);
    bool wake;

    hold->n -= taken;
    if (hold->connection) {
        throttle_meter_settle (&lane->connects, now_us, taken, used);
        wake = wakes (&lane->connect_wait, now_us, used < taken);
    } else {
        throttle_meter_settle (&lane->messages, now_us, taken, used);
        throttle_meter_settle (&lane->spread, now_us, taken, used);
        throttle_warmup_settle (&lane->warmup, taken, used);
        wake = wakes (&lane->wait, now_us, used < taken);
        for (guint i = 0; i < G_N_ELEMENTS (hold->shares); i++)
            if (hold->shares[i] != NULL) {
                throttle_meter_settle (&hold->shares[i]->meter, now_us, taken, used);
                wake = wakes (&hold->shares[i]->wait, now_us, used < taken) || wake;
            }
    }
    if (used > 0)
        throttle_state_mark (lane);
    if (wake)
        relais_lanes_wake (module, lane->source, lane->site);
}

static void
hold_free (Hold *hold)
{
    hold->lane->uses--;
    for (guint i = 0; i < G_N_ELEMENTS (hold->shares); i++)
        if (hold->shares[i] != NULL)
            hold->shares[i]->uses--;
    g_free (hold);
}

static void
on_step (gpointer data, RelaisReservationStep step, guint32 n)
{
    Hold *hold = data;

    switch (step) {
    case RELAIS_RESERVATION_TAKEN:
        if (n < hold->n)
            hold_settle (hold, hold->n - n, 0);
        else
            hold_take (hold, relais_module_now_us (hold->lane->module->module), n - hold->n);
        return;
    case RELAIS_RESERVATION_USED:
        hold_settle (hold, hold->n, MIN (n, hold->n));
        if (hold->connection)
            return; /* ENDED is to come */
        break;
    case RELAIS_RESERVATION_RETURNED:
        if (hold->n > 0)
            hold_settle (hold, hold->n, 0);
        break;
    default: break;
    }
    hold_free (hold);
}

static void
hold_new (RelaisHook *hook, const Hold *as, gint64 n)
{
    Hold *hold = g_memdup2 (as, sizeof *as);

    if (!relais_hook_reserve (hook, on_step, hold)) {
        g_free (hold);
        return;
    }
    hold->lane->uses++;
    for (guint i = 0; i < G_N_ELEMENTS (hold->shares); i++)
        if (hold->shares[i] != NULL)
            hold->shares[i]->uses++;
    hold_take (hold, relais_module_now_us (hold->lane->module->module), n);
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* A question on its way through the limits. */
typedef struct {
    ThrottleModule *module;
    RelaisHook *hook;
    ThrottleLane *lane;
    gint64 now_us;
    gint64 most; /* recipients that all limits until now allow */
} Ask;

static const char *
scope_to_string (RelaisWaitScope scope)
{
    switch (scope) {
    case RELAIS_WAIT_LANE: return "lane";
    case RELAIS_WAIT_TENANT: return "tenant";
    default: return "campaign";
    }
}

/* Frees `reason`. False: it does not go. */
static bool
hold_back (const Ask *ask, gint64 until_us, RelaisWaitScope scope, ThrottleWait *wait, char *reason)
{
    const bool blocked = until_us == THROTTLE_NEVER;
    g_autofree char *words = reason;

    if (blocked)
        until_us = ask->now_us + BLOCKED_US;
    relais_hook_wait (ask->hook, until_us, scope, words);
    throttle_wait_set (wait, until_us, words);
    wait->blocked = blocked;
    relais_counter_add (ask->module->waits, scope_to_string (scope), 1);
    return false;
}

static void
set_limits (const Ask *ask)
{
    const RelaisLaneLimits limits = {
        .struct_size = sizeof limits,
        .connections = throttle_lane_get_connections (ask->lane),
        .messages_per_connection =
            (guint32)throttle_lane_number (ask->lane, THROTTLE_MESSAGES_PER_CONNECTION),
        .recipients = (guint32)throttle_lane_number (ask->lane, THROTTLE_RECIPIENTS),
    };

    relais_hook_set_lane_limits (ask->hook, &limits);
}

/* --- What is asked of a lane -------------------------------------------------------------------- */

static bool
is_loaded (const Ask *ask)
{
    return (ask->module->loaded && throttle_state_recall (ask->lane)) ||
           hold_back (ask, ask->now_us + STORE_US, RELAIS_WAIT_LANE, &ask->lane->wait,
                      g_strdup (_ ("what was learned is being read from the store")));
}

static bool
is_awake (const Ask *ask)
{
    const ThrottleLearned *learned = &ask->lane->learned;
    g_autofree char *name = NULL;

    if (learned->pause_us <= ask->now_us)
        return true;
    name = throttle_lane_name (ask->lane);
    return hold_back (ask, learned->pause_us, RELAIS_WAIT_LANE, &ask->lane->wait,
                      g_strdup_printf (_ ("%s rests from source %s (%s): %s"), name,
                                       ask->lane->source,
                                       learned->rule != NULL ? learned->rule : "-",
                                       learned->why != NULL ? learned->why : "-"));
}

static bool
is_not_stopped (const Ask *ask, const char *tenant, const char *campaign)
{
    const ThrottleStop *stop = throttle_stop_find (ask->module, ask->lane->site, tenant, campaign);
    ThrottleWait ignored = {0};
    char *words;
    bool goes;

    if (stop == NULL)
        return true;
    words = campaign != NULL ? g_strdup_printf (_ ("the campaign's mail to %s is held (%s): %s"),
                                                ask->lane->site, stop->rule, stop->why)
                             : g_strdup_printf (_ ("the tenant's mail to %s is held (%s): %s"),
                                                ask->lane->site, stop->rule, stop->why);
    goes =
        hold_back (ask, stop->until_us,
                   campaign != NULL ? RELAIS_WAIT_CAMPAIGN : RELAIS_WAIT_TENANT, &ignored, words);
    throttle_wait_clear (&ignored);
    return goes;
}

/* Whose limit is in the way. */
typedef enum { OF_LANE, OF_CONNECTIONS, OF_TENANT, OF_CAMPAIGN } Whose;

/* In words: "rate of provider google from source s1: 20/m". */
static char *
rate_words (const ThrottleLane *lane, const ThrottleBucket *bucket, Whose whose)
{
    g_autofree char *name = throttle_lane_name (lane);
    g_autofree char *rate = throttle_rate_to_string (&bucket->rate);

    switch (whose) {
    case OF_CONNECTIONS:
        return g_strdup_printf (_ ("connection rate of %s from source %s: %s"), name, lane->source,
                                rate);
    case OF_TENANT:
        return g_strdup_printf (_ ("rate of the tenant to %s from source %s: %s"), name,
                                lane->source, rate);
    case OF_CAMPAIGN:
        return g_strdup_printf (_ ("rate of the campaign to %s from source %s: %s"), name,
                                lane->source, rate);
    case OF_LANE: break;
    }
    return g_strdup_printf (_ ("rate of %s from source %s: %s"), name, lane->source, rate);
}

static bool
has_rate (Ask *ask)
{
    ThrottleLane *lane = ask->lane;
    gint64 until_us;
    char *words, *lowered;
    guint which;

    ask->most = throttle_meter_count (&lane->messages, ask->now_us, ask->most);
    if (ask->most > 0)
        return true;
    until_us = throttle_meter_ready_us (&lane->messages, ask->now_us, &which);
    words = rate_words (lane, &lane->messages.buckets[which], OF_LANE);
    if (lane->learned.parts < THROTTLE_PARTS && lane->learned.rule != NULL) {
        lowered = g_strdup_printf (_ ("%s, lowered (%s)"), words, lane->learned.rule);
        g_free (words);
        words = lowered;
    }
    return hold_back (ask, until_us, RELAIS_WAIT_LANE, &lane->wait, words);
}

static bool
has_share (Ask *ask, ThrottleShare *share)
{
    const bool campaign = share != NULL && share->campaign != NULL;
    gint64 until_us;
    guint which;

    if (share == NULL)
        return true;
    ask->most = throttle_meter_count (&share->meter, ask->now_us, ask->most);
    if (ask->most > 0)
        return true;
    until_us = throttle_meter_ready_us (&share->meter, ask->now_us, &which);
    return hold_back (
        ask, until_us, campaign ? RELAIS_WAIT_CAMPAIGN : RELAIS_WAIT_TENANT, &share->wait,
        rate_words (ask->lane, &share->meter.buckets[which], campaign ? OF_CAMPAIGN : OF_TENANT));
}

/* --- Warm-up ---------------------------------------------------------------------------------- */

const ThrottlePlan *
throttle_ask_plan (ThrottleLane *lane)
{
    const gint64 wall_us = relais_module_wall_us (lane->module->module);
    const gint64 day = lane->warmup.day;

    if (lane->plan == NULL)
        return NULL;
    throttle_warmup_roll (&lane->warmup, lane->plan->start, throttle_day_of (wall_us));
    if (lane->warmup.day != day)
        throttle_state_mark (lane);
    return throttle_warmup_phase (&lane->warmup, lane->plan->plan) == THROTTLE_WARMUP_OVER
               ? NULL
               : lane->plan->plan;
}

/* The beginning of a day on the monotonic clock. */
static gint64
day_us (const Ask *ask, gint64 day)
{
    return ask->now_us + throttle_day_begins_us (day) - relais_module_wall_us (ask->module->module);
}

static bool
has_begun (const Ask *ask, const ThrottlePlan *plan)
{
    const ThrottleWarmup *warmup = &ask->lane->warmup;
    g_autofree char *day = NULL;

    if (throttle_warmup_phase (warmup, plan) != THROTTLE_WARMUP_BEFORE)
        return true;
    day = throttle_day_to_string (warmup->start);
    return hold_back (
        ask, day_us (ask, warmup->start), RELAIS_WAIT_LANE, &ask->lane->wait,
        g_strdup_printf (_ ("warm-up of source %s begins on %s"), ask->lane->source, day));
}

static bool
is_below_cap (Ask *ask, gint64 cap)
{
    const ThrottleWarmup *warmup = &ask->lane->warmup;
    g_autofree char *name = NULL;
    g_autofree char *number = NULL;

    ask->most = MIN (ask->most, cap - warmup->used);
    if (ask->most > 0)
        return true;
    name = throttle_lane_name (ask->lane);
    number = g_strdup_printf ("%" G_GINT64_FORMAT, cap);
    return hold_back (ask, day_us (ask, warmup->day + 1), RELAIS_WAIT_LANE, &ask->lane->wait,
                      g_strdup_printf (_ ("warm-up of source %s to %s: the day's %s are sent"),
                                       ask->lane->source, name, number));
}

/* A crash must count what is used: some are noted in advance, and the next before those are gone. */
static bool
is_noted (Ask *ask, const ThrottlePlan *plan, gint64 cap)
{
    ThrottleWarmup *warmup = &ask->lane->warmup;

    if (!ask->module->stored)
        warmup->sure = cap;
    if (warmup->sure - warmup->used <= throttle_warmup_block (cap) / 2 && warmup->sure < cap)
        throttle_state_reserve (ask->lane, plan);
    ask->most = MIN (ask->most, warmup->sure - warmup->used);
    return ask->most > 0 ||
           hold_back (ask, ask->now_us + STORE_US, RELAIS_WAIT_LANE, &ask->lane->wait,
                      g_strdup (_ ("the warm-up's count is being written to the store")));
}

static bool
is_spread (Ask *ask, const ThrottlePlan *plan, gint64 cap)
{
    ThrottleLane *lane = ask->lane;
    const ThrottleRates rates = {plan->spread ? 1 : 0, {throttle_warmup_spread (cap)}};
    g_autofree char *name = NULL;
    g_autofree char *number = NULL;
    gint64 until_us;
    guint which;

    if (lane->spread_cap != cap || lane->spread.n != rates.n)
        throttle_meter_set (&lane->spread, &rates, THROTTLE_PARTS, ask->now_us,
                            ask->module->empty_us);
    lane->spread_cap = cap;
    ask->most = throttle_meter_count (&lane->spread, ask->now_us, ask->most);
    if (ask->most > 0)
        return true;
    name = throttle_lane_name (lane);
    number = g_strdup_printf ("%" G_GINT64_FORMAT, cap);
    until_us = throttle_meter_ready_us (&lane->spread, ask->now_us, &which);
    return hold_back (
        ask, until_us, RELAIS_WAIT_LANE, &lane->wait,
        g_strdup_printf (_ ("warm-up of source %s to %s: %s a day, spread over the day"),
                         lane->source, name, number));
}

static bool
is_warm (Ask *ask)
{
    const ThrottlePlan *plan = throttle_ask_plan (ask->lane);
    gint64 cap;

    if (plan == NULL) {
        ask->lane->spread.n = 0;
        return true;
    }
    if (!has_begun (ask, plan))
        return false;
    cap = throttle_warmup_cap (&ask->lane->warmup, plan);
    return is_below_cap (ask, cap) && is_spread (ask, plan, cap) && is_noted (ask, plan, cap);
}

/* --- The hooks -------------------------------------------------------------------------------- */

static Ask
ask_new (RelaisHook *hook, ThrottleModule *module)
{
    Ask ask = {.module = module,
               .hook = hook,
               .lane = throttle_lane_of_hook (module, hook),
               .now_us = relais_module_now_us (module->module)};

    ask.most = throttle_lane_number (ask.lane, THROTTLE_RECIPIENTS);
    if (ask.most == 0)
        ask.most = THROTTLE_RECIPIENTS_ASKED;
    set_limits (&ask);
    return ask;
}

RelaisVerdict
throttle_ask_lane (RelaisHook *hook, gpointer data)
{
    ThrottleModule *module = data;
    Ask ask = ask_new (hook, module);
    ThrottleLane *lane = ask.lane;
    guint which;
    gint64 until_us;

    if (!is_loaded (&ask) || !is_awake (&ask))
        return RELAIS_VERDICT_WAIT;
    if (lane->connects.n == 0)
        return RELAIS_VERDICT_CONTINUE;
    if (throttle_meter_count (&lane->connects, ask.now_us, 1) == 0) {
        until_us = throttle_meter_ready_us (&lane->connects, ask.now_us, &which);
        hold_back (&ask, until_us, RELAIS_WAIT_LANE, &lane->connect_wait,
                   rate_words (lane, &lane->connects.buckets[which], OF_CONNECTIONS));
        return RELAIS_VERDICT_WAIT;
    }
    hold_new (hook, &(Hold){.lane = lane, .connection = true}, 1);
    return RELAIS_VERDICT_CONTINUE;
}

RelaisVerdict
throttle_ask_admit (RelaisHook *hook, gpointer data)
{
    ThrottleModule *module = data;
    const char *tenant = relais_hook_get_tenant (hook);
    const char *campaign = relais_hook_get_campaign (hook);
    Ask ask = ask_new (hook, module);
    ThrottleLane *lane = ask.lane;
    ThrottleShare *own, *of_campaign;

    if (!is_loaded (&ask) || !is_awake (&ask) || !is_not_stopped (&ask, tenant, NULL) ||
        (campaign != NULL && !is_not_stopped (&ask, tenant, campaign)) || !is_warm (&ask) ||
        !has_rate (&ask))
        return RELAIS_VERDICT_WAIT;
    own = throttle_share_get (lane, tenant, NULL);
    of_campaign = campaign != NULL ? throttle_share_get (lane, tenant, campaign) : NULL;
    if (!has_share (&ask, own) || !has_share (&ask, of_campaign))
        return RELAIS_VERDICT_WAIT;
    if (lane->messages.n == 0 && lane->plan == NULL && own == NULL && of_campaign == NULL)
        return RELAIS_VERDICT_CONTINUE;
    relais_hook_set_max_recipients (hook, (guint32)ask.most);
    hold_new (hook, &(Hold){.lane = lane, .shares = {own, of_campaign}}, ask.most);
    return RELAIS_VERDICT_CONTINUE;
}
