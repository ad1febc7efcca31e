/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verification's own contract (RFC 6376 section 6, RFC 8301, RFC 8463): what a signature and a key record
 * say, which rules of ours they must hold to, and what becomes of them. The bytes that libopendkim
 * sees have been through the parsers here.
 */
#pragma once

#include "dkim.h"

#include <relais/counter.h>
#include <relais/dns.h>

/* Limits. The tests stand at their boundaries. */
enum {
    DKIM_SIGNATURES = 10,           /* of a message that are looked at */
    DKIM_SIGNATURE_BYTES = 32768,   /* of one field's value */
    DKIM_SIGNED_NAMES = 256,        /* in h= */
    DKIM_SIGNED_NAMES_BYTES = 4000, /* of them without blanks; libopendkim holds 4095 */
    DKIM_RECORDS = 4,               /* at one selector that are tried */
    DKIM_RECORD_BYTES = 4096,       /* of one record */
    DKIM_TAGS = 64,                 /* in one list */
    DKIM_VERIFY_LEAST_BITS = 1024,  /* RFC 8301 section 3.2 */
    DKIM_VERIFY_MOST_BITS = 4096,
    DKIM_FUTURE_SECONDS = 300, /* that a signer's clock may be ahead */
};

/* --- tags.c: RFC 6376 section 3.2. Pure. --------------------------------------------------------------- */

typedef struct {
    const char *name, *value; /* into the list, without the blanks around them */
    gsize name_size, value_size;
} DkimTag;

typedef struct {
    guint n;
    DkimTag tags[DKIM_TAGS];
} DkimTags;

/* False if the list is malformed, has a tag twice, or more than DKIM_TAGS of them. */
bool dkim_tags_parse (DkimTags *tags, const char *text, gsize size);
const DkimTag *dkim_tags_find (const DkimTags *tags, const char *name); /* NULL */
/* Value without any blanks (owned). */
char *dkim_tag_dup_solid (const DkimTag *tag);
bool dkim_tag_is (const DkimTag *tag, const char *value);
/* Steps through a list with colons: an item without the blanks around it. False at the end. */
bool dkim_tag_next_item (const DkimTag *tag, gsize *position, const char **item, gsize *size);
/* Octets of a value in base64 that may be folded; NULL if it is none. Owned. */
guint8 *dkim_tag_decode (const DkimTag *tag, gsize *size);

/* --- signature.c: the value of a DKIM-Signature field. Pure. -------------------------------------------- */

typedef enum { DKIM_RSA_SHA1, DKIM_RSA_SHA256, DKIM_ED25519_SHA256 } DkimAlgorithm;

typedef struct {
    char *domain, *selector; /* lower case; NULL if they could not be read */
    char *identity;          /* i=, "@domain" unless it is there and fit to be shown */
    char *algorithm_name;    /* a= as it stands, if it is a word */
    char *b;                 /* the first eight octets of b= */
    DkimAlgorithm algorithm;
    DkimCanon header, body;
    char **names;                           /* h= in lower case */
    bool has_length, has_time, has_expires; /* l=, t=, x= */
    bool of_subdomain;                      /* i= is of a subdomain of d= */
    guint64 length;
    gint64 time, expires; /* seconds since 1970 */
} DkimSignature;

/* NULL, or why it cannot be used: static text. What could be read is there either way. */
const char *dkim_signature_parse (DkimSignature *signature, const char *value, gsize size);
void dkim_signature_clear (DkimSignature *signature);
guint dkim_signature_count_name (const DkimSignature *signature, const char *name);
/* "s._domainkey.d", owned. */
char *dkim_signature_dup_key_name (const DkimSignature *signature);

/* --- record.c: a key record (RFC 6376 section 3.6.1, RFC 8463 section 4). Pure. ---------------------------- */

typedef struct {
    bool ed25519;
    bool strict;    /* t=s: i= must be of d= itself */
    bool testing;   /* t=y */
    EVP_PKEY *pkey; /* NULL if it cannot be used */
    guint bits;     /* 256 for Ed25519 */
    char *
        public_64; /* p= as libopendkim takes it: SubjectPublicKeyInfo, or the 32 octets of Ed25519 */
} DkimRecord;

/* NULL, or why it cannot be used: static text. */
const char *dkim_record_parse (DkimRecord *record, const char *text, gsize size);
void dkim_record_clear (DkimRecord *record);
/* The p= value of a key: SubjectPublicKeyInfo for RSA (RFC 6376 section 3.6.1), the bare 32 octets for Ed25519
 * (RFC 8463 section 4.2). Owned; NULL if OpenSSL cannot tell. */
