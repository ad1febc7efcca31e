/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where our own mail comes from, as the configuration has it: the sections [source NAME]. A list is its caller's, and
 * nothing of it the configuration's. Any thread.
 */
#include "spf-check.h"

#include <string.h>

static void
source_free (gpointer data)
{
    SpfSource *source = data;

    g_free (source->address);
    g_free (source->helo);
    g_free (source);
}

static bool
is_there (const GPtrArray *sources, const char *address, const char *helo)
{
    for (guint i = 0; i < sources->len; i++) {
        const SpfSource *source = g_ptr_array_index (sources, i);

        if (g_strcmp0 (source->address, address) == 0 && g_str_equal (source->helo, helo))
            return true;
    }
    return false;
}

/* `ip` NULL: it has no address. */
static void
add_source (GPtrArray *sources, const SpfIp *ip, const char *helo)
{
    g_autofree char *address = ip != NULL ? spf_ip_to_text (ip) : NULL;
    SpfSource *source;

    if (is_there (sources, address, helo))
        return;
    source = g_new0 (SpfSource, 1);
    if (ip != NULL)
        source->ip = *ip;
    source->address = g_steal_pointer (&address);
    source->helo = g_strdup (helo);
    g_ptr_array_add (sources, source);
}

static void
add_section (GPtrArray *sources, const RelaisSection *section, const char *hostname)
{
    static const char *const keys[] = {"address4", "address6"};
    const char *helo = relais_section_get_string (section, "helo");
    bool any = false;

    if (helo == NULL)
        helo = hostname;
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
        const char *address = relais_section_get_string (section, keys[i]);
        SpfIp ip;

        if (address == NULL || !spf_ip_parse (address, &ip))
            continue;
        add_source (sources, &ip, helo);
        any = true;
    }
    if (!any)
        add_source (sources, NULL, helo);
}

GPtrArray *
spf_sources_new (const RelaisConfig *config, const char *hostname)
{
    GPtrArray *sources = g_ptr_array_new_with_free_func (source_free);
    const guint n = relais_config_n_sections (config, "source");

    for (guint i = 0; i < n; i++)
        add_section (sources, relais_config_nth_section (config, "source", i), hostname);
    return sources;
}

bool
spf_source_is_hidden (const SpfSource *source)
{
    return source->address == NULL || spf_ip_is_private (&source->ip);
}
