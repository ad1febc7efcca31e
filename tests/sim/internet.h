/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-internet from inside: the scenario, as it was read, and what it has become of it. One thread does it
 * all. Times are microseconds: of the laboratory's monotonic clock, or from the start of the run where it says so.
 *
 *   scenario.c   reads the file                limit.c    what a provider takes from a source
 *   ideal.c      the least time that it needs  peer.c     sessions with Relais, as its peers
 *   inject.c     the campaigns                 clock.c    the page, and when it may be moved
 *   report.c     what came of it               relais-internet.c   the loop
 */
#pragma once

#include "loop/clock-virtual-private.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

enum {
    SIM_LIMITS = 8,        /* of a provider, of each kind */
    SIM_CAPS = 400,        /* days */
    SIM_SESSIONS = 16,     /* of the injector, a tenant */
    SIM_LINE = 4096,       /* of a scenario */
    SIM_VIOLATIONS = 10000 /* that are written one by one */
};
#define SIM_SECOND_US G_GINT64_CONSTANT (1000000)
#define SIM_MINUTE_US (60 * SIM_SECOND_US)
#define SIM_HOUR_US (60 * SIM_MINUTE_US)
#define SIM_DAY_US (24 * SIM_HOUR_US)
#define SIM_NEVER G_MAXINT64

/* --- The scenario -------------------------------------------------------------------------------- */

/* "2000/h": at most n in any time shorter than that. "20/s burst 40": at most 40 + 20 x t / 1 s in any t. */
typedef struct {
    gint64 n, period_us;
    gint64 burst; /* 0: the first kind */
} SimLimit;

typedef struct {
    guint n;
    SimLimit limits[SIM_LIMITS];
} SimLimits;

typedef struct {
    char *name, *address;
    gint64 age; /* days that it has been known for at the start */
    gint64 weight;
} SimSource;

typedef struct {
    char *name;
    gint64 weight;
    guint16 port; /* of its listener */
} SimTenant;

typedef struct {
    char *name, *class;
    gint64 messages;
    gint64 at_us;   /* from the start */
    gint64 queue;   /* it keeps so many in Relais; 0: all */
    SimLimits rate; /* at most one; none: as the queue has room */
    gint64 size;
    /* What has become of it. */
    gint64 injected;
    gint64 *of_provider; /* what each gets */
} SimCampaign;

typedef enum { SIM_AT_CONNECT, SIM_AT_MAIL, SIM_AT_RCPT, SIM_AT_DOT } SimPhase;

typedef struct SimLane SimLane;

/* What is known of a message, by its number. */
enum { SIM_NOWHERE, SIM_INJECTED, SIM_REFUSED, SIM_DELIVERED };

typedef struct {
    char *name, *as; /* as: what Relais calls it */
    char *address;
    gint64 weight, domains;
    SimLimits limits, connects;
    gint64 connections, per_connection, recipients;
    gint64 caps[SIM_CAPS];
    guint n_caps;
    bool calendar; /* a bad day counts as a day */
    gint64 block_us, block_hits, block_within_us;
    gint64 greylist_us, latency_us;
    gint64 slow_from, slow_until;                         /* days, from 0; slow_until 0: none */
    gint64 stall_from_us, stall_until_us, stall_reply_us; /* reply 0: says nothing at all */
    gint64 defer_ppm, unknown_ppm;
    char *on_limit, *on_connections, *on_cap, *on_block, *on_defer, *on_unknown, *on_greylist;
    SimPhase limit_at;
    /* What has become of it. */
    guint index;
    SimLane *lanes; /* one a source, and the last one for all others */
    gint64 total;   /* messages for it */
    guint8 *states, *attempts;
    gint64 *greylisted; /* a message and lane each: when it was first seen */
    gint64 injected, delivered, refused, duplicates, foreign;
    gint64 first_us, last_us; /* of deliveries, from the start; -1 */
    gint64 ideal_us;
} SimProvider;

typedef struct {
    gint64 at_us;   /* from the start; or -1 and */
    gint64 percent; /* of all messages that are done */
    char *words;
    bool done;
} SimAction;

typedef struct {
    char *name, *op, *value;
    guint line;
} SimExpect;

typedef struct {
    char *path, *title, *conf, *modules, *compare;
    gint64 seed;
    gint64 start_us; /* wall clock */
    gint64 limit_us, tick_us, settle_us;
    bool shipped;
    GPtrArray *sources, *tenants, *campaigns, *providers, *actions, *expects;
} SimScenario;

/* Exits with FILE:LINE and what is wrong. */
SimScenario *sim_scenario_read (const char *path, double scale);
void sim_scenario_dump (const SimScenario *scenario);

/* --- What a provider takes from a source ------------------------------------------------------------ */

/* The state of a limit: the times of the last n, or the level of what has not drained. */
typedef struct {
    gint64 *times;
    gint64 count, level, at_us;
} SimMeter;

typedef enum {
    SIM_COUNT_ACCEPTED,
    SIM_COUNT_DEFERRED,
    SIM_COUNT_REFUSED,
    SIM_COUNT_VIOLATIONS,
    SIM_COUNT_CONNECTIONS,
    SIM_COUNTS
} SimCount;

