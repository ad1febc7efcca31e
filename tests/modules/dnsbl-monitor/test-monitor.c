/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dnsbl-monitor in the harness, under a clock of its own: what every kind of answer makes of a target, when a change
 * counts, what is told then, which sources go out and come back, and zones that are not to be believed. What it shows
 * by command is tests/e2e's.
 */
#include <relais/test.h>

#include <stdbool.h>
#include <string.h>

#define MINUTE_US (60 * (gint64)G_USEC_PER_SEC)
#define HOUR_US (60 * MINUTE_US)
#define START_US (G_GINT64_CONSTANT (1795000000) * G_USEC_PER_SEC)

#define BASE "[relais]\nhostname = mx.test\npostmaster = pm@own.test\n"
#define SOURCES                                                                                    \
    "[source a]\naddress4 = 192.0.2.1\npool = p\n[source b]\naddress4 = 192.0.2.2\npool = p\n"
#define ZONE                                                                                       \
    "[dnsbl-monitor-zone bl]\nzone = bl.test\nkind = address4\n"                                   \
    "codes = 127.0.0.2 = SBL, 127.0.0.3 = CSS, 127.0.0.10-127.0.0.11 = PBL\n"                      \
    "url = https://bl.test/?%{target}\n"

static char *module_dir;

/* Not yet loaded: a store, the clock, and the test point that bl.test lists. */
static RelaisTest *
prepare (void)
{
    RelaisTest *test = relais_test_new (module_dir);

    relais_test_use_memory_store (test);
    relais_test_use_clock (test, START_US);
    g_assert_true (relais_test_add_record (test, "2.0.0.127.bl.test", "A", "127.0.0.2"));
    return test;
}

static void
load (RelaisTest *test, const char *more)
{
    static const gchar *const names[] = {"dnsbl-monitor", NULL};
    g_autofree char *text = g_strconcat (BASE, more, NULL);
    g_autoptr (GError) error = NULL;

    relais_test_load (test, names, text, &error);
    g_assert_no_error (error);
}

static void
reload (RelaisTest *test, const char *more)
{
    g_autofree char *text = g_strconcat (BASE, more, NULL);
    g_autoptr (GError) error = NULL;

    relais_test_reload (test, text, &error);
    g_assert_no_error (error);
}

static guint64
polls (RelaisTest *test, const char *state)
{
    return relais_test_get_count (test, "dnsbl-monitor", "dnsbl_polls", state);
}

/* The next event of a zone or target as text; NULL. Those of sources are passed over. */
static char *
next_event (RelaisTest *test)
{
    for (;;) {
        g_autoptr (GBytes) event = relais_test_take_event (test);
        gsize size;
        const char *data = event != NULL ? g_bytes_get_data (event, &size) : NULL;
        g_autofree char *text = data != NULL ? g_strndup (data, size) : NULL;

        if (text == NULL || strstr (text, "\"type\":\"source\"") == NULL)
            return g_steal_pointer (&text);
    }
}

static void
assert_has (const char *text, const char *part)
{
    if (text == NULL || strstr (text, part) == NULL)
        g_error ("no \"%s\" in: %s", part, text != NULL ? text : "(nothing)");
}

static void
assert_event (RelaisTest *test, const char *one, const char *two)
{
    g_autofree char *event = next_event (test);

    assert_has (event, one);
    assert_has (event, two);
}

