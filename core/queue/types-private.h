/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names of the queue's objects, for headers that only point at each other:
 *
 *   delivery --- flow --- destination --- route (hosts and addresses)
 *                  |            |
 *               strand ------ path ----- lane (source x site) ----- connection --- attempt
 *
 * A flow hangs in one lane for each source of its pool; a strand is that hanging. A path is what a lane
 * knows of one set of hosts: whether it sleeps. Loop thread only, all of them.
 */
#pragma once

#include "loop/loop-private.h"

typedef enum {
    RELAIS_DESTINATION_UNKNOWN,
    RELAIS_DESTINATION_LOOKING,
    RELAIS_DESTINATION_ROUTED,
    RELAIS_DESTINATION_ASLEEP, /* the last lookup failed for now */
    RELAIS_DESTINATION_REFUSED /* no mail can go there */
} RelaisDestinationState;
enum { RELAIS_N_DESTINATION_STATES = RELAIS_DESTINATION_REFUSED + 1 };

typedef struct RelaisAttempt RelaisAttempt;
typedef struct RelaisCampaign RelaisCampaign;
typedef struct RelaisConnection RelaisConnection;
typedef struct RelaisDestination RelaisDestination;
typedef struct RelaisFlow RelaisFlow;
typedef struct RelaisLane RelaisLane;
typedef struct RelaisLive RelaisLive;
typedef struct RelaisParcel RelaisParcel;
typedef struct RelaisPath RelaisPath;
typedef struct RelaisPermit RelaisPermit;
typedef struct RelaisQueue RelaisQueue;
typedef struct RelaisRoute RelaisRoute;
typedef struct RelaisSettlement RelaisSettlement;
typedef struct RelaisStrand RelaisStrand;
