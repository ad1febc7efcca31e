/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * In which order the addresses of a route are tried, and what is remembered of those that could not be
 * connected to: such an address, or a whole family of a source after a row of failures, comes after the
 * host's other ones for ten minutes, so that a broken path delays the first connections alone. Loop
 * thread.
 */
#pragma once

#include "queue/route-private.h"

enum {
    RELAIS_REACH_ADDRESSES = 1000, /* remembered */
    RELAIS_REACH_ROW = 3           /* failures after which the family is in doubt */
};

/* Indices of the route's stops (guint), by host, the preferred family first; of families that are switched
 * off or that the source does not have, none. The caller owns the array. */
GArray *
relais_reach_order (RelaisQueue *queue, const RelaisSource *source, const RelaisRoute *route);
/* The source can use addresses of this family. */
bool relais_reach_has_family (const RelaisSource *source, sa_family_t family);
/* How a connect ended. */
void relais_reach_failed (RelaisQueue *queue, RelaisSource *source, const RelaisStop *stop);
void relais_reach_worked (RelaisQueue *queue, RelaisSource *source, const RelaisStop *stop);
bool relais_reach_is_bad (RelaisQueue *queue, const RelaisSource *source, const RelaisStop *stop);
