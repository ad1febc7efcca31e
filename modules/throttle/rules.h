/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules of what providers' replies mean for the lane they came over: [throttle-rule NAME] of a configuration, made
 * once, asked for every reply. Pure, no state of the module; immutable, any thread.
 */
#pragma once

#include "replies.h"

/* In the order of the option's choices. */
typedef enum {
    THROTTLE_ACTION_NONE, /* known, and nothing is to be done: an exception to the rules after it */
    THROTTLE_ACTION_SLOW, /* lower the rate by one step */
    THROTTLE_ACTION_PAUSE,       /* cool the lane down for duration_us */
    THROTTLE_ACTION_CONNECTIONS, /* lower the number of connections */
    THROTTLE_ACTION_STOP_TENANT, /* hold the tenant's mail to this provider for duration_us */
    THROTTLE_ACTION_STOP_CAMPAIGN
} ThrottleActionKind;
#define THROTTLE_ACTION_CHOICES "none|slow|pause|connections|stop-tenant|stop-campaign"
const char *throttle_action_to_string (ThrottleActionKind kind);

typedef struct {
    ThrottleActionKind kind;
    gint64 duration_us; /* 0: as long as the module has it (SLOW, CONNECTIONS alone) */
    guint32 hits;
    gint64 within_us;   /* acts at the hits-th match within that time; 1 and 0: at once */
    const char *rule;   /* its name, borrowed of the rules */
    const char *origin; /* FILE:LINE, borrowed of the rules */
} ThrottleAction;

typedef struct {
    const char *phase; /* as relais_hook_get_phase () */
    guint code;
    const char *enhanced; /* NULL: none; then one at the head of the text is taken */
    const char *text;     /* NULL: none */
    bool internal;
    bool delivered;
} ThrottleReply;

enum {
    THROTTLE_HITS = 1000 * 1000,       /* N of hits = N/TIME */
    THROTTLE_WITHIN_S = 7 * 24 * 3600, /* TIME of it, and of `for` */
};

typedef struct ThrottleRules ThrottleRules;
/* All of a configuration's rules. The error says FILE:LINE, what is wrong and what was expected. */
ThrottleRules *throttle_rules_new (RelaisConfig *config, GError **error);
void throttle_rules_free (ThrottleRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ThrottleRules, throttle_rules_free)

/* The first rule that matches: the provider's own (NULL: none), then the general ones, each in the order in which
 * they stand. False: no rule, or one that says `none`, which then is in `action`. What is internal, delivered or
 * no 4xx and 5xx matches nothing; a reply about one mailbox (x.1.x, x.2.x) matches no rule about a lane that does
 * not look at the text. */
bool throttle_rules_match (const ThrottleRules *rules, const char *provider,
                           const ThrottleReply *reply, ThrottleAction *action);
/* Patterns that were over a limit until now: each counted as no match. */
guint throttle_rules_n_limited (const ThrottleRules *rules);
guint throttle_rules_n (const ThrottleRules *rules);

/* The options of [throttle-rule NAME], a part of the module's one table; its user includes <glib/gi18n-lib.h>. */
#define THROTTLE_RULE_OPTION(key, type, flags, default_value, minimum, maximum, choices, doc)      \
    {                                                                                              \
        "throttle-rule", key, RELAIS_OPTION_##type, RELAIS_OPTION_RELOADABLE | (flags),            \
            default_value, minimum, maximum, choices, doc                                          \
    }
#define THROTTLE_RULE_OPTIONS                                                                      \
    REPLIES_SELECTOR_OPTIONS ("throttle-rule"),                                                    \
        THROTTLE_RULE_OPTION (                                                                     \
            "action", ENUM, 0, "none", 0, 0, THROTTLE_ACTION_CHOICES,                              \
            N_ ("Every rule has one. slow lowers the lane's rate by a step, pause lets it rest, "  \
                "connections lowers "                                                              \
                "how many it has; stop-tenant and stop-campaign hold back that mail to the "       \
                "provider; none ends the search and does nothing.")),                              \
        THROTTLE_RULE_OPTION ("for", DURATION, 0, NULL, G_USEC_PER_SEC,                            \
                              (gint64)THROTTLE_WITHIN_S *G_USEC_PER_SEC, NULL,                     \
                              N_ ("How long. pause, stop-tenant and stop-campaign need it.")),     \
        THROTTLE_RULE_OPTION ("hits", STRING, 0, NULL, 0, 0, NULL,                                 \
                              N_ ("N/TIME, as 5/10m: acts at the N-th reply within that time. "    \
                                  "Unset: at the first."))
