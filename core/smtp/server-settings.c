/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The server's view of the configuration and the relay rule. The rule is pure: the same address and
 * right give the same answer, and no module has a say in it but by a claim, which it allows for own
 * domains alone.
 */
#include "config.h"

#include "smtp/server-settings-private.h"

#include "message/address-private.h"

#include <gio/gio.h>
#include <string.h>

/* --- The rule --------------------------------------------------------------------------------- */

static bool
local_part_is (const char *address, const char *word)
{
    const gsize size = strlen (word);

    return g_ascii_strncasecmp (address, word, size) == 0 &&
           (address[size] == '@' || address[size] == '\0');
}

static bool
is_role (const char *address)
{
    return local_part_is (address, "postmaster") || local_part_is (address, "abuse");
}

/* Forms that make some hosts relay further. The next hop of an inbound route may trust us, so they
 * take the right to relay. */
static bool
has_routing (const char *address, const char *domain)
{
    const gsize size = (gsize)(domain - address) - 1;

    return memchr (address, '%', size) != NULL || memchr (address, '!', size) != NULL ||
           memchr (address, '@', size) != NULL || memchr (address, ':', size) != NULL;
}

static RelaisRelay
relay_own (const RelaisServerSettings *settings, bool may_relay, const char *address,
           const char *domain)
{
    if (has_routing (address, domain))
        return may_relay ? RELAIS_RELAY_RIGHT : RELAIS_RELAY_DENIED;
    if (relais_domain_set_has (settings->inbound, domain))
        return RELAIS_RELAY_INBOUND;
    if (is_role (address) && settings->postmaster != NULL)
        return RELAIS_RELAY_FORWARD;
    return may_relay ? RELAIS_RELAY_RIGHT : RELAIS_RELAY_CLAIM;
}

RelaisRelay
relais_server_relay (const RelaisServerSettings *settings, bool may_relay, const char *address)
{
    const char *domain;

    if (strchr (address, '@') == NULL) /* <postmaster> */
        return settings->postmaster != NULL ? RELAIS_RELAY_FORWARD : RELAIS_RELAY_CLAIM;
    domain = relais_address_domain (address);
    if (relais_domain_is_literal (domain))
        return may_relay ? RELAIS_RELAY_BAD_NAME : RELAIS_RELAY_DENIED;
    if (relais_domain_set_has (settings->own, domain))
        return relay_own (settings, may_relay, address, domain);
    if (!may_relay)
        return RELAIS_RELAY_DENIED;
    return strchr (domain, '.') != NULL ? RELAIS_RELAY_RIGHT : RELAIS_RELAY_BAD_NAME;
}

bool
relais_server_tenant_owns (const RelaisServerSettings *settings, const char *tenant,
                           const char *address)
{
    const RelaisDomainSet *domains =
        tenant != NULL ? g_hash_table_lookup (settings->tenants, tenant) : NULL;

    return domains != NULL && address != NULL && strchr (address, '@') != NULL &&
           relais_domain_set_has (domains, relais_address_domain (address));
}

static bool
is_of_domain (const char *text, const char *domain)
{
    g_autofree char *pattern = relais_domain_normalise_pattern (text);

    if (pattern == NULL)
        return false;
    return pattern[0] == '*' ? relais_domain_matches (pattern, domain)
                             : g_str_equal (pattern, domain);
}

bool
relais_server_config_tenant_owns (const RelaisConfig *config, const char *tenant,
                                  const char *address)
{
    const RelaisSection *section = relais_config_find_section (config, "tenant", tenant);
    const char *const *domains =
        section != NULL ? relais_section_get_list (section, "domains") : NULL;

    if (domains == NULL || strchr (address, '@') == NULL)
        return false;
    for (; *domains != NULL; domains++)
        if (is_of_domain (*domains, relais_address_domain (address)))
            return true;
    return false;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool
fail (GError **error, const RelaisSection *section, const char *key, const char *text)
{
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: [%s] %s: %s",
                 relais_section_get_origin (section, key), relais_section_get_name (section), key,
                 text);
    return false;
}

static void
read_limits (RelaisServerLimits *limits, const RelaisSection *section)
{
#define READ(key) limits->key = relais_section_get_int (section, #key)
    READ (message_size);
    READ (future_release);
    READ (recipients);
    READ (command_line);
    READ (auth_line);
    READ (text_line);
    READ (header_size);
    READ (header_fields);
    READ (hops);
    READ (errors);
    READ (temporary_errors);
    READ (auth_failures);
    READ (auth_failures_per_client);
    READ (idle_commands);
    READ (pipelined);
    READ (sessions);
    READ (sessions_per_client);
    READ (sessions_per_net);
    READ (connections_per_client);
    READ (connections_per_net);
    READ (transactions);
    READ (greeting_timeout);
    READ (command_timeout);
    READ (stress_timeout);
    READ (data_timeout);
    READ (tls_timeout);
    READ (ticket_key_age);
#undef READ
}

