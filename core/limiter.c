/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The load meter, and the conclusion from what it says. Whoever is busy nearly all of the time is
 * the limiter, threads that others wait for first; if nobody is, what is due waits for somebody
 * outside. Owns its samples; loop thread only. A sample takes counters that are kept anyway, and no
 * lock that a thread at work might hold for long.
 */
#include "config.h"

#include "limiter-private.h"

#include "loop/ticker-private.h"

enum { WINDOW = 5, BUSY_PERCENT = 80, DISK_PERCENT = 60 };

static const char *const names[] = {"none", "disk", "cpu", "workers", "dns", "limits", "peers"};

const char *
relais_limiter_to_string (RelaisLimiter limiter)
{
    return names[limiter];
}

RelaisLimiter
relais_limiter_of (const RelaisLoad *load)
{
    if (load->spool_stopped || (load->bodies_percent >= BUSY_PERCENT && load->bodies_queued > 0))
        return RELAIS_LIMITER_DISK;
    if (load->workers_percent >= BUSY_PERCENT && load->workers_queued > 0)
        return RELAIS_LIMITER_WORKERS;
    if (load->loop_percent >= BUSY_PERCENT)
        return RELAIS_LIMITER_CPU;
    if (load->sync_percent >= DISK_PERCENT)
        return RELAIS_LIMITER_DISK;
    if (load->due == 0)
        return RELAIS_LIMITER_NONE;
    if (load->due_looking > load->due / 2)
        return RELAIS_LIMITER_DNS;
    return load->flows_in_order > 0 ? RELAIS_LIMITER_LIMITS : RELAIS_LIMITER_PEERS;
}

/* --- The meter -------------------------------------------------------------------------------- */

typedef struct {
    gint64 at_us, loop_us, workers_us, bodies_us, sync_us;
} Sample;

struct RelaisLoadMeter {
    RelaisLoop *loop;
    RelaisPool *workers, *bodies;
    RelaisSpool *spool;
    RelaisQueue *queue;
    RelaisTicker *ticker;
    Sample samples[WINDOW]; /* a ring, `n` samples were taken in all */
    guint n;
};

static Sample
take_sample (const RelaisLoadMeter *meter)
{
    RelaisPoolFigures workers, bodies;

    relais_pool_figures (meter->workers, &workers);
    relais_pool_figures (meter->bodies, &bodies);
    return (Sample){g_get_monotonic_time (), relais_loop_busy_us (meter->loop), workers.busy_us,
                    bodies.busy_us, relais_spool_sync_us (meter->spool)};
}

static void
keep_sample (RelaisLoadMeter *meter)
{
    meter->samples[meter->n++ % WINDOW] = take_sample (meter);
}

static void
on_second (gpointer data)
{
    keep_sample (data);
}

RelaisLoadMeter *
relais_load_meter_new (RelaisLoop *loop, RelaisPool *workers, RelaisPool *bodies,
                       RelaisSpool *spool, RelaisQueue *queue)
{
    RelaisLoadMeter *meter = g_new0 (RelaisLoadMeter, 1);

    *meter = (RelaisLoadMeter){
        .loop = loop, .workers = workers, .bodies = bodies, .spool = spool, .queue = queue};
    /* Without descriptors left this is the one sample, and the load is that since the start. */
    keep_sample (meter);
    meter->ticker = relais_ticker_new (loop, 1, on_second, meter);
    return meter;
}

void
relais_load_meter_free (RelaisLoadMeter *meter)
{
    if (meter == NULL)
        return;
    relais_ticker_free (meter->ticker);
    g_free (meter);
}

static guint
percent (gint64 part_us, gint64 whole_us)
{
    return whole_us > 0 ? (guint)CLAMP (part_us * 100 / whole_us, 0, 100) : 0;
}

void
relais_load_meter_read (RelaisLoadMeter *meter, RelaisLoad *load)
{
    const Sample *then = &meter->samples[meter->n > WINDOW ? meter->n % WINDOW : 0];
    const Sample now = take_sample (meter);
    const gint64 window = now.at_us - then->at_us;
    RelaisQueueFigures queue;
    RelaisPoolFigures workers, bodies;

    relais_queue_figures (meter->queue, &queue);
    relais_pool_figures (meter->workers, &workers);
    relais_pool_figures (meter->bodies, &bodies);
    *load = (RelaisLoad){
        .loop_percent = percent (now.loop_us - then->loop_us, window),
        .workers_percent = percent (now.workers_us - then->workers_us, window * workers.threads),
        .bodies_percent = percent (now.bodies_us - then->bodies_us, window * bodies.threads),
        .sync_percent = percent (now.sync_us - then->sync_us, window),
        .workers_queued = workers.queued,
        .bodies_queued = bodies.queued,
        .spool_stopped = relais_spool_is_stopped (meter->spool),
        .due = queue.due,
        .due_looking = queue.due_looking,
        .flows_in_order = queue.flows_in_order};
}
