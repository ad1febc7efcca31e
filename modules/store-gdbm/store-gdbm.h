/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm from inside. One owner thread has the journal and the index and carries out all requests; a
 * syncer calls fdatasync, so that reads go on meanwhile; a compactor comes and goes.
 *
 *     request -> owner: looks at `next`, `syncing`, index -> journal's buffer, `next` -> write
 *             -> syncer: fdatasync -> owner: answers those who wait, `syncing` -> `settled`, later -> index
 *
 * What is not synced yet lives in two overlays: `syncing`, which the sync that runs covers,
 * and `next`, which came in meanwhile and shares the one after. A third one, `settled`, spares the index what
 * changes again soon. If a sync fails, both are dropped, and with
 * them every trace of what was answered with ERROR; increments that were acknowledged before (LAZY) are
 * owed, and made again in the next journal.
 */
#pragma once

#include "index.h"
#include "journal.h"

#include <relais/command.h>
#include <relais/store.h>

/* --- overlay.c: what is written and not in the index yet. ---------------------------------------- */

typedef struct {
    const guint8 *bytes;
    gsize size;
} SgKey;

typedef struct {
    SgKey key;     /* first, so that tables find it by a bare SgKey */
    guint8 *value; /* NULL: removed */
    gsize value_size;
    gint64 expires_us;
    bool durable; /* somebody waits for its sync, and so must who reads it */
} SgEntry;

/* An increment that was acknowledged before it was synced; all of one key together. */
typedef struct {
    SgKey key;
    gint64 delta, expires_us;
} SgDebt;

/* A request with its answer, which is held back. */
typedef struct {
    RelaisStoreRequest *request;
    RelaisStoreResult result;
} SgOutcome;

typedef struct {
    GHashTable *entries; /* SgEntry */
    GHashTable *owed;    /* SgDebt */
    GArray *outcomes;    /* SgOutcome: held back until the sync */
    gint64 since_us;     /* monotonic, of the first change; 0: there is none */
    guint64 last_seq;    /* of the journal, of the last change */
    guint64 end_bytes;   /* of the journal, once written */
} SgOverlay;

SgOverlay *sg_overlay_new (void);
void sg_overlay_free (SgOverlay *overlay); /* no outcome may be left; NULL ok */
SgEntry *sg_overlay_find (const SgOverlay *overlay, const SgKey *key);
/* `value` NULL: removed. */
void sg_overlay_set (SgOverlay *overlay, const SgKey *key, const guint8 *value, gsize value_size,
                     gint64 expires_us, bool durable);
void sg_overlay_owe (GHashTable *owed, const SgKey *key, gint64 delta, gint64 expires_us);
GHashTable *sg_debts_new (void);
/* Ends what is held back: with its answer, or (text) with ERROR. */
void sg_outcomes_end (GArray *outcomes, const char *failure);

/* --- The store. ----------------------------------------------------------------------------------- */

enum {
    SG_LAZY_KEYS = 4096,        /* changed keys that do not wait for the second to pass */
    SG_SETTLED_KEYS = 16384,    /* synced keys that do not wait for settle_us to pass */
    SG_SETTLED_BYTES = 8 << 20, /* of their values, the same */
    SG_SETTLE_AT_ONCE = 256,    /* of them that go into the index in one turn, at least */
    SG_BUFFER_BYTES = 1 << 20,  /* of the journal, before it is written within a batch */
    SG_SWEEP_KEYS = 1000,       /* looked at in one go */
    SG_LISTING_KEYS = 65536,    /* that a scan keeps in memory */
    SG_PAGE_BYTES = 4 << 20,    /* of one scan's rows, if it has more than one */
    SG_COMPACT_DOUBLINGS = 6    /* of the time until a compaction that failed is tried again */
};

typedef struct {
    const char *dir;
    guint64 compact_bytes;  /* of journals, before they are compacted */
    guint64 min_free_bytes; /* below, writes are refused */
    gint64 lazy_us;         /* LAZY is synced within */
    gint64 settle_us;       /* what is synced stays out of the index for so long */
    gint64
        probe_us; /* between tries to get on after a failure; of a compaction, doubled each time */
    gint64 sweep_us; /* between looks for expired keys */
    const SgIo *io;
    gint64 (*now_us) (gpointer data);                        /* wall clock; any thread */
    void (*log) (gpointer data, bool bad, const char *text); /* any thread */
    gpointer data;
} SgOptions;

typedef enum { SG_LOADING, SG_UP, SG_READ_ONLY, SG_DOWN } SgState;

/* Copied out for `store status`. */
typedef struct {
    SgState state;
    char *trouble; /* why it is not up, or NULL */
    guint64 journal_bytes, snapshot_bytes, snapshot, journal, last_seq;
    guint64 syncs, damages, swept;
    bool compacting;
    char *compaction; /* how the last one failed, or NULL */
} SgFigures;

typedef struct SgListing SgListing;
typedef struct SgStore SgStore;

struct SgStore {
    SgOptions options;
    char *dir, *index_path;
    int lock_fd;
    GThread *owner, *syncer, *compactor;

    GMutex mutex;
    GCond wake;      /* the owner */
    GCond sync_wake; /* the syncer */
    GCond answered;  /* whoever waits in sg_store_ask () */
    /* under mutex */
    GPtrArray *incoming; /* RelaisStoreRequest */
    GQueue asks;
    bool asleep, stopping;
    bool sync_wanted, sync_ended, compaction_ended, compaction_asked;
    int sync_fd, sync_errno;
    SgFigures figures;

