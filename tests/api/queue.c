/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of the harness: mail that modules see on its way out and in the end, against a peer whose words are the
 * test's.
 */
#include "stage.h"

#include <relais/edit.h>
#include <string.h>

#define MAIL "From: ann@shop.test\r\nSubject: hi\r\n\r\n.dots\r\nhello\r\n"
#define HOUR_US G_GINT64_CONSTANT (3600000000)

static RelaisTest *
begin (const char *config)
{
    static const gchar *const names[] = {"puppet", NULL};
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;

    relais_test_use_clock (test, G_GINT64_CONSTANT (1790000000000000));
    relais_test_use_queue (test);
    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    return test;
}

static void
write_mail (RelaisTest *test, const char *first, const char *second)
{
    relais_test_set_message (test, (const guint8 *)MAIL, strlen (MAIL));
    relais_test_set_sender (test, "ann@shop.test");
    relais_test_add_recipient (test, first);
    if (second != NULL)
        relais_test_add_recipient (test, second);
}

static void
assert_commands (RelaisTest *test, const char *const *commands)
{
    for (guint i = 0; commands[i] != NULL; i++) {
        g_autofree char *command = relais_test_take_command (test);

        g_assert_cmpstr (command, ==, commands[i]);
    }
    g_assert_null (relais_test_take_command (test));
}

static char *
take_delivered (RelaisTest *test)
{
    g_autoptr (GBytes) bytes = relais_test_take_delivered (test);
    gsize size;
    const char *text = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

    return text != NULL ? g_strndup (text, size) : NULL;
}

/* --- One message ------------------------------------------------------------------------------------ */

