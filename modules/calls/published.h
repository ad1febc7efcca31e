/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl WORD test DOMAIN`: is what a domain publishes in the DNS as our mail needs it? What such a command says,
 * whatever it is about: each row has the columns "name" (of the DNS), "state", "reason" and "publish" (what to publish
 * there as TXT), the last two null where there is none; of the states "good" alone is fine. The call is refused if a row
 * is not good. What could not be looked up is "unknown", and never "missing". Loop thread.
 */
#pragma once

#include <relais/command.h>

#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* The rows of a call until now. */
typedef struct {
    RelaisCommandCall *call;
    guint n_rows, n_bad;
} Published;

/* The one argument of such a command, a domain in A-labels, in lower case (owned); NULL: it was none, and the call has
 * been ended. */
char *published_take_domain (RelaisCommandCall *call);

/* Ends a row; what comes before `state`, and what is of the kind of record alone, has been put. `reason` and `publish`
 * are nullable. */
void
published_end_row (Published *rows, const char *state, const char *reason, const char *publish);
/* Tells people what to do. */
void published_advise (const Published *rows, const char *name, const char *publish);
/* Ends the call: done, or refused with `trouble`, if a row was not good. */
void published_end (const Published *rows, const char *trouble);
