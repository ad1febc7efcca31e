/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The books about clients. Two tables of counters, by client and by network; windows of time are
 * those of the clock, so a counter is two numbers and nothing has to be moved. What says nothing any
 * more is swept out once a minute. Loop thread.
 */
#include "config.h"

#include "smtp/clients-private.h"

#include "conf/net-private.h"
#include "loop/clock-private.h"

static const gint64 CONNECTIONS_US = RELAIS_USEC_PER_MIN;
static const gint64 FAILURES_US = 10 * RELAIS_USEC_PER_MIN;

/* A number of events in the window that `window` names. */
typedef struct {
    gint64 window;
    guint n;
} Count;

typedef struct {
    guint sessions;
    Count connections, failures;
} Entry;

struct RelaisClients {
    GHashTable *clients, *nets; /* key -> Entry */
    gint64 swept;               /* the minute it was done in */
};

RelaisClients *
relais_clients_new (void)
{
    RelaisClients *clients = g_new0 (RelaisClients, 1);

    clients->clients =
        g_hash_table_new_full (relais_client_key_hash, relais_client_key_equal, g_free, g_free);
    clients->nets =
        g_hash_table_new_full (relais_client_key_hash, relais_client_key_equal, g_free, g_free);
    return clients;
}

void
relais_clients_free (RelaisClients *clients)
{
    if (clients == NULL)
        return;
    g_hash_table_unref (clients->clients);
    g_hash_table_unref (clients->nets);
    g_free (clients);
}

guint
relais_clients_count (const RelaisClients *clients)
{
    return g_hash_table_size (clients->clients) + g_hash_table_size (clients->nets);
}

static guint
count_at (const Count *count, gint64 length_us, gint64 now_us)
{
    return count->window == now_us / length_us ? count->n : 0;
}

static void
count_one (Count *count, gint64 length_us, gint64 now_us)
{
    count->n = count_at (count, length_us, now_us) + 1;
    count->window = now_us / length_us;
}

static gboolean
is_stale (gpointer key, gpointer value, gpointer data)
{
    const Entry *entry = value;
    const gint64 now_us = *(const gint64 *)data;

    return entry->sessions == 0 && count_at (&entry->connections, CONNECTIONS_US, now_us) == 0 &&
           count_at (&entry->failures, FAILURES_US, now_us) == 0;
}

static void
sweep (RelaisClients *clients, gint64 now_us)
{
    if (clients->swept == now_us / CONNECTIONS_US)
        return;
    clients->swept = now_us / CONNECTIONS_US;
    g_hash_table_foreach_remove (clients->clients, is_stale, &now_us);
    g_hash_table_foreach_remove (clients->nets, is_stale, &now_us);
}

/* The entry, made if it is not there; NULL if the table is full and `needed` is false. */
static Entry *
find (GHashTable *table, const guint8 key[16], bool needed)
{
    Entry *entry = g_hash_table_lookup (table, key);

    if (entry != NULL || (!needed && g_hash_table_size (table) >= RELAIS_CLIENTS_KEPT))
        return entry;
    entry = g_new0 (Entry, 1);
    g_hash_table_insert (table, g_memdup2 (key, 16), entry);
    return entry;
}

static guint
sessions_of (const Entry *entry)
{
    return entry != NULL ? entry->sessions : 0;
}

/* Counts a connection; false if there were too many before it. */
static bool
may_connect (Entry *entry, guint limit, gint64 now_us)
{
    if (entry == NULL)
        return true;
    count_one (&entry->connections, CONNECTIONS_US, now_us);
    return entry->connections.n <= limit;
}

RelaisClientVerdict
relais_clients_enter (RelaisClients *clients, const guint8 key[16],
                      const RelaisClientLimits *limits, gint64 now_us)
{
    guint8 net_key[16];
    Entry *client, *net;
    bool client_slow, net_slow;

    relais_client_net_key (key, net_key);
    sweep (clients, now_us);
    client = find (clients->clients, key, false);
    net = find (clients->nets, net_key, false);
    client_slow = may_connect (client, limits->connections_per_client, now_us);
    net_slow = may_connect (net, limits->connections_per_net, now_us);
    if (sessions_of (client) >= limits->sessions_per_client)
        return RELAIS_CLIENT_FULL;
    if (sessions_of (net) >= limits->sessions_per_net)
        return RELAIS_CLIENT_NET_FULL;
    if (!client_slow)
        return RELAIS_CLIENT_FAST;
    if (!net_slow)
        return RELAIS_CLIENT_NET_FAST;
    find (clients->clients, key, true)->sessions++;
    find (clients->nets, net_key, true)->sessions++;
    return RELAIS_CLIENT_ADMITTED;
}

/* Entries beyond those that are kept are there for their sessions alone. */
static void
end_session (GHashTable *table, const guint8 key[16])
{
    Entry *entry = g_hash_table_lookup (table, key);

    g_assert (entry != NULL && entry->sessions > 0);
    if (--entry->sessions == 0 && g_hash_table_size (table) > RELAIS_CLIENTS_KEPT)
        g_hash_table_remove (table, key);
}

void
relais_clients_leave (RelaisClients *clients, const guint8 key[16])
{
    guint8 net_key[16];

    relais_client_net_key (key, net_key);
    end_session (clients->clients, key);
    end_session (clients->nets, net_key);
}

void
relais_clients_note_failed_login (RelaisClients *clients, const guint8 key[16], gint64 now_us)
{
    Entry *client = find (clients->clients, key, false);

    if (client != NULL)
        count_one (&client->failures, FAILURES_US, now_us);
}

bool
relais_clients_may_log_in (RelaisClients *clients, const guint8 key[16],
                           const RelaisClientLimits *limits, gint64 now_us)
{
    const Entry *client = g_hash_table_lookup (clients->clients, key);

    return client == NULL ||
           count_at (&client->failures, FAILURES_US, now_us) < limits->login_failures;
}
