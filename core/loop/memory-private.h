/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How much memory there is for this process. Blocks; any thread.
 */
#pragma once

#include <glib.h>

/* Octets: the least of the machine's memory and of the limits of the control groups (of either version) that this process
 * is in. `root` stands before all paths that are read, "" for the system itself. G_MAXUINT64 if nothing can be read. */
guint64 relais_memory_allowed (const char *root);
