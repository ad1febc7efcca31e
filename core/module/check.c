/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The validator of descriptors: everything that the loader relies on later is checked here, field
 * by field. A descriptor is a module's word, so sizes are read before what they cover. Pure; any
 * thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* Sizes of the structs in the first minor, the least that a module may have: up to the member that was the
 * last then. */
#define UP_TO(type, member) (G_STRUCT_OFFSET (type, member) + sizeof (((type *)NULL)->member))
#define DESCRIPTOR_BYTES UP_TO (RelaisModuleDescriptor, ops)
#define HEAD_BYTES (G_STRUCT_OFFSET (RelaisModuleDescriptor, name))
#define OPS_BYTES UP_TO (RelaisModuleOps, finalize)
#define OPTION_BYTES UP_TO (RelaisOption, doc)
#define COMMAND_BYTES UP_TO (RelaisCommand, func)
enum { STRUCT_BYTES = 4096, ARRAY_ITEMS = 10000, NAME_BYTES = 64 };

G_STATIC_ASSERT (DESCRIPTOR_BYTES == 24 + 13 * sizeof (gpointer) + 4 * 4);
G_STATIC_ASSERT (G_STRUCT_OFFSET (RelaisModuleDescriptor, api_major) == 8);
G_STATIC_ASSERT (G_STRUCT_OFFSET (RelaisModuleDescriptor, flags) == 16);

static bool G_GNUC_PRINTF (4, 5)
    refuse (GError **error, const char *field, const char *remedy, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start (args, format);
    what = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_DESCRIPTOR, "%s: %s; %s", field,
                 what, remedy);
    return false;
}

bool
relais_copy_known (gpointer to, gsize to_size, gconstpointer from, gsize from_size)
{
    memset (to, 0, to_size);
    memcpy (to, from, MIN (to_size, from_size));
    for (gsize i = to_size; i < from_size; i++)
        if (((const guint8 *)from)[i] != 0)
            return false;
    return true;
}

