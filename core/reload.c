/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Two-phase reload. Owns the configuration in force, the run under way and who waits for it. Loop thread;
 * read_and_prepare () alone runs on a worker, and touches nothing that the loop uses meanwhile.
 */
#include "config.h"

#include "reload-private.h"

#include "queue/settings-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

/* One reload: what was asked for before it began is answered by it. */
typedef struct {
    RelaisReload *reload;
    GPtrArray *calls; /* RelaisCommandCall that wait */
    RelaisConfig *old;
    RelaisHost *off; /* modules that lend their options */
    GPtrArray *findings, *changes;
    /* What was made; `config` is NULL if it was refused. */
    RelaisConfig *config;
    RelaisServerSettings *settings;
    RelaisQueueSettings queue_settings;
} Run;

struct RelaisReload {
    RelaisReloadParts parts;
    RelaisControl *control;
    RelaisConfig *config;
    Run *run;         /* under way, or NULL */
    GPtrArray *calls; /* for the next one */
    bool again;       /* there is to be a next one */
    bool stopping;
};

/* --- On the worker ---------------------------------------------------------------------------- */

bool
relais_lend_options (const RelaisHost *host, RelaisHost *off, const char *const *dirs,
                     RelaisSchema *schema, GError **error)
{
    g_auto (GStrv) mentioned = relais_config_mentioned_modules (dirs);

    for (char **name = mentioned; *name != NULL; name++)
        if (!relais_host_has_module (host, *name))
            (void)relais_host_load (off, *name, NULL);
    return relais_host_add_options (off, schema, error);
}

static void
add_error (Run *run, const GError *error)
{
    RelaisConfigFinding *finding = g_new (RelaisConfigFinding, 1);

    *finding = (RelaisConfigFinding){.is_error = true, .text = g_strdup (error->message)};
    g_ptr_array_add (run->findings, finding);
}

/* What --check would find, modules that are off included. */
static bool
check_files (Run *run)
{
    const RelaisReloadParts *parts = &run->reload->parts;
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config = NULL;
    g_autoptr (GError) error = NULL;

    if (relais_host_add_options (parts->host, schema, &error) &&
        relais_lend_options (parts->host, run->off, parts->dirs, schema, &error))
        config = relais_config_read (schema, parts->dirs, run->findings);
    else
        add_error (run, error);
    relais_schema_free (schema);
    relais_config_unref (config);
    return config != NULL;
}

/* The configuration by the options of the modules that are loaded: what others have in the files was
 * looked at before. */
static RelaisConfig *
read_files (Run *run)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    const RelaisReloadParts *parts = &run->reload->parts;
    RelaisSchema *schema = relais_schema_new ();
    g_autoptr (RelaisConfig) fresh = NULL;

    if (relais_host_add_options (parts->host, schema, NULL)) /* as it did before */
        fresh = relais_config_read (schema, parts->dirs, findings);
    relais_schema_free (schema);
    if (fresh != NULL)
        return relais_config_merge (run->old, fresh, run->changes, run->findings);
    /* The files changed between the two looks at them. */
    g_ptr_array_unref (run->findings);
    run->findings = g_steal_pointer (&findings);
    return NULL;
}

/* With the files that it names: the loop reads none. */
static bool
prepare_queue (Run *run, RelaisConfig *config, GError **error)
{
    return relais_queue_settings_read (&run->queue_settings, config, error) &&
           relais_queue_settings_load (&run->queue_settings, config, error);
}

static void
read_and_prepare (gpointer data)
{
    Run *run = data;
    g_autoptr (RelaisConfig) config = check_files (run) ? read_files (run) : NULL;
    g_autoptr (GError) error = NULL;

    relais_host_put_missing (run->reload->parts.host, run->findings);
    if (config == NULL)
        return;
    relais_confinement_check (run->reload->parts.confinement, config, run->findings);
    run->settings = relais_server_settings_new (config, &error);
    if (run->settings != NULL && relais_policies_check (config, &error) &&
        prepare_queue (run, config, &error) &&
        relais_host_prepare (run->reload->parts.host, config, &error))
        run->config = g_steal_pointer (&config);
    else
        add_error (run, error);
}

/* --- What is told ----------------------------------------------------------------------------- */

