/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The front's life: accepting, the books over connections and clients, and the order of a turn. The
 * events of a turn bring requests, which are written to libmicrohttpd's sockets; at the end of the
 * turn it runs once for all of them, and what it wrote goes to the clients in the same turn. HTTP
 * thread.
 */
#include "config.h"

#include "http/connection-private.h"

#include "conf/net-private.h"
#include "loop/descriptors-private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_EVENT = 64 };

/* How long a listener rests when the process has no descriptors left. */
static const gint64 REST_US = 250 * RELAIS_USEC_PER_MSEC;

/* A listening socket. */
typedef struct {
    RelaisHttpDoor *door;
    int fd;
    RelaisIo *io;
    RelaisTimer rest;
} Ear;

void
relais_http_front_note (guint64 *figure, gint change)
{
    __atomic_fetch_add (figure, (guint64)(gint64)change, __ATOMIC_RELAXED);
}

/* --- Books ------------------------------------------------------------------------------------ */

/* False if the listener or the client has as many as it may. */
bool
relais_http_front_count (RelaisHttpConnection *connection)
{
    RelaisHttpDoor *door = connection->door;
    const RelaisHttpListener *listener = door->listener;
    guint n;

    if (door->n_connections > listener->connections)
        return false;
    if (relais_nets_contain (listener->trusted_proxies, &connection->peer.any))
        return true;
    n = GPOINTER_TO_UINT (g_hash_table_lookup (door->clients, connection->client_key));
    if (n >= listener->connections_per_address)
        return false;
    connection->counted = true;
    g_hash_table_insert (door->clients, g_memdup2 (connection->client_key, 16),
                         GUINT_TO_POINTER (n + 1));
    return true;
}

void
relais_http_front_uncount (RelaisHttpConnection *connection)
{
    GHashTable *clients = connection->door->clients;
    guint n;

    if (!connection->counted)
        return;
    n = GPOINTER_TO_UINT (g_hash_table_lookup (clients, connection->client_key));
    if (n > 1)
        g_hash_table_insert (clients, g_memdup2 (connection->client_key, 16),
                             GUINT_TO_POINTER (n - 1));
    else
        g_hash_table_remove (clients, connection->client_key);
}

static void
tell_drained (gpointer data)
{
    RelaisHttpFront *front = data;
    RelaisLoopFunc drained = front->drained;

    front->drained = NULL;
    if (drained != NULL)
        drained (front->drained_data);
}

void
relais_http_front_add (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;

    connection->place = front->connections->len;
    g_ptr_array_add (front->connections, connection);
    connection->door->n_connections++;
    relais_http_front_note (&front->figures->connections, 1);
    relais_http_front_note (&front->figures->connections_total, 1);
}

void
relais_http_front_remove (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;
    GPtrArray *all = front->connections;

    g_ptr_array_remove_index_fast (all, connection->place);
    if (connection->place < all->len)
        ((RelaisHttpConnection *)g_ptr_array_index (all, connection->place))->place =
            connection->place;
    connection->door->n_connections--;
    relais_http_front_note (&front->figures->connections, -1);
    if (front->draining && !front->freed && all->len == 0)
        relais_loop_post (front->loop, tell_drained, front);
}

RelaisHttpRequest *
relais_http_front_take_request (RelaisHttpConnection *connection)
{
    RelaisHttpFront *front = connection->front;
    RelaisHttpRequest *request =
        front->spare != NULL ? g_steal_pointer (&front->spare) : relais_http_request_new ();

    request->front = front;
    request->connection = connection;
    relais_http_head_init (&request->head, connection->door->listener->max_head);
    return request;
}

void
relais_http_front_give_request (RelaisHttpRequest *request)
{
    RelaisHttpFront *front = request->front;

    front->body_bytes -= request->reserved;
    request->reserved = 0;
    if (front->spare != NULL) {
        relais_http_request_free (request);
        return;
    }
    relais_http_request_reset (request);
    front->spare = request;
}

/* --- Turns ------------------------------------------------------------------------------------ */

void
relais_http_front_link (RelaisHttpConnection *connection, GQueue *queue)
{
    g_assert (connection->queue == NULL);
    connection->queue = queue;
    g_queue_push_tail_link (queue, &connection->link);
    if (queue == &connection->front->again)
        relais_timer_set (&connection->front->wake, 0);
}

