/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What lies below quarantine/ of a spool, by name:
 *
 *   segment-XXXXXXXX-FROM-TO  octets of a segment that belong to no whole group, or a record that could not be read
 *   segment-XXXXXXXX-0-4096   that segment's header, without which nobody could tell a record in them
 *   segment-XXXXXXXX          a segment whose header is damaged
 *   XXXXXXXXXXXXXXXX          a body file
 *   *.part                    a copy that was cut off; the start that finds the damage again makes it anew
 *
 * An empty file of the first form says that an operator deleted those octets: the segment may still hold
 * them, and a start must not save them again. Pure, but for what says it blocks; any thread.
 */
#pragma once

#include "spool/segment.h"

typedef enum {
    RELAIS_DAMAGE_OTHER, /* no name of ours */
    RELAIS_DAMAGE_STRETCH,
    RELAIS_DAMAGE_HEADER,
    RELAIS_DAMAGE_SEGMENT,
    RELAIS_DAMAGE_BODY
} RelaisDamageKind;

typedef struct {
    RelaisDamageKind kind;
    guint32 number; /* of the segment */
    RelaisDamage stretch;
} RelaisDamageName;

RelaisDamageName relais_damage_name_parse (const char *name);
/* The names of all that lies there, in order; -1: none. Owned. Blocks. */
GPtrArray *relais_damage_list (int quarantine_fd);
char *relais_damage_name (guint32 number, guint32 start, guint32 end);

/* offline.c: where the last MESSAGE record of a message lies. Blocks. */
bool relais_spool_find_message (const char *dir, guint64 id, guint32 *number, guint32 *offset,
                                GError **error);
