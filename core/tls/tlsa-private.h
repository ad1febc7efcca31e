/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSA records (RFC 6698) as SMTP uses them (RFC 7672): reading one, whether it can be used, and the
 * set of those that a host's certificate has to match. Pure; a set is immutable once it is shared, and
 * any thread may ref and unref it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_TLSA_RECORDS = 20,          /* of one host that are kept */
    RELAIS_TLSA_DATA_BYTES = 16 * 1024 /* of one of them: a whole certificate is the longest */
};

/* RFC 6698 section 2.1; the two PKIX usages have no meaning for SMTP (RFC 7672 section 3.1.3). */
enum { RELAIS_TLSA_DANE_TA = 2, RELAIS_TLSA_DANE_EE = 3 };
enum { RELAIS_TLSA_CERTIFICATE = 0, RELAIS_TLSA_KEY = 1 };
enum { RELAIS_TLSA_FULL = 0, RELAIS_TLSA_SHA256 = 1, RELAIS_TLSA_SHA512 = 2 };

typedef struct {
    guint8 usage, selector, matching;
    const guint8 *data; /* within what was read, or the set's own */
    gsize size;
} RelaisTlsa;

/* Reads a record's rdata. False if it is too short or too long to be one. `tlsa` points into `rdata`. */
bool relais_tlsa_parse (const guint8 *rdata, gsize size, RelaisTlsa *tlsa);
/* Whether a certificate may be matched with it: a usage, selector and matching type that we know, and data of
 * the form that they ask for. */
bool relais_tlsa_is_usable (const RelaisTlsa *tlsa);
/* "3 1 1 0b9f...", as zone files have it. */
char *relais_tlsa_to_string (const RelaisTlsa *tlsa);

/* The usable records of one host. The order in which they came does not count. */
typedef struct RelaisTlsaSet RelaisTlsaSet;

/* `base` is the TLSA base domain (RFC 7672 section 2.2.2): sent as SNI, and a name that a DANE-TA certificate
 * may be for. */
RelaisTlsaSet *relais_tlsa_set_new (const char *base);
/* Copies a usable record; beyond RELAIS_TLSA_RECORDS of them it is left out. Before the set is shared. */
void relais_tlsa_set_add (RelaisTlsaSet *set, const RelaisTlsa *tlsa);
RelaisTlsaSet *relais_tlsa_set_ref (RelaisTlsaSet *set);
/* NULL ok. */
void relais_tlsa_set_unref (RelaisTlsaSet *set);
const char *relais_tlsa_set_base (const RelaisTlsaSet *set);
guint relais_tlsa_set_size (const RelaisTlsaSet *set);
const RelaisTlsa *relais_tlsa_set_nth (const RelaisTlsaSet *set, guint n);
/* What tells sets apart, a text that is the same for the same base and records. Borrowed; the loop's thread. */
const char *relais_tlsa_set_key (RelaisTlsaSet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTlsaSet, relais_tlsa_set_unref)
