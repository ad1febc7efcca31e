/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How old the queue is: `relaisctl queue ages`, and the oldest of all for `status`. Ages stand in no
 * order anywhere, so every record is looked at, in slices, between which the queue goes on; what comes
 * or goes meanwhile may be seen or not. Loop thread only, but for the sorting of rows, which is a
 * worker's: there may be as many as there are destinations.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/destination-private.h"
#include "queue/quarantine-private.h"

#include <glib/gi18n-lib.h>

enum { SLOTS_PER_TURN = 4000, ROWS_PER_TURN = 500, N_BANDS = 4 };

/* --- The walk --------------------------------------------------------------------------------- */

typedef struct {
    RelaisQueue *queue;
    guint32 next; /* slot */
    void (*look) (gpointer data, const RelaisMessageSlot *slot, gint64 age_us);
    bool (*end_turn) (gpointer data); /* false: enough. NULL: go on */
    void (*end) (gpointer data);
    gpointer data;
} Walk;

static void
end_walk (Walk *walk)
{
    walk->end (walk->data);
    relais_queue_unref (walk->queue);
    g_free (walk);
}

/* Up to the end of the slice or of the queue. */
static void
walk_on (gpointer data)
{
    Walk *walk = data;
    RelaisQueue *queue = walk->queue;
    const gint64 now = relais_loop_now_us (queue->loop);

    for (guint i = 0; i < SLOTS_PER_TURN; i++) {
        const RelaisMessageSlot *slot;

        if (queue->closed || walk->next >= queue->records.slots.top) {
            end_walk (walk);
            return;
        }
        slot = relais_slot_at (&queue->records, walk->next++);
        if (slot->used)
            walk->look (walk->data, slot, MAX (now - slot->born_us, 0));
    }
    if (walk->end_turn == NULL || walk->end_turn (walk->data))
        relais_loop_post (queue->loop, walk_on, walk);
    else
        end_walk (walk);
}

static void
start_walk (RelaisQueue *queue, const Walk *how)
{
    Walk *walk = g_memdup2 (how, sizeof *how);

    walk->queue = relais_queue_ref (queue);
    walk->next = 1;
    relais_loop_post (queue->loop, walk_on, walk);
}

/* --- The oldest ------------------------------------------------------------------------------- */

typedef struct {
    const RelaisQueue *queue;
    gint64 age_us, quarantined_us;
    RelaisQueueOldest done;
    gpointer data;
} Oldest;

static void
look_for_oldest (gpointer data, const RelaisMessageSlot *slot, gint64 age_us)
{
    Oldest *oldest = data;

    oldest->age_us = MAX (oldest->age_us, age_us);
    oldest->quarantined_us =
        MAX (oldest->quarantined_us, relais_quarantine_age_us (oldest->queue, slot));
}

static void
tell_oldest (gpointer data)
{
    Oldest *oldest = data;

    oldest->done (oldest->data, oldest->age_us, oldest->quarantined_us);
    g_free (oldest);
}

void
relais_queue_find_oldest (RelaisQueue *queue, RelaisQueueOldest done, gpointer data)
{
    Oldest *oldest = g_new (Oldest, 1);

    *oldest = (Oldest){.queue = queue, .done = done, .data = data};
    start_walk (queue, &(Walk){.look = look_for_oldest, .end = tell_oldest, .data = oldest});
}

/* --- By site and class ------------------------------------------------------------------------ */

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

typedef struct {
    RelaisQueue *queue;
    RelaisCommandCall *call;
    GHashTable *rows;    /* "class site" -> Row */
    GHashTable *of_flow; /* RelaisFlow -> Row; of one turn, for flows may go */
    GPtrArray *sorted;   /* Row, most deliveries first */
    guint next;          /* of them, to be told */
} Ages;

static void
row_free (gpointer data)
{
    Row *row = data;

    g_free (row->site);
    g_free (row);
}

/* The site of a flow's route; while there is none, the destination stands for itself. */
static Row *
row_of (Ages *ages, RelaisFlow *flow)
{
    const RelaisDestination *destination = flow->destination;
    const char *site = destination->route != NULL ? destination->route->site : destination->name;
    Row *row = g_hash_table_lookup (ages->of_flow, flow);
    g_autofree char *key = NULL;

    if (row != NULL)
        return row;
    key = g_strdup_printf ("%d %s", (int)flow->key.klass, site);
    row = g_hash_table_lookup (ages->rows, key);
    if (row == NULL) {
        row = g_new0 (Row, 1);
        row->site = g_strdup (site);
        row->klass = flow->key.klass;
        g_hash_table_insert (ages->rows, g_steal_pointer (&key), row);
        g_ptr_array_add (ages->sorted, row);
    }
    g_hash_table_insert (ages->of_flow, flow, row);
    return row;
}

