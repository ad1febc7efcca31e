/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command that begins a module (ctl-new.c).
 */
#pragma once

#include <relais/command.h>

const RelaisCommand *relais_new_commands (gsize *n);
