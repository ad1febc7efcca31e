/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sources whose address this machine does not have (any more): out of use until it can be bound to, which is
 * tried again now and then. Loop thread.
 */
#pragma once

#include "queue/state-private.h"

void relais_sources_init (RelaisQueue *queue);
void relais_sources_stop (RelaisQueue *queue);
/* After a connection could not begin. If that is because the source's address of this family cannot be bound to,
 * the source does without it; one that has no other is out, and the caller tells the lanes
 * (relais_lanes_use_sources ()) as soon as it may. Said to the log once. */
void relais_source_check (RelaisQueue *queue, RelaisSource *source, sa_family_t family);
/* Calls `func` with each source, pool by pool. */
void relais_sources_each (const RelaisQueue *queue,
                          void (*func) (gpointer data, const RelaisSource *source), gpointer data);
/* Sets `out` from all that is known of it. */
void relais_source_update (RelaisSource *source);
