/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of the module milter: what a configuration comes to, a session's connections to its milters,
 * and one suspended call of a hook. All on the loop but where a part says otherwise.
 */
#pragma once

#include "header-edits.h"
#include "reverse.h"
#include "wire.h"

#include <relais/channel.h>
#include <relais/counter.h>
#include <relais/hook.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/timer.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif
#define MILTER_ATTRIBUTE "edits" /* "milter.edits": what rewrite and seal do */

enum {
    MILTER_MAX = 16,                 /* sections [milter-filter NAME] */
    MILTER_MAX_PROGRESS = 1000,      /* packets that only say that it is still at work, in a row */
    MILTER_HEADER_BYTES = 256 * 1024 /* of a header that milters are shown */
};

typedef enum { MILTER_FAIL_TEMPFAIL, MILTER_FAIL_ACCEPT, MILTER_FAIL_REJECT } MilterFailure;

/* A section. Counted, since sessions outlive configurations. */
typedef struct {
    char *name, *address;
    gint64 connect_us, command_us, message_us;
    MilterFailure on_failure;
    char **listeners, **tenants;
    guint64 max_body;
} MilterServer;

MilterServer *milter_server_ref (MilterServer *server);
void milter_server_unref (MilterServer *server);

/* What a configuration comes to: the object of prepare_config. Immutable. */
typedef struct {
    GPtrArray *servers; /* MilterServer, in their order */
    char *hostname;
    bool reverse_names;
} MilterConfig;

/* The module. */
typedef struct {
    RelaisModule *module;
    RelaisSlot *session_slot;
    RelaisCounter *verdicts, *failures;
    GQueue sessions; /* those with connections */
} Milter;

typedef struct MilterCall MilterCall;
typedef struct MilterSession MilterSession;

/* A session's conversation with one milter. */
typedef struct {
    MilterServer *server;
    MilterSession *session;
    RelaisChannel *channel; /* NULL: none yet, or it failed */
    guint32 actions, steps;
    bool told_connect; /* what it was told */
    bool told_helo, in_mail;
    bool failed;       /* for this transaction */
    bool done_session; /* it accepted the session, or this mail */
    bool done_mail;
} MilterLink;

struct MilterSession {
    Milter *self;
    guint n_links;
    MilterLink *links;
    MilterCall *call;       /* under way, or NULL */
    MilterReverse *reverse; /* the client's name; or NULL */
    bool discard;           /* this mail, once it is there */
    GList node;
};

MilterSession *milter_session_new (Milter *self, const MilterConfig *config);
void milter_session_free (gpointer session);
/* Ends with every milter, politely. */
void milter_session_close (MilterSession *session);
/* Closes a connection that no more use can be made of. */
void milter_link_drop (MilterLink *link);

/* The session ends while it is asked about. */
void milter_call_forget (MilterSession *session);

/* The hooks connect to message. */
RelaisVerdict milter_ask (RelaisHook *hook, gpointer data);
/* rewrite and seal; worker. */
RelaisVerdict milter_rewrite (RelaisHook *hook, gpointer data);
RelaisVerdict milter_seal (RelaisHook *hook, gpointer data);

/* Macros for the command `letter` (SMFIC_MACRO), as far as hook and session tell them; nothing if there are
 * none. */
void milter_macros_put (GByteArray *out, char letter, RelaisHook *hook,
                        const MilterSession *session, const MilterConfig *config);
