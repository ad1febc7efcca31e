/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose handshake comes next. Owns the circle of nets of which somebody waits, and those who wait of each.
 * Loop thread only.
 */
#include "config.h"

#include "tls/handshakes-private.h"

#include "conf/net-private.h"

#include <string.h>

typedef struct {
    guint8 key[RELAIS_HANDSHAKES_NET_BYTES];
    GQueue waits; /* by `place` */
    GList turn;   /* its place in the circle */
} Net;

struct RelaisHandshakeWait {
    gpointer waiter;
    Net *net;
    GList place;
};

struct RelaisHandshakes {
    guint tokens;
    guint waiting;
    GHashTable *nets; /* those of which somebody waits */
    GQueue circle;    /* of the same, by `turn`; the head is next */
};

RelaisHandshakes *
relais_handshakes_new (void)
{
    RelaisHandshakes *handshakes = g_new0 (RelaisHandshakes, 1);

    handshakes->tokens = RELAIS_HANDSHAKES_PER_TURN;
    handshakes->nets =
        g_hash_table_new_full (relais_client_key_hash, relais_client_key_equal, NULL, g_free);
    g_queue_init (&handshakes->circle);
    return handshakes;
}

void
relais_handshakes_free (RelaisHandshakes *handshakes)
{
    g_assert (handshakes->waiting == 0);
    g_hash_table_unref (handshakes->nets);
    g_free (handshakes);
}

void
relais_handshakes_renew (RelaisHandshakes *handshakes)
{
    handshakes->tokens = RELAIS_HANDSHAKES_PER_TURN;
}

bool
relais_handshakes_take (RelaisHandshakes *handshakes)
{
    if (handshakes->tokens == 0 || handshakes->waiting > 0)
        return false;
    handshakes->tokens--;
    return true;
}

static Net *
find_net (RelaisHandshakes *handshakes, const guint8 key[RELAIS_HANDSHAKES_NET_BYTES])
{
    Net *net = g_hash_table_lookup (handshakes->nets, key);

    if (net != NULL)
        return net;
    net = g_new0 (Net, 1);
    memcpy (net->key, key, sizeof net->key);
    g_queue_init (&net->waits);
    net->turn.data = net;
    g_hash_table_insert (handshakes->nets, net->key, net);
    g_queue_push_tail_link (&handshakes->circle, &net->turn);
    return net;
}

RelaisHandshakeWait *
relais_handshakes_wait (RelaisHandshakes *handshakes, const guint8 key[RELAIS_HANDSHAKES_NET_BYTES],
                        gpointer waiter)
{
    RelaisHandshakeWait *wait = g_new0 (RelaisHandshakeWait, 1);

    wait->waiter = waiter;
    wait->net = find_net (handshakes, key);
    wait->place.data = wait;
    g_queue_push_tail_link (&wait->net->waits, &wait->place);
    handshakes->waiting++;
    return wait;
}

void
relais_handshakes_leave (RelaisHandshakes *handshakes, RelaisHandshakeWait *wait)
{
    Net *net;

    if (wait == NULL)
        return;
    net = wait->net;
    g_queue_unlink (&net->waits, &wait->place);
    g_free (wait);
    handshakes->waiting--;
    if (net->waits.length > 0)
        return;
    g_queue_unlink (&handshakes->circle, &net->turn);
    g_hash_table_remove (handshakes->nets, net->key);
}

gpointer
relais_handshakes_next (RelaisHandshakes *handshakes)
{
    Net *net;
    RelaisHandshakeWait *wait;
    gpointer waiter;

    if (handshakes->tokens == 0 || handshakes->waiting == 0)
        return NULL;
    handshakes->tokens--;
    net = g_queue_peek_head (&handshakes->circle);
    g_queue_unlink (&handshakes->circle, &net->turn);
    g_queue_push_tail_link (&handshakes->circle, &net->turn);
    wait = g_queue_peek_head (&net->waits);
    waiter = wait->waiter;
    relais_handshakes_leave (handshakes, wait);
    return waiter;
}

guint
relais_handshakes_n_waiting (const RelaisHandshakes *handshakes)
{
    return handshakes->waiting;
}
