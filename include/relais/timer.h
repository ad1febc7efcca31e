/* SPDX-License-Identifier: MIT
 *
 * Timers of a module and calls on the loop from elsewhere. Nothing of it is kept over a restart.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef void (*RelaisTimerCallback) (gpointer data);

/* The clocks: monotonic microseconds, for intervals and timers; microseconds since 1970, for what is kept. They
 * are the daemon's, which tests may put forward. Any thread. */
RELAIS_API gint64 relais_module_now_us (const RelaisModule *module);
RELAIS_API gint64 relais_module_wall_us (const RelaisModule *module);

/* Has `func` called once on the loop, from a later turn, in the order of posting. Any thread; also while the
 * module stops: what was posted is called before finalize. */
RELAIS_API void relais_module_post (RelaisModule *module, RelaisTimerCallback func, gpointer data);

/* A timer, not set. Loop only, as all that follows. Owned; to be freed in stop at the latest: one that is left does not
 * fire any more. */
typedef struct RelaisModuleTimer RelaisModuleTimer;
RELAIS_API RelaisModuleTimer *
relais_module_timer_new (RelaisModule *module, RelaisTimerCallback func, gpointer data);
/* Fires once, `delay_us` microseconds from now on the monotonic clock; set again, it forgets the time before. */
RELAIS_API void relais_module_timer_set (RelaisModuleTimer *timer, gint64 delay_us);
RELAIS_API gboolean relais_module_timer_is_set (const RelaisModuleTimer *timer);
RELAIS_API void relais_module_timer_stop (RelaisModuleTimer *timer);
/* Accepts NULL. */
RELAIS_API void relais_module_timer_free (RelaisModuleTimer *timer);

G_END_DECLS
