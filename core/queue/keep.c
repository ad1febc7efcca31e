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

char *
relais_queue_facts_problem (const RelaisSection *limits, const RelaisBodyFacts *facts)
{
    const guint64 text_line = (guint64)relais_section_get_int (limits, "text_line");
    const guint64 header_size = (guint64)relais_section_get_int (limits, "header_size");

    if (facts->longest_line + 2 > text_line)
        return g_strdup ("found a line longer than text_line of [limits]");
    if (facts->has_nul)
        return g_strdup ("found a NUL");
    return facts->header_bytes > header_size
               ? g_strdup ("found a header longer than header_size of [limits]")
               : NULL;
}

GBytes *
relais_queue_accepted_event (const RelaisMessage *message, guint64 size_bytes, const char *by)
{
    const RelaisEnvelope *envelope = &message->envelope;
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("accepted", envelope->received_us, id, -1, 0);
    relais_event_line_add (line, "sender", envelope->sender);
    relais_event_line_add_int (line, "recipients", envelope->recipients->len);
    relais_event_line_add_int (line, "size", (gint64)size_bytes);
    relais_event_line_add (line, "submitted_by", by);
    relais_event_line_add (line, "tenant", envelope->tenant);
    relais_event_line_add (line, "campaign", envelope->campaign);
    relais_event_line_add (line, "class", relais_class_to_string (envelope->klass));
    relais_event_line_add (line, "message_id", envelope->message_id);
    relais_event_line_add (line, "header_from", envelope->header_from);
    return relais_event_line_end (line);
}
