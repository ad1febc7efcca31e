/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dnsbl-monitor's pure parts: codes as they are configured and what answers mean by them, the names that are asked
 * for, who is nobody on the Internet, and the memory of a target, which octets of any kind may be read as.
 */
#include "zone.h"

#include <string.h>

#define HOUR_US (3600 * (gint64)G_USEC_PER_SEC)

/* --- Codes ------------------------------------------------------------------------------------ */

static guint32
address (guint a, guint b, guint c, guint d)
{
    return a << 24 | b << 16 | c << 8 | d;
}

static GArray *
parse (const char *text, bool errors)
{
    g_autofree char *problem = NULL;
    GArray *codes = dnsbl_codes_parse (text, errors, &problem);

    g_assert_cmpstr (problem, ==, NULL);
    g_assert_nonnull (codes);
    return codes;
}

static void
test_codes_good (void)
{
    g_autoptr (GArray) codes = parse (
        " 127.0.0.2 = SBL,127.0.0.10-127.0.0.11=PBL , bit 8 = PH, bit64 = ABUSE,127.0.1.4 ", false);
    static const struct {
        guint32 first, last;
        guint bit;
        const char *name;
    } rows[] = {{0x7f000002, 0x7f000002, 0, "SBL"},
                {0x7f00000a, 0x7f00000b, 0, "PBL"},
                {0, 0, 8, "PH"},
                {0, 0, 64, "ABUSE"},
                {0x7f000104, 0x7f000104, 0, "127.0.1.4"}};

    g_assert_cmpuint (codes->len, ==, G_N_ELEMENTS (rows));
    for (guint i = 0; i < codes->len; i++) {
        const DnsblCode *code = &g_array_index (codes, DnsblCode, i);

        g_assert_cmpuint (code->first, ==, rows[i].first);
        g_assert_cmpuint (code->last, ==, rows[i].last);
        g_assert_cmpuint (code->bit, ==, rows[i].bit);
        g_assert_cmpstr (code->name, ==, rows[i].name);
    }
}

static void
test_codes_none (void)
{
    g_autoptr (GArray) nothing = parse (NULL, false), empty = parse ("", false),
                       blank = parse (" \t", false);

    g_assert_cmpuint (nothing->len + empty->len + blank->len, ==, 0);
}

static void
test_codes_bad (void)
{
    static const char *const bad[] = {"127.0.0",
                                      "127.0.0.256",
                                      "127.0.0.2.1",
                                      "127.0.0.",
                                      "127.0.0.2-",
                                      "127.0.0.0002",
                                      "127.0.0.-2",
                                      "127.0.0.2 127.0.0.3",
                                      "127.0.0.2,",
                                      ",",
                                      "127.0.0.3-127.0.0.2",
                                      "127.0.0.1",
                                      "127.0.0.0-127.0.0.2",
                                      "126.0.0.2",
                                      "128.0.0.2",
                                      "127.0.0.2-128.0.0.1",
                                      "127.255.255.0",
                                      "127.255.255.255",
                                      "127.255.254.255-127.255.255.0",
                                      "bit",
                                      "bit 0",
                                      "bit 1",
                                      "bit 3",
                                      "bit 256",
                                      "bit 8 = ",
                                      "= SBL",
                                      "127.0.0.2 = a;b",
                                      "127.0.0.2 = 123456789012345678901234567890123"};

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autofree char *problem = NULL;
        GArray *codes = dnsbl_codes_parse (bad[i], false, &problem);

        if (codes != NULL)
            g_error ("\"%s\" was taken", bad[i]);
        g_assert_nonnull (problem);
    }
}

/* At each bound, and one beyond. */
static void
test_codes_bounds (void)
{
    g_autoptr (GArray) least = parse ("127.0.0.2-127.255.254.255", false);
    g_autoptr (GArray) errors =
        parse ("127.0.0.1, 127.255.255.254, 10.0.0.1, bit 1 = refused", true);
    g_autoptr (GArray) name = parse ("127.0.0.2 = 12345678901234567890123456789012", false);
    g_autoptr (GString) text = g_string_new ("127.0.0.2");
    g_autofree char *problem = NULL;

    g_assert_cmpuint (least->len, ==, 1);
    g_assert_cmpuint (errors->len, ==, 4);
    g_assert_cmpuint (name->len, ==, 1);
    for (guint i = 1; i < DNSBL_CODES; i++)
        g_string_append (text, ",127.0.0.2");
    g_autoptr (GArray) most = parse (text->str, false);
    g_assert_cmpuint (most->len, ==, DNSBL_CODES);
    g_string_append (text, ",127.0.0.2");
    g_assert_null (dnsbl_codes_parse (text->str, false, &problem));
    g_assert_nonnull (strstr (problem, "more than 64"));
}

