#include <relais/hook.h>
#include <relais/module.h>

namespace
{

const RelaisOption options[] = {
    {"guest", "refuse", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, nullptr, 0, 0, nullptr,
     "Addresses that no mail is accepted for."},
};

RelaisVerdict
rcpt (RelaisHook *hook, gpointer)
{
    relais_hook_set_reply (hook, 550, "5.7.1", "not here");
    return RELAIS_VERDICT_REJECT;
}

gboolean
init (RelaisModule *module, GError **error)
{
    RelaisHookInfo info = {};

    info.struct_size = sizeof info;
    info.hook = RELAIS_HOOK_RCPT;
    info.name = "refuse";
    info.func = rcpt;
    return relais_module_add_hook (module, &info, error);
}

const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

} // namespace

RELAIS_MODULE_DEFINE (guest, .name = "guest", .version = "1.0", .summary = "written in C++", .license = "MIT", .options = options,
                      .n_options = G_N_ELEMENTS (options), .ops = &ops);
