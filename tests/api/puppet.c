/* SPDX-License-Identifier: MIT
 *
 * A module that does what the test program says that loaded it: its init is the program's function
 * puppet_init (), told apart by the module's name. PUPPET_NAME is that name, PUPPET_REQUIRES one that it needs.
 */
#include <relais/hook.h>
#include <relais/module.h>

#include <dlfcn.h>

#ifdef PUPPET_REQUIRES
static const gchar *const needed[] = {PUPPET_REQUIRES, NULL};
#endif

static gboolean
init (RelaisModule *module, GError **error)
{
    gboolean (*func) (RelaisModule *, GError **) =
        (gboolean (*) (RelaisModule *, GError **))dlsym (RTLD_DEFAULT, "puppet_init");

    return func == NULL || func (module, error);
}

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

RELAIS_MODULE_DEFINE (puppet, .name = PUPPET_NAME, .version = "1", .summary = "a puppet",
#ifdef PUPPET_REQUIRES
                      .requires_modules = needed,
#endif
                      .ops = &ops);
