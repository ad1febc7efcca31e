/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The server: listening sockets, how many sessions there may be, and the books over sessions,
 * clients, transactions and commits. Owns the sockets, the settings and the users; sessions and
 * commits hold it by reference, so that a message that is being synced meets no freed server. Loop
 * thread.
 */
#include "config.h"

#include "loop/descriptors-private.h"
#include "smtp/session-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_EVENT = 64 };

/* How long a listener rests when the process has no descriptors left. */
static const gint64 REST_US = 250 * RELAIS_USEC_PER_MSEC;

static const RelaisServerReply server_full = {421, "4.7.0", "too many sessions"};
static const RelaisServerReply client_replies[] = {
    [RELAIS_CLIENT_FULL] = {421, "4.7.0", "too many sessions from your address"},
    [RELAIS_CLIENT_NET_FULL] = {421, "4.7.0", "too many sessions from your network"},
    [RELAIS_CLIENT_FAST] = {421, "4.7.0", "too many connections from your address in a minute"},
    [RELAIS_CLIENT_NET_FAST] = {421, "4.7.0", "too many connections from your network in a minute"},
};

typedef struct {
    RelaisSmtpServer *server;
    const RelaisServerListener *listener;
    int fd;
    RelaisIo *io;
    RelaisTimer rest;
    char *name; /* "ADDRESS:PORT" as bound */
} Socket;

/* --- Life ------------------------------------------------------------------------------------- */

RelaisSmtpServer *
relais_smtp_server_ref (RelaisSmtpServer *server)
{
    server->refs++;
    return server;
}

void
relais_smtp_server_unref (RelaisSmtpServer *server)
{
    if (--server->refs > 0)
        return;
    g_ptr_array_unref (server->sockets);
    g_ptr_array_unref (server->sessions);
    relais_clients_free (server->clients);
    relais_auth_free (server->auth);
    relais_server_settings_unref (server->settings);
    g_free (server);
}

static void
stop_listening (Socket *socket_)
{
    relais_timer_stop (&socket_->rest);
    g_clear_pointer (&socket_->io, relais_io_free);
    if (socket_->fd >= 0)
        close (socket_->fd);
    socket_->fd = -1;
}

static void
socket_free (gpointer data)
{
    Socket *socket_ = data;

    stop_listening (socket_);
    g_free (socket_->name);
    g_free (socket_);
}

void
relais_smtp_server_free (RelaisSmtpServer *server)
{
    if (server == NULL)
        return;
    server->freed = true;
    server->drained = NULL;
    relais_timer_stop (&server->certificates);
    for (guint i = 0; i < server->sockets->len; i++)
        stop_listening (g_ptr_array_index (server->sockets, i));
    while (server->sessions->len > 0)
        relais_session_cut (g_ptr_array_index (server->sessions, server->sessions->len - 1));
    relais_smtp_server_unref (server);
}

/* --- Accepting -------------------------------------------------------------------------------- */

/* Without a session, and without waiting for the peer to go: there may be thousands of them. */
static void
turn_away (RelaisSmtpServer *server, int fd, const RelaisServerReply *reply)
{
    char text[128];
    const int size =
        g_snprintf (text, sizeof text, "%u %s %s\r\n", reply->code, reply->enhanced, reply->text);

    server->figures.turned_away_total++;
    (void)!send (fd, text, (gsize)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    close (fd);
}

static void
on_rested (gpointer data)
{
    relais_io_set_events (((Socket *)data)->io, EPOLLIN);
}

/* Behind a proxy it is the clients that count. */
static void
admit (Socket *socket_, int fd, const struct sockaddr *peer)
{
    RelaisSmtpServer *server = socket_->server;
    RelaisAdmission admission = {0};
    const RelaisServerReply *refusal = NULL;

    if (server->sessions->len >= (guint)server->settings->limits.sessions ||
        relais_descriptor_is_kept (fd, RELAIS_DESCRIPTOR_OF_CLIENT))
        refusal = &server_full;
    else if (!socket_->listener->proxy)
        refusal = relais_smtp_server_enter (server, peer, &admission);
    if (refusal != NULL)
        turn_away (server, fd, refusal);
    else
        relais_session_start (server, socket_->listener, fd, peer, &admission);
}

static bool
accept_one (Socket *socket_)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    const int fd =
        accept4 (socket_->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
        return true;
    if (fd < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            relais_io_set_events (socket_->io, 0);
            relais_timer_set (&socket_->rest, REST_US);
        }
        return false;
    }
    admit (socket_, fd, (const struct sockaddr *)&peer);
    return true;
}

