/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: modules that limit mail. The host is the real one, with one module made by hand whose lane and
 * admit answer as a case says: what each WAIT holds back and for how long, how often is asked, what becomes of
 * reservations, limits of lanes, sources that go and come.
 */
#include "config.h"

#include "guest.h"

#include "queue/lane-private.h"
#include "queue/shaper-private.h"

#include <string.h>

typedef struct {
    Test test;
    RelaisHost *host;
    RelaisModule *module;
    guint asks, lane_asks;
    /* What admit answers to mail of this tenant or campaign (NULL: to all). */
    RelaisVerdict verdict, lane_verdict;
    const char *tenant, *campaign;
    RelaisWaitScope scope;
    gint64 wait_us; /* from the question on */
    bool suspend;
    RelaisTicket *ticket;
    guint max_recipients;
    RelaisLaneLimits limits;
    guint taken, used, returned, ended, recipients_taken, recipients_used;
    guint results[3]; /* by RelaisOutcome */
    char *phase;      /* of the last that was not delivered */
    char *site, *source, *klass;
} Scene;

/* --- The module --------------------------------------------------------------------------------- */

static void
on_step (gpointer data, RelaisReservationStep step, guint32 n)
{
    Scene *scene = data;

    switch (step) {
    case RELAIS_RESERVATION_TAKEN:
        scene->taken++;
        scene->recipients_taken += n;
        return;
    case RELAIS_RESERVATION_USED:
        scene->used++;
        scene->recipients_used += n;
        return;
    case RELAIS_RESERVATION_RETURNED: scene->returned++; return;
    default: g_assert_not_reached ();
    }
}

static void
on_connection_step (gpointer data, RelaisReservationStep step, guint32 n)
{
    Scene *scene = data;

    scene->ended += step == RELAIS_RESERVATION_ENDED || step == RELAIS_RESERVATION_RETURNED;
}

static bool
is_meant (const Scene *scene, const RelaisHook *hook)
{
    return (scene->tenant == NULL ||
            g_strcmp0 (scene->tenant, relais_hook_get_tenant (hook)) == 0) &&
           (scene->campaign == NULL ||
            g_strcmp0 (scene->campaign, relais_hook_get_campaign (hook)) == 0);
}

static void
keep (char **place, const char *text)
{
    g_free (*place);
    *place = g_strdup (text);
}

static RelaisVerdict
admit (RelaisHook *hook, gpointer data)
{
    Scene *scene = data;

    scene->asks++;
    keep (&scene->site, relais_hook_get_site (hook));
    keep (&scene->source, relais_hook_get_source (hook));
    keep (&scene->klass, relais_hook_get_class (hook));
    g_assert_nonnull (relais_hook_get_destination (hook));
    if (scene->limits.struct_size > 0)
        relais_hook_set_lane_limits (hook, &scene->limits);
    if (scene->max_recipients > 0)
        relais_hook_set_max_recipients (hook, scene->max_recipients);
    g_assert_true (relais_hook_reserve (hook, on_step, scene));
    g_assert_false (relais_hook_reserve (hook, on_step, scene));
    if (scene->suspend) {
        scene->suspend = false;
        scene->ticket = relais_hook_suspend (hook, "quota", 10 * RELAIS_USEC_PER_SEC, NULL, NULL);
        return RELAIS_VERDICT_PENDING;
    }
    if (scene->verdict == RELAIS_VERDICT_CONTINUE || !is_meant (scene, hook))
        return RELAIS_VERDICT_CONTINUE;
    if (scene->verdict == RELAIS_VERDICT_WAIT)
        relais_hook_wait (hook, relais_hook_now_us (hook) + scene->wait_us, scene->scope,
                          "rate of the test\nis 1/m");
    else
        relais_hook_set_reply (hook, 550, "5.7.1", "not this way");
    return scene->verdict;
}

static RelaisVerdict
lane (RelaisHook *hook, gpointer data)
{
    Scene *scene = data;

    scene->lane_asks++;
    g_assert_null (relais_hook_get_class (hook));
    if (scene->limits.struct_size > 0)
        relais_hook_set_lane_limits (hook, &scene->limits);
    g_assert_true (relais_hook_reserve (hook, on_connection_step, scene));
    if (scene->lane_verdict == RELAIS_VERDICT_WAIT)
        relais_hook_wait (hook, relais_hook_now_us (hook) + scene->wait_us, RELAIS_WAIT_LANE,
                          "connections");
    return scene->lane_verdict;
}

