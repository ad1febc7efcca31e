/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libspf2 over a resolver that knows what it was told and nothing else: what is missing is noted, and the library
 * told to try again. Explanations are refused, since expanding one is how a domain ends a process that uses
 * Debian's library. Nothing of a check is kept. One thread.
 */
#include "spf2.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/types.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>

struct Spf2 {
    SPF_dns_server_t resolver;
    SPF_server_t *server;
};

/* One check. */
typedef struct {
    const SpfWireRequest *request;
    GPtrArray *questions; /* SpfWireAnswer */
    bool lost;            /* an answer could not be had */
    bool faulty;          /* a record of SPF is not for the library to see */
} Dns;

/* --- DNS -------------------------------------------------------------------------------------- */

static void
note (Dns *dns, const char *name, SpfDnsType type)
{
    static const SpfAnswer none = {SPF_DNS_ERROR, NULL, NULL};

    if (dns->questions->len < SPF_WIRE_QUESTIONS &&
        spf_wire_find (dns->questions, name, type) == NULL)
        g_ptr_array_add (dns->questions, spf_wire_answer_new (name, type, &none));
}

/* What the library may see of a record: it takes any octet for a character, and no length for too long. */
static bool
is_harmless (SpfDnsType type, const guint8 *bytes, gsize size)
{
    if (type == SPF_DNS_A || type == SPF_DNS_AAAA)
        return size == (type == SPF_DNS_A ? 4 : 16);
    if (size > (type == SPF_DNS_TXT ? SPF_RECORD_BYTES : SPF_NAME_BYTES))
        return false;
    for (gsize i = 0; i < size; i++)
        if (!g_ascii_isprint ((char)bytes[i]))
            return false;
    return true;
}

static void
add_record (SPF_dns_rr_t *rr, SpfDnsType type, const guint8 *bytes, gsize size)
{
    const int n = rr->num_rr;

    if (SPF_dns_rr_buf_realloc (rr, n, sizeof (SPF_dns_rr_data_t) + size + 1) != SPF_E_SUCCESS)
        return;
    if (type == SPF_DNS_A)
        memcpy (&rr->rr[n]->a, bytes, size);
    else if (type == SPF_DNS_AAAA)
        memcpy (&rr->rr[n]->aaaa, bytes, size);
    else { /* txt, mx and ptr are one place */
        if (size > 0)
            memcpy (rr->rr[n]->txt, bytes, size);
        rr->rr[n]->txt[size] = '\0';
    }
    rr->num_rr++;
}

static SPF_dns_stat_t
status_of (const SpfWireAnswer *answer)
{
    if (answer == NULL)
        return TRY_AGAIN;
    switch (answer->outcome) {
    case SPF_DNS_DATA: return NETDB_SUCCESS;
    case SPF_DNS_NODATA: return NO_DATA;
    case SPF_DNS_NXDOMAIN: return HOST_NOT_FOUND;
    case SPF_DNS_ERROR: return TRY_AGAIN;
    }
    return TRY_AGAIN;
}

static SPF_dns_rr_t *
look_up (SPF_dns_server_t *server, const char *domain, ns_type rr_type, int should_cache)
{
    Dns *dns = server->hook;
    const SpfDnsType type = (SpfDnsType)rr_type;
    const SpfWireAnswer *answer = spf_wire_find (dns->request->answers, domain, type);
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init (server, domain, rr_type, 0, status_of (answer));

    if (answer == NULL)
        note (dns, domain, type);
    else if (answer->outcome == SPF_DNS_ERROR)
        dns->lost = true;
    for (guint i = 0; answer != NULL && i < answer->records->len; i++) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (answer->records, i), &size);

        if (is_harmless (type, bytes, size))
            add_record (rr, type, bytes, size);
        else if (type == SPF_DNS_TXT && spf_record_is_spf (bytes, size))
            dns->faulty = true;
    }
    if (answer != NULL && answer->outcome == SPF_DNS_DATA && rr->num_rr == 0)
        rr->herrno = NO_DATA;
    return rr;
}

