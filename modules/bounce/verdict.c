/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A reply judged: our own words apart, then what its codes say. Pure, any thread.
 */
#include "verdict.h"

#include "codes.h"

#include <string.h>

struct BounceRules {
    gint unused;
};

BounceRules *
bounce_rules_new (RelaisConfig *config, GError **error)
{
    return g_new0 (BounceRules, 1);
}

void
bounce_rules_free (BounceRules *rules)
{
    g_free (rules);
}

const char *
bounce_scope_to_string (RelaisBounceScope scope)
{
    static const char *const names[] = {"unknown", "recipient", "domain", "content", "ip",
                                        "auth",    "policy",    "quota",  "network", "local"};

    return names[scope < G_N_ELEMENTS (names) ? scope : 0];
}

const char *
bounce_permanence_to_string (RelaisBouncePermanence permanence)
{
    static const char *const names[] = {"unknown", "permanent", "temporary"};

    return names[permanence < G_N_ELEMENTS (names) ? permanence : 0];
}

/* What never left us, and what we say of the way. */
static void
judge_internal (const BounceReply *reply, BounceVerdict *verdict)
{
    const bool ours =
        g_strcmp0 (reply->phase, "route") == 0 || g_strcmp0 (reply->phase, "prepare") == 0;

    *verdict = (BounceVerdict){.scope = ours ? RELAIS_BOUNCE_LOCAL : RELAIS_BOUNCE_NETWORK,
                               .permanence = reply->code / 100 == 5   ? RELAIS_PERMANENCE_PERMANENT
                                             : reply->code / 100 == 4 ? RELAIS_PERMANENCE_TEMPORARY
                                                                      : RELAIS_PERMANENCE_UNKNOWN,
                               .suppress = RELAIS_SUPPRESS_NONE,
                               .action = BOUNCE_ACTION_KEEP,
                               .reason = "unknown",
                               .rule = "internal"};
}

void
bounce_judge (const BounceRules *rules, const BounceReply *reply, BounceVerdict *verdict)
{
    RepliesView view;

    if (reply->internal) {
        judge_internal (reply, verdict);
        return;
    }
    replies_view_of (reply->phase, reply->code, reply->enhanced, reply->text, &view);
    bounce_codes_judge (&view, verdict);
}