static bool
read_nets (const RelaisSection *section, const char *key, GArray **nets, GError **error)
{
    const char *bad = NULL;
    g_autofree char *text = NULL;

    *nets = relais_nets_parse (relais_section_get_list (section, key), &bad);
    if (*nets != NULL)
        return true;
    text = g_strdup_printf ("\"%s\" is no network", bad);
    return fail (error, section, key, text);
}

static void
listener_free (gpointer data)
{
    RelaisServerListener *listener = data;

    g_free (listener->name);
    g_strfreev (listener->addresses);
    g_clear_pointer (&listener->certificates, relais_certificates_unref);
    g_clear_pointer (&listener->trusted_nets, g_array_unref);
    g_clear_pointer (&listener->proxy_nets, g_array_unref);
    g_clear_pointer (&listener->xclient_nets, g_array_unref);
    g_free (listener->tenant);
    g_free (listener);
}

static bool
read_certificate (RelaisServerListener *listener, const RelaisSection *section, bool reads_files,
                  GError **error)
{
    const char *certificate = relais_section_get_string (section, "certificate");
    const char *key = relais_section_get_string (section, "key");

    if (listener->tls == RELAIS_LISTENER_TLS_NONE)
        return true;
    if (certificate == NULL && listener->tls == RELAIS_LISTENER_TLS_STARTTLS)
        return true;
    if (certificate == NULL)
        return fail (error, section, "tls", "TLS is asked for, but no certificate is set");
    if (!reads_files)
        return true;
    listener->certificates = relais_certificates_new (
        certificate, key, relais_section_get_list (section, "certificates"),
        (RelaisTlsUse)relais_section_get_enum (section, "tls_profile"), error);
    return listener->certificates != NULL;
}

static bool
read_listener (RelaisServerListener *listener, const RelaisSection *section, bool reads_files,
               GError **error)
{
    listener->name = g_strdup (relais_section_get_name (section));
    listener->addresses = g_strdupv ((char **)relais_section_get_list (section, "address"));
    listener->port = (guint16)relais_section_get_int (section, "port");
    listener->tls = (RelaisListenerTls)relais_section_get_enum (section, "tls");
    listener->auth = (RelaisListenerAuth)relais_section_get_enum (section, "auth");
    listener->tenant = g_strdup (relais_section_get_string (section, "tenant"));
    listener->class_choice = (RelaisClassChoice)relais_section_get_enum (section, "class");
    listener->class_header = relais_section_get_bool (section, "class_header");
    listener->normalise = relais_section_get_enum (section, "bare_newline") == 1;
    listener->missing_headers = relais_section_get_enum (section, "missing_headers");
    listener->duplicate_headers = relais_section_get_enum (section, "duplicate_headers");
    listener->proxy = relais_section_get_bool (section, "proxy");
    return read_nets (section, "trusted_nets", &listener->trusted_nets, error) &&
           read_nets (section, "proxy_nets", &listener->proxy_nets, error) &&
           read_nets (section, "xclient_nets", &listener->xclient_nets, error) &&
           read_certificate (listener, section, reads_files, error);
}

/* Without any [listener]: loopback, no right for anyone. */
static RelaisServerListener *
default_listener (void)
{
    RelaisServerListener *listener = g_new0 (RelaisServerListener, 1);
    const char *const addresses[] = {"127.0.0.1", NULL};

    listener->name = g_strdup ("default");
    listener->addresses = g_strdupv ((char **)addresses);
    listener->port = 25;
    return listener;
}

static bool
read_listeners (RelaisServerSettings *settings, RelaisConfig *config, bool reads_files,
                GError **error)
{
    const guint n = relais_config_n_sections (config, "listener");

    if (n == 0)
        g_ptr_array_add (settings->listeners, default_listener ());
    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "listener", i);
        RelaisServerListener *listener = g_new0 (RelaisServerListener, 1);

        g_ptr_array_add (settings->listeners, listener);
        if (!read_listener (listener, section, reads_files, error))
            return false;
        if (listener->tenant != NULL &&
            relais_config_find_section (config, "tenant", listener->tenant) == NULL)
            return fail (error, section, "tenant", "there is no such [tenant] section");
    }
    return true;
}

