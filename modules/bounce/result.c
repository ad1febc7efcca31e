/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hook result: judges every outcome that is no delivery, tells the core, and turns the few rejections that will
 * pass into deferrals, and the few deferrals that never will into rejections. Loop thread.
 */
#include "bounce.h"

#include "link.h"
#include "report-judge.h"

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

/* Whether the words name our sender, as the message has it or as it went out: who asks back for the sender at RCPT may
 * say of that address what rules would take for the recipient's. */
static bool
names_sender (const RelaisHook *hook, const BounceConfig *config, const char *text)
{
    const char *sender = relais_hook_get_sender (hook);
    g_auto (GStrv) addresses = bounce_text_dup_addresses (text);

    for (char **address = addresses; *address != NULL; address++) {
        g_autofree char *token = NULL;

        if ((sender != NULL && g_ascii_strcasecmp (*address, sender) == 0) ||
            bounce_link_read_address (config->link, *address, &token) == BOUNCE_ADDRESS_TOKEN)
            return true;
    }
    return false;
}

/* The same of the domain that we send from: whoever looks it up and finds none may call it just a domain. */
static void
look_for_sender (const RelaisHook *hook, const BounceConfig *config, const char *text,
                 BounceVerdict *verdict)
{
    const RelaisMessage *message = relais_hook_get_message (hook);
    const char *from = message != NULL ? relais_message_get_header_from (message) : NULL;
    const char *tenant = relais_hook_get_tenant (hook);
    const char *ours[] = {relais_hook_get_sender (hook), from,
                          tenant != NULL ? bounce_link_domain (config->link, from, tenant) : NULL};
    const char *senders[G_N_ELEMENTS (ours) + 1];
    guint n = 0;

    for (guint i = 0; i < G_N_ELEMENTS (ours); i++)
        if (ours[i] != NULL)
            senders[n++] = ours[i];
    senders[n] = NULL;
    bounce_verdict_look_for_sender (verdict, text, relais_hook_get_recipient (hook, 0), senders);
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
    if (verdict.suppress != RELAIS_SUPPRESS_NONE && names_sender (hook, config, reply.text))
        verdict.suppress = RELAIS_SUPPRESS_NONE;
    look_for_sender (hook, config, reply.text, &verdict);
    tell (bounce, hook, &verdict);
    return turn (bounce, config, outcome, verdict.action);
}
