/* SPDX-License-Identifier: MIT
 *
 * @MODULE_NAME@: refuses the recipients that [@MODULE_NAME@] refuse names. It is there to be changed: one option, one
 * hook, and a configuration that is read anew without a restart. relais-module(7) says what else there is. All of it
 * runs on the loop, so nothing here may block.
 */
#include <relais/hook.h>
#include <relais/module.h>

/* What a configuration comes to. It never changes: a new one is made when the files are read again, and mail that
 * is under way keeps the one that it began with. */
typedef struct {
    char **refuse;
    char *reply;
} Settings;

static const RelaisOption options[] = {
    {"@MODULE_NAME@", "refuse", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Addresses that no mail is accepted for, in lower case."},
    {"@MODULE_NAME@", "reply", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, "No mail is accepted here",
     0, 0, NULL, "What the sender is told."},
};

static void
free_config (gpointer object)
{
    Settings *settings = object;

    g_strfreev (settings->refuse);
    g_free (settings->reply);
    g_free (settings);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "@MODULE_NAME@", NULL);
    Settings *settings = g_new (Settings, 1);

    *settings = (Settings){
        .refuse = g_strdupv ((gchar **)relais_section_get_list (section, "refuse")),
        .reply = g_strdup (relais_section_get_string (section, "reply")),
    };
    *object = settings;
    return TRUE;
}

static RelaisVerdict
rcpt (RelaisHook *hook, gpointer data)
{
    const Settings *settings = relais_hook_get_config (hook);
    g_autofree char *address = g_ascii_strdown (relais_hook_get_recipient (hook, 0), -1);

    if (!g_strv_contains ((const gchar *const *)settings->refuse, address))
        return RELAIS_VERDICT_CONTINUE;
    relais_hook_set_reply (hook, 550, "5.7.1", settings->reply);
    return RELAIS_VERDICT_REJECT;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = RELAIS_HOOK_RCPT, .name = "refuse", .func = rcpt};

    return relais_module_add_hook (module, &info, error);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
};

RELAIS_MODULE_DEFINE (@MODULE_IDENT@, .name = "@MODULE_NAME@", .version = "0.1",
                      .summary = "refuses recipients that are named", .license = "MIT",
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
