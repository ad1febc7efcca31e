/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration, made from the module's section and those of the tenants. Immutable.
 */
#include "life.h"
#include "unsubscribe.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

/* Mail to it can only be claimed where the domain is one of ours. Borrowed from own->domains; NULL for an unset key,
 * or with an error. */
static const char *
read_domain (UnsubscribeConfig *own, const RelaisConfig *config, const RelaisSection *section,
             const char *key, GError **error)
{
    const char *given = relais_section_get_string (section, key);
    char *domain;

    if (given == NULL || given[0] == '\0')
        return NULL;
    if (!g_str_is_ascii (given)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     _ ("%s: %s = %s: write it, and its [domain NAME], in ASCII, as in "
                        "xn--bcher-kva.example: so it stands in addresses"),
                     relais_section_get_origin (section, key), key, given);
        return NULL;
    }
    domain = g_ascii_strdown (given, -1);
    if (relais_config_find_section (config, "domain", domain) == NULL) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     _ ("%s: there is no [domain %s], which the addresses of %s = %s need"),
                     relais_section_get_origin (section, key), domain, key, given);
        g_free (domain);
        return NULL;
    }
    g_hash_table_add (own->domains, domain);
    return g_hash_table_lookup (own->domains, domain);
}

static bool
read_tenant (UnsubscribeConfig *own, const RelaisConfig *config, const RelaisSection *section,
             GError **error)
{
    UnsubscribeTenant *tenant = g_new (UnsubscribeTenant, 1);
    GError *trouble = NULL;

    *tenant = own->common;
    if (relais_section_is_set (section, "unsubscribe.mode"))
        tenant->mode = (UnsubscribeMode)relais_section_get_enum (section, "unsubscribe.mode");
    if (relais_section_is_set (section, "unsubscribe.domain"))
        tenant->domain = read_domain (own, config, section, "unsubscribe.domain", &trouble);
    g_hash_table_insert (own->tenants, g_strdup (relais_section_get_name (section)), tenant);
    if (trouble != NULL)
        g_propagate_error (error, trouble);
    return trouble == NULL;
}

static bool
read_all (UnsubscribeConfig *own, const RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "unsubscribe", NULL);
    GError *trouble = NULL;
    bool good = true;

    if (!tracking_life_check (config, section, "unsubscribe", error))
        return false;
    own->common.mode = (UnsubscribeMode)relais_section_get_enum (section, "mode");
    own->life_us = relais_section_get_int (section, "life");
    own->mail_life_us = relais_section_get_int (section, "mail_life");
    own->plain_http = relais_section_get_bool (section, "plain_http");
    own->common.domain = read_domain (own, config, section, "domain", &trouble);
    if (trouble != NULL) {
        g_propagate_error (error, trouble);
        return false;
    }
    for (guint i = 0; good && i < relais_config_n_sections (config, "tenant"); i++)
        good = read_tenant (own, config, relais_config_nth_section (config, "tenant", i), error);
    return good;
}

gboolean
unsubscribe_prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object,
                            GError **error)
{
    UnsubscribeConfig *own = g_new0 (UnsubscribeConfig, 1);

    own->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    own->domains = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    if (!read_all (own, config, error)) {
        unsubscribe_free_config (own);
        return FALSE;
    }
    *object = own;
    return TRUE;
}

void
unsubscribe_free_config (gpointer object)
{
    UnsubscribeConfig *own = object;

    g_hash_table_unref (own->tenants);
    g_hash_table_unref (own->domains);
    g_free (own);
}

const UnsubscribeTenant *
unsubscribe_config_find (const UnsubscribeConfig *config, const char *name)
{
    const UnsubscribeTenant *tenant =
        name != NULL ? g_hash_table_lookup (config->tenants, name) : NULL;

    return tenant != NULL ? tenant : &config->common;
}