static void
assert_quiet (RelaisTest *test)
{
    g_autofree char *event = next_event (test), *notice = relais_test_take_notice (test);

    g_assert_cmpstr (event, ==, NULL);
    g_assert_cmpstr (notice, ==, NULL);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
check_answer (const char *zone, const char *const *addresses, const char *failure,
              const char *wanted)
{
    RelaisTest *test = prepare ();

    for (guint i = 0; addresses[i] != NULL; i++)
        g_assert_true (relais_test_add_record (test, "1.2.0.192.bl.test", "A", addresses[i]));
    if (failure != NULL)
        relais_test_fail_lookup (test, "1.2.0.192.bl.test", failure);
    load (test, zone);
    relais_test_advance (test, 6 * MINUTE_US);
    g_assert_cmpuint (polls (test, wanted), >=, 1);
    g_assert_cmpuint (polls (test, "listed") + polls (test, "clean") + polls (test, "unknown"), ==,
                      polls (test, wanted));
    relais_test_advance (test, 3 * HOUR_US);
    if (g_str_equal (wanted, "listed"))
        assert_event (test, "\"to\":\"listed\"", addresses[0]);
    else
        assert_quiet (test);
    relais_test_free (test);
}

static void
test_answers (void)
{
    static const struct {
        const char *addresses[4], *failure, *wanted;
    } rows[] = {
        {{NULL}, NULL, "clean"},
        {{"127.0.0.2"}, NULL, "listed"},
        {{"127.0.0.3"}, NULL, "listed"},
        {{"127.0.0.11"}, NULL, "listed"},
        {{"127.0.0.3", "127.0.0.99"}, NULL, "listed"},
        {{"127.255.255.254", "127.0.0.2"}, NULL, "listed"},
        {{"127.0.0.1"}, NULL, "unknown"},
        {{"127.0.0.12"}, NULL, "unknown"},
        {{"127.0.1.2"}, NULL, "unknown"},
        {{"127.255.255.252"}, NULL, "unknown"},
        {{"127.255.255.253"}, NULL, "unknown"},
        {{"127.255.255.254"}, NULL, "unknown"},
        {{"127.255.255.255"}, NULL, "unknown"},
        {{"10.0.0.1"}, NULL, "unknown"},
        {{"198.51.100.7"}, NULL, "unknown"},
        {{NULL}, "SERVFAIL", "unknown"},
        {{NULL}, "timeout", "unknown"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        check_answer ("[source a]\naddress4 = 192.0.2.1\n" ZONE, rows[i].addresses, rows[i].failure,
                      rows[i].wanted);
}

/* The name is there, but has no address. */
static void
test_nodata (void)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (test, "1.2.0.192.bl.test", "TXT", "no address");
    load (test, "[source a]\naddress4 = 192.0.2.1\n" ZONE);
    relais_test_advance (test, 6 * MINUTE_US);
    g_assert_cmpuint (polls (test, "clean"), ==, 1);
    relais_test_free (test);
}

static void
test_ignore (void)
{
    static const char *const addresses[] = {"127.0.0.10", NULL};

    check_answer ("[source a]\naddress4 = 192.0.2.1\n" ZONE "ignore = 127.0.0.10-127.0.0.11\n",
                  addresses, NULL, "clean");
}

static void
test_address6 (void)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (
        test, "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.test", "A",
        "127.0.0.2");
    relais_test_add_record (
        test, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test", "A",
        "127.0.0.2");
    load (test, "[source a]\naddress6 = 2001:db8::1\n[dnsbl-monitor-zone bl]\nzone = bl.test\n"
                "kind = address4, address6\ncodes = 127.0.0.2\n");
    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"target\":\"2001:db8::1\"", "\"to\":\"listed\"");
    relais_test_free (test);
}

/* Names of every origin, each once, in a zone of bits. */
static void
test_domains (void)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (test, "test.dbl.test", "A", "127.0.0.6");
    relais_test_add_record (test, "own.test.dbl.test", "A", "127.0.0.12");
    load (test, "[domain own.test]\ntracking = https://t.own.test:8443\n"
                "[tenant shop]\ndomains = Own.Test, *.shop.test, shop.test\n"
                "[dnsbl-monitor]\ndomains = extra.test\n"
                "[dnsbl-monitor-zone dbl]\nzone = dbl.test\nkind = domain\n"
                "codes = bit 2 = black, bit 4 = grey, bit 8 = red\nerrors = bit 1 = refused\n");
    relais_test_advance (test, 6 * MINUTE_US);
    g_assert_cmpuint (polls (test, "clean"), ==, 3);
    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"target\":\"own.test\"", "\"codes\":\"grey, red\"");
    relais_test_free (test);
}

static void
test_private (void)
{
    RelaisTest *test = prepare ();

    load (test, "[source a]\naddress4 = 127.0.0.5\n" ZONE);
    relais_test_advance (test, HOUR_US);
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 0);
    reload (test, "[source a]\naddress4 = 127.0.0.5\n[dnsbl-monitor]\nwatch_private = yes\n" ZONE);
    relais_test_advance (test, HOUR_US);
    g_assert_cmpuint (polls (test, "clean"), >=, 1);
    relais_test_free (test);
}

