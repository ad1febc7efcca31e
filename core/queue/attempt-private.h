/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An attempt: some due deliveries of one message to one route, from the moment they are taken off
 * their flow until their outcome is in the spool, or they are put back untried. It is the live owner
 * of its deliveries.
 *
 *   LOADING -> ROUTING -> WAITING (for the connection's EHLO) -> PREPARING (worker) -> READY
 *           -> SENDING -> settled
 */
#pragma once

#include "queue/flow-private.h"
#include "queue/live-private.h"
#include "queue/route-private.h"

#include "message/outgoing-private.h"

typedef enum {
    RELAIS_ATTEMPT_LOADING,
    RELAIS_ATTEMPT_ROUTING,
    RELAIS_ATTEMPT_WAITING,
    RELAIS_ATTEMPT_PREPARING,
    RELAIS_ATTEMPT_READY,
    RELAIS_ATTEMPT_SENDING
} RelaisAttemptStep;

/* What the preparation said, when it was not "send it". */
typedef enum {
    RELAIS_PREPARED_OK,
    RELAIS_PREPARED_DEFER,   /* a hook's wish, or the body cannot be read now */
    RELAIS_PREPARED_REFUSE,  /* it cannot be sent to this peer, ever */
    RELAIS_PREPARED_DAMAGED, /* the body's checksum is wrong */
    RELAIS_PREPARED_BROKEN   /* the body cannot be read now */
} RelaisPrepared;

/* Why an attempt ends without a reply of the peer. */
typedef struct {
    guint16 code; /* 0 with an internal reason */
    guint16 enhanced[3];
    char *text;
    const char *stage;
    char *host, *address;
} RelaisAttemptProblem;

struct RelaisAttempt {
    RelaisQueue *queue;
    RelaisFlow *flow;
    RelaisSource *source;
    RelaisPath *path;
    RelaisRoute *route;
    RelaisConnection *connection; /* NULL once it went */
    RelaisGrant *grant;           /* what modules allowed; or NULL */
    RelaisLive *live;
    RelaisAttemptStep step;
    guint64 id;
    guint32 *deliveries;
    guint n;
    GList link; /* in queue->attempts */

    /* For the hooks and the transaction. */
    RelaisPin *pin;
    const RelaisRecipient **recipients;
    RelaisSubject subject;
    RelaisHookRun *run;
    RelaisAttemptProblem *problem; /* came while it was loading */

    /* The worker's while PREPARING. */
    RelaisRope *rope;
    char *sender;
    RelaisTransportLimits limits;
    bool eight_bit, smtputf8;
    bool ends_a_line; /* the rope ends in CRLF; looked at where its end is on disk */
    RelaisPrepared prepared;
    guint16 code;
    char enhanced[12];
    char *text;
};

/* Takes the head of the strand's flow, and what else of its message is due there; and the grant (nullable). */
RelaisAttempt *
relais_attempt_take (RelaisStrand *strand, RelaisConnection *connection, RelaisGrant *grant);
/* Begins, once it was given to a connection. */
void relais_attempt_start (RelaisAttempt *attempt);
/* Ends it instead, before it had a connection, by a module's verdict. */
void relais_attempt_refuse (RelaisAttempt *attempt, const RelaisHookResult *result);
/* Its connection can carry it now (or another connection does): goes on. */
void relais_attempt_go_on (RelaisAttempt *attempt);
/* Its connection is gone before anything of it was sent: back to the flow's head, untried. */
void relais_attempt_put_back (RelaisAttempt *attempt);
/* Whether its mail goes another way now, see reroute.c. */
bool relais_attempt_has_moved (const RelaisAttempt *attempt);
/* Ends it with one reason for all its recipients: deferred, or bounced if `code` is 5xx and `permanent`. Takes
 * the problem. */
void relais_attempt_fail (RelaisAttempt *attempt, RelaisAttemptProblem *problem);
/* Ends it with the peer's replies; `written` is called when the outcome group was written. */
void
relais_attempt_settle (RelaisAttempt *attempt, const RelaisSmtpOutcome *outcomes,
                       const RelaisSmtpFailure *failure, RelaisLoopFunc written, gpointer data);
/* Frees without any effect on its deliveries; for the queue's end. */
void relais_attempt_free (RelaisAttempt *attempt);

RelaisAttemptProblem *
relais_attempt_problem_new (const char *stage, const char *enhanced, const char *text);
/* NULL ok. */
void relais_attempt_problem_free (RelaisAttemptProblem *problem);

/* Whether a message of these facts must pass a worker before it goes out. Else `attempt->rope` is set. */
bool relais_prepare_inline (RelaisAttempt *attempt);
/* On a worker: the rope as it goes out, or why it does not. */
void relais_prepare_work (gpointer attempt);