static RelaisVerdict
result (RelaisHook *hook, gpointer data)
{
    Scene *scene = data;

    /* No lane had a part in what found no route. */
    if (g_strcmp0 (relais_hook_get_phase (hook), "dns") == 0) {
        g_assert_null (relais_hook_get_source (hook));
        g_assert_null (relais_hook_get_site (hook));
        return RELAIS_VERDICT_CONTINUE;
    }
    scene->results[relais_hook_get_outcome (hook)]++;
    if (relais_hook_get_outcome (hook) != RELAIS_OUTCOME_DELIVERED)
        keep (&scene->phase, relais_hook_get_phase (hook));
    g_assert_nonnull (relais_hook_get_source (hook));
    return RELAIS_VERDICT_CONTINUE;
}

static void
add (Scene *scene, RelaisHookId hook, RelaisHookFunc func)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = hook, .name = "shape", .func = func, .data = scene};
    g_autoptr (GError) error = NULL;

    relais_module_add_hook (scene->module, &info, &error);
    g_assert_no_error (error);
}

/* --- The scene ---------------------------------------------------------------------------------- */

static void
begin (Scene *scene, const char *conf)
{
    *scene = (Scene){.wait_us = RELAIS_USEC_PER_MIN};
    test_open (&scene->test, conf);
    scene->host = test_begin_init (&scene->test, "shape", &scene->module);
    add (scene, RELAIS_HOOK_LANE, lane);
    add (scene, RELAIS_HOOK_ADMIT, admit);
    add (scene, RELAIS_HOOK_RESULT, result);
    test_end_init (&scene->test, scene->host);
    relais_queue_begin_shaping (scene->test.fixture.queue);
}

/* The queue goes before its host, as in the daemon; what was reserved is told its end by then. */
static void
finish (Scene *scene)
{
    test_end_queue (&scene->test);
    g_assert_cmpuint (scene->taken, <=, scene->asks);
    g_assert_cmpuint (scene->used + scene->returned, ==, scene->asks);
    g_assert_cmpuint (scene->ended, ==, scene->lane_asks);
    relais_host_free (scene->host);
    sink_free (scene->test.sink);
    fixture_close (&scene->test.fixture);
    g_free (scene->test.conf);
    g_free (scene->site);
    g_free (scene->source);
    g_free (scene->klass);
    g_free (scene->phase);
}

static void
submit (Scene *scene, const char *tenant, const char *campaign, RelaisClass klass, guint n)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    const Mail mail = {.sender = "a@sender.test",
                       .recipients = recipients,
                       .tenant = tenant,
                       .campaign = campaign,
                       .klass = klass};

    fixture_submit_many (&scene->test.fixture, n, &mail);
    fixture_settle (&scene->test.fixture);
}

static void
later (Scene *scene, gint64 us)
{
    fixture_advance (&scene->test.fixture, us);
    fixture_settle (&scene->test.fixture);
}

static guint
arrived (const Scene *scene)
{
    return scene->test.sink->messages->len;
}

static void
hold (Scene *scene, RelaisWaitScope scope, const char *tenant, const char *campaign)
{
    scene->verdict = RELAIS_VERDICT_WAIT;
    scene->scope = scope;
    scene->tenant = tenant;
    scene->campaign = campaign;
}

/* --- WAIT --------------------------------------------------------------------------------------- */

#define TENANTS "[tenant shop]\ndomains = sender.test\n[tenant news]\ndomains = sender.test\n"