static SPF_errcode_t
refuse_explanation (SPF_server_t *server, const char *domain, char **text, size_t *size)
{
    return SPF_E_DNS_ERROR;
}

/* --- The check -------------------------------------------------------------------------------- */

static SpfResult
result_of (SPF_response_t *response, bool lost)
{
    switch (SPF_response_result (response)) {
    case SPF_RESULT_NEUTRAL: return SPF_NEUTRAL;
    case SPF_RESULT_PASS: return SPF_PASS;
    case SPF_RESULT_FAIL: return SPF_FAIL;
    case SPF_RESULT_SOFTFAIL: return SPF_SOFTFAIL;
    case SPF_RESULT_NONE: return SPF_NONE;
    case SPF_RESULT_TEMPERROR: return SPF_TEMPERROR;
    case SPF_RESULT_PERMERROR: return SPF_PERMERROR;
    case SPF_RESULT_INVALID: break;
    }
    return lost || SPF_response_errcode (response) == SPF_E_DNS_ERROR ? SPF_TEMPERROR
                                                                      : SPF_PERMERROR;
}

static bool
set_request (SPF_request_t *check, const SpfWireRequest *request)
{
    g_autofree char *postmaster = g_strconcat ("postmaster@", request->helo, NULL);
    const char *sender = request->sender[0] != '\0' ? request->sender : postmaster;
    g_autofree char *ip = NULL;
    SpfIp address;

    if (!spf_ip_parse (request->ip, &address))
        return false;
    ip = spf_ip_to_text (&address);
    return (address.six ? SPF_request_set_ipv6_str (check, ip)
                        : SPF_request_set_ipv4_str (check, ip)) == SPF_E_SUCCESS &&
           SPF_request_set_helo_dom (check, request->helo) == SPF_E_SUCCESS &&
           SPF_request_set_env_from (check, sender) == SPF_E_SUCCESS;
}

static void
take_response (SPF_response_t *response, const Dns *dns, SpfWireReply *reply)
{
    const SPF_errcode_t code = SPF_response_errcode (response);

    reply->result = result_of (response, dns->lost);
    if (dns->faulty) {
        reply->result = SPF_PERMERROR;
        reply->problem = g_strdup ("octets that are not printable ASCII, or too many of them");
    } else if (reply->result == SPF_PERMERROR || reply->result == SPF_TEMPERROR)
        reply->problem = g_strdup (SPF_strerror (code));
}

static void
ignore (const char *file, int line, const char *text)
{
}

Spf2 *
spf2_new (void)
{
    Spf2 *spf2 = g_new0 (Spf2, 1);

    SPF_warning_handler = ignore;
    SPF_info_handler = ignore;
    SPF_debug_handler = ignore;
    spf2->resolver =
        (SPF_dns_server_t){.lookup = look_up, .get_exp = refuse_explanation, .name = "relais"};
    spf2->server = SPF_server_new_dns (&spf2->resolver, 0);
    return spf2;
}

void
spf2_free (Spf2 *spf2)
{
    SPF_server_free (spf2->server);
    g_free (spf2);
}

void
spf2_evaluate (Spf2 *spf2, const SpfWireRequest *request, SpfWireReply *reply)
{
    Dns dns = {request, g_ptr_array_new_with_free_func (spf_wire_answer_free), false, false};
    SPF_request_t *check = SPF_request_new (spf2->server);
    SPF_response_t *response = NULL;

    spf2->resolver.hook = &dns;
    *reply = (SpfWireReply){SPF_PERMERROR, NULL, dns.questions};
    if (!set_request (check, request))
        reply->problem = g_strdup ("not understood by libspf2");
    else if (SPF_request_query_mailfrom (check, &response) != SPF_E_SUCCESS && response == NULL)
        reply->problem = g_strdup ("no response of libspf2");
    if (response != NULL)
        take_response (response, &dns, reply);
    g_clear_pointer (&response, SPF_response_free);
    SPF_request_free (check);
    spf2->resolver.hook = NULL;
}
