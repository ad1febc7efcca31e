/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/suppress: files of addresses, as they are read and written; and that each is read as it was written.
 */
#include "config.h"

#include "suppress/exchange-private.h"

#include <string.h>

static void
note_row (gpointer data, guint64 line, const RelaisImportRow *row, const char *problem)
{
    if (row != NULL)
        g_string_append_printf (data, "%" G_GUINT64_FORMAT ":%s|%s|%s|%s|%s\n", line, row->address,
                                row->suppress_class, row->tenant, row->expires, row->text);
    else
        g_string_append_printf (data, "%" G_GUINT64_FORMAT "!%s\n", line, problem);
}

static char *
read_text (const char *text, gsize size)
{
    GString *rows = g_string_new (NULL);
    RelaisImportReader *reader = relais_import_reader_new (note_row, rows);

    relais_import_reader_feed (reader, text, size);
    relais_import_reader_end (reader);
    relais_import_reader_free (reader);
    return g_string_free (rows, FALSE);
}

static void
test_reading (void)
{
    static const struct {
        const char *text, *rows;
    } cases[] = {
        {"", ""},
        {"\n\r\n", ""},
        {"a@b.example\nc@d.example", "1:a@b.example||||\n2:c@d.example||||\n"},
        {"\357\273\277address\r\na@b.example\r\n", "2:a@b.example||||\n"},
        {"Text,ADDRESS,other\nx,a@b.example,y\n", "2:a@b.example||||x\n"},
        {"address,class,tenant,expires\na@b.example,hard,acme,never\n",
         "2:a@b.example|hard|acme|never|\n"},
        {"address,text\na@b.example,\"one, \"\"two\"\"\r\nthree\"\nc@d.example,x\n",
         "2:a@b.example||||one, \"two\"\r\nthree\n4:c@d.example||||x\n"},
        {"address,text\n'=a@b.example,'+1\n", "2:=a@b.example||||+1\n"},
        {"address,text\na@b.example,'tis\n", "2:a@b.example||||'tis\n"},
        {"address\n\"a@b.example\"x\nc@d.example\n",
         "2!text behind a closing quote\n3:c@d.example||||\n"},
        {"address\n\"a@b.example\n", "2!a quote is not closed\n"},
        {"{\"address\":\"a@b.example\",\"class\":\"hard\",\"text\":\"x\\ty\"}\n\n{\"address\":1}\n",
         "1:a@b.example|hard|||x\ty\n3:1||||\n"},
        {"{\"address\":[\"a\"]}\n[]\n{\"address\":\"c@d.example\"}",
         "1!no JSON object of strings and numbers\n2!no JSON object of strings and numbers\n"
         "3:c@d.example||||\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *rows = read_text (cases[i].text, strlen (cases[i].text));

        g_assert_cmpstr (rows, ==, cases[i].rows);
    }
}

/* A row of as many octets as may be, and one more. */
static void
test_limit (void)
{
    for (int more = 0; more < 2; more++) {
        g_autoptr (GString) text = g_string_new ("address,text\n");
        g_autofree char *rows = NULL;

        g_string_append (text, "a@b.example,");
        for (int i = 0; i < RELAIS_IMPORT_ROW_BYTES - 12 + more; i++)
            g_string_append_c (text, 'x');
        g_string_append (text, "\nc@d.example,y\n");
        rows = read_text (text->str, text->len);
        if (more == 0)
            g_assert_true (g_str_has_prefix (rows, "2:a@b.example||||xxx"));
        else
            g_assert_cmpstr (rows, ==, "2!the row is too long\n3:c@d.example||||y\n");
    }
    {
        static const char nul[] = "address\na@b\0c\nd@e.example\n";
        g_autofree char *rows = read_text (nul, sizeof nul - 1);

        g_assert_cmpstr (rows, ==, "2!a NUL\n3:d@e.example||||\n");
    }
}

static void
test_round (void)
{
    static const char *const texts[] = {
        "",    "plain", "one, two", "\"quoted\"", "=cmd|' /C", "+1",
        "-1",  "@x",    "'x",       "'=x",        "a\r\nb",    "\tx",
        "\rx", "a\\b",  "\303\251", "trailing ",  " leading"};

    for (gsize i = 0; i < G_N_ELEMENTS (texts) * 2; i++) {
        const RelaisExchangeFormat format =
            i % 2 == 0 ? RELAIS_EXCHANGE_CSV : RELAIS_EXCHANGE_NDJSON;
        const char *text = texts[i / 2];
        const RelaisJournalLine entry = {.op = RELAIS_JOURNAL_PUT,
                                         .suppress_class = RELAIS_SUPPRESS_COMPLAINT,
                                         .address = "-a@b.example",
                                         .tenant = "acme",
                                         .campaign = "",
                                         .reason = "abuse",
                                         .text = text,
                                         .count = 1,
                                         .first_us = 1790000000123456,
                                         .last_us = 1790000000123456};
        g_autoptr (GString) out = g_string_new (NULL);
        g_autofree char *rows = NULL;
        g_autofree char *wanted = g_strdup_printf ("%d:-a@b.example|complaint|acme|never|%s\n",
                                                   format == RELAIS_EXCHANGE_CSV ? 2 : 1, text);

        relais_exchange_append_head (out, format, false);
        relais_exchange_append (out, format, &entry, NULL);
        if (format == RELAIS_EXCHANGE_CSV)
            g_assert_null (strstr (out->str, ",="));
        rows = read_text (out->str, out->len);
        g_assert_cmpstr (rows, ==, wanted);
    }
}

static void
test_times (void)
{
    gint64 wall_us = 0;

    g_assert_true (relais_import_time ("2026-09-21T14:13:20.123456Z", &wall_us));
    g_assert_cmpint (wall_us, ==, G_GINT64_CONSTANT (1790000000123456));
    g_assert_true (relais_import_time ("2026-09-21T16:13:20+02:00", &wall_us));
    g_assert_cmpint (wall_us, ==, G_GINT64_CONSTANT (1790000000000000));
    g_assert_false (relais_import_time ("yesterday", &wall_us));
    g_assert_false (relais_import_time ("", &wall_us));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/suppress/exchange/reading", test_reading);
    g_test_add_func ("/suppress/exchange/limit", test_limit);
    g_test_add_func ("/suppress/exchange/round", test_round);
    g_test_add_func ("/suppress/exchange/times", test_times);
    return g_test_run ();
}
