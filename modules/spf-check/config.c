/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration of spf-check, read from its section. Immutable once it is made.
 */
#include "spf-check.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static bool
parse_net (const char *text, SpfNet *net)
{
    g_auto (GStrv) parts = g_strsplit (text, "/", 2);
    guint64 prefix;

    if (!spf_ip_parse (parts[0], &net->ip))
        return false;
    net->prefix = net->ip.six ? 128 : 32;
    if (parts[1] == NULL)
        return true;
    if (!g_ascii_string_to_unsigned (parts[1], 10, 0, net->prefix, &prefix, NULL))
        return false;
    net->prefix = (guint)prefix;
    return true;
}

static bool
read_skip (SpfConfig *own, const RelaisSection *section, GError **error)
{
    const gchar *const *nets = relais_section_get_list (section, "skip");

    own->skip = g_array_new (FALSE, FALSE, sizeof (SpfNet));
    for (guint i = 0; nets[i] != NULL; i++) {
        SpfNet net;

        if (!parse_net (nets[i], &net)) {
            g_set_error (error, g_quark_from_static_string ("relais-spf-check-error"), 0,
                         _ ("%s: \"%s\" is no address and no net (192.0.2.0/24, 2001:db8::/32)"),
                         relais_section_get_origin (section, "skip"), nets[i]);
            return false;
        }
        g_array_append_val (own->skip, net);
    }
    return true;
}

static char *
receiver_of (const RelaisConfig *config)
{
    const RelaisSection *section = relais_config_find_section (config, "relais", NULL);
    const char *name = relais_section_get_string (section, "hostname");

    return g_strdup (name != NULL ? name : g_get_host_name ());
}

SpfConfig *
spf_config_new (RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "spf-check", NULL);
    SpfConfig *own = g_new0 (SpfConfig, 1);

    own->limits = (SpfLimits){
        .terms = (guint)relais_section_get_int (section, "terms"),
        .voids = (guint)relais_section_get_int (section, "void_lookups"),
        .mx_names = (guint)relais_section_get_int (section, "mx_names"),
        .ptr_names = (guint)relais_section_get_int (section, "ptr_names"),
        .explain = relais_section_get_bool (section, "explain"),
    };
    own->deadline_us = relais_section_get_int (section, "deadline");
    own->libspf2 = relais_section_get_enum (section, "evaluator") == 1;
    own->receiver = receiver_of (config);
    for (guint i = 0; i < SPF_RESULTS; i++)
        own->actions[i] =
            (SpfAction)relais_section_get_enum (section, spf_result_to_string ((SpfResult)i));
    if (read_skip (own, section, error))
        return own;
    spf_config_free (own);
    return NULL;
}

void
spf_config_free (gpointer config)
{
    SpfConfig *own = config;

    g_array_unref (own->skip);
    g_free (own->receiver);
    g_free (own);
}

bool
spf_config_skips (const SpfConfig *config, const SpfIp *ip)
{
    for (guint i = 0; i < config->skip->len; i++) {
        const SpfNet *net = &g_array_index (config->skip, SpfNet, i);

        if (net->ip.six == ip->six && spf_ip_is_in (ip, net->ip.bytes, net->prefix))
            return true;
    }
    return false;
}
