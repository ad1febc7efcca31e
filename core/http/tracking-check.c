/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A check: the probes are made on a worker, then one request after the other goes out through the
 * client, each over a connection of its own. The first one tells about dns, connect and certificate
 * too. Loop thread only, but make_plans ().
 */
#include "config.h"

#include "http/tracking-check-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* What one probe came to: one request. */
typedef struct {
    const RelaisTrackingProbe *probe;
    bool made;
    char *path, *header_name, *header_value;
    guint status;
} Plan;

struct RelaisTrackingCheck {
    RelaisTrackingCheckOptions options;
    RelaisOrigin origin;
    RelaisTrackingCheckFunc func;
    gpointer data;
    char *hostname;
    GPtrArray *plans; /* Plan */
    guint next;
    bool working; /* a worker makes the plans */
    bool cancelled;
    bool reached; /* dns, connect and certificate were told */
    RelaisFetch *fetch;
    RelaisTimer later; /* ends a check that never began */
    GPtrArray *steps;
};

static void go_on (RelaisTrackingCheck *check);

/* --- Steps ------------------------------------------------------------------------------------ */

void
relais_tracking_step_free (gpointer data)
{
    RelaisTrackingStep *step = data;

    if (step == NULL)
        return;
    g_free (step->name);
    g_free (step->found);
    g_free (step->expected);
    g_free (step->advice);
    g_free (step);
}

GPtrArray *
relais_tracking_steps_new (void)
{
    return g_ptr_array_new_with_free_func (relais_tracking_step_free);
}

RelaisTrackingStep *
relais_tracking_step_new (const char *name, RelaisStepResult result, const char *found,
                          const char *expected, const char *advice)
{
    RelaisTrackingStep *step = g_new (RelaisTrackingStep, 1);

    *step = (RelaisTrackingStep){g_strdup (name), result, g_strdup (found), g_strdup (expected),
                                 g_strdup (advice)};
    return step;
}

const char *
relais_step_result_to_string (RelaisStepResult result)
{
    switch (result) {
    case RELAIS_STEP_OK: return "ok";
    case RELAIS_STEP_WARNING: return "warning";
    case RELAIS_STEP_FAILED: return "failed";
    case RELAIS_STEP_SKIPPED: return "skipped";
    }
    g_assert_not_reached ();
}

const RelaisTrackingStep *
relais_tracking_steps_failed (const GPtrArray *steps)
{
    for (guint i = 0; i < steps->len; i++) {
        const RelaisTrackingStep *step = g_ptr_array_index (steps, i);

        if (step->result == RELAIS_STEP_FAILED)
            return step;
    }
    return NULL;
}

static void
add (RelaisTrackingCheck *check, const char *name, RelaisStepResult result, const char *found,
     const char *expected, const char *advice)
{
    g_ptr_array_add (check->steps,
                     relais_tracking_step_new (name, result, found, expected, advice));
}

/* --- Life ------------------------------------------------------------------------------------- */

static void
plan_free (gpointer data)
{
    Plan *plan = data;

    g_free (plan->path);
    g_free (plan->header_name);
    g_free (plan->header_value);
    g_free (plan);
}

static void
check_free (RelaisTrackingCheck *check)
{
    relais_fetcher_drop (check->fetch);
    relais_timer_stop (&check->later);
    relais_origin_clear (&check->origin);
    g_ptr_array_unref (check->plans);
    g_ptr_array_unref (check->steps);
    g_free (check->hostname);
    g_free (check);
}

static void
finish (RelaisTrackingCheck *check, bool known)
{
    check->func (check->data, check->steps, known);
    check_free (check);
}

/* --- What a request tells of the way to the host ---------------------------------------------- */

static void
tell_dns (RelaisTrackingCheck *check, const RelaisFetchResult *result)
{
    const char *host = check->origin.host;
    g_autofree char *advice = NULL;

    switch (result->outcome) {
    case RELAIS_FETCH_DNS_ABSENT:
        advice = g_strdup_printf (_ ("publish a CNAME record of %s to %s"), host, check->hostname);
        break;
    case RELAIS_FETCH_REFUSED_ADDRESS:
        advice =
            g_strdup_printf (_ ("correct the address of %s; if it is meant, name the host in "
                                "[domain NAME] tracking, or its network in [http-client] allow"),
                             host);
        break;
    case RELAIS_FETCH_DNS_TEMPORARY:
    case RELAIS_FETCH_TIMEOUT:
        advice = g_strdup_printf (_ ("see whether the name servers of %s answer"), host);
        break;
    default: advice = g_strdup (_ ("try again later"));
    }
    add (check, "dns", RELAIS_STEP_FAILED, result->text, _ ("an A or AAAA record"), advice);
}

