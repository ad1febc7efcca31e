/* SPDX-License-Identifier: MIT
 *
 * A module that does what the test program says that loaded it: its init is the program's function
 * puppet_init (), told apart by the module's name, and its commands are puppet_command (). PUPPET_NAME is
 * that name, PUPPET_REQUIRES one that it needs.
 */
#include <relais/command.h>
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

static void
run (RelaisCommandCall *call, gpointer data)
{
    RelaisCommandFunc func = (RelaisCommandFunc)dlsym (RTLD_DEFAULT, "puppet_command");

    if (func != NULL)
        func (call, data);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED, "there is no such program");
}

static const RelaisCommand commands[] = {
    {.word = PUPPET_NAME,
     .verb = "play",
     .usage = "WORD...",
     .options = "loud from= script@",
     .doc = "plays",
     .func = run},
    {.word = PUPPET_NAME,
     .verb = "read",
     .usage = "FILE",
     .options = "<",
     .doc = "reads",
     .func = run},
    {.word = PUPPET_NAME,
     .verb = "alone",
     .usage = "",
     .options = "",
     .doc = "plays alone",
     .kind = RELAIS_COMMAND_OFFLINE,
     .func = run},
};

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

RELAIS_MODULE_DEFINE (puppet, .name = PUPPET_NAME, .version = "1", .summary = "a puppet",
#ifdef PUPPET_REQUIRES
                      .requires_modules = needed,
#endif
                      .commands = commands, .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
