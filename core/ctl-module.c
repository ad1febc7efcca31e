/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Switching modules on and off. A module is on by a file of its own, module-NAME.conf, in the administrator's conf.d:
 * `enable` writes it once the configuration was found good with it, `disable` removes it. Both leave every other file
 * alone, and say which line decides where it is another's. They need no daemon, and work where the configuration has
 * errors, since these may be what they are called for. relaisctl's thread; blocks.
 */
#include "config.h"

#include "ctl-module-private.h"

#include "commands-private.h"
#include "contain-private.h"
#include "module/crash-private.h"
#include "conf/conf-private.h"
#include "conf/line-private.h"
#include "control/client-private.h"
#include "module/module-private.h"
#include "reload-private.h"
#include "usable-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- The file --------------------------------------------------------------------------------- */

static const char *
admin_dir (const RelaisCtlModules *modules)
{
    gsize n = 0;

    while (modules->conf_dirs[n + 1] != NULL)
        n++;
    return modules->conf_dirs[n];
}

static char *
own_path (const char *dir, const char *name)
{
    g_autofree char *base = g_strdup_printf ("module-%s.conf", name);

    return g_build_filename (dir, base, NULL);
}

static char *
own_text (const char *name)
{
    return g_strdup_printf (
        "# Written by `relaisctl module enable %s`; `relaisctl module disable %s` removes it.\n"
        "[module %s]\n"
        "enable = yes\n",
        name, name, name);
}

/* Whether the file is there just as `enable` writes it. */
static bool
is_own (const char *path, const char *name)
{
    g_autofree char *wanted = own_text (name);
    g_autofree char *found = NULL;

    return g_file_get_contents (path, &found, NULL, NULL) && g_str_equal (found, wanted);
}

/* Readable for the daemon's user, whatever the caller's umask is. */
static bool
write_own (const char *dir, const char *name, GError **error)
{
    g_autofree char *path = own_path (dir, name);
    g_autofree char *text = own_text (name);

    if (g_mkdir_with_parents (dir, 0755) == 0 &&
        g_file_set_contents_full (path, text, -1,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0644, error) &&
        g_chmod (path, 0644) == 0)
        return true;
    if (error == NULL || *error == NULL)
        g_set_error (error, G_FILE_ERROR, (gint)g_file_error_from_errno (errno), "%s: %s", path,
                     g_strerror (errno));
    return false;
}

/* --- Which line decides ----------------------------------------------------------------------- */

static char *
where_of (const RelaisModuleMention *mention)
{
    return mention != NULL && mention->file != NULL
               ? g_strdup_printf ("%s:%u", mention->file, mention->line)
               : NULL;
}

/* Whether what the file says is overridden by what `mention` was decided by. */
static bool
comes_before (const char *path, const RelaisModuleMention *mention)
{
    g_autofree char *dir = g_path_get_dirname (path);
    g_autofree char *other = g_path_get_dirname (mention->file);

    return g_str_equal (dir, other) && strcmp (path, mention->file) < 0;
}

/* --- Checking --------------------------------------------------------------------------------- */

static RelaisHost *
new_host (const RelaisCtlModules *modules)
{
    return relais_host_new (
        &(RelaisHostOptions){.loop = modules->loop,
                             .module_dir = modules->module_dir,
                             .module_dir_is_callers = modules->module_dir_is_callers,
                             .program = "relaisctl",
                             .is_core_command = relais_is_core_command});
}

static void
add_error (GPtrArray *findings, GError *error)
{
    relais_conf_add_finding (findings, true, NULL, 0, g_strdup (error->message));
    g_error_free (error);
}

static bool
load_all (RelaisHost *host, RelaisHost *off, const char *const *dirs, RelaisSchema *schema,
          GPtrArray *findings)
{
    g_auto (GStrv) names = relais_config_enabled_modules (dirs);
    GError *error = NULL;
    bool good = true;

    relais_host_allow_missing (host, dirs);
    for (char **name = names; *name != NULL; name++)
        if (!relais_host_load (host, *name, &error)) {
            add_error (findings, g_steal_pointer (&error));
            good = false;
        }
    relais_host_put_missing (host, findings);
    if (!relais_host_add_options (host, schema, &error) ||
        !relais_lend_options (host, off, dirs, schema, &error)) {
        add_error (findings, error);
        good = false;
    }
    return good;
}

