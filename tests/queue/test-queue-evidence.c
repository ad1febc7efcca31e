/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: what modules say that an answer means, in the event and against the address; that evidence is kept
 * before its outcome, and once; and a list that cannot keep it. The host is the real one, with one module made by hand.
 */
#include "config.h"

#include "fake-suppression.h"
#include "guest.h"

#include "queue/shaper-private.h"

#include <string.h>

typedef struct {
    Test test;
    RelaisHost *host;
    RelaisModule *module;
    RelaisVerdict verdict;
    RelaisClassification said; /* of what is not delivered */
    guint asked;
    bool internal;
    const char *phase;
} Scene;

static RelaisVerdict
on_result (RelaisHook *hook, gpointer data)
{
    Scene *scene = data;
    const bool delivered = relais_hook_get_outcome (hook) == RELAIS_OUTCOME_DELIVERED;

    scene->asked++;
    scene->internal = relais_hook_get_internal (hook);
    scene->phase = g_intern_string (relais_hook_get_phase (hook));
    if (scene->said.struct_size != 0)
        g_assert_true (relais_hook_set_classification (hook, &scene->said) == !delivered);
    return delivered ? RELAIS_VERDICT_CONTINUE : scene->verdict;
}

static void
make_host (Scene *scene)
{
    const RelaisHookInfo info = {.struct_size = sizeof info,
                                 .hook = RELAIS_HOOK_RESULT,
                                 .name = "judge",
                                 .func = on_result,
                                 .data = scene};
    g_autoptr (GError) error = NULL;

    scene->host = test_begin_init (&scene->test, "judge", &scene->module);
    relais_module_add_hook (scene->module, &info, &error);
    g_assert_no_error (error);
    test_end_init (&scene->test, scene->host);
    relais_queue_begin_shaping (scene->test.fixture.queue);
}

static void
begin (Scene *scene)
{
    *scene = (Scene){.verdict = RELAIS_VERDICT_CONTINUE};
    fixture_suppresses = true;
    test_open (&scene->test, "");
    make_host (scene);
    scene->said = (RelaisClassification){.struct_size = sizeof scene->said,
                                         .scope = RELAIS_BOUNCE_RECIPIENT,
                                         .permanence = RELAIS_PERMANENCE_PERMANENT,
                                         .suppress = RELAIS_SUPPRESS_HARD,
                                         .reason = "no-such-user",
                                         .rule = "generic.5.1.1"};
}

static void
end_queue (Scene *scene)
{
    test_end_queue (&scene->test);
    relais_host_free (g_steal_pointer (&scene->host));
}

static void
start_again (Scene *scene)
{
    end_queue (scene);
    restart (&scene->test, 0);
    make_host (scene);
}

static void
finish (Scene *scene)
{
    end_queue (scene);
    sink_free (scene->test.sink);
    fixture_close (&scene->test.fixture);
    g_free (scene->test.conf);
    fixture_suppresses = false;
    fake_suppression_clear ();
}

static Rule refuse_x[] = {{"<x@", "550 5.1.1 no such user", 0}, {NULL, NULL, 0}};

static void
refuse (Scene *scene, Rule *rules)
{
    scene->test.sink->answer = by_rules;
    scene->test.sink->data = rules;
}

/* Whose sender wants no reports: those would have outcomes of their own. */
static void
submit (Scene *scene, const char *recipient)
{
    const char *recipients[] = {recipient, NULL};

    fixture_submit (&scene->test.fixture, &(Mail){.sender = "a@sender.test",
                                                  .recipients = recipients,
                                                  .notify = RELAIS_NOTIFY_NEVER});
}

static void
send_to (Scene *scene, const char *recipient)
{
    submit (scene, recipient);
    fixture_settle (&scene->test.fixture);
}

static void
later (Scene *scene, gint64 us)
{
    fixture_advance (&scene->test.fixture, us);
    fixture_settle (&scene->test.fixture);
}

static guint
count (const Scene *scene, const char *type)
{
    return fixture_count (&scene->test.fixture, type);
}

static void
assert_last (const Scene *scene, const char *type, const char *text)
{
    const char *line = fixture_last (&scene->test.fixture, type);

    g_assert_nonnull (line);
    if (strstr (line, text) == NULL)
        g_error ("no %s in %s", text, line);
}

/* --- In the event ------------------------------------------------------------------------------- */

