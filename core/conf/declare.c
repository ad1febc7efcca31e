/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The schema: which kinds of section there are and which keys they take, built from the core's
 * table (schema.c) and the loaded modules' declarations. A module's declaration is checked here,
 * since it comes from a shared object of unknown quality; the core's own must be good.
 */
#include "config.h"

#include "conf/config-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

G_DEFINE_QUARK (relais - config - error - quark, relais_config_error)

static const char LOWER_DIGITS[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static void
key_free (gpointer data)
{
    RelaisKey *key = data;

    relais_value_clear (&key->fallback);
    g_free (key->name);
    g_free (key);
}

static void
kind_free (gpointer data)
{
    RelaisKind *kind = data;

    g_hash_table_unref (kind->by_name);
    g_ptr_array_unref (kind->keys);
    g_free (kind->kind);
    g_free (kind);
}

static RelaisKind *
add_kind (RelaisSchema *schema, const char *name, bool has_name, bool fold_case)
{
    RelaisKind *kind = g_new0 (RelaisKind, 1);

    kind->kind = g_strdup (name);
    kind->has_name = has_name;
    kind->fold_case = fold_case;
    kind->keys = g_ptr_array_new_with_free_func (key_free);
    kind->by_name = g_hash_table_new (g_str_hash, g_str_equal);
    g_ptr_array_add (schema->kinds, kind);
    g_hash_table_insert (schema->by_kind, kind->kind, kind);
    return kind;
}

/* What is wrong with a declaration, or NULL. */
static const char *
bad_declaration (const RelaisOption *option)
{
    const char *key_chars = "abcdefghijklmnopqrstuvwxyz0123456789_";

    if (option->section == NULL || option->key == NULL || option->key[0] == '\0' ||
        option->key[strspn (option->key, key_chars)] != '\0')
        return _ ("section and key must be there, the key of a-z, 0-9 and _");
    if (option->type > RELAIS_OPTION_DURATIONS)
        return _ ("its type is unknown to this release");
    if (option->minimum > option->maximum)
        return _ ("its minimum is above its maximum");
    if (option->type == RELAIS_OPTION_ENUM &&
        (option->choices == NULL || option->choices[0] == '\0'))
        return _ ("an enum needs choices");
    if ((option->flags & RELAIS_OPTION_REPEAT) != 0 && option->type != RELAIS_OPTION_LIST)
        return _ ("only a list may repeat");
    if ((option->flags & RELAIS_OPTION_WRITTEN) != 0 && option->type != RELAIS_OPTION_PATH)
        return _ ("only a path may be written to");
    if (option->doc == NULL || option->doc[0] == '\0')
        return _ ("it has no documentation");
    return NULL;
}

static bool
add_key (RelaisKind *kind, const char *module, const char *prefix, const RelaisOption *option,
         GError **error)
{
    const char *wrong = bad_declaration (option);
    g_autofree char *problem = NULL;
    RelaisKey *key;

    if (wrong == NULL && option->default_value == NULL && option->type == RELAIS_OPTION_ENUM)
        wrong = _ ("an enum needs a default");
    if (wrong != NULL) {
        g_set_error (error, RELAIS_CONFIG_ERROR, RELAIS_CONFIG_ERROR_DECLARATION,
                     _ ("%s: option '%s' of section '%s': %s"), module,
                     option->key != NULL ? option->key : "(none)", kind->kind, wrong);
        return false;
    }
    key = g_new0 (RelaisKey, 1);
    key->option = *option;
    key->name = g_strconcat (prefix, option->key, NULL);
    key->option.key = key->name;
    key->index = kind->keys->len;
    relais_value_init_unset (option, &key->fallback);
    if (option->default_value != NULL) {
        relais_value_clear (&key->fallback);
        if (!relais_value_parse (option, option->default_value, &key->fallback, &problem))
            wrong = problem;
    }
    if (wrong == NULL && g_hash_table_contains (kind->by_name, key->name))
        wrong = _ ("declared twice");
    if (wrong != NULL) {
        g_set_error (error, RELAIS_CONFIG_ERROR, RELAIS_CONFIG_ERROR_DECLARATION,
                     _ ("%s: option '%s' of section '%s': default or name is bad: %s"), module,
                     key->name, kind->kind, wrong);
        key_free (key);
        return false;
    }
    g_ptr_array_add (kind->keys, key);
    g_hash_table_insert (kind->by_name, key->name, key);
    return true;
}

static void
add_core (RelaisSchema *schema)
{
    const RelaisSectionKind *kinds;
    const RelaisOption *options;
    gsize n;

    kinds = relais_schema_core_kinds (&n);
    for (gsize i = 0; i < n; i++) {
        RelaisKind *kind = add_kind (schema, kinds[i].kind, kinds[i].has_name, kinds[i].fold_case);

        kind->is_core = true;
        kind->comes_and_goes = kinds[i].comes_and_goes;
    }
    options = relais_schema_core_options (&n);
    for (gsize i = 0; i < n; i++) {
        RelaisKind *kind = g_hash_table_lookup (schema->by_kind, options[i].section);
        g_autoptr (GError) error = NULL;

        g_assert (kind != NULL);
        if (!add_key (kind, "core", "", &options[i], &error))
            g_error ("%s", error->message);
    }
}

RelaisSchema *
relais_schema_new (void)
{
    RelaisSchema *schema = g_new0 (RelaisSchema, 1);

    g_atomic_ref_count_init (&schema->refs);
    schema->kinds = g_ptr_array_new_with_free_func (kind_free);
    schema->by_kind = g_hash_table_new (g_str_hash, g_str_equal);
    schema->modules = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    schema->off = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    add_core (schema);
    return schema;
}

RelaisSchema *
relais_schema_ref (RelaisSchema *schema)
{
    g_atomic_ref_count_inc (&schema->refs);
    return schema;
}

void
relais_schema_free (RelaisSchema *schema)
{
    if (schema == NULL || !g_atomic_ref_count_dec (&schema->refs))
        return;
    g_hash_table_unref (schema->modules);
    g_hash_table_unref (schema->off);
    g_hash_table_unref (schema->by_kind);
    g_ptr_array_unref (schema->kinds);
    g_free (schema);
}

/* The kind of a module's option, made at its first; `prefix` is what its keys begin with there. NULL
 * if the module may not declare such a section. */
static RelaisKind *
kind_for (RelaisSchema *schema, const char *module, const char *section, const char **prefix,
          const char *dotted)
{
    g_autofree char *own = g_strconcat (module, "-", NULL);
    RelaisKind *kind;

    *prefix = "";
    if (strcmp (section, "module") == 0) {
        g_autofree char *name = g_strconcat ("module ", module, NULL);

        return g_hash_table_lookup (schema->by_kind, name);
    }
    kind = g_hash_table_lookup (schema->by_kind, section);
    if (strcmp (section, module) == 0 || g_str_has_prefix (section, own)) {
        if (section[strspn (section, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
            return NULL;
        return kind != NULL ? kind
                            : add_kind (schema, section, strcmp (section, module) != 0, false);
    }
    *prefix = dotted;
    return kind;
}

/* What [module NAME] takes: the core's keys of [module], and the module's own. */
static bool
add_module_kind (RelaisSchema *schema, const char *module, GError **error)
{
    const RelaisKind *common = g_hash_table_lookup (schema->by_kind, "module");
    g_autofree char *name = g_strconcat ("module ", module, NULL);
    RelaisKind *kind = add_kind (schema, name, true, false);

    for (guint i = 0; i < common->keys->len; i++) {
        const RelaisKey *key = g_ptr_array_index (common->keys, i);

        if (!add_key (kind, "core", "", &key->option, error))
            return false;
    }
    return true;
}

static bool
add_option (RelaisSchema *schema, const char *module, const RelaisOption *option, GError **error)
{
    g_autofree char *dotted = g_strconcat (module, ".", NULL);
    RelaisOption tenants = *option;
    const char *prefix = "";
    RelaisKind *kind = option->section != NULL
                           ? kind_for (schema, module, option->section, &prefix, dotted)
                           : NULL;

    if (kind == NULL) {
        g_set_error (
            error, RELAIS_CONFIG_ERROR, RELAIS_CONFIG_ERROR_DECLARATION,
            _ ("%s: option '%s' stands in section '%s', which is neither the module's (%s, "
               "%s-...) nor a shared one"),
            module, option->key != NULL ? option->key : "(none)",
            option->section != NULL ? option->section : "(none)", module, module);
        return false;
    }
    if (!add_key (kind, module, prefix, option, error))
        return false;
    if ((option->flags & RELAIS_OPTION_TENANT) == 0 || strcmp (option->section, "tenant") == 0)
        return true;
    tenants.flags &= ~(RelaisOptionFlags)RELAIS_OPTION_REQUIRED;
    return add_key (g_hash_table_lookup (schema->by_kind, "tenant"), module, dotted, &tenants,
                    error);
}

bool
relais_schema_add_module (RelaisSchema *schema, const char *module, const RelaisOption *options,
                          gsize n_options, gsize option_size, GError **error)
{
    if (module[0] == '\0' || strchr (LOWER_DIGITS, module[0]) == NULL ||
        g_hash_table_contains (schema->by_kind, module) ||
        g_hash_table_contains (schema->modules, module) || option_size == 0) {
        g_set_error (error, RELAIS_CONFIG_ERROR, RELAIS_CONFIG_ERROR_DECLARATION,
                     _ ("module '%s' has the name of a section of the core or of another module"),
                     module);
        return false;
    }
    if (!add_module_kind (schema, module, error))
        return false;
    for (gsize i = 0; i < n_options; i++) {
        RelaisOption option = {0};

        memcpy (&option, (const guint8 *)options + i * option_size,
                MIN (option_size, sizeof option));
        if (!add_option (schema, module, &option, error))
            return false;
    }
    g_hash_table_add (schema->modules, g_strdup (module));
    return true;
}

void
relais_schema_add_off (RelaisSchema *schema, const char *module)
{
    g_hash_table_add (schema->off, g_strdup (module));
}

const RelaisKind *
relais_schema_find_kind (const RelaisSchema *schema, const char *kind)
{
    return g_hash_table_lookup (schema->by_kind, kind);
}

const RelaisKey *
relais_kind_find_key (const RelaisKind *kind, const char *name)
{
    return g_hash_table_lookup (kind->by_name, name);
}
