/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The suppression list as a program, for tests/fault/suppress_killer.py, which kills it, and for measuring.
 *
 *   driver DIR work SEED [full]  reports and removes for ever, rewrites the journal now and then; with `full` the disk is
 *                                full from time to time. Says "begin N ADDRESS VALUE" before and "done N RESULT" after; VALUE is
 *                                - for a removal, RESULT 0 for a failure
 *   driver DIR dump              says "state good" or what it is, then "ADDRESS VALUE" of each entry
 *   driver DIR fill N            puts N entries on the list, then says how long that took
 *   driver DIR load              says how long it took to read them, and how much memory they take
 */
#include "config.h"

#include "conf/conf-private.h"
#include "suppress/state-private.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ADDRESSES = 200, AHEAD = 64, OPS_A_TURN = 4 };

static RelaisLoop *loop;
static RelaisSuppression *list;
static guint under_way;
static guint64 number;

typedef struct {
    guint64 number;
    char *address;
} Op;

static void
op_done (gpointer data, RelaisSuppressResult result)
{
    Op *op = data;

    printf ("done %" G_GUINT64_FORMAT " %u\n", op->number, result);
    under_way--;
    g_free (op->address);
    g_free (op);
}

static void
remove_one (RelaisSuppression *suppression, gpointer data)
{
    Op *op = data;

    if (!relais_suppression_takes_changes (suppression))
        op_done (op, RELAIS_SUPPRESS_FAILED);
    else
        relais_suppression_change (suppression,
                                   relais_entry_table_find (&suppression->table,
                                                            RELAIS_SUPPRESS_HARD, op->address, "",
                                                            ""),
                                   NULL, RELAIS_SUPPRESS_COUNTED, op_done, op);
}

static void
begin_one (GRand *chance)
{
    Op *op = g_new (Op, 1);
    const bool is_removal = g_rand_int_range (chance, 0, 4) == 0;
    g_autofree char *text = NULL;
    RelaisEvidence evidence = {.struct_size = sizeof evidence,
                               .suppress_class = RELAIS_SUPPRESS_HARD};

    *op =
        (Op){++number, g_strdup_printf ("u%d@rcpt.test", g_rand_int_range (chance, 0, ADDRESSES))};
    text = is_removal ? g_strdup ("-")
                      : g_strdup_printf ("%u.%" G_GUINT64_FORMAT, g_rand_int (chance), op->number);
    printf ("begin %" G_GUINT64_FORMAT " %s %s\n", op->number, op->address, text);
    under_way++;
    evidence.address = op->address;
    evidence.text = evidence.id = text;
    if (is_removal)
        relais_suppression_when_free (list, remove_one, op);
    else
        relais_suppression_report (list, &evidence, op_done, op);
}

static void
rewritten (gpointer data, bool good)
{
}

/* As a disk that is full: nothing grows any more. */
static void
set_full (bool full)
{
    struct rlimit limit;

    getrlimit (RLIMIT_FSIZE, &limit);
    limit.rlim_cur = full ? relais_journal_bytes (list->journal) + 100 : RLIM_INFINITY;
    setrlimit (RLIMIT_FSIZE, &limit);
}

static void
work (guint32 seed, bool full)
{
    GRand *chance = g_rand_new_with_seed (seed);

    signal (SIGXFSZ, SIG_IGN);
    for (guint64 turn = 0;; turn++) {
        for (int i = 0; i < OPS_A_TURN && under_way < AHEAD; i++)
            begin_one (chance);
        if (g_rand_int_range (chance, 0, 100) == 0)
            relais_rebuild_repair (list, rewritten, NULL);
        if (full && g_rand_int_range (chance, 0, 20) == 0)
            set_full (g_rand_boolean (chance));
        fflush (stdout);
        relais_loop_turn (loop, under_way >= AHEAD);
    }
}

static void
dump_entry (gpointer data, RelaisEntry *entry)
{
    printf ("%s %s\n", relais_entry_address (entry), relais_entry_text (entry));
}

static void
dump (void)
{
    RelaisEntryWalk walk = {0};

    printf ("state %s\n", list->load.state == RELAIS_LOAD_GOOD ? "good" : list->load.trouble);
    relais_entry_table_walk (&list->table, &walk, G_MAXSIZE, dump_entry, NULL);
}

static void
count_down (gpointer data, RelaisSuppressResult result)
{
    if (result == RELAIS_SUPPRESS_FAILED)
        g_error ("a report failed");
    --*(guint *)data;
}

static void
fill (guint n)
{
    const gint64 start = g_get_monotonic_time ();
    guint left = n;

    for (guint i = 0; i < n;) {
        for (guint j = 0; j < 1000 && i < n; j++, i++) {
            g_autofree char *address =
                g_strdup_printf ("firstname.name%u@provider%u.example", i, i % 50);
            g_autofree char *text = g_strdup_printf (
                "550 5.1.1 <%s>: Recipient address rejected: User unknown", address);
            const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                             .suppress_class = RELAIS_SUPPRESS_HARD,
                                             .address = address,
                                             .reason = "no-such-mailbox",
                                             .text = text,
                                             .id = address};

            relais_suppression_report (list, &evidence, count_down, &left);
        }
        while (left > n - i)
            relais_loop_turn (loop, true);
    }
    printf ("%u reports in %.2f s\n", n,
            (double)(g_get_monotonic_time () - start) / G_USEC_PER_SEC);
}

static guint64
resident_bytes (void)
{
    g_autofree char *text = NULL;
    guint64 pages = 0;

    if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) && strchr (text, ' ') != NULL)
        pages = g_ascii_strtoull (strchr (text, ' '), NULL, 10);
    return pages * 4096;
}

/* The defaults: of a directory without files. */
static RelaisConfig *
read_config (const char *list_dir)
{
    g_autofree char *dir = g_strconcat (list_dir, ".conf", NULL);
    const char *dirs[] = {dir, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config;

    if (g_mkdir_with_parents (dir, 0700) < 0)
        g_error ("%s cannot be made", dir);
    config = relais_config_read (schema, dirs, findings);
    relais_schema_free (schema);
    return config;
}

int
main (int argc, char **argv)
{
    g_autoptr (RelaisConfig) config = argc >= 3 ? read_config (argv[1]) : NULL;
    guint64 before = resident_bytes ();
    gint64 start = g_get_monotonic_time ();

    if (argc < 3)
        return 2;
    loop = relais_loop_new (NULL, NULL);
    list = relais_suppression_open (argv[1], config, loop);
    if (strcmp (argv[2], "work") == 0 && argc > 3)
        work ((guint32)g_ascii_strtoull (argv[3], NULL, 10), argc > 4);
    else if (strcmp (argv[2], "dump") == 0)
        dump ();
    else if (strcmp (argv[2], "fill") == 0 && argc > 3)
        fill ((guint)g_ascii_strtoull (argv[3], NULL, 10));
    else if (strcmp (argv[2], "load") == 0)
        printf ("%" G_GSIZE_FORMAT " entries in %.2f s, %.1f octets each\n", list->table.n_entries,
                (double)(g_get_monotonic_time () - start) / G_USEC_PER_SEC,
                (double)(resident_bytes () - before) / (double)MAX (1, list->table.n_entries));
    relais_suppression_close (list);
    relais_loop_free (loop);
    return 0;
}
