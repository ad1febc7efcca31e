/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl: finds the configuration, learns the commands (the core's, and those that the enabled
 * modules declare), and hands the words to core/control. Modules are loaded for their declarations
 * and their OFFLINE commands, and not initialised: a key must be made before the module that wants it
 * can start.
 *
 * A configuration with errors stops OFFLINE commands, which work by it, but not the daemon's: that
 * runs on what it read before.
 */
#include "config.h"

#include "commands-private.h"
#include "conf/conf-private.h"
#include "control/client-private.h"
#include "ctl-crashes-private.h"
#include "ctl-module-private.h"
#include "ctl-new-private.h"
#include "http/tracking-private.h"
#include "mains-private.h"
#include "module/host-private.h"
#include "queue/queue-private.h"
#include "reload-private.h"
#include "smtp/users-private.h"
#include "status-private.h"
#include "suppress/suppress-private.h"

#include <glib/gi18n-lib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char **conf_dirs;
    char *socket, *module_dir;
    gboolean json, help, version;

    RelaisLoop *loop;
    RelaisHost *host;
    RelaisSchema *schema;
    GPtrArray *findings;
    RelaisConfig *config; /* NULL if it has errors */
    RelaisCommands *commands;
    RelaisCtlModules modules;
} Ctl;

/* --- Configuration ---------------------------------------------------------------------------- */

static const char *const *
configuration_dirs (const Ctl *ctl)
{
    static const char *const shipped[] = {RELAIS_VENDOR_CONF_DIR, RELAIS_ADMIN_CONF_DIR, NULL};

    return ctl->conf_dirs != NULL ? (const char *const *)ctl->conf_dirs : shipped;
}

static void
add_error (Ctl *ctl, const GError *error)
{
    RelaisConfigFinding *finding = g_new0 (RelaisConfigFinding, 1);

    finding->is_error = true;
    finding->text = g_strdup (error->message);
    g_ptr_array_add (ctl->findings, finding);
}

static void
load_modules (Ctl *ctl)
{
    const RelaisHostOptions options = {
        .loop = ctl->loop,
        .module_dir = ctl->module_dir != NULL ? ctl->module_dir : RELAIS_MODULE_DIR,
        .module_dir_is_callers = ctl->module_dir != NULL,
        .program = "relaisctl",
        .is_core_command = relais_is_core_command,
    };
    g_auto (GStrv) names = relais_config_enabled_modules (configuration_dirs (ctl));
    g_autoptr (GError) error = NULL;

    ctl->host = relais_host_new (&options);
    relais_host_allow_missing (ctl->host, configuration_dirs (ctl));
    for (char **name = names; *name != NULL; name++) {
        if (!relais_host_load (ctl->host, *name, &error))
            add_error (ctl, error);
        g_clear_error (&error);
    }
    relais_host_put_missing (ctl->host, ctl->findings);
    if (!relais_host_add_options (ctl->host, ctl->schema, &error))
        add_error (ctl, error);
}

static void
read_configuration (Ctl *ctl)
{
    ctl->findings = relais_config_findings_new ();
    ctl->schema = relais_schema_new ();
    load_modules (ctl);
    ctl->config = relais_config_read (ctl->schema, configuration_dirs (ctl), ctl->findings);
}

static void
print_findings (const Ctl *ctl)
{
    for (guint i = 0; i < ctl->findings->len; i++) {
        g_autofree char *text =
            relais_config_finding_to_string (g_ptr_array_index (ctl->findings, i));

        fprintf (stderr, "%s\n", text);
    }
}

/* --- conf check, conf dump -------------------------------------------------------------------- */

/* With the options of modules that are off, which relaisctl does without elsewhere: a reload looks at them. */
static void
conf_check (RelaisCommandCall *call, gpointer data)
{
    const Ctl *ctl = data;
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    const bool good = relais_ctl_modules_check (&ctl->modules, ctl->modules.conf_dirs, findings);

    (void)relais_put_findings (call, findings);
    if (!good) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the configuration has errors"));
        return;
    }
    relais_command_note (call, _ ("The configuration is good."));
    relais_command_finish (call);
}

static void
conf_dump (RelaisCommandCall *call, gpointer data)
{
    Ctl *ctl = data;

    if (ctl->config == NULL) {
        relais_put_findings (call, ctl->findings);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the configuration has errors"));
        return;
    }
    relais_put_config (call, ctl->config);
    relais_command_finish (call);
}

/* --- Commands --------------------------------------------------------------------------------- */

static const RelaisCommand own_commands[] = {
    {"conf", "check", "", "", N_ ("Check the configuration as the daemon would."),
     RELAIS_COMMAND_OFFLINE, 0, conf_check},
    {"conf", "dump", "", "", N_ ("Show every value that the files give and where it comes from."),
     RELAIS_COMMAND_OFFLINE, 0, conf_dump},
};

static void
add_command (gpointer data, const RelaisCommand *command, gpointer command_data)
{
    g_autoptr (GError) error = NULL;

    if (!relais_commands_add (((Ctl *)data)->commands, command, command_data, &error))
        fprintf (stderr, "relaisctl: %s\n", error->message);
}

const RelaisCommand *
relais_ctl_commands (gsize *n)
{
    *n = G_N_ELEMENTS (own_commands);
    return own_commands;
}

