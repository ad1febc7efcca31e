/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The records and the index. The index is a table of slot numbers with linear probing, kept at most
 * two thirds full; removal shifts back what follows, so there are no tombstones and a queue that
 * was turned over a thousand times finds as fast as a new one.
 */
#include "config.h"

#include "queue/delivery-private.h"

enum { INDEX_FIRST_SIZE = 1024 };

void
relais_records_init (RelaisRecords *records)
{
    relais_slab_init (&records->deliveries, sizeof (RelaisDelivery));
    relais_slab_init (&records->slots, sizeof (RelaisSlot));
    records->index_size = INDEX_FIRST_SIZE;
    records->index = g_new0 (guint32, INDEX_FIRST_SIZE);
}

void
relais_records_clear (RelaisRecords *records)
{
    relais_slab_clear (&records->deliveries);
    relais_slab_clear (&records->slots);
    g_clear_pointer (&records->index, g_free);
}

gsize
relais_records_bytes (const RelaisRecords *records)
{
    return relais_slab_bytes (&records->deliveries) + relais_slab_bytes (&records->slots) +
           records->index_size * sizeof *records->index;
}

/* --- The index -------------------------------------------------------------------------------- */

static gsize
home_of (const RelaisRecords *records, guint64 id)
{
    return (gsize)((id * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) >> 20) &
           (records->index_size - 1);
}

static void
index_put (RelaisRecords *records, guint32 slot)
{
    gsize place = home_of (records, relais_slot_at (records, slot)->id);

    while (records->index[place] != 0)
        place = (place + 1) & (records->index_size - 1);
    records->index[place] = slot;
}

static void
index_grow (RelaisRecords *records)
{
    g_autofree guint32 *old = records->index;
    gsize old_size = records->index_size;

    records->index_size *= 2;
    records->index = g_new0 (guint32, records->index_size);
    for (gsize i = 0; i < old_size; i++)
        if (old[i] != 0)
            index_put (records, old[i]);
}

/* Place of the id, or of the free entry where it would go. */
static gsize
index_find (const RelaisRecords *records, guint64 id)
{
    gsize place = home_of (records, id);

    while (records->index[place] != 0 && relais_slot_at (records, records->index[place])->id != id)
        place = (place + 1) & (records->index_size - 1);
    return place;
}

static void
index_remove (RelaisRecords *records, guint64 id)
{
    gsize mask = records->index_size - 1;
    gsize hole = index_find (records, id);

    for (gsize place = (hole + 1) & mask; records->index[place] != 0; place = (place + 1) & mask) {
        gsize home = home_of (records, relais_slot_at (records, records->index[place])->id);

        /* What lies between its home and here without crossing the hole stays. */
        if (((place - home) & mask) < ((place - hole) & mask))
            continue;
        records->index[hole] = records->index[place];
        hole = place;
    }
    records->index[hole] = 0;
}

guint32
relais_records_find (const RelaisRecords *records, guint64 id)
{
    return records->index[index_find (records, id)];
}

/* --- Records ---------------------------------------------------------------------------------- */

guint32
relais_records_add_slot (RelaisRecords *records, guint64 id)
{
    guint32 slot = relais_slab_take (&records->slots);

    relais_slot_at (records, slot)->id = id;
    relais_slot_at (records, slot)->used = 1;
    if ((gsize)records->slots.used * 5 > records->index_size * 4)
        index_grow (records);
    index_put (records, slot);
    return slot;
}

void
relais_records_remove_slot (RelaisRecords *records, guint32 slot)
{
    index_remove (records, relais_slot_at (records, slot)->id);
    relais_slot_at (records, slot)->used = 0;
    relais_slab_give (&records->slots, slot);
}

guint32
relais_records_add_delivery (RelaisRecords *records, guint32 slot, guint16 recipient)
{
    guint32 number = relais_slab_take (&records->deliveries);
    RelaisDelivery *delivery = relais_delivery_at (records, number);
    RelaisSlot *message = relais_slot_at (records, slot);

    delivery->message = slot;
    delivery->recipient = recipient;
    delivery->after = message->first;
    if (message->first != 0)
        relais_delivery_at (records, message->first)->before = number;
    message->first = number;
    message->open++;
    return number;
}

void
relais_records_remove_delivery (RelaisRecords *records, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (records, number);
    RelaisSlot *message = relais_slot_at (records, delivery->message);

    if (delivery->before != 0)
        relais_delivery_at (records, delivery->before)->after = delivery->after;
    else
        message->first = delivery->after;
    if (delivery->after != 0)
        relais_delivery_at (records, delivery->after)->before = delivery->before;
    message->open--;
    relais_slab_give (&records->deliveries, number);
}

/* --- Lists ------------------------------------------------------------------------------------ */

void
relais_delivery_list_append (RelaisRecords *records, RelaisDeliveryList *list, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (records, number);

    delivery->next = 0;
    delivery->prev = list->tail;
    if (list->tail != 0)
        relais_delivery_at (records, list->tail)->next = number;
    else
        list->head = number;
    list->tail = number;
    list->n++;
}

void
relais_delivery_list_prepend (RelaisRecords *records, RelaisDeliveryList *list, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (records, number);

    delivery->prev = 0;
    delivery->next = list->head;
    if (list->head != 0)
        relais_delivery_at (records, list->head)->prev = number;
    else
        list->tail = number;
    list->head = number;
    list->n++;
}

void
relais_delivery_list_remove (RelaisRecords *records, RelaisDeliveryList *list, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (records, number);

    if (delivery->prev != 0)
        relais_delivery_at (records, delivery->prev)->next = delivery->next;
    else
        list->head = delivery->next;
    if (delivery->next != 0)
        relais_delivery_at (records, delivery->next)->prev = delivery->prev;
    else
        list->tail = delivery->prev;
    delivery->next = delivery->prev = 0;
    list->n--;
}
