/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: when mail is tried, told of and given up. Attempts at the instants of their schedule up to the
 * lifetime; what a tenant sets over what its class sets; mail from the null sender; quiet hours and an operator who
 * does not wait for their end.
 */
#include "config.h"

#include "scene.h"

#include "queue/schedule-private.h"
#include "queue/verbs-private.h"

#include <string.h>

#define MIN_US RELAIS_USEC_PER_MIN
#define HOUR_US RELAIS_USEC_PER_HOUR

static Rule always_later[] = {{"MAIL", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};

static void
open_with (Test *test, const char *conf, Rule *rules)
{
    test_open (test, "");
    test->sink->answer = by_rules;
    test->sink->data = rules;
    fixture_reload (&test->fixture, conf);
    fixture_settle (&test->fixture);
}

static const RelaisDelivery *
only_delivery (const Test *test)
{
    const RelaisRecords *records = &test->fixture.queue->records;

    for (guint32 i = 1; i < records->slots.top; i++)
        if (relais_slot_at (records, i)->used)
            return relais_delivery_at (records, relais_slot_at (records, i)->first);
    return NULL;
}

static void
advance_to (Test *test, gint64 mono_us)
{
    fixture_advance (&test->fixture, mono_us - test->fixture.clock.mono_us);
    fixture_settle (&test->fixture);
}

/* --- Attempts ----------------------------------------------------------------------------------- */

static const struct {
    const char *retry, *lifetime;
    gint64 waits_us[8]; /* the last repeats */
    guint n_waits;
    gint64 lifetime_us;
} schedules[] = {
    {"5m", "1h", {5 * MIN_US}, 1, HOUR_US},
    {"1m 2m 5m 10m 15m 30m 1h",
     "6h",
     {MIN_US, 2 * MIN_US, 5 * MIN_US, 10 * MIN_US, 15 * MIN_US, 30 * MIN_US, HOUR_US},
     7,
     6 * HOUR_US},
    {"1h 1m", "3h", {HOUR_US, MIN_US}, 2, 3 * HOUR_US},
    {"1s", "20s", {RELAIS_USEC_PER_SEC}, 1, 20 * RELAIS_USEC_PER_SEC},
    {"4h", "90m", {4 * HOUR_US}, 1, 90 * MIN_US}, /* it has one attempt */
};

/* From one planned moment to the next, each within the jitter that is promised; then the end, on time. */
static void
follow (Test *test, gsize which)
{
    const gint64 born = test->fixture.clock.mono_us, expiry = born + schedules[which].lifetime_us;
    guint n = 1;

    fixture_mail (&test->fixture, "x@a.rcpt.test");
    fixture_settle (&test->fixture);
    for (;; n++) {
        const RelaisDelivery *delivery = only_delivery (test);
        const gint64 due = delivery->due_us;
        const gint64 wait = schedules[which].waits_us[MIN (n, schedules[which].n_waits) - 1];

        g_assert_cmpuint (delivery->attempts, ==, n);
        g_assert_cmpuint (fixture_count (&test->fixture, "deferred"), ==, n);
        g_assert_cmpint (due - test->fixture.clock.mono_us, >=, wait);
        g_assert_cmpint (due - test->fixture.clock.mono_us, <=, wait + wait / 10);
        if (due >= expiry)
            break;
        advance_to (test, due - 1);
        g_assert_cmpuint (fixture_count (&test->fixture, "deferred"), ==, n);
        advance_to (test, due);
    }
    advance_to (test, expiry - 1);
    g_assert_cmpuint (fixture_count (&test->fixture, "expired"), ==, 0);
    advance_to (test, expiry + RELAIS_USEC_PER_SEC); /* deadlines are of whole seconds */
    g_assert_cmpuint (fixture_count (&test->fixture, "expired"), ==, 1);
    g_assert_cmpuint (fixture_count (&test->fixture, "deferred"), ==, n);
    g_assert_nonnull (strstr (fixture_last (&test->fixture, "expired"), "\"enhanced\":\"4.4.7\""));
}

static void
test_attempts (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++) {
        g_autofree char *conf =
            g_strdup_printf ("[class transactional]\nretry = %s\nlifetime = %s\n",
                             schedules[i].retry, schedules[i].lifetime);
        Test test;

        g_test_message ("%s", conf);
        open_with (&test, conf, always_later);
        follow (&test, i);
        test_close (&test);
    }
}

