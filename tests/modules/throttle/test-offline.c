/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What relaisctl throttle lint and replay are made of: each mistake in a configuration is found and told word for
 * word, what is no mistake is not; lines of recorded replies in each of their forms.
 */
#include "config.h"

#include "conf.h"
#include "offline.h"

#include <string.h>

/* --- lint ---------------------------------------------------------------------------------------- */

static char *
mistakes_dir (void)
{
    return g_build_filename (g_getenv ("RELAIS_SRCDIR"), "tests", "modules", "throttle", "mistakes",
                             NULL);
}

static void
test_mistakes (void)
{
    g_autofree char *dir = mistakes_dir ();
    g_autofree char *path = g_build_filename (dir, "findings.tsv", NULL);
    g_autofree char *before = g_strdup_printf ("%s/mistakes.conf:", dir);
    g_autofree char *inside = g_strdup_printf ("%s/", dir);
    g_autofree char *wanted = NULL;
    g_autoptr (GString) found = g_string_new (NULL);
    g_autoptr (RelaisConfig) config = test_conf_of_dir (dir);
    g_autoptr (GPtrArray) findings = throttle_lint (config);

    for (guint i = 0; i < findings->len; i++) {
        const RepliesFinding *finding = g_ptr_array_index (findings, i);

        g_string_append_printf (found, "%s\t%s\t%s\n", finding->place, finding->what,
                                finding->mend);
    }
    g_string_replace (found, before, "\n", 0);
    g_string_replace (found, "\n\n", "\n", 0);
    g_string_replace (found, "(\n", "(mistakes.conf:", 0);
    g_string_replace (found, inside, "", 0);
    g_assert_true (g_file_get_contents (path, &wanted, NULL, NULL));
    g_assert_cmpstr (found->str, ==, wanted);
}

static void
check_clean (const char *text)
{
    g_autoptr (RelaisConfig) config = test_conf_of_text (text);
    g_autoptr (GPtrArray) findings = throttle_lint (config);

    for (guint i = 0; i < findings->len; i++)
        g_test_message ("%s", ((RepliesFinding *)g_ptr_array_index (findings, i))->what);
    g_assert_cmpuint (findings->len, ==, 0);
}

/* Near to each mistake, and none. */
static void
test_clean (void)
{
    check_clean ("");
    check_clean ("[provider a]\nmx = mx.example.com\n[provider b]\nmx = example.com, com.mx\n");
    check_clean ("[provider a]\nmx = .example.com\n[provider b]\nmx = notexample.com\n");
    check_clean ("[throttle-rule a]\ntext = \\[CS01\\] \\d+\naction = slow\n");
    check_clean ("[throttle-rule a]\ntext = 421st .* 550 times\naction = slow\n");
    check_clean ("[throttle-rule a]\ntext = a{1024}\naction = slow\n");
    check_clean ("[throttle-rule a]\nphase = connect, banner\naction = slow\n");
    check_clean ("[throttle-rule a]\nphase = banner, auth\ncode = 535\naction = slow\n");
    check_clean ("[throttle-rule a]\nphase = banner\ncode = 552, 554\naction = slow\n");
    check_clean ("[throttle-rule a]\ncode = 4xx\nenhanced = *.7.1\naction = slow\n");
    /* another provider, code, phase, text; one of two enhanced codes; for all, then for one */
    check_clean ("[provider p]\nmx = p.test\n[provider q]\nmx = q.test\n"
                 "[throttle-rule a]\nprovider = p\ncode = 421\naction = slow\n"
                 "[throttle-rule b]\nprovider = q\ncode = 421\naction = slow\n"
                 "[throttle-rule c]\nprovider = p, q\ncode = 421\naction = slow\n");
    check_clean ("[throttle-rule a]\ncode = 421\nphase = mail\ntext = x\naction = slow\n"
                 "[throttle-rule b]\ncode = 421\nphase = mail\ntext = y\naction = slow\n"
                 "[throttle-rule c]\ncode = 421\nphase = mail, data\ntext = x\naction = slow\n"
                 "[throttle-rule d]\ncode = 421\nphase = mail\naction = slow\n"
                 "[throttle-rule e]\ncode = 42x\nphase = mail\ntext = x\naction = slow\n");
    check_clean ("[throttle-rule a]\nenhanced = 4.7.1-9\naction = slow\n"
                 "[throttle-rule b]\nenhanced = 4.7.9-10\naction = slow\n"
                 "[throttle-rule c]\nenhanced = 4.7.1, 4.3.1\naction = slow\n");
    check_clean ("[provider p]\nmx = p.test\n[throttle-rule a]\ncode = 421\naction = slow\n"
                 "[throttle-rule b]\nprovider = p\ncode = 421\naction = slow\n");
}

/* What is about a lane and looks at no text leaves one mailbox's replies to rules after it. */
static void
test_mailboxes (void)
{
    static const char first[] = "[throttle-rule a]\ncode = 4xx\naction = slow\n";
    g_autofree char *reached = g_strconcat (
        first, "[throttle-rule b]\ncode = 450\nenhanced = 4.2.1\naction = none\n", NULL);
    g_autofree char *not_reached = g_strconcat (
        first, "[throttle-rule b]\ncode = 450\nenhanced = 4.7.1\naction = none\n", NULL);
    g_autoptr (RelaisConfig) config = test_conf_of_text (not_reached);
    g_autoptr (GPtrArray) findings = throttle_lint (config);

    check_clean (reached);
    g_assert_cmpuint (findings->len, ==, 1);
}

