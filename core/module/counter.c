/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counters, gauges and histograms of modules (include/relais/counter.h). Made in init, listed on the loop, counted
 * on any thread without a lock: a value of the label is looked for among those that were published, whose
 * texts never change; only a new one takes the mutex.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>

#include <relais/counter.h>
#include <string.h>

typedef enum { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } MetricKind;

/* What was counted under one value of the label. */
typedef struct {
    char *value;
    guint64 *cells; /* one; of a histogram one a bound, one for what is above, and the sum */
} Series;

struct RelaisMetric {
    RelaisModule *module; /* NULL: the core's */
    MetricKind kind;
    char *name;
    char *label; /* what its values tell apart; NULL if nothing does */
    guint n_bounds;
    gint64 *bounds;
    GMutex mutex;                             /* over adding to `series` */
    guint used;                               /* atomic: those before are complete */
    Series series[RELAIS_COUNTER_LABELS + 1]; /* the last one is "other" */
};

/* The public names of a metric. */
struct RelaisCounter {
    RelaisMetric metric;
};
struct RelaisGauge {
    RelaisMetric metric;
};
struct RelaisHistogram {
    RelaisMetric metric;
};

/* --- Life ------------------------------------------------------------------------------------- */

void
relais_metric_free (gpointer data)
{
    RelaisMetric *metric = data;

    for (guint i = 0; i < metric->used; i++) {
        g_free (metric->series[i].value);
        g_free (metric->series[i].cells);
    }
    g_mutex_clear (&metric->mutex);
    g_free (metric->bounds);
    g_free (metric->label);
    g_free (metric->name);
    g_free (metric);
}

static bool
is_taken (const RelaisModule *module, const char *name)
{
    const GPtrArray *metrics = module->host->metrics;

    for (guint i = 0; i < metrics->len; i++) {
        const RelaisMetric *other = g_ptr_array_index (metrics, i);

        if (other->module == module && g_str_equal (other->name, name))
            return true;
    }
    return false;
}

static gpointer
add_metric (RelaisHost *host, RelaisModule *module, MetricKind kind, const char *name,
            const char *label)
{
    RelaisMetric *metric = g_new0 (RelaisMetric, 1);

    metric->module = module;
    metric->kind = kind;
    metric->name = g_strdup (name);
    metric->label = g_strdup (label);
    g_mutex_init (&metric->mutex);
    g_ptr_array_add (host->metrics, metric);
    return metric;
}

RelaisCounter *
relais_host_add_counter (RelaisHost *host, const char *name)
{
    return add_metric (host, NULL, METRIC_COUNTER, name, NULL);
}

RelaisCounter *
relais_module_add_counter (RelaisModule *module, const char *name, const char *label)
{
    return add_metric (module->host, module, METRIC_COUNTER, name, label);
}

static gpointer
add_modules (RelaisModule *module, MetricKind kind, const char *name, const char *label)
{
    g_return_val_if_fail (name != NULL && name[0] != '\0', NULL);
    if (!module->host->in_init || is_taken (module, name))
        return NULL;
    return add_metric (module->host, module, kind, name, label);
}

RelaisCounter *
relais_counter_new (RelaisModule *module, const gchar *name, const gchar *label)
{
    return add_modules (module, METRIC_COUNTER, name, label);
}

RelaisGauge *
relais_gauge_new (RelaisModule *module, const gchar *name, const gchar *label)
{
    return add_modules (module, METRIC_GAUGE, name, label);
}

RelaisHistogram *
relais_histogram_new (RelaisModule *module, const gchar *name, const gchar *label,
                      const gint64 *bounds, guint32 n_bounds)
{
    RelaisMetric *metric;

    g_return_val_if_fail (bounds != NULL, NULL);
    if (n_bounds == 0 || n_bounds > RELAIS_HISTOGRAM_BOUNDS)
        return NULL;
    for (guint i = 1; i < n_bounds; i++)
        if (bounds[i] <= bounds[i - 1])
            return NULL;
    metric = add_modules (module, METRIC_HISTOGRAM, name, label);
    if (metric == NULL)
        return NULL;
    metric->n_bounds = n_bounds;
    metric->bounds = g_memdup2 (bounds, n_bounds * sizeof *bounds);
    return (RelaisHistogram *)metric;
}

/* --- Counting ----------------------------------------------------------------------------------- */

static guint
cells_of (const RelaisMetric *metric)
{
    return metric->kind == METRIC_HISTOGRAM ? metric->n_bounds + 2 : 1;
}

static Series *
find_series (RelaisMetric *metric, const char *value)
{
    const guint used = g_atomic_int_get (&metric->used);

    for (guint i = 0; i < used; i++)
        if (g_str_equal (metric->series[i].value, value))
            return &metric->series[i];
    return used > RELAIS_COUNTER_LABELS ? &metric->series[RELAIS_COUNTER_LABELS] : NULL;
}

static Series *
add_series (RelaisMetric *metric, const char *value)
{
    Series *series;

    g_mutex_lock (&metric->mutex);
    series = find_series (metric, value); /* somebody may have come first */
    if (series == NULL) {
        series = &metric->series[metric->used];
        series->value = g_strdup (metric->used == RELAIS_COUNTER_LABELS ? "other" : value);
        series->cells = g_new0 (guint64, cells_of (metric));
        g_atomic_int_inc (&metric->used);
    }
    g_mutex_unlock (&metric->mutex);
    return series;
}

/* The series of a value; that of all others once there are too many. */
static Series *
series_of (RelaisMetric *metric, const char *value)
{
    const char *wanted = metric->label != NULL && value != NULL ? value : "";
    Series *series = find_series (metric, wanted);

    return series != NULL ? series : add_series (metric, wanted);
}

