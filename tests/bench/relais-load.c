/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-load: load for an MTA and a sink behind it, in one process, so that all times are on one
 * clock. Each message carries its number in a header; what the sink sees of it says when it came,
 * whether it came twice, and what never came.
 *
 *   relais-load --connect ADDRESS:PORT --listen ADDRESS:PORT [options]
 *
 * With --listen alone it is a sink until SIGTERM or the time-out; with --idle it only holds
 * connections; with --requests it asks a web server. What injects or asks is the main thread, the
 * sink another one; SIGTERM ends either and lets them report. The exit status is 0 when every message
 * was accepted and every accepted one came once for each recipient (every request was answered well),
 * 1 when not, 2 on bad usage.
 */
#include "config.h"

#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t
load_now_ns (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

void
load_fail (const char *what)
{
    fprintf (stderr, "relais-load: %s: %s\n", what, strerror (errno));
    exit (1);
}

/* --- Waiting for the rest --------------------------------------------------------------------- */

static void
sleep_ms (long ms)
{
    nanosleep (&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Until all is here, or nothing came for the time-out; then a moment more, for copies. */
static void
await_deliveries (Load *load)
{
    const int64_t patience = load->timeout_s * INT64_C (1000000000);
    int64_t from = load_now_ns ();

    for (;;) {
        int64_t last = atomic_load (&load->last_receipt_ns);
        long wanted = load->inject ? load->accepted - load->bulk : load->messages;
        bool enough = atomic_load (&load->received) >= wanted * load->recipients;

        if (atomic_load (&load->stop) ||
            (enough && (!load->inject || load_figures_missing (load) == 0)))
            break;
        if (load_now_ns () - (last > from ? last : from) > patience)
            break;
        sleep_ms (10);
    }
    sleep_ms (300);
}

/* --- The run ---------------------------------------------------------------------------------- */

typedef struct {
    Load *load;
    int listener;
} SinkThread;

static void *
sink_main (void *data)
{
    SinkThread *sink = data;

    load_sink_run (sink->load, sink->listener);
    return NULL;
}

static Load *running; /* for the handler alone */

static void
end_early (int signal_number)
{
    (void)signal_number;
    atomic_store (&running->stop, true);
}

static void
prepare (Load *load)
{
    const size_t messages = (size_t)load->messages;
    const size_t deliveries = messages * (size_t)load->recipients;
    struct rlimit files;

    if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit (RLIMIT_NOFILE, &files);
    }
    snprintf (load->run, sizeof load->run, "%08lx%08x", (unsigned long)time (NULL) & 0xffffffff,
              (unsigned)getpid ());
    load->start_ns = calloc (messages, sizeof (int64_t));
    load->accept_ns = calloc (messages, sizeof (int64_t));
    load->receipt_ns = calloc (deliveries, sizeof (int64_t));
    load->copies = calloc (deliveries, 1);
    if (load->start_ns == NULL || load->accept_ns == NULL || load->receipt_ns == NULL ||
        load->copies == NULL)
        load_fail ("not enough memory for so many messages");
}

int
main (int argc, char **argv)
{
    Load load = {.connections = 200,
                 .messages = 20000,
                 .size = 4096,
                 .recipients = 1,
                 .per_connection = 100,
                 .domains = 1,
                 .timeout_s = 30,
                 .sender = "load@sender.test",
                 .domain = "rcpt.test",
                 .links = 40,
                 .host = "track.sender.test"};
    SinkThread sink = {.load = &load};
    pthread_t thread;
    int status;

    load_options_parse (&load, argc, argv);
    prepare (&load);
    running = &load;
    signal (SIGTERM, end_early);
    if (load.idle > 0)
        load_idle (&load);
    if (load.sink) {
        sink.listener = load_sink_open (&load);
        if ((errno = pthread_create (&thread, NULL, sink_main, &sink)) != 0)
            load_fail ("cannot start the sink");
    }
    if (load.http)
        load_http (&load);
    else if (load.inject && load.idle == 0)
        load_inject (&load);
    if (load.sink) {
        await_deliveries (&load);
        atomic_store (&load.stop, true);
        pthread_join (thread, NULL);
        close (sink.listener);
    }
    status = load.idle > 0 ? load.connects < load.idle : load_figures_report (&load);
    free (load.start_ns);
    free (load.accept_ns);
    free (load.receipt_ns);
    free ((void *)load.copies);
    return status;
}
