/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTP server as the daemon sees it: has [http NAME]'s sockets, runs the front on a thread of its own
 * ("http"), so that no tracker connection ever costs the mail loop anything. Main thread, but the
 * figures, which any may read.
 */
#pragma once

#include "http/front-private.h"
#include "tls/ports-private.h"

typedef struct RelaisHttpServer RelaisHttpServer;

/* Reads the configuration and takes its sockets from `ports` (NULL: opens them); accepts nothing yet. Without any
 * [http] section it does nothing, ever. Warns of routes that no listener is there for. `loop` is the main
 * loop; `clock` is NULL for the system's. May block (start-up). */
RelaisHttpServer *
relais_http_server_new (RelaisLoop *loop, const RelaisClock *clock, RelaisHost *host,
                        RelaisPorts *ports, RelaisConfig *config, GError **error);
/* Starts the thread, once privileges are down and modules have started. */
bool relais_http_server_start (RelaisHttpServer *server, GError **error);
/* What a reload changes of it: when certificates are looked at, and how old keys of tickets get. */
void relais_http_server_use (RelaisHttpServer *server, const RelaisConfig *config);
/* Accepts nothing more; requests that are under way are answered. `drained` is called on the main loop when
 * the last connection is gone. */
void relais_http_server_drain (RelaisHttpServer *server, RelaisLoopFunc drained, gpointer data);
/* Cuts what is left, waits for handlers that run, ends the thread. May block: shutdown only, and before
 * the host is freed. Accepts NULL. */
void relais_http_server_free (RelaisHttpServer *server);

/* The bound address of the n-th listener as "ADDRESS:PORT" with its real port; NULL beyond. */
const char *
relais_http_server_listener (const RelaisHttpServer *server, guint n, const char **name);
void relais_http_server_figures (const RelaisHttpServer *server, RelaisHttpFigures *figures);
