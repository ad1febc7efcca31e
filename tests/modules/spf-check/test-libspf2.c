/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * spf-check with evaluator = libspf2 in the harness: its verdicts come through, its budgets are kept for it, and
 * whatever becomes of its process, no check is lost. That it is the library that speaks shows where it differs:
 * it follows a redirect that stands before "all".
 */
#include "tree.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_US (20 * G_USEC_PER_SEC)
#define MESSAGE "From: a@pass.test\r\nSubject: s\r\n\r\nbody\r\n"

static char *module_dir;

static RelaisTest *
load (const char *dir)
{
    static const gchar *const names[] = {"spf-check", NULL};
    RelaisTest *test = relais_test_new (dir);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, "[spf-check]\nevaluator = libspf2\n", &error);
    g_assert_no_error (error);
    relais_test_add_record (test, "pass.test", "TXT", "v=spf1 ip4:192.0.2.0/24 -all");
    relais_test_add_record (test, "fail.test", "TXT", "v=spf1 -all");
    relais_test_add_record (test, "softfail.test", "TXT", "v=spf1 mx ~all");
    relais_test_add_record (test, "softfail.test", "MX", "10 mx.softfail.test");
    relais_test_add_record (test, "mx.softfail.test", "A", "198.51.100.1");
    relais_test_add_record (test, "neutral.test", "TXT", "v=spf1 ?all");
    relais_test_add_record (test, "permerror.test", "TXT", "v=spf1 moo -all");
    relais_test_add_record (test, "octets.test", "TXT", "v=spf1 \xc3\xa9 -all");
    relais_test_add_record (test, "differs.test", "TXT", "v=spf1 redirect=pass.test -all");
    relais_test_fail_lookup (test, "temperror.test", "timeout");
    return test;
}

/* The result of a check, by the counter that it moves. */
static const char *
check (RelaisTest *test, const char *client, const char *sender)
{
    static const char *const results[] = {"none",     "neutral",   "pass",     "fail",
                                          "softfail", "temperror", "permerror"};
    guint64 before[G_N_ELEMENTS (results)];

    for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        before[i] = relais_test_get_count (test, "spf-check", "spf_results", results[i]);
    relais_test_set_client (test, client, "helo.test");
    relais_test_set_message (test, (const guint8 *)MESSAGE, strlen (MESSAGE));
    relais_test_set_sender (test, sender);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_MAIL), ==, RELAIS_VERDICT_CONTINUE);
    for (guint i = 0; i < G_N_ELEMENTS (results); i++)
        if (relais_test_get_count (test, "spf-check", "spf_results", results[i]) > before[i])
            return results[i];
    return NULL;
}

static guint64
failures (RelaisTest *test, const char *reason)
{
    return relais_test_get_count (test, "spf-check", "spf_libspf2_failures", reason);
}

static bool
is_helper (const char *pid)
{
    g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
    g_autofree char *text = NULL;
    g_autofree char *wanted = g_strdup_printf (" %d ", (int)getpid ());
    const char *end;

    if (!g_file_get_contents (path, &text, NULL, NULL) ||
        strstr (text, "(spf-check-libsp)") == NULL)
        return false;
    end = strrchr (text, ')');
    return end != NULL && strlen (end) > 3 && g_str_has_prefix (end + 3, wanted);
}

/* The library's process, which is a child of this one; 0 if there is none. */
static pid_t
find_helper (void)
{
    g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL)
        if (g_ascii_isdigit (name[0]) && is_helper (name))
            return (pid_t)g_ascii_strtoll (name, NULL, 10);
    return 0;
}

/* It is not started at full speed again and again. */
static void
wait_for_library (RelaisTest *test)
{
    const gint64 until = g_get_monotonic_time () + WAIT_US;

    while (strcmp (check (test, "192.0.2.1", "a@differs.test"), "pass") != 0) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        g_usleep (20000);
    }
}

/* --- Cases ------------------------------------------------------------------------------------ */

static void
test_results (void)
{
    static const char *const table[][2] = {
        {"none", "none"},           {"neutral", "neutral"},   {"pass", "pass"},
        {"fail", "fail"},           {"softfail", "softfail"}, {"temperror", "temperror"},
        {"permerror", "permerror"}, {"octets", "permerror"},  {"differs", "pass"}};
    RelaisTest *test = load (module_dir);

    for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autofree char *sender = g_strdup_printf ("a@%s.test", table[i][0]);

        g_assert_cmpstr (check (test, "192.0.2.1", sender), ==, table[i][1]);
        g_assert_cmpstr (check (test, "::ffff:192.0.2.1", sender), ==, table[i][1]);
    }
    g_assert_cmpstr (check (test, "192.0.2.1", ""), ==, "none");
    g_assert_cmpuint (failures (test, "died"), ==, 0);
    relais_test_free (test);
}

