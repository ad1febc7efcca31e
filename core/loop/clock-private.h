/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clock: the only place where Relais asks for the time. Durable times are wall-clock
 * microseconds since 1970, timers and intervals are monotonic microseconds. Tests install a clock
 * of their own before the loop is made.
 *
 * Thread-safe: both calls may be made on any thread, so an injected clock must be too.
 */
#pragma once

#include <glib.h>

#define RELAIS_USEC_PER_MSEC G_GINT64_CONSTANT (1000)
#define RELAIS_USEC_PER_SEC G_GINT64_CONSTANT (1000000)
#define RELAIS_USEC_PER_MIN (60 * RELAIS_USEC_PER_SEC)
#define RELAIS_USEC_PER_HOUR (3600 * RELAIS_USEC_PER_SEC)
#define RELAIS_USEC_PER_DAY (86400 * RELAIS_USEC_PER_SEC)

typedef struct RelaisClock RelaisClock;

/* A source of time. `self` is the clock itself, so that a test's clock can carry state. */
struct RelaisClock {
    gint64 (*wall_us) (const RelaisClock *self);
    gint64 (*mono_us) (const RelaisClock *self);
};

/* The machine's clock. Static, never freed. */
const RelaisClock *relais_clock_system (void);

static inline gint64
relais_clock_wall_us (const RelaisClock *clock)
{
    return clock->wall_us (clock);
}

static inline gint64
relais_clock_mono_us (const RelaisClock *clock)
{
    return clock->mono_us (clock);
}
