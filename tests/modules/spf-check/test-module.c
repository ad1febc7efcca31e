/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * spf-check in the harness: what is asked of DNS at MAIL, what becomes of each result, what stands in the header
 * afterwards, and who is not checked at all. Results themselves are test-suite.py's.
 */
#include "tree.h"

#include <stdbool.h>
#include <string.h>

#define MESSAGE "From: a@pass.test\r\nSubject: s\r\n\r\nbody\r\n"

static char *module_dir;

static RelaisTest *
load (const char *options)
{
    static const gchar *const names[] = {"spf-check", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autofree char *text =
        g_strconcat ("[relais]\nhostname = mx.test\n[spf-check]\n", options, NULL);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, text, &error);
    g_assert_no_error (error);
    relais_test_add_record (test, "pass.test", "TXT", "v=spf1 ip4:192.0.2.0/24 -all");
    relais_test_add_record (test, "fail.test", "TXT", "v=spf1 -all exp=why.fail.test");
    relais_test_add_record (test, "why.fail.test", "TXT", "ask %{o}");
    relais_test_add_record (test, "softfail.test", "TXT", "v=spf1 ~all");
    relais_test_add_record (test, "neutral.test", "TXT", "v=spf1 ?all");
    relais_test_add_record (test, "permerror.test", "TXT", "v=spf1 moo -all");
    relais_test_fail_lookup (test, "temperror.test", "timeout");
    return test;
}

/* A transaction up to MAIL. */
static RelaisVerdict
mail (RelaisTest *test, const char *client, const char *helo, const char *sender)
{
    RelaisVerdict verdict;

    relais_test_set_client (test, client, helo);
    relais_test_set_message (test, (const guint8 *)MESSAGE, strlen (MESSAGE));
    relais_test_set_sender (test, sender);
    relais_test_add_recipient (test, "x@rcpt.test");
    verdict = relais_test_run (test, RELAIS_HOOK_MAIL);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    return verdict;
}

/* And what was put before the message then. */
static char *
fields (RelaisTest *test)
{
    g_autoptr (GBytes) bytes = NULL;
    gsize size;
    const char *text;

    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MESSAGE), ==, RELAIS_VERDICT_CONTINUE);
    bytes = relais_test_get_sealed (test);
    text = g_bytes_get_data (bytes, &size);
    return size > 0 ? g_strndup (text, size) : g_strdup ("");
}

/* --- Results ---------------------------------------------------------------------------------- */

static void
test_results (void)
{
    static const char *const results[] = {"none",     "neutral",   "pass",     "fail",
                                          "softfail", "temperror", "permerror"};
    RelaisTest *test = load ("");

    for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
        g_autofree char *sender = g_strdup_printf ("a@%s.test", results[i]);
        g_autofree char *wanted = g_strdup_printf ("spf=%s smtp.mailfrom=%s", results[i], sender);
        g_autofree char *begin = g_strdup_printf ("Received-SPF: %s\r\n", results[i]);
        g_autofree char *header = NULL, *told = NULL;

        g_assert_cmpuint (mail (test, "192.0.2.1", "helo.test", sender), ==,
                          RELAIS_VERDICT_CONTINUE);
        header = fields (test);
        told = relais_test_get_auth_results (test);
        g_assert_nonnull (strstr (told, wanted));
        g_assert_true (g_str_has_prefix (header, begin));
        g_assert_nonnull (strstr (header, "client-ip=\"192.0.2.1\""));
        g_assert_nonnull (strstr (header, "receiver=\"mx.test\""));
        g_assert_cmpuint (relais_test_get_count (test, "spf-check", "spf_results", results[i]), ==,
                          1);
    }
    relais_test_free (test);
}

