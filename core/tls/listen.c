/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening of listening sockets. See the header.
 */
#include "config.h"

#include "tls/listen-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/net-private.h"

enum { BACKLOG = 4096 };

static int
open_socket (const struct sockaddr *address, socklen_t size)
{
    const int on = 1;
    const int fd = socket (address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((address->sa_family == AF_INET6 &&
         setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        bind (fd, address, size) < 0 || listen (fd, BACKLOG) < 0) {
        const int saved = errno;

        close (fd);
        errno = saved;
        return -1;
    }
    return fd;
}

char *
relais_address_name (const struct sockaddr *address)
{
    g_autofree char *text = relais_address_to_text (address);

    return g_strdup_printf (strchr (text, ':') != NULL ? "[%s]:%u" : "%s:%u", text,
                            relais_address_port (address));
}

char *
relais_listen_name (int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;

    if (getsockname (fd, (struct sockaddr *)&bound, &size) < 0)
        return g_strdup ("unknown");
    return relais_address_name ((const struct sockaddr *)&bound);
}

int
relais_listen (const char *section, const char *address, guint16 port, char **name, GError **error)
{
    struct sockaddr_storage parsed;
    socklen_t size;
    int fd;

    if (!relais_address_from_text (address, port, &parsed, &size)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     "[%s] address: \"%s\" is no address", section, address);
        return -1;
    }
    fd = open_socket ((const struct sockaddr *)&parsed, size);
    if (fd < 0)
        g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno),
                     "[%s] cannot listen on %s port %u: %s", section, address, port,
                     g_strerror (errno));
    else
        *name = relais_listen_name (fd);
    return fd;
}
