/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of rules can never apply, told to whoever wrote them. Pure; runs in relaisctl.
 */
#pragma once

#include <relais/command.h>

#include "replies.h"

typedef struct {
    char *place; /* FILE:LINE, or the section where no key of it is set */
    char *what, *mend;
} RepliesFinding;
/* Of RepliesFinding, owned by the array. */
GPtrArray *replies_findings_new (void);
/* Takes `what`. */
void replies_findings_add (GPtrArray *findings, const char *place, char *what, const char *mend);
/* Ends a call with a row for each, or with the words that there are `none`. */
void replies_findings_tell (RelaisCommandCall *call, const GPtrArray *findings, const char *none);
/* Names in a list that name no section [KIND NAME]. `title` is the section that has the list. */
void
replies_dead_names (GPtrArray *findings, RelaisConfig *config, const char *place, const char *title,
                    const char *key, const char *kind, const char *const *names);
/* An error of reading rules, "FILE:LINE: [...". */
void replies_dead_problem (GPtrArray *findings, const char *problem);
/* Rules [KIND NAME] that can never apply. */
void replies_dead_rules (GPtrArray *findings, RelaisConfig *config, const char *kind,
                         const RepliesSet *set);
