/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fatal handler and the watchdog. The handler runs on whatever thread dies, on a stack of its own, and calls
 * nothing that is not async-signal-safe; the watchdog has a thread of its own.
 */
#pragma once

#include "loop/loop-private.h"
#include "module/crash-private.h"

/* From now on signals that end the process are told on stderr, with module, hook and message. Once a process. */
void relais_fatal_install (void);
/* And recorded there as that record; -1: no more. The descriptor is borrowed. */
void relais_fatal_set_file (int fd, guint64 number);

/* Aborts the process when a turn of the loop, or a callback of a module on any thread, takes longer than
 * `limit_us` and than its own declared deadline. Time in which the process was stopped does not count. */
typedef struct RelaisWatchdog RelaisWatchdog;
RelaisWatchdog *relais_watchdog_new (RelaisLoop *loop, gint64 limit_us);
/* NULL ok. */
void relais_watchdog_free (RelaisWatchdog *watchdog);
