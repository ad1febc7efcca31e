/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf, origins: what [domain NAME] tracking may say.
 */
#include "config.h"

#include "conf/origin-private.h"

#include <string.h>

static void
test_good (void)
{
    static const struct {
        const char *text, *host, *url;
        bool tls;
        guint16 port;
    } cases[] = {
        {"https://track.example.com", "track.example.com", "https://track.example.com", true, 443},
        {"http://track.example.com/", "track.example.com", "http://track.example.com", false, 80},
        {"HTTPS://Track.Example.COM:443/", "track.example.com", "https://track.example.com", true,
         443},
        {"https://track.example.com:8443", "track.example.com", "https://track.example.com:8443",
         true, 8443},
        {"http://t.example:443", "t.example", "http://t.example:443", false, 443},
        {"http://localhost:65535", "localhost", "http://localhost:65535", false, 65535},
        {"https://xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example",
         true, 443},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (RelaisOrigin) origin = {0};

        g_test_message ("%s", cases[i].text);
        g_assert_true (relais_origin_parse (cases[i].text, &origin));
        g_assert_cmpint (origin.tls, ==, cases[i].tls);
        g_assert_cmpstr (origin.host, ==, cases[i].host);
        g_assert_cmpuint (origin.port, ==, cases[i].port);
        g_assert_cmpstr (origin.url, ==, cases[i].url);
    }
}

static void
test_bad (void)
{
    static const char *const cases[] = {
        "",
        "track.example.com",
        "//track.example.com",
        "ftp://track.example.com",
        "https:/track.example.com",
        "https://",
        "https:///",
        "https://track.example.com/o",
        "https://track.example.com//",
        "https://track.example.com?q",
        "https://track.example.com#f",
        "https://user@track.example.com",
        "https://user:word@track.example.com",
        "https://track.example.com:0",
        "https://track.example.com:65536",
        "https://track.example.com:",
        "https://track.example.com:80x",
        "https://track.example.com:80:80",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "https://track..example.com",
        "https://.example.com",
        "https://track.example.com.",
        "https://-track.example.com",
        "https://track-.example.com",
        "https://tr_ack.example.com",
        "https://tr ack.example.com",
        "https://track.example.com ",
        "https://tr\303\244ck.example.com",
        "https://track.example.com\"><script>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_auto (RelaisOrigin) origin = {0};

        g_test_message ("%s", cases[i]);
        g_assert_false (relais_origin_parse (cases[i], &origin));
        g_assert_null (origin.host);
    }
}

static void
test_long (void)
{
    g_autofree char *label = g_strnfill (63, 'a');
    g_autofree char *fits = g_strdup_printf ("http://%s.%s.%s.%.61s", label, label, label, label);
    g_autofree char *more = g_strdup_printf ("http://%s.%s.%s.%.62s", label, label, label, label);
    g_autofree char *longer = g_strdup_printf ("http://a%s.test", label);
    g_auto (RelaisOrigin) origin = {0};

    g_assert_cmpuint (strlen (fits), ==, strlen ("http://") + 253);
    g_assert_true (relais_origin_parse (fits, &origin));
    relais_origin_clear (&origin);
    g_assert_false (relais_origin_parse (more, &origin));
    g_assert_false (relais_origin_parse (longer, &origin));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/conf/origin/good", test_good);
    g_test_add_func ("/conf/origin/bad", test_bad);
    g_test_add_func ("/conf/origin/long", test_long);
    return g_test_run ();
}
