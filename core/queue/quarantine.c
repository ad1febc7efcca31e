/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The quarantine's times; see the header. A message there has the wheel's deadline as others have. Loop
 * thread.
 */
#include "config.h"

#include "queue/quarantine-private.h"

#define GRACE_US RELAIS_USEC_PER_HOUR

/* How long it is there, by the wall clock. */
static gint64
wall_age_us (const RelaisQueue *queue, const RelaisState *state)
{
    gint64 age;

    return __builtin_sub_overflow (relais_loop_wall_us (queue->loop), state->due_us, &age)
               ? 0
               : MAX (age, 0);
}

static void
put (RelaisQueue *queue, RelaisDelivery *delivery, bool quarantined)
{
    delivery->place = RELAIS_PLACE_HELD;
    delivery->action = RELAIS_ACTION_NONE;
    queue->held++;
    if (!quarantined)
        return;
    delivery->quarantined = 1;
    relais_slot_at (&queue->records, delivery->message)->quarantined = 1;
    queue->quarantined++;
}

void
relais_quarantine_put_held (RelaisQueue *queue, guint32 number, const RelaisState *state)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    put (queue, delivery, (state->flags & RELAIS_STATE_QUARANTINED) != 0);
    relais_queue_cool (queue, delivery->message);
    if (delivery->quarantined)
        delivery->due_us = relais_loop_now_us (queue->loop) - wall_age_us (queue, state);
}

void
relais_quarantine_put_back (RelaisQueue *queue, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    put (queue, delivery, true);
    relais_queue_set_wake (queue, delivery->message,
                           relais_loop_now_us (queue->loop) + RELAIS_USEC_PER_MIN);
}

void
relais_quarantine_leave (RelaisQueue *queue, RelaisDelivery *delivery)
{
    queue->held--;
    queue->quarantined -= delivery->quarantined;
    delivery->quarantined = 0;
}

gint64
relais_quarantine_until_us (const RelaisQueue *queue, const RelaisDelivery *delivery)
{
    const gint64 lifetime_us = queue->settings.quarantine_lifetime_us;
    gint64 until;

    if (!delivery->quarantined || lifetime_us == 0)
        return 0;
    if (__builtin_add_overflow (delivery->due_us, lifetime_us, &until))
        return G_MAXINT64;
    return MAX (until, queue->made_us + MIN (GRACE_US, lifetime_us));
}

gint64
relais_quarantine_deadline_us (const RelaisQueue *queue, const RelaisMessageSlot *slot)
{
    gint64 first = G_MAXINT64;

    for (guint32 number = slot->quarantined ? slot->first : 0; number != 0;
         number = relais_delivery_at (&queue->records, number)->after) {
        const gint64 until =
            relais_quarantine_until_us (queue, relais_delivery_at (&queue->records, number));

        if (until != 0)
            first = MIN (first, until);
    }
    return first;
}

gint64
relais_quarantine_age_us (const RelaisQueue *queue, const RelaisMessageSlot *slot)
{
    const gint64 now_us = relais_loop_now_us (queue->loop);
    gint64 age = 0;

    for (guint32 number = slot->quarantined ? slot->first : 0; number != 0;
         number = relais_delivery_at (&queue->records, number)->after) {
        const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

        if (delivery->quarantined)
            age = MAX (age, now_us - delivery->due_us);
    }
    return age;
}

void
relais_quarantine_lapse (RelaisQueue *queue, const RelaisMessageSlot *slot, gint64 now_us)
{
    for (guint32 number = slot->quarantined ? slot->first : 0; number != 0;
         number = relais_delivery_at (&queue->records, number)->after) {
        const gint64 until =
            relais_quarantine_until_us (queue, relais_delivery_at (&queue->records, number));

        if (until != 0 && until <= now_us)
            relais_queue_make_local (queue, number, RELAIS_ACTION_LAPSE);
    }
}

static void
tell (const RelaisLive *live, guint recipient)
{
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (live->id, id);
    g_message ("%s: removed from the quarantine for <%s>: its time there is over; it was \"%s\"",
               id, relais_envelope_recipient (&live->message->envelope, recipient)->address,
               live->message->states[recipient].reply);
}

void
relais_quarantine_settle (RelaisSettlement *settlement, const RelaisLive *live, guint32 number)
{
    RelaisQueue *queue = live->queue;
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisState *state = &live->message->states[delivery->recipient];
    const gint64 lifetime_us = queue->settings.quarantine_lifetime_us;
    const RelaisResult result = {.kind = RELAIS_RESULT_DELETED,
                                 .internal = true,
                                 .stage = "quarantine",
                                 .text = "the message was in the quarantine for longer than "
                                         "quarantine_lifetime"};

    /* The wall clock was set back, or the lifetime changed meanwhile. */
    if (lifetime_us == 0 || wall_age_us (queue, state) < lifetime_us) {
        relais_quarantine_put_held (queue, number, state);
        relais_queue_set_deadline (queue, delivery->message);
        return;
    }
    tell (live, delivery->recipient);
    queue->lapsed_total++;
    relais_settlement_add (settlement, number, &result);
}
