/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A configuration that was read: sections, and the getters of include/relais/option.h. Immutable
 * once relais_config_read () has returned it, so any thread may read without a lock; it holds its
 * schema, which holds the defaults.
 */
#include "config.h"

#include "conf/config-private.h"

#include <string.h>

static const char *const NO_ITEMS[] = {NULL};

static void
slot_free (RelaisSlot *slot)
{
    if (slot == NULL)
        return;
    relais_value_clear (&slot->value);
    g_free (slot->origin);
    g_free (slot);
}

static void
section_free (gpointer data)
{
    RelaisSection *section = data;

    for (guint i = 0; i < section->kind->keys->len; i++)
        slot_free (section->slots[i]);
    g_free (section->slots);
    g_free (section->name);
    g_free (section->file);
    g_free (section);
}

RelaisConfig *
relais_config_new (RelaisSchema *schema)
{
    RelaisConfig *config = g_new0 (RelaisConfig, 1);

    g_atomic_ref_count_init (&config->refs);
    config->schema = relais_schema_ref (schema);
    config->sections = g_ptr_array_new_with_free_func (section_free);
    config->by_kind =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    config->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    return config;
}

RelaisConfig *
relais_config_ref (RelaisConfig *config)
{
    g_return_val_if_fail (config != NULL, NULL);
    g_atomic_ref_count_inc (&config->refs);
    return config;
}

void
relais_config_unref (RelaisConfig *config)
{
    if (config == NULL || !g_atomic_ref_count_dec (&config->refs))
        return;
    g_hash_table_unref (config->by_name);
    g_hash_table_unref (config->by_kind);
    g_ptr_array_unref (config->sections);
    relais_schema_free (config->schema);
    g_free (config);
}

/* --- Sections --------------------------------------------------------------------------------- */

static char *
make_id (const RelaisKind *kind, const char *public_kind, const char *name)
{
    g_autofree char *folded = kind->fold_case ? g_ascii_strdown (name, -1) : g_strdup (name);

    return g_strconcat (public_kind, " ", folded, NULL);
}

RelaisSection *
relais_config_take_section (RelaisConfig *config, const RelaisKind *kind, const char *public_kind,
                            const char *name)
{
    g_autofree char *id = make_id (kind, public_kind, name);
    RelaisSection *section = g_hash_table_lookup (config->by_name, id);
    GPtrArray *of_kind;

    if (section != NULL)
        return section;
    section = g_new0 (RelaisSection, 1);
    section->kind = kind;
    section->name = g_strdup (strchr (id, ' ') + 1);
    section->slots = g_new0 (RelaisSlot *, MAX (kind->keys->len, 1));
    g_ptr_array_add (config->sections, section);
    g_hash_table_insert (config->by_name, g_steal_pointer (&id), section);
    of_kind = g_hash_table_lookup (config->by_kind, public_kind);
    if (of_kind == NULL) {
        of_kind = g_ptr_array_new ();
        g_hash_table_insert (config->by_kind, g_strdup (public_kind), of_kind);
    }
    g_ptr_array_add (of_kind, section);
    return section;
}

RelaisSlot *
relais_section_take_slot (RelaisSection *section, const RelaisKey *key)
{
    RelaisSlot **slot = &section->slots[key->index];

    if (*slot == NULL) {
        *slot = g_new0 (RelaisSlot, 1);
        relais_value_init_unset (&key->option, &(*slot)->value);
    }
    return *slot;
}

const char *
relais_section_public_kind (const RelaisSection *section, gsize *size)
{
    *size = strcspn (section->kind->kind, " ");
    return section->kind->kind;
}

guint
relais_config_n_sections (const RelaisConfig *config, const gchar *kind)
{
    const GPtrArray *sections = g_hash_table_lookup (config->by_kind, kind);

    return sections != NULL ? sections->len : 0;
}

const RelaisSection *
relais_config_nth_section (const RelaisConfig *config, const gchar *kind, guint n)
{
    const GPtrArray *sections = g_hash_table_lookup (config->by_kind, kind);

    return sections != NULL && n < sections->len ? g_ptr_array_index (sections, n) : NULL;
}

