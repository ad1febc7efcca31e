/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dmarc as a module: alignment, what is asked of the DNS for it, what failing DNS means, and what is done to
 * mail that fails.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

static const char *module_dir;

static RelaisTest *
start (const char *config)
{
    static const gchar *const names[] = {"dmarc", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    return test;
}

static void
set_from (RelaisTest *test, const char *from)
{
    g_autofree char *text = g_strdup_printf ("From: %s\r\n\r\nHello\r\n", from);

    relais_test_set_message (test, (const guint8 *)text, strlen (text));
}

static void
add (RelaisTest *test, const char *method, const char *result, const char *property)
{
    g_assert_true (
        relais_test_add_auth_result (test, method, result, (const char *const[]){property, NULL}));
}

static void
assert_result (RelaisTest *test, RelaisVerdict verdict, const char *result)
{
    g_autofree char *value = NULL;
    const char *dmarc;

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, verdict);
    value = relais_test_get_auth_results (test);
    dmarc = value != NULL ? strstr (value, "dmarc=") : NULL;
    g_assert_nonnull (dmarc);
    g_assert_cmpstr (dmarc, ==, result);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
}

static void
test_alignment (void)
{
    static const struct {
        const char *method, *result, *property, *dmarc;
    } cases[] = {
        {"spf", "pass", "smtp.mailfrom=bounce@example.org", "pass"},
        {"spf", "pass", "smtp.mailfrom=bounce@Mail.Example.org", "pass"},
        {"spf", "pass", "smtp.helo=example.org", "pass"},
        {"dkim", "pass", "header.d=example.org", "pass"},
        {"dkim", "pass", "header.d=news.example.org", "pass"},
        {"dkim", "fail", "header.d=example.org", "fail"},
        {"spf", "softfail", "smtp.mailfrom=bounce@example.org", "fail"},
        {"dkim", "pass", "header.d=example.com", "fail"},
        {"dkim", "pass", "header.d=org", "fail"},
        {"dkim", "pass", "header.d=badexample.org", "fail"},
        {"dkim", "pass", "header.d=own.example.org", "fail"},
        {"iprev", "pass", "policy.iprev=192.0.2.1", "fail"},
        {"dkim", "temperror", "header.d=example.org", "temperror"},
        {"dkim", "temperror", "header.d=a.example.org", "temperror"},
        /* or a forger would only need a server that does not answer */
        {"dkim", "temperror", "header.d=slow.example", "fail"},
    };
    g_autoptr (RelaisTest) test = start ("");

    relais_test_add_record (test, "_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    relais_test_add_record (test, "_dmarc.own.example.org", "TXT", "v=DMARC1; p=none; psd=n");
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *wanted =
            g_strdup_printf ("dmarc=%s header.from=example.org polrec.p=reject", cases[i].dmarc);

        g_test_message ("%s=%s %s", cases[i].method, cases[i].result, cases[i].property);
        set_from (test, "ann@example.org");
        add (test, cases[i].method, cases[i].result, cases[i].property);
        assert_result (test, RELAIS_VERDICT_CONTINUE, wanted);
    }
    g_assert_cmpuint (relais_test_get_count (test, "dmarc", "results", "pass"), ==, 5);
}

static void
test_strict (void)
{
    g_autoptr (RelaisTest) test = start ("");

    relais_test_add_record (test, "_dmarc.example.org", "TXT", "v=DMARC1; p=none; adkim=s");
    set_from (test, "ann@example.org");
    add (test, "dkim", "pass", "header.d=news.example.org");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=fail header.from=example.org polrec.p=none");
    set_from (test, "ann@example.org");
    add (test, "spf", "pass", "smtp.mailfrom=x@news.example.org");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=pass header.from=example.org polrec.p=none");
}

/* The author's own record and an exact match cost one question. */
static void
test_questions (void)
{
    g_autoptr (RelaisTest) test = start ("");

    relais_test_add_record (test, "_dmarc.a.b.c.example.org", "TXT", "v=DMARC1; p=none");
    set_from (test, "ann@a.b.c.example.org");
    add (test, "dkim", "pass", "header.d=a.b.c.example.org");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=pass header.from=a.b.c.example.org polrec.p=none");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1);
    /* Ten that vouch for a stranger cost nothing more than the author's walk. */
    set_from (test, "ann@a.b.c.d.e.f.g.h.example.org");
    for (guint i = 0; i < 10; i++)
        add (test, "dkim", "pass", "header.d=stranger.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=none header.from=a.b.c.d.e.f.g.h.example.org");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1 + 8);
}

