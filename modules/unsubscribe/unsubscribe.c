/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * unsubscribe: says in each message how its recipient ends it (List-Unsubscribe, RFC 2369; with one click, RFC 8058),
 * and does so when he asks: by the link (HTTP), or by mail to the address. This file is the module: its options, hooks and
 * route. What it wants, it hands to the core's suppression list. Loop.
 */
#include "unsubscribe.h"

#include <glib/gi18n-lib.h>

static const RelaisOption options[] = {
    {"unsubscribe", "mode", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT,
     "bulk", 0, 0, "off|bulk|all",
     N_ ("Which mail gets the fields: off none, bulk that of the class bulk, all every message; a "
         "message's "
         "X-Relais-Unsubscribe (yes, no) says it for that message.")},
    {"unsubscribe", "domain", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE | RELAIS_OPTION_TENANT,
     NULL, 0, 0, NULL,
     N_ ("A domain of ours that mail to addresses u-TOKEN of it reaches; it needs a section "
         "[domain NAME]. Without it there is no address in the field.")},
    {"unsubscribe", "life", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "400d",
     60 * UNSUBSCRIBE_DAY_US, G_MAXINT64, NULL,
     N_ ("How long links are good; [tokens] keep must be longer.")},
    {"unsubscribe", "mail_life", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "30d",
     UNSUBSCRIBE_DAY_US, 30 * UNSUBSCRIBE_DAY_US, NULL,
     N_ ("How long addresses are good: no longer than the event log is kept, which tells whose "
         "they are.")},
    {"unsubscribe", "plain_http", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Links may lead to a tracking host without TLS, too: for laboratories, RFC 8058 wants "
         "https.")},
};

static gboolean
add_hooks (RelaisModule *module, Unsubscribe *self, GError **error)
{
    static const gchar *const before[] = {"dkim", NULL};
    const RelaisHookInfo hooks[] = {
        {.struct_size = sizeof hooks[0],
         .hook = RELAIS_HOOK_RCPT,
         .name = "address",
         .func = unsubscribe_rcpt,
         .data = self},
        {.struct_size = sizeof hooks[0],
         .hook = RELAIS_HOOK_MESSAGE,
         .name = "mail",
         .func = unsubscribe_message,
         .data = self},
        {.struct_size = sizeof hooks[0],
         .hook = RELAIS_HOOK_MESSAGE,
         .name = "decide",
         .stage = RELAIS_STAGE_MODIFY,
         .func = unsubscribe_decide,
         .data = self},
        {.struct_size = sizeof hooks[0],
         .hook = RELAIS_HOOK_SEAL,
         .name = "fields",
         .before = before,
         .func = unsubscribe_seal,
         .data = self},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (hooks); i++)
        if (!relais_module_add_hook (module, &hooks[i], error))
            return FALSE;
    return TRUE;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    Unsubscribe *self = g_new0 (Unsubscribe, 1);
    const RelaisHttpRouteInfo route = {.struct_size = sizeof route,
                                       .listener = RELAIS_HTTP_TRACKER,
                                       .path = "/u/",
                                       .methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST,
                                       .kind = RELAIS_HTTP_POOL,
                                       .func = unsubscribe_answer,
                                       .data = self,
                                       .max_body = UNSUBSCRIBE_FORM_BYTES,
                                       .probe_name = "unsubscribe",
                                       .probe = unsubscribe_probe};

    relais_module_set_data (module, self);
    self->module = module;
    self->unsubscribed = relais_counter_new (module, "unsubscribed", "how");
    self->failed = relais_counter_new (module, "unsubscribe_failed", "how");
    self->skipped = relais_counter_new (module, "unsubscribe_skipped", "reason");
    self->refused = relais_counter_new (module, "unsubscribe_refused", "reason");
    self->transaction =
        relais_slot_new (module, RELAIS_SCOPE_TRANSACTION, unsubscribe_transaction_free);
    self->policy = unsubscribe_page_policy ();
    unsubscribe_repeats_init (self);
    return add_hooks (module, self, error) && relais_module_add_route (module, &route, error);
}

static void
stop (RelaisModule *module)
{
    unsubscribe_repeats_flush (relais_module_get_data (module));
}

static void
finalize (RelaisModule *module)
{
    Unsubscribe *self = relais_module_get_data (module);

    unsubscribe_repeats_flush (self);
    g_free (self->policy);
    g_free (self);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = unsubscribe_prepare_config,
    .free_config = unsubscribe_free_config,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (unsubscribe, .name = "unsubscribe", .version = RELAIS_VERSION,
                      .summary = N_ ("lets recipients unsubscribe, with one click or by mail"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
