/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue from acceptance to the end of a delivery, against a sink on loopback: routes, hosts that
 * fail, replies at every phase, reports, verbs, restarts.
 */
#include "config.h"

#include "scene.h"

#include <string.h>

/* --- The way out ------------------------------------------------------------------------------ */

static void
test_delivers (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    const SinkMessage *message;

    test_open (&test, "");
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test",
                                           .recipients = recipients,
                                           .body = "Subject: t\r\n\r\n.one\r\ntwo\r\n"});
    fixture_until_messages (&test.fixture, test.sink, 1);
    message = sink_message (test.sink, 0);
    g_assert_cmpstr (message->sender, ==, "a@sender.test");
    g_assert_cmpstr (message->recipients->pdata[0], ==, "x@a.rcpt.test");
    g_assert_cmpstr (message->data->str, ==, "Subject: t\r\n\r\n.one\r\ntwo\r\n");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    g_assert_cmpuint (figures (&test).delivered_total, ==, 1);
    g_assert_nonnull (fixture_last (&test.fixture, "delivered"));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"host\":\"127.0.0.1\""));
    test_close (&test);
}

static void
test_one_transaction_for_many (void)
{
    Test test;
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", "z@b.rcpt.test", NULL};

    test_open (&test, "");
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_until_messages (&test.fixture, test.sink, 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (sink_message (test.sink, 0)->recipients->len, ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 3);
    test_close (&test);
}

static void
test_connection_is_reused (void)
{
    Test test;

    test_open (&test, "");
    for (guint i = 0; i < 5; i++) {
        fixture_mail (&test.fixture, "x@a.rcpt.test");
        fixture_until_messages (&test.fixture, test.sink, i + 1);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->accepted, ==, 1);
    /* Idle for long enough it goes. */
    fixture_advance (&test.fixture, 3 * RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->open, ==, 0);
    g_assert_cmpuint (figures (&test).connections, ==, 0);
    test_close (&test);
}

/* --- Deferral, bounce, expiry ----------------------------------------------------------------- */

static void
test_retry (void)
{
    Test test;
    Rule rules[] = {{"MAIL", "451 4.7.1 come back later", 2}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "come back later"));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"code\":451"));
    fixture_check (&test.fixture);
    fixture_advance (&test.fixture, 5 * RELAIS_USEC_PER_MIN - 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    fixture_advance (&test.fixture, 31 * RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 2);
    fixture_advance (&test.fixture, 11 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"attempts\":3"));
    test_close (&test);
}

static void
test_partial_failure (void)
{
    Test test;
    Rule rules[] = {{"<bad@", "550 5.1.1 no such user", 0},
                    {"<full@", "452 4.2.2 mailbox full", 1},
                    {NULL, NULL, 0}};
    const char *recipients[] = {"good@a.rcpt.test", "bad@a.rcpt.test", "full@a.rcpt.test",
                                "also@a.rcpt.test", NULL};
    const SinkMessage *report;

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    /* The message and the report. */
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (sink_message (test.sink, 0)->recipients->len, ==, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "bounced"), "no such user"));
    report = sink_message (test.sink, 1);
    g_assert_cmpstr (report->sender, ==, "");
    g_assert_cmpstr (report->recipients->pdata[0], ==, "a@in.rcpt.test");
    g_assert_nonnull (strstr (report->data->str, "550 5.1.1 no such user"));
    g_assert_nonnull (strstr (report->data->str, "bad@a.rcpt.test"));
    g_assert_null (strstr (report->data->str, "good@a.rcpt.test"));
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    test_close (&test);
}

static void
test_no_report_for_null_sender (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "550 5.1.1 no such user", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "accepted"), ==, 0);
    test_close (&test);
}

static void
test_expiry_by_the_clock (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    /* No attempt falls due at the very end: the wheel ends it. */
    fixture_advance (&test.fixture, 2 * RELAIS_USEC_PER_DAY + 2 * RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (sink_message (test.sink, 0)->data->str, "greylisted"));
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

static void
test_expiry_behind_a_sleeping_route (void)
{
    Test test;

    test_open (&test, "");
    fake_dns_set ("dead.test", "mx.dead.test=127.0.0.9");
    fixture_mail (&test.fixture, "x@dead.test");
    fixture_settle (&test.fixture);
    fixture_mail (&test.fixture, "y@dead.test");
    fixture_settle (&test.fixture);
    /* One was tried, the other waits behind the sleep untried, and both grow old. */
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    fixture_check (&test.fixture);
    for (guint i = 0; i < 49; i++) {
        fixture_advance (&test.fixture, RELAIS_USEC_PER_HOUR);
        fixture_settle (&test.fixture);
        fixture_check (&test.fixture);
    }
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 2);
    g_assert_cmpuint (figures (&test).messages, <=, 2); /* reports to a sender that is nowhere */
    test_close (&test);
}

