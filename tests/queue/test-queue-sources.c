/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: sources and sites. A pool of two, what each shows of itself, which one a retry keeps, and
 * the providers that make one site of many hosts.
 */
#include "config.h"

#include "scene.h"

#include "conf/net-private.h"
#include "queue/attempt-private.h"
#include "queue/lane-private.h"
#include "queue/reach-private.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TWO_SOURCES                                                                                \
    "[source one]\naddress4 = 127.0.0.2\nhelo = one.relais.test\n"                                 \
    "[source two]\naddress4 = 127.0.0.3\nhelo = two.relais.test\n"

static guint
count_from (const Sink *sink, const char *client)
{
    guint n = 0;

    for (guint i = 0; i < sink->messages->len; i++)
        n += strcmp (sink_message (sink, i)->client, client) == 0;
    return n;
}

/* The value of a text member of an event. */
static char *
member (const char *event, const char *name)
{
    g_autofree char *needle = g_strdup_printf ("\"%s\":\"", name);
    const char *start = strstr (event, needle);

    g_assert_nonnull (start);
    start += strlen (needle);
    return g_strndup (start, strcspn (start, "\""));
}

/* id -> source of all events of a type. */
static GHashTable *
sources_by_id (const Fixture *fixture, const char *type)
{
    GHashTable *sources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *needle = g_strdup_printf ("\"type\":\"%s\"", type);

    for (guint i = 0; i < fixture->events->len; i++)
        if (strstr (fixture->events->pdata[i], needle) != NULL)
            g_hash_table_replace (sources, member (fixture->events->pdata[i], "queue_id"),
                                  member (fixture->events->pdata[i], "source"));
    return sources;
}

static void
test_both_serve (void)
{
    Test test;

    test_open (&test, TWO_SOURCES);
    for (guint i = 0; i < 8; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 8);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2"), >, 0);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.3"), >, 0);
    for (guint i = 0; i < 8; i++) {
        const SinkMessage *message = sink_message (test.sink, i);
        bool one = strcmp (message->client, "127.0.0.2") == 0;

        g_assert_cmpstr (message->helo, ==, one ? "one.relais.test" : "two.relais.test");
    }
    test_close (&test);
}

/* Mail that comes one by one, each when the last is gone: the sources take it by their weights. */
static void
test_weights_of_a_trickle (void)
{
    Test test;

    test_open (&test, "[source one]\naddress4 = 127.0.0.2\nweight = 3\n"
                      "[source two]\naddress4 = 127.0.0.3\nweight = 1\n");
    for (guint i = 0; i < 16; i++) {
        fixture_mail (&test.fixture, "x@a.rcpt.test");
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 16);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2"), >=, 11);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2"), <=, 13);
    test_close (&test);
}

static void
test_retry_keeps_its_source (void)
{
    enum { N = 8 };
    Test test;
    Rule rules[] = {{"RCPT", "450 4.7.1 greylisted", N}, {NULL, NULL, 0}};
    GHashTableIter iter;
    gpointer id, source;

    test_open (&test, TWO_SOURCES);
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < N; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, N);
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, N);

    g_autoptr (GHashTable) first = sources_by_id (&test.fixture, "deferred");
    g_autoptr (GHashTable) second = sources_by_id (&test.fixture, "delivered");

    g_assert_cmpuint (g_hash_table_size (first), ==, N);
    g_hash_table_iter_init (&iter, first);
    while (g_hash_table_iter_next (&iter, &id, &source))
        g_assert_cmpstr (g_hash_table_lookup (second, id), ==, source);
    test_close (&test);
}

/* The same over a restart; and when the source is shut out, the other one takes its retries. */
static void
test_other_source_takes_over (void)
{
    enum { N = 8 };
    Test test;
    Rule rules[] = {{"RCPT", "450 4.7.1 greylisted", N}, {NULL, NULL, 0}};

    test_open (&test, TWO_SOURCES);
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < N; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    restart (&test, RELAIS_USEC_PER_SEC);
    test.sink->unwelcome = "127.0.0.2";
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    /* Those with which the lost source knocked wait for their next time, all others go at once. */
    g_assert_cmpuint (test.sink->messages->len, >=, N - 2);
    g_assert_cmpuint (count_from (test.sink, "127.0.0.2"), ==, 0);
    fixture_advance (&test.fixture, 12 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, N);
    test_close (&test);
}

