/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sink of the queue's tests. Never blocks: the queue runs on the same thread.
 */
#include "config.h"

#include "sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    Sink *sink;
    int fd;
    guint number;
    RelaisIo *io;
    GString *input;
    char client[INET_ADDRSTRLEN];
    char *helo;
    bool in_data, held;
    SinkMessage *message;
} Connection;

static void
message_free (gpointer data)
{
    SinkMessage *message = data;

    if (message == NULL)
        return;
    g_free (message->sender);
    g_free (message->client);
    g_free (message->helo);
    g_ptr_array_unref (message->recipients);
    g_string_free (message->data, TRUE);
    g_free (message);
}

static void
connection_free (gpointer data)
{
    Connection *connection = data;

    relais_io_free (connection->io);
    close (connection->fd);
    g_string_free (connection->input, TRUE);
    g_free (connection->helo);
    message_free (connection->message);
    connection->sink->open--;
    g_free (connection);
}

static void
drop (Connection *connection)
{
    g_ptr_array_remove (connection->sink->connections, connection);
}

/* False when the connection is gone. */
static bool
say (Connection *connection, const char *text)
{
    gsize size = strlen (text);
    bool close_after = size > 0 && text[size - 1] == '!';

    if (close_after)
        size--;
    if (size > 0) {
        g_autofree char *line = g_strdup_printf ("%.*s\r\n", (int)size, text);

        if (send (connection->fd, line, size + 2, MSG_NOSIGNAL) != (gssize)size + 2)
            close_after = true;
    }
    if (close_after)
        drop (connection);
    return !close_after;
}

static const char *
usual (Connection *connection, const char *line)
{
    if (g_str_has_prefix (line, "EHLO"))
        return connection->sink->extension;
    if (strcmp (line, "CONNECT") == 0)
        return "220 sink.test ESMTP";
    if (g_str_has_prefix (line, "RCPT") && connection->message == NULL)
        return "503 5.5.1 MAIL first";
    if (g_str_has_prefix (line, "DATA"))
        return connection->message != NULL && connection->message->recipients->len > 0
                   ? "354 go on"
                   : "554 5.5.1 no valid recipients";
    if (g_str_has_prefix (line, "QUIT"))
        return "221 bye!";
    return "250 2.0.0 fine";
}

static char *
path_of (const char *line)
{
    const char *start = strchr (line, '<');
    const char *end = start != NULL ? strchr (start, '>') : NULL;

    return end != NULL ? g_strndup (start + 1, (gsize)(end - start - 1)) : g_strdup ("");
}

static void
note (Connection *connection, const char *line, const char *answer)
{
    if (g_str_has_prefix (line, "MAIL") || g_str_has_prefix (line, "RSET"))
        g_clear_pointer (&connection->message, message_free);
    if (answer[0] != '2' && answer[0] != '3')
        return;
    if (g_str_has_prefix (line, "MAIL")) {
        connection->message = g_new0 (SinkMessage, 1);
        connection->message->sender = path_of (line);
        connection->message->recipients = g_ptr_array_new_with_free_func (g_free);
        connection->message->data = g_string_new (NULL);
        connection->message->connection = connection->number;
        connection->message->client = g_strdup (connection->client);
        connection->message->helo = g_strdup (connection->helo);
    } else if (g_str_has_prefix (line, "RCPT")) {
        g_ptr_array_add (connection->message->recipients, path_of (line));
    } else if (g_str_has_prefix (line, "DATA")) {
        connection->in_data = true;
    } else if (strcmp (line, ".") == 0) {
        g_ptr_array_add (connection->sink->messages, g_steal_pointer (&connection->message));
    }
}

/* False when the connection is gone. */
static bool
answer (Connection *connection, const char *line)
{
    Sink *sink = connection->sink;
    const char *text = sink->answer != NULL ? sink->answer (sink->data, sink, line) : NULL;

    if (text == NULL && g_str_has_prefix (line, "EHLO")) {
        g_free (connection->helo);
        connection->helo = g_strdup (line + MIN (strlen (line), strlen ("EHLO ")));
        if (!say (connection, "250-sink.test") || !say (connection, "250-PIPELINING") ||
            (!sink->plain && !say (connection, "250-8BITMIME")) ||
            (sink->extension != NULL && !say (connection, sink->extension)))
            return false;
        text = "250 ENHANCEDSTATUSCODES";
    }
    if (text == NULL)
        text = usual (connection, line);
    note (connection, line, text);
    return text[0] == '\0' || say (connection, text);
}

