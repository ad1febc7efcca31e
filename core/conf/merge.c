/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is in force after a configuration was read again: the new values of reloadable keys, the old ones
 * of the rest. Pure; any thread.
 *
 * The two may have been read by different schemas, as long as both know the options of the same modules: keys
 * are found by name. Sections of some kinds come and go with a reload, those of others (a listener has sockets) do not.
 */
#include "config.h"

#include "conf/config-private.h"
#include "conf/line-private.h"

#include <string.h>

typedef struct {
    const RelaisConfig *old, *fresh;
    RelaisConfig *made;
    GPtrArray *changes;
} Merge;

static void
change_free (gpointer data)
{
    RelaisConfigChange *change = data;

    g_free (change->section);
    g_free (change->key);
    g_free (change->old_value);
    g_free (change->new_value);
    g_free (change->origin);
    g_free (change);
}

GPtrArray *
relais_config_changes_new (void)
{
    return g_ptr_array_new_with_free_func (change_free);
}

guint
relais_config_changes_count (const GPtrArray *changes, bool applies)
{
    guint n = 0;

    for (guint i = 0; i < changes->len; i++)
        n += ((const RelaisConfigChange *)g_ptr_array_index (changes, i))->applies == applies;
    return n;
}

/* --- Values ----------------------------------------------------------------------------------- */

static const RelaisSlot *
slot_of (const RelaisSection *section, const RelaisKey *key)
{
    const RelaisKey *own = section != NULL ? relais_kind_find_key (section->kind, key->name) : NULL;

    return own != NULL ? section->slots[own->index] : NULL;
}

static const RelaisValue *
value_of (const RelaisSection *section, const RelaisKey *key)
{
    const RelaisSlot *slot = slot_of (section, key);

    return slot != NULL ? &slot->value : &key->fallback;
}

static char *
text_of (const RelaisSection *section, const RelaisKey *key)
{
    const RelaisValue *value = value_of (section, key);

    return relais_value_is_unset (&key->option, value) ? NULL
                                                       : relais_value_to_text (&key->option, value);
}

static void
copy_slot (RelaisSection *to, const RelaisSection *from, const RelaisKey *key)
{
    const RelaisSlot *slot = slot_of (from, key);
    RelaisSlot *made;

    if (slot == NULL)
        return;
    made = relais_section_take_slot (to, key);
    relais_value_clear (&made->value);
    relais_value_copy (&slot->value, &made->value);
    made->is_set = slot->is_set;
    made->line = slot->line;
    made->origin = g_strdup (slot->origin);
}

/* --- What is told ----------------------------------------------------------------------------- */

static const char *
origin_of (const RelaisSection *fresh, const RelaisSection *old, const RelaisKey *key)
{
    const RelaisSlot *slot = slot_of (fresh, key);

    if (slot == NULL || !slot->is_set)
        slot = slot_of (old, key);
    return slot != NULL && slot->is_set ? slot->origin : "default";
}

static void
note_key (Merge *merge, const RelaisSection *fresh, const RelaisSection *old, const RelaisKey *key,
          bool applies)
{
    RelaisConfigChange *change = g_new (RelaisConfigChange, 1);

    *change = (RelaisConfigChange){
        .applies = applies,
        .section = relais_section_title (fresh != NULL ? fresh : old),
        .key = g_strdup (key->name),
        .old_value = text_of (old, key),
        .new_value = text_of (fresh, key),
        .origin = g_strdup (origin_of (fresh, old, key)),
    };
    g_ptr_array_add (merge->changes, change);
}

static void
note_section (Merge *merge, const RelaisSection *fresh, const RelaisSection *old, bool applies)
{
    const RelaisSection *section = fresh != NULL ? fresh : old;
    RelaisConfigChange *change = g_new (RelaisConfigChange, 1);

    *change = (RelaisConfigChange){
        .applies = applies,
        .section = relais_section_title (section),
        .key = NULL,
        .old_value = g_strdup (old != NULL ? "there" : "absent"),
        .new_value = g_strdup (fresh != NULL ? "there" : "absent"),
        .origin = relais_section_get_place (section),
    };
    g_ptr_array_add (merge->changes, change);
}

/* --- Sections --------------------------------------------------------------------------------- */

static bool
is_reloadable (const RelaisKey *key)
{
    return (key->option.flags & RELAIS_OPTION_RELOADABLE) != 0;
}

/* A module's own sections do if a reload applies all of their keys. */
static bool
comes_and_goes (const RelaisKind *kind)
{
    if (kind->is_core)
        return kind->comes_and_goes;
    for (guint i = 0; i < kind->keys->len; i++)
        if (!is_reloadable (g_ptr_array_index (kind->keys, i)))
            return false;
    return true;
}

