/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads [http NAME] and the limits that go with it. Main thread, start-up.
 */
#include "config.h"

#include "http/settings-private.h"

#include "conf/net-private.h"

#include <gio/gio.h>

static bool
fail (GError **error, const RelaisSection *section, const char *key, const char *text)
{
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: [http %s] %s: %s",
                 relais_section_get_origin (section, key), relais_section_get_name (section), key,
                 text);
    return false;
}

static void
listener_free (gpointer data)
{
    RelaisHttpListener *listener = data;

    g_free (listener->name);
    g_strfreev (listener->addresses);
    g_clear_pointer (&listener->certificates, relais_certificates_unref);
    g_clear_pointer (&listener->trusted_proxies, g_array_unref);
    g_free (listener);
}

static bool
read_certificate (RelaisHttpListener *listener, const RelaisSection *section, GError **error)
{
    const char *certificate = relais_section_get_string (section, "certificate");
    const char *key = relais_section_get_string (section, "key");

    if (certificate == NULL && key != NULL)
        return fail (error, section, "key", "there is no certificate that it belongs to");
    if (certificate == NULL)
        return true;
    listener->certificates =
        relais_certificates_new (certificate, key, NULL, RELAIS_TLS_USE_HTTP, error);
    return listener->certificates != NULL;
}

static bool
read_proxies (RelaisHttpListener *listener, const RelaisSection *section, GError **error)
{
    const char *bad = NULL;
    g_autofree char *text = NULL;

    listener->trusted_proxies =
        relais_nets_parse (relais_section_get_list (section, "trusted_proxies"), &bad);
    if (listener->trusted_proxies != NULL)
        return true;
    text = g_strdup_printf ("\"%s\" is no network", bad);
    return fail (error, section, "trusted_proxies", text);
}

static bool
read_listener (RelaisHttpListener *listener, const RelaisSection *section, GError **error)
{
    listener->name = g_strdup (relais_section_get_name (section));
    listener->kind = relais_section_get_enum (section, "kind");
    listener->addresses = g_strdupv ((char **)relais_section_get_list (section, "address"));
    listener->port = (guint16)relais_section_get_int (section, "port");
    listener->connections = (guint)relais_section_get_int (section, "connections");
    listener->connections_per_address =
        (guint)relais_section_get_int (section, "connections_per_address");
    listener->request_timeout_us = relais_section_get_int (section, "request_timeout");
    listener->idle_timeout_us = relais_section_get_int (section, "idle_timeout");
    listener->max_head = (guint32)relais_section_get_int (section, "max_head");
    return read_proxies (listener, section, error) && read_certificate (listener, section, error);
}

RelaisHttpTimes
relais_http_times_read (const RelaisConfig *config)
{
    return (RelaisHttpTimes){
        .certificate_interval_us = relais_section_get_int (
            relais_config_find_section (config, "relais", NULL), "certificate_interval"),
        .ticket_key_age_us = relais_section_get_int (
            relais_config_find_section (config, "limits", NULL), "ticket_key_age")};
}

RelaisHttpSettings *
relais_http_settings_new (RelaisConfig *config, GError **error)
{
    const RelaisSection *limits = relais_config_find_section (config, "limits", NULL);
    g_autoptr (RelaisHttpSettings) settings = g_new0 (RelaisHttpSettings, 1);

    settings->listeners = g_ptr_array_new_with_free_func (listener_free);
    settings->pool_threads = (guint)relais_section_get_int (limits, "http_threads");
    settings->pool_queue = (guint)relais_section_get_int (limits, "http_queue");
    settings->times = relais_http_times_read (config);
    settings->pool_deadline_us = relais_section_get_int (limits, "http_deadline");
    settings->body_memory = (gsize)relais_section_get_int (limits, "http_body_memory");
    for (guint i = 0; i < relais_config_n_sections (config, "http"); i++) {
        RelaisHttpListener *listener = g_new0 (RelaisHttpListener, 1);

        g_ptr_array_add (settings->listeners, listener);
        if (!read_listener (listener, relais_config_nth_section (config, "http", i), error))
            return NULL;
    }
    return g_steal_pointer (&settings);
}

void
relais_http_settings_free (RelaisHttpSettings *settings)
{
    if (settings == NULL)
        return;
    g_ptr_array_unref (settings->listeners);
    g_free (settings);
}

bool
relais_http_settings_has_kind (const RelaisHttpSettings *settings, RelaisHttpListenerKind kind)
{
    for (guint i = 0; i < settings->listeners->len; i++)
        if (((const RelaisHttpListener *)g_ptr_array_index (settings->listeners, i))->kind == kind)
            return true;
    return false;
}
