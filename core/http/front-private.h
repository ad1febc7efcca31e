/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The front: accepts connections, keeps the books over them, and turns libmicrohttpd. One loop thread,
 * whichever made it (in the daemon that is the HTTP thread, server.c). Everything here but the figures is
 * for that thread.
 */
#pragma once

#include "http/request-private.h"
#include "http/settings-private.h"

/* A socket that was bound beforehand. */
typedef struct {
    int fd;
    const RelaisHttpListener *listener;
    char *name; /* "ADDRESS:PORT" as bound */
} RelaisHttpSocket;

typedef struct {
    guint64 connections;       /* now */
    guint64 connections_total; /* accepted since start */
    guint64 requests;          /* answered by handlers */
    guint64 refused;           /* requests and connections that the front turned away */
} RelaisHttpFigures;

/* Listens on `sockets` (RelaisHttpSocket *) and closes their descriptors in the end; the records, settings
 * and host are borrowed. `figures` is borrowed and written atomically. */
RelaisHttpFront *
relais_http_front_new (RelaisLoop *loop, RelaisHost *host, const RelaisHttpSettings *settings,
                       GPtrArray *sockets, RelaisHttpFigures *figures, GError **error);
/* Accepts nothing more; what is idle is closed, a request that is under way is answered first. `drained`
 * is called, from a later turn, when no connection is left. */
void relais_http_front_drain (RelaisHttpFront *front, RelaisLoopFunc drained, gpointer data);
/* Puts a reload's times in force. */
void relais_http_front_use_times (RelaisHttpFront *front, const RelaisHttpTimes *times);
/* Cuts all connections, waits for handlers that run. May block. Accepts NULL. */
void relais_http_front_free (RelaisHttpFront *front);
