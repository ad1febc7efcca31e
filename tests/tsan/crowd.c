/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module for tests/tsan/test-crowd: at `message` it suspends the session, and four threads at once call what the
 * headers mark for any thread: the clocks, log, counters, posts, events, tokens, store, fetches, jobs, suppression,
 * the lookup of deliveries, the message and the original. When all are done they complete the ticket, of which one
 * must be in time.
 */
#include <relais/counter.h>
#include <relais/delivery.h>
#include <relais/event.h>
#include <relais/fetch.h>
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/store.h>
#include <relais/suppress.h>
#include <relais/timer.h>
#include <relais/token.h>

#include <string.h>

enum { THREADS = 4, ROUNDS = 20, BUFFER = 64 };
#define TICKET_US (G_GINT64_CONSTANT (120) * G_USEC_PER_SEC)

typedef struct {
    RelaisModule *module;
    RelaisCounter *counter;
    GPtrArray *ends;                                       /* GThread; loop */
    gint posted, fetched, worked, stored, found, reported; /* atomic */
} Crowd;

typedef struct {
    Crowd *crowd;
    RelaisTicket *ticket;
    RelaisMessage *message;
    RelaisOriginal *original;
    RelaisConfig *config;
    GThread *threads[THREADS];
    gint left, completed; /* atomic */
} Meeting;

/* --- What is called back ---------------------------------------------------------------------- */

static void
on_post (gpointer data)
{
    g_atomic_int_inc (&((Crowd *)data)->posted);
}

static void
on_fetch (const RelaisFetchResult *result, gpointer data)
{
    g_atomic_int_inc (&((Crowd *)data)->fetched);
}

static void
on_work (gpointer data)
{
    g_atomic_int_inc (&((Crowd *)data)->worked);
}

static void
on_store (gpointer data, const RelaisStoreReply *reply)
{
    g_atomic_int_inc (&((Crowd *)data)->stored);
}

static void
on_found (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    g_atomic_int_inc (&((Crowd *)data)->found);
}

static void
on_reported (gpointer data, RelaisSuppressResult result)
{
    g_atomic_int_inc (&((Crowd *)data)->reported);
}

/* --- One thread ------------------------------------------------------------------------------- */

static void
read_message (Meeting *meeting)
{
    RelaisMessage *message = relais_message_ref (meeting->message);
    RelaisOriginal *original = relais_original_ref (meeting->original);
    RelaisConfig *config = relais_config_ref (meeting->config);
    const RelaisSection *section = relais_config_find_section (config, "crowd", NULL);
    g_autofree char *id = relais_message_dup_id (message);
    guint8 buffer[BUFFER];

    g_assert_cmpuint (strlen (id), ==, 13);
    g_assert_cmpstr (relais_message_get_sender (message), ==, "a@sender.test");
    g_assert_cmpuint (relais_message_n_recipients (message), ==, 1);
    g_assert_cmpstr (relais_message_get_recipient (message, 0), ==, "b@rcpt.test");
    g_assert_cmpstr (relais_message_get_header_from (message), ==, "a@sender.test");
    g_assert_cmpint (relais_message_read (message, 0, buffer, sizeof buffer, NULL), >, 0);
    g_assert_cmpint (relais_original_read (original, 0, buffer, sizeof buffer, NULL), >, 0);
    g_assert_cmpuint (relais_message_get_size (message), ==, relais_original_get_size (original));
    g_assert_cmpstr (relais_section_get_string (section, "word"), ==, "said");
    relais_config_unref (config);
    relais_original_unref (original);
    relais_message_unref (message);
}

static void
ask_store (Crowd *crowd)
{
    g_autoptr (RelaisStoreReply) reply =
        relais_store_increment_wait (crowd->module, "n", 1, 1, 0, 0);

    g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_FOUND);
    relais_store_put (crowd->module, "k", 1, "v", 1, 0, on_store, crowd);
    relais_store_get (crowd->module, "k", 1, on_store, crowd);
}

static void
seal_token (Crowd *crowd)
{
    g_autofree char *token =
        relais_token_seal (crowd->module, "crowd", (const guint8 *)"payload", 7, G_MAXINT64);
    g_autofree guint8 *payload = NULL;
    guint32 size;

    g_assert_cmpuint (relais_token_open (crowd->module, "crowd", token, &payload, &size), ==,
                      RELAIS_TOKEN_GOOD);
    g_assert_cmpmem (payload, size, "payload", 7);
}

