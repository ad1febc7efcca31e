/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * throttle: its options and commands, and the rules of a configuration, made when it is read.
 */
#include "offline.h"

#include <glib/gi18n-lib.h>
#include <relais/module.h>
#include <relais/version.h>

static const RelaisOption options[] = {
    THROTTLE_RULE_OPTIONS,
    {"provider", "connections", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, NULL, 1, 1000, NULL,
     "Connections at once from each address of ours."},
    {"provider", "messages_per_connection", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, NULL, 1,
     100000, NULL, "Messages before a connection is closed."},
    {"provider", "recipients", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, NULL, 1, 1000, NULL,
     "Recipients in one transaction."},
    {"provider", "rate", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Messages in a time, as 10/s burst 20."},
    {"provider", "connection_rate", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0,
     NULL, "New connections in a time, as 1000/h burst 20."},
    {"throttle-lane", "source", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Sources that it is for."},
    {"throttle-lane", "provider", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Providers that it is for."},
    {"throttle-warmup", "caps", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Messages on each day."},
    {"throttle-warmup", "provider", RELAIS_OPTION_LIST, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     "Providers that it is for."},
};

static const RelaisCommand commands[] = {THROTTLE_OFFLINE_COMMANDS};

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = throttle_rules_new (config, error);
    return *object != NULL;
}

static void
free_config (gpointer object)
{
    throttle_rules_free (object);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .prepare_config = prepare_config,
    .free_config = free_config,
};

RELAIS_MODULE_DEFINE (throttle, .name = "throttle", .version = RELAIS_VERSION,
                      .summary = "keeps to what each provider takes", .license = "GPL-3.0-or-later",
                      .gettext_domain = GETTEXT_PACKAGE, .options = options,
                      .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
