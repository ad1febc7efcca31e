/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A reply judged: our own words apart, then by the rules, then by what its codes say. Pure, any thread.
 */
#include "verdict.h"

#include "codes.h"
#include "rule.h"
#include "words.h"

struct BounceRules {
    gatomicrefcount refs;
    RepliesSet *set;
};

/* --- Rules ---------------------------------------------------------------------------------------- */

BounceRules *
bounce_rules_new_collecting (RelaisConfig *config, GPtrArray *problems)
{
    BounceRules *rules = g_new (BounceRules, 1);

    g_atomic_ref_count_init (&rules->refs);
    rules->set =
        replies_set_new (config, BOUNCE_RULE_KIND, bounce_rule_new, bounce_rule_free, problems);
    return rules;
}

BounceRules *
bounce_rules_new (RelaisConfig *config, GError **error)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    BounceRules *rules = bounce_rules_new_collecting (config, problems);

    if (problems->len == 0)
        return rules;
    g_set_error_literal (error, replies_error_quark (), 0, g_ptr_array_index (problems, 0));
    bounce_rules_unref (rules);
    return NULL;
}

BounceRules *
bounce_rules_ref (BounceRules *rules)
{
    g_atomic_ref_count_inc (&rules->refs);
    return rules;
}

void
bounce_rules_unref (BounceRules *rules)
{
    if (rules == NULL || !g_atomic_ref_count_dec (&rules->refs))
        return;
    replies_set_free (rules->set);
    g_free (rules);
}

guint
bounce_rules_n_limited (const BounceRules *rules)
{
    return replies_set_n_limited (rules->set);
}

const RepliesSet *
bounce_rules_set (const BounceRules *rules)
{
    return rules->set;
}

/* --- Judged --------------------------------------------------------------------------------------- */

/* Whether our own words are about the way there and not about us. */
static bool
is_about_way (const RepliesView *view, const char *phase)
{
    if (view->has_enhanced)
        return view->subject == 4 || (view->subject == 1 && view->detail != 0);
    return g_strcmp0 (phase, "route") != 0 && g_strcmp0 (phase, "prepare") != 0;
}

/* Our own words: no rule looks at them, and they are evidence against nobody. */
static void
judge_internal (const BounceReply *reply, BounceVerdict *verdict)
{
    RepliesView view;

    replies_view_of (reply->phase, reply->code, reply->enhanced, NULL, &view);
    bounce_codes_judge (&view, verdict);
    verdict->scope =
        is_about_way (&view, reply->phase) ? RELAIS_BOUNCE_NETWORK : RELAIS_BOUNCE_LOCAL;
    verdict->suppress = RELAIS_SUPPRESS_NONE;
    verdict->rule = "internal";
}

void
bounce_judge (const BounceRules *rules, const BounceReply *reply, BounceVerdict *verdict)
{
    BounceWords words;
    const BounceRule *rule;

    if (reply->internal) {
        judge_internal (reply, verdict);
        return;
    }
    bounce_words_of (reply, &words);
    rule = replies_set_find (rules->set, REPLIES_OWN_TELLING, reply->provider, &words.view);
    if (rule != NULL)
        bounce_rule_judge (rule, &words.view, verdict);
    else
        bounce_codes_judge (&words.view, verdict);
}
