/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-load: load for an MTA and a sink behind it, in one process, so that all times are on one
 * clock. Each message carries its number in a header; what the sink sees of it says when it came,
 * whether it came twice, and what never came.
 *
 *   relais-load --connect ADDRESS:PORT --listen ADDRESS:PORT [options]
 *
 * The injector is the main thread, the sink another one. The exit status is 0 when every message
 * was accepted and every accepted one came once for each recipient, 1 when not, 2 on bad usage.
 */
#include "config.h"

#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: relais-load [--connect ADDRESS:PORT] [--listen ADDRESS:PORT] [options]\n"
    "  --connect A:P         inject there; without it, only the sink runs\n"
    "  --listen A:P          the sink; without it, only the injector runs\n"
    "  --connections N       at once (200)\n"
    "  --messages N          in all (20000)\n"
    "  --size BYTES          of the body (4096)\n"
    "  --recipients N        of each message (1)\n"
    "  --per-connection N    messages on one connection, 0: no limit (100)\n"
    "  --from ADDRESS        sender (load@sender.test)\n"
    "  --domain NAME         of the recipients (rcpt.test)\n"
    "  --domains N           spread over d0.NAME to dN-1.NAME (1: NAME itself)\n"
    "  --timeout SECONDS     give up when nothing moved for so long (30)\n"
    "  --json                figures as JSON\n";

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

/* --- Options ---------------------------------------------------------------------------------- */

static void
fail_usage (const char *what)
{
    fprintf (stderr, "relais-load: %s\n%s", what, usage);
    exit (2);
}

static void
parse_endpoint (const char *text, struct sockaddr_in *endpoint)
{
    char address[64];
    const char *colon = strrchr (text, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol (colon + 1, &end, 10) : 0;

    if (port < 1 || port > 65535 || *end != '\0' || (size_t)(colon - text) >= sizeof address)
        fail_usage ("not ADDRESS:PORT");
    memcpy (address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    *endpoint = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons ((uint16_t)port)};
    if (inet_pton (AF_INET, address, &endpoint->sin_addr) != 1)
        fail_usage ("not an IPv4 address");
}

static long
parse_number (const char *text, long min, long max)
{
    char *end;
    long value = strtol (text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < min || value > max)
        fail_usage ("a number is out of range");
    return value;
}

static void
parse_options (Load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", 1, NULL, 'c'},        {"listen", 1, NULL, 'l'},  {"connections", 1, NULL, 'n'},
        {"messages", 1, NULL, 'm'},       {"size", 1, NULL, 's'},    {"recipients", 1, NULL, 'r'},
        {"per-connection", 1, NULL, 'p'}, {"from", 1, NULL, 'f'},    {"domain", 1, NULL, 'd'},
        {"domains", 1, NULL, 'D'},        {"timeout", 1, NULL, 't'}, {"json", 0, NULL, 'j'},
        {"help", 0, NULL, 'h'},           {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'c':
            parse_endpoint (optarg, &load->target);
            load->inject = true;
            break;
        case 'l':
            parse_endpoint (optarg, &load->listen);
            load->sink = true;
            break;
        case 'n': load->connections = parse_number (optarg, 1, 50000); break;
        case 'm': load->messages = parse_number (optarg, 1, 100000000); break;
        case 's': load->size = parse_number (optarg, 0, 1L << 30); break;
        case 'r': load->recipients = parse_number (optarg, 1, LOAD_MAX_RECIPIENTS); break;
        case 'p': load->per_connection = parse_number (optarg, 0, 100000000); break;
        case 'f': load->sender = optarg; break;
        case 'd': load->domain = optarg; break;
        case 'D': load->domains = parse_number (optarg, 1, 1000000); break;
        case 't': load->timeout_s = parse_number (optarg, 1, 86400); break;
        case 'j': load->json = true; break;
        case 'h': fputs (usage, stdout); exit (0);
        default: fail_usage ("unknown option");
        }
    if (optind < argc || (!load->inject && !load->sink))
        fail_usage ("say --connect, --listen or both");
    if (strlen (load->sender) > 254 || strlen (load->domain) > 200)
        fail_usage ("a name is too long");
}

/* --- Waiting for the rest --------------------------------------------------------------------- */

/* Deliveries of accepted messages that did not come. */
static long
count_missing (const Load *load)
{
    long missing = 0;

    for (long i = 0; i < load->messages; i++)
        for (long j = 0; load->accept_ns[i] != 0 && j < load->recipients; j++)
            missing += atomic_load_explicit (&load->copies[i * load->recipients + j],
                                             memory_order_relaxed) == 0;
    return missing;
}

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
        long wanted =
            load->inject ? load->accepted * load->recipients : load->messages * load->recipients;
        bool enough = atomic_load (&load->received) >= wanted;

        if (enough && (!load->inject || count_missing (load) == 0))
            break;
        if (load_now_ns () - (last > from ? last : from) > patience)
            break;
        sleep_ms (10);
    }
    sleep_ms (300);
}

/* --- Figures ---------------------------------------------------------------------------------- */

typedef struct {
    int64_t *values;
    long n;
} Series;