static bool
end_of_data (Connection *connection)
{
    connection->in_data = false;
    if (connection->sink->hold) {
        connection->held = true;
        return true;
    }
    return answer (connection, ".");
}

static bool
take_line (Connection *connection, char *line)
{
    gsize size = strlen (line);

    if (!connection->in_data)
        return answer (connection, line);
    if (strcmp (line, ".") == 0)
        return end_of_data (connection);
    g_string_append_len (connection->message->data, line + (line[0] == '.'),
                         (gssize)(size - (line[0] == '.')));
    g_string_append (connection->message->data, "\r\n");
    return true;
}

static void
on_input (gpointer data, guint32 events)
{
    Connection *connection = data;
    char bytes[16384];
    gssize n = recv (connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop (connection);
        return;
    }
    g_string_append_len (connection->input, bytes, n);
    for (;;) {
        char *end = strstr (connection->input->str, "\r\n");
        g_autofree char *line = NULL;

        if (end == NULL)
            return;
        line = g_strndup (connection->input->str, (gsize)(end - connection->input->str));
        g_string_erase (connection->input, 0, end + 2 - connection->input->str);
        if (!take_line (connection, line))
            return;
    }
}

static void
on_accept (gpointer data, guint32 events)
{
    Sink *sink = data;
    struct sockaddr_in from = {0};
    socklen_t size = sizeof from;
    int fd = accept4 (sink->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    Connection *connection;
    int yes = 1;

    if (fd < 0)
        return;
    connection = g_new0 (Connection, 1);
    connection->sink = sink;
    connection->fd = fd;
    connection->number = ++sink->accepted;
    connection->input = g_string_new (NULL);
    (void)setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->io = relais_io_new (sink->loop, fd, EPOLLIN, on_input, connection, NULL);
    g_ptr_array_add (sink->connections, connection);
    sink->open++;
    sink->most_open = MAX (sink->most_open, sink->open);
    (void)inet_ntop (AF_INET, &from.sin_addr, connection->client, sizeof connection->client);
    if (sink->unwelcome != NULL && strcmp (sink->unwelcome, connection->client) == 0)
        drop (connection);
    else
        (void)answer (connection, "CONNECT");
}

Sink *
sink_new (RelaisLoop *loop, const char *address, guint16 port)
{
    Sink *sink = g_new0 (Sink, 1);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons (port)};
    socklen_t size = sizeof in;
    int yes = 1;

    sink->loop = loop;
    sink->connections = g_ptr_array_new_with_free_func (connection_free);
    sink->messages = g_ptr_array_new_with_free_func (message_free);
    sink->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    g_assert_cmpint (inet_pton (AF_INET, address, &in.sin_addr), ==, 1);
    g_assert_no_errno (setsockopt (sink->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
    g_assert_no_errno (bind (sink->fd, (struct sockaddr *)&in, sizeof in));
    g_assert_no_errno (listen (sink->fd, 128));
    g_assert_no_errno (getsockname (sink->fd, (struct sockaddr *)&in, &size));
    sink->port = ntohs (in.sin_port);
    sink->io = relais_io_new (loop, sink->fd, EPOLLIN, on_accept, sink, NULL);
    return sink;
}

void
sink_free (Sink *sink)
{
    if (sink == NULL)
        return;
    relais_io_free (sink->io);
    close (sink->fd);
    g_ptr_array_unref (sink->connections);
    g_ptr_array_unref (sink->messages);
    g_free (sink);
}

guint
sink_held (const Sink *sink)
{
    guint n = 0;

    for (guint i = 0; i < sink->connections->len; i++)
        n += ((const Connection *)sink->connections->pdata[i])->held;
    return n;
}

guint
sink_release (Sink *sink, guint n)
{
    guint released = 0;

    for (guint i = 0; i < sink->connections->len && released < n; i++) {
        Connection *connection = sink->connections->pdata[i];

        if (!connection->held)
            continue;
        connection->held = false;
        released++;
        if (!answer (connection, "."))
            i--;
    }
    return released;
}

const SinkMessage *
sink_message (const Sink *sink, guint i)
{
    g_assert_cmpuint (i, <, sink->messages->len);
    return sink->messages->pdata[i];
}
