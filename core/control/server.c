/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The control socket: one call a connection. Root and the daemon's own user may speak; everything a
 * client can make grow is bounded all the same (sessions, lines, files, rows that wait, time until
 * the request is complete). Loop thread only; never waits.
 */
#include "config.h"

#include "control/access-private.h"
#include "control/call-private.h"
#include "control/wire-private.h"
#include "tls/stream-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MAX_SESSIONS = 32,
    ACCEPTS_PER_EVENT = 16,
    WAITING_BYTES = 64 * 1024 * 1024, /* rows that a call may have ahead of its reader */
    MAX_ARGS = 1024
};

static const gint64 REQUEST_US = 30 * G_USEC_PER_SEC; /* until the request is complete */
static const gint64 LINGER_US = 1 * G_USEC_PER_SEC;
/* A finished call's rows may stand in a pager for long. */
static const gint64 CLOSING_US = 600 * (gint64)G_USEC_PER_SEC;
static const gint64 REST_US = 1 * G_USEC_PER_SEC; /* without descriptors */

struct RelaisControl {
    RelaisLoop *loop;
    RelaisCommands *commands;
    RelaisConfig *config;
    char *path;
    RelaisControlAccess access;
    int fd;
    RelaisIo *io;
    RelaisTimer rest;
    GPtrArray *sessions; /* Session *, each holding one reference */
};

typedef enum {
    SESSION_HEAD,
    SESSION_FILES,
    SESSION_RUNNING,
    SESSION_CLOSING, /* all was said; relaisctl closes once it has read it */
    SESSION_ENDED
} SessionState;

typedef struct {
    guint refs;
    RelaisControl *control; /* NULL once detached */
    RelaisStream *stream;   /* NULL once ended */
    RelaisTimer deadline;
    SessionState state;
    RelaisCommandCall *call;
    gpointer command_data;
    GHashTable *files; /* name -> GByteArray, while they come */
    gsize file_bytes;
    bool full;      /* the output is above the high mark */
    bool waiting;   /* the call waits for the output to drain */
    bool streaming; /* pieces of its file are still to come */
    bool cut_off;   /* it ran ahead of its reader by too much */
} Session;

static void
session_unref (Session *session)
{
    if (--session->refs > 0)
        return;
    g_hash_table_unref (session->files);
    g_free (session);
}

/* Takes the session out of the control's care; the call, if any, goes on unheard. */
static void
session_detach (Session *session)
{
    RelaisControl *control = session->control;

    if (control == NULL)
        return;
    session->control = NULL;
    session->state = SESSION_ENDED;
    relais_timer_stop (&session->deadline);
    if (session->call != NULL) {
        if (!relais_call_has_ended (session->call))
            relais_call_abandon (session->call);
        g_clear_pointer (&session->call, relais_call_unref);
    }
    g_clear_pointer (&session->stream, relais_stream_free);
    g_ptr_array_remove_fast (control->sessions, session);
}

static GString *
end_line (int status, const char *text)
{
    GString *line = g_string_new (NULL);

    g_string_printf (line, "{\"end\":%d,\"error\":", status);
    if (text != NULL)
        relais_wire_append_string (line, text);
    else
        g_string_append (line, "null");
    g_string_append (line, "}\n");
    return line;
}

static void
say_end (Session *session, int status, const char *text)
{
    g_autoptr (GString) line = end_line (status, text);

    (void)relais_stream_write (session->stream, line->str, line->len);
}

/* Ends a session whose call does not run: the client may be anything, so it is not waited for. */
static void
session_refuse (Session *session, int status, const char *text)
{
    say_end (session, status, text);
    relais_stream_finish (g_steal_pointer (&session->stream), LINGER_US);
    session_detach (session);
}

/* --- The call's sink -------------------------------------------------------------------------- */

static void
sink_line (gpointer data, const char *line, gsize size)
{
    Session *session = data;

    if (session->cut_off)
        return;
    if (relais_stream_unwritten (session->stream) > WAITING_BYTES) {
        session->cut_off = true;
        return;
    }
    if (!relais_stream_write (session->stream, line, size))
        session->full = true;
}

static bool
sink_is_full (gpointer data)
{
    return ((Session *)data)->full;
}

