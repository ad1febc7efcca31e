/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The spool: where accepted mail is safe. Append-only segments of checksummed records; a writer
 * thread that writes what it is handed, a syncer that syncs what was written, and completions that
 * come back to the loop in batches. design.md section 5 is its specification.
 *
 * Everything here is called on the loop's thread and returns at once, but for what says it may
 * block. Callbacks come on the loop, from a later turn, in the order of the groups.
 */
#pragma once

#include "event/event-private.h"
#include "loop/pool-private.h"
#include "message/message-private.h"

typedef struct RelaisSpool RelaisSpool;

#define RELAIS_SPOOL_ERROR (relais_spool_error_quark ())
GQuark relais_spool_error_quark (void);
typedef enum {
    RELAIS_SPOOL_ERROR_IO,      /* write or sync failed: 451 4.3.0 */
    RELAIS_SPOOL_ERROR_SPACE,   /* ENOSPC, EDQUOT or below min_free: 452 4.3.1 */
    RELAIS_SPOOL_ERROR_MEMORY,  /* receive_memory is used up: 452 4.3.1 */
    RELAIS_SPOOL_ERROR_LOCKED,  /* another daemon owns the directory */
    RELAIS_SPOOL_ERROR_FORMAT,  /* written by a newer release, or not a spool */
    RELAIS_SPOOL_ERROR_DAMAGED, /* a record or body with a wrong checksum; it was quarantined */
    RELAIS_SPOOL_ERROR_GONE     /* no living message of that id */
} RelaisSpoolError;

typedef struct {
    const char *dir;          /* made with 0700 if missing */
    guint64 segment_bytes;    /* 64 MiB unless configured */
    guint64 hot_memory_bytes; /* bodies kept in memory until their first attempt ended */
    guint64 receive_memory_bytes;
    guint64 min_free_bytes;  /* 0: the smaller of 10 % and 2 GiB */
    guint64 min_free_inodes; /* 5000, where the file system counts them */
    gint64 probe_us;         /* between tries of a fresh segment after a failure; 0: 10 s */
} RelaisSpoolOptions;

/* Opens the directory: locks it, reads the segments, quarantines what is damaged. May block
 * (start-up). `events` (nullable) gets every event line after its group was written, and is asked
 * to sync before a segment that holds events is freed. `pool` reads bodies back and writes large ones. */
RelaisSpool *relais_spool_open (const RelaisSpoolOptions *options, RelaisLoop *loop,
                                RelaisPool *pool, RelaisEventLog *events, GError **error);

/* Writes and syncs what is pending, calls back what is left, ends the threads. May block. NULL ok. */
void relais_spool_close (RelaisSpool *spool);

/* --- Recovery: after open, once. Calls `func` for each living message, oldest first, with envelope
 * and states but no body in memory; `func` may keep a reference or let the message go (the spool
 * remembers where it lies). Blocks; the time is that of reading indexes and envelopes, not bodies. */
typedef void (*RelaisSpoolFound) (gpointer data, RelaisMessage *message);
void relais_spool_recover (RelaisSpool *spool, RelaisSpoolFound func, gpointer data);

/* A new queue id: higher than any the spool ever gave. */
guint64 relais_spool_new_id (RelaisSpool *spool);

/* --- Intake ----------------------------------------------------------------------------------- */

/* NULL if mail may be accepted now; else why not, to be said before 354. Borrowed. `size_bytes` is
 * what the client announced, 0 if it did not. */
const GError *relais_spool_refusal (RelaisSpool *spool, guint64 size_bytes);

/* Bytes of a message that is being received. Up to 256 KiB stay in memory, more goes to a file of
 * its own through the pool, while the caller goes on as long as append returns true. */
typedef struct RelaisDraft RelaisDraft;
RelaisDraft *relais_draft_new (RelaisSpool *spool);
/* Appends; the bytes are scanned for the facts on the way. False when the caller should stop
 * reading until `resume` (see below) is called; the bytes were taken all the same. */
bool relais_draft_append (RelaisDraft *draft, const guint8 *bytes, gsize size);
void relais_draft_set_resume (RelaisDraft *draft, RelaisLoopFunc resume, gpointer data);
/* Non-NULL once receiving failed (disk full, memory); the caller reads on to the end of data, says
 * so and frees the draft. Borrowed. */
const GError *relais_draft_failure (RelaisDraft *draft);
/* Ends the bytes. The header block (all of it: its size is limited by SMTP) stays readable. */
const RelaisBodyFacts *relais_draft_end (RelaisDraft *draft);
/* The header block with its empty line; before relais_draft_end () as much as has come. Borrowed. */
const guint8 *relais_draft_header (RelaisDraft *draft, gsize *size);
/* The bytes by range, after relais_draft_end (), for hooks; if the draft's file failed since, reads do. A
 * new reference; it must not outlive the draft's end by more than the running job. */
RelaisBody *relais_draft_body (RelaisDraft *draft);
/* Drops the draft and its file. After relais_group_add_message () it is the group's. NULL ok. */
void relais_draft_free (RelaisDraft *draft);
/* Sessions inside a transaction, for the syncer's decision to wait (design.md 5). */
void relais_spool_set_busy_sessions (RelaisSpool *spool, guint n);

/* --- Groups: all or nothing -------------------------------------------------------------------- */

typedef struct RelaisGroup RelaisGroup;
RelaisGroup *relais_group_new (RelaisSpool *spool);
void relais_group_free (RelaisGroup *group);
/* A new message: `message` has id, envelope, overlay, attributes; its body is the draft's, which
 * the group takes over (message->body is set here: readable at once). Hot until
 * relais_spool_cool (). */
