/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store as a program.
 *
 *   driver DIR work SEED   puts, increments and removes for ever; prints each change, and what was
 *                          acknowledged, a line each: tests/fault/store-killer.py kills it
 *   driver DIR dump        prints all keys with their values
 *   driver DIR measure N   what an operation costs: CPU and time
 */
#include "config.h"

#include "fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 200, UNDER_WAY = 64, PAGE = 1000 };

static void
say (const char *line)
{
    if (write (STDOUT_FILENO, line, strlen (line)) < 0)
        exit (1);
}

/* --- work ------------------------------------------------------------------------------------- */

typedef struct {
    Fixture *f;
    GRand *rand;
    guint64 serial;
    guint under_way;
} Work;

typedef struct {
    Work *work;
    char *text; /* "p K V", "r K", "i K": put, remove, increment */
} Step;

static void
stepped (gpointer data, const RelaisStoreReply *reply)
{
    Step *step = data;
    g_autofree char *line = NULL;

    step->work->under_way--;
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        line = g_strdup_printf ("error %s %s\n", step->text, relais_store_reply_get_error (reply));
    else
        line = g_strdup_printf ("done %s\n", step->text);
    say (line);
    g_free (step->text);
    g_free (step);
}

/* What is begun is said before it is: after a kill it may have happened or not. */
static void
begin (Work *work, RelaisStoreCall *call, char *text)
{
    g_autofree char *line = g_strdup_printf ("begin %s\n", text);
    Step *step = g_new (Step, 1);

    *step = (Step){work, text};
    say (line);
    work->under_way++;
    relais_store_submit (work->f->store, "t", call, stepped, step);
}

static void
step (Work *work)
{
    const guint kind = (guint)g_rand_int_range (work->rand, 0, 10);
    g_autofree char *key = NULL;
    g_autofree char *value = NULL;
    RelaisStoreCall call = {.op = RELAIS_STORE_INCREMENT, .delta = 1};

    if (kind < 4) {
        key = g_strdup_printf ("n%d", g_rand_int_range (work->rand, 0, KEYS));
        call.flags = kind < 2 ? RELAIS_STORE_LAZY : 0;
    } else {
        key = g_strdup_printf ("k%d", g_rand_int_range (work->rand, 0, KEYS));
        call.op = kind < 9 ? RELAIS_STORE_PUT : RELAIS_STORE_REMOVE;
        value = g_strdup_printf ("%" G_GUINT64_FORMAT, ++work->serial);
    }
    call.key = key;
    call.key_size = strlen (key);
    if (call.op == RELAIS_STORE_PUT) {
        call.value = value;
        call.value_size = strlen (value);
    }
    begin (work, &call,
           call.op == RELAIS_STORE_INCREMENT ? g_strdup_printf ("i %s", key)
           : call.op == RELAIS_STORE_PUT     ? g_strdup_printf ("p %s %s", key, value)
                                             : g_strdup_printf ("r %s", key));
}

static void
work_for_ever (Fixture *f, guint32 seed)
{
    Work work = {.f = f, .rand = g_rand_new_with_seed (seed), .serial = (guint64)seed << 32};

    for (;;) {
        while (work.under_way < UNDER_WAY)
            step (&work);
        relais_loop_turn (f->loop, true);
    }
}

/* --- dump ------------------------------------------------------------------------------------- */

static int
dump (Fixture *f)
{
    g_autofree char *after = NULL;
    RelaisStoreResult result;

    while ((result = fixture_scan (f, "", after, PAGE)) == RELAIS_STORE_FOUND) {
        gconstpointer key, value;
        gsize key_size, value_size;

        for (guint i = 0;
             relais_store_reply_get_row (f->reply, i, &key, &key_size, &value, &value_size); i++) {
            g_autofree char *v = g_strndup (value, value_size);
            g_autofree char *line = NULL;

            g_free (after);
            after = g_strndup (key, key_size);
            line = g_strdup_printf ("%s %s\n", after, v);
            say (line);
        }
    }
    say (f->log->str);
    return result == RELAIS_STORE_ABSENT && strstr (f->log->str, "BAD") == NULL ? 0 : 1;
}

/* --- measure ---------------------------------------------------------------------------------- */

static double
cpu_seconds (void)
{
    struct timespec time;

    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* So many calls, at most `batch` of them under way. */
static void
measure (Fixture *f, const char *name, RelaisStoreCall call, guint n, guint n_keys, guint batch)
{
    const double cpu = cpu_seconds ();
    const gint64 began = g_get_monotonic_time ();
    double seconds;
    char text[160];

    for (guint i = 0; i < n; i++) {
        char key[32];

        g_snprintf (key, sizeof key, "%c%019u", call.op == RELAIS_STORE_INCREMENT ? 'n' : 'k',
                    i % n_keys * 2654435761u);
        call.key = key;
        call.key_size = 20;
        relais_store_submit (f->store, "t", &call, NULL, NULL);
        if (i % batch == batch - 1)
            relais_store_settle (f->store);
    }
    relais_store_settle (f->store);
    seconds = (double)(g_get_monotonic_time () - began) / 1e6;
    g_snprintf (text, sizeof text, "%-34s %8.0f a second, %6.2f us CPU each\n", name, n / seconds,
                (cpu_seconds () - cpu) / n * 1e6);
    say (text);
}

static void
measure_all (Fixture *f, guint n)
{
    static const char value[23] = "twenty-three octets....";
    const RelaisStoreCall put = {
        .op = RELAIS_STORE_PUT, .value = value, .value_size = sizeof value};
    const RelaisStoreCall get = {.op = RELAIS_STORE_GET};
    const RelaisStoreCall count = {
        .op = RELAIS_STORE_INCREMENT, .delta = 1, .flags = RELAIS_STORE_LAZY};

    measure (f, "put, one at a time", put, n / 100, n, 1);
    measure (f, "put, 1000 under way", put, n, n, 1000);
    measure (f, "put again, 30000 under way", put, n, n, 30000);
    measure (f, "get, one at a time", get, n / 10, n, 1);
    measure (f, "get, 1000 under way", get, n, n, 1000);
    measure (f, "lazy increment, 1 key", count, n, 1, 1000);
    measure (f, "lazy increment, 1000 keys", count, n, 1000, 1000);
    measure (f, "lazy increment, all keys", count, n, n, 1000);
}

int
main (int argc, char **argv)
{
    Fixture f;
    int status = 0;
    bool measuring;

    if (argc < 3)
        return 2;
    fixture_init (&f);
    g_rmdir (f.dir);
    g_free (f.dir);
    f.dir = g_strdup (argv[1]);
    f.options.dir = f.dir;
    f.options.lazy_us = 50 * 1000;
    f.options.settle_us = 200 * 1000;
    f.options.compact_bytes = 256 * 1024;
    fixture_now_us = g_get_real_time ();
    measuring = strcmp (argv[2], "measure") == 0 && argc > 3;
    if (measuring) {
        f.options.lazy_us = G_USEC_PER_SEC;
        f.options.compact_bytes = 64 << 20;
    }
    fixture_open (&f);
    if (strcmp (argv[2], "work") == 0 && argc > 3)
        work_for_ever (&f, (guint32)g_ascii_strtoull (argv[3], NULL, 10));
    else if (strcmp (argv[2], "dump") == 0)
        status = dump (&f);
    else if (measuring)
        measure_all (&f, (guint)g_ascii_strtoull (argv[3], NULL, 10));
    else
        status = 2;
    fixture_close (&f);
    return status;
}
