/* SPDX-License-Identifier: MIT
 *
 * header-policy in the harness: which mail is refused and held, what is added, and which configuration is refused.
 */
#include <relais/test.h>

#include <string.h>

#define MESSAGE(fields) "From: a@sender.test\r\n" fields "\r\nText\r\n"

static RelaisTest *
load (const char *config, GError **error)
{
    static const gchar *const names[] = {"header-policy", NULL};
    RelaisTest *test = relais_test_new (MODULE_DIR);

    if (relais_test_load (test, names, config, error))
        return test;
    relais_test_free (test);
    return NULL;
}

static RelaisVerdict
judge (RelaisTest *test, const char *message)
{
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, "b@rcpt.test");
    return relais_test_run (test, RELAIS_HOOK_MESSAGE);
}

static void
test_rules (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisTest) test =
        load ("[header-policy-rule won]\nheader = Subject\ncontains = You Have Won\n"
              "action = reject\nreply = No lotteries\n"
              "[header-policy-rule bad]\nheader = X-Bad\n"
              "[header-policy-rule later]\nheader = X-Later\naction = tempfail\n",
              &error);

    g_assert_no_error (error);
    g_assert_cmpuint (judge (test, MESSAGE ("Subject: hello\r\n")), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (judge (test, MESSAGE ("subject: see: you have\r\n won it\r\n")), ==,
                      RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, "5.7.1");
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, "No lotteries");
    g_assert_cmpstr (relais_test_get_module (test), ==, "header-policy");
    g_assert_cmpuint (judge (test, MESSAGE ("X-Bad:\r\n")), ==, RELAIS_VERDICT_QUARANTINE);
    g_assert_cmpuint (judge (test, MESSAGE ("X-Later: 1\r\n")), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 451);
    g_assert_cmpuint (judge (test, MESSAGE ("X-Badly: 1\r\n")), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (judge (test, "From: a@sender.test\r\n\r\nX-Bad: in the body\r\n"), ==,
                      RELAIS_VERDICT_CONTINUE);
}

static void
test_edits (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (RelaisTest) test =
        load ("[header-policy-edit add]\nheader = X-New\nvalue = 1\n"
              "[header-policy-edit remove]\nheader = X-Old\naction = remove\n"
              "[header-policy-edit replace]\nheader = Subject\n"
              "action = replace\nvalue = other\n"
              "[header-policy-edit must-stay]\nheader = From\naction = remove\n",
              &error);
    static const char wanted[] =
        "From: a@sender.test\r\nSubject: other\r\nX-New: 1\r\n\r\nText\r\n";

    g_assert_no_error (error);
    g_assert_cmpuint (judge (test, MESSAGE ("X-Old: 1\r\nSubject: s\r\nx-old: 2\r\n")), ==,
                      RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    bytes = relais_test_get_rewritten (test);
    g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), wanted,
                     strlen (wanted));
}

static void
test_refused (void)
{
    static const char *const rows[] = {
        "[header-policy-rule x]\nheader = Subject\naction = explode\n",
        "[header-policy-rule x]\ncontains = y\n",
        "[header-policy-edit x]\nheader = X-New\n",
        "[header-policy-edit x]\nvalue = 1\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (GError) error = NULL;
        RelaisTest *test = load (rows[i], &error);

        g_assert_null (test);
        g_assert_nonnull (strstr (error->message, "test.conf:"));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/header-policy/rules", test_rules);
    g_test_add_func ("/header-policy/edits", test_edits);
    g_test_add_func ("/header-policy/refused", test_refused);
    return g_test_run ();
}