static void
test_lane_waits (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    hold (&scene, RELAIS_WAIT_LANE, NULL, NULL);
    submit (&scene, "shop", "spring", RELAIS_CLASS_BULK, 20);
    submit (&scene, "news", NULL, RELAIS_CLASS_TRANSACTIONAL, 20);
    g_assert_cmpuint (arrived (&scene), ==, 0);
    g_assert_cmpuint (scene.asks, ==, 1); /* however many wait */
    g_assert_cmpstr (scene.source, ==, "default");
    g_assert_cmpstr (scene.site, ==, "route:sink");
    later (&scene, RELAIS_USEC_PER_MIN - RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (scene.asks, ==, 1);
    later (&scene, RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (scene.asks, ==, 2);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    later (&scene, RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (arrived (&scene), ==, 40);
    g_assert_cmpuint (scene.used, ==, 40);
    g_assert_cmpuint (scene.results[RELAIS_OUTCOME_DELIVERED], ==, 40);
    /* Waiting is no attempt. */
    g_assert_nonnull (strstr (fixture_last (&scene.test.fixture, "delivered"), "\"attempts\":1"));
    finish (&scene);
}

static void
test_tenant_waits (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    hold (&scene, RELAIS_WAIT_TENANT, "shop", NULL);
    submit (&scene, "shop", "spring", RELAIS_CLASS_BULK, 10);
    submit (&scene, "shop", "autumn", RELAIS_CLASS_BULK, 10);
    submit (&scene, "news", NULL, RELAIS_CLASS_BULK, 10);
    g_assert_cmpuint (arrived (&scene), ==, 10);
    g_assert_cmpuint (scene.asks, ==, 11);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    later (&scene, RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (arrived (&scene), ==, 30);
    finish (&scene);
}

static void
test_campaign_waits (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    hold (&scene, RELAIS_WAIT_CAMPAIGN, NULL, "spring");
    submit (&scene, "shop", "spring", RELAIS_CLASS_BULK, 10);
    submit (&scene, "shop", "autumn", RELAIS_CLASS_BULK, 10);
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 10);
    g_assert_cmpuint (arrived (&scene), ==, 20);
    g_assert_cmpuint (scene.asks, ==, 21);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    later (&scene, RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (arrived (&scene), ==, 30);
    finish (&scene);
}

/* Each head is asked about once, and what is behind it goes; more than a turn's worth of them too. */
static void
test_delivery_waits (void)
{
    enum { N = RELAIS_LANE_REFUSALS * 2 + 50 };
    Scene scene;

    begin (&scene, TENANTS);
    hold (&scene, RELAIS_WAIT_DELIVERY, "shop", NULL);
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, N);
    submit (&scene, "news", NULL, RELAIS_CLASS_BULK, 3);
    g_assert_cmpuint (arrived (&scene), ==, 3);
    g_assert_cmpuint (scene.asks, ==, N + 3);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    later (&scene, 2 * RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (arrived (&scene), ==, N + 3);
    finish (&scene);
}

static void
test_woken (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    scene.wait_us = RELAIS_USEC_PER_DAY;
    hold (&scene, RELAIS_WAIT_LANE, NULL, NULL);
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 5);
    relais_lanes_wake (scene.module, "default", "route:other");
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (scene.asks, ==, 1);
    scene.scope = RELAIS_WAIT_CAMPAIGN;
    relais_lanes_wake (scene.module, "default", "route:sink");
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (scene.asks, ==, 2);
    scene.scope = RELAIS_WAIT_TENANT;
    relais_lanes_wake (scene.module, NULL, "route:sink");
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (scene.asks, ==, 3);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    relais_lanes_wake (scene.module, NULL, NULL);
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (arrived (&scene), ==, 5);
    finish (&scene);
}

/* The steps do not grow with what waits: 100 000 and 100 cost as many questions, and wakes. */
static void
test_questions_do_not_grow (void)
{
    guint asks[2];

    for (guint i = 0; i < G_N_ELEMENTS (asks); i++) {
        Scene scene;

        begin (&scene, TENANTS);
        hold (&scene, RELAIS_WAIT_CAMPAIGN, NULL, NULL);
        submit (&scene, "shop", "spring", RELAIS_CLASS_BULK, i == 0 ? 100 : 20000);
        for (guint n = 0; n < 10; n++)
            later (&scene, RELAIS_USEC_PER_MIN);
        asks[i] = scene.asks;
        finish (&scene);
    }
    g_assert_cmpuint (asks[0], ==, 11);
    g_assert_cmpuint (asks[1], ==, asks[0]);
}

static void
test_refused (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    scene.verdict = RELAIS_VERDICT_REJECT;
    scene.tenant = "shop";
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 5);
    submit (&scene, "news", NULL, RELAIS_CLASS_BULK, 1);
    g_assert_cmpuint (fixture_count (&scene.test.fixture, "bounced"), >=, 5);
    g_assert_nonnull (strstr (scene.test.fixture.events->pdata[0], "not this way"));
    g_assert_cmpuint (arrived (&scene), ==, 1);
    finish (&scene);
}

static void
test_answers_later (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    scene.suspend = true;
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 3);
    submit (&scene, "news", NULL, RELAIS_CLASS_BULK, 3);
    g_assert_cmpuint (arrived (&scene), ==, 3); /* the one asked about holds up nobody else */
    relais_ticket_complete (scene.ticket, RELAIS_VERDICT_CONTINUE);
    g_clear_pointer (&scene.ticket, relais_ticket_unref);
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (arrived (&scene), ==, 6);
    g_assert_cmpuint (scene.asks, ==, 6);
    /* One that is not answered when the queue goes is cancelled. */
    scene.suspend = true;
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 1);
    g_assert_false (scene.suspend);
    g_clear_pointer (&scene.ticket, relais_ticket_unref);
    finish (&scene);
}

