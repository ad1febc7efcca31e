/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A call of a command: arguments in, lines out. The function that runs it holds a reference until it
 * says finish or fail, whoever asked for it may be long gone by then.
 */
#include "config.h"

#include "control/call-private.h"

#include "module/guard-private.h"
#include "module/host-private.h"

#include <glib/gi18n-lib.h>

#include "control/client-private.h"
#include "control/wire-private.h"

#include <string.h>
#include <unistd.h>

struct RelaisCommandCall {
    guint refs;
    const RelaisCommand *command;
    RelaisConfig *config;
    RelaisLoop *loop;
    RelaisModule *owner; /* NULL: the core */
    GPtrArray *args;
    GHashTable *options;        /* name -> value */
    GHashTable *files;          /* name -> GBytes */
    const RelaisCallSink *sink; /* NULL once abandoned or ended */
    gpointer sink_data;
    GString *row;   /* {"row":{... so far; empty between rows */
    GString *times; /* its columns that are moments */
    bool running, ended, abandoned;
    RelaisCommandFunc resume; /* to be called when drained */
    gpointer resume_data;
    RelaisCommandFunc take; /* to be called with the next piece */
    gpointer take_data;
    GBytes *piece; /* while it is called */
    int stream;    /* relaisctl's file, or -1 */
};

/* --- Life ------------------------------------------------------------------------------------- */

RelaisCommandCall *
relais_call_new (const RelaisCommand *command, RelaisConfig *config, RelaisLoop *loop)
{
    RelaisCommandCall *call = g_new0 (RelaisCommandCall, 1);

    call->refs = 1;
    call->stream = -1;
    call->command = command;
    call->config = config != NULL ? relais_config_ref (config) : NULL;
    call->loop = loop;
    call->args = g_ptr_array_new_with_free_func (g_free);
    call->options = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    call->files =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    call->row = g_string_new (NULL);
    call->times = g_string_new (NULL);
    return call;
}

RelaisCommandCall *
relais_call_ref (RelaisCommandCall *call)
{
    call->refs++;
    return call;
}

void
relais_call_unref (RelaisCommandCall *call)
{
    if (call == NULL || --call->refs > 0)
        return;
    g_ptr_array_unref (call->args);
    g_hash_table_unref (call->options);
    g_hash_table_unref (call->files);
    g_string_free (call->row, TRUE);
    g_string_free (call->times, TRUE);
    g_clear_pointer (&call->config, relais_config_unref);
    if (call->stream >= 0)
        close (call->stream);
    g_free (call);
}

/* --- In --------------------------------------------------------------------------------------- */

const RelaisCommand *
relais_call_command (const RelaisCommandCall *call)
{
    return call->command;
}

void
relais_call_add_arg (RelaisCommandCall *call, const char *arg)
{
    g_ptr_array_add (call->args, g_strdup (arg));
}

bool
relais_call_set_option (RelaisCommandCall *call, const char *name, const char *value)
{
    RelaisCommandTakes takes;

    if (!relais_command_find_option (call->command, name, &takes) ||
        (takes == RELAIS_COMMAND_TAKES_NOTHING && value[0] != '\0'))
        return false;
    g_hash_table_replace (call->options, g_strdup (name), g_strdup (value));
    return true;
}

bool
relais_call_set_file (RelaisCommandCall *call, const char *name, GBytes *bytes)
{
    RelaisCommandTakes takes;

    if (!relais_command_find_option (call->command, name, &takes) ||
        takes != RELAIS_COMMAND_TAKES_FILE) {
        g_bytes_unref (bytes);
        return false;
    }
    g_hash_table_replace (call->files, g_strdup (name), bytes);
    return true;
}

guint
relais_command_n_args (const RelaisCommandCall *call)
{
    return call->args->len;
}

const gchar *
relais_command_arg (const RelaisCommandCall *call, guint n)
{
    return n < call->args->len ? g_ptr_array_index (call->args, n) : NULL;
}

const gchar *
relais_command_option (const RelaisCommandCall *call, const gchar *name)
{
    return g_hash_table_lookup (call->options, name);
}

GBytes *
relais_command_file (const RelaisCommandCall *call, const gchar *name)
{
    return g_hash_table_lookup (call->files, name);
}

RelaisConfig *
relais_command_config (const RelaisCommandCall *call)
{
    return call->config;
}

/* --- Running ---------------------------------------------------------------------------------- */

void
relais_call_set_owner (RelaisCommandCall *call, RelaisModule *module)
{
    call->owner = module;
}

static void
enter (RelaisCommandCall *call, RelaisCommandFunc func, gpointer data)
{
    RelaisGuard outer;

    if (call->owner == NULL) {
        func (call, data);
        return;
    }
    if (relais_module_is_off (call->owner)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the module is off"));
        return;
    }
    relais_guard_enter (&outer, call->owner, "command", 0);
    relais_guard_allow (RELAIS_GUARD_FREE); /* an administrator waits; the loop is watched */
    func (call, data);
    relais_guard_leave (&outer);
}