static void
tell_connect (RelaisTrackingCheck *check, const RelaisFetchResult *result)
{
    g_autofree char *expected =
        g_strdup_printf (_ ("a server at %s port %u"), result->address, check->origin.port);
    g_autofree char *advice =
        g_strdup_printf (_ ("see whether %s is the address of the tracker listener or of the proxy "
                            "before it, whether "
                            "it listens on port %u, and whether a firewall is in the way"),
                         result->address, check->origin.port);

    add (check, "connect", RELAIS_STEP_FAILED, result->text, expected, advice);
}

static void
tell_bad_certificate (RelaisTrackingCheck *check, const RelaisFetchResult *result)
{
    g_autofree char *expected =
        g_strdup_printf (_ ("a valid certificate for %s"), check->origin.host);
    g_autofree char *advice = g_strdup_printf (_ ("get a certificate for %s with its whole chain, "
                                                  "and set it in [http NAME] certificate and "
                                                  "key, or at the proxy before it"),
                                               check->origin.host);

    add (check, "certificate", RELAIS_STEP_FAILED, result->text, expected, advice);
}

static void
tell_certificate (RelaisTrackingCheck *check, const RelaisFetchResult *result)
{
    gint64 left_us = result->certificate_expires_us - relais_loop_wall_us (check->options.loop);
    gint64 days = left_us / RELAIS_USEC_PER_DAY;
    g_autofree char *found = g_strdup_printf (_ ("days left: %d"), (int)days);
    bool soon = days < RELAIS_TRACKING_WARN_DAYS;

    if (result->certificate_expires_us == 0)
        add (check, "certificate", RELAIS_STEP_OK, _ ("valid"), "", "");
    else
        add (check, "certificate", soon ? RELAIS_STEP_WARNING : RELAIS_STEP_OK, found, "",
             soon ? _ ("renew the certificate") : "");
}

/* The step that a failure belongs to. */
static RelaisFetchStep
failed_step (const RelaisFetchResult *result)
{
    switch (result->outcome) {
    case RELAIS_FETCH_CONNECT: return RELAIS_FETCH_STEP_CONNECT;
    case RELAIS_FETCH_TLS: return RELAIS_FETCH_STEP_TLS;
    case RELAIS_FETCH_TIMEOUT: return result->reached;
    case RELAIS_FETCH_OK:
    case RELAIS_FETCH_TOO_LARGE:
    case RELAIS_FETCH_PROTOCOL: return RELAIS_FETCH_STEP_REQUEST;
    default: return RELAIS_FETCH_STEP_DNS;
    }
}

/* True if the host was reached and the request is what is left to judge. */
static bool
tell_way (RelaisTrackingCheck *check, const RelaisFetchResult *result)
{
    RelaisFetchStep failed = failed_step (result);

    if (failed == RELAIS_FETCH_STEP_DNS) {
        tell_dns (check, result);
        add (check, "connect", RELAIS_STEP_SKIPPED, "", "", "");
    } else {
        add (check, "dns", RELAIS_STEP_OK, result->address, "", "");
        if (failed == RELAIS_FETCH_STEP_CONNECT)
            tell_connect (check, result);
        else
            add (check, "connect", RELAIS_STEP_OK, "", "", "");
    }
    if (check->origin.tls) {
        if (failed == RELAIS_FETCH_STEP_TLS)
            tell_bad_certificate (check, result);
        else if (failed == RELAIS_FETCH_STEP_REQUEST)
            tell_certificate (check, result);
        else
            add (check, "certificate", RELAIS_STEP_SKIPPED, "", "", "");
    }
    return failed == RELAIS_FETCH_STEP_REQUEST;
}

/* --- What it tells of the route --------------------------------------------------------------- */

static bool
header_fits (const char *found, const char *wanted)
{
    gsize size = strlen (wanted);

    return found != NULL && g_ascii_strncasecmp (found, wanted, size) == 0 &&
           (found[size] == '\0' || found[size] == ';');
}

static char *
describe (guint status, const char *name, const char *value)
{
    if (name == NULL)
        return g_strdup_printf (_ ("status %u"), status);
    return g_strdup_printf (_ ("status %u, %s: %s"), status, name,
                            value != NULL ? value : _ ("not there"));
}

static void
tell_route (RelaisTrackingCheck *check, const Plan *plan, const RelaisFetchResult *result)
{
    const char *value = plan->header_name != NULL
                            ? relais_fetch_result_get_header (result, plan->header_name)
                            : NULL;
    bool good = result->outcome == RELAIS_FETCH_OK && result->status == plan->status &&
                (plan->header_name == NULL || header_fits (value, plan->header_value));
    g_autofree char *expected = describe (plan->status, plan->header_name, plan->header_value);
    g_autofree char *found = result->outcome == RELAIS_FETCH_OK
                                 ? describe (result->status, plan->header_name, value)
                                 : g_strdup (result->text);
    g_autofree char *advice = g_strdup_printf (
        _ ("see that %s leads to the tracker listener of this Relais, and that a proxy before it "
           "passes paths and answers on as they are; asked for was %s"),
        check->origin.host, plan->path);

    if (good)
        add (check, plan->probe->name, RELAIS_STEP_OK, found, "", "");
    else
        add (check, plan->probe->name, RELAIS_STEP_FAILED, found, expected, advice);
}

