/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Destinations. Owned by the domains that lead there and by their flows, found by the queue's table. One whose route
 * is gone leaves the table, so that its name is free for the route that takes its place, and ends with its flows.
 *
 *   UNKNOWN -> LOOKING -> ROUTED  -> (expired) LOOKING
 *                      -> ASLEEP  -> (nap over) UNKNOWN
 *                      -> REFUSED -> (expired) LOOKING
 *
 * A lookup that fails for now defers the head of each flow (an attempt, 4.4.3) and puts the rest to
 * sleep unattempted; one that fails for good gives back all that is due.
 */
#include "config.h"

#include "queue/destination-private.h"

#include "queue/lane-private.h"
#include "queue/rest-private.h"
#include "queue/tlsrpt-private.h"

#include <string.h>

gint64
relais_nap_start (RelaisNap *nap, const RelaisQueue *queue, gint64 least_us)
{
    gint64 longest = MAX (queue->settings.sleep_first_us, queue->settings.sleep_last_us);

    if (nap->length_us == 0)
        nap->length_us = queue->settings.sleep_first_us;
    else
        nap->length_us = nap->length_us > longest / 2 ? longest : nap->length_us * 2;
    relais_timer_set (&nap->timer, MAX (nap->length_us, least_us));
    return nap->length_us;
}

/* --- State ------------------------------------------------------------------------------------ */

static void
set_state (RelaisDestination *destination, RelaisDestinationState state)
{
    RelaisQueue *queue = destination->queue;

    queue->n_due[destination->state] -= destination->n_due;
    queue->n_due[state] += destination->n_due;
    destination->state = state;
}

void
relais_destination_count_due (RelaisDestination *destination, int change)
{
    destination->n_due += (guint)change;
    destination->queue->n_due[destination->state] += (guint64)change;
}

/* --- Lookup ----------------------------------------------------------------------------------- */

static void serve_all (RelaisDestination *destination);

static void
detach_flows (RelaisDestination *destination)
{
    for (GList *link = destination->flows.head; link != NULL; link = link->next)
        relais_lane_detach_flow (link->data);
}

static void
attach_flows (RelaisDestination *destination)
{
    for (GList *link = destination->flows.head; link != NULL; link = link->next)
        relais_lane_attach_flow (link->data, destination->route);
}

/* Hosts that could not be reached sleep on if the answer names them again, though no flow leads to them meanwhile. */
static void
keep_sleeping (RelaisDestination *destination)
{
    if (destination->kept == NULL)
        destination->kept = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_path_unref);
    for (GList *link = destination->flows.head; link != NULL; link = link->next) {
        RelaisFlow *flow = link->data;

        for (guint i = 0; i < flow->pool->sources->len; i++) {
            RelaisPath *path = flow->strands[i].path;

            if (path != NULL && path->state != RELAIS_PATH_OPEN)
                g_ptr_array_add (destination->kept, relais_path_ref (path));
        }
    }
}

static void
set_problem (RelaisDestination *destination, const RelaisMailRoute *mail)
{
    g_strlcpy (destination->enhanced, mail->enhanced != NULL ? mail->enhanced : "4.4.3",
               sizeof destination->enhanced);
    g_free (destination->text);
    destination->text = g_strdup (mail->text != NULL ? mail->text : "no route");
}

static void
defer_heads (RelaisDestination *destination)
{
    for (GList *link = destination->flows.head; link != NULL; link = link->next) {
        RelaisFlow *flow = link->data;

        for (guint i = 0; i <= flow->pool->sources->len && !relais_rest_begins (flow); i++)
            if (flow->due[i].n > 0) {
                relais_queue_make_local (flow->queue, flow->due[i].head, RELAIS_ACTION_DEFER);
                break;
            }
    }
}

static void
use_route (RelaisDestination *destination, const RelaisMailRoute *mail)
{
    RelaisQueue *queue = destination->queue;

    set_state (destination, RELAIS_DESTINATION_ROUTED);
    destination->nap.length_us = 0;
    destination->expires_us = mail->expires_us;
    relais_route_unref (destination->route);
    destination->route =
        relais_route_new (queue, mail, destination->name, destination->fixed, destination->sts);
    attach_flows (destination);
}

/* All questions are answered. */
static void
take_answers (RelaisDestination *destination)
{
    g_autoptr (RelaisMailRoute) mail = g_steal_pointer (&destination->mail);
    gint64 now = relais_loop_now_us (destination->queue->loop);

    if (destination->fixed == NULL)
        relais_tlsrpt_looked_up (destination->queue, destination->name, mail,
                                 destination->sts_trouble, destination->sts_text);
    if (mail->outcome == RELAIS_ROUTE_HOSTS)
        use_route (destination, mail);
    g_clear_pointer (&destination->kept, g_ptr_array_unref);
    switch (mail->outcome) {
    case RELAIS_ROUTE_HOSTS: return;
    case RELAIS_ROUTE_TEMPORARY:
        set_problem (destination, mail);
        set_state (destination, RELAIS_DESTINATION_ASLEEP);
        relais_nap_start (&destination->nap, destination->queue, mail->expires_us - now);
        defer_heads (destination);
        return;
    case RELAIS_ROUTE_PERMANENT:
        set_problem (destination, mail);
        set_state (destination, RELAIS_DESTINATION_REFUSED);
        destination->expires_us = mail->expires_us;
        serve_all (destination);
        return;
    }
}

