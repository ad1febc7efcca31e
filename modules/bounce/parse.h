/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce parse`: what messages that came back say. Runs in relaisctl, as its caller.
 */
#pragma once

#include <relais/command.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

void bounce_command_parse (RelaisCommandCall *call, gpointer data);

/* A part of the module's one table of commands; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_REPORT_COMMANDS                                                                     \
    {                                                                                              \
        "bounce", "parse", N_ ("FILE..."), "",                                                     \
            N_ ("Show what messages that came back say, a row for each recipient."),               \
            RELAIS_COMMAND_OFFLINE, 0, bounce_command_parse                                        \
    }
