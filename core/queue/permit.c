/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Permits: the hooks lane and admit. Loop thread. A call that waits owns its subject; it ends with its answer or
 * with what it was asked about.
 */
#include "config.h"

#include "queue/permit-private.h"

#include "queue/attempt-private.h"
#include "queue/lane-private.h"

struct RelaisAsk {
    RelaisHookRun *run;
    RelaisSubject subject;
    RelaisLane *lane;
    RelaisStrand *strand; /* NULL: opening is asked for */
};

static guint
place_of (const RelaisStrand *strand)
{
    return (guint)(strand - strand->flow->strands);
}

/* --- What is asked ------------------------------------------------------------------------------ */

static void
fill_lane (RelaisSubject *subject, const RelaisLane *lane)
{
    *subject = (RelaisSubject){.pin = relais_host_pin (lane->queue->host),
                               .source = lane->source->name,
                               .pool = lane->source->pool->name,
                               .site = lane->site,
                               .provider = lane->is_provider ? lane->site : NULL,
                               .n_connections = lane->connections->len,
                               .grant = relais_grant_new ()};
}

static void
fill_strand (RelaisSubject *subject, const RelaisStrand *strand)
{
    const RelaisFlow *flow = strand->flow;

    fill_lane (subject, strand->lane);
    subject->tenant = flow->tenant->name[0] != '\0' ? flow->tenant->name : NULL;
    subject->klass = relais_class_to_string (flow->key.klass);
    subject->campaign = flow->campaign != NULL ? flow->campaign->name : NULL;
    subject->destination = flow->destination->name;
}

static void
drop_subject (RelaisSubject *subject)
{
    g_clear_pointer (&subject->pin, relais_pin_unref);
    relais_grant_end (g_steal_pointer (&subject->grant), RELAIS_RESERVATION_RETURNED, 0);
}

/* --- What is answered --------------------------------------------------------------------------- */

static void
apply_limits (RelaisLane *lane, const RelaisGrant *grant)
{
    RelaisLaneLimits limits;

    if (relais_grant_get_limits (grant, &limits))
        relais_lane_set_limits (lane, &limits);
}

static void
hold_head (RelaisStrand *strand, gint64 until_us)
{
    RelaisFlow *flow = strand->flow;
    guint32 head = relais_flow_peek (flow, place_of (strand));

    if (head == 0)
        return;
    relais_flow_remove (flow, head);
    relais_flow_put_waiting (flow, head, until_us);
    relais_lane_update_flow (flow);
}

static void
refuse_head (RelaisStrand *strand, const RelaisHookResult *result)
{
    RelaisAttempt *attempt;

    if (relais_flow_peek (strand->flow, place_of (strand)) == 0)
        return;
    attempt = relais_attempt_take (strand, NULL, NULL);
    relais_lane_update_flow (strand->flow);
    relais_attempt_refuse (attempt, result);
}

/* Does what an answer that is not CONTINUE says. */
static void
obey (RelaisLane *lane, RelaisStrand *strand, RelaisHookResult *result)
{
    gint64 until_us =
        MAX (result->wait_until_us, relais_loop_now_us (lane->queue->loop) + RELAIS_USEC_PER_MSEC);

    if (strand == NULL)
        relais_hold_begin (&lane->opening_hold, until_us, g_steal_pointer (&result->wait_reason));
    else if (result->verdict == RELAIS_VERDICT_REJECT)
        refuse_head (strand, result);
    else if (result->wait_scope == RELAIS_WAIT_DELIVERY)
        hold_head (strand, until_us);
    else
        relais_order_hold (&lane->order, strand, result->wait_scope, until_us,
                           g_steal_pointer (&result->wait_reason));
}

static RelaisPermit *
permit_of (RelaisLane *lane, RelaisStrand *strand)
{
    return strand != NULL ? &strand->permit : &lane->opening;
}

/* The answer came late: it is kept for the next turn, or obeyed now. */
static void
on_answer (gpointer data, RelaisHookResult *result)
{
    RelaisAsk *ask = data;
    RelaisLane *lane = ask->lane;
    RelaisStrand *strand = ask->strand;
    RelaisPermit *permit = permit_of (lane, strand);

    permit->ask = NULL;
    if (strand != NULL)
        relais_lane_update_strand (strand); /* it stands in the order again */
    apply_limits (lane, ask->subject.grant);
    if (result->verdict == RELAIS_VERDICT_CONTINUE) {
        permit->given = true;
        permit->grant = g_steal_pointer (&ask->subject.grant);
    } else if (strand == NULL || strand->active) {
        obey (lane, strand, result);
    }
    relais_lane_mark (lane);
    drop_subject (&ask->subject);
    g_free (ask);
}

/* --- Asking ------------------------------------------------------------------------------------- */

static bool
take_given (RelaisPermit *permit, RelaisGrant **grant)
{
    if (!permit->given)
        return false;
    permit->given = false;
    *grant = g_steal_pointer (&permit->grant);
    return true;
}

static bool
ask (RelaisLane *lane, RelaisStrand *strand, RelaisHookId hook, RelaisGrant **grant)
{
    RelaisAsk *call = g_new0 (RelaisAsk, 1);
    RelaisHookResult result = {0};
    bool go;

    call->lane = lane;
    call->strand = strand;
    if (strand != NULL)
        fill_strand (&call->subject, strand);
    else
        fill_lane (&call->subject, lane);
    lane->queue->asks++;
    call->run = relais_host_run (lane->queue->host, hook, &call->subject, &result, on_answer, call);
    if (call->run != NULL) {
        permit_of (lane, strand)->ask = call;
        if (strand != NULL)
            relais_lane_update_strand (strand); /* out of the order until it is answered */
        return false;
    }
    apply_limits (lane, call->subject.grant);
    go = result.verdict == RELAIS_VERDICT_CONTINUE;
    if (go)
        *grant = g_steal_pointer (&call->subject.grant);
    else
        obey (lane, strand, &result);
    drop_subject (&call->subject);
    relais_hook_result_clear (&result);
    g_free (call);
    return go;
}

static bool
is_asked (const RelaisQueue *queue, RelaisHookId hook)
{
    return queue->host != NULL && relais_host_has (queue->host, hook);
}

bool
relais_permit_open (RelaisLane *lane, RelaisGrant **grant)
{
    *grant = NULL;
    return take_given (&lane->opening, grant) || !is_asked (lane->queue, RELAIS_HOOK_LANE) ||
           ask (lane, NULL, RELAIS_HOOK_LANE, grant);
}

bool
relais_permit_go (RelaisStrand *strand, RelaisGrant **grant)
{
    *grant = NULL;
    return take_given (&strand->permit, grant) ||
           !is_asked (strand->flow->queue, RELAIS_HOOK_ADMIT) ||
           ask (strand->lane, strand, RELAIS_HOOK_ADMIT, grant);
}

void
relais_permit_clear (RelaisPermit *permit)
{
    RelaisAsk *call = g_steal_pointer (&permit->ask);

    if (call != NULL) {
        relais_host_cancel (call->run);
        drop_subject (&call->subject);
        g_free (call);
    }
    permit->given = false;
    relais_grant_end (g_steal_pointer (&permit->grant), RELAIS_RESERVATION_RETURNED, 0);
}
