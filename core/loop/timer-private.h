/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Timers: an intrusive binary heap by due time, owned by the loop. A timer is a struct inside its
 * owner's object, so arming and disarming allocate nothing; the owner must disarm it before the
 * memory goes. Loop thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct RelaisLoop RelaisLoop;
typedef struct RelaisTimer RelaisTimer;
typedef struct RelaisTimerHeap RelaisTimerHeap;

typedef void (*RelaisTimerFunc) (gpointer data);

struct RelaisTimer {
    RelaisLoop *loop;
    RelaisTimerFunc func;
    gpointer data;
    gint64 due_us; /* monotonic */
    gsize place;   /* 1-based place in the heap; 0 while not armed */
};

/* Prepares a timer; it is not armed. */
void relais_timer_init (RelaisTimer *timer, RelaisLoop *loop, RelaisTimerFunc func, gpointer data);

/* Arms or re-arms the timer for a moment of the loop's monotonic clock. It fires once, from the
 * loop, never inside this call. */
void relais_timer_set_at (RelaisTimer *timer, gint64 due_us);

/* The same, `delay_us` from the start of the current turn. */
void relais_timer_set (RelaisTimer *timer, gint64 delay_us);

/* Disarms; nothing happens if it was not armed. A zeroed timer may be stopped. */
void relais_timer_stop (RelaisTimer *timer);

static inline bool
relais_timer_is_set (const RelaisTimer *timer)
{
    return timer->place != 0;
}

/* For the loop alone. */
RelaisTimerHeap *relais_timer_heap_new (void);
void relais_timer_heap_free (RelaisTimerHeap *heap);
/* Due time of the first timer, or G_MAXINT64 when none is armed. */
gint64 relais_timer_heap_next_us (const RelaisTimerHeap *heap);
/* Takes the first timer that is due at `now_us` out of the heap, or returns NULL. */
RelaisTimer *relais_timer_heap_take (RelaisTimerHeap *heap, gint64 now_us);
