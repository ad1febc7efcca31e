/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is synced and not in the index yet. The journal has it, so that nothing is lost with it; to put each
 * key costs GDBM half a dozen system calls, and what is counted changes again within the second. So it
 * stays in memory for settle_us, and then goes into the index, some keys a turn. The owner's.
 */
#include "store-gdbm.h"

void
sg_settled_take (SgStore *store, SgOverlay *overlay)
{
    SgOverlay *settled = store->settled;
    GHashTableIter iter;
    gpointer next;

    g_hash_table_iter_init (&iter, overlay->entries);
    while (g_hash_table_iter_next (&iter, &next, NULL)) {
        SgEntry *entry = next;

        g_hash_table_iter_steal (&iter);
        entry->durable = false; /* nobody waits for it any more */
        store->settled_bytes += entry->value_size;
        g_hash_table_add (settled->entries, entry);
    }
    if (settled->since_us == 0 && g_hash_table_size (settled->entries) > 0)
        settled->since_us = g_get_monotonic_time ();
}

void
sg_settled_drop (SgStore *store)
{
    g_hash_table_remove_all (store->settled->entries);
    store->settled->since_us = 0;
    store->settled_bytes = 0;
}

gint64
sg_settled_due_us (const SgStore *store)
{
    const SgOverlay *settled = store->settled;

    if (settled->since_us == 0)
        return G_MAXINT64;
    if (g_hash_table_size (settled->entries) >= SG_SETTLED_KEYS ||
        store->settled_bytes >= SG_SETTLED_BYTES)
        return 0;
    return settled->since_us + store->options.settle_us;
}

/* A key that will expire is for the sweep to find from now on, even if it looked just before. */
static bool
put_into_index (SgStore *store, const SgEntry *entry)
{
    if (entry->expires_us != 0) {
        store->sweeping = store->sweep_saw_any = true;
        sg_sweep_note (store, entry->expires_us);
    }
    if (entry->value == NULL)
        return sg_index_remove (store->index, entry->key.bytes, entry->key.size);
    return sg_index_put (store->index, entry->key.bytes, entry->key.size, entry->value,
                         entry->value_size, entry->expires_us);
}

/* Enough that there are never more than SG_SETTLED_KEYS for long. */
static guint
share (const SgStore *store)
{
    const guint n = g_hash_table_size (store->settled->entries);

    if (store->settled_bytes >= SG_SETTLED_BYTES)
        return n;
    return MAX (SG_SETTLE_AT_ONCE, n - MIN (n, (guint)SG_SETTLED_KEYS));
}

bool
sg_settled_apply (SgStore *store, bool all)
{
    const guint most = all ? G_MAXUINT : share (store);
    GHashTableIter iter;
    gpointer next;

    g_hash_table_iter_init (&iter, store->settled->entries);
    for (guint n = 0; n < most && g_hash_table_iter_next (&iter, &next, NULL); n++) {
        if (!put_into_index (store, next))
            return false;
        g_hash_table_iter_remove (&iter);
    }
    if (g_hash_table_size (store->settled->entries) == 0)
        sg_settled_drop (store);
    return true;
}
