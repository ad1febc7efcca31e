/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of peers against the shipped rules (modules/throttle), and lines of recorded replies. Properties: what is
 * found is a rule of the configuration that acts, the same when it is asked again; what was delivered, what is ours and
 * what is about one mailbox changes no lane without a word of the text; a line is a reply only with a code.
 *
 * Parsers: modules/replies/recorded.c, modules/replies/view.c.
 */
#include "fuzz.h"
#include "shipped.h"

#include "offline.h"
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static const RelaisOption options[] = {
    THROTTLE_RULE_OPTIONS,
    {"provider", "connections", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"provider", "messages_per_connection", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"provider", "recipients", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"provider", "rate", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"provider", "connection_rate", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
};
static const char *const providers[] = {NULL,    "google", "microsoft-365", "microsoft-consumer",
                                        "yahoo", "orange", "gmx",           "nobody"};
static const char *const phases[] = {NULL,   "connect", "banner", "ehlo", "mail",
                                     "rcpt", "data",    "body",   "route"};

static const char *const words[] = {"too many ",
                                    "connections",
                                    "rate limit",
                                    "unusual rate ",
                                    "4.7.28 ",
                                    "5.2.1 ",
                                    "[TSS04]",
                                    "OFR005_104",
                                    "spamhaus ",
                                    "blocked ",
                                    "using ",
                                    "user ",
                                    "receiving ",
                                    "reputation ",
                                    "low ",
                                    "maximum number of ",
                                    "421 ",
                                    "\t",
                                    "{\"code\":421",
                                    ",\"reply\":\"",
                                    "\\ud83d",
                                    "\"}",
                                    "-",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

/* Read once; a process has one configuration. */
static const ThrottleRules *
shipped (void)
{
    static ThrottleRules *rules;

    if (rules == NULL) {
        g_autoptr (RelaisConfig) config =
            fuzz_shipped_config ("throttle", options, G_N_ELEMENTS (options));

        rules = throttle_rules_new (config, NULL);
        g_assert_nonnull (rules);
    }
    return rules;
}

static void
check_mailbox (const ThrottleRule *rule, const ThrottleReply *reply)
{
    RepliesView view;

    replies_view_of (reply->phase, reply->code, reply->enhanced, reply->text, &view);
    if (view.has_enhanced && view.klass == reply->code / 100 &&
        (view.subject == 1 || view.subject == 2))
        g_assert_true (rule->selector.text != NULL || !throttle_rule_is_about_lane (rule));
}

static void
check_reply (const char *provider, ThrottleReply *reply)
{
    const ThrottleRule *rule = throttle_rules_find (shipped (), provider, reply);
    ThrottleAction action = {.kind = THROTTLE_ACTION_NONE};
    bool acts = throttle_rules_match (shipped (), provider, reply, &action);

    g_assert_true (rule == throttle_rules_find (shipped (), provider, reply));
    g_assert_true (acts == (rule != NULL && rule->kind != THROTTLE_ACTION_NONE));
    if (acts) {
        g_assert_true (action.rule == rule->selector.name &&
                       action.origin == rule->selector.origin);
        g_assert_true (action.hits >= 1);
        check_mailbox (rule, reply);
    }
    reply->delivered = true;
    g_assert_false (throttle_rules_match (shipped (), provider, reply, &action));
    reply->delivered = false;
    reply->internal = true;
    g_assert_false (throttle_rules_match (shipped (), provider, reply, &action));
}

static void
check_line (const guint8 *bytes, gsize size)
{
    RepliesLine line;

    replies_line_parse ((const char *)bytes, size, &line);
    if (line.type == REPLIES_LINE_REPLY) {
        g_assert_true (line.code > 0 && line.code < 1000);
        check_reply (line.provider, &(ThrottleReply){.phase = line.phase,
                                                     .code = line.code,
                                                     .enhanced = line.enhanced,
                                                     .text = line.text});
    } else {
        g_assert_null (line.text);
    }
    replies_line_clear (&line);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    g_autofree char *text = fuzz_string (bytes, size);
    guint8 *exact = fuzz_exact (bytes, size);
    ThrottleReply reply = {.phase = phases[fuzz_random_below (&random, G_N_ELEMENTS (phases))],
                           .code = 400 + (guint)fuzz_random_below (&random, 200),
                           .text = text};

    check_reply (providers[fuzz_random_below (&random, G_N_ELEMENTS (providers))], &reply);
    check_line (exact, size);
    free (exact);
    return 0;
}
