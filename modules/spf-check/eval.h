/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the evaluator share: its state. eval.c owns it and moves from state to state; lookups.c
 * says what an answer means in each; names.c holds the client's names; trace.c remembers.
 */
#pragma once

#include "spf.h"

typedef enum {
    STATE_TERM,      /* look at the next term of the record on top */
    STATE_RETURN,    /* the record on top has a result */
    STATE_EXPLAIN,   /* it is a fail, and why is asked for */
    STATE_EXPLAINED, /* the explanation's text is there */
    STATE_DONE,
    /* A question was asked; its answer is awaited. */
    STATE_RECORD,
    STATE_ADDRESS,
    STATE_MX,
    STATE_MX_HOST,
    STATE_EXISTS,
    STATE_PTR,
    STATE_PTR_HOST,
    STATE_EXPLANATION
} SpfState;

/* A record under evaluation; one above the other where it was included. */
typedef struct {
    char *domain;
    SpfRecord *record; /* NULL until it is known */
    guint at;          /* its term */
    bool counted;      /* that term was counted as one that needs DNS */
    bool void_counted; /* and as one that asked for nothing */
    bool required;     /* by include or redirect: it must exist */
} SpfFrame;

struct SpfEval {
    SpfLimits limits;
    SpfIp ip;
    char *sender, *local, *sender_domain, *helo, *receiver;
    gint64 now_s;
    bool is_helo;

    GPtrArray *frames; /* SpfFrame; never empty */
    SpfState state;
    char *name; /* of the question */
    SpfQuestion question;
    SpfResult returned; /* STATE_RETURN */

    GPtrArray *hosts; /* of an mx, or names of the client to be looked at */
    guint host;
    bool any_address; /* one of the mx' hosts has an address */

    GPtrArray *names; /* the client's validated names; NULL until known */
    bool names_void;  /* it has none at all, which was not counted yet */
    SpfState resume;  /* once they are known */

    SpfResult result;
    char *mechanism, *problem, *explanation;
    guint n_terms, n_voids, n_questions;
    GPtrArray *trace; /* SpfTraceRow */
};

/* --- eval.c */
SpfFrame *spf_eval_top (SpfEval *eval);
const SpfTerm *spf_eval_term (SpfEval *eval);
/* Asks for `name`, which it takes over; `state` is who gets the answer. What is no name does not exist. */
void spf_eval_ask (SpfEval *eval, SpfState state, char *name, SpfDnsType type);
void spf_eval_next_term (SpfEval *eval);
void spf_eval_match (SpfEval *eval);
/* The record on top, or all of it, has this result. */
void spf_eval_return (SpfEval *eval, SpfResult result);
void spf_eval_fail (SpfEval *eval, SpfResult result, char *problem);
char *spf_eval_expand (SpfEval *eval, const char *text, SpfMacroUse use);

/* --- lookups.c */
void spf_eval_take_answer (SpfEval *eval, const SpfAnswer *answer);
/* Counts the term as one that asked for what does not exist; false if that was one too many. */
bool spf_eval_count_void (SpfEval *eval);

/* --- names.c */
/* Whether the client's names are known; if not, they are looked for and the state is then `resume`. */
bool spf_eval_need_names (SpfEval *eval, SpfState resume);
void spf_eval_take_ptr (SpfEval *eval, const SpfAnswer *answer);
void spf_eval_take_ptr_host (SpfEval *eval, const SpfAnswer *answer);
bool spf_eval_has_name_within (const SpfEval *eval, const char *domain);
/* What %{p} stands for beside this domain. Borrowed. */
const char *spf_eval_name_for (const SpfEval *eval, const char *domain);
/* Whether one of the addresses in an answer is the client's, in its first bits. */
bool spf_eval_is_among (const SpfEval *eval, const SpfAnswer *answer, guint prefix);

/* --- trace.c */
void spf_eval_trace (SpfEval *eval, const SpfAnswer *answer);
