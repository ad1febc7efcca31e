/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host: the modules' lives from load to finalize, the configuration objects and their pins. Loop
 * thread. Modules are never unmapped: what is freed here is the host's record of them.
 */
#include "config.h"

#include "module/guard-private.h"
#include "module/module-private.h"

#include "module/crash-private.h"

#include "conf/conf-private.h"
#include "tls/tls-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

G_DEFINE_QUARK (relais - module - error - quark, relais_module_error)

RelaisHost *
relais_host_new (const RelaisHostOptions *options)
{
    RelaisHost *host = g_new0 (RelaisHost, 1);

    host->loop = options->loop;
    host->pool = options->pool;
    host->module_dir = g_strdup (options->module_dir);
    host->module_dir_is_callers = options->module_dir_is_callers;
    host->locale_dir = g_strdup (options->locale_dir);
    host->program = g_strdup (options->program);
    host->is_core_command = options->is_core_command;
    relais_guard_set_slow_func (relais_slow_tell);
    (void)relais_module_error_quark (); /* made here, and not by two threads at once */
    host->missing = g_ptr_array_new_with_free_func (relais_missing_free);
    host->modules = g_ptr_array_new_with_free_func (relais_module_free);
    host->off = g_ptr_array_new_with_free_func (relais_module_free);
    host->slots = g_ptr_array_new_with_free_func (g_free);
    host->metrics = g_ptr_array_new_with_free_func (relais_metric_free);
    host->services = g_ptr_array_new_with_free_func (relais_service_free);
    host->edits_left_out = relais_host_add_counter (host, "edits_left_out");
    host->routes = g_ptr_array_new_with_free_func (relais_http_route_free);
    g_mutex_init (&host->pin_mutex);
    for (guint i = 0; i < RELAIS_N_HOOKS; i++)
        host->registered[i] = g_ptr_array_new_with_free_func (relais_hook_function_free);
    g_queue_init (&host->runs);
    g_queue_init (&host->channels);
    g_queue_init (&host->cursors);
    g_queue_init (&host->timers);
    host->source_words = g_ptr_array_new_with_free_func (relais_source_word_free);
    host->store = relais_store_new (host->loop);
    g_mutex_init (&host->tracking_mutex);
    return host;
}

void
relais_host_set_pool (RelaisHost *host, RelaisPool *pool)
{
    host->pool = pool;
}

void
relais_host_set_locale_dir (RelaisHost *host, const char *dir)
{
    g_free (host->locale_dir);
    host->locale_dir = g_strdup (dir);
}

static RelaisModule *
nth (const RelaisHost *host, guint n)
{
    return g_ptr_array_index (host->modules, n);
}

/* --- Configuration objects and pins ----------------------------------------------------------- */

static ConfigObject *
config_object_new (RelaisModule *module, gpointer object)
{
    ConfigObject *config = g_new (ConfigObject, 1);

    g_atomic_ref_count_init (&config->refs);
    config->object = object;
    config->module = module;
    config->free_object = module->ops.free_config;
    return config;
}

void
relais_config_object_unref (ConfigObject *config)
{
    if (config == NULL || !g_atomic_ref_count_dec (&config->refs))
        return;
    if (config->free_object != NULL && config->object != NULL) {
        RelaisGuard outer;

        relais_guard_enter (&outer, config->module, "free_config", 0);
        config->free_object (config->object);
        relais_guard_leave (&outer);
    }
    g_free (config);
}

static RelaisPin *
pin_new (const RelaisHost *host)
{
    guint n = host->modules->len;
    RelaisPin *pin = g_malloc0 (sizeof *pin + n * sizeof pin->objects[0]);

    g_atomic_ref_count_init (&pin->refs);
    pin->n = n;
    for (guint i = 0; i < n; i++) {
        pin->objects[i] = nth (host, i)->config;
        if (pin->objects[i] != NULL)
            g_atomic_ref_count_inc (&pin->objects[i]->refs);
    }
    return pin;
}

