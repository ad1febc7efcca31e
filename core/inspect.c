/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-inspect: says what a module is: descriptor, hooks, options, commands. Each module is loaded in a
 * child process, so that one that crashes when it is loaded is told of like one that is refused.
 */
#include "config.h"

#include "mains-private.h"
#include "module/module-private.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };
enum { LOAD_SECONDS = 30 /* a module that hangs when it is loaded is told of, too */ };

typedef struct {
    gboolean all, json;
    char *module_dir;
    char **names;
} Arguments;

/* --- One module as JSON; the text form is made from it. --------------------------------------- */

static void
put (JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name (builder, name);
    if (value != NULL)
        json_builder_add_string_value (builder, value);
    else
        json_builder_add_null_value (builder);
}

static void
put_names (JsonBuilder *builder, const char *name, const gchar *const *names)
{
    json_builder_set_member_name (builder, name);
    json_builder_begin_array (builder);
    for (guint i = 0; names != NULL && names[i] != NULL; i++)
        json_builder_add_string_value (builder, names[i]);
    json_builder_end_array (builder);
}

static void
put_option_flags (JsonBuilder *builder, RelaisOptionFlags flags)
{
    static const char *const names[] = {"reloadable", "required", "tenant", "repeat", "written"};

    json_builder_set_member_name (builder, "flags");
    json_builder_begin_array (builder);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if ((flags & 1u << i) != 0)
            json_builder_add_string_value (builder, names[i]);
    json_builder_end_array (builder);
}

static void
put_hooks (JsonBuilder *builder, const RelaisHost *host)
{
    json_builder_set_member_name (builder, "hooks");
    json_builder_begin_array (builder);
    for (guint i = 0; i < RELAIS_N_HOOKS; i++)
        for (guint k = 0; k < host->registered[i]->len; k++) {
            const HookFunction *function = g_ptr_array_index (host->registered[i], k);

            json_builder_begin_object (builder);
            put (builder, "hook", relais_hook_kinds[i].name);
            put (builder, "function", function->name);
            put (builder, "stage", relais_hook_stage_to_string (i, function->stage));
            put_names (builder, "before", (const gchar *const *)function->before);
            put_names (builder, "after", (const gchar *const *)function->after);
            json_builder_end_object (builder);
        }
    json_builder_end_array (builder);
}

static void
put_options (JsonBuilder *builder, const RelaisModule *module)
{
    static const char *const types[] = {"bool",   "int",  "size", "duration", "enum",
                                        "string", "path", "list", "secret",   "durations"};

    json_builder_set_member_name (builder, "options");
    json_builder_begin_array (builder);
    for (guint i = 0; i < module->descriptor.n_options; i++) {
        const RelaisOption *option = &module->options[i];

        json_builder_begin_object (builder);
        put (builder, "section", option->section);
        put (builder, "key", option->key);
        put (builder, "type", types[option->type]);
        put_option_flags (builder, option->flags);
        put (builder, "default", option->default_value);
        put (builder, "choices", option->choices);
        put (builder, "doc", option->doc);
        json_builder_end_object (builder);
    }
    json_builder_end_array (builder);
}

static void
put_commands (JsonBuilder *builder, const RelaisModule *module)
{
    json_builder_set_member_name (builder, "commands");
    json_builder_begin_array (builder);
    for (guint i = 0; i < module->descriptor.n_commands; i++) {
        const RelaisCommand *command = &module->commands[i];

        json_builder_begin_object (builder);
        put (builder, "word", command->word);
        put (builder, "verb", command->verb);
        put (builder, "usage", command->usage);
        put (builder, "options", command->options);
        put (builder, "kind", command->kind == RELAIS_COMMAND_ONLINE ? "online" : "offline");
        put (builder, "doc", command->doc);
        json_builder_end_object (builder);
    }
    json_builder_end_array (builder);
}

static void
put_services (JsonBuilder *builder, const RelaisHost *host)
{
    json_builder_set_member_name (builder, "services");
    json_builder_begin_array (builder);
    for (guint i = 0; i < host->services->len; i++) {
        const RelaisService *service = g_ptr_array_index (host->services, i);
        g_autofree char *version = g_strdup_printf ("%u.%u", service->major, service->minor);

        json_builder_begin_object (builder);
        put (builder, "service", service->name);
        put (builder, "version", version);
        json_builder_end_object (builder);
    }
    json_builder_end_array (builder);
}

