/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where mail for a domain goes (RFC 5321 section 5.1, RFC 7505): one lookup is MX, then the addresses
 * of its hosts, then, only if nothing was found, the same questions past the cache of absences, so
 * that mail is bounced for what is certain alone. The outcome is decided by decide () and what it
 * calls; nothing that failed for now ever counts as absent. Loop thread only.
 *
 *   MX answer                                    what follows
 *   temporary, bogus, malformed                  TEMPORARY 4.4.3, no look at addresses
 *   no such domain, said again by a server       PERMANENT 5.1.2
 *   a single "."                                 PERMANENT 5.1.10
 *   no such type                                 the domain itself is the host (implicit MX)
 *   hosts                                        at most 20 of them
 *
 *   addresses of the hosts                       (first row that fits)
 *   one or more that mail may go to              HOSTS
 *   a lookup failed for now                      TEMPORARY 4.4.3
 *   some, but loopback, private or our own       PERMANENT 5.4.6
 *   none, said again by a server                 PERMANENT 5.4.4; of the domain itself 5.1.2
 *
 * With a DANE port, hosts whose addresses DNSSEC vouches for, of an MX that it vouches for, are asked for TLSA
 * records then (dane.c). A host of which that fails is not used, as if its addresses had not been found; if none
 * is left the outcome is TEMPORARY 4.7.5.
 *
 * Hosts that are as near as ourselves or farther are not tried (RFC 5321 section 5.1).
 */
#include "config.h"

#include "dns/resolver-private.h"

#include "conf/net-private.h"
#include "dns/answer-private.h"
#include "dns/dane-private.h"

#include <netinet/in.h>
#include <string.h>

enum { MAX_HOSTS = 20, MAX_ADDRESSES = 100 };
enum { FAMILY_SIX, FAMILY_FOUR, N_FAMILIES };
#define SHORTEST_US (30 * RELAIS_USEC_PER_SEC)
#define LONGEST_US (3600 * RELAIS_USEC_PER_SEC)

static const RelaisDnsType family_type[N_FAMILIES] = {RELAIS_DNS_AAAA, RELAIS_DNS_A};

typedef struct {
    RelaisMailLookup *lookup;
    char *name;
    guint16 preference;
    guint32 dice;    /* orders hosts of equal preference */
    bool own;        /* resolves to an address that we listen on */
    bool refused;    /* or to one that no mail is sent to */
    bool failed;     /* an address lookup failed for now */
    bool unsure;     /* an absence that only one answer has said so far */
    bool insecure;   /* an address that DNSSEC does not vouch for */
    char *canonical; /* what it is an alias of, or NULL */
    RelaisDane dane;
    RelaisDaneLookup *dane_lookup;
    RelaisDnsQuery *queries[N_FAMILIES];
    GArray *found[N_FAMILIES]; /* RelaisDnsAddress */
} Host;

struct RelaisMailLookup {
    RelaisDns *dns;
    char *domain;
    RelaisMailRouteFunc func;
    gpointer data;
    bool is_static;    /* a host that the administrator named */
    guint16 dane_port; /* of it; 0: no records are asked for */
    bool implicit;
    bool confirming; /* the second time round */
    bool own;        /* a host resolved to an address that we listen on */
    bool secure;     /* the MX, or that there is none */
    RelaisDnsQuery *mx;
    GPtrArray *hosts; /* Host */
    guint n_pending;
    guint32 ttl_s;
    char *failure;          /* of the first address lookup that failed */
    RelaisMailRoute *ready; /* known at once, told by the timer */
    RelaisTimer later;
};

static void ask_addresses (RelaisMailLookup *lookup);

/* --- Life ------------------------------------------------------------------------------------- */

static void
host_free (gpointer data)
{
    Host *host = data;

    if (host == NULL)
        return;
    for (int i = 0; i < N_FAMILIES; i++) {
        relais_dns_cancel (host->queries[i]);
        g_array_unref (host->found[i]);
    }
    relais_dane_cancel (host->dane_lookup);
    relais_dane_clear (&host->dane);
    g_free (host->canonical);
    g_free (host->name);
    g_free (host);
}

