/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker pool: threads that do what may wait or takes long (disk reads, rewriting, signing,
 * password hashes), with a bounded queue. The loop's thread makes, feeds and frees a pool; `work`
 * runs on a worker, `done` on the loop, in order of completion.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "loop/loop-private.h"

typedef struct RelaisPool RelaisPool;

/* Starts `n_threads` threads called `name` (at most 15 bytes are shown). At most `max_queued` jobs
 * wait for a thread. */
RelaisPool *relais_pool_new (RelaisLoop *loop, const char *name, guint n_threads, guint max_queued);

/* Waits for the running jobs and ends the threads; queued jobs run too, their `done` is called
 * from here. May block: shutdown only. Accepts NULL. */
void relais_pool_free (RelaisPool *pool);

/* Queues a job: `work (data)` on a worker, then `done (data)` on the loop (nullable: then `data`
 * is the worker's to free). False, and nothing happens, when `max_queued` jobs wait already; the
 * caller refuses or tries later. `data` must stay alive until `done`: there is no cancel, so an
 * owner that may go holds it by reference. Any thread. */
bool relais_pool_run (RelaisPool *pool, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data);

typedef struct {
    guint threads;
    guint queued;   /* jobs that wait for a thread now */
    gint64 busy_us; /* in jobs that ended, of all threads together */
} RelaisPoolFigures;
/* Any thread. */
void relais_pool_figures (RelaisPool *pool, RelaisPoolFigures *figures);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisPool, relais_pool_free)
