/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Live messages: those that something is being done with. All who work on one message share one
 * object, so that its states have one truth; it stays until the last group about it was written,
 * because before that the spool would read back older states. Loop thread only.
 */
#pragma once

#include "queue/state-private.h"

struct RelaisLive {
    RelaisQueue *queue;
    guint64 id;
    guint refs;
    GQueue settlements;   /* RelaisSettlement, by link: not ready, or behind such; in their order */
    RelaisParcel *parcel; /* of those that are ready and wait for a sync; NULL: none do */
    guint flying;         /* parcels of large states that the spool has and did not sync yet */
    RelaisMessage *message; /* NULL while it is read */
    GArray *waiters;
};

typedef void (*RelaisLiveFunc) (gpointer data, RelaisLive *live, const GError *error);

/* Tells all who wait for a message that it does not come: the queue was closed. */
void relais_live_stop_waiting (RelaisQueue *queue);
/* The message, with a reference, if it is in memory. Else NULL, and `func` is called in a later
 * turn: with a reference of its own, or with the error. */
RelaisLive *relais_live_get (RelaisQueue *queue, guint64 id, RelaisLiveFunc func, gpointer data);
RelaisLive *relais_live_ref (RelaisLive *live);
void relais_live_unref (RelaisLive *live);
