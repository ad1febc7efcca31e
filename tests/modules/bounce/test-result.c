/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hook result: what the core is told of each refusal, and which outcomes are turned.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

static RelaisTest *
load (const char *config)
{
    g_autofree char *dir =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules", "bounce", ".libs", NULL);
    const char *const names[] = {"bounce", NULL};
    g_autoptr (GError) error = NULL;
    RelaisTest *test = relais_test_new (dir);

    g_assert_true (relais_test_load (test, names, config, &error));
    g_assert_no_error (error);
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "b@rcpt.test");
    return test;
}

static const char RULES[] = "[bounce-rule full]\ntext = full\nscope = quota\n"
                            "permanence = temporary\nreason = mailbox-full\naction = defer\n"
                            "[bounce-rule gone]\ntext = gone\nscope = recipient\n"
                            "reason = no-such-user\n"
                            "[bounce-rule never]\ntext = never\nscope = recipient\n"
                            "permanence = permanent\nreason = moved\naction = bounce\n";

static RelaisVerdict
run (RelaisTest *test, RelaisOutcome outcome, const char *phase, guint code, const char *text)
{
    relais_test_set_outcome (test, outcome, phase, code, NULL, text);
    return relais_test_run (test, RELAIS_HOOK_RESULT);
}

static void
check (RelaisTest *test, RelaisBounceScope scope, RelaisSuppressClass suppress, const char *reason,
       const char *rule)
{
    const RelaisClassification *classification = relais_test_get_classification (test);

    g_assert_nonnull (classification);
    g_assert_cmpuint (classification->scope, ==, scope);
    g_assert_cmpuint (classification->suppress, ==, suppress);
    g_assert_cmpstr (classification->reason, ==, reason);
    g_assert_cmpstr (classification->rule, ==, rule);
}

static void
test_told (void)
{
    g_autoptr (RelaisTest) test = load (RULES);

    g_assert_cmpuint (run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "gone"), ==,
                      RELAIS_VERDICT_CONTINUE);
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_HARD, "no-such-user", "gone");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_DEFERRED, "rcpt", 450, "gone"), ==,
                      RELAIS_VERDICT_CONTINUE);
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_NONE, "no-such-user", "gone");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "no"), ==,
                      RELAIS_VERDICT_CONTINUE);
    check (test, RELAIS_BOUNCE_UNKNOWN, RELAIS_SUPPRESS_NONE, "unknown", "code");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_DELIVERED, "dot", 250, "gone"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_null (relais_test_get_classification (test));
    g_assert_cmpuint (relais_test_get_count (test, "bounce", "bounce_judged", "recipient"), ==, 2);
    g_assert_cmpuint (relais_test_get_count (test, "bounce", "bounce_judged", "unknown"), ==, 1);
}

/* Who asked for our sender and did not find it says so of that address, as the message has it or as it went out. */
static void
test_of_sender (void)
{
    static const char bounces[] = "[domain bounces.test]\n[bounce]\ndomain = bounces.test\n";
    g_autofree char *config = g_strconcat (RULES, bounces, NULL);
    g_autoptr (RelaisTest) test = load (config);

    (void)run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "<b@rcpt.test>: gone");
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_HARD, "no-such-user", "gone");
    (void)run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "<A@sender.test>: gone");
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_NONE, "no-such-user", "gone");
    (void)run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "b-abc@Bounces.test gone");
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_NONE, "no-such-user", "gone");
}

/* Nor is a domain that is not there the recipient's where the words name ours. */
static void
test_of_sender_domain (void)
{
    static const struct {
        const char *text;
        bool of_sender;
    } cases[] = {
        {"Domain sender.test does not exist", true},
        {"domain Sender.TEST. does not exist", true},
        {"mx.rcpt.test: the domain (sender.test) does not exist", true},
        {"<a@sender.test>: domain does not exist", true},
        {"host mail.author.test does not exist", true},
        {"bounces.test does not exist", true},
        {"Domain does not exist", false},
        {"Domain rcpt.test does not exist", false},
        {"<b@rcpt.test> does not exist (mail from sender.test)", false},
        {"Domain sender.test.example does not exist", false},
        {"Domain xsender.test does not exist", false},
        {"Domain x-sender.test does not exist", false},
    };
    static const char rules[] = "[domain bounces.test]\n[bounce]\ndomain = bounces.test\n"
                                "[bounce-rule domain]\ntext = does not exist\nscope = domain\n"
                                "reason = no-such-domain\n";
    static const char message[] = "From: ann@author.test\r\n\r\nHello\r\n";
    g_autoptr (RelaisTest) test = load (rules);

    relais_test_set_tenant (test, "a");
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "b@rcpt.test");
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_test_message ("%s", cases[i].text);
        (void)run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, cases[i].text);
        if (cases[i].of_sender)
            check (test, RELAIS_BOUNCE_AUTH, RELAIS_SUPPRESS_NONE, "sender-refused", "domain");
        else
            check (test, RELAIS_BOUNCE_DOMAIN, RELAIS_SUPPRESS_HARD, "no-such-domain", "domain");
    }
}

static void
test_turned (void)
{
    g_autoptr (RelaisTest) test = load (RULES);
    g_autofree char *off = g_strconcat (RULES, "[bounce]\ndefer = no\nbounce = no\n", NULL);

    g_assert_cmpuint (run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 552, "full"), ==,
                      RELAIS_VERDICT_DEFER);
    check (test, RELAIS_BOUNCE_QUOTA, RELAIS_SUPPRESS_NONE, "mailbox-full", "full");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_DEFERRED, "rcpt", 452, "full"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_DEFERRED, "rcpt", 450, "never"), ==,
                      RELAIS_VERDICT_REJECT);
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_HARD, "moved", "never");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "never"), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_get_count (test, "bounce", "bounce_turned", "deferral"), ==, 1);
    g_assert_cmpuint (relais_test_get_count (test, "bounce", "bounce_turned", "rejection"), ==, 1);
    g_assert_true (relais_test_reload (test, off, NULL));
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 552, "full"), ==,
                      RELAIS_VERDICT_CONTINUE);
    check (test, RELAIS_BOUNCE_QUOTA, RELAIS_SUPPRESS_NONE, "mailbox-full", "full");
    g_assert_cmpuint (run (test, RELAIS_OUTCOME_DEFERRED, "rcpt", 450, "never"), ==,
                      RELAIS_VERDICT_CONTINUE);
}

static void
test_refused (void)
{
    g_autoptr (RelaisTest) test = load (RULES);
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_test_reload (
        test, "[bounce-rule x]\ntext = x\nscope = policy\nsuppress = hard\n", &error));
    g_assert_nonnull (error);
    (void)run (test, RELAIS_OUTCOME_BOUNCED, "rcpt", 550, "gone");
    check (test, RELAIS_BOUNCE_RECIPIENT, RELAIS_SUPPRESS_HARD, "no-such-user", "gone");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/bounce/result/told", test_told);
    g_test_add_func ("/bounce/result/of-sender", test_of_sender);
    g_test_add_func ("/bounce/result/of-sender-domain", test_of_sender_domain);
    g_test_add_func ("/bounce/result/turned", test_turned);
    g_test_add_func ("/bounce/result/refused", test_refused);
    return g_test_run ();
}