static void
test_key (void)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (test, "2.0.0.127.s3cret.bl.test", "A", "127.0.0.2");
    relais_test_add_record (test, "1.2.0.192.s3cret.bl.test", "A", "127.0.0.2");
    load (test,
          "[source a]\naddress4 = 192.0.2.1\n[dnsbl-monitor-zone keyed]\nzone = %{key}.bl.test\n"
          "key = s3cret\nkind = address4\ncodes = 127.0.0.2\n");
    relais_test_advance (test, HOUR_US);
    g_autofree char *event = next_event (test), *notice = relais_test_take_notice (test);
    assert_has (event, "\"zone\":\"keyed\"");
    assert_has (notice, "%{key}.bl.test");
    g_assert_null (strstr (event, "s3cret"));
    g_assert_null (strstr (notice, "s3cret"));
    relais_test_free (test);
}

/* --- Changes ---------------------------------------------------------------------------------- */

#define ONE "[source a]\naddress4 = 192.0.2.1\n"
/* Of a target with 127.0.0.3 alone, this makes a clean one, and leaves the test point listed. */
#define DELISTED "ignore = 127.0.0.3\n"

static RelaisTest *
listed (const char *config)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (test, "1.2.0.192.bl.test", "A", "127.0.0.3");
    relais_test_add_record (test, "1.2.0.192.bl.test", "TXT", "spam\nfrom you\303\251\377");
    load (test, config);
    return test;
}

static void
test_confirmed (void)
{
    RelaisTest *test = listed (ONE ZONE);
    g_autofree char *notice = NULL, *clean = NULL;

    relais_test_advance (test, 4 * MINUTE_US);
    g_assert_cmpuint (polls (test, "listed"), ==, 1);
    assert_quiet (test);
    /* Asked again sooner than in an hour, and not before the answer has left the caches. */
    relais_test_advance (test, 2 * MINUTE_US);
    g_assert_cmpuint (polls (test, "listed"), ==, 2);
    g_autofree char *event = next_event (test);
    assert_has (event, "\"target\":\"192.0.2.1\"");
    assert_has (event, "\"zone\":\"bl\"");
    assert_has (event, "\"from\":\"unknown\"");
    assert_has (event, "\"to\":\"listed\"");
    assert_has (event, "\"codes\":\"CSS\"");
    assert_has (event, "\"text\":\"spam from you\303\251\357\277\275\"");
    assert_has (event, "\"url\":\"https://bl.test/?192.0.2.1\"");
    notice = relais_test_take_notice (test);
    assert_has (notice, "192.0.2.1 is listed by bl\n\n");
    assert_has (notice, "127.0.0.3 (CSS)");
    assert_has (notice, "https://bl.test/?192.0.2.1");
    assert_has (notice, "relaisctl dnsbl check 192.0.2.1");
    relais_test_advance (test, 48 * HOUR_US);
    assert_quiet (test);
    reload (test, ONE ZONE DELISTED);
    relais_test_advance (test, 3 * HOUR_US);
    assert_event (test, "\"from\":\"listed\"", "\"to\":\"clean\"");
    clean = relais_test_take_notice (test);
    assert_has (clean, "192.0.2.1 is no longer listed by bl\n\n");
    assert_quiet (test);
    relais_test_free (test);
}

static void
test_more_confirmation (void)
{
    RelaisTest *test = listed (ONE "[dnsbl-monitor]\nconfirm = 4\nconfirm_interval = 10m\n" ZONE);

    relais_test_advance (test, 25 * MINUTE_US);
    g_assert_cmpuint (polls (test, "listed"), ==, 3);
    assert_quiet (test);
    relais_test_advance (test, 10 * MINUTE_US);
    assert_event (test, "\"to\":\"listed\"", "\"zone\":\"bl\"");
    relais_test_free (test);
}

