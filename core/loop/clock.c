/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine's clock. Owns nothing; any thread.
 */
#include "config.h"

#include "loop/clock-private.h"

static gint64
system_wall_us (const RelaisClock *self)
{
    return g_get_real_time ();
}

static gint64
system_mono_us (const RelaisClock *self)
{
    return g_get_monotonic_time ();
}

const RelaisClock *
relais_clock_system (void)
{
    static const RelaisClock system_clock = {system_wall_us, system_mono_us};

    return &system_clock;
}
