/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message: how results of checks are written, and how those that others wrote in our name are
 * recognised (RFC 8601), through comments, quotes and folds; the limits of both.
 */
#include "config.h"

#include "message/header-private.h"
#include "message/trace-private.h"

#include <string.h>

static void
test_field (void)
{
    static const char *const spf[] = {"smtp.mailfrom=ann@example.org", NULL};
    static const char *const dkim[] = {"header.d=example.org", "header.i=\"a b\"@example.org",
                                       "header.b=aB+/=", "policy.x=a\\b\r\nc", NULL};
    g_autoptr (RelaisTrace) trace = relais_trace_new ();
    g_autofree char *none = relais_trace_to_field (trace, "mx.example.net");
    g_autofree char *field = NULL, *summary = NULL;

    g_assert_null (none);
    g_assert_true (relais_trace_add_result (trace, "spf", "pass", NULL, spf));
    g_assert_true (relais_trace_add_result (trace, "dkim", "fail", "body changed", dkim));
    g_assert_true (relais_trace_add_result (trace, "dkim", "pass", NULL, NULL));
    field = relais_trace_to_field (trace, "mx.example.net");
    g_assert_cmpstr (
        field, ==,
        "Authentication-Results: mx.example.net;\r\n"
        "\tspf=pass smtp.mailfrom=ann@example.org;\r\n"
        "\tdkim=fail reason=\"body changed\" header.d=example.org\r\n"
        "\theader.i=\"\\\"a b\\\"@example.org\" header.b=\"aB+/=\" policy.x=\"a\\\\b??c\";\r\n"
        "\tdkim=pass\r\n");
    summary = relais_trace_summary (trace);
    g_assert_cmpstr (summary, ==, "spf=pass dkim=fail");
    g_assert_cmpstr (
        relais_auth_result_get_property (relais_trace_nth_result (trace, 1), "header.d"), ==,
        "example.org");
    g_assert_null (relais_auth_result_get_property (relais_trace_nth_result (trace, 1), "header"));
    g_assert_null (relais_trace_nth_result (trace, 3));
}

static void
test_refused (void)
{
    static const char *const bad[] = {"",      "a",       "a=b",     ".x=b", "a.=b",
                                      "A.b=c", "a.b c=d", "a\r.b=c", "a.b"};
    g_autoptr (RelaisTrace) trace = relais_trace_new ();
    g_autofree char *longest = g_strnfill (TRACE_MAX_TEXT_BYTES, 'x');
    g_autofree char *too_long = g_strnfill (TRACE_MAX_TEXT_BYTES + 1, 'x');

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (relais_trace_add_result (trace, "spf", "pass", NULL,
                                                 (const char *const[]){bad[i], NULL}));
    g_assert_false (relais_trace_add_result (trace, "", "pass", NULL, NULL));
    g_assert_false (relais_trace_add_result (trace, "s=p", "pass", NULL, NULL));
    g_assert_false (relais_trace_add_result (trace, "spf", "pass;x", NULL, NULL));
    g_assert_false (relais_trace_add_result (trace, "spf", "pass", too_long, NULL));
    g_assert_cmpuint (relais_trace_n_results (trace), ==, 0);
    g_assert_true (relais_trace_add_result (trace, "spf", "pass", longest, NULL));
}

static void
test_limits (void)
{
    const char *properties[TRACE_MAX_PROPERTIES + 2];
    g_autoptr (RelaisTrace) trace = relais_trace_new ();
    g_autofree char *lines = g_strnfill (TRACE_MAX_LINES_BYTES, 'x');

    for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
        properties[i] = "a.b=c";
    properties[TRACE_MAX_PROPERTIES + 1] = NULL;
    g_assert_false (relais_trace_add_result (trace, "spf", "pass", NULL, properties));
    properties[TRACE_MAX_PROPERTIES] = NULL;
    for (guint i = 0; i < TRACE_MAX_RESULTS; i++)
        g_assert_true (relais_trace_add_result (trace, "spf", "pass", NULL, properties));
    g_assert_false (relais_trace_add_result (trace, "spf", "pass", NULL, NULL));
    g_assert_true (relais_trace_add_lines (trace, lines, TRACE_MAX_LINES_BYTES));
    g_assert_false (relais_trace_add_lines (trace, "x", 1));
}

static void
test_apply (void)
{
    g_autoptr (RelaisTrace) trace = relais_trace_new ();
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    static const char wanted[] = "Authentication-Results: me;\r\n\tspf=none\r\n"
                                 "B: 2\r\nA: 1\r\nReceived: x\r\n";

    message->prepend = g_bytes_new_static ("Received: x\r\n", 13);
    relais_trace_apply (trace, message, "me");
    g_assert_cmpuint (g_bytes_get_size (message->prepend), ==, 13);
    g_assert_true (relais_trace_add_lines (trace, "A: 1\r\n", 6));
    g_assert_true (relais_trace_add_lines (trace, "B: 2\r\n", 6));
    g_assert_true (relais_trace_add_result (trace, "spf", "none", NULL, NULL));
    relais_trace_apply (trace, message, "me");
    g_assert_cmpmem (g_bytes_get_data (message->prepend, NULL),
                     (int)g_bytes_get_size (message->prepend), wanted, sizeof wanted - 1);
}

