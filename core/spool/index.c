/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of living messages: small tables as message/id-table-private.h shapes them, for it is
 * changed under a lock that the loop waits for. At most 48 octets a message. Takes no lock itself, and
 * does no I/O.
 */
#include "config.h"

#include "spool/index.h"

#include "message/id-table-private.h"

typedef struct {
    RelaisIndexEntry *entries; /* NULL: none yet */
    guint32 size, capacity;
} Table;

struct RelaisIndex {
    Table tables[RELAIS_TABLES];
    guint64 size;
};

G_STATIC_ASSERT (sizeof (RelaisIndexEntry) == 32);

static Table *
table_of (const RelaisIndex *index, guint64 id)
{
    return (Table *)&index->tables[relais_table_of (id)];
}

RelaisIndex *
relais_index_new (void)
{
    return g_new0 (RelaisIndex, 1);
}

void
relais_index_free (RelaisIndex *index)
{
    if (index == NULL)
        return;
    for (guint i = 0; i < RELAIS_TABLES; i++)
        g_free (index->tables[i].entries);
    g_free (index);
}

guint64
relais_index_size (const RelaisIndex *index)
{
    return index->size;
}

gsize
relais_index_bytes (const RelaisIndex *index)
{
    gsize bytes = sizeof *index;

    for (guint i = 0; i < RELAIS_TABLES; i++)
        bytes += index->tables[i].capacity * sizeof (RelaisIndexEntry);
    return bytes;
}

/* The entry of `id`, or the free one where it would stand. */
static RelaisIndexEntry *
probe (const Table *table, guint64 id)
{
    guint32 i = relais_table_home (id, table->capacity);

    while (table->entries[i].id != 0 && table->entries[i].id != id)
        i = relais_table_next (i, table->capacity);
    return &table->entries[i];
}

RelaisIndexEntry *
relais_index_find (RelaisIndex *index, guint64 id)
{
    const Table *table = table_of (index, id);
    RelaisIndexEntry *entry = table->entries != NULL ? probe (table, id) : NULL;

    return id != 0 && entry != NULL && entry->id == id ? entry : NULL;
}

static void
resize (Table *table, guint32 capacity)
{
    RelaisIndexEntry *old = table->entries;
    const guint32 n = table->capacity;

    if (capacity == n)
        return;
    table->capacity = capacity;
    table->entries = g_new0 (RelaisIndexEntry, table->capacity);
    for (guint32 i = 0; i < n; i++)
        if (old[i].id != 0)
            *probe (table, old[i].id) = old[i];
    g_free (old);
}

RelaisIndexEntry *
relais_index_insert (RelaisIndex *index, guint64 id)
{
    Table *table = table_of (index, id);
    RelaisIndexEntry *entry = relais_index_find (index, id);

    g_assert (id != 0);
    if (entry != NULL)
        return entry;
    resize (table, relais_table_grown (table->size, table->capacity));
    entry = probe (table, id);
    *entry = (RelaisIndexEntry){.id = id};
    table->size++;
    index->size++;
    return entry;
}

void
relais_index_remove (RelaisIndex *index, guint64 id)
{
    Table *table = table_of (index, id);
    RelaisIndexEntry *entry = relais_index_find (index, id);
    guint32 hole;

    if (entry == NULL)
        return;
    hole = (guint32)(entry - table->entries);
    for (guint32 i = relais_table_next (hole, table->capacity); table->entries[i].id != 0;
         i = relais_table_next (i, table->capacity))
        if (relais_table_may_move (table->entries[i].id, hole, i, table->capacity)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    table->entries[hole] = (RelaisIndexEntry){0};
    table->size--;
    index->size--;
    resize (table, relais_table_shrunk (table->size, table->capacity));
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

    for (guint t = 0; t < RELAIS_TABLES; t++) {
        const Table *table = &index->tables[t];

        for (guint32 i = 0; i < table->capacity; i++)
            if (table->entries[i].id != 0)
                g_array_append_val (ids, table->entries[i].id);
    }
    g_array_sort (ids, compare_ids);
    return ids;
}