static void
test_wall_clock_steps (void)
{
    Test test;
    Rule rules[] = {{"MAIL", "450 4.2.0 greylisted", 1}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    __atomic_fetch_add (&test.fixture.clock.wall_us, 400 * RELAIS_USEC_PER_DAY, __ATOMIC_RELAXED);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    __atomic_fetch_sub (&test.fixture.clock.wall_us, 800 * RELAIS_USEC_PER_DAY, __ATOMIC_RELAXED);
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    test_close (&test);
}

static void
test_delay_notice (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    test_open (&test, "[class transactional]\ndelay_notice = 4h 8h\n");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test",
                                           .recipients = recipients,
                                           .notify = RELAIS_NOTIFY_DELAY | RELAIS_NOTIFY_FAILURE});
    fixture_settle (&test.fixture);
    for (guint i = 0; i < 6; i++) {
        fixture_advance (&test.fixture, RELAIS_USEC_PER_HOUR);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (fixture_count (&test.fixture, "delayed"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (sink_message (test.sink, 0)->data->str, "Action: delayed"));
    g_assert_cmpuint (figures (&test).deliveries, ==, 1);
    for (guint i = 0; i < 6; i++) {
        fixture_advance (&test.fixture, RELAIS_USEC_PER_HOUR);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (fixture_count (&test.fixture, "delayed"), ==, 2);
    test_close (&test);
}

/* --- DNS -------------------------------------------------------------------------------------- */

static void
test_dns_results (void)
{
    Test test;

    test_open (&test, "");
    fake_dns_set ("gone.test", "5.1.2 no such domain");
    fake_dns_set ("null.test", "5.1.10 null MX");
    fake_dns_set ("slow.test", "4.4.3 timeout");
    fake_dns_set ("ok.test", "mx.ok.test=127.0.0.1");
    fixture_mail (&test.fixture, "x@gone.test");
    fixture_mail (&test.fixture, "x@null.test");
    fixture_mail (&test.fixture, "x@slow.test");
    fixture_mail (&test.fixture, "y@slow.test");
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"enhanced\":\"4.4.3\""));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"internal\":true"));
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), >=, 2);
    fixture_check (&test.fixture);
    fake_dns_set ("slow.test", "mx.ok.test=127.0.0.1");
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    test_close (&test);
}

static void
test_lookups_are_coalesced (void)
{
    Test test;

    test_open (&test, "");
    fake_dns_set ("ok.test", "mx.ok.test=127.0.0.1");
    for (guint i = 0; i < 20; i++)
        fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 20);
    g_assert_cmpuint (fake_dns_lookups, ==, 1);
    fixture_advance (&test.fixture, 2 * RELAIS_USEC_PER_MIN);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fake_dns_lookups, ==, 2);
    test_close (&test);
}

/* --- Hosts that fail -------------------------------------------------------------------------- */

static void
test_next_host (void)
{
    Test test;
    Sink *second;
    Rule rules[] = {{"CONNECT", "554 5.7.1 not you!", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    second = sink_new (test.fixture.loop, "127.0.0.2", test.sink->port);
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fake_dns_set ("ok.test", "mx0.ok.test=127.0.0.9 mx1.ok.test=127.0.0.1 mx2.ok.test=127.0.0.2");
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (second->messages->len, ==, 1);
    g_assert_nonnull (
        strstr (fixture_last (&test.fixture, "delivered"), "\"host\":\"mx2.ok.test\""));
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    sink_free (second);
    test_close (&test);
}

static void
test_sleep_and_probe (void)
{
    Test test;
    Rule rules[] = {{"CONNECT", "421 4.3.2 closed!", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < 10; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    /* Two connections were opened at first; nothing else was tried. */
    g_assert_cmpuint (test.sink->accepted, <=, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), <=, 2);
    fixture_check (&test.fixture);
    guint before = test.sink->accepted;

    fixture_advance (&test.fixture, RELAIS_USEC_PER_MIN + 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->accepted, ==, before + 1); /* one probe */
    fixture_advance (&test.fixture, RELAIS_USEC_PER_MIN + 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->accepted, ==, before + 1); /* the sleep has doubled */
    rules[0].line = "(nothing)";
    fixture_advance (&test.fixture, RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, >=, 7);
    fixture_advance (&test.fixture, 12 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 10);
    test_close (&test);
}

/* What is looked up again, because its answer has expired, is asleep as before if it is the same. */
static void
test_sleep_outlasts_its_lookup (void)
{
    Test test;
    Rule rules[] = {{"CONNECT", "421 4.3.2 closed!", 0}, {NULL, NULL, 0}};
    guint before;

    test_open (&test, "");
    fake_dns_set ("a.test", "mx.a.test=127.0.0.1");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < 10; i++)
        fixture_mail (&test.fixture, "x@a.test");
    fixture_settle (&test.fixture);
    before = test.sink->accepted;
    fixture_advance (&test.fixture,
                     RELAIS_USEC_PER_MIN + 1); /* both are over, the sleep and the answer */
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fake_dns_lookups, ==, 2);
    g_assert_cmpuint (test.sink->accepted, ==, before + 1); /* one probe */
    fixture_check (&test.fixture);
    fixture_advance (&test.fixture, RELAIS_USEC_PER_MIN + 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->accepted, ==, before + 1); /* the sleep has doubled */
    /* Other hosts are not asleep. */
    rules[0].line = "(nothing)";
    fake_dns_set ("a.test", "mx2.a.test=127.0.0.1");
    fixture_advance (&test.fixture, RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, >=, 7);
    test_close (&test);
}

/* The peer breaks off at each point: the delivery is deferred with that phase, tried again, and
 * arrives. */
static void
test_breaks_in_each_phase (void)
{
    static const char *const lines[] = {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."};
    static const char *const ends[] = {"!", "421 4.3.2 going down!"};

    for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
        for (gsize j = 0; j < G_N_ELEMENTS (ends); j++) {
            Test test;
            /* HELO is what a client tries when EHLO fails. */
            Rule rules[] = {{lines[i], ends[j], 1}, {NULL, NULL, 0}};

            test_open (&test, "");
            test.sink->answer = by_rules;
            test.sink->data = rules;
            fixture_mail (&test.fixture, "x@a.rcpt.test");
            fixture_settle (&test.fixture);
            g_test_message ("%s %s", lines[i], ends[j]);
            g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
            fixture_check (&test.fixture);
            fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
            fixture_settle (&test.fixture);
            g_assert_cmpuint (test.sink->messages->len, ==, 1);
            test_close (&test);
        }
}

/* A connection that the peer closed between two messages costs no attempt. */
static void
test_closed_between_messages (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<b@", "421 4.4.2 timeout!", 1}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    fixture_submit (&test.fixture, &(Mail){.sender = "b@sender.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"attempts\":1"));
    test_close (&test);
}

