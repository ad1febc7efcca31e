/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of TLS sessions to resume. Loop thread.
 */
#include "config.h"

#include "tls/sessions-private.h"

typedef struct {
    char *key;
    SSL_SESSION *session;
    GList link; /* in `order` */
} Kept;

struct RelaisTlsSessions {
    guint refs;
    guint most;
    GHashTable *table; /* key -> Kept */
    GQueue order;      /* oldest first */
};

static void
kept_free (gpointer data)
{
    Kept *kept = data;

    SSL_SESSION_free (kept->session);
    g_free (kept->key);
    g_free (kept);
}

static void
drop (RelaisTlsSessions *sessions, Kept *kept)
{
    g_queue_unlink (&sessions->order, &kept->link);
    g_hash_table_remove (sessions->table, kept->key);
}

static void
shrink (RelaisTlsSessions *sessions, guint most)
{
    while (sessions->order.length > most)
        drop (sessions, sessions->order.head->data);
}

RelaisTlsSessions *
relais_tls_sessions_new (guint most)
{
    RelaisTlsSessions *sessions = g_new0 (RelaisTlsSessions, 1);

    sessions->refs = 1;
    sessions->most = most;
    sessions->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, kept_free);
    return sessions;
}

RelaisTlsSessions *
relais_tls_sessions_ref (RelaisTlsSessions *sessions)
{
    sessions->refs++;
    return sessions;
}

void
relais_tls_sessions_unref (RelaisTlsSessions *sessions)
{
    if (sessions == NULL || --sessions->refs > 0)
        return;
    shrink (sessions, 0);
    g_hash_table_unref (sessions->table);
    g_free (sessions);
}

void
relais_tls_sessions_set_most (RelaisTlsSessions *sessions, guint most)
{
    sessions->most = most;
    shrink (sessions, most);
}

guint
relais_tls_sessions_count (const RelaisTlsSessions *sessions)
{
    return sessions->order.length;
}

void
relais_tls_sessions_put (RelaisTlsSessions *sessions, const char *key, SSL_SESSION *session)
{
    Kept *kept = g_hash_table_lookup (sessions->table, key);

    if (kept != NULL)
        drop (sessions, kept);
    kept = g_new0 (Kept, 1);
    kept->key = g_strdup (key);
    kept->session = session;
    kept->link.data = kept;
    g_hash_table_insert (sessions->table, kept->key, kept);
    g_queue_push_tail_link (&sessions->order, &kept->link);
    shrink (sessions, sessions->most);
}

SSL_SESSION *
relais_tls_sessions_take (RelaisTlsSessions *sessions, const char *key)
{
    Kept *kept = g_hash_table_lookup (sessions->table, key);
    SSL_SESSION *session;

    if (kept == NULL)
        return NULL;
    session = g_steal_pointer (&kept->session);
    drop (sessions, kept);
    return session;
}
