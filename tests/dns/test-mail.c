/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/dns, where mail goes: every cell of mail.c's table, addresses that are refused, loops, limits,
 * the order of hosts, literals, static next hops, cancelling.
 */
#include "config.h"

#include "conf/net-private.h"
#include "dns/dns-private.h"
#include "dns/server.h"
#include "dns/targets-private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const char script[] =
    /* MX and its hosts */
    "good.test MX 20 b.good.test\n"
    "good.test MX 10 a.good.test\n"
    "a.good.test A 203.0.113.1\n"
    "a.good.test AAAA 2001:db8::1\n"
    "b.good.test A 203.0.113.2\n"
    "cname.test MX 10 alias.test\n"
    "alias.test CNAME a.good.test\n"
    /* implicit MX */
    "implicit.test A 203.0.113.3\n"
    "nothing.test TXT no mail here\n"
    "timeout.test A 203.0.113.4\n"
    "timeout.test MX !DROP\n"
    "servfail.test A 203.0.113.4\n"
    "servfail.test MX !SERVFAIL\n"
    "refused.test A 203.0.113.4\n"
    "refused.test MX !REFUSED\n"
    "garbage.test A 203.0.113.4\n"
    "garbage.test MX !GARBAGE\n"
    "badmx.test A 203.0.113.4\n"
    "badmx.test MX 10 mx.badmx.test\n"
    "badmx.test MX !BADDATA\n"
    "truncated.test MX 10 a.good.test\n"
    "truncated.test MX !TRUNCATE\n"
    /* absence, confirmed and not */
    "flicker.test MX 10 a.good.test\n"
    "flicker.test MX !NXDOMAIN ANSWER\n"
    "flicker2.test A 203.0.113.5\n"
    "flicker2.test MX !NXDOMAIN ANSWER\n"
    "flicker3.test MX 10 mx.flicker3.test\n"
    "flicker3.test MX !NXDOMAIN ANSWER\n"
    "mx.flicker3.test A 203.0.113.10\n"
    "mx.flicker3.test A !NXDOMAIN ANSWER\n"
    "mx.flicker3.test AAAA !NXDOMAIN ANSWER\n"
    "unsure.test MX 10 a.good.test\n"
    "unsure.test MX !NXDOMAIN SERVFAIL\n"
    "unsure2.test MX 10 a.good.test\n"
    "unsure2.test MX !NXDOMAIN DROP\n"
    /* null MX */
    "null.test MX 0 .\n"
    "null.test A 203.0.113.6\n"
    "nullplus.test MX 0 .\n"
    "nullplus.test MX 10 a.good.test\n"
    /* hosts without addresses */
    "nohost.test MX 10 absent.nohost.test\n"
    "nohost.test MX 20 text.nohost.test\n"
    "text.nohost.test TXT no address\n"
    "hostfails.test MX 10 mx.hostfails.test\n"
    "hostfails.test MX 20 absent.nohost.test\n"
    "mx.hostfails.test A !SERVFAIL\n"
    "mx.hostfails.test AAAA !SERVFAIL\n"
    "onefails.test MX 10 mx.hostfails.test\n"
    "onefails.test MX 20 b.good.test\n"
    "sixfails.test MX 10 mx.sixfails.test\n"
    "mx.sixfails.test A 203.0.113.7\n"
    "mx.sixfails.test AAAA !SERVFAIL\n"
    "hostflickers.test MX 10 mx.hostflickers.test\n"
    "mx.hostflickers.test A 203.0.113.8\n"
    "mx.hostflickers.test A !NXDOMAIN ANSWER\n"
    "mx.hostflickers.test AAAA !NXDOMAIN ANSWER\n"
    "hostunsure.test MX 10 mx.hostunsure.test\n"
    "mx.hostunsure.test A !NXDOMAIN SERVFAIL\n"
    "implicitfails.test A !SERVFAIL\n"
    "implicitfails.test TXT exists\n"
    /* places that mail is not sent to */
    "loopback.test MX 10 localhost.loopback.test\n"
    "localhost.loopback.test A 127.0.0.1\n"
    "localhost.loopback.test AAAA ::1\n"
    "private.test A 10.1.2.3\n"
    "private2.test A 172.31.255.254\n"
    "private3.test A 192.168.1.1\n"
    "cgnat.test A 100.64.0.1\n"
    "linklocal.test A 169.254.169.254\n"
    "zero.test A 0.0.0.0\n"
    "multicast.test A 224.0.0.1\n"
    "broadcast.test A 255.255.255.255\n"
    "ula.test AAAA fd00::1\n"
    "six-linklocal.test AAAA fe80::1\n"
    "six-zero.test AAAA ::\n"
    "six-multicast.test AAAA ff02::1\n"
    "mapped.test AAAA ::ffff:127.0.0.1\n"
    "mapped2.test AAAA ::ffff:10.0.0.1\n"
    "compatible.test AAAA ::127.0.0.1\n"
    "mixed.test A 10.0.0.1\n"
    "mixed.test A 203.0.113.9\n"
    "allowed.test A 10.99.0.1\n"
    "publicedge.test A 172.32.0.1\n"
    "privatefails.test MX 10 private.test\n"
    "privatefails.test MX 20 mx.hostfails.test\n"
    /* ourselves: 203.0.113.100 */
    "own.test MX 10 us.test\n"
    "us.test A 203.0.113.100\n"
    "ownimplicit.test A 203.0.113.100\n"
    "backup.test MX 10 a.good.test\n"
    "backup.test MX 20 us.test\n"
    "backup.test MX 20 b.good.test\n"
    "backup.test MX 30 c.backup.test\n"
    "c.backup.test A 203.0.113.30\n"
    "ownfirst.test MX 10 us.test\n"
    "ownfirst.test MX 20 mx.hostfails.test\n"
    "ownlast.test MX 10 absent.nohost.test\n"
    "ownlast.test MX 20 us.test\n"
    /* order */
    "repeat.test MX 30 A.good.test\n"
    "repeat.test MX 10 a.good.test\n"
    "repeat.test MX 20 b.good.test\n"
    "drophost.test A !DROP\n"
    "drophost.test AAAA !DROP\n"
    /* static next hops */
    "hop.test A 10.0.0.9\n"
    "hop.test MX 10 a.good.test\n";

