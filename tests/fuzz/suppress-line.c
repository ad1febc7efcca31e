/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lines of the suppression journal (core/suppress/line.c). Properties: a line that is taken is made of the same octets
 * when it is written again; what is passed over lies within what was given; all that is before the end of a line
 * is "more", or torn where the file ends; one octet of a good line made another is never taken.
 *
 * Parsers: core/suppress/line.c.
 */
#include "config.h"

#include "fuzz.h"
#include "suppress/line-private.h"

static const char *const words[] = {
    "1\tput\t", "1\tremove\t", "1\tgroup\t",           "1\tjournal\t", "hard", "soft",
    "\ty\t",    "%0A",         "1790000000000000:ff,", "\n",           NULL};
const FuzzTarget fuzz_target = {30000, words};

static RelaisJournalScratch scratch;

static void
check_again (const char *bytes, gsize used, const RelaisJournalLine *line)
{
    g_autoptr (GString) again = g_string_new (NULL);

    relais_journal_line_append (again, line);
    g_assert_cmpuint (again->len, ==, used);
    g_assert_true (memcmp (again->str, bytes, used) == 0);
}

static void
check_line (const char *bytes, gsize used, FuzzRandom *random)
{
    RelaisJournalLine line;
    gsize again = 0, part = fuzz_random_below (random, used);
    g_autofree char *changed = g_memdup2 (bytes, used);

    if (part > 0) {
        g_assert_cmpint (relais_journal_line_read (bytes, part, false, &scratch, &line, &again), ==,
                         RELAIS_JOURNAL_MORE);
        g_assert_cmpint (relais_journal_line_read (bytes, part, true, &scratch, &line, &again), ==,
                         RELAIS_JOURNAL_TORN);
    }
    changed[part] ^= (char)(1 + fuzz_random_below (random, 255));
    g_assert_cmpint (relais_journal_line_read (changed, used, true, &scratch, &line, &again), ==,
                     RELAIS_JOURNAL_BAD);
    g_assert_true (again > 0 && again <= used);
}

/* The input as the fields of a line that is written, so that the reader's inside is reached. */
static void
write_and_read (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    g_autoptr (GString) out = g_string_new (NULL);
    char text[5][600];
    RelaisSuppressMark marks[3];
    RelaisJournalLine line, read;
    gsize used = 0;

    for (int i = 0; i < 5; i++) {
        const gsize from = fuzz_random_below (random, size + 1);
        const gsize part = fuzz_random_below (random, MIN (size - from, (gsize)512) + 1);

        memcpy (text[i], bytes + from, part);
        text[i][part] = '\0';
    }
    for (int i = 0; i < 3; i++)
        marks[i] =
            (RelaisSuppressMark){(gint64)fuzz_random_next (random), fuzz_random_next (random)};
    if (text[0][0] == '\0')
        text[0][0] = 'a', text[0][1] = '\0';
    line = (RelaisJournalLine){.op = RELAIS_JOURNAL_PUT,
                               .suppress_class = 1 + (guint32)fuzz_random_below (random, 5),
                               .address = text[0],
                               .tenant = text[1],
                               .campaign = text[2],
                               .reason = text[3],
                               .text = text[4],
                               .holds = fuzz_random_below (random, 2) == 1,
                               .count = (guint32)fuzz_random_next (random),
                               .first_us = (gint64)fuzz_random_next (random),
                               .last_us = (gint64)fuzz_random_next (random),
                               .n_marks = (guint)fuzz_random_below (random, 4),
                               .marks = marks};
    relais_journal_line_append (out, &line);
    g_assert_cmpint (relais_journal_line_read (out->str, out->len, false, &scratch, &read, &used),
                     ==, RELAIS_JOURNAL_GOOD);
    g_assert_cmpuint (used, ==, out->len);
    g_assert_cmpstr (read.address, ==, line.address);
    g_assert_cmpstr (read.text, ==, line.text);
    check_again (out->str, out->len, &read);
    check_line (out->str, out->len, random);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    guint8 *exact = fuzz_exact (bytes, size);
    gsize at = 0;

    while (at < size) {
        RelaisJournalLine line;
        gsize used = 0;
        const RelaisJournalResult result = relais_journal_line_read (
            (const char *)exact + at, size - at, true, &scratch, &line, &used);

        if (result == RELAIS_JOURNAL_TORN)
            break;
        g_assert_cmpint (result, !=, RELAIS_JOURNAL_MORE);
        g_assert_true (used > 0 && used <= size - at);
        if (result == RELAIS_JOURNAL_GOOD)
            check_again ((const char *)exact + at, used, &line);
        at += used;
    }
    write_and_read (exact, size, &random);
    free (exact);
    return 0;
}