static void
on_connection (gpointer data, guint32 events)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT && accept_one (data); i++)
        continue;
}

/* --- Certificates ----------------------------------------------------------------------------- */

static void
set_certificate_timer (RelaisSmtpServer *server)
{
    relais_timer_set (&server->certificates, MIN (server->settings->certificate_interval_us,
                                                  server->settings->limits.ticket_key_age));
}

/* On the thread for passwords, which has time. */
static void
on_certificate_time (gpointer data)
{
    RelaisSmtpServer *server = data;
    const GPtrArray *listeners = server->settings->listeners;
    const gint64 now_us = relais_loop_now_us (server->options.loop);

    for (guint i = 0; i < listeners->len; i++) {
        const RelaisServerListener *listener = g_ptr_array_index (listeners, i);

        if (listener->certificates == NULL)
            continue;
        relais_certificates_check (listener->certificates, server->options.auth_pool);
        relais_certificates_turn_tickets (listener->certificates, now_us,
                                          server->settings->limits.ticket_key_age);
    }
    set_certificate_timer (server);
}

/* --- Listening -------------------------------------------------------------------------------- */

static bool
listen_on (RelaisSmtpServer *server, const RelaisServerListener *listener, RelaisPort *port,
           GError **error)
{
    Socket *socket_ = g_new0 (Socket, 1);

    socket_->server = server;
    socket_->listener = listener;
    relais_timer_init (&socket_->rest, server->options.loop, on_rested, socket_);
    g_ptr_array_add (server->sockets, socket_);
    socket_->name = g_steal_pointer (&port->name);
    socket_->fd = port->fd;
    port->fd = -1;
    socket_->io =
        relais_io_new (server->options.loop, socket_->fd, EPOLLIN, on_connection, socket_, error);
    return socket_->io != NULL;
}

static bool
open_listeners (RelaisSmtpServer *server, GError **error)
{
    for (guint i = 0; i < server->settings->listeners->len; i++) {
        const RelaisServerListener *listener = g_ptr_array_index (server->settings->listeners, i);
        const RelaisPortWish wish = {"listener", listener->name,
                                     (const char *const *)listener->addresses, listener->port};
        g_autoptr (GPtrArray) ports = relais_ports_take (server->options.ports, &wish, error);

        if (ports == NULL)
            return false;
        for (guint k = 0; k < ports->len; k++)
            if (!listen_on (server, listener, g_ptr_array_index (ports, k), error))
                return false;
    }
    return true;
}

RelaisSmtpServer *
relais_smtp_server_new (const RelaisSmtpServerOptions *options, RelaisConfig *config,
                        GError **error)
{
    RelaisSmtpServer *server = g_new0 (RelaisSmtpServer, 1);

    server->refs = 1;
    server->options = *options;
    server->sockets = g_ptr_array_new_with_free_func (socket_free);
    server->sessions = g_ptr_array_new ();
    server->clients = relais_clients_new ();
    relais_timer_init (&server->certificates, options->loop, on_certificate_time, server);
    server->settings = relais_server_settings_new (config, error);
    if (server->settings != NULL)
        server->auth = relais_auth_new (options->loop, options->auth_pool,
                                        server->settings->users_file, error);
    if (server->auth != NULL && open_listeners (server, error)) {
        set_certificate_timer (server);
        return server;
    }
    relais_smtp_server_free (server);
    return NULL;
}

/* Which listeners there are only a restart changes. */
void
relais_smtp_server_use (RelaisSmtpServer *server, RelaisServerSettings *settings)
{
    for (guint i = 0; i < server->sockets->len; i++) {
        Socket *socket_ = g_ptr_array_index (server->sockets, i);

        socket_->listener = relais_server_settings_listener (settings, socket_->listener->name);
        g_assert (socket_->listener != NULL);
    }
    relais_server_settings_unref (server->settings);
    server->settings = relais_server_settings_ref (settings);
    set_certificate_timer (server);
}

const char *
relais_smtp_server_listener (const RelaisSmtpServer *server, guint n, const char **name)
{
    const Socket *socket_;

    if (n >= server->sockets->len)
        return NULL;
    socket_ = g_ptr_array_index (server->sockets, n);
    if (name != NULL)
        *name = socket_->listener->name;
    return socket_->name;
}

/* --- Books ------------------------------------------------------------------------------------ */

void
relais_smtp_server_add_session (RelaisSmtpServer *server, RelaisSession *session)
{
    session->link = server->sessions->len;
    g_ptr_array_add (server->sessions, relais_session_ref (session));
    server->figures.sessions_total++;
}

