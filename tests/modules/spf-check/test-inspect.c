/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl spf test` in the harness: each state that a domain's record and our sources can be in, and what is
 * proposed then, byte by byte.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

#define TWO                                                                                        \
    "[source one]\naddress4 = 192.0.2.1\naddress6 = 2001:db8::1\nhelo = one.test\n"                \
    "[source two]\naddress4 = 198.51.100.2\nhelo = two.test\n"
#define ROW(name, source, state, reason, publish)                                                  \
    "{\"name\":\"" name "\",\"source\":\"" source "\",\"state\":\"" state "\",\"reason\":" reason  \
    ",\"publish\":" publish "}\n"
#define NOTE(name, record) "{\"note\":\"Publish at " name " as TXT:\\n" record "\"}\n"
#define RECORDS "relaisctl: 1 of 1 records are not published as they should be\n"
#define ADDRESSES(n, m)                                                                            \
    "relaisctl: " n " of " m " sending addresses are not known to be let send by the SPF record\n"
#define CHOSEN                                                                                     \
    "\"a [source NAME] has no address4 and no address6: the machine's routing chooses its "        \
    "address, which is not known here\""
#define PRIVATE "\"a private address: receivers see another one (NAT), which is not known here\""

static char *module_dir;

static void
add_records (RelaisTest *test)
{
    static const char *const records[][2] = {
        {"good.test", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:more.test -all"},
        {"more.test", "v=spf1 ip4:198.51.100.0/24 -all"},
        {"named.test", "v=spf1 exists:%{l}.%{h}.probe.test -all"},
        {"soft.test", "v=spf1 mx  ip4:192.0.2.1 ~ALL exp=why.test"},
        {"bad.test", "v=spf1 ip4:192.0.2.300 -all"},
        {"two.test", "v=spf1 -all"},
        {"two.test", "V=SPF1 ?all"},
        {"other.test", "google-site-verification=x"},
        {"endless.test", "v=spf1 include:endless.test -all"},
        {"lost.test", "v=spf1 include:dark.test -all"},
        {"open.test", "v=spf1 ip4:192.0.2.1"},
        {"barred.test", "v=spf1 ip4:192.0.2.1 -ip4:198.51.100.0/24 mx ~all"},
        {"sent.test", "v=spf1 redirect=more.test"},
        {"near.test", "v=spf1 ip4:10.0.0.0/8 ip6:fd00::/8 -all"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (records); i++)
        g_assert_true (relais_test_add_record (test, records[i][0], "TXT", records[i][1]));
    relais_test_add_record (test, "probe.one.test.probe.test", "A", "127.0.0.2");
    relais_test_add_record (test, "there.test", "A", "192.0.2.1");
    relais_test_fail_lookup (test, "dark.test", "timeout");
}

static RelaisTest *
load (const char *config)
{
    static const gchar *const names[] = {"spf-check", NULL};
    RelaisTest *test = relais_test_new (module_dir);
    g_autofree char *text = g_strconcat ("[relais]\nhostname = mx.test\n", config, NULL);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, text, &error);
    g_assert_no_error (error);
    add_records (test);
    return test;
}

static void
assert_said (const char *config, const char *domain, int status, const char *said)
{
    const gchar *const words[] = {"--json", "spf", "test", domain, NULL};
    RelaisTest *test = load (config);
    g_autofree char *output = NULL;

    g_test_message ("%s, %s", domain, config);
    g_assert_cmpint (relais_test_command (test, words, &output), ==, status);
    g_assert_cmpstr (output, ==, said);
    relais_test_free (test);
}

/* --- The record ------------------------------------------------------------------------------- */

static void
test_missing (void)
{
    static const char wanted[] =
        ROW ("other.test", "", "missing", "\"there is no SPF record\"",
             "\"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~all\"")
            NOTE ("other.test", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~all")
                RECORDS;

    assert_said (TWO, "other.test", 1, wanted);
    assert_said (TWO "[source again]\naddress4 = 192.0.2.1\nhelo = again.test\n", "Other.TEST", 1,
                 wanted);
    assert_said ("[source one]\naddress4 = 192.0.2.1\n[source near]\naddress4 = 10.0.0.1\n",
                 "there.test", 1,
                 ROW ("there.test", "", "missing", "\"there is no SPF record\"",
                      "\"v=spf1 ip4:192.0.2.1 ~all\"")
                     NOTE ("there.test", "v=spf1 ip4:192.0.2.1 ~all") RECORDS);
    assert_said ("", "nowhere.test", 1,
                 ROW ("nowhere.test", "", "missing", "\"there is no SPF record: no such name\"",
                      "\"v=spf1 a:mx.test ~all\"") NOTE ("nowhere.test", "v=spf1 a:mx.test ~all")
                     RECORDS);
    assert_said ("[source a]\nhelo = localhost\n", "nowhere.test", 1,
                 ROW ("nowhere.test", "", "missing", "\"there is no SPF record: no such name\"",
                      "null") RECORDS);
}

static void
test_ambiguous (void)
{
    assert_said (TWO, "two.test", 1,
                 ROW ("two.test", "", "ambiguous",
                      "\"there are 2 SPF records, of which receivers take none (permerror)\"",
                      "null") RECORDS);
}

static void
test_unusable (void)
{
    assert_said (TWO, "bad.test", 1,
                 ROW ("bad.test", "", "unusable", "\"syntax error: \\\"ip4:192.0.2.300\\\"\"",
                      "null") RECORDS);
    /* It is the receivers' limits that count. */
    assert_said ("[spf-check]\nterms = 50\n[source one]\naddress4 = 192.0.2.1\n", "endless.test", 1,
                 ROW ("endless.test", "192.0.2.1", "unusable", "\"more than 10 terms need DNS\"",
                      "null") ADDRESSES ("1", "1"));
}

static void
test_unknown (void)
{
    assert_said (TWO, "dark.test", 1,
                 ROW ("dark.test", "", "unknown", "\"timeout\"", "null") RECORDS);
    assert_said ("[source one]\naddress4 = 192.0.2.1\n", "lost.test", 1,
                 ROW ("lost.test", "192.0.2.1", "unknown", "\"TXT of dark.test: timeout\"", "null")
                     ADDRESSES ("1", "1"));
}

/* --- The sources ------------------------------------------------------------------------------ */

static void
test_good (void)
{
    assert_said (TWO, "good.test", 0,
                 ROW ("good.test", "192.0.2.1", "good", "null", "null")
                     ROW ("good.test", "2001:db8::1", "good", "null", "null")
                         ROW ("good.test", "198.51.100.2", "good", "null", "null"));
    /* The probe's sender, and the EHLO name of the source, are what macros see. */
    assert_said ("[source one]\naddress4 = 192.0.2.1\nhelo = one.test\n"
                 "[source again]\naddress4 = 192.0.2.1\nhelo = one.test\n",
                 "named.test", 0, ROW ("named.test", "192.0.2.1", "good", "null", "null"));
}

static void
test_not_permitted (void)
{
    assert_said (
        TWO, "soft.test", 1,
        ROW ("soft.test", "192.0.2.1", "good", "null", "null")
            ROW ("soft.test", "2001:db8::1", "not permitted", "\"softfail (~ALL)\"",
                 "\"v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~ALL exp=why.test\"")
                ROW ("soft.test", "198.51.100.2", "not permitted", "\"softfail (~ALL)\"",
                     "\"v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~ALL "
                     "exp=why.test\"")
                    NOTE ("soft.test", "v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 "
                                       "~ALL exp=why.test") ADDRESSES ("2", "3"));
    assert_said ("[source two]\naddress4 = 198.51.100.2\n", "open.test", 1,
                 ROW ("open.test", "198.51.100.2", "not permitted", "\"neutral (default)\"",
                      "\"v=spf1 ip4:192.0.2.1 ip4:198.51.100.2\"")
                     NOTE ("open.test", "v=spf1 ip4:192.0.2.1 ip4:198.51.100.2")
                         ADDRESSES ("1", "1"));
    /* Behind what bars it, it would not be reached. */
    assert_said ("[source two]\naddress4 = 198.51.100.2\n", "barred.test", 1,
                 ROW ("barred.test", "198.51.100.2", "not permitted",
                      "\"fail (-ip4:198.51.100.0/24)\"",
                      "\"v=spf1 ip4:192.0.2.1 ip4:198.51.100.2 -ip4:198.51.100.0/24 mx ~all\"")
                     NOTE ("barred.test", "v=spf1 ip4:192.0.2.1 ip4:198.51.100.2 "
                                          "-ip4:198.51.100.0/24 mx ~all") ADDRESSES ("1", "1"));
    assert_said ("[source one]\naddress6 = 2001:db8::1\n", "sent.test", 1,
                 ROW ("sent.test", "2001:db8::1", "not permitted", "\"fail (-all)\"",
                      "\"v=spf1 ip6:2001:db8::1 redirect=more.test\"")
                     NOTE ("sent.test", "v=spf1 ip6:2001:db8::1 redirect=more.test")
                         ADDRESSES ("1", "1"));
}

/* What is proposed helps: the domain that publishes it is good. */
static void
test_remedy (void)
{
    static const char *const domains[][2] = {
        {"soft.test", "v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~ALL exp=why.test"},
        {"other.test", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 ~all"},
        {"barred.test", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.2 "
                        "-ip4:198.51.100.0/24 mx ~all"},
        {"sent.test", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 redirect=more.test"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (domains); i++) {
        const gchar *words[] = {"--json", "spf", "test", domains[i][0], NULL};
        RelaisTest *test = load (TWO);
        g_autofree char *output = NULL;

        g_assert_cmpint (relais_test_command (test, words, &output), ==, 1);
        g_assert_nonnull (strstr (output, domains[i][1]));
        relais_test_add_record (test, "mended.test", "TXT", domains[i][1]);
        words[3] = "mended.test";
        g_assert_cmpint (relais_test_command (test, words, NULL), ==, 0);
        relais_test_free (test);
    }
}

static void
test_hidden (void)
{
    static const char *const hidden[] = {
        "10.1.2.3",  "172.16.0.1",      "172.31.255.255", "192.168.1.1",
        "127.0.0.1", "169.254.1.1",     "100.64.0.1",     "100.127.0.1",
        "::1",       "fc00::1",         "fdff::1",        "fe80::1",
        "febf::1",   "::ffff:10.0.0.1",
    };
    static const char *const seen[] = {"11.0.0.1",    "172.15.0.1", "172.32.0.1",  "192.169.0.1",
                                       "128.0.0.1",   "100.63.0.1", "100.128.0.1", "fec0::1",
                                       "2001:db8::1", "::2"};

    for (guint i = 0; i < G_N_ELEMENTS (hidden) + G_N_ELEMENTS (seen); i++) {
        const bool is_hidden = i < G_N_ELEMENTS (hidden);
        const char *address = is_hidden ? hidden[i] : seen[i - G_N_ELEMENTS (hidden)];
        const gchar *const words[] = {"--json", "spf", "test", "open.test", NULL};
        g_autofree char *config = g_strdup_printf (
            "[source a]\naddress%c = %s\n", strchr (address, ':') != NULL ? '6' : '4', address);
        RelaisTest *test = load (config);
        g_autofree char *output = NULL;

        g_test_message ("%s", address);
        g_assert_cmpint (relais_test_command (test, words, &output), ==, 1);
        g_assert_nonnull (strstr (output, is_hidden ? "\"state\":\"unknown\",\"reason\":" PRIVATE
                                                    : "\"state\":\"not permitted\""));
        g_assert_true ((strstr (output, "Publish at") != NULL) == !is_hidden);
        relais_test_free (test);
    }
}

/* Who knows better than we is the record: what it names is good, wherever it is. */
static void
test_near (void)
{
    assert_said ("[source a]\naddress4 = 10.0.0.1\naddress6 = fd00::1\n"
                 "[source b]\naddress4 = 192.168.0.1\n",
                 "near.test", 1,
                 ROW ("near.test", "10.0.0.1", "good", "null", "null")
                     ROW ("near.test", "fd00::1", "good", "null", "null")
                         ROW ("near.test", "192.168.0.1", "unknown", PRIVATE, "null")
                             ADDRESSES ("1", "3"));
}

static void
test_chosen (void)
{
    assert_said ("", "good.test", 1,
                 ROW ("good.test", "", "unknown", CHOSEN, "null") ADDRESSES ("1", "1"));
    assert_said (TWO "[source three]\nhelo = three.test\n[source four]\nhelo = four.test\n",
                 "good.test", 1,
                 ROW ("good.test", "192.0.2.1", "good", "null", "null")
                     ROW ("good.test", "2001:db8::1", "good", "null", "null")
                         ROW ("good.test", "198.51.100.2", "good", "null", "null")
                             ROW ("good.test", "", "unknown", CHOSEN, "null") ADDRESSES ("1", "4"));
}

/* --- The command ------------------------------------------------------------------------------ */

static void
test_usage (void)
{
    static const gchar *const calls[][6] = {
        {"spf", "test", NULL},
        {"spf", "test", "", NULL},
        {"spf", "test", "a.test", "b.test", NULL},
        {"spf", "test", "no name.test", NULL},
        {"spf", "test", "localhost", NULL},
        {"spf", "test", "a..test", NULL},
        {"spf", "test", "a.test.", NULL},
        {"spf", "test", ".a.test", NULL},
        {"spf", "test", "b\303\274cher.test", NULL},
    };
    RelaisTest *test = load (TWO);

    for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
        g_autofree char *output = NULL;

        g_assert_cmpint (relais_test_command (test, calls[i], &output), ==, 2);
        g_assert_nonnull (strstr (output, "wanted one DOMAIN, in ASCII (A-labels)"));
    }
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 0);
    relais_test_free (test);
}

/* As people see it, and what it asks: the record once for all, and again for each address. */
static void
test_table (void)
{
    static const gchar *const words[] = {"spf", "test", "more.test", NULL};
    RelaisTest *test = load (TWO);
    g_autofree char *output = NULL;

    g_assert_cmpint (relais_test_command (test, words, &output), ==, 1);
    g_assert_true (g_str_has_prefix (output, "NAME "));
    g_assert_nonnull (strstr (output, "more.test"));
    g_assert_nonnull (strstr (output, "Publish at more.test as TXT:\nv=spf1 ip4:198.51.100.0/24 "
                                      "ip4:192.0.2.1 ip6:2001:db8::1 -all\n"));
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
    g_test_add_func ("/spf-test/missing", test_missing);
    g_test_add_func ("/spf-test/ambiguous", test_ambiguous);
    g_test_add_func ("/spf-test/unusable", test_unusable);
    g_test_add_func ("/spf-test/unknown", test_unknown);
    g_test_add_func ("/spf-test/good", test_good);
    g_test_add_func ("/spf-test/not-permitted", test_not_permitted);
    g_test_add_func ("/spf-test/remedy", test_remedy);
    g_test_add_func ("/spf-test/hidden", test_hidden);
    g_test_add_func ("/spf-test/near", test_near);
    g_test_add_func ("/spf-test/chosen", test_chosen);
    g_test_add_func ("/spf-test/usage", test_usage);
    g_test_add_func ("/spf-test/table", test_table);
    status = g_test_run ();
    g_free (module_dir);
    return status;
}