struct SimLane {
    SimProvider *provider;
    const SimSource *source; /* NULL: of none of the scenario's */
    SimMeter meters[SIM_LIMITS], connect_meters[SIM_LIMITS];
    gint64 open;  /* connections */
    gint64 stage; /* days of good behaviour */
    gint64 day, day_used, day_violations;
    gint64 *hits; /* the last block_hits violations */
    gint64 n_hits;
    gint64 blocked_until_us; /* from the start */
    gint64 blocks, last_violation_us;
    gint64 cap_sum, cap_used;                 /* over the days that had a cap and mail */
    gint64 hour, hour_violations, worst_hour; /* after the time to settle */
    gint64 minute;
    gint64 now[SIM_COUNTS], sum[SIM_COUNTS];
    gint64 of_kind[6];
};

typedef enum {
    SIM_VIOLATES_RATE,
    SIM_VIOLATES_CAP,
    SIM_VIOLATES_CONNECTIONS,
    SIM_VIOLATES_CONNECT_RATE,
    SIM_VIOLATES_PER_CONNECTION,
    SIM_VIOLATES_RECIPIENTS
} SimViolation;

typedef struct Sim Sim;

void sim_lane_init (Sim *sim, SimLane *lane, SimProvider *provider, const SimSource *source);
/* What is answered to a message that begins now, or NULL: it is taken, and counts. */
const char *sim_lane_take_message (Sim *sim, SimLane *lane);
const char *sim_lane_take_connection (Sim *sim, SimLane *lane);
/* Notes it, and blocks the source where that is enough. */
void sim_lane_violate (Sim *sim, SimLane *lane, SimViolation kind);
void sim_lane_count (Sim *sim, SimLane *lane, SimCount what);
/* Until now; a day ends where one has. */
void sim_lane_roll (Sim *sim, SimLane *lane);
void sim_lane_end_minute (Sim *sim, SimLane *lane);
bool sim_provider_is_slow (const SimProvider *provider, gint64 at_us);
/* Until when it keeps a reply back; 0: it does not. */
gint64 sim_provider_stalls_until (const Sim *sim, const SimProvider *provider);

/* Whether one more at `at_us` is within the limit, and counts it. */
bool sim_meter_fits (SimMeter *meter, const SimLimit *limit, gint64 at_us, bool slow);
void sim_meter_take (SimMeter *meter, const SimLimit *limit, gint64 at_us, bool slow);
void sim_meter_init (SimMeter *meter, const SimLimit *limit);

/* The least time in which the limits allow all of its messages; SIM_NEVER beyond the scenario's end. */
gint64 sim_ideal_us (const SimScenario *scenario, const SimProvider *provider);

/* --- The run ---------------------------------------------------------------------------------------- */

/* What epoll gives back. */
typedef struct SimWatch SimWatch;
struct SimWatch {
    void (*func) (Sim *sim, SimWatch *watch, guint32 events);
};

typedef struct SimHeld SimHeld;

struct Sim {
    SimScenario *scenario;
    int epoll;
    guint16 port;
    char *out;
    FILE *minutes, *violations;
    gint64 n_violations; /* written */
    /* The clock. */
    RelaisClockPage *page;
    int wake_fd;
    gint64 began_us; /* monotonic */
    gint64 began_real_us;
    bool stopped; /* an action is under way */
    bool no_stall;
    gint64 moves, impatient;
    /* Replies that are kept back, by time. */
    GSequence *held;
    gint64 n_held; /* connections of which Relais waits for us */
    /* The injector. */
    GPtrArray *sessions;
    gint64 n_busy; /* sessions that wait for Relais */
    gint64 total, accepted, broken, refused_in;
    gint64 done;
    gint64 finished_us; /* from the start; -1 */
};

void sim_fail (const char *format, ...) G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN;
gint64 sim_now_us (const Sim *sim); /* from the start */
void sim_watch (Sim *sim, int fd, SimWatch *watch, int operation, guint32 events);
/* The same for the same arguments. */
guint64 sim_hash (guint64 seed, guint64 a, guint64 b, guint64 c);

void sim_clock_open (Sim *sim, const char *path);
/* Whether Relais has nothing to do, but for what we keep back. */
bool sim_clock_is_at_rest (const Sim *sim);
/* What it waits for besides. */
gint32 sim_clock_n_others (const Sim *sim);
gint64 sim_clock_due_us (const Sim *sim); /* from the start */
void sim_clock_move (Sim *sim, gint64 to_us);
gint64 sim_real_us (void);

void sim_peer_listen (Sim *sim);
/* Says what was kept back and is due. */
void sim_peer_release (Sim *sim, gint64 until_us);
gint64 sim_peer_due_us (const Sim *sim);

void sim_inject_open (Sim *sim);
/* Gives sessions what is to be sent now. */
void sim_inject_go (Sim *sim);
gint64 sim_inject_due_us (const Sim *sim);
/* A message is done with: delivered (the first time) or refused for good. */
void sim_message_done (Sim *sim, SimProvider *provider);

void sim_report_minute (Sim *sim, const SimLane *lane);
void sim_report_violation (Sim *sim, const SimLane *lane, SimViolation kind);
void sim_report (Sim *sim, const char *how);
void sim_report_progress (Sim *sim);
