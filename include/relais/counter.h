/* SPDX-License-Identifier: MIT
 *
 * Counters: how often something happened since the daemon started, under at most one label. `relaisctl
 * counters` shows them.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum {
    RELAIS_COUNTER_LABELS = 32 /* different values of a label; those beyond count as "other" */
};

typedef struct RelaisCounter RelaisCounter;

/* In init only; NULL later, or if the module has one of that name. `name` is [a-z0-9_]+; `label` names what the
 * values tell apart ("reason"), or is NULL. The strings are copied. Lives as long as the module. */
RELAIS_API RelaisCounter *
relais_counter_new (RelaisModule *module, const gchar *name, const gchar *label);
/* Adds to it; `value` is the label's, short and from a small set of the module's own words, NULL without label. Any
 * thread. */
RELAIS_API void relais_counter_add (RelaisCounter *counter, const gchar *value, guint64 n);

G_END_DECLS
