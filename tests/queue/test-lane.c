/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue's lanes: who has the next turn, how many connections there are, and that the cost of a
 * turn does not grow with the queue.
 */
#include "config.h"

#include "fixture.h"

#include "queue/lane-private.h"

#include <string.h>

/* One connection, so that the order of arrival is the order of turns. */
#define CONF                                                                                       \
    "[route sink]\nhost = 127.0.0.1\nport = %u\ntls = none\ndomains = *.rcpt.test\n"               \
    "connections = %u\nmessages_per_connection = 100000\n"                                         \
    "[queue]\nfirst_connections = %u\nsmtp_port = %u\ntls = none\n"                                \
    "[tenant heavy]\nweight = 3\n[tenant light]\nweight = 1\n"

static Sink *
open_test (Fixture *fixture, guint connections, guint first)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    Sink *probe = sink_new (loop, "127.0.0.1", 0);
    guint16 port = probe->port;
    g_autofree char *conf = g_strdup_printf (CONF, port, connections, first, port);

    sink_free (probe);
    fixture_open (fixture, conf);
    return sink_new (fixture->loop, "127.0.0.1", port);
}

static void
close_test (Fixture *fixture, Sink *sink)
{
    fixture_check (fixture);
    sink_free (sink);
    fixture_close (fixture);
}

/* Messages that are in the queue but not in the spool's memory would have to be read; these are put in
 * as the server does, many in one group. */
static void
submit_many (Fixture *fixture, guint n, const char *sender, const char *tenant, RelaisClass klass)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    fixture_submit_many (fixture, n,
                         &(Mail){.sender = sender,
                                 .recipients = recipients,
                                 .tenant = tenant,
                                 .klass = klass,
                                 .body = "Subject: t\r\n\r\n\r\n"});
}

/* Lets the held connection go on message by message until `n` arrived. */
static void
pass_on (Fixture *fixture, Sink *sink, guint n)
{
    gint64 end = g_get_monotonic_time () + 20 * RELAIS_USEC_PER_SEC;

    while (sink->messages->len < n) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (fixture->loop, false);
        sink_release (sink, 1);
    }
}

static guint
count_of (const Sink *sink, guint from, guint to, const char *sender)
{
    guint n = 0;

    for (guint i = from; i < to; i++)
        n += strcmp (sink_message (sink, i)->sender, sender) == 0;
    return n;
}

static void
test_urgent_overtakes_bulk (void)
{
    Fixture fixture;
    Sink *sink = open_test (&fixture, 1, 1);
    guint before, place;

    sink->hold = true;
    submit_many (&fixture, 10000, "bulk@sender.test", NULL, RELAIS_CLASS_BULK);
    pass_on (&fixture, sink, 20);
    before = sink->messages->len;
    submit_many (&fixture, 1, "urgent@sender.test", NULL, RELAIS_CLASS_TRANSACTIONAL);
    pass_on (&fixture, sink, before + 8);
    for (place = before; place < before + 8; place++)
        if (strcmp (sink_message (sink, place)->sender, "urgent@sender.test") == 0)
            break;
    g_test_message ("after %u others", place - before);
    g_assert_cmpuint (place - before, <=, 4);
    close_test (&fixture, sink);
}

static void
test_bulk_is_not_starved (void)
{
    Fixture fixture;
    Sink *sink = open_test (&fixture, 1, 1);
    guint bulk;

    sink->hold = true;
    submit_many (&fixture, 300, "bulk@sender.test", NULL, RELAIS_CLASS_BULK);
    submit_many (&fixture, 300, "urgent@sender.test", NULL, RELAIS_CLASS_TRANSACTIONAL);
    pass_on (&fixture, sink, 210);
    bulk = count_of (sink, 10, 210, "bulk@sender.test");
    g_assert_cmpuint (bulk, >=, 39);
    g_assert_cmpuint (bulk, <=, 41);
    close_test (&fixture, sink);
}

/* The first connections of a lane are no more than it may ever have. */
static void
test_one_connection (void)
{
    Fixture fixture;
    Sink *sink = open_test (&fixture, 1, 2);

    sink->hold = true;
    submit_many (&fixture, 20, "bulk@sender.test", NULL, RELAIS_CLASS_BULK);
    pass_on (&fixture, sink, 20);
    g_assert_cmpuint (sink->accepted, ==, 1);
    close_test (&fixture, sink);
}

