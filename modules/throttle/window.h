/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counts over the last minutes, and whether something happened so and so often within a time. Plain values of a
 * fixed size. Pure; one thread at a time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum { THROTTLE_WINDOW_SLOTS = 10 };

typedef struct {
    gint64 slot; /* number of the newest one: time / length */
    gint64 length_us;
    guint32 totals[THROTTLE_WINDOW_SLOTS], bads[THROTTLE_WINDOW_SLOTS];
} ThrottleWindow;

/* Slides in tenths of `window_us`; another length forgets what was counted. */
void throttle_window_add (ThrottleWindow *window, gint64 now_us, gint64 window_us, guint32 total,
                          guint32 bad);
void throttle_window_sum (ThrottleWindow *window, gint64 now_us, guint64 *total, guint64 *bad);
void throttle_window_clear (ThrottleWindow *window);

/* The times of the last so many hits of a rule. */
enum { THROTTLE_HITS_MOST = 1000 };
typedef struct ThrottleHits ThrottleHits;
/* `wanted` is cut to 1 .. HITS_MOST. */
ThrottleHits *throttle_hits_new (guint32 wanted);
void throttle_hits_free (gpointer hits);
/* Counts one; whether there were as many as wanted within that time, this one included: then they are spent. */
bool throttle_hits_add (ThrottleHits *hits, gint64 now_us, gint64 within_us);
/* Whether none counts any more. */
bool throttle_hits_are_over (const ThrottleHits *hits, gint64 now_us);
guint32 throttle_hits_get_wanted (const ThrottleHits *hits);