/* --- Reservations and limits -------------------------------------------------------------------- */

/* What finds no host is given back. */
static void
test_given_back (void)
{
    Scene scene;
    Rule rules[] = {{"CONNECT", "421 busy!", 0}, {NULL, NULL, 0}};

    begin (&scene, TENANTS);
    scene.test.sink->answer = by_rules;
    scene.test.sink->data = rules;
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 2);
    g_assert_cmpuint (arrived (&scene), ==, 0);
    g_assert_cmpuint (scene.taken, >=, 1);
    g_assert_cmpuint (scene.used, ==, 0);
    g_assert_cmpuint (scene.results[RELAIS_OUTCOME_DEFERRED], >=, 1);
    g_assert_cmpstr (scene.phase, ==, "banner");
    finish (&scene);
}

static void
test_recipients (void)
{
    const char *recipients[] = {"a@a.rcpt.test", "b@a.rcpt.test", "c@a.rcpt.test",
                                "d@a.rcpt.test", "e@a.rcpt.test", NULL};
    Scene scene;

    begin (&scene, TENANTS);
    scene.max_recipients = 2;
    fixture_submit (&scene.test.fixture,
                    &(Mail){.sender = "a@sender.test", .recipients = recipients});
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (arrived (&scene), ==, 3);
    g_assert_cmpuint (scene.recipients_taken, ==, 5);
    g_assert_cmpuint (scene.recipients_used, ==, 5);
    finish (&scene);
}

static void
test_limits (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    scene.limits = (RelaisLaneLimits){sizeof scene.limits, 1, 3, 1};
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 30);
    g_assert_cmpuint (arrived (&scene), ==, 30);
    g_assert_cmpuint (scene.test.sink->most_open, <=, 2); /* one that quits, one that comes */
    g_assert_cmpuint (scene.test.sink->accepted, ==, 10);
    finish (&scene);
}

static void
test_opening_waits (void)
{
    Scene scene;

    begin (&scene, TENANTS);
    scene.lane_verdict = RELAIS_VERDICT_WAIT;
    submit (&scene, "shop", NULL, RELAIS_CLASS_BULK, 30);
    g_assert_cmpuint (scene.lane_asks, ==, 1);
    g_assert_cmpuint (scene.asks, ==, 0);
    scene.lane_verdict = RELAIS_VERDICT_CONTINUE;
    later (&scene, RELAIS_USEC_PER_MIN);
    g_assert_cmpuint (arrived (&scene), ==, 30);
    finish (&scene);
}

/* --- Sources ------------------------------------------------------------------------------------ */

#define TWO_SOURCES                                                                                \
    "[source one]\naddress4 = 127.0.0.2\nhelo = one.relais.test\n"                                 \
    "[source two]\naddress4 = 127.0.0.3\nhelo = two.relais.test\n"

static guint
count_from (const Scene *scene, const char *client)
{
    guint n = 0;

    for (guint i = 0; i < arrived (scene); i++)
        n += strcmp (sink_message (scene->test.sink, i)->client, client) == 0;
    return n;
}

static void
test_source_goes_out (void)
{
    Scene scene;
    Rule rules[] = {{"RCPT", "450 4.7.1 later", 8}, {NULL, NULL, 0}};

    begin (&scene, TWO_SOURCES);
    g_assert_false (
        relais_source_set_state (scene.module, "three", RELAIS_SOURCE_OUT, "not there"));
    scene.test.sink->answer = by_rules;
    scene.test.sink->data = rules;
    submit (&scene, NULL, NULL, RELAIS_CLASS_BULK, 8);
    g_assert_cmpuint (fixture_count (&scene.test.fixture, "deferred"), ==, 8);
    g_assert_true (relais_source_set_state (scene.module, "one", RELAIS_SOURCE_OUT, "listed"));
    g_assert_cmpstr (relais_source_get_reason (scene.module, "one"), ==, "listed");
    submit (&scene, NULL, NULL, RELAIS_CLASS_BULK, 8);
    later (&scene, 6 * RELAIS_USEC_PER_MIN); /* those that would keep it go by the other, too */
    g_assert_cmpuint (arrived (&scene), ==, 16);
    g_assert_cmpuint (count_from (&scene, "127.0.0.2"), ==, 0);
    g_assert_true (relais_source_set_state (scene.module, "two", RELAIS_SOURCE_OUT, "listed"));
    submit (&scene, NULL, NULL, RELAIS_CLASS_BULK, 8);
    g_assert_cmpuint (arrived (&scene), ==, 16);
    fixture_check (&scene.test.fixture);
    g_assert_true (relais_source_set_state (scene.module, "one", RELAIS_SOURCE_IN, NULL));
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (arrived (&scene), ==, 24);
    g_assert_cmpuint (count_from (&scene, "127.0.0.2"), ==, 8);
    finish (&scene);
}

