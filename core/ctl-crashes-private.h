/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl module crashes|trust`: what the daemon's crashes are laid to. OFFLINE, since the daemon may not
 * run then; relaisctl's thread.
 */
#pragma once

#include <relais/command.h>

/* Static; their data is a RelaisCtlModules. */
const RelaisCommand *relais_ctl_crash_commands (gsize *n);