static Host *
add_host (RelaisMailLookup *lookup, const char *name, guint16 preference)
{
    Host *host = g_new0 (Host, 1);

    host->lookup = lookup;
    host->name = g_strdup (name);
    host->preference = preference;
    host->dice = g_rand_int (relais_dns_rand (lookup->dns));
    for (int i = 0; i < N_FAMILIES; i++)
        host->found[i] = g_array_new (FALSE, FALSE, sizeof (RelaisDnsAddress));
    g_ptr_array_add (lookup->hosts, host);
    return host;
}

static RelaisMailLookup *
lookup_new (RelaisDns *dns, const char *domain, RelaisMailRouteFunc func, gpointer data)
{
    RelaisMailLookup *lookup = g_new0 (RelaisMailLookup, 1);

    lookup->dns = dns;
    lookup->domain = g_ascii_strdown (domain, -1);
    lookup->func = func;
    lookup->data = data;
    lookup->ttl_s = G_MAXUINT32;
    lookup->hosts = g_ptr_array_new_with_free_func (host_free);
    return lookup;
}

void
relais_dns_cancel_mail (RelaisMailLookup *lookup)
{
    if (lookup == NULL)
        return;
    relais_dns_cancel (lookup->mx);
    relais_timer_stop (&lookup->later);
    g_ptr_array_unref (lookup->hosts);
    relais_mail_route_free (lookup->ready);
    g_free (lookup->failure);
    g_free (lookup->domain);
    g_free (lookup);
}

static void
route_host_free (gpointer data)
{
    RelaisRouteHost *host = data;

    g_array_unref (host->addresses);
    relais_dane_clear (&host->dane);
    g_free (host->name);
    g_free (host);
}

void
relais_mail_route_free (RelaisMailRoute *route)
{
    if (route == NULL)
        return;
    g_ptr_array_unref (route->hosts);
    g_free (route->text);
    g_free (route);
}

static RelaisMailRoute *
route_new (const RelaisMailLookup *lookup, RelaisRouteOutcome outcome, const char *enhanced)
{
    RelaisMailRoute *route = g_new0 (RelaisMailRoute, 1);
    gint64 ttl_us = (gint64)lookup->ttl_s * RELAIS_USEC_PER_SEC;

    route->outcome = outcome;
    route->enhanced = enhanced;
    route->implicit_mx = lookup->implicit;
    route->secure = lookup->secure;
    route->hosts = g_ptr_array_new_with_free_func (route_host_free);
    if (outcome == RELAIS_ROUTE_TEMPORARY)
        ttl_us = SHORTEST_US;
    route->expires_us = relais_loop_now_us (relais_dns_loop (lookup->dns)) +
                        CLAMP (ttl_us, SHORTEST_US, LONGEST_US);
    return route;
}

static RelaisMailRoute *
route_failed (const RelaisMailLookup *lookup, RelaisRouteOutcome outcome, const char *enhanced,
              const char *format, ...) G_GNUC_PRINTF (4, 5);

static RelaisMailRoute *
route_failed (const RelaisMailLookup *lookup, RelaisRouteOutcome outcome, const char *enhanced,
              const char *format, ...)
{
    RelaisMailRoute *route = route_new (lookup, outcome, enhanced);
    va_list args;

    va_start (args, format);
    route->text = g_strdup_vprintf (format, args);
    va_end (args);
    return route;
}

/* The last thing a lookup does. */
static void
tell (RelaisMailLookup *lookup, RelaisMailRoute *route)
{
    RelaisMailRouteFunc func = lookup->func;
    gpointer data = lookup->data;

    relais_dns_cancel_mail (lookup);
    func (data, route);
}

static void
on_later (gpointer data)
{
    RelaisMailLookup *lookup = data;

    tell (lookup, g_steal_pointer (&lookup->ready));
}