/* The same where bulk mail must be read from disk while what is urgent lies in memory: none overtakes
 * what has had its turn. */
static void
test_turns_of_cold_mail (void)
{
    enum { HOT = 200, BULK = 1000, URGENT = 200, FROM = HOT + 100, TO = FROM + URGENT };
    const guint64 usual = fixture_hot_memory;
    Fixture fixture;
    Sink *sink;
    guint run = 0, longest = 0;

    fixture_hot_memory = HOT * 2500;
    sink = open_test (&fixture, 1, 1);
    sink->hold = true;
    submit_many (&fixture, BULK, "bulk@sender.test", NULL, RELAIS_CLASS_BULK);
    pass_on (&fixture, sink, FROM - 5);
    submit_many (&fixture, URGENT, "urgent@sender.test", NULL, RELAIS_CLASS_TRANSACTIONAL);
    pass_on (&fixture, sink, TO);
    for (guint i = FROM; i < TO; i++) {
        bool urgent = strcmp (sink_message (sink, i)->sender, "urgent@sender.test") == 0;

        run = urgent ? run + 1 : 0;
        longest = MAX (longest, run);
    }
    g_test_message ("%u urgent ones in a row", longest);
    g_assert_cmpuint (longest, <=, 4);
    close_test (&fixture, sink);
    fixture_hot_memory = usual;
}

static void
test_tenants_by_weight (void)
{
    Fixture fixture;
    Sink *sink = open_test (&fixture, 1, 1);
    guint heavy;

    sink->hold = true;
    submit_many (&fixture, 400, "light@sender.test", "light", RELAIS_CLASS_BULK);
    submit_many (&fixture, 400, "heavy@sender.test", "heavy", RELAIS_CLASS_BULK);
    pass_on (&fixture, sink, 210);
    heavy = count_of (sink, 10, 210, "heavy@sender.test");
    g_assert_cmpuint (heavy, >=, 148);
    g_assert_cmpuint (heavy, <=, 152);
    close_test (&fixture, sink);
}

static void
test_connections_grow_with_success (void)
{
    Fixture fixture;
    Sink *sink = open_test (&fixture, 8, 2);

    sink->hold = true;
    submit_many (&fixture, 200, "a@sender.test", NULL, RELAIS_CLASS_BULK);
    fixture_settle (&fixture);
    g_assert_cmpuint (sink->most_open, ==, 2);
    sink_release (sink, 2);
    fixture_settle (&fixture);
    g_assert_cmpuint (sink->most_open, ==, 4);
    for (guint i = 0; i < 20; i++) {
        sink_release (sink, 100);
        fixture_settle (&fixture);
    }
    g_assert_cmpuint (sink->most_open, ==, 8);
    close_test (&fixture, sink);
}

/* Ten times the queue, the same work for each message. */
static double
steps_per_message (guint depth)
{
    enum { MEASURED = 500 };
    Fixture fixture;
    Sink *sink = open_test (&fixture, 1, 1);
    guint64 before;
    double steps;

    sink->hold = true;
    submit_many (&fixture, depth, "a@sender.test", NULL, RELAIS_CLASS_BULK);
    pass_on (&fixture, sink, 10);
    before = fixture.queue->steps;
    pass_on (&fixture, sink, 10 + MEASURED);
    steps = (double)(fixture.queue->steps - before) / MEASURED;
    close_test (&fixture, sink);
    return steps;
}

static void
test_cost_is_flat (void)
{
    double shallow = steps_per_message (1000), deep = steps_per_message (10000);

    g_test_message ("%.2f steps a message in a queue of 1000, %.2f in one of 10000", shallow, deep);
    g_assert_cmpfloat (deep, <, shallow * 1.1 + 0.5);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/lane/urgent-overtakes-bulk", test_urgent_overtakes_bulk);
    g_test_add_func ("/queue/lane/bulk-is-not-starved", test_bulk_is_not_starved);
    g_test_add_func ("/queue/lane/one-connection", test_one_connection);
    g_test_add_func ("/queue/lane/turns-of-cold-mail", test_turns_of_cold_mail);
    g_test_add_func ("/queue/lane/tenants-by-weight", test_tenants_by_weight);
    g_test_add_func ("/queue/lane/connections-grow", test_connections_grow_with_success);
    g_test_add_func ("/queue/lane/cost-is-flat", test_cost_is_flat);
    return g_test_run ();
}
