/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is pure: the codes of a blocklist (codes.c), names that it is asked for and what may be asked about
 * (name.c), and the memory of one target in one zone (record.c). No state, any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

#define DNSBL_DAY_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)

/* --- codes.c: what the addresses that a zone answers with mean. ------------------------------------- */

typedef enum { DNSBL_UNKNOWN, DNSBL_CLEAN, DNSBL_LISTED } DnsblVerdict;
enum { DNSBL_VERDICTS = 3 };
/* "unknown", "clean", "listed". */
const char *dnsbl_verdict_to_string (DnsblVerdict verdict);

enum {
    DNSBL_CODES = 64,     /* of one option */
    DNSBL_CODE_NAME = 32, /* octets of a code's name */
    DNSBL_RECORDS = 16    /* of an answer, that are told */
};

/* One code: a range of addresses, or a bit of the last octet. */
typedef struct {
    guint32 first, last; /* host order; both 0 for a bit */
    guint8 bit;          /* 0 for a range */
    char *name;
} DnsblCode;

/* "127.0.0.2 = SBL, 127.0.0.10-127.0.0.11 = PBL, bit 8 = PH"; the names may be left out. With `errors` any address
 * may stand; else only those that can mean a listing. NULL with what is wrong (owned) in `problem`. NULL text has no
 * codes. */
GArray *dnsbl_codes_parse (const char *text, bool errors, char **problem);

typedef struct {
    const GArray *listed, *ignored, *errors; /* DnsblCode; NULL: none */
} DnsblCodes;

/* What records of type A say, each in host order. `names` gets the names of the codes that list, ", " between;
 * NULL else. */
DnsblVerdict
dnsbl_codes_judge (const DnsblCodes *codes, const guint32 *records, guint n, char **names);
/* The records as people read them: "127.0.0.2 127.0.0.4". */
char *dnsbl_codes_raw (const guint32 *records, guint n);

/* --- name.c ---------------------------------------------------------------------------------------- */

typedef enum { DNSBL_KIND_ADDRESS4 = 1, DNSBL_KIND_ADDRESS6 = 2, DNSBL_KIND_DOMAIN = 4 } DnsblKind;

/* What is looked for: an address, or a name in lower case and A-labels. False for neither. */
typedef struct {
    DnsblKind kind;
    guint8 bytes[16];
    char *text;
} DnsblSubject;
bool dnsbl_subject_parse (const char *text, DnsblSubject *subject);
void dnsbl_subject_clear (DnsblSubject *subject);
/* Addresses that are nobody's on the Internet, and names without a dot. */
bool dnsbl_subject_is_private (const DnsblSubject *subject);

/* The name to ask for; NULL if it would be too long for one. `text` of a name stands as it is. */
char *dnsbl_name_build (const DnsblSubject *subject, const char *suffix);
/* `text` with each %{WORD} replaced. */
char *dnsbl_name_expand (const char *text, const char *word, const char *value);
/* A suffix or key that can stand in a name. */
bool dnsbl_name_is_suffix (const char *text);
/* Whether a resolver, "ADDRESS" or "ADDRESS@PORT", is one that anybody may use, and who runs it (static); NULL. */
const char *dnsbl_name_public_resolver (const char *server);

/* --- record.c: what is known of one target in one zone. --------------------------------------------- */

enum { DNSBL_CHANGES = 20, DNSBL_ANSWER = 256 };

typedef struct {
    gint64 at_us; /* wall clock, as all times here */
    DnsblVerdict from, to;
    char *answer;
} DnsblChange;

typedef struct {
    DnsblVerdict confirmed; /* UNKNOWN: not yet */
    gint64 since_us;        /* when the confirmed one was first seen; 0 */
    DnsblVerdict last;
    gint64 checked_us; /* 0: never */
    char *answer;      /* of that check */
    char *codes;       /* of the last listing; "" */
    char *text;        /* its reason; "" */
    DnsblVerdict pending;
    guint n_pending; /* polls that said so, one after the other */
    gint64 pending_us;
    gint64 unknown_us; /* since when nothing is known; 0 */
    bool unknown_told;
    GQueue changes; /* DnsblChange, oldest first, at most DNSBL_CHANGES */
} DnsblRecord;

typedef struct {
    DnsblVerdict verdict;
    const char *answer; /* "NXDOMAIN", "timeout", "127.0.0.2" */
    const char *codes, *text;
    gint64 at_us;
} DnsblAnswer;

typedef enum {
    DNSBL_NEWS_NONE,
    DNSBL_NEWS_CHANGE,  /* the confirmed state is another one: the last of `changes` */
    DNSBL_NEWS_UNKNOWN, /* nothing was known for too long; told once */
} DnsblNews;

DnsblRecord *dnsbl_record_new (void);
void dnsbl_record_free (gpointer record);
/* `confirm` polls in a row make a change; what is unknown between them does not count. A first answer that is
 * clean needs no other, and is no news. */
DnsblNews dnsbl_record_feed (DnsblRecord *record, const DnsblAnswer *answer, guint confirm,
                             gint64 unknown_after_us);
/* Whether a change waits to be confirmed. */
bool dnsbl_record_is_pending (const DnsblRecord *record);
/* As it is kept, and back: NULL for what is no record. */
GBytes *dnsbl_record_pack (const DnsblRecord *record);
DnsblRecord *dnsbl_record_unpack (gconstpointer data, gsize size);
