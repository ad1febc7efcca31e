/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue's own state, seen by its files alone, and the few functions by which they work on it.
 *
 * The queue is counted: whoever waits for another room (a load, a job, a written group) holds a
 * reference, and finds `closed` set if the queue went meanwhile.
 */
#pragma once

#include "queue/delivery-private.h"
#include "queue/queue-private.h"
#include "queue/settings-private.h"
#include "queue/types-private.h"
#include "queue/wheel-private.h"

/* A recipient domain and where its mail goes. */
typedef struct {
    char *name;
    guint32 number;
    guint uses;    /* deliveries */
    guint routing; /* of the queue's that its destination is by */
    RelaisDestination *destination;
    GList idle_link; /* in queue->idle_domains while unused */
    gint64 idle_since_us;
} RelaisQueueDomain;

/* The name of a campaign that mail is queued of, counted. Beyond RELAIS_QUEUE_CAMPAIGNS of them the mail of further
 * ones is queued as if it were of none. */
struct RelaisCampaign {
    RelaisQueue *queue;
    guint refs;
    char *name;
};
enum { RELAIS_QUEUE_CAMPAIGNS = 10000 };
enum { RELAIS_QUEUE_PARKED = 10000 }; /* outcomes that wait for evidence or reports to be kept */
/* With a new reference; NULL for NULL. */
RelaisCampaign *relais_queue_campaign (RelaisQueue *queue, const char *name);
/* NULL ok, both. */
RelaisCampaign *relais_campaign_ref (RelaisCampaign *campaign);
void relais_campaign_unref (RelaisCampaign *campaign);

struct RelaisQueue {
    guint refs;
    bool closed, started, draining;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSpool *spool;
    RelaisDns *dns;
    RelaisSts *sts;       /* or NULL: nobody is asked for a policy */
    RelaisTlsrpt *tlsrpt; /* or NULL: nobody counts */
    RelaisHost *host;
    RelaisSuppression *suppression; /* or NULL: nobody is on it */
    RelaisConfig *config;
    RelaisQueueSettings settings;
    guint settings_serial; /* how often they were read again */
    guint policies_serial; /* how often what other domains publish is read otherwise than before */
    guint routing;         /* how often mail had to go elsewhere: see reroute.c */
    guint32 next_rerouted; /* slot whose deliveries are to be moved; 0: none */
    guint64 lanes_retired;
    guint32 next_deadline; /* slot whose deadline is to be set anew; 0: none */
    RelaisTlsContext *tls, *tls_verify;
    RelaisTlsSessions *tls_sessions;

    RelaisRecords records;
    RelaisWheel *wheel;
    RelaisTimer wheel_timer, sweep_timer;
    GHashTable *domains;     /* name -> RelaisQueueDomain */
    GPtrArray *domain_table; /* by number; NULL: free */
    GArray *free_domains;    /* numbers */
    GQueue idle_domains;
    GHashTable *tenants;      /* name -> RelaisTenant */
    GHashTable *campaigns;    /* name -> RelaisCampaign */
    GHashTable *destinations; /* name -> RelaisDestination */
    GHashTable *flows;        /* by what makes them -> RelaisFlow */
    GPtrArray *flow_table;    /* by number; NULL: free */
    GArray *free_flows;
    GQueue idle_flows;
    GQueue late_flows;       /* RelaisFlow, by late_link: more is due than one turn takes up */
    GHashTable *lanes;       /* "source site" -> RelaisLane */
    GQueue tls_commands;     /* under way: see terms-show.c */
    GQueue injects;          /* whose message still comes: see inject.c */
    GHashTable *lives;       /* id -> RelaisLive */
    GHashTable *clear_hosts; /* host -> gint64 *: no STARTTLS there until */
    GHashTable
        *out_of_reach; /* "source address" -> gint64 *: comes last there until, see reach.c */
    guint64 route_serial;

    GQueue dirty_lanes;   /* RelaisLane, by dirty_link */
    GQueue starved_lanes; /* wait for a connection of the daemon's total */
    bool pump_posted;
    GQueue idle_connections; /* RelaisConnection, longest idle first */
    guint n_connections;
    GQueue attempts; /* RelaisAttempt, by link: every live owner */

