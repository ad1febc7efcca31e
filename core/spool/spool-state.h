/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the spool's files share: the spool itself, its groups, and who may touch which field.
 *
 * Threads and locks. The *loop* builds groups and hands them to the *writer* at the end of its turn;
 * the writer frames and writes them, and passes them on to the *syncer*, which syncs and reports
 * back. The *keeper* makes blank segments, frees and compacts old ones, and watches the free space.
 * `log_lock` guards what the threads hand each other, `index_lock` the table of living messages and the
 * segments' counts; whoever takes both takes log_lock first. No lock is held over I/O.
 */
#pragma once

#include "spool/body-file.h"
#include "spool/index.h"
#include "spool/segment.h"
#include "spool/spool-private.h"

enum {
    RELAIS_BODY_IN_MEMORY_BYTES = 256 * 1024,
    RELAIS_BUSY_SESSIONS = 8, /* fewer do not make the syncer wait */
    RELAIS_MAX_BLANKS = 4
};
#define RELAIS_SYNC_WAIT_US (2 * RELAIS_USEC_PER_MSEC)
#define RELAIS_LAZY_SYNC_US (50 * RELAIS_USEC_PER_MSEC)
#define RELAIS_ID_LEASE (G_GUINT64_CONSTANT (1) << 32)

typedef struct {
    guint8 type;  /* RelaisRecordType */
    bool copy;    /* moved by the compaction */
    bool skip;    /* COPY whose original died meanwhile */
    bool counted; /* the index changed with it; undone when the write fails */
    guint64 id;
    RelaisMessage *message; /* MESSAGE, not copied */
    RelaisBodyFile *file;   /* MESSAGE with a body file of its own */
    GBytes *body;           /* MESSAGE with the body in memory */
    GBytes *bytes;          /* STATE, EVENT: the head; COPY: head and body */
    /* Writer. */
    RelaisRecord record;
    gsize arena_at;
    guint32 offset;
    RelaisSegment *segment;
    RelaisPlace before;   /* STATE, COPY: where it lay until now */
    guint32 before_bytes; /* and what it took there */
} RelaisItem;

struct RelaisGroup {
    RelaisSpool *spool;
    GArray *items; /* RelaisItem */
    RelaisGroupUrgency urgency;
    RelaisLoopFunc written;
    RelaisGroupSynced synced;
    gpointer data;
    GError *error;
    guint files_pending;   /* body files that are not on disk yet: loop */
    guint64 receive_bytes; /* memory of its drafts: loop */
    bool submitted;
    bool written_told; /* `written` was posted: not again after a rewrite */
    bool has_mail;     /* a MESSAGE of an URGENT group: not into the reserved segment */
};

typedef enum { RELAIS_NOTICE_WRITTEN, RELAIS_NOTICE_SYNCED } RelaisNoticeKind;

typedef struct {
    RelaisGroup *group;
    RelaisNoticeKind kind;
} RelaisNotice;

typedef struct RelaisCompaction RelaisCompaction;

struct RelaisSpool {
    char *dir;
    int dir_fd, bodies_fd, quarantine_fd, lock_fd;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisEventLog *events;
    RelaisSpoolOptions options;
    GThread *writer, *syncer, *keeper;

    /* Loop. */
    guint turn_handle;
    GPtrArray *submitting; /* RelaisGroup, handed over at the end of the turn */
    RelaisTimer turn_timer;
    GHashTable *hot; /* id -> RelaisMessage */
    guint64 hot_bytes, receive_bytes;
    GQueue paused; /* RelaisDraft that wait for receive memory */
    RelaisTimer pause_timer;
    guint jobs; /* pool jobs under way */
    GQueue jobs_waiting;
    RelaisTimer jobs_timer;
    gint64 file_told_us; /* when a failed body file was last told of; 0: never */
    RelaisLoopFunc resumed;
    gpointer resumed_data;
    GError *refuse_io, *refuse_space, *refuse_memory;

    /* Atomic. */
    guint64 next_id;
    guint64 next_lsn;
    guint32 next_number; /* of segments and blanks */
    guint busy;
    bool stopped;
    bool no_room;                 /* why it stopped: the disk is full, which is the client's 452 */
    guint64 free_bytes, min_free; /* as the keeper last saw them */
    bool low_inodes;
    guint64 n_groups, n_records, n_syncs, n_failed_syncs, n_quarantined;
    guint64 n_compactions, compaction_bytes;
    gint64 last_sync_us, sync_us;

    GMutex log_lock;
    GCond writer_wake, syncer_wake, keeper_wake, blank_ready;
    GPtrArray *incoming;            /* RelaisGroup for the writer */
    GPtrArray *written;             /* RelaisGroup, written and not synced */
    GPtrArray *dirty;               /* RelaisSegment with unsynced bytes, oldest first */
    guint urgent_written, answered; /* in `written`; in what was synced last */
    guint gather_target;  /* `urgent_written` that the syncer waits for; 0: as many as are busy */
    gint64 lazy_since_us; /* when the first of `written` was written */
    bool gathering, syncing, failing, closing, writer_gone, resume_posted;
    GError *failure;
    GArray *blanks;             /* guint32, numbers of blank files */
    guint64 blank_wanted_bytes; /* the writer waits for one of that size; 0 if not */
    GError *blank_error;
    bool blanks_fail; /* it was said; keeper only */
    bool keeper_asked, keeper_stop;
    GArray *dead_files; /* guint64, body files that nobody wants */

    /* Writer. */
    RelaisSegment *active;
    GError *move_error;
    guint64 id_floor; /* the active segment's */
    GPtrArray *kept;  /* RelaisGroup, LAZY, to be written again */
    GByteArray *arena;
    GArray *cuts;     /* bodies between the arena's bytes */
    GPtrArray *batch; /* RelaisGroup in the arena */
    gsize batch_bytes;
    gint64 last_failure_us;

