/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: the hooks of the way out. The module host is replaced by one of this file, which answers
 * as a case says.
 */
#include "config.h"

#include "scene.h"

#include "module/intake-private.h"

#include <string.h>

/* --- The host --------------------------------------------------------------------------------- */

typedef struct {
    bool has;
    RelaisVerdict verdict;
    const char *enhanced, *text;
} Answer;

struct RelaisHost {
    Answer answers[RELAIS_N_HOOKS];
    bool per_recipient;
    bool suspend; /* ROUTE */
    RelaisHookRun *waiting;
    guint cancelled;
    guint sealed_with_attribute; /* SEAL saw what ROUTE had put down */
    guint16 code;                /* RESULT: what it was shown last */
};

struct RelaisHookRun {
    RelaisHookDone done;
    gpointer data;
};

static struct RelaisHost host;

RelaisPin *
relais_host_pin (RelaisHost *self)
{
    return NULL;
}

void
relais_pin_unref (RelaisPin *pin)
{
}

void
relais_host_set_shaper (RelaisHost *self, const RelaisShaper *shaper, gpointer data)
{
}

void
relais_host_set_intake (RelaisHost *self, const RelaisIntake *intake, gpointer data)
{
}

bool
relais_module_is_off (const RelaisModule *module)
{
    return false;
}

/* Nothing is submitted here. */
bool
relais_copy_known (gpointer to, gsize to_size, gconstpointer from, gsize from_size)
{
    g_assert_not_reached ();
}

bool
relais_host_has (const RelaisHost *self, RelaisHookId hook)
{
    return self->answers[hook].has;
}

bool
relais_host_is_per_recipient (const RelaisHost *self, RelaisHookId hook)
{
    return self->per_recipient && hook == RELAIS_HOOK_SEAL;
}

void
relais_hook_result_clear (RelaisHookResult *result)
{
    g_free (result->text);
    g_free (result->wait_reason);
    *result = (RelaisHookResult){0};
}

GPtrArray *
relais_attempt_attributes_new (void)
{
    return g_ptr_array_new_with_free_func (g_free);
}

static void
put_answer (RelaisHost *self, RelaisHookId hook, RelaisHookResult *result)
{
    const Answer *answer = &self->answers[hook];

    *result = (RelaisHookResult){.verdict = answer->verdict, .text = g_strdup (answer->text)};
    if (answer->enhanced != NULL)
        g_strlcpy (result->enhanced, answer->enhanced, sizeof result->enhanced);
}

RelaisHookRun *
relais_host_run (RelaisHost *self, RelaisHookId hook, RelaisSubject *subject,
                 RelaisHookResult *result, RelaisHookDone done, gpointer data)
{
    g_assert_true (self->answers[hook].has);
    g_assert_nonnull (subject->envelope);
    g_assert_cmpuint (subject->n_recipients, >, 0);
    if (hook == RELAIS_HOOK_ROUTE)
        g_ptr_array_add (subject->attempt_attributes, g_strdup ("chosen"));
    else if (subject->outcome != RELAIS_OUTCOME_DELIVERED)
        self->code = subject->reply_code;
    if (hook != RELAIS_HOOK_ROUTE || !self->suspend) {
        put_answer (self, hook, result);
        return NULL;
    }
    g_assert_null (self->waiting);
    self->waiting = g_new (RelaisHookRun, 1);
    *self->waiting = (RelaisHookRun){done, data};
    return self->waiting;
}

void
relais_host_cancel (RelaisHookRun *run)
{
    g_assert_true (run == host.waiting);
    host.cancelled++;
    g_clear_pointer (&host.waiting, g_free);
}

