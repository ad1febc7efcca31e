/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A rate as it is configured, "100/m burst 20", and lists of them. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define THROTTLE_SECOND_US G_GINT64_CONSTANT (1000000)
#define THROTTLE_MINUTE_US (60 * THROTTLE_SECOND_US)
#define THROTTLE_HOUR_US (60 * THROTTLE_MINUTE_US)
#define THROTTLE_DAY_US (24 * THROTTLE_HOUR_US)

/* Without "burst": what comes together in this time, at least one. It covers the way from the permission to MAIL
 * FROM, which counts against the burst; 12/m and less never go in twos. */
#define THROTTLE_BURST_US (5 * THROTTLE_SECOND_US)

enum {
    THROTTLE_RATES = 4,             /* in a list */
    THROTTLE_RATE_MOST = 100000000, /* a period; and the burst. Keeps burst x day below 2^63 */
    THROTTLE_PARTS = 1000000,       /* of a whole rate */
    THROTTLE_PARTS_LEAST = 1000     /* a rate is never scaled down further */
};

/* At most burst + n * t / period_us in any interval t. n is 0 where there is no limit. */
typedef struct {
    gint64 n;
    gint64 period_us;
    gint64 burst;
} ThrottleRate;

typedef struct {
    guint n; /* 0: no limit */
    ThrottleRate rates[THROTTLE_RATES];
} ThrottleRates;

/* "N/s|m|h|d [burst B]", several with commas between; "unlimited" is the empty list. What is wrong goes to
 * `problem` (owned, translated). */
bool throttle_rates_parse (const char *text, ThrottleRates *rates, char **problem);
/* A rate with its default burst. */
ThrottleRate throttle_rate_new (gint64 n, gint64 period_us);
/* `parts` of THROTTLE_PARTS of a rate as it is written: fewer tokens in the burst, and longer between them. */
ThrottleRate throttle_rate_scale (const ThrottleRate *rate, guint32 parts);
/* Whether `left` lets less through in the long run. */
bool throttle_rate_is_below (const ThrottleRate *left, const ThrottleRate *right);
/* The parts of `whole` that `part` is, rounded up, at most all. */
guint32 throttle_rate_divide (const ThrottleRate *part, const ThrottleRate *whole);
/* For people: "20/m", in the smallest unit in which it is at least one; rounded. Owned. */
char *throttle_rate_to_string (const ThrottleRate *rate);
/* The whole list, each scaled; "unlimited". Owned. */
char *throttle_rates_to_string (const ThrottleRates *rates, guint32 parts);
