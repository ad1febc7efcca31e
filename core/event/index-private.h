/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The index over the event log's "delivered" lines: where in which day file the line of a delivery stands, by
 * (queue id, recipient number) and by Message-ID. It is derived: it can be deleted at any time, and is made
 * again by reading the log. For this room.
 *
 * What the log's thread has synced is noted in memory; a thread of the index's own makes immutable files
 * of it, reads what no file covers (after a start, a deleted or a damaged file), and removes what is
 * too old. Lookups come from workers. While something of the days kept has not been read, what is not found
 * is not known to be absent.
 */
#pragma once

#include "event/event-private.h"

enum {
    RELAIS_EVENT_INDEX_DAYS = 31,     /* before today, that are kept */
    RELAIS_EVENT_RUN_ENTRIES = 65536, /* as many make a file */
    RELAIS_EVENT_KEY_BYTES = 16,
    RELAIS_EVENT_PAGE_BYTES = 4096 /* of a file, each with its checksum */
};

/* --- One line (index-line.c). Pure. */
typedef struct {
    guint8
        key[RELAIS_EVENT_KEY_BYTES]; /* queue id as text, then the recipient's number in 3 octets */
    guint64 hash;                    /* of the Message-ID as it stands in the line; 0: none */
    guint64 offset;                  /* of the line in its day file */
} RelaisEventEntry;
/* Whether a line of the log tells of a delivery; fills in all but `offset`. */
bool relais_event_entry_read (RelaisEventEntry *entry, const char *line, gsize size);
/* False for a number that has no room, or what is no queue id. */
bool
relais_event_key_make (guint8 key[RELAIS_EVENT_KEY_BYTES], const char *queue_id, guint32 number);
/* As a line with this Message-ID has it. */
guint64 relais_event_hash_message_id (const char *message_id);

/* --- One file (run.c): entries of a part of one day file. Immutable and counted. */
typedef struct {
    gatomicrefcount refs;
    guint32 day;      /* 20261128 */
    guint32 number;   /* events-DAY.NUMBER.idx */
    guint64 from, to; /* octets of the day file that it covers */
    guint32 n;
    guint8 least[RELAIS_EVENT_KEY_BYTES], most[RELAIS_EVENT_KEY_BYTES];
} RelaisEventRun;
RelaisEventRun *relais_event_run_ref (RelaisEventRun *run);
void relais_event_run_unref (RelaisEventRun *run);
char *relais_event_run_name (guint32 day, guint32 number);
/* Whether it is the name of one, and of which. */
bool relais_event_run_parse_name (const char *name, guint32 *day, guint32 *number);
/* Reads its head. NULL, with no error, for one that is damaged. Blocks. */
RelaisEventRun *relais_event_run_open (int dir_fd, guint32 day, guint32 number);
/* Sorts the entries and writes them; synced, and there as a whole or not at all. Blocks. */
RelaisEventRun *relais_event_run_write (int dir_fd, guint32 day, guint32 number, guint64 from,
                                        guint64 to, GArray *entries, GError **error);
/* Appends the offsets of what is asked for, at most `max` in all. False if the file cannot be read or is
 * damaged. Blocks. */
bool
relais_event_run_find_key (const RelaisEventRun *run, int dir_fd,
                           const guint8 key[RELAIS_EVENT_KEY_BYTES], GArray *offsets, guint max);
bool relais_event_run_find_hash (const RelaisEventRun *run, int dir_fd, guint64 hash,
                                 GArray *offsets, guint max);

/* --- All of it (index.c). */
typedef struct RelaisEventIndex RelaisEventIndex;
/* After the recovery of the log's files. Blocks: start-up. */
RelaisEventIndex *
relais_event_index_open (const char *dir, const RelaisClock *clock, GError **error);
/* NULL ok. */
void relais_event_index_close (RelaisEventIndex *index);
/* Whole lines that were synced at `offset` of a day file, in the order of the file. The log's thread. */
void relais_event_index_add (RelaisEventIndex *index, const char *file_name, guint64 offset,
                             const guint8 *bytes, gsize size);
/* Where a line stands. */
typedef struct {
    guint32 day;
    guint64 offset;
} RelaisEventPlace;
/* Places by key, or (key NULL) by hash, newest days first, of the days from `first_day` on, at most
 * `max`. False with an error where not all of them can be known; what was found is in `places` all the same.
 * Worker. */
bool relais_event_index_find (RelaisEventIndex *index, const guint8 *key, guint64 hash,
                              guint32 first_day, GArray *places, guint max, GError **error);
/* What was found at a place is not what was looked for: the day's files are made anew. */
void relais_event_index_distrust (RelaisEventIndex *index, guint32 day);
/* Of a log. Borrowed; for tests. */
RelaisEventIndex *relais_event_log_get_index (RelaisEventLog *log);
/* Blocks until everything is read, and written that should be; for tests. */
void relais_event_index_settle (RelaisEventIndex *index);

/* --- Lines found (deliveries.c); as relais_event_log_find (). */
GPtrArray *relais_event_deliveries_find (RelaisEventIndex *index, int dir_fd, const char *queue_id,
                                         guint32 number, gint64 since_us, GError **error);
GPtrArray *
relais_event_deliveries_find_message_id (RelaisEventIndex *index, int dir_fd,
                                         const char *message_id, guint max, GError **error);
