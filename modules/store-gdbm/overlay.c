/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Overlays: keys with their newest value, increments that are owed, answers that are held back. The
 * owner's.
 */
#include "store-gdbm.h"

#include <string.h>
#include <xxhash.h>

static guint
hash_key (gconstpointer data)
{
    const SgKey *key = data;

    return (guint)XXH3_64bits (key->bytes, key->size);
}

static gboolean
same_key (gconstpointer a, gconstpointer b)
{
    const SgKey *x = a, *y = b;

    return x->size == y->size && memcmp (x->bytes, y->bytes, x->size) == 0;
}

static void
entry_free (gpointer data)
{
    SgEntry *entry = data;

    g_free (entry->value);
    g_free (entry);
}

/* A block of `size` octets that begins with a key, whose octets follow. */
static gpointer
new_with_key (gsize size, const SgKey *key)
{
    guint8 *block = g_malloc0 (size + key->size);

    memcpy (block + size, key->bytes, key->size);
    *(SgKey *)(gpointer)block = (SgKey){block + size, key->size};
    return block;
}

GHashTable *
sg_debts_new (void)
{
    return g_hash_table_new_full (hash_key, same_key, g_free, NULL);
}

SgOverlay *
sg_overlay_new (void)
{
    SgOverlay *overlay = g_new0 (SgOverlay, 1);

    overlay->entries = g_hash_table_new_full (hash_key, same_key, entry_free, NULL);
    overlay->owed = sg_debts_new ();
    overlay->outcomes = g_array_new (FALSE, FALSE, sizeof (SgOutcome));
    return overlay;
}

void
sg_overlay_free (SgOverlay *overlay)
{
    if (overlay == NULL)
        return;
    g_assert (overlay->outcomes->len == 0);
    g_hash_table_unref (overlay->entries);
    g_hash_table_unref (overlay->owed);
    g_array_unref (overlay->outcomes);
    g_free (overlay);
}

SgEntry *
sg_overlay_find (const SgOverlay *overlay, const SgKey *key)
{
    return overlay != NULL ? g_hash_table_lookup (overlay->entries, key) : NULL;
}

void
sg_overlay_set (SgOverlay *overlay, const SgKey *key, const guint8 *value, gsize value_size,
                gint64 expires_us, bool durable)
{
    SgEntry *entry = g_hash_table_lookup (overlay->entries, key);

    if (entry == NULL) {
        entry = new_with_key (sizeof *entry, key);
        g_hash_table_add (overlay->entries, entry);
    }
    if (value == NULL) {
        g_clear_pointer (&entry->value, g_free);
    } else {
        if (entry->value == NULL || entry->value_size < value_size)
            entry->value = g_realloc (entry->value, MAX (value_size, 1));
        if (value_size > 0)
            memcpy (entry->value, value, value_size);
    }
    entry->value_size = value_size;
    entry->expires_us = expires_us;
    entry->durable |= durable;
    if (overlay->since_us == 0)
        overlay->since_us = g_get_monotonic_time ();
}

void
sg_overlay_owe (GHashTable *owed, const SgKey *key, gint64 delta, gint64 expires_us)
{
    SgDebt *debt = g_hash_table_lookup (owed, key);

    if (debt == NULL) {
        debt = new_with_key (sizeof *debt, key);
        debt->expires_us = expires_us;
        g_hash_table_add (owed, debt);
    }
    if (__builtin_add_overflow (debt->delta, delta, &debt->delta))
        debt->delta = delta > 0 ? G_MAXINT64 : G_MININT64;
}

void
sg_outcomes_end (GArray *outcomes, const char *failure)
{
    for (guint i = 0; i < outcomes->len; i++) {
        const SgOutcome *outcome = &g_array_index (outcomes, SgOutcome, i);

        if (failure != NULL)
            relais_store_request_fail (outcome->request, failure);
        else
            relais_store_request_complete (outcome->request, outcome->result);
    }
    g_array_set_size (outcomes, 0);
}
