/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event log: one JSON line for each thing that happened to a message or recipient, appended to
 * LOG_DIR/events-YYYYMMDD.jsonl (day in UTC). The line is made once, by relais_event_* (), stored in the
 * spool's group together with the outcome, and handed to the log after the group was written; each
 * line carries the group's LSN as "seq", so that after a crash the spool hands over again what the
 * log lacks: at least once, with the same id.
 *
 * relais_event_line_* are pure and may run on any thread. The log's own thread writes and syncs;
 * the calls below only queue, and may come from any thread.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct RelaisEventLog RelaisEventLog;

/* --- Making a line. */
typedef struct RelaisEventLine RelaisEventLine;

/* Members every line has: "v" (schema version), "id", "type", "time" (RFC 3339, UTC), "queue_id", "attempt", and
 * "recipient_number" unless it is -1. A value over 8 KiB is cut. Starts a line of `type` ("accepted", "delivered",
 * "deferred", "bounced", "expired", "suppressed", "held", "released", "deleted", "delayed", ...) about message
 * `queue_id`, recipient number `recipient` (-1 for the message as a whole) and attempt `attempt`; these four make its
 * "id": QUEUEID-RECIPIENT-ATTEMPT-TYPE.
 *
 * An outcome (deferred, bounced, expired) that a module classified has "bounce_scope" and "bounce_permanence"
 * (the words of relais/bounce.h), and "bounce_reason" and "bounce_rule" where they were given. "suppressed"
 * ends a delivery without an attempt; it has the "suppress_class" and, if there is one, the "suppress_reason"
 * of the list's entry. */
RelaisEventLine *relais_event_line_new (const char *type, gint64 wall_us, const char *queue_id,
                                        int recipient, int attempt);
/* That id. Owned. */
char *relais_event_id (const char *queue_id, int recipient, int attempt, const char *type);
/* FNV-1a, for ids: what may be chosen by somebody else so that two are alike must be compared, too. */
guint64 relais_event_hash (gconstpointer bytes, gsize size);
/* The same for an event of a module's own: it has no attempt, its id is drawn at random (16 hexadecimal digits,
 * then "-TYPE"), and it names the module. `queue_id` may be NULL. */
RelaisEventLine *relais_event_line_new_module (const char *module, const char *type, gint64 wall_us,
                                               const char *queue_id, int recipient);
/* Adds a member; keys are our own identifiers, values may be hostile and are escaped so that the
 * line stays one line of valid UTF-8 JSON: an octet that is not UTF-8, or is part of a character from U+EF80 to U+EFFF,
 * comes as U+EF00 plus that octet, so that whoever reads the line can have back what came, octet for octet.
 * NULL values are left out. */
void relais_event_line_add (RelaisEventLine *line, const char *key, const char *value);
void relais_event_line_add_int (RelaisEventLine *line, const char *key, gint64 value);
void relais_event_line_add_bool (RelaisEventLine *line, const char *key, bool value);
/* The moment that a line's "time" tells, wall-clock microseconds; 0 if it is none. */
gint64 relais_event_time_from_text (const char *text);
/* Ends the line; "seq" is not in it yet, the log adds it. Returns the JSON object without line
 * end, and frees `line`. */
GBytes *relais_event_line_end (RelaisEventLine *line);

/* --- The log. */
/* Opens or creates the log below `dir`, reads from its tail the highest "seq" (see
 * relais_event_log_last_seq ()), cuts a torn last line. May block: start-up only. */
RelaisEventLog *relais_event_log_open (const char *dir, RelaisLoop *loop, GError **error);
/* Writes out and syncs what is queued, ends the thread. Accepts NULL. */
void relais_event_log_close (RelaisEventLog *log);
/* The highest "seq" on disk or queued. Several lines may share a seq, and a crash may have kept a part of them:
 * the spool hands over again what carries this seq or a higher one; lines of this seq that are on disk already
 * are recognised and not written twice. */
guint64 relais_event_log_last_seq (RelaisEventLog *log);
/* Queues a line; `seq` does not fall. Any thread; keeps a reference while an observer is owed it. */
void relais_event_log_append (RelaisEventLog *log, guint64 seq, GBytes *line);
/* Called once, on the loop, from a later turn: true when the line is synced, false if it could not be now; it is
 * tried again, and may come after all. */
typedef void (*RelaisEventSynced) (gpointer data, bool good);
/* The same for a line that the spool does not keep: it is given the seq of the line before it. `func` (nullable) has
 * a sync begun at once; a failure is told of after one try. Any thread. */
void relais_event_log_append_now (RelaisEventLog *log, GBytes *line, RelaisEventSynced func,
                                  gpointer data);
/* Blocks until all lines up to `seq` that were queued are synced; false if they could not be (they are tried
 * again every second). Never on the loop. */
bool relais_event_log_sync (RelaisEventLog *log, guint64 seq);
/* Called on the loop at the end of a turn, for each line queued since it was set (observers, `event` hooks);
 * must not close the log. Loop thread. */
typedef void (*RelaisEventObserver) (gpointer data, guint64 seq, GBytes *line);
void relais_event_log_set_observer (RelaisEventLog *log, RelaisEventObserver func, gpointer data);

/* --- Reading: calls `func` for each line of the log that contains `needle` (a queue id), oldest
 * first, until it returns false. `line` is without its line end and not terminated. May block: a worker or
 * relaisctl. */
typedef bool (*RelaisEventReader) (gpointer data, const char *line, gsize size);
bool relais_event_log_search (const char *dir, const char *needle, RelaisEventReader func,
                              gpointer data, GError **error);

/* --- Deliveries found again, of the last RELAIS_EVENT_INDEX_DAYS days: see index-private.h. */
typedef struct {
    char *queue_id;
    guint32 number;                                            /* of the recipient in the message */
    char *message_id, *sender, *recipient, *tenant, *campaign; /* NULL where there is none */
    gint64 delivered_us;                                       /* wall clock */
} RelaisDelivered;
void relais_delivered_free (gpointer delivered);
/* The delivery of that recipient, which was not before `since_us`, or nothing: RelaisDelivered, owned. NULL
 * with an error where it is not known; just after a start, too, and for about a second after the line was
 * queued it may not be found. May block: a worker. */
GPtrArray *relais_event_log_find (RelaisEventLog *log, const char *queue_id, guint32 number,
                                  gint64 since_us, GError **error);
/* All of messages with that Message-ID, newest first; at most `max`, of the newest days. */
GPtrArray *relais_event_log_find_message_id (RelaisEventLog *log, const char *message_id, guint max,
                                             GError **error);