static void
judge (const DnsblCodes *codes, DnsblVerdict wanted, const char *wanted_names, guint n, ...)
{
    guint32 records[8];
    g_autofree char *names = NULL;
    va_list list;

    va_start (list, n);
    for (guint i = 0; i < n; i++)
        records[i] = va_arg (list, guint32);
    va_end (list);
    g_assert_cmpstr (dnsbl_verdict_to_string (dnsbl_codes_judge (codes, records, n, &names)), ==,
                     dnsbl_verdict_to_string (wanted));
    g_assert_cmpstr (names, ==, wanted_names);
}

static void
test_judge (void)
{
    g_autoptr (GArray) listed = parse (
        "127.0.0.2 = SBL, 127.0.0.3 = CSS, 127.0.0.10-127.0.0.11 = PBL, 127.0.0.4-127.0.0.7 = XBL",
        false);
    g_autoptr (GArray) ignored = parse ("127.0.0.10-127.0.0.11", false);
    g_autoptr (GArray) errors = parse ("127.0.0.7 = odd", true);
    const DnsblCodes codes = {.listed = listed}, less = {listed, ignored, errors};

    judge (&codes, DNSBL_LISTED, "SBL", 1, address (127, 0, 0, 2));
    judge (&codes, DNSBL_LISTED, "PBL", 1, address (127, 0, 0, 11));
    judge (&codes, DNSBL_LISTED, "XBL", 2, address (127, 0, 0, 4), address (127, 0, 0, 7));
    judge (&codes, DNSBL_LISTED, "CSS, SBL", 2, address (127, 0, 0, 3), address (127, 0, 0, 2));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 12));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 1));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (10, 0, 0, 2));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (126, 0, 0, 2));
    for (guint i = 0; i < 256; i++)
        judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 255, 255, i));
    judge (&codes, DNSBL_UNKNOWN, NULL, 0);
    judge (&codes, DNSBL_LISTED, "SBL", 2, address (127, 255, 255, 254), address (127, 0, 0, 2));
    judge (&less, DNSBL_CLEAN, NULL, 1, address (127, 0, 0, 10));
    judge (&less, DNSBL_LISTED, "SBL", 2, address (127, 0, 0, 10), address (127, 0, 0, 2));
    judge (&less, DNSBL_UNKNOWN, NULL, 2, address (127, 0, 0, 10), address (127, 0, 0, 12));
    judge (&less, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 7));
    judge (&less, DNSBL_LISTED, "XBL", 1, address (127, 0, 0, 6));
}

static void
test_judge_bits (void)
{
    g_autoptr (GArray) listed = parse ("bit 2 = black, bit 4 = grey, bit 8 = red", false);
    g_autoptr (GArray) ignored = parse ("bit 4", false);
    g_autoptr (GArray) errors = parse ("bit 1 = refused", true);
    const DnsblCodes codes = {listed, ignored, errors};

    judge (&codes, DNSBL_LISTED, "black", 1, address (127, 0, 0, 2));
    judge (&codes, DNSBL_LISTED, "black, red", 1, address (127, 0, 0, 14));
    judge (&codes, DNSBL_CLEAN, NULL, 1, address (127, 0, 0, 4));
    judge (&codes, DNSBL_LISTED, "red", 1, address (127, 0, 0, 12));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 1));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 3));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 0, 0, 16));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (127, 255, 255, 254));
    judge (&codes, DNSBL_UNKNOWN, NULL, 1, address (203, 0, 113, 2));
}

static void
test_raw (void)
{
    guint32 records[DNSBL_RECORDS + 2];
    g_autofree char *two = NULL, *many = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (records); i++)
        records[i] = address (127, 0, 0, i);
    two = dnsbl_codes_raw (records, 2);
    many = dnsbl_codes_raw (records, G_N_ELEMENTS (records));
    g_assert_cmpstr (two, ==, "127.0.0.0 127.0.0.1");
    g_assert_true (g_str_has_suffix (many, "127.0.0.15 and 2 more"));
}

/* --- Names ------------------------------------------------------------------------------------ */