typedef struct {
    TestDns *server;
    RelaisLoop *loop;
    RelaisDns *dns;
} Fixture;

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
    static const char *const allow[] = {"10.99.0.0/16", NULL};
    static const char *const own[] = {"203.0.113.100:25", "10.99.0.1:25", "[2001:db8::100]:25",
                                      NULL};
    const char *text = data != NULL ? data : script;
    const char *servers[2] = {NULL};
    const RelaisDnsOptions options = {.servers = servers,
                                      .allow = allow,
                                      .timeout_us = 400 * 1000,
                                      .cache_bytes = 4 << 20,
                                      .max_queries = 100};
    g_autoptr (GError) error = NULL;

    fixture->server = test_dns_new (text);
    servers[0] = test_dns_address (fixture->server);
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->dns = relais_dns_new (&options, fixture->loop, &error);
    g_assert_no_error (error);
    relais_dns_set_own_addresses (fixture->dns, own);
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
    relais_dns_free (fixture->dns);
    relais_loop_free (fixture->loop);
    test_dns_free (fixture->server);
}

static void
on_route (gpointer data, RelaisMailRoute *route)
{
    RelaisMailRoute **to = data;

    g_assert_null (*to);
    *to = route;
}

static RelaisMailRoute *
wait_for (Fixture *fixture, RelaisMailRoute **route)
{
    gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

    g_assert_null (*route);
    while (*route == NULL) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (fixture->loop, true);
    }
    return *route;
}

static RelaisMailRoute *
look_up (Fixture *fixture, const char *domain)
{
    RelaisMailRoute *route = NULL;

    g_assert_nonnull (relais_dns_lookup_mail (fixture->dns, domain, on_route, &route));
    return wait_for (fixture, &route);
}

/* "10 a.good.test 2001:db8::1 203.0.113.1; 20 b.good.test 203.0.113.2" */
static char *
route_text (const RelaisMailRoute *route)
{
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < route->hosts->len; i++) {
        const RelaisRouteHost *host = g_ptr_array_index (route->hosts, i);

        g_string_append_printf (text, "%s%u %s%s", i > 0 ? "; " : "", host->preference, host->name,
                                host->temporary ? " (failed)" : "");
        for (guint j = 0; j < host->addresses->len; j++) {
            const RelaisDnsAddress *address = &g_array_index (host->addresses, RelaisDnsAddress, j);
            char buffer[INET6_ADDRSTRLEN];

            if (address->address.ss_family == AF_INET)
                inet_ntop (AF_INET, &((const struct sockaddr_in *)&address->address)->sin_addr,
                           buffer, sizeof buffer);
            else
                inet_ntop (AF_INET6, &((const struct sockaddr_in6 *)&address->address)->sin6_addr,
                           buffer, sizeof buffer);
            g_string_append_printf (text, " %s", buffer);
        }
    }
    return g_string_free (text, FALSE);
}

