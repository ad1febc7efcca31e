/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: sources and sites. A pool of two, what each shows of itself, which one a retry keeps, and
 * the providers that make one site of many hosts.
 */
#include "config.h"

#include "scene.h"

#include <string.h>

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

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/sources/both-serve", test_both_serve);
    g_test_add_func ("/queue/sources/weights-of-a-trickle", test_weights_of_a_trickle);
    g_test_add_func ("/queue/sources/retry-keeps-its-source", test_retry_keeps_its_source);
    g_test_add_func ("/queue/sources/other-source-takes-over", test_other_source_takes_over);
    g_test_add_func ("/queue/sources/providers", test_providers);
    return g_test_run ();
}
