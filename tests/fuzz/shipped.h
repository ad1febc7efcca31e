/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration as it is shipped, for targets that look at what its rules do. One thread.
 */
#pragma once

#include "conf/conf-private.h"

/* With the options of one module; aborts if it cannot be read. Owned. */
static inline RelaisConfig *
fuzz_shipped_config (const char *module, const RelaisOption *options, guint n)
{
    g_autofree char *dir = g_build_filename (g_getenv ("RELAIS_SRCDIR"), "conf.d", NULL);
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config;

    g_assert_true (relais_schema_add_module (schema, module, options, n, sizeof options[0], NULL));
    config = relais_config_read (schema, (const char *const[]){dir, NULL}, findings);
    g_assert_nonnull (config);
    relais_schema_free (schema);
    return config;
}