bool
relais_ctl_modules_check (const RelaisCtlModules *modules, const char *const *dirs,
                          GPtrArray *findings)
{
    RelaisHost *host = new_host (modules), *off = new_host (modules);
    RelaisSchema *schema = relais_schema_new ();
    g_autoptr (RelaisConfig) config = NULL;
    GError *error = NULL;
    bool good = load_all (host, off, dirs, schema, findings);

    config = relais_config_read (schema, dirs, findings);
    if (config == NULL)
        good = false;
    else if (good && (!relais_config_is_usable (config, &error) ||
                      !relais_host_init (host, config, &error))) {
        add_error (findings, error);
        good = false;
    }
    relais_host_free (off);
    relais_host_free (host);
    relais_schema_free (schema);
    return good;
}

/* Checks what would be if the module were on, or off: a directory after all others says so. */
static bool
check_with (const RelaisCtlModules *modules, const char *name, bool on, GPtrArray *findings)
{
    const gsize n = g_strv_length ((char **)modules->conf_dirs);
    g_autofree const char **dirs = g_new0 (const char *, n + 2);
    g_autofree char *extra = g_dir_make_tmp ("relais-module-XXXXXX", NULL);
    g_autofree char *text = g_strdup_printf ("[module %s]\nenable = %s\n", name, on ? "yes" : "no");
    g_autofree char *path = extra != NULL ? own_path (extra, name) : NULL;
    GError *error = NULL;
    bool good = false;

    if (path == NULL || !g_file_set_contents (path, text, -1, &error)) {
        relais_conf_add_finding (
            findings, true, NULL, 0,
            g_strdup_printf (_ ("cannot write to %s: %s"), g_get_tmp_dir (),
                             error != NULL ? error->message : g_strerror (errno)));
        g_clear_error (&error);
    } else {
        memcpy (dirs, modules->conf_dirs, n * sizeof *dirs);
        dirs[n] = extra;
        good = relais_ctl_modules_check (modules, dirs, findings);
        (void)g_unlink (path);
    }
    if (extra != NULL)
        (void)g_rmdir (extra);
    return good;
}

/* --- list ------------------------------------------------------------------------------------- */

/* Adds what the daemon has loaded, by the configuration that it works by; nothing where none answers. */
static void
take_running (GHashTable *running, const char *line)
{
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonNode *root; /* NULL: an empty line */
    JsonObject *row;
    const char *section;

    if (!json_parser_load_from_data (parser, line, -1, NULL) ||
        (root = json_parser_get_root (parser)) == NULL || !JSON_NODE_HOLDS_OBJECT (root))
        return;
    row = json_node_get_object (root);
    section = json_object_get_string_member_with_default (row, "section", "");
    if (g_str_has_prefix (section, "[module ") &&
        g_str_equal (json_object_get_string_member_with_default (row, "key", ""), "enable") &&
        g_str_equal (json_object_get_string_member_with_default (row, "value", ""), "yes"))
        g_hash_table_add (running, g_strndup (section + strlen ("[module "),
                                              strlen (section) - strlen ("[module ]")));
}

