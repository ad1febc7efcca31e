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

#define RELAIS_CONFIG_ERROR (relais_config_error_quark ())
GQuark relais_config_error_quark (void);
typedef enum {
    RELAIS_CONFIG_ERROR_DECLARATION /* a module declared an option that cannot be */
} RelaisConfigError;

typedef struct RelaisSchema RelaisSchema;

/* The core's own sections and options (core/conf/schema.c), to which modules' are added. */
RelaisSchema *relais_schema_new (void);
void relais_schema_free (RelaisSchema *schema);
/* Adds a module's options (array stride `option_size`), also those of a module that is installed but
 * off, so that its sections are checked all the same. A kind named as the module is there once and
 * takes no name ([NAME]); one named NAME-thing takes one ([NAME-thing X]). An option flagged TENANT is
 * in [tenant X] too, as NAME.key and with the same default: relais_section_is_set () tells. Strings are
 * borrowed for ever. Fails on a bad declaration (naming the option), which is the module's fault; the
 * schema may then hold a part of its options and is to be freed. */
bool
relais_schema_add_module (RelaisSchema *schema, const char *module, const RelaisOption *options,
                          gsize n_options, gsize option_size, GError **error);

/* Says that a module is installed, but off: what the files say of it is skipped without a word, unless its
 * options are added too. */
void relais_schema_add_off (RelaisSchema *schema, const char *module);

/* A finding. Errors stop start-up; warnings do not. `text` says what is wrong, what was expected,
 * and the nearest name where one is near. */
typedef struct {
    bool is_error;
    char *file; /* or NULL */
    guint line; /* 0: the file as a whole */
    char *text;
} RelaisConfigFinding;

/* Reads `dirs` (NULL-terminated, later files override key by key). Returns NULL if any finding is an
 * error; all findings are in `findings` (RelaisConfigFinding *, owned by the array) either way. An
 * empty value sets STRING, PATH and SECRET back to the default and makes a LIST empty. The
 * configuration holds the schema, which may be freed. Blocks. */
RelaisConfig *
relais_config_read (const RelaisSchema *schema, const char *const *dirs, GPtrArray *findings);
GPtrArray *relais_config_findings_new (void);
/* "FILE:LINE: error: TEXT" */
char *relais_config_finding_to_string (const RelaisConfigFinding *finding);

/* --- Reading again. One key that has another value than it had, or, without key, one section that came or
 * went. Values are as --dump shows them, NULL where unset. */
typedef struct {
    bool applies; /* false: it needs a restart */
    char *section, *key, *old_value, *new_value;
    char *origin; /* "FILE:LINE", of the old value where the new one is the default */
} RelaisConfigChange;
GPtrArray *relais_config_changes_new (void);
guint relais_config_changes_count (const GPtrArray *changes, bool applies);

/* What is in force once `fresh` was read where `old` is in force, both by the options of the same modules:
 * the new values of reloadable keys and the old ones of the rest. Changes of either sort are added to
 * `changes` (RelaisConfigChange). NULL if the two do not fit together (a listener that a restart alone can
 * take away names a tenant that is gone): `findings` says how. */
RelaisConfig *relais_config_merge (const RelaisConfig *old, const RelaisConfig *fresh,
                                   GPtrArray *changes, GPtrArray *findings);

/* Where a file first has the section, "FILE:LINE", or "default". Owned. */
char *relais_section_get_place (const RelaisSection *section);

/* First pass, before modules are loaded: the names of modules with `[module NAME] enable = yes`, in
 * order. Syntax errors are left to relais_config_read (). */
char **relais_config_enabled_modules (const char *const *dirs);
/* Names of all modules mentioned in any [module NAME], enabled or not. */
char **relais_config_mentioned_modules (const char *const *dirs);
/* What the files say of each module that they mention, in that order. */
typedef struct {
    char *name;
    bool enabled;
    char *on_failure; /* unchecked; NULL: no file says */
    char *file;       /* where the line stands that decides; NULL: no file says anything of it */
    guint line;
} RelaisModuleMention;
/* RelaisModuleMention, owned by the array. */
GPtrArray *relais_config_module_mentions (const char *const *dirs);
/* That of a module, or NULL. Borrowed. */
RelaisModuleMention *relais_config_find_mention (const GPtrArray *mentions, const char *name);

/* What the last file that sets it gives the key of a section without name, unchecked, errors elsewhere or
 * not; NULL: no file does. Owned. */
char *relais_config_peek (const char *const *dirs, const char *kind, const char *key);

/* One value in force. Borrowed for the call. */
typedef struct {
    const char *section; /* "[listener submission]" */
    const char *key, *value, *origin;
    bool has_value;           /* false: unset, `value` is "" */
    bool is_path, is_written; /* RELAIS_OPTION_PATH, and RELAIS_OPTION_WRITTEN */
} RelaisConfigEntry;
typedef void (*RelaisConfigValueFunc) (gpointer data, const RelaisConfigEntry *entry);
void
relais_config_each_value (const RelaisConfig *config, RelaisConfigValueFunc func, gpointer data);

/* Every value in force with its origin, as text that could be a conf.d file: "# FILE:LINE" or
 * "# default", and under it "key = value" ("#key =" if unset); secrets as "(set)". */
char *relais_config_dump (const RelaisConfig *config);
/* The schema of sections of `kind` (NULL: of all; "module NAME" for what [module NAME] takes) as
 * commented conf.d text, for samples. */
char *relais_schema_document (const RelaisSchema *schema, const char *kind);
/* The schema as the section of relais.conf(5) that lists the options, in roff. */
char *relais_schema_manual (const RelaisSchema *schema);
