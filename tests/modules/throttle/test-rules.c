/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules of replies: what a rule looks at, which of several decides, what one mailbox's trouble may not do, what
 * is refused at load, and each limit at its boundary.
 */
#include "config.h"

#include "conf.h"
#include "rule.h"

#include <string.h>

static ThrottleRules *
make (const char *text)
{
    g_autoptr (RelaisConfig) config = test_conf_of_text (text);
    g_autoptr (GError) error = NULL;
    ThrottleRules *rules = throttle_rules_new (config, &error);

    g_assert_no_error (error);
    return rules;
}

/* The name of the rule that acts, or "". */
static const char *
ask (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply)
{
    ThrottleAction action;

    return throttle_rules_match (rules, provider, reply, &action) ? action.rule : "";
}

#define REPLY(phase_, code_, enhanced_, text_)                                                     \
    (&(ThrottleReply){.phase = phase_, .code = code_, .enhanced = enhanced_, .text = text_})

/* --- What a rule looks at ------------------------------------------------------------------------- */

static void
test_conditions (void)
{
    g_autoptr (ThrottleRules) rules =
        make ("[throttle-rule phase]\nphase = banner, ehlo\naction = slow\n"
              "[throttle-rule code]\ncode = 421 45x\naction = slow\n"
              "[throttle-rule enhanced]\nenhanced = 5.7.28 *.7.500-699 4.3.*\naction = slow\n"
              "[throttle-rule text]\ntext = Slow.down\naction = slow\n");
    static const struct {
        ThrottleReply reply;
        const char *rule;
    } cases[] = {
        {{"banner", 554, NULL, "no"}, "phase"},
        {{"ehlo", 554, NULL, NULL}, "phase"},
        {{"mail", 421, NULL, ""}, "code"},
        {{"mail", 450, NULL, ""}, "code"},
        {{"mail", 459, NULL, ""}, "code"},
        {{"mail", 449, NULL, ""}, ""},
        {{"mail", 460, NULL, ""}, ""},
        {{"body", 550, "5.7.28", ""}, "enhanced"},
        {{"body", 550, "5.7.29", ""}, ""},
        {{"body", 550, "5.7.500", ""}, "enhanced"},
        {{"body", 550, "5.7.699", ""}, "enhanced"},
        {{"body", 550, "5.7.700", ""}, ""},
        {{"body", 550, "5.7.499", ""}, ""},
        {{"body", 441, "4.3.999", ""}, "enhanced"},
        {{"body", 550, NULL, "5.7.606 Access denied"}, "enhanced"},
        {{"body", 550, NULL, "4.7.606 another class says nothing"}, ""},
        {{"body", 550, NULL, "5.7.6060 no code"}, ""},
        {{"body", 550, NULL, "would you please SLOW DOWN"}, "text"},
        {{"body", 550, NULL, "slow\ndown"}, "text"},
        {{NULL, 550, NULL, "slow down"}, "text"},
        {{"route", 550, NULL, "slow down"}, "text"},
        {{"banner", 250, NULL, "slow down"}, ""},
        {{"banner", 399, NULL, "slow down"}, ""},
        {{"banner", 400, NULL, "x"}, "phase"},
        {{"banner", 599, NULL, "x"}, "phase"},
        {{"banner", 600, NULL, "slow down"}, ""},
        {{"banner", 0, NULL, "slow down"}, ""},
        {{"banner", 421, NULL, "slow down", .internal = true}, ""},
        {{"banner", 421, NULL, "slow down", .delivered = true}, ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_test_message ("%u: %s", i, cases[i].reply.text);
        g_assert_cmpstr (ask (rules, NULL, &cases[i].reply), ==, cases[i].rule);
    }
}

/* The text begins behind the codes, also where the code was too long for who read the reply. */
static void
test_text_begins (void)
{
    g_autoptr (ThrottleRules) rules = make ("[throttle-rule a]\ntext = ^busy$\naction = slow\n");

    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, "4.7.1", "busy")), ==, "a");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, "4.7.650 busy")), ==, "a");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, "4.7.1", "4.7.650 busy")), ==, "");
}

