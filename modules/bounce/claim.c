/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recipients that are ours: addresses of tokens, and those that complaints come to. Such a transaction has
 * one recipient, since its message is dropped when it was understood. Hook rcpt, on the loop.
 */
#include "link.h"

static BounceClaim *
claim_of (RelaisHook *hook, const BounceModule *bounce)
{
    BounceClaim *claim = relais_hook_get_slot (hook, bounce->claim_slot);

    if (claim == NULL) {
        claim = g_new0 (BounceClaim, 1);
        if (!relais_hook_set_slot (hook, bounce->claim_slot, claim))
            g_clear_pointer (&claim, g_free);
    }
    return claim;
}

static RelaisVerdict
one_at_a_time (RelaisHook *hook)
{
    relais_hook_set_reply (hook, 452, "4.5.3", "reports come alone; try this recipient again");
    return RELAIS_VERDICT_TEMPFAIL;
}

/* The same words for a token that never was one and for one that is over: they are nobody's business. */
static RelaisVerdict
open_token (RelaisHook *hook, BounceModule *bounce, const char *token, RelaisDeliveryName *name)
{
    const RelaisTokenResult result =
        relais_envelope_token_open (bounce->module, BOUNCE_PURPOSE_SENDER, token, name);

    if (result == RELAIS_TOKEN_GOOD) {
        relais_counter_add (bounce->addresses, "good", 1);
        return RELAIS_VERDICT_CONTINUE;
    }
    relais_counter_add (bounce->addresses, result == RELAIS_TOKEN_EXPIRED ? "expired" : "forged",
                        1);
    relais_hook_set_reply (hook, 550, "5.1.1", "there is no such address");
    return RELAIS_VERDICT_REJECT;
}

RelaisVerdict
bounce_rcpt (RelaisHook *hook, gpointer data)
{
    BounceModule *bounce = data;
    const BounceConfig *config = relais_hook_get_config (hook);
    g_autofree char *token = NULL;
    const BounceAddress address =
        bounce_link_read_address (config->link, relais_hook_get_recipient (hook, 0), &token);
    const bool is_first = relais_hook_get_slot (hook, bounce->claim_slot) == NULL;
    RelaisDeliveryName name = {.struct_size = sizeof name};
    BounceClaim *claim;

    if (address == BOUNCE_ADDRESS_TOKEN && open_token (hook, bounce, token, &name) != 0)
        return RELAIS_VERDICT_REJECT;
    claim = claim_of (hook, bounce);
    if (claim == NULL)
        return RELAIS_VERDICT_CONTINUE;
    if (!is_first &&
        (address != BOUNCE_ADDRESS_FOREIGN || claim->address != BOUNCE_ADDRESS_FOREIGN))
        return one_at_a_time (hook);
    if (address == BOUNCE_ADDRESS_FOREIGN)
        return RELAIS_VERDICT_CONTINUE;
    if (address == BOUNCE_ADDRESS_FEEDBACK)
        relais_counter_add (bounce->addresses, "feedback", 1);
    *claim = (BounceClaim){address, name};
    relais_recipient_claim (hook);
    return RELAIS_VERDICT_CONTINUE;
}

const BounceClaim *
bounce_claim_get (RelaisHook *hook, const BounceModule *bounce)
{
    const BounceClaim *claim = relais_hook_get_slot (hook, bounce->claim_slot);

    return claim != NULL && claim->address != BOUNCE_ADDRESS_FOREIGN ? claim : NULL;
}
