/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The slab. Owns its blocks, which stay until the slab goes: a queue that was long once may be so
 * again, and the memory of its peak is bounded by what the spool held.
 */
#include "config.h"

#include "queue/slab-private.h"

#include <string.h>

void
relais_slab_init (RelaisSlab *slab, gsize item_bytes)
{
    *slab = (RelaisSlab){.item_bytes = item_bytes, .top = 1};
    slab->blocks = g_ptr_array_new_with_free_func (g_free);
}

void
relais_slab_clear (RelaisSlab *slab)
{
    g_clear_pointer (&slab->blocks, g_ptr_array_unref);
}

guint32
relais_slab_take (RelaisSlab *slab)
{
    guint32 number = slab->free;

    if (number != 0) {
        memcpy (&slab->free, relais_slab_at (slab, number), sizeof slab->free);
    } else {
        g_assert (slab->top != G_MAXUINT32);
        number = slab->top++;
        if (number / RELAIS_SLAB_BLOCK_ITEMS >= slab->blocks->len)
            g_ptr_array_add (slab->blocks, g_malloc_n (RELAIS_SLAB_BLOCK_ITEMS, slab->item_bytes));
    }
    memset (relais_slab_at (slab, number), 0, slab->item_bytes);
    slab->used++;
    return number;
}

void
relais_slab_give (RelaisSlab *slab, guint32 number)
{
    memcpy (relais_slab_at (slab, number), &slab->free, sizeof slab->free);
    slab->free = number;
    slab->used--;
}

gsize
relais_slab_bytes (const RelaisSlab *slab)
{
    return slab->blocks->len * RELAIS_SLAB_BLOCK_ITEMS * slab->item_bytes;
}
