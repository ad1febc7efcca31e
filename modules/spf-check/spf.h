/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The evaluator's contract: SPF (RFC 7208) as pure functions over bytes and one state machine that never
 * waits. It says which question of DNS it would have answered and goes on when it is told; who asks, and
 * how long, is somebody else's affair. Any thread, one at a time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULTS
} SpfResult;
const char *spf_result_to_string (SpfResult result);

enum {
    SPF_NAME_BYTES = 253,         /* of a name in DNS, written with dots */
    SPF_LABEL_BYTES = 63,         /* of a part of it */
    SPF_RECORD_BYTES = 8192,      /* of a record that is looked at; a longer one is permerror */
    SPF_EXPLANATION_BYTES = 1000, /* of an explanation, expanded; a longer one is left out */
    SPF_TRACE_ROWS = 256          /* questions that are remembered */
};

/* --- name.c: addresses and domain names. --------------------------------------------------------- */

typedef struct {
    guint8 bytes[16]; /* the first 4 of IPv4 */
    bool six;
} SpfIp;

/* An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is IPv4. False for what is no address. */
bool spf_ip_parse (const char *text, SpfIp *ip);
char *spf_ip_to_text (const SpfIp *ip);
/* Whether the first `prefix` bits are those of `net`, 4 or 16 octets. */
bool spf_ip_is_in (const SpfIp *ip, const guint8 *net, guint prefix);
/* Of a network that strangers do not see: private, shared, loopback, link-local. */
bool spf_ip_is_private (const SpfIp *ip);
/* As %{i} has it: 192.0.2.1, or the nibbles of IPv6 with dots; and where PTR records stand. */
char *spf_ip_to_dots (const SpfIp *ip);
char *spf_ip_to_arpa (const SpfIp *ip);

/* A last label that may be in DNS: letters, digits and hyphens, not digits alone. */
bool spf_is_toplabel (const char *text, gsize size);
/* A name that can be asked for: labels of 1 to 63 octets, 253 in all; a dot may end it. */
bool spf_name_is_good (const char *name);
/* Whether it is the domain of a sender: such a name of two labels or more, that is no address. */
bool spf_name_is_domain (const char *name);
/* Whether `name` is `domain` or below it. */
bool spf_name_is_within (const char *name, const char *domain);
/* Takes labels away on the left until it fits, and the dot at the end. */
void spf_name_fit (GString *name);
/* As zone files write it: octets that are no visible ASCII, and backslashes, as three digits. */
char *spf_name_to_text (const char *name);

/* --- macro.c: RFC 7208 section 7. ----------------------------------------------------------------- */

typedef struct {
    const char *sender; /* local part @ domain */
    const char *local;
    const char *sender_domain;
    const char *domain; /* whose record it is */
    const char *helo;
    const char *receiver;
    const char *validated; /* %{p} */
    const SpfIp *ip;
    gint64 now_s;
} SpfMacroValues;

typedef enum {
    SPF_MACRO_DOMAIN,      /* a domain-spec: ends in a label or a macro, no c, r, t */
    SPF_MACRO_VALUE,       /* of a modifier that nobody knows: any macro */
    SPF_MACRO_EXPLANATION, /* the text of an explanation: any macro, spaces */
} SpfMacroUse;

bool spf_macro_is_valid (const char *text, gsize size, SpfMacroUse use);
/* Whether %{p} is in it. */
bool spf_macro_wants_names (const char *text);
/* Expands what is valid. A domain is made to fit; NULL if an explanation grows beyond its limit. */
char *spf_macro_expand (const char *text, SpfMacroUse use, const SpfMacroValues *values);

/* --- record.c: RFC 7208 sections 4.5, 4.6, 5 and 6. ----------------------------------------------- */

typedef enum {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS
} SpfMechanism;

typedef struct {
    SpfMechanism kind;
    SpfResult qualifier; /* what a match means */
    char *domain;        /* domain-spec; NULL: the domain whose record it is */
    guint8 net[16];
    guint8 prefix4, prefix6;
    char *text; /* as it stands there */
} SpfTerm;

typedef struct {
    GArray *terms;     /* SpfTerm */
    char *redirect;    /* domain-spec, or NULL */
    char *explanation; /* domain-spec, or NULL */
} SpfRecord;