/* What was listed once, and then was not, is nobody's news. */
static void
test_flap (void)
{
    RelaisTest *test = listed (ONE ZONE);

    for (guint i = 0; i < 5; i++) {
        relais_test_advance (test, 2 * MINUTE_US);
        reload (test, ONE ZONE DELISTED);
        relais_test_advance (test, 2 * HOUR_US);
        reload (test, ONE ZONE);
    }
    g_assert_cmpuint (polls (test, "listed"), >=, 1);
    assert_quiet (test);
    relais_test_free (test);
}

/* Nothing is known: what was stays, and that it is so is told once. */
static void
test_long_unknown (void)
{
    RelaisTest *test = listed (ONE ZONE);
    g_autofree char *notice = NULL;

    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"to\":\"listed\"", "bl");
    g_free (relais_test_take_notice (test));
    relais_test_fail_lookup (test, "1.2.0.192.bl.test", "SERVFAIL");
    relais_test_advance (test, 23 * HOUR_US);
    assert_quiet (test);
    relais_test_advance (test, 4 * HOUR_US);
    assert_event (test, "\"from\":\"listed\"", "\"to\":\"unknown\"");
    notice = relais_test_take_notice (test);
    assert_has (notice, "Answer: SERVFAIL");
    relais_test_advance (test, 100 * HOUR_US);
    assert_quiet (test);
    relais_test_free (test);
}

static void
test_alert_ways (void)
{
    RelaisTest *test = listed (ONE "[dnsbl-monitor]\nalert = none\n" ZONE);
    g_autofree char *notice = NULL;

    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"to\":\"listed\"", "bl");
    notice = relais_test_take_notice (test);
    g_assert_cmpstr (notice, ==, NULL);
    relais_test_free (test);
}

static void
test_mails_per_day (void)
{
    static const char config[] =
        "[dnsbl-monitor]\naddresses = 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4\n"
        "mails_per_day = 2\n" ZONE;
    RelaisTest *test = prepare ();
    g_autofree char *notice = NULL;

    for (guint i = 1; i <= 4; i++) {
        g_autofree char *name = g_strdup_printf ("%u.2.0.192.bl.test", i);

        relais_test_add_record (test, name, "A", "127.0.0.2");
    }
    load (test, config);
    relais_test_advance (test, HOUR_US);
    notice = relais_test_take_notice (test);
    assert_has (notice, "mails_per_day");
    g_assert_cmpuint (relais_test_get_count (test, "dnsbl-monitor", "dnsbl_mails", "sent"), ==, 2);
    g_assert_cmpuint (relais_test_get_count (test, "dnsbl-monitor", "dnsbl_mails", "over-limit"),
                      ==, 2);
    for (guint i = 0; i < 4; i++)
        assert_event (test, "\"to\":\"listed\"", "bl");
    relais_test_free (test);
}

/* --- Zones ------------------------------------------------------------------------------------ */

static void
test_dead_zone (void)
{
    RelaisTest *test = relais_test_new (module_dir);
    g_autofree char *notice = NULL;

    relais_test_use_clock (test, START_US);
    relais_test_add_record (test, "1.2.0.192.bl.test", "A", "127.0.0.2");
    load (test, ONE ZONE);
    relais_test_advance (test, 6 * MINUTE_US);
    assert_event (test, "\"type\":\"dnsbl-zone\"", "does not list its test point 127.0.0.2");
    notice = relais_test_take_notice (test);
    assert_has (notice, "[dnsbl-monitor-zone bl]\nenable = no\n");
    relais_test_advance (test, 20 * HOUR_US);
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 1);
    g_assert_cmpuint (polls (test, "not-asked"), >=, 18);
    relais_test_advance (test, 72 * HOUR_US);
    assert_quiet (test);
    /* Once it passes, it counts again. */
    relais_test_add_record (test, "2.0.0.127.bl.test", "A", "127.0.0.2");
    relais_test_advance (test, 30 * HOUR_US);
    assert_event (test, "\"type\":\"dnsbl-zone\"", "\"works\":true");
    assert_event (test, "\"type\":\"dnsbl\"", "\"to\":\"listed\"");
    relais_test_free (test);
}

