/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sweep: expired keys are absent anyway; here they leave the index, a thousand keys looked at in one
 * go. The journal is not told: who reads it sees the expiry himself. A round costs several system calls a key, so
 * that the next one begins when the first of the keys expires that it found, or in an hour: it may have missed
 * some, if keys were put meanwhile. One that found nothing that will ever expire is the last until such a key is
 * put. The owner's.
 */
#include "store-gdbm.h"

#include <stdlib.h>

static const gint64 REST_US = 3600 * (gint64)G_USEC_PER_SEC;

void
sg_sweep_note (SgStore *store, gint64 expires_us)
{
    store->sweep_from_us = MIN (store->sweep_from_us, expires_us);
}

static void
end_round (SgStore *store)
{
    store->sweeping = store->sweep_saw_any;
    store->sweep_saw_any = false;
    store->sweep_key = NULL;
}

/* Removes the key if it has expired, unless an overlay knows better. */
static void
sweep_key (SgStore *store, const SgKey *key, gint64 now_us)
{
    gint64 expires_us;

    if (sg_index_get_expiry (store->index, key->bytes, key->size, &expires_us) != SG_FOUND)
        return;
    store->sweep_saw_any = true;
    sg_sweep_note (store, MAX (expires_us, now_us));
    if (expires_us > now_us || sg_overlay_find (store->next, key) != NULL ||
        sg_overlay_find (store->syncing, key) != NULL ||
        sg_overlay_find (store->settled, key) != NULL ||
        !sg_index_remove (store->index, key->bytes, key->size))
        return;
    g_mutex_lock (&store->mutex);
    store->figures.swept++;
    g_mutex_unlock (&store->mutex);
}

void
sg_sweep (SgStore *store)
{
    const gint64 now_us = store->options.now_us (store->options.data);
    guint8 *key = store->sweep_key;
    gsize size = store->sweep_key_size;

    if (key == NULL && now_us < store->sweep_from_us)
        return;
    if (key == NULL) {
        store->sweep_from_us = now_us + REST_US;
        if (sg_index_next (store->index, NULL, 0, &key, &size) != SG_FOUND) {
            end_round (store);
            return;
        }
    }
    for (guint n = 0; key != NULL && n < SG_SWEEP_KEYS; n++) {
        guint8 *next = NULL;
        gsize next_size = 0;

        /* A key that was removed since the last time has no next one: the round ends early. */
        (void)sg_index_next (store->index, key, size, &next, &next_size);
        sweep_key (store, &(SgKey){key, size}, now_us);
        free (key);
        key = next;
        size = next_size;
    }
    store->sweep_key = key;
    store->sweep_key_size = size;
    if (key == NULL)
        end_round (store);
}
