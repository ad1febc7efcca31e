/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl throttle lint` and `throttle replay`, and the pure parts they are made of. They run in relaisctl, as
 * its caller, and need neither daemon nor module: the configuration is what they look at.
 */
#pragma once

#include <relais/command.h>

#include "dead.h"
#include "recorded.h"
#include "rules.h"

/* lint.c: RepliesFinding, owned by the array: of providers, then of what names them, then of rules. Pure. */
GPtrArray *throttle_lint (RelaisConfig *config);

/* --- offline.c ----------------------------------------------------------------------------------------- */

void throttle_command_lint (RelaisCommandCall *call, gpointer data);
void throttle_command_replay (RelaisCommandCall *call, gpointer data);

/* A part of the module's one table of commands; its user includes <glib/gi18n-lib.h>. */
#define THROTTLE_OFFLINE_COMMANDS                                                                  \
    {"throttle",                                                                                   \
     "lint",                                                                                       \
     "",                                                                                           \
     "",                                                                                           \
     N_ ("Find providers and rules that can never apply."),                                        \
     RELAIS_COMMAND_OFFLINE,                                                                       \
     0,                                                                                            \
     throttle_command_lint},                                                                       \
    {                                                                                              \
        "throttle", "replay", N_ ("FILE"),                                                         \
            "@ provider=", N_ ("Show what the rules make of recorded replies."),                   \
            RELAIS_COMMAND_OFFLINE, 0, throttle_command_replay                                     \
    }
