/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What relais-load says in the end: counts, rates and percentiles, for people, as JSON, and a line a
 * message in the log file. All is read after the threads have ended, but for load_figures_missing ().
 */
#include "config.h"

#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long
load_figures_missing (const Load *load)
{
    long missing = 0;

    for (long i = load->bulk; i < load->messages; i++)
        for (long j = 0; load->accept_ns[i] != 0 && j < load->recipients; j++)
            missing += atomic_load_explicit (&load->copies[i * load->recipients + j],
                                             memory_order_relaxed) == 0;
    return missing;
}

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
    printf ("deliveries   %ld, %ld duplicates, %ld missing, %ld foreign, %ld deferred\n",
            (long)load->received, (long)load->duplicates, missing, (long)load->foreign,
            (long)load->deferred);
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
    printf (" \"deliveries\": %ld, \"duplicates\": %ld, \"missing\": %ld, \"foreign\": %ld, "
            "\"deferred\": %ld,\n",
            (long)load->received, (long)load->duplicates, missing, (long)load->foreign,
            (long)load->deferred);
    printf (" \"accepted_per_s\": %.1f, \"delivered_per_s\": %.1f", accepted_rate, delivered_rate);
    for (int i = 0; i < N_SERIES; i++)
        printf (",\n \"%s_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", series_names[i],
                percentile_ms (&series[i], 0.5), percentile_ms (&series[i], 0.99),
                percentile_ms (&series[i], 1));
    printf ("}\n");
}

/* Of requests, which have answers and no more. */
static void
print_requests (const Load *load, const Series *series, double answered_rate)
{
    const double p50 = percentile_ms (series, 0.5), p99 = percentile_ms (series, 0.99),
                 max = percentile_ms (series, 1);

    if (!load->json) {
        printf ("requests     %ld answered, %ld refused, %ld broken, of %ld\n", load->accepted,
                load->refused, load->broken, load->messages);
        if (load->last_refusal[0] != '\0')
            printf ("last refusal %s\n", load->last_refusal);
        printf ("connections  %ld made, %ld failed\n", load->connects, load->failed_connects);
        printf ("rate         %.0f answered/s\n", answered_rate);
        printf ("start_to_answered      p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", p50, p99, max);
        return;
    }
    printf ("{\"requests\": %ld, \"answered\": %ld, \"refused\": %ld, \"broken\": %ld,\n",
            load->messages, load->accepted, load->refused, load->broken);
    printf (" \"last_refusal\": ");
    print_json_text (load->last_refusal);
    printf (", \"connects\": %ld, \"failed_connects\": %ld,\n \"answered_per_s\": %.1f,\n",
            load->connects, load->failed_connects, answered_rate);
    printf (" \"start_to_answered_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}}\n", p50, p99,
            max);
}

/* The last of the message's first receipts; 0 when one is missing. */
static int64_t
last_receipt (const Load *load, long number)
{
    int64_t last = 0;

    for (long j = 0; j < load->recipients; j++) {
        int64_t receipt = load->receipt_ns[number * load->recipients + j];

        if (receipt == 0)
            return 0;
        last = receipt > last ? receipt : last;
    }
    return last;
}

static void
write_log (const Load *load)
{
    FILE *file = fopen (load->log, "w");

    if (file == NULL)
        load_fail (load->log);
    for (long i = 0; i < load->messages; i++)
        fprintf (file, "%ld %lld %lld %lld\n", i, (long long)load->start_ns[i],
                 (long long)load->accept_ns[i], (long long)last_receipt (load, i));
    if (fclose (file) != 0)
        load_fail (load->log);
}

/* Rates run from the first MAIL to the last answer, and to the last receipt. */
int
load_figures_report (const Load *load)
{
    Series series[N_SERIES] = {{NULL, 0}};
    long missing = load->sink && load->inject ? load_figures_missing (load) : 0;
    double accepted_rate = rate (load->accepted, load->first_ns, load->last_accept_ns);
    double delivered_rate =
        load->inject ? rate (load->received, load->first_ns, load->last_receipt_ns) : 0;

    collect (load, series);
    if (load->http)
        print_requests (load, &series[START_TO_ACCEPT], accepted_rate);
    else
        (load->json ? print_json : print_text) (load, series, missing, accepted_rate,
                                                delivered_rate);
    for (int i = 0; i < N_SERIES; i++)
        free (series[i].values);
    if (load->log != NULL)
        write_log (load);
    if (load->http && atomic_load (&load->stop))
        return load->refused > 0 || load->broken > 0;
    if (load->inject && load->accepted < load->messages)
        return 1;
    return missing > 0 || load->duplicates > 0;
}