/* The record that ends a process in which the library expands explanations (CVE-2023-42118). */
static void
test_hostile_explanation (void)
{
    RelaisTest *test = load (module_dir);
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < 127; i++)
        g_string_append (text, "%{d}");
    g_string_append (text, " is the end");
    relais_test_add_record (test, "hostile.test", "TXT", "v=spf1 -all exp=e.hostile.test");
    relais_test_add_record (test, "e.hostile.test", "TXT", text->str);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpstr (check (test, "192.0.2.1", "a@hostile.test"), ==, "fail");
    g_assert_cmpstr (check (test, "192.0.2.1", "a@differs.test"), ==, "pass");
    g_assert_cmpuint (failures (test, "died"), ==, 0);
    relais_test_free (test);
}

/* Killed: the evaluator of our own takes that check, a new process the next. */
static void
test_killed (void)
{
    RelaisTest *test = load (module_dir);
    pid_t first;

    g_assert_cmpstr (check (test, "192.0.2.1", "a@differs.test"), ==, "pass");
    for (guint i = 0; i < 3; i++) {
        const char *result;

        first = find_helper ();
        g_assert_cmpint (first, >, 0);
        g_assert_cmpint (kill (first, SIGKILL), ==, 0);
        result = check (test, "192.0.2.1", "a@differs.test");
        g_assert_true (strcmp (result, "fail") == 0 || strcmp (result, "pass") == 0);
        wait_for_library (test);
        g_assert_cmpint (find_helper (), !=, first);
    }
    relais_test_free (test);
}

/* Stuck: the same, once its time is up. */
static void
test_stuck (void)
{
    RelaisTest *test = load (module_dir);
    pid_t first;

    g_assert_cmpstr (check (test, "192.0.2.1", "a@differs.test"), ==, "pass");
    first = find_helper ();
    g_assert_cmpint (kill (first, SIGSTOP), ==, 0);
    g_assert_cmpstr (check (test, "192.0.2.1", "a@differs.test"), ==, "fail");
    g_assert_cmpuint (failures (test, "timeout"), ==, 1);
    wait_for_library (test);
    relais_test_free (test);
}

/* Not there: said at the start, if it is asked for. */
static void
test_absent (void)
{
    static const gchar *const names[] = {"spf-check", NULL};
    g_autofree char *dir = g_dir_make_tmp ("spf-check-XXXXXX", NULL);
    g_autofree char *from = g_build_filename (module_dir, "spf-check.so", NULL);
    g_autofree char *to = g_build_filename (dir, "spf-check.so", NULL);
    g_autofree char *bytes = NULL;
    g_autoptr (GError) error = NULL;
    gsize size;
    RelaisTest *test;

    g_assert_true (g_file_get_contents (from, &bytes, &size, NULL));
    g_assert_true (g_file_set_contents (to, bytes, (gssize)size, NULL));
    test = relais_test_new (dir);
    g_assert_false (relais_test_load (test, names, "[spf-check]\nevaluator = libspf2\n", &error));
    g_assert_nonnull (strstr (error->message, "spf-check-libspf2"));
    g_clear_error (&error);
    relais_test_free (test);
    test = relais_test_new (dir);
    g_assert_true (relais_test_load (test, names, "[spf-check]\nevaluator = own\n", &error));
    g_assert_no_error (error);
    relais_test_free (test);
    g_unlink (to);
    g_rmdir (dir);
}

static void
test_budgets (void)
{
    RelaisTest *test = load (module_dir);

    add_tree (test, "tree.test", 3);
    g_assert_cmpstr (check (test, "192.0.2.1", "a@tree.test"), ==, "permerror");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 40);
    relais_test_add_record (test, "void.test", "TXT",
                            "v=spf1 a:no1.test a:no2.test a:no3.test ?all");
    g_assert_cmpstr (check (test, "192.0.2.1", "a@void.test"), ==, "permerror");
    relais_test_add_record (test, "void2.test", "TXT", "v=spf1 a:no1.test a:no2.test ?all");
    g_assert_cmpstr (check (test, "192.0.2.1", "a@void2.test"), ==, "neutral");
    g_assert_cmpuint (failures (test, "died"), ==, 0);
    relais_test_free (test);
}

int
main (int argc, char **argv)
{
    int status;

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR); /* what ends is warned of */
    module_dir =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules", "spf-check", ".libs", NULL);
    g_test_add_func ("/libspf2/results", test_results);
    g_test_add_func ("/libspf2/hostile-explanation", test_hostile_explanation);
    g_test_add_func ("/libspf2/killed", test_killed);
    g_test_add_func ("/libspf2/stuck", test_stuck);
    g_test_add_func ("/libspf2/absent", test_absent);
    g_test_add_func ("/libspf2/budgets", test_budgets);
    status = g_test_run ();
    g_free (module_dir);
    return status;
}
