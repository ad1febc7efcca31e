/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The records and the index: slot numbers in small tables as message/id-table-private.h shapes them. Removal
 * shifts back what follows, so a queue that was turned over a thousand times finds as fast as a new
 * one.
 */
#include "config.h"

#include "queue/delivery-private.h"

void
relais_records_init (RelaisRecords *records)
{
    *records = (RelaisRecords){0};
    relais_slab_init (&records->deliveries, sizeof (RelaisDelivery));
    relais_slab_init (&records->slots, sizeof (RelaisMessageSlot));
}

void
relais_records_clear (RelaisRecords *records)
{
    relais_slab_clear (&records->deliveries);
    relais_slab_clear (&records->slots);
    for (guint i = 0; i < RELAIS_TABLES; i++)
        g_clear_pointer (&records->tables[i].slots, g_free);
}

gsize
relais_records_bytes (const RelaisRecords *records)
{
    gsize bytes = relais_slab_bytes (&records->deliveries) + relais_slab_bytes (&records->slots);

    for (guint i = 0; i < RELAIS_TABLES; i++)
        bytes += records->tables[i].capacity * sizeof (guint32);
    return bytes;
}

/* --- The index -------------------------------------------------------------------------------- */

static guint64
id_of (const RelaisRecords *records, guint32 slot)
{
    return relais_slot_at (records, slot)->id;
}

/* Place of the id, or of the free entry where it would go. */
static guint32
probe (const RelaisRecords *records, const RelaisRecordsTable *table, guint64 id)
{
    guint32 place = relais_table_home (id, table->capacity);

    while (table->slots[place] != 0 && id_of (records, table->slots[place]) != id)
        place = relais_table_next (place, table->capacity);
    return place;
}

static void
resize (RelaisRecords *records, RelaisRecordsTable *table, guint32 capacity)
{
    guint32 *old = table->slots;
    const guint32 n = table->capacity;

    if (capacity == n)
        return;
    table->capacity = capacity;
    table->slots = g_new0 (guint32, capacity);
    for (guint32 i = 0; i < n; i++)
        if (old[i] != 0)
            table->slots[probe (records, table, id_of (records, old[i]))] = old[i];
    g_free (old);
}

static void
index_add (RelaisRecords *records, guint64 id, guint32 slot)
{
    RelaisRecordsTable *table = &records->tables[relais_table_of (id)];

    resize (records, table, relais_table_grown (table->size, table->capacity));
    table->slots[probe (records, table, id)] = slot;
    table->size++;
}

static void
index_remove (RelaisRecords *records, guint64 id)
{
    RelaisRecordsTable *table = &records->tables[relais_table_of (id)];
    guint32 hole = probe (records, table, id);

    for (guint32 i = relais_table_next (hole, table->capacity); table->slots[i] != 0;
         i = relais_table_next (i, table->capacity))
        if (relais_table_may_move (id_of (records, table->slots[i]), hole, i, table->capacity)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    table->slots[hole] = 0;
    table->size--;
    resize (records, table, relais_table_shrunk (table->size, table->capacity));
}

guint32
relais_records_find (const RelaisRecords *records, guint64 id)
{
    const RelaisRecordsTable *table = &records->tables[relais_table_of (id)];

    return table->slots != NULL ? table->slots[probe (records, table, id)] : 0;
}

/* --- Records ---------------------------------------------------------------------------------- */

guint32
relais_records_add_slot (RelaisRecords *records, guint64 id)
{
    guint32 slot = relais_slab_take (&records->slots);

    index_add (records, id, slot);
    relais_slot_at (records, slot)->id = id;
    relais_slot_at (records, slot)->used = 1;
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
    RelaisMessageSlot *message = relais_slot_at (records, slot);

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
    RelaisMessageSlot *message = relais_slot_at (records, delivery->message);

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
