/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The evaluator's parts: names, macros and records at their limits; budgets that are set otherwise; checks that
 * are stopped; what a hostile tree of records costs. Whole checks are test-suite.py's.
 */
#include "zone.h"

#include "wire.h"

#include <string.h>

/* --- Names ------------------------------------------------------------------------------------ */

static char *
repeat (const char *text, guint n)
{
    GString *out = g_string_new (NULL);

    for (guint i = 0; i < n; i++)
        g_string_append (out, text);
    return g_string_free (out, FALSE);
}

static void
test_names (void)
{
    g_autofree char *label63 = repeat ("a", 63), *label64 = repeat ("a", 64);
    g_autofree char *longest = repeat ("abcdefghi.", 25);
    g_autofree char *name253 = g_strconcat (longest, "abc", NULL);
    g_autofree char *name254 = g_strconcat (longest, "abcd", NULL);
    g_autofree char *name63 = g_strconcat (label63, ".test", NULL);
    g_autofree char *name64 = g_strconcat (label64, ".test", NULL);
    g_autofree char *shown = spf_name_to_text ("a b\\.\xc3\xa9");

    g_assert_cmpuint (strlen (name253), ==, SPF_NAME_BYTES);
    g_assert_true (spf_name_is_good (name253));
    g_assert_false (spf_name_is_good (name254));
    g_assert_true (spf_name_is_good (name63));
    g_assert_false (spf_name_is_good (name64));
    g_assert_false (spf_name_is_good (""));
    g_assert_false (spf_name_is_good ("."));
    g_assert_false (spf_name_is_good ("a..b"));
    g_assert_true (spf_name_is_good ("a"));
    g_assert_false (spf_name_is_domain ("a"));
    g_assert_true (spf_name_is_domain ("a.b."));
    g_assert_false (spf_name_is_domain ("a.b.."));
    g_assert_false (spf_name_is_domain ("192.0.2.1"));
    g_assert_true (spf_name_is_within ("A.b.C", "b.c."));
    g_assert_true (spf_name_is_within ("b.c", "B.C"));
    g_assert_false (spf_name_is_within ("ab.c", "b.c"));
    g_assert_false (spf_name_is_within ("c", "b.c"));
    g_assert_false (spf_name_is_within ("c", ""));
    g_assert_cmpstr (shown, ==, "a\\032b\\092.\\195\\169");
}

static void
test_prefixes (void)
{
    SpfIp ip, other;

    g_assert_true (spf_ip_parse ("2001:db8::ffff", &ip));
    for (guint prefix = 0; prefix <= 128; prefix++) {
        other = ip;
        if (prefix < 128)
            other.bytes[prefix / 8] ^= (guint8)(0x80 >> prefix % 8);
        g_assert_true (spf_ip_is_in (&ip, other.bytes, prefix));
        if (prefix < 128)
            g_assert_false (spf_ip_is_in (&ip, other.bytes, prefix + 1));
    }
    g_assert_true (spf_ip_parse ("::ffff:192.0.2.1", &ip));
    g_assert_false (ip.six);
    g_assert_true (spf_ip_parse ("192.0.2.1", &other));
    g_assert_cmpmem (ip.bytes, 16, other.bytes, 16);
    g_assert_false (spf_ip_parse ("192.0.2", &ip));
    g_assert_false (spf_ip_parse ("", &ip));
}

/* --- Records ---------------------------------------------------------------------------------- */

static char *
problem_of (const char *text, gsize size)
{
    char *problem = NULL;
    g_autoptr (SpfRecord) record = spf_record_parse ((const guint8 *)text, size, &problem);

    g_assert_true ((record == NULL) == (problem != NULL));
    return problem;
}

static void
test_record_problems (void)
{
    static const struct {
        const char *text, *problem;
    } table[] = {
        {"v=spf1", NULL},
        {"v=spf1   ", NULL},
        {"v=spf1 moo", "unknown mechanism: \"moo\""},
        {"v=spf1 a:b", "syntax error: \"a:b\""},
        {"v=spf1 exp=a.b exp=a.b", "modifier comes twice: \"exp=a.b\""},
        {"v=spf1 \x7f", "octets that are not printable ASCII"},
    };
    g_autofree char *filler = repeat (" all", (SPF_RECORD_BYTES - 6) / 4);
    g_autofree char *most = g_strconcat ("v=spf1  ", filler, NULL);
    g_autofree char *good = NULL, *bad = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autofree char *problem = problem_of (table[i].text, strlen (table[i].text));

        g_assert_cmpstr (problem, ==, table[i].problem);
    }
    g_assert_cmpuint (strlen (most), ==, SPF_RECORD_BYTES);
    good = problem_of (most, SPF_RECORD_BYTES);
    g_assert_null (good);
    bad = g_strconcat (most, " ", NULL);
    good = problem_of (bad, SPF_RECORD_BYTES + 1);
    g_assert_cmpstr (good, ==, "the record is too long");
}

