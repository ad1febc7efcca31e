/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parser of DNS answers, and names in wire form. Pure functions over (bytes, size): any thread,
 * no I/O, every loop bounded.
 */
#pragma once

#include "dns/dns-private.h"

enum {
    DNS_MAX_NAME = 255,   /* octets of a name in wire form (RFC 1035 section 2.3.4) */
    DNS_MAX_CNAMES = 10,  /* followed from the question to the records */
    DNS_MAX_RECORDS = 200 /* looked at in each section */
};

/* Asked for in itself it is not followed: a record with `name`. Not among the public types. */
#define RELAIS_DNS_CNAME ((RelaisDnsType)5)

/* A name in wire form, uncompressed, letters in lower case. */
typedef struct {
    guint8 bytes[DNS_MAX_NAME];
    gsize size;
} RelaisDnsName;

/* "a.example" or "a.example."; labels of visible ASCII, other octets as zone files write them: "\032". */
bool relais_dns_name_from_text (const char *text, RelaisDnsName *name);
/* Lower case, without the last dot; NULL if a label holds anything but letters, digits, "-" and
 * "_". "" is the root. */
char *relais_dns_name_to_text (const RelaisDnsName *name);

/* An answer that can be filled, and freed with its records. */
RelaisDnsAnswer *relais_dns_answer_new (void);
void relais_dns_answer_free (RelaisDnsAnswer *answer);
/* Nothing is known, because of `reason` (static). Drops what was there. */
void relais_dns_answer_fail (RelaisDnsAnswer *answer, const char *reason);

/* Reads the answer to the question (name, type): outcome, records, time to live or reason. Does not
 * touch `secure`. Whatever is wrong with the bytes is TEMPORARY. */
void relais_dns_answer_parse (RelaisDnsAnswer *answer, const guint8 *packet, gsize size,
                              const RelaisDnsName *name, RelaisDnsType type);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisDnsAnswer, relais_dns_answer_free)
