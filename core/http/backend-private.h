/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libmicrohttpd behind the front. Each connection of the front that has a request to be answered has a
 * pair of sockets, of which libmicrohttpd serves the other end: the checked request goes in, what the
 * client is to read comes out. Here the two views of a request meet: unless libmicrohttpd has read
 * the same method, path and length that the front has, no handler runs.
 *
 * HTTP thread only. libmicrohttpd does nothing but inside relais_http_backend_run ().
 */
#pragma once

#include "http/request-private.h"

typedef struct RelaisHttpBackend RelaisHttpBackend;

/* Our end. Owned by the front and by libmicrohttpd until both let go of it. */
typedef struct {
    int fd;                     /* -1 once the front let go */
    bool attached;              /* libmicrohttpd still has the other end */
    bool answered;              /* the whole answer to the request stands in the socket */
    RelaisHttpRequest *request; /* the one that may be handled; set by the front */
    gsize body_bytes;           /* of it that libmicrohttpd has taken */
} RelaisHttpPair;

/* `max_head` is the longest head of any listener. */
RelaisHttpBackend *relais_http_backend_new (guint32 max_head, GError **error);
/* Ends what is still attached. Accepts NULL. */
void relais_http_backend_free (RelaisHttpBackend *backend);

/* NULL if there are no descriptors left. */
RelaisHttpPair *relais_http_backend_attach (RelaisHttpBackend *backend);
/* Closes our end; libmicrohttpd finds out at the next run. Accepts NULL. */
void relais_http_pair_free (RelaisHttpPair *pair);

/* Does what there is to do, without waiting: reads requests, runs handlers, writes answers. */
void relais_http_backend_run (RelaisHttpBackend *backend);
/* Whether it would do more at once. */
bool relais_http_backend_is_hungry (RelaisHttpBackend *backend);
/* Readable when relais_http_backend_run () has something to do. */
int relais_http_backend_fd (const RelaisHttpBackend *backend);
