/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Warm-up: how much a new source may send to a site on each day, by a plan. Pure; one thread at a time. Days are
 * UTC, counted since 1970.
 */
#pragma once

#include "bucket.h"

enum { THROTTLE_PLAN_DAYS = 366 }; /* a plan may have */

/* A plan, of the configuration. */
typedef struct {
    char *name;
    GArray *caps;     /* gint64, one a day */
    char **providers; /* NULL: all */
    bool spread;      /* over the hours of the day */
    guint bad_at;     /* percent of deferrals that make a day bad; 0: none do */
    const char *origin;
} ThrottlePlan;

/* Where a lane stands. */
typedef struct {
    gint64 start;  /* day of the plan's first cap */
    gint64 day;    /* that `used` is about; never goes back */
    gint64 held;   /* days by which it is behind the calendar */
    guint bad_run; /* bad days in a row */
    bool bad;      /* this one is */
    gint64 used;   /* recipients, those that are on their way included */
    gint64 out;    /* on their way */
    gint64 sure;   /* what a crash would count as used: never below `used` while there is a store */
    guint64 results, deferrals; /* of this day */
} ThrottleWarmup;

typedef enum {
    THROTTLE_WARMUP_BEFORE, /* the first day has not come */
    THROTTLE_WARMUP_ON,
    THROTTLE_WARMUP_OVER /* no cap any more */
} ThrottleWarmupPhase;

/* The state at that time: a new day begins where there is one, and a plan that starts on another day begins anew. */
void throttle_warmup_roll (ThrottleWarmup *warmup, gint64 start, gint64 today);
/* The day of the plan that it stands at, from 0. */
gint64 throttle_warmup_step (const ThrottleWarmup *warmup);
ThrottleWarmupPhase throttle_warmup_phase (const ThrottleWarmup *warmup, const ThrottlePlan *plan);
/* ON: recipients of this day. */
gint64 throttle_warmup_cap (const ThrottleWarmup *warmup, const ThrottlePlan *plan);
/* Same for the next day, as things stand; -1: no cap then. */
gint64 throttle_warmup_next_cap (const ThrottleWarmup *warmup, const ThrottlePlan *plan);
/* How many are counted as used in advance. */
gint64 throttle_warmup_block (gint64 cap);
/* The plan's share of an hour, and the day's rate, as a limit. */
ThrottleRate throttle_warmup_spread (gint64 cap);
void throttle_warmup_take (ThrottleWarmup *warmup, gint64 n);
void throttle_warmup_settle (ThrottleWarmup *warmup, gint64 taken, gint64 used);

/* YYYY-MM-DD as a day; false for what is none. */
bool throttle_day_parse (const char *text, gint64 *day);
/* Owned. */
char *throttle_day_to_string (gint64 day);
/* Of a wall-clock time; and when a day begins. */
gint64 throttle_day_of (gint64 wall_us);
gint64 throttle_day_begins_us (gint64 day);
bool throttle_plan_is_for (const ThrottlePlan *plan, const char *provider);
void throttle_plan_free (gpointer plan);
