/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Loading one module: the file must be one that only root (or, where the caller named the directory,
 * the caller) can write; then dlopen, the descriptor, its check, and a copy of what we know of it. May
 * block: start-up only. Nothing is ever unmapped.
 */
#include "config.h"

#include "module/module-private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHER_MAJORS = 16 }; /* looked for, to name what was found instead of ours */

static bool
fail_file (GError **error, const char *file, const char *found, const char *wanted,
           const char *remedy)
{
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE,
                 _ ("%s: found %s, wanted %s; %s"), file, found, wanted, remedy);
    return false;
}

/* --- The file --------------------------------------------------------------------------------- */

static bool
owner_is_trusted (const RelaisHost *host, uid_t uid)
{
    return uid == 0 || (host->module_dir_is_callers && uid == geteuid ());
}

static bool
check_stat (const RelaisHost *host, const char *file, const struct stat *info, bool want_dir,
            GError **error)
{
    g_autofree char *found = NULL;

    if (want_dir ? !S_ISDIR (info->st_mode) : !S_ISREG (info->st_mode))
        return fail_file (error, file, _ ("something else"),
                          want_dir ? _ ("a directory") : _ ("a regular file"),
                          _ ("install the module again"));
    if (!owner_is_trusted (host, info->st_uid)) {
        found = g_strdup_printf (_ ("owner %u"), (guint)info->st_uid);
        return fail_file (error, file, found, _ ("owner root"),
                          host->module_dir_is_callers ? _ ("chown it to root or to yourself")
                                                      : _ ("chown it to root"));
    }
    if ((info->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        found = g_strdup_printf (_ ("mode %04o"), (guint)info->st_mode & 07777);
        return fail_file (error, file, found, _ ("no write permission for group and others"),
                          _ ("chmod go-w it"));
    }
    return true;
}

static bool
check_path (const RelaisHost *host, const char *file, bool want_dir, GError **error)
{
    struct stat info;
    int fd =
        open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | (want_dir ? O_DIRECTORY : 0));
    bool good;

    if (fd < 0) {
        if (errno == ELOOP)
            return fail_file (error, file, _ ("a symbolic link"), _ ("a regular file"),
                              _ ("copy the module itself"));
        return fail_file (error, file, g_strerror (errno), _ ("a readable module"),
                          _ ("install it, or set enable = no in its [module] section"));
    }
    good = fstat (fd, &info) == 0 && check_stat (host, file, &info, want_dir, error);
    close (fd);
    return good;
}

/* The directory itself may be reached by links; what they lead to is checked. */
bool
relais_module_check_file (const RelaisHost *host, const char *file, GError **error)
{
    char *dir = realpath (host->module_dir, NULL);
    bool good;

    if (dir == NULL)
        return fail_file (error, host->module_dir, g_strerror (errno), _ ("the module directory"),
                          _ ("install the modules, or name another directory with --module-dir"));
    good = check_path (host, dir, true, error) && check_path (host, file, false, error);
    free (dir);
    return good;
}

/* --- The descriptor --------------------------------------------------------------------------- */

static const RelaisModuleDescriptor *
find_descriptor (gpointer handle, const char *file, GError **error)
{
    const RelaisModuleDescriptor *descriptor =
        dlsym (handle, "relais_module_" G_STRINGIFY (RELAIS_API_MAJOR));

    for (int major = 0; descriptor == NULL && major < OTHER_MAJORS; major++) {
        g_autofree char *symbol = g_strdup_printf ("relais_module_%d", major);

        if (dlsym (handle, symbol) == NULL)
            continue;
        g_set_error (
            error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_DESCRIPTOR,
            _ ("%s: api_major: found %d, wanted %d; install the module built for this Relais"),
            file, major, RELAIS_API_MAJOR);
        return NULL;
    }
    if (descriptor == NULL)
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_DESCRIPTOR,
                     _ ("%s: descriptor: found no symbol relais_module_%d, wanted one made by "
                        "RELAIS_MODULE_DEFINE; this is no Relais module"),
                     file, RELAIS_API_MAJOR);
    return descriptor;
}

