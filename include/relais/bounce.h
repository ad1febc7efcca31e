/* SPDX-License-Identifier: MIT
 *
 * What an answer means. A module says in `result` whom a refusal is about and whether it will last; the core
 * keeps it with the outcome, tells it in the event, and hands what is evidence against an address to the suppression
 * list before the outcome is written. Loop.
 */
#pragma once

#include <relais/suppress.h>
#include <relais/types.h>

G_BEGIN_DECLS

/* Whom or what it is about. */
typedef guint32 RelaisBounceScope;
enum {
    RELAIS_BOUNCE_UNKNOWN = 0,   /* the text does not tell */
    RELAIS_BOUNCE_RECIPIENT = 1, /* this mailbox */
    RELAIS_BOUNCE_DOMAIN = 2,    /* all of the recipient's domain */
    RELAIS_BOUNCE_CONTENT = 3,   /* the message */
    RELAIS_BOUNCE_IP = 4,        /* the address we send from, its name, its network */
    RELAIS_BOUNCE_AUTH = 5,      /* SPF, DKIM, DMARC, or the lack of them */
    RELAIS_BOUNCE_POLICY = 6,  /* a rule of the receiver's: rates, lists of senders, greylisting */
    RELAIS_BOUNCE_QUOTA = 7,   /* the mailbox is full */
    RELAIS_BOUNCE_NETWORK = 8, /* the way there: DNS, connections, TLS, time-outs */
    RELAIS_BOUNCE_LOCAL = 9    /* us: our configuration, our disk, our modules */
};

typedef guint32 RelaisBouncePermanence;
enum {
    RELAIS_PERMANENCE_UNKNOWN = 0,
    RELAIS_PERMANENCE_PERMANENT = 1, /* the same message to the same address will never be taken */
    RELAIS_PERMANENCE_TEMPORARY = 2
};

/* A verdict. Versioned. Strings are copied: `reason` and `rule` are [a-z0-9.-]+ of at most 64 octets. */
typedef struct {
    guint32 struct_size;
    RelaisBounceScope scope;
    RelaisBouncePermanence permanence;
    RelaisSuppressClass suppress; /* what it is evidence for; RELAIS_SUPPRESS_NONE: nothing */
    const gchar *reason;          /* of a documented list: "no-such-user"; NULL: none */
    const gchar *rule;            /* which rule said so; NULL: none */
} RelaisClassification;

/* result: what the answer to this recipient means; the last call counts. The event has it as bounce_scope,
 * bounce_permanence, bounce_reason, bounce_rule. FALSE, and nothing is set, on another hook, where the outcome is
 * DELIVERED, or for a name that is not well-formed. */
RELAIS_API gboolean relais_hook_set_classification (RelaisHook *hook,
                                                    const RelaisClassification *classification);

/* Static: "recipient", "permanent"; "unknown" for values that are none. Any thread. */
RELAIS_API const gchar *relais_bounce_scope_to_string (RelaisBounceScope scope);
RELAIS_API const gchar *relais_bounce_permanence_to_string (RelaisBouncePermanence permanence);

G_END_DECLS
