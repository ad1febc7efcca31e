/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hits that come again and again: who has one good link can follow it without end, and each hit is an event on disk.
 * So of what is the same a few within a minute are told one by one; those beyond are counted, and told together when
 * the minute is over. What is counted here is in memory alone until then. Pure; one thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    /* Kinds of hits of the last minute that are remembered. Beyond, the one that began first is told and forgotten:
     * what comes of it then is told one by one again, so that nothing is lost. */
    TRACKING_REPEATS_KINDS = 16384,
    TRACKING_REPEATS_SECONDS = 60
};

typedef struct TrackingRepeats TrackingRepeats;
/* Takes `last`, the last of `n` that were held back. */
typedef void (*TrackingRepeatsFunc) (gpointer last, guint64 n);
TrackingRepeats *tracking_repeats_new (TrackingRepeatsFunc tell, GDestroyNotify free_hit);
/* Tells what there is. */
void tracking_repeats_free (TrackingRepeats *repeats);
/* True if the hit of the kind `key` (taken) is one of the first `most` of its minute; else it was taken, too. */
bool tracking_repeats_pass (TrackingRepeats *repeats, char *key, gint64 now_us, guint most,
                            gpointer hit);
/* Tells of the minutes that are over. */
void tracking_repeats_end (TrackingRepeats *repeats, gint64 now_us);
/* When the first minute is over; G_MAXINT64: there is none. */
gint64 tracking_repeats_next_us (const TrackingRepeats *repeats);
