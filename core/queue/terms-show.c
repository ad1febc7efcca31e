/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl tls show DOMAIN`: what is published and set for a domain is looked up anew, put into a route that
 * nobody sends by, and decided on as a connection would have it. Loop thread. A call ends with its lookups, or with
 * the queue.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/terms-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    RelaisQueue *queue;
    RelaisCommandCall *call;
    char *domain;
    RelaisMailLookup *lookup;
    RelaisStsLookup *sts_lookup;
    RelaisMailRoute *mail;
    RelaisStsPolicy *sts;
    gint64 sts_expires_us;
    char *sts_text;
    GList place;
} Show;

static void
show_free (Show *show)
{
    g_queue_unlink (&show->queue->tls_commands, &show->place);
    relais_dns_cancel_mail (show->lookup);
    relais_sts_cancel (show->sts_lookup);
    relais_mail_route_free (show->mail);
    relais_sts_policy_unref (show->sts);
    g_free (show->sts_text);
    g_free (show->domain);
    g_free (show);
}

void
relais_queue_end_tls_commands (RelaisQueue *queue)
{
    while (queue->tls_commands.length > 0) {
        Show *show = queue->tls_commands.head->data;
        RelaisCommandCall *call = show->call;

        show_free (show);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon stops"));
    }
}

/* --- Rows --------------------------------------------------------------------------------------- */

static char *
describe_dane (const RelaisDane *dane)
{
    if (dane->outcome == RELAIS_DANE_USABLE)
        return g_strdup_printf ("usable (%u)", relais_tlsa_set_size (dane->set));
    return g_strdup (relais_dane_outcome_to_string (dane->outcome));
}

static const char *
describe_sts (const RelaisRoute *route, const char *host)
{
    if (route->sts == NULL || route->sts->mode == RELAIS_STS_MODE_NONE)
        return "none";
    return relais_sts_policy_allows (route->sts, host) ? "named" : "not named";
}

static void
put_host (RelaisCommandCall *call, const RelaisQueue *queue, const RelaisRoute *route,
          const char *host, bool secure)
{
    g_autoptr (RelaisTlsTerms) terms = relais_terms_decide (queue, route, host);
    g_autofree char *dane = describe_dane (relais_route_dane (route, host));

    relais_command_put (call, "host", host);
    relais_command_put_bool (call, "dnssec", secure);
    relais_command_put (call, "dane", dane);
    relais_command_put (call, "mta-sts", describe_sts (route, host));
    relais_command_put (call, "tls",
                        terms->refused ? "refused" : relais_tls_policy_to_string (terms->policy));
    relais_command_put (call, "by", terms->origin);
    relais_command_end_row (call);
}

static void G_GNUC_PRINTF (2, 3) note (RelaisCommandCall *call, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    relais_command_note (call, text);
}

static void
note_dane (const Show *show)
{
    if (!relais_dns_validates (show->queue->dns))
        note (show->call,
              _ ("DNSSEC: answers are not validated ([dns] trust_anchor), so DANE finds nothing."));
    else if (show->mail->secure)
        note (show->call, _ ("DNSSEC: the MX is vouched for, so TLSA records of its hosts count."));
    else
        note (show->call,
              _ ("DNSSEC: the MX is not vouched for, so TLSA records of its hosts do not count."));
    for (guint i = 0; i < show->mail->hosts->len; i++) {
        const RelaisRouteHost *host = g_ptr_array_index (show->mail->hosts, i);

        if (host->dane.reason != NULL)
            note (show->call, "DANE: %s", host->dane.reason);
    }
}

static void
note_sts (const Show *show)
{
    g_autoptr (GDateTime) end = NULL;
    g_autofree char *until = NULL;

    if (show->queue->sts == NULL)
        note (show->call, _ ("MTA-STS: switched off ([tls-policy] mta_sts)."));
    else if (show->sts == NULL)
        note (show->call, _ ("MTA-STS: no policy (%s)."), show->sts_text);
    else {
        end = g_date_time_new_from_unix_utc (show->sts_expires_us / RELAIS_USEC_PER_SEC);
        until = end != NULL ? g_date_time_format_iso8601 (end) : g_strdup ("?");
        note (show->call, _ ("MTA-STS: mode %s until %s (%s)."),
              relais_sts_mode_to_string (show->sts->mode), until, show->sts_text);
    }
}

static void
answer (Show *show)
{
    const RelaisMailRoute *mail = show->mail;
    RelaisRoute *route = relais_route_new (show->queue, mail, show->domain, NULL, show->sts);
    RelaisCommandCall *call = show->call;

    for (guint i = 0; i < mail->hosts->len; i++) {
        const RelaisRouteHost *host = g_ptr_array_index (mail->hosts, i);

        put_host (call, show->queue, route, host->name, host->secure);
    }
    relais_route_unref (route);
    if (mail->outcome != RELAIS_ROUTE_HOSTS)
        note (call, "%s %s", mail->enhanced, mail->text);
    note_dane (show);
    note_sts (show);
    show_free (show);
    relais_command_finish (call);
}

/* --- Lookups ------------------------------------------------------------------------------------ */

static void
answer_if_known (Show *show)
{
    if (show->mail != NULL && show->sts_lookup == NULL)
        answer (show);
}

static void
on_route (gpointer data, RelaisMailRoute *mail)
{
    Show *show = data;

    show->lookup = NULL;
    show->mail = mail;
    answer_if_known (show);
}

static void
on_sts (gpointer data, const RelaisStsResult *result)
{
    Show *show = data;

    show->sts_lookup = NULL;
    show->sts = result->policy != NULL ? relais_sts_policy_ref (result->policy) : NULL;
    show->sts_expires_us = result->expires_us;
    show->sts_text = g_strdup (result->text);
    answer_if_known (show);
}

static void
look_up (RelaisQueue *queue, RelaisCommandCall *call, const char *domain)
{
    Show *show = g_new0 (Show, 1);

    show->queue = queue;
    show->call = call;
    show->domain = g_strdup (domain);
    show->place.data = show;
    g_queue_push_tail_link (&queue->tls_commands, &show->place);
    if (queue->sts != NULL)
        show->sts_lookup = relais_sts_lookup (queue->sts, domain, on_sts, show);
    show->lookup = relais_dns_lookup_mail (queue->dns, domain, on_route, show);
}

static void
show_static (RelaisQueue *queue, RelaisCommandCall *call, const RelaisStaticRoute *fixed)
{
    relais_command_put (call, "host", fixed->host);
    relais_command_put (call, "tls", relais_tls_policy_to_string (fixed->tls.policy));
    relais_command_put (call, "by", "route");
    relais_command_end_row (call);
    note (call,
          _ ("Its mail goes by [route %s]; what its domain publishes does not count there, but for "
             "TLSA records of the next hop."),
          fixed->name);
    relais_command_finish (call);
}

void
relais_queue_command_tls (RelaisCommandCall *call, gpointer data)
{
    RelaisQueue *queue = data;
    g_autofree char *domain = NULL;
    const RelaisStaticRoute *fixed;

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("one domain is wanted"));
        return;
    }
    domain = g_ascii_strdown (relais_command_arg (call, 0), -1);
    fixed = relais_queue_settings_route (&queue->settings, domain);
    if (fixed != NULL)
        show_static (queue, call, fixed);
    else
        look_up (queue, call, domain);
}
