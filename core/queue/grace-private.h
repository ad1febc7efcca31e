/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Time for what was released when its lifetime was over; see grace.c. Loop thread.
 */
#pragma once

#include "queue/state-private.h"

/* Has the message expire in an hour, not before. */
void relais_queue_give_grace (RelaisQueue *queue, guint32 slot);
/* Sets the deadline of a message that was taken in now, or was read at start and may have had grace. */
void
relais_queue_set_first_deadline (RelaisQueue *queue, guint32 slot, const RelaisMessage *message);