/* Whose commands get what they need to know of modules. */
static bool
is_of_modules (RelaisCommandTable table)
{
    return table == relais_ctl_module_commands || table == relais_ctl_crash_commands;
}

static void
add_table (gpointer data, RelaisCommandTable table)
{
    Ctl *ctl = data;
    gsize n;
    const RelaisCommand *commands = table (&n);
    g_autoptr (GError) error = NULL;

    for (gsize i = 0; i < n; i++)
        if (!relais_commands_add (ctl->commands, &commands[i],
                                  is_of_modules (table) ? (gpointer)&ctl->modules : ctl, &error))
            g_error ("%s", error->message);
}

static void
add_commands (Ctl *ctl)
{
    ctl->commands = relais_commands_new ();
    ctl->modules = (RelaisCtlModules){
        .conf_dirs = configuration_dirs (ctl),
        .module_dir = ctl->module_dir != NULL ? ctl->module_dir : RELAIS_MODULE_DIR,
        .module_dir_is_callers = ctl->module_dir != NULL,
        .loop = ctl->loop,
        .commands = ctl->commands,
    };
    relais_each_core_table (add_table, ctl);
    relais_host_each_command (ctl->host, add_command, ctl);
}

/* --- The whole -------------------------------------------------------------------------------- */

/* Reads the options before the command's words, which stay in `argv`. */
static bool
parse_options (Ctl *ctl, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        {"conf", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &ctl->conf_dirs, NULL, NULL},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket, NULL, NULL},
        {"module-dir", 0, 0, G_OPTION_ARG_FILENAME, &ctl->module_dir, NULL, NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, NULL, NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &ctl->help, NULL, NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &ctl->version, NULL, NULL},
        {0},
    };
    g_autoptr (GOptionContext) context = g_option_context_new (NULL);
    g_autoptr (GError) error = NULL;

    g_option_context_add_main_entries (context, entries, NULL);
    g_option_context_set_help_enabled (context, FALSE);
    g_option_context_set_strict_posix (context, TRUE);
    if (g_option_context_parse (context, argc, argv, &error))
        return true;
    fprintf (stderr, "relaisctl: %s\n", error->message);
    return false;
}

static char *
socket_path (const Ctl *ctl)
{
    g_autofree char *run_dir = NULL;

    if (ctl->socket != NULL)
        return g_strdup (ctl->socket);
    if (ctl->config != NULL)
        run_dir = g_strdup (relais_section_get_string (
            relais_config_find_section (ctl->config, "relais", NULL), "run_dir"));
    else /* the daemon works by what it read before, most likely there */
        run_dir = relais_config_peek (configuration_dirs (ctl), "relais", "run_dir");
    return g_build_filename (run_dir != NULL ? run_dir : RELAIS_RUN_DIR, "control", NULL);
}

/* Whether the command could run although the configuration has errors. */
static bool
stands_errors (const RelaisCommand *command)
{
    return command == NULL || command->kind == RELAIS_COMMAND_ONLINE ||
           command->func == conf_check || command->func == conf_dump ||
           g_str_equal (command->word, "module");
}

static int
run (Ctl *ctl, int argc, char **argv)
{
    g_autofree char **words = g_new0 (char *, (gsize)argc + 3);
    g_autofree char *path = socket_path (ctl);
    const RelaisCommand *command;
    int n = 0, skip;

    for (int i = 0; i < argc; i++)
        words[n++] = argv[i];
    ctl->modules.socket_path = path;
    command = relais_commands_match (ctl->commands, n, words, &skip, NULL);
    if (ctl->config == NULL && !stands_errors (command)) {
        print_findings (ctl);
        return RELAIS_EXIT_REFUSED;
    }
    if (ctl->help) {
        words[0] = (char *)"help";
        n = 1;
    }
    if (ctl->json) {
        memmove (words + 1, words, sizeof (char *) * (gsize)n);
        words[0] = (char *)"--json";
        n++;
    }
    return relais_commands_main (ctl->commands, path, ctl->config, n, words);
}

static void
clear (Ctl *ctl)
{
    relais_commands_free (ctl->commands);
    relais_host_free (ctl->host);
    g_clear_pointer (&ctl->config, relais_config_unref);
    relais_schema_free (ctl->schema);
    g_clear_pointer (&ctl->findings, g_ptr_array_unref);
    relais_loop_free (ctl->loop);
    g_strfreev (ctl->conf_dirs);
    g_free (ctl->socket);
    g_free (ctl->module_dir);
}

int
relais_ctl_main (int argc, char **argv)
{
    Ctl ctl = {0};
    g_autoptr (GError) error = NULL;
    int status = RELAIS_EXIT_USAGE;

    setlocale (LC_ALL, "");
    bindtextdomain (GETTEXT_PACKAGE, RELAIS_LOCALE_DIR);
    bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
    ctl.loop = relais_loop_new (NULL, &error);
    if (ctl.loop == NULL) {
        fprintf (stderr, "relaisctl: %s\n", error->message);
        status = RELAIS_EXIT_REFUSED;
    } else if (parse_options (&ctl, &argc, &argv)) {
        if (ctl.version) {
            printf ("relaisctl %s\n", PACKAGE_VERSION_STRING);
            status = RELAIS_EXIT_DONE;
        } else {
            read_configuration (&ctl);
            add_commands (&ctl);
            status = run (&ctl, argc - 1, argv + 1);
        }
    }
    clear (&ctl);
    return status;
}
