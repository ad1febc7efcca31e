/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hook result: what a reply tells about its lane. What is ours (a time-out, a refusal by a module) tells nothing.
 * One recipient's error tells nothing either: a reply about a mailbox (x.1.x, x.2.x at RCPT) is not looked at, and
 * any other reply to RCPT only once its turn is over and no recipient of the same message was accepted in it.
 *
 * All recipients that a reply of one transaction was for are one hit of a rule. Loop thread.
 */
#include "throttle.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* Replies about one message within this are of one transaction: a retry comes later. */
#define TRANSACTION_US THROTTLE_SECOND_US

/* A reply to RCPT that waits for the end of its turn; and that another recipient of the message was accepted. */
typedef struct {
    ThrottleLane *lane;
    char *message, *tenant, *campaign;
    char *phase, *enhanced, *text;
    guint code;
    bool accepted;
    GList link; /* in module->pending */
} Pending;

static void
pending_free (Pending *pending)
{
    pending->lane->uses--;
    g_free (pending->message);
    g_free (pending->tenant);
    g_free (pending->campaign);
    g_free (pending->phase);
    g_free (pending->enhanced);
    g_free (pending->text);
    g_free (pending);
}

void
throttle_reply_clear (ThrottleModule *module)
{
    GList *link;

    while ((link = g_queue_pop_head_link (&module->pending)) != NULL)
        pending_free (link->data);
}

/* --- What a reply tells ------------------------------------------------------------------------- */

/* "4.2.1": about a mailbox. */
static bool
is_about_mailbox (const char *enhanced)
{
    return enhanced != NULL && strlen (enhanced) > 4 && enhanced[1] == '.' && enhanced[3] == '.' &&
           (enhanced[2] == '1' || enhanced[2] == '2');
}

/* Whether the rule has been hit often enough; recipients of one transaction are one. */
static bool
is_hit (ThrottleLane *lane, const ThrottleAction *action, bool again)
{
    const gint64 now_us = relais_module_now_us (lane->module->module);
    ThrottleHits *hits;

    if (again)
        return false;
    if (action->hits <= 1)
        return true;
    hits = g_hash_table_lookup (lane->hits, action->rule);
    if (hits == NULL || throttle_hits_get_wanted (hits) != MIN (action->hits, THROTTLE_HITS_MOST)) {
        hits = throttle_hits_new (action->hits);
        g_hash_table_replace (lane->hits, g_strdup (action->rule), hits);
    }
    return throttle_hits_add (hits, now_us, action->within_us);
}

/* Whether this transaction has hit the same rule already. */
static bool
is_counted (ThrottleLane *lane, const char *message, const ThrottleAction *action)
{
    const gint64 now_us = relais_module_now_us (lane->module->module);
    g_autofree char *key = g_strconcat (message, "\n", action->rule, NULL);

    if (g_strcmp0 (lane->counted, key) == 0 && now_us - lane->counted_us < TRANSACTION_US)
        return true;
    lane->counted_us = now_us;
    g_free (lane->counted);
    lane->counted = g_steal_pointer (&key);
    return false;
}

/* Too many deferrals: as a rule that says slow. */
static void
look_at_deferrals (ThrottleLane *lane, const ThrottleReason *reason)
{
    const gint64 now_us = relais_module_now_us (lane->module->module);
    const guint64 at = (guint64)throttle_lane_number (lane, THROTTLE_SLOW_AT);
    const ThrottleAction action = {.kind = THROTTLE_ACTION_SLOW, .hits = 1, .rule = "deferrals"};
    ThrottleReason share = *reason;
    g_autofree char *words = NULL;
    guint64 total, bad;

    throttle_window_sum (&lane->results, now_us, &total, &bad);
    if (at == 0 || total < (guint64)throttle_lane_number (lane, THROTTLE_SLOW_RESULTS) ||
        bad * 100 <= at * total)
        return;
    words = g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " deferred, last: %s",
                             bad, total, reason->text != NULL ? reason->text : "-");
    share.text = words;
    throttle_window_clear (&lane->results);
    throttle_learn_act (lane, &action, &share);
}

/* Recipients of this day; a day with too many deferrals does not count for warm-up. */
static void
count_for_warmup (ThrottleLane *lane, bool deferred, const char *text)
{
    const ThrottlePlan *plan = throttle_ask_plan (lane);
    ThrottleWarmup *warmup = &lane->warmup;

    if (plan == NULL)
        return;
    warmup->results++;
    warmup->deferrals += deferred;
    if (deferred && plan->bad_at > 0 &&
        warmup->results >= (guint64)throttle_lane_number (lane, THROTTLE_SLOW_RESULTS) &&
        warmup->deferrals * 100 > (guint64)plan->bad_at * warmup->results)
        throttle_learn_bad_day (lane, "deferrals", text);
}

static void
count (ThrottleLane *lane, bool deferred, const char *text)
{
    const gint64 now_us = relais_module_now_us (lane->module->module);

    throttle_window_add (&lane->results, now_us, throttle_lane_number (lane, THROTTLE_SLOW_WINDOW),
                         1, deferred);
    throttle_window_add (&lane->sent, now_us, THROTTLE_MEASURED_US, 1, 0);
    count_for_warmup (lane, deferred, text);
}

