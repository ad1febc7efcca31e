/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: recipients that are on the suppression list when a message comes in, when its attempt begins, and when a
 * connection opens; and a list that cannot be read.
 */
#include "config.h"

#include "fake-suppression.h"
#include "scene.h"

#include "queue/live-private.h"

#include <string.h>

static void
begin (Test *test, const char *conf)
{
    fixture_suppresses = true;
    test_open (test, conf);
}

static void
finish (Test *test)
{
    test_close (test);
    fixture_suppresses = false;
    fake_suppression_clear ();
}

static void
later (Test *test, gint64 us)
{
    fixture_advance (&test->fixture, us);
    fixture_settle (&test->fixture);
}

static void
suppress (const char *address)
{
    fake_suppression_add (address, NULL, NULL, RELAIS_SUPPRESS_HARD, "no-such-user");
}

static guint64
submit (Test *test, const char *recipient, const char *tenant, const char *campaign)
{
    const char *recipients[] = {recipient, NULL};

    return fixture_submit (&test->fixture, &(Mail){.sender = "a@sender.test",
                                                   .recipients = recipients,
                                                   .tenant = tenant,
                                                   .campaign = campaign});
}

static void
assert_last (const Test *test, const char *type, const char *text)
{
    const char *line = fixture_last (&test->fixture, type);

    g_assert_nonnull (line);
    if (strstr (line, text) == NULL)
        g_error ("no %s in %s", text, line);
}

/* --- Present ------------------------------------------------------------------------------------ */

/* Taken at RCPT (at_rcpt = accept), or on the list of the campaign alone: it ends at once. */
static void
test_when_it_comes_in (void)
{
    Test test;

    begin (&test, "");
    suppress ("x@a.rcpt.test");
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1);
    assert_last (&test, "suppressed", "\"suppress_class\":\"hard\"");
    assert_last (&test, "suppressed", "\"suppress_reason\":\"no-such-user\"");
    assert_last (&test, "suppressed", "\"attempts\":0");
    assert_last (&test, "suppressed",
                 "suppressed: the address is on the suppression list (hard: no-such-user)");
    assert_last (&test, "suppressed", "\"internal\":true");
    g_assert_cmpuint (test.sink->accepted, ==, 0);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    g_assert_cmpuint (figures (&test).suppressed_total, ==, 1);
    g_assert_cmpuint (figures (&test).bounced_total, ==, 0);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    finish (&test);
}

/* It comes on the list while it is queued: the head finds out. */
static void
test_at_the_head (void)
{
    Test test;

    begin (&test, "");
    test.fixture.queue->started = false;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_mail (&test.fixture, "y@a.rcpt.test");
    suppress ("x@a.rcpt.test");
    relais_queue_start (test.fixture.queue);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[0], ==, "y@a.rcpt.test");
    finish (&test);
}

static void
test_one_of_three (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", "z@a.rcpt.test", NULL};

    begin (&test, "");
    test.fixture.queue->started = false;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    suppress ("y@a.rcpt.test");
    relais_queue_start (test.fixture.queue);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (sink_message (test.sink, 0)->recipients->len, ==, 2);
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[0], ==, "x@a.rcpt.test");
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[1], ==, "z@a.rcpt.test");
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1);
    assert_last (&test, "suppressed", "\"recipient_number\":1");
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    finish (&test);
}

static void
test_retry (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "450 4.2.1 come later", 1}, {NULL, NULL, 0}};

    begin (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    suppress ("x@a.rcpt.test");
    later (&test, 6 * RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1);
    assert_last (&test, "suppressed", "\"attempts\":1");
    finish (&test);
}

static bool
has_connection (gpointer data)
{
    return ((const Test *)data)->sink->accepted > 0;
}

static bool
is_suppressed (gpointer data)
{
    return ((const Test *)data)->fixture.queue->suppressed_total > 0;
}

/* The banner comes long after the attempt began. */
static const char *
slow_banner (gpointer data, Sink *sink, const char *line)
{
    return *(const bool *)data && g_str_equal (line, "CONNECT") ? "" : NULL;
}

static void
test_while_a_connection_opens (void)
{
    Test test;
    bool slow = true;

    begin (&test, "");
    test.sink->answer = slow_banner;
    test.sink->data = &slow;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_until (&test.fixture, has_connection, &test);
    suppress ("x@a.rcpt.test");
    /* The peer gives up, the next connection is greeted. */
    slow = false;
    restart (&test, 0);
    fixture_until (&test.fixture, is_suppressed, &test);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    finish (&test);
}

static void
test_scopes (void)
{
    Test test;

    begin (&test, "[tenant one]\ndomains = sender.test\n[tenant two]\ndomains = sender.test\n");
    fake_suppression_add ("x@a.rcpt.test", "one", "spring", RELAIS_SUPPRESS_UNSUBSCRIBE, NULL);
    submit (&test, "x@a.rcpt.test", "one", "spring");
    submit (&test, "x@a.rcpt.test", "one", "summer");
    submit (&test, "x@a.rcpt.test", "two", "spring");
    submit (&test, "x@a.rcpt.test", "one", NULL);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1);
    assert_last (&test, "suppressed", "suppression list (unsubscribe)");
    g_assert_null (strstr (fixture_last (&test.fixture, "suppressed"), "suppress_reason"));
    finish (&test);
}