/* Whoever lists everything takes nobody out, and gives back whom he took. */
static void
test_lists_the_world (void)
{
    RelaisTest *test = listed (SOURCES ZONE);

    relais_test_advance (test, HOUR_US);
    g_assert_nonnull (relais_test_get_source_reason (test, "a"));
    assert_event (test, "\"to\":\"listed\"", "192.0.2.1");
    relais_test_add_record (test, "1.0.0.127.bl.test", "A", "127.0.0.2");
    relais_test_add_record (test, "2.2.0.192.bl.test", "A", "127.0.0.2");
    relais_test_advance (test, 26 * HOUR_US);
    g_assert_cmpstr (relais_test_get_source_reason (test, "a"), ==, NULL);
    g_assert_cmpstr (relais_test_get_source_reason (test, "b"), ==, NULL);
    relais_test_free (test);
}

static void
test_daily (void)
{
    RelaisTest *test = prepare ();
    guint polled;

    load (test, ONE ZONE);
    relais_test_advance (test, 23 * HOUR_US);
    polled = (guint)polls (test, "clean");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, polled + 2);
    relais_test_advance (test, 24 * HOUR_US);
    polled = (guint)polls (test, "clean");
    g_assert_cmpuint (relais_test_n_lookups (test), ==, polled + 4);
    g_assert_cmpuint (polled, >=, 40);
    g_assert_cmpuint (polled, <=, 55);
    relais_test_free (test);
}

/* No answer about a test point: the zone is silent, which is told when it lasts. */
static void
test_silent_zone (void)
{
    RelaisTest *test = prepare ();

    relais_test_fail_lookup (test, "2.0.0.127.bl.test", "timeout");
    load (test, ONE ZONE);
    relais_test_advance (test, 23 * HOUR_US);
    assert_quiet (test);
    g_assert_cmpuint (polls (test, "clean"), ==, 0);
    relais_test_advance (test, 3 * HOUR_US);
    assert_event (test, "\"type\":\"dnsbl-zone\"", "timeout");
    g_free (relais_test_take_notice (test));
    relais_test_advance (test, 72 * HOUR_US);
    assert_quiet (test);
    relais_test_free (test);
}

static void
test_own_points (void)
{
    RelaisTest *test = prepare ();

    relais_test_add_record (test, "point.dbl.test", "A", "127.0.0.2");
    load (test, "[domain own.test]\n[dnsbl-monitor-zone dbl]\nzone = dbl.test\nkind = domain\n"
                "codes = 127.0.0.2\ntest_listed = point\ntest_clean = nothing.test\n");
    relais_test_advance (test, 6 * MINUTE_US);
    g_assert_cmpuint (polls (test, "clean"), ==, 1);
    relais_test_free (test);
}

static void
test_public_resolver (void)
{
    static const char refusing[] =
        ONE "[dns]\nserver = 8.8.8.8\n" ZONE "public_resolver = refused\n";
    RelaisTest *test = listed (refusing);

    relais_test_advance (test, 30 * HOUR_US);
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 0);
    g_assert_cmpuint (polls (test, "not-asked"), >=, 24);
    assert_quiet (test);
    reload (test, ONE "[dns]\nserver = 8.8.8.8\n[dnsbl-monitor]\npublic_resolver = yes\n" ZONE
                      "public_resolver = refused\n");
    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"to\":\"listed\"", "bl");
    relais_test_free (test);
    test = listed (ONE "[dns]\nserver = 8.8.8.8\n" ZONE);
    relais_test_advance (test, HOUR_US);
    assert_event (test, "\"to\":\"listed\"", "bl");
    relais_test_free (test);
}

/* --- Sources ---------------------------------------------------------------------------------- */

static void
test_take_out (void)
{
    RelaisTest *test = listed (SOURCES ZONE);
    g_autofree char *notice = NULL;

    relais_test_advance (test, HOUR_US);
    assert_has (relais_test_get_source_reason (test, "a"),
                "192.0.2.1 is listed by bl since 2026-11-18 ");
    g_assert_cmpstr (relais_test_get_source_reason (test, "b"), ==, NULL);
    notice = relais_test_take_notice (test);
    assert_has (notice, "Source a is out of use: ");
    reload (test, SOURCES ZONE DELISTED);
    g_assert_nonnull (relais_test_get_source_reason (test, "a"));
    relais_test_advance (test, 3 * HOUR_US);
    g_assert_cmpstr (relais_test_get_source_reason (test, "a"), ==, NULL);
    relais_test_free (test);
}

