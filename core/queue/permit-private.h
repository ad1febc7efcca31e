/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Permits: what modules say before a connection is opened (the hook lane) and before a delivery goes (admit). A
 * module may answer later; what it was asked about waits out of the order until then. What it allowed is a
 * grant, which is used at once, or by the next turn if the answer came late.
 */
#pragma once

#include "queue/flow-private.h"

typedef struct RelaisAsk RelaisAsk; /* a call that waits for its answer */

/* Whether the lane may open a connection now. If so `*grant` is the caller's to end; else the lane's opening
 * waits. */
bool relais_permit_open (RelaisLane *lane, RelaisGrant **grant);
/* Whether the strand's head may go now. If so `*grant` is the caller's; else the strand, or what else was to
 * wait, is out of the order, or the head is gone. */
bool relais_permit_go (RelaisStrand *strand, RelaisGrant **grant);
/* Ends a call and gives back what was allowed. */
void relais_permit_clear (RelaisPermit *permit);
