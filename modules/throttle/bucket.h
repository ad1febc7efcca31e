/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Token buckets that keep a rate exactly, and sets of them that all must agree. Integers alone: a token is
 * period_us units, a microsecond brings n of them, so nothing is rounded and nothing drifts.
 *
 * A token that was taken is out until it is used (MAIL FROM was said) or given back. While it is out the bucket
 * fills up to burst - out alone: so the rate holds both for when tokens were taken and for when they were used,
 * however long the way between.
 */
#pragma once

#include "limit.h"

#define THROTTLE_NEVER G_MAXINT64

typedef struct {
    ThrottleRate rate;
    gint64 level; /* units; below 0 after the burst was lowered below what is out */
    gint64 out;   /* tokens */
    gint64 at_us; /* when `level` was right */
} ThrottleBucket;

/* Full; or as if it had been empty at `empty_us`, unless that is G_MININT64. */
void throttle_bucket_init (ThrottleBucket *bucket, const ThrottleRate *rate, gint64 now_us,
                           gint64 empty_us);
/* Whole tokens there are; a clock that goes back changes nothing. */
gint64 throttle_bucket_count (ThrottleBucket *bucket, gint64 now_us);
/* When there is one: now, then, or NEVER, unless one that is out comes back or is used. */
gint64 throttle_bucket_ready_us (ThrottleBucket *bucket, gint64 now_us);
void throttle_bucket_take (ThrottleBucket *bucket, gint64 now_us, gint64 n);
/* `taken` are out no longer; `used` of them were used, the rest is there again. */
void throttle_bucket_settle (ThrottleBucket *bucket, gint64 now_us, gint64 taken, gint64 used);
/* Another limit from now on: no more than it allows, and tokens in proportion where its burst is smaller. */
void throttle_bucket_set_rate (ThrottleBucket *bucket, gint64 now_us, const ThrottleRate *rate);
/* Nothing is in it at `at_us`, which may be later than now. */
void throttle_bucket_drain (ThrottleBucket *bucket, gint64 at_us);
bool throttle_bucket_is_full (ThrottleBucket *bucket, gint64 now_us);

/* All limits of one list. A plain value, zero at first. */
typedef struct {
    guint n;
    guint32 parts; /* of THROTTLE_PARTS that the buckets keep of what is configured */
    gint64 out;    /* tokens; a limit that comes later counts them too */
    ThrottleBucket buckets[THROTTLE_RATES];
} ThrottleMeter;

/* Has the meter keep `parts` of `rates`: a bucket goes on with the rate of its period wherever that stands in the list.
 * Buckets that are new are empty at `empty_us`, or full. */
void throttle_meter_set (ThrottleMeter *meter, const ThrottleRates *rates, guint32 parts,
                         gint64 now_us, gint64 empty_us);
/* Has the buckets go on where the `n` that were saved, at most THROTTLE_RATES, stood; nothing is out. */
void
throttle_meter_restore (ThrottleMeter *meter, const ThrottleBucket *saved, guint n, gint64 now_us);
/* What all allow, at most `most`. */
gint64 throttle_meter_count (ThrottleMeter *meter, gint64 now_us, gint64 most);
/* When all have one, and which is the last; see throttle_bucket_ready_us (). */
gint64 throttle_meter_ready_us (ThrottleMeter *meter, gint64 now_us, guint *which);
void throttle_meter_take (ThrottleMeter *meter, gint64 now_us, gint64 n);
void throttle_meter_settle (ThrottleMeter *meter, gint64 now_us, gint64 taken, gint64 used);
void throttle_meter_drain (ThrottleMeter *meter, gint64 at_us);
bool throttle_meter_is_full (ThrottleMeter *meter, gint64 now_us);