static void
tell_later (RelaisMailLookup *lookup, RelaisMailRoute *route)
{
    lookup->ready = route;
    relais_timer_init (&lookup->later, relais_dns_loop (lookup->dns), on_later, lookup);
    relais_timer_set (&lookup->later, 0);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static void
take_address (Host *host, int family, const RelaisDnsAddress *address)
{
    const RelaisMailLookup *lookup = host->lookup;
    RelaisTargetKind kind = RELAIS_TARGET_GOOD;

    if (!lookup->is_static)
        kind = relais_targets_judge (relais_dns_targets (lookup->dns),
                                     (const struct sockaddr *)&address->address);
    switch (kind) {
    case RELAIS_TARGET_GOOD: g_array_append_vals (host->found[family], address, 1); break;
    case RELAIS_TARGET_OWN: host->own = true; break;
    case RELAIS_TARGET_REFUSED: host->refused = true; break;
    }
}

static void
shuffle (GRand *rand, GArray *addresses)
{
    for (guint i = addresses->len; i > 1; i--) {
        guint other = (guint)g_rand_int_range (rand, 0, (gint32)i);
        RelaisDnsAddress *a = &g_array_index (addresses, RelaisDnsAddress, i - 1);
        RelaisDnsAddress *b = &g_array_index (addresses, RelaisDnsAddress, other);
        RelaisDnsAddress spare = *a;

        *a = *b;
        *b = spare;
    }
}

/* --- What is told ----------------------------------------------------------------------------- */

static bool
has_addresses (const Host *host)
{
    return host->found[FAMILY_SIX]->len + host->found[FAMILY_FOUR]->len > 0;
}

/* Drops the hosts that are no nearer to the destination than we are. */
static void
drop_behind_ourselves (RelaisMailLookup *lookup)
{
    guint nearest = G_MAXUINT;

    for (guint i = 0; i < lookup->hosts->len; i++) {
        const Host *host = g_ptr_array_index (lookup->hosts, i);

        if (host->own)
            nearest = MIN (nearest, host->preference);
    }
    for (guint i = lookup->hosts->len; i > 0; i--) {
        const Host *host = g_ptr_array_index (lookup->hosts, i - 1);

        if (host->preference >= nearest)
            g_ptr_array_remove_index (lookup->hosts, i - 1);
    }
}

static void
add_route_host (RelaisMailRoute *route, const Host *host, guint *room)
{
    RelaisRouteHost *to = g_new0 (RelaisRouteHost, 1);

    to->name = g_strdup (host->name);
    to->preference = host->preference;
    to->temporary = host->failed;
    to->secure = has_addresses (host) && !host->insecure;
    relais_dane_copy (&to->dane, &host->dane);
    to->addresses = g_array_new (FALSE, FALSE, sizeof (RelaisDnsAddress));
    for (int family = 0; family < N_FAMILIES; family++) {
        guint n = MIN (host->found[family]->len, *room);

        shuffle (relais_dns_rand (host->lookup->dns), host->found[family]);
        g_array_append_vals (to->addresses, host->found[family]->data, n);
        *room -= n;
    }
    g_ptr_array_add (route->hosts, to);
}

static RelaisMailRoute *
route_of_hosts (const RelaisMailLookup *lookup)
{
    RelaisMailRoute *route = route_new (lookup, RELAIS_ROUTE_HOSTS, NULL);
    guint room = MAX_ADDRESSES;

    for (guint i = 0; i < lookup->hosts->len; i++) {
        const Host *host = g_ptr_array_index (lookup->hosts, i);

        if (host->failed || (has_addresses (host) && room > 0))
            add_route_host (route, host, &room);
    }
    return route;
}

static RelaisMailRoute *
route_of_nothing (const RelaisMailLookup *lookup)
{
    if (lookup->is_static)
        return route_failed (lookup, RELAIS_ROUTE_TEMPORARY, "4.4.4", "next hop %s has no address",
                             lookup->domain);
    if (lookup->implicit)
        return route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.1.2",
                             "domain %s has neither mail servers nor an address", lookup->domain);
    return route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.4.4",
                         "no mail server of domain %s has an address", lookup->domain);
}

/* --- DANE --------------------------------------------------------------------------------------- */