/* A whole queue of such mail: no transaction, and the loop is not held by one lane. */
static void
test_many (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    begin (&test, "");
    test.fixture.queue->started = false;
    fixture_submit_many (&test.fixture, 1000,
                         &(Mail){.sender = "a@sender.test", .recipients = recipients});
    suppress ("x@a.rcpt.test");
    relais_queue_start (test.fixture.queue);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 1000);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpuint (test.sink->accepted, <=, 2);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    g_assert_cmpuint (fake_suppression_checks, <=, 3000 + 1000);
    finish (&test);
}

/* --- About whom the list has no say ------------------------------------------------------------- */

static void
test_not_asked (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    begin (&test, "");
    suppress ("x@a.rcpt.test");
    fixture_submit (&test.fixture,
                    &(Mail){.sender = "a@sender.test", .recipients = recipients, .claimed = true});
    /* As reports and notices are: from nobody, by no client. */
    fixture_submit (&test.fixture, &(Mail){.sender = "", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (fake_suppression_checks, ==, 0);
    finish (&test);
}

/* A sender whose own address is on the list still gets reports. */
static void
test_reports_go (void)
{
    Test test;
    Rule rules[] = {{"RCPT TO:<x@", "550 5.1.1 no such user", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    begin (&test, "");
    suppress ("s@in.rcpt.test");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "s@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[0], ==, "s@in.rcpt.test");
    finish (&test);
}

/* --- Reports about it --------------------------------------------------------------------------- */

static void
test_report_on_request (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    const char *report;

    begin (&test, "");
    suppress ("x@a.rcpt.test");
    fixture_submit (&test.fixture, &(Mail){.sender = "s@in.rcpt.test", .recipients = recipients});
    fixture_submit (&test.fixture, &(Mail){.sender = "s@in.rcpt.test",
                                           .recipients = recipients,
                                           .notify = RELAIS_NOTIFY_NEVER});
    fixture_submit (&test.fixture, &(Mail){.sender = "s@in.rcpt.test",
                                           .recipients = recipients,
                                           .notify = RELAIS_NOTIFY_SUCCESS});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "suppressed"), ==, 3);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    fixture_submit (&test.fixture, &(Mail){.sender = "s@in.rcpt.test",
                                           .recipients = recipients,
                                           .notify = RELAIS_NOTIFY_FAILURE});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    report = sink_message (test.sink, 0)->data->str;
    g_assert_nonnull (strstr (report, "\r\nAction: failed\r\n"));
    g_assert_nonnull (strstr (report, "\r\nStatus: 5.7.1\r\n"));
    g_assert_nonnull (strstr (report, "\r\nDiagnostic-Code: x-relais; 5.7.1 suppressed: "));
    g_assert_nonnull (strstr (report, "Our own rules keep the message"));
    g_assert_null (strstr (report, "Last-Attempt-Date"));
    finish (&test);
}

/* --- Unknown ------------------------------------------------------------------------------------ */

static void
test_unknown (void)
{
    Test test;

    begin (&test, "");
    fake_suppression_trouble = "the journal is damaged";
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    later (&test, 61 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpuint (figures (&test).deliveries, ==, 1);
    g_assert_cmpuint (test.fixture.events->len, ==, 0);
    fixture_check (&test.fixture);
    fake_suppression_trouble = NULL;
    later (&test, 61 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    assert_last (&test, "delivered", "\"attempts\":1");
    finish (&test);
}

/* What is behind it in its campaign is not fetched and asked about one by one; mail that came in for us goes. */
static void
test_unknown_holds_the_rest (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    guint checks;

    begin (&test, "");
    fake_suppression_trouble = "the journal is damaged";
    fixture_submit_many (&test.fixture, 500,
                         &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    checks = fake_suppression_checks;
    g_assert_cmpuint (checks, <=, 500 + 10); /* each once when it came in */
    for (guint i = 0; i < 5; i++)
        later (&test, 61 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (fake_suppression_checks, <=, checks + 5 * 10);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    fixture_check (&test.fixture);
    fake_suppression_trouble = NULL;
    later (&test, 61 * RELAIS_USEC_PER_SEC);
    later (&test, 61 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (test.sink->messages->len, ==, 500);
    finish (&test);
}

static void
test_unknown_expires (void)
{
    Test test;

    begin (&test, "");
    fake_suppression_trouble = "the journal is damaged";
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_mail (&test.fixture, "y@a.rcpt.test");
    fixture_settle (&test.fixture);
    later (&test, 3 * RELAIS_USEC_PER_DAY);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 2);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    finish (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/suppress/when-it-comes-in", test_when_it_comes_in);
    g_test_add_func ("/queue/suppress/at-the-head", test_at_the_head);
    g_test_add_func ("/queue/suppress/one-of-three", test_one_of_three);
    g_test_add_func ("/queue/suppress/retry", test_retry);
    g_test_add_func ("/queue/suppress/while-a-connection-opens", test_while_a_connection_opens);
    g_test_add_func ("/queue/suppress/scopes", test_scopes);
    g_test_add_func ("/queue/suppress/many", test_many);
    g_test_add_func ("/queue/suppress/not-asked", test_not_asked);
    g_test_add_func ("/queue/suppress/reports-go", test_reports_go);
    g_test_add_func ("/queue/suppress/report-on-request", test_report_on_request);
    g_test_add_func ("/queue/suppress/unknown", test_unknown);
    g_test_add_func ("/queue/suppress/unknown-holds-the-rest", test_unknown_holds_the_rest);
    g_test_add_func ("/queue/suppress/unknown-expires", test_unknown_expires);
    return g_test_run ();
}
