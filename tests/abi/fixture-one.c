/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module for the rules of 1.x, built with the headers of one minor or another (grow.py): FIXTURE_NAME is its name,
 * FIXTURE_REQUIRED the minor that it says it needs, FIXTURE_SYMBOL its symbol. With FIXTURE_USES it fills in what its
 * own minor brought.
 */
#include <relais/hook.h>
#include <relais/module.h>

static void
operation (RelaisModule *module)
{
}

static void
command (RelaisCommandCall *call, gpointer data)
{
}

static const RelaisOption options[] = {
    {.section = FIXTURE_NAME, .key = "a", .type = RELAIS_OPTION_STRING, .doc = "A."},
    {.section = FIXTURE_NAME,
     .key = "b",
     .type = RELAIS_OPTION_STRING,
     .doc = "B.",
#if defined(FIXTURE_USES) && RELAIS_API_MINOR >= 1
     .since_1 = "one"
#endif
    },
};

static const RelaisCommand commands[] = {
    {.word = FIXTURE_NAME, .doc = "A.", .func = command},
    {.word = FIXTURE_NAME, .verb = "b", .doc = "B.", .func = command},
};

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .finalize = operation,
#if defined(FIXTURE_USES) && RELAIS_API_MINOR >= 1
    .since_1 = operation,
#endif
#if defined(FIXTURE_USES_OP) && RELAIS_API_MINOR >= 3
    .since_3 = operation,
#endif
};

extern __attribute__ ((visibility ("default"))) const RelaisModuleDescriptor FIXTURE_SYMBOL;

const RelaisModuleDescriptor FIXTURE_SYMBOL = {
    .magic = RELAIS_MODULE_MAGIC,
    .struct_size = sizeof (RelaisModuleDescriptor),
    .api_major = FIXTURE_MAJOR,
    .minor_built = RELAIS_API_MINOR,
    .minor_required = FIXTURE_REQUIRED,
    .name = FIXTURE_NAME,
    .version = "1",
    .summary = "a fixture",
    .options = options,
    .n_options = G_N_ELEMENTS (options),
    .option_size = sizeof options[0],
    .commands = commands,
    .n_commands = G_N_ELEMENTS (commands),
    .command_size = sizeof commands[0],
    .ops = &ops,
#if defined(FIXTURE_USES) && RELAIS_API_MINOR >= 2
    .since_2 = "two",
#endif
#if defined(FIXTURE_USES) && RELAIS_API_MINOR >= 3
    .since_3 = "three",
#endif
};
