/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trace: what acceptance puts above a message for later readers: results of checks, as the one
 * Authentication-Results field of RFC 8601, and trace fields of modules (Received-SPF). Kept apart from
 * the message until the last module was asked, so that a reader on another thread never sees it change.
 * One thread.
 */
#pragma once

#include "message/message-private.h"

enum {
    TRACE_MAX_RESULTS = 64,
    TRACE_MAX_PROPERTIES = 8,     /* of a result */
    TRACE_MAX_TEXT_BYTES = 512,   /* of a reason or a property */
    TRACE_MAX_LINES_BYTES = 65536 /* of fields that modules add */
};

typedef struct {
    char *method;      /* "spf" */
    char *result;      /* "pass" */
    char *reason;      /* or NULL */
    char **properties; /* "smtp.mailfrom=user@example.org" */
} RelaisAuthResult;

typedef struct RelaisTrace RelaisTrace;

RelaisTrace *relais_trace_new (void);
void relais_trace_free (RelaisTrace *trace);

/* False, and nothing is added, if method ([a-z0-9-]+), result ([a-z]+) or a property ("ptype.name=value")
 * is not well-formed, or a limit above is passed. `reason` and `properties` may be NULL. */
bool relais_trace_add_result (RelaisTrace *trace, const char *method, const char *result,
                              const char *reason, const char *const *properties);
guint relais_trace_n_results (const RelaisTrace *trace);
/* Borrowed; NULL beyond the last. */
const RelaisAuthResult *relais_trace_nth_result (const RelaisTrace *trace, guint n);
/* Value of the property, without its name; NULL if there is none. Borrowed. */
const char *relais_auth_result_get_property (const RelaisAuthResult *result, const char *name);
/* The first result of each method, "spf=pass dkim=none"; NULL if there is none. Owned. */
char *relais_trace_summary (const RelaisTrace *trace);

/* Whole header lines to stand above what was added before; the caller has checked their form. False if
 * they would be too many. */
bool relais_trace_add_lines (RelaisTrace *trace, const char *bytes, gsize size);
/* Borrowed. */
const GByteArray *relais_trace_lines (const RelaisTrace *trace);

/* The field with its CRLF, folded; NULL without results. Owned. */
char *relais_trace_to_field (const RelaisTrace *trace, const char *authserv_id);
/* Puts all of it before what the message has in front already; the message is still its maker's alone. */
void relais_trace_apply (const RelaisTrace *trace, RelaisMessage *message, const char *authserv_id);

/* Whether an Authentication-Results value that came from outside claims to be from `authserv_id` (RFC 8601 section 5):
 * comments, quotes and case do not hide it; one that cannot be read is a claim if the name stands in it. */
bool relais_authserv_id_is (const char *value, gsize size, const char *authserv_id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTrace, relais_trace_free)
