/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules that are off because they failed: what stands on their hooks in their place. Made on the loop thread,
 * at start-up; the functions run where the hook's do.
 */
#include "config.h"

#include "module/crash-private.h"
#include "module/module-private.h"

#include "conf/conf-private.h"

RelaisOnFailure
relais_on_failure_from_string (const char *text)
{
    static const char *const names[] = {"default", "tempfail", "bypass", "stop"};

    for (guint i = 0; text != NULL && i < G_N_ELEMENTS (names); i++)
        if (g_str_equal (names[i], text))
            return (RelaisOnFailure)i;
    return RELAIS_ON_FAILURE_UNSET;
}

RelaisOnFailure
relais_module_on_failure (const RelaisModule *module)
{
    const RelaisConfig *config = module->host->config;
    const RelaisSection *section =
        config != NULL ? relais_config_find_section (config, "module", module->descriptor.name)
                       : NULL;

    return section != NULL ? (RelaisOnFailure)relais_section_get_enum (section, "on_failure")
                           : RELAIS_ON_FAILURE_UNSET;
}

bool
relais_module_is_off (const RelaisModule *module)
{
    return module->off;
}

/* --- In their place --------------------------------------------------------------------------- */

static RelaisVerdict
put_mail_off (RelaisHook *hook, gpointer data)
{
    const RelaisVerdict verdict = relais_hook_kinds[relais_hook_get_id (hook)].fallback;

    if (verdict == RELAIS_VERDICT_TEMPFAIL || verdict == RELAIS_VERDICT_DEFER)
        (void)relais_hook_set_reply (hook, 451, "4.3.0", "part of this service is not available");
    return verdict;
}

static RelaisVerdict
pass (RelaisHook *hook, gpointer data)
{
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisHookFunc
function_for (RelaisOnFailure on_failure)
{
    return on_failure == RELAIS_ON_FAILURE_BYPASS ? pass : put_mail_off;
}

static void
stand_on (RelaisModule *module, RelaisHookId hook)
{
    HookFunction *function = g_new0 (HookFunction, 1);

    *function = (HookFunction){.module = module,
                               .name = g_strconcat (module->descriptor.name, ".off", NULL),
                               .stage = RELAIS_STAGE_DECIDE,
                               .func = put_mail_off};
    g_ptr_array_add (module->host->registered[hook], function);
}

void
relais_host_stand_in (RelaisHost *host, const char *name, guint32 hooks, RelaisOnFailure on_failure)
{
    RelaisModule *module = g_new0 (RelaisModule, 1);

    module->host = host;
    module->file = g_strdup (name);
    module->descriptor.name = g_intern_string (name);
    module->off = true;
    g_ptr_array_add (host->off, module);
    if (on_failure == RELAIS_ON_FAILURE_BYPASS)
        return;
    if ((hooks & RELAIS_CRASH_HOOKS_KNOWN) == 0)
        hooks |= 1u << RELAIS_HOOK_RCPT | 1u << RELAIS_HOOK_ROUTE;
    for (guint i = 0; i < RELAIS_N_HOOKS; i++)
        if ((hooks & 1u << i) != 0 && relais_hook_kinds[i].fallback != RELAIS_VERDICT_CONTINUE)
            stand_on (module, (RelaisHookId)i);
}

void
relais_module_put_off (RelaisModule *module, RelaisOnFailure on_failure)
{
    module->off = true;
    for (guint i = 0; i < RELAIS_N_HOOKS; i++) {
        const GPtrArray *registered = module->host->registered[i];

        for (guint k = 0; k < registered->len; k++) {
            HookFunction *function = g_ptr_array_index (registered, k);

            if (function->module == module)
                function->func = function_for (on_failure);
        }
    }
}

guint
relais_host_n_off (const RelaisHost *host)
{
    guint n = host->off->len;

    for (guint i = 0; i < host->modules->len; i++)
        n += ((const RelaisModule *)g_ptr_array_index (host->modules, i))->off;
    return n;
}

bool
relais_host_is_off (const RelaisHost *host, const char *name)
{
    for (guint i = 0; i < host->off->len; i++)
        if (g_str_equal (((const RelaisModule *)g_ptr_array_index (host->off, i))->descriptor.name,
                         name))
            return true;
    return false;
}
