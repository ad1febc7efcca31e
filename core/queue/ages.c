/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How old the queue is: `relaisctl queue ages`, and the oldest of all for `status`. Ages stand in no
 * order anywhere, so every record is looked at, in slices, between which the queue goes on; what comes
 * or goes meanwhile may be seen or not. Loop thread only.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/destination-private.h"

#include <glib/gi18n-lib.h>

enum { SLOTS_PER_TURN = 4000, N_BANDS = 4 };

/* Deliveries younger than this, by band; the last holds the rest. */
static const gint64 bands_us[N_BANDS - 1] = {RELAIS_USEC_PER_MIN, 60 * RELAIS_USEC_PER_MIN,
                                             RELAIS_USEC_PER_DAY};
static const char *const band_names[N_BANDS] = {"under_1m", "under_1h", "under_1d", "older"};

typedef struct {
    char *site;
    RelaisClass klass;
    guint64 n, due, held, band[N_BANDS];
    gint64 oldest_us;
} Row;

typedef struct Walk Walk;
struct Walk {
    RelaisQueue *queue;
    guint32 next; /* slot */
    void (*look) (Walk *walk, const RelaisSlot *slot, gint64 age_us);
    void (*end) (Walk *walk);

    gint64 oldest_us; /* find_oldest */
    RelaisQueueOldest done;
    gpointer data;

    RelaisCommandCall *call; /* queue ages */
    GHashTable *rows;        /* "class site" -> Row */
    GHashTable *of_flow;     /* RelaisFlow -> Row; of one turn, for flows may go */
};

/* Up to the end of the slice or of the queue. */
static void
walk_on (gpointer data)
{
    Walk *walk = data;
    RelaisQueue *queue = walk->queue;
    const gint64 now = relais_loop_now_us (queue->loop);

    for (guint i = 0; i < SLOTS_PER_TURN; i++) {
        const RelaisSlot *slot;

        if (queue->closed || walk->next >= queue->records.slots.top) {
            walk->end (walk);
            relais_queue_unref (queue);
            g_free (walk);
            return;
        }
        slot = relais_slot_at (&queue->records, walk->next++);
        if (slot->used)
            walk->look (walk, slot, MAX (now - slot->born_us, 0));
    }
    if (walk->of_flow != NULL)
        g_hash_table_remove_all (walk->of_flow);
    relais_loop_post (queue->loop, walk_on, walk);
}

static void
walk (RelaisQueue *queue, const Walk *how)
{
    Walk *walk = g_memdup2 (how, sizeof *how);

    walk->queue = relais_queue_ref (queue);
    walk->next = 1;
    relais_loop_post (queue->loop, walk_on, walk);
}

/* --- The oldest ------------------------------------------------------------------------------- */

static void
look_for_oldest (Walk *walk, const RelaisSlot *slot, gint64 age_us)
{
    walk->oldest_us = MAX (walk->oldest_us, age_us);
}

static void
tell_oldest (Walk *walk)
{
    walk->done (walk->data, walk->oldest_us);
}

void
relais_queue_find_oldest (RelaisQueue *queue, RelaisQueueOldest done, gpointer data)
{
    walk (queue, &(Walk){.look = look_for_oldest, .end = tell_oldest, .done = done, .data = data});
}

/* --- By site and class ------------------------------------------------------------------------ */

static void
row_free (gpointer data)
{
    Row *row = data;

    g_free (row->site);
    g_free (row);
}

/* The site of a flow's route; while there is none, the destination stands for itself. */
static Row *
row_of (Walk *walk, RelaisFlow *flow)
{
    const RelaisDestination *destination = flow->destination;
    const char *site = destination->route != NULL ? destination->route->site : destination->name;
    Row *row = g_hash_table_lookup (walk->of_flow, flow);
    char *key;

    if (row != NULL)
        return row;
    key = g_strdup_printf ("%d %s", (int)flow->key.klass, site);
    row = g_hash_table_lookup (walk->rows, key);
    if (row == NULL) {
        row = g_new0 (Row, 1);
        row->site = g_strdup (site);
        row->klass = flow->key.klass;
        g_hash_table_insert (walk->rows, g_steal_pointer (&key), row);
    }
    g_free (key);
    g_hash_table_insert (walk->of_flow, flow, row);
    return row;
}

static void
count_slot (Walk *walk, const RelaisSlot *slot, gint64 age_us)
{
    const RelaisRecords *records = &walk->queue->records;
    guint band = 0;

    while (band < N_BANDS - 1 && age_us >= bands_us[band])
        band++;
    for (guint32 number = slot->first; number != 0;
         number = relais_delivery_at (records, number)->after) {
        const RelaisDelivery *delivery = relais_delivery_at (records, number);
        Row *row = row_of (walk, relais_queue_flow_at (walk->queue, delivery->flow));

        row->n++;
        row->due += delivery->place == RELAIS_PLACE_DUE;
        row->held += delivery->place == RELAIS_PLACE_HELD;
        row->band[band]++;
        row->oldest_us = MAX (row->oldest_us, age_us);
    }
}

/* Most deliveries first. */
static int
compare_rows (gconstpointer a, gconstpointer b)
{
    const Row *left = *(Row *const *)a;
    const Row *right = *(Row *const *)b;

    return left->n != right->n ? (left->n < right->n ? 1 : -1)
                               : g_strcmp0 (left->site, right->site);
}

static void
put_row (RelaisCommandCall *call, const Row *row)
{
    relais_command_put (call, "site", row->site);
    relais_command_put (call, "class", row->klass == RELAIS_CLASS_BULK ? "bulk" : "transactional");
    relais_command_put_int (call, "deliveries", (gint64)row->n);
    relais_command_put_int (call, "due", (gint64)row->due);
    relais_command_put_int (call, "held", (gint64)row->held);
    relais_command_put_int (call, "oldest_s", row->oldest_us / RELAIS_USEC_PER_SEC);
    for (guint i = 0; i < N_BANDS; i++)
        relais_command_put_int (call, band_names[i], (gint64)row->band[i]);
    relais_command_end_row (call);
}

static void
tell_ages (Walk *walk)
{
    g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer row;

    g_hash_table_iter_init (&iter, walk->rows);
    while (g_hash_table_iter_next (&iter, NULL, &row))
        g_ptr_array_add (sorted, row);
    g_ptr_array_sort (sorted, compare_rows);
    for (guint i = 0; i < sorted->len; i++)
        put_row (walk->call, sorted->pdata[i]);
    if (walk->queue->closed)
        relais_command_fail (walk->call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
    else
        relais_command_finish (walk->call);
    g_hash_table_unref (walk->of_flow);
    g_hash_table_unref (walk->rows);
}

void
relais_queue_command_ages (RelaisCommandCall *call, gpointer queue)
{
    walk (queue, &(Walk){.look = count_slot,
                         .end = tell_ages,
                         .call = call,
                         .rows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, row_free),
                         .of_flow = g_hash_table_new (NULL, NULL)});
}
