/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of RFC 7672 section 2.1 and the lookup behind it. Loop thread only.
 *
 *   answer to the TLSA question               what it asks for
 *   records, secure, one or more usable       USABLE: the certificate has to match one of those
 *   records, secure, none usable              UNUSABLE: TLS, whatever the certificate
 *   records, insecure                         NONE
 *   no records, secure or not                 NONE (of the next base domain, if there is one)
 *   temporary, bogus                          FAILED: no mail to this host for now, never a downgrade
 */
#include "config.h"

#include "dns/dane-private.h"

#include "dns/answer-private.h"
#include "dns/resolver-private.h"

struct RelaisDaneLookup {
    RelaisDns *dns;
    char *host, *canonical;
    guint16 port;
    RelaisDnsQuery *query;
    const char *base; /* being asked for */
    guint32 ttl_s;
    RelaisDaneFunc func;
    gpointer data;
};

static void
take_records (const RelaisDnsAnswer *answer, const char *base, RelaisDane *dane)
{
    g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new (base);

    for (guint i = 0; i < answer->records->len; i++) {
        const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, i);
        RelaisTlsa tlsa;

        if (relais_tlsa_parse (record->bytes, record->size, &tlsa) && relais_tlsa_is_usable (&tlsa))
            relais_tlsa_set_add (set, &tlsa);
    }
    dane->outcome = RELAIS_DANE_UNUSABLE;
    if (relais_tlsa_set_size (set) > 0) {
        dane->outcome = RELAIS_DANE_USABLE;
        dane->set = g_steal_pointer (&set);
    }
}

void
relais_dane_judge (const RelaisDnsAnswer *answer, const char *base, RelaisDane *dane)
{
    *dane = (RelaisDane){.outcome = RELAIS_DANE_NONE};
    switch (answer->outcome) {
    case RELAIS_DNS_DATA:
        if (answer->secure)
            take_records (answer, base, dane);
        break;
    case RELAIS_DNS_NODATA:
    case RELAIS_DNS_NXDOMAIN: break;
    case RELAIS_DNS_TEMPORARY:
    case RELAIS_DNS_BOGUS:
        dane->outcome = RELAIS_DANE_FAILED;
        dane->bogus = answer->outcome == RELAIS_DNS_BOGUS;
        dane->reason = g_strdup_printf ("TLSA lookup of %s failed: %s", base,
                                        answer->reason != NULL ? answer->reason : "no answer");
        break;
    }
}

void
relais_dane_clear (RelaisDane *dane)
{
    g_clear_pointer (&dane->set, relais_tlsa_set_unref);
    g_clear_pointer (&dane->reason, g_free);
    dane->outcome = RELAIS_DANE_NONE;
}

void
relais_dane_copy (RelaisDane *to, const RelaisDane *from)
{
    *to = *from;
    to->set = from->set != NULL ? relais_tlsa_set_ref (from->set) : NULL;
    to->reason = g_strdup (from->reason);
}

const char *
relais_dane_outcome_to_string (RelaisDaneOutcome outcome)
{
    switch (outcome) {
    case RELAIS_DANE_NONE: return "none";
    case RELAIS_DANE_USABLE: return "usable";
    case RELAIS_DANE_UNUSABLE: return "unusable";
    case RELAIS_DANE_FAILED: return "failed";
    }
    g_assert_not_reached ();
}

/* --- The lookup --------------------------------------------------------------------------------- */

static void ask (RelaisDaneLookup *lookup, const char *base);
static void tell (RelaisDaneLookup *lookup, RelaisDane *dane);

void
relais_dane_cancel (RelaisDaneLookup *lookup)
{
    if (lookup == NULL)
        return;
    relais_dns_cancel (lookup->query);
    g_free (lookup->host);
    g_free (lookup->canonical);
    g_free (lookup);
}

static void
on_answer (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisDaneLookup *lookup = data;
    RelaisDane dane;

    lookup->query = NULL;
    lookup->ttl_s = MIN (lookup->ttl_s, answer->ttl_s);
    relais_dane_judge (answer, lookup->base, &dane);
    if (dane.outcome == RELAIS_DANE_NONE && lookup->base != lookup->host)
        ask (lookup, lookup->host);
    else
        tell (lookup, &dane);
}

static void
tell (RelaisDaneLookup *lookup, RelaisDane *dane)
{
    RelaisDaneFunc func = lookup->func;
    gpointer data = lookup->data;
    guint32 ttl_s = lookup->ttl_s;

    relais_dane_cancel (lookup);
    func (data, dane, ttl_s);
}

static void
ask (RelaisDaneLookup *lookup, const char *base)
{
    g_autofree char *name = g_strdup_printf ("_%u._tcp.%s", lookup->port, base);

    lookup->base = base;
    lookup->query = relais_dns_ask (lookup->dns, false, name, RELAIS_DNS_TLSA, on_answer, lookup);
}

/* The alias itself was asked for. What failed is told as a failed lookup of records would be. */
static void
on_alias (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisDaneLookup *lookup = data;
    RelaisDane dane = {.outcome = RELAIS_DANE_NONE};

    lookup->query = NULL;
    lookup->ttl_s = MIN (lookup->ttl_s, answer->ttl_s);
    if (answer->outcome == RELAIS_DNS_DATA && answer->secure) {
        ask (lookup, lookup->host);
        return;
    }
    if (answer->outcome != RELAIS_DNS_DATA)
        relais_dane_judge (answer, lookup->host, &dane);
    tell (lookup, &dane);
}

RelaisDaneLookup *
relais_dane_lookup (RelaisDns *dns, const char *host, const char *canonical, bool secure,
                    guint16 port, RelaisDaneFunc func, gpointer data)
{
    RelaisDaneLookup *lookup = g_new0 (RelaisDaneLookup, 1);

    lookup->dns = dns;
    lookup->host = g_strdup (host);
    lookup->canonical = g_strdup (canonical);
    lookup->port = port;
    lookup->ttl_s = G_MAXUINT32;
    lookup->func = func;
    lookup->data = data;
    if (secure)
        ask (lookup, lookup->canonical != NULL ? lookup->canonical : lookup->host);
    else
        lookup->query = relais_dns_ask (dns, false, host, RELAIS_DNS_CNAME, on_alias, lookup);
    return lookup;
}
