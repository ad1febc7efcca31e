/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of the rules can never apply. Pure; runs in relaisctl.
 */
#include "offline.h"

#include "dead.h"
#include "rule.h"

GPtrArray *
bounce_lint (RelaisConfig *config)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    GPtrArray *findings = replies_findings_new ();
    BounceRules *rules = bounce_rules_new_collecting (config, problems);

    for (guint i = 0; i < problems->len; i++)
        replies_dead_problem (findings, g_ptr_array_index (problems, i));
    replies_dead_rules (findings, config, BOUNCE_RULE_KIND, bounce_rules_set (rules));
    bounce_rules_unref (rules);
    return findings;
}
