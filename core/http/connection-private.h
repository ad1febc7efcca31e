/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the front and its connections share. HTTP thread only.
 *
 *   OPENING -> IDLE -> HEAD -> [BODY] -> [WAITING] -> ANSWERING -> IDLE ...      -> ENDED from anywhere
 *                        `------------- refused, connection good ------'
 */
#pragma once

#include "http/backend-private.h"
#include "http/front-private.h"
#include "tls/stream-private.h"

typedef enum {
    RELAIS_HTTP_OPENING,   /* TLS handshake */
    RELAIS_HTTP_IDLE,      /* no octet of a request yet */
    RELAIS_HTTP_HEAD,      /* a head comes */
    RELAIS_HTTP_BODY,      /* a body comes */
    RELAIS_HTTP_WAITING,   /* a handler of the pool has it */
    RELAIS_HTTP_ANSWERING, /* libmicrohttpd has it */
    RELAIS_HTTP_ENDED,
    RELAIS_HTTP_N_STATES
} RelaisHttpState;

enum { RELAIS_HTTP_SCRATCH_BYTES = 64 * 1024 };

/* A listener with its books, as long as the front. */
typedef struct {
    RelaisHttpFront *front;
    const RelaisHttpListener *listener;
    guint n_connections;
    GHashTable *clients; /* guint8[16] to number of connections */
} RelaisHttpDoor;

struct RelaisHttpFront {
    RelaisLoop *loop;
    RelaisHost *host;
    const RelaisHttpSettings *settings;
    RelaisHttpFigures *figures;
    RelaisPool *pool;
    RelaisHttpBackend *backend;
    RelaisIo *backend_io; /* watched only while somebody waits for libmicrohttpd itself */
    guint turn_handle;
    RelaisTimer wake; /* makes a turn happen */
    RelaisHttpTimes times;
    RelaisTimer certificates; /* the next look at their files */
    bool run_due;             /* libmicrohttpd has something to do */
    GPtrArray *doors;         /* RelaisHttpDoor * */
    GPtrArray *ears;          /* the listening sockets' watches */
    GPtrArray *connections;   /* RelaisHttpConnection *, by `place` */
    GQueue answering;         /* those whose answer is read, by `link` */
    GQueue again;             /* those to go on in the next turn, by `link` */
    RelaisHttpRequest *spare; /* one request to be used again */
    GString *line;            /* scratch: the head that is handed on */
    guint8 *scratch;          /* RELAIS_HTTP_SCRATCH_BYTES: what libmicrohttpd wrote */
    guint n_pairs;
    gsize body_bytes; /* reserved for bodies */
    bool draining, freed;
    RelaisLoopFunc drained;
    gpointer drained_data;
};

struct RelaisHttpConnection {
    RelaisHttpFront *front;
    RelaisHttpDoor *door;
    RelaisStream *stream; /* NULL once ended */
    RelaisHttpState state;
    RelaisHttpAddress peer;
    guint8 client_key[16];
    bool counted; /* in door->clients */
    bool eof;     /* the client sends nothing more */
    bool blocked; /* the client does not take what is written */
    guint place;  /* in front->connections */
    GList link;
    GQueue *queue; /* that it is linked in: the front's answering or again; or NULL */
    RelaisTimer deadline;
    guint64 taken_bytes; /* of the client, when the deadline was set */
    RelaisHttpRequest *request;
    RelaisHttpPair *pair;
    gsize body_sent; /* to libmicrohttpd */
    gsize answer_bytes;
};

/* --- connection.c: beginning, end, input up to a whole request. */
/* Takes over an accepted descriptor. */
void relais_http_connection_start (RelaisHttpDoor *door, int fd, const RelaisHttpAddress *peer);
/* Cuts it; the memory goes. */
void relais_http_connection_cut (RelaisHttpConnection *connection);
/* Ends it once what is written went out; the memory goes at once. */
void relais_http_connection_finish (RelaisHttpConnection *connection);
void relais_http_connection_drain (RelaisHttpConnection *connection);
/* Takes what input waits; the connection may be gone afterwards. */
void relais_http_connection_go_on (RelaisHttpConnection *connection);
void relais_http_connection_set_state (RelaisHttpConnection *connection, RelaisHttpState state);
void relais_http_connection_set_deadline (RelaisHttpConnection *connection, gint64 delay_us);
/* The request is over and its answer written: back to IDLE, or the end if `close`. */
void relais_http_connection_next (RelaisHttpConnection *connection, bool close);

/* --- exchange.c: a whole request until its answer is written. */
void relais_http_connection_dispatch (RelaisHttpConnection *connection);
/* Writes an answer of our own, and ends the connection if `close`; it may be gone afterwards. */
void relais_http_connection_refuse (RelaisHttpConnection *connection, guint status,
                                    const char *text, bool close);
/* After a run of libmicrohttpd: takes what it wrote. */
void relais_http_connection_collect (RelaisHttpConnection *connection);
/* The client takes output again. */
void relais_http_connection_drained (RelaisHttpConnection *connection);
/* Lets go of the request, if there is one; a job that has it keeps it until it is done. */
void relais_http_connection_drop_request (RelaisHttpConnection *connection);
/* Lets go of the pair of sockets, if there is one. */
void relais_http_connection_drop_pair (RelaisHttpConnection *connection);

/* --- front.c: the books. */
/* Tells a client on a fresh descriptor that there is no room; does not close it. */
void relais_http_front_turn_away (RelaisHttpDoor *door, int fd);
bool relais_http_front_count (RelaisHttpConnection *connection);
void relais_http_front_uncount (RelaisHttpConnection *connection);
void relais_http_front_add (RelaisHttpConnection *connection);
void relais_http_front_remove (RelaisHttpConnection *connection);
void relais_http_front_link (RelaisHttpConnection *connection, GQueue *queue);
void relais_http_front_unlink (RelaisHttpConnection *connection);
/* libmicrohttpd is to be run at the end of this turn, or of one that is made to happen. */
void relais_http_front_run_soon (RelaisHttpFront *front);
/* It is to be run when it asks for it. */
void relais_http_front_watch_backend (RelaisHttpFront *front);
/* A fresh request, and the end of one that nobody works on any more. */
RelaisHttpRequest *relais_http_front_take_request (RelaisHttpConnection *connection);
void relais_http_front_give_request (RelaisHttpRequest *request);
void relais_http_front_note (guint64 *figure, gint change);