static void
test_event (void)
{
    Scene scene;

    begin (&scene);
    refuse (&scene, refuse_x);
    send_to (&scene, "x@a.rcpt.test");
    assert_last (&scene, "bounced", "\"bounce_scope\":\"recipient\"");
    assert_last (&scene, "bounced", "\"bounce_permanence\":\"permanent\"");
    assert_last (&scene, "bounced", "\"bounce_reason\":\"no-such-user\"");
    assert_last (&scene, "bounced", "\"bounce_rule\":\"generic.5.1.1\"");
    send_to (&scene, "y@a.rcpt.test");
    g_assert_null (strstr (fixture_last (&scene.test.fixture, "delivered"), "bounce_"));
    finish (&scene);
}

/* A verdict turns it over; the classification stands beside. */
static void
test_verdict_beside (void)
{
    Scene scene;
    Rule rules[] = {{"<x@", "550 5.7.1 too fast", 1}, {NULL, NULL, 0}};

    begin (&scene);
    scene.verdict = RELAIS_VERDICT_DEFER;
    scene.said = (RelaisClassification){.struct_size = sizeof scene.said,
                                        .scope = RELAIS_BOUNCE_POLICY,
                                        .permanence = RELAIS_PERMANENCE_TEMPORARY,
                                        .reason = "rate"};
    refuse (&scene, rules);
    send_to (&scene, "x@a.rcpt.test");
    g_assert_cmpuint (count (&scene, "bounced"), ==, 0);
    assert_last (&scene, "deferred", "\"bounce_scope\":\"policy\"");
    assert_last (&scene, "deferred", "\"bounce_permanence\":\"temporary\"");
    g_assert_null (strstr (fixture_last (&scene.test.fixture, "deferred"), "bounce_rule"));
    g_assert_cmpuint (fake_suppression_reports, ==, 0);
    finish (&scene);
}

/* Our own words: never open to verdicts, but they may mean something; the hook hears of lookups that failed, too. */
static void
test_internal (void)
{
    Scene scene;

    begin (&scene);
    scene.verdict = RELAIS_VERDICT_DEFER;
    scene.said.scope = RELAIS_BOUNCE_DOMAIN;
    scene.said.reason = "no-such-domain";
    send_to (&scene, "x@gone.test");
    g_assert_cmpuint (scene.asked, ==, 1);
    g_assert_true (scene.internal);
    g_assert_cmpstr (scene.phase, ==, "dns");
    g_assert_cmpuint (count (&scene, "deferred"), ==, 0);
    assert_last (&scene, "bounced", "\"bounce_scope\":\"domain\"");
    g_assert_cmpstr (fake_suppression_last, ==,
                     "1 x@gone.test - - no-such-domain 5.1.2 no such domain");
    finish (&scene);
}

static void
test_expired (void)
{
    Scene scene;
    Rule rules[] = {{"<x@", "450 4.2.1 come later", 0}, {NULL, NULL, 0}};

    begin (&scene);
    scene.said.suppress = RELAIS_SUPPRESS_SOFT;
    scene.said.permanence = RELAIS_PERMANENCE_TEMPORARY;
    refuse (&scene, rules);
    send_to (&scene, "x@a.rcpt.test");
    assert_last (&scene, "deferred", "\"bounce_permanence\":\"temporary\"");
    scene.test.fixture.queue->settings.schedules[0].lifetime_us = RELAIS_USEC_PER_SEC;
    later (&scene, 6 * RELAIS_USEC_PER_MIN);
    assert_last (&scene, "expired", "\"bounce_permanence\":\"temporary\"");
    g_assert_cmpuint (fake_suppression_ids->len, ==, 2);
    finish (&scene);
}

/* --- Against the address ------------------------------------------------------------------------ */

static void
test_evidence (void)
{
    Scene scene;
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    g_autofree char *id = NULL;

    begin (&scene);
    refuse (&scene, refuse_x);
    fixture_submit (&scene.test.fixture, &(Mail){.sender = "a@sender.test",
                                                 .recipients = recipients,
                                                 .notify = RELAIS_NOTIFY_NEVER,
                                                 .tenant = "one",
                                                 .campaign = "spring"});
    fixture_settle (&scene.test.fixture);
    g_assert_cmpstr (fake_suppression_last, ==,
                     "1 x@a.rcpt.test one spring no-such-user 550 5.1.1 no such user");
    id = g_strdup_printf ("\"id\":\"%s\"", (const char *)fake_suppression_ids->pdata[0]);
    assert_last (&scene, "bounced", id);
    finish (&scene);
}

/* One message to two, who are x and y. */
static void
refuse_two (Scene *scene, Rule *rules)
{
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", NULL};

    refuse (scene, rules);
    fixture_submit (&scene->test.fixture, &(Mail){.sender = "a@sender.test",
                                                  .recipients = recipients,
                                                  .notify = RELAIS_NOTIFY_NEVER});
    fixture_settle (&scene->test.fixture);
}