/* Every TLSA lookup has ended. */
static void
decide_by_dane (RelaisMailLookup *lookup)
{
    RelaisMailRoute *route = route_of_hosts (lookup);
    const char *reason = NULL;
    bool found = false;

    for (guint i = 0; i < lookup->hosts->len; i++) {
        const Host *host = g_ptr_array_index (lookup->hosts, i);

        found |= has_addresses (host);
        if (host->dane.outcome == RELAIS_DANE_FAILED && reason == NULL)
            reason = host->dane.reason;
    }
    if (!found) {
        RelaisMailRoute *failed =
            route_failed (lookup, RELAIS_ROUTE_TEMPORARY, "4.7.5", "%s", reason);
        GPtrArray *hosts = failed->hosts;

        failed->hosts = route->hosts; /* for reports: what each of them lacked */
        route->hosts = hosts;
        relais_mail_route_free (route);
        route = failed;
    }
    tell (lookup, route);
}

static void
on_dane (gpointer data, RelaisDane *dane, guint32 ttl_s)
{
    Host *host = data;
    RelaisMailLookup *lookup = host->lookup;

    host->dane_lookup = NULL;
    host->dane = *dane;
    if (dane->outcome == RELAIS_DANE_FAILED) {
        host->failed = true;
        for (int i = 0; i < N_FAMILIES; i++)
            g_array_set_size (host->found[i], 0);
    } else
        lookup->ttl_s = MIN (lookup->ttl_s, ttl_s);
    if (--lookup->n_pending == 0)
        decide_by_dane (lookup);
}

/* There are hosts with addresses. */
static void
ask_dane (RelaisMailLookup *lookup)
{
    const guint16 port = lookup->is_static ? lookup->dane_port : relais_dns_dane_port (lookup->dns);
    const bool named_securely = lookup->secure || lookup->is_static;

    g_assert (lookup->n_pending == 0);
    for (guint i = 0; port != 0 && named_securely && i < lookup->hosts->len; i++) {
        Host *host = g_ptr_array_index (lookup->hosts, i);

        if (!has_addresses (host) || (host->insecure && host->canonical == NULL))
            continue;
        lookup->n_pending++;
        host->dane_lookup = relais_dane_lookup (lookup->dns, host->name, host->canonical,
                                                !host->insecure, port, on_dane, host);
    }
    if (lookup->n_pending == 0)
        tell (lookup, route_of_hosts (lookup));
}

/* --- The decision ----------------------------------------------------------------------------- */

/* Every address lookup has ended. */
static void
decide (RelaisMailLookup *lookup)
{
    bool found = false, failed = false, refused = false, unsure = false;

    /* The second time round those hosts are gone. */
    for (guint i = 0; i < lookup->hosts->len; i++)
        lookup->own |= ((const Host *)g_ptr_array_index (lookup->hosts, i))->own;
    drop_behind_ourselves (lookup);
    for (guint i = 0; i < lookup->hosts->len; i++) {
        const Host *host = g_ptr_array_index (lookup->hosts, i);

        found |= has_addresses (host);
        failed |= host->failed;
        refused |= host->refused;
        unsure |= host->unsure;
    }
    if (found)
        ask_dane (lookup);
    else if (failed)
        tell (lookup,
              route_failed (lookup, RELAIS_ROUTE_TEMPORARY, "4.4.3", "%s", lookup->failure));
    else if (unsure && !lookup->confirming) {
        lookup->confirming = true;
        ask_addresses (lookup);
    } else if (lookup->own)
        tell (lookup, route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.4.6",
                                    "mail for domain %s loops back to this host", lookup->domain));
    else if (refused)
        tell (lookup, route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.4.6",
                                    "the mail servers of domain %s have only local or private "
                                    "addresses",
                                    lookup->domain));
    else
        tell (lookup, route_of_nothing (lookup));
}

/* --- Address lookups -------------------------------------------------------------------------- */

static void
take_answer (Host *host, int family, const RelaisDnsAnswer *answer)
{
    RelaisMailLookup *lookup = host->lookup;

    switch (answer->outcome) {
    case RELAIS_DNS_DATA:
        lookup->ttl_s = MIN (lookup->ttl_s, answer->ttl_s);
        host->insecure |= !answer->secure;
        if (host->canonical == NULL)
            host->canonical = g_strdup (answer->canonical);
        for (guint i = 0; i < answer->records->len; i++) {
            const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, i);
            RelaisDnsAddress address;

            if (relais_address_from_bytes (record->bytes, record->size, 0, &address.address,
                                           &address.size))
                take_address (host, family, &address);
        }
        break;
    case RELAIS_DNS_NODATA:
    case RELAIS_DNS_NXDOMAIN: host->unsure |= !answer->secure; break;
    case RELAIS_DNS_TEMPORARY:
    case RELAIS_DNS_BOGUS:
        host->failed = true;
        if (lookup->failure == NULL)
            lookup->failure =
                g_strdup_printf ("address lookup of %s failed: %s", host->name, answer->reason);
        break;
    }
}

