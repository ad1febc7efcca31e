/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process as the daemon wants it, before anything else: locale, signals, memory, descriptors. Main thread, once.
 */
#pragma once

void relais_process_settle (void);
/* Signals that stop the daemon or tell it something wait from now on, until a program settles: that which comes
 * after this one is stopped, and hears of the others no more. The calling thread, which is the last. */
void relais_process_hold_signals (void);
