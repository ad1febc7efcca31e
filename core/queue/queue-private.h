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
#include "spool/spool-private.h"

typedef struct RelaisQueue RelaisQueue;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSpool *spool;
    RelaisDns *dns;
    RelaisHost *host;
} RelaisQueueOptions;

RelaisQueue *
relais_queue_new (const RelaisQueueOptions *options, RelaisConfig *config, GError **error);
/* Takes in a message that the spool found at start (states set) or that was just accepted. */
void relais_queue_add (RelaisQueue *queue, RelaisMessage *message);
/* Recovery is over: begin to send. */
void relais_queue_start (RelaisQueue *queue);
/* Starts nothing new; `drained` when no transaction is under way. */
void relais_queue_drain (RelaisQueue *queue, RelaisLoopFunc drained, gpointer data);
void relais_queue_free (RelaisQueue *queue);

/* relaisctl's queue commands: queue list|hold|release|retry|delete|bounce, why. Static table; their
 * data is the queue. */
const RelaisCommand *relais_queue_commands (gsize *n);

typedef struct {
    guint64 messages, deliveries, due, held, active;
    guint64 flows, lanes, connections;
    guint64 delivered_total, deferred_total, bounced_total, expired_total;
    gint64 oldest_us; /* age of the oldest delivery */
} RelaisQueueFigures;
void relais_queue_figures (RelaisQueue *queue, RelaisQueueFigures *figures);
