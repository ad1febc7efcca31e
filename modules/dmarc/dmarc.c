/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dmarc: says of incoming mail whether its author domain is vouched for (RFC 9989), from what spf-check and dkim
 * found before, and does, where it is told to, what the domain's owner asks for. On the hook message (loop).
 */
#include "dmarc.h"

#include <glib/gi18n-lib.h>

#include "waiting.h"

static const RelaisOption options[] = {
    {"dmarc", "enforce", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "none", 0, 0,
     "none|quarantine|reject",
     N_ ("The most that is done to mail that fails: none tells only the result, quarantine holds "
         "it where the "
         "domain's owner asks for that or for more, reject does what he asks.")},
    {"dmarc", "no_author", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "none", 0, 0,
     "none|quarantine|reject",
     N_ ("What is done to mail without a single author, whom no policy can be asked for: no From "
         "field, several, or one that does not hold exactly one address. enforce does not touch "
         "it; none tells only the result (dmarc=none), quarantine holds it, reject refuses it. "
         "Lists of authors and groups are rare but allowed, so that reject may refuse good "
         "mail.")},
    {"dmarc", "timeout", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "15s", G_USEC_PER_SEC,
     60 * (gint64)G_USEC_PER_SEC, NULL,
     N_ ("Time for all lookups of one message; then the result is temperror.")},
};

static const RelaisCommand commands[] = {
    {"dmarc", "test", N_ ("DOMAIN"), "",
     N_ ("Look up which DMARC policy applies to mail from a domain."), RELAIS_COMMAND_ONLINE, 0,
     dmarc_command_test},
};

static RelaisVerdict
on_message (RelaisHook *hook, gpointer data)
{
    /* Who may relay here has proved who he is in another way. */
    if (relais_hook_get_user (hook) != NULL || relais_hook_get_trusted (hook))
        return RELAIS_VERDICT_CONTINUE;
    return dmarc_check (hook, data);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    static const gchar *const after[] = {"spf-check", "dkim", NULL};
    Dmarc *dmarc = g_new0 (Dmarc, 1);
    const RelaisHookInfo info = {
        .struct_size = sizeof info,
        .hook = RELAIS_HOOK_MESSAGE,
        .stage = RELAIS_STAGE_MODIFY,
        .name = "check",
        .after = after,
        .func = on_message,
        .data = dmarc,
    };

    dmarc->module = module;
    dmarc->results = relais_counter_new (module, "results", "result");
    g_queue_init (&dmarc->calls);
    relais_module_set_data (module, dmarc);
    return relais_module_add_hook (module, &info, error);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    static const DmarcPolicy enforced[] = {DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT};
    const RelaisSection *section = relais_config_find_section (config, "dmarc", NULL);
    DmarcConfig *made = g_new (DmarcConfig, 1);

    *made = (DmarcConfig){.enforce = enforced[relais_section_get_enum (section, "enforce")],
                          .no_author = enforced[relais_section_get_enum (section, "no_author")],
                          .timeout_us = relais_section_get_int (section, "timeout")};
    *object = made;
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    Dmarc *dmarc = relais_module_get_data (module);

    waiting_calls_end_all (&dmarc->calls);
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
    .free_config = g_free,
    .stop = stop,
    .finalize = finalize,
};

static const gchar *const wants[] = {"spf-check", "dkim", NULL};

RELAIS_MODULE_DEFINE (dmarc, .name = "dmarc", .version = RELAIS_VERSION,
                      .summary = N_ ("judges incoming mail by its author domain's DMARC policy"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .wants_modules = wants, .options = options,
                      .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
