/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP peer of the harness; see the header. A connection reads commands by lines and a message by the decoder of
 * the server, so that what stands in a message is what a server would have made of it. All on the loop's thread.
 */
#include "config.h"

#include "test-peer-private.h"

#include "smtp/framing-private.h"
#include "tls/stream-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_BYTES = 16384 /* of one command; a client that says more is cut off */ };
static const gint64 LINGER_US = RELAIS_USEC_PER_SEC;

static const char greeting[] = "220 peer.test ESMTP";
static const char extensions[] = "250-peer.test\n250-PIPELINING\n250-8BITMIME\n"
                                 "250 ENHANCEDSTATUSCODES";

typedef struct {
    char *command;
    char *reply; /* NULL: none, and the connection is closed */
} Line;

struct RelaisTestPeer {
    RelaisLoop *loop;
    int fd;
    guint16 port;
    RelaisIo *io;
    GQueue script;   /* Line */
    GQueue commands; /* char * */
    GQueue messages; /* GBytes */
    GPtrArray *connections;
};

typedef struct {
    RelaisTestPeer *peer;
    RelaisStream *stream;
    bool silent;        /* a reply is withheld */
    guint n_recipients; /* that were taken, of this transaction */
    bool in_data;
    RelaisFraming framing;
    GByteArray *message;
} Connection;

static void
line_free (gpointer data)
{
    Line *line = data;

    g_free (line->command);
    g_free (line->reply);
    g_free (line);
}

static void
connection_free (gpointer data)
{
    Connection *connection = data;

    relais_stream_free (connection->stream);
    g_byte_array_unref (connection->message);
    g_free (connection);
}

static void
hang_up (Connection *connection)
{
    relais_stream_finish (g_steal_pointer (&connection->stream), LINGER_US);
    g_ptr_array_remove_fast (connection->peer->connections, connection);
}

/* --- Replies ------------------------------------------------------------------------------------ */

static bool
is_command (const char *command, const char *word)
{
    return g_ascii_strncasecmp (command, word, strlen (word)) == 0;
}

static const char *
usual_reply (const Connection *connection, const char *command)
{
    static const struct {
        const char *command, *reply;
    } rows[] = {{"EHLO", extensions},
                {"DATA", "354 Go on"},
                {"QUIT", "221 2.0.0 Bye"},
                {"RCPT", "250 2.1.5 Fine"}};

    if (command[0] == '\0')
        return greeting;
    if (is_command (command, "DATA") && connection->n_recipients == 0)
        return "554 5.5.1 No valid recipients";
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        if (is_command (command, rows[i].command))
            return rows[i].reply;
    return "250 2.0.0 Fine";
}

/* The next line of the script, if it is for this command. Owned. */
static Line *
take_line (RelaisTestPeer *peer, const char *command)
{
    const Line *line = g_queue_peek_head (&peer->script);

    if (line == NULL)
        return NULL;
    if (line->command[0] == '\0' ? command[0] != '\0' : !is_command (command, line->command))
        return NULL;
    return g_queue_pop_head (&peer->script);
}

static void
say (Connection *connection, const char *reply)
{
    g_auto (GStrv) lines = g_strsplit (reply, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        g_strchomp (*line);
        relais_stream_printf (connection->stream, "%s\r\n", *line);
    }
}

static void
note (Connection *connection, const char *command, const char *reply)
{
    if (is_command (command, "MAIL") || is_command (command, "RSET"))
        connection->n_recipients = 0;
    if (is_command (command, "RCPT") && reply[0] == '2')
        connection->n_recipients++;
    if (is_command (command, "DATA") && reply[0] == '3') {
        connection->in_data = true;
        relais_framing_init (&connection->framing, false);
        g_byte_array_set_size (connection->message, 0);
    }
    if (strcmp (command, ".") == 0 && reply[0] == '2')
        g_queue_push_tail (&connection->peer->messages,
                           g_bytes_new (connection->message->data, connection->message->len));
}

/* False when the connection is gone. */
static bool
answer (Connection *connection, const char *command)
{
    Line *line = take_line (connection->peer, command);
    const char *reply = line != NULL ? line->reply : usual_reply (connection, command);
    bool stays = reply != NULL && !is_command (command, "QUIT");

    if (command[0] != '\0')
        g_queue_push_tail (&connection->peer->commands, g_strdup (command));
    if (reply != NULL && reply[0] == '\0')
        connection->silent = true;
    else if (reply != NULL) {
        say (connection, reply);
        note (connection, command, reply);
    }
    if (line != NULL)
        line_free (line);
    if (!stays)
        hang_up (connection);
    return stays;
}

