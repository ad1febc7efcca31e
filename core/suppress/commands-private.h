/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl suppress ...`: what the files of commands share. Loop thread.
 */
#pragma once

#include "suppress/exchange-private.h"
#include "suppress/state-private.h"

/* The class that is asked for, `fallback` if none is; NONE, the call failed, if there is no such one. */
RelaisSuppressClass
relais_suppress_command_class (RelaisCommandCall *call, RelaisSuppressClass fallback);
/* Fails the call where nothing can be changed. */
bool
relais_suppress_command_may_change (const RelaisSuppression *suppression, RelaisCommandCall *call);
void relais_suppress_command_put_entry (RelaisCommandCall *call, const RelaisEntry *entry,
                                        gint64 now_us);

/* The functions. */
void relais_suppress_command_list (RelaisCommandCall *call, gpointer data);
void relais_suppress_command_export (RelaisCommandCall *call, gpointer data);
void relais_suppress_command_import (RelaisCommandCall *call, gpointer data);