static void
test_order (void)
{
    g_autoptr (ThrottleRules) rules = make ("[throttle-rule all]\ncode = 4xx\naction = slow\n"
                                            "[throttle-rule a1]\nprovider = a\ntext = one\n"
                                            "action = pause\nfor = 90s\nhits = 3/10m\n"
                                            "[throttle-rule ab]\nprovider = a, b, a\ntext = o\n"
                                            "action = connections\n"
                                            "[throttle-rule known]\nprovider = b\ncode = 452\n"
                                            "action = none\n");
    ThrottleAction action;

    g_assert_cmpuint (throttle_rules_n (rules), ==, 4);
    g_assert_cmpstr (ask (rules, "a", REPLY ("mail", 421, NULL, "one")), ==, "a1");
    g_assert_cmpstr (ask (rules, "a", REPLY ("mail", 421, NULL, "two")), ==, "ab");
    g_assert_cmpstr (ask (rules, "a", REPLY ("mail", 421, NULL, "elm")), ==, "all");
    g_assert_cmpstr (ask (rules, "b", REPLY ("mail", 421, NULL, "one")), ==, "ab");
    g_assert_cmpstr (ask (rules, "c", REPLY ("mail", 421, NULL, "one")), ==, "all");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 421, NULL, "one")), ==, "all");
    g_assert_cmpstr (ask (rules, "c", REPLY ("mail", 550, NULL, "one")), ==, "");
    /* `none` ends the search before a rule for all. */
    g_assert_cmpstr (ask (rules, "b", REPLY ("mail", 452, NULL, "elm")), ==, "");
    g_assert_cmpstr (
        throttle_rules_find (rules, "b", REPLY ("mail", 452, NULL, "elm"))->selector.name, ==,
        "known");
    g_assert_true (throttle_rules_match (rules, "a", REPLY ("mail", 421, NULL, "one"), &action));
    g_assert_cmpint (action.kind, ==, THROTTLE_ACTION_PAUSE);
    g_assert_cmpint (action.duration_us, ==, 90 * G_USEC_PER_SEC);
    g_assert_cmpuint (action.hits, ==, 3);
    g_assert_cmpint (action.within_us, ==, 600 * G_USEC_PER_SEC);
    g_assert_true (g_str_has_suffix (action.origin, "/a.conf:7"));
    g_assert_true (throttle_rules_match (rules, "b", REPLY ("mail", 421, NULL, "one"), &action));
    g_assert_cmpuint (action.hits, ==, 1);
    g_assert_cmpint (action.within_us, ==, 0);
    g_assert_cmpint (action.duration_us, ==, 0);
}

/* --- One mailbox -------------------------------------------------------------------------------- */

static void
test_mailbox (void)
{
    g_autoptr (ThrottleRules) rules =
        make ("[throttle-rule list]\nenhanced = 5.1.1\nhits = 50/1h\naction = stop-campaign\n"
              "for = 1h\n"
              "[throttle-rule said]\nenhanced = 5.2.1\ntext = blacklisted\naction = slow\n"
              "[throttle-rule wide]\ncode = 4xx 5xx\naction = slow\n");

    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 450, "4.2.1", "too quickly")), ==, "");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 452, "4.2.2", "over quota")), ==, "");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 550, "5.1.2", "no such host")), ==, "");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 550, "5.2.1", "your IP is blacklisted")), ==,
                     "said");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 550, "5.1.1", "unknown")), ==, "list");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 450, "4.7.1", "wait")), ==, "wide");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("rcpt", 450, NULL, "wait")), ==, "wide");
}

/* --- Limits of a match ---------------------------------------------------------------------------- */

static void
test_text_limit (void)
{
    g_autoptr (ThrottleRules) rules = make ("[throttle-rule a]\ntext = busy\naction = slow\n");
    g_autoptr (GString) text = g_string_new (NULL);

    while (text->len < REPLIES_TEXT_BYTES - 4)
        g_string_append_c (text, 'x');
    g_string_append (text, "busy");
    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, text->str)), ==, "a");
    g_string_prepend_c (text, 'x');
    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, text->str)), ==, "");
    g_assert_cmpuint (throttle_rules_n_limited (rules), ==, 0);
}

