/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes: made from what the resolver or the configuration says.
 */
#include "config.h"

#include "queue/route-private.h"

#include "conf/net-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void
set_port (struct sockaddr_storage *address, guint16 port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = g_htons (port);
    else if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = g_htons (port);
}

static void
dane_clear (gpointer dane)
{
    relais_dane_clear (dane);
}

static void
add_dane (RelaisRoute *route, const RelaisDane *dane)
{
    RelaisDane copy = {0};

    if (dane != NULL)
        relais_dane_copy (&copy, dane);
    g_array_append_val (route->danes, copy);
}

static RelaisRoute *
route_new (RelaisQueue *queue, RelaisStaticRoute *fixed)
{
    RelaisRoute *route = g_new0 (RelaisRoute, 1);

    route->refs = 1;
    route->serial = ++queue->route_serial;
    route->hosts = g_ptr_array_new_with_free_func (g_free);
    route->danes = g_array_new (FALSE, TRUE, sizeof (RelaisDane));
    g_array_set_clear_func (route->danes, dane_clear);
    route->stops = g_array_new (FALSE, TRUE, sizeof (RelaisStop));
    route->settings = queue->settings_serial;
    route->fixed = relais_static_route_ref (fixed);
    route->port = fixed != NULL ? fixed->port : queue->settings.smtp_port;
    return route;
}

static void
add_stop (RelaisRoute *route, const struct sockaddr_storage *address, socklen_t size)
{
    RelaisStop stop = {.host = route->hosts->len - 1, .address = *address, .size = size};

    set_port (&stop.address, route->port);
    g_array_append_val (route->stops, stop);
}

static void
add_host (RelaisRoute *route, const RelaisRouteHost *host)
{
    const sa_family_t order[] = {AF_INET6, AF_INET};

    g_ptr_array_add (route->hosts, g_strdup (host->name));
    add_dane (route, &host->dane);
    for (gsize family = 0; family < G_N_ELEMENTS (order); family++)
        for (guint i = 0; host->addresses != NULL && i < host->addresses->len; i++) {
            const RelaisDnsAddress *address = &g_array_index (host->addresses, RelaisDnsAddress, i);

            if (address->address.ss_family == order[family])
                add_stop (route, &address->address, address->size);
        }
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static char *
sorted_names (const GPtrArray *hosts)
{
    g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < hosts->len; i++)
        g_ptr_array_add (sorted, g_ptr_array_index (hosts, i));
    g_ptr_array_sort (sorted, compare_names);
    for (guint i = 0; i < sorted->len; i++) {
        const char *name = g_ptr_array_index (sorted, i);

        if (i > 0 && strcmp (name, g_ptr_array_index (sorted, i - 1)) == 0)
            continue;
        if (text->len > 0)
            g_string_append_c (text, ',');
        g_string_append (text, name);
    }
    return g_string_free (text, FALSE);
}

/* --- Sites ------------------------------------------------------------------------------------ */

static bool
ends_in (const char *host, const char *suffix)
{
    gsize host_size = strlen (host);
    gsize size;

    if (suffix[0] == '.')
        suffix++;
    size = strlen (suffix);
    if (size == 0 || size > host_size || g_ascii_strcasecmp (host + host_size - size, suffix) != 0)
        return false;
    return size == host_size || host[host_size - size - 1] == '.';
}

static bool
is_of_provider (const char *host, const RelaisProvider *provider)
{
    for (gsize i = 0; provider->suffixes != NULL && provider->suffixes[i] != NULL; i++)
        if (ends_in (host, provider->suffixes[i]))
            return true;
    return false;
}

static const char *
provider_of (const RelaisQueue *queue, const GPtrArray *hosts)
{
    for (guint i = 0; i < queue->settings.providers->len; i++) {
        const RelaisProvider *provider = g_ptr_array_index (queue->settings.providers, i);
        guint n = 0;

        while (n < hosts->len && is_of_provider (g_ptr_array_index (hosts, n), provider))
            n++;
        if (n > 0 && n == hosts->len)
            return provider->name;
    }
    return NULL;
}

