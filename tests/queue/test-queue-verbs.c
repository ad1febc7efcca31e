/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: the operator's verbs, over a restart and while an attempt is under way.
 */
#include "config.h"

#include "scene.h"

#include "queue/verbs-private.h"

#include <string.h>

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    *(gint64 *)data = (gint64)n;
}

static gint64
apply (Test *test, RelaisVerb verb, const RelaisSelection *selection)
{
    gint64 n = -1;

    relais_queue_apply (test->fixture.queue, verb, selection, on_applied, &n);
    fixture_settle (&test->fixture);
    g_assert_cmpint (n, >=, 0);
    return n;
}

static void
test_verbs (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const RelaisSelection a = {.domain = "a.rcpt.test"}, b = {.domain = "b.rcpt.test"};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < 3; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    guint64 id = fixture_mail (&test.fixture, "x@b.rcpt.test");

    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, &a), ==, 3);
    g_assert_cmpuint (figures (&test).held, ==, 3);
    restart (&test, RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).held, ==, 3);
    g_assert_cmpint (apply (&test, RELAIS_VERB_DELETE, &(RelaisSelection){.id = id}), ==, 1);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RETRY, &b), ==, 0);
    fixture_advance (&test.fixture, RELAIS_USEC_PER_HOUR);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RELEASE, &a), ==, 3);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

/* The two senders have one hash (32 bits of FNV-1a), as any stranger can have it of another. */
static void
test_senders_of_one_hash (void)
{
    static const char *const senders[] = {"lxgxmbc@a.test", "gudmrbx@a.test"};
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    const RelaisSelection first = {.sender = senders[0]}, all = {0};
    const guint64 usual = fixture_hot_memory;
    Test test;
    Rule rules[] = {{"MAIL FROM:<", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};

    g_assert_cmpuint (relais_queue_name_hash (senders[0]), ==, relais_queue_name_hash (senders[1]));
    fixture_hot_memory = 0; /* so that each is read from disk */
    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < 6; i++)
        fixture_submit (&test.fixture, &(Mail){.sender = senders[i % 2], .recipients = recipients});
    fixture_settle (&test.fixture);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_DELETE, &first), ==, 3);
    g_assert_cmpuint (figures (&test).messages, ==, 3);
    g_assert_cmpint (apply (&test, RELAIS_VERB_DELETE, &first), ==, 0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_DELETE, &all), ==, 3);
    test_close (&test);
    fixture_hot_memory = usual;
}

static void
test_retry_now (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 1}, {NULL, NULL, 0}};
    const RelaisSelection all = {0};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_RETRY, &all), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    test_close (&test);
}

static void
test_bounce_verb (void)
{
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_submit (
        &test.fixture,
        &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients, .tenant = "shop"});
    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_BOUNCE, &(RelaisSelection){.tenant = "other"}), ==,
                     0);
    g_assert_cmpint (apply (&test, RELAIS_VERB_BOUNCE, &(RelaisSelection){.tenant = "shop"}), ==,
                     1);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->sender, ==, "");
    test_close (&test);
}

/* Deleted while the peer has it: the outcome is recorded, nothing is tried again, nothing returns. */
static void
test_delete_in_flight (void)
{
    Test test;
    Rule rules[] = {{".", "451 4.3.0 try later", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    test.sink->hold = true;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (sink_held (test.sink), ==, 1);
    g_assert_cmpint (apply (&test, RELAIS_VERB_DELETE, &(RelaisSelection){0}), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deleted"), ==, 1);
    sink_release (test.sink, 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

/* The only worker stands still: what must be read from disk is waited for. */
static void
stand_still (gpointer data)
{
    while (!__atomic_load_n ((const bool *)data, __ATOMIC_ACQUIRE))
        g_usleep (200);
}

static void
on_stood (gpointer data)
{
}

static void
turn_until_told (Test *test, const gint64 *n)
{
    for (guint i = 0; i < 100 || *n < 0; i++)
        relais_loop_turn (test->fixture.loop, false);
}

/* Two verbs, the second while messages of the first are read for it. */
static void
apply_both (Test *test, RelaisVerb first, RelaisVerb second, gint64 n)
{
    const RelaisSelection all = {0};
    gint64 n_first = -1, n_second = -1;
    bool go_on = false;

    g_assert_true (relais_pool_run (test->fixture.pool, stand_still, on_stood, &go_on));
    relais_queue_apply (test->fixture.queue, first, &all, on_applied, &n_first);
    turn_until_told (test, &n_first);
    g_assert_cmpuint (test->fixture.queue->n_local, >, 0);
    relais_queue_apply (test->fixture.queue, second, &all, on_applied, &n_second);
    turn_until_told (test, &n_second);
    __atomic_store_n (&go_on, true, __ATOMIC_RELEASE);
    fixture_settle (&test->fixture);
    g_assert_cmpint (n_first, ==, n);
    g_assert_cmpint (n_second, ==, n);
}

/* The last word of an operator counts, however far the one before has come. More messages than are worked on at
 * once: some are read, the others wait for it. */
static void
test_second_thoughts (void)
{
    enum { MESSAGES = 40 };
    Test test;
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < MESSAGES; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, MESSAGES);
    apply_both (&test, RELAIS_VERB_HOLD, RELAIS_VERB_RELEASE, MESSAGES);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 2 * MESSAGES);
    g_assert_cmpuint (figures (&test).held, ==, 0);
    g_assert_cmpuint (figures (&test).deliveries, ==, MESSAGES);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, &(RelaisSelection){0}), ==, MESSAGES);
    apply_both (&test, RELAIS_VERB_RELEASE, RELAIS_VERB_HOLD, MESSAGES);
    g_assert_cmpuint (figures (&test).held, ==, MESSAGES);
    restart (&test, RELAIS_USEC_PER_HOUR);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).held, ==, MESSAGES);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    test_close (&test);
}