static RelaisVerdict
seal (RelaisHook *hook, gpointer data)
{
    g_assert_true (relais_hook_prepend_header (hook, "X-Sealed: yes\r\n", 15));
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
note_result (RelaisHook *hook, gpointer data)
{
    GString *text = data;

    g_string_append_printf (text, "%s %u;", relais_hook_get_recipient (hook, 0),
                            relais_hook_get_reply_code (hook));
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_sent (void)
{
    static const char *const wanted[] = {"EHLO relais.test",
                                         "MAIL FROM:<ann@shop.test>",
                                         "RCPT TO:<bob@a.test>",
                                         "RCPT TO:<eve@a.test>",
                                         "DATA",
                                         ".",
                                         NULL};
    g_autoptr (GString) results = g_string_new (NULL);
    RelaisTest *test = begin ("");
    g_autofree char *dir = g_strdup (relais_test_get_spool_dir (test));
    g_autofree char *text = NULL;

    puppet_hooks[RELAIS_HOOK_SEAL] = seal;
    puppet_hooks[RELAIS_HOOK_RESULT] = note_result;
    puppet_data = results;
    write_mail (test, "bob@a.test", "eve@a.test");
    g_assert_cmpuint (strlen (relais_test_deliver (test)), ==, 13);
    assert_commands (test, wanted);
    text = take_delivered (test);
    g_assert_cmpstr (text, ==, "X-Sealed: yes\r\n" MAIL);
    g_assert_null (relais_test_take_delivered (test));
    g_assert_cmpstr (results->str, ==, "bob@a.test 250;eve@a.test 250;");
    g_assert_true (g_file_test (dir, G_FILE_TEST_IS_DIR));
    stage_free (test);
    g_assert_false (g_file_test (dir, G_FILE_TEST_EXISTS));
}

/* --- The script ------------------------------------------------------------------------------------- */

typedef struct {
    gboolean told;
    guint n, attempts;
    RelaisQueuedState state;
    char *reply;
} Found;

static void
on_found (const RelaisQueued *queued, const gchar *error, gpointer data)
{
    Found *found = data;

    g_assert_null (error);
    found->told = TRUE;
    found->n = queued != NULL ? 1 : 0;
    if (queued == NULL)
        return;
    found->state = relais_queued_get_state (queued, 0);
    found->attempts = relais_queued_get_attempts (queued, 0);
    found->reply = g_strdup (relais_queued_get_reply (queued, 0));
}

/* What is known of the message's first recipient: `reply` in its last reply; NULL: it is not queued any more. */
static void
assert_queued (RelaisTest *test, const char *id, guint attempts, const char *reply)
{
    Found found = {0};

    relais_queued_find (relais_test_find_module (test, "puppet"), id, on_found, &found);
    stage_wait (test, &found.told);
    g_assert_cmpuint (found.n, ==, reply != NULL);
    g_assert_cmpuint (found.attempts, ==, attempts);
    if (reply != NULL)
        g_assert_nonnull (strstr (found.reply, reply));
    g_free (found.reply);
}

static void
test_deferred (void)
{
    RelaisTest *test = begin ("");
    g_autofree char *text = NULL, *id = NULL;

    relais_test_expect (test, "", "220-hello\n220 world");
    relais_test_expect (test, "rcpt to:<bob@", "450-4.2.1 not\n450 4.2.1 now");
    relais_test_expect (test, "RCPT TO:<bob@", "250 2.1.5 well");
    write_mail (test, "bob@a.test", NULL);
    id = g_strdup (relais_test_deliver (test));
    g_assert_cmpuint (relais_test_n_expected (test), ==, 1);
    g_assert_null (relais_test_take_delivered (test));
    assert_queued (test, id, 1, "now");
    relais_test_advance (test, HOUR_US);
    g_assert_cmpuint (relais_test_n_expected (test), ==, 0);
    text = take_delivered (test);
    g_assert_cmpstr (text, ==, MAIL);
    assert_queued (test, id, 0, NULL);
    stage_free (test);
}

/* A peer that hangs up, one that says nothing, and one that says something else; none has the mail. */
static void
test_trouble (void)
{
    static const struct {
        const char *command, *reply, *wanted;
    } rows[] = {{"DATA", NULL, ""},
                {"", NULL, ""},
                {".", "451 4.3.0 sorry", "sorry"},
                {"MAIL", "", ""},
                {"", "554 5.3.2 no", "no"}};

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        RelaisTest *test = begin ("");
        g_autofree char *id = NULL;

        for (guint n = 0; n < 100; n++)
            relais_test_expect (test, rows[i].command, rows[i].reply);
        write_mail (test, "bob@a.test", NULL);
        id = g_strdup (relais_test_deliver (test));
        relais_test_advance (test, HOUR_US / 4);
        g_assert_cmpuint (relais_test_n_expected (test), <, 100);
        g_assert_null (relais_test_take_delivered (test));
        stage_free (test);
    }
}

static void
test_bounced (void)
{
    RelaisTest *test = begin ("");
    g_autofree char *report = NULL;

    relais_test_expect (test, "RCPT", "550 5.1.1 nobody");
    write_mail (test, "bob@a.test", NULL);
    relais_test_deliver (test);
    relais_test_settle_queue (test);
    report = take_delivered (test);
    g_assert_nonnull (report);
    g_assert_nonnull (strstr (report, "\r\nTo: <ann@shop.test>"));
    g_assert_nonnull (strstr (report, "nobody"));
    stage_free (test);
}

/* --- Submitting --------------------------------------------------------------------------------------- */

static void
on_submitted (const RelaisSubmitResult *result, gpointer data)
{
    g_assert_cmpstr (result->text, ==, "");
    g_assert_cmpuint (result->outcome, ==, RELAIS_SUBMIT_OK);
    *(gboolean *)data = TRUE;
}

static void
test_submitted (void)
{
    RelaisTest *test = begin ("[limits]\ntext_line = 1000\n");
    g_autoptr (GBytes) bytes = g_bytes_new_static (MAIL, strlen (MAIL));
    const gchar *const to[] = {"bob@a.test", NULL};
    const RelaisSubmitInfo info = {
        .struct_size = sizeof info, .sender = "", .recipients = to, .message = bytes};
    g_autofree char *text = NULL;
    gboolean told = FALSE;

    g_assert_true (
        relais_submit (relais_test_find_module (test, "puppet"), &info, on_submitted, &told));
    relais_test_settle_queue (test);
    g_assert_true (told);
    text = take_delivered (test);
    g_assert_nonnull (text);
    g_assert_true (g_str_has_prefix (text, "Received: "));
    g_assert_true (g_str_has_suffix (text, "\r\n\r\n.dots\r\nhello\r\n"));
    g_assert_null (relais_test_take_submission (test));
    stage_free (test);
}

void
queue_add_tests (void)
{
    g_test_add_func ("/api/queue/sent", test_sent);
    g_test_add_func ("/api/queue/deferred", test_deferred);
    g_test_add_func ("/api/queue/trouble", test_trouble);
    g_test_add_func ("/api/queue/bounced", test_bounced);
    g_test_add_func ("/api/queue/submitted", test_submitted);
}
