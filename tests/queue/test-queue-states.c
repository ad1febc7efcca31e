/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: what the outcomes of a message to many write. Its states hold all recipients, so outcomes that wait for
 * the same sync share them; none of them is lost or done again by that.
 */
#include "config.h"

#include "scene.h"

#include "queue/verbs-private.h"

#include <string.h>

enum { MANY = 1000, FEW = 20 };

static GPtrArray *
recipients_new (guint n)
{
    GPtrArray *recipients = g_ptr_array_new_with_free_func (g_free);

    for (guint i = 0; i < n; i++)
        g_ptr_array_add (recipients, g_strdup_printf ("r%u@d%u.rcpt.test", i, i));
    g_ptr_array_add (recipients, NULL);
    return recipients;
}

/* Each goes in a transaction of its own, whose end the sink holds. */
static guint64
submit (Test *test, guint n)
{
    g_autoptr (GPtrArray) recipients = recipients_new (n);
    guint64 id;

    test->sink->hold = true;
    id = fixture_submit (&test->fixture,
                         &(Mail){.sender = "a@sender.test",
                                 .recipients = (const char *const *)recipients->pdata,
                                 .alone = true});
    fixture_settle (&test->fixture);
    return id;
}

static void
count_state (gpointer data, const char *json)
{
    *(guint *)data += strstr (json, "\"type\":\"state\"") != NULL;
}

static guint
states_on_disk (Test *test)
{
    g_autofree char *dir = g_build_filename (test->fixture.dir, "spool", NULL);
    g_autoptr (GError) error = NULL;
    guint n = 0;

    (void)relais_spool_dump (dir, count_state, &n, &error);
    g_assert_no_error (error);
    return n;
}

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    *(bool *)data = true;
}

static bool
is_true (gpointer data)
{
    return *(bool *)data;
}

/* What is under way is deleted one by one, all in one turn of the loop. */
static void
delete_all (Test *test, guint64 id)
{
    bool done = false;

    relais_queue_apply (test->fixture.queue, RELAIS_VERB_DELETE, &(RelaisSelection){.id = id},
                        on_applied, &done);
    fixture_until (&test->fixture, is_true, &done);
}

/* Deletes a message to `n_recipients` while some of them are under way; returns how many. */
static guint
delete_under_way (Test *test, guint n_recipients)
{
    guint64 id = submit (test, n_recipients);
    guint n = sink_held (test->sink);

    g_assert_cmpuint (n, >=, 10);
    delete_all (test, id);
    fixture_settle (&test->fixture);
    g_assert_cmpuint (fixture_count (&test->fixture, "deleted"), ==, n_recipients);
    return n;
}

/* Outcomes that come while the states of the first are on their way share the next. */
static void
test_many_share (void)
{
    Test test;

    test_open (&test, "[queue]\nfirst_connections = 40\n");
    (void)delete_under_way (&test, MANY);
    /* The first that was under way; the others of those; what was not, in two turns of local work. */
    g_assert_cmpuint (states_on_disk (&test), <=, 4);
    test_close (&test);
}

/* Small states share nothing: nobody waits for a sync. */
static void
test_few_go_at_once (void)
{
    Test test;
    guint n;

    test_open (&test, "[queue]\nfirst_connections = 40\n");
    n = delete_under_way (&test, FEW);
    g_assert_cmpuint (states_on_disk (&test), >=, n - 1);
    test_close (&test);
}

static bool
has_outcome (gpointer data)
{
    return ((Test *)data)->fixture.queue->delivered_total > 0;
}

/* The daemon ends while outcomes share and wait: all are on disk at its next start. */
static void
test_end_while_waiting (void)
{
    Test test;
    guint n, delivered;

    test_open (&test, "[queue]\nfirst_connections = 40\n");
    (void)submit (&test, MANY);
    n = sink_held (test.sink);
    g_assert_cmpuint (sink_release (test.sink, n), ==, n);
    fixture_until (&test.fixture, has_outcome, &test);
    delivered = (guint)test.fixture.queue->delivered_total;
    restart (&test, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, delivered);
    g_assert_cmpuint (figures (&test).deliveries, ==, MANY - delivered);
    test_close (&test);
}

static bool
is_finished (gpointer data)
{
    return figures (data).messages == 0;
}

/* All arrive, each is told of once, and the states of a thousand were not written a thousand times. */
static void
test_many_are_delivered (void)
{
    Test test;

    test_open (&test, "[queue]\nfirst_connections = 40\n");
    (void)submit (&test, MANY);
    test.sink->hold = false;
    (void)sink_release (test.sink, sink_held (test.sink));
    fixture_until (&test.fixture, is_finished, &test);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, MANY);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, MANY);
    g_test_message ("%u states", states_on_disk (&test));
    g_assert_cmpuint (states_on_disk (&test), <, MANY / 4);
    restart (&test, 0);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/states/many-share", test_many_share);
    g_test_add_func ("/queue/states/few-go-at-once", test_few_go_at_once);
    g_test_add_func ("/queue/states/end-while-waiting", test_end_while_waiting);
    g_test_add_func ("/queue/states/many-are-delivered", test_many_are_delivered);
    return g_test_run ();
}
