/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of the server share: a server on loopback with a real spool in a directory of its
 * own, and clients that speak scripts.
 *
 * A script is lines:
 *   > TEXT      sends TEXT and CRLF
 *   >> TEXT     sends TEXT with C escapes ("\r\n", "\377") and nothing else
 *   < PATTERN   the next reply, all its lines joined by blanks, matches the glob
 *   <CLOSED     the server closed the connection, and nothing came before that
 */
#pragma once

#include "smtp/server-private.h"
#include "smtp/users-private.h"

#include "conf/conf-private.h"

typedef struct {
    RelaisClock clock; /* first: what the loop gets */
    gint64 skew_us;    /* how far the test moved it */
    RelaisLoop *loop;
    gint32 jobs; /* of its pools; atomic */
    RelaisPool *pool, *auth_pool;
    RelaisEventLog *events;
    RelaisSpool *spool;
    RelaisHost *host;
    RelaisConfig *config;
    RelaisSmtpServer *server;
    char *dir;
    GPtrArray *accepted; /* RelaisMessage * */
} Bed;

/* The suppression list of the next bed_new (), which a test gives it; NULL for none. */
extern RelaisSuppression *(*bed_suppression) (RelaisLoop *loop);

/* Loopback may relay as tenant one; in.test is ours with a route. */
#define BED_DOMAINS                                                                                \
    "postmaster = root@one.test\n"                                                                 \
    "[tenant one]\ndomains = one.test *.one.test\n"                                                \
    "[tenant two]\ndomains = two.test\n"                                                           \
    "[route away]\nhost = 127.0.0.1\n"                                                             \
    "[domain in.test]\ninbound = away\n"                                                           \
    "[domain bare.test]\n"
#define BED_TRUSTED                                                                                \
    BED_DOMAINS "[listener main]\nport = 0\ntrusted_nets = 127.0.0.0/8\ntenant = one\nauth = no\n"
#define BED_STRANGER BED_DOMAINS "[listener main]\nport = 0\nauth = no\n"
#define BED_TLS "certificate = @DIR@/tls.pem\nkey = @DIR@/tls.pem\n"

/* From the banner to 354, and a message that may follow. */
#define BED_BEGIN                                                                                  \
    "< 220 *\n> EHLO c\n< 250-*\n> MAIL FROM:<a@one.test>\n< 250 *\n"                              \
    "> RCPT TO:<b@far.test>\n< 250 *\n> DATA\n< 354 *\n"
#define BED_MESSAGE ">> From: a@one.test\\r\\nSubject: x\\r\\n\\r\\nhello\\r\\n.\\r\\n\n"

/* `conf` follows a [relais] section that the bed writes; "@DIR@" in it is the bed's directory, where
 * "tls.pem" holds a key and a certificate, and "users" is the file of users. */
Bed *bed_new (const char *conf);
void bed_free (Bed *bed);
void bed_set_user (Bed *bed, RelaisUsersChange change, const char *name, const char *password,
                   const char *tenant);
/* Writes a file with a key and a certificate for it and a host. "tls.pem" is for mx.test, "other.pem" for
 * other.test. */
void bed_write_certificate (Bed *bed, const char *file_name, const char *host);
/* Adds one who can log in by SCRAM too, for no tenant. */
void bed_add_scram_user (Bed *bed, const char *name, const char *password);
/* Turns the loop until no worker has a job, no message is being written, and nothing has happened for a
 * while. */
void bed_settle (Bed *bed);
RelaisMessage *bed_message (Bed *bed, guint n);
/* The n-th accepted message as its readers see it. */
char *bed_text (Bed *bed, guint n);

typedef struct Peer Peer;
/* Connects to the n-th listener; without waiting for the banner. */
Peer *peer_new (Bed *bed, guint listener);
void peer_free (Peer *peer);
void peer_send (Peer *peer, const char *bytes, gsize size);
/* Closes the sending side. */
void peer_shut (Peer *peer);
/* The next reply, or NULL when the connection was closed. Owned. */
char *peer_reply (Peer *peer);
void peer_run (Peer *peer, const char *script);
/* Starts TLS as a client (no certificate is checked); later scripts go through it. */
void peer_start_tls (Peer *peer);
/* The same, and names a host (SNI). */
void peer_start_tls_for (Peer *peer, const char *host);
/* The same, by a client that knows CBC only. */
void peer_start_old_tls_for (Peer *peer, const char *host);
/* The same, behind `header` in clear; the server finds both in one read. */
void peer_start_tls_behind (Peer *peer, const char *header);
/* What becomes of a connection that had TLS. */
typedef enum {
    PEER_CLEAR,     /* goes on in clear */
    PEER_NOTIFY,    /* close_notify first */
    PEER_ALERT,     /* a fatal alert in clear first */
    PEER_TRUNCATED, /* half of a record, then the end of the connection */
    PEER_RESET,     /* RST */
    PEER_N_ENDS
} PeerEnd;
/* Ends TLS so, and sends two commands in clear where the connection is still there. */
void peer_end_tls (Peer *peer, PeerEnd end);
/* The client's side of its TLS; NULL in clear. */
gpointer peer_tls (Peer *peer);
/* Connects, runs, disconnects. */
void bed_run (Bed *bed, const char *script);
/* The same in a bed of its own. */
void bed_run_alone (const char *conf, const char *script);