/* What waits at one source goes by the other: how warm-up overflows. */
static void
test_overflow (void)
{
    Scene scene;

    begin (&scene, TWO_SOURCES);
    scene.wait_us = RELAIS_USEC_PER_DAY;
    hold (&scene, RELAIS_WAIT_LANE, NULL, NULL);
    submit (&scene, NULL, NULL, RELAIS_CLASS_BULK, 8);
    g_assert_cmpuint (scene.asks, ==, 2);
    scene.verdict = RELAIS_VERDICT_CONTINUE;
    relais_lanes_wake (scene.module, "two", "route:sink");
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (arrived (&scene), ==, 8);
    g_assert_cmpuint (count_from (&scene, "127.0.0.3"), ==, 8);
    finish (&scene);
}

/* --- The postmaster ----------------------------------------------------------------------------- */

static void
test_notice (void)
{
    Scene scene;
    const SinkMessage *message;

    begin (&scene, "[relais]\npostmaster = admin@a.rcpt.test\n");
    g_assert_true (relais_notify_postmaster (scene.module, "127.0.0.2 is listed",
                                             "What to do:\r\n.\n\xff next\n"));
    fixture_until_messages (&scene.test.fixture, scene.test.sink, 1);
    message = sink_message (scene.test.sink, 0);
    g_assert_cmpstr (message->sender, ==, "");
    g_assert_cmpstr (message->recipients->pdata[0], ==, "admin@a.rcpt.test");
    g_assert_nonnull (strstr (message->data->str, "Subject: 127.0.0.2 is listed\r\n"));
    g_assert_nonnull (strstr (message->data->str, "\r\n\r\nWhat to do:\r\n"));
    g_assert_true (relais_notify_postmaster (scene.module, "\303\251\303\251 list\303\251", "x"));
    fixture_until_messages (&scene.test.fixture, scene.test.sink, 2);
    message = sink_message (scene.test.sink, 1);
    g_assert_nonnull (strstr (message->data->str, "Subject: =?UTF-8?B?w6nDqSBsaXN0w6k=?=\r\n"));
    finish (&scene);
}

static void
test_no_postmaster (void)
{
    Scene scene;

    begin (&scene, "");
    g_assert_false (relais_notify_postmaster (scene.module, "s", "t"));
    finish (&scene);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/shaping/lane-waits", test_lane_waits);
    g_test_add_func ("/queue/shaping/tenant-waits", test_tenant_waits);
    g_test_add_func ("/queue/shaping/campaign-waits", test_campaign_waits);
    g_test_add_func ("/queue/shaping/delivery-waits", test_delivery_waits);
    g_test_add_func ("/queue/shaping/woken", test_woken);
    g_test_add_func ("/queue/shaping/questions-do-not-grow", test_questions_do_not_grow);
    g_test_add_func ("/queue/shaping/refused", test_refused);
    g_test_add_func ("/queue/shaping/answers-later", test_answers_later);
    g_test_add_func ("/queue/shaping/given-back", test_given_back);
    g_test_add_func ("/queue/shaping/recipients", test_recipients);
    g_test_add_func ("/queue/shaping/limits", test_limits);
    g_test_add_func ("/queue/shaping/opening-waits", test_opening_waits);
    g_test_add_func ("/queue/shaping/source-goes-out", test_source_goes_out);
    g_test_add_func ("/queue/shaping/overflow", test_overflow);
    g_test_add_func ("/queue/shaping/notice", test_notice);
    g_test_add_func ("/queue/shaping/no-postmaster", test_no_postmaster);
    return g_test_run ();
}