RelaisPin *
relais_pin_ref (RelaisPin *pin)
{
    g_atomic_ref_count_inc (&pin->refs);
    return pin;
}

void
relais_pin_unref (RelaisPin *pin)
{
    if (pin == NULL || !g_atomic_ref_count_dec (&pin->refs))
        return;
    for (guint i = 0; i < pin->n; i++)
        relais_config_object_unref (pin->objects[i]);
    g_free (pin);
}

/* Made with each commit, but for hosts that were never given a configuration. */
RelaisPin *
relais_host_pin (RelaisHost *host)
{
    RelaisPin *pin;

    g_mutex_lock (&host->pin_mutex);
    if (host->pin == NULL)
        host->pin = pin_new (host);
    pin = relais_pin_ref (host->pin);
    g_mutex_unlock (&host->pin_mutex);
    return pin;
}

static void
replace_pin (RelaisHost *host, RelaisPin *pin)
{
    RelaisPin *old;

    g_mutex_lock (&host->pin_mutex);
    old = host->pin;
    host->pin = pin;
    g_mutex_unlock (&host->pin_mutex);
    relais_pin_unref (old);
}

gpointer
relais_pin_get_config (const RelaisPin *pin, const RelaisModule *module)
{
    const ConfigObject *config = module->index < pin->n ? pin->objects[module->index] : NULL;

    return config != NULL ? config->object : NULL;
}

/* --- Load and declare ------------------------------------------------------------------------- */

static const RelaisModule *
find_module (const RelaisHost *host, const char *name)
{
    for (guint i = 0; i < host->modules->len; i++)
        if (g_str_equal (nth (host, i)->descriptor.name, name))
            return nth (host, i);
    return NULL;
}

bool
relais_host_has_module (const RelaisHost *host, const char *name)
{
    return find_module (host, name) != NULL;
}

bool
relais_host_load (RelaisHost *host, const char *name, GError **error)
{
    g_autoptr (GError) problem = NULL;
    RelaisModule *module;

    if (find_module (host, name) != NULL) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                     _ ("module %s: name: found a module of this name loaded already, wanted each "
                        "once; enable it once"),
                     name);
        return false;
    }
    module = relais_module_load (host, name, &problem);
    if (module == NULL && relais_host_take_missing (host, name, &problem))
        return true;
    if (module == NULL) {
        relais_host_add_hint (host, name, problem);
        g_propagate_error (error, g_steal_pointer (&problem));
        return false;
    }
    module->index = host->modules->len;
    g_ptr_array_add (host->modules, module);
    return true;
}

/* The modules whose files are there and that are not loaded. */
static void
add_off (const RelaisHost *host, RelaisSchema *schema)
{
    g_autoptr (GPtrArray) names = relais_module_names (host->module_dir);

    for (guint i = 0; i < host->off->len; i++)
        relais_schema_add_off (schema,
                               ((RelaisModule *)g_ptr_array_index (host->off, i))->descriptor.name);
    for (guint i = 0; i < names->len; i++)
        if (find_module (host, names->pdata[i]) == NULL)
            relais_schema_add_off (schema, names->pdata[i]);
}

bool
relais_host_add_options (RelaisHost *host, struct RelaisSchema *schema, GError **error)
{
    for (guint i = 0; i < host->modules->len; i++) {
        const RelaisModule *module = nth (host, i);
        const RelaisModuleDescriptor *descriptor = &module->descriptor;

        if (!relais_schema_add_module (schema, descriptor->name, module->options,
                                       descriptor->n_options, sizeof (RelaisOption), error)) {
            g_prefix_error (error, "%s: ", module->file);
            return false;
        }
    }
    add_off (host, schema);
    for (guint i = 0; i < host->missing->len; i++)
        relais_schema_add_off (schema, ((const RelaisMissing *)host->missing->pdata[i])->name);
    return true;
}

