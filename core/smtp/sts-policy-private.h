/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS (RFC 8461): the TXT record, the policy file, the patterns of MX hosts. Pure functions over bytes; a policy
 * is immutable and counted, loop thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_STS_POLICY_BYTES = 64 * 1024, /* of a policy file (RFC 8461 section 3.2) */
    RELAIS_STS_ID_BYTES = 32,            /* section 3.1 */
    RELAIS_STS_PATTERNS = 200,      /* of MX hosts that are kept; a policy with more is no policy */
    RELAIS_STS_MAX_AGE_S = 31557600 /* a year; what is more is cut to it */
};

typedef enum {
    RELAIS_STS_MODE_NONE,
    RELAIS_STS_MODE_TESTING,
    RELAIS_STS_MODE_ENFORCE
} RelaisStsMode;
const char *relais_sts_mode_to_string (RelaisStsMode mode);

typedef struct {
    guint refs;
    RelaisStsMode mode;
    char **mx; /* lower case, "mail.example.org" or "*.example.org" */
    guint32 max_age_s;
} RelaisStsPolicy;

/* The id of "v=STSv1; id=...;" (section 3.1); NULL if the record is another one, or malformed. */
char *relais_sts_record_parse (const guint8 *bytes, gsize size);
/* Whether a TXT record begins as one of MTA-STS does: of those there must be one alone. */
bool relais_sts_record_is_meant (const guint8 *bytes, gsize size);
/* Reads a policy file (section 3.2). NULL, and `problem` (static, English) set, if it is none. */
RelaisStsPolicy *relais_sts_policy_parse (const guint8 *bytes, gsize size, const char **problem);
RelaisStsPolicy *relais_sts_policy_ref (RelaisStsPolicy *policy);
/* NULL ok. */
void relais_sts_policy_unref (RelaisStsPolicy *policy);
/* Whether the policy's patterns have a place for this MX host (section 4.1); in either case of letters, with or
 * without the last dot. */
bool relais_sts_policy_allows (const RelaisStsPolicy *policy, const char *host);
/* As a policy file has it, a string a line, without line ends: for reports (RFC 8460 section 4.4) and for keeping. */
char **relais_sts_policy_to_lines (const RelaisStsPolicy *policy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisStsPolicy, relais_sts_policy_unref)
