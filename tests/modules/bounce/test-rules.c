/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What replies mean: which of several rules decides, what is said where none does, who may become evidence against an
 * address, what is refused at load, and each limit at its boundary.
 */
#include "config.h"

#include "conf/conf-private.h"
#include "dead.h"
#include "offline.h"
#include "reasons.h"
#include "rule.h"
#include "words.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>

static const RelaisOption options[] = {BOUNCE_RULE_OPTIONS};

static RelaisConfig *
read_text (const char *text)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-bounce-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "a.conf", NULL);
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    g_autoptr (GError) error = NULL;
    RelaisSchema *schema = relais_schema_new ();
    const char *const dirs[] = {dir, NULL};
    RelaisConfig *config;

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    relais_schema_add_module (schema, "bounce", options, G_N_ELEMENTS (options), sizeof options[0],
                              &error);
    g_assert_no_error (error);
    config = relais_config_read (schema, dirs, findings);
    g_assert_nonnull (config);
    relais_schema_free (schema);
    g_remove (path);
    g_rmdir (dir);
    return config;
}

static BounceRules *
make (const char *text)
{
    g_autoptr (RelaisConfig) config = read_text (text);
    g_autoptr (GError) error = NULL;
    BounceRules *rules = bounce_rules_new (config, &error);

    g_assert_no_error (error);
    return rules;
}

static BounceVerdict
judge (const BounceRules *rules, const BounceReply *reply)
{
    BounceVerdict verdict;

    bounce_judge (rules, reply, &verdict);
    g_assert_nonnull (verdict.rule);
    g_assert_nonnull (verdict.reason);
    return verdict;
}

#define REPLY(...) (&(const BounceReply){__VA_ARGS__})

/* --- Which rule decides ---------------------------------------------------------------------------- */

