/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of what came in the last minute (repeats.h). Minutes are as long as each other, so the entries stand in
 * the order in which they end. Pure; one thread.
 */
#include "repeats.h"

typedef struct {
    char *key;
    gint64 until_us;
    guint n;      /* told one by one */
    guint64 more; /* held back */
    gpointer last;
    GList link;
} Kind;

struct TrackingRepeats {
    TrackingRepeatsFunc tell;
    GDestroyNotify free_hit;
    GHashTable *kinds; /* by key */
    GQueue order;      /* Kind, by until_us */
};

TrackingRepeats *
tracking_repeats_new (TrackingRepeatsFunc tell, GDestroyNotify free_hit)
{
    TrackingRepeats *repeats = g_new0 (TrackingRepeats, 1);

    repeats->tell = tell;
    repeats->free_hit = free_hit;
    repeats->kinds = g_hash_table_new (g_str_hash, g_str_equal);
    g_queue_init (&repeats->order);
    return repeats;
}

static void
end_first (TrackingRepeats *repeats)
{
    Kind *kind = repeats->order.head->data;

    g_queue_unlink (&repeats->order, &kind->link);
    g_hash_table_remove (repeats->kinds, kind->key);
    if (kind->more > 0)
        repeats->tell (kind->last, kind->more);
    g_free (kind->key);
    g_free (kind);
}

static Kind *
add_kind (TrackingRepeats *repeats, char *key, gint64 now_us)
{
    Kind *kind = g_new0 (Kind, 1);

    if (repeats->order.length >= TRACKING_REPEATS_KINDS)
        end_first (repeats);
    kind->key = key;
    kind->until_us = now_us + TRACKING_REPEATS_SECONDS * (gint64)G_USEC_PER_SEC;
    kind->link.data = kind;
    g_hash_table_insert (repeats->kinds, kind->key, kind);
    g_queue_push_tail_link (&repeats->order, &kind->link);
    return kind;
}

bool
tracking_repeats_pass (TrackingRepeats *repeats, char *key, gint64 now_us, guint most, gpointer hit)
{
    Kind *kind;

    tracking_repeats_end (repeats, now_us);
    kind = g_hash_table_lookup (repeats->kinds, key);
    if (kind == NULL)
        kind = add_kind (repeats, key, now_us);
    else
        g_free (key);
    if (kind->n < most) {
        kind->n++;
        return true;
    }
    if (kind->last != NULL)
        repeats->free_hit (kind->last);
    kind->last = hit;
    kind->more++;
    return false;
}

void
tracking_repeats_end (TrackingRepeats *repeats, gint64 now_us)
{
    while (tracking_repeats_next_us (repeats) <= now_us)
        end_first (repeats);
}

gint64
tracking_repeats_next_us (const TrackingRepeats *repeats)
{
    const Kind *first = repeats->order.head != NULL ? repeats->order.head->data : NULL;

    return first != NULL ? first->until_us : G_MAXINT64;
}

void
tracking_repeats_free (TrackingRepeats *repeats)
{
    if (repeats == NULL)
        return;
    while (repeats->order.head != NULL)
        end_first (repeats);
    g_hash_table_unref (repeats->kinds);
    g_free (repeats);
}
