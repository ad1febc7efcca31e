/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: what follows a failed TLS handshake. Opportunistic mail goes once more, in clear, and the
 * host is remembered for a day; mail that asks for TLS waits.
 */
#include "config.h"

#include "scene.h"

#include "queue/terms-private.h"
#include "smtp/sts-private.h"

#include <string.h>

typedef struct {
    guint asked; /* STARTTLS */
    guint mail;  /* MAIL */
} Seen;

/* Offers TLS and breaks every handshake. */
static const char *
no_handshake (gpointer data, Sink *sink, const char *line)
{
    Seen *seen = data;

    seen->mail += g_str_has_prefix (line, "MAIL");
    if (strcmp (line, "STARTTLS") != 0)
        return NULL;
    seen->asked++;
    return "220 2.0.0 go ahead!";
}

static void
open_with (Test *test, RelaisTlsPolicy policy, Seen *seen)
{
    test_open (test, "");
    test->fixture.queue->settings.tls = policy;
    test->sink->extension = "250-STARTTLS";
    test->sink->answer = no_handshake;
    test->sink->data = seen;
    fake_dns_set ("ok.test", "mx.ok.test=127.0.0.1");
}

static void
test_once_more_in_clear (void)
{
    Test test;
    Seen seen = {0};

    open_with (&test, RELAIS_TLS_POLICY_OPPORTUNISTIC, &seen);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (test.sink->accepted, ==, 2);
    g_assert_cmpuint (seen.asked, ==, 1);
    g_assert_null (fixture_last (&test.fixture, "deferred"));
    g_assert_null (strstr (fixture_last (&test.fixture, "delivered"), "tls_version"));

    /* For a day it is not tried there. */
    fixture_advance (&test.fixture, 23 * RELAIS_USEC_PER_HOUR);
    fixture_settle (&test.fixture);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (test.sink->accepted, ==, 3);
    g_assert_cmpuint (seen.asked, ==, 1);

    fixture_advance (&test.fixture, RELAIS_USEC_PER_HOUR + 1);
    fixture_settle (&test.fixture);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 3);
    g_assert_cmpuint (seen.asked, ==, 2);
    test_close (&test);
}

static void
test_never_in_clear (gconstpointer data)
{
    Test test;
    Seen seen = {0};

    open_with (&test, GPOINTER_TO_INT (data), &seen);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    for (guint i = 0; i < 3; i++) {
        fixture_advance (&test.fixture, 15 * RELAIS_USEC_PER_MIN);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 4);
    g_assert_cmpuint (seen.asked, ==, 4);
    g_assert_cmpuint (seen.mail, ==, 0);
    g_assert_cmpuint (g_hash_table_size (test.fixture.queue->clear_hosts), ==, 0);
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "\"stage\":\"tls\""));
    test_close (&test);
}

