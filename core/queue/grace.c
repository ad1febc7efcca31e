/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Grace: what an operator held beyond its lifetime and let go is to be sent, not returned at once. It has an hour
 * from then on, or from the daemon's start. No record says so but the state itself: nothing else is queued at an
 * age at which it expires. Loop thread.
 */
#include "config.h"

#include "queue/grace-private.h"
#include "queue/schedule-private.h"

#define GRACE_US RELAIS_USEC_PER_HOUR

void
relais_queue_give_grace (RelaisQueue *queue, guint32 number)
{
    relais_slot_at (&queue->records, number)->grace = 1;
    relais_queue_set_wake (queue, number, relais_loop_now_us (queue->loop) + GRACE_US);
}

/* Whether a recipient was queued when the message had expired. */
static bool
had_grace (const RelaisQueue *queue, const RelaisMessageSlot *slot, const RelaisMessage *message)
{
    const gint64 lifetime_us =
        relais_schedule_expiry_us (relais_queue_schedule (queue, slot), 0, slot->bounce);

    for (guint i = 0; i < message->envelope.recipients->len; i++)
        if (message->states[i].kind == RELAIS_STATE_QUEUED &&
            message->states[i].age_us >= lifetime_us)
            return true;
    return false;
}

void
relais_queue_set_first_deadline (RelaisQueue *queue, guint32 number, const RelaisMessage *message)
{
    if (had_grace (queue, relais_slot_at (&queue->records, number), message))
        relais_queue_give_grace (queue, number);
    else
        relais_queue_set_deadline (queue, number);
}
