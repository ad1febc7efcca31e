/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Live messages, by id. While a message is read back the spool's callback owns the object.
 */
#include "config.h"

#include "queue/live-private.h"

#include <gio/gio.h>

typedef struct {
    RelaisLiveFunc func;
    gpointer data;
} Waiter;

static RelaisLive *
live_new (RelaisQueue *queue, guint64 id)
{
    RelaisLive *live = g_new0 (RelaisLive, 1);

    live->queue = queue;
    live->id = id;
    live->refs = 1;
    g_hash_table_insert (queue->lives, &live->id, live);
    return live;
}

RelaisLive *
relais_live_ref (RelaisLive *live)
{
    live->refs++;
    return live;
}

void
relais_live_unref (RelaisLive *live)
{
    if (--live->refs > 0)
        return;
    g_hash_table_remove (live->queue->lives, &live->id);
    if (live->message != NULL)
        relais_message_unref (live->message);
    g_clear_pointer (&live->waiters, g_array_unref);
    g_free (live);
}

static void
on_loaded (gpointer data, RelaisMessage *message, const GError *error)
{
    RelaisLive *live = data;
    RelaisQueue *queue = live->queue;
    g_autoptr (GArray) waiters = g_steal_pointer (&live->waiters);

    if (message != NULL)
        live->message = relais_message_ref (message);
    if (message != NULL && message->states == NULL)
        relais_message_init_states (live->message);
    /* Those of a queue that went meanwhile were told. */
    for (guint i = 0; waiters != NULL && i < waiters->len; i++) {
        const Waiter *waiter = &g_array_index (waiters, Waiter, i);

        waiter->func (waiter->data, message != NULL ? relais_live_ref (live) : NULL, error);
    }
    relais_live_unref (live);
    relais_queue_unref (queue);
}

static void
add_waiter (RelaisLive *live, RelaisLiveFunc func, gpointer data)
{
    Waiter waiter = {func, data};

    g_array_append_val (live->waiters, waiter);
}

void
relais_live_stop_waiting (RelaisQueue *queue)
{
    g_autoptr (GError) error =
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the daemon is stopping");
    g_autoptr (GList) all = g_hash_table_get_values (queue->lives);

    for (GList *link = all; link != NULL; link = link->next) {
        g_autoptr (GArray) waiters = g_steal_pointer (&((RelaisLive *)link->data)->waiters);

        for (guint j = 0; waiters != NULL && j < waiters->len; j++) {
            const Waiter *waiter = &g_array_index (waiters, Waiter, j);

            waiter->func (waiter->data, NULL, error);
        }
    }
}

RelaisLive *
relais_live_get (RelaisQueue *queue, guint64 id, RelaisLiveFunc func, gpointer data)
{
    RelaisLive *live = g_hash_table_lookup (queue->lives, &id);
    RelaisMessage *message;

    if (live != NULL && live->message != NULL)
        return relais_live_ref (live);
    if (live != NULL) {
        add_waiter (live, func, data);
        return NULL;
    }
    live = live_new (queue, id);
    message = relais_spool_peek (queue->spool, id);
    if (message != NULL) {
        live->message = message;
        if (message->states == NULL)
            relais_message_init_states (message);
        return live;
    }
    live->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
    add_waiter (live, func, data);
    relais_queue_ref (queue);
    relais_spool_load (queue->spool, id, on_loaded, live);
    return NULL;
}

void
relais_queue_cool (RelaisQueue *queue, guint32 number)
{
    RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);

    if (slot->cooled)
        return;
    slot->cooled = 1;
    relais_spool_cool (queue->spool, slot->id);
}