static void
resume_later (gpointer data)
{
    Session *session = data;

    if (session->waiting && !session->full && session->call != NULL) {
        session->waiting = false;
        (void)relais_call_resume (session->call);
    }
    session_unref (session);
}

static void
sink_wait (gpointer data)
{
    Session *session = data;

    session->waiting = true;
    if (!session->full) {
        session->refs++;
        relais_loop_post (session->control->loop, resume_later, session);
    }
}

static void
sink_ended (gpointer data, int status, const char *text)
{
    Session *session = data;

    if (session->cut_off)
        say_end (session, RELAIS_EXIT_REFUSED,
                 _ ("the output was cut off: it came faster than it was read"));
    else
        say_end (session, status, text);
    session->state = SESSION_CLOSING;
    relais_timer_set (&session->deadline, CLOSING_US);
}

static bool take_line (Session *session);

static void
feed_later (gpointer data)
{
    Session *session = data;

    while (session->state == SESSION_RUNNING && take_line (session))
        continue;
    session_unref (session);
}

static void
sink_want (gpointer data)
{
    Session *session = data;

    session->refs++;
    relais_loop_post (session->control->loop, feed_later, session);
}

static const RelaisCallSink sink = {sink_line, sink_is_full, sink_wait, sink_ended, sink_want};

/* --- The request ------------------------------------------------------------------------------ */

static bool
take_args (Session *session, JsonObject *request)
{
    JsonArray *args = relais_wire_get_array (request, "args");
    guint n = args != NULL ? json_array_get_length (args) : 0;

    if (n > MAX_ARGS)
        return false;
    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element (args, i);

        if (json_node_get_value_type (node) != G_TYPE_STRING)
            return false;
        relais_call_add_arg (session->call, json_node_get_string (node));
    }
    return true;
}

static bool
take_options (Session *session, JsonObject *request)
{
    JsonObject *options = relais_wire_get_object (request, "options");
    g_autoptr (GList) names = options != NULL ? json_object_get_members (options) : NULL;

    for (GList *name = names; name != NULL; name = name->next) {
        const char *value = relais_wire_get_string (options, name->data);

        if (value == NULL || !relais_call_set_option (session->call, name->data, value))
            return false;
    }
    return true;
}

static void
read_head (Session *session, JsonObject *request)
{
    const char *word = relais_wire_get_string (request, "word");
    const char *verb = relais_wire_get_string (request, "verb");
    const RelaisCommand *command =
        word != NULL
            ? relais_commands_find (session->control->commands, word, verb, &session->command_data)
            : NULL;

    if (command == NULL || command->kind != RELAIS_COMMAND_ONLINE) {
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the daemon has no such command"));
        return;
    }
    session->call = relais_call_new (command, session->control->config, session->control->loop);
    relais_call_set_owner (session->call,
                           relais_commands_owner (session->control->commands, command));
    if (!take_args (session, request) || !take_options (session, request)) {
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the command takes no such arguments"));
        return;
    }
    session->state = SESSION_FILES;
}

static void
run_call (Session *session)
{
    GHashTableIter iter;
    gpointer name, bytes;

    g_hash_table_iter_init (&iter, session->files);
    while (g_hash_table_iter_next (&iter, &name, &bytes)) {
        if (!relais_call_set_file (session->call, name,
                                   g_byte_array_free_to_bytes (g_byte_array_ref (bytes)))) {
            session_refuse (session, RELAIS_EXIT_USAGE, _ ("the command takes no such file"));
            return;
        }
    }
    relais_timer_stop (&session->deadline);
    session->state = SESSION_RUNNING;
    session->streaming = relais_call_has_stream (session->call);
    relais_call_run (session->call, session->command_data, &sink, session);
}

static void
take_chunk (Session *session, const char *name, const char *data)
{
    gsize size;
    g_autofree guchar *bytes = g_base64_decode (data, &size);
    GByteArray *file = g_hash_table_lookup (session->files, name);

    session->file_bytes += size;
    if (session->file_bytes > RELAIS_WIRE_FILE_BYTES) {
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the files are larger than 16 MiB"));
        return;
    }
    if (file == NULL) {
        RelaisCommandTakes takes;

        if (!relais_command_find_option (relais_call_command (session->call), name, &takes) ||
            takes != RELAIS_COMMAND_TAKES_FILE) {
            session_refuse (session, RELAIS_EXIT_USAGE, _ ("the command takes no such file"));
            return;
        }
        file = g_byte_array_new ();
        g_hash_table_insert (session->files, g_strdup (name), file);
    }
    g_byte_array_append (file, bytes, (guint)size);
}