static void
add (guint64 *cell, guint64 n)
{
    __atomic_fetch_add (cell, n, __ATOMIC_RELAXED);
}

static guint64
get (const guint64 *cell)
{
    return __atomic_load_n (cell, __ATOMIC_RELAXED);
}

void
relais_counter_add (RelaisCounter *counter, const gchar *value, guint64 n)
{
    g_return_if_fail (counter != NULL);
    add (series_of (&counter->metric, value)->cells, n);
}

void
relais_gauge_set (RelaisGauge *gauge, const gchar *value, gint64 n)
{
    g_return_if_fail (gauge != NULL);
    __atomic_store_n (series_of (&gauge->metric, value)->cells, (guint64)n, __ATOMIC_RELAXED);
}

void
relais_gauge_add (RelaisGauge *gauge, const gchar *value, gint64 n)
{
    g_return_if_fail (gauge != NULL);
    add (series_of (&gauge->metric, value)->cells, (guint64)n);
}

void
relais_histogram_add (RelaisHistogram *histogram, const gchar *value, gint64 sample)
{
    RelaisMetric *metric;
    guint64 *cells;
    guint bucket = 0;

    g_return_if_fail (histogram != NULL);
    metric = &histogram->metric;
    cells = series_of (metric, value)->cells;
    while (bucket < metric->n_bounds && sample > metric->bounds[bucket])
        bucket++;
    add (&cells[bucket], 1);
    add (&cells[metric->n_bounds + 1], (guint64)sample);
}

/* --- Listing ---------------------------------------------------------------------------------- */

static const char *
owner (const RelaisMetric *metric)
{
    return metric->module != NULL ? metric->module->descriptor.name : "core";
}

static void
put_row (RelaisCommandCall *call, const RelaisMetric *metric, const char *suffix,
         const Series *series, const char *bound, guint64 n)
{
    g_autofree char *name = g_strconcat (metric->name, suffix, NULL);

    relais_command_put (call, "module", owner (metric));
    relais_command_put (call, "counter", name);
    relais_command_put (call, "label", metric->label != NULL ? metric->label : "");
    relais_command_put (call, "value", series->value);
    relais_command_put (call, "le", bound);
    relais_command_put_int (call, "count", (gint64)n);
    relais_command_end_row (call);
}

/* Each bound has all samples up to it, as is usual. */
static void
list_histogram (RelaisCommandCall *call, const RelaisMetric *metric, const Series *series)
{
    guint64 n = 0;

    for (guint i = 0; i <= metric->n_bounds; i++) {
        g_autofree char *bound = i < metric->n_bounds
                                     ? g_strdup_printf ("%" G_GINT64_FORMAT, metric->bounds[i])
                                     : g_strdup ("+Inf");

        n += get (&series->cells[i]);
        put_row (call, metric, "_bucket", series, bound, n);
    }
    put_row (call, metric, "_sum", series, "", get (&series->cells[metric->n_bounds + 1]));
}

static void
list_metric (RelaisCommandCall *call, const RelaisMetric *metric)
{
    const guint used = g_atomic_int_get (&metric->used);

    for (guint i = 0; i < used; i++)
        if (metric->kind == METRIC_HISTOGRAM)
            list_histogram (call, metric, &metric->series[i]);
        else
            put_row (call, metric, "", &metric->series[i], "", get (metric->series[i].cells));
}

static void
command_counters (RelaisCommandCall *call, gpointer data)
{
    const RelaisHost *host = data;

    for (guint i = 0; i < host->metrics->len; i++)
        list_metric (call, g_ptr_array_index (host->metrics, i));
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"counters", NULL, "", "", N_ ("What the modules counted since the daemon started."),
     RELAIS_COMMAND_ONLINE, 0, command_counters},
    {"services", NULL, "", "", N_ ("What modules offer each other, and who uses it."),
     RELAIS_COMMAND_ONLINE, 0, relais_host_list_services},
};

const RelaisCommand *
relais_host_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}

/* --- For the harness ------------------------------------------------------------------------------ */

static const RelaisMetric *
find_metric (const RelaisHost *host, const char *module, const char *name)
{
    for (guint i = 0; i < host->metrics->len; i++) {
        const RelaisMetric *metric = g_ptr_array_index (host->metrics, i);

        if (g_str_equal (owner (metric), module) && g_str_equal (metric->name, name))
            return metric;
    }
    return NULL;
}

guint64
relais_host_count (const RelaisHost *host, const char *module, const char *name, const char *value)
{
    const RelaisMetric *metric = find_metric (host, module, name);
    const Series *series = metric != NULL ? find_series ((RelaisMetric *)metric, value) : NULL;

    return series != NULL && g_str_equal (series->value, value) ? get (series->cells) : 0;
}

guint64
relais_host_count_samples (const RelaisHost *host, const char *module, const char *name,
                           const char *value, gint64 bound, gint64 *sum)
{
    const RelaisMetric *metric = find_metric (host, module, name);
    const Series *series = metric != NULL ? find_series ((RelaisMetric *)metric, value) : NULL;
    guint64 n = 0;

    *sum = 0;
    if (series == NULL || metric->kind != METRIC_HISTOGRAM)
        return 0;
    for (guint i = 0; i <= metric->n_bounds; i++)
        if (i == metric->n_bounds ? bound == G_MAXINT64 : metric->bounds[i] <= bound)
            n += get (&series->cells[i]);
    *sum = (gint64)get (&series->cells[metric->n_bounds + 1]);
    return n;
}
