/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The module's own contract, around the evaluator (spf.h): what is configured, a check under way, and how a
 * verdict is told. Loop thread.
 */
#pragma once

#include <relais/counter.h>
#include <relais/dns.h>
#include <relais/helper.h>
#include <relais/hook.h>
#include <relais/module.h>

#include "spf.h"

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* --- config.c: an immutable object of each configuration. ----------------------------------------- */

typedef enum {
    SPF_ACTION_ACCEPT, /* take it, say nothing */
    SPF_ACTION_TAG,    /* take it, with the result in its header */
    SPF_ACTION_DEFER,
    SPF_ACTION_REJECT
} SpfAction;

typedef struct {
    SpfIp ip;
    guint prefix;
} SpfNet;

typedef struct {
    SpfLimits limits;
    gint64 deadline_us; /* of a whole check */
    SpfAction actions[SPF_RESULTS];
    bool libspf2; /* that evaluator, as long as it works */
    GArray *skip; /* SpfNet */
    char *receiver;
} SpfConfig;

SpfConfig *spf_config_new (RelaisConfig *config, GError **error);
void spf_config_free (gpointer config);
bool spf_config_skips (const SpfConfig *config, const SpfIp *ip);

/* --- The module, as long as it is loaded. ---------------------------------------------------------- */

typedef struct {
    RelaisModule *module;
    RelaisSlot *slot; /* SpfVerdict of a transaction */
    RelaisCounter *results, *skipped, *failures;
    RelaisHelper *libspf2; /* NULL once the module stops */
    GQueue calls;          /* WaitingCall, of commands that wait for a check */
} SpfModule;

/* --- check.c: a check, from its question to its verdict. ------------------------------------------ */

typedef struct {
    SpfResult result;
    char *mechanism, *problem, *explanation; /* NULL: none */
    char *domain;                            /* whose record it was about */
    bool is_helo;                            /* of HELO, since the sender was empty */
    bool libspf2; /* it is that library's verdict, which names no mechanism */
    guint n_terms, n_voids, n_questions;
    SpfLimits limits;
    GPtrArray *trace; /* SpfTraceRow */
} SpfVerdict;
void spf_verdict_free (gpointer verdict);

typedef struct SpfCheck SpfCheck;
/* Takes over the verdict. */
typedef void (*SpfCheckFunc) (SpfVerdict *verdict, gpointer data);
/* Calls `func` once, from a later turn, within the configuration's deadline. The handle is valid until then. With
 * `trace` the explanation is fetched too. */
SpfCheck *spf_check_start (SpfModule *spf, const SpfConfig *config, const SpfIdentity *identity,
                           bool trace, SpfCheckFunc func, gpointer data);
/* `func` will not be called. Accepts NULL. */
void spf_check_cancel (SpfCheck *check);
/* An answer of the resolver as the evaluator has it; its records go into `records`, which the caller made. */
SpfAnswer spf_check_read_answer (const RelaisDnsAnswer *from, SpfDnsType type, GPtrArray *records);

/* --- guard.c: the same by libspf2, in its helper process. ------------------------------------------ */

typedef struct SpfGuard SpfGuard;
/* Tells result and problem (nullable; static or the guard's); `failure` is NULL, or why there is none: the library
 * died, took too long, is not there. */
typedef void (*SpfGuardFunc) (SpfResult result, const char *problem, const char *failure,
                              gpointer data);
/* Calls `func` once, from a later turn; the guard lives until it is freed, also by `func`. */
SpfGuard *spf_guard_start (SpfModule *spf, const SpfIdentity *identity, const SpfLimits *limits,
                           SpfGuardFunc func, gpointer data);
void spf_guard_free (SpfGuard *guard);
/* What it cost. */
guint spf_guard_n_questions (const SpfGuard *guard);
guint spf_guard_n_voids (const SpfGuard *guard);
GPtrArray *spf_guard_dup_trace (const SpfGuard *guard);

/* --- report.c: what is said of a verdict. Pure. --------------------------------------------------- */

/* Who was checked, as the session has it. */
typedef struct {
    const char *ip, *sender, *helo, *receiver;
} SpfSubject;
/* The field Received-SPF with its CRLF. */
char *spf_report_field (const SpfVerdict *verdict, const SpfSubject *subject);
/* What SMTP answers to who is refused: one line that says what to do. */
char *spf_report_reply (const SpfVerdict *verdict, const SpfSubject *subject);

/* --- sources.c: where our own mail comes from. ------------------------------------------------------ */

/* An address that the configuration sends from; or, without one, a source whose address the machine's routing
 * chooses. */
typedef struct {
    SpfIp ip;
    char *address; /* NULL: not known */
    char *helo;
} SpfSource;

/* Of all sections [source NAME], each address and EHLO name once; `hostname` is the name of those that set none. Owned. */
GPtrArray *spf_sources_new (const RelaisConfig *config, const char *hostname);
/* Whether receivers see another address than this one, or may. */
bool spf_source_is_hidden (const SpfSource *source);

/* --- propose.c: the record that ought to be published. Pure. ---------------------------------------- */

/* `record` (NULL: there is none) with the addresses of `sources` (SpfSource) that receivers see, too. NULL if there is
 * nothing to add. A record that is begun names the sources by their EHLO names if none of their addresses is seen. */
char *spf_propose_record (const char *record, const GPtrArray *sources);

/* --- command.c: `relaisctl spf eval`. -------------------------------------------------------------- */

void spf_command_eval (RelaisCommandCall *call, gpointer data);

/* --- inspect.c: `relaisctl spf test`. --------------------------------------------------------------- */

void spf_command_test (RelaisCommandCall *call, gpointer data);
