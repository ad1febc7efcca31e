/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One invocation of a command, as those who run it see it; include/relais/command.h is what the
 * command's function sees. A counted object of one thread: the loop's (ONLINE) or relaisctl's only
 * one.
 */
#pragma once

#include "control/control-private.h"

#include <relais/option.h>

/* Where the lines of wire-private.h go. */
typedef struct {
    void (*line) (gpointer data, const char *line, gsize size); /* with LF */
    bool (*is_full) (gpointer data);
    /* A function waits: have relais_call_resume () called from a later turn, once it is not full. */
    void (*wait) (gpointer data);
    /* The last thing said. */
    void (*ended) (gpointer data, int status, const char *text);
    /* A function waits for a piece: have relais_call_give_piece () called from a later turn. NULL: there are
     * no pieces. */
    void (*want) (gpointer data);
} RelaisCallSink;

/* `loop` is NULL for OFFLINE calls. */
RelaisCommandCall *
relais_call_new (const RelaisCommand *command, RelaisConfig *config, RelaisLoop *loop);
RelaisCommandCall *relais_call_ref (RelaisCommandCall *call);
void relais_call_unref (RelaisCommandCall *call);

const RelaisCommand *relais_call_command (const RelaisCommandCall *call);
void relais_call_add_arg (RelaisCommandCall *call, const char *arg);
/* False if the command takes no such option (or not so: with or without a value). */
bool relais_call_set_option (RelaisCommandCall *call, const char *name, const char *value);
/* Takes the bytes. False if the command takes no such file. */
bool relais_call_set_file (RelaisCommandCall *call, const char *name, GBytes *bytes);

/* Calls the command's function. `sink` is static; `data` is borrowed until ended or abandoned. */
/* The module whose command it is; NULL: the core. */
void relais_call_set_owner (RelaisCommandCall *call, RelaisModule *module);
void relais_call_run (RelaisCommandCall *call, gpointer command_data, const RelaisCallSink *sink,
                      gpointer data);
/* Calls the function that waits for the output to drain; false if none does. */
bool relais_call_resume (RelaisCommandCall *call);
/* The same from a later turn: for sinks that are never full for long. */
void relais_call_resume_later (RelaisCommandCall *call);
/* Whether the command has its file come in pieces, and whether it waits for one. */
bool relais_call_has_stream (const RelaisCommandCall *call);
/* Whether that file is standard input, whatever the arguments are. */
bool relais_call_streams_stdin (const RelaisCommandCall *call);
bool relais_call_wants_piece (const RelaisCommandCall *call);
/* Calls the function that waits for it. NULL: that was all. */
void relais_call_give_piece (RelaisCommandCall *call, GBytes *piece);
/* relaisctl's: the file that is to be sent; the call closes it. -1: none. */
void relais_call_set_stream (RelaisCommandCall *call, int fd);
int relais_call_get_stream (const RelaisCommandCall *call);
bool relais_call_has_ended (const RelaisCommandCall *call);
/* Nobody listens any more: what else it yields is dropped. */
void relais_call_abandon (RelaisCommandCall *call);

/* --- The words of RelaisCommand.options. */
typedef enum {
    RELAIS_COMMAND_TAKES_NOTHING,
    RELAIS_COMMAND_TAKES_VALUE,
    RELAIS_COMMAND_TAKES_FILE,
    RELAIS_COMMAND_TAKES_STREAM /* a file that comes in pieces */
} RelaisCommandTakes;

/* How the command takes the option; false if it does not. */
bool relais_command_find_option (const RelaisCommand *command, const char *name,
                                 RelaisCommandTakes *takes);
/* Names of all its options, with "json". char *, owned by the array. */
GPtrArray *relais_command_option_names (const RelaisCommand *command);

/* --- The registry. */
const RelaisCommand *
relais_commands_find (RelaisCommands *commands, const char *word, const char *verb, gpointer *data);