static void
tell (Crowd *crowd)
{
    const RelaisFetchInfo info = {.struct_size = sizeof info, .url = "http://service.test/"};
    const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                     .suppress_class = RELAIS_SUPPRESS_HARD,
                                     .address = "gone@rcpt.test",
                                     .id = "one"};
    RelaisEvent *event = relais_event_new (crowd->module, "met", 0, NULL, -1);

    relais_event_add (event, "word", "said");
    relais_event_emit (event);
    relais_counter_add (crowd->counter, "said", 1);
    relais_log (crowd->module, RELAIS_LOG_DEBUG, "at %" G_GINT64_FORMAT,
                relais_module_wall_us (crowd->module));
    relais_log_text (crowd->module, RELAIS_LOG_DEBUG, relais_module_get_name (crowd->module));
    relais_module_post (crowd->module, on_post, crowd);
    g_assert_cmpuint (relais_fetch (crowd->module, &info, on_fetch, crowd), !=, 0);
    /* Whoever is first says so. */
    if (relais_fetch_cancel (crowd->module, relais_fetch (crowd->module, &info, on_fetch, crowd)))
        g_atomic_int_add (&crowd->fetched, 1);
    relais_delivery_find_by_message_id (crowd->module, "<id@sender.test>", on_found, crowd);
    relais_suppress_report (crowd->module, &evidence, on_reported, crowd);
    if (!relais_worker_run (crowd->module, on_work, NULL, crowd)) /* too many wait: so be it */
        on_work (crowd);
    g_assert_cmpint (relais_module_now_us (crowd->module), >, 0);
}

static gpointer
meet (gpointer data)
{
    Meeting *meeting = data;

    for (guint i = 0; i < ROUNDS; i++) {
        read_message (meeting);
        ask_store (meeting->crowd);
        seal_token (meeting->crowd);
        tell (meeting->crowd);
    }
    g_atomic_int_add (&meeting->left, -1);
    while (g_atomic_int_get (&meeting->left) > 0) /* all at once */
        g_thread_yield ();
    if (relais_ticket_complete (relais_ticket_ref (meeting->ticket), RELAIS_VERDICT_CONTINUE))
        g_atomic_int_inc (&meeting->completed);
    relais_ticket_unref (meeting->ticket);
    return NULL;
}

/* --- The module ------------------------------------------------------------------------------- */

static gpointer
wait_for_all (gpointer data)
{
    Meeting *meeting = data;

    for (guint i = 0; i < THREADS; i++)
        g_thread_join (meeting->threads[i]);
    g_assert_cmpint (g_atomic_int_get (&meeting->completed), ==, 1);
    relais_ticket_unref (meeting->ticket);
    relais_message_unref (meeting->message);
    relais_original_unref (meeting->original);
    relais_config_unref (meeting->config);
    g_free (meeting);
    return NULL;
}

static RelaisVerdict
message (RelaisHook *hook, gpointer data)
{
    Meeting *meeting = g_new0 (Meeting, 1);
    Crowd *crowd = data;

    meeting->crowd = crowd;
    meeting->left = THREADS;
    meeting->ticket = relais_hook_suspend (hook, "crowd", TICKET_US, NULL, NULL);
    meeting->message = relais_message_ref (relais_hook_get_message (hook));
    meeting->original = relais_hook_dup_original (hook);
    meeting->config = relais_config_ref (relais_hook_get_config (hook));
    for (guint i = 0; i < THREADS; i++)
        meeting->threads[i] = g_thread_new ("crowd", meet, meeting);
    /* The meeting is the threads' from here. */
    g_ptr_array_add (crowd->ends, g_thread_new ("crowd-end", wait_for_all, meeting));
    return RELAIS_VERDICT_PENDING;
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = relais_config_ref (config);
    return TRUE;
}

static void
free_config (gpointer object)
{
    relais_config_unref (object);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    Crowd *crowd = g_new0 (Crowd, 1);
    const RelaisHookInfo info = {.struct_size = sizeof info,
                                 .hook = RELAIS_HOOK_MESSAGE,
                                 .name = "meet",
                                 .func = message,
                                 .data = crowd};

    relais_module_set_data (module, crowd);
    crowd->module = module;
    crowd->ends = g_ptr_array_new ();
    crowd->counter = relais_counter_new (module, "words", "word");
    return relais_module_add_hook (module, &info, error);
}

static void
finalize (RelaisModule *module)
{
    Crowd *crowd = relais_module_get_data (module);
    const gint n = g_atomic_int_get (&crowd->posted);

    for (guint i = 0; i < crowd->ends->len; i++)
        g_thread_join (g_ptr_array_index (crowd->ends, i));
    g_ptr_array_unref (crowd->ends);
    g_assert_cmpint (n, >, 0);
    g_assert_cmpint (g_atomic_int_get (&crowd->fetched), ==, 2 * n);
    g_assert_cmpint (g_atomic_int_get (&crowd->worked), ==, n);
    g_assert_cmpint (g_atomic_int_get (&crowd->stored), ==, 2 * n);
    g_assert_cmpint (g_atomic_int_get (&crowd->found), ==, n);
    g_assert_cmpint (g_atomic_int_get (&crowd->reported), ==, n);
    g_free (crowd);
}

static const RelaisOption options[] = {{.section = "crowd",
                                        .key = "word",
                                        .type = RELAIS_OPTION_STRING,
                                        .default_value = "said",
                                        .doc = "A word."}};
static const RelaisModuleOps ops = {.struct_size = sizeof ops,
                                    .init = init,
                                    .prepare_config = prepare_config,
                                    .free_config = free_config,
                                    .finalize = finalize};

RELAIS_MODULE_DEFINE (crowd, .name = "crowd", .version = "1", .summary = "many threads at once",
                      .license = "GPL-3.0-or-later", .options = options,
                      .n_options = G_N_ELEMENTS (options), .ops = &ops);
