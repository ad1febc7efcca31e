/* SPDX-License-Identifier: MIT
 *
 * Counters, gauges and histograms: how often something happened since the daemon started, how much of something
 * there is now, and how values are spread; each under at most one label. `relaisctl counters` shows them.
 *
 * They are made in init only; the functions that make one answer NULL later, and if the module has one of that name,
 * of whatever kind. `name` is [a-z0-9_]+; `label` names what the values tell apart ("reason"), or is NULL.
 * The strings are copied. They live as long as the module. Counting takes no lock and may be done on any thread;
 * there `value` is the label's, short and from a small set of the module's own words, NULL without label.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum {
    RELAIS_COUNTER_LABELS = 32, /* different values of a label; those beyond count as "other" */
    RELAIS_HISTOGRAM_BOUNDS = 32
};

typedef struct RelaisCounter RelaisCounter;
typedef struct RelaisGauge RelaisGauge;
typedef struct RelaisHistogram RelaisHistogram;

RELAIS_API RelaisCounter *
relais_counter_new (RelaisModule *module, const gchar *name, const gchar *label);
/* Adds to it. */
RELAIS_API void relais_counter_add (RelaisCounter *counter, const gchar *value, guint64 n);

RELAIS_API RelaisGauge *
relais_gauge_new (RelaisModule *module, const gchar *name, const gchar *label);
/* What it stands at now, and a change of that; 0 at first. */
RELAIS_API void relais_gauge_set (RelaisGauge *gauge, const gchar *value, gint64 n);
RELAIS_API void relais_gauge_add (RelaisGauge *gauge, const gchar *value, gint64 n);

/* Counts samples by size: how many are at most bounds[0], above that and at most bounds[1], and so on, and how many are
 * above all, with their sum. `bounds` are copied; NULL unless they ascend and are 1 to RELAIS_HISTOGRAM_BOUNDS. */
RELAIS_API RelaisHistogram *
relais_histogram_new (RelaisModule *module, const gchar *name, const gchar *label,
                      const gint64 *bounds, guint32 n_bounds);
RELAIS_API void
relais_histogram_add (RelaisHistogram *histogram, const gchar *value, gint64 sample);

G_END_DECLS
