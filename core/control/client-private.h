/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl's side of control, in parts that tests can reach. Blocks; relaisctl's thread.
 */
#pragma once

#include "control/call-private.h"
#include "control/render-private.h"

/* Where it prints and what it knows of the terminal. */
typedef RelaisRenderOptions RelaisTerminal;

/* relais_commands_main () with its output given. */
int relais_commands_run (RelaisCommands *commands, const char *socket_path, RelaisConfig *config,
                         int argc, char **argv, const RelaisTerminal *terminal);
/* Who runs ONLINE commands in place of the daemon: in this process, on that loop. Returns the exit status. */
typedef struct {
    RelaisLoop *loop;
    int (*run) (gpointer data, RelaisCommandCall *call, gpointer command_data, RelaisRender *render,
                FILE *err);
    gpointer data;
} RelaisOnline;
int relais_commands_run_here (RelaisCommands *commands, const RelaisOnline *online,
                              RelaisConfig *config, int argc, char **argv,
                              const RelaisTerminal *terminal);
/* The command that `argv` names, or NULL; `skip` is how many words of it that takes. */
const RelaisCommand *
relais_commands_match (RelaisCommands *commands, int argc, char **argv, int *skip, gpointer *data);
/* Has the daemon run the call. Returns the exit status. */
int relais_client_run (RelaisCommandCall *call, const char *socket_path, RelaisRender *render,
                       FILE *err);
/* What the call was given, for the wire. */
void relais_call_append_request (const RelaisCommandCall *call, GString *out);
void relais_call_each_file (const RelaisCommandCall *call,
                            void (*func) (gpointer data, const char *name, GBytes *bytes),
                            gpointer data);