static void
test_providers (void)
{
    Test test;
    static const char *const sites[][3] = {
        {"x@a.test", "mx1.big.test=127.0.0.1", "big"},
        {"x@b.test", "mx2.big.test=127.0.0.1 mx3.big.test=127.0.0.1", "big"},
        {"x@c.test", "mx.verybig.test=127.0.0.1", "mx.verybig.test"},
        {"x@d.test", "mx4.big.test=127.0.0.1 mx.other.test=127.0.0.1",
         "mx.other.test,mx4.big.test"}};

    test_open (&test, "[provider big]\nmx = .big.test\n");
    for (gsize i = 0; i < G_N_ELEMENTS (sites); i++) {
        g_autofree char *site = g_strdup_printf ("\"site\":\"%s\"", sites[i][2]);

        fake_dns_set (strchr (sites[i][0], '@') + 1, sites[i][1]);
        fixture_mail (&test.fixture, sites[i][0]);
        fixture_settle (&test.fixture);
        g_assert_nonnull (strstr (fixture_last (&test.fixture, "delivered"), site));
        /* The second message came by a lane that was there. */
        g_assert_cmpuint (figures (&test).lanes, ==, i == 0 ? 1 : i);
    }
    test_close (&test);
}

/* --- Families --------------------------------------------------------------------------------- */

#define BOTH "mx.ok.test=::1,127.0.0.1"

/* A port of ::1 that listens but takes nothing more: a connect there hangs. -1: no IPv6 here. */
typedef struct {
    int listener, full[8];
} Hole;