static void
on_sts (gpointer data, const RelaisStsResult *result)
{
    RelaisDestination *destination = data;

    destination->sts_lookup = NULL;
    destination->sts_trouble = result->trouble;
    destination->sts_text = g_strdup (result->text);
    if (result->policy != NULL)
        destination->sts = relais_sts_policy_ref (result->policy);
    take_answers (destination);
}

/* Static routes and address literals have no policies. */
static bool
may_have_policy (const RelaisDestination *destination)
{
    return destination->queue->sts != NULL && destination->fixed == NULL &&
           destination->name[0] != '[';
}

/* A policy is asked for where there are hosts that it may speak of: a domain whose servers are dead costs one question,
 * not two. */
static void
on_route (gpointer data, RelaisMailRoute *mail)
{
    RelaisDestination *destination = data;

    destination->lookup = NULL;
    destination->mail = mail;
    if (mail->outcome == RELAIS_ROUTE_HOSTS && may_have_policy (destination))
        destination->sts_lookup =
            relais_sts_lookup (destination->queue->sts, destination->name, on_sts, destination);
    else
        take_answers (destination);
}

static void
forget_sts (RelaisDestination *destination)
{
    g_clear_pointer (&destination->sts, relais_sts_policy_unref);
    g_clear_pointer (&destination->sts_text, g_free);
    destination->sts_trouble = RELAIS_STS_FINE;
}

static void
look_up (RelaisDestination *destination)
{
    RelaisQueue *queue = destination->queue;

    keep_sleeping (destination);
    detach_flows (destination);
    set_state (destination, RELAIS_DESTINATION_LOOKING);
    destination->policies = queue->policies_serial;
    forget_sts (destination);
    if (destination->fixed != NULL)
        destination->lookup = relais_dns_lookup_host (
            queue->dns, destination->fixed->host,
            relais_static_route_dane_port (destination->fixed), on_route, destination);
    else
        destination->lookup =
            relais_dns_lookup_mail (queue->dns, destination->name, on_route, destination);
}

/* The configuration was read again: the same hosts may be of another site now. */
static void
renew_route (RelaisDestination *destination)
{
    RelaisRoute *old = destination->route;

    detach_flows (destination);
    destination->route = relais_route_renew (destination->queue, old);
    relais_route_unref (old);
    attach_flows (destination);
}

/* A reload changed what its route was made by; false if it did not. An address never expires: nothing is published of
 * one. */
static bool
follow_reload (RelaisDestination *destination)
{
    const RelaisQueue *queue = destination->queue;

    if (destination->policies != queue->policies_serial && destination->expires_us != G_MAXINT64)
        look_up (destination);
    else if (destination->route->settings != queue->settings_serial)
        renew_route (destination);
    else
        return false;
    return true;
}

bool
relais_destination_is_current (RelaisDestination *destination)
{
    if (destination->state != RELAIS_DESTINATION_ROUTED)
        return false;
    if (relais_loop_now_us (destination->queue->loop) >= destination->expires_us)
        look_up (destination);
    else
        return !follow_reload (destination);
    return false;
}

/* --- Serving ---------------------------------------------------------------------------------- */

static void
give_back (RelaisFlow *flow)
{
    for (guint i = 0; i <= flow->pool->sources->len; i++)
        while (flow->due[i].n > 0)
            relais_queue_make_local (flow->queue, flow->due[i].head, RELAIS_ACTION_FAIL);
}

void
relais_destination_serve (RelaisDestination *destination, RelaisFlow *flow)
{
    if (!destination->queue->started || destination->is_replaced || flow->n_due == 0)
        return;
    if (relais_rest_begins (flow)) {
        relais_lane_update_flow (flow);
        return;
    }
    switch (destination->state) {
    case RELAIS_DESTINATION_UNKNOWN: look_up (destination); return;
    case RELAIS_DESTINATION_LOOKING:
    case RELAIS_DESTINATION_ASLEEP: return;
    case RELAIS_DESTINATION_ROUTED:
        /* Under other terms its hosts need not be asleep. */
        if (!follow_reload (destination))
            relais_lane_update_flow (flow);
        return;
    case RELAIS_DESTINATION_REFUSED:
        if (relais_loop_now_us (destination->queue->loop) >= destination->expires_us)
            look_up (destination);
        else
            give_back (flow);
        return;
    }
}

static void
serve_all (RelaisDestination *destination)
{
    for (GList *link = destination->flows.head; link != NULL; link = link->next)
        relais_destination_serve (destination, link->data);
}