void
relais_host_each_command (RelaisHost *host, RelaisHostCommand func, gpointer data)
{
    for (guint i = 0; i < host->modules->len; i++) {
        RelaisModule *module = nth (host, i);

        for (guint k = 0; k < module->descriptor.n_commands; k++)
            func (data, &module->commands[k], module);
    }
}

typedef struct {
    const RelaisModule *module;
    const RelaisCommand *command;
} Claim;

static char *
name_command (const RelaisCommand *command)
{
    return g_strjoin (command->verb != NULL ? " " : NULL, command->word, command->verb, NULL);
}

static bool
check_claim (const Claim *claim, const Claim *other, GError **error)
{
    g_autofree char *name = name_command (claim->command);

    if (!g_str_equal (claim->command->word, other->command->word) ||
        g_strcmp0 (claim->command->verb, other->command->verb) != 0)
        return true;
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                 _ ("%s: commands: found '%s' declared by module '%s' too, wanted it once; "
                    "disable one of the two"),
                 claim->module->file, name, other->module->descriptor.name);
    return false;
}

static bool
check_not_ours (const Claim *claim, GError **error)
{
    const RelaisHost *host = claim->module->host;
    g_autofree char *name = name_command (claim->command);

    if (host->is_core_command == NULL ||
        !host->is_core_command (claim->command->word, claim->command->verb))
        return true;
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                 _ ("%s: commands: found '%s' declared by module '%s' and by Relais itself, wanted "
                    "it once; disable the module"),
                 claim->module->file, name, claim->module->descriptor.name);
    return false;
}

/* Each command is one module's: else it would depend on their order which one runs. */
static bool
check_commands (const RelaisHost *host, GError **error)
{
    g_autoptr (GArray) claims = g_array_new (FALSE, FALSE, sizeof (Claim));

    for (guint i = 0; i < host->modules->len; i++) {
        const RelaisModule *module = nth (host, i);

        for (guint k = 0; k < module->descriptor.n_commands; k++) {
            const Claim claim = {module, &module->commands[k]};

            if (!check_not_ours (&claim, error))
                return false;
            for (guint n = 0; n < claims->len; n++)
                if (!check_claim (&claim, &g_array_index (claims, Claim, n), error))
                    return false;
            g_array_append_val (claims, claim);
        }
    }
    return true;
}

/* --- Init and configuration ------------------------------------------------------------------- */

void
relais_host_drop_prepared (RelaisHost *host)
{
    for (guint i = 0; i < host->modules->len; i++)
        g_clear_pointer (&nth (host, i)->prepared, relais_config_object_unref);
}

/* An operation said no; whoever asked wants to know why, whether the module tells or not. Takes `problem`. */
static bool
refused (const RelaisModule *module, const char *operation, GError *problem, GError **error)
{
    const char *name = module->descriptor.name;

    if (problem != NULL)
        g_propagate_prefixed_error (error, problem, "module %s: ", name);
    else
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_CONFIG,
                     _ ("module %s: %s failed without saying why"), name, operation);
    return false;
}

static bool
prepare (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    g_autoptr (GError) problem = NULL;
    RelaisGuard outer;
    bool done;

    if (module->ops.prepare_config == NULL || module->off)
        return true;
    relais_guard_enter (&outer, module, "prepare_config", 0);
    relais_guard_allow (RELAIS_GUARD_FREE);
    done = module->ops.prepare_config (module, config, object, &problem);
    relais_guard_leave (&outer);
    return done || refused (module, "prepare_config", g_steal_pointer (&problem), error);
}

bool
relais_host_prepare (RelaisHost *host, RelaisConfig *config, GError **error)
{
    for (guint i = 0; i < host->modules->len; i++) {
        RelaisModule *module = nth (host, i);
        gpointer object = NULL;

        if (!prepare (module, config, &object, error)) {
            relais_host_drop_prepared (host);
            return false;
        }
        module->prepared = config_object_new (module, object);
    }
    return true;
}

