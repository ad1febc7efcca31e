/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hosts, their timers and their state; the table that modules read is made anew at each change.
 * Loop thread only.
 */
#include "config.h"

#include "http/tracking-state-private.h"

#include "message/address-private.h"

#include <relais/option.h>

#include <string.h>

static const gint64 FIRST_SPREAD_US = RELAIS_USEC_PER_SEC;
enum { SPREAD_PART = 10 /* checks come up to a tenth earlier */ };

/* --- The state of one host -------------------------------------------------------------------- */

bool
relais_tracking_health_note (RelaisTrackingHealth *health, bool good, gint64 wall_us)
{
    RelaisTrackingState before = health->state;

    health->failures = good ? 0 : health->failures + 1;
    if (good)
        health->state = RELAIS_TRACKING_GOOD;
    else if (!health->was_good || health->failures >= RELAIS_TRACKING_FAILURES)
        health->state = RELAIS_TRACKING_FAILING;
    health->was_good |= good;
    if (health->state == before)
        return false;
    health->since_us = wall_us;
    return true;
}

const char *
relais_tracking_state_to_string (RelaisTrackingState state)
{
    switch (state) {
    case RELAIS_TRACKING_UNKNOWN: return "unknown";
    case RELAIS_TRACKING_GOOD: return "good";
    case RELAIS_TRACKING_FAILING: return "failing";
    }
    g_assert_not_reached ();
}

/* --- What modules read ------------------------------------------------------------------------ */

static void
publish (const RelaisTracking *tracking)
{
    RelaisTrackingTable *table;

    if (tracking->options.host == NULL)
        return;
    table = relais_tracking_table_new ();
    for (guint i = 0; i < tracking->hosts->len; i++) {
        const RelaisTrackingHost *host = g_ptr_array_index (tracking->hosts, i);

        for (guint j = 0; j < host->domains->len; j++)
            relais_tracking_table_add (table, g_ptr_array_index (host->domains, j),
                                       host->origin.url, host->health.state);
    }
    relais_host_set_tracking (tracking->options.host, table);
}

/* --- Checks ----------------------------------------------------------------------------------- */

static void
log_failure (const RelaisTrackingHost *host, const RelaisTrackingStep *step, bool untracked)
{
    g_warning ("tracking host %s: step %s failed: found: %s; expected: %s; what to do: %s; %s",
               host->origin.url, step->name, step->found, step->expected, step->advice,
               untracked ? "mail goes out untracked until a check is good"
                         : "mail is still tracked, the next check decides");
}

/* Once when the end comes near, not at every check. */
static void
log_expiry (RelaisTrackingHost *host, const GPtrArray *steps)
{
    bool expiring = false;

    for (guint i = 0; i < steps->len; i++) {
        const RelaisTrackingStep *step = g_ptr_array_index (steps, i);

        if (step->result != RELAIS_STEP_WARNING)
            continue;
        expiring = true;
        if (!host->expiring)
            g_warning ("tracking host %s: %s: %s; what to do: %s", host->origin.url, step->name,
                       step->found, step->advice);
    }
    host->expiring = expiring;
}

static void
plan_next (RelaisTrackingHost *host)
{
    const RelaisTracking *tracking = host->tracking;
    gint64 wait_us = host->health.failures > 0 ? tracking->retry_us : tracking->check_us;

    wait_us -= (gint64)(g_random_double () * (double)wait_us / SPREAD_PART);
    relais_timer_set (&host->timer, wait_us);
}

void
relais_tracking_note (RelaisTrackingHost *host, const GPtrArray *steps)
{
    const RelaisTrackingStep *failed = relais_tracking_steps_failed (steps);
    gint64 now_us = relais_loop_wall_us (host->tracking->options.loop);
    bool changed = relais_tracking_health_note (&host->health, failed == NULL, now_us);

    relais_tracking_step_free (host->failed);
    host->failed = failed != NULL
                       ? relais_tracking_step_new (failed->name, failed->result, failed->found,
                                                   failed->expected, failed->advice)
                       : NULL;
    log_expiry (host, steps);
    if (changed)
        publish (host->tracking);
    if (failed != NULL && (changed || host->health.state == RELAIS_TRACKING_GOOD))
        log_failure (host, failed, changed);
    else if (changed)
        g_message ("tracking host %s: all steps are good; mail is tracked", host->origin.url);
    if (host->tracking->started)
        plan_next (host);
}

static void
on_checked (gpointer data, const GPtrArray *steps, bool known)
{
    RelaisTrackingHost *host = data;

    host->check = NULL;
    if (known)
        relais_tracking_note (host, steps);
    else
        relais_timer_set (&host->timer, host->tracking->retry_us);
}

RelaisTrackingCheckOptions
relais_tracking_check_options (const RelaisTracking *tracking)
{
    return (RelaisTrackingCheckOptions){
        .loop = tracking->options.loop,
        .pool = tracking->options.pool,
        .fetcher = tracking->options.fetcher,
        .probes = (const RelaisTrackingProbe *)(gconstpointer)tracking->probes->data,
        .n_probes = tracking->probes->len,
        .timeout_us = tracking->timeout_us,
        .hostname = tracking->hostname,
    };
}