void
relais_call_run (RelaisCommandCall *call, gpointer command_data, const RelaisCallSink *sink,
                 gpointer data)
{
    g_assert (!call->running);
    call->running = true;
    call->sink = sink;
    call->sink_data = data;
    relais_call_ref (call); /* the function's, until it ends the call */
    enter (call, call->command->func, command_data);
}

bool
relais_call_resume (RelaisCommandCall *call)
{
    RelaisCommandFunc func = call->resume;

    call->resume = NULL;
    if (func == NULL || call->ended)
        return false;
    enter (call, func, call->resume_data);
    return true;
}

bool
relais_call_has_ended (const RelaisCommandCall *call)
{
    return call->ended;
}

static void
resume_posted (gpointer data)
{
    RelaisCommandCall *call = data;

    relais_call_resume (call);
    relais_call_unref (call);
}

void
relais_call_resume_later (RelaisCommandCall *call)
{
    relais_loop_post (call->loop, resume_posted, relais_call_ref (call));
}

/* --- Pieces ----------------------------------------------------------------------------------- */

void
relais_call_set_stream (RelaisCommandCall *call, int fd)
{
    if (call->stream >= 0)
        close (call->stream);
    call->stream = fd;
}

int
relais_call_get_stream (const RelaisCommandCall *call)
{
    return call->stream;
}

bool
relais_call_has_stream (const RelaisCommandCall *call)
{
    RelaisCommandTakes takes;

    return (relais_command_find_option (call->command, "", &takes) &&
            takes == RELAIS_COMMAND_TAKES_STREAM) ||
           relais_call_streams_stdin (call);
}

bool
relais_call_streams_stdin (const RelaisCommandCall *call)
{
    RelaisCommandTakes takes;

    return relais_command_find_option (call->command, "-", &takes) &&
           takes == RELAIS_COMMAND_TAKES_STREAM;
}

bool
relais_call_wants_piece (const RelaisCommandCall *call)
{
    return call->take != NULL && !call->ended;
}

void
relais_call_give_piece (RelaisCommandCall *call, GBytes *piece)
{
    RelaisCommandFunc func = call->take;

    call->take = NULL;
    if (func == NULL || call->ended)
        return;
    call->piece = piece;
    relais_call_ref (call);
    enter (call, func, call->take_data);
    call->piece = NULL;
    relais_call_unref (call);
}

static void
end_pieces (gpointer data)
{
    RelaisCommandCall *call = data;

    relais_call_give_piece (call, NULL);
    relais_call_unref (call);
}

void
relais_command_when_piece (RelaisCommandCall *call, RelaisCommandFunc func, gpointer data)
{
    g_return_if_fail (!call->ended && call->take == NULL && call->loop != NULL);
    call->take = func;
    call->take_data = data;
    if (call->sink != NULL)
        call->sink->want (call->sink_data);
    else
        relais_loop_post (call->loop, end_pieces, relais_call_ref (call));
}

GBytes *
relais_command_piece (const RelaisCommandCall *call)
{
    return call->piece;
}

/* --- Ends ------------------------------------------------------------------------------------- */

void
relais_call_abandon (RelaisCommandCall *call)
{
    call->sink = NULL;
    call->abandoned = true;
    if (call->take != NULL && call->loop != NULL)
        relais_loop_post (call->loop, end_pieces, relais_call_ref (call));
    if (call->resume != NULL && call->loop != NULL)
        relais_call_resume_later (call);
}

gboolean
relais_command_is_full (const RelaisCommandCall *call)
{
    return call->sink != NULL && call->sink->is_full (call->sink_data);
}

gboolean
relais_command_is_abandoned (const RelaisCommandCall *call)
{
    return call->abandoned;
}

void
relais_command_when_drained (RelaisCommandCall *call, RelaisCommandFunc func, gpointer data)
{
    g_return_if_fail (!call->ended && call->resume == NULL);
    call->resume = func;
    call->resume_data = data;
    if (call->sink != NULL)
        call->sink->wait (call->sink_data);
    else
        relais_call_resume_later (call);
}

static void
end_call (RelaisCommandCall *call, int status, const char *text)
{
    const RelaisCallSink *sink = call->sink;

    g_return_if_fail (!call->ended);
    call->ended = true;
    call->sink = NULL;
    if (sink != NULL)
        sink->ended (call->sink_data, status, text);
    relais_call_unref (call);
}

void
relais_command_finish (RelaisCommandCall *call)
{
    end_call (call, RELAIS_EXIT_DONE, NULL);
}

void
relais_command_fail (RelaisCommandCall *call, gint exit_status, const gchar *text)
{
    end_call (call, exit_status, text);
}

