/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/dns, plain queries against a scripted server: outcomes, the deadline, coalescing, the bound on
 * queries, cancelling, TCP, a dead server, descriptors.
 */
#include "config.h"

#include "dns/dns-private.h"
#include "dns/late-private.h"
#include "dns/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    RelaisDnsOutcome outcome;
    char *reason;
    guint n_records;
    bool is_text;
    char *first; /* bytes or name of the first record */
    gsize first_size;
    guint calls;
    guint *total; /* counts the calls of many */
} Result;

static void
result_clear (Result *result)
{
    g_clear_pointer (&result->reason, g_free);
    g_clear_pointer (&result->first, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static void
on_answer (gpointer data, const RelaisDnsAnswer *answer)
{
    Result *result = data;

    result_clear (result);
    result->calls++;
    if (result->total != NULL)
        ++*result->total;
    result->outcome = answer->outcome;
    result->reason = g_strdup (answer->reason);
    result->n_records = answer->records->len;
    if (answer->records->len > 0) {
        const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, 0);

        /* TXT has a NUL behind it that is not counted; the rest is looked at by size. */
        result->first = record->name != NULL
                            ? g_strdup (record->name)
                            : g_memdup2 (record->bytes, record->size + (result->is_text ? 1u : 0u));
        result->first_size = record->size;
    }
}

static RelaisDns *
open_resolver (RelaisLoop *loop, const char *const *servers, gint64 timeout_us, guint max_queries)
{
    g_autoptr (GError) error = NULL;
    const RelaisDnsOptions options = {.servers = servers,
                                      .timeout_us = timeout_us,
                                      .cache_bytes = 4 << 20,
                                      .max_queries = max_queries};
    RelaisDns *dns = relais_dns_new (&options, loop, &error);

    g_assert_no_error (error);
    return dns;
}

static void
run_until (RelaisLoop *loop, const guint *counter, guint wanted)
{
    gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (*counter < wanted) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (loop, true);
    }
    g_assert_cmpuint (*counter, ==, wanted);
}

static void
ask_one (RelaisLoop *loop, RelaisDns *dns, const char *name, RelaisDnsType type, Result *result)
{
    guint calls = result->calls;

    result->is_text = type == RELAIS_DNS_TXT;
    g_assert_nonnull (relais_dns_query (dns, name, type, on_answer, result));
    g_assert_cmpuint (result->calls, ==, calls);
    run_until (loop, &result->calls, calls + 1);
}

typedef struct {
    RelaisClock clock;
    gint64 now_us;
} TestClock;

static gint64
test_clock_now (const RelaisClock *self)
{
    return ((const TestClock *)self)->now_us;
}

/* --- Outcomes ----------------------------------------------------------------------------------- */

static const char outcomes_script[] = "a.test A 192.0.2.1\n"
                                      "a.test A 192.0.2.2\n"
                                      "a.test TXT v=spf1 -all\n"
                                      "c.test CNAME A.TEST\n"
                                      "six.test AAAA 2001:db8::1\n"
                                      "mx.test MX 10 MX.Host.Test\n"
                                      "loop.test CNAME loop2.test\n"
                                      "loop2.test CNAME loop.test\n"
                                      "servfail.test A 192.0.2.1\n"
                                      "servfail.test A !SERVFAIL\n"
                                      "refused.test A !REFUSED\n"
                                      "dropped.test A !DROP\n"
                                      "garbage.test A !GARBAGE\n"
                                      "wrongid.test A 192.0.2.1\n"
                                      "wrongid.test A !WRONGID\n"
                                      "big.test TXT big\n"
                                      "big.test TXT !TRUNCATE\n"
                                      "baddata.test A 192.0.2.1\n"
                                      "baddata.test A !BADDATA\n"
                                      "1.2.0.192.in-addr.arpa PTR host.test\n"
                                      "1.0.0.10.in-addr.arpa PTR inner.test\n"
                                      "one.invalid A 192.0.2.7\n";