void
relais_host_commit (RelaisHost *host, RelaisConfig *config)
{
    relais_config_ref (config);
    g_clear_pointer (&host->config, relais_config_unref);
    host->config = config;
    for (guint i = 0; i < host->modules->len; i++) {
        RelaisModule *module = nth (host, i);

        relais_config_object_unref (module->config);
        module->config = g_steal_pointer (&module->prepared);
        if (module->ops.commit_config != NULL && !module->off) {
            RelaisGuard outer;

            relais_guard_enter (&outer, module, "commit_config", 0);
            module->ops.commit_config (module, module->config->object);
            relais_guard_leave (&outer);
        }
    }
    replace_pin (host, pin_new (host));
}

bool
relais_module_init (RelaisModule *module, GError **error)
{
    RelaisHost *host = module->host;
    g_autoptr (GError) problem = NULL;
    RelaisGuard outer;
    bool done;

    module->initialised = true;
    host->in_init = true;
    relais_guard_enter (&outer, module, "init", 0);
    relais_guard_allow (RELAIS_GUARD_FREE);
    done = module->ops.init == NULL || module->ops.init (module, &problem);
    relais_guard_leave (&outer);
    host->in_init = false;
    module->hooks |= RELAIS_CRASH_HOOKS_KNOWN;
    module->slow = relais_module_add_counter (module, "callbacks_over_budget", "hook");
    return done || refused (module, "init", g_steal_pointer (&problem), error);
}

static bool
init_all (RelaisHost *host, GError **error)
{
    for (guint i = 0; i < host->modules->len; i++) {
        nth (host, i)->index = i;
        if (!relais_module_init (nth (host, i), error))
            return false;
    }
    return true;
}

bool
relais_host_init (RelaisHost *host, RelaisConfig *config, GError **error)
{
    return relais_modules_order (host, error) && check_commands (host, error) &&
           init_all (host, error) && relais_chains_order (host, error) &&
           relais_host_reload (host, config, error);
}

bool
relais_host_reload (RelaisHost *host, RelaisConfig *config, GError **error)
{
    if (!relais_host_prepare (host, config, error))
        return false;
    relais_host_commit (host, config);
    return true;
}

static bool
start (RelaisModule *module, GError **error)
{
    g_autoptr (GError) problem = NULL;
    RelaisGuard outer;
    bool done;

    module->started = true;
    if (module->host->locale_dir != NULL && module->descriptor.gettext_domain != NULL)
        relais_translations_load (module->host->locale_dir, module->descriptor.gettext_domain);
    relais_guard_enter (&outer, module, "start", 0);
    relais_guard_allow (RELAIS_GUARD_FREE);
    done = module->ops.start == NULL || module->ops.start (module, &problem);
    relais_guard_leave (&outer);
    return done || refused (module, "start", g_steal_pointer (&problem), error);
}

static void
stop (RelaisModule *module)
{
    RelaisGuard outer;

    relais_guard_enter (&outer, module, "stop", 0);
    relais_guard_allow (RELAIS_GUARD_FREE);
    if (module->started && module->ops.stop != NULL)
        module->ops.stop (module);
    relais_guard_leave (&outer);
    relais_module_end_timers (module);
    module->started = false;
}

/* What it requires and is off; NULL: none of it. */
static const RelaisModule *
required_and_off (const RelaisModule *module)
{
    const gchar *const *required = module->descriptor.requires_modules;

    for (; required != NULL && *required != NULL; required++) {
        const RelaisModule *other = find_module (module->host, *required);

        if (other != NULL && other->off)
            return other;
    }
    return NULL;
}