static void
test_no_policy (void)
{
    g_autoptr (RelaisTest) test = start ("");

    relais_test_add_record (test, "_dmarc.two.example", "TXT", "v=DMARC1; p=reject");
    relais_test_add_record (test, "_dmarc.two.example", "TXT", "v=DMARC1; p=none");
    relais_test_add_record (test, "_dmarc.odd.example", "TXT", "v=DMARC1; p=perhaps");
    relais_test_add_record (test, "_dmarc.other.example", "TXT", "something else");
    relais_test_fail_lookup (test, "_dmarc.dark.example", "timeout");
    set_from (test, "ann@two.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE, "dmarc=none header.from=two.example");
    set_from (test, "ann@other.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE, "dmarc=none header.from=other.example");
    set_from (test, "ann@odd.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=permerror reason=\"the record has no valid policy\" "
                   "header.from=odd.example polrec.p=none");
    set_from (test, "ann@a.dark.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=temperror reason=\"the policy could not be looked up\" "
                   "header.from=a.dark.example");
    set_from (test, "ann@one.example, bob@two.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE, "dmarc=none reason=\"no single author\"");
}

static void
test_enforced (void)
{
    g_autoptr (RelaisTest) test = start ("[dmarc]\nenforce = reject\n");
    g_autoptr (GError) error = NULL;

    relais_test_add_record (test, "_dmarc.hard.example", "TXT",
                            "v=DMARC1; p=reject; sp=none; np=quarantine");
    relais_test_add_record (test, "there.hard.example", "A", "192.0.2.1");
    relais_test_fail_lookup (test, "dark.hard.example", "timeout");
    set_from (test, "ann@hard.example");
    assert_result (test, RELAIS_VERDICT_REJECT,
                   "dmarc=fail header.from=hard.example polrec.p=reject");
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, "5.7.26");
    set_from (test, "ann@there.hard.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=fail header.from=there.hard.example polrec.p=reject "
                   "polrec.domain=hard.example");
    set_from (test, "ann@gone.hard.example");
    assert_result (test, RELAIS_VERDICT_QUARANTINE,
                   "dmarc=fail header.from=gone.hard.example polrec.p=reject "
                   "polrec.domain=hard.example");
    /* Not known to be absent. */
    set_from (test, "ann@dark.hard.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=fail header.from=dark.hard.example polrec.p=reject "
                   "polrec.domain=hard.example");
    /* What could not be found out is no failure. */
    set_from (test, "ann@hard.example");
    add (test, "spf", "temperror", "smtp.mailfrom=x@hard.example");
    assert_result (test, RELAIS_VERDICT_CONTINUE,
                   "dmarc=temperror header.from=hard.example polrec.p=reject");
    relais_test_reload (test, "[dmarc]\nenforce = quarantine\n", &error);
    g_assert_no_error (error);
    set_from (test, "ann@hard.example");
    assert_result (test, RELAIS_VERDICT_QUARANTINE,
                   "dmarc=fail header.from=hard.example polrec.p=reject");
}

/* Who cannot be asked about is let through, held or refused as is configured, whatever enforce says. */
static void
test_no_author (void)
{
    static const struct {
        const char *message;
        bool single;
    } cases[] = {
        {"Subject: nobody\r\n\r\nHello\r\n", false},
        {"From: ann@one.example, bob@hard.example\r\n\r\nHello\r\n", false},
        {"From: authors: ann@hard.example, bob@hard.example;\r\n\r\nHello\r\n", false},
        {"From: undisclosed:;\r\n\r\nHello\r\n", false},
        {"From: ann\r\n\r\nHello\r\n", false},
        {"From: \"Ann\" <ann@one.example>\r\n\r\nHello\r\n", true},
    };
    static const struct {
        const char *config;
        RelaisVerdict verdict;
    } ways[] = {
        {"[dmarc]\nenforce = reject\n", RELAIS_VERDICT_CONTINUE},
        {"[dmarc]\nno_author = quarantine\n", RELAIS_VERDICT_QUARANTINE},
        {"[dmarc]\nno_author = reject\n", RELAIS_VERDICT_REJECT},
    };

    for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
        g_autoptr (RelaisTest) test = start (ways[w].config);

        for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
            g_test_message ("%s: %s", ways[w].config, cases[i].message);
            relais_test_set_message (test, (const guint8 *)cases[i].message,
                                     strlen (cases[i].message));
            if (cases[i].single) {
                assert_result (test, RELAIS_VERDICT_CONTINUE, "dmarc=none header.from=one.example");
                continue;
            }
            assert_result (test, ways[w].verdict, "dmarc=none reason=\"no single author\"");
            if (ways[w].verdict == RELAIS_VERDICT_REJECT) {
                g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
                g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, "5.7.1");
            }
        }
        g_assert_cmpuint (relais_test_get_count (test, "dmarc", "results", "none"), ==,
                          G_N_ELEMENTS (cases));
    }
}

int
main (int argc, char **argv)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir =
        g_build_filename (build != NULL ? build : ".", "modules", "dmarc", ".libs", NULL);

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    module_dir = dir;
    g_test_add_func ("/dmarc/alignment", test_alignment);
    g_test_add_func ("/dmarc/strict", test_strict);
    g_test_add_func ("/dmarc/questions", test_questions);
    g_test_add_func ("/dmarc/no-policy", test_no_policy);
    g_test_add_func ("/dmarc/enforced", test_enforced);
    g_test_add_func ("/dmarc/no-author", test_no_author);
    return g_test_run ();
}
