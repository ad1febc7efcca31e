/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule as rules.c, lint.c and offline.c see it. Immutable once it is made; pure, any thread.
 */
#pragma once

#include "replies.h"
#include "rules.h"

typedef struct {
    RepliesSelector selector; /* first */
    ThrottleActionKind kind;
    gint64 duration_us;
    guint32 hits;
    gint64 within_us;
} ThrottleRule;

/* A RepliesRuleFunc. */
gpointer
throttle_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error);
void throttle_rule_free (gpointer rule);
/* Whether it changes a lane, and not the mail of one who sends. */
bool throttle_rule_is_about_lane (const ThrottleRule *rule);
/* "90s", "2h". Owned. */
char *throttle_duration_to_string (gint64 duration_us);

/* The rules that are good; what is wrong with the others goes to `problems` (char *). */
ThrottleRules *throttle_rules_new_collecting (RelaisConfig *config, GPtrArray *problems);
const RepliesSet *throttle_rules_set (const ThrottleRules *rules);
const ThrottleRule *throttle_rules_nth (const ThrottleRules *rules, guint n);
/* As throttle_rules_match (), the rules with action `none` included. NULL: no rule. */
const ThrottleRule *
throttle_rules_find (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply);
