/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Order: modules by their relations, and the functions of each hook by stage, before/after names and
 * module name. One topological sort serves both: of the items that wait for no other, the least by name
 * comes next, so that the order does not depend on how things were loaded. Loop thread, start-up.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    guint n;
    bool *edges; /* edges[a * n + b]: a comes before b */
    const char **names;
} Graph;

static void
graph_init (Graph *graph, guint n)
{
    graph->n = n;
    graph->edges = g_new0 (bool, (gsize)n *n + 1);
    graph->names = g_new0 (const char *, n + 1);
}

static void
graph_clear (Graph *graph)
{
    g_free (graph->edges);
    g_free (graph->names);
}

static bool
waits (const Graph *graph, guint item, const bool *done)
{
    for (guint i = 0; i < graph->n; i++)
        if (!done[i] && graph->edges[i * graph->n + item])
            return true;
    return false;
}

/* A cycle among the items that are not done, as "a before b before a": every one of them waits for
 * another, so walking back long enough stays on a cycle. */
static char *
name_cycle (const Graph *graph, const bool *done)
{
    g_autofree guint *walk = g_new (guint, graph->n + 1);
    GString *text;
    guint at = 0, last = 0;

    while (done[at])
        at++;
    for (guint step = 0; step <= graph->n; step++) {
        walk[step] = at;
        for (guint i = 0; i < graph->n; i++)
            if (!done[i] && graph->edges[i * graph->n + at]) {
                at = i;
                break;
            }
        last = step;
    }
    text = g_string_new (graph->names[walk[last]]);
    for (guint step = last; step > 0; step--) {
        g_string_append_printf (text, " before %s", graph->names[walk[step - 1]]);
        if (walk[step - 1] == walk[last])
            break;
    }
    return g_string_free (text, FALSE);
}

/* Fills `order` with the items' indexes, or returns the cycle (owned). */
static char *
graph_sort (const Graph *graph, guint *order)
{
    g_autofree bool *done = g_new0 (bool, graph->n + 1);

    for (guint place = 0; place < graph->n; place++) {
        guint best = graph->n;

        for (guint i = 0; i < graph->n; i++)
            if (!done[i] && !waits (graph, i, done) &&
                (best == graph->n || strcmp (graph->names[i], graph->names[best]) < 0))
                best = i;
        if (best == graph->n)
            return name_cycle (graph, done);
        done[best] = true;
        order[place] = best;
    }
    return NULL;
}

/* --- Modules ---------------------------------------------------------------------------------- */

static RelaisModule *
nth (const RelaisHost *host, guint n)
{
    return g_ptr_array_index (host->modules, n);
}

static guint
find (const RelaisHost *host, const char *name)
{
    guint i = 0;

    while (i < host->modules->len && !g_str_equal (nth (host, i)->descriptor.name, name))
        i++;
    return i;
}

static bool
check_conflicts (const RelaisHost *host, const RelaisModule *module, GError **error)
{
    const gchar *const *names = module->descriptor.conflicts;

    for (guint i = 0; names != NULL && names[i] != NULL; i++)
        if (find (host, names[i]) < host->modules->len) {
            g_set_error (
                error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                _ ("%s: conflicts: found module '%s' loaded, wanted it absent; disable one "
                   "of the two"),
                module->file, names[i]);
            return false;
        }
    return true;
}

static bool
add_relations (const RelaisHost *host, guint item, const gchar *const *names, bool required,
               Graph *graph, GError **error)
{
    for (guint i = 0; names != NULL && names[i] != NULL; i++) {
        guint other = find (host, names[i]);

        if (other < host->modules->len) {
            graph->edges[other * graph->n + item] = true;
        } else if (required) {
            g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                         _ ("%s: requires_modules: found no module '%s' loaded, wanted it; set "
                            "enable = yes in [module %s]"),
                         nth (host, item)->file, names[i], names[i]);
            return false;
        }
    }
    return true;
}

static bool
sort_modules (RelaisHost *host, const Graph *graph, GError **error)
{
    g_autofree guint *order = g_new0 (guint, graph->n + 1);
    g_autofree char *cycle = graph_sort (graph, order);
    g_autofree gpointer *sorted = g_new0 (gpointer, graph->n + 1);

    if (cycle != NULL) {
        g_set_error (
            error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
            _ ("requires_modules: found the cycle %s, wanted an order; disable one of them"),
            cycle);
        return false;
    }
    for (guint i = 0; i < graph->n; i++)
        sorted[i] = nth (host, order[i]);
    for (guint i = 0; i < graph->n; i++)
        host->modules->pdata[i] = sorted[i];
    return true;
}

bool
relais_modules_order (RelaisHost *host, GError **error)
{
    Graph graph;
    bool good = true;

    graph_init (&graph, host->modules->len);
    for (guint i = 0; good && i < graph.n; i++) {
        const RelaisModuleDescriptor *descriptor = &nth (host, i)->descriptor;

        graph.names[i] = descriptor->name;
        good = check_conflicts (host, nth (host, i), error) &&
               add_relations (host, i, descriptor->requires_modules, true, &graph, error) &&
               add_relations (host, i, descriptor->wants_modules, false, &graph, error);
    }
    good = good && sort_modules (host, &graph, error);
    graph_clear (&graph);
    return good;
}

/* --- Hook functions --------------------------------------------------------------------------- */

void
relais_hook_function_free (gpointer data)
{
    HookFunction *function = data;

    g_free (function->name);
    g_strfreev (function->before);
    g_strfreev (function->after);
    g_free (function);
}

static bool
is_named (const HookFunction *function, char **names)
{
    return names != NULL &&
           (g_strv_contains ((const gchar *const *)names, function->name) ||
            g_strv_contains ((const gchar *const *)names, function->module->descriptor.name));
}

static bool
comes_before (const HookFunction *a, const HookFunction *b)
{
    return a->stage < b->stage || is_named (b, a->before) || is_named (a, b->after);
}

static bool
order_chain (GPtrArray *registered, Chain *chain, const char *hook, GError **error)
{
    g_autofree guint *order = g_new0 (guint, registered->len + 1);
    g_autofree char *cycle = NULL;
    Graph graph;

    graph_init (&graph, registered->len);
    for (guint a = 0; a < graph.n; a++) {
        graph.names[a] = ((HookFunction *)g_ptr_array_index (registered, a))->name;
        for (guint b = 0; b < graph.n; b++)
            if (a != b)
                graph.edges[a * graph.n + b] = comes_before (g_ptr_array_index (registered, a),
                                                             g_ptr_array_index (registered, b));
    }
    cycle = graph_sort (&graph, order);
    if (cycle != NULL) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION,
                     _ ("hook %s: found the cycle %s, wanted an order; disable one of them"), hook,
                     cycle);
        graph_clear (&graph);
        return false;
    }
    g_free (chain->functions);
    chain->functions = g_new0 (HookFunction *, graph.n + 1);
    for (guint i = 0; i < graph.n; i++) {
        chain->functions[i] = g_ptr_array_index (registered, order[i]);
        chain->per_recipient |= (chain->functions[i]->flags & RELAIS_HOOK_PER_RECIPIENT) != 0;
    }
    chain->n = graph.n;
    graph_clear (&graph);
    return true;
}

bool
relais_chains_order (RelaisHost *host, GError **error)
{
    for (guint i = 0; i < RELAIS_N_HOOKS; i++)
        if (!order_chain (host->registered[i], &host->chains[i], relais_hook_kinds[i].name, error))
            return false;
    return true;
}
