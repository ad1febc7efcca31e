/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A connection of the queue: keyed by (source, host, address, port, TLS terms), it tries the stops of
 * a route until one answers, then carries attempts one after the other, with one prepared behind the
 * one that is under way. It takes its next only after the outcome of the last was written.
 */
#pragma once

#include "queue/attempt-private.h"
#include "queue/lane-private.h"

typedef enum {
    RELAIS_CONNECTION_OPENING,
    RELAIS_CONNECTION_IDLE,
    RELAIS_CONNECTION_BUSY,     /* has an attempt */
    RELAIS_CONNECTION_SETTLING, /* the last outcome is not written yet */
    RELAIS_CONNECTION_CLOSING,  /* QUIT */
    RELAIS_CONNECTION_CLOSED
} RelaisConnectionState;

struct RelaisConnection {
    guint refs; /* the client's life, and one for each outcome that is being written */
    RelaisQueue *queue;
    RelaisLane *lane;
    RelaisPath *path;
    RelaisRoute *route;
    RelaisSmtpClient *client;
    RelaisConnectionState state;
    RelaisAttempt *attempt, *next;
    bool sending, last; /* last: quit after what is under way */

    GArray *order; /* guint: the route's stops as they are tried */
    guint stop;    /* in `order`: being tried or in use */
    guint tries;
    bool in_clear;          /* the retry after a failed handshake */
    RelaisTlsTerms *terms;  /* of the host being tried or in use */
    RelaisTlsPolicy policy; /* in force: theirs, or none in the retry in clear */
    guint64 carries;        /* serial of the last route found to contain the host */
    guint transactions;
    char *address;
    char *tls_version, *tls_cipher, *tls_verify;
    RelaisSmtpCaps caps;
    RelaisTimer timer; /* idle */
    GList idle_link;
    bool is_idle;

    RelaisGrant *grant; /* what modules allowed of it; or NULL */
    GString *failures;  /* what each stop said */
    RelaisAttemptProblem *problem;
};

/* Opens one for an attempt to the path's hosts. Takes the grant (nullable). */
void relais_connection_open (RelaisLane *lane, RelaisPath *path, RelaisAttempt *attempt,
                             RelaisGrant *grant);
/* Hands it an attempt: it is idle, or has room behind. */
void relais_connection_give (RelaisConnection *connection, RelaisAttempt *attempt);
/* The attempt is ready to be sent. */
void relais_connection_ready (RelaisConnection *connection, RelaisAttempt *attempt);
/* The attempt ended otherwise. */
void relais_connection_drop (RelaisConnection *connection, RelaisAttempt *attempt);
bool relais_connection_carries (RelaisConnection *connection, const RelaisRoute *route);
bool relais_connection_has_room_behind (const RelaisConnection *connection);
static inline bool
relais_connection_is_idle (const RelaisConnection *connection)
{
    return connection->state == RELAIS_CONNECTION_IDLE;
}
/* EHLO is done: its capabilities are known. */
static inline bool
relais_connection_is_open (const RelaisConnection *connection)
{
    return connection->state == RELAIS_CONNECTION_IDLE ||
           connection->state == RELAIS_CONNECTION_BUSY ||
           connection->state == RELAIS_CONNECTION_SETTLING;
}
const char *relais_connection_host (const RelaisConnection *connection);
void relais_connection_quit (RelaisConnection *connection);
/* For a drain: what is not sending goes back, what idles quits. */
void relais_connection_drain (RelaisConnection *connection);
/* Its source is out of use: it ends after what is being sent. */
void relais_connection_retire (RelaisConnection *connection);
/* Puts back what a rerouting has moved and that is not being sent. */
void relais_connection_withdraw_moved (RelaisConnection *connection);
/* Cuts it without a word; for the queue's end. */
void relais_connection_kill (RelaisConnection *connection);