/* A pattern that needs more steps than it may counts as no match; after four of them nothing is looked for. */
static void
test_step_limit (void)
{
    g_autoptr (GString) conf = g_string_new (NULL);
    g_autofree char *text = g_strnfill (60, 'a');

    for (guint i = 1; i <= REPLIES_MATCH_FAILURES; i++)
        g_string_append_printf (conf, "[throttle-rule %u]\ntext = (a+)+%u\naction = slow\n", i, i);
    g_string_append (conf, "[throttle-rule last]\ntext = a\naction = slow\n");
    {
        g_autoptr (ThrottleRules) rules = make (conf->str);

        g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, "aaa1")), ==, "1");
        g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, "aaa")), ==, "last");
        g_assert_cmpuint (throttle_rules_n_limited (rules), ==, 0);
    }
    {
        /* what fails at once, as the last byte that is needed is not there, has to be there */
        g_autofree char *long_text = g_strconcat (text, "b1234", NULL);
        g_autoptr (ThrottleRules) rules = make (conf->str);

        g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, long_text)), ==, "");
        g_assert_cmpuint (throttle_rules_n_limited (rules), ==, REPLIES_MATCH_FAILURES);
    }
    {
        g_autofree char *long_text = g_strconcat (text, "b123", NULL);
        g_autoptr (ThrottleRules) rules = make (conf->str);

        g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, long_text)), ==, "last");
        g_assert_cmpuint (throttle_rules_n_limited (rules), ==, REPLIES_MATCH_FAILURES - 1);
    }
}

/* --- Refused at load ------------------------------------------------------------------------------ */

static void
check_refused (const char *body, const char *wanted)
{
    g_autofree char *text = g_strdup_printf ("[throttle-rule r]\n%s\n", body);
    g_autoptr (RelaisConfig) config = test_conf_of_text (text);
    g_autoptr (GError) error = NULL;
    const char *said;

    g_assert_null (throttle_rules_new (config, &error));
    g_assert_error (error, replies_error_quark (), 0);
    said = strstr (error->message, "/a.conf:");
    g_assert_nonnull (said);
    g_assert_cmpstr (said + strlen ("/a.conf:"), ==, wanted);
}

static void
test_refused (void)
{
    check_refused ("phase = dinner\naction = slow",
                   "2: [throttle-rule r] phase: 'dinner' is no phase; expected connect, banner, "
                   "ehlo, starttls, auth, mail, rcpt, data or body");
    static const char *const codes[] = {"42", "4211", "250", "x21", "4x1", "42y", "399", "600"};

    for (guint i = 0; i < G_N_ELEMENTS (codes); i++) {
        g_autofree char *body = g_strdup_printf ("code = %s\naction = slow", codes[i]);
        g_autofree char *wanted =
            g_strdup_printf ("2: [throttle-rule r] code: '%s' is no code; expected one of 4xx and "
                             "5xx, as 421, 45x or 4xx",
                             codes[i]);

        check_refused (body, wanted);
    }
    static const char *const enhanced[] = {"4.7",   "4.7.28.", "2.7.1",  "4.7.1234", "4.7.9-8",
                                           "4.7.x", "4.7.1-",  "44.7.1", "4.*",      "*"};

    for (guint i = 0; i < G_N_ELEMENTS (enhanced); i++) {
        g_autofree char *body = g_strdup_printf ("enhanced = %s\naction = slow", enhanced[i]);
        g_autofree char *wanted =
            g_strdup_printf ("2: [throttle-rule r] enhanced: '%s' is no enhanced code; expected "
                             "one of 4.x.x and 5.x.x, as 4.7.28, 4.7.*, *.7.1 or 4.7.500-699",
                             enhanced[i]);

        check_refused (body, wanted);
    }
    static const char *const hits[] = {"0/1m",
                                       "5",
                                       "5/",
                                       "5/10",
                                       "5/0s",
                                       "5/8d",
                                       "/10m",
                                       "-1/m",
                                       "1000001/1m",
                                       "5/10m "
                                       "x"};

    for (guint i = 0; i < G_N_ELEMENTS (hits); i++) {
        g_autofree char *body = g_strdup_printf ("code = 421\nhits = %s\naction = slow", hits[i]);
        g_autofree char *wanted =
            g_strdup_printf ("3: [throttle-rule r] hits: '%s' is not N/TIME, as 5/10m; expected "
                             "from 1 to 1000000 replies within at most 7d",
                             hits[i]);

        check_refused (body, wanted);
    }
}