static void
test_field (void)
{
    RelaisTest *test = load ("");
    g_autofree char *header = NULL;

    mail (test, "2001:db8::1", "helo.test", "\"a \\\"b\"@pass.test");
    header = fields (test);
    g_assert_cmpstr (header, ==,
                     "Received-SPF: fail\r\n"
                     "\t(mx.test: pass.test does not let 2001:db8::1 send its mail)\r\n"
                     "\treceiver=\"mx.test\"; client-ip=\"2001:db8::1\";\r\n"
                     "\tenvelope-from=\"\\\"a \\\\\\\"b\\\"@pass.test\";\r\n"
                     "\thelo=\"helo.test\"; identity=\"mailfrom\";\r\n"
                     "\tmechanism=\"-all\";\r\n");
    relais_test_free (test);
}

static void
test_null_sender (void)
{
    RelaisTest *test = load ("");
    g_autofree char *header = NULL, *told = NULL;

    mail (test, "192.0.2.1", "pass.test", "");
    header = fields (test);
    told = relais_test_get_auth_results (test);
    g_assert_nonnull (strstr (told, "spf=pass smtp.helo=pass.test"));
    g_assert_nonnull (strstr (header, "identity=\"helo\""));
    relais_test_free (test);
}

static void
test_mapped (void)
{
    RelaisTest *test = load ("");
    g_autofree char *header = NULL;

    mail (test, "::ffff:192.0.2.1", "helo.test", "a@pass.test");
    header = fields (test);
    g_assert_true (g_str_has_prefix (header, "Received-SPF: pass\r\n"));
    relais_test_free (test);
}

/* A transaction knows nothing of the one before. */
static void
test_transactions (void)
{
    RelaisTest *test = load ("skip = 198.51.100.0/24");
    g_autofree char *first = NULL, *second = NULL;

    mail (test, "192.0.2.1", "helo.test", "a@pass.test");
    first = fields (test);
    g_assert_cmpstr (first, !=, "");
    mail (test, "198.51.100.1", "helo.test", "a@pass.test");
    second = fields (test);
    g_assert_cmpstr (second, ==, "");
    relais_test_free (test);
}

/* --- Policy ----------------------------------------------------------------------------------- */

static void
check_reply (RelaisTest *test, guint code, const char *enhanced, const char *text)
{
    g_assert_cmpuint (relais_test_get_reply_code (test), ==, code);
    g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, enhanced);
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, text);
}

static void
test_reject (void)
{
    RelaisTest *test = load ("fail = reject\npermerror = reject\ntemperror = defer\nnone = defer");

    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@fail.test"), ==, RELAIS_VERDICT_REJECT);
    check_reply (
        test, 550, "5.7.23",
        "the SPF record of fail.test does not let 192.0.2.1 send its mail; send it through a "
        "server that the record names, or have 192.0.2.1 put into it");
    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@permerror.test"), ==,
                      RELAIS_VERDICT_REJECT);
    check_reply (test, 550, "5.7.24",
                 "the SPF record of permerror.test is in error (record of permerror.test: unknown "
                 "mechanism: \"moo\"); whoever keeps it has to mend it");
    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@temperror.test"), ==,
                      RELAIS_VERDICT_TEMPFAIL);
    check_reply (test, 451, "4.7.24",
                 "the SPF record of temperror.test cannot be evaluated now (TXT of temperror.test: "
                 "timeout); try again later");
    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@none.test"), ==,
                      RELAIS_VERDICT_TEMPFAIL);
    check_reply (test, 451, "4.7.23",
                 "none.test has no SPF record, which is required here; publish one that names "
                 "192.0.2.1");
    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@pass.test"), ==,
                      RELAIS_VERDICT_CONTINUE);
    relais_test_free (test);
}

static void
test_explain (void)
{
    RelaisTest *test = load ("fail = reject\nexplain = yes");

    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@fail.test"), ==, RELAIS_VERDICT_REJECT);
    check_reply (
        test, 550, "5.7.23",
        "the SPF record of fail.test does not let 192.0.2.1 send its mail; send it through a "
        "server that the record names, or have 192.0.2.1 put into it; fail.test says: ask "
        "fail.test");
    relais_test_free (test);
    test = load ("fail = reject");
    mail (test, "192.0.2.1", "h.test", "a@fail.test");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1);
    relais_test_free (test);
}