bool
relais_put_findings (RelaisCommandCall *call, const GPtrArray *findings)
{
    bool any_error = false;

    for (guint i = 0; i < findings->len; i++) {
        const RelaisConfigFinding *finding = g_ptr_array_index (findings, i);

        relais_command_put (call, "severity", finding->is_error ? "error" : "warning");
        relais_command_put (call, "file", finding->file);
        relais_command_put_int (call, "line", finding->line);
        relais_command_put (call, "text", finding->text);
        relais_command_end_row (call);
        any_error |= finding->is_error;
    }
    return any_error;
}

static const char *
result_of (const RelaisConfigChange *change)
{
    return change->applies ? "applied" : "needs a restart";
}

static void
put_change (RelaisCommandCall *call, const RelaisConfigChange *change)
{
    relais_command_put (call, "result", result_of (change));
    relais_command_put (call, "section", change->section);
    relais_command_put (call, "key", change->key);
    relais_command_put (call, "old", change->old_value);
    relais_command_put (call, "new", change->new_value);
    relais_command_put (call, "origin", change->origin);
    relais_command_end_row (call);
}

static char *
describe (const Run *run)
{
    const guint applied = relais_config_changes_count (run->changes, true);
    const guint waiting = relais_config_changes_count (run->changes, false);

    if (applied + waiting == 0)
        return g_strdup (_ ("The configuration was read again; nothing in it changed."));
    return g_strdup_printf (_ ("The configuration was read again; changes applied: %u, that need "
                               "a restart: %u."),
                            applied, waiting);
}

static void
answer_done (const Run *run, RelaisCommandCall *call)
{
    g_autofree char *text = describe (run);

    for (guint i = 0; i < run->changes->len; i++)
        put_change (call, g_ptr_array_index (run->changes, i));
    for (guint i = 0; i < run->findings->len; i++) {
        g_autofree char *warning =
            relais_config_finding_to_string (g_ptr_array_index (run->findings, i));

        relais_command_note (call, warning);
    }
    relais_command_note (call, text);
    relais_command_finish (call);
}

static void
answer (const Run *run)
{
    for (guint i = 0; i < run->calls->len; i++) {
        RelaisCommandCall *call = g_ptr_array_index (run->calls, i);

        if (run->reload->stopping) {
            relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
        } else if (run->config != NULL) {
            answer_done (run, call);
        } else {
            relais_put_findings (call, run->findings);
            relais_command_fail (call, RELAIS_EXIT_REFUSED,
                                 _ ("the configuration has errors; the one in force stays"));
        }
    }
}

static void
log_findings (const Run *run)
{
    for (guint i = 0; i < run->findings->len; i++) {
        const RelaisConfigFinding *finding = g_ptr_array_index (run->findings, i);
        g_autofree char *text = relais_config_finding_to_string (finding);

        if (finding->is_error)
            g_warning ("%s", text);
        else
            g_message ("%s", text);
    }
}

