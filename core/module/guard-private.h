/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Guards: what module a thread is in at this moment. Around every call into a module, on the loop and on workers, so
 * that a slow callback, one that never returns and one that ends the process can be named. A guard lives on the
 * stack of the caller and holds what the thread was in before; guards nest.
 *
 * Costs two reads of the coarse clock and a few stores. Any thread; relais_guard_each () reads those of all.
 */
#pragma once

#include "loop/clock-private.h"

#include <relais/module.h>

#include <stdbool.h>

/* Times are of the machine's monotonic clock, whatever clock the loop has. */
typedef struct {
    RelaisModule *module; /* NULL: none */
    const char *what;     /* the hook, or the kind of callback; static text */
    guint64 id;           /* of the message, 0 for none */
    gint64 began_us;      /* 0: core's own waiting, which is not counted */
    gint64 spent_us;      /* before that waiting */
    gint64 allowed_us;    /* its declared deadline; 0: none; RELAIS_GUARD_FREE */
} RelaisGuard;

/* Neither budget nor watchdog: starting and stopping, which the service manager has an eye on. */
#define RELAIS_GUARD_FREE G_MAXINT64

/* The module is called now; `id` 0: about the message of the call around it, if any. */
void relais_guard_enter (RelaisGuard *outer, RelaisModule *module, const char *what, guint64 id);
void relais_guard_leave (const RelaisGuard *outer);
/* The callback that was entered last declared a deadline of its own. */
void relais_guard_allow (gint64 allowed_us);
/* Whether what was entered last has no time limit. */
bool relais_guard_is_free (void);
/* The message that the thread works on for a module now, 0 for none: callbacks that come later keep it. */
guint64 relais_guard_id (void);
/* The core waits for a disk or another thread on the module's behalf: not counted until resumed with what pause
 * returned. Outside of any module both do nothing. */
gint64 relais_guard_pause (void);
void relais_guard_resume (gint64 paused);

/* What this thread is in; NULL if it never was in a module. Safe in signal handlers. */
const RelaisGuard *relais_guard_current (void);
/* The calling thread is a loop's: its callbacks have the loop's budget. */
void relais_guard_set_loop_thread (void);
/* What a callback may take before it is told of and counted; both for all threads, before they start. */
void relais_guard_set_budgets (gint64 loop_us, gint64 worker_us);
/* Who is told, on the thread of the callback; the host says relais_slow_tell (). Before threads start. */
typedef void (*RelaisGuardSlowFunc) (const RelaisGuard *guard, gint64 took_us);
void relais_guard_set_slow_func (RelaisGuardSlowFunc func);
void relais_slow_tell (const RelaisGuard *guard, gint64 took_us);

/* Calls `func` for a copy of what each thread is in that is in a module now; `thread` tells them apart. Any
 * thread. */
typedef void (*RelaisGuardFunc) (gpointer data, guint64 thread, bool is_loop,
                                 const RelaisGuard *guard);
void relais_guard_each (RelaisGuardFunc func, gpointer data);
gint64 relais_guard_now_us (void);
