/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a reply says by its codes and its place in the dialogue alone (RFC 5321 section 4.2, RFC 3463 and the registry
 * of enhanced codes). Pure, any thread.
 */
#pragma once

#include "replies.h"
#include "verdict.h"

/* What the enhanced code says, else the code, with `unknown` where they do not tell. */
void bounce_codes_judge (const RepliesView *view, BounceVerdict *verdict);
/* Of a code, and of the enhanced one's class where there is none. */
RelaisBouncePermanence bounce_codes_permanence (const RepliesView *view);
/* Whether a recipient was named when it came: RCPT and what follows, or a report, which does not say. */
bool bounce_codes_names_recipient (const RepliesView *view);
