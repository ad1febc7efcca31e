/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Future release (RFC 4865): until when the sender asked to have a message kept before it goes out. The request is
 * an attribute of the message, in the words of the field that reports show it in. Pure; any thread.
 */
#pragma once

#include "message/message-private.h"

/* "for;SECONDS" or "until;DATE-TIME". */
#define RELAIS_ATTRIBUTE_RELEASE "core.release"

/* Reads such a request; `*release_us` is the wall-clock moment that it names, in microseconds, for a message that came
 * at `received_us`. False for what is no request: more than nine digits, no date-time of RFC 3339 section 5.6. */
bool relais_release_parse (const char *text, gsize size, gint64 received_us, gint64 *release_us);
/* The request as text, NULL if the sender had none. Owned. */
char *relais_message_release_text (const RelaisMessage *message);
/* The wall-clock moment; 0 if there is none. */
gint64 relais_message_release_us (const RelaisMessage *message);