/* What is said to the whole message is said to all of its recipients: of which, nobody knows. */
static void
test_of_several (void)
{
    Scene scene;
    Rule rules[] = {{".", "550 5.1.1 user unknown", 0}, {NULL, NULL, 0}};

    begin (&scene);
    refuse_two (&scene, rules);
    g_assert_cmpuint (count (&scene, "bounced"), ==, 2);
    g_assert_cmpuint (fake_suppression_reports, ==, 0);
    assert_last (&scene, "bounced", "\"bounce_reason\":\"no-such-user\"");
    send_to (&scene, "z@a.rcpt.test");
    g_assert_cmpuint (fake_suppression_reports, ==, 1);
    finish (&scene);
}

/* Of two, the other was refused before: what is said to the message is about this one. */
static void
test_of_the_last (void)
{
    Scene scene;
    Rule rules[] = {
        {"<x@", "550 5.1.1 no such user", 0}, {".", "550 5.1.1 user unknown", 0}, {NULL, NULL, 0}};

    begin (&scene);
    refuse_two (&scene, rules);
    g_assert_cmpuint (fake_suppression_reports, ==, 2);
    finish (&scene);
}

/* Mail for an address of ours, and mail of our own, proves nothing: anybody may have caused it. */
static void
test_no_evidence (void)
{
    Scene scene;
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    begin (&scene);
    refuse (&scene, refuse_x);
    fixture_submit (&scene.test.fixture, &(Mail){.sender = "a@sender.test",
                                                 .recipients = recipients,
                                                 .notify = RELAIS_NOTIFY_NEVER,
                                                 .claimed = true});
    fixture_submit (&scene.test.fixture,
                    &(Mail){.sender = "", .recipients = recipients, .notify = RELAIS_NOTIFY_NEVER});
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (scene.asked, ==, 2);
    g_assert_cmpuint (fake_suppression_reports, ==, 0);
    assert_last (&scene, "bounced", "\"bounce_scope\":\"recipient\"");
    finish (&scene);
}

static bool
was_reported (gpointer n)
{
    return fake_suppression_reports >= GPOINTER_TO_UINT (n);
}

/* Turns until `n` reports were made, and a little more. */
static void
until_reports (Scene *scene, guint n)
{
    fixture_until (&scene->test.fixture, was_reported, GUINT_TO_POINTER (n));
    for (guint i = 0; i < 50; i++) {
        relais_loop_turn (scene->test.fixture.loop, false);
        g_usleep (100);
    }
}