static void
on_timer (gpointer data)
{
    RelaisTrackingHost *host = data;
    const RelaisTrackingCheckOptions options = relais_tracking_check_options (host->tracking);

    if (host->check == NULL)
        host->check = relais_tracking_check_new (&options, &host->origin, on_checked, host);
}

/* --- The configuration ------------------------------------------------------------------------ */

static void
host_free (gpointer data)
{
    RelaisTrackingHost *host = data;

    relais_tracking_check_cancel (host->check);
    relais_timer_stop (&host->timer);
    relais_origin_clear (&host->origin);
    g_ptr_array_unref (host->domains);
    relais_tracking_step_free (host->failed);
    g_free (host);
}

RelaisTrackingHost *
relais_tracking_find (const RelaisTracking *tracking, const char *text)
{
    g_autofree char *lower = g_ascii_strdown (text, -1);

    for (guint i = 0; i < tracking->hosts->len; i++) {
        RelaisTrackingHost *host = g_ptr_array_index (tracking->hosts, i);
        const char *authority = strstr (host->origin.url, "//") + 2;

        if (strcmp (lower, host->origin.url) == 0 || strcmp (lower, authority) == 0 ||
            strcmp (lower, host->origin.host) == 0)
            return host;
    }
    return NULL;
}

static RelaisTrackingHost *
take_host (RelaisTracking *tracking, RelaisOrigin *origin)
{
    RelaisTrackingHost *host;

    for (guint i = 0; i < tracking->hosts->len; i++) {
        host = g_ptr_array_index (tracking->hosts, i);
        if (strcmp (host->origin.url, origin->url) == 0) {
            relais_origin_clear (origin);
            return host;
        }
    }
    host = g_new0 (RelaisTrackingHost, 1);
    host->tracking = tracking;
    host->origin = *origin;
    host->domains = g_ptr_array_new_with_free_func (g_free);
    host->health.since_us = relais_loop_wall_us (tracking->options.loop);
    relais_timer_init (&host->timer, tracking->options.loop, on_timer, host);
    relais_fetcher_exempt (tracking->options.fetcher, origin->host, origin->port);
    g_ptr_array_add (tracking->hosts, host);
    return host;
}

/* As the domain stands in the addresses of accepted mail, or as a pattern of such. Owned. */
static char *
domain_of (const RelaisSection *section)
{
    const char *name = relais_section_get_name (section);
    char *domain = relais_domain_normalise_pattern (name);

    return domain != NULL ? domain : g_ascii_strdown (name, -1);
}

static void
read_hosts (RelaisTracking *tracking, RelaisConfig *config)
{
    guint n = relais_config_n_sections (config, "domain");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "domain", i);
        const char *text = relais_section_get_string (section, "tracking");
        RelaisOrigin origin;

        if (text != NULL && relais_origin_parse (text, &origin))
            g_ptr_array_add (take_host (tracking, &origin)->domains, domain_of (section));
    }
}

RelaisTracking *
relais_tracking_new (const RelaisTrackingOptions *options, RelaisConfig *config)
{
    RelaisTracking *tracking = g_new0 (RelaisTracking, 1);
    const RelaisSection *section = relais_config_find_section (config, "tracking", NULL);
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const char *hostname = relais_section_get_string (relais, "hostname");

    tracking->options = *options;
    tracking->check_us = relais_section_get_int (section, "check_interval");
    tracking->retry_us = relais_section_get_int (section, "retry_interval");
    tracking->timeout_us = relais_section_get_int (section, "check_timeout");
    tracking->hostname = g_strdup (hostname != NULL ? hostname : g_get_host_name ());
    tracking->hosts = g_ptr_array_new_with_free_func (host_free);
    tracking->probes = g_array_new (FALSE, FALSE, sizeof (RelaisTrackingProbe));
    tracking->visits = g_ptr_array_new ();
    read_hosts (tracking, config);
    publish (tracking);
    return tracking;
}

void
relais_tracking_set_probes (RelaisTracking *tracking, const RelaisTrackingProbe *probes, guint n)
{
    g_array_append_vals (tracking->probes, probes, n);
}

void
relais_tracking_start (RelaisTracking *tracking)
{
    tracking->started = true;
    for (guint i = 0; i < tracking->hosts->len; i++) {
        RelaisTrackingHost *host = g_ptr_array_index (tracking->hosts, i);

        relais_timer_set (&host->timer, (gint64)(g_random_double () * (double)FIRST_SPREAD_US));
    }
}

void
relais_tracking_free (RelaisTracking *tracking)
{
    if (tracking == NULL)
        return;
    tracking->started = false;
    relais_tracking_end_visits (tracking);
    g_ptr_array_unref (tracking->visits);
    g_ptr_array_unref (tracking->hosts);
    g_array_unref (tracking->probes);
    g_free (tracking->hostname);
    g_free (tracking);
}

guint
relais_tracking_n_hosts (const RelaisTracking *tracking)
{
    return tracking->hosts->len;
}

const RelaisTrackingHealth *
relais_tracking_health (const RelaisTracking *tracking, const char *url)
{
    const RelaisTrackingHost *host = relais_tracking_find (tracking, url);

    return host != NULL ? &host->health : NULL;
}