void
relais_host_run_worker (RelaisHost *self, RelaisHookId hook, RelaisSubject *subject,
                        RelaisHookResult *result)
{
    static const char line[] = "X-Seal: yes\r\n";

    put_answer (self, hook, result);
    if (hook == RELAIS_HOOK_REWRITE) {
        g_free (*subject->new_sender);
        *subject->new_sender = g_strdup ("bounce-7@sender.test");
        return;
    }
    g_assert_cmpint (hook, ==, RELAIS_HOOK_SEAL);
    g_byte_array_append (subject->sealed, (const guint8 *)line, sizeof line - 1);
    if (subject->attempt_attributes->len > 0 &&
        strcmp (subject->attempt_attributes->pdata[0], "chosen") == 0)
        self->sealed_with_attribute++;
}

static void
complete (void)
{
    g_autofree RelaisHookRun *run = g_steal_pointer (&host.waiting);
    RelaisHookResult result;

    g_assert_nonnull (run);
    put_answer (&host, RELAIS_HOOK_ROUTE, &result);
    run->done (run->data, &result);
    relais_hook_result_clear (&result);
}

static void
begin (Test *test)
{
    host = (struct RelaisHost){0};
    fixture_host = &host;
    test_open (test, "");
}

static void
finish (Test *test)
{
    test_close (test);
    g_assert_null (host.waiting);
}

/* --- Route ------------------------------------------------------------------------------------ */

static void
test_route_refuses (void)
{
    Test test;

    begin (&test);
    host.answers[RELAIS_HOOK_ROUTE] =
        (Answer){true, RELAIS_VERDICT_REJECT, "5.7.9", "not from here"};
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), >=, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_nonnull (strstr (test.fixture.events->pdata[0], "not from here"));
    g_assert_nonnull (strstr (test.fixture.events->pdata[0], "\"enhanced\":\"5.7.9\""));
    finish (&test);
}

static void
test_route_defers (void)
{
    Test test;

    begin (&test);
    host.answers[RELAIS_HOOK_ROUTE] = (Answer){true, RELAIS_VERDICT_DEFER, NULL, "wait a little"};
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "wait a little"));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"stage\":\"route\""));
    host.answers[RELAIS_HOOK_ROUTE].verdict = RELAIS_VERDICT_CONTINUE;
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    finish (&test);
}

static void
test_route_suspends (void)
{
    Test test;

    begin (&test);
    host.answers[RELAIS_HOOK_ROUTE] = (Answer){true, RELAIS_VERDICT_CONTINUE, NULL, NULL};
    host.suspend = true;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    complete ();
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    /* A run that is under way when the daemon ends is cancelled. */
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_nonnull (host.waiting);
    restart (&test, 0);
    g_assert_cmpuint (host.cancelled, ==, 1);
    host.suspend = false;
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    finish (&test);
}

/* --- Rewrite and seal ------------------------------------------------------------------------- */

static void
test_prepared_by_a_worker (void)
{
    Test test;
    const SinkMessage *message;

    begin (&test);
    host.answers[RELAIS_HOOK_ROUTE] = host.answers[RELAIS_HOOK_REWRITE] =
        host.answers[RELAIS_HOOK_SEAL] = (Answer){true, RELAIS_VERDICT_CONTINUE, NULL, NULL};
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    message = sink_message (test.sink, 0);
    g_assert_cmpstr (message->sender, ==, "bounce-7@sender.test");
    g_assert_cmpstr (message->data->str, ==, "X-Seal: yes\r\nSubject: test\r\n\r\nhello\r\n");
    g_assert_cmpuint (host.sealed_with_attribute, ==, 1);
    g_assert_nonnull (
        strstr (fixture_last (&test.fixture, "delivered"), "\"sender\":\"a@sender.test\""));
    finish (&test);
}

/* What a peer reports to an address of ours does not come to the sender, who asked for it: that it was passed on is told
 * by us. */
