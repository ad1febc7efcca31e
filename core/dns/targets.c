/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of networks that DNS may not send mail to, the administrator's exceptions, and our own
 * addresses. Loop thread only; holds no descriptor.
 */
#include "config.h"

#include "dns/targets-private.h"

#include "conf/net-private.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

/* IPv4-mapped addresses count as IPv4 (net-private.h); the other ways to wrap an IPv4 address in an
 * IPv6 one are no places that mail is sent to. */
static const char *const refused_nets[] = {
    "0.0.0.0/8",      /* unspecified, "this network" (RFC 1122) */
    "10.0.0.0/8",     /* private (RFC 1918), as are 172.16.0.0/12 and 192.168.0.0/16 */
    "100.64.0.0/10",  /* carrier-grade NAT (RFC 6598) */
    "127.0.0.0/8",    /* loopback */
    "169.254.0.0/16", /* link-local (RFC 3927) */
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4", /* multicast */
    "240.0.0.0/4", /* reserved, broadcast */
    "::/96",       /* unspecified, loopback, IPv4-compatible (RFC 4291) */
    "fc00::/7",    /* unique local (RFC 4193) */
    "fe80::/10",   /* link-local */
    "fec0::/10",   /* site-local (RFC 3879) */
    "ff00::/8",    /* multicast */
    NULL};

struct RelaisTargets {
    GArray *refused; /* RelaisNet */
    GArray *allowed;
    GArray *own;
};

RelaisTargets *
relais_targets_new (const char *const *allow, const char **bad)
{
    static const char *const nothing[] = {NULL};
    RelaisTargets *targets = g_new0 (RelaisTargets, 1);

    targets->refused = relais_nets_parse (refused_nets, bad);
    targets->own = g_array_new (FALSE, FALSE, sizeof (RelaisNet));
    targets->allowed = relais_nets_parse (allow != NULL ? allow : nothing, bad);
    g_assert (targets->refused != NULL);
    if (targets->allowed == NULL)
        g_clear_pointer (&targets, relais_targets_free);
    return targets;
}

void
relais_targets_free (RelaisTargets *targets)
{
    if (targets == NULL)
        return;
    g_clear_pointer (&targets->refused, g_array_unref);
    g_clear_pointer (&targets->allowed, g_array_unref);
    g_clear_pointer (&targets->own, g_array_unref);
    g_free (targets);
}

static void
add_own (RelaisTargets *targets, const struct sockaddr *address)
{
    g_autofree char *text = NULL;
    RelaisNet net;

    if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    text = relais_address_to_text (address);
    if (text != NULL && relais_net_parse (text, &net))
        g_array_append_val (targets->own, net);
}

static bool
is_wildcard (const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED (&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* "::" takes IPv4 connections too, so either wildcard means every address. */
static void
add_all_interfaces (RelaisTargets *targets)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs (&all) < 0)
        return;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        add_own (targets, one->ifa_addr);
    freeifaddrs (all);
}

void
relais_targets_set_own (RelaisTargets *targets, const char *const *addresses)
{
    g_array_set_size (targets->own, 0);
    for (gsize i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        struct sockaddr_storage address;
        socklen_t size;

        if (!relais_address_from_text (addresses[i], 0, &address, &size))
            continue;
        if (is_wildcard ((const struct sockaddr *)&address))
            add_all_interfaces (targets);
        else
            add_own (targets, (const struct sockaddr *)&address);
    }
}

RelaisTargetKind
relais_targets_judge (const RelaisTargets *targets, const struct sockaddr *address)
{
    if (relais_nets_contain (targets->allowed, address))
        return RELAIS_TARGET_GOOD;
    if (relais_nets_contain (targets->own, address))
        return RELAIS_TARGET_OWN;
    return relais_nets_contain (targets->refused, address) ? RELAIS_TARGET_REFUSED
                                                           : RELAIS_TARGET_GOOD;
}