static void
test_recognised (void)
{
    static const char *const ours[] = {
        " mx.example.net; spf=pass",
        " MX.Example.NET; none",
        "mx.example.net",
        " mx.example.net 1; spf=pass",
        " mx.example.net. ; spf=pass",
        " (it is) mx.example.net; spf=pass",
        " (it (is\\)) so)\r\n\tmx.example.net\r\n ; spf=pass",
        " \"mx.example.net\"; spf=pass",
        " \"mx\\.example.net\" ; spf=pass",
        " (mx.example.net; spf=pass", /* not to be read, and named */
        " ; mx.example.net",
        " \"mx.example.net",
    };
    static const char *const foreign[] = {
        " mx.example.com; spf=pass",
        " mx.example.net.evil.example; spf=pass",
        " other; spf=pass (mx.example.net)",
        " \"mx.example.ne\"; x",
        "",
        " (",
        " ;",
    };

    for (guint i = 0; i < G_N_ELEMENTS (ours); i++) {
        g_autofree char *copy = g_memdup2 (ours[i], strlen (ours[i]));

        g_test_message ("%s", ours[i]);
        g_assert_true (relais_authserv_id_is (copy, strlen (ours[i]), "mx.example.net"));
    }
    for (guint i = 0; i < G_N_ELEMENTS (foreign); i++) {
        g_autofree char *copy = g_memdup2 (foreign[i], strlen (foreign[i]));

        g_test_message ("%s", foreign[i]);
        g_assert_false (relais_authserv_id_is (copy, strlen (foreign[i]), "mx.example.net"));
    }
}

/* From 0 to 50 forged ones among foreign ones: all forged are cut, no other. */
static void
test_forged (void)
{
    for (guint n = 0; n <= 50; n++) {
        g_autoptr (GString) block = g_string_new (NULL);
        g_autoptr (RelaisMessage) message = relais_message_new (1);
        const RelaisHygieneOptions options = {
            .hostname = "mx", .authserv_id = "mx.example.net", .max_hops = 50, .max_fields = 1000};
        RelaisHeaderRefusal refusal = {0};
        guint64 cut = 0, forged = 0;

        for (guint i = 0; i < n; i++) {
            gsize before = block->len;

            g_string_append (block, "authentication-RESULTS: mx.example.net;\r\n\tspf=pass\r\n");
            forged += block->len - before;
            if (i % 3 == 0)
                g_string_append (block, "Authentication-Results: mx.example.com; spf=fail\r\n");
        }
        g_string_append (block, "From: ann@example.org\r\n\r\n");
        g_assert_true (relais_hygiene_apply (message, (const guint8 *)block->str, block->len,
                                             &options, false, false, &refusal));
        for (guint i = 0; message->cuts != NULL && i < message->cuts->len; i++)
            cut += g_array_index (message->cuts, RelaisRange, i).size;
        g_assert_cmpuint (cut, ==, forged);
    }
}

/* Where this reader sees the end of the header and others go on. */
static void
test_forged_behind (void)
{
#define FORGED(name) name ": mx.example.net; dmarc=pass\r\n"
    static const char *const blocks[] = {
        FORGED ("Authentication-Results ") "From: a@b\r\n\r\n",
        "From: a@b\r\n" FORGED ("authentication-results \t") "\r\n",
        "From a@b Mon\r\nFrom: a@b\r\n" FORGED ("Authentication-Results") "To: c\r\n\r\n",
        "From: a@b\r\nno field\r\n" FORGED ("Authentication-Results") "To : c\r\n\r\n",
        "From: a@b\r\nA B: x\r\n y\r\n" FORGED ("Authentication-Results") "\r\n",
        ": x\r\n" FORGED ("Authentication-Results"),
    };
    static const char foreign[] =
        "From: a@b\r\nAuthentication-Results : mx.example.com; spf=fail\r\n"
        "x\r\nAuthentication-Results\r\n\r\n";
    const RelaisHygieneOptions options = {
        .hostname = "mx", .authserv_id = "mx.example.net", .max_hops = 50, .max_fields = 1000};

    for (guint i = 0; i <= G_N_ELEMENTS (blocks); i++) {
        const char *text = i < G_N_ELEMENTS (blocks) ? blocks[i] : foreign;
        g_autofree char *block = g_memdup2 (text, strlen (text));
        g_autoptr (RelaisMessage) message = relais_message_new (1);
        RelaisHeaderRefusal refusal = {0};
        const RelaisRange *cut;

        g_test_message ("%s", text);
        g_assert_true (relais_hygiene_apply (message, (const guint8 *)block, strlen (text),
                                             &options, false, false, &refusal));
        if (text == foreign) {
            g_assert_null (message->cuts);
            continue;
        }
        g_assert_nonnull (message->cuts);
        g_assert_cmpuint (message->cuts->len, ==, 1);
        cut = &g_array_index (message->cuts, RelaisRange, 0);
        g_assert_cmpint (g_ascii_strncasecmp (text + cut->offset, "Authentication-", 15), ==, 0);
        g_assert_true (g_str_has_prefix (text + cut->offset + cut->size - 6, "pass\r\n"));
    }
#undef FORGED
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/trace/field", test_field);
    g_test_add_func ("/trace/refused", test_refused);
    g_test_add_func ("/trace/limits", test_limits);
    g_test_add_func ("/trace/apply", test_apply);
    g_test_add_func ("/trace/recognised", test_recognised);
    g_test_add_func ("/trace/forged", test_forged);
    g_test_add_func ("/trace/forged-behind", test_forged_behind);
    return g_test_run ();
}
