/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Relais' own commands, all of them: what relaisctl offers without any module, and what no module may
 * declare. Constant; any thread.
 */
#pragma once

#include <relais/command.h>

#include <stdbool.h>

/* A static table. */
typedef const RelaisCommand *(*RelaisCommandTable) (gsize *n);

/* `spool ...`; their data is, in the daemon, the RelaisSpool. */
const RelaisCommand *relais_spool_commands (gsize *n);
/* `campaign ...`, of relaisctl. */
const RelaisCommand *relais_campaign_commands (gsize *n);
/* Those of relaisctl's main. */
const RelaisCommand *relais_ctl_commands (gsize *n);

void relais_each_core_table (void (*func) (gpointer data, RelaisCommandTable table), gpointer data);
/* `verb` may be NULL. Any thread. */
bool relais_is_core_command (const char *word, const char *verb);
