/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control: the registry of commands, the unix socket that relaisctl talks to, and the rendering of
 * rows. The protocol is one JSON object a line both ways; only the daemon's user and root may speak
 * (peer credentials are checked).
 */
#pragma once

#include "loop/loop-private.h"

#include <relais/command.h>
#include <stdbool.h>

typedef struct RelaisCommands RelaisCommands; /* registry */
RelaisCommands *relais_commands_new (void);
void relais_commands_free (RelaisCommands *commands);
/* Fails when the word and verb are taken. `command` and `data` are borrowed for ever. */
bool relais_commands_add (RelaisCommands *commands, const RelaisCommand *command, gpointer data,
                          GError **error);
/* The same for a module's command: the module is its data, and is named where the command goes wrong. */
bool relais_commands_add_module (RelaisCommands *commands, const RelaisCommand *command,
                                 RelaisModule *module, GError **error);
/* Whose command that is; NULL: the core's. */
RelaisModule *relais_commands_owner (const RelaisCommands *commands, const RelaisCommand *command);
void
relais_commands_each (RelaisCommands *commands,
                      void (*func) (gpointer data, const RelaisCommand *command), gpointer data);

/* The daemon's side: listens on `path` (a stale socket is replaced, a live one refused). */
typedef struct RelaisControl RelaisControl;
RelaisControl *
relais_control_new (RelaisLoop *loop, const char *path, RelaisCommands *commands, GError **error);
/* Lets the members of a group of this host in, too. May block: start-up only. */
bool relais_control_open_to (RelaisControl *control, const char *group, GError **error);
void relais_control_set_config (RelaisControl *control, RelaisConfig *config);
void relais_control_free (RelaisControl *control);

/* relaisctl's side: runs argv (without the program's name) OFFLINE from the registry or ONLINE
 * through the socket, prints table or JSON to stdout, messages to stderr. Returns the exit status.
 * Blocks. */
int relais_commands_main (RelaisCommands *commands, const char *socket_path, RelaisConfig *config,
                          int argc, char **argv);
