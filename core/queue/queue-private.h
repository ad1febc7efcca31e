/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue: every accepted delivery until its end. Flows, lanes, schedules, attempts, outcomes and
 * reports, as design.md section 6 says.
 *
 * Loop thread only.
 */
#pragma once

#include "dns/dns-private.h"
#include "event/event-private.h"
#include "module/host-private.h"
#include "smtp/sts-private.h"
#include "spool/spool-private.h"
#include "suppress/suppress-private.h"

typedef struct RelaisQueue RelaisQueue;

typedef struct RelaisTlsrpt RelaisTlsrpt;
typedef struct RelaisQueueSettings RelaisQueueSettings;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSpool *spool;
    RelaisDns *dns;
    RelaisSts *sts;       /* must outlive the queue; NULL: nobody is asked for an MTA-STS policy */
    RelaisTlsrpt *tlsrpt; /* must outlive the queue; NULL: nothing is counted for TLS reports */
    RelaisHost *host;
    RelaisSuppression *suppression; /* must outlive the queue; NULL: nobody is suppressed */
} RelaisQueueOptions;

RelaisQueue *
relais_queue_new (const RelaisQueueOptions *options, RelaisConfig *config, GError **error);
/* Takes in a message that the spool found at start (states set) or that was just accepted. */
void relais_queue_add (RelaisQueue *queue, RelaisMessage *message);
/* Recovery is over: begin to send. */
void relais_queue_start (RelaisQueue *queue);
/* Starts nothing new; `drained` when no transaction is under way. */
void relais_queue_drain (RelaisQueue *queue, RelaisLoopFunc drained, gpointer data);
/* Takes over what a reload may change, for what is queued too. `fresh` was read from `config` and loaded; nothing is
 * in it after the call. */
void relais_queue_reload (RelaisQueue *queue, RelaisConfig *config, RelaisQueueSettings *fresh);
/* Other domains' policies are asked for otherwise from now on, before the next connection; `sts` NULL: not at all. */
void relais_queue_use_policies (RelaisQueue *queue, RelaisSts *sts);
/* Sessions are counted for TLS reports from now on, or, with NULL, no longer. */
void relais_queue_use_reports (RelaisQueue *queue, RelaisTlsrpt *tlsrpt);
void relais_queue_free (RelaisQueue *queue);

/* relaisctl's queue commands: queue list|ages|hold|release|retry|delete|bounce, why. Static table;
 * their data is the queue. */
const RelaisCommand *relais_queue_commands (gsize *n);

typedef struct {
    guint64 messages, deliveries, held, active;
    guint64 quarantined;               /* of `held`, those that a verdict holds, not an operator */
    guint64 quarantine_removed_total;  /* deliveries whose time there was over */
    guint64 due;                       /* deliveries whose time has come, wherever they stand */
    guint64 due_looking, due_unrouted; /* of them: their destination is asked for; had no answer */
    guint64 flows_in_order;            /* flows that could go and wait for a turn in a lane */
    guint64 flows, lanes, connections;
    guint64 delivered_total, deferred_total, bounced_total, expired_total, suppressed_total;
    guint64 parked; /* outcomes whose evidence or report cannot be kept now */
    guint64 evidence_lost_total, tls_handshakes_total,
        tls_resumed_total; /* outcomes that were written without theirs in the end */
} RelaisQueueFigures;
/* Counts that are kept; costs the same however much is queued. */
void relais_queue_figures (RelaisQueue *queue, RelaisQueueFigures *figures);

/* What was begun and is not over: deliveries being tried, connections in use, look-ups, outcomes that are not
 * written. */
guint relais_queue_n_under_way (const RelaisQueue *queue);
/* Of these: connections in use, and deliveries being tried. */
void relais_queue_count_peers (const RelaisQueue *queue, guint *connections, guint *deliveries);

/* Age of the oldest delivery in microseconds, and the longest that one is in the quarantine, 0 if there is
 * none. Looks at each message, in slices of many turns; `done` is called in a later turn. */
typedef void (*RelaisQueueOldest) (gpointer data, gint64 age_us, gint64 quarantined_us);
void relais_queue_find_oldest (RelaisQueue *queue, RelaisQueueOldest done, gpointer data);
