/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * throttle from inside. A lane is a source towards a site; it keeps its limits' buckets, what it has learned from
 * replies, and where its warm-up stands. All of it is the loop's. Times are monotonic microseconds, 0 where there is
 * none, but for days and what is in the store.
 *
 *   lane, admit -> ask.c: may it go? else until when -> bucket.h, warmup.h
 *   result      -> reply.c: what a reply tells       -> learn.c: what is done about it
 *   store       <- state.c: lanes that changed, soon; all at the stop
 */
#pragma once

#include <relais/counter.h>
#include <relais/dns.h>
#include <relais/hook.h>
#include <relais/module.h>
#include <relais/shaping.h>
#include <relais/store.h>
#include <relais/timer.h>

#include "settings.h"
#include "window.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

enum {
    THROTTLE_SHARES = 4096, /* tenants and campaigns that a lane remembers */
    THROTTLE_STOPS = 10000, /* of tenants and campaigns; more are not made */
    THROTTLE_PENDING =
        1000, /* replies at RCPT that wait for the end of their turn; more are not looked at */
    THROTTLE_RECIPIENTS_ASKED = 100, /* of one transaction, where none are configured */
    THROTTLE_REASON_BYTES = 160      /* of a reply, in events and tables */
};

/* The rate of a lane that has none configured is measured over this. */
#define THROTTLE_MEASURED_US (5 * THROTTLE_MINUTE_US)

typedef struct ThrottleLane ThrottleLane;

/* What was last answered with WAIT. */
typedef struct {
    gint64 until_us;
    char *reason;
    bool blocked; /* nobody knows until when: what is out has to end first */
} ThrottleWait;

/* The limits of a tenant or a campaign in a lane. */
typedef struct {
    ThrottleLane *lane;
    char *tenant, *campaign; /* campaign NULL: the tenant's */
    ThrottleMeter meter;
    guint64 serial; /* of the configuration that it follows */
    guint uses;
    ThrottleWait wait;
} ThrottleShare;

/* What replies have taught. */
typedef struct {
    guint32 parts;        /* of THROTTLE_PARTS: the rate now */
    gint64 base;          /* an hour, where no rate is configured; 0: unlimited */
    guint32 connections;  /* 0: not lowered */
    gint64 pause_us;      /* rests until then */
    gint64 next_step_us;  /* not lowered again before */
    gint64 raise_from_us; /* good since then */
    guint streak;         /* successes since the last bad sign or raise */
    char *rule, *why;     /* of the last lowering */
} ThrottleLearned;

struct ThrottleLane {
    struct ThrottleModule *module;
    char *key, *source, *site, *provider; /* provider: or NULL */
    GList link;                           /* in module->order */
    guint64 serial;                       /* of the configuration that `settings` is of */
    const ThrottleSettings *settings;     /* of module->config, once it is synced */
    const ThrottleSourceWarmup *plan;     /* same; NULL: no warm-up */
    gint64 made_us, used_us;
    guint uses;             /* holds, and replies that wait */
    ThrottleMeter messages; /* recipients */
    ThrottleMeter connects;
    ThrottleMeter spread; /* of the warm-up day */
    gint64 spread_cap;
    ThrottleWait wait, connect_wait;
    GHashTable *shares; /* key -> ThrottleShare */
    ThrottleLearned learned;
    ThrottleWindow sent, results; /* results: deferrals are bad */
    GHashTable *hits;             /* rule -> ThrottleHits */
    char *counted; /* message and rule of the last hit: all recipients of a transaction are one */
    gint64 counted_us;
    char *accepted; /* the last message of which a recipient was accepted */
    gint64 accepted_us;
    ThrottleWarmup warmup;
    gint64 sure_asked; /* warmup.sure that is being written; 0: none */
    bool known;        /* what the store has of its warm-up was read, or there is none */
    bool recalling;    /* it is being read; counted in `uses` */
    bool dirty;
    GList dirty_link; /* in module->dirty */
};

/* A tenant's or campaign's mail to a site that is held back. */
typedef struct {
    char *key, *site, *tenant, *campaign; /* campaign: or NULL */
    gint64 until_us;
    char *rule, *why;
} ThrottleStop;

typedef struct ThrottleModule {
    RelaisModule *module;
    ThrottleConfig *config; /* in force */
    guint64 serial;         /* grows with each */
    GHashTable *lanes;      /* key -> ThrottleLane */
    GQueue order;           /* ThrottleLane, that was used longest ago first */
    GHashTable *stops;      /* key -> ThrottleStop */
    gint64 empty_us;        /* buckets are made as if they had been empty then; G_MININT64: full */
    gint64 shares_us;       /* the same of tenants' and campaigns', which the store does not keep */
    bool running;           /* between start and stop */
    bool loaded;            /* the store was read, or cannot be */
    bool stored;            /* there is a store that works */
    bool told;              /* that there is none */
    guint n_loaded;
    bool put_away;    /* the store has warm-ups of lanes that are not in the table */
    gint64 lost_day;  /* of warm-ups that were put away: the day, and the most that one used, */
    gint64 lost_used; /* which counts for all where the store cannot be asked */
    GQueue dirty;     /* ThrottleLane, to be written */
    GQueue pending;   /* ThrottlePending, of reply.c */
    bool posted;
    GQueue calls; /* of `throttle show`, that wait for DNS */
    RelaisModuleTimer *write_timer, *sweep_timer;
    RelaisCounter *waits, *actions, *store_errors, *over_limit;
} ThrottleModule;

