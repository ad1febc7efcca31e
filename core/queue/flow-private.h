/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A flow: the deliveries to one destination from one pool of sources, of one class, tenant and campaign. Those
 * that wait for their time lie in a heap, under one timer a flow; those that are due in lists: one
 * for any source, and one for each source that a retry is to keep.
 */
#pragma once

#include "queue/state-private.h"

typedef struct {
    const RelaisDestination *destination;
    const RelaisSourcePool *pool;
    const RelaisTenant *tenant;
    const RelaisCampaign *campaign; /* NULL: of none */
    RelaisClass klass;
    bool restless; /* quiet hours do not count: an operator had it tried, see rest-private.h */
} RelaisFlowKey;

/* A question to modules and its answer; see permit-private.h. */
struct RelaisPermit {
    struct RelaisAsk *ask;     /* asked, no answer yet */
    struct RelaisGrant *grant; /* allowed late, not used yet */
    bool given;                /* the same, whether or not a grant came with it */
};

/* A flow in a lane. */
struct RelaisStrand {
    RelaisFlow *flow;
    RelaisLane *lane; /* NULL while the destination has no route */
    RelaisPath *path;
    bool active;                    /* in the lane's order */
    struct RelaisOrderGroup *group; /* there */
    GList link;
    RelaisPermit permit; /* of its head */
    GList path_link;
};

struct RelaisFlow {
    RelaisFlowKey key;
    RelaisQueue *queue;
    guint32 number;
    RelaisDestination *destination;
    RelaisSourcePool *pool;
    RelaisTenant *tenant;
    RelaisCampaign *campaign; /* or NULL */
    guint32 n;                /* deliveries that name it, and attempts of it */
    guint32 n_due;            /* of them in lists */
    GArray *heap;             /* guint32 deliveries, [0] unused */
    RelaisTimer timer;        /* of the heap */
    RelaisTimer rest_timer;   /* set during quiet hours, see rest-private.h */
    gint64 rest_until_us;     /* wall: when it may go on */
    RelaisDeliveryList *due;  /* [0] any source, [1 + place] a source's */
    RelaisStrand *strands;    /* one a source */
    bool other_turn;          /* whose turn it is: kept or any */
    GList destination_link, idle_link, late_link;
    bool is_late; /* in queue->late_flows */
    gint64 idle_since_us;
};

/* The table of flows by what makes them. */
GHashTable *relais_flow_table_new (void);
RelaisFlow *
relais_flow_get (RelaisQueue *queue, RelaisDestination *destination, RelaisSourcePool *pool,
                 RelaisTenant *tenant, RelaisClass klass, const char *campaign);
/* Moves a delivery that is in none of its flow's lists to the flow that is the same but for the destination and for
 * whether quiet hours count, which is returned; the same flow if it is there already. */
RelaisFlow *relais_flow_move (RelaisQueue *queue, guint32 delivery, RelaisDestination *destination,
                              bool restless);
/* Only when nothing names it. */
void relais_flow_free (RelaisFlow *flow);
/* Counts of what names it. */
void relais_flow_enter (RelaisFlow *flow);
void relais_flow_leave (RelaisFlow *flow);

/* Puts a delivery (of this flow, in no place) among those that are due. `first`: before the others. */
void relais_flow_put_due (RelaisFlow *flow, guint32 delivery, bool first);
/* Has it wait until a monotonic moment. */
void relais_flow_put_waiting (RelaisFlow *flow, guint32 delivery, gint64 due_us);
/* Takes a delivery out of heap or list. */
void relais_flow_remove (RelaisFlow *flow, guint32 delivery);
/* Whether nothing of it goes out now because of quiet hours. */
static inline bool
relais_flow_is_resting (const RelaisFlow *flow)
{
    return relais_timer_is_set (&flow->rest_timer);
}
/* Goes on with those that had more fall due at once than a turn has time for. */
void relais_flows_go_on (RelaisQueue *queue);
/* Stops its timers: the queue goes. */
void relais_flow_stop (RelaisFlow *flow);
/* Whether a source could take something. One of weight 0 takes only the retries that it keeps, one that is out of
 * use nothing. */
static inline bool
relais_flow_has_due (const RelaisFlow *flow, guint source)
{
    const RelaisSource *taker = g_ptr_array_index (flow->pool->sources, source);

    return !taker->out && !relais_flow_is_resting (flow) &&
           ((flow->due[0].n > 0 && taker->weight > 0) || flow->due[1 + source].n > 0);
}
/* The next one for a source; 0 if there is none. */
guint32 relais_flow_peek (const RelaisFlow *flow, guint source);
/* Takes it. It is in no place then. */
guint32 relais_flow_take (RelaisFlow *flow, guint source);
/* Puts what waits for a source among what any may take: the source is of no use now. */
void relais_flow_release_source (RelaisFlow *flow, guint source);