static void
on_nap_over (gpointer data)
{
    RelaisDestination *destination = data;

    set_state (destination, RELAIS_DESTINATION_UNKNOWN);
    serve_all (destination);
}

void
relais_destination_wake (RelaisDestination *destination)
{
    if (destination->state == RELAIS_DESTINATION_ASLEEP) {
        relais_timer_stop (&destination->nap.timer);
        on_nap_over (destination);
        return;
    }
    g_clear_pointer (&destination->kept, g_ptr_array_unref);
    for (GList *link = destination->flows.head; link != NULL; link = link->next)
        relais_lane_wake_flow (link->data);
}

const char *
relais_destination_describe (const RelaisDestination *destination, gint64 *until_us)
{
    *until_us = 0;
    switch (destination->state) {
    case RELAIS_DESTINATION_UNKNOWN: return NULL;
    case RELAIS_DESTINATION_LOOKING: return "DNS lookup of the destination";
    case RELAIS_DESTINATION_ASLEEP:
        *until_us = destination->nap.timer.due_us;
        return destination->text;
    case RELAIS_DESTINATION_REFUSED: *until_us = destination->expires_us; return destination->text;
    case RELAIS_DESTINATION_ROUTED: return NULL;
    }
    return NULL;
}

/* --- Life ------------------------------------------------------------------------------------- */

static RelaisDestination *
destination_new (RelaisQueue *queue, const char *name, RelaisStaticRoute *fixed)
{
    RelaisDestination *destination = g_new0 (RelaisDestination, 1);

    destination->queue = queue;
    destination->name = g_strdup (name);
    destination->fixed = relais_static_route_ref (fixed);
    relais_timer_init (&destination->nap.timer, queue->loop, on_nap_over, destination);
    if (fixed != NULL && (destination->route = relais_route_new_literal (queue, fixed)) != NULL) {
        set_state (destination, RELAIS_DESTINATION_ROUTED);
        destination->expires_us = G_MAXINT64;
    }
    g_hash_table_insert (queue->destinations, destination->name, destination);
    return destination;
}

void
relais_destination_stop (RelaisDestination *destination)
{
    if (destination->lookup != NULL)
        relais_dns_cancel_mail (g_steal_pointer (&destination->lookup));
    relais_sts_cancel (g_steal_pointer (&destination->sts_lookup));
    g_clear_pointer (&destination->mail, relais_mail_route_free);
    relais_timer_stop (&destination->nap.timer);
    for (GList *link = destination->flows.head; link != NULL; link = link->next)
        relais_lane_detach_flow (link->data);
    g_clear_pointer (&destination->kept, g_ptr_array_unref);
}

RelaisDestination *
relais_destination_get (RelaisQueue *queue, const char *domain)
{
    RelaisStaticRoute *fixed = relais_queue_settings_route (&queue->settings, domain);
    /* A route may be called like a domain; the colon keeps them apart, no domain has one but a
     * literal, which begins with a bracket. */
    g_autofree char *name =
        fixed != NULL ? g_strconcat ("route:", fixed->name, NULL) : g_strdup (domain);
    RelaisDestination *destination = g_hash_table_lookup (queue->destinations, name);

    if (destination == NULL)
        destination = destination_new (queue, name, fixed);
    destination->uses++;
    return destination;
}

static void
destination_free (RelaisDestination *destination)
{
    relais_destination_stop (destination);
    relais_route_unref (destination->route);
    if (!destination->is_replaced)
        g_hash_table_remove (destination->queue->destinations, destination->name);
    relais_static_route_unref (destination->fixed);
    relais_sts_policy_unref (destination->sts);
    g_free (destination->sts_text);
    g_free (destination->text);
    g_free (destination->name);
    g_free (destination);
}

void
relais_destination_release (RelaisDestination *destination)
{
    if (--destination->uses == 0)
        destination_free (destination);
}

void
relais_destinations_replace (RelaisQueue *queue)
{
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init (&iter, queue->destinations);
    while (g_hash_table_iter_next (&iter, NULL, &data)) {
        RelaisDestination *destination = data;

        if (destination->fixed == NULL || !destination->fixed->gone)
            continue;
        g_hash_table_iter_remove (&iter);
        destination->is_replaced = true;
        relais_destination_stop (destination);
        set_state (destination, RELAIS_DESTINATION_UNKNOWN);
    }
}

void
relais_destination_add_flow (RelaisDestination *destination, RelaisFlow *flow)
{
    destination->uses++;
    g_queue_push_tail_link (&destination->flows, &flow->destination_link);
    if (destination->state == RELAIS_DESTINATION_ROUTED)
        relais_lane_attach_flow (flow, destination->route);
}

void
relais_destination_remove_flow (RelaisDestination *destination, RelaisFlow *flow)
{
    relais_lane_detach_flow (flow);
    g_queue_unlink (&destination->flows, &flow->destination_link);
    relais_destination_release (destination);
}
