/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module for the loader's tests, built several times: FIXTURE_NAME is its name (not defined: NULL),
 * FIXTURE_MINOR the API minor it claims, FIXTURE_SYMBOL its symbol, FIXTURE_REQUIRES a module it needs,
 * FIXTURE_SIZE the size that its descriptor says, FIXTURE_TAIL what stands behind the part that this Relais knows,
 * FIXTURE_COMMAND the word of a command, FIXTURE_PATH the path of a route.
 */
#include <relais/hook.h>
#include <relais/http.h>
#include <relais/module.h>

#ifdef FIXTURE_REQUIRES
static const gchar *const needed[] = {FIXTURE_REQUIRES, NULL};
#endif

#ifndef FIXTURE_SIZE
#define FIXTURE_SIZE sizeof (Descriptor)
#endif

#ifdef FIXTURE_COMMAND
static void
run (RelaisCommandCall *call, gpointer data)
{
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {FIXTURE_COMMAND, NULL, "", "", "a fixture's", RELAIS_COMMAND_ONLINE, 0, run},
};
#endif

#ifdef FIXTURE_PATH
static void
answer (RelaisHttpRequest *request, gpointer data)
{
    relais_http_answer (request, 204, NULL, NULL);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHttpRouteInfo info = {.struct_size = sizeof info,
                                      .path = FIXTURE_PATH,
                                      .methods = RELAIS_HTTP_GET,
                                      .func = answer};

    return relais_module_add_route (module, &info, error);
}

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};
#endif

/* As a later Relais may have it. */
typedef struct {
    RelaisModuleDescriptor known;
#ifdef FIXTURE_TAIL
    guint64 tail;
#endif
} Descriptor;

extern __attribute__ ((visibility ("default"))) const Descriptor FIXTURE_SYMBOL;

const Descriptor FIXTURE_SYMBOL = {
    .known =
        {
            .magic = RELAIS_MODULE_MAGIC,
            .struct_size = FIXTURE_SIZE,
            .api_major = RELAIS_API_MAJOR,
            .minor_built = FIXTURE_MINOR,
            .minor_required = FIXTURE_MINOR,
#ifdef FIXTURE_NAME
            .name = FIXTURE_NAME,
#endif
            .version = "1",
            .summary = "a fixture",
#ifdef FIXTURE_REQUIRES
            .requires_modules = needed,
#endif
#ifdef FIXTURE_COMMAND
            .commands = commands,
            .n_commands = 1,
            .command_size = sizeof (RelaisCommand),
#endif
#ifdef FIXTURE_PATH
            .ops = &ops,
#endif
        },
#ifdef FIXTURE_TAIL
    .tail = FIXTURE_TAIL,
#endif
};