static void
read_rest (Session *session, JsonObject *request)
{
    const char *name = relais_wire_get_string (request, "file");
    const char *data = relais_wire_get_string (request, "data");

    if (json_object_has_member (request, "run"))
        run_call (session);
    else if (name != NULL && data != NULL)
        take_chunk (session, name, data);
    else
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the request is not understood"));
}

/* A piece of the file, while the call waits for one. */
static void
read_piece (Session *session, JsonObject *request)
{
    const char *data = relais_wire_get_string (request, "data");
    g_autoptr (GBytes) piece = NULL;

    if (data != NULL) {
        gsize size;
        guchar *bytes = g_base64_decode (data, &size);

        piece = g_bytes_new_take (bytes, size);
    } else if (json_object_has_member (request, "done")) {
        session->streaming = false;
    } else {
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the request is not understood"));
        return;
    }
    relais_call_give_piece (session->call, piece);
}

static void
read_line (Session *session, const char *line, gsize size)
{
    JsonObject *request = relais_wire_parse (line, size);

    if (request == NULL) {
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the request is not understood"));
        return;
    }
    if (session->state == SESSION_HEAD)
        read_head (session, request);
    else if (session->state == SESSION_RUNNING)
        read_piece (session, request);
    else
        read_rest (session, request);
    json_object_unref (request);
}

/* --- The stream ------------------------------------------------------------------------------- */

/* One line, or what follows a complete request and means nothing. False: wait for more. */
static bool
take_line (Session *session)
{
    gsize size;
    const char *bytes = (const char *)relais_stream_peek (session->stream, &size);
    const char *end;
    g_autofree char *line = NULL;

    if (session->state == SESSION_RUNNING && session->streaming) {
        if (!relais_call_wants_piece (session->call))
            return false;
    } else if (session->state == SESSION_RUNNING || session->state == SESSION_CLOSING) {
        relais_stream_consume (session->stream, size);
        return false;
    }
    end = size > 0 ? memchr (bytes, '\n', MIN (size, RELAIS_WIRE_LINE_BYTES)) : NULL;
    if (end == NULL) {
        if (size >= RELAIS_WIRE_LINE_BYTES)
            session_refuse (session, RELAIS_EXIT_USAGE, _ ("the request's line is too long"));
        return false;
    }
    size = (gsize)(end - bytes);
    line = g_strndup (bytes, size);
    relais_stream_consume (session->stream, size + 1);
    read_line (session, line, size);
    return true;
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    Session *session = data;

    session->refs++;
    while (session->state != SESSION_ENDED && take_line (session))
        continue;
    session_unref (session);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    Session *session = data;

    session->refs++;
    session->full = false;
    resume_later (session);
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    session_detach (data);
}

static void
on_deadline (gpointer data)
{
    Session *session = data;

    if (session->state == SESSION_CLOSING)
        session_detach (session);
    else
        session_refuse (session, RELAIS_EXIT_USAGE, _ ("the request did not come in time"));
}

static const RelaisStreamCallbacks stream_callbacks = {
    .input = on_input, .drained = on_drained, .closed = on_closed};

/* --- Accepting -------------------------------------------------------------------------------- */

/* At once, whatever the peer does: with control_group anybody of this host may call, as often as he likes. What
 * was written to a local socket is there to be read after the close. */
static void
turn_away (int fd, const char *text)
{
    g_autoptr (GString) line = end_line (RELAIS_EXIT_REFUSED, text);

    (void)!send (fd, line->str, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    close (fd);
}

static void
add_session (RelaisControl *control, int fd)
{
    Session *session = g_new0 (Session, 1);

    session->refs = 1;
    session->control = control;
    session->files =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_byte_array_unref);
    relais_timer_init (&session->deadline, control->loop, on_deadline, session);
    g_ptr_array_add (control->sessions, session);
    session->stream = relais_stream_new (control->loop, fd, &stream_callbacks, session, NULL);
    if (session->stream == NULL)
        session_detach (session);
    else
        relais_timer_set (&session->deadline, REQUEST_US);
}

