/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/tls/handshakes: tokens of a turn, the circle of nets, those that leave. (On streams: test-tls.)
 */
#include "config.h"

#include "tls/handshakes-private.h"

#include <string.h>

typedef struct {
    char net; /* all bytes of its key */
    RelaisHandshakeWait *wait;
} Waiter;

static void
join (RelaisHandshakes *handshakes, Waiter *waiter, char net)
{
    guint8 key[RELAIS_HANDSHAKES_NET_BYTES];

    memset (key, net, sizeof key);
    waiter->net = net;
    waiter->wait = relais_handshakes_wait (handshakes, key, waiter);
}

/* Who is served in the next turn, as one letter each. */
static char *
turn (RelaisHandshakes *handshakes)
{
    GString *served = g_string_new (NULL);
    Waiter *waiter;

    relais_handshakes_renew (handshakes);
    while ((waiter = relais_handshakes_next (handshakes)) != NULL) {
        waiter->wait = NULL;
        g_string_append_c (served, waiter->net);
    }
    return g_string_free (served, FALSE);
}

static void
assert_turn (RelaisHandshakes *handshakes, const char *wanted)
{
    g_autofree char *served = turn (handshakes);

    g_assert_cmpstr (served, ==, wanted);
}

static void
test_tokens (void)
{
    RelaisHandshakes *handshakes = relais_handshakes_new ();
    Waiter late, later;

    for (int i = 0; i < RELAIS_HANDSHAKES_PER_TURN; i++)
        g_assert_true (relais_handshakes_take (handshakes));
    g_assert_false (relais_handshakes_take (handshakes));
    join (handshakes, &late, 'a');
    g_assert_null (relais_handshakes_next (handshakes));
    g_assert_cmpuint (relais_handshakes_n_waiting (handshakes), ==, 1);

    /* nobody goes before those who wait, though there are tokens */
    relais_handshakes_renew (handshakes);
    g_assert_false (relais_handshakes_take (handshakes));
    join (handshakes, &later, 'b');
    g_assert_true (relais_handshakes_next (handshakes) == &late);
    g_assert_false (relais_handshakes_take (handshakes));
    g_assert_true (relais_handshakes_next (handshakes) == &later);
    g_assert_null (relais_handshakes_next (handshakes));
    for (int i = 2; i < RELAIS_HANDSHAKES_PER_TURN; i++)
        g_assert_true (relais_handshakes_take (handshakes));
    g_assert_false (relais_handshakes_take (handshakes));
    g_assert_cmpuint (relais_handshakes_n_waiting (handshakes), ==, 0);
    relais_handshakes_free (handshakes);
}

/* A crowd of one net costs another net one turn of the circle, and the same holds between three. */
static void
test_circle (void)
{
    RelaisHandshakes *handshakes = relais_handshakes_new ();
    Waiter crowd[20], guests[4];

    for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
        join (handshakes, &crowd[i], 'c');
    join (handshakes, &guests[0], 'g');
    join (handshakes, &guests[1], 'g');
    join (handshakes, &guests[2], 'h');
    assert_turn (handshakes, "cghcgccc");
    join (handshakes, &guests[3], 'h');
    assert_turn (handshakes, "chcccccc");
    assert_turn (handshakes, "cccccccc");
    assert_turn (handshakes, "");
    relais_handshakes_free (handshakes);
}

static void
test_order_within_net (void)
{
    RelaisHandshakes *handshakes = relais_handshakes_new ();
    Waiter crowd[3];

    for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
        join (handshakes, &crowd[i], 'c');
    for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
        g_assert_true (relais_handshakes_next (handshakes) == &crowd[i]);
    relais_handshakes_free (handshakes);
}

static void
test_leave (void)
{
    RelaisHandshakes *handshakes = relais_handshakes_new ();
    Waiter crowd[3], guest;

    relais_handshakes_leave (handshakes, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (crowd); i++)
        join (handshakes, &crowd[i], 'c');
    join (handshakes, &guest, 'g');
    relais_handshakes_leave (handshakes, crowd[0].wait);
    relais_handshakes_leave (handshakes, guest.wait); /* the last of its net */
    g_assert_cmpuint (relais_handshakes_n_waiting (handshakes), ==, 2);
    join (handshakes, &guest, 'g');
    relais_handshakes_leave (handshakes, crowd[2].wait);
    assert_turn (handshakes, "cg");
    g_assert_cmpuint (relais_handshakes_n_waiting (handshakes), ==, 0);
    relais_handshakes_free (handshakes);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tls/handshakes/tokens", test_tokens);
    g_test_add_func ("/tls/handshakes/circle", test_circle);
    g_test_add_func ("/tls/handshakes/order-within-net", test_order_within_net);
    g_test_add_func ("/tls/handshakes/leave", test_leave);
    return g_test_run ();
}