static void
count_slot (gpointer data, const RelaisMessageSlot *slot, gint64 age_us)
{
    Ages *ages = data;
    const RelaisRecords *records = &ages->queue->records;
    guint band = 0;

    while (band < N_BANDS - 1 && age_us >= bands_us[band])
        band++;
    for (guint32 number = slot->first; number != 0;
         number = relais_delivery_at (records, number)->after) {
        const RelaisDelivery *delivery = relais_delivery_at (records, number);
        Row *row = row_of (ages, relais_queue_flow_at (ages->queue, delivery->flow));

        row->n++;
        row->due += delivery->place == RELAIS_PLACE_DUE;
        row->held += delivery->place == RELAIS_PLACE_HELD;
        row->band[band]++;
        row->oldest_us = MAX (row->oldest_us, age_us);
    }
}

static bool
end_counting_turn (gpointer data)
{
    Ages *ages = data;

    g_hash_table_remove_all (ages->of_flow);
    return !relais_command_is_abandoned (ages->call);
}

static int
compare_rows (gconstpointer a, gconstpointer b)
{
    const Row *left = *(Row *const *)a;
    const Row *right = *(Row *const *)b;

    return left->n != right->n ? (left->n < right->n ? 1 : -1)
                               : g_strcmp0 (left->site, right->site);
}

static void
sort_rows (gpointer data)
{
    g_ptr_array_sort (((Ages *)data)->sorted, compare_rows);
}

static void
put_row (RelaisCommandCall *call, const Row *row)
{
    relais_command_put (call, "site", row->site);
    relais_command_put (call, "class", relais_class_to_string (row->klass));
    relais_command_put_int (call, "deliveries", (gint64)row->n);
    relais_command_put_int (call, "due", (gint64)row->due);
    relais_command_put_int (call, "held", (gint64)row->held);
    relais_command_put_int (call, "oldest_s", row->oldest_us / RELAIS_USEC_PER_SEC);
    for (guint i = 0; i < N_BANDS; i++)
        relais_command_put_int (call, band_names[i], (gint64)row->band[i]);
    relais_command_end_row (call);
}

static void
end_ages (Ages *ages)
{
    if (ages->queue->closed)
        relais_command_fail (ages->call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
    else
        relais_command_finish (ages->call);
    relais_queue_unref (ages->queue);
    g_ptr_array_unref (ages->sorted);
    g_hash_table_unref (ages->of_flow);
    g_hash_table_unref (ages->rows);
    g_free (ages);
}

static void put_rows (gpointer data);

static void
on_drained (RelaisCommandCall *call, gpointer data)
{
    put_rows (data);
}

/* As many as the client takes, and a turn has time for. */
static void
put_rows (gpointer data)
{
    Ages *ages = data;

    for (guint i = 0; i < ROWS_PER_TURN; i++) {
        if (ages->next == ages->sorted->len || ages->queue->closed ||
            relais_command_is_abandoned (ages->call)) {
            end_ages (ages);
            return;
        }
        if (relais_command_is_full (ages->call)) {
            relais_command_when_drained (ages->call, on_drained, ages);
            return;
        }
        put_row (ages->call, g_ptr_array_index (ages->sorted, ages->next++));
    }
    relais_loop_post (ages->queue->loop, put_rows, ages);
}

static void
end_counting (gpointer data)
{
    Ages *ages = data;

    if (ages->queue->closed)
        end_ages (ages);
    else
        relais_queue_run_job (ages->queue, sort_rows, put_rows, ages);
}

void
relais_queue_command_ages (RelaisCommandCall *call, gpointer data)
{
    RelaisQueue *queue = data;
    Ages *ages = g_new0 (Ages, 1);

    ages->queue = relais_queue_ref (queue);
    ages->call = call;
    ages->rows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, row_free);
    ages->of_flow = g_hash_table_new (NULL, NULL);
    ages->sorted = g_ptr_array_new ();
    start_walk (queue, &(Walk){.look = count_slot,
                               .end_turn = end_counting_turn,
                               .end = end_counting,
                               .data = ages});
}
