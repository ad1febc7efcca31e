/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What keeps the daemon from going faster, as far as it shows in its own figures: one word for
 * `relaisctl status`, and the shares it was concluded from. Loop thread.
 */
#pragma once

#include "loop/pool-private.h"
#include "queue/queue-private.h"
#include "spool/spool-private.h"

typedef enum {
    RELAIS_LIMITER_NONE,    /* all that is there goes at once */
    RELAIS_LIMITER_DISK,    /* syncs, bodies, or a spool that takes nothing */
    RELAIS_LIMITER_CPU,     /* the loop's own thread */
    RELAIS_LIMITER_WORKERS, /* rewriting and signing */
    RELAIS_LIMITER_DNS,     /* destinations that are being asked for */
    RELAIS_LIMITER_LIMITS,  /* connections and rates towards the next hosts */
    RELAIS_LIMITER_PEERS    /* next hosts that cannot be reached, or whose DNS has no answer */
} RelaisLimiter;
const char *relais_limiter_to_string (RelaisLimiter limiter);

/* What it is concluded from; shares of the time of the window, in per cent. */
typedef struct {
    guint loop_percent, workers_percent, bodies_percent, sync_percent;
    guint workers_queued, bodies_queued; /* jobs that wait for one of those threads */
    bool spool_stopped;
    guint64 due, due_looking, flows_in_order;
} RelaisLoad;
/* Pure. */
RelaisLimiter relais_limiter_of (const RelaisLoad *load);

/* Takes a sample of the figures each second; the window is the last few of them. `bodies` is the pool
 * that the spool writes and reads bodies with. */
typedef struct RelaisLoadMeter RelaisLoadMeter;
RelaisLoadMeter *relais_load_meter_new (RelaisLoop *loop, RelaisPool *workers, RelaisPool *bodies,
                                        RelaisSpool *spool, RelaisQueue *queue);
/* Accepts NULL. */
void relais_load_meter_free (RelaisLoadMeter *meter);
void relais_load_meter_read (RelaisLoadMeter *meter, RelaisLoad *load);
