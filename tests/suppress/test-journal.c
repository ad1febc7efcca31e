/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/suppress: what a kill, a bad disk and a full one leave. Nothing that was told to be kept is ever gone without
 * the list saying that it does not know.
 */
#include "config.h"

#include "fixture.h"

#include "suppress/state-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESSES = 4 };

static const char *const addresses[ADDRESSES] = {"a@rcpt.test", "b@rcpt.test", "c@rcpt.test",
                                                 "d@rcpt.test"};

static RelaisSuppressResult
report (Fixture *f, const char *address)
{
    return fixture_report (f, RELAIS_SUPPRESS_HARD, address, NULL, NULL, NULL);
}

static RelaisSuppressAnswer
check (Fixture *f, const char *address)
{
    return fixture_check (f, address, NULL, NULL);
}

static void
assert_same (const char *a, gsize a_size, const char *b, gsize b_size)
{
    g_assert_cmpuint (a_size, ==, b_size);
    g_assert_true (memcmp (a, b, a_size) == 0);
}

/* A list of ADDRESSES, closed; its journal. */
static char *
make_journal (Fixture *f, gsize *size)
{
    fixture_init (f, "");
    for (int i = 0; i < ADDRESSES; i++)
        g_assert_cmpuint (report (f, addresses[i]), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (f);
    return fixture_read (f, "journal", size);
}

static void
remove_tail (const Fixture *f)
{
    g_autofree char *path = fixture_path (f, "journal.tail");

    (void)g_unlink (path);
}

static guint
count_present (Fixture *f)
{
    guint n = 0;

    for (int i = 0; i < ADDRESSES; i++)
        n += check (f, addresses[i]) == RELAIS_SUPPRESS_PRESENT;
    return n;
}

/* Where the line begins that ends before `at`. */
static gsize
line_start (const char *bytes, gsize at)
{
    while (at > 0 && bytes[at - 1] != '\n')
        at--;
    return at;
}

/* A line that was never written to its end was never told to be kept, where nothing says otherwise. */
static void
test_torn (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);
    const gsize last = line_start (bytes, size - 1);

    for (gsize cut = last; cut < size; cut++) {
        remove_tail (&f);
        fixture_write (&f, "journal", bytes, cut);
        fixture_open (&f);
        g_assert_null (relais_suppression_trouble (f.list));
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES - 1);
        /* What comes after it is found again. */
        g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
        fixture_close (&f);
        fixture_open (&f);
        g_assert_null (relais_suppression_trouble (f.list));
        g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_PRESENT);
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES - 1);
        fixture_close (&f);
    }
    fixture_clear (&f);
}