/* --- Who sets what ------------------------------------------------------------------------------ */

static const RelaisSchedule *
schedule_of (const Test *test, RelaisClass klass, const char *tenant)
{
    return relais_queue_settings_schedule (&test->fixture.queue->settings, klass, tenant);
}

static void
test_overrides (void)
{
    Test test;
    const RelaisSchedule *all, *shop, *club, *other;

    open_with (&test,
               "[tenant shop]\n[tenant club]\n"
               "[class bulk]\nretry = 7m 14m\nlifetime = 3d\ndelay_notice = 4h 1d\n"
               "quiet_hours = 22:00-07:00\nquiet_zone = UTC\nquiet_spread = 5m\n"
               "[class bulk/shop]\nlifetime = 1d\ndelay_notice = 2h\nquiet_hours =\n"
               "[class bulk/club]\nretry = 1m\nbounce_lifetime = 6h\nquiet_spread = 1m\n"
               "quiet_hours = 12:00-13:00\n",
               always_later);
    all = schedule_of (&test, RELAIS_CLASS_BULK, "");
    shop = schedule_of (&test, RELAIS_CLASS_BULK, "shop");
    club = schedule_of (&test, RELAIS_CLASS_BULK, "club");
    other = schedule_of (&test, RELAIS_CLASS_TRANSACTIONAL, "shop");
    g_assert_true (schedule_of (&test, RELAIS_CLASS_BULK, "nobody") == all);
    /* class over default */
    g_assert_cmpint (all->retry_us[0], ==, 7 * MIN_US);
    g_assert_cmpint (all->quiet_spread_us, ==, 5 * MIN_US);
    g_assert_cmpint (other->quiet_spread_us, ==, 10 * MIN_US);
    g_assert_cmpuint (other->n_notices, ==, 0);
    g_assert_null (other->quiet);
    /* tenant over class, where it says something */
    g_assert_cmpuint (shop->n_retry, ==, 2);
    g_assert_cmpint (shop->retry_us[1], ==, 14 * MIN_US);
    g_assert_cmpint (shop->lifetime_us, ==, RELAIS_USEC_PER_DAY);
    g_assert_cmpint (shop->bounce_lifetime_us, ==, RELAIS_USEC_PER_DAY);
    g_assert_cmpuint (shop->n_notices, ==, 1);
    g_assert_cmpint (shop->notices_us[0], ==, 2 * HOUR_US);
    g_assert_null (shop->quiet);
    g_assert_cmpuint (club->n_retry, ==, 1);
    g_assert_cmpint (club->lifetime_us, ==, 3 * RELAIS_USEC_PER_DAY);
    g_assert_cmpint (club->bounce_lifetime_us, ==, 6 * HOUR_US);
    g_assert_cmpuint (club->n_notices, ==, 2);
    g_assert_cmpint (club->quiet_spread_us, ==, MIN_US);
    g_assert_cmpuint (relais_quiet_longest_hours (club->quiet), ==, 1);
    g_assert_cmpuint (relais_quiet_longest_hours (all->quiet), ==, 9);
    test_close (&test);
}

/* --- Mail from the null sender ------------------------------------------------------------------ */

