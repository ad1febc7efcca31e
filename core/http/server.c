/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP server's sockets and thread. The main thread makes, starts, drains and frees it; the thread owns
 * its loop and the front, and lives from start to free. What passes between the two is posted to a loop
 * or ordered by the thread's start and join; how starting went is told under the mutex.
 */
#include "config.h"

#include "http/server-private.h"

#include "conf/net-private.h"
#include "tls/stream-private.h"
#include "loop/thread-private.h"

#include <relais/module.h>

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct RelaisHttpServer {
    gint refs; /* the owner's, and one for what is posted to the main loop; atomic */
    RelaisLoop *main_loop;
    const RelaisClock *clock;
    RelaisHost *host;
    RelaisHttpSettings *settings;
    GPtrArray *sockets;        /* RelaisHttpSocket */
    RelaisHttpFigures figures; /* atomic */
    GThread *thread;           /* NULL while it does not run */
    RelaisLoopFunc drained;    /* main thread's */
    gpointer drained_data;

    GMutex mutex;
    GCond changed;
    bool up;               /* starting ended; under mutex */
    GError *error;         /* why it failed, until it is taken; under mutex */
    RelaisHttpTimes times; /* of the last reload; under mutex */
    /* The thread's, once it is up: */
    RelaisLoop *loop;
    RelaisHttpFront *front;
};

/* --- Sockets ---------------------------------------------------------------------------------- */

static void
socket_free (gpointer data)
{
    RelaisHttpSocket *socket_ = data;

    if (socket_->fd >= 0)
        close (socket_->fd);
    g_free (socket_->name);
    g_free (socket_);
}

static void
add_socket (RelaisHttpServer *server, const RelaisHttpListener *listener, RelaisPort *port)
{
    RelaisHttpSocket *socket_ = g_new (RelaisHttpSocket, 1);

    *socket_ = (RelaisHttpSocket){port->fd, listener, g_steal_pointer (&port->name)};
    port->fd = -1;
    g_ptr_array_add (server->sockets, socket_);
}

static bool
open_sockets (RelaisHttpServer *server, RelaisPorts *from, GError **error)
{
    for (guint i = 0; i < server->settings->listeners->len; i++) {
        const RelaisHttpListener *listener = g_ptr_array_index (server->settings->listeners, i);
        const RelaisPortWish wish = {"http", listener->name,
                                     (const char *const *)listener->addresses, listener->port};
        g_autoptr (GPtrArray) ports = relais_ports_take (from, &wish, error);

        if (ports == NULL)
            return false;
        for (guint k = 0; k < ports->len; k++)
            add_socket (server, listener, g_ptr_array_index (ports, k));
    }
    return true;
}

/* --- Making ----------------------------------------------------------------------------------- */

static void
warn_of_routes (const RelaisHttpServer *server)
{
    static const char *const kinds[] = {"tracker", "api"};

    for (guint i = 0; i < relais_host_n_routes (server->host); i++) {
        const RelaisHttpRoute *route = relais_host_nth_route (server->host, i);

        if (!relais_http_settings_has_kind (server->settings, route->listener))
            g_warning ("http: module %s has a route '%s' that nobody can reach; add a section "
                       "[http NAME] with kind = %s",
                       relais_module_get_name (route->module), route->path, kinds[route->listener]);
    }
}

RelaisHttpServer *
relais_http_server_new (RelaisLoop *loop, const RelaisClock *clock, RelaisHost *host,
                        RelaisPorts *ports, RelaisConfig *config, GError **error)
{
    RelaisHttpServer *server = g_new0 (RelaisHttpServer, 1);

    server->refs = 1;
    server->main_loop = loop;
    server->clock = clock;
    server->host = host;
    server->sockets = g_ptr_array_new_with_free_func (socket_free);
    g_mutex_init (&server->mutex);
    g_cond_init (&server->changed);
    server->settings = relais_http_settings_new (config, error);
    if (server->settings != NULL && open_sockets (server, ports, error)) {
        warn_of_routes (server);
        return server;
    }
    relais_http_server_free (server);
    return NULL;
}

/* --- The thread ------------------------------------------------------------------------------- */

static bool
set_up (RelaisHttpServer *server, GError **error)
{
    server->loop = relais_loop_new (server->clock, error);
    if (server->loop == NULL)
        return false;
    server->front = relais_http_front_new (server->loop, server->host, server->settings,
                                           server->sockets, &server->figures, error);
    return server->front != NULL;
}

