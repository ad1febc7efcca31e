/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What relaisd is called with. Main thread, before anything else.
 */
#include "config.h"

#include "arguments-private.h"

#include <glib/gi18n-lib.h>
#include <stdio.h>

bool
relais_arguments_parse (RelaisArguments *arguments, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"conf", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments->conf_dirs,
         N_ ("Read configuration from this directory (repeatable; later ones override)"),
         N_ ("DIR")},
        {"module-dir", 0, 0, G_OPTION_ARG_FILENAME, &arguments->module_dir,
         N_ ("Load modules from this directory"), N_ ("DIR")},
        {"locale-dir", 0, 0, G_OPTION_ARG_FILENAME, &arguments->locale_dir,
         N_ ("Take translations from this directory"), N_ ("DIR")},
        {"clock", 0, 0, G_OPTION_ARG_FILENAME, &arguments->clock,
         N_ ("Take the time from FILE, which somebody else moves (for tests)"), N_ ("FILE")},
        {"check", 0, 0, G_OPTION_ARG_NONE, &arguments->check,
         N_ ("Check the configuration and exit"), NULL},
        {"dump", 0, 0, G_OPTION_ARG_NONE, &arguments->dump,
         N_ ("Print every value in force and where it comes from, and exit"), NULL},
        {"show-hooks", 0, 0, G_OPTION_ARG_NONE, &arguments->show_hooks,
         N_ ("Print which modules are asked on each hook, in order, and exit"), NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &arguments->json,
         N_ ("With --show-hooks: one JSON object a function"), NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &arguments->version, N_ ("Print the version and exit"),
         NULL},
        {0},
    };
    g_autoptr (GOptionContext) context = g_option_context_new (NULL);
    g_autoptr (GError) error = NULL;

    g_option_context_set_summary (context, _ ("The Relais mail transfer agent."));
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
    if (!g_option_context_parse (context, &argc, &argv, &error)) {
        fprintf (stderr, "relaisd: %s\n", error->message);
        return false;
    }
    if (argc > 1) {
        fprintf (stderr, _ ("relaisd: unexpected argument '%s'\n"), argv[1]);
        return false;
    }
    return true;
}

bool
relais_arguments_add_defaults (RelaisArguments *arguments)
{
    const bool given = arguments->module_dir != NULL;

    if (!given)
        arguments->module_dir = g_strdup (RELAIS_MODULE_DIR);
    if (arguments->locale_dir == NULL)
        arguments->locale_dir = g_strdup (RELAIS_LOCALE_DIR);
    return given;
}

void
relais_arguments_clear (RelaisArguments *arguments)
{
    g_strfreev (arguments->conf_dirs);
    g_free (arguments->module_dir);
    g_free (arguments->locale_dir);
    g_free (arguments->clock);
}
