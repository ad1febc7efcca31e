/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What peers say in SASL: names and passwords of clients (PLAIN and LOGIN), and the first challenge of
 * a server that speaks SCRAM to us. What clients say in SCRAM is in scram-private.h. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The message of PLAIN (RFC 4616) in base64. The strings are owned; the password is wiped by
 * relais_plain_clear (). */
typedef struct {
    char *name, *password;
} RelaisPlain;
typedef enum {
    RELAIS_PLAIN_OK,
    RELAIS_PLAIN_NOT_BASE64,
    RELAIS_PLAIN_REFUSED /* well coded, but no name and password, or on behalf of another */
} RelaisPlainStatus;
RelaisPlainStatus relais_sasl_parse_plain (const char *text, gsize size, RelaisPlain *plain);
/* The same of what is decoded already. */
RelaisPlainStatus relais_sasl_split_plain (const char *bytes, gsize size, RelaisPlain *plain);
/* The same of name and password as they came one by one (AUTH LOGIN), without base64. */
RelaisPlainStatus relais_sasl_take_plain (const char *name, gsize name_size, const char *password,
                                          gsize password_size, RelaisPlain *plain);
/* What is coded in an answer ("=" for nothing, RFC 4954 section 4), with a NUL behind it; NULL if it
 * is no base64. Owned; it may be a password. */
char *relais_sasl_decode (const char *text, gsize size, gsize *n);
void relais_plain_clear (RelaisPlain *plain);

enum {
    /* RFC 7677 has 4 096 as the least; more than this is no strength but an attack on us. */
    RELAIS_SASL_ITERATIONS = 1000 * 1000,
    RELAIS_SASL_CHALLENGE_BYTES = 2048
};
/* Whether SCRAM's first challenge, in base64, asks for work within these bounds. */
bool relais_sasl_challenge_is_sane (const char *challenge);
