/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The negative cache: a hash table with times of expiry. When it is full what has expired goes, and
 * if that is nothing, everything: it only saves questions. Loop thread only.
 */
#include "config.h"

#include "dns/absences-private.h"

#include <string.h>

typedef struct {
    const char *name; /* points behind the struct in stored entries */
    RelaisDnsType type;
    RelaisDnsOutcome outcome;
    bool secure;
    gint64 expires_us;
} Absence;

struct RelaisAbsences {
    GHashTable *table; /* of Absence, by themselves */
    guint most;
};

static guint
absence_hash (gconstpointer data)
{
    const Absence *absence = data;

    return g_str_hash (absence->name) * 31 + (guint)absence->type;
}

static gboolean
absence_equal (gconstpointer a, gconstpointer b)
{
    const Absence *one = a, *other = b;

    return one->type == other->type && strcmp (one->name, other->name) == 0;
}

RelaisAbsences *
relais_absences_new (guint most)
{
    RelaisAbsences *absences = g_new0 (RelaisAbsences, 1);

    absences->table = g_hash_table_new_full (absence_hash, absence_equal, g_free, NULL);
    absences->most = most;
    return absences;
}

void
relais_absences_free (RelaisAbsences *absences)
{
    if (absences == NULL)
        return;
    g_hash_table_unref (absences->table);
    g_free (absences);
}

static gboolean
has_expired (gpointer key, gpointer value, gpointer now_us)
{
    return ((const Absence *)key)->expires_us <= *(const gint64 *)now_us;
}

void
relais_absences_note (RelaisAbsences *absences, const char *name, RelaisDnsType type,
                      const RelaisDnsAnswer *answer, gint64 now_us)
{
    gsize size = strlen (name) + 1;
    Absence *absence;

    if (answer->ttl_s == 0)
        return;
    if (g_hash_table_size (absences->table) >= absences->most &&
        g_hash_table_foreach_remove (absences->table, has_expired, &now_us) == 0)
        g_hash_table_remove_all (absences->table);
    absence = g_malloc (sizeof *absence + size);
    memcpy (absence + 1, name, size);
    absence->name = (const char *)(absence + 1);
    absence->type = type;
    absence->outcome = answer->outcome;
    absence->secure = answer->secure;
    absence->expires_us =
        now_us + (gint64)MIN (answer->ttl_s, RELAIS_ABSENCE_S) * RELAIS_USEC_PER_SEC;
    g_hash_table_replace (absences->table, absence, absence);
}

void
relais_absences_forget (RelaisAbsences *absences, const char *name, RelaisDnsType type)
{
    const Absence key = {.name = name, .type = type};

    g_hash_table_remove (absences->table, &key);
}

bool
relais_absences_find (const RelaisAbsences *absences, const char *name, RelaisDnsType type,
                      gint64 now_us, RelaisDnsAnswer *answer)
{
    const Absence key = {.name = name, .type = type};
    const Absence *found = g_hash_table_lookup (absences->table, &key);

    if (found == NULL || found->expires_us <= now_us)
        return false;
    answer->outcome = found->outcome;
    answer->secure = found->secure;
    answer->ttl_s = (guint32)((found->expires_us - now_us) / RELAIS_USEC_PER_SEC) + 1;
    answer->reason = NULL;
    return true;
}
