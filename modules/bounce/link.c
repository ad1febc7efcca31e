/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where the part of the module that takes returned mail is registered. Once, in init.
 */
#include "link.h"

static bool
add_hook (BounceModule *bounce, RelaisHookInfo info, GError **error)
{
    info.struct_size = sizeof info;
    info.data = bounce;
    return relais_module_add_hook (bounce->module, &info, error);
}

bool
bounce_link_init (BounceModule *bounce, GError **error)
{
    /* The results of these are looked at; what they refuse is refused. */
    static const gchar *const checks[] = {"spf-check", "dkim", "dmarc", NULL};
    static const gchar *const signers[] = {"dkim", NULL};

    bounce->claim_slot = relais_slot_new (bounce->module, RELAIS_SCOPE_TRANSACTION, g_free);
    bounce->addresses = relais_counter_new (bounce->module, "bounce_addresses", "result");
    bounce->reports = relais_counter_new (bounce->module, "bounce_reports", "kind");
    bounce->links = relais_counter_new (bounce->module, "bounce_links", "link");
    return add_hook (
               bounce,
               (RelaisHookInfo){.hook = RELAIS_HOOK_RCPT, .name = "claim", .func = bounce_rcpt},
               error) &&
           add_hook (bounce,
                     (RelaisHookInfo){.hook = RELAIS_HOOK_MESSAGE,
                                      .stage = RELAIS_STAGE_MODIFY,
                                      .name = "returned",
                                      .after = checks,
                                      .func = bounce_message},
                     error) &&
           add_hook (bounce,
                     (RelaisHookInfo){
                         .hook = RELAIS_HOOK_REWRITE, .name = "sender", .func = bounce_rewrite},
                     error) &&
           add_hook (bounce,
                     (RelaisHookInfo){.hook = RELAIS_HOOK_SEAL,
                                      .name = "trace",
                                      .before = signers,
                                      .func = bounce_seal},
                     error);
}