static bool
read_tenants (RelaisServerSettings *settings, RelaisConfig *config, GError **error)
{
    for (guint i = 0; i < relais_config_n_sections (config, "tenant"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "tenant", i);
        RelaisDomainSet *domains = relais_domain_set_new ();

        g_hash_table_insert (settings->tenants, g_strdup (relais_section_get_name (section)),
                             domains);
        for (const char *const *domain = relais_section_get_list (section, "domains");
             *domain != NULL; domain++) {
            if (!relais_domain_set_add (domains, *domain)) {
                g_autofree char *text = g_strdup_printf ("\"%s\" is no domain", *domain);

                return fail (error, section, "domains", text);
            }
            /* A tenant that may use any domain does not make all of them ours. */
            if (!g_str_equal (*domain, "*"))
                relais_domain_set_add (settings->own, *domain);
        }
    }
    return true;
}

static bool
read_domains (RelaisServerSettings *settings, RelaisConfig *config, GError **error)
{
    for (guint i = 0; i < relais_config_n_sections (config, "domain"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "domain", i);
        const char *name = relais_section_get_name (section);
        const char *route = relais_section_get_string (section, "inbound");

        if (g_str_equal (name, "*") || !relais_domain_set_add (settings->own, name)) {
            g_autofree char *place = relais_section_get_place (section);

            g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "%s: [domain %s]: the name is no domain", place, name);
            return false;
        }
        if (route == NULL)
            continue;
        if (relais_config_find_section (config, "route", route) == NULL)
            return fail (error, section, "inbound", "there is no such [route] section");
        relais_domain_set_add (settings->inbound, name);
    }
    return true;
}

static bool
read_general (RelaisServerSettings *settings, RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "relais", NULL);
    const char *hostname = relais_section_get_string (section, "hostname");
    const char *authserv_id = relais_section_get_string (section, "authserv_id");
    const char *postmaster = relais_section_get_string (section, "postmaster");
    gsize used = 0;

    settings->hostname = g_strdup (hostname != NULL ? hostname : g_get_host_name ());
    settings->authserv_id = g_strdup (authserv_id != NULL ? authserv_id : settings->hostname);
    settings->certificate_interval_us = relais_section_get_int (section, "certificate_interval");
    settings->users_file = g_strdup (relais_section_get_string (section, "users_file"));
    settings->takes_suppressed =
        relais_section_get_enum (relais_config_find_section (config, "suppression", NULL),
                                 "at_rcpt") == 1;
    if (postmaster == NULL)
        return true;
    if (relais_address_parse (postmaster, strlen (postmaster), false, &settings->postmaster,
                              &used) != RELAIS_ADDRESS_OK ||
        postmaster[used] != '\0')
        return fail (error, section, "postmaster", "is no address");
    return true;
}

static RelaisServerSettings *
read_settings (RelaisConfig *config, bool reads_files, GError **error)
{
    RelaisServerSettings *settings = g_new0 (RelaisServerSettings, 1);

    g_atomic_ref_count_init (&settings->refs);
    settings->listeners = g_ptr_array_new_with_free_func (listener_free);
    settings->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                               (GDestroyNotify)relais_domain_set_free);
    settings->own = relais_domain_set_new ();
    settings->inbound = relais_domain_set_new ();
    read_limits (&settings->limits, relais_config_find_section (config, "limits", NULL));
    if (read_nets (relais_config_find_section (config, "limits", NULL), "exempt_nets",
                   &settings->exempt_nets, error) &&
        read_general (settings, config, error) && read_tenants (settings, config, error) &&
        read_domains (settings, config, error) &&
        read_listeners (settings, config, reads_files, error))
        return settings;
    relais_server_settings_unref (settings);
    return NULL;
}

RelaisServerSettings *
relais_server_settings_new (RelaisConfig *config, GError **error)
{
    return read_settings (config, true, error);
}

bool
relais_server_settings_check (RelaisConfig *config, GError **error)
{
    RelaisServerSettings *settings = read_settings (config, false, error);
    const bool good = settings != NULL;

    relais_server_settings_unref (settings);
    return good;
}

RelaisServerSettings *
relais_server_settings_ref (RelaisServerSettings *settings)
{
    g_atomic_ref_count_inc (&settings->refs);
    return settings;
}

const RelaisServerListener *
relais_server_settings_listener (const RelaisServerSettings *settings, const char *name)
{
    for (guint i = 0; i < settings->listeners->len; i++) {
        const RelaisServerListener *listener = g_ptr_array_index (settings->listeners, i);

        if (g_str_equal (listener->name, name))
            return listener;
    }
    return NULL;
}

void
relais_server_settings_unref (RelaisServerSettings *settings)
{
    if (settings == NULL || !g_atomic_ref_count_dec (&settings->refs))
        return;
    g_ptr_array_unref (settings->listeners);
    g_hash_table_unref (settings->tenants);
    relais_domain_set_free (settings->own);
    relais_domain_set_free (settings->inbound);
    g_clear_pointer (&settings->exempt_nets, g_array_unref);
    g_free (settings->hostname);
    g_free (settings->authserv_id);
    g_free (settings->postmaster);
    g_free (settings->users_file);
    g_free (settings);
}
