/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue, TLSRPT: records, counting and its limits, keeping, the report as RFC 8460 has it, the mail around it.
 */
#include "config.h"

#include "queue/tally-private.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

static const RelaisTallySubmitter submitter = {"Örg \"1\"", "tls@relais.test", "relais.test"};

static void
test_records (void)
{
    static const struct {
        const char *text, *targets; /* joined with a blank; NULL: no record */
    } rows[] = {
        {"v=TLSRPTv1; rua=mailto:a@b.test", "mailto:a@b.test"},
        {"v=TLSRPTv1;rua=https://b.test/x,mailto:a@b.test;", "https://b.test/x mailto:a@b.test"},
        {"v=TLSRPTv1; x=y; rua= mailto:a@b.test , ftp://x", "mailto:a@b.test"},
        {"v=TLSRPTv1; "
         "rua=mailto:a@b.test,mailto:b@b.test,mailto:c@b.test,mailto:d@b.test,mailto:e@b.test",
         "mailto:a@b.test mailto:b@b.test mailto:c@b.test mailto:d@b.test"},
        {"v=TLSRPTv1; rua=http://b.test/x", NULL},
        {"v=TLSRPTv1; rua=mailto:a", NULL},
        {"v=TLSRPTv1; rua=mailto:a@b.test?subject=x", NULL},
        {"v=TLSRPTv1; rua=mailto:a@b.test\r\nBcc: x@y.test", NULL},
        {"v=TLSRPTv1; rua=", NULL},
        {"v=TLSRPTv1;", NULL},
        {"v=TLSRPTv2; rua=mailto:a@b.test", NULL},
        {"rua=mailto:a@b.test", NULL},
        {"", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_auto (GStrv) targets =
            relais_tlsrpt_record_parse ((const guint8 *)rows[i].text, strlen (rows[i].text));
        g_autofree char *joined = targets != NULL ? g_strjoinv (" ", targets) : NULL;

        g_assert_cmpstr (joined, ==, rows[i].targets);
    }
}

/* Two that are meant, be one of them broken, are as good as none; what else stands there does not count. */
static void
test_answers (void)
{
    static const char one[] = "v=TLSRPTv1; rua=mailto:a@b.test";
    static const struct {
        RelaisDnsOutcome outcome;
        const char *records[3], *target;
    } rows[] = {
        {RELAIS_DNS_DATA, {one}, "mailto:a@b.test"},
        {RELAIS_DNS_DATA, {"v=spf1 -all", one, "x"}, "mailto:a@b.test"},
        {RELAIS_DNS_DATA, {one, "v=TLSRPTv1; rua=mailto:other@b.test"}, NULL},
        {RELAIS_DNS_DATA, {"v=TLSRPTv1;", one}, NULL},
        {RELAIS_DNS_DATA, {"v=spf1 -all"}, NULL},
        {RELAIS_DNS_NXDOMAIN, {NULL}, NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (GArray) records = g_array_new (FALSE, TRUE, sizeof (RelaisDnsRecord));
        const RelaisDnsAnswer answer = {.outcome = rows[i].outcome, .records = records};
        g_auto (GStrv) targets = NULL;

        for (gsize n = 0; n < G_N_ELEMENTS (rows[i].records) && rows[i].records[n] != NULL; n++) {
            const RelaisDnsRecord record = {.bytes = (guint8 *)rows[i].records[n],
                                            .size = strlen (rows[i].records[n])};

            g_array_append_val (records, record);
        }
        targets = relais_tlsrpt_answer_targets (&answer);
        g_assert_cmpstr (targets != NULL ? targets[0] : NULL, ==, rows[i].target);
    }
}

static void
note (RelaisTally *tally, gint64 day, const char *domain, RelaisTallyType type, const char *result,
      const char *reason)
{
    static const char *const policy[] = {"version: STSv1", "mode: enforce", NULL};
    static const char *const mx[] = {"*.rcpt.test", NULL};
    const RelaisTallyNote made = {.day = day,
                                  .domain = domain,
                                  .type = type,
                                  .policy = type == RELAIS_TALLY_STS ? policy : NULL,
                                  .mx = type == RELAIS_TALLY_STS ? mx : NULL,
                                  .result = result,
                                  .source = "192.0.2.1",
                                  .host = "mx.rcpt.test",
                                  .reason = reason};

    relais_tally_note (tally, &made);
}

static RelaisTally *
sample (void)
{
    RelaisTally *tally = relais_tally_new ();

    for (int i = 0; i < 5; i++)
        note (tally, 20000, "rcpt.test", RELAIS_TALLY_STS, NULL, NULL);
    for (int i = 0; i < 3; i++)
        note (tally, 20000, "rcpt.test", RELAIS_TALLY_STS, "certificate-expired", "it\tis|late\n");
    note (tally, 20000, "rcpt.test", RELAIS_TALLY_STS, "certificate-host-mismatch", NULL);
    note (tally, 20000, "rcpt.test", RELAIS_TALLY_NO_POLICY, NULL, NULL);
    return tally;
}

/* The report's JSON. */
static char *
unpack (GBytes *report)
{
    g_autoptr (GConverter) unzip =
        G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_bytes (report);
    g_autoptr (GInputStream) stream = g_converter_input_stream_new (memory, unzip);
    char *text = g_malloc0 (100000);
    gsize size;

    g_assert_true (g_input_stream_read_all (stream, text, 99999, &size, NULL, NULL));
    return text;
}

static void
test_report (void)
{
    RelaisTally *tally = sample ();
    g_autoptr (GList) days = relais_tally_days (tally);
    g_autoptr (GBytes) report = relais_tally_report (days->data, &submitter);
    g_autofree char *json = unpack (report);
    g_autofree char *name = relais_tally_report_name (days->data, &submitter);
    g_autoptr (JsonParser) parser = json_parser_new ();

    g_assert_true (json_parser_load_from_data (parser, json, -1, NULL));
    g_assert_cmpstr (
        json, ==,
        "{\"organization-name\":\"Örg "
        "\\\"1\\\"\",\"date-range\":{\"start-datetime\":\"2024-10-04T00:00:00Z\","
        "\"end-datetime\":\"2024-10-04T23:59:59Z\"},\"contact-info\":\"tls@relais.test\","
        "\"report-id\":\"1728000000.rcpt.test@relais.test\",\"policies\":["
        "{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: "
        "enforce\"],"
        "\"policy-domain\":\"rcpt.test\",\"mx-host\":[\"*.rcpt.test\"]},"
        "\"summary\":{\"total-successful-session-count\":5,\"total-failure-session-count\":4},"
        "\"failure-details\":[{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"192.0."
        "2.1\","
        "\"receiving-mx-hostname\":\"mx.rcpt.test\",\"failure-reason-code\":\"it is late \","
        "\"failed-session-count\":3},{\"result-type\":\"certificate-host-mismatch\","
        "\"sending-mta-ip\":\"192.0.2.1\",\"receiving-mx-hostname\":\"mx.rcpt.test\","
        "\"failed-session-count\":1}]},"
        "{\"policy\":{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"rcpt.test\"},"
        "\"summary\":{\"total-successful-session-count\":1,\"total-failure-session-count\":0}}]}");
    g_assert_cmpstr (name, ==, "relais.test!rcpt.test!1728000000!1728086399.json.gz");
    relais_tally_free (tally);
}

static void
test_mail (void)
{
    RelaisTally *tally = sample ();
    g_autoptr (GList) days = relais_tally_days (tally);
    g_autoptr (GBytes) report = relais_tally_report (days->data, &submitter);
    g_autoptr (GBytes) mail =
        relais_tally_mail (days->data, &submitter, report, "r@rcpt.test",
                           "Fri, 4 Oct 2024 00:00:00 +0000", "<1@relais.test>");
    gsize size;
    const char *bytes = g_bytes_get_data (mail, &size);
    g_autofree char *text = g_strndup (bytes, size);

    g_assert_nonnull (strstr (text, "\r\nTLS-Report-Domain: rcpt.test\r\n"));
    g_assert_nonnull (strstr (text, "multipart/report; report-type=\"tlsrpt\""));
    g_assert_nonnull (strstr (text, "Content-Type: application/tlsrpt+gzip\r\n"));
    g_assert_true (g_str_is_ascii (text));
    for (const char *lf = strchr (text, '\n'); lf != NULL; lf = strchr (lf + 1, '\n'))
        g_assert_true (lf[-1] == '\r');
    relais_tally_free (tally);
}

static void
test_kept (void)
{
    RelaisTally *tally = sample (), *other = relais_tally_new ();
    g_autoptr (GString) text = NULL, again = NULL;

    text = relais_tally_to_text (tally);
    g_assert_cmpuint (relais_tally_add_text (other, text->str), ==, 0);
    again = relais_tally_to_text (other);
    g_assert_cmpstr (text->str, ==, again->str);
    g_assert_cmpuint (
        relais_tally_add_text (other, "x\nD\t1\nP\t0\t1\t1\t\t\nF\t1\ta\tb\tc\td\te\n"), ==, 4);
    relais_tally_free (tally);
    relais_tally_free (other);
}

static void
test_limits (void)
{
    RelaisTally *tally = relais_tally_new ();
    g_autofree char *long_text = g_strnfill (RELAIS_TALLY_TEXT_BYTES + 100, 'x');
    g_autoptr (GList) days = NULL;
    const RelaisTallyPolicy *policy;

    for (int i = 0; i < 2 * RELAIS_TALLY_FAILURES; i++) {
        g_autofree char *reason = g_strdup_printf ("%d", i);

        note (tally, 1, "a.test", RELAIS_TALLY_TLSA, "validation-failure", reason);
    }
    note (tally, 1, "a.test", RELAIS_TALLY_NO_POLICY, "validation-failure", long_text);
    days = relais_tally_days (tally);
    policy = g_ptr_array_index (((RelaisTallyDay *)days->data)->policies, 0);
    g_assert_cmpuint (policy->failures, ==, 2 * RELAIS_TALLY_FAILURES);
    g_assert_cmpuint (policy->details->len, ==, RELAIS_TALLY_FAILURES);
    policy = g_ptr_array_index (((RelaisTallyDay *)days->data)->policies, 1);
    g_assert_cmpuint (
        strlen (((RelaisTallyFailure *)g_ptr_array_index (policy->details, 0))->reason), ==,
        RELAIS_TALLY_TEXT_BYTES);
    for (int i = 0; i < 2 * RELAIS_TALLY_POLICIES; i++) {
        g_autofree char *text = g_strdup_printf ("%d", i);
        const char *const strings[] = {text, NULL};
        const RelaisTallyNote made = {
            .day = 3, .domain = "a.test", .type = RELAIS_TALLY_STS, .policy = strings};

        relais_tally_note (tally, &made);
    }
    g_list_free (g_steal_pointer (&days));
    days = relais_tally_days (tally);
    for (GList *link = days; link != NULL; link = link->next) {
        const RelaisTallyDay *day = link->data;

        g_assert_cmpuint (day->policies->len, ==, day->day == 3 ? RELAIS_TALLY_POLICIES : 2);
        if (day->day == 3)
            relais_tally_drop (tally, link->data);
    }
    for (int i = 1; i < RELAIS_TALLY_DOMAINS + 1; i++) {
        g_autofree char *domain = g_strdup_printf ("%d.test", i);

        note (tally, 1, domain, RELAIS_TALLY_NO_POLICY, NULL, NULL);
    }
    g_list_free (g_steal_pointer (&days));
    days = relais_tally_days (tally);
    g_assert_cmpuint (g_list_length (days), ==, RELAIS_TALLY_DOMAINS);
    relais_tally_drop (tally, days->data);
    note (tally, 2, "z.test", RELAIS_TALLY_NO_POLICY, NULL, NULL);
    g_list_free (g_steal_pointer (&days));
    days = relais_tally_days (tally);
    g_assert_cmpuint (g_list_length (days), ==, RELAIS_TALLY_DOMAINS);
    relais_tally_free (tally);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/tally/records", test_records);
    g_test_add_func ("/queue/tally/answers", test_answers);
    g_test_add_func ("/queue/tally/report", test_report);
    g_test_add_func ("/queue/tally/mail", test_mail);
    g_test_add_func ("/queue/tally/kept", test_kept);
    g_test_add_func ("/queue/tally/limits", test_limits);
    return g_test_run ();
}