static void
test_subjects (void)
{
    static const struct {
        const char *text, *wanted;
        DnsblKind kind;
    } rows[] = {{"192.0.2.1", "192.0.2.1", DNSBL_KIND_ADDRESS4},
                {"2001:DB8:0:0::1", "2001:db8::1", DNSBL_KIND_ADDRESS6},
                {"Example.ORG.", "example.org", DNSBL_KIND_DOMAIN},
                {"*.example.org", "example.org", DNSBL_KIND_DOMAIN},
                {"b\303\274cher.example", "xn--bcher-kva.example", DNSBL_KIND_DOMAIN}};
    static const char *const bad[] = {
        "",
        "*",
        "a..b",
        ".",
        "a b",
        "a/b",
        "*.",
        "x*.example.org",
        "1234567890123456789012345678901234567890123456789012345678901234.test"};
    DnsblSubject subject;

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_assert_true (dnsbl_subject_parse (rows[i].text, &subject));
        g_assert_cmpstr (subject.text, ==, rows[i].wanted);
        g_assert_cmpuint (subject.kind, ==, rows[i].kind);
        dnsbl_subject_clear (&subject);
    }
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        if (dnsbl_subject_parse (bad[i], &subject))
            g_error ("\"%s\" was taken", bad[i]);
        dnsbl_subject_clear (&subject);
    }
}

static void
test_private (void)
{
    static const char *const private[] = {"0.0.0.0",
                                          "10.0.0.0",
                                          "10.255.255.255",
                                          "100.64.0.0",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "169.254.1.1",
                                          "172.16.0.0",
                                          "172.31.255.255",
                                          "192.168.0.1",
                                          "224.0.0.0",
                                          "255.255.255.255",
                                          "::",
                                          "::1",
                                          "::ffff:192.0.2.1",
                                          "fc00::1",
                                          "fdff::1",
                                          "fe80::1",
                                          "febf::1",
                                          "ff02::1",
                                          "localhost"};
    static const char *const public[] = {
        "1.0.0.0",       "9.255.255.255", "11.0.0.0",      "100.63.255.255", "100.128.0.0",
        "126.255.255.1", "128.0.0.1",     "169.253.1.1",   "172.15.255.255", "172.32.0.0",
        "192.167.1.1",   "192.169.0.1",   "223.255.255.1", "2001:db8::1",    "fbff::1",
        "fe00::1",       "fec0::1",       "::1:0:0:1",     "example.org"};
    DnsblSubject subject;

    for (guint i = 0; i < G_N_ELEMENTS (private) + G_N_ELEMENTS (public); i++) {
        const bool first = i < G_N_ELEMENTS (private);
        const char *text = first ? private[i] : public[i - G_N_ELEMENTS (private)];

        g_assert_true (dnsbl_subject_parse (text, &subject));
        if (dnsbl_subject_is_private (&subject) != first)
            g_error ("%s is taken for the other", text);
        dnsbl_subject_clear (&subject);
    }
}

static void
check_name (const char *text, const char *suffix, const char *wanted)
{
    DnsblSubject subject;
    g_autofree char *name = NULL;

    g_assert_true (dnsbl_subject_parse (text, &subject));
    name = dnsbl_name_build (&subject, suffix);
    g_assert_cmpstr (name, ==, wanted);
    dnsbl_subject_clear (&subject);
}