void
relais_http_front_unlink (RelaisHttpConnection *connection)
{
    if (connection->queue != NULL)
        g_queue_unlink (connection->queue, &connection->link);
    connection->queue = NULL;
}

void
relais_http_front_run_soon (RelaisHttpFront *front)
{
    front->run_due = true;
    relais_timer_set (&front->wake, 0);
}

void
relais_http_front_watch_backend (RelaisHttpFront *front)
{
    relais_io_set_events (front->backend_io, EPOLLIN);
}

static void
on_backend (gpointer data, guint32 events)
{
    RelaisHttpFront *front = data;

    relais_io_set_events (front->backend_io, 0);
    front->run_due = true;
}

static void
on_wake (gpointer data)
{
    RelaisHttpFront *front = data;

    for (guint n = front->again.length; n > 0 && front->again.length > 0; n--) {
        RelaisHttpConnection *connection = front->again.head->data;

        relais_http_front_unlink (connection);
        relais_http_connection_go_on (connection);
    }
}

static void
on_turn_end (gpointer data)
{
    RelaisHttpFront *front = data;

    if (!front->run_due)
        return;
    front->run_due = false;
    relais_http_backend_run (front->backend);
    for (guint n = front->answering.length; n > 0 && front->answering.length > 0; n--)
        relais_http_connection_collect (front->answering.head->data);
}

/* --- Certificates ----------------------------------------------------------------------------- */

static void
set_certificate_timer (RelaisHttpFront *front)
{
    relais_timer_set (&front->certificates,
                      MIN (front->times.certificate_interval_us, front->times.ticket_key_age_us));
}

static void
on_certificate_time (gpointer data)
{
    RelaisHttpFront *front = data;

    for (guint i = 0; i < front->doors->len; i++) {
        const RelaisHttpDoor *door = g_ptr_array_index (front->doors, i);

        if (door->listener->certificates == NULL)
            continue;
        relais_certificates_check (door->listener->certificates, front->pool);
        relais_certificates_turn_tickets (door->listener->certificates,
                                          relais_loop_now_us (front->loop),
                                          front->times.ticket_key_age_us);
    }
    set_certificate_timer (front);
}

void
relais_http_front_use_times (RelaisHttpFront *front, const RelaisHttpTimes *times)
{
    front->times = *times;
    set_certificate_timer (front);
}

/* --- Accepting -------------------------------------------------------------------------------- */

void
relais_http_front_turn_away (RelaisHttpDoor *door, int fd)
{
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";

    relais_http_front_note (&door->front->figures->refused, 1);
    if (door->listener->certificates == NULL)
        (void)!send (fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
on_rested (gpointer data)
{
    relais_io_set_events (((Ear *)data)->io, EPOLLIN);
}

static bool
accept_one (Ear *ear)
{
    RelaisHttpAddress peer = {0};
    socklen_t size = sizeof peer;
    const int fd = accept4 (ear->fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0 && relais_descriptor_is_kept (fd, RELAIS_DESCRIPTOR_OF_CLIENT)) {
        relais_http_front_turn_away (ear->door, fd);
        close (fd);
        return true;
    }
    if (fd >= 0) {
        relais_http_connection_start (ear->door, fd, &peer);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
        relais_io_set_events (ear->io, 0);
        relais_timer_set (&ear->rest, REST_US);
    }
    return false;
}

static void
on_connection (gpointer data, guint32 events)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT && accept_one (data); i++)
        continue;
}

static void
ear_free (gpointer data)
{
    Ear *ear = data;

    relais_timer_stop (&ear->rest);
    g_clear_pointer (&ear->io, relais_io_free);
    close (ear->fd);
    g_free (ear);
}

static void
door_free (gpointer data)
{
    RelaisHttpDoor *door = data;

    g_hash_table_unref (door->clients);
    g_free (door);
}

static RelaisHttpDoor *
door_of (RelaisHttpFront *front, const RelaisHttpListener *listener)
{
    RelaisHttpDoor *door;

    for (guint i = 0; i < front->doors->len; i++) {
        door = g_ptr_array_index (front->doors, i);
        if (door->listener == listener)
            return door;
    }
    door = g_new0 (RelaisHttpDoor, 1);
    door->front = front;
    door->listener = listener;
    door->clients =
        g_hash_table_new_full (relais_client_key_hash, relais_client_key_equal, g_free, NULL);
    g_ptr_array_add (front->doors, door);
    return door;
}