static void
test_refused_whole (void)
{
    static const char *const actions[] = {"pause", "stop-tenant", "stop-campaign"};

    for (guint i = 0; i < G_N_ELEMENTS (actions); i++) {
        g_autofree char *body = g_strdup_printf ("code = 421\naction = %s", actions[i]);
        g_autofree char *wanted = g_strdup_printf (
            "3: [throttle-rule r] action: %s needs a time; expected for = TIME", actions[i]);

        check_refused (body, wanted);
    }
    check_refused ("provider = a\ncode = 421",
                   "3: [throttle-rule r] action: there is none; expected one of "
                   "none|slow|pause|connections|stop-tenant|stop-campaign");
    check_refused ("action = slow",
                   "2: [throttle-rule r] action: it would take every reply; expected a phase, a "
                   "code, an enhanced code or a text");
    check_refused ("phase = rcpt\ncode = 421\naction = slow",
                   "2: [throttle-rule r] phase: a reply to RCPT is about one mailbox and changes "
                   "no lane; expected a text that says otherwise, or other phases");
    check_refused ("enhanced = 4.7.1 4.2.1\naction = connections",
                   "2: [throttle-rule r] enhanced: x.1.x and x.2.x are about one mailbox and "
                   "change no lane; expected a text that says otherwise, or other codes");
    check_refused ("enhanced = *.1.*\naction = slow",
                   "2: [throttle-rule r] enhanced: x.1.x and x.2.x are about one mailbox and "
                   "change no lane; expected a text that says otherwise, or other codes");
}

static void
test_refused_pattern (void)
{
    g_autofree char *most = g_strnfill (REPLIES_PATTERN_BYTES, 'a');
    g_autofree char *good = g_strdup_printf ("[throttle-rule r]\ntext = %s\naction = slow\n", most);
    g_autofree char *more = g_strdup_printf ("text = %sa\naction = slow", most);
    g_autoptr (ThrottleRules) rules = make (good);
    g_autoptr (GString) nested = g_string_new ("text = ");

    g_assert_cmpstr (ask (rules, NULL, REPLY ("mail", 451, NULL, most)), ==, "r");
    check_refused (more, "2: [throttle-rule r] text: the pattern is longer than 1024 octets");
    check_refused ("text = a(b\naction = slow",
                   "2: [throttle-rule r] text: the pattern is wrong at "
                   "its octet 4: missing closing parenthesis");
    check_refused ("text = (*UTF)a\naction = slow",
                   "2: [throttle-rule r] text: the pattern is wrong at its octet 7: using UTF is "
                   "disabled by the application");
    for (guint i = 0; i < REPLIES_PATTERN_DEPTH; i++)
        g_string_append (nested, "(");
    g_string_append (nested, "a");
    for (guint i = 0; i < REPLIES_PATTERN_DEPTH; i++)
        g_string_append (nested, ")");
    {
        g_autofree char *text =
            g_strdup_printf ("[throttle-rule r]\n%s\naction = slow\n", nested->str);
        g_autoptr (ThrottleRules) deep = make (text);

        g_assert_cmpstr (ask (deep, NULL, REPLY ("mail", 451, NULL, "a")), ==, "r");
    }
    g_string_insert (nested, 7, "(");
    g_string_append (nested, ")\naction = slow");
    check_refused (nested->str, "2: [throttle-rule r] text: the pattern is wrong at its octet 22: "
                                "parentheses are too deeply nested");
}

static void
test_most_rules (void)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    for (guint i = 0; i < REPLIES_RULES; i++)
        g_string_append_printf (text, "[throttle-rule %u]\ncode = 421\naction = slow\n", i);
    {
        g_autoptr (ThrottleRules) rules = make (text->str);

        g_assert_cmpuint (throttle_rules_n (rules), ==, REPLIES_RULES);
    }
    g_string_append (text, "[throttle-rule more]\ncode = 421\naction = slow\n");
    g_autoptr (RelaisConfig) config = test_conf_of_text (text->str);

    g_assert_null (throttle_rules_new (config, &error));
    g_assert_cmpstr (error->message, ==,
                     "there are 1001 sections [throttle-rule NAME]; expected at most 1000");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/throttle-rules/conditions", test_conditions);
    g_test_add_func ("/throttle-rules/text-begins", test_text_begins);
    g_test_add_func ("/throttle-rules/order", test_order);
    g_test_add_func ("/throttle-rules/mailbox", test_mailbox);
    g_test_add_func ("/throttle-rules/text-limit", test_text_limit);
    g_test_add_func ("/throttle-rules/step-limit", test_step_limit);
    g_test_add_func ("/throttle-rules/refused", test_refused);
    g_test_add_func ("/throttle-rules/refused-whole", test_refused_whole);
    g_test_add_func ("/throttle-rules/refused-pattern", test_refused_pattern);
    g_test_add_func ("/throttle-rules/most-rules", test_most_rules);
    return g_test_run ();
}
