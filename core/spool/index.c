/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of living messages: linear probing over a power of two, at most 7/8 full, removal by
 * moving the followers back, so that there are no tombstones and a lookup stays short.
 */
#include "config.h"

#include "spool/index.h"

struct RelaisIndex {
    RelaisIndexEntry *entries;
    guint64 size;
    guint shift; /* 64 - log2 (capacity) */
};

enum { FIRST_SHIFT = 64 - 6 };

G_STATIC_ASSERT (sizeof (RelaisIndexEntry) == 24);

static guint64
capacity (const RelaisIndex *index)
{
    return (guint64)1 << (64 - index->shift);
}

/* Ids count up, so neighbours spread by the golden ratio. */
static guint64
home (const RelaisIndex *index, guint64 id)
{
    return (id * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15)) >> index->shift;
}

RelaisIndex *
relais_index_new (void)
{
    RelaisIndex *index = g_new0 (RelaisIndex, 1);

    index->shift = FIRST_SHIFT;
    index->entries = g_new0 (RelaisIndexEntry, capacity (index));
    return index;
}

void
relais_index_free (RelaisIndex *index)
{
    if (index == NULL)
        return;
    g_free (index->entries);
    g_free (index);
}

guint64
relais_index_size (const RelaisIndex *index)
{
    return index->size;
}

/* The entry of `id`, or the free one where it would stand. */
static RelaisIndexEntry *
probe (const RelaisIndex *index, guint64 id)
{
    guint64 mask = capacity (index) - 1;
    guint64 i = home (index, id);

    while (index->entries[i].id != 0 && index->entries[i].id != id)
        i = (i + 1) & mask;
    return &index->entries[i];
}

RelaisIndexEntry *
relais_index_find (RelaisIndex *index, guint64 id)
{
    RelaisIndexEntry *entry = probe (index, id);

    return id != 0 && entry->id == id ? entry : NULL;
}

static void
resize (RelaisIndex *index, guint shift)
{
    RelaisIndexEntry *old = index->entries;
    guint64 n = capacity (index);

    index->shift = shift;
    index->entries = g_new0 (RelaisIndexEntry, capacity (index));
    for (guint64 i = 0; i < n; i++)
        if (old[i].id != 0)
            *probe (index, old[i].id) = old[i];
    g_free (old);
}

RelaisIndexEntry *
relais_index_insert (RelaisIndex *index, guint64 id)
{
    RelaisIndexEntry *entry = probe (index, id);

    g_assert (id != 0);
    if (entry->id == id)
        return entry;
    if (index->size + 1 > capacity (index) / 8 * 7) {
        resize (index, index->shift - 1);
        entry = probe (index, id);
    }
    *entry = (RelaisIndexEntry){.id = id};
    index->size++;
    return entry;
}

void
relais_index_remove (RelaisIndex *index, guint64 id)
{
    guint64 mask = capacity (index) - 1;
    RelaisIndexEntry *entry = relais_index_find (index, id);
    guint64 hole, i;

    if (entry == NULL)
        return;
    hole = i = (guint64)(entry - index->entries);
    for (;;) {
        i = (i + 1) & mask;
        if (index->entries[i].id == 0)
            break;
        /* An entry may move into the hole unless its home lies between the hole and itself. */
        if (((i - home (index, index->entries[i].id)) & mask) >= ((i - hole) & mask)) {
            index->entries[hole] = index->entries[i];
            hole = i;
        }
    }
    index->entries[hole] = (RelaisIndexEntry){0};
    index->size--;
    if (index->shift < FIRST_SHIFT && index->size < capacity (index) / 8)
        resize (index, index->shift + 1);
}

static gint
compare_ids (gconstpointer a, gconstpointer b)
{
    guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

    return (x > y) - (x < y);
}

GArray *
relais_index_ids (const RelaisIndex *index)
{
    GArray *ids = g_array_sized_new (FALSE, FALSE, sizeof (guint64), (guint)index->size);

    for (guint64 i = 0; i < capacity (index); i++)
        if (index->entries[i].id != 0)
            g_array_append_val (ids, index->entries[i].id);
    g_array_sort (ids, compare_ids);
    return ids;
}
