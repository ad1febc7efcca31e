/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of networks that DNS may not send mail to, the administrator's exceptions, our own
 * addresses, and the networks that are not public. Loop thread only; keeps no descriptor.
 */
#include "config.h"

#include "dns/targets-private.h"

#include "conf/net-private.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { DISCARD_PORT = 9 }; /* any but 0 */

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

/* More that is no public server's address: what a stranger's URL may not lead to. Of IPv6, all but
 * 2000::/3 is (RFC 4291 section 2.4), NAT64 (64:ff9b::/96) and IPv4-mapped ones included. */
static const char *const special_nets[] = {
    "192.0.0.0/24", /* protocol assignments (RFC 6890) */
    "192.0.2.0/24", /* documentation (RFC 5737), as are the next two */
    "198.51.100.0/24",
    "203.0.113.0/24",
    "192.88.99.0/24", /* 6to4 relays (RFC 7526) */
    "198.18.0.0/15",  /* benchmarking (RFC 2544) */
    "2001::/23",      /* protocol assignments: Teredo, benchmarking, ORCHID (RFC 2928) */
    "2001:db8::/32",  /* documentation (RFC 3849) */
    "2002::/16",      /* 6to4 (RFC 3056): carries an IPv4 address */
    "3fff::/20",      /* documentation (RFC 9637) */
    NULL};

struct RelaisTargets {
    GArray *refused; /* RelaisNet */
    GArray *allowed;
    GArray *own;
    bool own_all; /* whatever address the machine has is ours */
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
    g_autofree char *text = relais_address_to_text (address);
    RelaisNet net;

    if (relais_net_parse (text, &net))
        g_array_append_val (targets->own, net);
}

static bool
is_wildcard (const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED (&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT". */
static bool
read_address (const char *text, struct sockaddr_storage *address)
{
    const char *colon = strrchr (text, ':');
    g_autofree char *bare = NULL;
    gsize size;
    socklen_t unused;

    if (relais_address_from_text (text, 0, address, &unused))
        return true;
    if (colon == NULL)
        return false;
    size = (gsize)(colon - text);
    bare = text[0] == '[' && size > 2 && text[size - 1] == ']' ? g_strndup (text + 1, size - 2)
                                                               : g_strndup (text, size);
    return relais_address_from_text (bare, 0, address, &unused);
}

/* "::" takes IPv4 connections too, so either wildcard means every address. */
void
relais_targets_set_own (RelaisTargets *targets, const char *const *addresses)
{
    g_array_set_size (targets->own, 0);
    targets->own_all = false;
    for (gsize i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        struct sockaddr_storage address;

        if (!read_address (addresses[i], &address))
            continue;
        if (is_wildcard ((const struct sockaddr *)&address))
            targets->own_all = true;
        else
            add_own (targets, (const struct sockaddr *)&address);
    }
}

/* Who would speak to one of this machine's addresses would do so from that very address. The kernel's routes
 * are asked at each look, since addresses come and go, and no list of interfaces, which needs a kind of socket
 * that the unit file does not allow. Sends nothing. */
static bool
is_here (const struct sockaddr *address)
{
    const socklen_t size =
        address->sa_family == AF_INET ? sizeof (struct sockaddr_in) : sizeof (struct sockaddr_in6);
    struct sockaddr_storage to = {0}, from;
    socklen_t from_size = sizeof from;
    int fd = socket (address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool here = false;

    if (fd < 0)
        return false;
    memcpy (&to, address, size);
    if (to.ss_family == AF_INET)
        ((struct sockaddr_in *)&to)->sin_port = g_htons (DISCARD_PORT);
    else
        ((struct sockaddr_in6 *)&to)->sin6_port = g_htons (DISCARD_PORT);
    if (connect (fd, (const struct sockaddr *)&to, size) == 0 &&
        getsockname (fd, (struct sockaddr *)&from, &from_size) == 0) {
        g_autofree char *there = relais_address_to_text ((const struct sockaddr *)&to);
        g_autofree char *us = relais_address_to_text ((const struct sockaddr *)&from);

        here = g_str_equal (there, us);
    }
    close (fd);
    return here;
}

RelaisTargetKind
relais_targets_judge (const RelaisTargets *targets, const struct sockaddr *address)
{
    if (relais_nets_contain (targets->allowed, address))
        return RELAIS_TARGET_GOOD;
    if (relais_nets_contain (targets->own, address) || (targets->own_all && is_here (address)))
        return RELAIS_TARGET_OWN;
    return relais_nets_contain (targets->refused, address) ? RELAIS_TARGET_REFUSED
                                                           : RELAIS_TARGET_GOOD;
}

static bool
is_in (const char *const *texts, const struct sockaddr *address)
{
    for (; *texts != NULL; texts++) {
        RelaisNet net;

        if (relais_net_parse (*texts, &net) && relais_net_contains (&net, address))
            return true;
    }
    return false;
}

bool
relais_address_is_public (const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;

        if ((six->s6_addr[0] & 0xe0) != 0x20)
            return false;
    } else if (address->sa_family != AF_INET)
        return false;
    return !is_in (refused_nets, address) && !is_in (special_nets, address);
}
