/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts that other domains' TLS policies need, put together by [tls-policy]. Main thread.
 */
#include "config.h"

#include "policies-private.h"

#include "conf/conf-private.h"
#include "message/address-private.h"
#include "queue/tlsrpt-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

struct RelaisPolicies {
    RelaisPoliciesParts parts;
    RelaisSts *sts;
    bool heeds_sts;
    guint16 dane_port, sts_port; /* dane_port 0: records are not asked for */
    RelaisTlsrpt *tlsrpt;
    bool counts; /* for reports */
    RelaisValidationTest *test;
};

/* --- DNSSEC ------------------------------------------------------------------------------------- */

/* Without validation there is no DANE, which is said once (user-demands 20). */
static void
on_validation (gpointer data, RelaisValidation validation)
{
    RelaisPolicies *policies = data;

    policies->test = NULL;
    switch (validation) {
    case RELAIS_VALIDATION_WORKS: break;
    case RELAIS_VALIDATION_OFF:
        g_message ("DANE finds nothing: the resolver does not validate ([dns] trust_anchor)");
        break;
    case RELAIS_VALIDATION_BROKEN:
        g_warning ("DNSSEC does not work: what stands at the trust anchor is not signed as it "
                   "says. What is signed below it cannot be looked up, or counts as unsigned, "
                   "until [dns] server and trust_anchor fit");
        break;
    case RELAIS_VALIDATION_UNKNOWN:
        g_message ("DNSSEC could not be tried: no answer about the trust anchor");
        break;
    }
}

static guint16
read_dane_port (const RelaisConfig *config)
{
    const RelaisSection *queue = relais_config_find_section (config, "queue", NULL);
    const RelaisSection *policy = relais_config_find_section (config, "tls-policy", NULL);

    return relais_section_get_bool (policy, "dane")
               ? (guint16)relais_section_get_int (queue, "smtp_port")
               : 0;
}

static void
use_dane (RelaisPolicies *policies, guint16 port)
{
    policies->dane_port = port;
    relais_dns_set_dane_port (policies->parts.dns, port);
    if (port != 0 && policies->test == NULL)
        policies->test = relais_dns_test_validation (policies->parts.dns, on_validation, policies);
}

/* --- MTA-STS and reports ------------------------------------------------------------------------ */

static void
use_sts (RelaisPolicies *policies, bool heeds, guint16 port)
{
    policies->heeds_sts = heeds;
    policies->sts_port = port;
    relais_sts_use (policies->sts, heeds, port);
}

/* Also if it is switched off: a reload may switch it on, and reads no files on the loop. */
static void
open_sts (RelaisPolicies *policies, const RelaisSection *policy, const char *state_dir)
{
    g_autofree char *path = g_build_filename (state_dir, "mta-sts", NULL);
    const RelaisStsOptions options = {
        .loop = policies->parts.loop,
        .pool = policies->parts.pool,
        .dns = policies->parts.dns,
        .fetcher = policies->parts.fetcher,
        .path = path,
        .port = (guint16)relais_section_get_int (policy, "mta_sts_port"),
    };

    policies->sts = relais_sts_new (&options);
    use_sts (policies, relais_section_get_bool (policy, "mta_sts"), options.port);
}

static void
use_reports (RelaisPolicies *policies, const RelaisSection *policy)
{
    const char *contact = relais_section_get_string (policy, "report_contact");

    policies->counts = contact != NULL;
    relais_tlsrpt_use (policies->tlsrpt, contact,
                       relais_section_get_string (policy, "report_organization"));
}

/* Also if nobody is to have any, as above. */
static void
open_reports (RelaisPolicies *policies, const RelaisSection *policy, const RelaisSection *relais)
{
    g_autofree char *path =
        g_build_filename (relais_section_get_string (relais, "state_dir"), "tls-reports", NULL);
    const char *hostname = relais_section_get_string (relais, "hostname");
    const RelaisTlsrptOptions options = {
        .loop = policies->parts.loop,
        .pool = policies->parts.pool,
        .dns = policies->parts.dns,
        .fetcher = policies->parts.fetcher,
        .path = path,
        .hostname = hostname != NULL ? hostname : g_get_host_name (),
    };

    policies->tlsrpt = relais_tlsrpt_new (&options);
    use_reports (policies, policy);
}

static bool
is_address (const char *text)
{
    g_autofree char *address = NULL;

    return relais_address_parse (text, strlen (text), false, &address, NULL) == RELAIS_ADDRESS_OK;
}

/* --- The whole ---------------------------------------------------------------------------------- */

bool
relais_policies_check (const RelaisConfig *config, GError **error)
{
    const RelaisSection *policy = relais_config_find_section (config, "tls-policy", NULL);
    const char *contact = relais_section_get_string (policy, "report_contact");

    if (contact == NULL || is_address (contact))
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 _ ("[tls-policy] report_contact: '%s' is no mail address"), contact);
    return false;
}

RelaisPolicies *
relais_policies_new (const RelaisPoliciesParts *parts, RelaisConfig *config, GError **error)
{
    const RelaisSection *policy = relais_config_find_section (config, "tls-policy", NULL);
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    RelaisPolicies *policies;

    if (!relais_policies_check (config, error))
        return NULL;
    policies = g_new0 (RelaisPolicies, 1);
    policies->parts = *parts;
    open_sts (policies, policy, relais_section_get_string (relais, "state_dir"));
    use_dane (policies, read_dane_port (config));
    open_reports (policies, policy, relais);
    return policies;
}

void
relais_policies_reload (RelaisPolicies *policies, const RelaisConfig *config, RelaisQueue *queue)
{
    const RelaisSection *policy = relais_config_find_section (config, "tls-policy", NULL);
    const bool heeds = relais_section_get_bool (policy, "mta_sts");
    const guint16 sts_port = (guint16)relais_section_get_int (policy, "mta_sts_port");
    const guint16 dane_port = read_dane_port (config);

    use_reports (policies, policy);
    relais_queue_use_reports (queue, relais_policies_tlsrpt (policies));
    if (heeds == policies->heeds_sts && sts_port == policies->sts_port &&
        dane_port == policies->dane_port)
        return;
    use_sts (policies, heeds, sts_port);
    if (dane_port != policies->dane_port)
        use_dane (policies, dane_port);
    relais_queue_use_policies (queue, relais_policies_sts (policies));
}

RelaisSts *
relais_policies_sts (const RelaisPolicies *policies)
{
    return policies->heeds_sts ? policies->sts : NULL;
}

RelaisTlsrpt *
relais_policies_tlsrpt (const RelaisPolicies *policies)
{
    return policies->counts ? policies->tlsrpt : NULL;
}

void
relais_policies_stop (RelaisPolicies *policies)
{
    if (policies == NULL)
        return;
    g_clear_pointer (&policies->test, relais_validation_test_cancel);
    if (policies->sts != NULL)
        relais_sts_stop (policies->sts);
    if (policies->tlsrpt != NULL)
        relais_tlsrpt_stop (policies->tlsrpt);
}

void
relais_policies_free (RelaisPolicies *policies)
{
    if (policies == NULL)
        return;
    relais_sts_free (policies->sts);
    relais_tlsrpt_free (policies->tlsrpt);
    g_free (policies);
}