const RelaisSection *
relais_config_find_section (const RelaisConfig *config, const gchar *kind, const gchar *name)
{
    const RelaisKind *known = relais_schema_find_kind (config->schema, kind);
    g_autofree char *id = NULL;

    if (known == NULL)
        return NULL;
    id = make_id (known, kind, name != NULL ? name : "");
    return g_hash_table_lookup (config->by_name, id);
}

const gchar *
relais_section_get_name (const RelaisSection *section)
{
    return section->name;
}

char *
relais_section_get_place (const RelaisSection *section)
{
    return section->file != NULL ? g_strdup_printf ("%s:%u", section->file, section->line)
                                 : g_strdup ("default");
}

/* --- Values ----------------------------------------------------------------------------------- */

static const RelaisKey *
find_key (const RelaisSection *section, const char *name)
{
    const RelaisKey *key = relais_kind_find_key (section->kind, name);

    if (key == NULL)
        g_critical ("option '%s' of section '%s' was never declared", name, section->kind->kind);
    return key;
}

/* The value in force; NULL after a complaint if the key or its type is not as the caller thinks. */
static const RelaisValue *
find_value (const RelaisSection *section, const char *name, guint32 types)
{
    const RelaisKey *key = find_key (section, name);
    const RelaisSlot *slot;

    if (key == NULL)
        return NULL;
    if ((types & (1u << key->option.type)) == 0) {
        g_critical ("option '%s' of section '%s' was read as another type than it has", name,
                    section->kind->kind);
        return NULL;
    }
    slot = section->slots[key->index];
    return slot != NULL ? &slot->value : &key->fallback;
}

gboolean
relais_section_get_bool (const RelaisSection *section, const gchar *key)
{
    const RelaisValue *value = find_value (section, key, 1u << RELAIS_OPTION_BOOL);

    return value != NULL && value->number != 0;
}

gint64
relais_section_get_int (const RelaisSection *section, const gchar *key)
{
    const RelaisValue *value = find_value (section, key,
                                           1u << RELAIS_OPTION_INT | 1u << RELAIS_OPTION_SIZE |
                                               1u << RELAIS_OPTION_DURATION);

    return value != NULL ? value->number : 0;
}

guint32
relais_section_get_enum (const RelaisSection *section, const gchar *key)
{
    const RelaisValue *value = find_value (section, key, 1u << RELAIS_OPTION_ENUM);

    return value != NULL ? (guint32)value->number : 0;
}

const gchar *
relais_section_get_string (const RelaisSection *section, const gchar *key)
{
    const RelaisValue *value = find_value (section, key,
                                           1u << RELAIS_OPTION_STRING | 1u << RELAIS_OPTION_PATH |
                                               1u << RELAIS_OPTION_SECRET);

    return value != NULL ? value->string : NULL;
}

const gchar *const *
relais_section_get_list (const RelaisSection *section, const gchar *key)
{
    const RelaisValue *value = find_value (section, key, 1u << RELAIS_OPTION_LIST);

    return value != NULL ? (const gchar *const *)value->list : NO_ITEMS;
}

const gint64 *
relais_section_get_durations (const RelaisSection *section, const gchar *key, gsize *n)
{
    const RelaisValue *value = find_value (section, key, 1u << RELAIS_OPTION_DURATIONS);

    *n = value != NULL ? value->n_durations : 0;
    return value != NULL ? value->durations : NULL;
}

gboolean
relais_section_is_set (const RelaisSection *section, const gchar *key)
{
    const RelaisKey *known = find_key (section, key);

    return known != NULL && section->slots[known->index] != NULL &&
           section->slots[known->index]->is_set;
}

const gchar *
relais_section_get_origin (const RelaisSection *section, const gchar *key)
{
    const RelaisKey *known = find_key (section, key);
    const RelaisSlot *slot = known != NULL ? section->slots[known->index] : NULL;

    return slot != NULL && slot->is_set ? slot->origin : "default";
}
