/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is queued follows the routing that a reload brought. Loop thread.
 */
#pragma once

#include "queue/state-private.h"

/* Things that one turn looks at, but for the last message's recipients, which it does to the end. */
enum { RELAIS_REROUTE_STEPS = 2000 };

/* Routes are others now, and so may be what leads to them: begins to move what is queued. Nothing new goes out until
 * that is done; what is being sent is not disturbed. */
void relais_reroute_begin (RelaisQueue *queue);
/* Has the domain's destination be that of the routing in force. */
void relais_queue_renew_domain (RelaisQueue *queue, RelaisQueueDomain *domain);
