/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl module list|enable|disable`: modules switched on and off by one small file each in the administrator's
 * conf.d. OFFLINE; relaisctl's thread.
 */
#pragma once

#include "control/control-private.h"

/* What they work by; borrowed. */
typedef struct {
    const char *const *conf_dirs; /* the last is the administrator's */
    const char *module_dir;
    bool module_dir_is_callers;
    RelaisLoop *loop;
    RelaisCommands *commands; /* the daemon's among them, to ask what it has loaded */
    const char *socket_path;
} RelaisCtlModules;

/* Static; their data is a RelaisCtlModules. */
const RelaisCommand *relais_ctl_module_commands (gsize *n);

/* Whether the daemon would start by the files in `dirs` (NULL-terminated): adds to `findings` what `relaisd --check`
 * says, modules that are off included. Blocks. */
bool relais_ctl_modules_check (const RelaisCtlModules *modules, const char *const *dirs,
                               GPtrArray *findings);
