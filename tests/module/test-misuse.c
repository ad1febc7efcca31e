/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: what a module does that it should not ends with an error, a word in the log, or nothing: never with the
 * daemon, and never with another's octets.
 */
#include "config.h"

#include "module/module-private.h"

#include "conf/conf-private.h"

#include <glib/gstdio.h>
#include <relais/timer.h>
#include <string.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule *module;
    RelaisTestZone *zone;
    RelaisStoreMemory *memory;
    char *dir, *conf;
    RelaisConfig *config;
    guint told;
} Fixture;

static RelaisModule *
add (RelaisHost *host, const RelaisModuleOps *ops)
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
        .ops = ops,
    };
    g_autoptr (GError) error = NULL;
    RelaisModule *module = relais_module_new (host, &descriptor, "guest", &error);

    g_assert_no_error (error);
    g_ptr_array_add (host->modules, module);
    return module;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->zone = relais_test_zone_new ();
    fixture->host->zone = fixture->zone;
    fixture->dir = g_dir_make_tmp ("relais-misuse-XXXXXX", NULL);
    fixture->conf = g_build_filename (fixture->dir, "a.conf", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
    relais_test_zone_free (fixture->zone);
    relais_store_memory_free (fixture->memory);
    g_clear_pointer (&fixture->config, relais_config_unref);
    relais_loop_free (fixture->loop);
    g_remove (fixture->conf);
    g_rmdir (fixture->dir);
    g_free (fixture->conf);
    g_free (fixture->dir);
}

static bool
bring_up (Fixture *fixture, const RelaisModuleOps *ops, const char *text, GError **error)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    const char *const dirs[] = {fixture->dir, NULL};
    RelaisSchema *schema = relais_schema_new ();

    fixture->module = add (fixture->host, ops);
    g_assert_true (g_file_set_contents (fixture->conf, text, -1, NULL));
    g_assert_true (relais_host_add_options (fixture->host, schema, NULL));
    fixture->config = relais_config_read (schema, dirs, findings);
    relais_schema_free (schema);
    g_assert_nonnull (fixture->config);
    return relais_host_init (fixture->host, fixture->config, error) &&
           relais_host_start (fixture->host, error);
}

static void
bring_up_well (Fixture *fixture, const RelaisModuleOps *ops)
{
    g_autoptr (GError) error = NULL;

    bring_up (fixture, ops, "[module guest]\nenable = yes\n", &error);
    g_assert_no_error (error);
}

/* --- FALSE without an error ------------------------------------------------------------------- */

static gboolean
refuse (RelaisModule *module, GError **error)
{
    return FALSE;
}

static gboolean
refuse_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    return FALSE;
}

/* Whoever tells of the refusal wants its words. */
static void
test_no_words (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *operation;
        RelaisModuleOps ops;
    } cases[] = {
        {"init", {.struct_size = sizeof (RelaisModuleOps), .init = refuse}},
        {"prepare_config",
         {.struct_size = sizeof (RelaisModuleOps), .prepare_config = refuse_config}},
        {"start", {.struct_size = sizeof (RelaisModuleOps), .start = refuse}},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        g_autofree char *wanted =
            g_strdup_printf ("module guest: %s failed without saying why", cases[i].operation);
        Fixture own = {0};

        set_up (&own, NULL);
        g_assert_false (bring_up (&own, &cases[i].ops, "[module guest]\nenable = yes\n", &error));
        g_assert_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_CONFIG);
        g_assert_cmpstr (error->message, ==, wanted);
        tear_down (&own, NULL);
    }
}

static void
test_no_words_off (Fixture *fixture, gconstpointer data)
{
    const RelaisModuleOps ops = {.struct_size = sizeof ops, .start = refuse};
    g_autoptr (GError) error = NULL;

    g_assert_true (
        bring_up (fixture, &ops, "[module guest]\nenable = yes\non_failure = bypass\n", &error));
    g_assert_true (relais_module_is_off (fixture->module));
}

/* --- Structs whose size was not said ---------------------------------------------------------- */

static const RelaisModuleOps plain = {.struct_size = sizeof plain};

static void
test_no_size (Fixture *fixture, gconstpointer data)
{
    const RelaisChannelInfo info = {.address = "192.0.2.1:9"};
    g_autoptr (GError) error = NULL;

    bring_up_well (fixture, &plain);
    g_assert_null (relais_channel_new (fixture->module, &info, &error));
    g_assert_cmpstr (error->message, ==,
                     "'192.0.2.1:9': wanted a RelaisChannelInfo of this Relais");
}

