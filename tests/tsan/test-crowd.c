/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the headers mark for any thread is called by several at once (crowd.c): everything that was asked is answered,
 * once; and in a build with --enable-tsan (tests/tsan/run) there is no race.
 */
#include <relais/test.h>

#include <string.h>

enum { RUNS = 5 };

static void
test_crowd (void)
{
    static const gchar *const names[] = {"crowd", NULL};
    static const char message[] =
        "From: a@sender.test\r\nMessage-ID: <id@sender.test>\r\n\r\nText\r\n";
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir = g_build_filename (build != NULL ? build : ".", "tests/tsan/.libs", NULL);
    RelaisTest *test = relais_test_new (dir);
    g_autoptr (GError) error = NULL;

    relais_test_use_memory_store (test);
    relais_test_load (test, names, "", &error);
    g_assert_no_error (error);
    relais_test_add_page (test, "http://service.test/", 200, NULL, "yes");
    for (guint i = 0; i < RUNS; i++) {
        relais_test_set_message (test, (const guint8 *)message, strlen (message));
        relais_test_set_sender (test, "a@sender.test");
        relais_test_add_recipient (test, "b@rcpt.test");
        g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_CONTINUE);
    }
    relais_test_free (test); /* whose finalize counts what was called back */
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tsan/crowd", test_crowd);
    return g_test_run ();
}
