/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A slab: items of one size in blocks, named by 32-bit numbers, so that a million of them cost what
 * they hold and no more. Number 0 is no item. Not thread-safe.
 */
#pragma once

#include <glib.h>

enum { RELAIS_SLAB_BLOCK_ITEMS = 1024 };

typedef struct {
    gsize item_bytes; /* at least 4, a multiple of the items' alignment */
    GPtrArray *blocks;
    guint32 top;  /* lowest number never given */
    guint32 free; /* the first of those given back, which link through their first four bytes */
    guint32 used;
} RelaisSlab;

void relais_slab_init (RelaisSlab *slab, gsize item_bytes);
void relais_slab_clear (RelaisSlab *slab);
/* A zeroed item. Ends the process when 2^32 are in use. */
guint32 relais_slab_take (RelaisSlab *slab);
void relais_slab_give (RelaisSlab *slab, guint32 number);
/* Memory held, in use or not. */
gsize relais_slab_bytes (const RelaisSlab *slab);

static inline gpointer
relais_slab_at (const RelaisSlab *slab, guint32 number)
{
    guint8 *block = g_ptr_array_index (slab->blocks, number / RELAIS_SLAB_BLOCK_ITEMS);

    return block + (number % RELAIS_SLAB_BLOCK_ITEMS) * slab->item_bytes;
}
