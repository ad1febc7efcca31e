/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue's records: one delivery a recipient that is not finished, one slot a message that has
 * such, and the index from queue ids to slots. Fixed sizes, no strings, no allocation each: what a
 * delivery says in words is read back from the spool when it is needed.
 *
 * Loop thread only. Numbers and pointers stay valid until the record is removed: blocks never move.
 */
#pragma once

#include "message/id-table-private.h"
#include "message/message-private.h"
#include "queue/slab-private.h"

/* Who sees to a delivery. Every one of these but ACTIVE is a timer or a list that something walks;
 * ACTIVE has an attempt. */
typedef enum {
    RELAIS_PLACE_NONE = 0,
    RELAIS_PLACE_WAITING, /* in its flow's heap, whose timer is set */
    RELAIS_PLACE_DUE,     /* in one of its flow's lists of what is due */
    RELAIS_PLACE_ACTIVE,  /* an attempt's */
    RELAIS_PLACE_LOCAL,   /* in the list of local work (see local.c) */
    RELAIS_PLACE_HELD     /* an operator's; what is quarantined has its message's deadline, too */
} RelaisPlace;

/* What local work, or the end of the attempt, is to do with it. */
typedef enum {
    RELAIS_ACTION_NONE = 0,
    RELAIS_ACTION_SUPPRESS, /* its recipient is on the suppression list */
    RELAIS_ACTION_EXPIRE,   /* too old */
    RELAIS_ACTION_LAPSE,    /* too long in the quarantine */
    RELAIS_ACTION_FAIL,     /* its destination can take no mail */
    RELAIS_ACTION_DEFER,    /* its destination could not be looked up */
    RELAIS_ACTION_HOLD,     /* from here on: an operator's verb */
    RELAIS_ACTION_RELEASE,
    RELAIS_ACTION_BOUNCE,
    RELAIS_ACTION_DELETE
} RelaisAction;

typedef struct {
    gint64 due_us;     /* monotonic; while WAITING. Quarantined: since when it is */
    guint32 message;   /* slot */
    guint32 flow;      /* number of the flow */
    guint32 domain;    /* number of the recipient's domain */
    guint32 source;    /* hash of the name of the source that served last; 0 none */
    guint32 next;      /* in a list */
    guint32 prev;      /* in a list; WAITING: place in the heap */
    guint32 after;     /* next delivery of the message */
    guint32 before;    /* previous one */
    guint16 recipient; /* in the envelope */
    guint16 attempts;
    guint8 place;           /* RelaisPlace */
    guint8 list;            /* DUE: which of the flow's lists */
    guint8 action;          /* RelaisAction */
    guint8 unknown : 1;     /* WAITING: because the suppression list could not be read */
    guint8 moved : 1;       /* ACTIVE: it goes another way than its attempt, see reroute.c */
    guint8 quarantined : 1; /* HELD: by a verdict, not by an operator */
} RelaisDelivery;
_Static_assert(sizeof (RelaisDelivery) <= 64, "a delivery is a small record");

typedef struct {
    guint64 id;
    gint64 born_us;     /* monotonic: when its age was 0 (before the machine started, perhaps);
                         * yet to come: it is kept until then, as its sender asked */
    guint32 first;      /* delivery */
    guint32 open;       /* number of deliveries */
    guint32 sender;     /* hash of the sender, to find it by */
    guint32 wheel_next; /* slots of the same bucket of the wheel */
    guint32 wheel_prev;
    guint32 deadline_s; /* monotonic second of expiry or notice; 0 not in the wheel */
    guint32 size_kib;
    guint8 klass;       /* RelaisClass */
    guint8 noticed : 3; /* how many of the delay notices were sent */
    guint8 bounce : 1;  /* from the null sender */
    guint8 cooled : 1;  /* its first attempt ended */
    guint8 grace : 1; /* released or retried past its lifetime: the deadline in the wheel counts */
    guint8 alone : 1; /* each recipient in a transaction of its own */
    guint8 used : 1;  /* 0: this slot is free (for walks over all) */
    guint8 quarantined : 1; /* some of it was quarantined */
} RelaisMessageSlot;
_Static_assert(sizeof (RelaisMessageSlot) <= 64, "a message slot is a small record");

typedef struct {
    guint32 *slots; /* numbers, 0 free; NULL: none yet */
    guint32 size, capacity;
} RelaisRecordsTable;

typedef struct {
    RelaisSlab deliveries;
    RelaisSlab slots;
    RelaisRecordsTable tables[RELAIS_TABLES]; /* slots by message id */
} RelaisRecords;

void relais_records_init (RelaisRecords *records);
void relais_records_clear (RelaisRecords *records);
/* Memory of all records and the index. */
gsize relais_records_bytes (const RelaisRecords *records);

/* Adds a message that is not there yet. */
guint32 relais_records_add_slot (RelaisRecords *records, guint64 id);
/* 0 if there is none. */
guint32 relais_records_find (const RelaisRecords *records, guint64 id);
/* Removes a message that has no deliveries left. */
void relais_records_remove_slot (RelaisRecords *records, guint32 slot);
/* Adds a delivery before the message's others. */
guint32 relais_records_add_delivery (RelaisRecords *records, guint32 slot, guint16 recipient);
void relais_records_remove_delivery (RelaisRecords *records, guint32 delivery);

static inline RelaisDelivery *
relais_delivery_at (const RelaisRecords *records, guint32 number)
{
    return relais_slab_at (&records->deliveries, number);
}

static inline RelaisMessageSlot *
relais_slot_at (const RelaisRecords *records, guint32 number)
{
    return relais_slab_at (&records->slots, number);
}

/* --- Lists of deliveries through next and prev. */
typedef struct {
    guint32 head, tail, n;
} RelaisDeliveryList;

void relais_delivery_list_append (RelaisRecords *records, RelaisDeliveryList *list, guint32 number);
void
relais_delivery_list_prepend (RelaisRecords *records, RelaisDeliveryList *list, guint32 number);
void relais_delivery_list_remove (RelaisRecords *records, RelaisDeliveryList *list, guint32 number);