/* What opportunistic mail learnt of a host does not open it for mail that asks for more. */
static void
test_memory_is_not_shared (void)
{
    Test test;
    Seen seen = {0};

    open_with (&test, RELAIS_TLS_POLICY_OPPORTUNISTIC, &seen);
    fixture_mail (&test.fixture, "x@ok.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (g_hash_table_size (test.fixture.queue->clear_hosts), ==, 1);
    test.fixture.queue->settings.tls = RELAIS_TLS_POLICY_REQUIRE;
    fake_dns_set ("strict.test", "mx.ok.test=127.0.0.1");
    fixture_mail (&test.fixture, "x@strict.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (seen.mail, ==, 1);
    test_close (&test);
}

static void
test_memory_is_bounded (void)
{
    enum { HOSTS = 1100, KEPT = 1000 };
    Test test;
    Seen seen = {0};

    open_with (&test, RELAIS_TLS_POLICY_OPPORTUNISTIC, &seen);
    test.fixture.queue->settings.connections_total = 20;
    for (guint i = 0; i < HOSTS; i++) {
        g_autofree char *domain = g_strdup_printf ("d%u.test", i);
        g_autofree char *route = g_strdup_printf ("mx%u.test=127.0.0.1", i);
        g_autofree char *recipient = g_strdup_printf ("x@%s", domain);

        fake_dns_set (domain, route);
        fixture_mail (&test.fixture, recipient);
    }
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, HOSTS);
    g_assert_cmpuint (seen.asked, ==, HOSTS);
    g_assert_cmpuint (g_hash_table_size (test.fixture.queue->clear_hosts), <=, KEPT);
    test_close (&test);
}

/* --- Who decides ------------------------------------------------------------------------------ */

#define RULES                                                                                      \
    "[provider big]\nmx = big.test\ntls = verify\ntls_names = .big.test\n"                         \
    "[destination strict]\ndomains = strict.test, *.strict.test\ntls = require\n"                  \
    "[destination open]\ndomains = open.strict.test, b.test\ntls = none\n"                         \
    "[destination c.test]\n"                                                                       \
    "[destination loud]\ndomains = Loud.TEST, *.B\u00fccher.test\ntls = require\n"                 \
    "[destination Named.TEST]\ntls = require\n"                                                    \
    "[provider idn]\nmx = .B\u00fccher.test\ntls = none\n"                                         \
    "[route loud]\nhost = 127.0.0.1\nport = 7\ntls = require\ndomains = Shout.TEST\n"              \
    "[route fixed]\nhost = 127.0.0.1\nport = @PORT@\ndomains = fixed.test\n"                       \
    "[route must]\nhost = 127.0.0.1\nport = 7\ntls = require\ndomains = must.test\n"               \
    "[route sure]\nhost = 127.0.0.1\nport = 7\ntls = verify\ndomains = sure.test\n"                \
    "[route open]\nhost = 127.0.0.1\nport = 7\ntls = none\ndomains = open.test\n"

typedef struct {
    const char *domain, *host; /* host NULL: by the static route */
    RelaisTlsPolicy policy;
    const char *origin, *name;
} Decision;

static const Decision decisions[] = {
    {"a.test", "mx.other.test", RELAIS_TLS_POLICY_OPPORTUNISTIC, "queue", NULL},
    {"a.test", "mx.big.test", RELAIS_TLS_POLICY_VERIFY, "provider", ".big.test"},
    {"strict.test", "mx.other.test", RELAIS_TLS_POLICY_REQUIRE, "destination", NULL},
    {"x.strict.test", "mx.big.test", RELAIS_TLS_POLICY_REQUIRE, "destination", NULL},
    {"open.strict.test", "mx.other.test", RELAIS_TLS_POLICY_NONE, "destination", NULL},
    {"b.test", "mx.big.test", RELAIS_TLS_POLICY_NONE, "destination", NULL},
    {"c.test", "mx.big.test", RELAIS_TLS_POLICY_VERIFY, "provider", ".big.test"},
    {"c.test", "mx.other.test", RELAIS_TLS_POLICY_OPPORTUNISTIC, "queue", NULL},
    {"fixed.test", NULL, RELAIS_TLS_POLICY_OPPORTUNISTIC, "route", NULL},
    {"loud.test", "mx.other.test", RELAIS_TLS_POLICY_REQUIRE, "destination", NULL},
    {"a.xn--bcher-kva.test", "mx.other.test", RELAIS_TLS_POLICY_REQUIRE, "destination", NULL},
    {"named.test", "mx.other.test", RELAIS_TLS_POLICY_REQUIRE, "destination", NULL},
    {"a.test", "mx.xn--bcher-kva.test", RELAIS_TLS_POLICY_NONE, "provider", NULL},
    {"shout.test", NULL, RELAIS_TLS_POLICY_REQUIRE, "route", NULL},
};

static RelaisRoute *
make_route (RelaisQueue *queue, const Decision *c)
{
    RelaisRouteHost host = {.name = (char *)c->host};
    g_autoptr (GPtrArray) hosts = g_ptr_array_new ();
    RelaisMailRoute mail = {.hosts = hosts};
    RelaisStaticRoute *fixed = relais_queue_settings_route (&queue->settings, c->domain);

    if (c->host == NULL)
        return relais_route_new_literal (queue, fixed);
    g_ptr_array_add (hosts, &host);
    return relais_route_new (queue, &mail, c->domain, NULL, NULL);
}

static void
test_decisions (void)
{
    Test test;

    test_open (&test, RULES);
    test.fixture.queue->settings.tls = RELAIS_TLS_POLICY_OPPORTUNISTIC;
    for (guint i = 0; i < G_N_ELEMENTS (decisions); i++) {
        const Decision *c = &decisions[i];
        RelaisRoute *route = make_route (test.fixture.queue, c);
        g_autoptr (RelaisTlsTerms) terms = relais_terms_decide (
            test.fixture.queue, route, c->host != NULL ? c->host : "127.0.0.1");

        g_test_message ("%s at %s", c->domain, c->host);
        g_assert_cmpint (terms->policy, ==, c->policy);
        g_assert_cmpstr (terms->origin, ==, c->origin);
        g_assert_true ((terms->names != NULL) == (c->name != NULL));
        if (c->name != NULL)
            g_assert_cmpstr (terms->names[0], ==, c->name);
        relais_route_unref (route);
    }
    test_close (&test);
}

/* What is published, against what is set: the table of terms.c. */
typedef struct {
    const char *domain;
    RelaisDaneOutcome dane;
    const char *sts;         /* mode; NULL: no policy */
    RelaisTlsPolicy setting; /* of [queue] */
    RelaisTlsPolicy policy;
    const char *origin;
    bool refused, tlsa;
} Publication;

#define NONE RELAIS_TLS_POLICY_NONE
#define MAY RELAIS_TLS_POLICY_OPPORTUNISTIC
#define REQUIRE RELAIS_TLS_POLICY_REQUIRE
#define VERIFY RELAIS_TLS_POLICY_VERIFY

static const Publication publications[] = {
    {"a.test", RELAIS_DANE_NONE, NULL, MAY, MAY, "queue", false, false},
    {"a.test", RELAIS_DANE_USABLE, NULL, MAY, VERIFY, "dane", false, true},
    {"a.test", RELAIS_DANE_USABLE, NULL, REQUIRE, VERIFY, "dane", false, true},
    {"a.test", RELAIS_DANE_UNUSABLE, NULL, MAY, REQUIRE, "dane", false, false},
    {"a.test", RELAIS_DANE_UNUSABLE, NULL, REQUIRE, REQUIRE, "queue", false, false},
    {"a.test", RELAIS_DANE_FAILED, NULL, MAY, VERIFY, "dane", true, false},
    {"a.test", RELAIS_DANE_NONE, "enforce", MAY, VERIFY, "mta-sts", false, false},
    {"a.test", RELAIS_DANE_NONE, "testing", MAY, MAY, "queue", false, false},
    {"a.test", RELAIS_DANE_NONE, "none", MAY, MAY, "queue", false, false},
    {"a.test", RELAIS_DANE_NONE, "other", MAY, VERIFY, "mta-sts", true, false},
    /* DANE wins, whatever MTA-STS says; what it cannot check MTA-STS may */
    {"a.test", RELAIS_DANE_USABLE, "other", MAY, VERIFY, "dane", false, true},
    {"a.test", RELAIS_DANE_FAILED, "enforce", MAY, VERIFY, "dane", true, false},
    {"a.test", RELAIS_DANE_UNUSABLE, "enforce", MAY, VERIFY, "mta-sts", false, false},
    {"a.test", RELAIS_DANE_UNUSABLE, "testing", MAY, REQUIRE, "dane", false, false},
    /* the administrator's way out */
    {"strict.test", RELAIS_DANE_USABLE, "enforce", MAY, REQUIRE, "destination", false, false},
    {"open.strict.test", RELAIS_DANE_FAILED, "other", MAY, NONE, "destination", false, false},
    {"a.test", RELAIS_DANE_USABLE, "enforce", NONE, NONE, "queue", false, false},
    /* by a static route: its host's records */
    {"fixed.test", RELAIS_DANE_NONE, NULL, NONE, MAY, "route", false, false},
    {"fixed.test", RELAIS_DANE_USABLE, NULL, NONE, VERIFY, "dane", false, true},
    {"fixed.test", RELAIS_DANE_UNUSABLE, NULL, NONE, REQUIRE, "dane", false, false},
    {"must.test", RELAIS_DANE_UNUSABLE, NULL, NONE, REQUIRE, "route", false, false},
    {"must.test", RELAIS_DANE_FAILED, NULL, NONE, VERIFY, "dane", true, false},
};

static RelaisStsPolicy *
make_sts (const char *mode)
{
    bool other = g_strcmp0 (mode, "other") == 0;
    g_autofree char *text =
        g_strdup_printf ("version: STSv1\nmode: %s\nmx: %s\nmax_age: 5", other ? "enforce" : mode,
                         other ? "else.test" : "*.ok.test");
    const char *problem;

    return mode != NULL ? relais_sts_policy_parse ((const guint8 *)text, strlen (text), &problem)
                        : NULL;
}

static RelaisRoute *
make_published (RelaisQueue *queue, const Publication *c)
{
    static const guint8 digest[32];
    const RelaisTlsa tlsa = {RELAIS_TLSA_DANE_TA, 0, 1, digest, sizeof digest};
    g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new ("mx.ok.test");
    RelaisRouteHost host = {
        .name = (char *)"mx.ok.test",
        .dane = {.outcome = c->dane, .set = c->dane == RELAIS_DANE_USABLE ? set : NULL}};
    g_autoptr (GPtrArray) hosts = g_ptr_array_new ();
    const RelaisMailRoute mail = {.hosts = hosts};
    g_autoptr (RelaisStsPolicy) sts = make_sts (c->sts);

    relais_tlsa_set_add (set, &tlsa);
    g_ptr_array_add (hosts, &host);
    return relais_route_new (queue, &mail, c->domain,
                             relais_queue_settings_route (&queue->settings, c->domain), sts);
}

static void
check_publication (RelaisQueue *queue, const Publication *c)
{
    RelaisRoute *first = make_published (queue, c);
    RelaisRoute *route = relais_route_renew (queue, first);
    g_autoptr (RelaisTlsTerms) terms = relais_terms_decide (queue, route, "mx.ok.test");

    g_assert_cmpint (terms->policy, ==, c->policy);
    g_assert_cmpstr (terms->origin, ==, c->origin);
    g_assert_true (terms->refused == c->refused);
    g_assert_true ((terms->tlsa != NULL) == c->tlsa);
    if (c->tlsa) /* for DANE-TA: the host, and the domain that its MX is of */
        g_assert_true (g_strv_contains ((const char *const *)terms->names, "a.test") ==
                           (route->fixed == NULL) &&
                       g_strv_contains ((const char *const *)terms->names, "mx.ok.test"));
    relais_route_unref (first);
    relais_route_unref (route);
}

/* Whose records are asked for at all: no route's that says which certificate counts, or none. */
static void
test_records_of_routes (void)
{
    static const struct {
        const char *domain;
        bool counts;
    } cases[] = {
        {"fixed.test", true}, {"must.test", true}, {"sure.test", false}, {"open.test", false}};
    Test test;

    test_open (&test, RULES);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const RelaisStaticRoute *route =
            relais_queue_settings_route (&test.fixture.queue->settings, cases[i].domain);

        g_assert_cmpuint (relais_static_route_dane_port (route), ==,
                          cases[i].counts ? route->port : 0);
    }
    test_close (&test);
}

