/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A lane: one source towards one site. It says how many connections there may be and whose turn it
 * is: transactional mail takes at most four of five turns while bulk waits, and inside a class the
 * tenants take turns by weight (deficit round robin, a turn costs one).
 *
 * A path is what the lane knows of one set of hosts: after all of them failed it sleeps, then lets
 * one attempt through as a probe.
 */
#pragma once

#include "queue/destination-private.h"

enum { RELAIS_LANE_STREAK = 4 }; /* turns of transactional mail in a row while bulk waits */

typedef enum {
    RELAIS_PATH_OPEN,
    RELAIS_PATH_ASLEEP,
    RELAIS_PATH_PROBE,  /* one attempt may go */
    RELAIS_PATH_PROBING /* and is under way */
} RelaisPathState;

struct RelaisPath {
    RelaisLane *lane;
    char *set;
    RelaisPathState state;
    RelaisNap nap;
    guint uses; /* strands and connections */
    GQueue strands;
    char *text; /* why it sleeps */
};

/* A tenant's place in the order of one class. */
typedef struct {
    RelaisTenant *tenant;
    guint credit;   /* turns left in this round */
    GQueue strands; /* RelaisStrand, by link: round robin */
    GList link;     /* in the class */
} RelaisLaneTurn;

struct RelaisLane {
    RelaisQueue *queue;
    RelaisSource *source;
    char *key, *site;
    guint limit; /* connections now */
    guint most;  /* connections ever */
    guint messages_per_connection;
    gint64 growth_from_us;  /* the limit does not grow before */
    GPtrArray *connections; /* RelaisConnection */
    GQueue turns[2];        /* RelaisLaneTurn that have something, by class */
    GHashTable *places[2];  /* tenant -> RelaisLaneTurn */
    guint streak;
    guint64 served;    /* in units of weight, of what any source might have taken */
    guint uses;        /* strands, paths and connections */
    GHashTable *paths; /* set -> RelaisPath */
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
