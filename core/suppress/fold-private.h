/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The form in which addresses are compared: two addresses that name the same mailbox for all that is likely are one. Pure;
 * any thread.
 */
#pragma once

#include <stdbool.h>

/* Without blanks around it, angle brackets and source route; the domain in lower case and A-labels, without a trailing dot;
 * the local part unquoted where it can be, and in lower case: by RFC 5321 its case could matter, but no provider of any size
 * has two mailboxes that differ in nothing else, and whoever complained as Jo@ does not want mail as jo@ either. Dots
 * and +tags stay: what they mean differs. NULL: it is no local@domain. Owned. */
char *relais_suppress_fold (const char *address);
/* SHA-256 of a folded address in lower-case hex: what lists are shared as. Owned. */
char *relais_suppress_hash (const char *folded);