void
relais_smtp_server_remove_session (RelaisSmtpServer *server, RelaisSession *session)
{
    const guint place = session->link;

    g_ptr_array_remove_index_fast (server->sessions, place);
    if (place < server->sessions->len)
        ((RelaisSession *)g_ptr_array_index (server->sessions, place))->link = place;
    relais_smtp_server_check_drained (server);
    relais_session_unref (session);
}

/* The limits in force, not those that a session began with: they are of all sessions together. */
static RelaisClientLimits
client_limits (const RelaisSmtpServer *server)
{
    const RelaisServerLimits *limits = &server->settings->limits;

    return (RelaisClientLimits){
        .sessions_per_client = (guint)limits->sessions_per_client,
        .sessions_per_net = (guint)limits->sessions_per_net,
        .connections_per_client = (guint)limits->connections_per_client,
        .connections_per_net = (guint)limits->connections_per_net,
        .login_failures = (guint)limits->auth_failures_per_client,
    };
}

const RelaisServerReply *
relais_smtp_server_enter (RelaisSmtpServer *server, const struct sockaddr *address,
                          RelaisAdmission *admission)
{
    const RelaisClientLimits limits = client_limits (server);
    RelaisClientVerdict verdict;

    *admission = (RelaisAdmission){0};
    if (relais_nets_contain (server->settings->exempt_nets, address))
        return NULL;
    relais_client_key (address, admission->key);
    verdict = relais_clients_enter (server->clients, admission->key, &limits,
                                    relais_loop_now_us (server->options.loop));
    admission->counted = verdict == RELAIS_CLIENT_ADMITTED;
    return admission->counted ? NULL : &client_replies[verdict];
}

void
relais_smtp_server_leave (RelaisSmtpServer *server, RelaisAdmission *admission)
{
    if (admission->counted)
        relais_clients_leave (server->clients, admission->key);
    admission->counted = false;
}

bool
relais_smtp_server_may_log_in (RelaisSmtpServer *server, const RelaisAdmission *admission)
{
    const RelaisClientLimits limits = client_limits (server);

    return !admission->counted ||
           relais_clients_may_log_in (server->clients, admission->key, &limits,
                                      relais_loop_now_us (server->options.loop));
}

void
relais_smtp_server_note_failed_login (RelaisSmtpServer *server, const RelaisAdmission *admission)
{
    if (admission->counted)
        relais_clients_note_failed_login (server->clients, admission->key,
                                          relais_loop_now_us (server->options.loop));
}

bool
relais_smtp_server_is_stressed (const RelaisSmtpServer *server)
{
    return (gint64)server->sessions->len * 8 >= server->settings->limits.sessions * 7;
}

void
relais_smtp_server_count_transaction (RelaisSmtpServer *server, int change)
{
    server->in_transaction += (guint)change;
    if (!server->freed)
        relais_spool_set_busy_sessions (server->options.spool, server->in_transaction);
}

void
relais_smtp_server_figures (const RelaisSmtpServer *server, RelaisSmtpServerFigures *figures)
{
    *figures = server->figures;
    figures->sessions = server->sessions->len;
    figures->in_transaction = server->in_transaction;
    figures->commits = server->commits;
}

/* --- Draining --------------------------------------------------------------------------------- */

static void
tell_drained (gpointer data)
{
    RelaisSmtpServer *server = data;
    RelaisLoopFunc drained = server->drained;

    server->drained = NULL;
    if (drained != NULL)
        drained (server->drained_data);
    relais_smtp_server_unref (server);
}

/* The last session may end inside any call, so it is told from a later turn. */
void
relais_smtp_server_check_drained (RelaisSmtpServer *server)
{
    if (server->draining && server->drained != NULL && server->sessions->len == 0 &&
        server->commits == 0)
        relais_loop_post (server->options.loop, tell_drained, relais_smtp_server_ref (server));
}

void
relais_smtp_server_drain (RelaisSmtpServer *server, RelaisLoopFunc drained, gpointer data)
{
    server->draining = true;
    server->drained = drained;
    server->drained_data = data;
    for (guint i = 0; i < server->sockets->len; i++)
        stop_listening (g_ptr_array_index (server->sockets, i));
    /* From the end: the one that goes is replaced by the last, which was looked at already. */
    for (guint i = server->sessions->len; i > 0; i--)
        relais_session_drain (g_ptr_array_index (server->sessions, i - 1));
    relais_smtp_server_check_drained (server);
}