static void
test_names (void)
{
    g_autofree char *label = g_strnfill (60, 'a');
    g_autofree char *suffix = g_strjoin (".", label, label, label, "bbbbb", NULL);
    g_autofree char *wanted = g_strjoin (".", label, suffix, "ccc", NULL);
    g_autofree char *longest = g_strconcat (suffix, ".ccc", NULL);
    g_autofree char *too_long = g_strconcat (suffix, ".cccc", NULL);

    check_name ("192.0.2.99", "bl.test", "99.2.0.192.bl.test");
    check_name ("2001:db8:1:2:3:4:567:89ab", "bl.test",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test");
    check_name ("::ffff:7f00:2", "bl.test",
                "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.test");
    check_name ("Sender.Test", "dbl.test", "sender.test.dbl.test");
    g_assert_cmpuint (strlen (wanted), ==, 253);
    check_name (label, longest, wanted);
    check_name (label, too_long, NULL);
}

static void
test_expand (void)
{
    g_autofree char *two = dnsbl_name_expand ("%{key}.a.%{key}", "key", "K");
    g_autofree char *none = dnsbl_name_expand ("a.%{other}", "key", "K");

    g_assert_cmpstr (two, ==, "K.a.K");
    g_assert_cmpstr (none, ==, "a.%{other}");
}

static void
test_resolvers (void)
{
    g_assert_cmpstr (dnsbl_name_public_resolver ("8.8.8.8"), ==, "Google");
    g_assert_cmpstr (dnsbl_name_public_resolver ("1.1.1.1@53"), ==, "Cloudflare");
    g_assert_cmpstr (dnsbl_name_public_resolver ("2620:FE:0::FE@853"), ==, "Quad9");
    g_assert_cmpstr (dnsbl_name_public_resolver ("127.0.0.1@5300"), ==, NULL);
    g_assert_cmpstr (dnsbl_name_public_resolver ("8.8.8.80"), ==, NULL);
    g_assert_cmpstr (dnsbl_name_public_resolver ("rubbish"), ==, NULL);
}

/* --- Records ---------------------------------------------------------------------------------- */

static gint64 now_us;

static DnsblNews
feed (DnsblRecord *record, DnsblVerdict verdict, const char *answer)
{
    const DnsblAnswer given = {verdict, answer, "SBL", "spam came", now_us};
    const DnsblNews news = dnsbl_record_feed (record, &given, 2, 24 * HOUR_US);

    now_us += HOUR_US;
    return news;
}

static void
test_confirm (void)
{
    DnsblRecord *record = dnsbl_record_new ();

    now_us = HOUR_US;
    g_assert_cmpuint (feed (record, DNSBL_CLEAN, "NXDOMAIN"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (record->confirmed, ==, DNSBL_CLEAN);
    g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_NONE);
    g_assert_true (dnsbl_record_is_pending (record));
    /* What is unknown counts neither way. */
    g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "timeout"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (record->confirmed, ==, DNSBL_CLEAN);
    g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_CHANGE);
    g_assert_cmpuint (record->confirmed, ==, DNSBL_LISTED);
    g_assert_cmpint (record->since_us, ==, 2 * HOUR_US);
    g_assert_cmpstr (record->text, ==, "spam came");
    g_assert_false (dnsbl_record_is_pending (record));
    g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (feed (record, DNSBL_CLEAN, "NXDOMAIN"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (feed (record, DNSBL_CLEAN, "NXDOMAIN"), ==, DNSBL_NEWS_CHANGE);
    g_assert_cmpuint (record->changes.length, ==, 3);
    dnsbl_record_free (record);
}

static void
test_flap (void)
{
    DnsblRecord *record = dnsbl_record_new ();

    now_us = HOUR_US;
    for (guint i = 0; i < 50; i++) {
        g_assert_cmpuint (feed (record, DNSBL_CLEAN, "NXDOMAIN"), ==, DNSBL_NEWS_NONE);
        g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_NONE);
    }
    g_assert_cmpuint (record->confirmed, ==, DNSBL_CLEAN);
    g_assert_cmpuint (record->changes.length, ==, 1);
    dnsbl_record_free (record);
}

/* The first thing that is known of it: a listing is news, and wants to be confirmed too. */
static void
test_first_listed (void)
{
    DnsblRecord *record = dnsbl_record_new ();

    now_us = HOUR_US;
    g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (record->confirmed, ==, DNSBL_UNKNOWN);
    g_assert_cmpuint (feed (record, DNSBL_LISTED, "127.0.0.2"), ==, DNSBL_NEWS_CHANGE);
    dnsbl_record_free (record);
}

static void
test_long_unknown (void)
{
    DnsblRecord *record = dnsbl_record_new ();

    now_us = HOUR_US;
    feed (record, DNSBL_CLEAN, "NXDOMAIN");
    for (guint i = 0; i < 24; i++)
        g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "SERVFAIL"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "SERVFAIL"), ==, DNSBL_NEWS_UNKNOWN);
    for (guint i = 0; i < 48; i++)
        g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "SERVFAIL"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (record->confirmed, ==, DNSBL_CLEAN);
    g_assert_cmpuint (feed (record, DNSBL_CLEAN, "NXDOMAIN"), ==, DNSBL_NEWS_NONE);
    for (guint i = 0; i < 24; i++)
        g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "SERVFAIL"), ==, DNSBL_NEWS_NONE);
    g_assert_cmpuint (feed (record, DNSBL_UNKNOWN, "SERVFAIL"), ==, DNSBL_NEWS_UNKNOWN);
    dnsbl_record_free (record);
}

static DnsblRecord *
full_record (void)
{
    DnsblRecord *record = dnsbl_record_new ();

    now_us = HOUR_US;
    for (guint i = 0; i < 3 * DNSBL_CHANGES; i++) {
        const DnsblVerdict verdict = i % 2 == 0 ? DNSBL_CLEAN : DNSBL_LISTED;
        g_autofree char *answer = g_strdup_printf ("answer \303\251 %u", i);

        feed (record, verdict, answer);
        feed (record, verdict, answer);
    }
    feed (record, DNSBL_CLEAN, "NXDOMAIN");
    feed (record, DNSBL_UNKNOWN, "timeout");
    return record;
}