static GHashTable *
ask_daemon (const RelaisCtlModules *modules)
{
    GHashTable *running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    char *words[] = {(char *)"--json", (char *)"conf", (char *)"running", NULL};
    char *out = NULL, *err = NULL;
    gsize out_size = 0, err_size = 0;
    RelaisTerminal terminal = {.out = open_memstream (&out, &out_size),
                               .err = open_memstream (&err, &err_size)};

    if (terminal.out != NULL && terminal.err != NULL)
        (void)relais_commands_run (modules->commands, modules->socket_path, NULL, 3, words,
                                   &terminal);
    if (terminal.out != NULL)
        (void)fclose (terminal.out);
    if (terminal.err != NULL)
        (void)fclose (terminal.err);
    if (out != NULL) {
        g_auto (GStrv) lines = g_strsplit (out, "\n", -1);

        for (char **line = lines; *line != NULL; line++)
            take_running (running, *line);
    }
    free (out);
    free (err);
    return running;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static bool
is_installed (const RelaisCtlModules *modules, const char *name)
{
    g_autofree char *base = g_strconcat (name, ".so", NULL);
    g_autofree char *path = g_build_filename (modules->module_dir, base, NULL);

    return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Installed ones, and those that the files want; by name. */
static GPtrArray *
list_names (const RelaisCtlModules *modules, const GPtrArray *mentions)
{
    GPtrArray *names = relais_module_names (modules->module_dir);

    for (guint i = 0; i < mentions->len; i++) {
        const RelaisModuleMention *mention = g_ptr_array_index (mentions, i);

        if (!is_installed (modules, mention->name))
            g_ptr_array_add (names, g_strdup (mention->name));
    }
    g_ptr_array_sort (names, compare_names);
    return names;
}

static const char *
state_of (bool installed, bool loads, bool running, bool enabled, bool crashed)
{
    if (!installed)
        return "not installed";
    if (!loads)
        return "failed";
    if (crashed && enabled)
        return "crashed";
    if (running)
        return "loaded";
    return enabled ? "enabled" : "off";
}

static void
put_module (RelaisCommandCall *call, const RelaisCtlModules *modules, const char *name,
            const RelaisModuleMention *mention, bool running, bool crashed)
{
    RelaisHost *host = new_host (modules);
    g_autoptr (GError) error = NULL;
    g_autofree char *where = where_of (mention);
    const bool installed = is_installed (modules, name);
    const bool loads = installed && relais_host_load (host, name, &error);
    const bool enabled = mention != NULL && mention->enabled;
    const RelaisModule *module = loads ? g_ptr_array_index (host->modules, 0) : NULL;

    relais_command_put (call, "name", name);
    relais_command_put (call, "state", state_of (installed, loads, running, enabled, crashed));
    relais_command_put (call, "version", module != NULL ? module->descriptor.version : NULL);
    relais_command_put (call, "enabled_by", enabled ? where : NULL);
    relais_command_put (
        call, "summary",
        module != NULL && module->descriptor.summary != NULL
            ? g_dgettext (module->descriptor.gettext_domain, module->descriptor.summary)
            : NULL);
    relais_command_put (call, "problem", error != NULL ? error->message : NULL);
    relais_command_end_row (call);
    relais_host_free (host);
}

static void
list_modules (RelaisCommandCall *call, gpointer data)
{
    const RelaisCtlModules *modules = data;
    g_autoptr (GPtrArray) mentions = relais_config_module_mentions (modules->conf_dirs);
    g_autoptr (GPtrArray) names = list_names (modules, mentions);
    g_autoptr (GHashTable) running = ask_daemon (modules);
    g_autofree char *path = relais_crashes_path (modules->conf_dirs);
    g_autoptr (GArray) crashes = relais_crashes_load (path, NULL);

    if (crashes == NULL) /* not for this user to read */
        crashes = g_array_new (FALSE, FALSE, sizeof (RelaisCrash));
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index (names, i);

        put_module (call, modules, name, relais_config_find_mention (mentions, name),
                    g_hash_table_contains (running, name),
                    relais_crashes_against_module (crashes, name) != NULL);
    }
    relais_command_finish (call);
}

/* --- enable, disable -------------------------------------------------------------------------- */

static void refuse (RelaisCommandCall *call, const char *format, ...) G_GNUC_PRINTF (2, 3);
static void finish (RelaisCommandCall *call, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
refuse (RelaisCommandCall *call, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, text);
}

static void
finish (RelaisCommandCall *call, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    relais_command_note (call, text);
    relais_command_finish (call);
}

/* The one argument, or NULL after the call was ended. */
static const char *
take_name (RelaisCommandCall *call)
{
    const char *name = relais_command_n_args (call) == 1 ? relais_command_arg (call, 0) : NULL;

    if (name != NULL && relais_module_name_is_good (name))
        return name;
    relais_command_fail (call, RELAIS_EXIT_USAGE,
                         _ ("expected the name of one module (relaisctl module list)"));
    return NULL;
}

/* Whether `enable` may write its file, and it would decide. */
static bool
can_write (RelaisCommandCall *call, const RelaisModuleMention *mention, const char *path,
           const char *name)
{
    g_autofree char *where = where_of (mention);

    if (g_file_test (path, G_FILE_TEST_EXISTS) && !is_own (path, name)) {
        refuse (call,
                _ ("%s is there and not from this command: write enable = yes into it, or move it "
                   "away"),
                path);
        return false;
    }
    if (where != NULL && comes_before (path, mention)) {
        refuse (call, _ ("%s switches it off and is read later than %s: remove that line"), where,
                path);
        return false;
    }
    return true;
}

static void
enable_module (RelaisCommandCall *call, gpointer data)
{
    const RelaisCtlModules *modules = data;
    const char *name = take_name (call);
    g_autoptr (GPtrArray) mentions = relais_config_module_mentions (modules->conf_dirs);
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    g_autoptr (GError) error = NULL;
    g_autofree char *path = name != NULL ? own_path (admin_dir (modules), name) : NULL;
    const RelaisModuleMention *mention =
        name != NULL ? relais_config_find_mention (mentions, name) : NULL;

    if (name == NULL)
        return;
    if (mention != NULL && mention->enabled) {
        g_autofree char *where = where_of (mention);

        finish (call, _ ("It is on already, by %s."), where);
    } else if (!can_write (call, mention, path, name)) {
        return;
    } else if (!check_with (modules, name, true, findings)) {
        relais_put_findings (call, findings);
        refuse (call, _ ("with %s on the configuration has errors; nothing was changed"), name);
    } else if (!write_own (admin_dir (modules), name, &error)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    } else {
        finish (call, _ ("%s is on from the daemon's next start; restart it to have it now."),
                name);
    }
}

/* Others may need it. What is wrong with and without it is no reason to keep it on. */
static bool
may_be_off (RelaisCommandCall *call, const RelaisCtlModules *modules, const char *name)
{
    g_autoptr (GPtrArray) with = relais_config_findings_new ();
    g_autoptr (GPtrArray) without = relais_config_findings_new ();

    if (check_with (modules, name, false, without) || !check_with (modules, name, true, with))
        return true;
    relais_put_findings (call, without);
    refuse (call,
            _ ("without %s the configuration has errors; nothing was changed (--force switches it "
               "off all the same)"),
            name);
    return false;
}

static void
remove_own (RelaisCommandCall *call, const RelaisCtlModules *modules, const char *name,
            const char *path)
{
    const bool is_there = is_own (path, name);
    g_autoptr (GPtrArray) mentions = NULL;
    const RelaisModuleMention *mention;
    g_autofree char *where = NULL;

    if (is_there && g_unlink (path) < 0) {
        refuse (call, "%s: %s", path, g_strerror (errno));
        return;
    }
    mentions = relais_config_module_mentions (modules->conf_dirs);
    mention = relais_config_find_mention (mentions, name);
    where = where_of (mention);
    if (mention != NULL && mention->enabled)
        refuse (
            call,
            _ ("%s switches it on, which is not from relaisctl module enable: remove that line"),
            where);
    else if (is_there)
        finish (call,
                _ ("%s is off from the daemon's next start; until it is restarted it goes on."),
                name);
    else
        finish (call, _ ("%s is off already."), name);
}

static void
disable_module (RelaisCommandCall *call, gpointer data)
{
    const RelaisCtlModules *modules = data;
    const char *name = take_name (call);

    if (name == NULL)
        return;
    if (relais_command_option (call, "force") != NULL || may_be_off (call, modules, name)) {
        g_autofree char *path = own_path (admin_dir (modules), name);

        remove_own (call, modules, name, path);
    }
}

static const RelaisCommand commands[] = {
    {"module", "list", "", "",
     N_ ("Show the modules: which are installed, which are on, and which line switches them on."),
     RELAIS_COMMAND_OFFLINE, 0, list_modules},
    {"module", "enable", "NAME", "",
     N_ ("Switch a module on, if the configuration is good with it."), RELAIS_COMMAND_OFFLINE, 0,
     enable_module},
    {"module", "disable", "NAME [--force]", "force",
     N_ ("Switch a module off that was switched on so."), RELAIS_COMMAND_OFFLINE, 0,
     disable_module},
};

const RelaisCommand *
relais_ctl_module_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
