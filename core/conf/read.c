/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads conf.d by the schema. Every line of every file is checked, also one that a later file
 * overrides; a value in force is that of the last file that sets it. Nothing is silently ignored:
 * what no module that is here takes is at least a warning.
 */
#include "config.h"

#include "conf/config-private.h"
#include "conf/line-private.h"
#include "conf/nearest-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    RelaisConfig *config;
    GPtrArray *findings;
    GHashTable *mentioned; /* names of modules that some [module NAME] speaks of */
    const RelaisConfFile *file;
    guint number;
    const char *kind;       /* of the section that the lines belong to; borrowed from the schema */
    RelaisSection *section; /* NULL: before the first, or the section was refused */
    bool skipping;          /* the section was refused or belongs to no module that is here */
} Reader;

static void report (Reader *reader, bool is_error, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
report (Reader *reader, bool is_error, const char *format, ...)
{
    va_list arguments;

    va_start (arguments, format);
    relais_conf_add_finding (reader->findings, is_error, reader->file->path, reader->number,
                             g_strdup_vprintf (format, arguments));
    va_end (arguments);
}

/* --- Sections --------------------------------------------------------------------------------- */

/* Installed, but off: what the files say of it is skipped. */
static bool
is_off (const Reader *reader, const char *module)
{
    return g_hash_table_contains (reader->config->schema->off, module);
}

/* The module that a section named `kind` would belong to, if some [module NAME] speaks of it, or it is installed, and
 * its options are not here: "dkim" for "dkim-key". Borrowed. */
static const char *
absent_module (Reader *reader, const char *kind)
{
    const RelaisSchema *schema = reader->config->schema;
    g_autofree char *name = g_strdup (kind);

    for (char *dash = name + strlen (name); dash != NULL; dash = strrchr (name, '-')) {
        gpointer found = NULL;

        *dash = '\0';
        if ((g_hash_table_lookup_extended (reader->mentioned, name, &found, NULL) ||
             g_hash_table_lookup_extended (schema->off, name, &found, NULL)) &&
            !g_hash_table_contains (schema->modules, name))
            return found;
    }
    return NULL;
}

static void
report_unknown_section (Reader *reader, const char *kind)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    const GPtrArray *kinds = reader->config->schema->kinds;
    const char *module = absent_module (reader, kind), *nearest;

    if (module != NULL && is_off (reader, module))
        return;
    if (module != NULL) {
        report (reader, false, _ ("section [%s] is ignored: module '%s' is not installed"), kind,
                module);
        return;
    }
    for (guint i = 0; i < kinds->len; i++) {
        const RelaisKind *known = g_ptr_array_index (kinds, i);

        if (strchr (known->kind, ' ') == NULL)
            g_ptr_array_add (names, known->kind);
    }
    nearest = relais_nearest_name (kind, names);
    if (nearest != NULL)
        report (reader, true, _ ("unknown section [%s]; did you mean [%s]?"), kind, nearest);
    else
        report (reader, true,
                _ ("unknown section [%s]; a section of a module wants a [module NAME] that speaks "
                   "of it"),
                kind);
}

/* What decides the keys of [module NAME]: the module's own kind if it is here. */
static const RelaisKind *
effective_kind (Reader *reader, const RelaisKind *kind, const char *name)
{
    g_autofree char *id = NULL;
    const RelaisKind *own;

    if (strcmp (kind->kind, "module") != 0)
        return kind;
    id = g_strconcat ("module ", name, NULL);
    own = relais_schema_find_kind (reader->config->schema, id);
    return own != NULL ? own : kind;
}

