/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of peers against the shipped rules (modules/bounce). Properties: each has a verdict, the same when it is asked
 * again; only what is about a mailbox or a domain, for good, and not said before one was named is hard evidence; our own
 * words are about the way or about us; the words that rules see are a part of the reply.
 *
 * Parsers: modules/bounce/codes.c, modules/bounce/words.c.
 */
#include "fuzz.h"
#include "shipped.h"

#include "reasons.h"
#include "rule.h"
#include "words.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static const RelaisOption options[] = {BOUNCE_RULE_OPTIONS};
static const char *const providers[] = {NULL,    "google", "microsoft-365", "microsoft-consumer",
                                        "yahoo", "orange", "gmx",           "nobody"};
static const char *const phases[] = {NULL,   "connect", "banner", "ehlo", "mail",
                                     "rcpt", "data",    "dot",    "route"};

static const char *const words[] = {"550 ",
                                    "550-5.1.1 ",
                                    "#5.1.1 ",
                                    "4.2.2 ",
                                    "5.7.606 ",
                                    " said: 550 ",
                                    " (in reply to RCPT TO command)",
                                    "user ",
                                    "unknown ",
                                    "mailbox ",
                                    "full ",
                                    "quota ",
                                    "does not exist ",
                                    "blocked using ",
                                    "<a@b.test> ",
                                    "rejected ",
                                    "sender ",
                                    "spam ",
                                    "domain ",
                                    "try again later ",
                                    "p=NoSuchUser",
                                    "\xd0\xbf\xd0\xbe\xd0\xbb",
                                    "\r\n",
                                    "\t",
                                    NULL};
const FuzzTarget fuzz_target = {12000, words};

/* Read once; a process has one configuration. */
static const BounceRules *
shipped (void)
{
    static BounceRules *rules;

    if (rules == NULL) {
        g_autoptr (RelaisConfig) config =
            fuzz_shipped_config ("bounce", options, G_N_ELEMENTS (options));

        rules = bounce_rules_new (config, NULL);
        g_assert_nonnull (rules);
    }
    return rules;
}

static void
check_words (const BounceReply *reply)
{
    static BounceWords seen;

    bounce_words_of (reply, &seen);
    g_assert_true (seen.view.text >= seen.bytes);
    g_assert_true (seen.view.text + seen.view.size <= seen.bytes + REPLIES_TEXT_BYTES);
    g_assert_cmpuint (strlen (seen.view.text), ==, seen.view.size);
    g_assert_true (strpbrk (seen.view.text, "\r\n\t") == NULL);
}

static void
check_verdict (const BounceReply *reply)
{
    const int phase = replies_phase_parse (reply->phase);
    BounceVerdict verdict, again;

    bounce_judge (shipped (), reply, &verdict);
    bounce_judge (shipped (), reply, &again);
    g_assert_cmpstr (verdict.rule, ==, again.rule);
    g_assert_cmpuint (verdict.scope, ==, again.scope);
    g_assert_nonnull (bounce_reason_find (verdict.reason));
    if (verdict.suppress == RELAIS_SUPPRESS_HARD) {
        g_assert_true (verdict.scope == RELAIS_BOUNCE_RECIPIENT ||
                       verdict.scope == RELAIS_BOUNCE_DOMAIN);
        g_assert_cmpuint (verdict.permanence, ==, RELAIS_PERMANENCE_PERMANENT);
    }
    if (verdict.suppress != RELAIS_SUPPRESS_NONE) {
        g_assert_true (phase < 0 || phase >= (int)REPLIES_PHASE_RCPT);
        g_assert_false (reply->internal);
    }
    if (reply->internal)
        g_assert_true (verdict.scope == RELAIS_BOUNCE_NETWORK ||
                       verdict.scope == RELAIS_BOUNCE_LOCAL);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    g_autofree char *text = fuzz_string (bytes, size);
    BounceReply reply = {.phase = phases[fuzz_random_below (&random, G_N_ELEMENTS (phases))],
                         .code = 400 + (guint)fuzz_random_below (&random, 200),
                         .text = text};

    reply.provider = providers[fuzz_random_below (&random, G_N_ELEMENTS (providers))];
    if (fuzz_random_below (&random, 4) == 0)
        reply.code = 0;
    check_words (&reply);
    check_verdict (&reply);
    reply.internal = true;
    check_verdict (&reply);
    return 0;
}