static void
admit (RelaisControl *control, int fd)
{
    if (!relais_control_access_allows (&control->access, fd))
        turn_away (fd, _ ("only root, the daemon's own user and the members of the group "
                          "control_group may give commands"));
    else if (control->sessions->len >= MAX_SESSIONS)
        turn_away (fd, _ ("too many commands at once; try again"));
    else
        add_session (control, fd);
}

static void
on_accept (gpointer data, guint32 events)
{
    RelaisControl *control = data;

    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4 (control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            admit (control, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            /* No descriptors or memory: the descriptor stays readable, so look away for a while. */
            relais_io_set_events (control->io, 0);
            relais_timer_set (&control->rest, REST_US);
        }
        return;
    }
}

static void
on_rested (gpointer data)
{
    relais_io_set_events (((RelaisControl *)data)->io, EPOLLIN);
}

/* --- Life ------------------------------------------------------------------------------------- */

static bool
fail (GError **error, const char *path, const char *what)
{
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), _ ("control socket %s: %s: %s"),
                 path, what, g_strerror (errno));
    return false;
}

/* A socket that nobody answers is left over and goes; one that answers is another daemon's. */
static bool
clear_path (const struct sockaddr_un *address, GError **error)
{
    struct stat status;
    int fd, done;

    if (lstat (address->sun_path, &status) < 0)
        return errno == ENOENT || fail (error, address->sun_path, "stat");
    if (!S_ISSOCK (status.st_mode)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _ ("control socket %s: it is no socket"),
                     address->sun_path);
        return false;
    }
    fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail (error, address->sun_path, "socket");
    done = connect (fd, (const struct sockaddr *)address, sizeof *address);
    int cause = errno;

    close (fd);
    if (done == 0 || cause == EAGAIN) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                     _ ("control socket %s: another relaisd answers there"), address->sun_path);
        return false;
    }
    if (unlink (address->sun_path) < 0 && errno != ENOENT)
        return fail (error, address->sun_path, "unlink");
    return true;
}

static bool
open_socket (RelaisControl *control, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen (control->path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return fail (error, control->path, "bind");
    }
    memcpy (address.sun_path, control->path, strlen (control->path) + 1);
    if (!clear_path (&address, error))
        return false;
    control->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* fchmod before bind: the socket never stands there with a wider mode, and the umask, which is
     * the whole process's, stays as it is. */
    if (control->fd < 0 || fchmod (control->fd, 0600) < 0 ||
        bind (control->fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen (control->fd, 16) < 0)
        return fail (error, control->path, "bind");
    control->io = relais_io_new (control->loop, control->fd, EPOLLIN, on_accept, control, error);
    return control->io != NULL;
}

RelaisControl *
relais_control_new (RelaisLoop *loop, const char *path, RelaisCommands *commands, GError **error)
{
    RelaisControl *control = g_new0 (RelaisControl, 1);

    control->loop = loop;
    control->commands = commands;
    control->path = g_strdup (path);
    control->fd = -1;
    control->sessions = g_ptr_array_new_with_free_func ((GDestroyNotify)session_unref);
    relais_timer_init (&control->rest, loop, on_rested, control);
    if (!open_socket (control, error))
        g_clear_pointer (&control, relais_control_free);
    return control;
}

bool
relais_control_open_to (RelaisControl *control, const char *group, GError **error)
{
    return relais_control_access_open (&control->access, group, control->path, error);
}

void
relais_control_set_config (RelaisControl *control, RelaisConfig *config)
{
    RelaisConfig *last = control->config;

    control->config = config != NULL ? relais_config_ref (config) : NULL;
    g_clear_pointer (&last, relais_config_unref);
}

void
relais_control_free (RelaisControl *control)
{
    if (control == NULL)
        return;
    while (control->sessions->len > 0)
        session_detach (g_ptr_array_index (control->sessions, 0));
    g_ptr_array_unref (control->sessions);
    relais_timer_stop (&control->rest);
    if (control->io != NULL)
        (void)unlink (control->path); /* ours: bind succeeded */
    g_clear_pointer (&control->io, relais_io_free);
    if (control->fd >= 0)
        close (control->fd);
    g_clear_pointer (&control->config, relais_config_unref);
    g_free (control->path);
    g_free (control);
}
