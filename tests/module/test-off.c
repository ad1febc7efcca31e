/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: a module whose start fails, and that the daemon may go on without, is stopped and off; off with it are those
 * that require it, and what it offers is not handed out. The store's backend is no exception.
 */
#include "config.h"

#include "module/module-private.h"

#include "conf/conf-private.h"

#include <glib/gstdio.h>
#include <relais/service.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    char *dir, *conf;
    RelaisConfig *config;
} Fixture;

static GString *told; /* the operations that were called, in their order */
static RelaisStoreResult result;
static const RelaisServiceTable table = {.struct_size = sizeof table};

static gboolean
start (RelaisModule *module, GError **error)
{
    g_string_append_printf (told, "start %s;", relais_module_get_name (module));
    return TRUE;
}

static gboolean
fail (RelaisModule *module, GError **error)
{
    g_string_append_printf (told, "fail %s;", relais_module_get_name (module));
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_CONFIG, "not today");
    return FALSE;
}

static gboolean
look_up (RelaisModule *module, GError **error)
{
    g_autoptr (GError) problem = NULL;

    if (relais_service_lookup (module, "sums", 1, 0, &problem) != NULL)
        g_string_append (told, "found;");
    else
        g_string_append_printf (told, "%s;", problem->message);
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    g_string_append_printf (told, "stop %s;", relais_module_get_name (module));
}

static RelaisModule *
add (Fixture *fixture, const char *name, gboolean (*func) (RelaisModule *module, GError **error),
     const char *const *requires, const char *const *wants)
{
    const RelaisModuleOps ops = {.struct_size = sizeof ops, .start = func, .stop = stop};
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = name,
        .version = "1",
        .summary = "a fixture",
        .requires_modules = requires,
        .wants_modules = wants,
        .ops = &ops,
    };
    g_autoptr (GError) error = NULL;
    RelaisModule *module = relais_module_new (fixture->host, &descriptor, name, &error);

    g_assert_no_error (error);
    g_ptr_array_add (fixture->host->modules, module);
    return module;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->dir = g_dir_make_tmp ("relais-off-XXXXXX", NULL);
    fixture->conf = g_build_filename (fixture->dir, "a.conf", NULL);
    told = g_string_new (NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
    g_clear_pointer (&fixture->config, relais_config_unref);
    relais_loop_free (fixture->loop);
    g_remove (fixture->conf);
    g_rmdir (fixture->dir);
    g_free (fixture->conf);
    g_free (fixture->dir);
    g_string_free (g_steal_pointer (&told), TRUE);
}

static bool
bring_up (Fixture *fixture, const char *text, GError **error)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    const char *const dirs[] = {fixture->dir, NULL};
    RelaisSchema *schema = relais_schema_new ();

    g_assert_true (g_file_set_contents (fixture->conf, text, -1, NULL));
    g_assert_true (relais_host_add_options (fixture->host, schema, NULL));
    fixture->config = relais_config_read (schema, dirs, findings);
    relais_schema_free (schema);
    g_assert_nonnull (fixture->config);
    return relais_host_init (fixture->host, fixture->config, error) &&
           relais_host_start (fixture->host, error);
}

static void
assert_told (const char *wanted)
{
    g_assert_cmpstr (told->str, ==, wanted);
    g_string_truncate (told, 0);
}

static GLogWriterOutput
drop_warnings (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    return level == G_LOG_LEVEL_WARNING ? G_LOG_WRITER_HANDLED
                                        : g_log_writer_default (level, fields, n, data);
}

/* What it had begun has to end: nothing calls it later, and the host's end does not stop it once more. */
static void
test_stopped (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;

    add (fixture, "a", fail, NULL, NULL);
    g_assert_true (bring_up (fixture, "[module a]\nenable = yes\non_failure = bypass\n", &error));
    assert_told ("fail a;stop a;");
    g_assert_cmpuint (relais_host_n_off (fixture->host), ==, 1);
    relais_host_stop (fixture->host);
    assert_told ("");
}

/* They would call into what was never started. */
static void
test_dependents (Fixture *fixture, gconstpointer data)
{
    static const char *const a[] = {"a", NULL}, *const b[] = {"b", NULL};
    g_autoptr (GError) error = NULL;

    add (fixture, "a", fail, NULL, NULL);
    add (fixture, "b", start, a, NULL);
    add (fixture, "c", start, b, NULL);
    add (fixture, "d", start, NULL, a);
    g_assert_true (bring_up (fixture,
                             "[module a]\nenable = yes\non_failure = bypass\n"
                             "[module c]\non_failure = bypass\n",
                             &error));
    assert_told ("fail a;stop a;start d;");
    g_assert_cmpuint (relais_host_n_off (fixture->host), ==, 3);
}

static void
test_dependent_stops (Fixture *fixture, gconstpointer data)
{
    static const char *const a[] = {"a", NULL};
    g_autoptr (GError) error = NULL;

    add (fixture, "a", fail, NULL, NULL);
    add (fixture, "b", start, a, NULL);
    g_assert_false (bring_up (fixture,
                              "[module a]\nenable = yes\non_failure = bypass\n"
                              "[module b]\non_failure = stop\n",
                              &error));
    g_assert_cmpstr (error->message, ==,
                     "module b: it needs a, which is off, and on_failure = stop");
}

static void
test_service (Fixture *fixture, gconstpointer data)
{
    static const char *const a[] = {"a", NULL};
    g_autoptr (GError) error = NULL;
    RelaisModule *module = add (fixture, "a", fail, NULL, NULL);

    relais_host_add_service (fixture->host, module, "sums", 1, 0, &table);
    add (fixture, "b", look_up, NULL, a);
    g_assert_true (bring_up (fixture, "[module a]\nenable = yes\non_failure = bypass\n", &error));
    assert_told ("fail a;stop a;service sums: found module 'a' off, wanted it on; see in the log "
                 "why it was not started;");
}

static void
submit (gpointer data, RelaisStoreRequest *request)
{
    g_string_append (told, "submit;");
    relais_store_request_complete (request, RELAIS_STORE_FOUND);
}

static void
note_result (gpointer data, const RelaisStoreReply *reply)
{
    result = relais_store_reply_get_result (reply);
}

/* The daemon starts; whoever asks the store learns that nothing is known. */
static void
test_store (Fixture *fixture, gconstpointer data)
{
    const RelaisStoreBackend backend = {sizeof backend, 1 << RELAIS_STORE_GET, submit};
    g_autoptr (GError) error = NULL;
    RelaisModule *module = add (fixture, "a", fail, NULL, NULL);

    fixture->host->in_init = true;
    g_assert_true (relais_module_provide_store (module, &backend, NULL, &error));
    fixture->host->in_init = false;
    g_assert_true (bring_up (fixture, "[module a]\nenable = yes\non_failure = bypass\n", &error));
    assert_told ("fail a;stop a;");
    result = RELAIS_STORE_FOUND;
    relais_store_get (module, "k", 1, note_result, NULL);
    relais_loop_turn (fixture->loop, false);
    g_assert_cmpuint (result, ==, RELAIS_STORE_ERROR);
    assert_told ("");
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/module/off/stopped", test_stopped},
        {"/module/off/dependents", test_dependents},
        {"/module/off/dependent-stops", test_dependent_stops},
        {"/module/off/service", test_service},
        {"/module/off/store", test_store},
    };

    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    g_log_set_writer_func (drop_warnings, NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
