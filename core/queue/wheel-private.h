/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The wheel of deadlines: which messages expire, or owe a delay notice, in which second. A message is
 * put in and taken out in constant time however many there are, because every message is in it and
 * nearly none reaches its deadline. Loop thread only.
 */
#pragma once

#include "queue/delivery-private.h"

enum { RELAIS_WHEEL_BUCKETS = 8192 };

typedef struct {
    RelaisRecords *records;
    guint32 heads[RELAIS_WHEEL_BUCKETS];
    guint64 filled[RELAIS_WHEEL_BUCKETS / 64]; /* bit set: the bucket holds something */
    guint32 second;                            /* all before, and this one, were looked at */
    guint32 n;
} RelaisWheel;

RelaisWheel *relais_wheel_new (RelaisRecords *records, gint64 now_us);
void relais_wheel_free (RelaisWheel *wheel);
/* Puts a slot in (or moves it) for a monotonic moment; it comes up in the second after at the latest. */
void relais_wheel_set (RelaisWheel *wheel, guint32 slot, gint64 deadline_us);
void relais_wheel_remove (RelaisWheel *wheel, guint32 slot);
/* Takes out every slot whose deadline has passed and calls `func`, which may set and remove
 * that slot. */
typedef void (*RelaisWheelFunc) (gpointer data, guint32 slot);
void relais_wheel_advance (RelaisWheel *wheel, gint64 now_us, RelaisWheelFunc func, gpointer data);
/* When to advance next (monotonic), G_MAXINT64 when empty. */
gint64 relais_wheel_next_us (const RelaisWheel *wheel);