/* A report that cannot be delivered ends after its own lifetime, once, and nobody is told. */
static void
test_bounce_lifetime (void)
{
    Rule rules[] = {{"<gone@", "550 5.1.1 no such user", 0},
                    {"RCPT TO:<a@in.", "450 4.2.0 greylisted", 0},
                    {NULL, NULL, 0}};
    const char *recipients[] = {"gone@a.rcpt.test", NULL};
    Test test;
    gint64 born;

    open_with (&test, "[class transactional]\nbounce_lifetime = 6h\ndelay_notice = 1h\n", rules);
    born = test.fixture.clock.mono_us;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_cmpuint (figures (&test).messages, ==, 1); /* the report */
    advance_to (&test, born + 6 * HOUR_US - 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 0);
    g_assert_cmpuint (figures (&test).messages, ==, 1);
    advance_to (&test, born + 6 * HOUR_US + RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "delayed"), ==, 0);
    g_assert_nonnull (
        strstr (fixture_last (&test.fixture, "expired"), "\"recipient\":\"a@in.rcpt.test\""));
    g_assert_nonnull (strstr (fixture_last (&test.fixture, "expired"), "\"sender\":\"\""));
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    restart (&test, HOUR_US);
    fixture_settle (&test.fixture);
    fixture_advance (&test.fixture, RELAIS_USEC_PER_DAY);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

/* --- Quiet hours -------------------------------------------------------------------------------- */

#define QUIET "[class bulk]\nquiet_hours = mon 14:00-18:00\nquiet_zone = UTC\nquiet_spread = 0\n"
#define QUIET_LEFT_US (226 * MIN_US + 40 * RELAIS_USEC_PER_SEC) /* it is 14:13:20 on a Monday */

static guint64
hot_bytes (const Test *test)
{
    RelaisSpoolFigures figures;

    relais_spool_figures (test->fixture.spool, &figures);
    return figures.hot_bytes;
}

static guint64
submit_bulk (Test *test, const char *recipient)
{
    const char *recipients[] = {recipient, NULL};

    return fixture_submit (
        &test->fixture,
        &(Mail){.sender = "a@sender.test", .recipients = recipients, .klass = RELAIS_CLASS_BULK});
}

typedef struct {
    guint64 n, n_waiting;
} Applied;

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    *(Applied *)data = (Applied){n, n_waiting};
}

static void
apply (Test *test, RelaisVerb verb, const RelaisSelection *selection, guint64 n, guint64 n_waiting)
{
    Applied applied = {G_MAXUINT64, G_MAXUINT64};

    relais_queue_apply (test->fixture.queue, verb, selection, on_applied, &applied);
    fixture_settle (&test->fixture);
    g_assert_cmpuint (applied.n, ==, n);
    g_assert_cmpuint (applied.n_waiting, ==, n_waiting);
    fixture_check (&test->fixture);
}

static void
test_force (void)
{
    Rule none[] = {{NULL, NULL, 0}};
    guint64 id;
    Test test;

    open_with (&test, QUIET, none);
    for (guint i = 0; i < 2; i++)
        submit_bulk (&test, "x@a.rcpt.test");
    id = submit_bulk (&test, "y@a.rcpt.test");
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (hot_bytes (&test), ==, 0); /* what waits for hours is on disk alone */
    apply (&test, RELAIS_VERB_RETRY, &(RelaisSelection){0}, 3, 3);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpstr (sink_message (test.sink, 1)->recipients->pdata[0], ==, "y@a.rcpt.test");
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.domain = "a.rcpt.test"}, 2, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 4);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    test_close (&test);
}