/* Whether a TXT record is one of SPF, good or bad. */
bool spf_record_is_spf (const guint8 *bytes, gsize size);
/* NULL if there is a fault anywhere in it, and `problem` (owned) says which. */
SpfRecord *spf_record_parse (const guint8 *bytes, gsize size, char **problem);
void spf_record_free (SpfRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpfRecord, spf_record_free)

/* --- eval.c: RFC 7208 section 4, the state machine. ----------------------------------------------- */

typedef enum {
    SPF_DNS_A = 1,
    SPF_DNS_PTR = 12,
    SPF_DNS_MX = 15,
    SPF_DNS_TXT = 16,
    SPF_DNS_AAAA = 28
} SpfDnsType;
const char *spf_dns_type_to_string (SpfDnsType type);

typedef enum { SPF_DNS_DATA, SPF_DNS_NODATA, SPF_DNS_NXDOMAIN, SPF_DNS_ERROR } SpfDnsOutcome;

typedef struct {
    const char *name; /* without escapes: a dot parts labels, all else is itself */
    SpfDnsType type;
} SpfQuestion;

typedef struct {
    SpfDnsOutcome outcome;
    const char *reason; /* of an error */
    GPtrArray
        *records; /* GBytes: an address' 4 or 16 octets, a TXT's strings joined, a name's text */
} SpfAnswer;

/* Of an answer for TXT, the one record of SPF (borrowed); NULL if there is none, or several; `n` is how many. */
GBytes *spf_answer_find_record (const SpfAnswer *answer, guint *n);

/* What a check may cost, over the whole tree of its records. */
typedef struct {
    guint terms;     /* that need DNS: 10 */
    guint voids;     /* of them that asked for what does not exist: 2 */
    guint mx_names;  /* of one mx: 10 */
    guint ptr_names; /* that are looked at: 10 */
    bool explain;    /* fetch the explanation of a fail */
    bool trace;      /* remember the questions */
} SpfLimits;
#define SPF_LIMITS_DEFAULT                                                                         \
    {                                                                                              \
        10, 2, 10, 10, false, false                                                                \
    }

/* Who sends. The strings are copied. */
typedef struct {
    const char *ip;
    const char *sender; /* "" or NULL: postmaster at the name of HELO */
    const char *helo;
    const char *receiver; /* NULL: "unknown" */
    gint64 now_s;
} SpfIdentity;

typedef struct {
    char *name;
    SpfDnsType type;
    SpfDnsOutcome outcome;
    char *text; /* the records, or why there are none */
} SpfTraceRow;
SpfTraceRow *spf_trace_row_new (const char *name, SpfDnsType type, const SpfAnswer *answer);
void spf_trace_row_free (gpointer row);

typedef struct SpfEval SpfEval;
SpfEval *spf_eval_new (const SpfIdentity *identity, const SpfLimits *limits);
void spf_eval_free (SpfEval *eval);
/* Goes on as far as it can: the question that it needs the answer to, until spf_eval_answer (); NULL once
 * there is a result. */
const SpfQuestion *spf_eval_next (SpfEval *eval);
void spf_eval_answer (SpfEval *eval, const SpfAnswer *answer);
/* Ends it with a result from outside (time is up), unless it has one. */
void spf_eval_stop (SpfEval *eval, SpfResult result, const char *problem);

/* Once there is a result. Borrowed. */
SpfResult spf_eval_get_result (const SpfEval *eval);
/* What matched, outermost first ("include:a.example > ip4:192.0.2.1"); "default" if nothing did; NULL
 * without a record or after an error. */
const char *spf_eval_get_mechanism (const SpfEval *eval);
const char *spf_eval_get_problem (const SpfEval *eval);     /* NULL unless an error */
const char *spf_eval_get_explanation (const SpfEval *eval); /* NULL if there is none */
/* Whose domain it is about, and whether the sender was empty. */
const char *spf_eval_get_domain (const SpfEval *eval);
bool spf_eval_is_helo (const SpfEval *eval);
guint spf_eval_n_terms (const SpfEval *eval);
guint spf_eval_n_voids (const SpfEval *eval);
guint spf_eval_n_questions (const SpfEval *eval);
const GPtrArray *spf_eval_get_trace (const SpfEval *eval); /* SpfTraceRow */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpfEval, spf_eval_free)
