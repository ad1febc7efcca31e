/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Places in the event log, and reading on from one: what durable cursors stand on. A place is a day file and an
 * offset at which a line begins; only what is synced is read, so that no crash takes back what was read. All of it
 * blocks, on a worker, but relais_event_log_end ().
 */
#pragma once

#include "event/event-private.h"

/* Day 0: before all lines. */
typedef struct {
    guint32 day;
    guint64 offset;
} RelaisLogPlace;

/* Where the synced part of the log ends. Any thread. */
RelaisLogPlace relais_event_log_end (RelaisEventLog *log);

/* The log's directory, for this room. */
int relais_event_log_dir (const RelaisEventLog *log);

/* Reads lines from `*place` on, without their line ends, until there are `max` or about `max_bytes` of them, and moves
 * the place behind them. What lies beyond `end` is left. Sets `*gap` where the place's file is gone, or shorter: reading
 * goes on with what there is after it. Returns GBytes, owned; NULL with an error. */
GPtrArray *relais_event_read_on (RelaisEventLog *log, RelaisLogPlace *place, RelaisLogPlace end,
                                 guint max, gsize max_bytes, bool *gap, GError **error);

/* A place in a file of its own, replaced as a whole and synced. Loading fails with G_IO_ERROR_NOT_FOUND where there is
 * none, and with G_IO_ERROR_INVALID_DATA for one that is none. */
bool relais_event_place_save (const char *path, const RelaisLogPlace *place, GError **error);
bool relais_event_place_load (const char *path, RelaisLogPlace *place, GError **error);
