/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Streams that we open: socket, local address, a connect that does not block. Loop thread; never
 * tells the owner anything from inside relais_stream_connect ().
 */
#include "config.h"

#include "loop/descriptors-private.h"
#include "tls/stream-struct-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

static void
set_errno_error (GError **error, int code, const char *what)
{
    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (code), "%s: %s", what,
                 g_strerror (code));
}

/* Without IP_BIND_ADDRESS_NO_PORT the port would be taken at bind (), for every peer at once, and
 * one source address could hold no more connections than there are ports. */
static bool
bind_local (int fd, const struct sockaddr *local, socklen_t local_size, GError **error)
{
    const int on = 1;

    if (local == NULL || local_size == 0)
        return true;
    if (local->sa_family == AF_INET || local->sa_family == AF_INET6)
        (void)setsockopt (fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind (fd, local, local_size) == 0)
        return true;
    set_errno_error (error, errno, "cannot use the local address");
    return false;
}

RelaisStream *
relais_stream_connect (RelaisLoop *loop, const struct sockaddr *peer, socklen_t peer_size,
                       const struct sockaddr *local, socklen_t local_size,
                       const RelaisStreamCallbacks *callbacks, gpointer data, GError **error)
{
    RelaisStream *stream;
    const int on = 1;
    int fd = socket (peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        set_errno_error (error, errno, "cannot make a socket");
        return NULL;
    }
    if (relais_descriptor_is_kept (fd, RELAIS_DESCRIPTOR_OF_DELIVERY)) {
        close (fd);
        set_errno_error (error, EMFILE, "cannot make a socket");
        return NULL;
    }
    if (!bind_local (fd, local, local_size, error)) {
        close (fd);
        return NULL;
    }
    stream = relais_stream_alloc (loop, fd, callbacks, data);
    stream->state = STREAM_CONNECTING;
    if (peer->sa_family != AF_UNIX)
        (void)setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    relais_stream_set_peer (stream, peer);
    if (connect (fd, peer, peer_size) == 0)
        relais_stream_kick (stream);
    else if (errno == EINPROGRESS)
        relais_stream_update_watch (stream);
    else {
        set_errno_error (&stream->error, errno, "cannot connect");
        relais_stream_kick (stream);
    }
    return stream;
}

void
relais_stream_connect_step (RelaisStream *stream)
{
    int code = 0;
    socklen_t size = sizeof code;

    if (stream->error == NULL) {
        if (getsockopt (stream->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
            code = errno;
        if (code != 0)
            set_errno_error (&stream->error, code, "cannot connect");
    }
    relais_stream_tell_ready (stream, g_steal_pointer (&stream->error));
}
