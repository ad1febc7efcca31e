/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: a configuration that is read again acts on what is queued already: limits, providers, weights,
 * lifetimes, the postmaster. Sources that are new wait for a restart and harm nothing.
 */
#include "config.h"

#include "scene.h"

#include "queue/shaper-private.h"

#include <string.h>

static void
reload (Test *test, const char *more)
{
    fixture_reload (&test->fixture, more);
    fixture_settle (&test->fixture);
}

/* Three messages to a domain of one connection, of which the first is held at the sink. */
static void
begin (Test *test, const char *conf)
{
    test_open (test, conf);
    fake_dns_set ("a.test", "mx1.big.test=127.0.0.1");
    test->sink->hold = true;
    for (guint i = 0; i < 6; i++)
        fixture_mail (&test->fixture, "x@a.test");
    fixture_settle (&test->fixture);
}

static void
let_go (Test *test)
{
    fixture_settle (&test->fixture);
    while (sink_release (test->sink, 100) > 0)
        fixture_settle (&test->fixture);
    fixture_settle (&test->fixture);
}

static void
test_limits (void)
{
    Test test;

    begin (&test, "[queue]\nconnections = 1\n");
    g_assert_cmpuint (sink_held (test.sink), ==, 1);
    reload (&test, "[queue]\nconnections = 3\nfirst_connections = 3\n");
    let_go (&test);
    g_assert_cmpuint (test.sink->messages->len, ==, 6);
    g_assert_cmpuint (test.sink->most_open, ==, 3);
    test_close (&test);
}

static void
test_lower_limits (void)
{
    Test test;

    begin (&test, "[queue]\nconnections = 4\nfirst_connections = 4\n");
    g_assert_cmpuint (sink_held (test.sink), ==, 4);
    reload (&test, "[queue]\nconnections = 1\n");
    let_go (&test);
    g_assert_cmpuint (test.sink->messages->len, ==, 6);
    for (guint i = 0; i < 6; i++)
        fixture_mail (&test.fixture, "x@a.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (sink_held (test.sink), ==, 1);
    let_go (&test);
    test_close (&test);
}

static void
test_provider (void)
{
    Test test;

    begin (&test, "[queue]\nconnections = 1\n");
    reload (&test, "[queue]\nconnections = 1\n[provider big]\nmx = big.test\n");
    let_go (&test);
    g_assert_cmpuint (test.sink->messages->len, ==, 6);
    g_assert_nonnull (strstr (test.fixture.events->pdata[0], "\"site\":\"mx1.big.test\""));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), "\"site\":\"big\""));
    reload (&test, "");
    fixture_mail (&test.fixture, "x@a.test");
    let_go (&test);
    g_assert_nonnull (
        strstr (fixture_last (&test.fixture, "delivered"), "\"site\":\"mx1.big.test\""));
    test_close (&test);
}

static guint
count_from (const Sink *sink, const char *client, guint from)
{
    guint n = 0;

    for (guint i = from; i < sink->messages->len; i++)
        n += strcmp (sink_message (sink, i)->client, client) == 0;
    return n;
}

#define SOURCES "[source one]\naddress4 = 127.0.0.2\n[source two]\naddress4 = 127.0.0.3\n"

static void
test_weights (void)
{
    Test test;

    test_open (&test, SOURCES);
    for (guint i = 0; i < 4; i++) {
        fixture_mail (&test.fixture, "x@a.rcpt.test");
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2", 0), ==, 2);
    reload (&test, "[source two]\nweight = 0\n[source three]\naddress4 = 127.0.0.4\n");
    for (guint i = 0; i < 4; i++) {
        fixture_mail (&test.fixture, "x@a.rcpt.test");
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 8);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2", 4), ==, 4);
    test_close (&test);
}

static void
test_lifetime (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "450 4.7.1 later", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    reload (&test, "[class transactional]\nlifetime = 1h\n");
    fixture_advance (&test.fixture, 50 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 0);
    fixture_advance (&test.fixture, 11 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    test_close (&test);
}

static void
test_postmaster (void)
{
    Test test;

    test_open (&test, "");
    g_assert_false (relais_queue_notify_postmaster (test.fixture.queue, "test", "s", "t"));
    reload (&test, "[relais]\npostmaster = admin@a.rcpt.test\n");
    g_assert_true (relais_queue_notify_postmaster (test.fixture.queue, "test", "s", "t"));
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    test_close (&test);
}

/* The clock of these tests stands at 14:13:20 UTC, a Monday. */
static void
test_quiet_hours (void)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    const Mail bulk = {
        .sender = "a@sender.test", .recipients = recipients, .klass = RELAIS_CLASS_BULK};
    Test test;

    test_open (&test, "[class bulk]\nquiet_hours = mon 14:00-16:00\nquiet_zone = UTC\n");
    fixture_submit (&test.fixture, &bulk);
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1); /* transactional mail is not held */
    fixture_check (&test.fixture);
    fixture_advance (&test.fixture, 106 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    for (guint i = 0; i < 2; i++) {
        fixture_advance (&test.fixture, 11 * RELAIS_USEC_PER_MIN);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    reload (&test, "[class bulk]\nquiet_hours = 16:00-20:00\n");
    fixture_submit (&test.fixture, &bulk);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    reload (&test, "[class bulk]\nquiet_hours = 20:00-21:00\n");
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    test_close (&test);
}

/* A reload between the end of quiet hours and the moment that a flow has drawn lets nothing go before it. */
static void
test_quiet_spread (void)
{
    enum { N = 40 };
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    Test test;

    test_open (&test, "[class bulk]\nquiet_hours = mon 14:00-14:15\nquiet_zone = UTC\n"
                      "quiet_spread = 1h\n");
    for (guint i = 0; i < N; i++) {
        g_autofree char *campaign = g_strdup_printf ("c%u", i);

        fixture_submit (&test.fixture, &(Mail){.sender = "a@sender.test",
                                               .recipients = recipients,
                                               .campaign = campaign,
                                               .klass = RELAIS_CLASS_BULK});
    }
    fixture_advance (&test.fixture, 2 * RELAIS_USEC_PER_MIN);
    reload (&test, "[queue]\nconnections = 3\n");
    g_assert_cmpuint (test.sink->messages->len, <, N / 2);
    reload (&test, "[class bulk]\nquiet_hours =\n");
    g_assert_cmpuint (test.sink->messages->len, ==, N);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/reload/limits", test_limits);
    g_test_add_func ("/queue/reload/lower-limits", test_lower_limits);
    g_test_add_func ("/queue/reload/provider", test_provider);
    g_test_add_func ("/queue/reload/weights", test_weights);
    g_test_add_func ("/queue/reload/lifetime", test_lifetime);
    g_test_add_func ("/queue/reload/quiet-hours", test_quiet_hours);
    g_test_add_func ("/queue/reload/quiet-spread", test_quiet_spread);
    g_test_add_func ("/queue/reload/postmaster", test_postmaster);
    return g_test_run ();
}
