/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules of who it was, and what is asked of them (modules/tracking). Properties: a file is taken or an error says on
 * which line it is not, never both; a verdict is well-formed, and rules only ever add doubt to what the hit says
 * without them. Addresses and agents asked for are words of the file, so that they are those it speaks of.
 *
 * Parsers: modules/tracking/agents.c, modules/tracking/rules.c, modules/tracking/who.c.
 */
#include "fuzz.h"
#include "who.h"

static const char *const words[] = {"net ",
                                    "agent \"",
                                    "seconds open ",
                                    "seconds click ",
                                    "192.0.2.0/24",
                                    "192.0.2.7",
                                    "0.0.0.0/1",
                                    "2001:db8::/32",
                                    "::ffff:192.0.2.0/120",
                                    " human",
                                    " suspect",
                                    " machine/human",
                                    " NAME",
                                    " guess\n",
                                    " https://a.test/ 2026-11-28\n",
                                    "\"",
                                    "^",
                                    "$",
                                    "#",
                                    "curl/8",
                                    "GoogleImageProxy",
                                    "Mozilla/5.0 (iPhone; AppleWebKit/605",
                                    NULL};
const FuzzTarget fuzz_target = {30000, words};

static void
check_verdict (const TrackingVerdict *verdict)
{
    g_assert_true (verdict->klass <= TRACKING_MACHINE);
    g_assert_nonnull (memchr (verdict->reasons, '\0', sizeof verdict->reasons));
    g_assert_true ((verdict->klass == TRACKING_HUMAN) == (verdict->reasons[0] == '\0'));
    g_assert_true (verdict->client != NULL && verdict->platform != NULL);
}

static void
check_who (const TrackingRules *rules, FuzzRandom *random, const char *address, const char *agent)
{
    const TrackingSigns signs = {.head = fuzz_random_below (random, 2) > 0,
                                 .click = fuzz_random_below (random, 2) > 0,
                                 .trap = fuzz_random_below (random, 2) > 0,
                                 .burst = fuzz_random_below (random, 2) > 0,
                                 .after_us = G_MAXINT64,
                                 .address = address,
                                 .agent = agent};
    TrackingVerdict verdict, bare;

    tracking_who (rules, &signs, &verdict);
    tracking_who (NULL, &signs, &bare);
    check_verdict (&verdict);
    check_verdict (&bare);
    g_assert_true (verdict.klass >= bare.klass && bare.proxy == NULL);
}

static void
ask (const TrackingRules *rules, FuzzRandom *random, const guint8 *bytes, gsize size)
{
    g_autofree char *text = fuzz_string (bytes, size);
    g_auto (GStrv) parts = g_strsplit_set (text, " \n\"/", 200);

    for (char **part = parts; *part != NULL; part++)
        check_who (rules, random, *part, part[fuzz_random_below (random, 2)]);
    check_who (rules, random, "192.0.2.7", text);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (TrackingRules) rules = NULL;
    guint8 *exact = fuzz_exact (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);

    rules = tracking_rules_parse ((const char *)exact, size, "t", &error);
    g_assert_true ((rules == NULL) == (error != NULL));
    if (error != NULL) {
        char *end;
        const guint64 line = g_ascii_strtoull (error->message + 2, &end, 10);
        guint64 n_lines = 1;

        for (gsize i = 0; i < size; i++)
            n_lines += bytes[i] == '\n';
        g_assert_true (g_str_has_prefix (error->message, "t:") && *end == ':');
        g_assert_true (line >= 1 && line <= n_lines);
        g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
    ask (rules, &random, exact, size);
    free (exact);
    return 0;
}
