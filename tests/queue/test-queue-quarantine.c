/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: how long mail stays in the quarantine, over restarts and steps of the clock, and what an
 * operator's verbs do to it.
 */
#include "config.h"

#include "scene.h"

#include "queue/verbs-private.h"

#include <string.h>

#define DAY RELAIS_USEC_PER_DAY
#define HOUR RELAIS_USEC_PER_HOUR
#define MINUTE RELAIS_USEC_PER_MIN
#define SECOND RELAIS_USEC_PER_SEC

static guint64
quarantine (Test *test)
{
    const char *recipients[] = {"x@a.rcpt.test", "y@b.rcpt.test", NULL};

    return fixture_submit (&test->fixture, &(Mail){.sender = "a@sender.test",
                                                   .recipients = recipients,
                                                   .quarantined = "quarantined by a test"});
}

static void
pass (Test *test, gint64 us)
{
    fixture_advance (&test->fixture, us);
    fixture_settle (&test->fixture);
    fixture_check (&test->fixture);
}

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    *(gint64 *)data = (gint64)n;
}

static gint64
apply (Test *test, RelaisVerb verb, guint64 id)
{
    gint64 n = -1;

    relais_queue_apply (test->fixture.queue, verb, &(RelaisSelection){.id = id}, on_applied, &n);
    fixture_settle (&test->fixture);
    return n;
}

static void
on_oldest (gpointer data, gint64 age_us, gint64 quarantined_us)
{
    *(gint64 *)data = quarantined_us;
}

static gint64
oldest (Test *test)
{
    gint64 age = -1;

    relais_queue_find_oldest (test->fixture.queue, on_oldest, &age);
    fixture_settle (&test->fixture);
    return age;
}

static void
assert_there (Test *test)
{
    g_assert_cmpuint (figures (test).quarantined, ==, 2);
    g_assert_cmpuint (figures (test).held, ==, 2);
    g_assert_cmpuint (fixture_count (&test->fixture, "deleted"), ==, 0);
}

static void
assert_gone (Test *test)
{
    g_assert_cmpuint (figures (test).messages, ==, 0);
    g_assert_cmpuint (figures (test).quarantined, ==, 0);
    g_assert_cmpuint (figures (test).held, ==, 0);
    g_assert_cmpuint (fixture_count (&test->fixture, "deleted"), ==, 2);
    g_assert_nonnull (
        strstr (fixture_last (&test->fixture, "deleted"), "\"stage\":\"quarantine\""));
    g_assert_nonnull (strstr (fixture_last (&test->fixture, "deleted"), "quarantine_lifetime"));
    g_assert_cmpuint (test->sink->messages->len, ==, 0);
    restart (test, 0);
    fixture_settle (&test->fixture);
    g_assert_cmpuint (figures (test).messages, ==, 0);
}

/* [limits] quarantine_lifetime: up to it all stays, from then on it goes, and nothing goes out. */
static void
test_limit (void)
{
    Test test;

    test_open (&test, "");
    quarantine (&test);
    pass (&test, 30 * DAY - 2 * SECOND);
    assert_there (&test);
    g_assert_cmpint (oldest (&test), ==, 30 * DAY - 2 * SECOND);
    pass (&test, 4 * SECOND);
    g_assert_cmpuint (figures (&test).quarantine_removed_total, ==, 2);
    g_assert_cmpint (oldest (&test), ==, 0);
    assert_gone (&test);
    test_close (&test);
}

static void
test_for_ever (void)
{
    Test test;

    test_open (&test, "[limits]\nquarantine_lifetime = 0\n");
    quarantine (&test);
    pass (&test, 900 * DAY);
    assert_there (&test);
    fixture_reload (&test.fixture, "[limits]\nquarantine_lifetime = 901d\n");
    pass (&test, DAY - 2 * SECOND);
    assert_there (&test);
    pass (&test, 4 * SECOND);
    assert_gone (&test);
    test_close (&test);
}

static void
test_reload (void)
{
    Test test;

    test_open (&test, "");
    quarantine (&test);
    pass (&test, HOUR);
    fixture_reload (&test.fixture, "[limits]\nquarantine_lifetime = 2h\n");
    pass (&test, HOUR - 2 * SECOND);
    assert_there (&test);
    fixture_reload (&test.fixture, "[limits]\nquarantine_lifetime = 0\n");
    pass (&test, DAY);
    assert_there (&test);
    test_close (&test);
}

