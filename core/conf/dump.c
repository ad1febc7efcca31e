/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A configuration and a schema as text that conf.d would take. Pure.
 */
#include "config.h"

#include "conf/config-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { DOC_COLUMNS = 96 };

static void
append_pair (GString *text, bool is_comment, const char *key, const char *value)
{
    g_string_append_printf (text, "%s%s =%s%s\n", is_comment ? "#" : "", key,
                            value[0] != '\0' ? " " : "", value);
}

char *
relais_section_title (const RelaisSection *section)
{
    gsize size;
    const char *kind = relais_section_public_kind (section, &size);

    return g_strdup_printf (section->name[0] != '\0' ? "[%.*s %s]" : "[%.*s]", (int)size, kind,
                            section->name);
}

void
relais_config_each_value (const RelaisConfig *config, RelaisConfigValueFunc func, gpointer data)
{
    for (guint i = 0; i < config->sections->len; i++) {
        const RelaisSection *section = g_ptr_array_index (config->sections, i);
        g_autofree char *title = relais_section_title (section);

        for (guint j = 0; j < section->kind->keys->len; j++) {
            const RelaisKey *key = g_ptr_array_index (section->kind->keys, j);
            const RelaisSlot *slot = section->slots[j];
            const RelaisValue *value = slot != NULL ? &slot->value : &key->fallback;
            g_autofree char *text = relais_value_to_text (&key->option, value);
            bool is_set = slot != NULL && slot->is_set;

            bool has_value = slot != NULL || key->option.default_value != NULL;

            func (data, &(RelaisConfigEntry){title, key->name, has_value ? text : "",
                                             is_set ? slot->origin : "default", has_value,
                                             key->option.type == RELAIS_OPTION_PATH,
                                             (key->option.flags & RELAIS_OPTION_WRITTEN) != 0});
        }
    }
}

typedef struct {
    GString *text;
    char *title; /* of the section that the last value stood in */
} Dump;

static void
dump_value (gpointer data, const RelaisConfigEntry *entry)
{
    Dump *dump = data;

    if (g_strcmp0 (dump->title, entry->section) != 0) {
        g_string_append_printf (dump->text, "%s%s\n", dump->text->len > 0 ? "\n" : "",
                                entry->section);
        g_free (dump->title);
        dump->title = g_strdup (entry->section);
    }
    g_string_append_printf (dump->text, "# %s\n", entry->origin);
    append_pair (dump->text, !entry->has_value, entry->key, entry->value);
}

char *
relais_config_dump (const RelaisConfig *config)
{
    Dump dump = {g_string_new (NULL), NULL};

    relais_config_each_value (config, dump_value, &dump);
    g_free (dump.title);
    return g_string_free (dump.text, FALSE);
}

/* --- The schema ------------------------------------------------------------------------------- */

/* The words of `doc` as comment lines. */
static void
append_doc (GString *text, const char *doc)
{
    g_auto (GStrv) words = g_strsplit (doc, " ", -1);
    gsize column = 0;

    for (char **word = words; *word != NULL; word++) {
        gsize width = (gsize)g_utf8_strlen (*word, -1);

        if (column > 0 && column + 1 + width > DOC_COLUMNS)
            column = 0;
        if (column == 0) {
            g_string_append_printf (text, "%s# %s", word == words ? "" : "\n", *word);
            column = 2 + width;
        } else {
            g_string_append_printf (text, " %s", *word);
            column += 1 + width;
        }
    }
    g_string_append_c (text, '\n');
}

static void
append_kind (GString *text, const RelaisKind *kind)
{
    bool is_module = strchr (kind->kind, ' ') != NULL;

    g_string_append_printf (text, "%s#[%s%s]\n", text->len > 0 ? "\n" : "", kind->kind,
                            kind->has_name && !is_module ? " NAME" : "");
    for (guint i = 0; i < kind->keys->len; i++) {
        const RelaisKey *key = g_ptr_array_index (kind->keys, i);
        g_autofree char *expected = relais_value_expected (&key->option);

        append_doc (text, _ (key->option.doc));
        g_string_append_printf (text, "# (%s)\n", expected);
        append_pair (text, true, key->name,
                     key->option.default_value != NULL ? key->option.default_value : "");
    }
}

char *
relais_schema_document (const RelaisSchema *schema, const char *kind)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < schema->kinds->len; i++) {
        const RelaisKind *known = g_ptr_array_index (schema->kinds, i);

        if (kind == NULL || strcmp (kind, known->kind) == 0)
            append_kind (text, known);
    }
    return g_string_free (g_steal_pointer (&text), FALSE);
}

/* --- The manual -------------------------------------------------------------------------------- */

/* Text that roff takes for what it is. */
static void
append_roff (GString *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            g_string_append (out, "\\e");
        else if (*text == '-')
            g_string_append (out, "\\-");
        else if (*text == '\'')
            g_string_append (out, "\\(aq");
        else
            g_string_append_c (out, *text);
    }
}

static void
append_manual_key (GString *out, const RelaisKey *key)
{
    g_autofree char *expected = relais_value_expected (&key->option);
    const char *value = key->option.default_value;

    g_string_append (out, ".TP\n.B ");
    append_roff (out, key->name);
    g_string_append_c (out, '\n');
    append_roff (out, key->option.doc);
    g_string_append (out, "\nTakes ");
    append_roff (out, expected);
    if (value != NULL && key->option.type == RELAIS_OPTION_PATH) {
        g_string_append (out, "; the default was chosen when Relais was built");
    } else if (value != NULL) {
        g_string_append (out, "; default ");
        append_roff (out, value);
    }
    g_string_append (out, (key->option.flags & RELAIS_OPTION_REPEAT) != 0 ? ". May repeat" : "");
    g_string_append (out, (key->option.flags & RELAIS_OPTION_REQUIRED) != 0 ? ". Must be set" : "");
    if ((key->option.flags & RELAIS_OPTION_RELOADABLE) == 0)
        g_string_append (out, ". A change needs a restart");
    g_string_append (out, ".\n");
}

char *
relais_schema_manual (const RelaisSchema *schema)
{
    g_autoptr (GString) out = g_string_new (NULL);

    for (guint i = 0; i < schema->kinds->len; i++) {
        const RelaisKind *kind = g_ptr_array_index (schema->kinds, i);

        g_string_append (out, ".SS [");
        append_roff (out, kind->kind);
        g_string_append (out, kind->has_name ? " NAME]\n" : "]\n");
        for (guint j = 0; j < kind->keys->len; j++)
            append_manual_key (out, g_ptr_array_index (kind->keys, j));
    }
    return g_string_free (g_steal_pointer (&out), FALSE);
}
