/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce explain`, `bounce replay` and `bounce lint`. They run in relaisctl, as its caller, and need neither
 * daemon nor module: the configuration is what they look at.
 */
#pragma once

#include <relais/command.h>

#include "verdict.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* lint.c: RepliesFinding, owned by the array. Pure. */
GPtrArray *bounce_lint (RelaisConfig *config);

/* --- offline.c ----------------------------------------------------------------------------------------- */

void bounce_command_explain (RelaisCommandCall *call, gpointer data);
void bounce_command_lint (RelaisCommandCall *call, gpointer data);
void bounce_command_replay (RelaisCommandCall *call, gpointer data);

/* A part of the module's one table of commands; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_RULE_COMMANDS                                                                       \
    {"bounce",                                                                                     \
     "explain",                                                                                    \
     N_ ("REPLY"),                                                                                 \
     "provider= phase=",                                                                           \
     N_ ("Show what a reply means, and which rule says so."),                                      \
     RELAIS_COMMAND_OFFLINE,                                                                       \
     0,                                                                                            \
     bounce_command_explain},                                                                      \
        {"bounce",                                                                                 \
         "lint",                                                                                   \
         "",                                                                                       \
         "",                                                                                       \
         N_ ("Find rules of replies that can never apply."),                                       \
         RELAIS_COMMAND_OFFLINE,                                                                   \
         0,                                                                                        \
         bounce_command_lint},                                                                     \
    {                                                                                              \
        "bounce", "replay", N_ ("FILE"), "@ provider=", N_ ("Show what recorded replies mean."),   \
            RELAIS_COMMAND_OFFLINE, 0, bounce_command_replay                                       \
    }