/* --- Restart, drain --------------------------------------------------------------------------- */

static void
test_restart_keeps_states (void)
{
    Test test;
    Rule rules[] = {{"<later@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"good@a.rcpt.test", "later@a.rcpt.test", NULL};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    restart (&test, RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    /* The one that was delivered does not go again; the other waits for its time. */
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpuint (figures (&test).deliveries, ==, 1);
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (sink_message (test.sink, 0)->recipients->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[0], ==, "later@a.rcpt.test");
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"attempts\":2"));
    test_close (&test);
}

static void
on_drained (gpointer data)
{
    *(bool *)data = true;
}

static void
test_drain (void)
{
    Test test;
    bool drained = false;

    test_open (&test, "");
    test.sink->hold = true;
    for (guint i = 0; i < 6; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    guint held = sink_held (test.sink);

    g_assert_cmpuint (held, >, 0);
    relais_queue_drain (test.fixture.queue, on_drained, &drained);
    fixture_settle (&test.fixture);
    g_assert_false (drained);
    sink_release (test.sink, 10);
    fixture_settle (&test.fixture);
    g_assert_true (drained);
    g_assert_cmpuint (test.sink->messages->len, ==, held);
    g_assert_cmpuint (figures (&test).deliveries, ==, 6 - held);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/delivers", test_delivers);
    g_test_add_func ("/queue/one-transaction-for-many", test_one_transaction_for_many);
    g_test_add_func ("/queue/connection-is-reused", test_connection_is_reused);
    g_test_add_func ("/queue/retry", test_retry);
    g_test_add_func ("/queue/partial-failure", test_partial_failure);
    g_test_add_func ("/queue/no-report-for-null-sender", test_no_report_for_null_sender);
    g_test_add_func ("/queue/expiry-by-the-clock", test_expiry_by_the_clock);
    g_test_add_func ("/queue/expiry-behind-a-sleeping-route", test_expiry_behind_a_sleeping_route);
    g_test_add_func ("/queue/wall-clock-steps", test_wall_clock_steps);
    g_test_add_func ("/queue/delay-notice", test_delay_notice);
    g_test_add_func ("/queue/dns-results", test_dns_results);
    g_test_add_func ("/queue/lookups-are-coalesced", test_lookups_are_coalesced);
    g_test_add_func ("/queue/next-host", test_next_host);
    g_test_add_func ("/queue/sleep-and-probe", test_sleep_and_probe);
    g_test_add_func ("/queue/sleep-outlasts-its-lookup", test_sleep_outlasts_its_lookup);
    g_test_add_func ("/queue/breaks-in-each-phase", test_breaks_in_each_phase);
    g_test_add_func ("/queue/closed-between-messages", test_closed_between_messages);
    g_test_add_func ("/queue/restart-keeps-states", test_restart_keeps_states);
    g_test_add_func ("/queue/drain", test_drain);
    return g_test_run ();
}
