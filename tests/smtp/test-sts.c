/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, which MTA-STS policy holds when: each row of sts-private.h's table, what fails, the pause after it,
 * renewal, expiry, restarts, a file that cannot be read. Resolver, HTTP client and clock are this test's own.
 */
#include "config.h"

#include "smtp/sts-private.h"

#include "dns/answer-private.h"
#include "smtp/state-file-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- The world ---------------------------------------------------------------------------------- */

typedef struct {
    RelaisClock clock;
    gint64 mono_us, wall_us;
} TestClock;

static struct {
    TestClock clock;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSts *sts;
    char *dir, *path;
    /* what the resolver says */
    RelaisDnsOutcome outcome;
    const char *records[3];
    guint n_questions;
    /* what the web server says */
    RelaisFetchOutcome fetched;
    guint status;
    const char *type, *body;
    guint n_fetches;
    char *url;
} world;

struct RelaisDnsQuery {
    RelaisDnsFunc func;
    gpointer data;
    RelaisTimer timer;
};

struct RelaisFetch {
    RelaisFetchFunc done;
    gpointer data;
    RelaisTimer timer;
};

static gint64
mono_us (const RelaisClock *self)
{
    return ((const TestClock *)self)->mono_us;
}

static gint64
wall_us (const RelaisClock *self)
{
    return ((const TestClock *)self)->wall_us;
}

static void
answer (gpointer data)
{
    g_autofree RelaisDnsQuery *query = data;
    RelaisDnsAnswer *said = g_new0 (RelaisDnsAnswer, 1);

    said->outcome = world.outcome;
    said->reason = world.outcome == RELAIS_DNS_TEMPORARY ? "timeout" : NULL;
    said->records = g_array_new (FALSE, FALSE, sizeof (RelaisDnsRecord));
    for (gsize i = 0; world.records[i] != NULL; i++) {
        RelaisDnsRecord record = {.bytes = (guint8 *)world.records[i],
                                  .size = strlen (world.records[i])};

        g_array_append_val (said->records, record);
    }
    query->func (query->data, said);
    g_array_unref (said->records);
    g_free (said);
}

RelaisDnsQuery *
relais_dns_query (RelaisDns *dns, const char *name, RelaisDnsType type, RelaisDnsFunc func,
                  gpointer data)
{
    RelaisDnsQuery *query = g_new0 (RelaisDnsQuery, 1);

    g_assert_cmpstr (name, ==, "_mta-sts.rcpt.test");
    g_assert_cmpuint (type, ==, RELAIS_DNS_TXT);
    query->func = func;
    query->data = data;
    world.n_questions++;
    relais_timer_init (&query->timer, world.loop, answer, query);
    relais_timer_set (&query->timer, 0);
    return query;
}

void
relais_dns_cancel (RelaisDnsQuery *query)
{
    if (query == NULL)
        return;
    relais_timer_stop (&query->timer);
    g_free (query);
}

static void
fetched (gpointer data)
{
    g_autofree RelaisFetch *fetch = data;
    g_autofree char *type = g_strdup_printf ("Content-Type: %s", world.type);
    const char *headers[] = {"Server: x", world.type != NULL ? type : NULL, NULL};
    bool ok = world.fetched == RELAIS_FETCH_OK;
    g_autoptr (GBytes) body = g_bytes_new_static (world.body, ok ? strlen (world.body) : 0);
    const RelaisFetchResult result = {.struct_size = sizeof result,
                                      .outcome = world.fetched,
                                      .status = ok ? world.status : 0,
                                      .headers = headers,
                                      .body = body,
                                      .text = ok ? "" : "it went wrong"};

    fetch->done (&result, fetch->data);
}

