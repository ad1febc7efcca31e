/* SPDX-License-Identifier: MIT
 *
 * What has become of a message that is queued, by its id: each recipient's state, its attempts, when the next one is due,
 * and the last reply. Of messages that are done with, the event log tells (relais_delivery_find ()). Loop.
 */
#pragma once

#include <relais/message.h>

G_BEGIN_DECLS

typedef guint32 RelaisQueuedState;
enum {
    RELAIS_QUEUED_WAITING = 0,   /* for its time, its turn, or its lane */
    RELAIS_QUEUED_UNDER_WAY = 1, /* being tried, or its end is being written */
    RELAIS_QUEUED_HELD = 2,      /* until an operator releases it */
    RELAIS_QUEUED_DELIVERED = 3, /* from here on: done with, while others of the message are not */
    RELAIS_QUEUED_BOUNCED = 4,
    RELAIS_QUEUED_EXPIRED = 5,
    RELAIS_QUEUED_DELETED = 6
};

typedef struct RelaisQueued RelaisQueued;

/* Once for each call, from a later turn. `queued` is borrowed; NULL if no message of that id is queued, or, with
 * `error`, if it could not be found out. */
typedef void (*RelaisQueuedFunc) (const RelaisQueued *queued, const gchar *error, gpointer data);
/* Asks for the message with that id (13 characters). What is on the disk is read without blocking. */
RELAIS_API void relais_queued_find (RelaisModule *module, const gchar *queue_id,
                                    RelaisQueuedFunc func, gpointer data);

/* The message, whose recipients are counted as here. Borrowed. */
RELAIS_API RelaisMessage *relais_queued_get_message (const RelaisQueued *queued);
RELAIS_API RelaisQueuedState relais_queued_get_state (const RelaisQueued *queued, guint32 n);
/* Attempts that ended. */
RELAIS_API guint32 relais_queued_get_attempts (const RelaisQueued *queued, guint32 n);
/* WAITING: wall clock, microseconds, of the next attempt, which may be past where it waits for its turn; else 0. */
RELAIS_API gint64 relais_queued_get_next_us (const RelaisQueued *queued, guint32 n);
/* The last reply, or reason, one line; NULL if there is none yet. Not trusted. Borrowed. */
RELAIS_API const gchar *relais_queued_get_reply (const RelaisQueued *queued, guint32 n);
/* "waiting", "under-way", "held", "delivered", "bounced", "expired", "deleted". Static; any thread. */
RELAIS_API const gchar *relais_queued_state_to_string (RelaisQueuedState state);

G_END_DECLS
