/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process as the daemon wants it, before anything else: locale, signals, memory, descriptors. Main thread, once.
 */
#pragma once

void relais_process_settle (void);
