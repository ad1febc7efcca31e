/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTTP routes: what modules register in their init, and the look-up by path. Paths of one kind of
 * listener never overlap, so that at most one route answers for a path whatever the order. Written on
 * the loop's thread during init, read by any thread afterwards.
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { PATH_BYTES = 255 };

static gboolean
refuse (GError **error, const RelaisHttpRouteInfo *info, const char *what)
{
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_HOOK, _ ("route '%s': %s"),
                 info->path != NULL ? info->path : "", what);
    return FALSE;
}

static bool
path_is_good (const char *path)
{
    gsize size;

    if (path == NULL || path[0] != '/')
        return false;
    for (size = 0; path[size] != '\0'; size++)
        if (!g_ascii_isgraph (path[size]) || path[size] == '?' || path[size] == '#')
            return false;
    return size <= PATH_BYTES;
}

static gboolean
check_info (const RelaisModule *module, const RelaisHttpRouteInfo *info, GError **error)
{
    const guint32 methods = RELAIS_HTTP_GET | RELAIS_HTTP_POST;

    if (!module->host->in_init)
        return refuse (error, info, _ ("routes are registered in init only"));
    if (!path_is_good (info->path))
        return refuse (
            error, info,
            _ ("a path begins with / and has at most 255 printable characters, without ? "
               "and #"));
    if (info->func == NULL || info->methods == 0)
        return refuse (error, info, _ ("a function and a method are needed"));
    if ((info->methods & ~methods) != 0 || info->listener > RELAIS_HTTP_API ||
        info->kind > RELAIS_HTTP_POOL || info->reserved != 0)
        return refuse (error, info, _ ("a value is not known to this Relais"));
    if (info->max_body > RELAIS_HTTP_BODY_BYTES || info->deadline_us < 0)
        return refuse (error, info, _ ("max_body or deadline_us is out of range"));
    if ((info->probe_name == NULL) != (info->probe == NULL))
        return refuse (error, info, _ ("a probe needs a name and a function"));
    return TRUE;
}

static bool
covers (const RelaisHttpRoute *route, const char *path, gsize size)
{
    return size >= route->path_size && memcmp (path, route->path, route->path_size) == 0 &&
           (route->below || size == route->path_size);
}

static gboolean
check_overlap (const RelaisHost *host, const RelaisHttpRoute *route, GError **error)
{
    for (guint i = 0; i < host->routes->len; i++) {
        const RelaisHttpRoute *other = g_ptr_array_index (host->routes, i);

        if (other->listener != route->listener || (!covers (other, route->path, route->path_size) &&
                                                   !covers (route, other->path, other->path_size)))
            continue;
        g_set_error (
            error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_HOOK,
            _ ("route '%s' of module %s meets route '%s' of module %s; set another path for "
               "one of them"),
            route->path, route->module->descriptor.name, other->path,
            other->module->descriptor.name);
        return FALSE;
    }
    return TRUE;
}

void
relais_http_route_free (gpointer data)
{
    RelaisHttpRoute *route = data;

    g_free (route->path);
    g_free (route->probe_name);
    g_free (route);
}

static RelaisHttpRoute *
route_new (RelaisModule *module, const RelaisHttpRouteInfo *info)
{
    RelaisHttpRoute *route = g_new (RelaisHttpRoute, 1);
    const gsize size = strlen (info->path);

    *route = (RelaisHttpRoute){.module = module,
                               .path = g_strdup (info->path),
                               .path_size = size,
                               .below = info->path[size - 1] == '/',
                               .listener = info->listener,
                               .methods = info->methods,
                               .kind = info->kind,
                               .func = info->func,
                               .data = info->data,
                               .deadline_us = info->deadline_us,
                               .max_body = info->max_body,
                               .probe_name = g_strdup (info->probe_name),
                               .probe = info->probe};
    return route;
}

gboolean
relais_module_add_route (RelaisModule *module, const RelaisHttpRouteInfo *info, GError **error)
{
    RelaisHttpRouteInfo known;
    RelaisHttpRoute *route;

    g_return_val_if_fail (module != NULL && info != NULL, FALSE);
    if (info->struct_size < sizeof known ||
        !relais_copy_known (&known, sizeof known, info, info->struct_size)) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_HOOK,
                     _ ("route: its RelaisHttpRouteInfo is not of this Relais"));
        return FALSE;
    }
    if (!check_info (module, &known, error))
        return FALSE;
    route = route_new (module, &known);
    if (!check_overlap (module->host, route, error)) {
        relais_http_route_free (route);
        return FALSE;
    }
    g_ptr_array_add (module->host->routes, route);
    return TRUE;
}

guint
relais_host_n_routes (const RelaisHost *host)
{
    return host->routes->len;
}

const RelaisHttpRoute *
relais_host_nth_route (const RelaisHost *host, guint n)
{
    return g_ptr_array_index (host->routes, n);
}

const RelaisHttpRoute *
relais_host_find_route (const RelaisHost *host, RelaisHttpListenerKind listener, const char *path,
                        gsize path_size)
{
    for (guint i = 0; i < host->routes->len; i++) {
        const RelaisHttpRoute *route = g_ptr_array_index (host->routes, i);

        if (route->listener == listener && covers (route, path, path_size))
            return route;
    }
    return NULL;
}
