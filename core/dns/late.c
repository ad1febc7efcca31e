/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A hash table of times of expiry. When it is full what has expired goes, and if that is nothing, everything: a name
 * that is not known to be late only gets a place like any other's, once. Loop thread only.
 */
#include "config.h"

#include "dns/late-private.h"

struct RelaisLate {
    GHashTable *table; /* name -> when it expires, a gint64 */
    guint most;
};

RelaisLate *
relais_late_new (guint most)
{
    RelaisLate *late = g_new0 (RelaisLate, 1);

    late->table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    late->most = most;
    return late;
}

void
relais_late_free (RelaisLate *late)
{
    if (late == NULL)
        return;
    g_hash_table_unref (late->table);
    g_free (late);
}

static gboolean
has_expired (gpointer key, gpointer value, gpointer now_us)
{
    return *(const gint64 *)value <= *(const gint64 *)now_us;
}

void
relais_late_note (RelaisLate *late, const char *name, gint64 now_us)
{
    const gint64 expires_us = now_us + RELAIS_LATE_S * (gint64)G_USEC_PER_SEC;

    if (g_hash_table_size (late->table) >= late->most &&
        !g_hash_table_contains (late->table, name) &&
        g_hash_table_foreach_remove (late->table, has_expired, &now_us) == 0)
        g_hash_table_remove_all (late->table);
    g_hash_table_replace (late->table, g_strdup (name), g_memdup2 (&expires_us, sizeof expires_us));
}

void
relais_late_forget (RelaisLate *late, const char *name)
{
    g_hash_table_remove (late->table, name);
}

bool
relais_late_has (const RelaisLate *late, const char *name, gint64 now_us)
{
    const gint64 *expires_us = g_hash_table_lookup (late->table, name);

    return expires_us != NULL && *expires_us > now_us;
}