/* A reply that is about the lane. */
static void
look_at (ThrottleLane *lane, const char *message, const ThrottleReply *reply,
         const ThrottleReason *reason)
{
    const ThrottleRules *rules = throttle_config_get_rules (lane->module->config);
    const guint over_limit = throttle_rules_n_limited (rules);
    ThrottleAction action = {0};
    const bool acts = throttle_rules_match (rules, lane->provider, reply, &action);
    /* What a rule knows and does nothing about (greylisting) is no bad sign, however often it is said. */
    const bool known = !acts && action.rule != NULL;
    const bool deferred = reply->code / 100 == 4 && !known;

    relais_counter_add (lane->module->over_limit, NULL,
                        throttle_rules_n_limited (rules) - over_limit);
    count (lane, deferred, reason->text);
    if (known)
        return;
    lane->learned.streak = 0;
    if (acts && is_hit (lane, &action, is_counted (lane, message, &action)))
        throttle_learn_act (lane, &action, reason);
    if (deferred)
        look_at_deferrals (lane, reason);
}

/* --- RCPT: once the turn is over ------------------------------------------------------------------ */

static void
look_at_pending (Pending *pending)
{
    const ThrottleReply reply = {.phase = pending->phase,
                                 .code = pending->code,
                                 .enhanced = pending->enhanced,
                                 .text = pending->text};
    const ThrottleReason reason = {pending->tenant, pending->campaign, pending->text};

    throttle_lane_sync (pending->lane);
    if (pending->accepted)
        count (pending->lane, false, NULL);
    else
        look_at (pending->lane, pending->message, &reply, &reason);
}

static void
on_turn_over (gpointer data)
{
    ThrottleModule *module = data;
    GList *link;

    module->posted = false;
    while ((link = g_queue_pop_head_link (&module->pending)) != NULL) {
        if (module->running)
            look_at_pending (link->data);
        pending_free (link->data);
    }
}

/* Recipients of the message were accepted: those that were not have an error of their own. */
static void
note_accepted (ThrottleModule *module, ThrottleLane *lane, const char *message)
{
    g_free (lane->accepted);
    lane->accepted = g_strdup (message);
    lane->accepted_us = relais_module_now_us (module->module);
    for (GList *link = module->pending.head; link != NULL; link = link->next) {
        Pending *pending = link->data;

        if (pending->lane == lane && g_str_equal (pending->message, message))
            pending->accepted = true;
    }
}

static bool
was_accepted (const ThrottleLane *lane, const char *message)
{
    return g_strcmp0 (lane->accepted, message) == 0 &&
           relais_module_now_us (lane->module->module) - lane->accepted_us < TRANSACTION_US;
}

static void
put_off (ThrottleLane *lane, const char *message, const ThrottleReply *reply,
         const ThrottleReason *reason, bool accepted)
{
    ThrottleModule *module = lane->module;
    Pending *pending;

    if (module->pending.length >= THROTTLE_PENDING)
        return;
    pending = g_new0 (Pending, 1);
    *pending = (Pending){.lane = lane,
                         .message = g_strdup (message),
                         .tenant = g_strdup (reason->tenant),
                         .campaign = g_strdup (reason->campaign),
                         .phase = g_strdup (reply->phase),
                         .enhanced = g_strdup (reply->enhanced),
                         .text = g_strdup (reply->text),
                         .code = reply->code,
                         .accepted = accepted};
    pending->link.data = pending;
    lane->uses++;
    g_queue_push_tail_link (&module->pending, &pending->link);
    if (!module->posted)
        relais_module_post (module->module, on_turn_over, module);
    module->posted = true;
}

/* Who gets a reply to what comes after RCPT was accepted there. */
static bool
is_after_rcpt (const char *phase)
{
    static const char *const phases[] = {"data", "body", "dot", NULL};

    return phase != NULL && g_strv_contains (phases, phase);
}

/* --- The hook --------------------------------------------------------------------------------- */

static char *
message_id (const RelaisHook *hook)
{
    RelaisMessage *message = relais_hook_get_message (hook);

    return message != NULL ? relais_message_dup_id (message) : g_strdup ("");
}

RelaisVerdict
throttle_reply_result (RelaisHook *hook, gpointer data)
{
    ThrottleModule *module = data;
    const ThrottleReply reply = {.phase = relais_hook_get_phase (hook),
                                 .code = relais_hook_get_reply_code (hook),
                                 .enhanced = relais_hook_get_reply_enhanced (hook),
                                 .text = relais_hook_get_reply_text (hook),
                                 .internal = relais_hook_get_internal (hook),
                                 .delivered =
                                     relais_hook_get_outcome (hook) == RELAIS_OUTCOME_DELIVERED};
    const ThrottleReason reason = {relais_hook_get_tenant (hook), relais_hook_get_campaign (hook),
                                   reply.text};
    const bool rcpt = g_strcmp0 (reply.phase, "rcpt") == 0;
    g_autofree char *message = NULL;
    ThrottleLane *lane;

    if (reply.internal || relais_hook_get_source (hook) == NULL ||
        relais_hook_get_site (hook) == NULL)
        return RELAIS_VERDICT_CONTINUE;
    lane = throttle_lane_of_hook (module, hook);
    message = message_id (hook);
    if (reply.delivered) {
        note_accepted (module, lane, message);
        count (lane, false, NULL);
        throttle_learn_success (lane);
    } else if (rcpt && is_about_mailbox (reply.enhanced))
        count (lane, false, NULL);
    else if (rcpt)
        put_off (lane, message, &reply, &reason, was_accepted (lane, message));
    else {
        if (is_after_rcpt (reply.phase))
            note_accepted (module, lane, message);
        look_at (lane, message, &reply, &reason);
    }
    return RELAIS_VERDICT_CONTINUE;
}
