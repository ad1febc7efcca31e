/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bounce domains, feedback addresses and reporters of a configuration. Immutable; any thread.
 */
#include "link.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

struct BounceLinkConfig {
    gint64 lifetime_us;
    bool refuses_replies;
    char *domain;        /* or NULL */
    GHashTable *tenants; /* name of a tenant -> domain */
    GHashTable *authors; /* domain of the header From -> domain */
    GHashTable *own;     /* all of them */
    GHashTable *feedback;
    char **reporters;
};

static const char prefix[] = "b-";

/* --- Reading -------------------------------------------------------------------------------------- */

static bool
is_own_domain (RelaisConfig *config, const char *domain)
{
    return relais_config_find_section (config, "domain", domain) != NULL;
}

/* The domain that a key names, in lower case; NULL if it is unset, or with an error. */
static char *
read_domain (BounceLinkConfig *link, RelaisConfig *config, const RelaisSection *section,
             const char *key, GError **error)
{
    const char *value = relais_section_get_string (section, key);
    g_autofree char *domain = value != NULL ? g_ascii_strdown (value, -1) : NULL;

    if (domain == NULL || domain[0] == '\0')
        return NULL;
    if (!g_str_is_ascii (value)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     _ ("%s: %s = %s: write it, and its [domain NAME], in ASCII, as in "
                        "xn--bcher-kva.example: so it stands in addresses"),
                     relais_section_get_origin (section, key), key, value);
        return NULL;
    }
    if (!is_own_domain (config, domain)) {
        g_set_error (
            error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
            _ ("%s: '%s' is no domain of ours; a section [domain %s] must stand beside it"),
            relais_section_get_origin (section, key), value, domain);
        return NULL;
    }
    g_hash_table_add (link->own, g_strdup (domain));
    return g_steal_pointer (&domain);
}

/* The key bounce.domain of all sections of a kind. */
static bool
read_sections (BounceLinkConfig *link, RelaisConfig *config, const char *kind, GHashTable *domains,
               GError **error)
{
    for (guint i = 0; i < relais_config_n_sections (config, kind); i++) {
        const RelaisSection *section = relais_config_nth_section (config, kind, i);
        GError *own_error = NULL;
        char *domain;

        if (!relais_section_is_set (section, "bounce.domain"))
            continue;
        domain = read_domain (link, config, section, "bounce.domain", &own_error);
        if (own_error != NULL) {
            g_propagate_error (error, own_error);
            return false;
        }
        g_hash_table_insert (domains, g_ascii_strdown (relais_section_get_name (section), -1),
                             domain != NULL ? domain : g_strdup (""));
    }
    return true;
}

static bool
read_feedback (BounceLinkConfig *link, RelaisConfig *config, const RelaisSection *section,
               GError **error)
{
    const char *const *addresses = relais_section_get_list (section, "feedback");

    for (guint i = 0; addresses[i] != NULL; i++) {
        g_autofree char *address = g_ascii_strdown (addresses[i], -1);
        const char *at = strrchr (address, '@');

        if (at == NULL || at == address || !is_own_domain (config, at + 1)) {
            g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         _ ("%s: '%s' is no address of a domain of ours ([domain NAME])"),
                         relais_section_get_origin (section, "feedback"), addresses[i]);
            return false;
        }
        g_hash_table_add (link->feedback, g_steal_pointer (&address));
    }
    return true;
}

static char **
read_reporters (const RelaisSection *section)
{
    const char *const *items = relais_section_get_list (section, "reporters");
    g_autoptr (GPtrArray) reporters = g_ptr_array_new ();

    for (guint i = 0; items[i] != NULL; i++)
        g_ptr_array_add (reporters, g_ascii_strdown (items[i], -1));
    g_ptr_array_add (reporters, NULL);
    return (char **)g_ptr_array_free (g_steal_pointer (&reporters), FALSE);
}

