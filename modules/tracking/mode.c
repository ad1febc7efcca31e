/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which mail is tracked: by the tenant's mode, which a message's X-Relais-Track can narrow and its
 * X-Relais-Consent can allow. Decided when the message is accepted and kept with it, so that a later change of
 * the configuration does not touch what was promised; every attempt does the same.
 */
#include "tracking.h"

#include <string.h>

static const char *const mode_words[] = {"off", "aggregate", "individual"};

/* Value of a field X-Relais-NAME of the message; NULL if it has none. Owned. */
static char *
own_field (const RelaisMessage *message, const char *attribute)
{
    GBytes *value = relais_message_get_attribute (message, attribute);
    const gsize size = value != NULL ? g_bytes_get_size (value) : 0;

    /* One that is there and empty has no octets at all. */
    if (value != NULL && size == 0)
        return g_strdup ("");
    return value != NULL ? g_strndup (g_bytes_get_data (value, NULL), size) : NULL;
}

/* Whether X-Relais-Track wants it: a list of "opens" and "clicks", or "off". A word that is not known says that
 * the sender meant something else, and then nothing is tracked. */
static bool
is_wanted (const RelaisMessage *message, const char *word)
{
    g_autofree char *value = own_field (message, "x-relais.track");
    g_auto (GStrv) words = value != NULL ? g_strsplit_set (value, ", \t", -1) : NULL;
    bool wanted = value == NULL, known = true;

    for (char **one = words; words != NULL && *one != NULL; one++) {
        if (**one == '\0')
            continue;
        if (g_ascii_strcasecmp (*one, word) == 0)
            wanted = true;
        else if (g_ascii_strcasecmp (*one, "opens") != 0 &&
                 g_ascii_strcasecmp (*one, "clicks") != 0)
            known = false;
    }
    return wanted && known;
}

static bool
has_consent (const RelaisMessage *message, const TrackingTenant *tenant)
{
    g_autofree char *value = own_field (message, "x-relais.consent");

    if (value == NULL)
        return tenant->consent;
    return g_ascii_strcasecmp (value, "yes") == 0;
}

void
tracking_decide (RelaisHook *hook, const char *word)
{
    const TrackingConfig *config = relais_hook_get_config (hook);
    const RelaisMessage *message = relais_hook_get_message (hook);
    const char *name = relais_hook_get_tenant (hook);
    const TrackingTenant *tenant;
    TrackingMode mode;
    g_autoptr (GBytes) value = NULL;

    if (name == NULL) /* nobody's mail but the recipient's */
        return;
    tenant = g_hash_table_lookup (config->tenants, name);
    if (tenant == NULL)
        tenant = &config->common;
    mode = tenant->mode;
    if (mode == TRACKING_OFF || !is_wanted (message, word))
        return;
    if (mode == TRACKING_INDIVIDUAL && !has_consent (message, tenant))
        mode = TRACKING_AGGREGATE;
    if (mode == TRACKING_INDIVIDUAL && !relais_hook_set_alone (hook))
        mode = TRACKING_AGGREGATE;
    value = g_bytes_new_static (mode_words[mode], strlen (mode_words[mode]));
    relais_hook_set_attribute (hook, "mode", value);
}

TrackingMode
tracking_mode_of (RelaisHook *hook)
{
    const char *name = relais_module_get_name (relais_hook_get_module (hook));
    g_autofree char *attribute = g_strconcat (name, ".mode", NULL);
    g_autofree char *value = own_field (relais_hook_get_message (hook), attribute);

    for (guint i = TRACKING_AGGREGATE; value != NULL && i < G_N_ELEMENTS (mode_words); i++)
        if (g_str_equal (value, mode_words[i]))
            return (TrackingMode)i;
    return TRACKING_OFF;
}