/* --- Input ---------------------------------------------------------------------------------------- */

static void
keep (gpointer data, const guint8 *bytes, gsize size)
{
    g_byte_array_append (((Connection *)data)->message, bytes, (guint)size);
}

/* False when nothing more can be done with what is there. */
static bool
take_data (Connection *connection, const guint8 *bytes, gsize size)
{
    gsize used = 0;
    const RelaisFramingStatus status =
        relais_framing_decode (&connection->framing, bytes, size, &used, keep, connection);

    relais_stream_consume (connection->stream, used);
    if (status == RELAIS_FRAMING_MORE)
        return false;
    if (status == RELAIS_FRAMING_BARE) { /* nobody may rely on that */
        hang_up (connection);
        return false;
    }
    connection->in_data = false;
    return answer (connection, ".");
}

static bool
take_command (Connection *connection, const guint8 *bytes, gsize size)
{
    const guint8 *end = memmem (bytes, size, "\r\n", 2);
    g_autofree char *command = NULL;

    if (end == NULL && size > LINE_BYTES)
        hang_up (connection);
    if (end == NULL)
        return false;
    command = g_strndup ((const char *)bytes, (gsize)(end - bytes));
    relais_stream_consume (connection->stream, (gsize)(end - bytes) + 2);
    return answer (connection, command);
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    Connection *connection = data;
    bool more = true;

    while (more && !connection->silent) {
        gsize size;
        const guint8 *bytes = relais_stream_peek (stream, &size);

        more =
            size > 0 && (connection->in_data ? take_data : take_command) (connection, bytes, size);
    }
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    Connection *connection = data;

    g_ptr_array_remove_fast (connection->peer->connections, connection);
}

static const RelaisStreamCallbacks callbacks = {.input = on_input, .closed = on_closed};

static void
on_accept (gpointer data, guint32 events)
{
    RelaisTestPeer *peer = data;
    const int fd = accept4 (peer->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    Connection *connection;

    if (fd < 0)
        return;
    connection = g_new0 (Connection, 1);
    connection->peer = peer;
    connection->message = g_byte_array_new ();
    connection->stream = relais_stream_new (peer->loop, fd, &callbacks, connection, NULL);
    g_assert (connection->stream != NULL);
    g_ptr_array_add (peer->connections, connection);
    (void)answer (connection, "");
}

/* --- The peer ------------------------------------------------------------------------------------- */

static guint16
listen_on_loopback (int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    if (fd < 0 || bind (fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen (fd, SOMAXCONN) != 0 || getsockname (fd, (struct sockaddr *)&address, &size) != 0)
        g_error ("no socket to listen on: %s", g_strerror (errno));
    return ntohs (address.sin_port);
}

RelaisTestPeer *
relais_test_peer_new (RelaisLoop *loop)
{
    RelaisTestPeer *peer = g_new0 (RelaisTestPeer, 1);

    peer->loop = loop;
    peer->connections = g_ptr_array_new_with_free_func (connection_free);
    peer->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    peer->port = listen_on_loopback (peer->fd);
    peer->io = relais_io_new (loop, peer->fd, EPOLLIN, on_accept, peer, NULL);
    g_assert (peer->io != NULL);
    return peer;
}

void
relais_test_peer_free (RelaisTestPeer *peer)
{
    if (peer == NULL)
        return;
    relais_io_free (peer->io);
    (void)close (peer->fd);
    g_ptr_array_unref (peer->connections);
    g_queue_clear_full (&peer->script, line_free);
    g_queue_clear_full (&peer->commands, g_free);
    g_queue_clear_full (&peer->messages, (GDestroyNotify)g_bytes_unref);
    g_free (peer);
}

guint16
relais_test_peer_port (const RelaisTestPeer *peer)
{
    return peer->port;
}

void
relais_test_peer_expect (RelaisTestPeer *peer, const char *command, const char *reply)
{
    Line *line = g_new (Line, 1);

    *line = (Line){g_strdup (command), g_strdup (reply)};
    g_queue_push_tail (&peer->script, line);
}

guint
relais_test_peer_n_expected (const RelaisTestPeer *peer)
{
    return peer->script.length;
}

char *
relais_test_peer_take_command (RelaisTestPeer *peer)
{
    return g_queue_pop_head (&peer->commands);
}

GBytes *
relais_test_peer_take_message (RelaisTestPeer *peer)
{
    return g_queue_pop_head (&peer->messages);
}

guint
relais_test_peer_n_silent (const RelaisTestPeer *peer)
{
    guint n = 0;

    for (guint i = 0; i < peer->connections->len; i++)
        n += ((const Connection *)peer->connections->pdata[i])->silent;
    return n;
}
