/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event log's files: names by UTC day, what their tails tell after a crash. For this room.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* YYYYMMDD of a moment; "events-YYYYMMDD.jsonl" of such a day, and of a moment; the day of a day file's name. */
guint32 relais_event_day (gint64 wall_us);
char *relais_event_day_file (guint32 day);
char *relais_event_file_name (gint64 wall_us);
guint32 relais_event_file_day (const char *name);
/* Names of all day files of a directory, oldest first. */
GPtrArray *relais_event_file_list (int dir_fd, GError **error);

/* What the log's tail tells: the highest seq, and the lines that carry it (without "seq", as they
 * were handed to the log), of which a crash may have kept but a part. */
typedef struct {
    guint64 last_seq;
    GHashTable *last_lines; /* GBytes *, a set */
} RelaisEventTail;

/* Reads the tail of one day file, cuts what stands after its last whole line, or from its first zero on unless
 * all of it was `synced` once, syncs it, and merges what it tells into `tail`. Blocks. */
bool relais_event_file_recover (int dir_fd, const char *name, bool synced, RelaisEventTail *tail,
                                GError **error);
/* Fails with errno as a GError that says what was being done. */
bool relais_event_fail (GError **error, const char *what, const char *name);