static void
take_family (Host *host, int family, const RelaisDnsAnswer *answer)
{
    RelaisMailLookup *lookup = host->lookup;

    host->queries[family] = NULL;
    take_answer (host, family, answer);
    if (--lookup->n_pending == 0)
        decide (lookup);
}

static void
on_six (gpointer data, const RelaisDnsAnswer *answer)
{
    take_family (data, FAMILY_SIX, answer);
}

static void
on_four (gpointer data, const RelaisDnsAnswer *answer)
{
    take_family (data, FAMILY_FOUR, answer);
}

/* Called with at least one host. */
static void
ask_addresses (RelaisMailLookup *lookup)
{
    static const RelaisDnsFunc on_family[N_FAMILIES] = {on_six, on_four};

    lookup->n_pending = lookup->hosts->len * N_FAMILIES;
    for (guint i = 0; i < lookup->hosts->len; i++) {
        Host *host = g_ptr_array_index (lookup->hosts, i);

        host->unsure = false;
        for (int family = 0; family < N_FAMILIES; family++)
            host->queries[family] = relais_dns_ask (lookup->dns, lookup->confirming, host->name,
                                                    family_type[family], on_family[family], host);
    }
}

/* --- MX --------------------------------------------------------------------------------------- */

static gint
compare_hosts (gconstpointer a, gconstpointer b)
{
    const Host *one = *(const Host *const *)a, *other = *(const Host *const *)b;

    if (one->preference != other->preference)
        return one->preference < other->preference ? -1 : 1;
    return one->dice < other->dice ? -1 : one->dice > other->dice;
}

/* One name named twice counts where it is nearest; at most 200 of them (DNS_MAX_RECORDS). */
static void
drop_repeated (RelaisMailLookup *lookup)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GPtrArray) all = g_steal_pointer (&lookup->hosts);

    lookup->hosts = g_ptr_array_new_with_free_func (host_free);
    for (guint i = 0; i < all->len; i++) {
        Host *host = g_ptr_array_index (all, i);

        if (g_hash_table_add (seen, host->name)) {
            g_ptr_array_add (lookup->hosts, host);
            all->pdata[i] = NULL;
        }
    }
}

/* A "." is the null MX only when it stands alone (RFC 7505 section 3); among others it is no host. */
static void
take_mx (RelaisMailLookup *lookup, const RelaisDnsAnswer *answer)
{
    /* That was of the MX: an address is absent when that is said twice as well. */
    lookup->confirming = false;
    lookup->ttl_s = MIN (lookup->ttl_s, answer->ttl_s);
    for (guint i = 0; i < answer->records->len; i++) {
        const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, i);

        if (record->name[0] != '\0')
            add_host (lookup, record->name, record->preference);
    }
    if (lookup->hosts->len == 0) {
        tell (lookup, route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.1.10",
                                    "domain %s accepts no mail (null MX)", lookup->domain));
        return;
    }
    g_ptr_array_sort (lookup->hosts, compare_hosts);
    drop_repeated (lookup);
    if (lookup->hosts->len > MAX_HOSTS)
        g_ptr_array_set_size (lookup->hosts, MAX_HOSTS);
    ask_addresses (lookup);
}

