/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * bench-stuck: a module whose handlers get stuck, for the benchmark alone. GET /stuck/wait holds a thread
 * of the pool until somebody asks for /stuck/go, and PATIENCE_US at most; /stuck/waiting tells how many
 * are held. What the routes share is under the mutex.
 */
#include <relais/http.h>
#include <relais/module.h>
#include <string.h>

#define PATIENCE_US (120 * G_USEC_PER_SEC)

typedef struct {
    GMutex mutex;
    GCond told;
    guint waiting; /* under mutex */
    guint round;   /* under mutex: goes up when all are let go */
} Stuck;

static void
answer_number (RelaisHttpRequest *request, guint number)
{
    g_autofree char *text = g_strdup_printf ("%u\n", number);
    GBytes *body = g_bytes_new (text, strlen (text));

    relais_http_answer (request, 200, "text/plain", body);
    g_bytes_unref (body);
}

static void
on_wait (RelaisHttpRequest *request, gpointer data)
{
    Stuck *stuck = data;
    const gint64 until_us = g_get_monotonic_time () + PATIENCE_US;
    guint round;

    g_mutex_lock (&stuck->mutex);
    round = stuck->round;
    stuck->waiting++;
    while (stuck->round == round && g_cond_wait_until (&stuck->told, &stuck->mutex, until_us))
        continue;
    stuck->waiting--;
    g_mutex_unlock (&stuck->mutex);
    answer_number (request, round);
}

static void
on_waiting (RelaisHttpRequest *request, gpointer data)
{
    Stuck *stuck = data;
    guint waiting;

    g_mutex_lock (&stuck->mutex);
    waiting = stuck->waiting;
    g_mutex_unlock (&stuck->mutex);
    answer_number (request, waiting);
}

static void
on_go (RelaisHttpRequest *request, gpointer data)
{
    Stuck *stuck = data;
    guint waiting;

    g_mutex_lock (&stuck->mutex);
    waiting = stuck->waiting;
    stuck->round++;
    g_cond_broadcast (&stuck->told);
    g_mutex_unlock (&stuck->mutex);
    answer_number (request, waiting);
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
add_route (RelaisModule *module, const char *path, RelaisHttpRouteKind kind, RelaisHttpFunc func,
           GError **error)
{
    const RelaisHttpRouteInfo route = {.struct_size = sizeof route,
                                       .listener = RELAIS_HTTP_TRACKER,
                                       .path = path,
                                       .methods = RELAIS_HTTP_GET,
                                       .kind = kind,
                                       .func = func,
                                       .data = relais_module_get_data (module)};

    return relais_module_add_route (module, &route, error);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    Stuck *stuck = g_new0 (Stuck, 1);

    g_mutex_init (&stuck->mutex);
    g_cond_init (&stuck->told);
    relais_module_set_data (module, stuck);
    return add_route (module, "/stuck/wait", RELAIS_HTTP_POOL, on_wait, error) &&
           add_route (module, "/stuck/waiting", RELAIS_HTTP_INLINE, on_waiting, error) &&
           add_route (module, "/stuck/go", RELAIS_HTTP_INLINE, on_go, error);
}

static void
finalize (RelaisModule *module)
{
    Stuck *stuck = relais_module_get_data (module);

    g_mutex_clear (&stuck->mutex);
    g_cond_clear (&stuck->told);
    g_free (stuck);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (bench_stuck, .name = "bench-stuck", .version = "1",
                      .summary = "holds threads, for the benchmark", .license = "GPL-3.0-or-later",
                      .ops = &ops);
