/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule, and the options that it is read from. Immutable once it is made; pure, any thread.
 */
#pragma once

#include "replies.h"
#include "verdict.h"

#define BOUNCE_RULE_KIND "bounce-rule"
enum { BOUNCE_RULE_NAME_BYTES = 64 };
/* In the order of RelaisBounceScope, RelaisBouncePermanence and BounceAction. */
#define BOUNCE_SCOPE_CHOICES "unknown|recipient|domain|content|ip|auth|policy|quota|network|local"
#define BOUNCE_PERMANENCE_CHOICES "code|permanent|temporary"
#define BOUNCE_SUPPRESS_CHOICES "default|none|hard|soft"
#define BOUNCE_ACTION_CHOICES "keep|defer|bounce"

typedef struct {
    RepliesSelector selector; /* first */
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence; /* UNKNOWN: as the reply's code has it */
    bool suppress_is_default;
    RelaisSuppressClass suppress;
    BounceAction action;
    const char *reason; /* static */
} BounceRule;

/* A RepliesRuleFunc. */
gpointer
bounce_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error);
void bounce_rule_free (gpointer rule);
/* What it says of a reply that it takes. */
void bounce_rule_judge (const BounceRule *rule, const RepliesView *view, BounceVerdict *verdict);

/* The rules that are good; what is wrong with the others goes to `problems` (char *). */
BounceRules *bounce_rules_new_collecting (RelaisConfig *config, GPtrArray *problems);
const RepliesSet *bounce_rules_set (const BounceRules *rules);

/* A part of the module's one table; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_RULE_OPTION(key, type, flags, default_value, choices, doc)                          \
    {                                                                                              \
        BOUNCE_RULE_KIND, key, RELAIS_OPTION_##type, RELAIS_OPTION_RELOADABLE | (flags),           \
            default_value, 0, 0, choices, doc                                                      \
    }
#define BOUNCE_RULE_OPTIONS                                                                        \
    REPLIES_SELECTOR_OPTIONS (BOUNCE_RULE_KIND),                                                   \
        BOUNCE_RULE_OPTION (                                                                       \
            "scope", ENUM, RELAIS_OPTION_REQUIRED, "unknown", BOUNCE_SCOPE_CHOICES,                \
            N_ ("Whom the refusal is about: the mailbox, all of its domain, the mail, the "        \
                "address we send from, SPF and its like, a rule of the receiver's, a full "        \
                "mailbox, the way there, ourselves.")),                                            \
        BOUNCE_RULE_OPTION ("permanence", ENUM, 0, "code", BOUNCE_PERMANENCE_CHOICES,              \
                            N_ ("Whether it lasts; code: 5xx does and 4xx does not.")),            \
        BOUNCE_RULE_OPTION ("reason", STRING, 0, "unknown", NULL,                                  \
                            N_ ("One of the list in bounce.conf.")),                               \
        BOUNCE_RULE_OPTION (                                                                       \
            "suppress", ENUM, 0, "default", BOUNCE_SUPPRESS_CHOICES,                               \
            N_ ("What it is evidence for; default: hard where a mailbox or domain is refused for " \
                "good, else none. Only rules about mailboxes and domains may say hard or soft.")), \
        BOUNCE_RULE_OPTION (                                                                       \
            "action", ENUM, 0, "keep", BOUNCE_ACTION_CHOICES,                                      \
            N_ ("defer: try again although it was refused for good; bounce: give up although it "  \
                "was put off.")),                                                                  \
        BOUNCE_RULE_OPTION ("enable", BOOL, 0, "yes", NULL, N_ ("no: the rule takes nothing."))