/* --- Out -------------------------------------------------------------------------------------- */

static void
say (RelaisCommandCall *call, const GString *line)
{
    if (call->sink != NULL)
        call->sink->line (call->sink_data, line->str, line->len);
}

static void
begin_column (RelaisCommandCall *call, const char *column)
{
    g_string_append (call->row, call->row->len == 0 ? "{\"row\":{" : ",");
    relais_wire_append_string (call->row, column);
    g_string_append_c (call->row, ':');
}

void
relais_command_put (RelaisCommandCall *call, const gchar *column, const gchar *value)
{
    begin_column (call, column);
    if (value != NULL)
        relais_wire_append_string (call->row, value);
    else
        g_string_append (call->row, "null");
}

void
relais_command_put_int (RelaisCommandCall *call, const gchar *column, gint64 value)
{
    begin_column (call, column);
    g_string_append_printf (call->row, "%" G_GINT64_FORMAT, value);
}

void
relais_command_put_bool (RelaisCommandCall *call, const gchar *column, gboolean value)
{
    begin_column (call, column);
    g_string_append (call->row, value ? "true" : "false");
}

void
relais_command_put_time (RelaisCommandCall *call, const gchar *column, gint64 wall_us)
{
    gint64 seconds = wall_us / G_USEC_PER_SEC, rest = wall_us % G_USEC_PER_SEC;
    g_autoptr (GDateTime) moment = NULL;
    g_autofree char *text = NULL;

    if (rest < 0) {
        seconds--;
        rest += G_USEC_PER_SEC;
    }
    moment = g_date_time_new_from_unix_utc (seconds);
    if (moment == NULL) { /* beyond the year 9999 */
        relais_command_put (call, column, NULL);
        return;
    }
    text = g_date_time_format (moment, "%Y-%m-%dT%H:%M:%S");
    begin_column (call, column);
    g_string_append_printf (call->row, "\"%s.%06dZ\"", text, (int)rest);
    if (call->times->len > 0)
        g_string_append_c (call->times, ',');
    relais_wire_append_string (call->times, column);
}

void
relais_command_end_row (RelaisCommandCall *call)
{
    if (call->row->len == 0)
        return;
    g_string_append_c (call->row, '}');
    if (call->times->len > 0)
        g_string_append_printf (call->row, ",\"times\":[%s]", call->times->str);
    g_string_append (call->row, "}\n");
    say (call, call->row);
    g_string_truncate (call->row, 0);
    g_string_truncate (call->times, 0);
}

void
relais_command_note (RelaisCommandCall *call, const gchar *text)
{
    g_autoptr (GString) line = g_string_new ("{\"note\":");

    relais_wire_append_string (line, text);
    g_string_append (line, "}\n");
    say (call, line);
}

void
relais_command_raw (RelaisCommandCall *call, const gchar *text)
{
    g_autoptr (GString) line = g_string_new ("{\"raw\":");

    relais_wire_append_string (line, text);
    g_string_append (line, "}\n");
    say (call, line);
}

void
relais_command_progress (RelaisCommandCall *call, guint64 done, guint64 total)
{
    g_autoptr (GString) line = g_string_new (NULL);

    g_string_printf (line, "{\"progress\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}\n",
                     MIN (done, G_MAXINT64), MIN (total, G_MAXINT64));
    say (call, line);
}

/* --- For the wire ----------------------------------------------------------------------------- */

void
relais_call_append_request (const RelaisCommandCall *call, GString *out)
{
    GHashTableIter iter;
    gpointer name, value;
    const char *separator = "";

    g_string_append (out, "{\"word\":");
    relais_wire_append_string (out, call->command->word);
    if (call->command->verb != NULL) {
        g_string_append (out, ",\"verb\":");
        relais_wire_append_string (out, call->command->verb);
    }
    g_string_append (out, ",\"args\":[");
    for (guint i = 0; i < call->args->len; i++) {
        g_string_append (out, i > 0 ? "," : "");
        relais_wire_append_string (out, g_ptr_array_index (call->args, i));
    }
    g_string_append (out, "],\"options\":{");
    g_hash_table_iter_init (&iter, call->options);
    while (g_hash_table_iter_next (&iter, &name, &value)) {
        g_string_append (out, separator);
        relais_wire_append_string (out, name);
        g_string_append_c (out, ':');
        relais_wire_append_string (out, value);
        separator = ",";
    }
    g_string_append (out, "}}\n");
}

void
relais_call_each_file (const RelaisCommandCall *call,
                       void (*func) (gpointer data, const char *name, GBytes *bytes), gpointer data)
{
    GHashTableIter iter;
    gpointer name, bytes;

    g_hash_table_iter_init (&iter, call->files);
    while (g_hash_table_iter_next (&iter, &name, &bytes))
        func (data, name, bytes);
}
