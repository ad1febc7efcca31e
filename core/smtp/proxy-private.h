/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PROXY header, versions 1 and 2, which a load balancer sends ahead of the client's bytes. Pure,
 * bounded (at most RELAIS_PROXY_BYTES), resumable by being called again with more. Any thread.
 */
#pragma once

#include <glib.h>
#include <sys/socket.h>

enum { RELAIS_PROXY_BYTES = 2048 };

typedef enum {
    RELAIS_PROXY_MORE,    /* not whole yet */
    RELAIS_PROXY_CLIENT,  /* `address` is the client's */
    RELAIS_PROXY_UNKNOWN, /* a header that names no client: the proxy's own connection */
    RELAIS_PROXY_BAD
} RelaisProxyStatus;

RelaisProxyStatus
relais_proxy_parse (const guint8 *bytes, gsize size, gsize *used, struct sockaddr_storage *address);