bool
relais_module_name_is_good (const char *name)
{
    gsize size = strlen (name);

    return size > 0 && size <= NAME_BYTES && name[0] != '-' &&
           strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

#define REBUILD _ ("rebuild the module with the headers of this Relais")
#define MEND _ ("this is a fault of the module")

/* --- The head --------------------------------------------------------------------------------- */

static bool
check_version (const RelaisModuleDescriptor *descriptor, GError **error)
{
    guint major = descriptor->api_major, built = descriptor->minor_built;

    if (major != RELAIS_API_MAJOR)
        return refuse (error, "api_major", _ ("install the module built for this Relais"),
                       _ ("found %u, wanted %u"), major, RELAIS_API_MAJOR);
    if (descriptor->minor_required > built)
        return refuse (error, "minor_required", MEND,
                       _ ("found %u, wanted at most minor_built (%u)"), descriptor->minor_required,
                       built);
    if (RELAIS_API_MAJOR == 0 ? built != RELAIS_API_MINOR
                              : descriptor->minor_required > RELAIS_API_MINOR)
        return refuse (
            error, "minor_built",
            RELAIS_API_MAJOR == 0 ? _ ("rebuild the module (before 1.0 every minor stands alone)")
                                  : _ ("upgrade Relais"),
            _ ("found %u.%u, wanted %u.%u"), major, built, RELAIS_API_MAJOR, RELAIS_API_MINOR);
    return true;
}

static bool
check_size (const char *field, gsize found, gsize least, GError **error)
{
    if (found < least || found > STRUCT_BYTES)
        return refuse (error, field, REBUILD, _ ("found %zu, wanted at least %zu"), found, least);
    return true;
}

static bool
check_head (const RelaisModuleDescriptor *descriptor, GError **error)
{
    if (descriptor->magic != RELAIS_MODULE_MAGIC)
        return refuse (error, "magic", _ ("define the descriptor with RELAIS_MODULE_DEFINE"),
                       _ ("found 0x%08x, wanted 0x%08x"), descriptor->magic, RELAIS_MODULE_MAGIC);
    if (!check_size ("struct_size", descriptor->struct_size, HEAD_BYTES, error) ||
        !check_version (descriptor, error) ||
        !check_size ("struct_size", descriptor->struct_size, DESCRIPTOR_BYTES, error))
        return false;
    if (descriptor->reserved != 0 || descriptor->flags != 0)
        return refuse (error, "flags", REBUILD, _ ("found a bit that is not known, wanted 0"));
    return true;
}

/* --- Names ------------------------------------------------------------------------------------ */

static bool
check_identity (const RelaisModuleDescriptor *descriptor, GError **error)
{
    if (descriptor->name == NULL)
        return refuse (error, "name", _ ("name the module"), _ ("found NULL, wanted [a-z0-9-]+"));
    if (!relais_module_name_is_good (descriptor->name))
        return refuse (error, "name", _ ("name the module as its file"),
                       _ ("found '%s', wanted [a-z0-9-]+"), descriptor->name);
    if (g_str_equal (descriptor->name, RELAIS_STORE_CORE))
        return refuse (error, "name", _ ("give the module another name"),
                       _ ("found '%s', wanted a name that is not the core's own"),
                       descriptor->name);
    if (descriptor->version == NULL)
        return refuse (error, "version", MEND, _ ("found NULL, wanted text"));
    if (descriptor->summary == NULL)
        return refuse (error, "summary", MEND, _ ("found NULL, wanted one line"));
    return true;
}

static bool
check_relation (const char *field, const gchar *const *names, const char *own, GError **error)
{
    for (guint i = 0; names != NULL && names[i] != NULL; i++) {
        if (!relais_module_name_is_good (names[i]))
            return refuse (error, field, MEND, _ ("found '%s', wanted a module's name"), names[i]);
        if (g_str_equal (names[i], own))
            return refuse (error, field, MEND, _ ("found the module itself, wanted others"));
        for (guint k = 0; k < i; k++)
            if (g_str_equal (names[i], names[k]))
                return refuse (error, field, MEND, _ ("found '%s' twice, wanted it once"),
                               names[i]);
    }
    return true;
}

/* --- Arrays ----------------------------------------------------------------------------------- */

static bool
check_array (const char *field, const char *size_field, gconstpointer array, guint n, gsize size,
             gsize least, gsize known, GError **error)
{
    g_autofree guint8 *copy = NULL;

    if (n == 0)
        return true;
    if (array == NULL || n > ARRAY_ITEMS)
        return refuse (error, field, MEND, _ ("found no array of %u, wanted one"), n);
    if (!check_size (size_field, size, least, error))
        return false;
    if (size % sizeof (gpointer) != 0)
        return refuse (error, size_field, REBUILD, _ ("found %zu, wanted a multiple of %zu"), size,
                       sizeof (gpointer));
    copy = g_malloc (known);
    for (guint i = 0; i < n; i++)
        if (!relais_copy_known (copy, known, (const guint8 *)array + i * size, size))
            return refuse (
                error, field, _ ("upgrade Relais, or rebuild the module without it"),
                _ ("found item %u with a part that this Relais does not know, wanted zero"), i);
    return true;
}

#define NTH(type, array, size, n) ((const type *)((const guint8 *)(array) + (gsize)(n) * (size)))

static bool
own_kind (const char *module, const char *kind)
{
    gsize size = strlen (module);

    return strncmp (kind, module, size) == 0 && (kind[size] == '\0' || kind[size] == '-');
}

static bool
check_option (const char *module, const RelaisOption *option, GError **error)
{
    static const char *const shared[] = {"module", "listener", "source", "provider", "route",
                                         "domain", "tenant",   "class",  NULL};

    if (option->section == NULL || option->key == NULL)
        return refuse (error, "options", MEND, _ ("found NULL as section or key, wanted text"));
    if (!own_kind (module, option->section) && !g_strv_contains (shared, option->section))
        return refuse (error, "options", MEND,
                       _ ("found section '%s', wanted '%s', '%s-...' or a shared one"),
                       option->section, module, module);
    if (option->key[0] == '\0' ||
        strspn (option->key, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen (option->key))
        return refuse (error, "options", MEND, _ ("found key '%s', wanted [a-z0-9_]+"),
                       option->key);
    if (option->type > RELAIS_OPTION_DURATIONS)
        return refuse (error, "options", _ ("upgrade Relais"),
                       _ ("found type %u of '%s', wanted one that this Relais knows"), option->type,
                       option->key);
    if (option->type == RELAIS_OPTION_ENUM && option->choices == NULL)
        return refuse (error, "options", MEND, _ ("found no choices of '%s', wanted some"),
                       option->key);
    return true;
}

static bool
check_options (const RelaisModuleDescriptor *descriptor, GError **error)
{
    gsize size = descriptor->option_size;

    if (!check_array ("options", "option_size", descriptor->options, descriptor->n_options, size,
                      OPTION_BYTES, sizeof (RelaisOption), error))
        return false;
    for (guint i = 0; i < descriptor->n_options; i++) {
        const RelaisOption *option = NTH (RelaisOption, descriptor->options, size, i);

        if (!check_option (descriptor->name, option, error))
            return false;
        for (guint k = 0; k < i; k++) {
            const RelaisOption *other = NTH (RelaisOption, descriptor->options, size, k);

            if (g_str_equal (option->section, other->section) &&
                g_str_equal (option->key, other->key))
                return refuse (error, "options", MEND, _ ("found [%s] %s twice, wanted it once"),
                               option->section, option->key);
        }
    }
    return true;
}

static bool
check_commands (const RelaisModuleDescriptor *descriptor, GError **error)
{
    gsize size = descriptor->command_size;

    if (!check_array ("commands", "command_size", descriptor->commands, descriptor->n_commands,
                      size, COMMAND_BYTES, sizeof (RelaisCommand), error))
        return false;
    for (guint i = 0; i < descriptor->n_commands; i++) {
        const RelaisCommand *command = NTH (RelaisCommand, descriptor->commands, size, i);

        if (command->word == NULL || command->func == NULL || command->doc == NULL)
            return refuse (error, "commands", MEND,
                           _ ("found item %u without word, func or doc, wanted all three"), i);
        if (command->kind > RELAIS_COMMAND_OFFLINE || command->reserved != 0)
            return refuse (error, "commands", _ ("upgrade Relais"),
                           _ ("found a kind of '%s' that is not known, wanted one that is"),
                           command->word);
        for (guint k = 0; k < i; k++) {
            const RelaisCommand *other = NTH (RelaisCommand, descriptor->commands, size, k);

            if (g_str_equal (command->word, other->word) &&
                g_strcmp0 (command->verb, other->verb) == 0)
                return refuse (error, "commands", MEND, _ ("found '%s %s' twice, wanted it once"),
                               command->word, command->verb != NULL ? command->verb : "");
        }
    }
    return true;
}

static bool
check_ops (const RelaisModuleOps *ops, GError **error)
{
    RelaisModuleOps copy;

    if (ops == NULL)
        return true;
    if (!check_size ("ops.struct_size", ops->struct_size, OPS_BYTES, error))
        return false;
    if (!relais_copy_known (&copy, sizeof copy, ops, ops->struct_size) || ops->reserved != 0)
        return refuse (error, "ops", _ ("upgrade Relais, or rebuild the module without it"),
                       _ ("found an operation that this Relais does not know, wanted zero"));
    if (ops->prepare_config == NULL && (ops->commit_config != NULL || ops->free_config != NULL))
        return refuse (error, "ops.prepare_config", MEND,
                       _ ("found NULL beside commit_config or free_config, wanted a function"));
    return true;
}

gboolean
relais_module_check (const RelaisModuleDescriptor *descriptor, GError **error)
{
    RelaisModuleDescriptor copy;

    g_return_val_if_fail (descriptor != NULL, FALSE);
    if (!check_head (descriptor, error))
        return FALSE;
    if (!relais_copy_known (&copy, sizeof copy, descriptor, descriptor->struct_size))
        return refuse (
            error, "struct_size", _ ("upgrade Relais, or rebuild the module without it"),
            _ ("found fields that this Relais does not know, wanted zero after the first "
               "%zu octets"),
            sizeof copy);
    return check_identity (&copy, error) &&
           check_relation ("requires_modules", copy.requires_modules, copy.name, error) &&
           check_relation ("wants_modules", copy.wants_modules, copy.name, error) &&
           check_relation ("conflicts", copy.conflicts, copy.name, error) &&
           check_options (&copy, error) && check_commands (&copy, error) &&
           check_ops (copy.ops, error);
}