static void
skip_rest (RelaisTrackingCheck *check)
{
    for (; check->next < check->plans->len; check->next++) {
        const Plan *plan = g_ptr_array_index (check->plans, check->next);

        if (plan->probe != NULL)
            add (check, plan->probe->name, RELAIS_STEP_SKIPPED, "", "", "");
    }
}

static void
on_fetched (const RelaisFetchResult *result, gpointer data)
{
    RelaisTrackingCheck *check = data;
    const Plan *plan = g_ptr_array_index (check->plans, check->next);

    check->fetch = NULL;
    if (result->outcome == RELAIS_FETCH_BUSY || result->outcome == RELAIS_FETCH_STOPPED) {
        add (check, "request", RELAIS_STEP_SKIPPED, result->text, "", _ ("try again later"));
        finish (check, false);
        return;
    }
    if (!check->reached && !tell_way (check, result)) {
        skip_rest (check);
        finish (check, true);
        return;
    }
    check->reached = true;
    if (plan->probe != NULL)
        tell_route (check, plan, result);
    check->next++;
    go_on (check);
}

/* --- The walk --------------------------------------------------------------------------------- */

static void
ask (RelaisTrackingCheck *check, const Plan *plan)
{
    g_autofree char *url = g_strconcat (check->origin.url, plan->path, NULL);
    const RelaisFetchInfo info = {.struct_size = sizeof info,
                                  .flags = RELAIS_FETCH_FRESH,
                                  .url = url,
                                  .timeout_us = check->options.timeout_us};

    check->fetch = relais_fetcher_start (check->options.fetcher, &info, on_fetched, check);
    if (check->fetch == NULL)
        finish (check, false);
}

static void
go_on (RelaisTrackingCheck *check)
{
    while (check->next < check->plans->len) {
        const Plan *plan = g_ptr_array_index (check->plans, check->next);

        if (plan->made) {
            ask (check, plan);
            return;
        }
        add (check, plan->probe->name, RELAIS_STEP_SKIPPED, _ ("the module has nothing to ask for"),
             "", "");
        check->next++;
    }
    finish (check, true);
}

/* A host is reached or not, even if no route has a probe: then its root is asked for. */
static void
add_root (RelaisTrackingCheck *check)
{
    Plan *plan;

    for (guint i = 0; i < check->plans->len; i++)
        if (((Plan *)g_ptr_array_index (check->plans, i))->made)
            return;
    plan = g_new0 (Plan, 1);
    *plan = (Plan){.made = true, .path = g_strdup ("/")};
    g_ptr_array_insert (check->plans, 0, plan);
}

/* On a worker; the loop leaves the check alone until it is done. */
static void
make_plans (gpointer data)
{
    RelaisTrackingCheck *check = data;

    for (guint i = 0; i < check->plans->len; i++) {
        Plan *plan = g_ptr_array_index (check->plans, i);

        plan->made = plan->probe->make (plan->probe->data, check->origin.host, &plan->path,
                                        &plan->status, &plan->header_name, &plan->header_value);
    }
}

static void
on_made (gpointer data)
{
    RelaisTrackingCheck *check = data;

    check->working = false;
    if (check->cancelled)
        return;
    add_root (check);
    go_on (check);
}

static void
on_later (gpointer data)
{
    RelaisTrackingCheck *check = data;

    add (check, "dns", RELAIS_STEP_SKIPPED, _ ("the workers are busy"), "", _ ("try again later"));
    finish (check, false);
}

RelaisTrackingCheck *
relais_tracking_check_new (const RelaisTrackingCheckOptions *options, const RelaisOrigin *origin,
                           RelaisTrackingCheckFunc func, gpointer data)
{
    RelaisTrackingCheck *check = g_new0 (RelaisTrackingCheck, 1);

    check->options = *options;
    check->origin =
        (RelaisOrigin){origin->tls, g_strdup (origin->host), origin->port, g_strdup (origin->url)};
    check->func = func;
    check->data = data;
    check->hostname = g_strdup (options->hostname);
    check->steps = relais_tracking_steps_new ();
    check->plans = g_ptr_array_new_with_free_func (plan_free);
    for (guint i = 0; i < options->n_probes; i++) {
        Plan *plan = g_new0 (Plan, 1);

        plan->probe = &options->probes[i];
        g_ptr_array_add (check->plans, plan);
    }
    relais_timer_init (&check->later, options->loop, on_later, check);
    check->working = relais_pool_run (options->pool, make_plans, on_made, check);
    if (!check->working)
        relais_timer_set (&check->later, 0);
    return check;
}

void
relais_tracking_check_cancel (RelaisTrackingCheck *check)
{
    if (check == NULL)
        return;
    check->cancelled = true;
    while (check->working)
        relais_loop_turn (check->options.loop, true);
    check_free (check);
}