char *dkim_public_text (EVP_PKEY *pkey, bool ed25519);

/* --- scan.c: the signatures of a header block, and what is said of them. Pure. --------------------------- */

/* What was found at a key's name. Written on the loop, then read by a worker. */
typedef struct {
    char *name;
    bool answered;
    bool temporary;
    bool secure;
    guint32 ttl;
    char *reason;       /* of a failure */
    GPtrArray *records; /* GBytes; DKIM_RECORDS at most */
    guint n_records;    /* that there were */
} DkimAnswer;

/* answer.c. Loop. `name` is taken. */
DkimAnswer *dkim_answer_new (char *name);
void dkim_answer_free (gpointer answer);
void dkim_answer_take (DkimAnswer *answer, const RelaisDnsAnswer *found);
void dkim_answer_fail (DkimAnswer *answer, const char *reason);

typedef struct {
    guint number;         /* of the signature, from 1 */
    guint64 offset, size; /* of the field in the header block */
    DkimSignature signature;
    DkimAnswer *answer; /* NULL if none was needed; the check's */
    guint bits;         /* of the key; 0 if there was none */
    bool testing;       /* by its key's t=y */
    const char *result; /* "pass", "fail", ..., static; NULL while open */
    char *reason;
} DkimVerdict;

/* Settles it, once. `reason` is copied, NULL for none. */
void dkim_verdict_settle (DkimVerdict *verdict, const char *result, const char *reason);
/* What a header block holds of signatures. */
typedef struct {
    GPtrArray *verdicts; /* DkimVerdict; those that need no key are settled */
    guint n_ignored;     /* signatures beyond DKIM_SIGNATURES */
    const char *failure; /* why there are no verdicts, where nothing could be read; else NULL */
} DkimScan;
void dkim_scan (DkimScan *scan, const guint8 *header, gsize size, gint64 now_s);
void dkim_scan_clear (DkimScan *scan);
/* Their indexes with the one that decides first: a pass for `from_domain` (nullable), then any pass, then
 * what may yet become one. */
void dkim_scan_sort (DkimScan *scan, const char *from_domain);

/* --- verify.c: libopendkim. Worker threads. ---------------------------------------------------------------- */

typedef struct DkimVerifier DkimVerifier;
DkimVerifier *dkim_verifier_new (void); /* NULL if libopendkim will not start */
void dkim_verifier_free (DkimVerifier *verifier);

/* A message, read by range. */
typedef struct {
    DkimRead read;
    gpointer data;
    gint *stopped; /* atomic: not 0 once it has taken too long, or nobody wants to know */
} DkimSource;

/* The header block with its empty line; NULL with an error. */
GByteArray *dkim_read_header (const DkimSource *source, GError **error);
/* Settles all that is open. */
void dkim_verifier_run (DkimVerifier *verifier, const DkimSource *source, DkimScan *scan);

/* --- check.c: a message from its bytes to its verdicts. Loop thread; what waits does so elsewhere. -------- */

typedef struct DkimChecks DkimChecks;
DkimChecks *dkim_checks_new (RelaisModule *module); /* NULL if libopendkim will not start */
/* Ends all that is under way, as after its time; in stop. */
void dkim_checks_stop (DkimChecks *checks);
void dkim_checks_free (DkimChecks *checks);

/* One message under way. */
typedef struct DkimCheck DkimCheck;
/* Called once unless the check was cancelled; `scan` has all verdicts, in their fields' order, and is
 * the callee's for the call; `answers` (DkimAnswer) are what was asked for. */
typedef void (*DkimCheckDone) (DkimScan *scan, const GPtrArray *answers, gpointer data);
/* Reads through `read` on worker threads; `source` is freed by `free_source` on the loop. `done` may be
 * called before this returns NULL. */
DkimCheck *
dkim_check_start (DkimChecks *checks, DkimRead read, gpointer source, GDestroyNotify free_source,
                  gint64 timeout_us, DkimCheckDone done, gpointer data);
/* `done` will not be called. */
void dkim_check_cancel (DkimCheck *check);

/* --- inbound.c: mail from outside. --------------------------------------------------------------------- */

typedef struct {
    DkimChecks *checks;
    RelaisCounter *results;
} DkimModule;
gboolean dkim_inbound_init (RelaisModule *module, GError **error);

/* --- inspect.c: `relaisctl dkim test`, `relaisctl dkim verify`. ----------------------------------------------- */

void dkim_command_test (RelaisCommandCall *call, gpointer data);
void dkim_command_verify (RelaisCommandCall *call, gpointer data);
