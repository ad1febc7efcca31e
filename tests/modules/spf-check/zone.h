/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A zone in memory that answers the evaluator's questions. For tests.
 */
#pragma once

#include "spf.h"

typedef struct Zone Zone;
Zone *zone_new (void);
void zone_free (Zone *zone);
/* Adds a record; `name` in any case. CNAME is type 5, its data the other name. */
void zone_add (Zone *zone, const char *name, guint type, const guint8 *bytes, gsize size);
/* Questions for that name and type (0: any that it has no record of) are not answered. */
void zone_fail (Zone *zone, const char *name, guint type);
/* A record as text: addresses and names as they are written, TXT as it is. */
void zone_add_text (Zone *zone, const char *name, guint type, const char *text);

/* The answer; its records are owned by it. */
SpfAnswer zone_ask (const Zone *zone, const SpfQuestion *question);
/* Answers all that it asks. */
void zone_run (const Zone *zone, SpfEval *eval);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Zone, zone_free)
