/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dmarc test` in the harness: each state of what a domain, or one above it, publishes, byte by byte.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

#define ROW(name, policy, state, reason, publish)                                                  \
    "{\"name\":\"" name "\",\"policy\":" policy ",\"state\":\"" state "\",\"reason\":" reason      \
    ",\"publish\":" publish "}\n"
#define REFUSED "relaisctl: 1 of 1 records are not published as they should be\n"
#define PROPOSED(domain) "v=DMARC1; p=none; rua=mailto:postmaster@" domain
#define NO_RECORD "\"there is no DMARC record\""
#define SEVERAL "\"there are 2 DMARC records, of which receivers take none\""
#define NOTHING "the policy none asks nothing of receivers"
#define NOBODY "without rua= nobody gets reports"

static const char *module_dir;

static RelaisTest *
start (void)
{
    static const gchar *const names[] = {"dmarc", NULL};
    static const char *const records[][2] = {
        {"_dmarc.good.test", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@good.test"},
        {"_dmarc.none.test", "v=DMARC1; p=none; rua=mailto:d@none.test"},
        {"_dmarc.mute.test", "v=DMARC1; p=quarantine"},
        {"_dmarc.idle.test", "v=DMARC1; p=none"},
        {"_dmarc.try.test", "v=DMARC1; p=reject; t=y; rua=mailto:d@try.test"},
        {"_dmarc.timid.test", "v=DMARC1; p=reject; sp=none; t=y"},
        {"_dmarc.bare.test", "v=DMARC1; rua=mailto:d@bare.test"},
        {"_dmarc.empty.test", "v=DMARC1"},
        {"_dmarc.odd.test", "v=DMARC1; p=rejct"},
        {"_dmarc.odder.test", "v=DMARC1; p=reject; sp=no; rua=mailto:d@odder.test"},
        {"_dmarc.two.test", "v=DMARC1; p=reject"},
        {"_dmarc.two.test", "v=DMARC1; p=none"},
        {"_dmarc.two.test", "v=spf1 -all"},
        {"_dmarc.two.good.test", "v=DMARC1; p=none"},
        {"_dmarc.two.good.test", "v=DMARC1; p=none"},
        {"_dmarc.own.two.test", "v=DMARC1; p=reject; rua=mailto:d@own.two.test"},
        {"_dmarc.own.dark.test", "v=DMARC1; p=reject; rua=mailto:d@own.dark.test"},
        {"_dmarc.other.test", "v=spf1 -all"},
    };
    RelaisTest *test = relais_test_new (module_dir);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, "", &error);
    g_assert_no_error (error);
    for (guint i = 0; i < G_N_ELEMENTS (records); i++)
        g_assert_true (relais_test_add_record (test, records[i][0], "TXT", records[i][1]));
    relais_test_fail_lookup (test, "_dmarc.dark.test", "timeout");
    return test;
}

typedef struct {
    const char *domain, *said;
    guint n_lookups;
} Case;

static void
check (const Case *cases, gsize n, int status)
{
    g_autoptr (RelaisTest) test = start ();

    for (gsize i = 0; i < n; i++) {
        const gchar *const words[] = {"--json", "dmarc", "test", cases[i].domain, NULL};
        const guint before = relais_test_n_lookups (test);
        g_autofree char *output = NULL;

        g_test_message ("%s", cases[i].domain);
        g_assert_cmpint (relais_test_command (test, words, &output), ==, status);
        g_assert_cmpstr (output, ==, cases[i].said);
        g_assert_cmpuint (relais_test_n_lookups (test) - before, ==, cases[i].n_lookups);
    }
}

/* The domain's own record is found at once; one above it at the end of the walk. */
static void
test_good (void)
{
    static const Case cases[] = {
        {"good.test", ROW ("_dmarc.good.test", "\"reject\"", "good", "null", "null"), 1},
        {"GOOD.Test", ROW ("_dmarc.good.test", "\"reject\"", "good", "null", "null"), 1},
        {"a.good.test", ROW ("_dmarc.good.test", "\"quarantine\"", "good", "null", "null"), 3},
        {"none.test", ROW ("_dmarc.none.test", "\"none\"", "good", "\"" NOTHING "\"", "null"), 1},
        {"mute.test", ROW ("_dmarc.mute.test", "\"quarantine\"", "good", "\"" NOBODY "\"", "null"),
         1},
        {"idle.test",
         ROW ("_dmarc.idle.test", "\"none\"", "good", "\"" NOTHING "; " NOBODY "\"", "null"), 1},
        {"try.test",
         ROW ("_dmarc.try.test", "\"reject\"", "good",
              "\"t=y: receivers do one step less than the policy asks\"", "null"),
         1},
        {"a.timid.test",
         ROW ("_dmarc.timid.test", "\"none\"", "good", "\"" NOTHING "; " NOBODY "\"", "null"), 3},
        {"bare.test", ROW ("_dmarc.bare.test", "\"none\"", "good", "\"" NOTHING "\"", "null"), 1},
        {"own.two.test", ROW ("_dmarc.own.two.test", "\"reject\"", "good", "null", "null"), 1},
        {"own.dark.test", ROW ("_dmarc.own.dark.test", "\"reject\"", "good", "null", "null"), 1},
    };

    check (cases, G_N_ELEMENTS (cases), 0);
}

static void
test_missing (void)
{
    static const Case cases[] = {
        {"other.test",
         ROW ("_dmarc.other.test", "null", "missing", NO_RECORD,
              "\"" PROPOSED ("other.test") "\"") "{\"note\":\"Publish at _dmarc.other.test as "
                                                 "TXT:\\n" PROPOSED ("other.test") "\"}\n" REFUSED,
         2},
        {"news.nowhere.test",
         ROW ("_dmarc.news.nowhere.test", "null", "missing", NO_RECORD,
              "\"" PROPOSED (
                  "news.nowhere.test") "\"") "{\"note\":\"Publish at _dmarc.news.nowhere.test as "
                                             "TXT:\\n" PROPOSED ("news.nowhere.test") "\"}"
                                                                                      "\n" REFUSED,
         3},
    };

    check (cases, G_N_ELEMENTS (cases), 1);
}

/* Several hide what is above them, though receivers go on there; not what is below. */
static void
test_ambiguous (void)
{
    static const Case cases[] = {
        {"two.test", ROW ("_dmarc.two.test", "null", "ambiguous", SEVERAL, "null") REFUSED, 2},
        {"a.b.two.test", ROW ("_dmarc.two.test", "null", "ambiguous", SEVERAL, "null") REFUSED, 4},
        {"two.good.test",
         ROW ("_dmarc.two.good.test", "null", "ambiguous", SEVERAL, "null") REFUSED, 3},
    };

    check (cases, G_N_ELEMENTS (cases), 1);
}

static void
test_unusable (void)
{
    static const Case cases[] = {
        {"empty.test",
         ROW ("_dmarc.empty.test", "null", "unusable", "\"the record has no valid policy\"", "null")
             REFUSED,
         1},
        {"odd.test",
         ROW ("_dmarc.odd.test", "null", "unusable", "\"the record has no valid policy\"", "null")
             REFUSED,
         1},
        {"a.odder.test",
         ROW ("_dmarc.odder.test", "\"none\"", "unusable",
              "\"p=, sp= or np= has no valid value: receivers take it for p=none\"", "null")
             REFUSED,
         3},
    };

    check (cases, G_N_ELEMENTS (cases), 1);
}

/* What the DNS did not say is not missing. */
static void
test_unknown (void)
{
    static const Case cases[] = {
        {"dark.test", ROW ("_dmarc.dark.test", "null", "unknown", "\"timeout\"", "null") REFUSED,
         1},
        {"a.dark.test", ROW ("_dmarc.dark.test", "null", "unknown", "\"timeout\"", "null") REFUSED,
         2},
    };

    check (cases, G_N_ELEMENTS (cases), 1);
}

static void
test_usage (void)
{
    static const gchar *const calls[][6] = {
        {"dmarc", "test", NULL},
        {"dmarc", "test", "a.test", "b.test", NULL},
        {"dmarc", "test", "no name.test", NULL},
        {"dmarc", "test", "test", NULL},
        {"dmarc", "test", "b\303\274cher.test", NULL},
    };
    g_autoptr (RelaisTest) test = start ();

    for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
        g_autofree char *output = NULL;

        g_assert_cmpint (relais_test_command (test, calls[i], &output), ==, 2);
        g_assert_nonnull (strstr (output, "wanted one DOMAIN, in ASCII (A-labels)"));
    }
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 0);
}

int
main (int argc, char **argv)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    g_autofree char *dir =
        g_build_filename (build != NULL ? build : ".", "modules", "dmarc", ".libs", NULL);

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    module_dir = dir;
    g_test_add_func ("/dmarc-test/good", test_good);
    g_test_add_func ("/dmarc-test/missing", test_missing);
    g_test_add_func ("/dmarc-test/ambiguous", test_ambiguous);
    g_test_add_func ("/dmarc-test/unusable", test_unusable);
    g_test_add_func ("/dmarc-test/unknown", test_unknown);
    g_test_add_func ("/dmarc-test/usage", test_usage);
    return g_test_run ();
}
