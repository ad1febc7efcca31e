/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Switched off: links, campaigns and tenants whose redirects are answered with 410. The store keeps them; what
 * requests are compared with is a set in memory, read from the store at start.
 */
#pragma once

#include <relais/module.h>

#include <stdbool.h>

typedef struct ClickKills ClickKills;

/* In init and finalize. */
ClickKills *click_kills_new (RelaisModule *module);
void click_kills_free (ClickKills *kills);
/* In start: reads the store. */
void click_kills_load (ClickKills *kills);
/* In stop. */
void click_kills_stop (ClickKills *kills);
/* Whether it is known what is switched off: not yet for a moment at start. Any thread. */
bool click_kills_are_loaded (ClickKills *kills);
/* Any thread; NULL for a message without tenant or campaign. */
bool
click_kills_match (ClickKills *kills, const char *tenant, const char *campaign, const char *url);

/* `relaisctl clicks kill`, `revive`, `killed`; their data is the RelaisModule, whose ClickKills is found by
 * click_kills_of (). Loop. */
void click_command_kill (RelaisCommandCall *call, gpointer module);
void click_command_revive (RelaisCommandCall *call, gpointer module);
void click_command_killed (RelaisCommandCall *call, gpointer module);
ClickKills *click_kills_of (RelaisModule *module);