/* The tail says that there was more. It gives it back, or the list does not know. */
static void
test_cut (void)
{
    Fixture f;
    gsize size, tail_size;
    g_autofree char *bytes = make_journal (&f, &size);
    g_autofree char *tail = fixture_read (&f, "journal.tail", &tail_size);

    for (gsize cut = 0; cut < size; cut++) {
        fixture_write (&f, "journal", bytes, cut);
        fixture_write (&f, "journal.tail", tail, tail_size);
        fixture_open (&f);
        if (relais_suppression_trouble (f.list) == NULL)
            g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
        else
            g_assert_cmpuint (check (&f, "z@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
        if (cut > line_start (bytes, line_start (bytes, size - 1) - 1))
            g_assert_null (relais_suppression_trouble (f.list));
        fixture_close (&f);
    }
    fixture_clear (&f);
}

/* Each octet of a small journal made another one: all is there, or nothing is known. */
static void
test_flipped (void)
{
    static const guint8 flips[] = {0x01, 0x80, 0x2a};
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);
    guint unknown = 0;

    for (gsize i = 0; i < size * G_N_ELEMENTS (flips); i++) {
        const gsize at = i / G_N_ELEMENTS (flips);
        const char was = bytes[at];

        bytes[at] = (char)((guint8)was ^ flips[i % G_N_ELEMENTS (flips)]);
        remove_tail (&f);
        fixture_write (&f, "journal", bytes, size);
        fixture_open (&f);
        if (check (&f, "z@rcpt.test") == RELAIS_SUPPRESS_UNKNOWN) {
            g_assert_nonnull (relais_suppression_trouble (f.list));
            unknown++;
        } else {
            g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
        }
        fixture_close (&f);
        bytes[at] = was;
    }
    g_assert_cmpuint (unknown, ==, size * G_N_ELEMENTS (flips));
    fixture_clear (&f);
}

static void
note_repair (gpointer data, bool good)
{
    *(guint *)data = good ? 1 : 2;
}

static void
repair (Fixture *f, guint wanted)
{
    guint end = 0;

    relais_rebuild_repair (f->list, note_repair, &end);
    fixture_wait (f, &end, 0);
    g_assert_cmpuint (end, ==, wanted);
}

static char *
find_damaged (const Fixture *f)
{
    GDir *dir = g_dir_open (f->list_dir, 0, NULL);
    const char *name;
    char *found = NULL;

    while (found == NULL && (name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_prefix (name, "damaged-"))
            found = g_strdup (name);
    g_dir_close (dir);
    return found;
}

static void
test_repair (void)
{
    Fixture f;
    gsize size, kept_size;
    g_autofree char *bytes = make_journal (&f, &size);
    g_autofree char *name = NULL;
    g_autofree char *kept = NULL;
    char *victim = strstr (bytes, "b@rcpt.test");
    g_autofree char *line = NULL;

    victim[0] = 'x';
    line = g_strndup (bytes + line_start (bytes, (gsize)(victim - bytes)),
                      (gsize)(strchr (victim, '\n') + 1 - bytes) -
                          line_start (bytes, (gsize)(victim - bytes)));
    fixture_write (&f, "journal", bytes, size);
    fixture_open (&f);
    g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
    /* What is reported meanwhile is kept. */
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
    repair (&f, 1);
    g_assert_null (relais_suppression_trouble (f.list));
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES - 1);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_PRESENT);
    name = find_damaged (&f);
    g_assert_nonnull (name);
    kept = fixture_read (&f, name, &kept_size);
    assert_same (kept, kept_size, line, strlen (line));
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES - 1);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

/* Other files may go; the journal may not. */
static void
test_missing (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);
    g_autofree char *path = fixture_path (&f, "journal");

    remove_tail (&f);
    fixture_open (&f);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_close (&f);
    g_assert_true (g_unlink (path) == 0);
    for (int i = 0; i < 2; i++) {
        fixture_open (&f);
        g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
        g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_FAILED);
        fixture_close (&f);
    }
    fixture_write (&f, "journal", bytes, size);
    fixture_open (&f);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_close (&f);
    fixture_write (&f, "journal", "", 0);
    fixture_open (&f);
    g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
    repair (&f, 1);
    g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_clear (&f);
}

/* A line that is whole and not understood is a later release's: nothing is written behind it. */
static void
test_later (void)
{
    Fixture f;
    gsize size, after;
    g_autofree char *bytes = make_journal (&f, &size);
    g_autoptr (GString) text = g_string_new_len (bytes, (gssize)size);
    g_autofree char *again = NULL;
    const RelaisJournalLine line = {.op = RELAIS_JOURNAL_REMOVE,
                                    .suppress_class = RELAIS_SUPPRESS_NONE,
                                    .address = "a@rcpt.test",
                                    .tenant = "",
                                    .campaign = ""};

    relais_journal_line_append (text, &line);
    fixture_write (&f, "journal", text->str, text->len);
    fixture_open (&f);
    g_assert_nonnull (strstr (relais_suppression_trouble (f.list), "later Relais"));
    g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_UNKNOWN);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_FAILED);
    fixture_close (&f);
    again = fixture_read (&f, "journal", &after);
    assert_same (again, after, text->str, text->len);
    fixture_clear (&f);
}

/* --- Groups ----------------------------------------------------------------------------------- */

