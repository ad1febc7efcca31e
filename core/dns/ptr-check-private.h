/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the DNS says of one address that mail leaves from: the name that it has (PTR), whether the name leads back to
 * it, as Gmail and others demand, and whether EHLO gives a name that leads there too (RFC 5321 section 4.1.4).
 * Loop thread.
 */
#pragma once

#include "dns/dns-private.h"

/* One thing that `relaisctl dns check` found: what a record is like that mail of ours needs. Strings
 * are borrowed; those that are nullable say so. */
typedef struct {
    const char *about; /* the source's name, or the domain */
    const char *check; /* "ptr", "helo", "mx", or the word of a module's test: "dkim" */
    const char *
        state; /* "good" ("published"), "missing", "different", "unusable", "unknown", "not tested", ... */
    const char *name;    /* at which it was looked for; or NULL */
    const char *reason;  /* or NULL */
    const char *publish; /* what should stand there; or NULL */
} RelaisDnsFinding;

typedef struct RelaisPtrCheck RelaisPtrCheck;

/* Called for each finding, and last with NULL, after which the check is gone. */
typedef void (*RelaisPtrCheckFunc) (gpointer data, const RelaisDnsFinding *finding);

/* `source` and `helo` are copied. */
RelaisPtrCheck *
relais_ptr_check_new (RelaisDns *dns, const char *source, const char *helo,
                      const struct sockaddr *address, RelaisPtrCheckFunc func, gpointer data);
/* Ends it without another call. Accepts NULL. */
void relais_ptr_check_free (RelaisPtrCheck *check);
