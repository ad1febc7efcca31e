/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The operator's verbs, as functions: hold, release, retry, bounce and delete, by queue id, recipient
 * domain, tenant, sender, or all. Large queues are walked in slices of one loop turn each.
 */
#pragma once

#include "queue/state-private.h"

typedef enum {
    RELAIS_VERB_HOLD,
    RELAIS_VERB_RELEASE,
    RELAIS_VERB_RETRY,
    RELAIS_VERB_FORCE, /* retry, in quiet hours and before its release too */
    RELAIS_VERB_BOUNCE,
    RELAIS_VERB_DELETE
} RelaisVerb;

/* Which deliveries; what is NULL or 0 does not matter. */
typedef struct {
    guint64 id;
    const char *domain; /* of the recipient, or the destination's name */
    const char *tenant; /* "" for mail without one */
    const char *sender; /* exact; "" for <> */
    bool held;          /* only what is held, or about to be */
} RelaisSelection;

/* Whether a delivery is meant. The sender is compared by its hash: look again when the message is
 * there. */
bool
relais_selection_has (const RelaisQueue *queue, const RelaisSelection *selection, guint32 delivery);

/* Whether a delivery of the message in a slot is meant; also of none, which is not. */
bool relais_selection_has_slot (const RelaisQueue *queue, const RelaisSelection *selection,
                                guint32 slot);

/* Whether a delivery of the message `selection->id` is meant. */
bool relais_selection_has_message (const RelaisQueue *queue, const RelaisSelection *selection);

/* Tells all deliveries of the selection; calls `done` in a later turn with how many they were, or
 * G_MAXUINT64 if the queue ended before all were told, and with how many of those that were to be tried wait for the
 * end of quiet hours or for their release. */
typedef void (*RelaisVerbDone) (gpointer data, guint64 n, guint64 n_waiting);
void relais_queue_apply (RelaisQueue *queue, RelaisVerb verb, const RelaisSelection *selection,
                         RelaisVerbDone done, gpointer data);
