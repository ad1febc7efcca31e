/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http/forwarded.c: who the client is, by a table.
 */
#include "config.h"

#include "conf/net-private.h"
#include "http/forwarded-private.h"

#include <string.h>

typedef struct {
    const char *peer, *forwarded, *x_for, *x_proto;
    const char *client;
    int tls; /* -1 unknown */
} Case;

/* Trusted: 127.0.0.0/8, 10.0.0.0/8, 2001:db8:1::/48. */
static const Case cases[] = {
    /* nobody trusted speaks */
    {"192.0.2.9", "for=198.51.100.1;proto=https", "198.51.100.2", "https", "192.0.2.9", -1},
    {"192.0.2.9", NULL, NULL, NULL, "192.0.2.9", -1},
    {"::ffff:192.0.2.9", NULL, "198.51.100.2", NULL, "192.0.2.9", -1},
    {"127.0.0.1", NULL, NULL, NULL, "127.0.0.1", -1},
    /* X-Forwarded-For */
    {"127.0.0.1", NULL, "198.51.100.2", NULL, "198.51.100.2", -1},
    {"::ffff:127.0.0.1", NULL, "198.51.100.2", NULL, "198.51.100.2", -1},
    {"127.0.0.1", NULL, "203.0.113.7, 198.51.100.2", NULL, "198.51.100.2", -1},
    {"127.0.0.1", NULL, "203.0.113.7, 198.51.100.2, 10.1.1.1", NULL, "198.51.100.2", -1},
    {"127.0.0.1", NULL, "10.2.2.2,10.1.1.1", NULL, "10.2.2.2", -1},
    {"127.0.0.1", NULL, " \t198.51.100.2\t ", NULL, "198.51.100.2", -1},
    {"127.0.0.1", NULL, "198.51.100.2:4711", NULL, "198.51.100.2", -1},
    {"127.0.0.1", NULL, "2001:DB8:0::0002", NULL, "2001:db8::2", -1},
    {"127.0.0.1", NULL, "[2001:db8::2]", NULL, "2001:db8::2", -1},
    {"127.0.0.1", NULL, "[2001:db8::2]:4711", NULL, "2001:db8::2", -1},
    {"127.0.0.1", NULL, "::ffff:198.51.100.2", NULL, "198.51.100.2", -1},
    {"2001:db8:1::5", NULL, "198.51.100.2", NULL, "198.51.100.2", -1},
    {"2001:db8:2::5", NULL, "198.51.100.2", NULL, "2001:db8:2::5", -1},
    /* garbage stops the walk at the last good one */
    {"127.0.0.1", NULL, "", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "198.51.100.2,", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "198.51.100.2, unknown", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "198.51.100.2, garbage, 10.1.1.1", NULL, "10.1.1.1", -1},
    {"127.0.0.1", NULL, "198.51.100.2 x", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "198.51.100.256", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "0x7f.1", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "[198.51.100.2]", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "[2001:db8::2", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "[2001:db8::2]x", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "198.51.100.2:", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "fe80::1%eth0", NULL, "127.0.0.1", -1},
    {"127.0.0.1", NULL, "\"198.51.100.7, 198.51.100.2", NULL, "198.51.100.2", -1},
    /* X-Forwarded-Proto */
    {"127.0.0.1", NULL, "198.51.100.2", "https", "198.51.100.2", 1},
    {"127.0.0.1", NULL, "198.51.100.2", "HTTPS", "198.51.100.2", 1},
    {"127.0.0.1", NULL, "198.51.100.2", "http", "198.51.100.2", 0},
    {"127.0.0.1", NULL, "198.51.100.2", "gopher", "198.51.100.2", -1},
    {"127.0.0.1", NULL, NULL, "https", "127.0.0.1", 1},
    {"127.0.0.1", NULL, "198.51.100.2", "https, http", "198.51.100.2", 0},
    {"127.0.0.1", NULL, "198.51.100.2, 10.1.1.1", "https, http", "198.51.100.2", 1},
    {"127.0.0.1", NULL, "198.51.100.2, 10.1.1.1", "https", "198.51.100.2", 1},
    {"192.0.2.9", NULL, NULL, "https", "192.0.2.9", -1},
    /* Forwarded */
    {"127.0.0.1", "for=198.51.100.2", NULL, NULL, "198.51.100.2", -1},
    {"127.0.0.1", "FOR=198.51.100.2;Proto=HTTPS", NULL, NULL, "198.51.100.2", 1},
    {"127.0.0.1", "proto=http;by=_x;for=\"198.51.100.2:80\"", NULL, NULL, "198.51.100.2", 0},
    {"127.0.0.1", "for=\"[2001:db8::2]:4711\"", NULL, NULL, "2001:db8::2", -1},
    {"127.0.0.1", "for=\"[2001:DB8::2]\" ; proto=\"https\"", NULL, NULL, "2001:db8::2", 1},
    {"127.0.0.1", "for=\"198.51.100.2:_port\"", NULL, NULL, "198.51.100.2", -1},
    {"127.0.0.1", "for=203.0.113.7, for=198.51.100.2, for=10.1.1.1", NULL, NULL, "198.51.100.2",
     -1},
    {"127.0.0.1", "for=203.0.113.7;proto=https, for=10.1.1.1;proto=http", NULL, NULL, "203.0.113.7",
     1},
    {"127.0.0.1", "for=198.51.100.2", "203.0.113.7", "https", "198.51.100.2", -1},
    {"127.0.0.1", "", "203.0.113.7", "https", "127.0.0.1", -1},
    {"127.0.0.1", "for=unknown", NULL, NULL, "127.0.0.1", -1},
    {"127.0.0.1", "for=198.51.100.2, for=_hidden;proto=https", NULL, NULL, "127.0.0.1", 1},
    {"127.0.0.1", "for=198.51.100.2;for=198.51.100.3", NULL, NULL, "127.0.0.1", -1},
    {"127.0.0.1", "proto=https", NULL, NULL, "127.0.0.1", 1},
    {"127.0.0.1", "garbage", NULL, NULL, "127.0.0.1", -1},
    {"127.0.0.1", "for=", NULL, NULL, "127.0.0.1", -1},
    {"127.0.0.1", "for=\"", NULL, NULL, "127.0.0.1", -1},
    {"127.0.0.1", "=198.51.100.2", NULL, NULL, "127.0.0.1", -1},
    /* what the client opened, the proxy's part closes */
    {"127.0.0.1", "for=\"203.0.113.7, for=198.51.100.2", NULL, NULL, "198.51.100.2", -1},
    {"127.0.0.1", "for=\"\\\", for=198.51.100.2", NULL, NULL, "198.51.100.2", -1},
    {"127.0.0.1", "x=\"a, for=\"[2001:db8::2]\"", NULL, NULL, "2001:db8::2", -1},
    {"127.0.0.1", "x=\"a;b,c\";for=198.51.100.2", NULL, NULL, "198.51.100.2", -1},
    {"127.0.0.1", "x=\"a\\\",for=203.0.113.7\";for=198.51.100.2", NULL, NULL, "198.51.100.2", -1},
};