static void
read_section (Reader *reader, const RelaisConfLine *line)
{
    const RelaisKind *kind = relais_schema_find_kind (reader->config->schema, line->kind);

    reader->section = NULL;
    reader->skipping = true;
    if (kind == NULL) {
        report_unknown_section (reader, line->kind);
        return;
    }
    if (kind->has_name && line->name == NULL) {
        report (reader, true, _ ("section [%s] needs a name, as in [%s NAME]"), kind->kind,
                kind->kind);
        return;
    }
    if (!kind->has_name && line->name != NULL) {
        report (reader, true, _ ("section [%s] takes no name"), kind->kind);
        return;
    }
    reader->skipping = false;
    reader->kind = kind->kind;
    reader->section =
        relais_config_take_section (reader->config, effective_kind (reader, kind, line->name),
                                    kind->kind, line->name != NULL ? line->name : "");
    if (reader->section->file == NULL) {
        reader->section->file = g_strdup (reader->file->path);
        reader->section->line = reader->number;
    }
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* "[listener submission]" or "[relais]". Owned. */
static char *
title (Reader *reader)
{
    const char *name = reader->section->name;

    return g_strdup_printf (name[0] != '\0' ? "[%s %s]" : "[%s]", reader->kind, name);
}

static void
report_unknown_key (Reader *reader, const char *key)
{
    const RelaisKind *kind = reader->section->kind;
    g_autofree char *where = title (reader);
    g_autofree char *module = g_strndup (key, strcspn (key, "."));
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    const char *nearest;

    if (strchr (key, '.') != NULL && is_off (reader, module) &&
        !g_hash_table_contains (reader->config->schema->modules, module))
        return;
    if (module[0] != '\0' && strchr (key, '.') != NULL &&
        !g_hash_table_contains (reader->config->schema->modules, module)) {
        report (reader, false, _ ("key '%s' is ignored: module '%s' is not installed"), key,
                module);
        return;
    }
    if (strcmp (kind->kind, "module") == 0 && is_off (reader, reader->section->name))
        return;
    if (strcmp (kind->kind, "module") == 0) {
        report (reader, false, _ ("key '%s' is ignored: module '%s' is not installed"), key,
                reader->section->name);
        return;
    }
    for (guint i = 0; i < kind->keys->len; i++)
        g_ptr_array_add (names, ((RelaisKey *)g_ptr_array_index (kind->keys, i))->name);
    nearest = relais_nearest_name (key, names);
    if (nearest != NULL)
        report (reader, true, _ ("unknown key '%s' in %s; did you mean '%s'?"), key, where,
                nearest);
    else
        report (reader, true, _ ("unknown key '%s' in %s"), key, where);
}

/* Puts the value into the slot: over that of an earlier file, behind that of this one if the key
 * repeats, an error otherwise. Takes what `value` holds. */
static void
store_value (Reader *reader, const RelaisKey *key, RelaisValue *value)
{
    RelaisSlot *slot = relais_section_take_slot (reader->section, key);
    bool again = slot->file == reader->file;

    if (again && (key->option.flags & RELAIS_OPTION_REPEAT) == 0) {
        report (reader, true, _ ("key '%s' stands twice in this file, first in line %u"), key->name,
                slot->line);
        relais_value_clear (value);
        return;
    }
    if (again) {
        if (!relais_value_append (&slot->value, value))
            report (reader, true, _ ("key '%s' has more than %d items"), key->name,
                    RELAIS_VALUE_ITEMS);
        return;
    }
    relais_value_clear (&slot->value);
    slot->value = *value;
    slot->is_set = true;
    slot->file = reader->file;
    slot->line = reader->number;
    g_free (slot->origin);
    slot->origin = g_strdup_printf ("%s:%u", reader->file->path, reader->number);
}

/* An empty text is the default, so that a later file can take back what an earlier one set. */
static const char *
text_in_force (const RelaisOption *option, const char *text)
{
    bool is_text = option->type == RELAIS_OPTION_STRING || option->type == RELAIS_OPTION_PATH ||
                   option->type == RELAIS_OPTION_SECRET;

    if (is_text && text[0] == '\0' && option->default_value != NULL)
        return option->default_value;
    return text;
}

static void
read_key (Reader *reader, const RelaisConfLine *line)
{
    const RelaisKey *key;
    RelaisValue value;
    char *problem = NULL;

    if (reader->skipping)
        return;
    if (reader->section == NULL) {
        report (reader, true, _ ("key '%s' stands before the first [section]"), line->key);
        return;
    }
    key = relais_kind_find_key (reader->section->kind, line->key);
    if (key == NULL) {
        report_unknown_key (reader, line->key);
        return;
    }
    if (!relais_value_parse (&key->option, text_in_force (&key->option, line->value), &value,
                             &problem)) {
        report (reader, true, "%s: %s", key->name, problem);
        g_free (problem);
        relais_section_take_slot (reader->section, key)->is_bad = true;
        return;
    }
    store_value (reader, key, &value);
}

static void
read_line (gpointer data, const RelaisConfFile *file, guint number, const RelaisConfLine *line)
{
    Reader *reader = data;

    reader->file = file;
    reader->number = number;
    switch (line->type) {
    case RELAIS_CONF_LINE_EMPTY: break;
    case RELAIS_CONF_LINE_SECTION: read_section (reader, line); break;
    case RELAIS_CONF_LINE_KEY: read_key (reader, line); break;
    case RELAIS_CONF_LINE_BAD_SECTION:
        report (reader, true, "%s", line->problem);
        reader->section = NULL;
        reader->skipping = true;
        break;
    case RELAIS_CONF_LINE_BAD: report (reader, true, "%s", line->problem); break;
    }
}

/* --- Modules mentioned ---------------------------------------------------------------------------- */

typedef struct {
    GPtrArray *mentions;         /* RelaisModuleMention */
    RelaisModuleMention *module; /* of the section that the lines belong to, or NULL */
} ModuleScan;

static void
mention_free (gpointer data)
{
    RelaisModuleMention *mention = data;

    g_free (mention->name);
    g_free (mention->on_failure);
    g_free (mention->file);
    g_free (mention);
}

RelaisModuleMention *
relais_config_find_mention (const GPtrArray *mentions, const char *name)
{
    for (guint i = 0; i < mentions->len; i++) {
        RelaisModuleMention *mention = g_ptr_array_index (mentions, i);

        if (strcmp (mention->name, name) == 0)
            return mention;
    }
    return NULL;
}

static RelaisModuleMention *
take_mention (GPtrArray *mentions, const char *name)
{
    RelaisModuleMention *mention = relais_config_find_mention (mentions, name);

    if (mention != NULL)
        return mention;
    mention = g_new (RelaisModuleMention, 1);
    *mention = (RelaisModuleMention){.name = g_strdup (name)};
    g_ptr_array_add (mentions, mention);
    return mention;
}

static void
scan_line (gpointer data, const RelaisConfFile *file, guint number, const RelaisConfLine *line)
{
    ModuleScan *scan = data;

    if (line->type == RELAIS_CONF_LINE_SECTION || line->type == RELAIS_CONF_LINE_BAD_SECTION)
        scan->module = NULL;
    if (line->type == RELAIS_CONF_LINE_SECTION && strcmp (line->kind, "module") == 0 &&
        line->name != NULL)
        scan->module = take_mention (scan->mentions, line->name);
    if (line->type != RELAIS_CONF_LINE_KEY || scan->module == NULL)
        return;
    if (strcmp (line->key, "enable") == 0) {
        scan->module->enabled = strcmp (line->value, "yes") == 0;
        g_free (scan->module->file);
        scan->module->file = g_strdup (file->path);
        scan->module->line = number;
    }
    if (line->type == RELAIS_CONF_LINE_KEY && scan->module != NULL &&
        strcmp (line->key, "on_failure") == 0) {
        g_free (scan->module->on_failure);
        scan->module->on_failure = g_strdup (line->value);
    }
}

static GPtrArray *
scan_mentions (const GPtrArray *files)
{
    ModuleScan scan = {g_ptr_array_new_with_free_func (mention_free), NULL};

    for (guint i = 0; i < files->len; i++) {
        scan.module = NULL;
        relais_conf_file_each_line (g_ptr_array_index (files, i), scan_line, &scan);
    }
    return scan.mentions;
}

static char **
scan_modules (const GPtrArray *files, bool only_enabled)
{
    g_autoptr (GPtrArray) mentions = scan_mentions (files);
    g_autoptr (GStrvBuilder) chosen = g_strv_builder_new ();

    for (guint i = 0; i < mentions->len; i++) {
        const RelaisModuleMention *mention = g_ptr_array_index (mentions, i);

        if (!only_enabled || mention->enabled)
            g_strv_builder_add (chosen, mention->name);
    }
    return g_strv_builder_end (chosen);
}

/* --- The whole -------------------------------------------------------------------------------- */

static void
add_seeds (RelaisConfig *config)
{
    gsize n;
    const RelaisSeed *seeds = relais_schema_core_seeds (&n);

    for (gsize i = 0; i < n; i++) {
        const RelaisKind *kind = relais_schema_find_kind (config->schema, seeds[i].kind);
        const RelaisKey *key;
        RelaisSection *section;
        RelaisValue value;
        g_autofree char *problem = NULL;

        if (seeds[i].only_if_none && relais_config_n_sections (config, seeds[i].kind) > 0)
            continue;
        section = relais_config_take_section (config, kind, kind->kind, seeds[i].name);
        key = seeds[i].key != NULL ? relais_kind_find_key (kind, seeds[i].key) : NULL;
        if (key == NULL || section->slots[key->index] != NULL)
            continue;
        if (!relais_value_parse (&key->option, seeds[i].value, &value, &problem))
            g_error ("bad seed for '%s': %s", key->name, problem);
        relais_value_clear (&relais_section_take_slot (section, key)->value);
        section->slots[key->index]->value = value;
    }
}

static void
add_unnamed_sections (RelaisConfig *config)
{
    for (guint i = 0; i < config->schema->kinds->len; i++) {
        const RelaisKind *kind = g_ptr_array_index (config->schema->kinds, i);

        if (!kind->has_name)
            relais_config_take_section (config, kind, kind->kind, "");
    }
}

static bool
has_error (const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++)
        if (((RelaisConfigFinding *)g_ptr_array_index (findings, i))->is_error)
            return true;
    return false;
}

