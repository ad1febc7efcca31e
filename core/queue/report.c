/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reports. Owned by their settlement.
 */
#include "config.h"

#include "queue/report-private.h"

#include "message/rope-private.h"

#include <string.h>

/* What is small stays in the spool's memory and goes into a segment with its outcome. */
enum { MAX_HEADER_BYTES = 128 * 1024, MAX_FULL_BYTES = 1024 * 1024, SMALL_BYTES = 256 * 1024 };

struct RelaisReport {
    RelaisQueue *queue;
    RelaisMessage *original;
    GArray *recipients; /* RelaisDsnRecipient */
    GPtrArray *strings; /* theirs */
    guint64 id;
    gint64 wall_us;
    GBytes *bytes; /* made; NULL where the sender is not told after all */
    RelaisMessage *message;
};

RelaisReport *
relais_report_new (RelaisQueue *queue, RelaisLive *live)
{
    RelaisReport *report = g_new0 (RelaisReport, 1);

    report->queue = queue;
    report->original = relais_message_ref (live->message);
    report->recipients = g_array_new (FALSE, TRUE, sizeof (RelaisDsnRecipient));
    report->strings = g_ptr_array_new_with_free_func (g_free);
    report->id = relais_spool_new_id (queue->spool);
    report->wall_us = relais_loop_wall_us (queue->loop);
    return report;
}

void
relais_report_free (RelaisReport *report)
{
    if (report == NULL)
        return;
    relais_message_unref (report->original);
    g_array_unref (report->recipients);
    g_ptr_array_unref (report->strings);
    g_clear_pointer (&report->bytes, g_bytes_unref);
    if (report->message != NULL)
        relais_message_unref (report->message);
    g_free (report);
}

static const char *
keep (RelaisReport *report, char *text)
{
    if (text != NULL)
        g_ptr_array_add (report->strings, text);
    return text;
}

void
relais_report_add (RelaisReport *report, guint recipient, RelaisDsnAction action,
                   const guint16 status[3], const char *reply, bool is_smtp, const char *host,
                   bool attempted, gint64 retry_until_us)
{
    static const guint8 classes[] = {5, 4, 2, 2}; /* by RelaisDsnAction */
    RelaisDsnRecipient entry = {.recipient = recipient, .action = action};
    bool given = status[0] != 0;

    entry.status = keep (report, g_strdup_printf ("%u.%u.%u", given ? status[0] : classes[action],
                                                  given ? status[1] : 0, given ? status[2] : 0));
    entry.diagnostic = keep (report, g_strdup (reply));
    entry.diagnostic_is_smtp = is_smtp;
    entry.remote_mta = keep (report, g_strdup (host));
    entry.last_attempt_us = attempted ? report->wall_us : 0;
    entry.will_retry_until_us = retry_until_us;
    g_array_append_val (report->recipients, entry);
}

/* --- On a worker ------------------------------------------------------------------------------ */

static GBytes *
read_part (const RelaisRope *rope, gsize size)
{
    guint8 *bytes = g_malloc (MAX (size, 1));
    gsize got = 0;

    while (got < size) {
        gssize n = relais_rope_read (rope, got, bytes + got, size - got, NULL);

        if (n <= 0)
            break;
        got += (gsize)n;
    }
    return g_bytes_new_take (bytes, got);
}

/* RET=FULL is for reports of failures; others have the header alone (RFC 3461 section 4.3). */
static bool
wants_full (const RelaisReport *report)
{
    bool failed = false;

    for (guint i = 0; i < report->recipients->len; i++)
        failed |=
            g_array_index (report->recipients, RelaisDsnRecipient, i).action == RELAIS_DSN_FAILED;
    return failed && report->original->envelope.ret == RELAIS_RET_FULL;
}

void
relais_report_make (RelaisReport *report)
{
    const RelaisBodyFacts *facts = relais_body_facts (report->original->body);
    g_autoptr (RelaisRope) rope = relais_rope_new_message (report->original);
    guint64 size = relais_rope_size (rope);
    guint64 content = facts->size_bytes - facts->header_bytes;
    g_autoptr (GBytes) header =
        read_part (rope, (gsize)MIN (size > content ? size - content : 0, MAX_HEADER_BYTES));
    g_autoptr (GBytes) full = NULL;
    RelaisDsnOptions options = {.original = report->original,
                                .recipients =
                                    (const RelaisDsnRecipient *)(gpointer)report->recipients->data,
                                .n_recipients = report->recipients->len,
                                .hostname = report->queue->settings.hostname,
                                .id = report->id,
                                .wall_us = report->wall_us};

    options.header = g_bytes_get_data (header, &options.header_size);
    if (!relais_dsn_is_answerable (report->original, options.recipients[0].recipient,
                                   options.header, options.header_size))
        return;
    if (size <= MAX_FULL_BYTES && wants_full (report))
        full = read_part (rope, (gsize)size);
    options.full = full != NULL && g_bytes_get_size (full) == size ? full : NULL;
    report->bytes = relais_dsn_build (&options);
}

/* --- Into the spool and the queue ------------------------------------------------------------- */

static RelaisMessage *
make_message (const RelaisReport *report)
{
    const RelaisEnvelope *original = &report->original->envelope;
    RelaisMessage *message = relais_message_new (report->id);
    RelaisEnvelope *envelope = &message->envelope;

    envelope->sender = g_strdup ("");
    relais_envelope_add_recipient (envelope, original->sender);
    envelope->klass = original->klass;
    envelope->tenant = g_strdup (original->tenant);
    envelope->campaign = g_strdup (original->campaign);
    envelope->header_from = g_strconcat ("mailer-daemon@", report->queue->settings.hostname, NULL);
    envelope->received_us = report->wall_us;
    relais_message_init_states (message);
    return message;
}

static GBytes *
event_of (const RelaisReport *report)
{
    const RelaisEnvelope *envelope = &report->message->envelope;
    char id[RELAIS_ID_TEXT_BYTES], original[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (report->id, id);
    relais_id_to_text (report->original->id, original);
    line = relais_event_line_new ("accepted", report->wall_us, id, -1, 0);
    relais_event_line_add (line, "sender", "");
    relais_event_line_add (line, "recipient", relais_envelope_recipient (envelope, 0)->address);
    relais_event_line_add (line, "tenant", envelope->tenant);
    relais_event_line_add (line, "report_of", original);
    relais_event_line_add_int (line, "size", (gint64)g_bytes_get_size (report->bytes));
    return relais_event_line_end (line);
}

void
relais_report_add_to_group (RelaisReport *report, RelaisGroup *group)
{
    RelaisDraft *draft = relais_draft_new (report->queue->spool);
    gsize size;
    const guint8 *bytes = g_bytes_get_data (report->bytes, &size);
    g_autoptr (GBytes) event = NULL;

    /* All at once: a draft fails in a later turn, when its file does. */
    (void)relais_draft_append (draft, bytes, size);
    (void)relais_draft_end (draft);
    report->message = make_message (report);
    relais_group_add_message (group, report->message, draft);
    event = event_of (report);
    relais_group_add_event (group, event);
}

bool
relais_report_is_empty (const RelaisReport *report)
{
    return report->bytes == NULL;
}

bool
relais_report_is_small (const RelaisReport *report)
{
    return g_bytes_get_size (report->bytes) <= SMALL_BYTES;
}

void
relais_report_drop (RelaisReport *report)
{
    g_clear_pointer (&report->message, relais_message_unref);
}

void
relais_report_deliver (RelaisReport *report)
{
    if (report->message != NULL)
        relais_queue_add (report->queue, report->message);
}
