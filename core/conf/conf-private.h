/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration: reads conf.d directories into an immutable RelaisConfig (include/relais/option.h has the
 * getters), by the declared options alone. design.md section 3 is its specification.
 *
 * Reading files may block: start-up, relaisctl, or a worker on reload. A finished RelaisConfig may
 * be read by any thread.
 */
#pragma once

#include <relais/option.h>

#include <stdbool.h>

typedef struct RelaisSchema RelaisSchema;

/* The core's own sections and options (core/conf/schema.c), to which modules' are added. */
RelaisSchema *relais_schema_new (void);
void relais_schema_free (RelaisSchema *schema);
/* Adds a module's options (array stride `option_size`). `enabled` false: its sections are checked
 * all the same. Fails on a bad declaration (naming the option), which is the module's fault. */
bool
relais_schema_add_module (RelaisSchema *schema, const char *module, const RelaisOption *options,
                          gsize n_options, gsize option_size, GError **error);

/* A finding. Errors stop start-up; warnings do not. `text` says what is wrong, what was expected,
 * and the nearest name where one is near. */
typedef struct {
    bool is_error;
    char *file; /* or NULL */
    guint line; /* 0: the file as a whole */
    char *text;
} RelaisConfigFinding;

/* Reads `dirs` (NULL-terminated, later ones override key by key), then `overrides` (NULL-terminated
 * "SECTION[.NAME].KEY=VALUE" of --set, nullable). Returns NULL if any finding is an error; all
 * findings are in `findings` (RelaisConfigFinding *, owned by the array) either way. */
RelaisConfig *
relais_config_read (const RelaisSchema *schema, const char *const *dirs, GPtrArray *findings);
GPtrArray *relais_config_findings_new (void);
/* "FILE:LINE: error: TEXT" */
char *relais_config_finding_to_string (const RelaisConfigFinding *finding);

/* First pass, before modules are loaded: the names of modules with `[module NAME] enable = yes`, in
 * order. Syntax errors are left to relais_config_read (). */
char **relais_config_enabled_modules (const char *const *dirs);
/* Names of all modules mentioned in any [module NAME], enabled or not. */
char **relais_config_mentioned_modules (const char *const *dirs);

/* Every value in force with its origin, as text that could be a conf.d file: "key = value  # FILE:LINE"
 * on lines of its own; secrets as "(set)". */
char *relais_config_dump (const RelaisConfig *config);
/* The whole schema as commented conf.d text (for man pages and samples). */
char *relais_schema_document (const RelaisSchema *schema, const char *kind);
