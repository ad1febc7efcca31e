/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SIGTERM and SIGINT, of which none may be lost: one that comes while everything is taken down for a new program
 * means that there is to be none. Main thread, once in a process.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisStopSignals RelaisStopSignals;

/* Calls `func` on the loop when one or more came. */
RelaisStopSignals *
relais_stop_signals_new (RelaisLoop *loop, RelaisLoopFunc func, gpointer data, GError **error);
/* Before the loop goes: `func` is called no more, what comes is kept. NULL ok. */
void relais_stop_signals_unwatch (RelaisStopSignals *signals);
/* Whether one came since `func` was called for the last. NULL ok. */
bool relais_stop_signals_came (RelaisStopSignals *signals);
/* NULL ok. The signals do from now on what they do by default. */
void relais_stop_signals_free (RelaisStopSignals *signals);