static void
note_group (gpointer data, RelaisSuppressResult result)
{
    *(guint *)data = result + 1;
}

static RelaisSuppressResult
write_group (Fixture *f)
{
    GString *lines = g_string_new (NULL);
    guint end = 0;

    for (int i = 0; i < 3; i++) {
        char address[32];
        const RelaisJournalLine line = {.op = RELAIS_JOURNAL_PUT,
                                        .suppress_class = RELAIS_SUPPRESS_MANUAL,
                                        .address = address,
                                        .tenant = "",
                                        .campaign = "",
                                        .reason = "",
                                        .text = "",
                                        .holds = true,
                                        .count = 1};

        g_snprintf (address, sizeof address, "g%d@rcpt.test", i);
        relais_journal_line_append (lines, &line);
    }
    f->list->blocked++;
    relais_suppression_write_group (f->list, lines, 3, note_group, &end);
    fixture_wait (f, &end, 0);
    relais_suppression_unblock (f->list);
    return end - 1;
}

static void
test_group (void)
{
    Fixture f;
    gsize size, from;
    g_autofree char *before = make_journal (&f, &from);
    g_autofree char *bytes = NULL;

    fixture_open (&f);
    g_assert_cmpuint (write_group (&f), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    bytes = fixture_read (&f, "journal", &size);
    for (gsize cut = from; cut <= size; cut++) {
        const bool whole = cut == size;

        remove_tail (&f);
        fixture_write (&f, "journal", bytes, cut);
        fixture_open (&f);
        g_assert_null (relais_suppression_trouble (f.list));
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
        for (int i = 0; i < 3; i++) {
            g_autofree char *address = g_strdup_printf ("g%d@rcpt.test", i);

            g_assert_cmpuint (check (&f, address), ==,
                              whole ? RELAIS_SUPPRESS_PRESENT : RELAIS_SUPPRESS_ABSENT);
        }
        fixture_close (&f);
    }
    fixture_clear (&f);
}

/* --- Faults ----------------------------------------------------------------------------------- */

/* A full disk: nothing is kept, nothing is lost, and it works again when there is room. */
static void
test_full_disk (void)
{
    Fixture f;
    gsize before, after;
    g_autofree char *was = make_journal (&f, &before);
    g_autofree char *is = NULL;

    fixture_open (&f);
    for (gsize part = 0; part < 60; part += 20) {
        fixture_write_fault = (FixtureFault){.error = ENOSPC, .n = 1, .after = part};
        g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_FAILED);
        g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_ABSENT);
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    }
    is = fixture_read (&f, "journal", &after);
    assert_same (is, after, was, before);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_null (relais_suppression_trouble (f.list));
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

static void
wait_until_taken (Fixture *f)
{
    const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (!relais_suppression_takes_changes (f->list)) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        if (!relais_loop_turn (f->loop, false))
            g_usleep (200);
    }
}

/* After a sync that failed that file gets nothing more; a new one takes its place. */
static void
test_failed_sync (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);

    fixture_open (&f);
    fixture_sync_fault = (FixtureFault){.error = EIO, .n = 1};
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_FAILED);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_ABSENT);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    wait_until_taken (&f);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_null (relais_suppression_trouble (f.list));
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    g_assert_cmpuint (check (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

/* Neither does it after a cut that failed. */
static void
test_failed_cut (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);

    fixture_open (&f);
    fixture_write_fault = (FixtureFault){.error = ENOSPC, .n = 1, .after = 10};
    fixture_cut_fault = (FixtureFault){.error = EIO, .n = 1};
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_FAILED);
    wait_until_taken (&f);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_null (relais_suppression_trouble (f.list));
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_clear (&f);
}

static void
note_result (gpointer data, RelaisSuppressResult result)
{
    guint *counts = data;

    counts[result]++;
    counts[3]++;
}

