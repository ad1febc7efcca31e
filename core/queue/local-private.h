/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Local work, for queue.c: see local.c. relais_queue_make_local () and _pump_local () stand in
 * state-private.h.
 */
#pragma once

#include "queue/state-private.h"

/* The wheel's function: a message's deadline has passed. */
void relais_queue_on_deadline (gpointer queue, guint32 slot);
