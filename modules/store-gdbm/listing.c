/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scans. GDBM keeps no order, so the first page of a scan walks through all keys once and lists, sorted,
 * those that are asked for: at most LISTING_KEYS, the smallest ones. The pages after it come from the
 * list, which follows what is put meanwhile; what a row holds is always looked up anew. One listing is
 * kept, for a few seconds. The owner's.
 */
#include "store-gdbm.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_US = 10 * G_USEC_PER_SEC };

struct SgListing {
    GBytes *prefix;
    GBytes *from;    /* it has keys behind this one; NULL: all */
    GPtrArray *keys; /* GBytes, ascending, each once */
    bool complete;   /* there are none behind its last one */
    gint64 used_us;
};

static GBytes *
bytes_of (const SgKey *key)
{
    return g_bytes_new (key->bytes, key->size);
}

static bool
has_prefix (const SgKey *key, GBytes *prefix)
{
    gsize size;
    gconstpointer start = g_bytes_get_data (prefix, &size);

    return key->size >= size && memcmp (key->bytes, start, size) == 0;
}

static int
compare (const SgKey *key, GBytes *with)
{
    gsize size;
    gconstpointer bytes = g_bytes_get_data (with, &size);
    int order = memcmp (key->bytes, bytes, MIN (key->size, size));

    return order != 0 ? order : (key->size > size) - (key->size < size);
}

static gint
compare_places (gconstpointer a, gconstpointer b)
{
    return g_bytes_compare (*(GBytes *const *)a, *(GBytes *const *)b);
}