RelaisFetch *
relais_fetcher_start (RelaisFetcher *fetcher, const RelaisFetchInfo *info, RelaisFetchFunc done,
                      gpointer data)
{
    RelaisFetch *fetch = g_new0 (RelaisFetch, 1);

    g_assert_cmpint (info->timeout_us, ==, RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (info->max_bytes, ==, RELAIS_STS_POLICY_BYTES);
    g_free (world.url);
    world.url = g_strdup (info->url);
    fetch->done = done;
    fetch->data = data;
    world.n_fetches++;
    relais_timer_init (&fetch->timer, world.loop, fetched, fetch);
    relais_timer_set (&fetch->timer, 0);
    return fetch;
}

void
relais_fetcher_drop (RelaisFetch *fetch)
{
    if (fetch == NULL)
        return;
    relais_timer_stop (&fetch->timer);
    g_free (fetch);
}

#define ENFORCE "version: STSv1\nmode: enforce\nmx: mx.rcpt.test\nmax_age: 604800\n"
#define TESTING "version: STSv1\nmode: testing\nmx: mx.rcpt.test\nmax_age: 604800\n"

static void
say_record (RelaisDnsOutcome outcome, const char *text)
{
    world.outcome = outcome;
    world.records[0] = text;
    world.records[1] = NULL;
}

static void
say_policy (RelaisFetchOutcome outcome, guint status, const char *type, const char *body)
{
    world.fetched = outcome;
    world.status = status;
    world.type = type;
    world.body = body;
}

static void
open_sts (void)
{
    const RelaisStsOptions options = {
        .loop = world.loop, .pool = world.pool, .path = world.path, .port = 443};

    world.sts = relais_sts_new (&options);
}

static void
set_up (void)
{
    world.clock =
        (TestClock){{wall_us, mono_us}, RELAIS_USEC_PER_DAY, 1800000000 * RELAIS_USEC_PER_SEC};
    world.dir = g_dir_make_tmp ("relais-sts-XXXXXX", NULL);
    world.path = g_build_filename (world.dir, "mta-sts", NULL);
    world.loop = relais_loop_new (&world.clock.clock, NULL);
    world.pool = relais_pool_new (world.loop, "test", 1, 100);
    world.n_questions = world.n_fetches = 0;
    say_record (RELAIS_DNS_DATA, "v=STSv1; id=1;");
    say_policy (RELAIS_FETCH_OK, 200, "text/plain; charset=utf-8", ENFORCE);
    open_sts ();
}

static void
tear_down (void)
{
    relais_sts_stop (world.sts);
    relais_pool_free (world.pool);
    relais_sts_free (world.sts);
    relais_loop_free (world.loop);
    g_unlink (world.path);
    g_rmdir (world.dir);
    g_free (world.dir);
    g_free (world.path);
    g_clear_pointer (&world.url, g_free);
}

static void
advance (gint64 us)
{
    world.clock.mono_us += us;
    world.clock.wall_us += us;
}

/* --- Asking ------------------------------------------------------------------------------------- */

typedef struct {
    guint told;
    RelaisStsMode mode; /* NONE without policy */
    RelaisStsTrouble trouble;
    char *text;
} Told;

static void
on_told (gpointer data, const RelaisStsResult *result)
{
    Told *told = data;

    told->told++;
    told->mode = result->policy != NULL ? result->policy->mode : RELAIS_STS_MODE_NONE;
    told->trouble = result->trouble;
    g_free (told->text);
    told->text = g_strdup (result->text);
}

static void
run (void)
{
    for (int i = 0; i < 50; i++)
        relais_loop_turn (world.loop, false);
}

static void
expect (RelaisStsMode mode, RelaisStsTrouble trouble, guint n_fetches)
{
    Told told = {0};

    g_assert_nonnull (relais_sts_lookup (world.sts, "rcpt.test", on_told, &told));
    g_assert_cmpuint (told.told, ==, 0);
    run ();
    g_assert_cmpuint (told.told, ==, 1);
    g_test_message ("%s", told.text);
    g_assert_cmpstr (relais_sts_mode_to_string (told.mode), ==, relais_sts_mode_to_string (mode));
    g_assert_cmpint (told.trouble, ==, trouble);
    g_assert_cmpuint (world.n_fetches, ==, n_fetches);
    g_free (told.text);
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void
test_fetched_once (void)
{
    Told told = {0}, other = {0};

    set_up ();
    (void)relais_sts_lookup (world.sts, "rcpt.test", on_told, &told);
    relais_sts_cancel (relais_sts_lookup (world.sts, "rcpt.test", on_told, &other));
    (void)relais_sts_lookup (world.sts, "rcpt.test", on_told, &told);
    run ();
    g_assert_cmpuint (told.told, ==, 2);
    g_assert_cmpuint (other.told, ==, 0);
    g_assert_cmpuint (world.n_questions, ==, 1);
    g_assert_cmpstr (world.url, ==, "https://mta-sts.rcpt.test/.well-known/mta-sts.txt");
    g_free (told.text);
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    tear_down ();
}

static void
test_record_decides (void)
{
    set_up ();
    say_record (RELAIS_DNS_NXDOMAIN, NULL);
    expect (RELAIS_STS_MODE_NONE, RELAIS_STS_FINE, 0);
    say_record (RELAIS_DNS_DATA, "v=spf1 -all");
    expect (RELAIS_STS_MODE_NONE, RELAIS_STS_FINE, 0);
    say_record (RELAIS_DNS_DATA, "v=STSv1; id=1;");
    world.records[1] = "v=STSv1; id=2;";
    expect (RELAIS_STS_MODE_NONE, RELAIS_STS_FINE, 0);
    world.records[1] = "v=spf1 -all";
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    /* a known one outlives its record */
    say_record (RELAIS_DNS_NODATA, NULL);
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    say_record (RELAIS_DNS_TEMPORARY, NULL);
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    /* another id: the one fetched now */
    say_record (RELAIS_DNS_DATA, "v=STSv1; id=2;");
    say_policy (RELAIS_FETCH_OK, 200, "text/plain", TESTING);
    expect (RELAIS_STS_MODE_TESTING, RELAIS_STS_FINE, 2);
    tear_down ();
}

/* What is not known now is not told as absent, to who asks what is published. */
static void
test_record_unknown (void)
{
    static const struct {
        RelaisDnsOutcome outcome;
        const char *known, *text;
    } rows[] = {
        {RELAIS_DNS_TEMPORARY, NULL, "TXT record not known now: timeout"},
        {RELAIS_DNS_NXDOMAIN, NULL, "no TXT record"},
        {RELAIS_DNS_TEMPORARY, "v=STSv1; id=1;",
         "TXT record not known now: timeout; the policy known before holds"},
        {RELAIS_DNS_NODATA, "v=STSv1; id=1;", "no TXT record; the policy known before holds"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        Told told = {0};

        set_up ();
        if (rows[i].known != NULL) {
            say_record (RELAIS_DNS_DATA, rows[i].known);
            expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
        }
        say_record (rows[i].outcome, NULL);
        (void)relais_sts_lookup (world.sts, "rcpt.test", on_told, &told);
        run ();
        g_assert_cmpstr (told.text, ==, rows[i].text);
        g_free (told.text);
        tear_down ();
    }
}

static void
test_failures (void)
{
    static const struct {
        RelaisFetchOutcome outcome;
        guint status;
        const char *type, *body;
        RelaisStsTrouble trouble;
    } rows[] = {
        {RELAIS_FETCH_CONNECT, 0, NULL, "", RELAIS_STS_FETCH_ERROR},
        {RELAIS_FETCH_TIMEOUT, 0, NULL, "", RELAIS_STS_FETCH_ERROR},
        {RELAIS_FETCH_TLS, 0, NULL, "", RELAIS_STS_WEBPKI_INVALID},
        {RELAIS_FETCH_TOO_LARGE, 0, NULL, "", RELAIS_STS_INVALID},
        {RELAIS_FETCH_OK, 404, "text/plain", ENFORCE, RELAIS_STS_FETCH_ERROR},
        {RELAIS_FETCH_OK, 301, "text/plain", ENFORCE, RELAIS_STS_FETCH_ERROR},
        {RELAIS_FETCH_OK, 200, "text/html", ENFORCE, RELAIS_STS_INVALID},
        {RELAIS_FETCH_OK, 200, "text/plainer", ENFORCE, RELAIS_STS_INVALID},
        {RELAIS_FETCH_OK, 200, NULL, ENFORCE, RELAIS_STS_INVALID},
        {RELAIS_FETCH_OK, 200, "text/plain", "<html>", RELAIS_STS_INVALID},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        set_up ();
        say_policy (rows[i].outcome, rows[i].status, rows[i].type, rows[i].body);
        /* without a known one: none; and no second try within five minutes */
        expect (RELAIS_STS_MODE_NONE, rows[i].trouble, 1);
        expect (RELAIS_STS_MODE_NONE, rows[i].trouble, 1);
        advance (5 * RELAIS_USEC_PER_MIN);
        say_policy (RELAIS_FETCH_OK, 200, "text/plain", ENFORCE);
        expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 2);
        /* with a known one: that */
        say_record (RELAIS_DNS_DATA, "v=STSv1; id=2;");
        say_policy (rows[i].outcome, rows[i].status, rows[i].type, rows[i].body);
        expect (RELAIS_STS_MODE_ENFORCE, rows[i].trouble, 3);
        expect (RELAIS_STS_MODE_ENFORCE, rows[i].trouble, 3);
        tear_down ();
    }
}

static void
test_expiry (void)
{
    set_up ();
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    say_policy (RELAIS_FETCH_CONNECT, 0, NULL, "");
    say_record (RELAIS_DNS_NXDOMAIN, NULL);
    advance (604799 * RELAIS_USEC_PER_SEC);
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    advance (RELAIS_USEC_PER_SEC);
    expect (RELAIS_STS_MODE_NONE, RELAIS_STS_FINE, 1);
    g_assert_cmpuint (relais_sts_n_policies (world.sts), ==, 0);
    tear_down ();
}

/* Each day, so that it never expires while it is used and the server is there. */
static void
test_renewal (void)
{
    set_up ();
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    advance (RELAIS_USEC_PER_DAY - RELAIS_USEC_PER_MIN);
    run ();
    g_assert_cmpuint (world.n_fetches, ==, 1);
    advance (11 * RELAIS_USEC_PER_MIN);
    run ();
    g_assert_cmpuint (world.n_fetches, ==, 2);
    /* one that fails changes nothing, and is tried again */
    say_policy (RELAIS_FETCH_CONNECT, 0, NULL, "");
    advance (RELAIS_USEC_PER_DAY);
    run ();
    g_assert_cmpuint (world.n_fetches, ==, 3);
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FETCH_ERROR, 3);
    advance (11 * RELAIS_USEC_PER_MIN);
    run ();
    g_assert_cmpuint (world.n_fetches, ==, 4);
    tear_down ();
}

static void
reopen (void)
{
    relais_sts_stop (world.sts);
    relais_pool_free (world.pool);
    relais_sts_free (world.sts);
    world.pool = relais_pool_new (world.loop, "test", 1, 100);
    open_sts ();
}

static void
test_restart (void)
{
    set_up ();
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    reopen ();
    g_assert_cmpuint (relais_sts_n_policies (world.sts), ==, 1);
    say_policy (RELAIS_FETCH_CONNECT, 0, NULL, "");
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    say_record (RELAIS_DNS_DATA, "v=STSv1; id=2;");
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FETCH_ERROR, 2);
    tear_down ();
}