    /* the owner's own */
    GPtrArray *taken;
    SgJournal journal;
    SgIndex *index;            /* NULL: lost, to be built anew */
    SgOverlay *next, *syncing; /* syncing is NULL while no sync runs */
    SgOverlay *settled;        /* synced, over the index */
    guint64 settled_bytes;     /* of values that came into it since it was empty */
    GHashTable *owed;          /* debts to be made again */
    GArray *lazies;            /* SgOutcome of this batch: ended once written */
    SgListing *listing;
    char *broken;   /* why the journal cannot be written to, or NULL */
    char *unloaded; /* why there is no index, or NULL */
    char *refusal;  /* why writes are refused in this batch, or NULL */
    gint64 probe_at_us, sweep_at_us;
    guint8 *sweep_key; /* where to go on; NULL: at the start */
    gsize sweep_key_size;
    bool sweeping, sweep_saw_any; /* whether a round is worth its while */
    gint64 sweep_from_us;         /* wall clock: no round begins before */
    /* of journals that are closed and newer than the snapshot; of these, what the compaction that runs
     * covers; the snapshot's own size and number; the number that the next one will have */
    guint64 sealed_bytes, covered_bytes, snapshot_bytes, snapshot, compacting;
    gint64 compact_at_us;   /* not before, after a failure */
    guint compact_failures; /* in a row, SG_COMPACT_DOUBLINGS at most */
    bool unreadable;        /* the index did not answer */
    bool compact_wanted;    /* by somebody */
    bool loaded;            /* the files were read once */
};

/* Locks the directory (made if need be), looks at its files, and starts the owner, which reads them.
 * Requests wait until it has. */
SgStore *sg_store_open (const SgOptions *options, GError **error);
/* Carries out what was submitted, syncs, and closes all. Accepts NULL. */
void sg_store_close (SgStore *store);
void sg_store_submit (gpointer store, RelaisStoreRequest *request);
extern const RelaisStoreBackend sg_backend;

/* Has `func` called by the owner, and waits for it. Not on the main loop. */
typedef void (*SgAskFunc) (SgStore *store, gpointer data);
void sg_store_ask (SgStore *store, SgAskFunc func, gpointer data);
/* Any thread; the strings are the caller's. */
void sg_store_figures (SgStore *store, SgFigures *figures);
/* Has journals compacted now; any thread. */
void sg_store_compact (SgStore *store);

/* --- settled.c: between journal and index. Owner. --------------------------------------------------- */

/* Takes over the entries of an overlay that is synced. */
void sg_settled_take (SgStore *store, SgOverlay *overlay);
void sg_settled_drop (SgStore *store);
/* When some of it is to go into the index; G_MAXINT64: there is nothing. */
gint64 sg_settled_due_us (const SgStore *store);
/* Puts all of it, or what is due in one turn, into the index. False: the index failed. */
bool sg_settled_apply (SgStore *store, bool all);

/* --- load.c: from files to index. Owner. ---------------------------------------------------------- */

/* False: the disk fails; `store->unloaded` says how. */
bool sg_load (SgStore *store);
/* Builds the index anew after it was lost. */
bool sg_rebuild (SgStore *store);
int sg_lock_dir (const char *dir, GError **error);
void sg_log (const SgStore *store, bool bad, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* --- execute.c: the operations. Owner. ------------------------------------------------------------- */

typedef struct {
    const guint8 *value;
    gsize value_size;
    gint64 expires_us;
    SgOverlay *wait; /* whose sync must come before this is told */
    guint8 *owned;
} SgFound;
/* What is under the key now; an expired value is ABSENT. To be cleared. */
SgAnswer sg_lookup (SgStore *store, const SgKey *key, SgFound *found);
void sg_found_clear (SgFound *found);
void sg_execute (SgStore *store, RelaisStoreRequest *request);
/* Makes owed increments again. Where the index gives no answer the others stay owed, until it is built anew. */
void sg_pay (SgStore *store);
/* The index gave no answer: it will be built anew, after this batch. */
void sg_fail_unreadable (SgStore *store, RelaisStoreRequest *request);
void sg_conclude (RelaisStoreRequest *request, RelaisStoreResult result, SgOverlay *wait);

/* --- listing.c: keys in order, for scans. Owner. --------------------------------------------------- */

void sg_scan (SgStore *store, RelaisStoreRequest *request);
/* A key was put. */
void sg_listing_note (SgStore *store, const SgKey *key);
void sg_listing_drop (SgStore *store);
/* When it is to be dropped; G_MAXINT64: there is none. */
gint64 sg_listing_due_us (const SgStore *store);

/* --- sweep.c: expired keys. Owner. ------------------------------------------------------------------ */

void sg_sweep (SgStore *store);
/* A key that expires then is put into the index. */
void sg_sweep_note (SgStore *store, gint64 expires_us);

/* --- compact.c: a new snapshot. Its own thread. ----------------------------------------------------- */

typedef struct {
    const char *dir;
    const SgIo *io;
    guint64 store_id, number, first_seq; /* of the journal that it does not cover any more */
    gint64 now_us;
    guint64 keys, bytes; /* out: what was written */
} SgCompaction;
bool sg_compact (SgCompaction *compaction, GError **error);

/* --- commands.c: `relaisctl store ...`. -------------------------------------------------------------- */

void sg_command_status (RelaisCommandCall *call, gpointer module);
void sg_command_verify (RelaisCommandCall *call, gpointer module);
void sg_command_compact (RelaisCommandCall *call, gpointer module);
void sg_command_get (RelaisCommandCall *call, gpointer module);
/* Where the store is, by the configuration; owned. */
char *sg_config_dir (RelaisConfig *config);