/* One attempt is asked for: what is deferred then waits for the end of quiet hours like the others. */
static void
test_force_once (void)
{
    Rule rules[] = {{"MAIL", "450 4.2.0 greylisted", 1}, {NULL, NULL, 0}};
    Test test;

    open_with (&test, QUIET, rules);
    submit_bulk (&test, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){0}, 1, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    fixture_advance (&test.fixture, HOUR_US);
    fixture_settle (&test.fixture);
    fixture_check (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    fixture_advance (&test.fixture, QUIET_LEFT_US - HOUR_US - RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    for (guint i = 0; i < 2; i++) {
        fixture_advance (&test.fixture, MIN_US);
        fixture_settle (&test.fixture);
    }
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    test_close (&test);
}

/* The destination was never looked up, or cannot be: what is forced has its own attempt, the others none. */
static void
test_force_unknown_destination (void)
{
    Rule none[] = {{NULL, NULL, 0}};
    guint64 id;
    Test test;

    open_with (&test, QUIET, none);
    fake_dns_set ("slow.test", "4.4.3 timeout");
    id = submit_bulk (&test, "x@slow.test");
    submit_bulk (&test, "y@slow.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fake_dns_lookups, ==, 0);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    fake_dns_set ("slow.test", "mx.slow.test=127.0.0.1");
    fixture_advance (&test.fixture, 2 * MIN_US);
    fixture_settle (&test.fixture);
    apply (&test, RELAIS_VERB_RETRY, &(RelaisSelection){.id = id}, 1, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpuint (figures (&test).deliveries, ==, 1);
    test_close (&test);
}

/* Held while it was to be forced, and released: it is like the others again. */
static void
test_release_rests (void)
{
    Rule rules[] = {{"MAIL", "450 4.2.0 greylisted", 1}, {NULL, NULL, 0}};
    guint64 id;
    Test test;

    open_with (&test, QUIET, rules);
    id = submit_bulk (&test, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    apply (&test, RELAIS_VERB_HOLD, &(RelaisSelection){.id = id}, 1, 0);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (figures (&test).held, ==, 1);
    apply (&test, RELAIS_VERB_RELEASE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    apply (&test, RELAIS_VERB_RETRY, &(RelaisSelection){.id = id}, 1, 1);
    test_close (&test);
}

/* --- Future release ----------------------------------------------------------------------------- */

static guint64
submit_later (Test *test, const char *release)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    return fixture_submit (
        &test->fixture,
        &(Mail){.sender = "a@sender.test", .recipients = recipients, .release = release});
}

static void
restart_with (Test *test, gint64 away_us, Rule *rules)
{
    restart (test, away_us);
    test->sink->answer = by_rules;
    test->sink->data = rules;
    fixture_settle (&test->fixture);
    fixture_check (&test->fixture);
}

/* Kept until then, over a restart; the lifetime begins there. */
static void
test_release (void)
{
    Test test;
    gint64 due;

    open_with (&test, "", always_later);
    submit_later (&test, "for;86400");
    fixture_settle (&test.fixture);
    fixture_check (&test.fixture);
    g_assert_cmpint (only_delivery (&test)->due_us - test.fixture.clock.mono_us, ==, 24 * HOUR_US);
    g_assert_cmpuint (hot_bytes (&test), ==, 0);
    fixture_advance (&test.fixture, 12 * HOUR_US);
    fixture_settle (&test.fixture);
    restart_with (&test, HOUR_US, always_later);
    due = only_delivery (&test)->due_us;
    g_assert_cmpint (due - test.fixture.clock.mono_us, ==, 11 * HOUR_US);
    advance_to (&test, due - 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 0);
    advance_to (&test, due);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
    advance_to (&test, due + 2 * RELAIS_USEC_PER_DAY - MIN_US);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 0);
    advance_to (&test, due + 2 * RELAIS_USEC_PER_DAY + RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 1);
    test_close (&test);
}

/* A wall clock that was set meanwhile: nothing is kept for longer than was asked for, nor is it too old at once. */
static void
test_release_clock (void)
{
    Rule none[] = {{NULL, NULL, 0}};
    Test test;

    open_with (&test, "", none);
    submit_later (&test, "until;2026-09-21T13:13:20Z"); /* an hour ago */
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    submit_later (&test, "until;2026-09-21T15:13:20Z");
    fixture_settle (&test.fixture);
    restart_with (&test, -400 * RELAIS_USEC_PER_DAY, none);
    g_assert_cmpint (only_delivery (&test)->due_us - test.fixture.clock.mono_us, ==, HOUR_US);
    restart_with (&test, 450 * RELAIS_USEC_PER_DAY, none);
    g_assert_cmpuint (test.sink->messages->len, ==, 1); /* a new sink */
    g_assert_cmpuint (fixture_count (&test.fixture, "expired"), ==, 0);
    test_close (&test);
}

/* Only who names it, or forces it, has it go before its time; what was held and let go waits for it. */
static void
test_release_verbs (void)
{
    Rule none[] = {{NULL, NULL, 0}};
    guint64 id;
    Test test;

    open_with (&test, "", none);
    id = submit_later (&test, "for;3600");
    fixture_settle (&test.fixture);
    apply (&test, RELAIS_VERB_HOLD, &(RelaisSelection){0}, 1, 0);
    apply (&test, RELAIS_VERB_RELEASE, &(RelaisSelection){0}, 1, 0);
    apply (&test, RELAIS_VERB_RETRY, &(RelaisSelection){0}, 1, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.id = id}, 1, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_null (strstr (fixture_last (&test.fixture, "delivered"), "\"queue_time\":-"));
    test_close (&test);
}

/* --- Notices ------------------------------------------------------------------------------------ */

/* It tells what the last attempt was told, not that there was one now; of mail that was never tried, why. */
static void
test_notice_reason (void)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    Rule rules[] = {{"MAIL FROM:<a@", "450 4.2.0 greylisted", 0}, {NULL, NULL, 0}};
    const char *text;
    Test test;

    open_with (&test, QUIET "delay_notice = 1h\n[class transactional]\ndelay_notice = 1h\n", rules);
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients});
    fixture_settle (&test.fixture);
    fixture_advance (&test.fixture, HOUR_US + RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    text = sink_message (test.sink, 0)->data->str;
    g_assert_nonnull (strstr (text, "Status: 4.2.0\r\n"));
    g_assert_nonnull (strstr (text, "450 4.2.0 greylisted"));
    g_assert_null (strstr (text, "Last-Attempt-Date:"));
    fixture_submit (
        &test.fixture,
        &(Mail){.sender = "a@in.rcpt.test", .recipients = recipients, .klass = RELAIS_CLASS_BULK});
    fixture_settle (&test.fixture);
    fixture_advance (&test.fixture, HOUR_US + RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    apply (&test, RELAIS_VERB_FORCE, &(RelaisSelection){.sender = ""}, 1, 0);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    text = sink_message (test.sink, 1)->data->str;
    g_assert_nonnull (strstr (text, "the message waits for the end of quiet hours"));
    g_assert_nonnull (strstr (text, "Status: 4.0.0\r\n"));
    test_close (&test);
}

/* However many of a flow fall due at one moment, a turn of the loop takes up some of them only. */
static void
test_release_of_many (void)
{
    enum { MESSAGES = 3500, IN_A_TURN = 1000 };
    const char *recipients[] = {"x@slow.test", NULL};
    Rule none[] = {{NULL, NULL, 0}};
    guint64 before, turns = 0;
    Test test;

    open_with (&test, "", none);
    fake_dns_set ("slow.test", "4.4.3 timeout");
    fixture_submit_many (
        &test.fixture, MESSAGES,
        &(Mail){.sender = "a@sender.test", .recipients = recipients, .release = "for;3600"});
    fixture_settle (&test.fixture);
    fixture_advance (&test.fixture, HOUR_US + MIN_US);
    for (before = 0; figures (&test).due + IN_A_TURN < MESSAGES; before = figures (&test).due) {
        relais_loop_turn (test.fixture.loop, false);
        fixture_check (&test.fixture);
        g_assert_cmpuint (figures (&test).due, <=, before + IN_A_TURN);
        g_assert_cmpuint (turns++, <, 10000);
    }
    fixture_settle (&test.fixture);
    fixture_check (&test.fixture);
    g_assert_cmpuint (figures (&test).due, >=, MESSAGES - 2);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/schedules/attempts", test_attempts);
    g_test_add_func ("/queue/schedules/overrides", test_overrides);
    g_test_add_func ("/queue/schedules/bounce-lifetime", test_bounce_lifetime);
    g_test_add_func ("/queue/schedules/force", test_force);
    g_test_add_func ("/queue/schedules/force-once", test_force_once);
    g_test_add_func ("/queue/schedules/force-unknown-destination", test_force_unknown_destination);
    g_test_add_func ("/queue/schedules/release-rests", test_release_rests);
    g_test_add_func ("/queue/schedules/release", test_release);
    g_test_add_func ("/queue/schedules/release-clock", test_release_clock);
    g_test_add_func ("/queue/schedules/release-verbs", test_release_verbs);
    g_test_add_func ("/queue/schedules/release-of-many", test_release_of_many);
    g_test_add_func ("/queue/schedules/notice-reason", test_notice_reason);
    return g_test_run ();
}