/* What was made on top of a failure goes with it, removals come back, and later changes are not held up. */
static void
test_taken_back (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);
    guint counts[4] = {0};
    RelaisEntry *entry;

    fixture_open (&f);
    fixture_write_fault = (FixtureFault){.error = ENOSPC, .n = 1};
    for (int round = 0; round < 3; round++) {
        entry =
            relais_entry_table_find (&f.list->table, RELAIS_SUPPRESS_HARD, "a@rcpt.test", "", "");
        if (entry != NULL)
            relais_suppression_change (f.list, entry, NULL, RELAIS_SUPPRESS_COUNTED, note_result,
                                       counts);
        else
            relais_suppression_change (f.list, NULL, NULL, RELAIS_SUPPRESS_COUNTED, note_result,
                                       counts);
        relais_suppression_flush (f.list);
    }
    g_assert_cmpuint (check (&f, "a@rcpt.test"), ==, RELAIS_SUPPRESS_ABSENT);
    while (counts[3] < 3)
        fixture_wait (&f, &counts[3], counts[3]);
    g_assert_cmpuint (counts[RELAIS_SUPPRESS_FAILED], ==, 3);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    g_assert_cmpuint (report (&f, "e@rcpt.test"), ==, RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_clear (&f);
}

/* Whatever step of a rewriting fails, the list goes on and nothing is gone. */
static void
test_failed_rewriting (void)
{
    static FixtureFault *const faults[] = {&fixture_write_fault, &fixture_sync_fault,
                                           &fixture_dir_sync_fault};
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);

    for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
        fixture_open (&f);
        *faults[i] = (FixtureFault){.error = EIO, .n = 1};
        repair (&f, 2);
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
        g_assert_cmpuint (faults[i]->n, ==, 0);
        fixture_close (&f);
        fixture_open (&f);
        g_assert_null (relais_suppression_trouble (f.list));
        g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
        repair (&f, 1);
        fixture_close (&f);
        g_assert_false (fixture_has (&f, "journal.new"));
    }
    fixture_clear (&f);
}

/* A rewriting that begins when a removal has failed and nobody knows yet must not make the removal come true. */
static void
test_rewriting_after_failure (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = make_journal (&f, &size);
    guint counts[4] = {0}, end = 0;
    RelaisEntry *entry;

    fixture_open (&f);
    fixture_write_fault = (FixtureFault){.error = ENOSPC, .n = 1};
    entry = relais_entry_table_find (&f.list->table, RELAIS_SUPPRESS_HARD, "a@rcpt.test", "", "");
    relais_suppression_change (f.list, entry, NULL, RELAIS_SUPPRESS_COUNTED, note_result, counts);
    relais_suppression_flush (f.list);
    while (g_atomic_int_get ((gint *)&fixture_write_fault.n) > 0)
        g_usleep (100);
    relais_rebuild_repair (f.list, note_repair, &end);
    fixture_wait (&f, &end, 0);
    g_assert_cmpuint (end, ==, 2);
    g_assert_cmpuint (counts[RELAIS_SUPPRESS_FAILED], ==, 1);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_close (&f);
    fixture_open (&f);
    g_assert_cmpuint (count_present (&f), ==, ADDRESSES);
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/suppress/journal/torn", test_torn);
    g_test_add_func ("/suppress/journal/cut", test_cut);
    g_test_add_func ("/suppress/journal/flipped", test_flipped);
    g_test_add_func ("/suppress/journal/repair", test_repair);
    g_test_add_func ("/suppress/journal/missing", test_missing);
    g_test_add_func ("/suppress/journal/later", test_later);
    g_test_add_func ("/suppress/journal/group", test_group);
    g_test_add_func ("/suppress/journal/full-disk", test_full_disk);
    g_test_add_func ("/suppress/journal/failed-sync", test_failed_sync);
    g_test_add_func ("/suppress/journal/failed-cut", test_failed_cut);
    g_test_add_func ("/suppress/journal/taken-back", test_taken_back);
    g_test_add_func ("/suppress/journal/failed-rewriting", test_failed_rewriting);
    g_test_add_func ("/suppress/journal/rewriting-after-failure", test_rewriting_after_failure);
    return g_test_run ();
}
