/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A suppression list for tests of what asks it, in place of core/suppress: in memory, it does what the case says.
 */
#pragma once

#include "suppress/suppress-private.h"

/* The list; there is one. Its pointer is only to be carried. */
RelaisSuppression *fake_suppression (RelaisLoop *loop);
/* Puts an address on it; tenant and campaign NULL: of any. */
void fake_suppression_add (const char *address, const char *tenant, const char *campaign,
                           RelaisSuppressClass suppress_class, const char *reason);
void fake_suppression_clear (void);

/* Why nothing is known; NULL while all is. */
extern const char *fake_suppression_trouble;
/* Whether reports fail, and whether they are answered only by fake_suppression_answer (). */
extern bool fake_suppression_fails, fake_suppression_waits;
void fake_suppression_answer (void);
/* How often it was asked, and reported to; ids that were kept, once each. */
extern guint fake_suppression_checks, fake_suppression_reports;
extern GPtrArray *fake_suppression_ids;
/* What was reported last: "CLASS ADDRESS TENANT CAMPAIGN REASON TEXT", "-" for what is missing. */
extern char *fake_suppression_last;
