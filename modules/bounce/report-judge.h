/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a report says of a recipient, judged: the rules' word about a reply, and what the report itself adds to it. Pure;
 * any thread.
 */
#pragma once

#include "report.h"
#include "verdict.h"

/* Addresses that a text names, at most 20. Owned (g_strfreev ()); `text` is nullable. */
char **bounce_text_dup_addresses (const char *text);
/* Who says of a domain that it is not there, and names one of `senders` (addresses or domains, up to NULL) or a host of
 * theirs and not the recipient's (nullable), speaks of them: no evidence against the recipient. `text` is nullable. */
void bounce_verdict_look_for_sender (BounceVerdict *verdict, const char *text,
                                     const char *recipient, const char *const *senders);
/* `recipient` NULL: the report tells of none. Always gives one; only a failure or a complaint is evidence. */
void bounce_report_judge (const BounceRules *rules, const BounceReport *report,
                          const BounceReportRecipient *recipient, BounceVerdict *verdict);
