/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All rules of a configuration, and what they say of a reply. Pure, any thread.
 */
#include "rule.h"

struct ThrottleRules {
    RepliesSet *set;
};

ThrottleRules *
throttle_rules_new_collecting (RelaisConfig *config, GPtrArray *problems)
{
    ThrottleRules *rules = g_new (ThrottleRules, 1);

    rules->set =
        replies_set_new (config, "throttle-rule", throttle_rule_new, throttle_rule_free, problems);
    return rules;
}

ThrottleRules *
throttle_rules_new (RelaisConfig *config, GError **error)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (ThrottleRules) rules = throttle_rules_new_collecting (config, problems);

    if (problems->len == 0)
        return g_steal_pointer (&rules);
    g_set_error_literal (error, replies_error_quark (), 0, g_ptr_array_index (problems, 0));
    return NULL;
}

void
throttle_rules_free (ThrottleRules *rules)
{
    if (rules == NULL)
        return;
    replies_set_free (rules->set);
    g_free (rules);
}

/* --- Asked ---------------------------------------------------------------------------------------- */

/* False: no rule is asked about such a reply. */
static bool
view_of (const ThrottleReply *reply, RepliesView *view)
{
    if (reply->internal || reply->delivered || reply->code < REPLIES_CODE_LEAST ||
        reply->code >= REPLIES_CODE_LEAST + REPLIES_CODES)
        return false;
    replies_view_of (reply->phase, reply->code, reply->enhanced, reply->text, view);
    /* An enhanced code of another class than the reply says nothing. */
    view->has_enhanced = view->has_enhanced && view->klass == reply->code / 100;
    return true;
}

const ThrottleRule *
throttle_rules_find (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply)
{
    RepliesView view;

    return view_of (reply, &view) ? replies_set_find (rules->set, REPLIES_OWN_NONE, provider, &view)
                                  : NULL;
}

bool
throttle_rules_match (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply,
                      ThrottleAction *action)
{
    const ThrottleRule *rule = throttle_rules_find (rules, provider, reply);

    if (rule == NULL)
        return false;
    *action = (ThrottleAction){.kind = rule->kind,
                               .duration_us = rule->duration_us,
                               .hits = rule->hits,
                               .within_us = rule->within_us,
                               .rule = rule->selector.name,
                               .origin = rule->selector.origin};
    return rule->kind != THROTTLE_ACTION_NONE;
}

/* --- Shown ---------------------------------------------------------------------------------------- */

guint
throttle_rules_n_limited (const ThrottleRules *rules)
{
    return replies_set_n_limited (rules->set);
}

guint
throttle_rules_n (const ThrottleRules *rules)
{
    return replies_set_n (rules->set);
}

const ThrottleRule *
throttle_rules_nth (const ThrottleRules *rules, guint n)
{
    return replies_set_nth (rules->set, n);
}

const RepliesSet *
throttle_rules_set (const ThrottleRules *rules)
{
    return rules->set;
}
