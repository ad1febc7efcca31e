/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker pool. Owns its threads, the job ring and the list of finished jobs; both under one
 * mutex. Finished jobs are handed to the loop in batches: one post, however many end meanwhile.
 */
#include "config.h"

#include "loop/pool-private.h"
#include "loop/thread-private.h"

typedef struct {
    RelaisLoopFunc work;
    RelaisLoopFunc done;
    gpointer data;
} Job;

struct RelaisPool {
    RelaisLoop *loop;
    GPtrArray *threads;
    guint max_queued;
    gint64 busy_us; /* atomic */

    GMutex mutex;
    GCond ready;
    GQueue jobs;      /* Job, waiting; under mutex */
    GArray *finished; /* Job; under mutex */
    GArray *spare;    /* the other half of the double buffer, loop's own */
    bool posted;      /* a delivery is under way; under mutex */
    bool stopping;    /* under mutex */
};

static void
call_done (RelaisLoop *loop, GArray *jobs)
{
    for (guint i = 0; i < jobs->len; i++) {
        const Job job = g_array_index (jobs, Job, i);

        if (job.done != NULL)
            job.done (job.data);
        relais_loop_count_jobs (loop, -1);
    }
    g_array_set_size (jobs, 0);
}

static void
deliver_finished (gpointer data)
{
    RelaisPool *pool = data;
    GArray *batch;

    g_mutex_lock (&pool->mutex);
    batch = pool->finished;
    pool->finished = pool->spare;
    pool->posted = false;
    g_mutex_unlock (&pool->mutex);
    call_done (pool->loop, batch);
    pool->spare = batch;
}

static void
finish (RelaisPool *pool, const Job *job)
{
    bool post;

    g_mutex_lock (&pool->mutex);
    g_array_append_vals (pool->finished, job, 1);
    post = !pool->posted;
    pool->posted = true;
    g_mutex_unlock (&pool->mutex);
    if (post)
        relais_loop_post (pool->loop, deliver_finished, pool);
}

static bool
take (RelaisPool *pool, Job *job)
{
    Job *first;

    g_mutex_lock (&pool->mutex);
    while (g_queue_is_empty (&pool->jobs) && !pool->stopping)
        g_cond_wait (&pool->ready, &pool->mutex);
    first = g_queue_pop_head (&pool->jobs);
    g_mutex_unlock (&pool->mutex);
    if (first == NULL)
        return false;
    *job = *first;
    g_free (first);
    return true;
}

static gpointer
worker_main (gpointer data)
{
    RelaisPool *pool = data;
    Job job;

    while (take (pool, &job)) {
        const gint64 began = g_get_monotonic_time ();

        job.work (job.data);
        __atomic_fetch_add (&pool->busy_us, g_get_monotonic_time () - began, __ATOMIC_RELAXED);
        if (job.done != NULL)
            finish (pool, &job);
        else
            relais_loop_count_jobs (pool->loop, -1);
    }
    return NULL;
}

RelaisPool *
relais_pool_new (RelaisLoop *loop, const char *name, guint n_threads, guint max_queued)
{
    RelaisPool *pool = g_new0 (RelaisPool, 1);

    pool->loop = loop;
    pool->max_queued = max_queued;
    g_mutex_init (&pool->mutex);
    g_cond_init (&pool->ready);
    g_queue_init (&pool->jobs);
    pool->finished = g_array_new (FALSE, FALSE, sizeof (Job));
    pool->spare = g_array_new (FALSE, FALSE, sizeof (Job));
    pool->threads = g_ptr_array_new ();
    for (guint i = 0; i < n_threads; i++)
        g_ptr_array_add (pool->threads, relais_thread_new (name, worker_main, pool));
    return pool;
}

void
relais_pool_free (RelaisPool *pool)
{
    if (pool == NULL)
        return;
    g_mutex_lock (&pool->mutex);
    pool->stopping = true;
    g_cond_broadcast (&pool->ready);
    g_mutex_unlock (&pool->mutex);
    for (guint i = 0; i < pool->threads->len; i++)
        g_thread_join (g_ptr_array_index (pool->threads, i));
    /* A delivery may still be posted to the loop; it must not meet a freed pool. */
    while (pool->posted)
        relais_loop_turn (pool->loop, false);
    g_ptr_array_unref (pool->threads);
    g_array_unref (pool->finished);
    g_array_unref (pool->spare);
    g_cond_clear (&pool->ready);
    g_mutex_clear (&pool->mutex);
    g_free (pool);
}

bool
relais_pool_run (RelaisPool *pool, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data)
{
    Job *job = g_new (Job, 1);
    bool taken;

    *job = (Job){work, done, data};
    relais_loop_count_jobs (pool->loop, 1);
    g_mutex_lock (&pool->mutex);
    taken = pool->jobs.length < pool->max_queued && !pool->stopping;
    if (taken) {
        g_queue_push_tail (&pool->jobs, job);
        g_cond_signal (&pool->ready);
    }
    g_mutex_unlock (&pool->mutex);
    if (!taken) {
        relais_loop_count_jobs (pool->loop, -1);
        g_free (job);
    }
    return taken;
}

void
relais_pool_figures (RelaisPool *pool, RelaisPoolFigures *figures)
{
    figures->threads = pool->threads->len;
    figures->busy_us = __atomic_load_n (&pool->busy_us, __ATOMIC_RELAXED);
    g_mutex_lock (&pool->mutex);
    figures->queued = pool->jobs.length;
    g_mutex_unlock (&pool->mutex);
}