static void
log_result (const Run *run)
{
    log_findings (run);
    if (run->config == NULL) {
        g_warning ("the configuration was not taken; the one in force stays");
        return;
    }
    for (guint i = 0; i < run->changes->len; i++) {
        const RelaisConfigChange *change = g_ptr_array_index (run->changes, i);

        g_message ("%s: %s%s%s: %s (was %s): %s", change->origin, change->section,
                   change->key != NULL ? " " : "", change->key != NULL ? change->key : "",
                   change->new_value != NULL ? change->new_value : "unset",
                   change->old_value != NULL ? change->old_value : "unset", result_of (change));
    }
    g_message ("the configuration was read again; changes applied: %u, that need a restart: %u",
               relais_config_changes_count (run->changes, true),
               relais_config_changes_count (run->changes, false));
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void
run_free (Run *run)
{
    relais_host_free (run->off);
    relais_config_unref (run->old);
    relais_config_unref (run->config);
    relais_server_settings_unref (run->settings);
    relais_queue_settings_clear (&run->queue_settings);
    g_ptr_array_unref (run->findings);
    g_ptr_array_unref (run->changes);
    g_ptr_array_unref (run->calls);
    g_free (run);
}

/* The queue comes first: a module may ask for lanes to be looked at when its own part is in force. */
static void
commit (RelaisReload *reload, Run *run)
{
    const RelaisReloadParts *parts = &reload->parts;

    relais_queue_reload (parts->queue, run->config, &run->queue_settings);
    relais_policies_reload (parts->policies, run->config, parts->queue);
    relais_host_commit (parts->host, run->config);
    relais_suppression_configure (parts->suppression, run->config);
    relais_smtp_server_use (parts->server, run->settings);
    relais_http_server_use (parts->http, run->config);
    relais_control_set_config (reload->control, run->config);
    relais_config_unref (reload->config);
    reload->config = relais_config_ref (run->config);
}

static void begin (RelaisReload *reload);

static void
on_prepared (gpointer data)
{
    Run *run = data;
    RelaisReload *reload = run->reload;

    reload->run = NULL;
    if (run->config != NULL && !reload->stopping)
        commit (reload, run);
    else
        relais_host_drop_prepared (reload->parts.host);
    if (!reload->stopping)
        log_result (run);
    answer (run);
    run_free (run);
    if (reload->stopping)
        return;
    /* Two configurations lay in memory, the new one from the arena of some worker's thread: in the course of reloads
     * each arena would keep the room of a few. */
    relais_allocator_give_back (reload->parts.allocator);
    reload->parts.under_way (reload->parts.data, false);
    if (reload->again)
        begin (reload);
}

static void
begin (RelaisReload *reload)
{
    Run *run = g_new0 (Run, 1);

    run->reload = reload;
    run->calls = g_steal_pointer (&reload->calls);
    run->old = relais_config_ref (reload->config);
    run->off = reload->parts.new_host (reload->parts.data);
    run->findings = relais_config_findings_new ();
    run->changes = relais_config_changes_new ();
    reload->calls = g_ptr_array_new ();
    reload->again = false;
    reload->run = run;
    reload->parts.under_way (reload->parts.data, true);
    if (!relais_pool_run (reload->parts.pool, read_and_prepare, on_prepared, run)) {
        g_autoptr (GError) error = g_error_new_literal (
            G_IO_ERROR, G_IO_ERROR_BUSY, _ ("too many jobs wait for a worker; try again"));

        add_error (run, error);
        on_prepared (run);
    }
}

void
relais_reload_begin (RelaisReload *reload)
{
    if (reload->run != NULL)
        reload->again = true;
    else if (!reload->stopping)
        begin (reload);
}

RelaisReload *
relais_reload_new (const RelaisReloadParts *parts, RelaisConfig *config)
{
    RelaisReload *reload = g_new0 (RelaisReload, 1);

    reload->parts = *parts;
    reload->config = relais_config_ref (config);
    reload->calls = g_ptr_array_new ();
    return reload;
}

void
relais_reload_set_control (RelaisReload *reload, RelaisControl *control)
{
    reload->control = control;
    relais_control_set_config (control, reload->config);
}

void
relais_reload_free (RelaisReload *reload)
{
    if (reload == NULL)
        return;
    reload->stopping = true;
    while (reload->run != NULL)
        relais_loop_turn (reload->parts.loop, true);
    for (guint i = 0; i < reload->calls->len; i++)
        relais_command_fail (g_ptr_array_index (reload->calls, i), RELAIS_EXIT_REFUSED,
                             _ ("the daemon is stopping"));
    g_ptr_array_unref (reload->calls);
    relais_config_unref (reload->config);
    g_free (reload);
}

/* --- Commands --------------------------------------------------------------------------------- */

static void
run_reload (RelaisCommandCall *call, gpointer data)
{
    RelaisReload *reload = data;

    if (reload->stopping) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon is stopping"));
        return;
    }
    g_ptr_array_add (reload->calls, call);
    relais_reload_begin (reload);
}

static void
put_value (gpointer data, const RelaisConfigEntry *entry)
{
    RelaisCommandCall *call = data;

    relais_command_put (call, "section", entry->section);
    relais_command_put (call, "key", entry->key);
    relais_command_put (call, "origin", entry->origin);
    relais_command_put (call, "value", entry->has_value ? entry->value : NULL);
    relais_command_end_row (call);
}

void
relais_put_config (RelaisCommandCall *call, const RelaisConfig *config)
{
    relais_config_each_value (config, put_value, call);
}

static void
run_running (RelaisCommandCall *call, gpointer data)
{
    relais_put_config (call, ((const RelaisReload *)data)->config);
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"reload", NULL, "", "", N_ ("Have the daemon read its configuration again."),
     RELAIS_COMMAND_ONLINE, 0, run_reload},
    {"conf", "running", "", "",
     N_ ("Show every value that the running daemon works by and where it comes from."),
     RELAIS_COMMAND_ONLINE, 0, run_running},
};

const RelaisCommand *
relais_reload_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
