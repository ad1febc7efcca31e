/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What happens with a whole request: it goes to libmicrohttpd at once, or first to a thread of the pool;
 * the answer is taken from libmicrohttpd and written to the client. And the answers that the front gives
 * itself, which no handler sees. HTTP thread.
 *
 * libmicrohttpd gets a head written anew from what was checked: method, path, Host, length, and whether
 * the connection goes on. The rest (query, cookies, what else a client may send) is for handlers
 * alone, who read it from the checked bytes.
 */
#include "config.h"

#include "http/connection-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { COLLECTS = 4, RETRY_AFTER_S = 5 };

/* --- Letting go ------------------------------------------------------------------------------- */

void
relais_http_connection_drop_request (RelaisHttpConnection *connection)
{
    RelaisHttpRequest *request = g_steal_pointer (&connection->request);

    if (connection->pair != NULL)
        connection->pair->request = NULL;
    if (request == NULL)
        return;
    request->connection = NULL;
    if (!request->in_pool)
        relais_http_front_give_request (request);
}

void
relais_http_connection_drop_pair (RelaisHttpConnection *connection)
{
    if (connection->pair == NULL)
        return;
    g_clear_pointer (&connection->pair, relais_http_pair_free);
    connection->front->n_pairs--;
    relais_http_front_run_soon (connection->front);
}

/* --- Answers of our own ----------------------------------------------------------------------- */

static const char *
reason_of (guint status)
{
    static const struct {
        guint status;
        const char *reason;
    } reasons[] = {
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    g_assert_not_reached ();
}

/* RFC 9110 section 5.6.7; English, whatever the locale. */
static void
append_date (GString *text, gint64 wall_us)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t seconds = (time_t)(wall_us / RELAIS_USEC_PER_SEC);
    struct tm tm = {0};

    gmtime_r (&seconds, &tm);
    g_string_append_printf (text, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
                            tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                            tm.tm_sec);
}

static void
append_allow (GString *text, const RelaisHttpRoute *route)
{
    const bool get = (route->methods & RELAIS_HTTP_GET) != 0;
    const bool post = (route->methods & RELAIS_HTTP_POST) != 0;

    g_string_append_printf (text, "Allow: %s%s%s\r\n", get ? "GET, HEAD" : "",
                            get && post ? ", " : "", post ? "POST" : "");
}

void
relais_http_connection_refuse (RelaisHttpConnection *connection, guint status, const char *text,
                               bool close)
{
    RelaisHttpFront *front = connection->front;
    const RelaisHttpRequest *request = connection->request;
    const bool is_head = request->head.size > 0 && request->head.method == RELAIS_HTTP_METHOD_HEAD;
    GString *answer = front->line;

    close |= front->draining;
    g_string_printf (answer, "HTTP/1.1 %u %s\r\n", status, reason_of (status));
    append_date (answer, relais_loop_wall_us (front->loop));
    g_string_append_printf (answer,
                            "Content-Type: text/plain\r\nContent-Length: %" G_GSIZE_FORMAT
                            "\r\nX-Content-Type-Options: nosniff\r\n",
                            strlen (text) + 1);
    if (status == 405)
        append_allow (answer, request->route);
    if (status == 503)
        g_string_append_printf (answer, "Retry-After: %d\r\n", RETRY_AFTER_S);
    g_string_append_printf (answer, "%s\r\n", close ? "Connection: close\r\n" : "");
    if (!is_head)
        g_string_append_printf (answer, "%s\n", text);
    relais_stream_write (connection->stream, answer->str, answer->len);
    relais_http_front_note (&front->figures->refused, 1);
    relais_http_connection_next (connection, close);
}

/* --- To libmicrohttpd ------------------------------------------------------------------------- */

static const char *
host_field (const RelaisHttpRequest *request)
{
    const guint32 n = request->head.known[RELAIS_HTTP_HOST];

    return n > 0 ? (const char *)request->bytes->data + request->head.fields[n - 1].value.at : NULL;
}

