/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A tick at equal distances on the machine's own clock, whatever clock the loop has: for what looks at the process
 * itself, and must neither come with each step of a clock that somebody else moves nor stand still with it. Loop thread.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisTicker RelaisTicker;

/* Calls `func` each `interval_s` seconds; late ones are not made up for. Without descriptors left it never ticks. */
RelaisTicker *
relais_ticker_new (RelaisLoop *loop, guint interval_s, RelaisLoopFunc func, gpointer data);
/* Accepts NULL; not from `func`. */
void relais_ticker_free (RelaisTicker *ticker);
