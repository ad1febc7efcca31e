/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which modules are there, and which are on but missing. When the configuration is checked, a module may be missing if
 * its on_failure lets the daemon start without it: which of them could not be loaded, and why. Written while modules are
 * loaded; afterwards any thread may read it.
 */
#include "config.h"

#include "module/module-private.h"

#include "conf/conf-private.h"
#include "conf/nearest-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

GPtrArray *
relais_module_names (const char *module_dir)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) dir = g_dir_open (module_dir, 0, NULL);
    const char *file;

    while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
        if (g_str_has_suffix (file, ".so")) {
            g_autofree char *name = g_strndup (file, strlen (file) - strlen (".so"));

            if (relais_module_name_is_good (name))
                g_ptr_array_add (names, g_steal_pointer (&name));
        }
    return names;
}

void
relais_host_add_hint (const RelaisHost *host, const char *name, GError *problem)
{
    g_autoptr (GPtrArray) names = relais_module_names (host->module_dir);
    const RelaisModuleMention *mention =
        host->mentions != NULL ? relais_config_find_mention (host->mentions, name) : NULL;
    const char *nearest = relais_nearest_name (name, names);

    if (nearest != NULL && !g_str_equal (nearest, name)) {
        g_autofree char *text = g_steal_pointer (&problem->message);

        problem->message = g_strdup_printf (_ ("%s; did you mean '%s'?"), text, nearest);
    }
    if (mention != NULL && mention->file != NULL)
        g_prefix_error (&problem, "%s:%u: ", mention->file, mention->line);
}

void
relais_missing_free (gpointer data)
{
    RelaisMissing *missing = data;

    g_free (missing->name);
    g_free (missing->why);
    g_free (missing);
}

void
relais_host_allow_missing (RelaisHost *host, const char *const *dirs)
{
    g_clear_pointer (&host->mentions, g_ptr_array_unref);
    host->mentions = relais_config_module_mentions (dirs);
}

bool
relais_host_take_missing (RelaisHost *host, const char *name, GError **error)
{
    const RelaisModuleMention *mention =
        host->mentions != NULL ? relais_config_find_mention (host->mentions, name) : NULL;
    RelaisMissing *missing;

    if (mention == NULL || (g_strcmp0 (mention->on_failure, "tempfail") != 0 &&
                            g_strcmp0 (mention->on_failure, "bypass") != 0))
        return false;
    missing = g_new (RelaisMissing, 1);
    *missing = (RelaisMissing){g_strdup (name), g_strdup ((*error)->message)};
    g_ptr_array_add (host->missing, missing);
    g_clear_error (error);
    return true;
}

void
relais_host_put_missing (const RelaisHost *host, GPtrArray *findings)
{
    for (guint i = 0; i < host->missing->len; i++) {
        const RelaisMissing *missing = host->missing->pdata[i];
        RelaisConfigFinding *finding = g_new0 (RelaisConfigFinding, 1);

        finding->text =
            g_strdup_printf (_ ("%s; going on without module '%s', as its on_failure says"),
                             missing->why, missing->name);
        g_ptr_array_add (findings, finding);
    }
}
