/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A front on loopback with a module of the test's own, and raw clients for it. One thread: a client that
 * waits turns the loop, so that everything happens in the order in which it is asked for. Time stands
 * still but for bed_advance ().
 */
#pragma once

#include "http/front-private.h"
#include "module/module-private.h"

#include <relais/http.h>

#include <openssl/ssl.h>

typedef struct {
    RelaisClock clock; /* first */
    gint64 now_us;
    char *dir;
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule *module;
    RelaisConfig *config;
    RelaisHttpSettings *settings;
    GPtrArray *sockets; /* RelaisHttpSocket */
    guint16 port;
    RelaisHttpFigures figures;
    RelaisHttpFront *front;
} Bed;

/* `conf` is conf.d text; "@DIR@" in it is a directory with tls.pem. The module is called "guest". */
Bed *bed_new (const char *conf);
/* Before bed_open (). */
RelaisModule *bed_add_module (RelaisHost *host, const char *name);
bool bed_try_route (RelaisModule *module, RelaisHttpRouteInfo info, GError **error);
void bed_add_route (Bed *bed, RelaisHttpRouteInfo info);
/* Opens the first [http] section of `conf`. */
void bed_open (Bed *bed);
void bed_free (Bed *bed);
/* Turns the loop until `done (data)`; the test fails after 20 s. */
void bed_wait (Bed *bed, bool (*done) (gpointer data), gpointer data);
/* Turns until nothing is left to do at once. */
void bed_settle (Bed *bed);
void bed_advance (Bed *bed, gint64 us);
RelaisConfig *bed_read_conf (const char *dir, const char *conf);
RelaisHttpSocket *bed_bind (const RelaisHttpListener *listener, guint16 *port);

typedef struct {
    Bed *bed;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    GByteArray *in;
    bool eof;
    gsize wanted;
} Client;

Client *client_new (Bed *bed);
/* From an address of 127.0.0.0/8. */
Client *client_new_from (Bed *bed, const char *address);
void client_free (Client *client);
/* Over TLS from now on. */
void client_start_tls (Client *client);
void client_send (Client *client, const char *bytes, gssize size);
/* Says that nothing more comes. */
void client_shut (Client *client);
/* What comes until the server closes, as a string. Borrowed. */
const char *client_read_all (Client *client);
/* Waits for one answer with its body (none if `head`) and returns it; the caller frees. */
char *client_read_answer (Client *client, bool head);
/* The same, with its status checked. */
void client_expect (Client *client, guint status);
/* Waits until the server has closed; nothing but `bytes` may have come. */
void client_expect_end (Client *client, const char *bytes);
/* Sends a GET and reads the answer. */
char *client_get (Client *client, const char *target);
guint answer_status (const char *answer);