/* A certificate that nobody's name is held against would be anybody's. */
static void
test_no_name (Fixture *fixture, gconstpointer data)
{
    RelaisChannelInfo info = {.struct_size = sizeof info,
                              .flags = RELAIS_CHANNEL_WITH_TLS | RELAIS_CHANNEL_TRUSTED,
                              .address = "unix:/nonexistent"};
    g_autoptr (GError) error = NULL;
    RelaisChannel *channel;

    bring_up_well (fixture, &plain);
    g_assert_null (relais_channel_new (fixture->module, &info, &error));
    g_assert_nonnull (strstr (error->message, "wanted tls_name"));
    info.tls_name = "policy.example";
    channel = relais_channel_new (fixture->module, &info, NULL);
    g_assert_nonnull (channel);
    relais_channel_free (channel);
}

/* --- Handles ---------------------------------------------------------------------------------- */

typedef struct {
    RelaisLookup *lookup;
    guint told;
} Asked;

static void
cancel_own (const RelaisDnsAnswer *answer, gpointer data)
{
    Asked *asked = data;

    asked->told++;
    relais_lookup_cancel (asked->lookup);
}

/* It is over when it is told; the daemon's stop tells, too. */
static void
test_lookup (Fixture *fixture, gconstpointer data)
{
    Asked first = {0}, second = {0};

    bring_up_well (fixture, &plain);
    first.lookup = relais_lookup (fixture->module, "a.example", RELAIS_DNS_A, cancel_own, &first);
    while (first.told == 0)
        relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (fixture->host->lookups.length, ==, 0);
    g_assert_cmpuint (fixture->host->jobs, ==, 0);
    second.lookup = relais_lookup (fixture->module, "b.example", RELAIS_DNS_A, cancel_own, &second);
    relais_host_stop (fixture->host);
    g_assert_cmpuint (first.told, ==, 1);
    g_assert_cmpuint (second.told, ==, 1);
    g_assert_cmpuint (fixture->host->lookups.length, ==, 0);
}

/* A reason is good until the loop is returned to, also for the very call that replaces it. */
static void
test_reason (Fixture *fixture, gconstpointer data)
{
    const char *reason;

    bring_up_well (fixture, &plain);
    g_assert_true (relais_source_set_state (fixture->module, "default", RELAIS_SOURCE_OUT,
                                            "listed by a list of some renown"));
    reason = relais_source_get_reason (fixture->module, "default");
    g_assert_true (relais_source_set_state (fixture->module, "default", RELAIS_SOURCE_OUT, reason));
    g_assert_cmpstr (relais_source_get_reason (fixture->module, "default"), ==,
                     "listed by a list of some renown");
}

/* --- Messages --------------------------------------------------------------------------------- */

/* In the hook message there are no bytes to count yet. */
static void
test_message (Fixture *fixture, gconstpointer data)
{
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    g_autoptr (GError) error = NULL;
    char octet;

    g_assert_cmpint (relais_message_read (message, 0, &octet, 1, &error), ==, -1);
    g_assert_nonnull (error);
    g_assert_cmpuint (relais_message_get_size (message), ==, 0);
}

/* --- The store -------------------------------------------------------------------------------- */

static void
note_refused (gpointer data, const RelaisStoreReply *reply)
{
    Fixture *fixture = data;

    fixture->told++;
    g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_ERROR);
    g_assert_cmpstr (relais_store_reply_get_error (reply), ==,
                     "octets are wanted, but there are none");
}

/* Octets that are not there are not read from elsewhere. */
static void
test_store (Fixture *fixture, gconstpointer data)
{
    RelaisStore *store = relais_host_get_store (fixture->host);

    fixture->memory = relais_store_memory_new (store);
    relais_store_set_backend (store, &relais_store_memory_backend, fixture->memory);
    bring_up_well (fixture, &plain);
    relais_store_put (fixture->module, "k", 1, NULL, 65536, 0, note_refused, fixture);
    relais_store_scan (fixture->module, NULL, 512, NULL, 0, 1, note_refused, fixture);
    relais_store_settle (store);
    g_assert_cmpuint (fixture->told, ==, 2);
}

/* The backend, which is a module's: what crashes in it is not the fault of whoever asks. */
static void
submit (gpointer data, RelaisStoreRequest *request)
{
    Fixture *fixture = data;
    const RelaisGuard *guard = relais_guard_current ();

    fixture->told += guard != NULL && guard->module == fixture->module;
    relais_store_request_complete (request, RELAIS_STORE_ABSENT);
}

