/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of entries: chains in buckets, by SipHash-2-4 of the address, so that all entries of an address stand in one
 * chain. Twice as many buckets are taken once there are as many entries, and each insertion then moves
 * MOVES of the old buckets; no insertion costs more than that.
 */
#include "config.h"

#include "suppress/entry-private.h"

#include <string.h>
#include <sys/random.h>

enum { FIRST_BUCKETS = 1024, MOVES = 4 };

/* --- The hash --------------------------------------------------------------------------------- */

static inline guint64
rotate (guint64 x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void
sip_round (guint64 v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate (v[1], 13) ^ v[0];
    v[3] = rotate (v[3], 16) ^ v[2];
    v[0] = rotate (v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate (v[1], 17) ^ v[2];
    v[3] = rotate (v[3], 21) ^ v[0];
    v[2] = rotate (v[2], 32);
}

static guint32
hash_of (const RelaisEntryTable *table, const char *text)
{
    const gsize size = strlen (text);
    guint64 v[4] = {table->key[0] ^ 0x736f6d6570736575u, table->key[1] ^ 0x646f72616e646f6du,
                    table->key[0] ^ 0x6c7967656e657261u, table->key[1] ^ 0x7465646279746573u};

    for (gsize at = 0; at <= size; at += sizeof (guint64)) {
        guint64 word = 0;

        memcpy (&word, text + at, MIN (size - at, sizeof word));
        if (size - at < sizeof word)
            word |= (guint64)size << 56;
        v[3] ^= word;
        sip_round (v);
        sip_round (v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round (v);
    return (guint32)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* --- Buckets ---------------------------------------------------------------------------------- */

void
relais_entry_table_init (RelaisEntryTable *table, guint64 expected)
{
    gsize n = FIRST_BUCKETS;

    while (n < expected && n <= G_MAXUINT32 / 2)
        n *= 2;
    *table = (RelaisEntryTable){.buckets = g_new0 (RelaisEntry *, n), .n_buckets = n};
    while (getrandom (table->key, sizeof table->key, 0) != sizeof table->key)
        continue;
}

static void
free_chain (RelaisEntry *entry)
{
    while (entry != NULL) {
        RelaisEntry *next = entry->next;

        relais_entry_free (entry);
        entry = next;
    }
}

void
relais_entry_table_clear (RelaisEntryTable *table)
{
    for (gsize i = 0; i < table->n_buckets; i++)
        free_chain (table->buckets[i]);
    for (gsize i = table->moved; i < table->n_old; i++)
        free_chain (table->old[i]);
    g_clear_pointer (&table->buckets, g_free);
    g_clear_pointer (&table->old, g_free);
    *table = (RelaisEntryTable){0};
}

/* Where the chain of a hash begins: in the old buckets until it was moved. */
static RelaisEntry **
bucket_of (RelaisEntryTable *table, guint32 hash)
{
    table->steps++;
    if (table->old != NULL && (hash & (table->n_old - 1)) >= table->moved)
        return &table->old[hash & (table->n_old - 1)];
    return &table->buckets[hash & (table->n_buckets - 1)];
}

static void
move_bucket (RelaisEntryTable *table)
{
    RelaisEntry *entry = table->old[table->moved];

    table->moved++;
    table->steps++;
    while (entry != NULL) {
        RelaisEntry *next = entry->next;
        RelaisEntry **bucket = &table->buckets[entry->hash & (table->n_buckets - 1)];

        entry->next = *bucket;
        *bucket = entry;
        entry = next;
        table->steps++;
    }
    if (table->moved < table->n_old)
        return;
    g_clear_pointer (&table->old, g_free);
    table->n_old = table->moved = 0;
}

static void
grow (RelaisEntryTable *table)
{
    if (table->walks > 0)
        return;
    if (table->old == NULL && table->n_entries > table->n_buckets &&
        table->n_buckets <= G_MAXUINT32 / 2) {
        table->old = table->buckets;
        table->n_old = table->n_buckets;
        table->n_buckets *= 2;
        table->buckets = g_new0 (RelaisEntry *, table->n_buckets);
    }
    for (int i = 0; i < MOVES && table->old != NULL; i++)
        move_bucket (table);
}

/* --- Entries ---------------------------------------------------------------------------------- */

static RelaisEntry *
find_address (RelaisEntryTable *table, RelaisEntry *entry, const char *address, guint32 hash)
{
    for (; entry != NULL; entry = entry->next) {
        table->steps++;
        if (entry->hash == hash && strcmp (relais_entry_address (entry), address) == 0)
            return entry;
    }
    return NULL;
}

RelaisEntry *
relais_entry_table_next (RelaisEntryTable *table, const char *address, const RelaisEntry *last)
{
    const guint32 hash = last != NULL ? last->hash : hash_of (table, address);

    return find_address (table, last != NULL ? last->next : *bucket_of (table, hash), address,
                         hash);
}

RelaisEntry *
relais_entry_table_find (RelaisEntryTable *table, RelaisSuppressClass suppress_class,
                         const char *address, const char *tenant, const char *campaign)
{
    RelaisEntry *entry = NULL;

    while ((entry = relais_entry_table_next (table, address, entry)) != NULL)
        if (entry->suppress_class == suppress_class &&
            strcmp (relais_entry_tenant (entry), tenant) == 0 &&
            strcmp (relais_entry_campaign (entry), campaign) == 0)
            return entry;
    return NULL;
}

static void
insert (RelaisEntryTable *table, RelaisEntry *entry)
{
    RelaisEntry **bucket;

    entry->hash = hash_of (table, relais_entry_address (entry));
    bucket = bucket_of (table, entry->hash);
    if (find_address (table, *bucket, relais_entry_address (entry), entry->hash) == NULL)
        table->n_addresses++;
    entry->next = *bucket;
    *bucket = entry;
    table->n_entries++;
    table->n_holding += entry->holds;
    grow (table);
}

static void
take_out (RelaisEntryTable *table, RelaisEntry *entry)
{
    RelaisEntry **bucket = bucket_of (table, entry->hash), **link = bucket;

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    if (find_address (table, *bucket, relais_entry_address (entry), entry->hash) == NULL)
        table->n_addresses--;
    table->n_entries--;
    table->n_holding -= entry->holds;
}

void
relais_entry_table_swap (RelaisEntryTable *table, RelaisEntry *old, RelaisEntry *fresh)
{
    if (old != NULL)
        take_out (table, old);
    if (fresh != NULL)
        insert (table, fresh);
}

/* --- Walks ------------------------------------------------------------------------------------ */

/* The old buckets first, then the others. */
static RelaisEntry *
nth_chain (const RelaisEntryTable *table, gsize n)
{
    return n < table->n_old ? (n < table->moved ? NULL : table->old[n])
                            : table->buckets[n - table->n_old];
}

bool
relais_entry_table_walk (RelaisEntryTable *table, RelaisEntryWalk *walk, gsize n_buckets,
                         RelaisEntryFunc func, gpointer data)
{
    if (!walk->began) {
        walk->began = true;
        table->walks++;
    }
    for (; n_buckets > 0 && walk->at < table->n_old + table->n_buckets; n_buckets--) {
        RelaisEntry *entry = nth_chain (table, walk->at++);

        while (entry != NULL) {
            RelaisEntry *next = entry->next;

            func (data, entry);
            entry = next;
        }
    }
    if (walk->at < table->n_old + table->n_buckets)
        return true;
    relais_entry_table_end_walk (table, walk);
    return false;
}

void
relais_entry_table_end_walk (RelaisEntryTable *table, RelaisEntryWalk *walk)
{
    if (walk->began && !walk->ended)
        table->walks--;
    walk->ended = true;
}
