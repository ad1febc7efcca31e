/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose turn it is in a lane. Transactional mail takes at most four of five turns while bulk waits; inside a class
 * the tenants take turns by weight (deficit round robin, a turn costs one), inside a tenant its campaigns,
 * inside a campaign its flows.
 *
 *   order --- turn (class, tenant) --- group (campaign) --- strand (flow)
 *
 * What a module told to wait is out of its list while its hold lasts: the lane, a tenant's turn in one class, or
 * a campaign's group there. However many strands hang under it, a hold costs one timer.
 */
#pragma once

#include "queue/flow-private.h"

enum { RELAIS_ORDER_STREAK = 4 }; /* turns of transactional mail in a row while bulk waits */

/* A WAIT that lasts while its timer is set. */
typedef struct {
    RelaisTimer timer;
    char *reason; /* for people; or NULL */
} RelaisHold;

typedef struct RelaisOrder RelaisOrder;
typedef struct RelaisOrderGroup RelaisOrderGroup;
typedef struct RelaisOrderTurn RelaisOrderTurn;

struct RelaisOrder {
    RelaisLane *lane;
    GQueue turns[2];       /* RelaisOrderTurn that have something and may go, by class */
    GHashTable *places[2]; /* tenant -> RelaisOrderTurn */
    guint streak;
    RelaisHold hold; /* of the whole lane */
};

void relais_order_init (RelaisOrder *order, RelaisLane *lane);
void relais_order_clear (RelaisOrder *order);

/* Puts a strand in, behind the others of its campaign, or takes it out; neither twice. */
void relais_order_enter (RelaisOrder *order, RelaisStrand *strand);
void relais_order_leave (RelaisOrder *order, RelaisStrand *strand);
/* The strand whose turn it is; NULL if none may go. */
RelaisStrand *relais_order_next (const RelaisOrder *order);
/* It had its turn. It must still be in. */
void relais_order_end_turn (RelaisOrder *order, RelaisStrand *strand);

/* Holds back what the scope says, until a monotonic moment; the strand is in the order. Not for
 * RELAIS_WAIT_DELIVERY. `reason` is taken. */
void relais_order_hold (RelaisOrder *order, const RelaisStrand *strand, RelaisWaitScope scope,
                        gint64 until_us, char *reason);
/* Ends all holds. */
void relais_order_wake (RelaisOrder *order);
/* The hold that keeps the strand, which is in the order; NULL if it may go. */
const RelaisHold *relais_order_find_hold (const RelaisOrder *order, const RelaisStrand *strand);

void relais_hold_init (RelaisHold *hold, RelaisLoop *loop, RelaisTimerFunc func, gpointer data);
/* Takes `reason`. */
void relais_hold_begin (RelaisHold *hold, gint64 until_us, char *reason);
void relais_hold_clear (RelaisHold *hold);
static inline bool
relais_hold_is_set (const RelaisHold *hold)
{
    return relais_timer_is_set (&hold->timer);
}