/* What is written while the daemon runs is there after a crash. */
static void
test_saved_meanwhile (void)
{
    gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

    set_up ();
    expect (RELAIS_STS_MODE_ENFORCE, RELAIS_STS_FINE, 1);
    g_assert_false (g_file_test (world.path, G_FILE_TEST_EXISTS));
    advance (3 * RELAIS_USEC_PER_SEC);
    while (!g_file_test (world.path, G_FILE_TEST_EXISTS) && g_get_monotonic_time () < end)
        run ();
    g_assert_true (g_file_test (world.path, G_FILE_TEST_EXISTS));
    tear_down ();
}

static void
test_broken_file (void)
{
    static const struct {
        const char *text, *warning;
        guint n;
    } rows[] = {
        {"garbage", "*another kind*", 0},
        {"relais-mta-sts 1\nx\nrcpt.test\t1\t0\t9999999999999999\t0\tversion: STSv1|mode: "
         "none|max_age: 5\n"
         "a.test\t1\t0\t-5\t0\tversion: STSv1|mode: none|max_age: 5\n"
         "b.test\t1\t0\t5\t0\tversion: STSv1|mode: nine|max_age: 5\n",
         "3 MTA-STS*", 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        set_up ();
        relais_sts_stop (world.sts);
        relais_sts_free (world.sts);
        g_assert_true (g_file_set_contents (world.path, rows[i].text, -1, NULL));
        g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, rows[i].warning);
        open_sts ();
        g_test_assert_expected_messages ();
        g_assert_cmpuint (relais_sts_n_policies (world.sts), ==, rows[i].n);
        tear_down ();
    }
}

