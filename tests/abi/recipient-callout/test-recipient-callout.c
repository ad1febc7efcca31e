/* SPDX-License-Identifier: MIT
 *
 * recipient-callout in the harness, with a web and a clock of its own: what each answer comes to, that a recipient who
 * exists is not asked about again until his time is over, and that no more are known than may be.
 */
#include <relais/test.h>

#define URL "http://service.test/?a="
#define CONFIG "[recipient-callout]\nurl = " URL "\ndomains = rcpt.test other.test\n"
#define SECOND_US G_GINT64_CONSTANT (1000000)

static RelaisTest *
load (const char *config)
{
    static const gchar *const names[] = {"recipient-callout", NULL};
    RelaisTest *test = relais_test_new (MODULE_DIR);
    g_autoptr (GError) error = NULL;

    relais_test_use_clock (test, 1000 * SECOND_US);
    relais_test_load (test, names, config, &error);
    g_assert_no_error (error);
    return test;
}

static RelaisVerdict
rcpt (RelaisTest *test, const char *address)
{
    relais_test_set_message (test, (const guint8 *)"", 0);
    relais_test_set_sender (test, "a@sender.test");
    relais_test_add_recipient (test, address);
    return relais_test_run (test, RELAIS_HOOK_RCPT);
}

/* How often the service was asked since the last time. */
static guint
n_asked (RelaisTest *test)
{
    guint n = 0;

    for (;;) {
        g_autoptr (GBytes) body = NULL;
        g_autofree char *line = relais_test_take_request (test, &body);

        if (line == NULL)
            return n;
        n++;
    }
}

static void
test_answers (void)
{
    static const struct {
        const char *address, *url;
        guint status;
        RelaisVerdict verdict;
        guint code;
    } rows[] = {
        {"a@rcpt.test", URL "a%40rcpt.test", 200, RELAIS_VERDICT_CONTINUE, 0},
        {"A+b@Rcpt.Test", URL "a%2Bb%40rcpt.test", 204, RELAIS_VERDICT_CONTINUE, 0},
        {"c@rcpt.test", URL "c%40rcpt.test", 404, RELAIS_VERDICT_REJECT, 550},
        {"d@other.test", URL "d%40other.test", 410, RELAIS_VERDICT_REJECT, 550},
        {"e@rcpt.test", URL "e%40rcpt.test", 500, RELAIS_VERDICT_TEMPFAIL, 451},
        {"f@rcpt.test", URL "f%40rcpt.test", 302, RELAIS_VERDICT_TEMPFAIL, 451},
    };
    g_autoptr (RelaisTest) test = load (CONFIG);

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        relais_test_add_page (test, rows[i].url, rows[i].status, NULL, "");
        g_assert_cmpuint (rcpt (test, rows[i].address), ==, rows[i].verdict);
        g_assert_cmpuint (relais_test_get_reply_code (test), ==, rows[i].code);
    }
    g_assert_cmpuint (n_asked (test), ==, G_N_ELEMENTS (rows));
    g_assert_cmpuint (rcpt (test, "x@elsewhere.test"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (n_asked (test), ==, 0);
    g_assert_cmpuint (relais_test_get_count (test, "recipient-callout", "callouts", "absent"), ==,
                      2);
}

static void
test_trouble (void)
{
    g_autoptr (RelaisTest) test = load (CONFIG "timeout = 3s\n");
    g_autoptr (RelaisTest) tolerant = load (CONFIG "on_error = accept\n");

    g_assert_cmpuint (rcpt (test, "a@rcpt.test"), ==, RELAIS_VERDICT_TEMPFAIL); /* no connection */
    relais_test_fail_page (test, URL "b%40rcpt.test", RELAIS_FETCH_TIMEOUT);
    g_assert_cmpuint (rcpt (test, "b@rcpt.test"), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpstr (relais_test_get_reply_enhanced (test), ==, "4.4.3");
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
    g_assert_cmpuint (rcpt (tolerant, "a@rcpt.test"), ==, RELAIS_VERDICT_CONTINUE);
}

/* The service never answers: the fetch's time is over before the ticket's; what it asked is not asked for ever. */
static void
test_silence (void)
{
    g_autoptr (RelaisTest) test = load (CONFIG "timeout = 3s\n");

    relais_test_hold_page (test, URL "a%40rcpt.test");
    g_assert_cmpuint (rcpt (test, "a@rcpt.test"), ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (relais_test_n_fetches (test), ==, 0);
    g_assert_cmpuint (relais_test_n_tickets (test), ==, 0);
}

static void
test_known (void)
{
    g_autoptr (RelaisTest) test = load (CONFIG "keep = 60s\nkeep_entries = 2\n");

    relais_test_add_page (test, URL "a%40rcpt.test", 200, NULL, "");
    relais_test_add_page (test, URL "b%40rcpt.test", 200, NULL, "");
    relais_test_add_page (test, URL "c%40rcpt.test", 200, NULL, "");
    g_assert_cmpuint (rcpt (test, "a@rcpt.test"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (rcpt (test, "A@rcpt.test"), ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (n_asked (test), ==, 1);
    relais_test_advance (test, 60 * SECOND_US);
    rcpt (test, "a@rcpt.test");
    g_assert_cmpuint (n_asked (test), ==, 1);
    rcpt (test, "b@rcpt.test");
    rcpt (test, "a@rcpt.test");
    g_assert_cmpuint (n_asked (test), ==, 1);
    rcpt (test, "c@rcpt.test"); /* for whom there is no room */
    rcpt (test, "c@rcpt.test");
    g_assert_cmpuint (n_asked (test), ==, 1);
    rcpt (test, "a@rcpt.test");
    g_assert_cmpuint (n_asked (test), ==, 1);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/recipient-callout/answers", test_answers);
    g_test_add_func ("/recipient-callout/trouble", test_trouble);
    g_test_add_func ("/recipient-callout/silence", test_silence);
    g_test_add_func ("/recipient-callout/known", test_known);
    return g_test_run ();
}