/* --- Checks ----------------------------------------------------------------------------------- */

static SpfEval *
begin (const char *ip, const char *sender, const SpfLimits *limits)
{
    const SpfIdentity identity = {ip, sender, "helo.test", NULL, 0};

    return spf_eval_new (&identity, limits);
}

static SpfResult
check (const Zone *zone, const SpfLimits *limits)
{
    g_autoptr (SpfEval) eval = begin ("192.0.2.1", "a@d.test", limits);

    zone_run (zone, eval);
    return spf_eval_get_result (eval);
}

static void
test_budgets (void)
{
    g_autoptr (Zone) zone = zone_new ();
    SpfLimits limits = SPF_LIMITS_DEFAULT;

    zone_add_text (zone, "d.test", SPF_DNS_TXT, "v=spf1 a:n.test mx:m.test ptr exists:o.test +all");
    zone_add_text (zone, "m.test", SPF_DNS_MX, "h1.test");
    zone_add_text (zone, "m.test", SPF_DNS_MX, "h2.test");
    zone_add_text (zone, "h1.test", SPF_DNS_A, "198.51.100.1");
    zone_add_text (zone, "o.test", SPF_DNS_TXT, "no address");
    zone_add_text (zone, "1.2.0.192.in-addr.arpa", SPF_DNS_PTR, "h1.test");
    zone_add_text (zone, "1.2.0.192.in-addr.arpa", SPF_DNS_PTR, "x.d.test");
    zone_add_text (zone, "x.d.test", SPF_DNS_A, "192.0.2.1");
    g_assert_cmpint (check (zone, &limits), ==, SPF_PASS);
    limits.ptr_names = 1; /* x.d.test is not looked at, and exists:o.test is the second void */
    limits.terms = 4;
    limits.voids = 2;
    limits.mx_names = 2;
    g_assert_cmpint (check (zone, &limits), ==, SPF_PASS);
    limits.terms = 3;
    g_assert_cmpint (check (zone, &limits), ==, SPF_PERMERROR);
    limits.terms = 4;
    limits.voids = 1;
    g_assert_cmpint (check (zone, &limits), ==, SPF_PERMERROR);
    limits.voids = 2;
    limits.mx_names = 1;
    g_assert_cmpint (check (zone, &limits), ==, SPF_PERMERROR);
    limits = (SpfLimits)SPF_LIMITS_DEFAULT;
    limits.terms = 0;
    g_assert_cmpint (check (zone, &limits), ==, SPF_PERMERROR);
}

/* Each name "N.tree.test" includes ten others, without end. What another implementation pays for with 11 111
 * lookups at four levels ends here with the tenth. */
static void
test_tree (void)
{
    const SpfLimits limits = SPF_LIMITS_DEFAULT;
    g_autoptr (SpfEval) eval = begin ("192.0.2.1", "a@0.tree.test", &limits);
    const SpfQuestion *question;
    guint asked = 0;

    while ((question = spf_eval_next (eval)) != NULL) {
        g_autoptr (GPtrArray) records =
            g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
        g_autoptr (GString) text = g_string_new ("v=spf1");
        const SpfAnswer answer = {SPF_DNS_DATA, NULL, records};

        g_assert_cmpint (question->type, ==, SPF_DNS_TXT);
        for (guint i = 0; i < 10; i++)
            g_string_append_printf (text, " include:%u.%s", i, question->name);
        g_ptr_array_add (records, g_bytes_new (text->str, text->len));
        spf_eval_answer (eval, &answer);
        asked++;
    }
    g_assert_cmpint (spf_eval_get_result (eval), ==, SPF_PERMERROR);
    g_assert_cmpuint (asked, ==, 11);
    g_assert_cmpuint (spf_eval_n_questions (eval), ==, 11);
    g_assert_cmpstr (spf_eval_get_problem (eval), ==, "more than 10 terms need DNS");
}

