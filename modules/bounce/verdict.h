/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a reply means: the rules of [bounce-rule NAME] and, where none matches, what code and enhanced code alone say
 * (RFC 3463, RFC 5321 section 4.2). Pure, no state of the module; immutable, any thread.
 */
#pragma once

#include <relais/bounce.h>
#include <relais/option.h>

#include <stdbool.h>

/* A reply, of the dialogue or of a report. */
typedef struct {
    const char *provider; /* name of [provider NAME]; NULL: not known */
    const char *phase;    /* as relais_hook_get_phase (); NULL: not known, as in a report */
    guint code;           /* 0: none */
    const char *enhanced; /* NULL: none; then one at the head of the text is taken */
    const char *text;     /* NULL: none */
    bool internal;        /* our own words: no rule about replies matches */
} BounceReply;

typedef enum {
    BOUNCE_ACTION_KEEP, /* as the reply's class has it */
    BOUNCE_ACTION_DEFER,
    BOUNCE_ACTION_BOUNCE
} BounceAction;

typedef struct {
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence;
    RelaisSuppressClass suppress;
    BounceAction action;
    const char *reason; /* static or of the rules; never NULL: "unknown" */
    const char *rule;   /* name of the rule, or "code", "enhanced", "internal"; never NULL */
} BounceVerdict;

typedef struct BounceRules BounceRules; /* immutable, counted */
/* All of a configuration's rules. The error says FILE:LINE, what is wrong and what was expected. */
BounceRules *bounce_rules_new (RelaisConfig *config, GError **error);
/* Any thread, both. */
BounceRules *bounce_rules_ref (BounceRules *rules);
void bounce_rules_unref (BounceRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BounceRules, bounce_rules_unref)
/* Patterns that were over a limit until now: each counted as no match. */
guint bounce_rules_n_limited (const BounceRules *rules);
/* Always gives one. Bounded: PCRE2 with match limits. */
void bounce_judge (const BounceRules *rules, const BounceReply *reply, BounceVerdict *verdict);