/* What reaches its lifetime while it is released expires at its time, though it is not tried then. */
static void
test_released_at_its_end (void)
{
    enum { MESSAGES = 40 }; /* more than are worked on at once */
    const gint64 lifetime = 2 * RELAIS_USEC_PER_DAY;
    Test test;
    gint64 n = -1;
    bool go_on = false;

    test_open (&test, "");
    fake_dns_set ("a.test", "4.4.3 timeout");
    for (guint i = 0; i < MESSAGES; i++)
        fixture_mail (&test.fixture, "x@a.test");
    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, &(RelaisSelection){0}), ==, MESSAGES);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    fixture_advance (&test.fixture, lifetime - RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_true (relais_pool_run (test.fixture.pool, stand_still, on_stood, &go_on));
    relais_queue_apply (test.fixture.queue, RELAIS_VERB_RELEASE, &(RelaisSelection){0}, on_applied,
                        &n);
    turn_until_told (&test, &n);
    fixture_advance (&test.fixture, 3 * RELAIS_USEC_PER_SEC);
    turn_until_told (&test, &n);
    __atomic_store_n (&go_on, true, __ATOMIC_RELEASE);
    fixture_settle (&test.fixture);
    fixture_check (&test.fixture);
    fixture_advance (&test.fixture, 2 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, MESSAGES);
    test_close (&test);
}

/* What was held beyond its lifetime and is let go has an hour, also when the daemon ends meanwhile, before an
 * attempt or after one. What was not let go has none. */
static void
test_grace_over_restarts (void)
{
    Test test;
    Rule rules[] = {{"<x@", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    const RelaisSelection a = {.domain = "a.rcpt.test"};

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_mail (&test.fixture, "x@b.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpint (apply (&test, RELAIS_VERB_HOLD, &a), ==, 1);
    fixture_advance (&test.fixture, 3 * RELAIS_USEC_PER_DAY);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    rules[0].answer = ""; /* the attempt goes on until the daemon ends */
    g_assert_cmpint (apply (&test, RELAIS_VERB_RELEASE, &a), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 2);
    rules[0].answer = "450 4.2.0 later";
    for (guint i = 0; i < 2; i++) {
        restart (&test, RELAIS_USEC_PER_SEC);
        test.sink->answer = by_rules;
        test.sink->data = rules;
        fixture_settle (&test.fixture);
        fixture_advance (&test.fixture, 30 * RELAIS_USEC_PER_MIN);
        fixture_settle (&test.fixture);
        g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
        g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 4 + i);
    }
    fixture_advance (&test.fixture, 31 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 2);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/verbs/verbs", test_verbs);
    g_test_add_func ("/queue/verbs/retry-now", test_retry_now);
    g_test_add_func ("/queue/verbs/senders-of-one-hash", test_senders_of_one_hash);
    g_test_add_func ("/queue/verbs/bounce-verb", test_bounce_verb);
    g_test_add_func ("/queue/verbs/delete-in-flight", test_delete_in_flight);
    g_test_add_func ("/queue/verbs/second-thoughts", test_second_thoughts);
    g_test_add_func ("/queue/verbs/released-at-its-end", test_released_at_its_end);
    g_test_add_func ("/queue/verbs/grace-over-restarts", test_grace_over_restarts);
    return g_test_run ();
}
