/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl status`: one row a figure. `--reset` starts the longest gap of the loop anew, which is
 * how the laboratory measures one phase. `--heap` adds what the allocator says of itself, which it has to
 * count: it walks all free pieces, for tens of milliseconds where there are a million. So that is asked for by
 * name, and done on a worker.
 */
#include "config.h"

#include "status-private.h"

#include <glib/gi18n-lib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

static void
row (RelaisCommandCall *call, const char *figure, gint64 value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put_int (call, "value", value);
    relais_command_end_row (call);
}

static void
row_text (RelaisCommandCall *call, const char *figure, const char *value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put (call, "value", value);
    relais_command_end_row (call);
}

static void
put_listeners (RelaisCommandCall *call, RelaisSmtpServer *server)
{
    const char *address, *name;

    for (guint i = 0; (address = relais_smtp_server_listener (server, i, &name)) != NULL; i++) {
        g_autofree char *figure = g_strdup_printf ("listener %s", name);

        row_text (call, figure, address);
    }
}

static void
put_http (RelaisCommandCall *call, const RelaisHttpServer *server)
{
    RelaisHttpFigures figures;
    const char *address, *name;

    for (guint i = 0; (address = relais_http_server_listener (server, i, &name)) != NULL; i++) {
        g_autofree char *figure = g_strdup_printf ("http %s", name);

        row_text (call, figure, address);
    }
    relais_http_server_figures (server, &figures);
    row (call, "http.connections", (gint64)figures.connections);
    row (call, "http.connections_total", (gint64)figures.connections_total);
    row (call, "http.requests", (gint64)figures.requests);
    row (call, "http.refused", (gint64)figures.refused);
}

static void
put_spool (RelaisCommandCall *call, RelaisSpool *spool)
{
    RelaisSpoolFigures figures;

    relais_spool_figures (spool, &figures);
    row (call, "spool.messages", (gint64)figures.messages);
    row (call, "spool.segments", (gint64)figures.segments);
    row (call, "spool.bytes", (gint64)figures.bytes_on_disk);
    row (call, "spool.living_bytes", (gint64)figures.living_bytes);
    row (call, "spool.compactions_total", (gint64)figures.compactions);
    row (call, "spool.compaction_bytes_total", (gint64)figures.compaction_bytes);
    row (call, "spool.hot_bytes", (gint64)figures.hot_bytes);
    row (call, "spool.receive_bytes", (gint64)figures.receive_bytes);
    row (call, "spool.groups", (gint64)figures.groups);
    row (call, "spool.syncs", (gint64)figures.syncs);
    row (call, "spool.failed_syncs", (gint64)figures.failed_syncs);
    row (call, "spool.last_sync_us", figures.last_sync_us);
    row (call, "spool.quarantined", (gint64)figures.quarantined);
    row_text (call, "spool.stopped", figures.stopped ? "yes" : "no");
}

static void
put_server (RelaisCommandCall *call, RelaisSmtpServer *server)
{
    RelaisSmtpServerFigures figures;

    relais_smtp_server_figures (server, &figures);
    row (call, "smtp.sessions", figures.sessions);
    row (call, "smtp.in_transaction", figures.in_transaction);
    row (call, "smtp.sessions_total", (gint64)figures.sessions_total);
    row (call, "smtp.messages_total", (gint64)figures.messages_total);
    row (call, "smtp.rejected_total", (gint64)figures.rejected_total);
    row (call, "smtp.turned_away_total", (gint64)figures.turned_away_total);
}

static void
put_queue (RelaisCommandCall *call, RelaisQueue *queue)
{
    RelaisQueueFigures figures;

    relais_queue_figures (queue, &figures);
    row (call, "queue.messages", (gint64)figures.messages);
    row (call, "queue.deliveries", (gint64)figures.deliveries);
    row (call, "queue.due", (gint64)figures.due);
    row (call, "queue.due_looking", (gint64)figures.due_looking);
    row (call, "queue.due_unrouted", (gint64)figures.due_unrouted);
    row (call, "queue.held", (gint64)figures.held);
    row (call, "queue.quarantined", (gint64)figures.quarantined);
    row (call, "queue.active", (gint64)figures.active);
    row (call, "queue.flows", (gint64)figures.flows);
    row (call, "queue.lanes", (gint64)figures.lanes);
    row (call, "queue.connections", (gint64)figures.connections);
    row (call, "queue.delivered_total", (gint64)figures.delivered_total);
    row (call, "queue.deferred_total", (gint64)figures.deferred_total);
    row (call, "queue.bounced_total", (gint64)figures.bounced_total);
    row (call, "queue.expired_total", (gint64)figures.expired_total);
    row (call, "queue.suppressed_total", (gint64)figures.suppressed_total);
    row (call, "queue.quarantine_removed_total", (gint64)figures.quarantine_removed_total);
    row (call, "queue.tls_handshakes_total", (gint64)figures.tls_handshakes_total);
    row (call, "queue.tls_resumed_total", (gint64)figures.tls_resumed_total);
    row (call, "queue.parked", (gint64)figures.parked);
    row (call, "queue.evidence_lost_total", (gint64)figures.evidence_lost_total);
}

static void
put_suppression (RelaisCommandCall *call, const RelaisSuppression *suppression)
{
    g_autofree char *advice = relais_suppression_advice (suppression);
    RelaisSuppressionFigures figures;

    relais_suppression_figures (suppression, &figures);
    row (call, "suppression.entries", (gint64)figures.entries);
    row (call, "suppression.addresses", (gint64)figures.addresses);
    row (call, "suppression.reports", (gint64)figures.reports);
    row (call, "suppression.checks", (gint64)figures.checks);
    row (call, "suppression.journal_bytes", (gint64)figures.journal_bytes);
    row_text (call, "suppression.trouble", relais_suppression_trouble (suppression));
    row_text (call, "suppression.advice", advice);
}

static void
put_load (RelaisCommandCall *call, RelaisLoadMeter *meter)
{
    RelaisLoad load;

    relais_load_meter_read (meter, &load);
    row_text (call, "limiter", relais_limiter_to_string (relais_limiter_of (&load)));
    row (call, "loop.busy_percent", load.loop_percent);
    row (call, "workers.busy_percent", load.workers_percent);
    row (call, "workers.queued", load.workers_queued);
    row (call, "spool.sync_percent", load.sync_percent);
    row (call, "spool.threads.busy_percent", load.bodies_percent);
    row (call, "spool.threads.queued", load.bodies_queued);
}

/* --- The heap ----------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    gint64 used_bytes, free_bytes, given_back;
} Heap;

/* Worker. */
static void
look_at_heap (gpointer data)
{
#ifdef __GLIBC__
    Heap *heap = data;
    const struct mallinfo2 info = mallinfo2 ();

    heap->used_bytes = (gint64)(info.uordblks + info.hblkhd);
    heap->free_bytes = (gint64)info.fordblks;
#else
    (void)data;
#endif
}

static void
on_heap (gpointer data)
{
    Heap *heap = data;

    row (heap->call, "heap.used_bytes", heap->used_bytes);
    row (heap->call, "heap.free_bytes", heap->free_bytes);
    row (heap->call, "heap.given_back_total", heap->given_back);
    relais_command_finish (heap->call);
    g_free (heap);
}

/* --- All of it ---------------------------------------------------------------------------------- */

typedef struct {
    RelaisCommandCall *call;
    const RelaisStatus *what;
} Asked;

/* The last of the rows: after them nothing but the call is touched, for a worker may take its time. */
static void
on_oldest (gpointer data, gint64 age_us, gint64 quarantined_us)
{
    g_autofree Asked *asked = data;
    RelaisCommandCall *call = asked->call;
    Heap *heap;

    row (call, "queue.quarantined_oldest_s", quarantined_us / RELAIS_USEC_PER_SEC);
    row (call, "queue.oldest_s", age_us / RELAIS_USEC_PER_SEC);
    if (relais_command_option (call, "heap") == NULL) {
        relais_command_finish (call);
        return;
    }
    heap = g_new0 (Heap, 1);
    heap->call = call;
    heap->given_back = (gint64)relais_allocator_given_back (asked->what->allocator);
    if (relais_pool_run (asked->what->pool, look_at_heap, on_heap, heap))
        return;
    g_free (heap);
    relais_command_fail (call, RELAIS_EXIT_REFUSED,
                         _ ("too many jobs wait for a worker; try again"));
}

static void
status (RelaisCommandCall *call, gpointer data)
{
    RelaisStatus *what = data;
    bool reset = relais_command_option (call, "reset") != NULL;
    Asked *asked;

    row_text (call, "version", PACKAGE_VERSION_STRING);
    row (call, "pid", getpid ());
    row (call, "up_s", (relais_loop_now_us (what->loop) - what->started_us) / RELAIS_USEC_PER_SEC);
    row_text (call, "confined.files", relais_confinement_files (what->confinement));
    row_text (call, "confined.calls", relais_confinement_calls (what->confinement));
    put_load (call, what->meter);
    put_listeners (call, what->server);
    put_server (call, what->server);
    put_http (call, what->http);
    put_queue (call, what->queue);
    put_spool (call, what->spool);
    put_suppression (call, what->suppression);
    row (call, "modules.off", relais_host_n_off (what->host));
    row (call, "smtp.handshakes_waiting", relais_streams_n_handshakes_waiting (what->loop));
    row (call, "loop.longest_gap_us", relais_loop_longest_gap_us (what->loop, reset));
    asked = g_new (Asked, 1);
    *asked = (Asked){call, what};
    relais_queue_find_oldest (what->queue, on_oldest, asked);
}

static const RelaisCommand commands[] = {
    {"status", NULL, "[--heap]", "reset heap", N_ ("Show what the daemon is doing."),
     RELAIS_COMMAND_ONLINE, 0, status},
};

const RelaisCommand *
relais_status_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
