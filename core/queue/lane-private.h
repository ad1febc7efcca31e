/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A lane: one source towards one site. It says how many connections there may be, and starts what has its turn
 * (order-private.h) if modules allow it (permit-private.h).
 *
 * A path is what the lane knows of one set of hosts: after all of them failed it sleeps, then lets
 * one attempt through as a probe.
 */
#pragma once

#include "queue/destination-private.h"
#include "queue/order-private.h"

/* Heads that modules, or the suppression list, may hold back one by one before the lane's turn ends. */
enum { RELAIS_LANE_REFUSALS = 100 };

typedef enum {
    RELAIS_PATH_OPEN,
    RELAIS_PATH_ASLEEP,
    RELAIS_PATH_PROBE,  /* one attempt may go */
    RELAIS_PATH_PROBING /* and is under way */
} RelaisPathState;

struct RelaisPath {
    RelaisLane *lane;
    char *name; /* see relais_terms_name_path () */
    RelaisPathState state;
    RelaisNap nap;
    guint uses; /* strands and connections */
    GQueue strands;
    char *text; /* why it sleeps */
};

struct RelaisLane {
    RelaisQueue *queue;
    RelaisSource *source;
    char *key, *site;
    bool is_provider;         /* the site is one */
    RelaisStaticRoute *fixed; /* the site is this one; or NULL */
    guint limit;              /* connections now */
    guint most;               /* connections ever */
    guint messages_per_connection, recipients;
    RelaisLaneLimits core;  /* the core's own, where modules set none */
    gint64 growth_from_us;  /* the limit does not grow before */
    GPtrArray *connections; /* RelaisConnection */
    RelaisOrder order;
    RelaisPermit opening;    /* of the next connection */
    RelaisHold opening_hold; /* no connection is opened while it lasts */
    guint64 served;          /* in units of weight, of what any source might have taken */
    guint uses;              /* strands, paths and connections */
    GHashTable *paths;       /* name -> RelaisPath */
    bool retired;            /* its route is gone */
    bool dirty;
    bool waited;  /* let another source of a pool go first */
    bool starved; /* waits for a place of the daemon's total */
    bool invited; /* one was kept for it */
    GList dirty_link, starved_link;
};

/* Hangs a flow in the lanes of its pool, or takes it out. */
void relais_lane_attach_flow (RelaisFlow *flow, const RelaisRoute *route);
void relais_lane_detach_flow (RelaisFlow *flow);
/* Something of the flow may have become due. */
void relais_lane_update_flow (RelaisFlow *flow);
/* The same for one source's strand. */
void relais_lane_update_strand (RelaisStrand *strand);
/* Modules' limits; 0 is the core's own. */
void relais_lane_set_limits (RelaisLane *lane, const RelaisLaneLimits *limits);
/* The configuration was read again: the core's limits are in force, and modules are asked anew. Lanes to routes that
 * are gone end with what is being sent over them. */
void relais_lanes_reload (RelaisQueue *queue);
/* Ends what modules had wait in the lanes of a source and a site (NULL: any). */
void relais_lanes_end_waits (RelaisQueue *queue, const char *source, const char *site);
/* Its sources' states changed: what is due for one that is out goes to the others. */
void relais_lanes_use_sources (RelaisQueue *queue);
/* Ends its paths' sleep. */
void relais_lane_wake_flow (RelaisFlow *flow);
/* Whether a retry may wait for this source. */
bool relais_strand_is_usable (const RelaisStrand *strand);

/* Has the lane looked at in a later turn. */
void relais_lane_mark (RelaisLane *lane);
void relais_lane_mark_all (RelaisQueue *queue);
/* Starts what may start. */
void relais_lane_pump (RelaisLane *lane);

RelaisPath *relais_path_ref (RelaisPath *path);
void relais_path_unref (RelaisPath *path);
/* A host of the path answered. */
void relais_path_opened (RelaisPath *path);
/* None did: the path sleeps. */
void relais_path_failed (RelaisPath *path, const char *text);
/* The attempt went back untried: if it was the probe, another may be. */
void relais_path_untried (RelaisPath *path);

/* Connections report; a lane lives while it has one. */
void relais_lane_add_connection (RelaisLane *lane, RelaisConnection *connection);
void relais_lane_remove_connection (RelaisLane *lane, RelaisConnection *connection);
void relais_lane_succeeded (RelaisLane *lane);
/* The peer said that it is too much. */
void relais_lane_slow_down (RelaisLane *lane, guint limit);
