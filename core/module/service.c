/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Services between modules (include/relais/service.h): who offers what, and who was given it. Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>

void
relais_service_free (gpointer data)
{
    RelaisService *service = data;

    g_ptr_array_unref (service->users);
    g_free (service->name);
    g_free (service);
}

const char *
relais_service_owner (const RelaisService *service)
{
    return service->module != NULL ? service->module->descriptor.name : "test";
}

static RelaisService *
find (const RelaisHost *host, const char *name)
{
    for (guint i = 0; i < host->services->len; i++) {
        RelaisService *service = g_ptr_array_index (host->services, i);

        if (g_str_equal (service->name, name))
            return service;
    }
    return NULL;
}

static bool G_GNUC_PRINTF (4, 5)
    refuse (GError **error, const char *name, const char *remedy, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start (args, format);
    what = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION, _ ("service %s: %s; %s"),
                 name, what, remedy);
    return false;
}

/* --- Offering ----------------------------------------------------------------------------------- */

void
relais_host_add_service (RelaisHost *host, RelaisModule *module, const char *name, guint32 major,
                         guint32 minor, const RelaisServiceTable *table)
{
    RelaisService *service = g_new (RelaisService, 1);

    *service = (RelaisService){module, g_strdup (name), major, minor, table, g_ptr_array_new ()};
    g_ptr_array_add (host->services, service);
}

gboolean
relais_service_publish (RelaisModule *module, const gchar *name, guint32 major, guint32 minor,
                        const RelaisServiceTable *table, GError **error)
{
    const RelaisService *other;

    g_return_val_if_fail (module != NULL && name != NULL && table != NULL, FALSE);
    if (!module->host->in_init)
        return refuse (error, name, _ ("this is a fault of the module"),
                       _ ("found it published later, wanted it in init"));
    if (!relais_module_name_is_good (name))
        return refuse (error, name, _ ("this is a fault of the module"),
                       _ ("found this name, wanted [a-z0-9-]+"));
    if (table->struct_size < sizeof *table || table->reserved != 0)
        return refuse (error, name, _ ("this is a fault of the module"),
                       _ ("found no head in its table, wanted struct_size"));
    other = find (module->host, name);
    if (other != NULL)
        return refuse (error, name, _ ("disable one of the two"),
                       _ ("found it offered by module '%s' already, wanted it once"),
                       relais_service_owner (other));
    relais_host_add_service (module->host, module, name, major, minor, table);
    return TRUE;
}

/* --- Taking ------------------------------------------------------------------------------------- */

static bool
names (const gchar *const *list, const char *name)
{
    return list != NULL && g_strv_contains (list, name);
}

static bool
comes_after (const RelaisModule *module, const RelaisService *service)
{
    return service->module == NULL || service->module == module ||
           names (module->descriptor.requires_modules, relais_service_owner (service)) ||
           names (module->descriptor.wants_modules, relais_service_owner (service));
}

static void
note_user (RelaisService *service, RelaisModule *module)
{
    if (!g_ptr_array_find (service->users, module, NULL))
        g_ptr_array_add (service->users, module);
}

const RelaisServiceTable *
relais_service_lookup (RelaisModule *module, const gchar *name, guint32 major, guint32 minor,
                       GError **error)
{
    RelaisService *service;

    g_return_val_if_fail (module != NULL && name != NULL, NULL);
    if (module->host->in_init) {
        refuse (error, name, _ ("this is a fault of the module"),
                _ ("found it asked for in init, wanted that later"));
        return NULL;
    }
    relais_loop_assert_owner (module->host->loop);
    service = find (module->host, name);
    if (service == NULL)
        refuse (error, name, _ ("enable the module that offers it"), _ ("found none, wanted %u.%u"),
                major, minor);
    else if (service->major != major || service->minor < minor)
        refuse (error, name, _ ("install versions of the two modules that fit"),
                _ ("found %u.%u of module '%s', wanted %u.%u"), service->major, service->minor,
                relais_service_owner (service), major, minor);
    else if (service->module != NULL && service->module->off)
        refuse (error, name, _ ("see in the log why it was not started"),
                _ ("found module '%s' off, wanted it on"), relais_service_owner (service));
    else if (!comes_after (module, service))
        refuse (error, name, _ ("this is a fault of the module"),
                _ ("found module '%s' not named in requires_modules or wants_modules, wanted it"),
                relais_service_owner (service));
    else {
        note_user (service, module);
        return service->table;
    }
    return NULL;
}

/* --- Listing ------------------------------------------------------------------------------------ */

static void
list_service (RelaisCommandCall *call, const RelaisService *service)
{
    g_autofree char *version = g_strdup_printf ("%u.%u", service->major, service->minor);
    g_autoptr (GString) users = g_string_new (NULL);

    for (guint i = 0; i < service->users->len; i++) {
        const RelaisModule *user = g_ptr_array_index (service->users, i);

        g_string_append_printf (users, "%s%s", i > 0 ? " " : "", user->descriptor.name);
    }
    relais_command_put (call, "service", service->name);
    relais_command_put (call, "version", version);
    relais_command_put (call, "module", relais_service_owner (service));
    relais_command_put (call, "used_by", users->str);
    relais_command_end_row (call);
}

void
relais_host_list_services (RelaisCommandCall *call, gpointer data)
{
    const RelaisHost *host = data;

    for (guint i = 0; i < host->services->len; i++)
        list_service (call, g_ptr_array_index (host->services, i));
    relais_command_finish (call);
}
