/* SPDX-License-Identifier: MIT
 *
 * @MODULE_NAME@ in the harness (relais/test.h): load, set who writes to whom, run a hook, look at what came of it.
 */
#include <relais/test.h>

#include <string.h>

static RelaisTest *
load (const char *config, GError **error)
{
    static const gchar *const names[] = {"@MODULE_NAME@", NULL};
    RelaisTest *test = relais_test_new (MODULE_DIR);

    if (relais_test_load (test, names, config, error))
        return test;
    relais_test_free (test);
    return NULL;
}

static RelaisVerdict
rcpt (RelaisTest *test, const char *address)
{
    relais_test_set_message (test, (const guint8 *)"", 0);
    relais_test_set_sender (test, "someone@sender.test");
    relais_test_add_recipient (test, address);
    return relais_test_run (test, RELAIS_HOOK_RCPT);
}

static void
test_refuse (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisTest) test =
        load ("[@MODULE_NAME@]\nrefuse = gone@rcpt.test\nreply = Gone\n", &error);

    g_assert_no_error (error);
    g_assert_cmpuint (rcpt (test, "here@rcpt.test"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (rcpt (test, "Gone@rcpt.test"), ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, 550);
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, "Gone");
}

static void
test_reload (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisTest) test = load ("", &error);

    g_assert_no_error (error);
    g_assert_cmpuint (rcpt (test, "gone@rcpt.test"), ==, RELAIS_VERDICT_CONTINUE);
    relais_test_reload (test, "[@MODULE_NAME@]\nrefuse = gone@rcpt.test\n", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (rcpt (test, "gone@rcpt.test"), ==, RELAIS_VERDICT_REJECT);
}

static void
test_refused_configuration (void)
{
    g_autoptr (GError) error = NULL;

    g_assert_null (load ("[@MODULE_NAME@]\nrefuses = a@rcpt.test\n", &error));
    g_assert_nonnull (strstr (error->message, "refuse"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/@MODULE_NAME@/refuse", test_refuse);
    g_test_add_func ("/@MODULE_NAME@/reload", test_reload);
    g_test_add_func ("/@MODULE_NAME@/refused-configuration", test_refused_configuration);
    return g_test_run ();
}
