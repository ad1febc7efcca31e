/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What evidence makes of an entry. Pure rules: all that they know is handed in, the time included.
 */
#pragma once

#include "suppress/entry-private.h"

#include <relais/option.h>

typedef enum {
    RELAIS_SCOPE_GLOBAL,
    RELAIS_SCOPE_TENANT,
    RELAIS_SCOPE_CAMPAIGN
} RelaisSuppressScope;

/* [suppress CLASS] */
typedef struct {
    bool enable;
    RelaisSuppressScope scope;
    guint threshold, days;
    gint64 window_us, lifetime_us; /* 0: for ever */
} RelaisSuppressPolicy;

typedef struct {
    RelaisSuppressPolicy of[RELAIS_SUPPRESS_MANUAL + 1];
} RelaisSuppressPolicies;

void relais_suppress_policies_read (RelaisSuppressPolicies *policies, const RelaisConfig *config);

/* Where evidence counts: tenant and campaign, narrowed to the scope; "" is anywhere. What was nobody's mail has no narrower
 * place than everywhere. */
void relais_suppress_place (const RelaisSuppressPolicy *policy, const char **tenant,
                            const char **campaign);

/* Evidence whose strings are well-formed, the address folded, the place found. */
typedef struct {
    RelaisSuppressClass suppress_class;
    const char *address, *tenant, *campaign, *reason, *text; /* "" for none */
    guint64 id;                                              /* 0: none */
    gint64 wall_us;
} RelaisWeighed;

/* The entry that comes of it; `old` is what was known, or NULL. NULL: it was counted before and nothing changes. Owned. */
RelaisEntry *relais_suppress_weigh (const RelaisSuppressPolicy *policy, const RelaisEntry *old,
                                    const RelaisWeighed *evidence, gint64 now_us);
/* An entry that somebody wants, whatever the threshold: merged with what was known of its key. */
RelaisEntry *relais_suppress_merge (const RelaisEntry *old, const RelaisJournalLine *wanted);
/* When what was told at that time is over. */
gint64 relais_suppress_expiry (const RelaisSuppressPolicy *policy, bool holds, gint64 last_us);
