/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What `quarantine list` and `quarantine show` say of messages that are held: by a module's verdict, or
 * by an operator. Loop; the bytes of a message are read on a worker, bounded, and given line by line: it
 * is whoever prints them that makes them printable.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/live-private.h"
#include "queue/quarantine-private.h"
#include "queue/verbs-private.h"

#include "message/rope-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { SHOWN_BYTES = 256 * 1024 };

/* --- quarantine list -------------------------------------------------------------------------- */

/* For how long it is there, and until when: NULL until an operator says. */
static void
put_times (RelaisCommandCall *call, const RelaisQueue *queue, const RelaisMessageSlot *slot,
           const RelaisDelivery *delivery)
{
    const gint64 now_us = relais_loop_now_us (queue->loop);
    const gint64 since_us = delivery->quarantined ? delivery->due_us : slot->born_us;
    const gint64 until_us = relais_quarantine_until_us (queue, delivery);

    relais_command_put_int (call, "age_s", MAX (now_us - since_us, 0) / RELAIS_USEC_PER_SEC);
    if (until_us != 0)
        relais_command_put_time (call, "until",
                                 relais_loop_wall_us (queue->loop) + until_us - now_us);
    else
        relais_command_put (call, "until", NULL);
}

bool
relais_queue_command_put_held (RelaisCommandCall *call, const RelaisQueue *queue,
                               const RelaisSelection *selection, const RelaisMessage *message)
{
    const RelaisEnvelope *envelope = &message->envelope;
    guint32 place = relais_records_find (&queue->records, message->id);
    const RelaisMessageSlot *slot = place != 0 ? relais_slot_at (&queue->records, place) : NULL;
    char id[RELAIS_ID_TEXT_BYTES];
    guint32 first = 0;
    guint n = 0;

    for (guint32 number = slot != NULL ? slot->first : 0; number != 0;
         number = relais_delivery_at (&queue->records, number)->after)
        if (relais_selection_has (queue, selection, number)) {
            first = first == 0 ? number : first;
            n++;
        }
    if (n == 0)
        return false;
    relais_id_to_text (message->id, id);
    relais_command_put (call, "id", id);
    relais_command_put (
        call, "reason",
        message->states[relais_delivery_at (&queue->records, first)->recipient].reply);
    put_times (call, queue, slot, relais_delivery_at (&queue->records, first));
    relais_command_put_int (call, "size", (gint64)relais_body_facts (message->body)->size_bytes);
    relais_command_put (call, "tenant", envelope->tenant);
    relais_command_put (call, "client", envelope->client);
    relais_command_put (call, "sender", envelope->sender);
    relais_command_put_int (call, "recipients", n);
    relais_command_put (
        call, "recipient",
        relais_envelope_recipient (envelope, relais_delivery_at (&queue->records, first)->recipient)
            ->address);
    relais_command_end_row (call);
    return true;
}

/* --- quarantine show -------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    RelaisQueue *queue;
    RelaisLive *live;
    RelaisRope *rope;
    gsize size; /* to be read; then, what was */
    bool whole; /* the body, too */
    char *bytes;
    GError *error;
} Show;

static void
show_free (Show *show)
{
    g_clear_pointer (&show->live, relais_live_unref);
    g_clear_pointer (&show->rope, relais_rope_unref);
    g_clear_error (&show->error);
    relais_queue_unref (show->queue);
    g_free (show->bytes);
    g_free (show);
}

/* Worker. */
static void
read_bytes (gpointer data)
{
    Show *show = data;
    gsize done = 0;

    while (done < show->size) {
        gssize n = relais_rope_read (show->rope, done, show->bytes + done, show->size - done,
                                     &show->error);

        if (n <= 0)
            break;
        done += (gsize)n;
    }
    show->size = done;
}

static void
put_lines (Show *show)
{
    const char *at = show->bytes, *end = show->bytes + show->size;

    while (at < end) {
        const char *lf = memchr (at, '\n', (gsize)(end - at));
        const char *next = lf != NULL ? lf + 1 : end;
        gsize size = (gsize)((lf != NULL ? lf : end) - at);
        g_autofree char *line = NULL;

        if (size > 0 && at[size - 1] == '\r')
            size--;
        if (size == 0 && !show->whole)
            return;
        line = g_strndup (at, size);
        relais_command_put (show->call, "line", line);
        relais_command_end_row (show->call);
        at = next;
    }
    if (show->size < relais_rope_size (show->rope))
        relais_command_note (show->call, _ ("the rest is not shown"));
}

static void
on_bytes (gpointer data)
{
    Show *show = data;

    if (show->error != NULL) {
        relais_command_fail (show->call, RELAIS_EXIT_REFUSED, show->error->message);
    } else {
        put_lines (show);
        relais_command_finish (show->call);
    }
    show_free (show);
}

static void
on_live (gpointer data, RelaisLive *live, const GError *error)
{
    Show *show = data;

    if (live == NULL) {
        relais_command_fail (show->call, RELAIS_EXIT_REFUSED, error->message);
        show_free (show);
        return;
    }
    show->live = live;
    show->rope = relais_rope_new_message (live->message);
    show->size = (gsize)MIN (relais_rope_size (show->rope), SHOWN_BYTES);
    show->bytes = g_malloc (show->size + 1);
    if (relais_pool_run (show->queue->pool, read_bytes, on_bytes, show))
        return;
    relais_command_fail (show->call, RELAIS_EXIT_REFUSED,
                         _ ("the daemon has too much to do just now"));
    show_free (show);
}

void
relais_queue_command_held_show (RelaisCommandCall *call, gpointer queue)
{
    RelaisQueue *of = queue;
    RelaisSelection held = {.held = true};
    RelaisLive *live;
    Show *show;

    if (!relais_queue_command_id (call, &held.id))
        return;
    if (!relais_selection_has_message (of, &held)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("no message of that id is held"));
        return;
    }
    show = g_new0 (Show, 1);
    show->call = call;
    show->queue = relais_queue_ref (of);
    show->whole = relais_command_option (call, "body") != NULL;
    live = relais_live_get (of, held.id, on_live, show);
    if (live != NULL)
        on_live (show, live, NULL);
}
