/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Edits of the header in rewrite, as a module makes them, through the harness.
 */
#include "stage.h"

#include <relais/edit.h>
#include <string.h>

static const char message[] = "Subject: hello\r\n"
                              "X-Mailer: loud\r\n"
                              "X-Mailer: louder\r\n"
                              "Content-Type: text/html\r\n"
                              "\r\n"
                              "<p>hello</p>\r\n";

static RelaisVerdict
edit (RelaisHook *hook, gpointer data)
{
    guint64 size, position = 0;
    const guint8 *header = relais_hook_get_header (hook, &size, NULL);
    RelaisHeaderField field;
    guint n = 0;

    /* As a policy would: by walking through the fields. */
    while (relais_header_next_field (header, size, &position, &field))
        if (field.name_size == 8 && memcmp (field.name, "X-Mailer", 8) == 0)
            g_assert_true (relais_hook_remove_header (hook, "X-Mailer", n++));
    g_assert_cmpuint (n, ==, 2);
    g_assert_true (relais_hook_replace_header (hook, "Subject", 0, "[list] hello"));
    g_assert_true (relais_hook_add_header (hook, "X-Policy", "seen"));
    g_assert_false (relais_hook_add_header (hook, "From", "eve@a.test"));
    g_assert_true (relais_hook_append_html (hook, 0, "<hr>"));
    return data != NULL ? RELAIS_VERDICT_DEFER : RELAIS_VERDICT_CONTINUE;
}

static void
assert_rewritten (RelaisTest *test, const char *expected)
{
    g_autoptr (GBytes) bytes = relais_test_get_rewritten (test);
    gsize size;
    const char *text = g_bytes_get_data (bytes, &size);

    g_assert_cmpmem (text, (guint)size, expected, (guint)strlen (expected));
}

static void
test_rewrite (void)
{
    RelaisTest *test = stage_new ((const gchar *const[]){"puppet", NULL}, "");

    puppet_hooks[RELAIS_HOOK_REWRITE] = edit;
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_CONTINUE);
    assert_rewritten (test, "Subject: [list] hello\r\nContent-Type: text/html\r\n"
                            "X-Policy: seen\r\n\r\n<p>hello</p>\r\n<hr>");
    stage_free (test);
}

/* What is put off goes out as it was when it is tried again. */
static void
test_put_off (void)
{
    RelaisTest *test = stage_new ((const gchar *const[]){"puppet", NULL}, "");

    puppet_hooks[RELAIS_HOOK_REWRITE] = edit;
    puppet_data = test;
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_REWRITE), ==, RELAIS_VERDICT_DEFER);
    assert_rewritten (test, message);
    stage_free (test);
}

static RelaisVerdict
edit_nothing (RelaisHook *hook, gpointer data)
{
    g_assert_false (relais_hook_remove_header (hook, "Subject", 0));
    g_assert_false (relais_hook_replace_header (hook, "Subject", 0, "x"));
    g_assert_false (relais_hook_add_header (hook, "X-New", "x"));
    return RELAIS_VERDICT_CONTINUE;
}

/* Elsewhere nothing of the header can be edited. */
static void
test_elsewhere (void)
{
    RelaisTest *test = stage_new ((const gchar *const[]){"puppet", NULL}, "");

    puppet_hooks[RELAIS_HOOK_SEAL] = puppet_hooks[RELAIS_HOOK_MESSAGE] = edit_nothing;
    relais_test_set_message (test, (const guint8 *)message, strlen (message));
    relais_test_run (test, RELAIS_HOOK_SEAL);
    relais_test_run (test, RELAIS_HOOK_MESSAGE);
    g_assert_cmpuint (puppet_calls, ==, 2);
    stage_free (test);
}

void
edit_add_tests (void)
{
    g_test_add_func ("/api/edit/rewrite", test_rewrite);
    g_test_add_func ("/api/edit/put-off", test_put_off);
    g_test_add_func ("/api/edit/elsewhere", test_elsewhere);
}