static void
test_pack (void)
{
    DnsblRecord *record = full_record (), *again;
    g_autoptr (GBytes) packed = dnsbl_record_pack (record), repacked = NULL;
    gsize size;
    const guint8 *data = g_bytes_get_data (packed, &size);

    g_assert_cmpuint (record->changes.length, ==, DNSBL_CHANGES);
    again = dnsbl_record_unpack (data, size);
    g_assert_nonnull (again);
    g_assert_cmpuint (again->confirmed, ==, DNSBL_LISTED);
    g_assert_cmpuint (again->n_pending, ==, 1);
    g_assert_cmpuint (again->pending, ==, DNSBL_CLEAN);
    g_assert_cmpint (again->unknown_us, ==, record->unknown_us);
    g_assert_cmpstr (again->answer, ==, "timeout");
    g_assert_cmpuint (again->changes.length, ==, DNSBL_CHANGES);
    repacked = dnsbl_record_pack (again);
    g_assert_true (g_bytes_equal (packed, repacked));
    dnsbl_record_free (again);
    dnsbl_record_free (record);
}

/* Cut anywhere, or with any octet another: it is a record or none, and never more than one may hold. */
static void
test_unpack_damage (void)
{
    DnsblRecord *record = full_record ();
    g_autoptr (GBytes) packed = dnsbl_record_pack (record);
    gsize size;
    const guint8 *data = g_bytes_get_data (packed, &size);
    guint taken = 0;

    for (gsize i = 0; i < size; i++) {
        g_autofree guint8 *copy = g_memdup2 (data, size);
        DnsblRecord *cut = dnsbl_record_unpack (data, i), *other;

        dnsbl_record_free (cut);
        copy[i] = (guint8)(copy[i] ^ (1u << g_test_rand_int_range (0, 8)));
        other = dnsbl_record_unpack (copy, size);
        if (other != NULL) {
            g_assert_cmpuint (other->changes.length, <=, DNSBL_CHANGES);
            g_assert_cmpuint (other->confirmed, <, DNSBL_VERDICTS);
            taken++;
        }
        dnsbl_record_free (other);
    }
    g_assert_cmpuint (taken, >, 0);
    g_assert_null (dnsbl_record_unpack ("", 0));
    dnsbl_record_free (record);
}

static void
test_long_texts (void)
{
    DnsblRecord *record = dnsbl_record_new ();
    g_autofree char *text = g_strnfill (DNSBL_ANSWER + 1, 'a');
    const DnsblAnswer answer = {DNSBL_LISTED, text, text, text, 1};

    dnsbl_record_feed (record, &answer, 1, HOUR_US);
    g_assert_cmpuint (strlen (record->answer), ==, DNSBL_ANSWER);
    g_assert_cmpuint (strlen (record->text), ==, DNSBL_ANSWER);
    g_assert_cmpuint (strlen (record->codes), ==, DNSBL_ANSWER);
    dnsbl_record_free (record);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dnsbl/codes/good", test_codes_good);
    g_test_add_func ("/dnsbl/codes/none", test_codes_none);
    g_test_add_func ("/dnsbl/codes/bad", test_codes_bad);
    g_test_add_func ("/dnsbl/codes/bounds", test_codes_bounds);
    g_test_add_func ("/dnsbl/judge/ranges", test_judge);
    g_test_add_func ("/dnsbl/judge/bits", test_judge_bits);
    g_test_add_func ("/dnsbl/judge/raw", test_raw);
    g_test_add_func ("/dnsbl/name/subjects", test_subjects);
    g_test_add_func ("/dnsbl/name/private", test_private);
    g_test_add_func ("/dnsbl/name/build", test_names);
    g_test_add_func ("/dnsbl/name/expand", test_expand);
    g_test_add_func ("/dnsbl/name/resolvers", test_resolvers);
    g_test_add_func ("/dnsbl/record/confirm", test_confirm);
    g_test_add_func ("/dnsbl/record/flap", test_flap);
    g_test_add_func ("/dnsbl/record/first-listed", test_first_listed);
    g_test_add_func ("/dnsbl/record/long-unknown", test_long_unknown);
    g_test_add_func ("/dnsbl/record/pack", test_pack);
    g_test_add_func ("/dnsbl/record/damage", test_unpack_damage);
    g_test_add_func ("/dnsbl/record/long-texts", test_long_texts);
    return g_test_run ();
}