static void
test_stop (void)
{
    g_autoptr (Zone) zone = zone_new ();
    const SpfLimits limits = {10, 2, 10, 10, true, false};

    zone_add_text (zone, "d.test", SPF_DNS_TXT,
                   "v=spf1 a mx ptr exists:x.test -all exp=e%{p}.test");
    zone_add_text (zone, "d.test", SPF_DNS_A, "198.51.100.1");
    zone_add_text (zone, "d.test", SPF_DNS_MX, "d.test");
    zone_add_text (zone, "1.2.0.192.in-addr.arpa", SPF_DNS_PTR, "d.test");
    zone_add_text (zone, "eunknown.test", SPF_DNS_TXT, "why");
    for (guint stop = 0; stop <= 8;
         stop++) { /* before the answer to each question, and after the last */
        g_autoptr (SpfEval) eval = begin ("192.0.2.1", "a@d.test", &limits);
        const SpfQuestion *question;

        for (guint i = 0; i < stop && (question = spf_eval_next (eval)) != NULL; i++) {
            SpfAnswer answer = zone_ask (zone, question);

            spf_eval_answer (eval, &answer);
            g_clear_pointer (&answer.records, g_ptr_array_unref);
        }
        spf_eval_stop (eval, SPF_TEMPERROR, "time is up");
        g_assert_null (spf_eval_next (eval));
        g_assert_cmpint (spf_eval_get_result (eval), ==, stop < 7 ? SPF_TEMPERROR : SPF_FAIL);
        g_assert_cmpstr (spf_eval_get_problem (eval), ==, stop < 7 ? "time is up" : NULL);
        g_assert_cmpstr (spf_eval_get_explanation (eval), ==, stop == 8 ? "why" : NULL);
    }
}

static void
test_mechanism (void)
{
    g_autoptr (Zone) zone = zone_new ();
    const SpfLimits limits = {10, 2, 10, 10, false, true};
    g_autoptr (SpfEval) eval = NULL;
    const SpfTraceRow *row;

    zone_add_text (zone, "d.test", SPF_DNS_TXT, "v=spf1 include:n.test include:i.test ?all");
    zone_add_text (zone, "n.test", SPF_DNS_TXT, "v=spf1 -all");
    zone_add_text (zone, "i.test", SPF_DNS_TXT, "v=spf1 redirect=j.test");
    zone_add_text (zone, "j.test", SPF_DNS_TXT, "v=spf1 a/24");
    zone_add_text (zone, "j.test", SPF_DNS_TXT, "\\\x01");
    zone_add_text (zone, "j.test", SPF_DNS_A, "192.0.2.9");
    eval = begin ("192.0.2.1", "a@d.test", &limits);
    zone_run (zone, eval);
    g_assert_cmpint (spf_eval_get_result (eval), ==, SPF_PASS);
    g_assert_cmpstr (spf_eval_get_mechanism (eval), ==, "include:i.test > a/24");
    g_assert_cmpuint (spf_eval_n_terms (eval), ==, 4);
    g_assert_cmpuint (spf_eval_get_trace (eval)->len, ==, 5);
    row = g_ptr_array_index (spf_eval_get_trace (eval), 3);
    g_assert_cmpstr (row->name, ==, "j.test");
    g_assert_cmpstr (row->text, ==, "\"v=spf1 a/24\", \"\\092\\001\"");
    row = g_ptr_array_index (spf_eval_get_trace (eval), 4);
    g_assert_cmpstr (row->text, ==, "192.0.2.9");
}

/* More questions than rows are kept, with budgets as wide as that. */
static void
test_trace_is_bounded (void)
{
    g_autoptr (Zone) zone = zone_new ();
    const SpfLimits limits = {1000, 2, 10, 10, false, true};
    g_autofree char *terms = repeat (" a", SPF_TRACE_ROWS + 1);
    g_autofree char *record = g_strconcat ("v=spf1", terms, NULL);
    g_autoptr (SpfEval) eval = NULL;

    zone_add_text (zone, "d.test", SPF_DNS_TXT, record);
    zone_add_text (zone, "d.test", SPF_DNS_A, "198.51.100.1");
    eval = begin ("192.0.2.1", "a@d.test", &limits);
    zone_run (zone, eval);
    g_assert_cmpuint (spf_eval_n_questions (eval), ==, SPF_TRACE_ROWS + 2);
    g_assert_cmpuint (spf_eval_get_trace (eval)->len, ==, SPF_TRACE_ROWS);
}

static void
test_explanation_size (void)
{
    for (guint more = 0; more <= 1; more++) {
        g_autoptr (Zone) zone = zone_new ();
        const SpfLimits limits = {10, 2, 10, 10, true, false};
        g_autofree char *text = g_strnfill (SPF_EXPLANATION_BYTES + more, 'x');
        g_autoptr (SpfEval) eval = NULL;

        zone_add_text (zone, "d.test", SPF_DNS_TXT, "v=spf1 -all exp=e.test");
        zone_add_text (zone, "e.test", SPF_DNS_TXT, text);
        eval = begin ("192.0.2.1", "a@d.test", &limits);
        zone_run (zone, eval);
        g_assert_cmpint (spf_eval_get_result (eval), ==, SPF_FAIL);
        g_assert_cmpstr (spf_eval_get_explanation (eval), ==, more == 0 ? text : NULL);
    }
}

/* --- What the module and its helper say to each other ------------------------------------------ */

