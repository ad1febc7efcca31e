/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's `why ID`: the story of a message. What the event log says of it, oldest first, read by
 * a worker, then what each recipient that is still queued waits for, with its address from the spool.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/live-private.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <string.h>

enum { MAX_EVENTS = 5000 };

typedef struct {
    RelaisCommandCall *call;
    RelaisQueue *queue;
    guint64 id;
    char text[RELAIS_ID_TEXT_BYTES];
    GPtrArray *lines; /* char * */
    GError *error;
} Why;

static bool
take_line (gpointer data, const char *line, gsize size)
{
    Why *why = data;

    g_ptr_array_add (why->lines, g_strndup (line, size));
    return why->lines->len < MAX_EVENTS;
}

static void
search (gpointer data)
{
    Why *why = data;

    (void)relais_event_log_search (why->queue->settings.log_dir, why->text, take_line, why,
                                   &why->error);
}

static const char *
member (JsonObject *event, const char *name)
{
    JsonNode *node = json_object_get_member (event, name);

    return node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
                   json_node_get_value_type (node) == G_TYPE_STRING
               ? json_node_get_string (node)
               : NULL;
}

static char *
reply_of (JsonObject *event)
{
    gint64 code = json_object_get_int_member_with_default (event, "code", 0);
    const char *enhanced = member (event, "enhanced");
    const char *reply = member (event, "reply");
    GString *text = g_string_new (NULL);

    if (code != 0)
        g_string_append_printf (text, "%" G_GINT64_FORMAT " ", code);
    if (enhanced != NULL)
        g_string_append_printf (text, "%s ", enhanced);
    if (reply != NULL)
        g_string_append (text, reply);
    return g_string_free (text, FALSE);
}

/* As the log has it where it is no time. */
static void
put_time (RelaisCommandCall *call, const char *text)
{
    const gint64 wall_us = relais_event_time_from_text (text);

    if (wall_us > 0)
        relais_command_put_time (call, "time", wall_us);
    else
        relais_command_put (call, "time", text);
}

static void
put_event (RelaisCommandCall *call, const char *line)
{
    g_autoptr (JsonParser) parser = json_parser_new ();
    g_autofree char *reply = NULL;
    JsonObject *event;

    if (!json_parser_load_from_data (parser, line, -1, NULL) ||
        !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
        return;
    event = json_node_get_object (json_parser_get_root (parser));
    reply = reply_of (event);
    put_time (call, member (event, "time"));
    relais_command_put (call, "event", member (event, "type"));
    relais_command_put (call, "recipient", member (event, "recipient"));
    relais_command_put (call, "host", member (event, "host"));
    relais_command_put (call, "stage", member (event, "stage"));
    relais_command_put (call, "reply", reply);
    relais_command_put (call, "waits_for", NULL);
    relais_command_put (call, "until", NULL);
    relais_command_end_row (call);
}

/* The recipient's address; where its message cannot be read, its number and domain. */
static char *
recipient_of (const Why *why, const RelaisLive *live, const RelaisDelivery *delivery)
{
    if (live != NULL)
        return g_strdup (
            relais_envelope_recipient (&live->message->envelope, delivery->recipient)->address);
    return g_strdup_printf ("%u @%s", delivery->recipient,
                            relais_queue_domain_at (why->queue, delivery->domain)->name);
}

static void
put_waiting (const Why *why, const RelaisLive *live)
{
    const RelaisQueue *queue = why->queue;
    guint32 slot = relais_records_find (&queue->records, why->id);
    guint32 number = slot != 0 ? relais_slot_at (&queue->records, slot)->first : 0;

    for (guint n = 0; number != 0 && n < MAX_EVENTS;
         number = relais_delivery_at (&queue->records, number)->after, n++) {
        g_autofree char *recipient =
            recipient_of (why, live, relais_delivery_at (&queue->records, number));

        relais_command_put (why->call, "time", NULL);
        relais_command_put (why->call, "event", "now");
        relais_command_put (why->call, "recipient", recipient);
        relais_command_put (why->call, "host", NULL);
        relais_command_put (why->call, "stage", NULL);
        relais_command_put (why->call, "reply", NULL);
        relais_queue_command_put_wait (why->call, queue, number);
        relais_command_end_row (why->call);
    }
}

static void
finish (Why *why)
{
    g_ptr_array_unref (why->lines);
    g_clear_error (&why->error);
    g_free (why);
}

static void
on_live (gpointer data, RelaisLive *live, const GError *error)
{
    Why *why = data;

    (void)error; /* the row tells what is known without it */
    if (!why->queue->closed)
        put_waiting (why, live);
    g_clear_pointer (&live, relais_live_unref);
    relais_command_finish (why->call);
    finish (why);
}

static void
tell (gpointer data)
{
    Why *why = data;
    bool queued = !why->queue->closed && relais_records_find (&why->queue->records, why->id) != 0;
    RelaisLive *live;

    for (guint i = 0; i < why->lines->len; i++)
        put_event (why->call, why->lines->pdata[i]);
    if (why->error == NULL && queued) {
        live = relais_live_get (why->queue, why->id, on_live, why);
        if (live != NULL)
            on_live (why, live, NULL);
        return;
    }
    if (why->error != NULL)
        relais_command_fail (why->call, RELAIS_EXIT_REFUSED, why->error->message);
    else if (why->lines->len == 0)
        relais_command_fail (why->call, RELAIS_EXIT_REFUSED,
                             _ ("nothing is known of a message of that id"));
    else
        relais_command_finish (why->call);
    finish (why);
}

void
relais_queue_command_why (RelaisCommandCall *call, gpointer data)
{
    Why *why;
    guint64 id;

    if (!relais_queue_command_id (call, &id))
        return;
    why = g_new0 (Why, 1);
    why->call = call;
    why->queue = data;
    why->id = id;
    relais_id_to_text (id, why->text);
    why->lines = g_ptr_array_new_with_free_func (g_free);
    relais_queue_run_job (why->queue, search, tell, why);
}
