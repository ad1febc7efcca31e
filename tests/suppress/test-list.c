/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/suppress: what evidence makes of an address, for whose mail and for how long; what is known after a restart.
 */
#include "config.h"

#include "fixture.h"

#include "suppress/fold-private.h"
#include "suppress/state-private.h"

#define DAY_US (RELAIS_USEC_PER_DAY)

static void
test_folding (void)
{
    static const struct {
        const char *given, *folded;
    } cases[] = {
        {"jo@example.org", "jo@example.org"},
        {"Jo@Example.ORG", "jo@example.org"},
        {" <JO@example.org> ", "jo@example.org"},
        {"jo@example.org.", "jo@example.org"},
        {"@relay.test,@b.test:Jo@example.org", "jo@example.org"},
        {"<@relay.test:jo@example.org>", "jo@example.org"},
        {"\"jo\"@example.org", "jo@example.org"},
        {"\"j\\o\"@example.org", "jo@example.org"},
        {"\"J o\"@example.org", "\"j o\"@example.org"},
        {"jo+news@example.org", "jo+news@example.org"},
        {"j.o@example.org", "j.o@example.org"},
        {"jo@B\303\234CHER.example", "jo@xn--bcher-kva.example"},
        {"jo@XN--bcher-KVA.example", "jo@xn--bcher-kva.example"},
        {"J\303\226@example.org", "j\303\266@example.org"},
        {"jo\314\210@example.org", "j\303\266@example.org"},
        {"jo@[192.0.2.1]", "jo@[192.0.2.1]"},
        {"jo@[IPv6:2001:DB8:0::1]", "jo@[IPv6:2001:db8::1]"},
        {"", NULL},
        {"jo", NULL},
        {"jo@", NULL},
        {"@example.org", NULL},
        {"jo@exa mple.org", NULL},
        {"jo@example.org, bo@example.org", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *folded = relais_suppress_fold (cases[i].given);
        g_autofree char *again = folded != NULL ? relais_suppress_fold (folded) : NULL;

        g_assert_cmpstr (folded, ==, cases[i].folded);
        g_assert_cmpstr (again, ==, cases[i].folded);
    }
}

static void
test_hard (void)
{
    Fixture f;
    RelaisSuppressionEntry entry;

    fixture_init (&f, "");
    g_assert_cmpuint (fixture_check (&f, "dead@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_HARD, "Dead@RCPT.test", "acme", "spring", "m1"), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (relais_suppression_check (f.list, "dEAD@rcpt.TEST", "other", NULL, &entry),
                      ==, RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (entry.suppress_class, ==, RELAIS_SUPPRESS_HARD);
    g_assert_cmpstr (entry.reason, ==, "no-such-mailbox");
    g_assert_cmpstr (entry.text, ==, "550 5.1.1 no such user");
    g_assert_cmpint (entry.expires_us, ==, f.now_us + 365 * DAY_US);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (fixture_check (&f, "dead@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (fixture_check (&f, "alive@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_ABSENT);
    f.now_us += 365 * DAY_US - 1;
    g_assert_cmpuint (fixture_check (&f, "dead@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_PRESENT);
    f.now_us += 1;
    g_assert_cmpuint (fixture_check (&f, "dead@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
    fixture_clear (&f);
}

/* Five times within the window, each of another delivery, on three days. */
static void
test_soft (void)
{
    Fixture f;
    static const char *const ids[] = {"a", "b", "c", "d", "e"};

    fixture_init (&f, "");
    for (int i = 0; i < 4; i++) {
        g_assert_cmpuint (
            fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, ids[i]), ==,
            RELAIS_SUPPRESS_COUNTED);
        /* The same once more is nothing new. */
        g_assert_cmpuint (
            fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, ids[i]), ==,
            RELAIS_SUPPRESS_COUNTED);
        f.now_us += i < 2 ? DAY_US : 0;
    }
    g_assert_cmpuint (fixture_check (&f, "full@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, ids[0]), ==,
        RELAIS_SUPPRESS_COUNTED);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, ids[4]), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, ids[4]), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    f.now_us += 90 * DAY_US - 1;
    g_assert_cmpuint (fixture_check (&f, "full@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_PRESENT);
    f.now_us += 1;
    g_assert_cmpuint (fixture_check (&f, "full@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_SOFT, "full@rcpt.test", NULL, NULL, "f"),
                      ==, RELAIS_SUPPRESS_COUNTED);
    fixture_clear (&f);
}

static void
test_soft_spread (void)
{
    Fixture f;
    char id[16];

    fixture_init (&f, "");
    /* One bad day, however many. */
    for (int i = 0; i < 20; i++) {
        g_snprintf (id, sizeof id, "m%d", i);
        g_assert_cmpuint (
            fixture_report (&f, RELAIS_SUPPRESS_SOFT, "busy@rcpt.test", NULL, NULL, id), ==,
            RELAIS_SUPPRESS_COUNTED);
    }
    /* One a window. */
    for (int i = 0; i < 20; i++) {
        f.now_us += 10 * DAY_US;
        g_snprintf (id, sizeof id, "n%d", i);
        g_assert_cmpuint (
            fixture_report (&f, RELAIS_SUPPRESS_SOFT, "rare@rcpt.test", NULL, NULL, id), ==,
            RELAIS_SUPPRESS_COUNTED);
    }
    fixture_clear (&f);
}

static void
test_scopes (void)
{
    Fixture f;

    fixture_init (&f, "[suppress unsubscribe]\nscope = campaign\n");
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_COMPLAINT, "a@rcpt.test", "acme", "spring", NULL), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (fixture_check (&f, "a@rcpt.test", "acme", "other"), ==,
                      RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (fixture_check (&f, "a@rcpt.test", "beta", "spring"), ==,
                      RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (fixture_check (&f, "a@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_UNSUBSCRIBE, "b@rcpt.test", "acme", "spring", NULL), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (fixture_check (&f, "b@rcpt.test", "acme", "spring"), ==,
                      RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (fixture_check (&f, "b@rcpt.test", "acme", "autumn"), ==,
                      RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (fixture_check (&f, "b@rcpt.test", "beta", "spring"), ==,
                      RELAIS_SUPPRESS_ABSENT);
    /* Where it is not known whose mail it was, all is held back. */
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_COMPLAINT, "c@rcpt.test", NULL, "spring", NULL), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (fixture_check (&f, "c@rcpt.test", "beta", NULL), ==, RELAIS_SUPPRESS_PRESENT);
    f.now_us += 20000 * DAY_US;
    g_assert_cmpuint (fixture_check (&f, "c@rcpt.test", "beta", NULL), ==, RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

static void
test_off (void)
{
    Fixture f;

    fixture_init (&f, "[suppress hard]\nenable = no\n");
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_HARD, "a@rcpt.test", NULL, NULL, "1"), ==,
                      RELAIS_SUPPRESS_COUNTED);
    fixture_configure (&f, "[suppress hard]\nthreshold = 3\n");
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_HARD, "a@rcpt.test", NULL, NULL, "2"), ==,
                      RELAIS_SUPPRESS_COUNTED);
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_HARD, "a@rcpt.test", NULL, NULL, "3"), ==,
                      RELAIS_SUPPRESS_SUPPRESSED);
    fixture_clear (&f);
}

static void
test_bad_evidence (void)
{
    Fixture f;
    RelaisSuppressionFigures figures;

    fixture_init (&f, "");
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_HARD, "nobody", NULL, NULL, NULL), ==,
                      RELAIS_SUPPRESS_FAILED);
    g_assert_cmpuint (fixture_report (&f, RELAIS_SUPPRESS_NONE, "a@rcpt.test", NULL, NULL, NULL),
                      ==, RELAIS_SUPPRESS_FAILED);
    g_assert_cmpuint (fixture_report (&f, 17, "a@rcpt.test", NULL, NULL, NULL), ==,
                      RELAIS_SUPPRESS_FAILED);
    g_assert_false (relais_suppression_is_reason ("No such user"));
    g_assert_false (relais_suppression_is_reason (""));
    g_assert_true (relais_suppression_is_reason ("no-such-mailbox.2"));
    relais_suppression_figures (f.list, &figures);
    g_assert_cmpuint (figures.addresses, ==, 0);
    fixture_clear (&f);
}

typedef struct {
    guint ended;
} Count;

static void
note_one (gpointer data, RelaisSuppressResult result)
{
    g_assert_cmpuint (result, ==, RELAIS_SUPPRESS_SUPPRESSED);
    ((Count *)data)->ended++;
}

/* Reports from several threads at once; all of a turn share a sync. */
static gpointer
report_many (gpointer data)
{
    gpointer *pair = data;
    static guint next;
    const guint base = (guint)g_atomic_int_add ((gint *)&next, 1000);

    for (guint i = 0; i < 1000; i++) {
        g_autofree char *address = g_strdup_printf ("u%u@rcpt.test", base + i);
        const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                         .suppress_class = RELAIS_SUPPRESS_HARD,
                                         .address = address};

        relais_suppression_report (pair[0], &evidence, note_one, pair[1]);
    }
    return NULL;
}

static void
test_threads (void)
{
    Fixture f;
    Count count = {0};
    GThread *threads[4];
    RelaisSuppressionFigures figures;

    fixture_init (&f, "");
    g_atomic_int_set ((gint *)&fixture_syncs, 0);
    gpointer pair[] = {f.list, &count};
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("reporter", report_many, pair);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        g_thread_join (threads[i]);
    while (count.ended < 4000)
        fixture_wait (&f, &count.ended, count.ended);
    g_assert_cmpint (g_atomic_int_get ((gint *)&fixture_syncs), <=, 4000 / 256 + 2);
    relais_suppression_figures (f.list, &figures);
    g_assert_cmpuint (figures.entries, ==, 4000);
    fixture_close (&f);
    fixture_open (&f);
    relais_suppression_figures (f.list, &figures);
    g_assert_cmpuint (figures.entries, ==, 4000);
    g_assert_cmpuint (figures.addresses, ==, 4000);
    fixture_clear (&f);
}

/* The same few addresses over and over: the journal is rewritten, and stays as long as what it says. */
static void
test_rewriting (void)
{
    Fixture f;
    RelaisSuppressionFigures figures;
    Count count = {0};

    fixture_init (&f, "");
    for (guint round = 0; round < 60; round++) {
        const guint was = count.ended;

        f.now_us += DAY_US;
        for (guint i = 0; i < 500; i++) {
            g_autofree char *address = g_strdup_printf ("u%u@rcpt.test", i);
            const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                             .suppress_class = RELAIS_SUPPRESS_HARD,
                                             .address = address};

            relais_suppression_report (f.list, &evidence, note_one, &count);
        }
        while (count.ended < was + 500)
            fixture_wait (&f, &count.ended, count.ended);
    }
    do {
        relais_loop_turn (f.loop, false);
        relais_suppression_figures (f.list, &figures);
    } while (figures.waiting > 0);
    g_assert_cmpuint (figures.journal_bytes, <, 30000 * 100);
    g_assert_cmpuint (figures.entries, ==, 500);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (f.list->load.restored_bytes + f.list->load.torn_bytes, ==, 0);
    relais_suppression_figures (f.list, &figures);
    g_assert_cmpuint (figures.entries, ==, 500);
    g_assert_cmpuint (fixture_check (&f, "u499@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

/* No insertion costs more than its share of the growing. */
static void
test_growth (void)
{
    RelaisEntryTable table;
    const guint n = 1000000;
    guint64 most = 0;

    relais_entry_table_init (&table, 0);
    for (guint i = 0; i < n; i++) {
        char address[32];
        const guint64 before = table.steps;
        RelaisJournalLine line = {.op = RELAIS_JOURNAL_PUT,
                                  .suppress_class = RELAIS_SUPPRESS_HARD,
                                  .address = address,
                                  .tenant = "",
                                  .campaign = "",
                                  .reason = "",
                                  .text = ""};

        g_snprintf (address, sizeof address, "user%u@rcpt.test", i);
        relais_entry_table_swap (&table, NULL, relais_entry_new (&line));
        most = MAX (most, table.steps - before);
    }
    g_test_message ("at most %" G_GUINT64_FORMAT " steps", most);
    g_assert_cmpuint (most, <, 100);
    g_assert_cmpuint (table.n_addresses, ==, n);
    g_assert_cmpuint (table.steps, <, 20 * (guint64)n);
    g_assert_nonnull (
        relais_entry_table_find (&table, RELAIS_SUPPRESS_HARD, "user999999@rcpt.test", "", ""));
    g_assert_null (
        relais_entry_table_find (&table, RELAIS_SUPPRESS_SOFT, "user999999@rcpt.test", "", ""));
    relais_entry_table_clear (&table);
}

/* A walk meets what was there all the time, although the table grows. */
static void
count_entry (gpointer data, RelaisEntry *entry)
{
    if (entry->count == 1)
        (*(guint *)data)++;
}

static void
put_numbered (RelaisEntryTable *table, guint number, guint count)
{
    char address[32];
    RelaisJournalLine line = {.op = RELAIS_JOURNAL_PUT,
                              .suppress_class = RELAIS_SUPPRESS_HARD,
                              .count = count,
                              .address = address,
                              .tenant = "",
                              .campaign = "",
                              .reason = "",
                              .text = ""};

    g_snprintf (address, sizeof address, "user%u@rcpt.test", number);
    relais_entry_table_swap (table, NULL, relais_entry_new (&line));
}

static void
test_walk (void)
{
    RelaisEntryTable table;
    RelaisEntryWalk walk = {0};
    guint met = 0, n = 2100;

    relais_entry_table_init (&table, 0);
    for (guint i = 0; i < n; i++)
        put_numbered (&table, i, 1);
    g_assert_nonnull (table.old); /* in the middle of growing */
    for (guint i = n; relais_entry_table_walk (&table, &walk, 7, count_entry, &met); i += 20)
        for (guint j = 0; j < 20; j++)
            put_numbered (&table, i + j, 2);
    g_assert_cmpuint (met, ==, n);
    g_assert_cmpuint (table.walks, ==, 0);
    relais_entry_table_clear (&table);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/suppress/folding", test_folding);
    g_test_add_func ("/suppress/hard", test_hard);
    g_test_add_func ("/suppress/soft", test_soft);
    g_test_add_func ("/suppress/soft-spread", test_soft_spread);
    g_test_add_func ("/suppress/scopes", test_scopes);
    g_test_add_func ("/suppress/off", test_off);
    g_test_add_func ("/suppress/bad-evidence", test_bad_evidence);
    g_test_add_func ("/suppress/threads", test_threads);
    g_test_add_func ("/suppress/rewriting", test_rewriting);
    g_test_add_func ("/suppress/growth", test_growth);
    g_test_add_func ("/suppress/walk", test_walk);
    return g_test_run ();
}