static void
test_publications (void)
{
    Test test;

    test_open (&test, RULES);
    for (guint i = 0; i < G_N_ELEMENTS (publications); i++) {
        g_test_message ("row %u", i);
        test.fixture.queue->settings.tls = publications[i].setting;
        check_publication (test.fixture.queue, &publications[i]);
    }
    test_close (&test);
}

/* Two domains with one host and different rules do not share a connection. */
static void
test_connections_apart (void)
{
    Test test;

    test_open (&test, RULES);
    fake_dns_set ("a.test", "mx.ok.test=127.0.0.1");
    fake_dns_set ("strict.test", "mx.ok.test=127.0.0.1");
    fixture_mail (&test.fixture, "x@a.test");
    fixture_until_messages (&test.fixture, test.sink, 1);
    fixture_mail (&test.fixture, "x@strict.test");
    fixture_mail (&test.fixture, "y@a.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_nonnull (
        strstr (fixture_last (&test.fixture, "deferred"), "STARTTLS, which is required"));
    test_close (&test);
}

/* A reload's rule holds for what waits, and for connections that are open. */
static void
test_rules_reloaded (void)
{
    Test test;

    test_open (&test, "");
    fake_dns_set ("a.test", "mx.ok.test=127.0.0.1");
    fixture_mail (&test.fixture, "x@a.test");
    fixture_until_messages (&test.fixture, test.sink, 1);
    fixture_reload (&test.fixture, "[destination a]\ndomains = a.test\ntls = require\n");
    fixture_mail (&test.fixture, "x@a.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    test_close (&test);
}

static const struct {
    const char *conf, *text;
} bad_domains[] = {
    {"[destination x]\ndomains = a.test @b.test\n",
     "/test2.conf:2: domains: \"@b.test\": expected example.org, *.example.org or *"},
    {"[destination my partner]\ntls = require\n", "/test2.conf:1: [destination my partner]: \"my "
                                                  "partner\" is no domain, and domains is not set"},
    {"[route x]\nhost = 127.0.0.1\ndomains = *.*.test\n",
     "/test2.conf:3: domains: \"*.*.test\": expected example.org, *.example.org or *"},
    {"[provider x]\nmx = a.test *.b.test\n",
     "/test2.conf:2: mx: \"*.b.test\": expected the end of a host name, as in example.net"},
};

/* What could never match is told, and not in force without a word. */
static void
test_bad_domains (void)
{
    Test test;

    test_open (&test, "");
    for (gsize i = 0; i < G_N_ELEMENTS (bad_domains); i++) {
        g_autofree char *text = fixture_refusal (&test.fixture, bad_domains[i].conf);

        g_assert_true (g_str_has_suffix (text, bad_domains[i].text));
    }
    test_close (&test);
}

/* Of a domain that cannot be looked up, or does not exist, no policy is asked for: there is no resolver that the
 * question could go to. */
static void
test_no_policy_without_route (void)
{
    Test test;
    RelaisStsOptions options = {0};
    g_autofree char *path = NULL;
    RelaisSts *sts;

    test_open (&test, "");
    path = g_build_filename (test.fixture.dir, "mta-sts", NULL);
    options = (RelaisStsOptions){
        .loop = test.fixture.loop, .pool = test.fixture.pool, .path = path, .port = 443};
    sts = relais_sts_new (&options);
    relais_queue_use_policies (test.fixture.queue, sts);
    fake_dns_set ("slow.test", "4.4.3 timeout");
    fake_dns_set ("gone.test", "5.1.2 no such domain");
    fixture_mail (&test.fixture, "x@slow.test");
    fixture_mail (&test.fixture, "x@gone.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), >=, 1);
    test_close (&test);
    relais_sts_free (sts);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/tls/once-more-in-clear", test_once_more_in_clear);
    g_test_add_data_func ("/queue/tls/required", GINT_TO_POINTER (RELAIS_TLS_POLICY_REQUIRE),
                          test_never_in_clear);
    g_test_add_data_func ("/queue/tls/verified", GINT_TO_POINTER (RELAIS_TLS_POLICY_VERIFY),
                          test_never_in_clear);
    g_test_add_func ("/queue/tls/memory-is-not-shared", test_memory_is_not_shared);
    g_test_add_func ("/queue/tls/memory-is-bounded", test_memory_is_bounded);
    g_test_add_func ("/queue/tls/decisions", test_decisions);
    g_test_add_func ("/queue/tls/bad-domains", test_bad_domains);
    g_test_add_func ("/queue/tls/publications", test_publications);
    g_test_add_func ("/queue/tls/records-of-routes", test_records_of_routes);
    g_test_add_func ("/queue/tls/connections-apart", test_connections_apart);
    g_test_add_func ("/queue/tls/rules-reloaded", test_rules_reloaded);
    g_test_add_func ("/queue/tls/no-policy-without-route", test_no_policy_without_route);
    return g_test_run ();
}