static void
set_site (const RelaisQueue *queue, RelaisRoute *route)
{
    const char *provider =
        route->fixed == NULL && !route->implicit_mx ? provider_of (queue, route->hosts) : NULL;

    route->is_provider = provider != NULL;
    route->site = g_strdup (provider != NULL ? provider : route->set);
}

RelaisRoute *
relais_route_new (RelaisQueue *queue, const RelaisMailRoute *mail, const char *name,
                  RelaisStaticRoute *fixed, RelaisStsPolicy *sts)
{
    RelaisRoute *route = route_new (queue, fixed);

    route->sts = sts != NULL ? relais_sts_policy_ref (sts) : NULL;

    for (guint i = 0; i < mail->hosts->len; i++)
        add_host (route, g_ptr_array_index (mail->hosts, i));
    route->implicit_mx = mail->implicit_mx;
    route->domain = fixed == NULL ? g_strdup (name) : NULL;
    route->set = fixed != NULL || mail->implicit_mx ? g_strdup (name) : sorted_names (route->hosts);
    set_site (queue, route);
    return route;
}

RelaisRoute *
relais_route_renew (RelaisQueue *queue, const RelaisRoute *route)
{
    RelaisRoute *fresh = route_new (queue, route->fixed);

    fresh->sts = route->sts != NULL ? relais_sts_policy_ref (route->sts) : NULL;
    for (guint i = 0; i < route->hosts->len; i++) {
        g_ptr_array_add (fresh->hosts, g_strdup (g_ptr_array_index (route->hosts, i)));
        add_dane (fresh, &g_array_index (route->danes, RelaisDane, i));
    }
    g_array_append_vals (fresh->stops, route->stops->data, route->stops->len);
    fresh->implicit_mx = route->implicit_mx;
    fresh->domain = g_strdup (route->domain);
    fresh->set = g_strdup (route->set);
    set_site (queue, fresh);
    return fresh;
}

RelaisRoute *
relais_route_new_literal (RelaisQueue *queue, RelaisStaticRoute *fixed)
{
    struct sockaddr_storage address;
    socklen_t size;
    RelaisRoute *route;

    if (!relais_address_from_text (fixed->host, fixed->port, &address, &size) &&
        !relais_address_from_unix (fixed->host, &address, &size))
        return NULL;
    route = route_new (queue, fixed);
    g_ptr_array_add (route->hosts, g_strdup (fixed->host));
    add_dane (route, NULL);
    add_stop (route, &address, size);
    route->set = g_strconcat ("route:", fixed->name, NULL);
    set_site (queue, route);
    return route;
}

RelaisRoute *
relais_route_ref (RelaisRoute *route)
{
    route->refs++;
    return route;
}

void
relais_route_unref (RelaisRoute *route)
{
    if (route == NULL || --route->refs > 0)
        return;
    g_ptr_array_unref (route->hosts);
    g_array_unref (route->danes);
    relais_static_route_unref (route->fixed);
    relais_sts_policy_unref (route->sts);
    g_array_unref (route->stops);
    g_free (route->domain);
    g_free (route->set);
    g_free (route->site);
    g_free (route);
}

const RelaisProvider *
relais_route_provider (const RelaisQueue *queue, const RelaisRoute *route)
{
    for (guint i = 0; route->is_provider && i < queue->settings.providers->len; i++) {
        const RelaisProvider *provider = g_ptr_array_index (queue->settings.providers, i);

        if (strcmp (provider->name, route->site) == 0)
            return provider;
    }
    return NULL;
}

bool
relais_route_has_host (const RelaisRoute *route, const char *host)
{
    for (guint i = 0; i < route->hosts->len; i++)
        if (strcmp (g_ptr_array_index (route->hosts, i), host) == 0)
            return true;
    return false;
}

const RelaisDane *
relais_route_dane (const RelaisRoute *route, const char *host)
{
    static const RelaisDane none;

    for (guint i = 0; i < route->hosts->len; i++)
        if (strcmp (g_ptr_array_index (route->hosts, i), host) == 0)
            return &g_array_index (route->danes, RelaisDane, i);
    return &none;
}