static GBytes *
packed_request (void)
{
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    const SpfAnswer data = {SPF_DNS_DATA, NULL, records}, none = {SPF_DNS_NXDOMAIN, NULL, NULL};
    SpfWireRequest request = {g_strdup ("192.0.2.1"), g_strdup ("a@d.test"), g_strdup ("h.test"),
                              g_ptr_array_new_with_free_func (spf_wire_answer_free)};
    GBytes *bytes;

    g_ptr_array_add (records, g_bytes_new ("v=spf1\0-all", 11));
    g_ptr_array_add (records, g_bytes_new ("", 0));
    g_ptr_array_add (request.answers, spf_wire_answer_new ("d.test", SPF_DNS_TXT, &data));
    g_ptr_array_add (request.answers, spf_wire_answer_new ("e.test", SPF_DNS_A, &none));
    bytes = spf_wire_pack_request (&request);
    spf_wire_request_clear (&request);
    return bytes;
}

static void
test_wire (void)
{
    g_autoptr (GBytes) bytes = packed_request ();
    SpfWireRequest request = {0};
    const SpfWireAnswer *answer;

    g_assert_true (spf_wire_unpack_request (bytes, &request));
    g_assert_cmpstr (request.ip, ==, "192.0.2.1");
    g_assert_cmpstr (request.sender, ==, "a@d.test");
    g_assert_cmpstr (request.helo, ==, "h.test");
    answer = spf_wire_find (request.answers, "D.test", SPF_DNS_TXT);
    g_assert_cmpuint (answer->records->len, ==, 2);
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (answer->records, 0)), ==, 11);
    answer = spf_wire_find (request.answers, "e.test", SPF_DNS_A);
    g_assert_cmpint (answer->outcome, ==, SPF_DNS_NXDOMAIN);
    g_assert_null (spf_wire_find (request.answers, "e.test", SPF_DNS_MX));
    spf_wire_request_clear (&request);
}

/* A process that has gone mad may answer anything. */
static void
test_wire_out_of_form (void)
{
    g_autoptr (GBytes) whole = packed_request ();
    gsize size;
    const guint8 *at = g_bytes_get_data (whole, &size);

    for (gsize cut = 0; cut < size; cut++) {
        g_autoptr (GBytes) bytes = g_bytes_new (at, cut);
        SpfWireRequest request = {0};
        SpfWireReply reply = {0};

        g_assert_false (spf_wire_unpack_request (bytes, &request));
        spf_wire_request_clear (&request);
        spf_wire_unpack_reply (bytes, &reply);
        spf_wire_reply_clear (&reply);
    }
    for (gsize i = 0; i < size; i++) {
        g_autofree guint8 *copy = g_memdup2 (at, size);
        g_autoptr (GBytes) bytes = NULL;
        SpfWireRequest request = {0};
        SpfWireReply reply = {0};

        copy[i] ^= 0xff;
        bytes = g_bytes_new (copy, size);
        spf_wire_unpack_request (bytes, &request);
        spf_wire_request_clear (&request);
        spf_wire_unpack_reply (bytes, &reply);
        spf_wire_reply_clear (&reply);
    }
}

static void
test_wire_limits (void)
{
    static const SpfAnswer none = {SPF_DNS_NODATA, NULL, NULL};

    for (guint more = 0; more <= 1; more++) {
        SpfWireReply reply = {SPF_PASS, NULL,
                              g_ptr_array_new_with_free_func (spf_wire_answer_free)};
        SpfWireReply read = {0};
        g_autoptr (GBytes) bytes = NULL;

        for (guint i = 0; i < SPF_WIRE_QUESTIONS + more; i++)
            g_ptr_array_add (reply.questions, spf_wire_answer_new ("a.test", SPF_DNS_A, &none));
        bytes = spf_wire_pack_reply (&reply);
        g_assert_true (spf_wire_unpack_reply (bytes, &read) == (more == 0));
        spf_wire_reply_clear (&read);
        spf_wire_reply_clear (&reply);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spf/names", test_names);
    g_test_add_func ("/spf/prefixes", test_prefixes);
    g_test_add_func ("/spf/record-problems", test_record_problems);
    g_test_add_func ("/spf/budgets", test_budgets);
    g_test_add_func ("/spf/tree", test_tree);
    g_test_add_func ("/spf/stop", test_stop);
    g_test_add_func ("/spf/mechanism", test_mechanism);
    g_test_add_func ("/spf/trace-is-bounded", test_trace_is_bounded);
    g_test_add_func ("/spf/explanation-size", test_explanation_size);
    g_test_add_func ("/spf/wire", test_wire);
    g_test_add_func ("/spf/wire-out-of-form", test_wire_out_of_form);
    g_test_add_func ("/spf/wire-limits", test_wire_limits);
    return g_test_run ();
}
