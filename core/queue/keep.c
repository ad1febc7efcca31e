/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail that is made here; see keep-private.h.
 */
#include "config.h"

#include "queue/keep-private.h"

typedef struct {
    RelaisQueue *queue;
    RelaisMessage *message;
    RelaisQueueKept done;
    gpointer data;
} Keeping;

RelaisDraft *
relais_queue_draft (RelaisQueue *queue, GBytes *bytes)
{
    RelaisDraft *draft = relais_draft_new (queue->spool);
    gsize size;
    const guint8 *octets = g_bytes_get_data (bytes, &size);

    (void)relais_draft_append (draft, octets, size);
    return draft;
}

static void
on_synced (gpointer data, const GError *error)
{
    Keeping *keeping = data;
    RelaisQueue *queue = keeping->queue;

    if (error == NULL && !queue->closed)
        relais_queue_add (queue, keeping->message);
    keeping->done (keeping->data, keeping->message, error);
    relais_message_unref (keeping->message);
    g_free (keeping);
    relais_queue_unref (queue);
}

void
relais_queue_keep (RelaisQueue *queue, RelaisMessage *message, RelaisDraft *draft, GBytes *event,
                   RelaisQueueKept done, gpointer data)
{
    RelaisGroup *group = relais_group_new (queue->spool);
    Keeping *keeping = g_new (Keeping, 1);

    *keeping = (Keeping){relais_queue_ref (queue), message, done, data};
    relais_group_add_message (group, message, draft);
    relais_group_add_event (group, event);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_synced, keeping);
}