static void
test_backend (Fixture *fixture, gconstpointer data)
{
    const RelaisStoreBackend backend = {sizeof backend, 1 << RELAIS_STORE_GET, submit};
    RelaisStore *store = relais_host_get_store (fixture->host);
    const RelaisStoreCall call = {.op = RELAIS_STORE_GET, .key = "k", .key_size = 1};
    RelaisModule asker = {.host = fixture->host, .descriptor.name = "asker"};
    RelaisGuard outer;

    bring_up_well (fixture, &plain);
    fixture->host->in_init = true;
    g_assert_true (relais_module_provide_store (fixture->module, &backend, fixture, NULL));
    fixture->host->in_init = false;
    relais_guard_enter (&outer, &asker, "timer", 0);
    relais_store_submit (store, "asker", &call, NULL, NULL);
    g_assert_true (relais_guard_current ()->module == &asker);
    relais_guard_leave (&outer);
    g_assert_cmpuint (fixture->told, ==, 1);
}

/* --- At the end ---------------------------------------------------------------------------------- */

static void
note_end (gpointer data, const RelaisStoreReply *reply)
{
    Fixture *fixture = data;

    fixture->told++;
    g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_ERROR);
}

static void
put_late (gpointer data)
{
    Fixture *fixture = data;

    relais_store_put (fixture->module, "k", 1, "v", 1, 0, note_end, fixture);
}

static void
go_on (gpointer data, const RelaisStoreReply *reply)
{
    Fixture *fixture = data;

    relais_module_post (fixture->module, put_late, fixture);
}

/* One who learns from the store's close that a call has ended may make another, and is told of that, too,
 * before its finalize. */
static void
test_late_call (Fixture *fixture, gconstpointer data)
{
    RelaisStore *store = relais_host_get_store (fixture->host);

    fixture->memory = relais_store_memory_new (store);
    relais_store_set_backend (store, &relais_store_memory_backend, fixture->memory);
    bring_up_well (fixture, &plain);
    relais_store_get (fixture->module, "k", 1, go_on, fixture);
    relais_host_stop (fixture->host);
    g_assert_cmpuint (fixture->told, ==, 1);
}

/* --- What is left behind ---------------------------------------------------------------------- */

static RelaisModuleTimer *left;

static void
fire (gpointer data)
{
    guint *told = data;

    (*told)++;
}

static void
forget (RelaisModule *module)
{
}

static void
free_late (RelaisModule *module)
{
    g_clear_pointer (&left, relais_module_timer_free);
}

/* A timer that stop should have freed does not call into a module that was stopped. */
static void
test_timer (Fixture *fixture, gconstpointer data)
{
    const RelaisModuleOps ops = {.struct_size = sizeof ops, .stop = forget, .finalize = free_late};

    bring_up_well (fixture, &ops);
    left = relais_module_timer_new (fixture->module, fire, &fixture->told);
    relais_module_timer_set (left, 0);
    relais_host_stop (fixture->host);
    relais_loop_turn (fixture->loop, false);
    relais_loop_turn (fixture->loop, false);
    g_assert_cmpuint (fixture->told, ==, 0);
}

/* A very long time is not a short one. */
static void
test_long (Fixture *fixture, gconstpointer data)
{
    RelaisModuleTimer *timer;

    bring_up_well (fixture, &plain);
    timer = relais_module_timer_new (fixture->module, fire, &fixture->told);
    relais_module_timer_set (timer, G_MAXINT64);
    relais_loop_turn (fixture->loop, false);
    relais_loop_turn (fixture->loop, false);
    g_assert_cmpuint (fixture->told, ==, 0);
    g_assert_true (relais_module_timer_is_set (timer));
    relais_module_timer_free (timer);
}

static GLogWriterOutput
drop_warnings (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    return level == G_LOG_LEVEL_WARNING ? G_LOG_WRITER_HANDLED
                                        : g_log_writer_default (level, fields, n, data);
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/module/misuse/no-words", test_no_words},
        {"/module/misuse/no-words-off", test_no_words_off},
        {"/module/misuse/no-size", test_no_size},
        {"/module/misuse/no-name", test_no_name},
        {"/module/misuse/lookup", test_lookup},
        {"/module/misuse/reason", test_reason},
        {"/module/misuse/message", test_message},
        {"/module/misuse/store", test_store},
        {"/module/misuse/backend", test_backend},
        {"/module/misuse/late-call", test_late_call},
        {"/module/misuse/timer", test_timer},
        {"/module/misuse/long", test_long},
    };

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_log_set_writer_func (drop_warnings, NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
