/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP server: listeners and their sessions, from the banner to 250 after the sync. Who may send
 * what is design.md section 4. It hands each accepted message to its owner and knows no queue.
 *
 * Loop thread only.
 */
#pragma once

#include "module/host-private.h"
#include "smtp/server-settings-private.h"
#include "suppress/suppress-private.h"
#include "tls/ports-private.h"
#include "tls/stream-private.h"

typedef struct RelaisSmtpServer RelaisSmtpServer;

typedef struct {
    RelaisLoop *loop;
    RelaisSpool *spool;
    RelaisHost *host;
    RelaisPool *auth_pool; /* one thread, bounded: password hashes; when it is full: 454 */
    RelaisPorts *ports;    /* that its listeners' sockets are taken from; NULL: it opens them */
    RelaisSuppression *suppression; /* must outlive the server; NULL: nobody is suppressed */
    /* A message is durable; called before its 250 is written. Borrowed. */
    void (*accepted) (gpointer data, RelaisMessage *message);
    gpointer data;
} RelaisSmtpServerOptions;

/* Listens for `config`, reads certificates and the user file. May block (start-up). */
RelaisSmtpServer *relais_smtp_server_new (const RelaisSmtpServerOptions *options,
                                          RelaisConfig *config, GError **error);
/* Sessions that begin from now on have these settings, read from another configuration with the same
 * listeners (relais_server_settings_new (), on a worker); the ones there are keep theirs. */
void relais_smtp_server_use (RelaisSmtpServer *server, RelaisServerSettings *settings);
/* Stops listening; sessions may finish their transaction, idle ones get 421 4.3.2. `drained` is
 * called when the last one is gone. */
void relais_smtp_server_drain (RelaisSmtpServer *server, RelaisLoopFunc drained, gpointer data);
/* Cuts all sessions. NULL ok. */
void relais_smtp_server_free (RelaisSmtpServer *server);

/* The bound address of the n-th listener as "ADDRESS:PORT" with its real port; NULL beyond. */
const char *
relais_smtp_server_listener (const RelaisSmtpServer *server, guint n, const char **name);
typedef struct {
    guint sessions, in_transaction;
    guint commits; /* messages that are being synced */
    guint64 sessions_total, messages_total, rejected_total;
    guint64 turned_away_total; /* connections that were too many */
} RelaisSmtpServerFigures;
void relais_smtp_server_figures (const RelaisSmtpServer *server, RelaisSmtpServerFigures *figures);