/* No outcome before the list has the evidence. What the others of the transaction got waits with it. */
static void
test_order (void)
{
    Scene scene;
    const char *recipients[] = {"x@a.rcpt.test", "y@a.rcpt.test", NULL};

    begin (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_waits = true;
    fixture_submit (&scene.test.fixture, &(Mail){.sender = "a@sender.test",
                                                 .recipients = recipients,
                                                 .notify = RELAIS_NOTIFY_NEVER});
    until_reports (&scene, 1);
    g_assert_cmpuint (scene.test.fixture.events->len, ==, 0);
    g_assert_cmpuint (scene.test.fixture.queue->n_settling, ==, 1);
    fake_suppression_answer ();
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (count (&scene, "delivered"), ==, 1);
    finish (&scene);
}

/* The end of the daemon comes between evidence and outcome: the outcome is repeated, the evidence counts once. */
static void
test_repeated_outcome (void)
{
    Scene scene;

    begin (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_waits = true;
    submit (&scene, "x@a.rcpt.test");
    until_reports (&scene, 1);
    start_again (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_answer (); /* whose queue is gone */
    fake_suppression_waits = false;
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (fake_suppression_reports, ==, 2);
    g_assert_cmpuint (fake_suppression_ids->len, ==, 1);
    finish (&scene);
}

/* While one outcome of a message waits for the list, another of the same message does not write its state. */
static void
test_message_in_order (void)
{
    Scene scene;
    const char *recipients[] = {"x@a.rcpt.test", "y@b.rcpt.test", NULL};

    begin (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_waits = true;
    fixture_submit (&scene.test.fixture, &(Mail){.sender = "a@sender.test",
                                                 .recipients = recipients,
                                                 .notify = RELAIS_NOTIFY_NEVER,
                                                 .alone = true});
    until_reports (&scene, 1);
    fixture_until_messages (&scene.test.fixture, scene.test.sink, 1);
    until_reports (&scene, 1);
    start_again (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_answer ();
    fake_suppression_waits = false;
    fixture_settle (&scene.test.fixture);
    /* Whatever the crash took is told now. */
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (count (&scene, "delivered"), ==, 1);
    g_assert_cmpuint (figures (&scene.test).deliveries, ==, 0);
    finish (&scene);
}

/* --- A list that cannot be written -------------------------------------------------------------- */

static void
test_failed_report (void)
{
    Scene scene;

    begin (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_fails = true;
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*evidence*cannot be kept now*");
    send_to (&scene, "x@a.rcpt.test");
    g_test_assert_expected_messages ();
    g_assert_cmpuint (count (&scene, "bounced"), ==, 0);
    g_assert_cmpuint (figures (&scene.test).parked, ==, 1);
    /* Other mail goes on, over the same connection. */
    send_to (&scene, "y@a.rcpt.test");
    g_assert_cmpuint (count (&scene, "delivered"), ==, 1);
    g_assert_cmpuint (scene.test.sink->accepted, ==, 1);
    later (&scene, 11 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (fake_suppression_reports, ==, 2);
    g_assert_cmpuint (figures (&scene.test).parked, ==, 1);
    fake_suppression_fails = false;
    later (&scene, 11 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (figures (&scene.test).parked, ==, 0);
    g_assert_cmpuint (fake_suppression_ids->len, ==, 1);
    finish (&scene);
}

static void
set_true (gpointer data)
{
    *(bool *)data = true;
}

static bool
is_true (gpointer data)
{
    return *(const bool *)data;
}

/* A drain does not wait for it; the next start does it all again. */
static void
test_failed_over_a_stop (void)
{
    Scene scene;
    bool drained = false;

    begin (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_fails = true;
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*evidence*cannot be kept now*");
    send_to (&scene, "x@a.rcpt.test");
    g_test_assert_expected_messages ();
    relais_queue_drain (scene.test.fixture.queue, set_true, &drained);
    fixture_until (&scene.test.fixture, is_true, &drained);
    start_again (&scene);
    refuse (&scene, refuse_x);
    fake_suppression_fails = false;
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (fake_suppression_ids->len, ==, 1);
    finish (&scene);
}

/* Beyond the limit, and after a day, the outcome is written all the same. */
static void
test_failed_beyond_the_limit (void)
{
    Scene scene;

    begin (&scene);
    refuse (&scene, refuse_x);
    g_assert_cmpuint (scene.test.fixture.queue->most_parked, ==, RELAIS_QUEUE_PARKED);
    scene.test.fixture.queue->most_parked = 2;
    fake_suppression_fails = true;
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*evidence*cannot be kept now*");
    send_to (&scene, "x@a.rcpt.test");
    send_to (&scene, "x@b.rcpt.test");
    g_assert_cmpuint (count (&scene, "bounced"), ==, 0);
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*written without its evidence*");
    send_to (&scene, "x@c.rcpt.test");
    g_test_assert_expected_messages ();
    g_assert_cmpuint (count (&scene, "bounced"), ==, 1);
    g_assert_cmpuint (figures (&scene.test).parked, ==, 2);
    g_assert_cmpuint (scene.test.fixture.queue->evidence_lost_total, ==, 1);
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*written without its evidence*");
    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*written without its evidence*");
    later (&scene, 25 * RELAIS_USEC_PER_HOUR);
    g_test_assert_expected_messages ();
    g_assert_cmpuint (count (&scene, "bounced"), ==, 3);
    finish (&scene);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/evidence/event", test_event);
    g_test_add_func ("/queue/evidence/verdict-beside", test_verdict_beside);
    g_test_add_func ("/queue/evidence/internal", test_internal);
    g_test_add_func ("/queue/evidence/expired", test_expired);
    g_test_add_func ("/queue/evidence/evidence", test_evidence);
    g_test_add_func ("/queue/evidence/of-several", test_of_several);
    g_test_add_func ("/queue/evidence/of-the-last", test_of_the_last);
    g_test_add_func ("/queue/evidence/no-evidence", test_no_evidence);
    g_test_add_func ("/queue/evidence/order", test_order);
    g_test_add_func ("/queue/evidence/repeated-outcome", test_repeated_outcome);
    g_test_add_func ("/queue/evidence/message-in-order", test_message_in_order);
    g_test_add_func ("/queue/evidence/failed-report", test_failed_report);
    g_test_add_func ("/queue/evidence/failed-over-a-stop", test_failed_over_a_stop);
    g_test_add_func ("/queue/evidence/failed-beyond-the-limit", test_failed_beyond_the_limit);
    return g_test_run ();
}
