/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The dmarc module's own contract: records, the walk up the DNS, and the check of one message (RFC 9989). Built
 * with the public headers alone.
 */
#pragma once

#include <relais/counter.h>
#include <relais/dns.h>
#include <relais/hook.h>
#include <relais/module.h>

#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* --- record.c: RFC 9989 section 4.7. Pure. --------------------------------------------------------- */

typedef enum {
    DMARC_UNSET = 0,
    DMARC_NONE,
    DMARC_QUARANTINE,
    DMARC_REJECT,
    DMARC_INVALID /* something stands there that is none of them */
} DmarcPolicy;

typedef struct {
    DmarcPolicy p, sp, np;
    bool strict_dkim, strict_spf;
    bool testing; /* t=y */
    bool has_rua; /* somebody wants reports */
    char psd;     /* 'y', 'n', or 'u' for unknown */
} DmarcRecord;

/* Reads a TXT record. False if it is none of DMARC's; tags that are not understood are passed over. */
bool dmarc_record_parse (const char *text, gsize size, DmarcRecord *record);
/* "none", "quarantine", "reject"; "none" for the rest. */
const char *dmarc_policy_to_string (DmarcPolicy policy);

/* --- walk.c: RFC 9989 section 4.10. Pure. ----------------------------------------------------------- */

enum { DMARC_WALK_QUERIES = 8 };

typedef struct {
    char *domain;
    DmarcRecord record;
} DmarcFound;

/* From a domain up to the root, at most DMARC_WALK_QUERIES steps. */
typedef struct {
    char *start;
    const char *at; /* where the walk stands, within `start`; NULL at its end */
    DmarcFound found[DMARC_WALK_QUERIES];
    guint n_found;
} DmarcWalk;

/* `domain` is copied: A-labels, lower case. */
void dmarc_walk_init (DmarcWalk *walk, const char *domain);
void dmarc_walk_clear (DmarcWalk *walk);
/* The name whose TXT records are wanted next; owned; NULL when the walk is over. */
char *dmarc_walk_next (const DmarcWalk *walk);
/* What stood there: the one record, or NULL where there was none, or more than one. */
void dmarc_walk_take (DmarcWalk *walk, const DmarcRecord *record);
/* After the end: the organisational domain (section 4.10.2). Borrowed. */
const char *dmarc_walk_organisation (const DmarcWalk *walk);
/* After the end: the record that applies to the start (section 4.10.1); NULL if there is none. */
const DmarcFound *dmarc_walk_policy (const DmarcWalk *walk);

/* --- answers.c: the walk's questions. Loop. ---------------------------------------------------------- */

/* Asks for what the walk wants next; NULL, and nothing is asked, when it is over. */
RelaisLookup *
dmarc_walk_ask (const DmarcWalk *walk, RelaisModule *module, RelaisLookupFunc func, gpointer data);
/* It says neither that there is a record nor that there is none. */
bool dmarc_answer_is_unknown (const RelaisDnsAnswer *answer);
/* The walk takes what an answer that is known has; returns how many records of DMARC's that is. */
guint dmarc_walk_take_answer (DmarcWalk *walk, const RelaisDnsAnswer *answer);

/* --- policy.c: what is wanted of a message that fails (sections 4.7 and 4.10.1). Pure. -------------- */

/* The policy that the record found asks for mail from `author`, which `exists` or not, test mode taken
 * into account; DMARC_UNSET: the record is no policy at all. */
DmarcPolicy dmarc_policy_wanted (const DmarcFound *found, const char *author, bool exists);
/* Whether a policy stands there that is none: whoever wants reports then only watches. */
bool dmarc_policy_is_garbled (const DmarcRecord *record);
/* Whether it has to be known if the domain exists. */
bool dmarc_policy_needs_existence (const DmarcFound *found, const char *author);

/* --- check.c: one message. Loop. ------------------------------------------------------------------- */

typedef struct {
    RelaisModule *module;
    RelaisCounter *results; /* by result */
    GQueue calls;           /* WaitingCall, of commands that wait for the DNS */
} Dmarc;

typedef struct {
    DmarcPolicy enforce;   /* the hardest that is done: NONE, QUARANTINE or REJECT */
    DmarcPolicy no_author; /* what is done where there is none to ask about: the same */
    gint64 timeout_us;
} DmarcConfig;

RelaisVerdict dmarc_check (RelaisHook *hook, const Dmarc *dmarc);

/* --- inspect.c: `relaisctl dmarc test`. Loop. ------------------------------------------------------- */

void dmarc_command_test (RelaisCommandCall *call, gpointer data);
