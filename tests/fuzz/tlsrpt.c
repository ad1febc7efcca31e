/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSRPT (core/queue/tally*.c): records, and the text that counts are kept as. Properties: a target is a plain address
 * or https; a tally, written and read, is written the same again; any tally makes a report.
 *
 * Parsers: core/queue/tally.c.
 */
#include "config.h"

#include "fuzz.h"
#include "queue/tally-private.h"

static const char *const words[] = {"v=TLSRPTv1;", "rua=",   "mailto:", "https://", "a@b.test",
                                    ",",           "\nD\t1", "\nP\t2",  "\nF\t3",   "\t",
                                    "|",           "0",      "\n",      NULL};
const FuzzTarget fuzz_target = {20000, words};

static void
check_record (const guint8 *bytes, gsize size)
{
    g_auto (GStrv) targets = relais_tlsrpt_record_parse (bytes, size);

    if (targets == NULL)
        return;
    g_assert_cmpuint (g_strv_length (targets), >, 0);
    g_assert_cmpuint (g_strv_length (targets), <=, RELAIS_TLSRPT_TARGETS);
    for (char **target = targets; *target != NULL; target++)
        g_assert_true (g_ascii_strncasecmp (*target, "mailto:", 7) == 0 ||
                       g_ascii_strncasecmp (*target, "https://", 8) == 0);
}

static GString *
sorted_lines (RelaisTally *tally)
{
    g_autoptr (GString) text = relais_tally_to_text (tally);
    g_auto (GStrv) days = g_strsplit (text->str, "D\t", -1);
    GString *sum = g_string_new (NULL);

    /* The order of days is the table's; their lengths and number are not. */
    g_string_append_printf (sum, "%u %zu", g_strv_length (days), text->len);
    return sum;
}

static void
check_kept (const guint8 *bytes, gsize size)
{
    static const RelaisTallySubmitter submitter = {"o", "c@o.test", "o.test"};
    g_autofree char *text = g_strndup ((const char *)bytes, size);
    RelaisTally *first = relais_tally_new (), *second = relais_tally_new ();
    g_autoptr (GString) kept = NULL, a = NULL, b = NULL;
    g_autoptr (GList) days = NULL;

    relais_tally_add_text (first, text);
    kept = relais_tally_to_text (first);
    g_assert_cmpuint (relais_tally_add_text (second, kept->str), ==, 0);
    a = sorted_lines (first);
    b = sorted_lines (second);
    g_assert_cmpstr (a->str, ==, b->str);
    days = relais_tally_days (second);
    if (days != NULL) {
        g_autoptr (GBytes) report = relais_tally_report (days->data, &submitter);

        g_assert_nonnull (report);
    }
    relais_tally_free (first);
    relais_tally_free (second);
}

/* Counted twice, with the input for a text: one failure that came twice, and a success. */
static void
check_noted (const guint8 *bytes, gsize size)
{
    g_autofree char *text = fuzz_string (bytes, size);
    const char *const policy[] = {"version: STSv1", "mode: enforce", NULL};
    const RelaisTallyNote failed = {.day = 20000,
                                    .domain = "rcpt.test",
                                    .type = RELAIS_TALLY_STS,
                                    .policy = policy,
                                    .result = "certificate-expired",
                                    .source = text,
                                    .host = text,
                                    .address = "192.0.2.1",
                                    .reason = text};
    RelaisTallyNote sent = failed;
    RelaisTally *tally = relais_tally_new ();
    g_autoptr (GList) days = NULL;
    g_autoptr (GString) kept = NULL;

    sent.result = NULL;
    relais_tally_note (tally, &failed);
    relais_tally_note (tally, &failed);
    relais_tally_note (tally, &sent);
    kept = relais_tally_to_text (tally);
    g_assert_nonnull (strstr (kept->str, "\nF\t2\tcertificate-expired\t"));
    days = relais_tally_days (tally);
    g_assert_cmpuint (g_list_length (days), ==, 1);
    relais_tally_drop (tally, days->data);
    g_assert_null (relais_tally_days (tally));
    relais_tally_free (tally);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    check_record (bytes, size);
    check_kept (bytes, size);
    check_noted (bytes, size);
    return 0;
}
