/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bounce: what answers mean, and what comes back. This file is the descriptor: options, commands, hooks, life. Loop
 * thread; prepare_config may run on a worker.
 */
#include "bounce.h"

#include "link.h"
#include "offline.h"
#include "parse.h"
#include "rule.h"

#include <glib/gi18n-lib.h>

static const RelaisOption options[] = {
    BOUNCE_RESULT_OPTIONS,
    BOUNCE_RULE_OPTIONS,
    BOUNCE_LINK_OPTIONS,
};

static const RelaisCommand commands[] = {
    BOUNCE_RULE_COMMANDS,
    BOUNCE_REPORT_COMMANDS,
};

static bool
add_hook (BounceModule *bounce, RelaisHookId hook, const char *name, RelaisHookFunc func,
          GError **error)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = hook, .name = name, .func = func, .data = bounce};

    return relais_module_add_hook (bounce->module, &info, error);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    BounceModule *bounce = g_new (BounceModule, 1);

    *bounce = (BounceModule){.module = module,
                             .judged = relais_counter_new (module, "bounce_judged", "scope"),
                             .turned = relais_counter_new (module, "bounce_turned", "into"),
                             .over_limit =
                                 relais_counter_new (module, "bounce_patterns_over_limit", NULL)};
    relais_module_set_data (module, bounce);
    return add_hook (bounce, RELAIS_HOOK_RESULT, "result", bounce_result, error) &&
           bounce_link_init (bounce, error);
}

static void
free_config (gpointer object)
{
    BounceConfig *config = object;

    bounce_rules_unref (config->rules);
    bounce_link_config_free (config->link);
    g_free (config);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "bounce", NULL);
    BounceConfig *made = g_new0 (BounceConfig, 1);

    made->defer = relais_section_get_bool (section, "defer");
    made->bounce = relais_section_get_bool (section, "bounce");
    made->rules = bounce_rules_new (config, error);
    if (made->rules != NULL)
        made->link = bounce_link_config_new (config, error);
    if (made->link == NULL) {
        free_config (made);
        return FALSE;
    }
    *object = made;
    return TRUE;
}

static void
finalize (RelaisModule *module)
{
    g_free (relais_module_get_data (module));
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (bounce, .name = "bounce", .version = RELAIS_VERSION,
                      .summary = N_ ("reads what refusals mean, and takes dead addresses out"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