static void
test_outcomes (void)
{
    static const struct {
        const char *name;
        RelaisDnsType type;
        RelaisDnsOutcome outcome;
        guint n_records;
        const char *first;
        const char *reason;
    } cases[] = {
        {"a.test", RELAIS_DNS_A, RELAIS_DNS_DATA, 2, NULL, NULL},
        {"A.Test.", RELAIS_DNS_A, RELAIS_DNS_DATA, 2, NULL, NULL},
        {"a.test", RELAIS_DNS_TXT, RELAIS_DNS_DATA, 1, "v=spf1 -all", NULL},
        {"a.test", RELAIS_DNS_MX, RELAIS_DNS_NODATA, 0, NULL, NULL},
        {"c.test", RELAIS_DNS_A, RELAIS_DNS_DATA, 2, NULL, NULL},
        {"six.test", RELAIS_DNS_AAAA, RELAIS_DNS_DATA, 1, NULL, NULL},
        {"mx.test", RELAIS_DNS_MX, RELAIS_DNS_DATA, 1, "mx.host.test", NULL},
        {"absent.test", RELAIS_DNS_A, RELAIS_DNS_NXDOMAIN, 0, NULL, NULL},
        {"1.2.0.192.in-addr.arpa", RELAIS_DNS_PTR, RELAIS_DNS_DATA, 1, "host.test", NULL},
        {"1.0.0.10.in-addr.arpa", RELAIS_DNS_PTR, RELAIS_DNS_DATA, 1, "inner.test", NULL},
        {"one.invalid", RELAIS_DNS_A, RELAIS_DNS_DATA, 1, NULL, NULL},
        {"big.test", RELAIS_DNS_TXT, RELAIS_DNS_DATA, 1, "big", NULL},
        {"servfail.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, "SERVFAIL"},
        {"refused.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, NULL},
        {"baddata.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, NULL},
        {"loop.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, NULL},
        {"dropped.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, "timeout"},
        {"garbage.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, NULL},
        {"wrongid.test", RELAIS_DNS_A, RELAIS_DNS_TEMPORARY, 0, NULL, "timeout"},
        {"two..dots", RELAIS_DNS_A, RELAIS_DNS_NXDOMAIN, 0, NULL, NULL},
    };
    g_autoptr (TestDns) server = test_dns_new (outcomes_script);
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const char *servers[] = {test_dns_address (server), NULL};
    g_autoptr (RelaisDns) dns = open_resolver (loop, servers, 500 * 1000, 100);

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (Result) result = {0};

        ask_one (loop, dns, cases[i].name, cases[i].type, &result);
        g_test_message ("%s: outcome %d, %s", cases[i].name, (int)result.outcome, result.reason);
        g_assert_cmpint ((int)result.outcome, ==, (int)cases[i].outcome);
        g_assert_cmpuint (result.n_records, ==, cases[i].n_records);
        if (cases[i].first != NULL)
            g_assert_cmpstr (result.first, ==, cases[i].first);
        if (cases[i].reason != NULL)
            g_assert_cmpstr (result.reason, ==, cases[i].reason);
        if (cases[i].outcome == RELAIS_DNS_TEMPORARY)
            g_assert_nonnull (result.reason);
    }
    g_assert_cmpuint (test_dns_tcp_count (server), >, 0);
}

/* --- Many at once ------------------------------------------------------------------------------- */

static void
test_coalescing (void)
{
    g_autoptr (TestDns) server = test_dns_new ("a.test A 192.0.2.1\n");
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const char *servers[] = {test_dns_address (server), NULL};
    g_autoptr (RelaisDns) dns = open_resolver (loop, servers, 5 * G_USEC_PER_SEC, 100);
    Result results[1000] = {0};
    guint total = 0;

    for (gsize i = 0; i < G_N_ELEMENTS (results); i++) {
        results[i].total = &total;
        relais_dns_query (dns, i % 2 == 0 ? "a.test" : "A.TEST", RELAIS_DNS_A, on_answer,
                          &results[i]);
    }
    run_until (loop, &total, G_N_ELEMENTS (results));
    for (gsize i = 0; i < G_N_ELEMENTS (results); i++) {
        g_assert_cmpuint (results[i].calls, ==, 1);
        g_assert_cmpint ((int)results[i].outcome, ==, RELAIS_DNS_DATA);
        result_clear (&results[i]);
    }
    g_assert_cmpuint (test_dns_count (server, "a.test", RELAIS_DNS_A), ==, 1);
    /* From the cache: still not from inside the call. */
    ask_one (loop, dns, "a.test", RELAIS_DNS_A, &results[0]);
    g_assert_cmpuint (test_dns_count (server, "a.test", RELAIS_DNS_A), ==, 1);
    result_clear (&results[0]);
}

static void
test_queue (void)
{
    g_autoptr (GString) script = g_string_new (NULL);
    g_autoptr (TestDns) server = NULL;
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (RelaisDns) dns = NULL;
    const char *servers[2] = {NULL};
    Result results[100] = {0};
    guint total = 0;

    for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        g_string_append_printf (script, "n%u.test A 192.0.2.%u\n", i, i);
    server = test_dns_new (script->str);
    servers[0] = test_dns_address (server);
    dns = open_resolver (loop, servers, 10 * G_USEC_PER_SEC, 3);
    for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
        g_autofree char *name = g_strdup_printf ("n%u.test", i);

        results[i].total = &total;
        relais_dns_query (dns, name, RELAIS_DNS_A, on_answer, &results[i]);
    }
    run_until (loop, &total, G_N_ELEMENTS (results));
    for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
        g_assert_cmpint ((int)results[i].outcome, ==, RELAIS_DNS_DATA);
        g_assert_cmpuint (results[i].first_size, ==, 4);
        g_assert_cmpuint ((guint8)results[i].first[3], ==, i);
        result_clear (&results[i]);
    }
}

/* An absence is kept for the time that the zone's SOA says, and no longer. */
static void
test_absence_is_kept (void)
{
    g_autoptr (TestDns) server = test_dns_new ("a.test A 192.0.2.1\n"
                                               "late.test A 192.0.2.1\n"
                                               "late.test A !NXDOMAIN ANSWER\n");
    TestClock clock = {{test_clock_now, test_clock_now}, 1000000};
    g_autoptr (RelaisLoop) loop = relais_loop_new (&clock.clock, NULL);
    const char *servers[] = {test_dns_address (server), NULL};
    g_autoptr (RelaisDns) dns = open_resolver (loop, servers, 5 * G_USEC_PER_SEC, 100);
    g_auto (Result) result = {0};

    for (int i = 0; i < 3; i++) {
        ask_one (loop, dns, "absent.test", RELAIS_DNS_A, &result);
        g_assert_cmpint ((int)result.outcome, ==, RELAIS_DNS_NXDOMAIN);
        ask_one (loop, dns, "a.test", RELAIS_DNS_AAAA, &result);
        g_assert_cmpint ((int)result.outcome, ==, RELAIS_DNS_NODATA);
        ask_one (loop, dns, "late.test", RELAIS_DNS_A, &result);
        g_assert_cmpint ((int)result.outcome, ==, RELAIS_DNS_NXDOMAIN);
        clock.now_us += 10 * G_USEC_PER_SEC;
    }
    g_assert_cmpuint (test_dns_count (server, "absent.test", RELAIS_DNS_A), ==, 1);
    g_assert_cmpuint (test_dns_count (server, "a.test", RELAIS_DNS_AAAA), ==, 1);
    clock.now_us += 31 * G_USEC_PER_SEC; /* the script's SOA says 60 s */
    ask_one (loop, dns, "late.test", RELAIS_DNS_A, &result);
    g_assert_cmpint ((int)result.outcome, ==, RELAIS_DNS_DATA);
}

/* --- Cancelling --------------------------------------------------------------------------------- */

typedef struct {
    Result result;
    RelaisDnsQuery *other;
} Canceller;

static void
on_answer_cancel (gpointer data, const RelaisDnsAnswer *answer)
{
    Canceller *canceller = data;

    on_answer (&canceller->result, answer);
    relais_dns_cancel (canceller->other);
}

static void
test_cancel (void)
{
    g_autoptr (TestDns) server = test_dns_new ("a.test A 192.0.2.1\nd.test A !DROP\n");
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const char *servers[] = {test_dns_address (server), NULL};
    g_autoptr (RelaisDns) dns = open_resolver (loop, servers, 300 * 1000, 100);
    g_auto (Result) never = {0};
    g_auto (Result) last = {0};
    Canceller canceller = {0};

    relais_dns_cancel (relais_dns_query (dns, "a.test", RELAIS_DNS_A, on_answer, &never));
    relais_dns_query (dns, "a.test", RELAIS_DNS_A, on_answer_cancel, &canceller);
    canceller.other = relais_dns_query (dns, "a.test", RELAIS_DNS_A, on_answer, &never);
    run_until (loop, &canceller.result.calls, 1);
    relais_dns_cancel (relais_dns_query (dns, "d.test", RELAIS_DNS_A, on_answer, &never));
    ask_one (loop, dns, "d.test", RELAIS_DNS_A, &last);
    g_assert_cmpint ((int)last.outcome, ==, RELAIS_DNS_TEMPORARY);
    g_assert_cmpuint (never.calls, ==, 0);
    result_clear (&canceller.result);
    /* What is under way when the resolver goes is never told. */
    relais_dns_query (dns, "gone.test", RELAIS_DNS_A, on_answer, &never);
    relais_dns_query (dns, "a.test", RELAIS_DNS_A, on_answer, &never);
}

/* --- Servers that are dead ---------------------------------------------------------------------- */

static guint
count_descriptors (void)
{
    g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
    guint n = 0;

    while (g_dir_read_name (folder) != NULL)
        n++;
    return n;
}

/* A socket that takes questions and never answers. */
static int
open_silent (char **address)
{
    struct sockaddr_in silent = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof silent;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint (bind (fd, (struct sockaddr *)&silent, size), ==, 0);
    g_assert_cmpint (getsockname (fd, (struct sockaddr *)&silent, &size), ==, 0);
    *address = g_strdup_printf ("127.0.0.1@%u", g_ntohs (silent.sin_port));
    return fd;
}

static void
test_dead_first_server (void)
{
    g_autofree char *silent = NULL;
    int fd = open_silent (&silent);
    g_autoptr (TestDns) server = test_dns_new ("a.test A 192.0.2.1\nb.test A 192.0.2.2\n"
                                               "c.test A 192.0.2.3\nd.test A 192.0.2.4\n");
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const char *servers[] = {silent, test_dns_address (server), NULL};
    g_autoptr (RelaisDns) dns = open_resolver (loop, servers, 5 * G_USEC_PER_SEC, 100);
    static const char *const names[] = {"a.test", "b.test", "c.test", "d.test"};
    Result results[G_N_ELEMENTS (names)] = {0};
    guint total = 0;

    relais_loop_longest_gap_us (loop, true);
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        results[i].total = &total;
        relais_dns_query (dns, names[i], RELAIS_DNS_A, on_answer, &results[i]);
    }
    run_until (loop, &total, G_N_ELEMENTS (names));
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        g_assert_cmpint ((int)results[i].outcome, ==, RELAIS_DNS_DATA);
        result_clear (&results[i]);
    }
    g_assert_cmpint (relais_loop_longest_gap_us (loop, false), <, 50 * 1000);
    close (fd);
}

/* Everybody is told in time, asked or not, the sockets are bounded, and no descriptor stays behind. */
static void
test_many_timeouts (void)
{
    enum { N = 1200, PLACES = 200, TIMEOUT_US = 300 * 1000 };
    g_autofree char *silent = NULL;
    int fd = open_silent (&silent);
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const char *servers[] = {silent, NULL};
    guint before = count_descriptors ();
    RelaisDns *dns = open_resolver (loop, servers, TIMEOUT_US, PLACES);
    g_autofree Result *results = g_new0 (Result, N);
    gint64 begun = g_get_monotonic_time ();
    guint total = 0, during, asked = 0;

    for (guint i = 0; i < N; i++) {
        g_autofree char *name = g_strdup_printf ("n%u.test", i);

        results[i].total = &total;
        relais_dns_query (dns, name, RELAIS_DNS_A, on_answer, &results[i]);
    }
    run_until (loop, &total, N);
    /* Four deadlines to get a place, one more for the answer. */
    g_assert_cmpint (g_get_monotonic_time () - begun, <, 5 * TIMEOUT_US + 10 * G_USEC_PER_SEC);
    for (guint i = 0; i < N; i++) {
        g_assert_cmpint ((int)results[i].outcome, ==, RELAIS_DNS_TEMPORARY);
        asked += g_strcmp0 (results[i].reason, "timeout") == 0 ? 1 : 0;
        if (g_strcmp0 (results[i].reason, "timeout") != 0)
            g_assert_cmpstr (results[i].reason, ==, "too many other lookups");
        result_clear (&results[i]);
    }
    g_assert_cmpuint (asked, >=, PLACES);
    g_assert_cmpuint (asked, <=, 5 * PLACES);
    during = count_descriptors ();
    g_test_message ("%u descriptors while waiting", during - before);
    g_assert_cmpuint (during - before, <=, 2 * PLACES + 8);
    relais_dns_free (dns);
    g_assert_cmpuint (count_descriptors (), ==, before);
    close (fd);
}

static void
on_round (gpointer data)
{
    ++*(guint *)data;
}

/* A server that is silent about some names is not taken for a dead one: after ten seconds of nothing
 * but such questions it is still asked about others. */
static void
test_silent_about_some (void)
{
    enum { ROUNDS = 40, EACH = 5, ROUND_US = 250 * 1000 };
    g_autoptr (GString) script = g_string_new ("good.test MX 10 a.test\n");
    g_autofree Result *results = g_new0 (Result, ROUNDS * EACH);
    g_auto (Result) good = {0};
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (RelaisDns) dns = NULL;
    g_autoptr (TestDns) server = NULL;
    const char *servers[2] = {NULL};
    guint rounds = 0;
    RelaisTimer timer;

    relais_timer_init (&timer, loop, on_round, &rounds);
    for (guint i = 0; i < ROUNDS * EACH; i++)
        g_string_append_printf (script, "d%u.test MX !DROP\np%u.invalid MX !REFUSED\n", i, i);
    server = test_dns_new (script->str);
    servers[0] = test_dns_address (server);
    dns = open_resolver (loop, servers, 2 * G_USEC_PER_SEC, 1000);
    for (guint i = 0; i < ROUNDS * EACH; i++) {
        g_autofree char *name = g_strdup_printf ("d%u.test", i);

        relais_dns_query (dns, name, RELAIS_DNS_MX, on_answer, &results[i]);
        if (i % EACH == 0) {
            relais_timer_set (&timer, ROUND_US);
            run_until (loop, &rounds, rounds + 1);
        }
    }
    ask_one (loop, dns, "good.test", RELAIS_DNS_MX, &good);
    g_assert_cmpstr (good.reason, ==, NULL);
    g_assert_cmpint ((int)good.outcome, ==, RELAIS_DNS_DATA);
    for (guint i = 0; i < ROUNDS * EACH; i++)
        result_clear (&results[i]);
}

/* Silent about the domains that ask_dead () asks for; good.test has an MX. */
static TestDns *
serve_dead (guint n)
{
    g_autoptr (GString) script = g_string_new ("good.test MX 10 a.test\n");

    for (guint i = 0; i < n; i++)
        g_string_append_printf (script, "d%u.test MX !DROP\n", i);
    return test_dns_new (script->str);
}

static void
ask_dead (RelaisDns *dns, Result *results, guint from, guint to, guint *total)
{
    for (guint i = from; i < to; i++) {
        g_autofree char *name = g_strdup_printf ("d%u.test", i);

        results[i].total = total;
        relais_dns_query (dns, name, RELAIS_DNS_MX, on_answer, &results[i]);
    }
}

/* Places that are all taken by domains whose servers are silent: what waits for one is asked all the same, and is not
 * told of a timeout that it never had. */
static void
test_wait_is_no_timeout (void)
{
    enum { PLACES = 8 };
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (RelaisDns) dns = NULL;
    g_autoptr (TestDns) server = serve_dead (PLACES);
    const char *const servers[] = {test_dns_address (server), NULL};
    Result results[PLACES] = {0};
    g_auto (Result) good = {0};
    guint total = 0;

    dns = open_resolver (loop, servers, 1500 * 1000, PLACES);
    ask_dead (dns, results, 0, PLACES, &total);
    ask_one (loop, dns, "good.test", RELAIS_DNS_MX, &good);
    g_assert_cmpstr (good.reason, ==, NULL);
    g_assert_cmpint ((int)good.outcome, ==, RELAIS_DNS_DATA);
    g_assert_cmpuint (total, ==, PLACES);
    for (guint i = 0; i < PLACES; i++)
        result_clear (&results[i]);
}

/* Of names that were late a quarter of the places is taken; others find theirs at once. */
static void
test_late_ones_share (void)
{
    enum { PLACES = 16, SHARE = PLACES / 4 };
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (RelaisDns) dns = NULL;
    g_autoptr (TestDns) server = serve_dead (PLACES);
    const char *const servers[] = {test_dns_address (server), NULL};
    Result results[PLACES] = {0};
    g_auto (Result) good = {0};
    guint total = 0, before;

    dns = open_resolver (loop, servers, 1500 * 1000, PLACES);
    ask_dead (dns, results, 0, PLACES, &total);
    g_assert_cmpuint (relais_dns_n_asked (dns), ==, PLACES);
    run_until (loop, &total, PLACES);
    ask_dead (dns, results, 0, PLACES, &total);
    g_assert_cmpuint (relais_dns_n_under_way (dns), ==, PLACES);
    g_assert_cmpuint (relais_dns_n_asked (dns), ==, SHARE);
    before = total;
    ask_one (loop, dns, "good.test", RELAIS_DNS_MX, &good);
    g_assert_cmpint ((int)good.outcome, ==, RELAIS_DNS_DATA);
    g_assert_cmpuint (total, ==, before);
    for (guint i = 0; i < PLACES; i++)
        result_clear (&results[i]);
}

/* The same names again and again make one entry; one too many has what expired go, or all. */
static void
test_late_is_bounded (void)
{
    const gint64 lasts_us = RELAIS_LATE_S * (gint64)G_USEC_PER_SEC;
    RelaisLate *late = relais_late_new (3);

    relais_late_note (late, "a", 0);
    relais_late_note (late, "b", 1);
    relais_late_note (late, "c", 1);
    relais_late_note (late, "c", 2);
    g_assert_true (relais_late_has (late, "a", lasts_us - 1));
    g_assert_false (relais_late_has (late, "a", lasts_us));
    g_assert_true (relais_late_has (late, "c", lasts_us + 1));
    relais_late_note (late, "d", lasts_us); /* in the place of what has expired */
    g_assert_true (relais_late_has (late, "b", lasts_us));
    relais_late_forget (late, "b");
    g_assert_false (relais_late_has (late, "b", lasts_us));
    relais_late_note (late, "b", lasts_us);
    relais_late_note (late, "e", lasts_us);
    g_assert_false (relais_late_has (late, "d", lasts_us));
    g_assert_true (relais_late_has (late, "e", lasts_us));
    relais_late_free (late);
}

static void
test_bad_options (void)
{
    static const char *const bad_servers[] = {"not an address", NULL};
    static const char *const good_servers[] = {"127.0.0.1@5353", NULL};
    static const char *const bad_nets[] = {"10.0.0.0/99", NULL};
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    const RelaisDnsOptions options[] = {
        {.servers = bad_servers, .timeout_us = 1, .max_queries = 1},
        {.servers = good_servers, .allow = bad_nets, .timeout_us = 1, .max_queries = 1},
        {.servers = good_servers,
         .trust_anchor_file = "/nonexistent",
         .timeout_us = 1,
         .max_queries = 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
        g_autoptr (GError) error = NULL;

        g_assert_null (relais_dns_new (&options[i], loop, &error));
        g_assert_nonnull (error);
    }
}

/* Recursion is set up (hints, anchor) without a question being sent. */
static void
test_recursion_opens (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (RelaisDns) dns = open_resolver (loop, NULL, G_USEC_PER_SEC, 10);
    g_auto (Result) result = {0};

    ask_one (loop, dns, "localhost", RELAIS_DNS_A, &result);
    g_assert_cmpint ((int)result.outcome, ==, RELAIS_DNS_DATA);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dns/outcomes", test_outcomes);
    g_test_add_func ("/dns/coalescing", test_coalescing);
    g_test_add_func ("/dns/queue", test_queue);
    g_test_add_func ("/dns/absence-is-kept", test_absence_is_kept);
    g_test_add_func ("/dns/cancel", test_cancel);
    g_test_add_func ("/dns/dead-first-server", test_dead_first_server);
    g_test_add_func ("/dns/many-timeouts", test_many_timeouts);
    g_test_add_func ("/dns/silent-about-some", test_silent_about_some);
    g_test_add_func ("/dns/wait-is-no-timeout", test_wait_is_no_timeout);
    g_test_add_func ("/dns/late-ones-share", test_late_ones_share);
    g_test_add_func ("/dns/late-is-bounded", test_late_is_bounded);
    g_test_add_func ("/dns/bad-options", test_bad_options);
    g_test_add_func ("/dns/recursion-opens", test_recursion_opens);
    return g_test_run ();
}