/* --- lane.c: the table of lanes. ------------------------------------------------------------------ */

void throttle_lanes_init (ThrottleModule *module);
void throttle_lanes_clear (ThrottleModule *module);
/* The lane, made where there is none; its settings are those in force, and what time does was done. */
ThrottleLane *throttle_lane_get (ThrottleModule *module, const char *source, const char *site,
                                 const char *provider);
ThrottleLane *throttle_lane_of_hook (ThrottleModule *module, const RelaisHook *hook);
/* The same for a lane at hand. */
void throttle_lane_sync (ThrottleLane *lane);
/* Its buckets follow what is configured and learned. */
void throttle_lane_apply (ThrottleLane *lane);
/* Looks at some lanes, and forgets those that tell nothing. */
void throttle_lanes_sweep (gpointer module);
/* The rates in force before they are scaled: configured, or learned; none. */
ThrottleRates throttle_lane_get_rates (const ThrottleLane *lane);
/* As they are now, for people. Owned. */
char *throttle_lane_rate_to_string (const ThrottleLane *lane);
/* "provider google" or "site mx.example.org". Owned. */
char *throttle_lane_name (const ThrottleLane *lane);
/* Connections at once; 0: the core's. */
guint32 throttle_lane_get_connections (const ThrottleLane *lane);
gint64 throttle_lane_number (const ThrottleLane *lane, ThrottleKey key);
bool throttle_learned_is_clear (const ThrottleLearned *learned);
/* NULL where it has no limit. */
ThrottleShare *throttle_share_get (ThrottleLane *lane, const char *tenant, const char *campaign);
void throttle_wait_clear (ThrottleWait *wait);
void throttle_wait_set (ThrottleWait *wait, gint64 until_us, const char *reason);

/* --- ask.c: the hooks lane and admit. --------------------------------------------------------------- */

RelaisVerdict throttle_ask_lane (RelaisHook *hook, gpointer module);
RelaisVerdict throttle_ask_admit (RelaisHook *hook, gpointer module);
/* A day begins where one has begun; NULL where the lane is not warmed up (any more). */
const ThrottlePlan *throttle_ask_plan (ThrottleLane *lane);

/* --- reply.c: the hook result. ---------------------------------------------------------------------- */

RelaisVerdict throttle_reply_result (RelaisHook *hook, gpointer module);
void throttle_reply_clear (ThrottleModule *module);

/* --- learn.c: lanes lowered, raised, stopped; each change is an event. -------------------------------- */

/* Who a reply was about, and what it said. */
typedef struct {
    const char *tenant, *campaign; /* NULL: none */
    const char *text;
} ThrottleReason;
void
throttle_learn_act (ThrottleLane *lane, const ThrottleAction *action, const ThrottleReason *reason);
/* One recipient was taken. */
void throttle_learn_success (ThrottleLane *lane);
/* Ends a pause that is over, and raises for the time without a bad sign. */
void throttle_learn_catch_up (ThrottleLane *lane);
/* The warm-up's day does not count. */
void throttle_learn_bad_day (ThrottleLane *lane, const char *rule, const char *why);
void throttle_learn_reset (ThrottleLane *lane);
void throttle_learned_clear (ThrottleLearned *learned);
/* NULL: goes. */
const ThrottleStop *throttle_stop_find (ThrottleModule *module, const char *site,
                                        const char *tenant, const char *campaign);
ThrottleStop *throttle_stop_add (ThrottleModule *module, const char *site, const char *tenant,
                                 const char *campaign, gint64 until_us);
void throttle_stops_sweep (ThrottleModule *module);
void throttle_stop_free (gpointer stop);
/* Octets that fit, whole characters. Owned. */
char *throttle_cut (const char *text);

/* --- state.c: what outlives the process; codec.c: its form. -------------------------------------------- */

/* Reads what there is; until that is done `loaded` is false. */
void throttle_state_start (ThrottleModule *module);
/* The lane is written within seconds. */
void throttle_state_mark (ThrottleLane *lane);
/* Makes sure that a crash counts some more recipients of the day than are used; wakes the lane then. */
void throttle_state_reserve (ThrottleLane *lane, const ThrottlePlan *plan);
/* The lane goes from the table: its warm-up, and what is still to be written, stays in the store. */
void throttle_state_put_away (ThrottleLane *lane);
/* False: the store is being asked whether the lane was put away, and wakes it. */
bool throttle_state_recall (ThrottleLane *lane);
void throttle_state_keep_stop (ThrottleModule *module, const ThrottleStop *stop);
void throttle_state_stop (ThrottleModule *module);
/* In the store a lane has a record of its own, under this. Owned. */
char *throttle_state_key (const char *kind, const char *key);

GVariant *throttle_codec_pack (const ThrottleLane *lane, gint64 now_us, gint64 wall_us);
/* False for what is no record of a lane: nothing is changed. `clean`: nothing was sent since it was written. */
bool throttle_codec_unpack (ThrottleModule *module, GVariant *record, bool clean);
GVariant *throttle_codec_pack_stop (const ThrottleModule *module, const ThrottleStop *stop);
bool throttle_codec_unpack_stop (ThrottleModule *module, GVariant *record);

/* --- show.c: commands. -------------------------------------------------------------------------------------- */

void throttle_command_show (RelaisCommandCall *call, gpointer module);
void throttle_command_reset (RelaisCommandCall *call, gpointer module);
void throttle_command_warmup (RelaisCommandCall *call, gpointer module);
/* In stop: ends those that wait. */
void throttle_show_end_all (ThrottleModule *module);
