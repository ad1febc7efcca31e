/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail that the daemon writes itself, from nobody (<>) to one recipient, into the spool and the queue: letters to the
 * postmaster, TLS reports. Owns nothing beyond the call, waits for nothing. Loop thread.
 */
#include "config.h"

#include "queue/keep-private.h"

static RelaisMessage *
make_message (const RelaisQueue *queue, const RelaisOwnMail *mail)
{
    RelaisMessage *message = relais_message_new (mail->id);
    RelaisEnvelope *envelope = &message->envelope;

    envelope->sender = g_strdup ("");
    relais_envelope_add_recipient (envelope, mail->to);
    envelope->klass = RELAIS_CLASS_TRANSACTIONAL;
    envelope->tenant = g_strdup (mail->tenant);
    envelope->header_from = g_strdup (mail->from);
    envelope->received_us = relais_loop_wall_us (queue->loop);
    relais_message_init_states (message);
    return message;
}

static GBytes *
event_of (const RelaisMessage *message, const RelaisOwnMail *mail, gsize size)
{
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("accepted", message->envelope.received_us, id, -1, 0);
    relais_event_line_add (line, "sender", "");
    relais_event_line_add (line, "recipient",
                           relais_envelope_recipient (&message->envelope, 0)->address);
    relais_event_line_add (line, "tenant", mail->tenant);
    relais_event_line_add (line, mail->about_key, mail->about);
    relais_event_line_add_int (line, "size", (gint64)size);
    return relais_event_line_end (line);
}

void
relais_queue_keep_own (RelaisQueue *queue, const RelaisOwnMail *mail, GBytes *bytes,
                       RelaisQueueKept done, gpointer data)
{
    RelaisMessage *message = make_message (queue, mail);
    RelaisDraft *draft = relais_queue_draft (queue, bytes);
    g_autoptr (GBytes) event = event_of (message, mail, g_bytes_get_size (bytes));

    (void)relais_draft_end (draft);
    relais_queue_keep (queue, message, draft, event, done, data);
}
