/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination: a recipient domain, or a static route. It is looked up when something for it is due,
 * once for all its flows, and the answer is kept until it expires. With a route its flows hang in
 * lanes; without one for now the destination sleeps; without one for good its mail goes back.
 */
#pragma once

#include "queue/flow-private.h"
#include "queue/route-private.h"

/* A sleep that doubles each time until something works. */
typedef struct {
    RelaisTimer timer;
    gint64 length_us; /* of the last; 0: none yet */
} RelaisNap;

struct RelaisDestination {
    RelaisQueue *queue;
    char *name;
    RelaisStaticRoute *fixed;
    guint uses;       /* domains that lead here, and flows */
    guint n_due;      /* deliveries of its flows */
    guint policies;   /* of the queue's that it was looked up by */
    bool is_replaced; /* its route is gone: it serves nobody */
    RelaisDestinationState state;
    RelaisMailLookup *lookup;
    RelaisStsLookup *sts_lookup; /* behind it */
    RelaisMailRoute *mail;       /* the answer, while the other one is waited for */
    RelaisStsTrouble sts_trouble;
    char *sts_text;
    RelaisStsPolicy *sts; /* as the last look found it; or NULL */
    RelaisRoute *route;   /* ROUTED */
    gint64 expires_us;    /* ROUTED, REFUSED */
    char enhanced[12];    /* ASLEEP, REFUSED: why */
    char *text;
    RelaisNap nap;
    GQueue flows;    /* RelaisFlow, by destination_link */
    GPtrArray *kept; /* RelaisPath that sleep, while it is looked up again; or NULL */
};

/* The destination of a recipient's domain by the routing in force, with one more use. */
RelaisDestination *relais_destination_get (RelaisQueue *queue, const char *domain);
/* One use less; frees it with the last. */
void relais_destination_release (RelaisDestination *destination);
/* Ends its lookup and its timers: the queue goes. */
void relais_destination_stop (RelaisDestination *destination);
/* Takes those whose route is gone out of the table and their flows out of their lanes: what is queued there is to be
 * moved. */
void relais_destinations_replace (RelaisQueue *queue);
/* A flow is a use. */
void relais_destination_add_flow (RelaisDestination *destination, RelaisFlow *flow);
void relais_destination_remove_flow (RelaisDestination *destination, RelaisFlow *flow);
/* One of its deliveries became due, or is no more. */
void relais_destination_count_due (RelaisDestination *destination, int change);
/* Something of the flow is due: look up, let the lanes know, or send it back. */
void relais_destination_serve (RelaisDestination *destination, RelaisFlow *flow);
/* True while its route may be used; else its flows left their lanes: a lookup was begun, or they hang in
 * others now. */
bool relais_destination_is_current (RelaisDestination *destination);
/* Ends the sleep, of the destination and its paths: an operator wants to see a try now. */
void relais_destination_wake (RelaisDestination *destination);
/* What it waits for, for people; NULL for nothing. `*until_us` is monotonic, 0 if unknown. */
const char *relais_destination_describe (const RelaisDestination *destination, gint64 *until_us);

/* Starts the nap, twice as long as the last; at least `least_us`. Returns its length. */
gint64 relais_nap_start (RelaisNap *nap, const RelaisQueue *queue, gint64 least_us);
