/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/clients: each limit at its boundary, of a client and of its network; what is over is
 * forgotten, and the books do not grow with those who come by once.
 */
#include "config.h"

#include "smtp/clients-private.h"

#include "conf/net-private.h"
#include "loop/clock-private.h"

static const RelaisClientLimits limits = {2, 3, 4, 6, 2};
static const RelaisClientLimits wide = {1000, 1000, 1000, 1000, 1000};

static void
key_of (const char *text, guint8 key[16])
{
    struct sockaddr_storage address;
    socklen_t size;

    g_assert_true (relais_address_from_text (text, 25, &address, &size));
    relais_client_key ((const struct sockaddr *)&address, key);
}

static RelaisClientVerdict
enter (RelaisClients *clients, const char *text, const RelaisClientLimits *by, gint64 now_us)
{
    guint8 key[16];

    key_of (text, key);
    return relais_clients_enter (clients, key, by, now_us);
}

static void
leave (RelaisClients *clients, const char *text)
{
    guint8 key[16];

    key_of (text, key);
    relais_clients_leave (clients, key);
}

static void
test_sessions (void)
{
    RelaisClients *clients = relais_clients_new ();

    g_assert_cmpint (enter (clients, "192.0.2.1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "::ffff:192.0.2.1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "192.0.2.1", &limits, 0), ==, RELAIS_CLIENT_FULL);
    g_assert_cmpint (enter (clients, "192.0.2.2", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "192.0.2.255", &limits, 0), ==, RELAIS_CLIENT_NET_FULL);
    g_assert_cmpint (enter (clients, "192.0.3.1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    leave (clients, "192.0.2.1");
    g_assert_cmpint (enter (clients, "192.0.2.255", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    /* IPv6: a client is a /64, a network a /48. */
    g_assert_cmpint (enter (clients, "2001:db8:1:1::1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "2001:db8:1:1::2", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "2001:db8:1:1::3", &limits, 0), ==, RELAIS_CLIENT_FULL);
    g_assert_cmpint (enter (clients, "2001:db8:1:2::1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    g_assert_cmpint (enter (clients, "2001:db8:1:3::1", &limits, 0), ==, RELAIS_CLIENT_NET_FULL);
    g_assert_cmpint (enter (clients, "2001:db8:2:1::1", &limits, 0), ==, RELAIS_CLIENT_ADMITTED);
    relais_clients_free (clients);
}

/* Of the ones turned away too: who goes on knocking is not let in for it. */
static void
test_connections (void)
{
    RelaisClients *clients = relais_clients_new ();

    for (int minute = 0; minute < 3; minute++) {
        const gint64 now = minute * RELAIS_USEC_PER_MIN;

        for (int i = 0; i < 4; i++) {
            g_assert_cmpint (enter (clients, "192.0.2.1", &limits, now + i), ==,
                             RELAIS_CLIENT_ADMITTED);
            leave (clients, "192.0.2.1");
        }
        g_assert_cmpint (enter (clients, "192.0.2.1", &limits, now), ==, RELAIS_CLIENT_FAST);
        g_assert_cmpint (enter (clients, "192.0.2.2", &limits, now), ==, RELAIS_CLIENT_ADMITTED);
        leave (clients, "192.0.2.2");
        g_assert_cmpint (enter (clients, "192.0.2.3", &limits, now), ==, RELAIS_CLIENT_NET_FAST);
        g_assert_cmpint (enter (clients, "192.0.2.1", &limits, now + RELAIS_USEC_PER_MIN - 1), ==,
                         RELAIS_CLIENT_FAST);
    }
    relais_clients_free (clients);
}

static void
test_failures (void)
{
    RelaisClients *clients = relais_clients_new ();
    guint8 key[16], other[16];

    key_of ("192.0.2.1", key);
    key_of ("192.0.2.2", other);
    g_assert_true (relais_clients_may_log_in (clients, key, &limits, 0));
    relais_clients_note_failed_login (clients, key, 0);
    g_assert_true (relais_clients_may_log_in (clients, key, &limits, 0));
    relais_clients_note_failed_login (clients, key, 10 * RELAIS_USEC_PER_MIN - 1);
    g_assert_false (
        relais_clients_may_log_in (clients, key, &limits, 10 * RELAIS_USEC_PER_MIN - 1));
    g_assert_true (relais_clients_may_log_in (clients, other, &limits, 0));
    g_assert_true (relais_clients_may_log_in (clients, key, &limits, 10 * RELAIS_USEC_PER_MIN));
    relais_clients_free (clients);
}

/* A hundred thousand addresses in a minute: bounded, admitted, and gone the minute after. */
static void
test_bounded (void)
{
    RelaisClients *clients = relais_clients_new ();
    gint64 began;

    for (guint i = 0; i < 100000; i++) {
        guint8 key[16] = {0x20, 1, 0xd, 0xb8, (guint8)(i >> 16), (guint8)(i >> 8), (guint8)i};

        g_assert_cmpint (relais_clients_enter (clients, key, &wide, 0), ==, RELAIS_CLIENT_ADMITTED);
        relais_clients_leave (clients, key);
    }
    /* Of the networks there are fewer: a /48 each 256 clients. */
    g_assert_cmpuint (relais_clients_count (clients), ==, RELAIS_CLIENTS_KEPT + 391);
    g_assert_cmpint (enter (clients, "192.0.2.1", &wide, 0), ==, RELAIS_CLIENT_ADMITTED);
    began = g_get_monotonic_time ();
    g_assert_cmpint (enter (clients, "192.0.2.1", &wide, RELAIS_USEC_PER_MIN), ==,
                     RELAIS_CLIENT_ADMITTED);
    g_test_message ("swept in %d us", (int)(g_get_monotonic_time () - began));
    g_assert_cmpuint (relais_clients_count (clients), ==, 2);
    relais_clients_free (clients);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/clients/sessions", test_sessions);
    g_test_add_func ("/smtp/clients/connections", test_connections);
    g_test_add_func ("/smtp/clients/failures", test_failures);
    g_test_add_func ("/smtp/clients/bounded", test_bounded);
    return g_test_run ();
}