static JsonNode *
describe (const RelaisHost *host, const RelaisModule *module)
{
    const RelaisModuleDescriptor *descriptor = &module->descriptor;
    g_autoptr (JsonBuilder) builder = json_builder_new ();
    g_autofree char *abi =
        g_strdup_printf ("%u.%u", descriptor->api_major, descriptor->minor_built);

    json_builder_begin_object (builder);
    put (builder, "name", descriptor->name);
    put (builder, "version", descriptor->version);
    put (builder, "summary", descriptor->summary);
    put (builder, "license", descriptor->license);
    put (builder, "homepage", descriptor->homepage);
    put (builder, "file", module->file);
    put (builder, "abi", abi);
    put_names (builder, "requires", descriptor->requires_modules);
    put_names (builder, "wants", descriptor->wants_modules);
    put_names (builder, "conflicts", descriptor->conflicts);
    put_hooks (builder, host);
    put_services (builder, host);
    put_options (builder, module);
    put_commands (builder, module);
    json_builder_end_object (builder);
    return json_builder_get_root (builder);
}

/* --- Text ------------------------------------------------------------------------------------- */

static void print_line (const char *label, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
print_line (const char *label, const char *format, ...)
{
    va_list args;

    printf ("  %-10s ", label);
    va_start (args, format);
    vprintf (format, args);
    va_end (args);
    putchar ('\n');
}

static void
print_names (const char *label, const gchar *const *names)
{
    g_autofree char *text = NULL;

    if (names == NULL || names[0] == NULL)
        return;
    text = g_strjoinv (", ", (gchar **)names);
    print_line (label, "%s", text);
}

static void
print_text (const RelaisHost *host, const RelaisModule *module)
{
    const RelaisModuleDescriptor *descriptor = &module->descriptor;

    printf ("%s %s: %s\n", descriptor->name, descriptor->version, _ (descriptor->summary));
    print_line (_ ("file"), "%s", module->file);
    print_line (_ ("ABI"), "%u.%u", descriptor->api_major, descriptor->minor_built);
    if (descriptor->license != NULL)
        print_line (_ ("license"), "%s", descriptor->license);
    print_names (_ ("requires"), descriptor->requires_modules);
    print_names (_ ("wants"), descriptor->wants_modules);
    print_names (_ ("conflicts"), descriptor->conflicts);
    for (guint i = 0; i < RELAIS_N_HOOKS; i++)
        for (guint k = 0; k < host->registered[i]->len; k++) {
            const HookFunction *function = g_ptr_array_index (host->registered[i], k);

            print_line (_ ("hook"), "%s: %s", relais_hook_kinds[i].name, function->name);
        }
    for (guint i = 0; i < host->services->len; i++) {
        const RelaisService *service = g_ptr_array_index (host->services, i);

        print_line (_ ("service"), "%s %u.%u", service->name, service->major, service->minor);
    }
    for (guint i = 0; i < descriptor->n_options; i++) {
        const RelaisOption *option = &module->options[i];

        print_line (_ ("option"), "[%s] %s = %s", option->section, option->key,
                    option->default_value != NULL ? option->default_value : "");
    }
    for (guint i = 0; i < descriptor->n_commands; i++) {
        const RelaisCommand *command = &module->commands[i];

        print_line (_ ("command"), "relaisctl %s %s %s", command->word,
                    command->verb != NULL ? command->verb : "", command->usage);
    }
}

static void
print_json (const RelaisHost *host, const RelaisModule *module)
{
    g_autoptr (JsonNode) node = describe (host, module);
    g_autofree char *text = json_to_string (node, FALSE);

    puts (text);
}

/* --- The child -------------------------------------------------------------------------------- */

static int
inspect_here (const char *dir, const char *name, bool callers, bool json)
{
    RelaisHost *host = relais_host_new (&(RelaisHostOptions){
        .module_dir = dir, .module_dir_is_callers = callers, .program = "relais-inspect"});
    g_autoptr (GError) error = NULL;
    bool good = relais_host_load (host, name, &error);

    if (good) {
        RelaisModule *module = g_ptr_array_index (host->modules, 0);

        good = relais_module_init (module, &error);
        if (good)
            (json ? print_json : print_text) (host, module);
    }
    if (!good)
        fprintf (stderr, "relais-inspect: %s\n", error->message);
    relais_host_free (host);
    return good ? 0 : EXIT_REFUSED;
}

static int
inspect_in_child (const char *dir, const char *name, bool callers, bool json)
{
    int status = 0;
    pid_t child;

    fflush (NULL);
    child = fork ();
    if (child == 0) {
        alarm (LOAD_SECONDS);
        status = inspect_here (dir, name, callers, json);
        fflush (NULL);
        _exit (status);
    }
    if (child < 0 || waitpid (child, &status, 0) != child) {
        perror ("relais-inspect");
        return EXIT_REFUSED;
    }
    if (WIFEXITED (status))
        return WEXITSTATUS (status);
    fprintf (stderr, _ ("relais-inspect: %s: loading it ended the process: %s\n"), name,
             strsignal (WTERMSIG (status)));
    return EXIT_REFUSED;
}

/* --- Arguments -------------------------------------------------------------------------------- */

/* NAME lies in the module directory, FILE ("DIR/NAME.so") anywhere. */
static int
inspect_argument (const Arguments *arguments, const char *argument)
{
    bool is_file = strchr (argument, '/') != NULL || g_str_has_suffix (argument, ".so");
    g_autofree char *dir = is_file ? g_path_get_dirname (argument) : NULL;
    g_autofree char *name = g_path_get_basename (argument);
    const char *module_dir =
        arguments->module_dir != NULL ? arguments->module_dir : RELAIS_MODULE_DIR;

    if (g_str_has_suffix (name, ".so"))
        name[strlen (name) - 3] = '\0';
    return inspect_in_child (is_file ? dir : module_dir, name,
                             is_file || arguments->module_dir != NULL, arguments->json);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static int
inspect_all (const Arguments *arguments)
{
    const char *path = arguments->module_dir != NULL ? arguments->module_dir : RELAIS_MODULE_DIR;
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    GDir *dir = g_dir_open (path, 0, &error);
    const char *name;
    int worst = 0;

    if (dir == NULL) {
        fprintf (stderr, "relais-inspect: %s\n", error->message);
        return EXIT_REFUSED;
    }
    while ((name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_suffix (name, ".so"))
            g_ptr_array_add (names, g_strndup (name, strlen (name) - 3));
    g_dir_close (dir);
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++)
        worst |= inspect_argument (arguments, g_ptr_array_index (names, i));
    return worst;
}

static bool
parse_arguments (Arguments *arguments, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"all", 'a', 0, G_OPTION_ARG_NONE, &arguments->all,
         N_ ("Every module of the module directory"), NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &arguments->json, N_ ("One JSON object a module"), NULL},
        {"module-dir", 0, 0, G_OPTION_ARG_FILENAME, &arguments->module_dir,
         N_ ("Look for modules in this directory"), N_ ("DIR")},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments->names, NULL,
         N_ ("NAME|FILE")},
        {0},
    };
    g_autoptr (GOptionContext) context = g_option_context_new (NULL);
    g_autoptr (GError) error = NULL;

    g_option_context_set_summary (context, _ ("Says what a Relais module is and what it takes."));
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
    if (!g_option_context_parse (context, &argc, &argv, &error)) {
        fprintf (stderr, "relais-inspect: %s\n", error->message);
        return false;
    }
    if (arguments->all == (arguments->names != NULL)) {
        fputs (_ ("relais-inspect: wanted NAME or FILE, or --all; see --help\n"), stderr);
        return false;
    }
    return true;
}

int
relais_inspect_main (int argc, char **argv)
{
    Arguments arguments = {0};
    int status = EXIT_USAGE;

    setlocale (LC_ALL, "");
    bindtextdomain (GETTEXT_PACKAGE, RELAIS_LOCALE_DIR);
    bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
    if (parse_arguments (&arguments, argc, argv)) {
        status = arguments.all ? inspect_all (&arguments) : 0;
        for (guint i = 0; arguments.names != NULL && arguments.names[i] != NULL; i++)
            status |= inspect_argument (&arguments, arguments.names[i]);
    }
    g_strfreev (arguments.names);
    g_free (arguments.module_dir);
    return status;
}
