/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counters of modules (include/relais/counter.h). Made in init, counted on any thread under a lock of the
 * counter's own, listed on the loop.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>

#include <relais/counter.h>
#include <string.h>

typedef struct {
    char *label;
    guint64 n;
} Count;

struct RelaisCounter {
    RelaisModule *module; /* NULL: the core's */
    char *name;
    char *label; /* what its values tell apart; NULL if nothing does */
    GMutex mutex;
    guint used;
    Count counts[RELAIS_COUNTER_LABELS + 1]; /* the last one is "other" */
};

void
relais_counter_free (gpointer data)
{
    RelaisCounter *counter = data;

    for (guint i = 0; i < counter->used; i++)
        g_free (counter->counts[i].label);
    g_mutex_clear (&counter->mutex);
    g_free (counter->label);
    g_free (counter->name);
    g_free (counter);
}

static bool
is_taken (const RelaisModule *module, const char *name)
{
    const GPtrArray *counters = module->host->counters;

    for (guint i = 0; i < counters->len; i++) {
        const RelaisCounter *other = g_ptr_array_index (counters, i);

        if (other->module == module && g_str_equal (other->name, name))
            return true;
    }
    return false;
}

static RelaisCounter *
add_counter (RelaisHost *host, RelaisModule *module, const char *name, const char *label)
{
    RelaisCounter *counter = g_new0 (RelaisCounter, 1);

    counter->module = module;
    counter->name = g_strdup (name);
    counter->label = g_strdup (label);
    g_mutex_init (&counter->mutex);
    g_ptr_array_add (host->counters, counter);
    return counter;
}

RelaisCounter *
relais_host_add_counter (RelaisHost *host, const char *name)
{
    return add_counter (host, NULL, name, NULL);
}

static const char *
owner (const RelaisCounter *counter)
{
    return counter->module != NULL ? counter->module->descriptor.name : "core";
}

RelaisCounter *
relais_counter_new (RelaisModule *module, const gchar *name, const gchar *label)
{
    g_return_val_if_fail (name != NULL && name[0] != '\0', NULL);
    if (!module->host->in_init || is_taken (module, name))
        return NULL;
    return add_counter (module->host, module, name, label);
}

/* The count of a value; that of all others once there are too many. */
static Count *
find_count (RelaisCounter *counter, const char *value)
{
    for (guint i = 0; i < counter->used; i++)
        if (g_str_equal (counter->counts[i].label, value))
            return &counter->counts[i];
    if (counter->used > RELAIS_COUNTER_LABELS)
        return &counter->counts[RELAIS_COUNTER_LABELS];
    if (counter->used == RELAIS_COUNTER_LABELS)
        value = "other";
    counter->counts[counter->used].label = g_strdup (value);
    return &counter->counts[counter->used++];
}

void
relais_counter_add (RelaisCounter *counter, const gchar *value, guint64 n)
{
    g_return_if_fail (counter != NULL);
    g_mutex_lock (&counter->mutex);
    find_count (counter, counter->label != NULL && value != NULL ? value : "")->n += n;
    g_mutex_unlock (&counter->mutex);
}

/* --- Listing ---------------------------------------------------------------------------------- */

static void
list_counter (RelaisCommandCall *call, RelaisCounter *counter)
{
    g_mutex_lock (&counter->mutex);
    for (guint i = 0; i < counter->used; i++) {
        relais_command_put (call, "module", owner (counter));
        relais_command_put (call, "counter", counter->name);
        relais_command_put (call, "label", counter->label != NULL ? counter->label : "");
        relais_command_put (call, "value", counter->counts[i].label);
        relais_command_put_int (call, "count", (gint64)counter->counts[i].n);
        relais_command_end_row (call);
    }
    g_mutex_unlock (&counter->mutex);
}

static void
command_counters (RelaisCommandCall *call, gpointer data)
{
    const RelaisHost *host = data;

    for (guint i = 0; i < host->counters->len; i++)
        list_counter (call, g_ptr_array_index (host->counters, i));
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"counters", NULL, "", "", N_ ("What the modules counted since the daemon started."),
     RELAIS_COMMAND_ONLINE, 0, command_counters},
};

const RelaisCommand *
relais_host_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}

guint64
relais_host_count (const RelaisHost *host, const char *module, const char *name, const char *value)
{
    for (guint i = 0; i < host->counters->len; i++) {
        RelaisCounter *counter = g_ptr_array_index (host->counters, i);

        if (!g_str_equal (owner (counter), module) || !g_str_equal (counter->name, name))
            continue;
        for (guint k = 0; k < counter->used; k++)
            if (g_str_equal (counter->counts[k].label, value))
                return counter->counts[k].n;
    }
    return 0;
}
