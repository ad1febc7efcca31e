/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * judge: a module for quick-suppressed.py alone. It reads two replies: "5.1.1" is a mailbox that does not exist,
 * words that hold "take me off" are an owner who wants no more. Loop.
 */
#include <relais/bounce.h>
#include <relais/hook.h>
#include <relais/module.h>
#include <relais/shaping.h>

#include <string.h>

static RelaisVerdict
on_result (RelaisHook *hook, gpointer data)
{
    RelaisClassification classification = {.struct_size = sizeof classification,
                                           .scope = RELAIS_BOUNCE_POLICY,
                                           .permanence = RELAIS_PERMANENCE_TEMPORARY};
    const gchar *text = relais_hook_get_reply_text (hook);

    if (relais_hook_get_outcome (hook) == RELAIS_OUTCOME_DELIVERED)
        return RELAIS_VERDICT_CONTINUE;
    if (g_strcmp0 (relais_hook_get_reply_enhanced (hook), "5.1.1") == 0) {
        classification.scope = RELAIS_BOUNCE_RECIPIENT;
        classification.permanence = RELAIS_PERMANENCE_PERMANENT;
        classification.suppress = RELAIS_SUPPRESS_HARD;
        classification.reason = "no-such-user";
        classification.rule = "judge.1";
    } else if (text != NULL && strstr (text, "take me off") != NULL) {
        classification.permanence = RELAIS_PERMANENCE_PERMANENT;
        classification.suppress = RELAIS_SUPPRESS_UNSUBSCRIBE;
    }
    (void)relais_hook_set_classification (hook, &classification);
    return RELAIS_VERDICT_CONTINUE;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = RELAIS_HOOK_RESULT, .name = "judge", .func = on_result};

    return relais_module_add_hook (module, &info, error);
}

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

RELAIS_MODULE_DEFINE (judge, .name = "judge", .version = "1", .summary = "a judge for a test",
                      .license = "GPL-3.0-or-later", .ops = &ops);