static bool
open_ear (RelaisHttpFront *front, RelaisHttpSocket *socket_, GError **error)
{
    Ear *ear = g_new0 (Ear, 1);

    ear->door = door_of (front, socket_->listener);
    ear->fd = socket_->fd;
    socket_->fd = -1;
    relais_timer_init (&ear->rest, front->loop, on_rested, ear);
    g_ptr_array_add (front->ears, ear);
    ear->io = relais_io_new (front->loop, ear->fd, EPOLLIN, on_connection, ear, error);
    return ear->io != NULL;
}

/* --- Life ------------------------------------------------------------------------------------- */

static guint32
longest_head (const RelaisHttpSettings *settings)
{
    guint32 longest = 0;

    for (guint i = 0; i < settings->listeners->len; i++)
        longest = MAX (
            longest,
            ((const RelaisHttpListener *)g_ptr_array_index (settings->listeners, i))->max_head);
    return longest;
}

static bool
open_backend (RelaisHttpFront *front, GError **error)
{
    front->backend = relais_http_backend_new (longest_head (front->settings), error);
    if (front->backend == NULL)
        return false;
    front->backend_io = relais_io_new (front->loop, relais_http_backend_fd (front->backend), 0,
                                       on_backend, front, error);
    return front->backend_io != NULL;
}

static bool
open_ears (RelaisHttpFront *front, GPtrArray *sockets, GError **error)
{
    for (guint i = 0; i < sockets->len; i++)
        if (!open_ear (front, g_ptr_array_index (sockets, i), error))
            return false;
    return true;
}

RelaisHttpFront *
relais_http_front_new (RelaisLoop *loop, RelaisHost *host, const RelaisHttpSettings *settings,
                       GPtrArray *sockets, RelaisHttpFigures *figures, GError **error)
{
    RelaisHttpFront *front = g_new0 (RelaisHttpFront, 1);

    front->loop = loop;
    front->host = host;
    front->settings = settings;
    front->times = settings->times;
    front->figures = figures;
    front->doors = g_ptr_array_new_with_free_func (door_free);
    front->ears = g_ptr_array_new_with_free_func (ear_free);
    front->connections = g_ptr_array_new ();
    front->line = g_string_new (NULL);
    front->scratch = g_malloc (RELAIS_HTTP_SCRATCH_BYTES);
    relais_timer_init (&front->wake, loop, on_wake, front);
    relais_timer_init (&front->certificates, loop, on_certificate_time, front);
    /* Before any stream's, whose output is so written in the turn it was made in. */
    front->turn_handle = relais_loop_add_turn_func (loop, on_turn_end, front);
    front->pool = relais_pool_new (loop, "http-pool", settings->pool_threads, settings->pool_queue);
    if (open_backend (front, error) && open_ears (front, sockets, error)) {
        set_certificate_timer (front);
        return front;
    }
    relais_http_front_free (front);
    return NULL;
}

void
relais_http_front_drain (RelaisHttpFront *front, RelaisLoopFunc drained, gpointer data)
{
    front->draining = true;
    front->drained = drained;
    front->drained_data = data;
    g_ptr_array_set_size (front->ears, 0);
    if (front->connections->len == 0)
        relais_loop_post (front->loop, tell_drained, front);
    /* From the end: the one that goes is replaced by the last, which was looked at already. */
    for (guint i = front->connections->len; i > 0; i--)
        relais_http_connection_drain (g_ptr_array_index (front->connections, i - 1));
}

void
relais_http_front_free (RelaisHttpFront *front)
{
    if (front == NULL)
        return;
    front->freed = true;
    front->drained = NULL;
    g_ptr_array_unref (front->ears);
    while (front->connections->len > 0)
        relais_http_connection_cut (
            g_ptr_array_index (front->connections, front->connections->len - 1));
    relais_pool_free (front->pool);
    g_clear_pointer (&front->backend_io, relais_io_free);
    relais_http_backend_free (front->backend);
    relais_http_request_free (front->spare);
    relais_timer_stop (&front->wake);
    relais_timer_stop (&front->certificates);
    relais_loop_remove_turn_func (front->loop, front->turn_handle);
    g_ptr_array_unref (front->connections);
    g_ptr_array_unref (front->doors);
    g_string_free (front->line, TRUE);
    g_free (front->scratch);
    g_free (front);
}