void relais_group_add_message (RelaisGroup *group, RelaisMessage *message, RelaisDraft *draft);
/* The message's states as they are now; returns what they take, octets. */
gsize relais_group_add_state (RelaisGroup *group, const RelaisMessage *message);
/* The message is finished: nothing of it will be seen again. */
void relais_group_add_done (RelaisGroup *group, guint64 id);
/* An event line (see event-private.h). */
void relais_group_add_event (RelaisGroup *group, GBytes *line);
/* What a group that was not submitted holds beside states, octets: its events, and bodies in memory. */
gsize relais_group_bytes (const RelaisGroup *group);
/* Adds what `later` holds to the end of `group`, and frees it; neither was submitted. Of a message's states the
 * last stay, and none once it is done. */
void relais_group_join (RelaisGroup *group, RelaisGroup *later);

typedef enum {
    RELAIS_GROUP_LAZY = 0,  /* outcomes: starts no sync of its own before 50 ms */
    RELAIS_GROUP_URGENT = 1 /* acceptance: someone waits for the sync */
} RelaisGroupUrgency;

/* `error` is NULL once the group is durable. With an error an URGENT group is gone as if it had
 * never been (its messages are not accepted). A LAZY group is never lost: the spool keeps it and
 * writes it again to a fresh segment, so its `synced` is called without error in the end. */
typedef void (*RelaisGroupSynced) (gpointer data, const GError *error);
/* Hands the group over (takes it). `written` (nullable) is called when write(2) has taken it: then a
 * connection may take its next message. `synced` (nullable) when fdatasync(2) covered it. Handed to the
 * writer at the end of the turn. */
void relais_group_submit (RelaisGroup *group, RelaisGroupUrgency urgency, RelaisLoopFunc written,
                          RelaisGroupSynced synced, gpointer data);
/* True while no new delivery may start (after a failed write or sync, until a fresh segment was
 * synced); `resumed` of the observer below tells its end. */
bool relais_spool_is_stopped (RelaisSpool *spool);
void relais_spool_set_resumed (RelaisSpool *spool, RelaisLoopFunc resumed, gpointer data);

/* --- Reading back ------------------------------------------------------------------------------ */

/* The message if it is hot (in memory, body included), with a new reference; else NULL. */
RelaisMessage *relais_spool_peek (RelaisSpool *spool, guint64 id);
/* Reads envelope and states back through the pool; the body is a reader whose first read checks the
 * checksum of the whole. `func` gets the message (borrowed) or the error. */
typedef void (*RelaisSpoolLoaded) (gpointer data, RelaisMessage *message, const GError *error);
void relais_spool_load (RelaisSpool *spool, guint64 id, RelaisSpoolLoaded func, gpointer data);
/* The first attempt ended: the body need not stay in memory. */
void relais_spool_cool (RelaisSpool *spool, guint64 id);
/* Takes a message whose body proved damaged out of circulation: moved to the quarantine, its id is
 * done, the event says so. What cannot be moved there now comes again at the next start. */
void relais_spool_quarantine (RelaisSpool *spool, guint64 id, const char *reason);
/* Deletes a file below quarantine/ by its exact name, once an event that says so is on disk. `done` is
 * called from a later turn. */
bool relais_spool_is_damage (const char *name); /* one that may be */
typedef void (*RelaisSpoolDiscarded) (gpointer data, guint64 bytes, const GError *error);
void relais_spool_discard (RelaisSpool *spool, const char *name, RelaisSpoolDiscarded done,
                           gpointer data);

/* --- Figures ------------------------------------------------------------------------------------ */

typedef struct {
    guint64 messages; /* living */
    guint64 segments, free_segments, bytes_on_disk;
    guint64 living_bytes;                  /* of the segments' bytes, those that must be kept */
    guint64 compactions, compaction_bytes; /* groups of copies, and their records' bytes */
    guint64 hot_bytes, receive_bytes;
    guint64 groups, records, syncs, failed_syncs;
    guint64 quarantined;
    gint64 last_sync_us;
    bool stopped;
} RelaisSpoolFigures;
void relais_spool_figures (RelaisSpool *spool, RelaisSpoolFigures *figures);
/* Microseconds spent in syncs, in all. Takes no lock; any thread. */
gint64 relais_spool_sync_us (const RelaisSpool *spool);

/* --- Offline: `relaisctl spool verify|dump|damaged|export`; no lock is taken, they only read the spool.
 * Blocks; tests and relaisctl. Calls `row` for each record or finding with a JSON object. */
typedef void (*RelaisSpoolRow) (gpointer data, const char *json);
/* False if damage was found; the rows name file, offset and what is wrong. */
bool relais_spool_verify (const char *dir, RelaisSpoolRow row, gpointer data, GError **error);
bool relais_spool_dump (const char *dir, RelaisSpoolRow row, gpointer data, GError **error);
/* A row for each file below quarantine/. */
bool relais_spool_damaged (const char *dir, RelaisSpoolRow row, gpointer data, GError **error);
/* Writes what can be read of a file below quarantine/, of what stands at "SEGMENT:OFFSET", or of a
 * message's record, by its queue id, into files below `to`, which is made if it is missing; none of them
 * may be there. A row for each piece says where it lay and which checksums are right. */
bool relais_spool_export (const char *dir, const char *what, const char *to, RelaisSpoolRow row,
                          gpointer data, GError **error);
