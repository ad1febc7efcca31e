/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration of a tracking module, made from its section and those of the tenants. Immutable.
 */
#include "life.h"
#include "tracking.h"

static void
read_tenant (TrackingTenant *tenant, const RelaisSection *section, const char *prefix)
{
    g_autofree char *mode = g_strconcat (prefix, "mode", NULL);
    g_autofree char *consent = g_strconcat (prefix, "consent", NULL);

    if (prefix[0] == '\0' || relais_section_is_set (section, mode))
        tenant->mode = (TrackingMode)relais_section_get_enum (section, mode);
    if (prefix[0] == '\0' || relais_section_is_set (section, consent))
        tenant->consent = relais_section_get_bool (section, consent);
}

static void
read_tenants (TrackingConfig *own, const RelaisConfig *config, const char *name)
{
    g_autofree char *prefix = g_strconcat (name, ".", NULL);

    for (guint i = 0; i < relais_config_n_sections (config, "tenant"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "tenant", i);
        TrackingTenant *tenant = g_new (TrackingTenant, 1);

        *tenant = own->common;
        read_tenant (tenant, section, prefix);
        g_hash_table_insert (own->tenants, g_strdup (relais_section_get_name (section)), tenant);
    }
}

gboolean
tracking_config_read (TrackingConfig *own, RelaisModule *module, RelaisConfig *config,
                      GError **error)
{
    const char *name = relais_module_get_name (module);
    const RelaisSection *section = relais_config_find_section (config, name, NULL);

    if (!tracking_life_check (config, section, name, error))
        return FALSE;
    *own = (TrackingConfig){
        .life_us = relais_section_get_int (section, "life"),
        .window_us = relais_section_get_int (section, "window"),
        .repeats = (guint)relais_section_get_int (section, "repeats"),
        .address = (TrackingAddress)relais_section_get_enum (section, "address"),
        .rules = tracking_rules_load (relais_section_get_string (section, "rules"), error),
    };
    if (own->rules == NULL)
        return FALSE;
    own->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    read_tenant (&own->common, section, "");
    read_tenants (own, config, name);
    return TRUE;
}

void
tracking_config_clear (TrackingConfig *own)
{
    g_clear_pointer (&own->rules, tracking_rules_free);
    g_clear_pointer (&own->tenants, g_hash_table_unref);
}
