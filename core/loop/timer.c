/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The timer heap. It owns its array of pointers, never the timers. Loop thread only.
 */
#include "config.h"

#include "loop/timer-private.h"
#include "loop/loop-private.h"

struct RelaisTimerHeap {
    GPtrArray *timers; /* [0] is unused, children of i are 2i and 2i + 1 */
};

static RelaisTimer *
at (const RelaisTimerHeap *heap, gsize place)
{
    return g_ptr_array_index (heap->timers, place);
}

static void
put (RelaisTimerHeap *heap, gsize place, RelaisTimer *timer)
{
    g_ptr_array_index (heap->timers, place) = timer;
    timer->place = place;
}

static void
sift_up (RelaisTimerHeap *heap, RelaisTimer *timer, gsize place)
{
    while (place > 1 && at (heap, place / 2)->due_us > timer->due_us) {
        put (heap, place, at (heap, place / 2));
        place /= 2;
    }
    put (heap, place, timer);
}

static void
sift_down (RelaisTimerHeap *heap, RelaisTimer *timer, gsize place)
{
    gsize last = heap->timers->len - 1;

    while (place * 2 <= last) {
        gsize child = place * 2;

        if (child < last && at (heap, child + 1)->due_us < at (heap, child)->due_us)
            child++;
        if (at (heap, child)->due_us >= timer->due_us)
            break;
        put (heap, place, at (heap, child));
        place = child;
    }
    put (heap, place, timer);
}

static void
place_again (RelaisTimerHeap *heap, RelaisTimer *timer)
{
    gsize place = timer->place;

    if (place > 1 && at (heap, place / 2)->due_us > timer->due_us)
        sift_up (heap, timer, place);
    else
        sift_down (heap, timer, place);
}

static void
heap_remove (RelaisTimerHeap *heap, RelaisTimer *timer)
{
    gsize place = timer->place;
    RelaisTimer *last = at (heap, heap->timers->len - 1);

    g_ptr_array_set_size (heap->timers, (gint)heap->timers->len - 1);
    timer->place = 0;
    if (last == timer)
        return;
    put (heap, place, last);
    place_again (heap, last);
}

RelaisTimerHeap *
relais_timer_heap_new (void)
{
    RelaisTimerHeap *heap = g_new0 (RelaisTimerHeap, 1);

    heap->timers = g_ptr_array_new ();
    g_ptr_array_add (heap->timers, NULL);
    return heap;
}

void
relais_timer_heap_free (RelaisTimerHeap *heap)
{
    if (heap == NULL)
        return;
    for (gsize i = 1; i < heap->timers->len; i++)
        at (heap, i)->place = 0;
    g_ptr_array_unref (heap->timers);
    g_free (heap);
}

gint64
relais_timer_heap_next_us (const RelaisTimerHeap *heap)
{
    return heap->timers->len > 1 ? at (heap, 1)->due_us : G_MAXINT64;
}

RelaisTimer *
relais_timer_heap_take (RelaisTimerHeap *heap, gint64 now_us)
{
    RelaisTimer *first;

    if (relais_timer_heap_next_us (heap) > now_us)
        return NULL;
    first = at (heap, 1);
    heap_remove (heap, first);
    return first;
}

void
relais_timer_init (RelaisTimer *timer, RelaisLoop *loop, RelaisTimerFunc func, gpointer data)
{
    *timer = (RelaisTimer){.loop = loop, .func = func, .data = data};
}

void
relais_timer_set_at (RelaisTimer *timer, gint64 due_us)
{
    RelaisTimerHeap *heap = relais_loop_timers (timer->loop);

    relais_loop_assert_owner (timer->loop);
    timer->due_us = due_us;
    if (timer->place == 0) {
        g_ptr_array_add (heap->timers, timer);
        sift_up (heap, timer, heap->timers->len - 1);
    } else {
        place_again (heap, timer);
    }
}

void
relais_timer_set (RelaisTimer *timer, gint64 delay_us)
{
    gint64 due_us;

    if (__builtin_add_overflow (relais_loop_now_us (timer->loop), delay_us, &due_us))
        due_us = delay_us > 0 ? G_MAXINT64 : G_MININT64;
    relais_timer_set_at (timer, due_us);
}

void
relais_timer_stop (RelaisTimer *timer)
{
    if (timer->place != 0)
        heap_remove (relais_loop_timers (timer->loop), timer);
}
