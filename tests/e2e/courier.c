/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * courier: a module for quick-courier.py alone. Its commands submit a message, ask what has become of one, and read
 * the event log by a cursor of its own, acknowledging what they show. Loop.
 */
#include <relais/cursor.h>
#include <relais/module.h>
#include <relais/queued.h>
#include <relais/submit.h>

#include <string.h>

static void
on_submitted (const RelaisSubmitResult *result, gpointer data)
{
    RelaisCommandCall *call = data;

    relais_command_put (call, "id", result->queue_id);
    relais_command_put_int (call, "outcome", result->outcome);
    relais_command_put (call, "text", result->text);
    relais_command_end_row (call);
    relais_command_finish (call);
}

static void
command_send (RelaisCommandCall *call, gpointer data)
{
    const gchar *const to[] = {relais_command_arg (call, 1), NULL};
    static const char text[] = "From: courier@sender.test\r\nSubject: news\r\n\r\nnews\r\n";
    g_autoptr (GBytes) message = g_bytes_new_static (text, strlen (text));
    const RelaisSubmitInfo info = {.struct_size = sizeof info,
                                   .sender = relais_command_arg (call, 0),
                                   .recipients = to,
                                   .message = message};

    if (!relais_submit (data, &info, on_submitted, call))
        relais_command_fail (call, RELAIS_EXIT_REFUSED, "too many wait");
}

static void
on_found (const RelaisQueued *queued, const gchar *error, gpointer data)
{
    RelaisCommandCall *call = data;

    for (guint32 i = 0;
         queued != NULL && i < relais_message_n_recipients (relais_queued_get_message (queued));
         i++) {
        relais_command_put (call, "state",
                            relais_queued_state_to_string (relais_queued_get_state (queued, i)));
        relais_command_put_int (call, "attempts", relais_queued_get_attempts (queued, i));
        relais_command_put (call, "reply", relais_queued_get_reply (queued, i));
        relais_command_end_row (call);
    }
    if (error != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error);
    else
        relais_command_finish (call);
}

static void
command_queued (RelaisCommandCall *call, gpointer data)
{
    relais_queued_find (data, relais_command_arg (call, 0), on_found, call);
}

static void
on_acked (RelaisCursor *cursor, const gchar *error, gpointer data)
{
    relais_cursor_free (cursor);
    if (error != NULL)
        relais_command_fail (data, RELAIS_EXIT_REFUSED, error);
    else
        relais_command_finish (data);
}

static void
on_events (RelaisCursor *cursor, const GPtrArray *events, gboolean gap, const gchar *error,
           gpointer data)
{
    RelaisCommandCall *call = data;

    for (guint i = 0; i < events->len; i++) {
        gsize size;
        const char *bytes = g_bytes_get_data (events->pdata[i], &size);
        g_autofree char *line = g_strndup (bytes, size);

        relais_command_put (call, "event", line);
        relais_command_end_row (call);
    }
    if (error == NULL && relais_cursor_ack (cursor, on_acked, call))
        return;
    relais_command_fail (call, RELAIS_EXIT_REFUSED, error);
    relais_cursor_free (cursor);
}

static void
command_events (RelaisCommandCall *call, gpointer data)
{
    RelaisCursor *cursor = relais_cursor_new (data, "all", RELAIS_CURSOR_FROM_OLDEST);

    if (cursor == NULL || !relais_cursor_next (cursor, RELAIS_CURSOR_EVENTS, on_events, call))
        relais_command_fail (call, RELAIS_EXIT_REFUSED, "there is one already");
}

static const RelaisCommand commands[] = {
    {"courier", "send", "SENDER RECIPIENT", "", "Submit a message.", RELAIS_COMMAND_ONLINE, 0,
     command_send},
    {"courier", "queued", "ID", "", "What has become of a message.", RELAIS_COMMAND_ONLINE, 0,
     command_queued},
    {"courier", "events", "", "", "The next events.", RELAIS_COMMAND_ONLINE, 0, command_events},
};

RELAIS_MODULE_DEFINE (courier, .name = "courier", .version = "1", .summary = "a courier",
                      .commands = commands, .n_commands = G_N_ELEMENTS (commands));