/* A list that has ended says nothing any more: what it listed last takes nobody out for ever. */
static void
test_ended_zone (void)
{
    RelaisTest *test = listed (SOURCES ZONE);

    relais_test_advance (test, HOUR_US);
    g_assert_nonnull (relais_test_get_source_reason (test, "a"));
    relais_test_fail_lookup (test, "2.0.0.127.bl.test", "SERVFAIL");
    relais_test_fail_lookup (test, "1.2.0.192.bl.test", "SERVFAIL");
    relais_test_advance (test, 30 * HOUR_US);
    g_assert_nonnull (relais_test_get_source_reason (test, "a"));
    relais_test_advance (test, 48 * HOUR_US);
    g_assert_cmpstr (relais_test_get_source_reason (test, "a"), ==, NULL);
    reload (test, SOURCES ZONE);
    relais_test_advance (test, HOUR_US);
    g_assert_cmpstr (relais_test_get_source_reason (test, "a"), ==, NULL);
    relais_test_free (test);
}

static void
check_rule (const char *config, bool a_out, bool b_out)
{
    RelaisTest *test = listed (config);

    relais_test_add_record (test, "2.2.0.192.bl.test", "A", "127.0.0.2");
    relais_test_advance (test, HOUR_US);
    g_assert_cmpint (relais_test_get_source_reason (test, "a") != NULL, ==, a_out);
    g_assert_cmpint (relais_test_get_source_reason (test, "b") != NULL, ==, b_out);
    relais_test_free (test);
}

static void
test_rules (void)
{
    /* Both are listed: one of the pool stays. */
    check_rule (SOURCES ZONE, true, false);
    check_rule (SOURCES ZONE "on_listing = none\n", false, false);
    check_rule (SOURCES ZONE "severity = warn\n", false, false);
    check_rule (SOURCES ZONE "severity = warn\non_listing = take-out\n", true, false);
    check_rule (SOURCES "[dnsbl-monitor]\ntake_last = yes\n" ZONE "on_listing = take-out\n", true,
                true);
    /* take_last is for those that were told to take. */
    check_rule (SOURCES "[dnsbl-monitor]\ntake_last = yes\n" ZONE, true, false);
    /* Each alone in its pool, or with one that never sends. */
    check_rule ("[source a]\naddress4 = 192.0.2.1\npool = p\n[source b]\naddress4 = "
                "192.0.2.2\npool = q\n" ZONE,
                false, false);
    check_rule (
        "[source a]\naddress4 = 192.0.2.1\n[source b]\naddress4 = 192.0.2.2\nweight = 0\n" ZONE,
        false, true);
}

/* --- Configuration ---------------------------------------------------------------------------- */

static void
test_bad_configuration (void)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {ZONE "ignore = 127.0.0.2 SBL\n", "\"127.0.0.2 SBL\": expected"},
        {"[dnsbl-monitor-zone x]\nzone = x.test\nkind = address4\ncodes = 127.0.0.1\n",
         "never list"},
        {"[dnsbl-monitor-zone x]\nzone = x.test\nkind = address4\ncodes =\n", "'codes' is missing"},
        {"[dnsbl-monitor-zone x]\nzone = x.test\nkind = address5\ncodes = 127.0.0.2\n",
         "address4, address6 or domain"},
        {"[dnsbl-monitor-zone x]\nzone = x..test\nkind = domain\ncodes = 127.0.0.2\n",
         "name of a zone"},
        {"[dnsbl-monitor-zone x]\nzone = %{key}.test\nkind = domain\ncodes = 127.0.0.2\n",
         "wants a key"},
        {"[dnsbl-monitor-zone x]\nzone = %{key}.test\nkey = a b\nkind = domain\ncodes = "
         "127.0.0.2\n",
         "a key has"},
        {"[dnsbl-monitor]\naddresses = example.org\n", "IPv4 and IPv6 addresses"},
        {"[dnsbl-monitor]\ndomains = 192.0.2.1\n", "names of domains"},
        {"[dnsbl-monitor]\nalert = shout\n", "log, mail or none"},
        {"[dnsbl-monitor]\nparallel = 65\n", "64"},
        {"[dnsbl-monitor]\nconfirm = 0\n", "1"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        static const gchar *const names[] = {"dnsbl-monitor", NULL};
        RelaisTest *test = relais_test_new (module_dir);
        g_autofree char *text = g_strconcat (BASE, rows[i].text, NULL);
        g_autoptr (GError) error = NULL;

        g_assert_false (relais_test_load (test, names, text, &error));
        assert_has (error != NULL ? error->message : NULL, rows[i].wanted);
        relais_test_free (test);
    }
}

