/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: which tracking host a message is told of, and that what a function was told stays valid
 * while the table is replaced under it.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule *module;
    RelaisMessage *message;
    RelaisSubject subject;
} Fixture;

static RelaisTrackingTable *
new_table (RelaisTrackingState state)
{
    RelaisTrackingTable *table = relais_tracking_table_new ();

    relais_tracking_table_add (table, "sender.test", "https://track.sender.test", state);
    return table;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = "guest",
        .version = "1",
        .summary = "a fixture",
    };
    g_autoptr (GError) error = NULL;

    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->module = relais_module_new (fixture->host, &descriptor, "guest", &error);
    g_assert_no_error (error);
    g_ptr_array_add (fixture->host->modules, fixture->module);
    fixture->message = relais_message_new (1);
    fixture->message->envelope.sender = g_strdup ("bounces@sender.test");
    fixture->subject.message = fixture->message;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_message_unref (fixture->message);
    relais_host_free (fixture->host);
    relais_loop_free (fixture->loop);
}

typedef struct {
    RelaisHost *host;
    bool replace; /* between asking and using */
    char *url;
    const char *reason;
} Asked;

static RelaisVerdict
ask (RelaisHook *hook, gpointer data)
{
    Asked *asked = data;
    const char *url = relais_hook_get_tracking_url (hook, &asked->reason);

    if (asked->replace) {
        relais_host_set_tracking (asked->host, new_table (RELAIS_TRACKING_FAILING));
        /* The same call is answered as before. */
        g_assert_true (relais_hook_get_tracking_url (hook, NULL) == url);
    }
    g_free (asked->url);
    asked->url = g_strdup (url);
    return RELAIS_VERDICT_CONTINUE;
}

static void
register_ask (Fixture *fixture, Asked *asked)
{
    const RelaisHookInfo info = {.struct_size = sizeof info,
                                 .hook = RELAIS_HOOK_REWRITE,
                                 .name = "ask",
                                 .func = ask,
                                 .data = asked};
    g_autoptr (GError) error = NULL;

    fixture->host->in_init = true;
    relais_module_add_hook (fixture->module, &info, &error);
    fixture->host->in_init = false;
    g_assert_no_error (error);
    relais_chains_order (fixture->host, &error);
    g_assert_no_error (error);
}

static void
run (Fixture *fixture)
{
    RelaisHookResult result;

    relais_host_run_worker (fixture->host, RELAIS_HOOK_REWRITE, &fixture->subject, &result);
    g_assert_cmpint (result.verdict, ==, RELAIS_VERDICT_CONTINUE);
}

static void
test_sender (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *from, *sender, *url, *reason;
    } cases[] = {
        {"ann@sender.test", "x@else.test", "https://track.sender.test", NULL},
        {"ann@news.Sender.test", "", "https://track.sender.test", NULL},
        {"\"a@b\"@sender.test", "", "https://track.sender.test", NULL},
        {"ann@else.test", "bounces@sender.test", NULL, "no-tracking-host"},
        {NULL, "bounces@sender.test", "https://track.sender.test", NULL},
        {NULL, "", NULL, "no-tracking-host"},
    };
    Asked asked = {.host = fixture->host};

    register_ask (fixture, &asked);
    run (fixture);
    g_assert_cmpstr (asked.url, ==, NULL);
    g_assert_cmpstr (asked.reason, ==, "no-tracking-host");
    relais_host_set_tracking (fixture->host, new_table (RELAIS_TRACKING_GOOD));
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_free (fixture->message->envelope.header_from);
        fixture->message->envelope.header_from = g_strdup (cases[i].from);
        g_free (fixture->message->envelope.sender);
        fixture->message->envelope.sender = g_strdup (cases[i].sender);
        run (fixture);
        g_assert_cmpstr (asked.url, ==, cases[i].url);
        g_assert_cmpstr (asked.reason, ==, cases[i].reason);
    }
    g_free (asked.url);
}

static void
test_replaced (Fixture *fixture, gconstpointer data)
{
    Asked asked = {.host = fixture->host, .replace = true};

    register_ask (fixture, &asked);
    relais_host_set_tracking (fixture->host, new_table (RELAIS_TRACKING_GOOD));
    run (fixture);
    g_assert_cmpstr (asked.url, ==, "https://track.sender.test");
    run (fixture);
    g_assert_cmpstr (asked.url, ==, NULL);
    g_assert_cmpstr (asked.reason, ==, "host-failing");
    relais_host_set_tracking (fixture->host, NULL);
    asked.replace = false;
    run (fixture);
    g_assert_cmpstr (asked.reason, ==, "no-tracking-host");
    g_free (asked.url);
}

static gpointer
replace_often (gpointer data)
{
    for (int i = 0; i < 2000; i++)
        relais_host_set_tracking (data, new_table (RELAIS_TRACKING_GOOD));
    return NULL;
}

static void
test_threads (Fixture *fixture, gconstpointer data)
{
    Asked asked = {.host = fixture->host};
    GThread *thread;

    register_ask (fixture, &asked);
    relais_host_set_tracking (fixture->host, new_table (RELAIS_TRACKING_GOOD));
    thread = g_thread_new ("replaces", replace_often, fixture->host);
    for (int i = 0; i < 2000; i++) {
        run (fixture);
        g_assert_cmpstr (asked.url, ==, "https://track.sender.test");
    }
    g_thread_join (thread);
    g_free (asked.url);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add ("/module/tracking-url/sender", Fixture, NULL, set_up, test_sender, tear_down);
    g_test_add ("/module/tracking-url/replaced", Fixture, NULL, set_up, test_replaced, tear_down);
    g_test_add ("/module/tracking-url/threads", Fixture, NULL, set_up, test_threads, tear_down);
    return g_test_run ();
}
