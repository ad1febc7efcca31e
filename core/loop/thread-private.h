/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads of the core. Capabilities belong to a thread and pass on to those that it starts: the main thread
 * keeps CAP_NET_BIND_SERVICE until its sockets are bound, and what it starts before then must not.
 */
#pragma once

#include <glib.h>

/* As g_thread_new (), but the thread has no capabilities (unless the process is root's). Any thread. */
GThread *relais_thread_new (const char *name, GThreadFunc func, gpointer data);