    /* Keeper; lives as long as the spool, for the notice of its last group. */
    RelaisCompaction *compaction;

    GMutex index_lock;
    RelaisIndex *index;
    GHashTable *segments; /* number -> RelaisSegment */
    GHashTable *files;    /* id -> guint64 *, number of the body file */
    GArray *dying_files;  /* guint64, of messages whose DONE is synced */
    GArray *drained;      /* guint32, segments that hold MESSAGEs which were copied elsewhere */

    GMutex notice_lock;
    GArray *notices, *notices_taken;
    bool notices_posted;
};

/* spool.c */
void relais_spool_notify (RelaisSpool *spool, RelaisGroup *const *groups, guint n,
                          RelaisNoticeKind kind);
void relais_spool_ask_keeper (RelaisSpool *spool);
/* Has the keeper unlink a body file. Any thread, no lock held. */
void relais_spool_drop_file (RelaisSpool *spool, guint64 number);
/* Runs a job on the pool, now or as soon as the pool has room. Loop. */
void
relais_spool_run_job (RelaisSpool *spool, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data);

/* group.c */
void relais_group_end_of_turn (gpointer spool);
/* A body file of the group is on disk, or failed. Loop. */
void relais_group_file_ready (RelaisGroup *group, const GError *error);

/* ledger.c: what groups do to the table of the living. Index lock held. */
RelaisSegment *relais_ledger_segment (RelaisSpool *spool, guint32 number);
bool relais_ledger_copy_is_stale (RelaisSpool *spool, const RelaisItem *item);
void relais_ledger_write (RelaisSpool *spool, RelaisItem *item);
void relais_ledger_sync (RelaisSpool *spool, RelaisItem *item);
void relais_ledger_undo (RelaisSpool *spool, RelaisItem *item);
/* A DONE in `segment` speaks of a MESSAGE in `guarded`: it must not go before that. */
void relais_ledger_guard (RelaisSpool *spool, RelaisSegment *segment, guint32 guarded);
/* A MESSAGE of `number` lies elsewhere too from now on. */
void relais_ledger_drain (RelaisSpool *spool, guint32 number);
/* What a record takes of its segment, with its entry of the index. */
guint32 relais_ledger_record_bytes (const RelaisRecord *record);
/* A MESSAGE or STATE of `bytes` lives in the segment from now on; or no more (0: in none). */
void relais_ledger_add (RelaisSpool *spool, guint32 number, guint32 bytes);
void relais_ledger_let_die (RelaisSpool *spool, guint32 number, guint32 bytes);
/* Every DONE that the segment needs to keep lies elsewhere too, and is synced. */
void relais_ledger_drop_guards (RelaisSpool *spool, guint32 number);
/* The segment's file is gone; frees it. */
void relais_ledger_forget_segment (RelaisSpool *spool, guint32 number);

/* writer.c, syncer.c, failure.c, keeper.c, compact.c */
gpointer relais_spool_writer_main (gpointer spool);
GArray *relais_writer_new_cuts (void);
gpointer relais_spool_syncer_main (gpointer spool);
gpointer relais_spool_keeper_main (gpointer spool);
/* Activates the next segment, with room for a group of `bytes`; waits for the keeper if need be. The
 * last blank is given for outcomes only. Writer, or start. */
bool relais_spool_next_segment (RelaisSpool *spool, guint64 bytes, bool outcomes, GError **error);
/* Gives up the last segment, at the end; the syncer seals it. */
void relais_spool_end_active (RelaisSpool *spool);
/* Writes groups; returns how many were dealt with before a failure. */
guint relais_spool_write_groups (RelaisSpool *spool, GPtrArray *groups);
/* Puts everything that is not synced aside and waits until a fresh segment works. */
void relais_spool_handle_failure (RelaisSpool *spool);
void relais_spool_note_failure (RelaisSpool *spool, GError *error);
/* One bounded step; true if there is more to do at once. Keeper. */
RelaisCompaction *relais_compaction_new (RelaisSpool *spool);
void relais_compaction_free (RelaisCompaction *compaction);
void relais_compaction_step (RelaisCompaction *compaction);
/* When it wants its next step at the latest, on the monotonic clock; G_MAXINT64: when asked. Keeper. */
gint64 relais_compaction_due_us (const RelaisCompaction *compaction);

/* load.c: what a message in memory counts for within `hot_memory`. */
guint64 relais_spool_hot_cost (const RelaisMessage *message);

/* recovery.c */
bool relais_spool_read_all (RelaisSpool *spool, GError **error);
/* Saves bytes [start, end) of a segment under a name that says where they lay, and says so. False if they could not
 * be saved: then the segment stays, and the next start is to try again. */
bool relais_spool_save_damage (RelaisSpool *spool, int fd, guint32 number, guint32 start,
                               guint32 end, const char *why);
/* discard.c: takes out of quarantine/ what speaks of segments that are gone. At start. */
void relais_spool_tidy_damage (RelaisSpool *spool);
/* draft.c */
void relais_spool_release_memory (RelaisSpool *spool, guint64 bytes);
void relais_draft_memory_timer (gpointer spool);
/* What a group takes over from a draft; frees the draft. */
RelaisBody *
relais_draft_take (RelaisDraft *draft, GBytes **bytes, RelaisBodyFile **file, guint64 *memory);
/* Has relais_group_file_ready () called once the file is on disk; false if it is already (or has
 * failed: the file says so). */
bool relais_upload_wait (RelaisBodyFile *file, RelaisGroup *group);
/* The group goes before its file was ready. */
void relais_upload_forget (RelaisBodyFile *file);
