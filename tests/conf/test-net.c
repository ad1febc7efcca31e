/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/conf, networks: what is one, what lies in it, and that an IPv4 client counts as IPv4 however
 * its address is written.
 */
#include "config.h"

#include "conf/net-private.h"

static const struct {
    const char *net, *address;
    bool contains;
} rows[] = {
    {"192.0.2.0/24", "192.0.2.255", true},
    {"192.0.2.0/24", "192.0.3.0", false},
    {"192.0.2.0/24", "::ffff:192.0.2.1", true},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7", "192.0.2.6", false},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"0.0.0.0/0", "203.0.113.1", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "203.0.113.1", false},
    {"::ffff:0.0.0.0/96", "203.0.113.1", true},
    {"2001:db8::/32", "2001:db8:ffff::1", true},
    {"2001:db8::/32", "2001:db9::1", false},
    {"2001:db8::/33", "2001:db8:8000::", false},
    {"::1", "::1", true},
    {"::1", "127.0.0.1", false},
};

static const char *const bad[] = {
    "",       "x",        "192.0.2",       "192.0.2.0/",      "192.0.2.0/33", "192.0.2.0/-1",
    "/24",    "::1/129",  "192.0.2.0/24x", "192.0.2.0/024",   "192.0.2.0/ 8", "1.2.3.4/4294967320",
    "::1%lo", "1.2.3.4 ", "01.2.3.4.5",    "192.0.2.0/24/24",
};

static void
test_contains (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        struct sockaddr_storage address;
        socklen_t size;
        RelaisNet net;

        g_test_message ("%s %s", rows[i].net, rows[i].address);
        g_assert_true (relais_net_parse (rows[i].net, &net));
        g_assert_true (relais_address_from_text (rows[i].address, 25, &address, &size));
        g_assert_cmpint (relais_net_contains (&net, (struct sockaddr *)&address), ==,
                         rows[i].contains);
    }
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        RelaisNet net;

        g_test_message ("%s", bad[i]);
        g_assert_false (relais_net_parse (bad[i], &net));
    }
}

static void
test_lists (void)
{
    const char *const good[] = {"10.0.0.0/8", "::1", NULL};
    const char *const half[] = {"10.0.0.0/8", "rubbish", NULL};
    const char *wrong = NULL;
    g_autoptr (GArray) nets = relais_nets_parse (good, &wrong);
    struct sockaddr_storage address;
    struct sockaddr other = {.sa_family = AF_UNIX};
    socklen_t size;

    g_assert_null (relais_nets_parse (half, &wrong));
    g_assert_cmpstr (wrong, ==, "rubbish");
    g_assert_true (relais_address_from_text ("::1", 25, &address, &size));
    g_assert_true (relais_nets_contain (nets, (struct sockaddr *)&address));
    g_assert_false (relais_nets_contain (NULL, (struct sockaddr *)&address));
    g_assert_false (relais_nets_contain (nets, &other));
    g_assert_true (relais_address_from_text ("11.0.0.1", 25, &address, &size));
    g_assert_false (relais_nets_contain (nets, (struct sockaddr *)&address));
}

static void
test_text (void)
{
    static const char *const texts[][2] = {{"192.0.2.1", "192.0.2.1"},
                                           {"2001:DB8:0::1", "2001:db8::1"},
                                           {"::ffff:192.0.2.1", "192.0.2.1"}};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct sockaddr_storage address;
    socklen_t size;

    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_assert_true (relais_address_from_text (texts[i][0], 2525, &address, &size));
        g_autofree char *text = relais_address_to_text ((struct sockaddr *)&address);

        g_assert_cmpstr (text, ==, texts[i][1]);
        g_assert_cmpuint (relais_address_port ((struct sockaddr *)&address), ==, 2525);
    }
    g_assert_false (relais_address_from_text ("localhost", 25, &address, &size));
    for (gsize n = 0; n <= 17; n++) {
        static const guint8 bytes[17] = {192, 0, 2, 1};

        g_assert_true (relais_address_from_bytes (bytes, n, 25, &address, &size) ==
                       (n == 4 || n == 16));
    }
    g_assert_cmpuint (relais_address_port (&other), ==, 0);
}

static bool
same_client (const char *one, const char *other)
{
    struct sockaddr_storage address;
    socklen_t size;
    guint8 keys[2][16];

    g_assert_true (relais_address_from_text (one, 1, &address, &size));
    relais_client_key ((struct sockaddr *)&address, keys[0]);
    g_assert_true (relais_address_from_text (other, 2, &address, &size));
    relais_client_key ((struct sockaddr *)&address, keys[1]);
    if (relais_client_key_equal (keys[0], keys[1]))
        g_assert_cmpuint (relais_client_key_hash (keys[0]), ==, relais_client_key_hash (keys[1]));
    return relais_client_key_equal (keys[0], keys[1]);
}

static void
test_client (void)
{
    g_assert_true (same_client ("192.0.2.1", "::ffff:192.0.2.1"));
    g_assert_false (same_client ("192.0.2.1", "192.0.2.2"));
    g_assert_false (same_client ("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    g_assert_true (same_client ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    g_assert_false (same_client ("2001:db8:1:2::1", "2001:db8:1:3::1"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/net/contains", test_contains);
    g_test_add_func ("/net/lists", test_lists);
    g_test_add_func ("/net/text", test_text);
    g_test_add_func ("/net/client", test_client);
    return g_test_run ();
}