static void
test_reports_relayed (void)
{
    static const char *const recipients[] = {"x@a.rcpt.test", NULL};
    const Mail mail = {
        .sender = "a@sender.test", .recipients = recipients, .notify = RELAIS_NOTIFY_SUCCESS};

    for (int rewritten = 0; rewritten < 2; rewritten++) {
        Test test;

        begin (&test);
        test.sink->extension = "250-DSN";
        fake_dns_set ("sender.test", "mx.sender.test=127.0.0.1");
        host.answers[RELAIS_HOOK_REWRITE] =
            (Answer){rewritten == 1, RELAIS_VERDICT_CONTINUE, NULL, NULL};
        fixture_submit (&test.fixture, &mail);
        fixture_settle (&test.fixture);
        g_assert_cmpuint (test.sink->messages->len, ==, rewritten + 1);
        if (rewritten)
            g_assert_nonnull (strstr (sink_message (test.sink, 1)->data->str, "Action: relayed"));
        finish (&test);
    }
}

static void
test_seal_defers (void)
{
    Test test;

    begin (&test);
    host.answers[RELAIS_HOOK_SEAL] =
        (Answer){true, RELAIS_VERDICT_DEFER, "4.7.5", "the key cannot be read"};
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "the key cannot be read"));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"enhanced\":\"4.7.5\""));
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    host.answers[RELAIS_HOOK_SEAL].verdict = RELAIS_VERDICT_CONTINUE;
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"attempts\":2"));
    finish (&test);
}

static void
test_one_transaction_each (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", "z@b.rcpt.test", NULL};

    begin (&test);
    host.answers[RELAIS_HOOK_SEAL] = (Answer){true, RELAIS_VERDICT_CONTINUE, NULL, NULL};
    host.per_recipient = true;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpuint (sink_message (test.sink, i)->recipients->len, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 3);
    finish (&test);
}

/* A message that asked for it when it was accepted; one beside it did not. */
static void
test_alone (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", "z@a.rcpt.test", NULL};

    begin (&test);
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_submit (&test.fixture,
                    &(Mail){.sender = "b@sender.test", .recipients = recipients, .alone = true});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 4);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpuint (sink_message (test.sink, i)->recipients->len, ==,
                          g_str_equal (sink_message (test.sink, i)->sender, "a@sender.test") ? 3
                                                                                             : 1);
    finish (&test);
}

/* --- Result ----------------------------------------------------------------------------------- */

static void
test_reject_becomes_deferral (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "550 5.7.1 bad reputation", 1}, {NULL, NULL, 0}};

    begin (&test);
    host.answers[RELAIS_HOOK_RESULT] = (Answer){true, RELAIS_VERDICT_DEFER, NULL, NULL};
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (host.code, ==, 550);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "bad reputation"));
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    finish (&test);
}

static void
test_deferral_becomes_reject (void)
{
    Test test;
    Rule rules[] = {{"RCPT TO:<x@", "450 4.2.1 account disabled", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    begin (&test);
    host.answers[RELAIS_HOOK_RESULT] = (Answer){true, RELAIS_VERDICT_REJECT, NULL, NULL};
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (host.code, ==, 450);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (sink_message (test.sink, 0)->data->str, "account disabled"));
    finish (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/hooks/route-refuses", test_route_refuses);
    g_test_add_func ("/queue/hooks/route-defers", test_route_defers);
    g_test_add_func ("/queue/hooks/route-suspends", test_route_suspends);
    g_test_add_func ("/queue/hooks/prepared-by-a-worker", test_prepared_by_a_worker);
    g_test_add_func ("/queue/hooks/reports-relayed", test_reports_relayed);
    g_test_add_func ("/queue/hooks/seal-defers", test_seal_defers);
    g_test_add_func ("/queue/hooks/one-transaction-each", test_one_transaction_each);
    g_test_add_func ("/queue/hooks/alone", test_alone);
    g_test_add_func ("/queue/hooks/reject-becomes-deferral", test_reject_becomes_deferral);
    g_test_add_func ("/queue/hooks/deferral-becomes-reject", test_deferral_becomes_reject);
    return g_test_run ();
}
