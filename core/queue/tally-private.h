/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What became of TLS on the way out, counted by day and recipients' domain for TLSRPT (RFC 8460), and the report
 * that is made of it. Pure but for memory: no I/O, no clock. Loop thread.
 */
#pragma once

#include "dns/dns-private.h"

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_TALLY_DOMAINS = 10000, /* a day's and all others' together; of more nothing is counted */
    RELAIS_TALLY_POLICIES = 8,    /* of one domain a day that are told apart */
    RELAIS_TALLY_FAILURES = 100,  /* of one policy that are told apart; more are counted only */
    RELAIS_TALLY_TEXT_BYTES = 500, /* of each text that is kept */
    RELAIS_TLSRPT_TARGETS = 4      /* addresses of one record that reports go to */
};

typedef enum { RELAIS_TALLY_NO_POLICY, RELAIS_TALLY_TLSA, RELAIS_TALLY_STS } RelaisTallyType;
/* "no-policy-found", "tlsa", "sts" (section 4.4). */
const char *relais_tally_type_to_string (RelaisTallyType type);

/* One session, or one try at it. Borrowed for the call. */
typedef struct {
    gint64 day; /* days since 1970, UTC */
    const char *domain;
    RelaisTallyType type;
    const char *const *policy; /* its strings; NULL: none */
    const char *const *mx;     /* patterns of an MTA-STS policy; or NULL */
    const char *result;        /* of section 4.3, "certificate-expired"; NULL: a success */
    const char *source, *host, *address, *reason; /* of a failure, as far as known; or NULL */
} RelaisTallyNote;

typedef struct {
    char *result, *source, *host, *address, *reason;
    guint64 n;
} RelaisTallyFailure;

typedef struct {
    RelaisTallyType type;
    char **policy, **mx;
    guint64 successes, failures;
    GPtrArray *details; /* RelaisTallyFailure */
} RelaisTallyPolicy;

typedef struct {
    gint64 day;
    char *domain;
    GPtrArray *policies; /* RelaisTallyPolicy */
    /* of the sending */
    guint attempts;
    gint64 next_us; /* wall clock: not before */
    bool under_way;
} RelaisTallyDay;

typedef struct RelaisTally RelaisTally;
RelaisTally *relais_tally_new (void);
void relais_tally_free (RelaisTally *tally);
void relais_tally_note (RelaisTally *tally, const RelaisTallyNote *note);
/* Days of domains; in no order. Borrowed, as what it holds, until the next call that changes the tally. */
GList *relais_tally_days (const RelaisTally *tally);
void relais_tally_drop (RelaisTally *tally, RelaisTallyDay *day);
/* For keeping: a line for each thing. What cannot be read is passed over; the number of such lines. */
GString *relais_tally_to_text (const RelaisTally *tally);
guint relais_tally_add_text (RelaisTally *tally, const char *text);

/* --- The report (section 4.4) --- */
typedef struct {
    const char *organization, *contact, *hostname;
} RelaisTallySubmitter;
/* JSON, gzip. */
GBytes *relais_tally_report (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter);
/* "ORGANIZATION!DOMAIN!BEGIN!END.json.gz" (section 5.1), and the report's own id. Owned by the caller. */
char *relais_tally_report_name (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter);
char *relais_tally_report_id (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter);
/* The mail that carries it (section 5.3), CRLF. `date` and `message_id` (with its brackets) are the header's. */
GBytes *
relais_tally_mail (const RelaisTallyDay *day, const RelaisTallySubmitter *submitter, GBytes *report,
                   const char *to, const char *date, const char *message_id);

/* The targets of "v=TLSRPTv1; rua=mailto:a@example.org,https://example.org/x" (section 3): "mailto:" with one plain
 * address, or "https:". NULL if the record is none, or malformed; at most RELAIS_TLSRPT_TARGETS. */
char **relais_tlsrpt_record_parse (const guint8 *bytes, gsize size);
/* The targets of an answer's one record that is meant; NULL if there is none, or more than one (section 3). */
char **relais_tlsrpt_answer_targets (const RelaisDnsAnswer *answer);
