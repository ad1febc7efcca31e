/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules that are on, but may be missing when the configuration is checked, as their on_failure lets the
 * daemon start without them: which they are, and which of them could not be loaded, and why. Written while
 * modules are loaded; afterwards any thread may read it.
 */
#include "config.h"

#include "module/module-private.h"

#include "conf/conf-private.h"

#include <glib/gi18n-lib.h>

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
