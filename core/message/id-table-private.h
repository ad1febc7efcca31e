/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The shape of the tables that find a message by its id, of which there may be millions: not one
 * table but many small ones, chosen by the id, with linear probing and no tombstones. Each grows by a
 * quarter when it is 7/8 full. So little of the memory stands empty, and no insertion ever moves more
 * than a few thousand entries, however many there are. What an entry is is the owner's.
 *
 * Pure; any thread.
 */
#pragma once

#include <glib.h>

enum {
    RELAIS_TABLES_LOG2 = 8,
    RELAIS_TABLES = 1 << RELAIS_TABLES_LOG2,
    RELAIS_TABLE_FIRST_CAPACITY = 16
};

/* Ids count up, so neighbours spread by the golden ratio: over the tables by the upper bits, in one
 * by those below. */
static inline guint64
relais_table_spread (guint64 id)
{
    return id * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15);
}

static inline guint
relais_table_of (guint64 id)
{
    return (guint)(relais_table_spread (id) >> (64 - RELAIS_TABLES_LOG2));
}

/* Where an id stands if nothing is in its way. */
static inline guint32
relais_table_home (guint64 id, guint32 capacity)
{
    const guint64 fraction = (guint32)(relais_table_spread (id) >> (32 - RELAIS_TABLES_LOG2));

    return (guint32)(fraction * capacity >> 32);
}

static inline guint32
relais_table_next (guint32 place, guint32 capacity)
{
    return place + 1 < capacity ? place + 1 : 0;
}

/* Whether what stands at `place` may move back into the hole before it: not if its home lies
 * between. */
static inline gboolean
relais_table_may_move (guint64 id, guint32 hole, guint32 place, guint32 capacity)
{
    const guint32 home = relais_table_home (id, capacity);
    const guint32 to_home = place >= home ? place - home : place + capacity - home;
    const guint32 to_hole = place >= hole ? place - hole : place + capacity - hole;

    return to_home >= to_hole;
}

/* The capacity that takes one entry more than `size`; `capacity` if that is enough. */
static inline guint32
relais_table_grown (guint32 size, guint32 capacity)
{
    if (size + 1 <= capacity / 8 * 7)
        return capacity;
    return MAX (capacity / 4 * 5, RELAIS_TABLE_FIRST_CAPACITY);
}

/* The capacity that `size` entries need at most. */
static inline guint32
relais_table_shrunk (guint32 size, guint32 capacity)
{
    return capacity > RELAIS_TABLE_FIRST_CAPACITY && size < capacity / 4
               ? MAX (capacity / 2, RELAIS_TABLE_FIRST_CAPACITY)
               : capacity;
}
