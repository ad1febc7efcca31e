/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses and domains as SMTP writes them (RFC 5321 section 4.1.2, RFC 6531). Pure, bounded,
 * any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_LOCAL_PART_BYTES = 64, /* RFC 5321 section 4.5.3.1.1 */
    RELAIS_DOMAIN_BYTES = 255,    /* as the DNS counts them, which is 253 octets of text */
    RELAIS_PATH_BYTES = 254       /* without brackets: 256 - 2 */
};

typedef enum {
    RELAIS_ADDRESS_OK,
    RELAIS_ADDRESS_SYNTAX,    /* 5.1.3 (recipient) or 5.1.7 (sender) */
    RELAIS_ADDRESS_TOO_LONG,  /* same codes */
    RELAIS_ADDRESS_NEEDS_UTF8 /* not ASCII although SMTPUTF8 was not asked for: 5.6.7 */
} RelaisAddressStatus;

/* Parses one Mailbox, local@domain or local@[literal], at the start of `text`; `*used` is where it
 * ended. The result is "local@domain" with the domain in lower case and A-labels, a quoted local part
 * unquoted where it need not be quoted. No source routes, no %-hack is interpreted: what stands in
 * the local part stays there. Domains need no dot (policy is the caller's) and may not end in one.
 * A literal comes out as "[192.0.2.1]" or "[IPv6:2001:db8::1]", in its canonical form; other tags are
 * refused. NULL `used` means that nothing may follow the mailbox. */
RelaisAddressStatus
relais_address_parse (const char *text, gsize size, bool utf8, char **address, gsize *used);
/* The domain part, borrowed from inside `address` (after the last '@'). */
const char *relais_address_domain (const char *address);
/* Lower case, A-labels, one trailing dot taken off, LDH syntax checked; NULL if it is no domain name. */
char *relais_domain_normalise (const char *text, gsize size);
/* The same of a pattern as relais_domain_matches () takes it. */
char *relais_domain_normalise_pattern (const char *text);
bool relais_domain_is_literal (const char *domain);
/* `pattern`: "example.org", "*.example.org" (any depth below, not itself), "*" (any). Both
 * normalised. */
bool relais_domain_matches (const char *pattern, const char *domain);
