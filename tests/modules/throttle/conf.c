/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "conf.h"
#include "rules.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

/* The rules' own options, and what else of the module stands in files that are read here. */
static const RelaisOption options[] = {
    THROTTLE_RULE_OPTIONS,
    {"provider", "connections", RELAIS_OPTION_INT, 0, NULL, 1, 1000, NULL, "-"},
    {"provider", "messages_per_connection", RELAIS_OPTION_INT, 0, NULL, 1, 10000, NULL, "-"},
    {"provider", "recipients", RELAIS_OPTION_INT, 0, NULL, 1, 1000, NULL, "-"},
    {"provider", "rate", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"provider", "connection_rate", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL, "-"},
    {"throttle-lane", "source", RELAIS_OPTION_LIST, 0, NULL, 0, 0, NULL, "-"},
    {"throttle-lane", "provider", RELAIS_OPTION_LIST, 0, NULL, 0, 0, NULL, "-"},
    {"throttle-warmup", "caps", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "-"},
    {"throttle-warmup", "provider", RELAIS_OPTION_LIST, 0, NULL, 0, 0, NULL, "-"},
};

RelaisConfig *
test_conf_of_dir (const char *dir)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    g_autoptr (GError) error = NULL;
    RelaisSchema *schema = relais_schema_new ();
    const char *const dirs[] = {dir, NULL};
    RelaisConfig *config;

    relais_schema_add_module (schema, "throttle", options, G_N_ELEMENTS (options),
                              sizeof options[0], &error);
    g_assert_no_error (error);
    config = relais_config_read (schema, dirs, findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *told = relais_config_finding_to_string (g_ptr_array_index (findings, i));

        g_test_message ("%s", told);
    }
    g_assert_nonnull (config);
    relais_schema_free (schema);
    return config;
}

RelaisConfig *
test_conf_of_text (const char *text)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-throttle-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "a.conf", NULL);
    RelaisConfig *config;

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    config = test_conf_of_dir (dir);
    g_remove (path);
    g_rmdir (dir);
    return config;
}

RelaisConfig *
test_conf_shipped (void)
{
    g_autofree char *dir = g_build_filename (g_getenv ("RELAIS_SRCDIR"), "conf.d", NULL);

    return test_conf_of_dir (dir);
}