static const char *
public_kind (const RelaisSection *section, char *buffer, gsize size)
{
    gsize length;
    const char *kind = relais_section_public_kind (section, &length);

    g_strlcpy (buffer, kind, MIN (size, length + 1));
    return buffer;
}

enum { KIND_BYTES = 128 };

static const RelaisSection *
find (const RelaisConfig *config, const RelaisSection *like)
{
    char kind[KIND_BYTES];

    return relais_config_find_section (config, public_kind (like, kind, sizeof kind), like->name);
}

static RelaisSection *
make (Merge *merge, const RelaisSection *like)
{
    char kind[KIND_BYTES];
    const RelaisKind *own = relais_schema_find_kind (merge->made->schema, like->kind->kind);
    RelaisSection *made =
        relais_config_take_section (merge->made, own != NULL ? own : like->kind,
                                    public_kind (like, kind, sizeof kind), like->name);

    made->file = g_strdup (like->file);
    made->line = like->line;
    return made;
}

static void
copy_whole (Merge *merge, const RelaisSection *section)
{
    RelaisSection *made = make (merge, section);

    for (guint i = 0; i < made->kind->keys->len; i++)
        copy_slot (made, section, g_ptr_array_index (made->kind->keys, i));
}

/* Key by key; `fresh` or `old` may be NULL, which is all defaults. */
static void
merge_keys (Merge *merge, RelaisSection *made, const RelaisSection *fresh, const RelaisSection *old)
{
    for (guint i = 0; i < made->kind->keys->len; i++) {
        const RelaisKey *key = g_ptr_array_index (made->kind->keys, i);
        bool same = relais_value_equal (value_of (fresh, key), value_of (old, key));

        copy_slot (made, same || is_reloadable (key) ? fresh : old, key);
        if (!same)
            note_key (merge, fresh, old, key, is_reloadable (key));
    }
}

static bool
is_module (const RelaisSection *section)
{
    gsize size;
    const char *kind = relais_section_public_kind (section, &size);

    return size == strlen ("module") && strncmp (kind, "module", size) == 0;
}

static void
take_fresh (Merge *merge, const RelaisSection *fresh)
{
    const RelaisSection *old = find (merge->old, fresh);

    if (old == NULL && is_module (fresh)) {
        merge_keys (merge, make (merge, fresh), fresh, NULL);
    } else if (old == NULL) {
        bool applies = comes_and_goes (fresh->kind);
        RelaisSection *made = applies ? make (merge, fresh) : NULL;

        note_section (merge, fresh, NULL, applies);
        for (guint i = 0; applies && i < made->kind->keys->len; i++) {
            const RelaisKey *key = g_ptr_array_index (made->kind->keys, i);

            if (is_reloadable (key))
                copy_slot (made, fresh, key);
            else if (!relais_value_equal (value_of (fresh, key), &key->fallback))
                note_key (merge, fresh, NULL, key, false);
        }
    } else {
        merge_keys (merge, make (merge, fresh), fresh, old);
    }
}

static void
take_old (Merge *merge, const RelaisSection *old)
{
    if (find (merge->fresh, old) != NULL)
        return;
    if (is_module (old)) {
        merge_keys (merge, make (merge, old), NULL, old);
        return;
    }
    note_section (merge, NULL, old, comes_and_goes (old->kind));
    if (!comes_and_goes (old->kind))
        copy_whole (merge, old);
}

/* --- The whole -------------------------------------------------------------------------------- */

/* What keeps the two from fitting together; what only warns was told when `fresh` was read. */
static bool
fits (const RelaisConfig *made, GPtrArray *findings)
{
    g_autoptr (GPtrArray) own = relais_config_findings_new ();
    bool good = true;

    relais_config_check (made, own);
    for (guint i = 0; i < own->len; i++) {
        const RelaisConfigFinding *finding = g_ptr_array_index (own, i);

        if (!finding->is_error)
            continue;
        relais_conf_add_finding (findings, true, finding->file, finding->line,
                                 g_strdup (finding->text));
        good = false;
    }
    return good;
}

RelaisConfig *
relais_config_merge (const RelaisConfig *old, const RelaisConfig *fresh, GPtrArray *changes,
                     GPtrArray *findings)
{
    g_autoptr (RelaisConfig) made = relais_config_new (fresh->schema);
    Merge merge = {old, fresh, made, changes};

    for (guint i = 0; i < fresh->sections->len; i++)
        take_fresh (&merge, g_ptr_array_index (fresh->sections, i));
    for (guint i = 0; i < old->sections->len; i++)
        take_old (&merge, g_ptr_array_index (old->sections, i));
    return fits (made, findings) ? g_steal_pointer (&made) : NULL;
}