static bool
read_all (BounceLinkConfig *link, RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "bounce", NULL);
    GError *own_error = NULL;

    link->lifetime_us = relais_section_get_int (section, "token_lifetime");
    link->refuses_replies = relais_section_get_enum (section, "replies") == 0;
    link->reporters = read_reporters (section);
    link->domain = read_domain (link, config, section, "domain", &own_error);
    if (own_error != NULL) {
        g_propagate_error (error, own_error);
        return false;
    }
    return read_sections (link, config, "tenant", link->tenants, error) &&
           read_sections (link, config, "domain", link->authors, error) &&
           read_feedback (link, config, section, error);
}

BounceLinkConfig *
bounce_link_config_new (RelaisConfig *config, GError **error)
{
    BounceLinkConfig *link = g_new0 (BounceLinkConfig, 1);

    link->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    link->authors = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    link->own = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    link->feedback = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    if (read_all (link, config, error))
        return link;
    bounce_link_config_free (link);
    return NULL;
}

void
bounce_link_config_free (BounceLinkConfig *config)
{
    if (config == NULL)
        return;
    g_hash_table_unref (config->tenants);
    g_hash_table_unref (config->authors);
    g_hash_table_unref (config->own);
    g_hash_table_unref (config->feedback);
    g_strfreev (config->reporters);
    g_free (config->domain);
    g_free (config);
}

/* --- Looking up ----------------------------------------------------------------------------------- */

gint64
bounce_link_lifetime_us (const BounceLinkConfig *config)
{
    return config->lifetime_us;
}

bool
bounce_link_refuses_replies (const BounceLinkConfig *config)
{
    return config->refuses_replies;
}

/* "" in a section is "none", whatever stands above it. */
static const char *
none_if_empty (const char *domain)
{
    return domain[0] != '\0' ? domain : NULL;
}

const char *
bounce_link_domain (const BounceLinkConfig *config, const char *from, const char *tenant)
{
    const char *found, *at = from != NULL ? strrchr (from, '@') : NULL;

    for (const char *domain = at != NULL ? at + 1 : NULL; domain != NULL;) {
        found = g_hash_table_lookup (config->authors, domain);
        if (found != NULL)
            return none_if_empty (found);
        domain = strchr (domain, '.');
        domain = domain != NULL ? domain + 1 : NULL;
    }
    found = tenant != NULL ? g_hash_table_lookup (config->tenants, tenant) : NULL;
    return found != NULL ? none_if_empty (found) : config->domain;
}

BounceAddress
bounce_link_read_address (const BounceLinkConfig *config, const char *address, char **token)
{
    g_autofree char *folded = NULL;
    char *at;

    if (g_hash_table_size (config->own) + g_hash_table_size (config->feedback) == 0)
        return BOUNCE_ADDRESS_FOREIGN;
    folded = g_ascii_strdown (address, -1);
    at = strrchr (folded, '@');
    if (at == NULL)
        return BOUNCE_ADDRESS_FOREIGN;
    if (g_hash_table_contains (config->feedback, folded))
        return BOUNCE_ADDRESS_FEEDBACK;
    if (!g_str_has_prefix (folded, prefix) || !g_hash_table_contains (config->own, at + 1))
        return BOUNCE_ADDRESS_FOREIGN;
    *at = '\0';
    *token = g_strdup (folded + sizeof prefix - 1);
    return BOUNCE_ADDRESS_TOKEN;
}

/* Whether `domain` is `above` or below it. */
static bool
is_below (const char *domain, const char *above)
{
    const gsize size = strlen (domain), n = strlen (above);

    return size >= n && g_ascii_strcasecmp (domain + size - n, above) == 0 &&
           (size == n || domain[size - n - 1] == '.');
}

bool
bounce_link_is_reporter (const BounceLinkConfig *config, const char *domain, const char *from)
{
    for (guint i = 0; config->reporters[i] != NULL; i++) {
        const char *item = config->reporters[i], *at = strrchr (item, '@');

        if (at == NULL ? is_below (domain, item)
                       : g_ascii_strcasecmp (domain, at + 1) == 0 && from != NULL &&
                             g_ascii_strcasecmp (from, item) == 0)
            return true;
    }
    return false;
}
