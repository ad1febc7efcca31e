/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The order of addresses, and the memory of those out of reach. Loop thread.
 */
#include "config.h"

#include "queue/reach-private.h"

#include "conf/net-private.h"

#include <netinet/in.h>

#define MEMORY_US (10 * RELAIS_USEC_PER_MIN)

/* --- Memory ----------------------------------------------------------------------------------- */

static char *
key_of (const RelaisSource *source, const RelaisStop *stop)
{
    g_autofree char *address = relais_address_to_text ((const struct sockaddr *)&stop->address);

    return g_strdup_printf ("%s %s", source->name, address);
}

static RelaisFamilyState *
family_of (RelaisSource *source, const RelaisStop *stop)
{
    return &source->families[stop->address.ss_family == AF_INET6];
}

void
relais_reach_failed (RelaisQueue *queue, RelaisSource *source, const RelaisStop *stop)
{
    RelaisFamilyState *family = family_of (source, stop);
    gint64 until = relais_loop_now_us (queue->loop) + MEMORY_US;

    if (stop->address.ss_family == AF_UNIX)
        return;
    if (++family->failed >= RELAIS_REACH_ROW)
        family->bad_until_us = until;
    if (g_hash_table_size (queue->out_of_reach) >= RELAIS_REACH_ADDRESSES)
        g_hash_table_remove_all (queue->out_of_reach);
    g_hash_table_replace (queue->out_of_reach, key_of (source, stop),
                          g_memdup2 (&until, sizeof until));
}

void
relais_reach_worked (RelaisQueue *queue, RelaisSource *source, const RelaisStop *stop)
{
    g_autofree char *key = key_of (source, stop);

    *family_of (source, stop) = (RelaisFamilyState){0};
    g_hash_table_remove (queue->out_of_reach, key);
}

bool
relais_reach_is_bad (RelaisQueue *queue, const RelaisSource *source, const RelaisStop *stop)
{
    const gint64 now = relais_loop_now_us (queue->loop);
    g_autofree char *key = key_of (source, stop);
    const gint64 *until = g_hash_table_lookup (queue->out_of_reach, key);

    if (source->families[stop->address.ss_family == AF_INET6].bad_until_us > now)
        return true;
    if (until == NULL || *until > now)
        return until != NULL;
    g_hash_table_remove (queue->out_of_reach, key);
    return false;
}

/* --- Order ------------------------------------------------------------------------------------ */

bool
relais_reach_has_family (const RelaisSource *source, sa_family_t family)
{
    if (family == AF_UNIX)
        return true;
    /* A source of which one family is named speaks that one alone. */
    if (family == AF_INET6)
        return !source->unbound6 && (source->size6 > 0 || source->size4 == 0);
    return !source->unbound4 && (source->size4 > 0 || source->size6 == 0);
}

static RelaisFamilies
families_for (const RelaisQueue *queue, const RelaisRoute *route)
{
    const RelaisProvider *provider = relais_route_provider (queue, route);

    return provider != NULL && provider->has_families ? provider->families
                                                      : queue->settings.families;
}

static bool
is_wanted (RelaisFamilies families, sa_family_t family)
{
    return family == AF_UNIX || families == RELAIS_FAMILIES_IPV6_FIRST ||
           families == RELAIS_FAMILIES_IPV4_FIRST ||
           (family == AF_INET6) == (families == RELAIS_FAMILIES_IPV6);
}

/* Of one host: 0 for what is tried first. */
static guint
rank (RelaisQueue *queue, const RelaisSource *source, RelaisFamilies families,
      const RelaisStop *stop)
{
    bool six_first = families == RELAIS_FAMILIES_IPV6_FIRST || families == RELAIS_FAMILIES_IPV6;
    guint family = (stop->address.ss_family == AF_INET6) == six_first ? 0 : 1;

    return (relais_reach_is_bad (queue, source, stop) ? 2 : 0) + family;
}

enum { RANKS = 4 };

/* Appends the stops of one host, which are the `n` from `first` on, by their ranks. */
static void
append_host (GArray *order, RelaisQueue *queue, const RelaisSource *source,
             const RelaisRoute *route, guint first, guint n)
{
    const RelaisFamilies families = families_for (queue, route);

    for (guint wanted = 0; wanted < RANKS; wanted++)
        for (guint i = first; i < first + n; i++) {
            const RelaisStop *stop = &g_array_index (route->stops, RelaisStop, i);

            if (is_wanted (families, stop->address.ss_family) &&
                relais_reach_has_family (source, stop->address.ss_family) &&
                rank (queue, source, families, stop) == wanted)
                g_array_append_val (order, i);
        }
}

GArray *
relais_reach_order (RelaisQueue *queue, const RelaisSource *source, const RelaisRoute *route)
{
    GArray *order = g_array_new (FALSE, FALSE, sizeof (guint));
    guint first = 0;

    while (first < route->stops->len) {
        guint host = g_array_index (route->stops, RelaisStop, first).host;
        guint end = first;

        while (end < route->stops->len &&
               g_array_index (route->stops, RelaisStop, end).host == host)
            end++;
        append_host (order, queue, source, route, first, end - first);
        first = end;
    }
    return order;
}
