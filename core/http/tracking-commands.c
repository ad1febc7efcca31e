/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl track check` and `track hosts`. What a check by command finds counts as any other: who has
 * mended a host need not wait for the next one. Loop thread only.
 */
#include "config.h"

#include "http/tracking-state-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* A check that a command waits for. */
typedef struct {
    RelaisTracking *tracking;
    RelaisTrackingHost *host; /* NULL: not configured */
    RelaisTrackingCheck *check;
    RelaisCommandCall *call;
} Visit;

static void
put_step (RelaisCommandCall *call, const RelaisTrackingStep *step)
{
    relais_command_put (call, "step", step->name);
    relais_command_put (call, "result", relais_step_result_to_string (step->result));
    relais_command_put (call, "found", step->found);
    relais_command_put (call, "expected", step->expected);
    relais_command_put (call, "advice", step->advice);
    relais_command_end_row (call);
}

static char *
join_domains (const RelaisTrackingHost *host)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < host->domains->len; i++)
        g_string_append_printf (text, "%s%s", i > 0 ? ", " : "",
                                (const char *)g_ptr_array_index (host->domains, i));
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
put_configuration (RelaisCommandCall *call, const RelaisTrackingHost *host)
{
    g_autofree char *found = NULL;
    RelaisTrackingStep step = {.name = (char *)"configuration", .expected = (char *)""};

    if (host != NULL) {
        found = join_domains (host);
        step.result = RELAIS_STEP_OK;
        step.found = found;
        step.advice = (char *)"";
    } else {
        step.result = RELAIS_STEP_SKIPPED;
        step.found = _ ("not the tracking host of any [domain NAME]");
        step.advice = _ ("set tracking in the section of the domain whose mail is to point here");
    }
    put_step (call, &step);
}

static void
visit_free (Visit *visit)
{
    g_ptr_array_remove_fast (visit->tracking->visits, visit);
    g_free (visit);
}

static void
on_visited (gpointer data, const GPtrArray *steps, bool known)
{
    Visit *visit = data;
    RelaisCommandCall *call = visit->call;
    const RelaisTrackingStep *failed = relais_tracking_steps_failed (steps);
    g_autofree char *text = NULL;

    for (guint i = 0; i < steps->len; i++)
        put_step (call, g_ptr_array_index (steps, i));
    if (known && visit->host != NULL)
        relais_tracking_note (visit->host, steps);
    visit_free (visit);
    if (failed != NULL) {
        text = g_strdup_printf (_ ("step %s failed"), failed->name);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, text);
    } else if (!known)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the check could not be made now"));
    else
        relais_command_finish (call);
}

void
relais_tracking_end_visits (RelaisTracking *tracking)
{
    while (tracking->visits->len > 0) {
        Visit *visit = g_ptr_array_index (tracking->visits, 0);
        RelaisCommandCall *call = visit->call;

        relais_tracking_check_cancel (visit->check);
        visit_free (visit);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon stops"));
    }
}

/* "HOST" is https unless it is configured otherwise. */
static bool
find_origin (const RelaisTrackingHost *host, const char *text, RelaisOrigin *origin)
{
    g_autofree char *url = NULL;

    if (host != NULL)
        return relais_origin_parse (host->origin.url, origin);
    url = strstr (text, "://") != NULL ? g_strdup (text) : g_strconcat ("https://", text, NULL);
    return relais_origin_parse (url, origin);
}

static void
track_check (RelaisCommandCall *call, gpointer data)
{
    RelaisTracking *tracking = data;
    const RelaisTrackingCheckOptions options = relais_tracking_check_options (tracking);
    const char *text = relais_command_arg (call, 0);
    g_auto (RelaisOrigin) origin = {0};
    RelaisTrackingHost *host;
    Visit *visit;

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("the name of one host is needed"));
        return;
    }
    host = relais_tracking_find (tracking, text);
    if (!find_origin (host, text, &origin)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("expected a host name, or scheme and host as in "
                                "https://track.example.com"));
        return;
    }
    put_configuration (call, host);
    visit = g_new (Visit, 1);
    *visit = (Visit){.tracking = tracking, .host = host, .call = call};
    g_ptr_array_add (tracking->visits, visit);
    visit->check = relais_tracking_check_new (&options, &origin, on_visited, visit);
}

static void
track_hosts (RelaisCommandCall *call, gpointer data)
{
    const RelaisTracking *tracking = data;

    for (guint i = 0; i < tracking->hosts->len; i++) {
        const RelaisTrackingHost *host = g_ptr_array_index (tracking->hosts, i);
        g_autofree char *domains = join_domains (host);

        relais_command_put (call, "host", host->origin.url);
        relais_command_put (call, "domains", domains);
        relais_command_put (call, "state", relais_tracking_state_to_string (host->health.state));
        relais_command_put_time (call, "since", host->health.since_us);
        relais_command_put (call, "failing_step", host->failed != NULL ? host->failed->name : "");
        relais_command_put (call, "found", host->failed != NULL ? host->failed->found : "");
        relais_command_end_row (call);
    }
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"track", "check", N_ ("HOST"), "",
     N_ ("Check a tracking host now, step by step, as recipients reach it."), RELAIS_COMMAND_ONLINE,
     0, track_check},
    {"track", "hosts", "", "", N_ ("Show the tracking hosts and whether mail is tracked by them."),
     RELAIS_COMMAND_ONLINE, 0, track_hosts},
};

const RelaisCommand *
relais_tracking_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