static void
write_head (const RelaisHttpConnection *connection, GString *line)
{
    const RelaisHttpRequest *request = connection->request;
    const RelaisHttpHead *head = &request->head;
    const char *host = host_field (request);

    g_string_assign (line, relais_http_method_to_string (head->method));
    g_string_append_c (line, ' ');
    g_string_append_len (line, (const char *)request->bytes->data + head->path.at,
                         (gssize)head->path.size);
    g_string_append (line, head->minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    if (host != NULL) {
        g_string_append (line, "Host: ");
        g_string_append (line, host);
        g_string_append (line, "\r\n");
    }
    if (head->close || connection->front->draining)
        g_string_append (line, "Connection: close\r\n");
    else if (head->minor == 0 && head->keep_alive)
        g_string_append (line, "Connection: keep-alive\r\n");
    if (head->method == RELAIS_HTTP_METHOD_POST)
        g_string_append_printf (line, "Content-Length: %" G_GUINT64_FORMAT "\r\n",
                                head->content_length);
    g_string_append (line, "\r\n");
}

/* Sends `head` and what is left of the body, as far as it goes. */
static bool
send_request (RelaisHttpConnection *connection, const GString *head)
{
    gsize size = 0;
    const guint8 *body = connection->request->body != NULL
                             ? g_bytes_get_data (connection->request->body, &size)
                             : NULL;
    struct iovec parts[2] = {{head->str, head->len}, {NULL, size - connection->body_sent}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    gssize n;

    if (body != NULL)
        parts[1].iov_base = (guint8 *)body + connection->body_sent;
    n = sendmsg (connection->pair->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < (gssize)head->len)
        return false;
    connection->body_sent += (gsize)n - head->len;
    return true;
}

/* True if more of the body went. */
static bool
send_more (RelaisHttpConnection *connection)
{
    const gsize before = connection->body_sent;
    gsize size;
    const guint8 *body;
    gssize n;

    if (connection->request->body == NULL)
        return false;
    body = g_bytes_get_data (connection->request->body, &size);
    if (before == size)
        return false;
    n = send (connection->pair->fd, body + before, size - before, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        connection->body_sent += (gsize)n;
    return n > 0;
}

static bool
attach (RelaisHttpConnection *connection)
{
    if (connection->pair != NULL)
        return true;
    connection->pair = relais_http_backend_attach (connection->front->backend);
    connection->front->n_pairs += connection->pair != NULL;
    return connection->pair != NULL;
}

static void
hand_on (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;

    if (!attach (connection)) {
        relais_http_connection_refuse (connection, 503, "too much to do", true);
        return;
    }
    connection->pair->request = connection->request;
    connection->pair->answered = false;
    connection->body_sent = connection->answer_bytes = 0;
    write_head (connection, front->line);
    if (!send_request (connection, front->line)) {
        relais_http_connection_refuse (connection, 500, "something went wrong here", true);
        return;
    }
    relais_http_connection_set_state (connection, RELAIS_HTTP_ANSWERING);
    relais_http_connection_set_deadline (connection,
                                         connection->door->listener->request_timeout_us);
    relais_http_front_link (connection, &front->answering);
    front->run_due = true;
}

/* --- The pool --------------------------------------------------------------------------------- */

static void
work (gpointer data)
{
    relais_http_request_handle (data);
}

static void
worked (gpointer data)
{
    RelaisHttpRequest *request = data;

    request->in_pool = false;
    if (request->connection != NULL)
        hand_on (request->connection);
    else
        relais_http_front_give_request (request);
}

static void
hand_to_pool (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;
    RelaisHttpRequest *request = connection->request;
    const gint64 deadline_us = request->route->deadline_us > 0 ? request->route->deadline_us
                                                               : front->settings->pool_deadline_us;

    relais_http_connection_set_state (connection, RELAIS_HTTP_WAITING);
    request->in_pool = true;
    request->deadline_us = deadline_us;
    if (relais_pool_run (front->pool, work, worked, request)) {
        relais_http_connection_set_deadline (connection, deadline_us);
        return;
    }
    request->in_pool = false;
    relais_http_connection_refuse (connection, 503, "too much to do", request->head.close);
}

void
relais_http_connection_dispatch (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;
    RelaisHttpRequest *request = connection->request;

    request->pin = relais_host_pin (front->host);
    request->wall_us = relais_loop_wall_us (front->loop);
    relais_http_request_set_client (request, connection->door->listener->trusted_proxies,
                                    &connection->peer, relais_stream_is_tls (connection->stream));
    if (request->collected != NULL)
        request->body = g_byte_array_free_to_bytes (g_steal_pointer (&request->collected));
    else if (request->head.method == RELAIS_HTTP_METHOD_POST)
        request->body = g_bytes_new_static ("", 0);
    if (request->route->kind == RELAIS_HTTP_POOL)
        hand_to_pool (connection);
    else
        hand_on (connection);
}

/* --- From libmicrohttpd ----------------------------------------------------------------------- */

typedef enum {
    TAKEN_NOTHING,
    TAKEN_SOME,    /* and there may be more */
    TAKEN_ALL,     /* of what was there now */
    TAKEN_TOO_MUCH /* for the client, who must take some of it first */
} Taken;

static Taken
take_once (RelaisHttpConnection *connection)
{
    guint8 *scratch = connection->front->scratch;
    const gssize n = recv (connection->pair->fd, scratch, RELAIS_HTTP_SCRATCH_BYTES, MSG_DONTWAIT);

    if (n <= 0)
        return TAKEN_NOTHING;
    connection->answer_bytes += (gsize)n;
    if (!relais_stream_write (connection->stream, scratch, (gsize)n))
        return TAKEN_TOO_MUCH;
    return n == RELAIS_HTTP_SCRATCH_BYTES ? TAKEN_SOME : TAKEN_ALL;
}

static void
end_exchange (RelaisHttpConnection *connection)
{
    const bool close = !connection->pair->attached;

    relais_http_front_note (&connection->front->figures->requests, 1);
    relais_http_connection_next (connection, close);
}

/* libmicrohttpd closed without a whole answer: it did not agree with us, or had no memory. */
static void
fail_exchange (RelaisHttpConnection *connection)
{
    g_warning ("http: a request of %s was not answered", connection->request->client);
    if (connection->answer_bytes == 0)
        relais_http_connection_refuse (connection, 500, "something went wrong here", true);
    else
        relais_http_connection_cut (connection);
}

/* Not whole yet: sees to it that there is another run. */
static void
wait_for_more (RelaisHttpConnection *connection, bool progress)
{
    RelaisHttpFront *front = connection->front;

    progress |= send_more (connection);
    relais_http_front_link (connection, &front->answering);
    if (progress || relais_http_backend_is_hungry (front->backend))
        relais_http_front_run_soon (front);
    else
        relais_http_front_watch_backend (front);
}

void
relais_http_connection_collect (RelaisHttpConnection *connection)
{
    Taken taken = TAKEN_SOME;
    bool progress = false;

    relais_http_front_unlink (connection);
    for (int i = 0; i < COLLECTS && taken == TAKEN_SOME; i++) {
        taken = take_once (connection);
        progress |= taken != TAKEN_NOTHING;
    }
    if (taken == TAKEN_TOO_MUCH)
        connection->blocked = true;
    else if (taken == TAKEN_SOME)
        wait_for_more (connection, true);
    else if (connection->pair->answered)
        end_exchange (connection);
    else if (!connection->pair->attached)
        fail_exchange (connection);
    else
        wait_for_more (connection, progress);
}

void
relais_http_connection_drained (RelaisHttpConnection *connection)
{
    if (!connection->blocked)
        return;
    connection->blocked = false;
    relais_http_front_link (connection, &connection->front->answering);
    relais_http_front_run_soon (connection->front);
}