/* The age is that by the wall clock, however often the daemon starts; what is overdue then stays for an
 * hour. */
static void
test_restarts (void)
{
    Test test;

    test_open (&test, "");
    quarantine (&test);
    for (guint i = 0; i < 4; i++)
        restart (&test, 7 * DAY);
    fixture_settle (&test.fixture);
    g_assert_cmpint (oldest (&test) / DAY, ==, 28);
    pass (&test, 2 * DAY - MINUTE);
    assert_there (&test);
    restart (&test, 10 * DAY);
    pass (&test, HOUR - 2 * SECOND);
    assert_there (&test);
    pass (&test, 4 * SECOND);
    assert_gone (&test);
    test_close (&test);
}

/* A wall clock that jumps ahead takes nothing away: neither while the daemon runs, nor if it is put right
 * in the first hour. */
static void
test_wrong_clock (void)
{
    Test test;

    test_open (&test, "");
    quarantine (&test);
    test.fixture.clock.wall_us += 60 * DAY;
    pass (&test, DAY);
    assert_there (&test);
    restart (&test, 0);
    pass (&test, MINUTE);
    test.fixture.clock.wall_us -= 60 * DAY;
    pass (&test, DAY);
    assert_there (&test);
    pass (&test, 28 * DAY);
    assert_gone (&test);
    test_close (&test);
}

/* What an operator held, or holds on to, is his. */
static void
test_operator (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    guint64 id, other;

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    id = quarantine (&test);
    other = fixture_mail (&test.fixture, "x@c.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, other), ==, 1);
    g_assert_cmpuint (figures (&test).held, ==, 3);
    g_assert_cmpuint (figures (&test).quarantined, ==, 2);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, id), ==, 2);
    g_assert_cmpuint (figures (&test).quarantined, ==, 0);
    restart (&test, 0);
    pass (&test, 400 * DAY);
    g_assert_cmpuint (figures (&test).held, ==, 3);
    g_assert_cmpuint (fixture_count (&test.fixture, "deleted"), ==, 0);
    test_close (&test);
}

/* Released past the lifetime of mail, it is tried for a while. */
static void
test_release (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 1}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    pass (&test, 0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RELEASE, quarantine (&test)), ==, 2);
    g_assert_cmpuint (figures (&test).quarantined, ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 2);
    pass (&test, 10 * MINUTE);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 2);

    guint64 id = quarantine (&test);

    rules[0] = (Rule){"MAIL FROM:<a@", "450 4.2.0 greylisted", 1};
    pass (&test, 20 * DAY);
    assert_there (&test);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RELEASE, id), ==, 2);
    pass (&test, 10 * MINUTE);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 4);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

static guint64
hot_bytes (Test *test)
{
    RelaisSpoolFigures figures;

    relais_spool_figures (test->fixture.spool, &figures);
    return figures.hot_bytes;
}

/* hot_memory is for mail that goes at once: what is held, by a verdict or an operator, is on disk alone. */
static void
test_memory (void)
{
    Test test;
    guint64 id;

    test_open (&test, "");
    id = quarantine (&test);
    g_assert_cmpuint (hot_bytes (&test), ==, 0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RELEASE, id), ==, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 2);
    fake_dns_set ("slow.test", "4.4.3 timeout");
    for (guint i = 0; i < 2; i++)
        id = fixture_mail (&test.fixture, "x@slow.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (hot_bytes (&test), >, 0); /* the second was not tried */
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, id), ==, 1);
    g_assert_cmpuint (hot_bytes (&test), ==, 0);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/quarantine/limit", test_limit);
    g_test_add_func ("/queue/quarantine/for-ever", test_for_ever);
    g_test_add_func ("/queue/quarantine/reload", test_reload);
    g_test_add_func ("/queue/quarantine/restarts", test_restarts);
    g_test_add_func ("/queue/quarantine/wrong-clock", test_wrong_clock);
    g_test_add_func ("/queue/quarantine/operator", test_operator);
    g_test_add_func ("/queue/quarantine/release", test_release);
    g_test_add_func ("/queue/quarantine/memory", test_memory);
    return g_test_run ();
}