/* It is not started either, as it would call what never was. */
static bool
put_off_with (RelaisModule *module, const RelaisModule *other, GError **error)
{
    const RelaisOnFailure on_failure = relais_module_on_failure (module);

    if (on_failure == RELAIS_ON_FAILURE_STOP) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                     _ ("module %s: it needs %s, which is off, and on_failure = stop"),
                     module->descriptor.name, other->descriptor.name);
        return false;
    }
    relais_module_put_off (module, on_failure);
    g_warning ("module %s: it needs %s, which is off; it is off", module->descriptor.name,
               other->descriptor.name);
    return true;
}

/* Where the administrator said what becomes of mail then, the daemon starts without it. */
static bool
start_or_put_off (RelaisModule *module, GError **error)
{
    const RelaisOnFailure on_failure = relais_module_on_failure (module);
    const RelaisModule *other = required_and_off (module);
    g_autoptr (GError) problem = NULL;

    if (other != NULL)
        return put_off_with (module, other, error);
    if (start (module, &problem))
        return true;
    if (on_failure != RELAIS_ON_FAILURE_TEMPFAIL && on_failure != RELAIS_ON_FAILURE_BYPASS) {
        g_propagate_error (error, g_steal_pointer (&problem));
        return false;
    }
    stop (module); /* what it had begun would go on calling it */
    relais_module_put_off (module, on_failure);
    g_warning ("%s; it is off", problem->message);
    return true;
}

/* A store that is not open answers that nothing is known. */
bool
relais_host_start (RelaisHost *host, GError **error)
{
    RelaisModule *backend = host->store_module;

    if (backend != NULL && !start_or_put_off (backend, error))
        return false;
    if (backend == NULL || !backend->off)
        relais_store_open (host->store);
    for (guint i = 0; i < host->modules->len; i++)
        if (nth (host, i) != backend && !start_or_put_off (nth (host, i), error))
            return false;
    return true;
}

/* --- Down ------------------------------------------------------------------------------------- */

/* The store's backend is stopped last, after all calls have ended: see relais_host_stop (). */
static void
stop_all (RelaisHost *host)
{
    for (guint i = host->modules->len; i > 0; i--)
        if (nth (host, i - 1) != host->store_module)
            stop (nth (host, i - 1));
}

static void
finalize_all (RelaisHost *host)
{
    for (guint i = host->modules->len; i > 0; i--) {
        RelaisModule *module = nth (host, i - 1);
        RelaisGuard outer;

        g_clear_pointer (&module->prepared, relais_config_object_unref);
        g_clear_pointer (&module->config, relais_config_object_unref);
        relais_guard_enter (&outer, module, "finalize", 0);
        relais_guard_allow (RELAIS_GUARD_FREE);
        if (module->initialised && module->ops.finalize != NULL)
            module->ops.finalize (module);
        relais_guard_leave (&outer);
    }
}

static void
free_chains (RelaisHost *host)
{
    for (guint i = 0; i < RELAIS_N_HOOKS; i++) {
        g_free (host->chains[i].functions);
        host->chains[i] = (Chain){0};
        g_ptr_array_unref (host->registered[i]);
    }
}

void
relais_host_stop (RelaisHost *host)
{
    if (host == NULL || host->stopped)
        return;
    host->stopped = true;
    while (host->runs.head != NULL)
        relais_host_cancel (host->runs.head->data);
    stop_all (host);
    relais_host_end_channels (host);
    relais_host_end_lookups (host);
    while (host->jobs > 0)
        relais_loop_turn (host->loop, true);
    relais_store_close (host->store);
    do { /* jobs of those who were told of an end just now, and the ends of what these ask */
        while (host->jobs > 0)
            relais_loop_turn (host->loop, true);
        relais_store_settle (host->store);
    } while (host->jobs > 0);
    if (host->store_module != NULL)
        stop (host->store_module);
}

