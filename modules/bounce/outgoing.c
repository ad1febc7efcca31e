/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What goes out: an envelope sender, and a field before the message, that name the delivery. The sender is for
 * those who report to it; the field for complaints, and for whoever sends a part of the message back. Hook message
 * on the loop, rewrite and seal on workers; no state but the configuration.
 */
#include "link.h"

#include <string.h>

/* Where mail comes back to, of what a tenant of ours sends; NULL: it goes out as it is. Mail from <> has nobody
 * who waits for an answer. */
static const char *
return_domain (RelaisHook *hook)
{
    const BounceConfig *config = relais_hook_get_config (hook);
    const char *tenant = relais_hook_get_tenant (hook);
    const RelaisMessage *message = relais_hook_get_message (hook);

    if (tenant == NULL || relais_message_get_sender (message)[0] == '\0')
        return NULL;
    return bounce_link_domain (config->link, relais_message_get_header_from (message), tenant);
}

void
bounce_outgoing_message (RelaisHook *hook)
{
    if (return_domain (hook) != NULL)
        relais_hook_set_alone (hook);
}

/* What was taken in before there was a bounce domain may go to several at once: it names none of them. */
static char *
make_token (RelaisHook *hook, const char *purpose)
{
    const BounceConfig *config = relais_hook_get_config (hook);

    if (relais_hook_n_recipients (hook) != 1)
        return NULL;
    return relais_hook_make_envelope_token (hook, 0, purpose,
                                            bounce_link_lifetime_us (config->link));
}

RelaisVerdict
bounce_rewrite (RelaisHook *hook, gpointer data)
{
    const char *domain = return_domain (hook);
    g_autofree char *token = domain != NULL ? make_token (hook, BOUNCE_PURPOSE_SENDER) : NULL;
    g_autofree char *sender = NULL;

    if (token == NULL)
        return RELAIS_VERDICT_CONTINUE;
    sender = g_strconcat ("b-", token, "@", domain, NULL);
    relais_hook_set_sender (hook, sender);
    return RELAIS_VERDICT_CONTINUE;
}

RelaisVerdict
bounce_seal (RelaisHook *hook, gpointer data)
{
    const char *domain = return_domain (hook);
    g_autofree char *token = domain != NULL ? make_token (hook, BOUNCE_PURPOSE_TRACE) : NULL;
    g_autofree char *field = NULL;

    if (token == NULL)
        return RELAIS_VERDICT_CONTINUE;
    field = g_strconcat ("X-Relais-Trace: ", token, "\r\n", NULL);
    relais_hook_prepend_header (hook, field, strlen (field));
    return RELAIS_VERDICT_CONTINUE;
}