static void
test_accept (void)
{
    RelaisTest *test = load ("fail = accept");
    g_autofree char *header = NULL, *told = NULL;

    g_assert_cmpuint (mail (test, "192.0.2.1", "h.test", "a@fail.test"), ==,
                      RELAIS_VERDICT_CONTINUE);
    header = fields (test);
    told = relais_test_get_auth_results (test);
    g_assert_cmpstr (header, ==, "");
    g_assert_true (told == NULL || strstr (told, "spf") == NULL);
    g_assert_cmpuint (relais_test_get_count (test, "spf-check", "spf_results", "fail"), ==, 1);
    relais_test_free (test);
}

/* --- Who is checked --------------------------------------------------------------------------- */

static void
test_skip (void)
{
    static const struct {
        const char *client;
        bool checked;
    } table[] = {{"192.0.2.127", false},     {"192.0.2.128", true},    {"198.51.100.1", false},
                 {"198.51.100.2", true},     {"2001:db8:1::1", false}, {"2001:db8:2::1", true},
                 {"::ffff:192.0.2.1", false}};
    RelaisTest *test = load ("skip = 192.0.2.0/25, 198.51.100.1 2001:db8:1::/48");
    guint skipped = 0;

    for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
        const guint before = relais_test_n_lookups (test);

        mail (test, table[i].client, "h.test", "a@pass.test");
        g_assert_cmpuint (relais_test_n_lookups (test) - before, ==, table[i].checked ? 1 : 0);
        skipped += table[i].checked ? 0 : 1;
    }
    g_assert_cmpuint (relais_test_get_count (test, "spf-check", "spf_skipped", "listed"), ==,
                      skipped);
    relais_test_free (test);
}

static void
test_bad_skip (void)
{
    static const char *const bad[] = {"192.0.2.0/33", "192.0.2", "2001:db8::/129", "a.test",
                                      "1.2.3.4/"};
    static const gchar *const names[] = {"spf-check", NULL};

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        RelaisTest *test = relais_test_new (module_dir);
        g_autofree char *text = g_strdup_printf ("[spf-check]\nskip = %s\n", bad[i]);
        g_autoptr (GError) error = NULL;

        g_assert_false (relais_test_load (test, names, text, &error));
        g_assert_nonnull (strstr (error->message, bad[i]));
        relais_test_free (test);
    }
}

/* --- Cost ------------------------------------------------------------------------------------- */

static void
test_cost (void)
{
    RelaisTest *test = load ("");
    g_autofree char *told = NULL, *header = NULL;

    add_tree (test, "tree.test", 4);
    mail (test, "192.0.2.1", "h.test", "a@tree.test");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1 + 10);
    header = fields (test);
    told = relais_test_get_auth_results (test);
    g_assert_nonnull (strstr (told, "spf=permerror"));
    relais_test_free (test);
    test = load ("terms = 3");
    add_tree (test, "tree.test", 1);
    mail (test, "192.0.2.1", "h.test", "a@tree.test");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1 + 3);
    relais_test_free (test);
}

int
main (int argc, char **argv)
{
    int status;

    g_test_init (&argc, &argv, NULL);
    module_dir =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules", "spf-check", ".libs", NULL);
    g_test_add_func ("/spf-check/results", test_results);
    g_test_add_func ("/spf-check/field", test_field);
    g_test_add_func ("/spf-check/null-sender", test_null_sender);
    g_test_add_func ("/spf-check/mapped", test_mapped);
    g_test_add_func ("/spf-check/transactions", test_transactions);
    g_test_add_func ("/spf-check/reject", test_reject);
    g_test_add_func ("/spf-check/explain", test_explain);
    g_test_add_func ("/spf-check/accept", test_accept);
    g_test_add_func ("/spf-check/skip", test_skip);
    g_test_add_func ("/spf-check/bad-skip", test_bad_skip);
    g_test_add_func ("/spf-check/cost", test_cost);
    status = g_test_run ();
    g_free (module_dir);
    return status;
}