/* The place of the first key that is behind `key`, or not before it. */
static guint
find_place (const SgListing *listing, const SgKey *key, bool behind)
{
    guint low = 0, high = listing->keys->len;

    while (low < high) {
        guint middle = (low + high) / 2;
        int order = compare (key, listing->keys->pdata[middle]);

        if (order > 0 || (order == 0 && behind))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
sg_listing_drop (SgStore *store)
{
    SgListing *listing = g_steal_pointer (&store->listing);

    if (listing == NULL)
        return;
    g_bytes_unref (listing->prefix);
    g_clear_pointer (&listing->from, g_bytes_unref);
    g_ptr_array_unref (listing->keys);
    g_free (listing);
}

gint64
sg_listing_due_us (const SgStore *store)
{
    return store->listing != NULL ? store->listing->used_us + KEEP_US : G_MAXINT64;
}

void
sg_listing_note (SgStore *store, const SgKey *key)
{
    SgListing *listing = store->listing;
    guint place;

    if (listing == NULL || !has_prefix (key, listing->prefix) ||
        (listing->from != NULL && compare (key, listing->from) <= 0))
        return;
    place = find_place (listing, key, false);
    if (place == listing->keys->len ? !listing->complete
                                    : compare (key, listing->keys->pdata[place]) == 0)
        return;
    if (listing->keys->len >= 2 * SG_LISTING_KEYS)
        sg_listing_drop (store);
    else
        g_ptr_array_insert (listing->keys, (gint)place, bytes_of (key));
}

/* --- Making one ------------------------------------------------------------------------------- */

/* Sorts what was gathered, each key once, and keeps the smallest ones. */
static void
settle (SgListing *listing)
{
    GPtrArray *keys = listing->keys;
    guint n = 0;

    g_ptr_array_sort (keys, compare_places);
    for (guint i = 0; i < keys->len; i++) {
        if (n > 0 && g_bytes_equal (keys->pdata[n - 1], keys->pdata[i])) {
            g_bytes_unref (g_steal_pointer (&keys->pdata[i]));
            continue;
        }
        if (i != n)
            keys->pdata[n] = g_steal_pointer (&keys->pdata[i]);
        n++;
    }
    /* What lies behind n are NULLs now, which the array must not free. */
    g_ptr_array_set_free_func (keys, NULL);
    g_ptr_array_set_size (keys, (gint)n);
    g_ptr_array_set_free_func (keys, (GDestroyNotify)g_bytes_unref);
    if (n > SG_LISTING_KEYS) {
        g_ptr_array_set_size (keys, SG_LISTING_KEYS);
        listing->complete = false;
    }
}

static void
gather (SgListing *listing, const SgKey *key)
{
    GPtrArray *keys = listing->keys;

    if (!has_prefix (key, listing->prefix) ||
        (listing->from != NULL && compare (key, listing->from) <= 0))
        return;
    if (!listing->complete && compare (key, keys->pdata[SG_LISTING_KEYS - 1]) > 0)
        return;
    g_ptr_array_add (keys, bytes_of (key));
    if (keys->len >= 2 * SG_LISTING_KEYS)
        settle (listing);
}

static void
gather_overlay (SgListing *listing, const SgOverlay *overlay)
{
    GHashTableIter iter;
    gpointer next;

    if (overlay == NULL)
        return;
    g_hash_table_iter_init (&iter, overlay->entries);
    while (g_hash_table_iter_next (&iter, &next, NULL))
        if (((const SgEntry *)next)->value != NULL)
            gather (listing, &((const SgEntry *)next)->key);
}

static bool
gather_index (SgListing *listing, SgIndex *index)
{
    guint8 *key = NULL, *next = NULL;
    gsize size = 0;
    SgAnswer answer;

    while ((answer = sg_index_next (index, key, size, &next, &size)) == SG_FOUND) {
        gather (listing, &(SgKey){next, size});
        free (key);
        key = next;
    }
    free (key);
    return answer == SG_ABSENT;
}

/* False: the index cannot be read. */
static bool
make (SgStore *store, GBytes *prefix, GBytes *from)
{
    SgListing *listing;

    sg_listing_drop (store);
    listing = g_new0 (SgListing, 1);
    *listing = (SgListing){.prefix = g_bytes_ref (prefix),
                           .from = from != NULL ? g_bytes_ref (from) : NULL,
                           .keys = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref),
                           .complete = true};
    store->listing = listing;
    if (!gather_index (listing, store->index)) {
        sg_listing_drop (store);
        return false;
    }
    gather_overlay (listing, store->settled);
    gather_overlay (listing, store->syncing);
    gather_overlay (listing, store->next);
    settle (listing);
    return true;
}

/* Whether the listing is of this prefix and has what lies behind `after`. */
static bool
serves (const SgListing *listing, GBytes *prefix, GBytes *after)
{
    return listing != NULL && g_bytes_equal (listing->prefix, prefix) &&
           (listing->from == NULL ||
            (after != NULL && g_bytes_compare (after, listing->from) >= 0));
}

/* --- A page ----------------------------------------------------------------------------------- */

typedef struct {
    RelaisStoreRequest *request;
    GBytes *prefix, *after; /* `after` moves on */
    guint32 rows;
    gsize bytes;
    bool full;
    SgOverlay *wait; /* the last overlay that a row waits for */
} Page;

static void
add_row (Page *page, const SgKey *key, const SgFound *found)
{
    if (page->rows == relais_store_request_get_limit (page->request) ||
        (page->rows > 0 && page->bytes + found->value_size > SG_PAGE_BYTES)) {
        page->full = true;
        return;
    }
    relais_store_request_add_row (page->request, key->bytes, key->size, found->value,
                                  found->value_size);
    page->rows++;
    page->bytes += found->value_size;
}

static SgAnswer
take_key (SgStore *store, Page *page, GBytes *bytes)
{
    SgFound found;
    SgAnswer answer;
    SgKey key;

    key.bytes = g_bytes_get_data (bytes, &key.size);
    answer = sg_lookup (store, &key, &found);
    if (answer == SG_FOUND)
        add_row (page, &key, &found);
    /* The sync of `next` comes last. */
    if (found.wait != NULL && page->wait != store->next)
        page->wait = found.wait;
    sg_found_clear (&found);
    return answer;
}

static void
move_on (Page *page, GBytes *last)
{
    if (page->after != NULL && g_bytes_compare (last, page->after) <= 0)
        return;
    g_clear_pointer (&page->after, g_bytes_unref);
    page->after = g_bytes_ref (last);
}

/* Takes rows from the listing until the page is full or the listing's end. False: not readable. */
static bool
take_keys (SgStore *store, Page *page)
{
    const SgListing *listing = store->listing;
    SgKey after = {0};
    guint place = 0;

    if (page->after != NULL) {
        after.bytes = g_bytes_get_data (page->after, &after.size);
        place = find_place (listing, &after, true);
    }
    for (; place < listing->keys->len && !page->full; place++)
        if (take_key (store, page, listing->keys->pdata[place]) == SG_ERROR_ANSWER)
            return false;
    if (listing->keys->len > 0)
        move_on (page, listing->keys->pdata[listing->keys->len - 1]);
    return true;
}

static bool
fill (SgStore *store, Page *page)
{
    for (;;) {
        if (!serves (store->listing, page->prefix, page->after) &&
            !make (store, page->prefix, page->after))
            return false;
        store->listing->used_us = g_get_monotonic_time ();
        if (!take_keys (store, page))
            return false;
        if (page->full || store->listing->complete)
            return true;
        sg_listing_drop (store); /* the next one begins behind its last key */
    }
}

void
sg_scan (SgStore *store, RelaisStoreRequest *request)
{
    gsize size, after_size;
    gconstpointer prefix = relais_store_request_get_key (request, &size);
    gconstpointer after = relais_store_request_get_after (request, &after_size);
    Page page = {.request = request,
                 .prefix = g_bytes_new (prefix, size),
                 .after = after != NULL ? g_bytes_new (after, after_size) : NULL};

    if (!fill (store, &page)) {
        sg_fail_unreadable (store, request);
    } else {
        relais_store_request_set_more (request, page.full);
        sg_conclude (request, page.rows > 0 ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT, page.wait);
    }
    g_bytes_unref (page.prefix);
    g_clear_pointer (&page.after, g_bytes_unref);
}