void
relais_host_free (RelaisHost *host)
{
    if (host == NULL)
        return;
    relais_host_stop (host);
    replace_pin (host, NULL);
    finalize_all (host);
    relais_store_free (host->store);
    free_chains (host);
    g_ptr_array_unref (host->modules);
    g_ptr_array_unref (host->off);
    g_ptr_array_unref (host->missing);
    g_clear_pointer (&host->mentions, g_ptr_array_unref);
    g_ptr_array_unref (host->slots);
    g_ptr_array_unref (host->metrics);
    g_ptr_array_unref (host->services);
    g_clear_pointer (&host->channel_tls, relais_tls_context_unref);
    g_ptr_array_unref (host->routes);
    g_ptr_array_unref (host->source_words);
    g_mutex_clear (&host->pin_mutex);
    g_clear_pointer (&host->config, relais_config_unref);
    g_clear_pointer (&host->tracking, relais_tracking_table_unref);
    g_mutex_clear (&host->tracking_mutex);
    g_free (host->module_dir);
    g_free (host->locale_dir);
    g_free (host->state_dir);
    g_free (host->program);
    g_free (host);
}

/* --- What modules ask of the host ------------------------------------------------------------- */

void
relais_host_set_fetcher (RelaisHost *host, struct RelaisFetcher *fetcher)
{
    host->fetcher = fetcher;
}

struct RelaisFetcher *
relais_module_fetcher (const RelaisModule *module)
{
    return module->host->fetcher;
}

bool
relais_module_fetch_from_test (RelaisModule *module, const RelaisFetchInfo *info,
                               RelaisFetchFunc done, gpointer data, guint64 *number)
{
    const RelaisHost *host = module->host;

    if (host->fetch == NULL)
        return false;
    *number = host->fetch (host->fetch_data, info, done, data);
    return true;
}

bool
relais_module_cancel_in_test (RelaisModule *module, guint64 fetch, gboolean *cancelled)
{
    const RelaisHost *host = module->host;

    if (host->fetch == NULL)
        return false;
    *cancelled = host->fetch_cancel (host->fetch_data, fetch);
    return true;
}

const gchar *
relais_module_get_name (const RelaisModule *module)
{
    return module->descriptor.name;
}

void
relais_module_set_data (RelaisModule *module, gpointer data)
{
    module->data = data;
}

gpointer
relais_module_get_data (const RelaisModule *module)
{
    return module->data;
}

gpointer
relais_module_get_config (const RelaisModule *module)
{
    return module->config != NULL ? module->config->object : NULL;
}

typedef struct {
    RelaisModule *module;
    guint64 id; /* of the message that it was begun for, or 0 */
    bool free;  /* begun by what has no time limit: a command, the start */
    RelaisWorkFunc work, done;
    gpointer data;
} Job;

static void
job_work (gpointer data)
{
    const Job *job = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, job->module, "job", job->id);
    if (job->free)
        relais_guard_allow (RELAIS_GUARD_FREE);
    job->work (job->data);
    relais_guard_leave (&outer);
}

static void
job_done (gpointer data)
{
    Job *job = data;

    if (job->done != NULL) {
        RelaisGuard outer;

        relais_guard_enter (&outer, job->module, "job-done", job->id);
        job->done (job->data);
        relais_guard_leave (&outer);
    }
    g_atomic_int_add (&job->module->host->jobs, -1);
    g_free (job);
}

gboolean
relais_worker_run (RelaisModule *module, RelaisWorkFunc work, RelaisWorkFunc done, gpointer data)
{
    RelaisHost *host = module->host;
    Job *job;

    g_return_val_if_fail (work != NULL, FALSE);
    if (host->pool == NULL)
        return FALSE;
    job = g_new (Job, 1);
    *job = (Job){module, relais_guard_id (), relais_guard_is_free (), work, done, data};
    g_atomic_int_inc (&host->jobs);
    if (relais_pool_run (host->pool, job_work, job_done, job))
        return TRUE;
    g_atomic_int_add (&host->jobs, -1);
    g_free (job);
    return FALSE;
}