RelaisConfig *
relais_config_read (const RelaisSchema *schema, const char *const *dirs, GPtrArray *findings)
{
    g_autoptr (GPtrArray) files = relais_conf_files_load (dirs, findings);
    g_autoptr (RelaisConfig) config = relais_config_new ((RelaisSchema *)schema);
    g_autoptr (GHashTable) mentioned = g_hash_table_new (g_str_hash, g_str_equal);
    g_auto (GStrv) modules = scan_modules (files, false);
    Reader reader = {.config = config, .findings = findings, .mentioned = mentioned};

    for (char **module = modules; *module != NULL; module++)
        g_hash_table_add (mentioned, *module);
    for (guint i = 0; i < files->len; i++) {
        reader.section = NULL;
        reader.skipping = false;
        relais_conf_file_each_line (g_ptr_array_index (files, i), read_line, &reader);
    }
    add_unnamed_sections (config);
    add_seeds (config);
    relais_config_check (config, findings);
    return has_error (findings) ? NULL : g_steal_pointer (&config);
}

/* --- Before modules are loaded ----------------------------------------------------------------- */

char **
relais_config_enabled_modules (const char *const *dirs)
{
    g_autoptr (GPtrArray) files = relais_conf_files_load (dirs, NULL);

    return scan_modules (files, true);
}