static bool
hole_open (Hole *hole, guint16 port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = g_htons (port)};
    const int on = 1;

    hole->listener = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (hole->listener < 0)
        return false;
    setsockopt (hole->listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    setsockopt (hole->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind (hole->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen (hole->listener, 0) < 0) {
        close (hole->listener);
        return false;
    }
    for (guint i = 0; i < G_N_ELEMENTS (hole->full); i++) {
        hole->full[i] = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect (hole->full[i], (struct sockaddr *)&address, sizeof address);
    }
    return true;
}

static void
hole_close (Hole *hole)
{
    for (guint i = 0; i < G_N_ELEMENTS (hole->full); i++)
        close (hole->full[i]);
    close (hole->listener);
}

static bool
has_connection (gpointer data)
{
    return ((RelaisQueue *)data)->n_connections > 0;
}

/* A path that swallows everything costs the fallback time once, then nothing. */
static void
test_broken_ipv6 (void)
{
    Test test;
    Hole hole;

    test_open (&test, "");
    if (!hole_open (&hole, test.sink->port)) {
        g_test_skip ("no IPv6");
        test_close (&test);
        return;
    }
    fake_dns_set ("ok.test", BOTH);
    fake_dns_set ("two.test", BOTH);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_until (&test.fixture, has_connection, test.fixture.queue);
    fixture_advance (&test.fixture, 5 * RELAIS_USEC_PER_SEC - 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    fixture_advance (&test.fixture, 1);
    fixture_until_messages (&test.fixture, test.sink, 1);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 1);

    /* remembered: no time passes */
    fixture_advance (&test.fixture, 10 * RELAIS_USEC_PER_SEC); /* the idle connection goes */
    fixture_settle (&test.fixture);
    fixture_mail (&test.fixture, "x@two.test");
    fixture_until_messages (&test.fixture, test.sink, 2);
    fixture_settle (&test.fixture);

    /* and tried again when the memory has ended */
    fixture_advance (&test.fixture, 10 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_until (&test.fixture, has_connection, test.fixture.queue);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    fixture_advance (&test.fixture, 5 * RELAIS_USEC_PER_SEC);
    fixture_until_messages (&test.fixture, test.sink, 3);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    hole_close (&hole);
    test_close (&test);
}

static RelaisRoute *
make_dual_route (RelaisQueue *queue)
{
    RelaisRouteHost host = {.name = (char *)"mx.ok.test"};
    g_autoptr (GPtrArray) hosts = g_ptr_array_new ();
    g_autoptr (GArray) addresses = g_array_new (FALSE, TRUE, sizeof (RelaisDnsAddress));
    RelaisMailRoute mail = {.hosts = hosts};
    static const char *const texts[] = {"127.0.0.1", "::1"};

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        RelaisDnsAddress address = {0};

        g_assert_true (relais_address_from_text (texts[i], 0, &address.address, &address.size));
        g_array_append_val (addresses, address);
    }
    host.addresses = addresses;
    g_ptr_array_add (hosts, &host);
    return relais_route_new (queue, &mail, "ok.test", NULL, NULL);
}

static const RelaisStop *
first_stop (const RelaisRoute *route, const GArray *order)
{
    return &g_array_index (route->stops, RelaisStop, g_array_index (order, guint, 0));
}

/* The order by preference, by what the source has, and by what was met. */
static void
test_order_of_addresses (void)
{
    static const struct {
        const char *conf;
        guint n, first;
    } cases[] = {
        {"", 2, AF_INET6},
        {"[queue]\nfamilies = ipv4-first\n", 2, AF_INET},
        {"[queue]\nfamilies = ipv4\n", 1, AF_INET},
        {"[queue]\nfamilies = ipv6\n", 1, AF_INET6},
        {"[provider ok]\nmx = ok.test\nfamilies = ipv4-first\n", 2, AF_INET},
        {"[queue]\nfamilies = ipv4\n[provider ok]\nmx = ok.test\nfamilies = ipv6-first\n", 2,
         AF_INET6},
        {"[source one]\naddress4 = 127.0.0.1\n", 1, AF_INET},
        {"[source one]\naddress6 = ::1\n", 1, AF_INET6},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        Test test;
        RelaisRoute *route;
        RelaisSource *source;
        GArray *order;

        test_open (&test, cases[i].conf);
        source =
            ((RelaisSourcePool *)test.fixture.queue->settings.pools->pdata[0])->sources->pdata[0];
        route = make_dual_route (test.fixture.queue);
        order = relais_reach_order (test.fixture.queue, source, route);
        g_assert_cmpuint (order->len, ==, cases[i].n);
        g_assert_cmpuint (first_stop (route, order)->address.ss_family, ==, cases[i].first);
        if (order->len == 2) {
            const RelaisStop *bad = first_stop (route, order);

            relais_reach_failed (test.fixture.queue, source, bad);
            g_array_unref (order);
            order = relais_reach_order (test.fixture.queue, source, route);
            g_assert_true (first_stop (route, order) != bad);
            relais_reach_worked (test.fixture.queue, source, bad);
            g_array_unref (order);
            order = relais_reach_order (test.fixture.queue, source, route);
            g_assert_true (first_stop (route, order) == bad);
        }
        g_array_unref (order);
        relais_route_unref (route);
        test_close (&test);
    }
}

static void
test_reach_is_bounded (void)
{
    Test test;
    RelaisSource *source;

    test_open (&test, "");
    source = ((RelaisSourcePool *)test.fixture.queue->settings.pools->pdata[0])->sources->pdata[0];
    for (guint i = 0; i < RELAIS_REACH_ADDRESSES + 100; i++) {
        g_autofree char *text = g_strdup_printf ("10.0.%u.%u", i / 256, i % 256);
        RelaisStop stop = {0};

        g_assert_true (relais_address_from_text (text, 25, &stop.address, &stop.size));
        relais_reach_failed (test.fixture.queue, source, &stop);
        g_assert_true (relais_reach_is_bad (test.fixture.queue, source, &stop));
        g_assert_cmpuint (g_hash_table_size (test.fixture.queue->out_of_reach), <=,
                          RELAIS_REACH_ADDRESSES);
    }
    test_close (&test);
}

/* A source goes out of use while it opens a connection, and what that was to carry has its destination looked up
 * again: the lanes that are left by that end meanwhile. */
static void
test_goes_out_while_lanes_end (void)
{
    g_autoptr (GString) conf = g_string_new (NULL);
    Test test;
    Rule rules[] = {{"CONNECT", "", 1}, {NULL, NULL, 0}};
    RelaisSource *used = NULL;

    for (guint i = 0; i < 16; i++)
        g_string_append_printf (conf, "[source s%u]\naddress4 = 127.0.0.%u\n", i, i + 2);
    test_open (&test, conf->str);
    fake_dns_set ("a.test", "mx.a.test=127.0.0.1");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->accepted, ==, 1);
    used = ((RelaisAttempt *)test.fixture.queue->attempts.head->data)->source;
    relais_queue_use_policies (test.fixture.queue, NULL);
    used->taken_out = used->out = true;
    relais_lanes_use_sources (test.fixture.queue);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/sources/both-serve", test_both_serve);
    g_test_add_func ("/queue/sources/weights-of-a-trickle", test_weights_of_a_trickle);
    g_test_add_func ("/queue/sources/retry-keeps-its-source", test_retry_keeps_its_source);
    g_test_add_func ("/queue/sources/other-source-takes-over", test_other_source_takes_over);
    g_test_add_func ("/queue/sources/providers", test_providers);
    g_test_add_func ("/queue/sources/goes-out-while-lanes-end", test_goes_out_while_lanes_end);
    g_test_add_func ("/queue/families/broken-ipv6", test_broken_ipv6);
    g_test_add_func ("/queue/families/order", test_order_of_addresses);
    g_test_add_func ("/queue/families/bounded", test_reach_is_bounded);
    return g_test_run ();
}
