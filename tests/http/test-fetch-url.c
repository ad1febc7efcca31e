/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http, what may be fetched: URLs, ports, methods, header lines, and the table of addresses that
 * are not public (core/dns).
 */
#include "config.h"

#include "http/fetch-url-private.h"

#include "conf/net-private.h"
#include "dns/targets-private.h"

#include <string.h>

static void
test_good_urls (void)
{
    static const struct {
        const char *text, *host, *url;
        guint port;
        bool tls, is_literal;
    } cases[] = {
        {"http://example.test", "example.test", "http://example.test/", 80, false, false},
        {"https://example.test/a?b=c#d", "example.test", "https://example.test/a?b=c", 443, true,
         false},
        {"HTTPS://Example.TEST:8443/", "example.test", "https://Example.TEST:8443/", 8443, true,
         false},
        {"http://example.test:80/", "example.test", "http://example.test:80/", 80, false, false},
        {"http://example.test./", "example.test", "http://example.test./", 80, false, false},
        {"http://example.test?q", "example.test", "http://example.test/?q", 80, false, false},
        {"http://xn--bcher-kva.test/", "xn--bcher-kva.test", "http://xn--bcher-kva.test/", 80,
         false, false},
        {"http://a_b.test/", "a_b.test", "http://a_b.test/", 80, false, false},
        {"http://192.0.2.1:8080/", "192.0.2.1", "http://192.0.2.1:8080/", 8080, false, true},
        {"http://[2001:DB8::1]/", "2001:db8::1", "http://[2001:DB8::1]/", 80, false, true},
        /* The ways to write 127.0.0.1 are seen for what they are. */
        {"http://127.1/", "127.0.0.1", "http://127.0.0.1/", 80, false, true},
        {"http://2130706433/", "127.0.0.1", "http://127.0.0.1/", 80, false, true},
        {"http://0x7f000001/", "127.0.0.1", "http://127.0.0.1/", 80, false, true},
        {"http://0177.0.0.1/", "127.0.0.1", "http://127.0.0.1/", 80, false, true},
        {"http://0/", "0.0.0.0", "http://0.0.0.0/", 80, false, true},
        {"http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", NULL, 80, false, true},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (RelaisFetchUrl) url = {0};
        const char *problem = NULL;

        g_test_message ("%s", cases[i].text);
        relais_fetch_url_parse (cases[i].text, &url, &problem);
        g_assert_cmpstr (problem, ==, NULL);
        g_assert_cmpuint (url.port, ==, cases[i].port);
        g_assert_cmpint (url.tls, ==, cases[i].tls);
        g_assert_cmpint (url.is_literal, ==, cases[i].is_literal);
        if (cases[i].url != NULL) {
            g_assert_cmpstr (url.host, ==, cases[i].host);
            g_assert_cmpstr (url.url, ==, cases[i].url);
        } else
            g_assert_false (relais_address_is_public ((const struct sockaddr *)&url.address));
    }
}

static void
test_bad_urls (void)
{
    static const char *const cases[] = {
        "",
        "example.test",
        "//example.test/",
        "ftp://example.test/",
        "file:///etc/passwd",
        "gopher://example.test/",
        "http:/example.test/",
        "http:///example.test/",
        "http://",
        "https://?q",
        "http://user@example.test/",
        "http://user:word@example.test/",
        "http://:word@example.test/",
        "http://@example.test/",
        "http://example.test:0/",
        "http://example.test:65536/",
        "http://example.test:8o/",
        "http://example.test:-1/",
        "http://exa mple.test/",
        "http://example.test/a b",
        "http://example.test/\r\nX: y",
        "http://example.test\\@other.test/",
        "http://b\303\274cher.test/",
        "http://.test/",
        "http://a..test/",
        "http://*.test/",
        "http://a%2etest/",
        "http://1.2.3.4.5/",
        "http://example.0x7f/",
        "http://256.1.1.1/",
        "http://[fe80::1%25eth0]/",
        "http://[example.test]/",
        "http://[::1/",
        "http://[]/",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (RelaisFetchUrl) url = {0};
        const char *problem = NULL;

        g_test_message ("%s", cases[i]);
        g_assert_false (relais_fetch_url_parse (cases[i], &url, &problem));
        g_assert_nonnull (problem);
        g_assert_null (url.url);
    }
}

static void
test_long_url (void)
{
    g_autofree char *path = g_strnfill (RELAIS_FETCH_URL_BYTES + 1, 'a');
    g_auto (RelaisFetchUrl) url = {0};
    const char *problem = NULL;

    memcpy (path, "http://a.test/", strlen ("http://a.test/"));
    g_assert_false (relais_fetch_url_parse (path, &url, &problem));
    g_assert_cmpstr (problem, ==, "the URL is too long");
    path[RELAIS_FETCH_URL_BYTES] = '\0';
    g_assert_true (relais_fetch_url_parse (path, &url, &problem));
}

