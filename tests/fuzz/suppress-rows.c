/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of addresses (core/suppress/read-rows.c). Properties: in how many pieces a file comes changes nothing; rows are named
 * by lines that are there, in order; each is a row or a problem.
 *
 * Parsers: core/suppress/read-rows.c.
 */
#include "config.h"

#include "fuzz.h"
#include "suppress/exchange-private.h"

static const char *const words[] = {
    "address,class\n", "\"", "\"\"", ",",        "\r\n", "{\"address\":\"", "\"}\n", "a@b.example",
    "\\u0000",         "'=", "text", "{\"a\":[", NULL};
const FuzzTarget fuzz_target = {10000, words};

typedef struct {
    GString *rows;
    guint64 line, lines;
} Seen;

static void
note_row (gpointer data, guint64 line, const RelaisImportRow *row, const char *problem)
{
    Seen *seen = data;

    g_assert_true (line >= seen->line && line <= seen->lines);
    g_assert_true ((row == NULL) == (problem != NULL));
    seen->line = line;
    g_string_append_printf (seen->rows, "%" G_GUINT64_FORMAT " %s %s %s\n", line,
                            row != NULL ? row->address : problem, row != NULL ? row->text : "",
                            row != NULL ? row->tenant : "");
}

static GString *
read_pieces (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    Seen seen = {g_string_new (NULL), 1, 1};
    RelaisImportReader *reader = relais_import_reader_new (note_row, &seen);

    for (gsize i = 0; i < size; i++)
        seen.lines += bytes[i] == '\n';
    for (gsize at = 0; at < size;) {
        const gsize part = random != NULL ? 1 + fuzz_random_below (random, size - at) : size;
        guint8 *exact = fuzz_exact (bytes + at, part);

        relais_import_reader_feed (reader, (const char *)exact, part);
        free (exact);
        at += part;
    }
    relais_import_reader_end (reader);
    relais_import_reader_free (reader);
    return seen.rows;
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    GString *whole = read_pieces (bytes, size, NULL), *pieces = read_pieces (bytes, size, &random);

    g_assert_cmpstr (whole->str, ==, pieces->str);
    g_string_free (whole, TRUE);
    g_string_free (pieces, TRUE);
    return 0;
}