/* --- The table ---------------------------------------------------------------------------------- */

static const struct {
    const char *domain;
    RelaisRouteOutcome outcome;
    const char *enhanced;
    const char *hosts;
} table[] = {
    {"good.test", RELAIS_ROUTE_HOSTS, NULL,
     "10 a.good.test 2001:db8::1 203.0.113.1; 20 b.good.test 203.0.113.2"},
    {"cname.test", RELAIS_ROUTE_HOSTS, NULL, "10 alias.test 2001:db8::1 203.0.113.1"},
    {"alias.test", RELAIS_ROUTE_HOSTS, NULL, "0 alias.test 2001:db8::1 203.0.113.1"},
    {"implicit.test", RELAIS_ROUTE_HOSTS, NULL, "0 implicit.test 203.0.113.3"},
    {"nothing.test", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
    {"timeout.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"servfail.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"refused.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"garbage.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"badmx.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"truncated.test", RELAIS_ROUTE_HOSTS, NULL, "10 a.good.test 2001:db8::1 203.0.113.1"},
    {"absent.test", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
    {"flicker.test", RELAIS_ROUTE_HOSTS, NULL, "10 a.good.test 2001:db8::1 203.0.113.1"},
    {"flicker3.test", RELAIS_ROUTE_HOSTS, NULL, "10 mx.flicker3.test 203.0.113.10"},
    {"unsure.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"unsure2.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"null.test", RELAIS_ROUTE_PERMANENT, "5.1.10", ""},
    {"nullplus.test", RELAIS_ROUTE_HOSTS, NULL, "10 a.good.test 2001:db8::1 203.0.113.1"},
    {"nohost.test", RELAIS_ROUTE_PERMANENT, "5.4.4", ""},
    {"hostfails.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"onefails.test", RELAIS_ROUTE_HOSTS, NULL,
     "10 mx.hostfails.test (failed); 20 b.good.test 203.0.113.2"},
    {"sixfails.test", RELAIS_ROUTE_HOSTS, NULL, "10 mx.sixfails.test (failed) 203.0.113.7"},
    {"hostflickers.test", RELAIS_ROUTE_HOSTS, NULL, "10 mx.hostflickers.test 203.0.113.8"},
    {"hostunsure.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"implicitfails.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"loopback.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"private.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"private2.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"private3.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"cgnat.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"linklocal.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"zero.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"multicast.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"broadcast.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"ula.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"six-linklocal.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"six-zero.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"six-multicast.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"mapped.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"mapped2.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"compatible.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"mixed.test", RELAIS_ROUTE_HOSTS, NULL, "0 mixed.test 203.0.113.9"},
    {"allowed.test", RELAIS_ROUTE_HOSTS, NULL, "0 allowed.test 10.99.0.1"},
    {"publicedge.test", RELAIS_ROUTE_HOSTS, NULL, "0 publicedge.test 172.32.0.1"},
    {"privatefails.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
    {"own.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"ownimplicit.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"backup.test", RELAIS_ROUTE_HOSTS, NULL, "10 a.good.test 2001:db8::1 203.0.113.1"},
    {"ownfirst.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"ownlast.test", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"repeat.test", RELAIS_ROUTE_HOSTS, NULL,
     "10 a.good.test 2001:db8::1 203.0.113.1; 20 b.good.test 203.0.113.2"},
    {"[203.0.113.50]", RELAIS_ROUTE_HOSTS, NULL, "0 [203.0.113.50] 203.0.113.50"},
    {"[IPv6:2001:db8::5]", RELAIS_ROUTE_HOSTS, NULL, "0 [ipv6:2001:db8::5] 2001:db8::5"},
    {"[127.0.0.1]", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"[IPv6:::1]", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"[203.0.113.100]", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"[IPv6:2001:db8::100]", RELAIS_ROUTE_PERMANENT, "5.4.6", ""},
    {"[2001:db8::5]", RELAIS_ROUTE_PERMANENT, "5.1.3", ""},
    {"[IPv6:203.0.113.50]", RELAIS_ROUTE_PERMANENT, "5.1.3", ""},
    {"[203.0.113.50", RELAIS_ROUTE_PERMANENT, "5.1.3", ""},
    {"[]", RELAIS_ROUTE_PERMANENT, "5.1.3", ""},
    {"", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
    {".", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
    {"a..test", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
    {"a b.test", RELAIS_ROUTE_PERMANENT, "5.1.2", ""},
};

static RelaisTargetKind
judge (const RelaisTargets *targets, const char *text)
{
    struct sockaddr_storage address;
    socklen_t size;

    g_assert_true (relais_address_from_text (text, 0, &address, &size));
    return relais_targets_judge (targets, (const struct sockaddr *)&address);
}

/* A wildcard stands for what the machine has, be it public or not. */
static void
test_own_wildcard (void)
{
    static const char *const none[] = {NULL};
    static const char *const wildcards[][2] = {
        {"0.0.0.0:25", NULL}, {"[::]:25", NULL}, {"::", NULL}};
    const char *bad = NULL;
    RelaisTargets *targets = relais_targets_new (NULL, &bad);

    g_assert_cmpint (judge (targets, "127.0.0.1"), ==, RELAIS_TARGET_REFUSED);
    for (gsize i = 0; i < G_N_ELEMENTS (wildcards); i++) {
        relais_targets_set_own (targets, wildcards[i]);
        g_assert_cmpint (judge (targets, "127.0.0.1"), ==, RELAIS_TARGET_OWN);
        g_assert_cmpint (judge (targets, "::ffff:127.0.0.1"), ==, RELAIS_TARGET_OWN);
        g_assert_cmpint (judge (targets, "203.0.113.1"), ==, RELAIS_TARGET_GOOD);
        g_assert_cmpint (judge (targets, "10.255.254.253"), ==, RELAIS_TARGET_REFUSED);
    }
    relais_targets_set_own (targets, none);
    g_assert_cmpint (judge (targets, "127.0.0.1"), ==, RELAIS_TARGET_REFUSED);
    relais_targets_free (targets);
}

static void
test_table (Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autoptr (RelaisMailRoute) route = look_up (fixture, table[i].domain);
        g_autofree char *hosts = route_text (route);
        gint64 left = route->expires_us - relais_loop_now_us (fixture->loop);

        g_test_message ("%s: %s %s", table[i].domain,
                        route->enhanced != NULL ? route->enhanced : "hosts",
                        route->text != NULL ? route->text : hosts);
        g_assert_cmpint ((int)route->outcome, ==, (int)table[i].outcome);
        g_assert_cmpstr (route->enhanced, ==, table[i].enhanced);
        g_assert_cmpstr (hosts, ==, table[i].hosts);
        g_assert_true ((route->text == NULL) == (route->outcome == RELAIS_ROUTE_HOSTS));
        g_assert_cmpint (left, >, 20 * G_USEC_PER_SEC);
        g_assert_cmpint (left, <=, 3600 * (gint64)G_USEC_PER_SEC);
    }
    /* Where MX failed for now nobody looked at the domain's own address. */
    g_assert_cmpuint (test_dns_count (fixture->server, "timeout.test", RELAIS_DNS_A), ==, 0);
    g_assert_cmpuint (test_dns_count (fixture->server, "servfail.test", RELAIS_DNS_A), ==, 0);
    g_assert_cmpuint (test_dns_count (fixture->server, "refused.test", RELAIS_DNS_A), ==, 0);
    g_assert_cmpuint (test_dns_count (fixture->server, "garbage.test", RELAIS_DNS_A), ==, 0);
    g_assert_cmpuint (test_dns_count (fixture->server, "badmx.test", RELAIS_DNS_A), ==, 0);
    g_assert_cmpuint (test_dns_count (fixture->server, "null.test", RELAIS_DNS_A), ==, 0);
}

/* Each bounce for an absence costs a question that no cache of ours answers; the first answer may
 * be kept. */
static void
test_absence_is_confirmed (Fixture *fixture, gconstpointer data)
{
    for (guint i = 1; i <= 3; i++) {
        g_autoptr (RelaisMailRoute) route = look_up (fixture, "absent.test");

        g_assert_cmpstr (route->enhanced, ==, "5.1.2");
        g_assert_cmpuint (test_dns_count (fixture->server, "absent.test", RELAIS_DNS_MX), ==,
                          1 + i);
    }
}

static void
test_static_hosts (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *host;
        RelaisRouteOutcome outcome;
        const char *enhanced;
        const char *hosts;
    } cases[] = {
        {"hop.test", RELAIS_ROUTE_HOSTS, NULL, "0 hop.test 10.0.0.9"},
        {"127.0.0.1", RELAIS_ROUTE_HOSTS, NULL, "0 127.0.0.1 127.0.0.1"},
        {"::1", RELAIS_ROUTE_HOSTS, NULL, "0 ::1 ::1"},
        {"[127.0.0.1]", RELAIS_ROUTE_HOSTS, NULL, "0 [127.0.0.1] 127.0.0.1"},
        {"absent.test", RELAIS_ROUTE_TEMPORARY, "4.4.4", ""},
        {"mx.hostfails.test", RELAIS_ROUTE_TEMPORARY, "4.4.3", ""},
        {"no such host", RELAIS_ROUTE_TEMPORARY, "4.4.4", ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        RelaisMailRoute *route = NULL;
        g_autofree char *hosts = NULL;

        relais_dns_lookup_host (fixture->dns, cases[i].host, 0, on_route, &route);
        wait_for (fixture, &route);
        hosts = route_text (route);
        g_assert_cmpint ((int)route->outcome, ==, (int)cases[i].outcome);
        g_assert_cmpstr (route->enhanced, ==, cases[i].enhanced);
        g_assert_cmpstr (hosts, ==, cases[i].hosts);
        relais_mail_route_free (route);
    }
}

static void
never_called (gpointer data, RelaisMailRoute *route)
{
    g_assert_not_reached ();
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
    g_autoptr (RelaisMailRoute) last = NULL;

    for (int turns = 0; turns < 6; turns++) {
        RelaisMailLookup *lookup =
            relais_dns_lookup_mail (fixture->dns, "timeout.test", never_called, NULL);
        RelaisMailLookup *literal =
            relais_dns_lookup_mail (fixture->dns, "[203.0.113.1]", never_called, NULL);
        RelaisMailLookup *host =
            relais_dns_lookup_host (fixture->dns, "drophost.test", 0, never_called, NULL);

        for (int i = 0; i < turns; i++) {
            g_clear_pointer (&literal, relais_dns_cancel_mail);
            relais_loop_turn (fixture->loop, false);
        }
        relais_dns_cancel_mail (literal);
        relais_dns_cancel_mail (host);
        relais_dns_cancel_mail (lookup);
    }
    last = look_up (fixture, "good.test");
    g_assert_cmpint ((int)last->outcome, ==, RELAIS_ROUTE_HOSTS);
}

/* --- Order and limits --------------------------------------------------------------------------- */

static char *
big_script (void)
{
    GString *text = g_string_new (NULL);

    for (int i = 0; i < 30; i++) {
        g_string_append_printf (text, "many.test MX 10 h%d.many.test\n", i);
        for (int j = 1; j <= 10; j++)
            g_string_append_printf (text, "h%d.many.test A 203.0.%d.%d\n", i, i, j);
    }
    return g_string_free (text, FALSE);
}

static void
test_limits_and_shuffle (void)
{
    g_autofree char *text = big_script ();
    g_autofree char *first = NULL;
    bool differs = false;
    Fixture fixture;

    fixture_set_up (&fixture, text);
    for (guint32 seed = 1; seed <= 5; seed++) {
        g_autofree char *one = NULL;
        guint n_addresses = 0;

        for (int again = 0; again < 2; again++) {
            g_autoptr (RelaisMailRoute) route = NULL;
            g_autofree char *hosts = NULL;

            relais_dns_set_seed (fixture.dns, seed);
            route = look_up (&fixture, "many.test");
            hosts = route_text (route);
            n_addresses = 0;
            for (guint i = 0; i < route->hosts->len; i++) {
                const RelaisRouteHost *host = g_ptr_array_index (route->hosts, i);

                n_addresses += host->addresses->len;
                g_assert_cmpuint (host->addresses->len, >, 0);
            }
            g_assert_cmpuint (route->hosts->len, <=, 20);
            g_assert_cmpuint (n_addresses, ==, 100);
            if (one != NULL && again == 1)
                g_assert_cmpuint (strlen (hosts), ==, strlen (one));
            else
                one = g_strdup (hosts);
        }
        if (first == NULL)
            first = g_strdup (one);
        differs |= strcmp (first, one) != 0;
    }
    g_assert_true (differs);
    fixture_tear_down (&fixture, NULL);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dns/mail/own-wildcard", test_own_wildcard);
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
    ADD ("/dns/mail/table", test_table);
    ADD ("/dns/mail/absence-is-confirmed", test_absence_is_confirmed);
    ADD ("/dns/mail/static-hosts", test_static_hosts);
    ADD ("/dns/mail/cancel", test_cancel);
    g_test_add_func ("/dns/mail/limits-and-shuffle", test_limits_and_shuffle);
    return g_test_run ();
}
