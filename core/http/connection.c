/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One client's connection: its states, its one timer, and its input up to a whole request. What
 * happens with a whole request stands in exchange.c. HTTP thread.
 *
 * The timer: idle time while no octet of a request is there; from the first one on a deadline for the
 * whole request, which no octet moves; then the handler's; then one for each 64 KiB of the answer.
 */
#include "config.h"

#include "http/connection-private.h"

#include "conf/net-private.h"

#include <string.h>

enum { PROGRESS_BYTES = 64 * 1024, PAIRS_KEPT = 256 };

static const gint64 LINGER_US = 2 * RELAIS_USEC_PER_SEC;

static const char go_ahead[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* --- States ----------------------------------------------------------------------------------- */

#define BIT(state) (1u << RELAIS_HTTP_##state)

/* States that may follow; ENDED always may. */
static const guint32 next_states[RELAIS_HTTP_N_STATES] = {
    [RELAIS_HTTP_OPENING] = BIT (IDLE),
    [RELAIS_HTTP_IDLE] = BIT (HEAD),
    [RELAIS_HTTP_HEAD] = BIT (IDLE) | BIT (BODY) | BIT (WAITING) | BIT (ANSWERING),
    [RELAIS_HTTP_BODY] = BIT (IDLE) | BIT (WAITING) | BIT (ANSWERING),
    [RELAIS_HTTP_WAITING] = BIT (IDLE) | BIT (ANSWERING),
    [RELAIS_HTTP_ANSWERING] = BIT (IDLE),
    [RELAIS_HTTP_ENDED] = 0,
};

void
relais_http_connection_set_state (RelaisHttpConnection *connection, RelaisHttpState state)
{
    g_assert (state == RELAIS_HTTP_ENDED || (next_states[connection->state] & (1u << state)) != 0);
    connection->state = state;
}

void
relais_http_connection_set_deadline (RelaisHttpConnection *connection, gint64 delay_us)
{
    connection->taken_bytes = relais_stream_bytes_out (connection->stream);
    relais_timer_set (&connection->deadline, delay_us);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void
end (RelaisHttpConnection *connection)
{
    relais_http_connection_set_state (connection, RELAIS_HTTP_ENDED);
    relais_timer_stop (&connection->deadline);
    relais_http_front_unlink (connection);
    relais_http_connection_drop_pair (connection);
    relais_http_connection_drop_request (connection);
    relais_http_front_uncount (connection);
    relais_http_front_remove (connection);
    g_free (connection);
}

void
relais_http_connection_cut (RelaisHttpConnection *connection)
{
    g_clear_pointer (&connection->stream, relais_stream_free);
    end (connection);
}

void
relais_http_connection_finish (RelaisHttpConnection *connection)
{
    relais_stream_finish (g_steal_pointer (&connection->stream), LINGER_US);
    end (connection);
}

void
relais_http_connection_drain (RelaisHttpConnection *connection)
{
    if (connection->state != RELAIS_HTTP_WAITING && connection->state != RELAIS_HTTP_ANSWERING)
        relais_http_connection_finish (connection);
}

void
relais_http_connection_next (RelaisHttpConnection *connection, bool close)
{
    RelaisHttpFront *front = connection->front;
    gsize waiting;

    relais_stream_peek (connection->stream, &waiting);
    if (close || front->draining || (connection->eof && waiting == 0)) {
        relais_http_connection_finish (connection);
        return;
    }
    relais_http_connection_drop_request (connection);
    if (front->n_pairs > PAIRS_KEPT)
        relais_http_connection_drop_pair (connection);
    relais_http_connection_set_state (connection, RELAIS_HTTP_IDLE);
    relais_http_connection_set_deadline (connection, connection->door->listener->idle_timeout_us);
    relais_stream_pause (connection->stream, false);
    /* Its next request gets its turn after those of others. */
    if (waiting > 0)
        relais_http_front_link (connection, &front->again);
}

/* --- Input ------------------------------------------------------------------------------------ */

/* The connection cannot go on behind a body that nobody read. */
static void
refuse_head (RelaisHttpConnection *connection, guint status, const char *text)
{
    const RelaisHttpHead *head = &connection->request->head;

    relais_http_connection_refuse (connection, status, text,
                                   head->close || head->content_length > 0);
}

static bool
may_be_sent (const RelaisHttpRequest *request)
{
    const RelaisHttpMethods method =
        request->head.method == RELAIS_HTTP_METHOD_POST ? RELAIS_HTTP_POST : RELAIS_HTTP_GET;

    return (request->route->methods & method) != 0;
}

static bool
reserve_body (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;
    RelaisHttpRequest *request = connection->request;
    const guint64 size = request->head.content_length;

    if (front->body_bytes > front->settings->body_memory ||
        size > front->settings->body_memory - front->body_bytes)
        return false;
    request->reserved = (gsize)size;
    front->body_bytes += request->reserved;
    return true;
}

/* True if there is a body to be taken now. */
static bool
begin_body (RelaisHttpConnection *connection)
{
    RelaisHttpRequest *request = connection->request;
    const RelaisHttpHead *head = &request->head;
    gsize waiting;

    if (head->content_length == 0) {
        relais_http_connection_dispatch (connection);
        return false;
    }
    request->collected = g_byte_array_new ();
    relais_http_connection_set_state (connection, RELAIS_HTTP_BODY);
    relais_stream_peek (connection->stream, &waiting);
    if (head->expects_continue && waiting == 0)
        relais_stream_write (connection->stream, go_ahead, sizeof go_ahead - 1);
    return true;
}

static bool
take_whole_head (RelaisHttpConnection *connection, const guint8 *bytes)
{
    RelaisHttpRequest *request = connection->request;
    const RelaisHttpHead *head = &request->head;

    relais_http_request_take_head (request, bytes);
    relais_stream_consume (connection->stream, head->size);
    request->route = relais_host_find_route (
        connection->front->host, connection->door->listener->kind,
        (const char *)request->bytes->data + head->path.at, head->path.size);
    if (request->route == NULL)
        refuse_head (connection, 404, "there is nothing here");
    else if (!may_be_sent (request))
        refuse_head (connection, 405, "this method does not apply here");
    else if (head->content_length > request->route->max_body)
        refuse_head (connection, 413, "body too large");
    else if (!reserve_body (connection))
        refuse_head (connection, 503, "too much to do");
    else
        return begin_body (connection);
    return false;
}

static bool
take_head (RelaisHttpConnection *connection)
{
    RelaisHttpHead *head = &connection->request->head;
    gsize size;
    const guint8 *bytes = relais_stream_peek (connection->stream, &size);

    switch (relais_http_head_parse (head, bytes, size)) {
    case RELAIS_HTTP_HEAD_WHOLE: return take_whole_head (connection, bytes);
    case RELAIS_HTTP_HEAD_BAD:
        relais_http_connection_refuse (connection, head->status, head->text, true);
        return false;
    case RELAIS_HTTP_HEAD_MORE: break;
    }
    if (connection->eof)
        relais_http_connection_finish (connection);
    return false;
}

static void
take_body (RelaisHttpConnection *connection)
{
    RelaisHttpRequest *request = connection->request;
    const gsize left = (gsize)request->head.content_length - request->collected->len;
    gsize size;
    const guint8 *bytes = relais_stream_peek (connection->stream, &size);

    size = MIN (size, left);
    g_byte_array_append (request->collected, bytes, (guint)size);
    relais_stream_consume (connection->stream, size);
    if (size == left)
        relais_http_connection_dispatch (connection);
    else if (connection->eof)
        relais_http_connection_finish (connection);
}

/* True if there is a head to be taken now. */
static bool
begin_request (RelaisHttpConnection *connection)
{
    gsize waiting;

    relais_stream_peek (connection->stream, &waiting);
    if (waiting == 0) {
        if (connection->eof)
            relais_http_connection_finish (connection);
        return false;
    }
    connection->request = relais_http_front_take_request (connection);
    relais_http_connection_set_state (connection, RELAIS_HTTP_HEAD);
    relais_http_connection_set_deadline (connection,
                                         connection->door->listener->request_timeout_us);
    return true;
}

/* A client that sends ahead of its turn is not read any further than a head. */
static void
hold_input (RelaisHttpConnection *connection)
{
    gsize waiting;

    relais_stream_peek (connection->stream, &waiting);
    if (waiting > connection->door->listener->max_head)
        relais_stream_pause (connection->stream, true);
}

/* A client that does not read its answers is not listened to either. */
static bool
is_behind (const RelaisHttpConnection *connection)
{
    return relais_stream_unwritten (connection->stream) >= RELAIS_STREAM_HIGH_BYTES;
}

void
relais_http_connection_go_on (RelaisHttpConnection *connection)
{
    switch (connection->state) {
    case RELAIS_HTTP_IDLE:
        if (is_behind (connection)) {
            hold_input (connection);
            return;
        }
        /* What is linked goes on in its turn. */
        if (connection->queue != NULL || !begin_request (connection))
            return;
        G_GNUC_FALLTHROUGH;
    case RELAIS_HTTP_HEAD:
        if (!take_head (connection))
            return;
        G_GNUC_FALLTHROUGH;
    case RELAIS_HTTP_BODY: take_body (connection); return;
    case RELAIS_HTTP_WAITING:
    case RELAIS_HTTP_ANSWERING: hold_input (connection); return;
    case RELAIS_HTTP_OPENING:
    case RELAIS_HTTP_ENDED:
    case RELAIS_HTTP_N_STATES: return;
    }
}

/* --- The stream's callbacks, and the timer ---------------------------------------------------- */

static void
on_input (RelaisStream *stream, gpointer data)
{
    relais_http_connection_go_on (data);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    RelaisHttpConnection *connection = data;

    if (connection->state != RELAIS_HTTP_IDLE) {
        relais_http_connection_drained (connection);
        return;
    }
    relais_stream_pause (stream, false);
    relais_http_connection_go_on (connection);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisHttpConnection *connection = data;

    if (error != NULL) {
        relais_http_front_note (&connection->front->figures->refused, 1);
        relais_http_connection_cut (connection);
        return;
    }
    relais_http_connection_set_state (connection, RELAIS_HTTP_IDLE);
    relais_http_connection_set_deadline (connection, connection->door->listener->idle_timeout_us);
}

/* A client that sent all it has and closed its side still gets the answers to it. */
static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisHttpConnection *connection = data;

    if (error != NULL || connection->state == RELAIS_HTTP_OPENING) {
        relais_http_connection_cut (connection);
        return;
    }
    connection->eof = true;
    relais_http_connection_go_on (connection);
}

static const RelaisStreamCallbacks stream_callbacks = {on_input, on_drained, on_ready, on_closed};

static bool
makes_progress (const RelaisHttpConnection *connection)
{
    return relais_stream_bytes_out (connection->stream) - connection->taken_bytes >= PROGRESS_BYTES;
}

static void
on_deadline (gpointer data)
{
    RelaisHttpConnection *connection = data;
    const RelaisHttpListener *listener = connection->door->listener;

    switch (connection->state) {
    case RELAIS_HTTP_HEAD:
    case RELAIS_HTTP_BODY:
        relais_http_connection_refuse (connection, 408, "the request took too long", true);
        return;
    case RELAIS_HTTP_WAITING:
        relais_http_connection_refuse (connection, 503, "the answer took too long",
                                       connection->request->head.close);
        return;
    case RELAIS_HTTP_IDLE:
    case RELAIS_HTTP_ANSWERING:
        if (makes_progress (connection))
            relais_http_connection_set_deadline (connection, listener->request_timeout_us);
        else if (relais_stream_unwritten (connection->stream) > 0)
            relais_http_connection_cut (connection);
        else
            relais_http_connection_finish (connection);
        return;
    case RELAIS_HTTP_OPENING:
    case RELAIS_HTTP_ENDED:
    case RELAIS_HTTP_N_STATES: relais_http_connection_cut (connection); return;
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

void
relais_http_connection_start (RelaisHttpDoor *door, int fd, const RelaisHttpAddress *peer)
{
    RelaisHttpConnection *connection = g_new0 (RelaisHttpConnection, 1);

    connection->front = door->front;
    connection->door = door;
    connection->peer = *peer;
    connection->link.data = connection;
    relais_timer_init (&connection->deadline, door->front->loop, on_deadline, connection);
    connection->stream =
        relais_stream_new (door->front->loop, fd, &stream_callbacks, connection, NULL);
    if (connection->stream == NULL) {
        g_free (connection);
        return;
    }
    relais_client_key (&peer->any, connection->client_key);
    relais_http_front_add (connection);
    if (!relais_http_front_count (connection)) {
        relais_http_front_turn_away (door, fd);
        relais_http_connection_cut (connection);
    } else if (door->listener->certificates != NULL) {
        relais_http_connection_set_deadline (connection, door->listener->request_timeout_us);
        relais_stream_start_tls (connection->stream,
                                 relais_certificates_context (door->listener->certificates), NULL);
    } else {
        relais_http_connection_set_state (connection, RELAIS_HTTP_IDLE);
        relais_http_connection_set_deadline (connection, door->listener->idle_timeout_us);
    }
}
