/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sliding counts. Pure; one thread at a time.
 */
#include "window.h"

#include <string.h>

void
throttle_window_clear (ThrottleWindow *window)
{
    const gint64 length_us = window->length_us, slot = window->slot;

    *window = (ThrottleWindow){.length_us = length_us, .slot = slot};
}

static guint
place (gint64 slot)
{
    return (guint)(slot % THROTTLE_WINDOW_SLOTS);
}

/* Forgets the slots that have slid out. */
static void
slide (ThrottleWindow *window, gint64 now_us)
{
    const gint64 slot = now_us / window->length_us;

    if (slot - window->slot >= THROTTLE_WINDOW_SLOTS) {
        throttle_window_clear (window);
        window->slot = slot;
    }
    while (window->slot < slot) {
        window->slot++;
        window->totals[place (window->slot)] = window->bads[place (window->slot)] = 0;
    }
}

void
throttle_window_add (ThrottleWindow *window, gint64 now_us, gint64 window_us, guint32 total,
                     guint32 bad)
{
    const gint64 length_us = MAX (window_us / THROTTLE_WINDOW_SLOTS, 1);

    if (window->length_us != length_us)
        *window = (ThrottleWindow){.length_us = length_us, .slot = now_us / length_us};
    slide (window, now_us);
    window->totals[place (window->slot)] += total;
    window->bads[place (window->slot)] += bad;
}

void
throttle_window_sum (ThrottleWindow *window, gint64 now_us, guint64 *total, guint64 *bad)
{
    *total = *bad = 0;
    if (window->length_us == 0)
        return;
    slide (window, now_us);
    for (guint i = 0; i < THROTTLE_WINDOW_SLOTS; i++) {
        *total += window->totals[i];
        *bad += window->bads[i];
    }
}

/* --- Hits ------------------------------------------------------------------------------------- */

struct ThrottleHits {
    guint32 wanted, n, next;
    gint64 until_us; /* the last one counts */
    gint64 times[];  /* a ring of `wanted` */
};

ThrottleHits *
throttle_hits_new (guint32 wanted)
{
    const guint32 n = CLAMP (wanted, 1, THROTTLE_HITS_MOST);
    ThrottleHits *hits = g_malloc0 (sizeof *hits + n * sizeof hits->times[0]);

    hits->wanted = n;
    return hits;
}

void
throttle_hits_free (gpointer hits)
{
    g_free (hits);
}

guint32
throttle_hits_get_wanted (const ThrottleHits *hits)
{
    return hits->wanted;
}

bool
throttle_hits_add (ThrottleHits *hits, gint64 now_us, gint64 within_us)
{
    hits->times[hits->next] = now_us;
    hits->until_us = now_us + MAX (within_us, 0);
    hits->next = (hits->next + 1) % hits->wanted;
    hits->n = MIN (hits->n + 1, hits->wanted);
    /* Full: the next place holds the oldest. */
    if (hits->n < hits->wanted || now_us - hits->times[hits->next] > MAX (within_us, 0))
        return false;
    hits->n = 0;
    return true;
}

bool
throttle_hits_are_over (const ThrottleHits *hits, gint64 now_us)
{
    return hits->n == 0 || hits->until_us < now_us;
}