    RelaisDeliveryList local; /* deliveries with an action, see local.c */
    guint n_local;            /* messages worked on locally now */
    GArray *notices;          /* guint64 ids whose senders are to be told of a delay */
    guint n_settling;         /* outcome groups not written yet */
    GQueue
        parked; /* RelaisSettlement, by parked_link, whose evidence or report cannot be kept now */
    RelaisTimer parked_timer;
    guint most_parked;
    GQueue waiting_jobs; /* for a place in the pool */
    RelaisTimer jobs_timer;
    RelaisTimer sources_timer; /* see source.c */

    RelaisLoopFunc drained;
    gpointer drained_data;

    guint64 n_due[RELAIS_N_DESTINATION_STATES]; /* deliveries, by the state of their destination */
    guint64 n_in_order;                         /* flows that wait for a turn in some lane */
    guint64 held, active;
    guint64 quarantined;  /* of `held`, by a verdict */
    guint64 lapsed_total; /* deliveries that went from the quarantine when their time was over */
    gint64 made_us;
    guint64 delivered_total, deferred_total, bounced_total, expired_total, suppressed_total;
    guint64
        evidence_lost_total; /* settlements written without the evidence that could not be kept */
    guint64 tls_handshakes_total, tls_resumed_total; /* of connections that we opened */
    guint64 asks;   /* calls of lane and admit; for the test of growth */
    guint64 sifted; /* attempts of which the suppression list left nothing */
    guint64 steps;  /* things looked at to decide what goes next; for the test of growth */
};

RelaisQueue *relais_queue_ref (RelaisQueue *queue);
void relais_queue_unref (RelaisQueue *queue);
/* Has the marked lanes and the local work looked at, from a later turn. */
void relais_queue_wake (RelaisQueue *queue);
/* Calls `drained` if a drain has come to its end. */
void relais_queue_check_drained (RelaisQueue *queue);
/* True when deliveries may begin. */
bool relais_queue_may_send (const RelaisQueue *queue);

/* Runs a job in the pool, now or when it has room. The queue is referenced until `done`. */
void
relais_queue_run_job (RelaisQueue *queue, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data);

RelaisTenant *relais_queue_tenant (RelaisQueue *queue, const char *name);
RelaisQueueDomain *relais_queue_domain (RelaisQueue *queue, const char *name);
void relais_queue_domain_release (RelaisQueue *queue, guint32 number);
static inline RelaisQueueDomain *
relais_queue_domain_at (const RelaisQueue *queue, guint32 number)
{
    return g_ptr_array_index (queue->domain_table, number);
}
static inline RelaisFlow *
relais_queue_flow_at (const RelaisQueue *queue, guint32 number)
{
    return g_ptr_array_index (queue->flow_table, number);
}
/* By the class and tenant of a message that has deliveries. */
const RelaisSchedule *
relais_queue_schedule (const RelaisQueue *queue, const RelaisMessageSlot *slot);
/* Has the tenant's schedules be those of the settings in force. */
void relais_queue_set_schedules (const RelaisQueue *queue, RelaisTenant *tenant);

void relais_queue_each_connection (RelaisQueue *queue, void (*func) (RelaisConnection *connection));
/* Has idle flows and domains looked at. */
void relais_queue_sweep_later (RelaisQueue *queue);

/* Has relais_queue_on_deadline () look at the message then. */
void relais_queue_set_wake (RelaisQueue *queue, guint32 slot, gint64 at_us);
/* Sets the message's deadline, and the timer. */
void relais_queue_set_deadline (RelaisQueue *queue, guint32 slot);
/* The monotonic moment up to which the sender asked to have a message kept that was not tried yet; 0 if it has come, or
 * none was asked for. */
gint64 relais_queue_release_us (const RelaisQueue *queue, guint32 delivery);
/* Puts a delivery that is in no place and was not tried: with what waits for its release, or what is due. */
void relais_queue_put (RelaisQueue *queue, guint32 delivery, bool first);
/* A message is on disk alone from now on: it was tried once, or is to wait for long. */
void relais_queue_cool (RelaisQueue *queue, guint32 slot);
/* Ends a delivery's record, and the message's with its last one. */
void relais_queue_forget (RelaisQueue *queue, guint32 delivery);
/* Moves a delivery, wherever it is but ACTIVE, to the local work with this action. */
void relais_queue_make_local (RelaisQueue *queue, guint32 delivery, RelaisAction action);
/* Takes up local work, as much as may run at once. */
void relais_queue_pump_local (RelaisQueue *queue);

/* Whether every delivery has a timer or a live owner, and all counts agree. For tests: false and a
 * description of what is wrong. Looks at everything. */
bool relais_queue_check (RelaisQueue *queue, char **problem);