static void
test_nearest (void)
{
    static const char *const all[] = {"google", "microsoft-365", "microsoft-consumer", "orange"};
    static const struct {
        const char *name, *nearest;
    } cases[] = {{"gogle", "google"},
                 {"gmail", NULL},
                 {"oragne", "orange"},
                 {"goo", "google"},
                 {"micro", "microsoft-365"},
                 {"", NULL},
                 {"o", NULL},
                 {"microsoft-356", "microsoft-365"}};
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    g_autofree char *longest = g_strnfill (65, 'o');

    for (guint i = 0; i < G_N_ELEMENTS (all); i++)
        g_ptr_array_add (names, (gpointer)all[i]);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        g_assert_cmpstr (replies_nearest (cases[i].name, names), ==, cases[i].nearest);
    g_assert_null (replies_nearest (longest, names));
}

/* --- replay --------------------------------------------------------------------------------------- */

static void
check_line (const char *text, const char *wanted)
{
    g_autofree char *found = NULL;
    RepliesLine line;

    replies_line_parse (text, strlen (text), &line);
    if (line.type == REPLIES_LINE_REPLY)
        found = g_strdup_printf ("%s|%s|%u|%s|%s", line.provider != NULL ? line.provider : "-",
                                 line.phase != NULL ? line.phase : "-", line.code,
                                 line.enhanced != NULL ? line.enhanced : "-",
                                 line.text != NULL ? line.text : "-");
    else
        found = g_strdup (line.type == REPLIES_LINE_BAD ? "bad" : "empty");
    g_assert_cmpstr (found, ==, wanted);
    replies_line_clear (&line);
}

static void
test_lines (void)
{
    check_line ("", "empty");
    check_line ("  \t\r", "empty");
    check_line ("# 421 x", "empty");
    check_line ("421 4.7.28 slow down\r", "-|-|421|-|4.7.28 slow down");
    check_line ("421-4.7.28 slow", "-|-|421|-|4.7.28 slow");
    check_line ("550", "-|-|550|-|");
    check_line ("5501 x", "bad");
    check_line ("55", "bad");
    check_line ("199 x", "bad");
    check_line ("hello", "bad");
    check_line ("google\tmail\t421 x", "google|mail|421|-|x");
    check_line ("-\t\t421 x\ty", "-|-|421|-|x\ty");
    check_line ("google\t421 x", "bad");
    check_line ("google\tmail\tx", "bad");
    check_line ("421 \xff", "bad");
}

static void
test_events (void)
{
    check_line ("{\"seq\":1,\"type\":\"deferred\",\"site\":\"google\",\"code\":421,"
                "\"enhanced\":\"4.7.28\",\"reply\":\"slow \\\"down\\\"\",\"stage\":\"mail\"}",
                "google|mail|421|4.7.28|slow \"down\"");
    check_line (
        "{ \"code\" : 550 , \"a\" : {\"b\":[1,\"}\"]} , \"reply\" : \"\\u00e9\\ud83d\\ude00\" }",
        "-|-|550|-|\xc3\xa9\xf0\x9f\x98\x80");
    check_line ("{\"code\":550,\"reply\":\"\\ud83dx\\u0000\"}",
                "-|-|550|-|\xef\xbf\xbdx\xef\xbf\xbd");
    check_line ("{\"code\":550}", "-|-|550|-|-");
    check_line ("{\"type\":\"queued\"}", "empty");
    check_line ("{}", "empty");
    check_line ("{\"code\":-5}", "empty");
    check_line ("{", "bad");
    check_line ("{\"code\"", "bad");
    check_line ("{\"code\":550", "bad");
    check_line ("{\"code\":[550}", "bad");
    check_line ("{\"reply\":\"x", "bad");
    check_line ("{\"reply\":\"\\x\"}", "bad");
    check_line ("{\"reply\":\"\\u12\"}", "bad");
    check_line ("{\"code\":550} x", "bad");
    check_line ("{\"code\":550,\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", "-|-|550|-|-"); /* 16 deep */
    check_line ("{\"code\":550,\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", "bad");
}

static void
test_line_limit (void)
{
    g_autoptr (GString) text = g_string_new ("421 ");
    RepliesLine line;

    while (text->len < REPLIES_LINE_BYTES)
        g_string_append_c (text, 'x');
    replies_line_parse (text->str, text->len, &line);
    g_assert_cmpint (line.type, ==, REPLIES_LINE_REPLY);
    replies_line_clear (&line);
    g_string_append_c (text, 'x');
    replies_line_parse (text->str, text->len, &line);
    g_assert_cmpint (line.type, ==, REPLIES_LINE_BAD);
    replies_line_parse ("421 a\0b", 7, &line);
    g_assert_cmpint (line.type, ==, REPLIES_LINE_BAD);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/throttle-offline/mistakes", test_mistakes);
    g_test_add_func ("/throttle-offline/clean", test_clean);
    g_test_add_func ("/throttle-offline/mailboxes", test_mailboxes);
    g_test_add_func ("/throttle-offline/nearest", test_nearest);
    g_test_add_func ("/throttle-offline/lines", test_lines);
    g_test_add_func ("/throttle-offline/events", test_events);
    g_test_add_func ("/throttle-offline/line-limit", test_line_limit);
    return g_test_run ();
}