static bool
check_identity (const RelaisHost *host, const RelaisModuleDescriptor *descriptor, const char *file,
                const char *name, GError **error)
{
    if (!g_str_equal (descriptor->name, name)) {
        g_set_error (
            error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_DESCRIPTOR,
            _ ("%s: name: found '%s', wanted '%s'; a module's file is named as the module"), file,
            descriptor->name, name);
        return false;
    }
    if (descriptor->programs != NULL &&
        !g_strv_contains ((const gchar *const *)descriptor->programs, host->program) &&
        !g_str_equal (host->program, "relais-inspect")) {
        g_set_error (
            error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_DESCRIPTOR,
            _ ("%s: programs: found %s, wanted a program that it names; do not load it here"), file,
            host->program);
        return false;
    }
    return true;
}

/* --- The copy --------------------------------------------------------------------------------- */

static gpointer
copy_array (gconstpointer from, guint n, gsize from_size, gsize to_size)
{
    guint8 *to;

    if (n == 0)
        return NULL;
    to = g_malloc0_n (n, to_size);
    for (guint i = 0; i < n; i++)
        relais_copy_known (to + i * to_size, to_size, (const guint8 *)from + i * from_size,
                           from_size);
    return to;
}

RelaisModule *
relais_module_new (RelaisHost *host, const RelaisModuleDescriptor *descriptor, const char *file,
                   GError **error)
{
    RelaisModule *module;

    if (!relais_module_check (descriptor, error)) {
        g_prefix_error (error, "%s: ", file);
        return NULL;
    }
    module = g_new0 (RelaisModule, 1);
    module->host = host;
    module->file = g_strdup (file);
    relais_copy_known (&module->descriptor, sizeof module->descriptor, descriptor,
                       descriptor->struct_size);
    if (descriptor->ops != NULL)
        relais_copy_known (&module->ops, sizeof module->ops, descriptor->ops,
                           descriptor->ops->struct_size);
    module->options = copy_array (descriptor->options, descriptor->n_options,
                                  descriptor->option_size, sizeof (RelaisOption));
    module->commands = copy_array (descriptor->commands, descriptor->n_commands,
                                   descriptor->command_size, sizeof (RelaisCommand));
    return module;
}

void
relais_module_free (gpointer data)
{
    RelaisModule *module = data;

    relais_config_object_unref (module->prepared);
    relais_config_object_unref (module->config);
    g_free (module->options);
    g_free (module->commands);
    g_free (module->file);
    g_free (module);
}

RelaisModule *
relais_module_load (RelaisHost *host, const char *name, GError **error)
{
    const RelaisModuleDescriptor *descriptor;
    g_autofree char *base = g_strconcat (name, ".so", NULL);
    g_autofree char *file = g_build_filename (host->module_dir, base, NULL);
    RelaisModule *module;
    gpointer handle;

    if (!relais_module_name_is_good (name)) {
        fail_file (error, name, _ ("a name of other characters"),
                   _ ("a module's name of a-z, 0-9 and -"),
                   _ ("a module is enabled by its name, never by a path"));
        return NULL;
    }
    if (!relais_module_check_file (host, file, error))
        return NULL;
    handle = dlopen (file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE,
                     _ ("%s: the dynamic linker refuses it (%s); install the module built for this "
                        "Relais"),
                     file, dlerror ());
        return NULL;
    }
    descriptor = find_descriptor (handle, file, error);
    module = descriptor != NULL ? relais_module_new (host, descriptor, file, error) : NULL;
    if (module != NULL && !check_identity (host, &module->descriptor, file, name, error))
        g_clear_pointer (&module, relais_module_free);
    dlclose (handle); /* RTLD_NODELETE: it stays mapped */
    return module;
}