static void
test_ports (void)
{
    static const guint16 good[] = {80, 443, 1024, 8080, 65535};
    static const guint16 bad[] = {0, 1, 22, 25, 79, 81, 442, 444, 1023};

    for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (relais_fetch_port_is_good (good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_fetch_port_is_good (bad[i]));
}

static void
test_words (void)
{
    static const char *const good[] = {
        "A: b", "X-Long-Name_1: ", "A:", "A: b\tc", "A: caf\303\251", "Content-Type: text/plain"};
    static const char *const bad[] = {"",
                                      "A",
                                      ": b",
                                      "A b: c",
                                      "A : c",
                                      "A: b\r\nC: d",
                                      "A: b\n",
                                      "Host: other.test",
                                      "content-LENGTH: 5",
                                      "Transfer-Encoding: chunked",
                                      "Connection: close",
                                      "Expect: 100-continue",
                                      "Proxy-Authorization: x",
                                      "@file",
                                      "A;"};
    g_autofree char *line = g_strnfill (RELAIS_FETCH_HEADER_BYTES + 1, 'a');

    for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (relais_fetch_header_is_good (good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_fetch_header_is_good (bad[i]));
    line[1] = ':';
    g_assert_false (relais_fetch_header_is_good (line));
    line[RELAIS_FETCH_HEADER_BYTES] = '\0';
    g_assert_true (relais_fetch_header_is_good (line));
    g_assert_true (relais_fetch_method_is_good ("GET"));
    g_assert_true (relais_fetch_method_is_good ("DELETE"));
    g_assert_false (relais_fetch_method_is_good ("get"));
    g_assert_false (relais_fetch_method_is_good ("CONNECT"));
    g_assert_false (relais_fetch_method_is_good ("GET / HTTP/1.1\r\n"));
}

static void
test_addresses (void)
{
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"1.0.0.0", true},
        {"9.255.255.255", true},
        {"10.0.0.0", false},
        {"10.255.255.255", false},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.64.0.0", false},
        {"100.127.255.255", false},
        {"100.128.0.0", true},
        {"126.255.255.255", true},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"128.0.0.0", true},
        {"169.253.255.255", true},
        {"169.254.169.254", false},
        {"169.255.0.0", true},
        {"172.15.255.255", true},
        {"172.16.0.0", false},
        {"172.31.255.255", false},
        {"172.32.0.0", true},
        {"191.255.255.255", true},
        {"192.0.0.1", false},
        {"192.0.1.0", true},
        {"192.0.2.1", false},
        {"192.0.3.0", true},
        {"192.88.99.1", false},
        {"192.88.100.0", true},
        {"192.167.255.255", true},
        {"192.168.0.1", false},
        {"192.169.0.0", true},
        {"198.17.255.255", true},
        {"198.18.0.0", false},
        {"198.19.255.255", false},
        {"198.20.0.0", true},
        {"198.51.100.1", false},
        {"198.51.101.0", true},
        {"203.0.113.255", false},
        {"203.0.114.0", true},
        {"223.255.255.255", true},
        {"224.0.0.1", false},
        {"239.255.255.255", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::127.0.0.1", false},
        {"::8.8.8.8", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.0.0.1", false},
        {"::ffff:8.8.8.8", false},
        {"64:ff9b::808:808", false},
        {"64:ff9b:1::1", false},
        {"100::1", false},
        {"1fff::1", false},
        {"2000::1", true},
        {"2001::1", false},
        {"2001:2::1", false},
        {"2001:20::1", false},
        {"2001:1ff:ffff::1", false},
        {"2001:200::1", true},
        {"2001:db7::1", true},
        {"2001:db8::1", false},
        {"2001:db9::1", true},
        {"2002:7f00:1::1", false},
        {"2003::1", true},
        {"2a00:1450::1", true},
        {"3ffe::1", true},
        {"3fff:0:1::1", false},
        {"4000::1", false},
        {"5f00::1", false},
        {"fc00::1", false},
        {"fd12:3456::1", false},
        {"fe80::1", false},
        {"febf::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        struct sockaddr_storage address;
        socklen_t size;

        g_test_message ("%s", cases[i].text);
        g_assert_true (relais_address_from_text (cases[i].text, 0, &address, &size));
        g_assert_cmpint (relais_address_is_public ((const struct sockaddr *)&address), ==,
                         cases[i].is_public);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/http/fetch-url/good", test_good_urls);
    g_test_add_func ("/http/fetch-url/bad", test_bad_urls);
    g_test_add_func ("/http/fetch-url/long", test_long_url);
    g_test_add_func ("/http/fetch-url/ports", test_ports);
    g_test_add_func ("/http/fetch-url/words", test_words);
    g_test_add_func ("/http/fetch-url/addresses", test_addresses);
    return g_test_run ();
}
