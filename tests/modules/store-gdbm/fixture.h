/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm under the core's dispatch, in a directory of its own, with a disk that fails when told to and
 * a clock that stands still. One store at a time.
 */
#pragma once

#include "store-gdbm.h"

#include "store/store-private.h"

typedef struct {
    char *dir;
    SgOptions options;
    RelaisLoop *loop;
    RelaisStore *store;
    SgStore *sg;             /* NULL while it is closed */
    RelaisStoreReply *reply; /* of the last call */
    GMutex mutex;
    GString *log; /* under mutex */
} Fixture;

void fixture_init (Fixture *f);
void fixture_clear (Fixture *f);
/* Opens the store; the error, owned, if it cannot be. */
void fixture_open (Fixture *f);
GError *fixture_try_open (Fixture *f);
void fixture_close (Fixture *f);
/* Closes it as a crash would: what is in the files now is what a new one finds. */
void fixture_crash (Fixture *f);

/* Writes a file in place, unsynced. */
void fixture_write_file (const char *path, gconstpointer bytes, gsize size);

/* Calls in the namespace "t"; each turns the loop until it was answered. */
RelaisStoreResult fixture_run (Fixture *f, const RelaisStoreCall *call);
RelaisStoreResult fixture_get (Fixture *f, const char *key);
RelaisStoreResult fixture_put (Fixture *f, const char *key, const char *value, gint64 expires_us);
RelaisStoreResult fixture_remove (Fixture *f, const char *key);
RelaisStoreResult
fixture_increment (Fixture *f, const char *key, gint64 delta, RelaisStoreFlags flags);
RelaisStoreResult
fixture_compare (Fixture *f, const char *key, const char *expected, const char *value);
RelaisStoreResult fixture_scan (Fixture *f, const char *prefix, const char *after, guint32 limit);
void fixture_assert_value (Fixture *f, const char *key, const char *value); /* NULL: absent */
const char *fixture_error (Fixture *f);
/* "k=v k=v ..." of the last scan; owned. */
char *fixture_rows (Fixture *f);
/* Whether a log line has these words. */
bool fixture_logged (Fixture *f, const char *words);
/* Waits, 20 seconds at most, until `check` says so. */
void fixture_wait (Fixture *f, bool (*check) (Fixture *f));
void fixture_figures (Fixture *f, SgFigures *figures); /* its strings are gone */

/* The disk. Atomic; shared by all. */
extern gint fixture_fail_write, fixture_fail_sync; /* errno, or 0 */
extern gint fixture_hold_sync;                     /* syncs wait while it is not 0 */
extern gint fixture_n_syncs;
extern gint fixture_fast; /* no sync goes to the disk: it is not the disk that is tested */
extern gint fixture_tear; /* a failing write writes so many octets first */
extern gint64 fixture_free_bytes;
/* The wall clock. */
extern gint64 fixture_now_us;
