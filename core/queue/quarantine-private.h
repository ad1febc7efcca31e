/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long held deliveries stay: what an operator holds until he says otherwise, what a verdict holds, or
 * what was put aside, as long as quarantine_lifetime of [limits]. Loop thread.
 *
 * The time is monotonic while the daemon runs. Over a restart the wall clock alone is left: so nothing is
 * removed in the first hour after a start, and never before the wall clock, too, says that the time is
 * over.
 */
#pragma once

#include "queue/outcome-private.h"

/* Puts a delivery, which is in no place, where held ones are. The caller sets the deadline of its message. */
void relais_quarantine_put_held (RelaisQueue *queue, guint32 delivery, const RelaisState *state);
/* The same of one that was taken from there and could not be seen to; looked at again in a minute. */
void relais_quarantine_put_back (RelaisQueue *queue, guint32 delivery);
/* It is not held any more. */
void relais_quarantine_leave (RelaisQueue *queue, RelaisDelivery *delivery);

/* Monotonic moment at which the delivery goes; 0: it stays. */
gint64 relais_quarantine_until_us (const RelaisQueue *queue, const RelaisDelivery *delivery);
/* The first of the message's; G_MAXINT64 for none. */
gint64 relais_quarantine_deadline_us (const RelaisQueue *queue, const RelaisMessageSlot *slot);
/* For how long one of the message's is there; 0 for none. */
gint64 relais_quarantine_age_us (const RelaisQueue *queue, const RelaisMessageSlot *slot);

/* Hands those whose time is over to the local work. */
void relais_quarantine_lapse (RelaisQueue *queue, const RelaisMessageSlot *slot, gint64 now_us);
/* There: ends the delivery, with an event and a line of the log, or puts it back. */
void
relais_quarantine_settle (RelaisSettlement *settlement, const RelaisLive *live, guint32 delivery);