/* As many as are kept, and one more: from the file, and from the net. */
static void
test_most_policies (void)
{
    g_autoptr (GString) text = g_string_new ("relais-mta-sts 1\n");

    for (int i = 0; i <= RELAIS_STS_DOMAINS; i++)
        g_string_append_printf (
            text, "%d.test\t1\t0\t9000000000000000\t0\tversion: STSv1|mode: none|max_age: 5\n", i);
    set_up ();
    relais_sts_stop (world.sts);
    relais_sts_free (world.sts);
    g_assert_true (g_file_set_contents (world.path, text->str, -1, NULL));
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "1 MTA-STS*");
    open_sts ();
    g_test_assert_expected_messages ();
    g_assert_cmpuint (relais_sts_n_policies (world.sts), ==, RELAIS_STS_DOMAINS);
    expect (RELAIS_STS_MODE_NONE, RELAIS_STS_FETCH_ERROR, 1);
    tear_down ();
}

static void
test_large_file (void)
{
    for (int extra = 0; extra <= 1; extra++) {
        set_up ();
        relais_sts_stop (world.sts);
        relais_sts_free (world.sts);
        g_assert_true (g_file_set_contents (world.path, "x", 1, NULL));
        g_assert_cmpint (truncate (world.path, RELAIS_STATE_FILE_BYTES + extra), ==, 0);
        g_test_expect_message ("relais", G_LOG_LEVEL_WARNING,
                               extra == 0 ? "*another kind*" : "*is too large*");
        open_sts ();
        g_test_assert_expected_messages ();
        tear_down ();
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/sts/fetched-once", test_fetched_once);
    g_test_add_func ("/smtp/sts/record-decides", test_record_decides);
    g_test_add_func ("/smtp/sts/record-unknown", test_record_unknown);
    g_test_add_func ("/smtp/sts/failures", test_failures);
    g_test_add_func ("/smtp/sts/expiry", test_expiry);
    g_test_add_func ("/smtp/sts/renewal", test_renewal);
    g_test_add_func ("/smtp/sts/restart", test_restart);
    g_test_add_func ("/smtp/sts/saved-meanwhile", test_saved_meanwhile);
    g_test_add_func ("/smtp/sts/broken-file", test_broken_file);
    g_test_add_func ("/smtp/sts/most-policies", test_most_policies);
    g_test_add_func ("/smtp/sts/large-file", test_large_file);
    return g_test_run ();
}
