/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of living messages: many small tables, chosen by the id, each with linear probing and
 * removal by moving the followers back, so that there are no tombstones and a lookup stays short.
 * A table grows by a quarter when it is 7/8 full. So a million messages cost 31 octets each, and no
 * insertion ever moves more than a few thousand entries, however many there are: it is done under a
 * lock that the loop waits for.
 */
#include "config.h"

#include "spool/index.h"

enum { N_TABLES_LOG2 = 8, N_TABLES = 1 << N_TABLES_LOG2, FIRST_CAPACITY = 16 };

typedef struct {
    RelaisIndexEntry *entries; /* NULL: none yet */
    guint32 size, capacity;
} Table;

struct RelaisIndex {
    Table tables[N_TABLES];
    guint64 size;
};

G_STATIC_ASSERT (sizeof (RelaisIndexEntry) == 24);

/* Ids count up, so neighbours spread by the golden ratio: over the tables by the upper bits, in one by
 * those below. */
static guint64
spread (guint64 id)
{
    return id * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15);
}

static Table *
table_of (const RelaisIndex *index, guint64 id)
{
    return (Table *)&index->tables[spread (id) >> (64 - N_TABLES_LOG2)];
}

static guint32
home (const Table *table, guint64 id)
{
    const guint64 fraction = (guint32)(spread (id) >> (32 - N_TABLES_LOG2));

    return (guint32)(fraction * table->capacity >> 32);
}

static guint32
next (const Table *table, guint32 i)
{
    return i + 1 < table->capacity ? i + 1 : 0;
}

/* Steps from one place to another, around the end. */
static guint32
distance (const Table *table, guint32 from, guint32 to)
{
    return to >= from ? to - from : to + table->capacity - from;
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
    for (guint i = 0; i < N_TABLES; i++)
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

    for (guint i = 0; i < N_TABLES; i++)
        bytes += index->tables[i].capacity * sizeof (RelaisIndexEntry);
    return bytes;
}

/* The entry of `id`, or the free one where it would stand. */
static RelaisIndexEntry *
probe (const Table *table, guint64 id)
{
    guint32 i = home (table, id);

    while (table->entries[i].id != 0 && table->entries[i].id != id)
        i = next (table, i);
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

    table->capacity = MAX (capacity, FIRST_CAPACITY);
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
    if (table->size + 1 > table->capacity / 8 * 7)
        resize (table, table->capacity / 4 * 5);
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
    for (guint32 i = next (table, hole); table->entries[i].id != 0; i = next (table, i)) {
        /* An entry may move into the hole unless its home lies between the hole and itself. */
        if (distance (table, home (table, table->entries[i].id), i) >= distance (table, hole, i)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    }
    table->entries[hole] = (RelaisIndexEntry){0};
    table->size--;
    index->size--;
    if (table->capacity > FIRST_CAPACITY && table->size < table->capacity / 4)
        resize (table, table->capacity / 2);
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

    for (guint t = 0; t < N_TABLES; t++) {
        const Table *table = &index->tables[t];

        for (guint32 i = 0; i < table->capacity; i++)
            if (table->entries[i].id != 0)
                g_array_append_val (ids, table->entries[i].id);
    }
    g_array_sort (ids, compare_ids);
    return ids;
}