static void
on_mx (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisMailLookup *lookup = data;

    lookup->mx = NULL;
    lookup->secure = answer->secure;
    switch (answer->outcome) {
    case RELAIS_DNS_DATA: take_mx (lookup, answer); break;
    case RELAIS_DNS_NODATA:
        lookup->implicit = true;
        lookup->ttl_s = answer->ttl_s;
        lookup->confirming = false;
        add_host (lookup, lookup->domain, 0);
        ask_addresses (lookup);
        break;
    case RELAIS_DNS_NXDOMAIN:
        lookup->ttl_s = answer->ttl_s;
        if (lookup->confirming || answer->secure)
            tell (lookup, route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.1.2",
                                        "domain %s does not exist", lookup->domain));
        else {
            lookup->confirming = true;
            lookup->mx =
                relais_dns_ask (lookup->dns, true, lookup->domain, RELAIS_DNS_MX, on_mx, lookup);
        }
        break;
    case RELAIS_DNS_TEMPORARY:
    case RELAIS_DNS_BOGUS:
        tell (lookup, route_failed (lookup, RELAIS_ROUTE_TEMPORARY, "4.4.3",
                                    "MX lookup of %s failed: %s", lookup->domain, answer->reason));
        break;
    }
}

/* --- The two entrances ------------------------------------------------------------------------ */

static bool
is_literal (const char *domain)
{
    return domain[0] == '[';
}

/* RFC 5321 section 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]"; without brackets for a next hop. */
static bool
parse_literal (const char *text, RelaisDnsAddress *address)
{
    gsize size = strlen (text);
    g_autofree char *inner = NULL;
    const char *bare;
    bool six;

    if (!is_literal (text))
        return relais_address_from_text (text, 0, &address->address, &address->size);
    if (size < 3 || text[size - 1] != ']')
        return false;
    inner = g_strndup (text + 1, size - 2);
    six = g_ascii_strncasecmp (inner, "ipv6:", 5) == 0;
    bare = six ? inner + 5 : inner;
    return relais_address_from_text (bare, 0, &address->address, &address->size) &&
           six == (address->address.ss_family == AF_INET6);
}

static void
decide_later (RelaisMailLookup *lookup, const RelaisDnsAddress *address)
{
    Host *host = add_host (lookup, lookup->domain, 0);

    take_address (host, address->address.ss_family == AF_INET6 ? FAMILY_SIX : FAMILY_FOUR, address);
    if (has_addresses (host))
        tell_later (lookup, route_of_hosts (lookup));
    else
        tell_later (lookup,
                    route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.4.6", "%s",
                                  host->own ? "mail for this address loops back to this host"
                                            : "this address is local or private"));
}

static bool
is_host_name (const char *text)
{
    RelaisDnsName name;
    g_autofree char *plain = NULL;

    if (!relais_dns_name_from_text (text, &name) || name.size < 2)
        return false;
    plain = relais_dns_name_to_text (&name);
    return plain != NULL;
}

RelaisMailLookup *
relais_dns_lookup_mail (RelaisDns *dns, const char *domain, RelaisMailRouteFunc func, gpointer data)
{
    RelaisMailLookup *lookup = lookup_new (dns, domain, func, data);
    RelaisDnsAddress address = {0};

    if (is_literal (domain)) {
        if (parse_literal (domain, &address))
            decide_later (lookup, &address);
        else
            tell_later (lookup, route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.1.3",
                                              "not an address literal"));
    } else if (!is_host_name (domain))
        tell_later (lookup,
                    route_failed (lookup, RELAIS_ROUTE_PERMANENT, "5.1.2", "not a domain name"));
    else
        lookup->mx = relais_dns_ask (dns, false, lookup->domain, RELAIS_DNS_MX, on_mx, lookup);
    return lookup;
}

RelaisMailLookup *
relais_dns_lookup_host (RelaisDns *dns, const char *host, guint16 dane_port,
                        RelaisMailRouteFunc func, gpointer data)
{
    RelaisMailLookup *lookup = lookup_new (dns, host, func, data);
    RelaisDnsAddress address = {0};

    lookup->is_static = true;
    if (parse_literal (host, &address))
        decide_later (lookup, &address);
    else if (!is_host_name (host))
        tell_later (lookup, route_failed (lookup, RELAIS_ROUTE_TEMPORARY, "4.4.4",
                                          "next hop is neither a host name nor an address"));
    else {
        lookup->dane_port = relais_dns_dane_port (dns) != 0 ? dane_port : 0;
        add_host (lookup, lookup->domain, 0);
        ask_addresses (lookup);
    }
    return lookup;
}
