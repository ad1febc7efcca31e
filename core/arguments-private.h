/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemon's command line. Main thread, before anything else.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char **conf_dirs;
    char *module_dir, *locale_dir, *clock;
    gboolean check, dump, show_hooks, json, version;
} RelaisArguments;

/* Reads them into a zeroed record; false if they are wrong, which stderr was told. */
bool relais_arguments_parse (RelaisArguments *arguments, int argc, char **argv);
/* Fills in the directories of modules and translations; false if that of modules was not given. */
bool relais_arguments_add_defaults (RelaisArguments *arguments);
void relais_arguments_clear (RelaisArguments *arguments);
