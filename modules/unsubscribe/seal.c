/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which mail gets the fields, decided when it is accepted (message, loop) and kept with it; and the fields (seal,
 * worker, before dkim signs). A link and an address are of one recipient alone, so such mail goes out in
 * transactions of one. Mail that says itself how to unsubscribe is left as it is.
 */
#include "unsubscribe.h"

#include <relais/timer.h>
#include <string.h>

static const char attribute[] = "fields", attribute_name[] = "unsubscribe.fields";

static void
skip (const Unsubscribe *self, const char *reason)
{
    relais_counter_add (self->skipped, reason, 1);
}

static bool
has_own_fields (RelaisHook *hook)
{
    guint64 size = 0;
    const guint8 *header = relais_hook_get_header (hook, &size, NULL);

    return header != NULL && unsubscribe_has_fields (header, size);
}

/* --- Which mail ------------------------------------------------------------------------------- */

/* X-Relais-Unsubscribe says yes or no; what says neither says nothing. */
static bool
is_wanted (RelaisHook *hook)
{
    const RelaisMessage *message = relais_hook_get_message (hook);
    const UnsubscribeTenant *tenant =
        unsubscribe_config_find (relais_hook_get_config (hook), relais_hook_get_tenant (hook));
    GBytes *value = relais_message_get_attribute (message, "x-relais.unsubscribe");
    const gsize size = value != NULL ? g_bytes_get_size (value) : 0;
    const char *word = value != NULL ? g_bytes_get_data (value, NULL) : NULL;

    if (size == strlen ("yes") && g_ascii_strncasecmp (word, "yes", size) == 0)
        return true;
    if (size == strlen ("no") && g_ascii_strncasecmp (word, "no", size) == 0)
        return false;
    return tenant->mode == UNSUBSCRIBE_ALL ||
           (tenant->mode == UNSUBSCRIBE_BULK &&
            relais_message_get_class (message) == RELAIS_MESSAGE_BULK);
}

RelaisVerdict
unsubscribe_decide (RelaisHook *hook, gpointer data)
{
    const Unsubscribe *self = data;
    g_autoptr (GBytes) yes = NULL;

    /* mail of no tenant is nobody's to unsubscribe from */
    if (relais_hook_get_tenant (hook) == NULL || !is_wanted (hook))
        return RELAIS_VERDICT_CONTINUE;
    if (has_own_fields (hook)) {
        skip (self, "own-fields");
        return RELAIS_VERDICT_CONTINUE;
    }
    if (!relais_hook_set_alone (hook)) {
        skip (self, "shared");
        return RELAIS_VERDICT_CONTINUE;
    }
    yes = g_bytes_new_static ("yes", strlen ("yes"));
    relais_hook_set_attribute (hook, attribute, yes);
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The fields ------------------------------------------------------------------------------- */

static void
read_identity (RelaisHook *hook, UnsubscribeIdentity *identity)
{
    const RelaisMessage *message = relais_hook_get_message (hook);
    g_autofree char *id = relais_message_dup_id (message);

    *identity = (UnsubscribeIdentity){
        .recipient = relais_hook_get_recipient_number (hook, 0),
        .address = g_strdup (relais_hook_get_recipient (hook, 0)),
        .sender = g_strdup (relais_message_get_header_from (message)),
        .tenant = g_strdup (relais_message_get_tenant (message)),
        .campaign = g_strdup (relais_message_get_campaign (message)),
    };
    g_strlcpy (identity->queue_id, id, sizeof identity->queue_id);
}

/* NULL if it is too long for a line. Owned. */
static char *
link_of (RelaisHook *hook, const char *base, const UnsubscribeIdentity *identity)
{
    const UnsubscribeConfig *config = relais_hook_get_config (hook);
    RelaisModule *module = relais_hook_get_module (hook);
    g_autofree char *token =
        unsubscribe_seal_token (module, identity, relais_module_wall_us (module) + config->life_us);
    g_autofree char *link = token != NULL ? g_strconcat (base, "/u/", token, NULL) : NULL;

    return link != NULL && unsubscribe_link_fits (link) ? g_steal_pointer (&link) : NULL;
}

/* What the page would say of the sender is left out first where there is too much to say. */
static char *
make_link (RelaisHook *hook, const Unsubscribe *self)
{
    const UnsubscribeConfig *config = relais_hook_get_config (hook);
    const char *reason = NULL, *base = relais_hook_get_tracking_url (hook, &reason);
    UnsubscribeIdentity identity;
    char *link;

    if (base == NULL || (!config->plain_http && !g_str_has_prefix (base, "https://"))) {
        skip (self, base == NULL ? reason : "no-https");
        return NULL;
    }
    read_identity (hook, &identity);
    link = link_of (hook, base, &identity);
    if (link == NULL) {
        g_clear_pointer (&identity.sender, g_free);
        link = link_of (hook, base, &identity);
    }
    if (link == NULL)
        skip (self, "too-long");
    unsubscribe_identity_clear (&identity);
    return link;
}

static char *
make_address (RelaisHook *hook, const Unsubscribe *self)
{
    const UnsubscribeConfig *config = relais_hook_get_config (hook);
    const UnsubscribeTenant *tenant =
        unsubscribe_config_find (config, relais_hook_get_tenant (hook));
    g_autofree char *token = NULL;

    if (tenant->domain == NULL) {
        skip (self, "no-domain");
        return NULL;
    }
    token = relais_hook_make_envelope_token (hook, 0, UNSUBSCRIBE_PURPOSE, config->mail_life_us);
    if (token == NULL) {
        skip (self, "no-token");
        return NULL;
    }
    return g_strconcat (UNSUBSCRIBE_PREFIX, token, "@", tenant->domain, NULL);
}

RelaisVerdict
unsubscribe_seal (RelaisHook *hook, gpointer data)
{
    const Unsubscribe *self = data;
    g_autofree char *link = NULL;
    g_autofree char *address = NULL;
    g_autofree char *fields = NULL;

    if (relais_message_get_attribute (relais_hook_get_message (hook), attribute_name) == NULL)
        return RELAIS_VERDICT_CONTINUE;
    if (relais_hook_n_recipients (hook) != 1 || has_own_fields (hook)) {
        skip (self, relais_hook_n_recipients (hook) != 1 ? "shared" : "own-fields");
        return RELAIS_VERDICT_CONTINUE;
    }
    link = make_link (hook, self);
    address = make_address (hook, self);
    fields = unsubscribe_fields (link, address);
    if (fields != NULL && !relais_hook_prepend_header (hook, fields, strlen (fields)))
        skip (self, "header");
    return RELAIS_VERDICT_CONTINUE;
}