static void
test_order (void)
{
    g_autoptr (BounceRules) rules = make ("[bounce-rule all]\ntext = full\nscope = quota\n"
                                          "[bounce-rule own]\nprovider = a\ntext = full\n"
                                          "scope = policy\n"
                                          "[bounce-rule number]\nprovider = a\n"
                                          "enhanced = *.7.606\nscope = ip\n"
                                          "[bounce-rule known]\nprovider = a\n"
                                          "enhanced = *.7.28\nscope = policy\n"
                                          "[bounce-rule off]\ntext = gone\nenable = no\n"
                                          "scope = recipient\n");
    static const struct {
        BounceReply reply;
        const char *rule;
    } cases[] = {
        {{.provider = "a", .code = 550, .text = "full"}, "own"},
        {{.provider = "b", .code = 550, .text = "full"}, "all"},
        {{.code = 550, .text = "full"}, "own"}, /* nobody knows whose it is: its words may tell */
        {{.code = 550, .text = "5.7.606 no"}, "number"},
        {{.provider = "b", .code = 550, .text = "5.7.606 no"}, "enhanced"},
        {{.code = 550, .enhanced = "5.7.28", .text = "no"}, "enhanced"},
        {{.provider = "a", .code = 550, .enhanced = "5.7.28", .text = "no"}, "known"},
        {{.code = 550, .text = "gone"}, "code"},
        {{.code = 550, .text = "full", .internal = true}, "internal"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_test_message ("%u", i);
        g_assert_cmpstr (judge (rules, &cases[i].reply).rule, ==, cases[i].rule);
    }
}

/* --- What codes say -------------------------------------------------------------------------------- */

static void
test_codes (void)
{
    g_autoptr (BounceRules) rules = make ("");
    static const struct {
        BounceReply reply;
        RelaisBounceScope scope;
        RelaisBouncePermanence permanence;
        RelaisSuppressClass suppress;
    } cases[] = {
        {{.code = 550}, RELAIS_BOUNCE_UNKNOWN, 1, 0},
        {{.code = 450}, RELAIS_BOUNCE_UNKNOWN, 2, 0},
        {{.code = 0}, RELAIS_BOUNCE_UNKNOWN, 0, 0},
        {{.phase = "rcpt", .code = 550, .text = "no"}, RELAIS_BOUNCE_UNKNOWN, 1, 0},
        {{.phase = "banner", .code = 554, .text = "no"}, RELAIS_BOUNCE_IP, 1, 0},
        {{.phase = "ehlo", .code = 554}, RELAIS_BOUNCE_POLICY, 1, 0},
        {{.phase = "mail", .code = 554}, RELAIS_BOUNCE_POLICY, 1, 0},
        {{.phase = "dot", .code = 554}, RELAIS_BOUNCE_CONTENT, 1, 0},
        {{.code = 550, .enhanced = "5.1.1"}, RELAIS_BOUNCE_RECIPIENT, 1, RELAIS_SUPPRESS_HARD},
        {{.code = 550, .text = "5.1.1 no"}, RELAIS_BOUNCE_RECIPIENT, 1, RELAIS_SUPPRESS_HARD},
        {{.code = 550, .text = "550 5.1.1 no"}, RELAIS_BOUNCE_RECIPIENT, 1, RELAIS_SUPPRESS_HARD},
        {{.text = "550 5.1.1 no"}, RELAIS_BOUNCE_RECIPIENT, 1, RELAIS_SUPPRESS_HARD},
        {{.text = "5.1.1 no"}, RELAIS_BOUNCE_RECIPIENT, 1, RELAIS_SUPPRESS_HARD},
        {{.code = 450, .enhanced = "4.1.1"}, RELAIS_BOUNCE_RECIPIENT, 2, 0},
        {{.code = 550, .enhanced = "5.1.2"}, RELAIS_BOUNCE_DOMAIN, 1, RELAIS_SUPPRESS_HARD},
        {{.code = 556}, RELAIS_BOUNCE_DOMAIN, 1, RELAIS_SUPPRESS_HARD},
        {{.code = 552, .enhanced = "5.2.2"}, RELAIS_BOUNCE_QUOTA, 2, 0},
        {{.phase = "mail", .code = 550, .enhanced = "5.1.1"}, RELAIS_BOUNCE_POLICY, 1, 0},
        {{.phase = "banner", .code = 550, .enhanced = "5.1.1"}, RELAIS_BOUNCE_IP, 1, 0},
        {{.phase = "mail", .code = 450, .enhanced = "4.1.1"}, RELAIS_BOUNCE_UNKNOWN, 2, 0},
        {{.code = 554, .enhanced = "5.7.23"}, RELAIS_BOUNCE_AUTH, 1, 0},
        {{.code = 554, .enhanced = "5.7.1"}, RELAIS_BOUNCE_POLICY, 1, 0},
        {{.code = 554, .enhanced = "5.0.0"}, RELAIS_BOUNCE_UNKNOWN, 1, 0},
        {{.code = 421}, RELAIS_BOUNCE_NETWORK, 2, 0},
        {{.code = 503}, RELAIS_BOUNCE_NETWORK, 1, 0},
        {{.phase = "dot", .code = 451, .enhanced = "4.4.2", .internal = true},
         RELAIS_BOUNCE_NETWORK,
         2,
         0},
        {{.phase = "route", .code = 550, .enhanced = "5.1.2", .internal = true},
         RELAIS_BOUNCE_NETWORK,
         1,
         0},
        {{.phase = "prepare", .code = 451, .enhanced = "4.3.0", .internal = true},
         RELAIS_BOUNCE_LOCAL,
         2,
         0},
        {{.phase = "route", .code = 550, .internal = true}, RELAIS_BOUNCE_LOCAL, 1, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const BounceVerdict verdict = judge (rules, &cases[i].reply);

        g_test_message ("%u: %s", i, relais_bounce_scope_to_string (verdict.scope));
        g_assert_cmpuint (verdict.scope, ==, cases[i].scope);
        g_assert_cmpuint (verdict.permanence, ==, cases[i].permanence);
        g_assert_cmpuint (verdict.suppress, ==, cases[i].suppress);
        g_assert_nonnull (bounce_reason_find (verdict.reason));
    }
}

/* --- Evidence -------------------------------------------------------------------------------------- */

static void
test_evidence (void)
{
    g_autoptr (BounceRules) rules =
        make ("[bounce-rule gone]\ntext = gone\nscope = recipient\nreason = no-such-user\n"
              "[bounce-rule lost]\ntext = lost\nscope = domain\npermanence = permanent\n"
              "[bounce-rule none]\ntext = perhaps\nscope = recipient\nsuppress = none\n"
              "[bounce-rule soft]\ntext = asleep\nscope = recipient\nsuppress = soft\n"
              "[bounce-rule hard]\ntext = dead\nscope = recipient\nsuppress = hard\n"
              "[bounce-rule full]\ntext = full\nscope = quota\npermanence = permanent\n");
    static const struct {
        const char *phase, *text;
        guint code;
        RelaisSuppressClass suppress;
    } cases[] = {
        {"rcpt", "gone", 550, RELAIS_SUPPRESS_HARD},
        {NULL, "gone", 550, RELAIS_SUPPRESS_HARD},
        {"dot", "gone", 550, RELAIS_SUPPRESS_HARD},
        {"rcpt", "gone", 450, RELAIS_SUPPRESS_NONE},
        {"rcpt", "gone", 0, RELAIS_SUPPRESS_NONE},
        {"mail", "gone", 550, RELAIS_SUPPRESS_NONE},
        {"banner", "dead", 550, 0},
        {"rcpt", "lost", 550, RELAIS_SUPPRESS_HARD},
        {"rcpt", "lost", 450, RELAIS_SUPPRESS_HARD},
        {"rcpt", "perhaps", 550, 0},
        {"rcpt", "asleep", 450, RELAIS_SUPPRESS_SOFT},
        {"rcpt", "asleep", 550, RELAIS_SUPPRESS_SOFT},
        {"rcpt", "dead", 550, RELAIS_SUPPRESS_HARD},
        {"rcpt", "dead", 450, RELAIS_SUPPRESS_NONE},
        {"rcpt", "full", 550, RELAIS_SUPPRESS_NONE},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const BounceReply reply = {
            .phase = cases[i].phase, .code = cases[i].code, .text = cases[i].text};

        g_test_message ("%u: %s", i, cases[i].text);
        g_assert_cmpuint (judge (rules, &reply).suppress, ==, cases[i].suppress);
    }
}

/* --- Words ----------------------------------------------------------------------------------------- */

static void
check_words (const char *text, const char *wanted, const char *enhanced)
{
    g_autofree BounceWords *words = g_new (BounceWords, 1);
    g_autofree char *number = NULL;
    const BounceReply reply = {.text = text};

    bounce_words_of (&reply, words);
    g_assert_cmpstr (words->view.text, ==, wanted);
    g_assert_cmpuint (words->view.size, ==, strlen (wanted));
    if (words->view.has_enhanced)
        number = g_strdup_printf ("%u.%u.%u", words->view.klass, words->view.subject,
                                  words->view.detail);
    g_assert_cmpstr (number, ==, enhanced);
}

static void
test_words (void)
{
    check_words ("550 5.1.1 no such user", "no such user", "5.1.1");
    check_words ("550-5.1.1 no\r\n  such\tuser \n", "no such user", "5.1.1");
    check_words ("550 #5.1.1 no", "no", "5.1.1");
    check_words ("550 (5.1.1) no", "no", "5.1.1");
    check_words ("550 5.1.1: no", "no", "5.1.1");
    check_words ("550 550 5.1.1 no", "no", "5.1.1");
    check_words ("550 no 5.1.1", "no 5.1.1", NULL);
    check_words ("550 5.1.1 one 550 5.1.1 two 550-5.1.1 three", "one two three", "5.1.1");
    check_words ("550 5.1.1 rooms 550 and 551", "rooms and 551", "5.1.1");
    check_words ("450 4.1.1 host x.test said: 550 5.7.1 no (in reply to RCPT TO command)", "no",
                 "4.1.1");
    check_words ("host x.test said: 550 5.7.1 no (in reply to RCPT TO command)", "no", "5.7.1");
    check_words ("he said: nothing", "he said: nothing", NULL);
    check_words ("3.1.1 no", "3.1.1 no", NULL);
    check_words ("550", "", NULL);
    check_words ("", "", NULL);
}

/* --- What is refused ------------------------------------------------------------------------------- */

static void
test_refused (void)
{
    static const struct {
        const char *keys, *error;
    } cases[] = {
        {"text = x\nscope = recipient\nreason = no-such-usr\n", "did you mean 'no-such-user'?"},
        {"text = x\nscope = recipient\nreason = zzzzzzzz\n", "expected one of the list"},
        {"text = x\nscope = policy\nsuppress = hard\n", "says nothing against an address"},
        {"text = x\nscope = quota\nsuppress = soft\n", "says nothing against an address"},
        {"text = x\nscope = recipient\npermanence = temporary\nsuppress = hard\n", "is no proof"},
        {"text = x\nscope = policy\npermanence = permanent\naction = defer\n", "contradicts"},
        {"text = x\nscope = policy\npermanence = temporary\naction = bounce\n", "contradicts"},
        {"text = x\nphase = mail, banner\nscope = recipient\n", "no recipient is named yet"},
        {"scope = policy\n", "it would take every reply"},
        {"text = (\nscope = policy\n", "the pattern is wrong at its octet 2"},
        {"code = 250\nscope = policy\n", "is no code"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *text = g_strconcat ("[bounce-rule x]\n", cases[i].keys, NULL);
        g_autoptr (RelaisConfig) config = read_text (text);
        g_autoptr (GError) error = NULL;

        g_assert_null (bounce_rules_new (config, &error));
        g_assert_error (error, replies_error_quark (), 0);
        g_test_message ("%s", error->message);
        g_assert_nonnull (strstr (error->message, "a.conf:"));
        g_assert_nonnull (strstr (error->message, cases[i].error));
    }
}

static bool
takes_name (guint size)
{
    g_autofree char *name = g_strnfill (size, 'a');
    g_autofree char *text = g_strdup_printf ("[bounce-rule %s]\ntext = x\nscope = policy\n", name);
    g_autoptr (RelaisConfig) config = read_text (text);
    g_autoptr (BounceRules) rules = bounce_rules_new (config, NULL);

    return rules != NULL;
}

/* --- Limits ---------------------------------------------------------------------------------------- */

static bool
takes_pattern (guint size)
{
    g_autofree char *pattern = g_strnfill (size, 'a');
    g_autofree char *text =
        g_strdup_printf ("[bounce-rule x]\ntext = %s\nscope = policy\n", pattern);
    g_autoptr (RelaisConfig) config = read_text (text);
    g_autoptr (BounceRules) rules = bounce_rules_new (config, NULL);

    return rules != NULL;
}

static void
test_sizes (void)
{
    g_autoptr (BounceRules) rules = make ("[bounce-rule end]\ntext = end$\nscope = policy\n"
                                          "[bounce-rule cut]\ntext = en$\nscope = content\n");
    g_autofree char *text = g_strnfill (REPLIES_TEXT_BYTES + 100, 'x');

    g_assert_true (takes_pattern (REPLIES_PATTERN_BYTES));
    g_assert_false (takes_pattern (REPLIES_PATTERN_BYTES + 1));
    g_assert_true (takes_name (BOUNCE_RULE_NAME_BYTES));
    g_assert_false (takes_name (BOUNCE_RULE_NAME_BYTES + 1));
    memcpy (text + REPLIES_TEXT_BYTES - 3, "end", 3);
    g_assert_cmpstr (judge (rules, REPLY (.code = 550, .text = text)).rule, ==, "end");
    memcpy (text + REPLIES_TEXT_BYTES - 3, "xend", 4);
    g_assert_cmpstr (judge (rules, REPLY (.code = 550, .text = text)).rule, ==, "cut");
}

/* A pattern that would take for ever counts as none; after four of them nothing more is asked. */
static void
test_hostile (void)
{
    g_autoptr (GString) config = g_string_new (NULL);
    g_autofree char *text = g_strnfill (REPLIES_TEXT_BYTES, 'a');
    g_autoptr (BounceRules) rules = NULL;

    memcpy (text + REPLIES_TEXT_BYTES - 5, "!012x", 5); /* what the patterns end with is there */
    for (guint i = 0; i < REPLIES_MATCH_FAILURES - 1; i++)
        g_string_append_printf (
            config, "[bounce-rule bad%u]\ntext = ^(a|aa)+%u$\nscope = recipient\n", i, i);
    g_string_append (config, "[bounce-rule good]\ntext = aaa\nscope = policy\n");
    rules = make (config->str);
    g_assert_cmpstr (judge (rules, REPLY (.code = 550, .text = text)).rule, ==, "good");
    g_assert_cmpuint (bounce_rules_n_limited (rules), ==, REPLIES_MATCH_FAILURES - 1);
    g_clear_pointer (&rules, bounce_rules_unref);
    g_string_prepend (config, "[bounce-rule first]\ntext = ^(a|aa)+x$\nscope = recipient\n");
    rules = make (config->str);
    g_assert_cmpstr (judge (rules, REPLY (.code = 550, .text = text)).rule, ==, "code");
    g_assert_cmpuint (bounce_rules_n_limited (rules), ==, REPLIES_MATCH_FAILURES);
}

/* --- Lists ----------------------------------------------------------------------------------------- */

/* The choices of options are in the order of the enumerations. */
static void
test_choices (void)
{
    g_auto (GStrv) scopes = g_strsplit (BOUNCE_SCOPE_CHOICES, "|", -1);
    g_auto (GStrv) permanences = g_strsplit (BOUNCE_PERMANENCE_CHOICES, "|", -1);

    g_assert_cmpuint (g_strv_length (scopes), ==, RELAIS_BOUNCE_LOCAL + 1);
    for (guint i = 0; scopes[i] != NULL; i++)
        g_assert_cmpstr (scopes[i], ==, relais_bounce_scope_to_string (i));
    for (guint i = 1; permanences[i] != NULL; i++)
        g_assert_cmpstr (permanences[i], ==, relais_bounce_permanence_to_string (i));
}

/* People find each reason in the shipped file, and events can carry it. */
static void
test_reasons (void)
{
    g_autofree char *path =
        g_build_filename (g_getenv ("RELAIS_SRCDIR"), "conf.d", "bounce.conf", NULL);
    g_autofree char *content = NULL;
    const char *name, *meaning;
    guint n = 0;

    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    for (; (name = bounce_reason_nth (n, &meaning)) != NULL; n++) {
        g_autofree char *line = g_strdup_printf ("\n#   %s", name);

        g_test_message ("%s", name);
        g_assert_nonnull (strstr (content, line));
        g_assert_cmpuint (strspn (name, "abcdefghijklmnopqrstuvwxyz-"), ==, strlen (name));
        g_assert_cmpstr (bounce_reason_find (name), ==, name);
    }
    g_assert_cmpuint (n, >, 20);
    g_assert_null (meaning);
    g_assert_null (bounce_reason_find ("no-such-reason"));
}

static void
check_finding (const char *text, const char *wanted)
{
    g_autoptr (RelaisConfig) config = read_text (text);
    g_autoptr (GPtrArray) findings = bounce_lint (config);

    if (wanted == NULL) {
        g_assert_cmpuint (findings->len, ==, 0);
        return;
    }
    g_assert_cmpuint (findings->len, ==, 1);
    g_test_message ("%s", ((RepliesFinding *)findings->pdata[0])->what);
    g_assert_nonnull (strstr (((RepliesFinding *)findings->pdata[0])->what, wanted));
}

static void
test_lint (void)
{
    check_finding ("[bounce-rule a]\ntext = x\nscope = policy\n"
                   "[bounce-rule b]\ntext = x\nscope = recipient\n",
                   "[bounce-rule b] is reached by no reply: [bounce-rule a] before it");
    /* What comes before a recipient is named is left to it. */
    check_finding ("[bounce-rule a]\ntext = x\nscope = recipient\n"
                   "[bounce-rule b]\ntext = x\nscope = policy\n",
                   NULL);
    check_finding ("[bounce-rule a]\ntext = x\nscope = policy\nenable = no\n"
                   "[bounce-rule b]\ntext = x\nscope = recipient\n",
                   NULL);
    check_finding ("[bounce-rule a]\ntext = ^550 x\nscope = policy\n", "the pattern wants a code");
    check_finding ("[bounce-rule a]\ntext = x\nreason = nothing\nscope = policy\n", "is no reason");
    check_finding ("[provider p]\n[bounce-rule a]\nprovider = q\ntext = x\nscope = policy\n",
                   "there is no [provider q]");
    check_finding ("[bounce-rule a]\nprovider = q\ntext = x\nscope = policy\n", NULL);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/bounce/rules/order", test_order);
    g_test_add_func ("/bounce/rules/codes", test_codes);
    g_test_add_func ("/bounce/rules/evidence", test_evidence);
    g_test_add_func ("/bounce/rules/words", test_words);
    g_test_add_func ("/bounce/rules/refused", test_refused);
    g_test_add_func ("/bounce/rules/sizes", test_sizes);
    g_test_add_func ("/bounce/rules/hostile", test_hostile);
    g_test_add_func ("/bounce/rules/choices", test_choices);
    g_test_add_func ("/bounce/rules/reasons", test_reasons);
    g_test_add_func ("/bounce/rules/lint", test_lint);
    return g_test_run ();
}