static int
compare (const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double
percentile_ms (const Series *series, double part)
{
    if (series->n == 0)
        return 0;
    return (double)series->values[(long)(part * (double)(series->n - 1))] / 1e6;
}

typedef enum { START_TO_ACCEPT, ACCEPT_TO_RECEIPT, START_TO_RECEIPT, N_SERIES } Kind;

static const char *const series_names[N_SERIES] = {"start_to_accepted", "accepted_to_delivered",
                                                   "start_to_delivered"};

static void
collect (const Load *load, Series series[N_SERIES])
{
    const long deliveries = load->messages * load->recipients;

    for (int i = 0; i < N_SERIES; i++) {
        series[i].values = malloc ((size_t)deliveries * sizeof (int64_t));
        if (series[i].values == NULL)
            load_fail ("malloc");
    }
    for (long i = 0; i < load->messages; i++) {
        int64_t start = load->start_ns[i], accept = load->accept_ns[i];

        if (accept != 0)
            series[START_TO_ACCEPT].values[series[START_TO_ACCEPT].n++] = accept - start;
        for (long j = 0; accept != 0 && j < load->recipients; j++) {
            int64_t receipt = load->receipt_ns[i * load->recipients + j];

            if (receipt == 0)
                continue;
            series[ACCEPT_TO_RECEIPT].values[series[ACCEPT_TO_RECEIPT].n++] = receipt - accept;
            series[START_TO_RECEIPT].values[series[START_TO_RECEIPT].n++] = receipt - start;
        }
    }
    for (int i = 0; i < N_SERIES; i++)
        qsort (series[i].values, (size_t)series[i].n, sizeof (int64_t), compare);
}

static double
rate (long n, int64_t from, int64_t to)
{
    return to > from ? (double)n / ((double)(to - from) / 1e9) : 0;
}

static void
print_text (const Load *load, const Series series[N_SERIES], long missing, double accepted_rate,
            double delivered_rate)
{
    printf ("messages     %ld accepted, %ld refused, %ld broken, of %ld\n", load->accepted,
            load->refused, load->broken, load->messages);
    if (load->last_refusal[0] != '\0')
        printf ("last refusal %s\n", load->last_refusal);
    printf ("connections  %ld made, %ld failed\n", load->connects, load->failed_connects);
    printf ("deliveries   %ld, %ld duplicates, %ld missing, %ld foreign\n", (long)load->received,
            (long)load->duplicates, missing, (long)load->foreign);
    printf ("rate         %.0f accepted/s, %.0f delivered/s\n", accepted_rate, delivered_rate);
    for (int i = 0; i < N_SERIES; i++)
        printf ("%-22s p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", series_names[i],
                percentile_ms (&series[i], 0.5), percentile_ms (&series[i], 0.99),
                percentile_ms (&series[i], 1));
}

static void
print_json_text (const char *text)
{
    putchar ('"');
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf ("\\%c", *text);
        else if ((unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f)
            putchar (*text);
        else
            printf ("\\u%04x", (unsigned char)*text);
    putchar ('"');
}

static void
print_json (const Load *load, const Series series[N_SERIES], long missing, double accepted_rate,
            double delivered_rate)
{
    printf ("{\"messages\": %ld, \"accepted\": %ld, \"refused\": %ld, \"broken\": %ld,\n",
            load->messages, load->accepted, load->refused, load->broken);
    printf (" \"last_refusal\": ");
    print_json_text (load->last_refusal);
    printf (", \"connects\": %ld, \"failed_connects\": %ld,\n", load->connects,
            load->failed_connects);
    printf (" \"deliveries\": %ld, \"duplicates\": %ld, \"missing\": %ld, \"foreign\": %ld,\n",
            (long)load->received, (long)load->duplicates, missing, (long)load->foreign);
    printf (" \"accepted_per_s\": %.1f, \"delivered_per_s\": %.1f", accepted_rate, delivered_rate);
    for (int i = 0; i < N_SERIES; i++)
        printf (",\n \"%s_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", series_names[i],
                percentile_ms (&series[i], 0.5), percentile_ms (&series[i], 0.99),
                percentile_ms (&series[i], 1));
    printf ("}\n");
}

/* Rates run from the first MAIL to the last answer, and to the last receipt. */
static int
report (const Load *load)
{
    Series series[N_SERIES] = {{NULL, 0}};
    long missing = load->sink && load->inject ? count_missing (load) : 0;
    double accepted_rate = rate (load->accepted, load->first_ns, load->last_accept_ns);
    double delivered_rate =
        load->inject ? rate (load->received, load->first_ns, load->last_receipt_ns) : 0;

    collect (load, series);
    (load->json ? print_json : print_text) (load, series, missing, accepted_rate, delivered_rate);
    for (int i = 0; i < N_SERIES; i++)
        free (series[i].values);
    if (load->inject && load->accepted < load->messages)
        return 1;
    return missing > 0 || load->duplicates > 0;
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
                 .domain = "rcpt.test"};
    SinkThread sink = {.load = &load};
    pthread_t thread;
    int status;

    parse_options (&load, argc, argv);
    prepare (&load);
    if (load.sink) {
        sink.listener = load_sink_open (&load);
        if ((errno = pthread_create (&thread, NULL, sink_main, &sink)) != 0)
            load_fail ("cannot start the sink");
    }
    if (load.inject)
        load_inject (&load);
    if (load.sink) {
        await_deliveries (&load);
        atomic_store (&load.stop, true);
        pthread_join (thread, NULL);
        close (sink.listener);
    }
    status = report (&load);
    free (load.start_ns);
    free (load.accept_ns);
    free (load.receipt_ns);
    free ((void *)load.copies);
    return status;
}