static void
set (RelaisHttpAddress *address, const char *text)
{
    struct sockaddr_storage storage;
    socklen_t size;

    g_assert_true (relais_address_from_text (text, 0, &storage, &size));
    memset (address, 0, sizeof *address);
    memcpy (address, &storage, size);
}

static void
test_table (void)
{
    const char *const nets[] = {"127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48", NULL};
    const char *bad = NULL;
    g_autoptr (GArray) trusted = relais_nets_parse (nets, &bad);

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const Case *c = &cases[i];
        const RelaisHttpForwarding said = {c->forwarded, c->x_for, c->x_proto};
        RelaisHttpAddress peer;
        RelaisHttpClient client;
        g_autofree char *text = NULL;

        g_test_message ("%s %s %s", c->peer, c->forwarded, c->x_for);
        set (&peer, c->peer);
        relais_http_find_client (trusted, &peer, &said, &client);
        text = relais_address_to_text (&client.address.any);
        g_assert_cmpstr (text, ==, c->client);
        g_assert_cmpint (client.tls_is_known ? client.tls : -1, ==, c->tls);
    }
}

static void
test_nobody_trusted (void)
{
    RelaisHttpAddress peer;
    RelaisHttpClient client;

    set (&peer, "127.0.0.1");
    relais_http_find_client (NULL, &peer, &(RelaisHttpForwarding){NULL, "198.51.100.2", "https"},
                             &client);
    g_assert_cmpmem (&client.address, sizeof peer, &peer, sizeof peer);
    g_assert_false (client.tls_is_known);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/forwarded/table", test_table);
    g_test_add_func ("/forwarded/nobody-trusted", test_nobody_trusted);
    return g_test_run ();
}
