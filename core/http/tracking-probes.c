/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The probes of modules' routes as a check of a tracking host asks for them. Made on the loop before the
 * start, called on a worker.
 */
#include "config.h"

#include "http/tracking-private.h"

#include "module/guard-private.h"

static bool
make_probe (gpointer data, const char *host, char **path, guint *status, char **header_name,
            char **header_value)
{
    const RelaisHttpRoute *route = data;
    RelaisGuard outer;
    bool made;
    g_autofree RelaisHttpProbe *probe = NULL;

    if (relais_module_is_off (route->module))
        return false;
    probe = g_new0 (RelaisHttpProbe, 1);
    probe->struct_size = sizeof *probe;
    relais_guard_enter (&outer, route->module, "probe", 0);
    made = route->probe (route->module, host, route->data, probe);
    relais_guard_leave (&outer);
    if (!made)
        return false;
    *path = g_strndup (probe->path, sizeof probe->path);
    *status = probe->status;
    *header_name = g_strdup (probe->header_name);
    *header_value = probe->header_name != NULL
                        ? g_strndup (probe->header_value, sizeof probe->header_value)
                        : NULL;
    return true;
}

void
relais_tracking_use_routes (RelaisTracking *tracking, const RelaisHost *host)
{
    g_autoptr (GArray) probes = g_array_new (FALSE, FALSE, sizeof (RelaisTrackingProbe));

    for (guint i = 0; i < relais_host_n_routes (host); i++) {
        const RelaisHttpRoute *route = relais_host_nth_route (host, i);
        const RelaisTrackingProbe probe = {route->probe_name, make_probe, (gpointer)route};

        if (route->listener == RELAIS_HTTP_TRACKER && route->probe != NULL)
            g_array_append_val (probes, probe);
    }
    relais_tracking_set_probes (tracking, (const RelaisTrackingProbe *)(gpointer)probes->data,
                                probes->len);
}
