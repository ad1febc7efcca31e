/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl bounce explain`, and what else of the rules needs no daemon: they run in relaisctl, as its caller, and
 * the configuration is what they look at.
 */
#pragma once

#include <relais/command.h>

#include "verdict.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

void bounce_command_explain (RelaisCommandCall *call, gpointer data);

/* A part of the module's one table of commands; its user includes <glib/gi18n-lib.h>. */
#define BOUNCE_RULE_COMMANDS                                                                       \
    {                                                                                              \
        "bounce", "explain", N_ ("REPLY"),                                                         \
            "provider= phase=", N_ ("Show what a reply means, and which rule says so."),           \
            RELAIS_COMMAND_OFFLINE, 0, bounce_command_explain                                      \
    }