/* A zone that is off may be incomplete in what only asking wants. */
static void
test_off (void)
{
    RelaisTest *test = prepare ();

    load (test, ONE "[dnsbl-monitor-zone x]\nenable = no\nzone = %{key}.test\nkind = "
                    "address4\ncodes = 127.0.0.2\n");
    relais_test_advance (test, HOUR_US);
    g_assert_cmpuint (relais_test_n_lookups (test), ==, 0);
    relais_test_free (test);
}

/* What is shipped can be read, and its active zones are asked. */
static void
test_shipped (void)
{
    const char *source = g_getenv ("RELAIS_SRCDIR");
    g_autofree char *path = NULL, *text = NULL, *whole = NULL;
    RelaisTest *test = prepare ();

    g_assert_nonnull (source);
    path = g_build_filename (source, "conf.d", "dnsbl-monitor.conf", NULL);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    whole = g_strconcat (ONE "[domain own.test]\n", text, NULL);
    load (test, whole);
    relais_test_advance (test, 10 * MINUTE_US);
    g_assert_cmpuint (relais_test_n_lookups (test), >=, 8);
    relais_test_free (test);
}

int
main (int argc, char **argv)
{
    int status;

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL |
                            G_LOG_LEVEL_ERROR); /* warnings are what it is for */
    module_dir =
        g_build_filename (g_getenv ("RELAIS_BUILDDIR"), "modules", "dnsbl-monitor", ".libs", NULL);
    g_test_add_func ("/dnsbl-monitor/answers", test_answers);
    g_test_add_func ("/dnsbl-monitor/nodata", test_nodata);
    g_test_add_func ("/dnsbl-monitor/ignore", test_ignore);
    g_test_add_func ("/dnsbl-monitor/address6", test_address6);
    g_test_add_func ("/dnsbl-monitor/domains", test_domains);
    g_test_add_func ("/dnsbl-monitor/private", test_private);
    g_test_add_func ("/dnsbl-monitor/key", test_key);
    g_test_add_func ("/dnsbl-monitor/confirmed", test_confirmed);
    g_test_add_func ("/dnsbl-monitor/more-confirmation", test_more_confirmation);
    g_test_add_func ("/dnsbl-monitor/flap", test_flap);
    g_test_add_func ("/dnsbl-monitor/long-unknown", test_long_unknown);
    g_test_add_func ("/dnsbl-monitor/alert-ways", test_alert_ways);
    g_test_add_func ("/dnsbl-monitor/mails-per-day", test_mails_per_day);
    g_test_add_func ("/dnsbl-monitor/dead-zone", test_dead_zone);
    g_test_add_func ("/dnsbl-monitor/lists-the-world", test_lists_the_world);
    g_test_add_func ("/dnsbl-monitor/daily", test_daily);
    g_test_add_func ("/dnsbl-monitor/silent-zone", test_silent_zone);
    g_test_add_func ("/dnsbl-monitor/own-points", test_own_points);
    g_test_add_func ("/dnsbl-monitor/public-resolver", test_public_resolver);
    g_test_add_func ("/dnsbl-monitor/take-out", test_take_out);
    g_test_add_func ("/dnsbl-monitor/ended-zone", test_ended_zone);
    g_test_add_func ("/dnsbl-monitor/rules", test_rules);
    g_test_add_func ("/dnsbl-monitor/bad-configuration", test_bad_configuration);
    g_test_add_func ("/dnsbl-monitor/off", test_off);
    g_test_add_func ("/dnsbl-monitor/shipped", test_shipped);
    status = g_test_run ();
    g_free (module_dir);
    return status;
}