static gpointer
thread_main (gpointer data)
{
    RelaisHttpServer *server = data;
    GError *error = NULL;
    const bool up = set_up (server, &error);

    g_mutex_lock (&server->mutex);
    server->up = true;
    server->error = error;
    g_cond_signal (&server->changed);
    g_mutex_unlock (&server->mutex);
    if (up)
        relais_loop_run (server->loop);
    if (server->loop != NULL) {
        relais_http_front_free (server->front);
        relais_streams_cut_lingering (server->loop);
    }
    return NULL;
}

bool
relais_http_server_start (RelaisHttpServer *server, GError **error)
{
    GError *failure;

    if (server->sockets->len == 0)
        return true;
    server->thread = relais_thread_new ("http", thread_main, server);
    g_mutex_lock (&server->mutex);
    while (!server->up)
        g_cond_wait (&server->changed, &server->mutex);
    failure = g_steal_pointer (&server->error);
    g_mutex_unlock (&server->mutex);
    if (failure == NULL)
        return true;
    g_thread_join (g_steal_pointer (&server->thread));
    g_propagate_prefixed_error (error, failure, "http: ");
    return false;
}

/* --- Draining and the end --------------------------------------------------------------------- */

static void
server_unref (RelaisHttpServer *server)
{
    if (!g_atomic_int_dec_and_test (&server->refs))
        return;
    g_mutex_clear (&server->mutex);
    g_cond_clear (&server->changed);
    g_free (server);
}

/* It may be freed between the post and its turn. */
static void
tell_drained (gpointer data)
{
    RelaisHttpServer *server = data;

    if (server->drained != NULL)
        server->drained (server->drained_data);
    server_unref (server);
}

static void
post_drained (gpointer data)
{
    RelaisHttpServer *server = data;

    g_atomic_int_inc (&server->refs);
    relais_loop_post (server->main_loop, tell_drained, server);
}

static void
use_times (gpointer data)
{
    RelaisHttpServer *server = data;
    RelaisHttpTimes times;

    g_mutex_lock (&server->mutex);
    times = server->times;
    g_mutex_unlock (&server->mutex);
    relais_http_front_use_times (server->front, &times);
}

void
relais_http_server_use (RelaisHttpServer *server, const RelaisConfig *config)
{
    if (server->thread == NULL)
        return;
    g_mutex_lock (&server->mutex);
    server->times = relais_http_times_read (config);
    g_mutex_unlock (&server->mutex);
    relais_loop_post (server->loop, use_times, server);
}

static void
drain_front (gpointer data)
{
    RelaisHttpServer *server = data;

    relais_http_front_drain (server->front, post_drained, server);
}

void
relais_http_server_drain (RelaisHttpServer *server, RelaisLoopFunc drained, gpointer data)
{
    server->drained = drained;
    server->drained_data = data;
    if (server->thread != NULL)
        relais_loop_post (server->loop, drain_front, server);
    else
        post_drained (server);
}

void
relais_http_server_free (RelaisHttpServer *server)
{
    if (server == NULL)
        return;
    if (server->thread != NULL) {
        relais_loop_quit (server->loop);
        g_thread_join (server->thread);
    }
    relais_loop_free (server->loop);
    g_ptr_array_unref (server->sockets);
    relais_http_settings_free (server->settings);
    server->drained = NULL;
    server_unref (server);
}

/* --- Figures ---------------------------------------------------------------------------------- */

const char *
relais_http_server_listener (const RelaisHttpServer *server, guint n, const char **name)
{
    const RelaisHttpSocket *socket_;

    if (n >= server->sockets->len)
        return NULL;
    socket_ = g_ptr_array_index (server->sockets, n);
    if (name != NULL)
        *name = socket_->listener->name;
    return socket_->name;
}

void
relais_http_server_figures (const RelaisHttpServer *server, RelaisHttpFigures *figures)
{
    const RelaisHttpFigures *now = &server->figures;

    figures->connections = __atomic_load_n (&now->connections, __ATOMIC_RELAXED);
    figures->connections_total = __atomic_load_n (&now->connections_total, __ATOMIC_RELAXED);
    figures->requests = __atomic_load_n (&now->requests, __ATOMIC_RELAXED);
    figures->refused = __atomic_load_n (&now->refused, __ATOMIC_RELAXED);
}
