/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The words of a reply as rules look at them, however it was written down. Pure, any thread.
 */
#pragma once

#include "replies.h"
#include "verdict.h"

typedef struct {
    RepliesView view; /* its text is of `bytes` */
    char bytes[REPLIES_TEXT_BYTES + 1];
} BounceWords;
/* Blanks and line ends become one blank each, and codes go: those at the head, which count where the reply names none,
 * and those of further lines. `words` may not be copied. */
void bounce_words_of (const BounceReply *reply, BounceWords *words);
