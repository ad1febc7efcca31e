/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hook result: judges every outcome that is no delivery, tells the core, and turns the few rejections that will
 * pass into deferrals, and the few deferrals that never will into rejections. Loop thread.
 */
#include "bounce.h"

#include "replies.h"

static RelaisVerdict
turn (BounceModule *bounce, const BounceConfig *config, RelaisOutcome outcome, BounceAction action)
{
    if (outcome == RELAIS_OUTCOME_BOUNCED && action == BOUNCE_ACTION_DEFER && config->defer) {
        relais_counter_add (bounce->turned, "deferral", 1);
        return RELAIS_VERDICT_DEFER;
    }
    if (outcome == RELAIS_OUTCOME_DEFERRED && action == BOUNCE_ACTION_BOUNCE && config->bounce) {
        relais_counter_add (bounce->turned, "rejection", 1);
        return RELAIS_VERDICT_REJECT;
    }
    return RELAIS_VERDICT_CONTINUE;
}

/* What is said after RCPT is said of all recipients of the transaction at once: where there are several, it is not
 * known of which. */
static bool
is_about_one (const RelaisHook *hook, const char *phase)
{
    return relais_hook_n_recipients (hook) <= 1 ||
           replies_phase_parse (phase) <= (int)REPLIES_PHASE_RCPT;
}

static void
tell (BounceModule *bounce, RelaisHook *hook, const BounceVerdict *verdict)
{
    const RelaisClassification classification = {
        .struct_size = sizeof classification,
        .scope = verdict->scope,
        .permanence = verdict->permanence,
        .suppress = verdict->suppress,
        .reason = verdict->reason,
        .rule = verdict->rule,
    };

    (void)relais_hook_set_classification (hook, &classification);
    relais_counter_add (bounce->judged, relais_bounce_scope_to_string (verdict->scope), 1);
}

RelaisVerdict
bounce_result (RelaisHook *hook, gpointer data)
{
    BounceModule *bounce = data;
    const BounceConfig *config = relais_hook_get_config (hook);
    const RelaisOutcome outcome = relais_hook_get_outcome (hook);
    const BounceReply reply = {.provider = relais_hook_get_provider (hook),
                               .phase = relais_hook_get_phase (hook),
                               .code = relais_hook_get_reply_code (hook),
                               .enhanced = relais_hook_get_reply_enhanced (hook),
                               .text = relais_hook_get_reply_text (hook),
                               .internal = relais_hook_get_internal (hook)};
    BounceVerdict verdict;
    guint over_limit;

    if (outcome == RELAIS_OUTCOME_DELIVERED)
        return RELAIS_VERDICT_CONTINUE;
    over_limit = bounce_rules_n_limited (config->rules);
    bounce_judge (config->rules, &reply, &verdict);
    relais_counter_add (bounce->over_limit, NULL,
                        bounce_rules_n_limited (config->rules) - over_limit);
    if (!is_about_one (hook, reply.phase))
        verdict.suppress = RELAIS_SUPPRESS_NONE;
    tell (bounce, hook, &verdict);
    return turn (bounce, config, outcome, verdict.action);
}
