/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail that is made here, into the spool and the queue: notices to the postmaster, and what modules submit. Loop
 * thread.
 */
#pragma once

#include "queue/state-private.h"

/* A draft that holds these bytes; not ended. Whether they could be taken, relais_draft_failure () says. */
RelaisDraft *relais_queue_draft (RelaisQueue *queue, GBytes *bytes);
/* Keeps a message, whose draft was ended, with its event; once it is synced it is queued. Takes `message` and
 * `draft`. `done` is called in a later turn, also when the queue has gone: with `error`, nothing was kept. */
typedef void (*RelaisQueueKept) (gpointer data, const RelaisMessage *message, const GError *error);
void relais_queue_keep (RelaisQueue *queue, RelaisMessage *message, RelaisDraft *draft,
                        GBytes *event, RelaisQueueKept done, gpointer data);

/* A mail of the daemon's own, from <> (own.c). Borrowed for the call. */
typedef struct {
    guint64 id; /* relais_spool_new_id () */
    const char *to, *from /* its From field's address */;
    const char *tenant;            /* whose key signs it, or NULL */
    const char *about_key, *about; /* of the event: "notice_of" a module */
} RelaisOwnMail;
/* The same of such a mail. */
void relais_queue_keep_own (RelaisQueue *queue, const RelaisOwnMail *mail, GBytes *bytes,
                            RelaisQueueKept done, gpointer data);

/* What is wrong with the bytes of a message, NULL if nothing is; owned. */
char *relais_queue_facts_problem (const RelaisSection *limits, const RelaisBodyFacts *facts);
/* The event that such a message was accepted; `by` is the module, or "inject". Owned. */
GBytes *
relais_queue_accepted_event (const RelaisMessage *message, guint64 size_bytes, const char *by);

/* intake.c: from now on modules may submit and ask; and no longer. */
void relais_queue_begin_intake (RelaisQueue *queue);
void relais_queue_end_intake (RelaisQueue *queue);
