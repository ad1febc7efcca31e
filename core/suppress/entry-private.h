/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of one address, of one class, at one place (everywhere, in a tenant's mail, in one campaign of a
 * tenant): one block of memory that is never changed once made. And the table of all of them.
 *
 * The table grows a few buckets an insertion, so that none of them takes long; it is seeded, so that nobody can
 * choose addresses that fall together. Loop thread.
 */
#pragma once

#include "suppress/line-private.h"

typedef struct RelaisEntry RelaisEntry;
struct RelaisEntry {
    RelaisEntry *next; /* the table's */
    gint64 first_us, last_us;
    gint64 expires_us;                                  /* 0: never */
    guint32 hash;                                       /* of the address */
    guint32 count;                                      /* of evidence */
    guint16 tenant_at, campaign_at, reason_at, text_at; /* counted from `marks` */
    guint8 suppress_class;
    guint8 n_marks;
    bool holds;                 /* holds mail back; else there is not enough evidence yet */
    RelaisSuppressMark marks[]; /* then, packed, the strings: the address first */
};

/* A copy of what the line says. */
RelaisEntry *relais_entry_new (const RelaisJournalLine *line);
void relais_entry_free (RelaisEntry *entry);
/* The other way round: a PUT that borrows from the entry. */
void relais_entry_to_line (const RelaisEntry *entry, RelaisJournalLine *line);
const char *relais_entry_address (const RelaisEntry *entry);
/* "" for none. */
const char *relais_entry_tenant (const RelaisEntry *entry);
const char *relais_entry_campaign (const RelaisEntry *entry);
const char *relais_entry_reason (const RelaisEntry *entry);
const char *relais_entry_text (const RelaisEntry *entry);
gboolean relais_entry_has_expired (const RelaisEntry *entry, gint64 now_us);

/* --- The table. */
typedef struct {
    RelaisEntry **buckets, **old; /* `old` is emptied into `buckets`; NULL: it is done */
    gsize n_buckets, n_old, moved;
    gsize n_entries, n_addresses, n_holding;
    guint walks;   /* under way: nothing is moved meanwhile */
    guint64 steps; /* buckets and entries looked at so far, for tests */
    guint64 key[2];
} RelaisEntryTable;

/* With room for as many without growing. */
void relais_entry_table_init (RelaisEntryTable *table, guint64 expected);
void relais_entry_table_clear (RelaisEntryTable *table);
/* The entries of an address, one after the other, in no order; `last` is NULL for the first. */
RelaisEntry *
relais_entry_table_next (RelaisEntryTable *table, const char *address, const RelaisEntry *last);
/* The one of a key, or NULL. */
RelaisEntry *
relais_entry_table_find (RelaisEntryTable *table, RelaisSuppressClass suppress_class,
                         const char *address, const char *tenant, const char *campaign);
/* Puts `fresh` (NULL: nothing) where `old` (NULL: nothing) stands; both have the same key. `fresh` becomes the table's,
 * `old` the caller's. */
void relais_entry_table_swap (RelaisEntryTable *table, RelaisEntry *old, RelaisEntry *fresh);

/* A walk in pieces over all that is there from its beginning to its end; what comes meanwhile may be met or not.
 * Zeroed. `func` may swap the entry it is handed for NULL. */
typedef struct {
    bool began, ended;
    gsize at;
} RelaisEntryWalk;
typedef void (*RelaisEntryFunc) (gpointer data, RelaisEntry *entry);
/* Looks at that many buckets. False once the walk has ended. */
bool relais_entry_table_walk (RelaisEntryTable *table, RelaisEntryWalk *walk, gsize n_buckets,
                              RelaisEntryFunc func, gpointer data);
/* Before its end, or after. */
void relais_entry_table_end_walk (RelaisEntryTable *table, RelaisEntryWalk *walk);
