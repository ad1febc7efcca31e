/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The wheel. A bucket a second, wrapping after two hours and a quarter; what is further away lies in
 * its bucket through as many rounds and is passed over.
 */
#include "config.h"

#include "queue/wheel-private.h"

#include "loop/clock-private.h"

enum { MASK = RELAIS_WHEEL_BUCKETS - 1 };

static guint32
second_of (gint64 us)
{
    gint64 second = us / RELAIS_USEC_PER_SEC;

    return (guint32)CLAMP (second, 1, (gint64)G_MAXUINT32 - RELAIS_WHEEL_BUCKETS);
}

RelaisWheel *
relais_wheel_new (RelaisRecords *records, gint64 now_us)
{
    RelaisWheel *wheel = g_new0 (RelaisWheel, 1);

    wheel->records = records;
    wheel->second = second_of (now_us);
    return wheel;
}

void
relais_wheel_free (RelaisWheel *wheel)
{
    g_free (wheel);
}

void
relais_wheel_remove (RelaisWheel *wheel, guint32 number)
{
    RelaisMessageSlot *slot = relais_slot_at (wheel->records, number);
    guint32 bucket = slot->deadline_s & MASK;

    if (slot->deadline_s == 0)
        return;
    if (slot->wheel_prev != 0)
        relais_slot_at (wheel->records, slot->wheel_prev)->wheel_next = slot->wheel_next;
    else
        wheel->heads[bucket] = slot->wheel_next;
    if (slot->wheel_next != 0)
        relais_slot_at (wheel->records, slot->wheel_next)->wheel_prev = slot->wheel_prev;
    if (wheel->heads[bucket] == 0)
        wheel->filled[bucket / 64] &= ~(G_GUINT64_CONSTANT (1) << (bucket % 64));
    slot->deadline_s = slot->wheel_next = slot->wheel_prev = 0;
    wheel->n--;
}

void
relais_wheel_set (RelaisWheel *wheel, guint32 number, gint64 deadline_us)
{
    RelaisMessageSlot *slot = relais_slot_at (wheel->records, number);
    guint32 bucket;

    relais_wheel_remove (wheel, number);
    /* What is overdue already comes with the next second. */
    slot->deadline_s = MAX (second_of (deadline_us), wheel->second + 1);
    bucket = slot->deadline_s & MASK;
    slot->wheel_prev = 0;
    slot->wheel_next = wheel->heads[bucket];
    if (slot->wheel_next != 0)
        relais_slot_at (wheel->records, slot->wheel_next)->wheel_prev = number;
    wheel->heads[bucket] = number;
    wheel->filled[bucket / 64] |= G_GUINT64_CONSTANT (1) << (bucket % 64);
    wheel->n++;
}

static void
empty_bucket (RelaisWheel *wheel, guint32 bucket, guint32 now, RelaisWheelFunc func, gpointer data)
{
    guint32 number = wheel->heads[bucket];

    while (number != 0) {
        RelaisMessageSlot *slot = relais_slot_at (wheel->records, number);
        guint32 next = slot->wheel_next;

        if (slot->deadline_s <= now) {
            relais_wheel_remove (wheel, number);
            func (data, number);
        }
        number = next;
    }
}

void
relais_wheel_advance (RelaisWheel *wheel, gint64 now_us, RelaisWheelFunc func, gpointer data)
{
    /* A second is over when the next has begun. */
    guint32 now = second_of (now_us) - 1;
    guint32 from = wheel->second + 1;

    if (now < from)
        return;
    if (now - from >= RELAIS_WHEEL_BUCKETS)
        from = now - RELAIS_WHEEL_BUCKETS + 1;
    wheel->second = now;
    for (guint32 second = from; second <= now; second++)
        empty_bucket (wheel, second & MASK, now, func, data);
}

gint64
relais_wheel_next_us (const RelaisWheel *wheel)
{
    guint32 first = wheel->second + 1;

    if (wheel->n == 0)
        return G_MAXINT64;
    for (guint32 i = 0; i <= RELAIS_WHEEL_BUCKETS;) {
        guint32 bucket = (first + i) & MASK;
        guint64 rest = wheel->filled[bucket / 64] >> (bucket % 64);

        if (rest != 0)
            return ((gint64)first + i + (guint32)__builtin_ctzll (rest) + 1) * RELAIS_USEC_PER_SEC;
        i += 64 - bucket % 64;
    }
    return G_MAXINT64;
}
