/* SPDX-License-Identifier: MIT
 *
 * Names that all of Relais' public headers share: export marks, opaque types, verdicts, hooks.
 * Enums are 32 bits wide for ever; a value that a callee does not know means its documented
 * default.
 */
#pragma once

#include <glib.h>

#include <relais/version.h>

#ifdef RELAIS_COMPILATION
#define RELAIS_API __attribute__ ((visibility ("default")))
#else
#define RELAIS_API
#endif

G_BEGIN_DECLS

/* Opaque; each header that has functions for one says who owns it. */
typedef struct RelaisModule RelaisModule; /* a loaded module, as its own functions are handed it */
typedef struct RelaisConfig RelaisConfig; /* the whole configuration; immutable, counted */
typedef struct RelaisSection RelaisSection; /* one section of it */
typedef struct RelaisHook RelaisHook;       /* one call of a hook */
typedef struct RelaisTicket RelaisTicket;   /* the right to complete a suspended call once */
typedef struct RelaisMessage RelaisMessage; /* an accepted message; read-only, counted */
typedef struct RelaisCommandCall RelaisCommandCall; /* one invocation of a command */

/* What a hook function answers. Which ones a hook takes stands in hook.h; another one counts as TEMPFAIL
 * (DEFER, WAIT where the hook takes no TEMPFAIL) and is logged with the module's name. */
typedef guint32 RelaisVerdict;
enum {
    RELAIS_VERDICT_CONTINUE = 0,   /* no opinion: ask the next */
    RELAIS_VERDICT_ACCEPT = 1,     /* ask no further function of this hook */
    RELAIS_VERDICT_REJECT = 2,     /* permanent refusal (5xx) */
    RELAIS_VERDICT_TEMPFAIL = 3,   /* temporary refusal (4xx) */
    RELAIS_VERDICT_DISCARD = 4,    /* take the message and drop it */
    RELAIS_VERDICT_QUARANTINE = 5, /* take the message and hold it */
    RELAIS_VERDICT_DEFER = 6,      /* on the way out: not now, try again later */
    RELAIS_VERDICT_WAIT = 7,       /* lane, admit: not yet, see relais_hook_wait () */
    RELAIS_VERDICT_PENDING = 8     /* a ticket was taken; the answer comes with it */
};

/* The places where modules are called; design of each in hook.h. */
typedef guint32 RelaisHookId;
enum {
    RELAIS_HOOK_CONNECT = 0,
    RELAIS_HOOK_HELO = 1,
    RELAIS_HOOK_AUTH = 2,
    RELAIS_HOOK_MAIL = 3,
    RELAIS_HOOK_RCPT = 4,
    RELAIS_HOOK_MESSAGE = 5,
    RELAIS_HOOK_ROUTE = 6,
    RELAIS_HOOK_LANE = 7,
    RELAIS_HOOK_ADMIT = 8,
    RELAIS_HOOK_REWRITE = 9,
    RELAIS_HOOK_SEAL = 10,
    RELAIS_HOOK_RESULT = 11,
    RELAIS_HOOK_EVENT = 12,
    RELAIS_N_HOOKS = 13 /* of this release; not part of the ABI */
};

G_END_DECLS
