/* SPDX-License-Identifier: MIT
 *
 * Shaping: what a module needs that limits mail on its way out. A source (an address of ours) towards a site
 * (a mailbox provider, or one set of MX hosts) is a lane; lanes share limits and the order of turns. The
 * core asks before it acts:
 *
 *   lane    may this lane open one more connection?
 *   admit   may the delivery at the head of a queue of this lane go now?
 *
 * Both answer CONTINUE (go) or WAIT with relais_hook_wait (). What waits sleeps on one timer; it costs nothing
 * and is no attempt. All functions here are the loop's alone and take microseconds of the monotonic clock
 * (relais_hook_now_us ()).
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* --- Who is asked about. lane, admit, result and, but for the connections, rewrite and seal. Borrowed until the
 * function returns. */
/* Name of the section [source NAME]; "default" where there is none. [w] */
RELAIS_API const gchar *relais_hook_get_source (const RelaisHook *hook);
/* Name of its pool. [w] */
RELAIS_API const gchar *relais_hook_get_pool (const RelaisHook *hook);
/* What shares limits: the provider's name, or the sorted names of the MX hosts, or "route:NAME". [w] */
RELAIS_API const gchar *relais_hook_get_site (const RelaisHook *hook);
/* Name of the section [provider NAME] that the site is, or NULL. [w] */
RELAIS_API const gchar *relais_hook_get_provider (const RelaisHook *hook);
/* "transactional" or "bulk"; NULL in lane. */
RELAIS_API const gchar *relais_hook_get_class (const RelaisHook *hook);
/* Of the message, NULL if it has none, and in lane. Tenant: relais_hook_get_tenant (). */
RELAIS_API const gchar *relais_hook_get_campaign (const RelaisHook *hook);
/* Connections that the lane has now, those being opened included. lane, admit. */
RELAIS_API guint32 relais_hook_n_connections (const RelaisHook *hook);

/* --- WAIT. */
/* What a WAIT of admit holds back. */
typedef guint32 RelaisWaitScope;
enum {
    RELAIS_WAIT_LANE = 0,     /* the whole lane */
    RELAIS_WAIT_TENANT = 1,   /* the tenant's mail in this lane */
    RELAIS_WAIT_CAMPAIGN = 2, /* the campaign's mail, of this tenant, in this lane */
    RELAIS_WAIT_DELIVERY = 3  /* this delivery alone; what is behind it goes first */
};
/* To be called before WAIT is returned: until when (asked again then, or when woken), what is held back (lane
 * ignores it: there it is the opening of connections), and why, in words for `relaisctl why` (copied; one
 * line, at most 200 octets). Without it a WAIT lasts a minute. */
RELAIS_API void
relais_hook_wait (RelaisHook *hook, gint64 until_us, RelaisWaitScope scope, const gchar *reason);
/* Ends what waits in the lanes of that source and site (NULL: any): they are asked again in the next turn. */
RELAIS_API void relais_lanes_wake (RelaisModule *module, const gchar *source, const gchar *site);

/* --- Going. */
/* What becomes of what a function allowed. */
typedef guint32 RelaisReservationStep;
enum {
    /* It goes: `n` recipients in one transaction, or one connection. Within the turn of the answer. */
    RELAIS_RESERVATION_TAKEN = 0,
    /* MAIL FROM of a transaction with `n` recipients was said; or the connection was begun. */
    RELAIS_RESERVATION_USED = 1,
    /* Over without that: what was reserved is free again. `n` is 0. */
    RELAIS_RESERVATION_RETURNED = 2,
    /* The connection that was used is closed. lane alone. `n` is 0. */
    RELAIS_RESERVATION_ENDED = 3
};
typedef void (*RelaisReservationFunc) (gpointer data, RelaisReservationStep step, guint32 n);
/* Has `func` told what becomes of this call's CONTINUE. The last call is RETURNED, USED (admit) or ENDED (lane), always comes
 * before the module's stop, and is never made inside the function that reserves. FALSE on another hook, or the second time. */
RELAIS_API gboolean relais_hook_reserve (RelaisHook *hook, RelaisReservationFunc func,
                                         gpointer data);
/* admit: no more than `n` recipients (at least 1) in this transaction. */
RELAIS_API void relais_hook_set_max_recipients (RelaisHook *hook, guint32 n);

/* The lane's limits, in force until they are set again. 0: the core's own ([queue], [route NAME]). Versioned. */
typedef struct {
    guint32 struct_size;
    guint32 connections; /* at once; the core still begins with fewer and grows */
    guint32 messages_per_connection;
    guint32 recipients; /* per transaction */
} RelaisLaneLimits;
/* lane, admit. What is open beyond a lower limit closes after its message. */
RELAIS_API void relais_hook_set_lane_limits (RelaisHook *hook, const RelaisLaneLimits *limits);

/* --- What came of it. The hook `result` is called once for each recipient of each attempt, delivered or not; also
 * where no route was found, with neither source nor site then. */
typedef guint32 RelaisOutcome;
enum { RELAIS_OUTCOME_DELIVERED = 0, RELAIS_OUTCOME_DEFERRED = 1, RELAIS_OUTCOME_BOUNCED = 2 };
/* As the reply alone says; what functions of `result` make of it comes after. */
RELAIS_API RelaisOutcome relais_hook_get_outcome (const RelaisHook *hook);
/* Where in the dialogue: "connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot"
 * (the reply to the whole message); for what
 * never left us "dns", "route" or "prepare". Static. */
RELAIS_API const gchar *relais_hook_get_phase (const RelaisHook *hook);
/* Enhanced code of the reply, "4.7.1"; NULL if it had none. */
RELAIS_API const gchar *relais_hook_get_reply_enhanced (const RelaisHook *hook);
/* Whether the words are ours (a time-out, a refusal by a module) and not the peer's. */
RELAIS_API gboolean relais_hook_get_internal (const RelaisHook *hook);
/* MX host that answered, or NULL. */
RELAIS_API const gchar *relais_hook_get_host (const RelaisHook *hook);

/* --- Sources out of use. */
typedef guint32 RelaisSourceState;
enum { RELAIS_SOURCE_IN = 0, RELAIS_SOURCE_OUT = 1 };
/* Takes a source out, or back: while any module says OUT nothing new begins from it, and its mail goes to the
 * other sources of the pool or waits. `reason` is for people (copied; nullable with IN). Kept in memory, per
 * module. FALSE if there is no such source. Emits the event "source". */
RELAIS_API gboolean relais_source_set_state (RelaisModule *module, const gchar *source,
                                             RelaisSourceState state, const gchar *reason);
/* Why it is out, whichever module said so; NULL while it is in. Borrowed until the loop is returned to, or a state is
 * set. */
RELAIS_API const gchar *relais_source_get_reason (RelaisModule *module, const gchar *source);

/* Mails `text` (lines end in \n; UTF-8) to [relais] postmaster, from <>. FALSE if no postmaster is set, or it
 * cannot be taken now. */
RELAIS_API gboolean relais_notify_postmaster (RelaisModule *module, const gchar *subject,
                                              const gchar *text);

G_END_DECLS