char **
relais_config_mentioned_modules (const char *const *dirs)
{
    g_autoptr (GPtrArray) files = relais_conf_files_load (dirs, NULL);

    return scan_modules (files, false);
}

GPtrArray *
relais_config_module_mentions (const char *const *dirs)
{
    g_autoptr (GPtrArray) files = relais_conf_files_load (dirs, NULL);

    return scan_mentions (files);
}

typedef struct {
    const char *kind, *key;
    bool inside;
    char *value;
} Peek;

static void
peek_line (gpointer data, const RelaisConfFile *file, guint number, const RelaisConfLine *line)
{
    Peek *peek = data;

    if (line->type == RELAIS_CONF_LINE_SECTION || line->type == RELAIS_CONF_LINE_BAD_SECTION)
        peek->inside = line->type == RELAIS_CONF_LINE_SECTION && line->name == NULL &&
                       strcmp (line->kind, peek->kind) == 0;
    if (line->type != RELAIS_CONF_LINE_KEY || !peek->inside || strcmp (line->key, peek->key) != 0)
        return;
    g_free (peek->value);
    peek->value = line->value[0] != '\0' ? g_strdup (line->value) : NULL;
}

char *
relais_config_peek (const char *const *dirs, const char *kind, const char *key)
{
    g_autoptr (GPtrArray) files = relais_conf_files_load (dirs, NULL);
    Peek peek = {kind, key, false, NULL};

    for (guint i = 0; i < files->len; i++) {
        peek.inside = false;
        relais_conf_file_each_line (g_ptr_array_index (files, i), peek_line, &peek);
    }
    return peek.value;
}
