/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The last thing a message goes through before the socket: dots at line starts are doubled (RFC
 * 5321 section 4.5.2), and a CR or LF that is not one CRLF stops it, whoever put it there, so that
 * no receiver can find an end of message where we see none.
 *
 * Pure; resumable at any octet; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    RELAIS_DOT_LINE_START = 0,
    RELAIS_DOT_IN_LINE,
    RELAIS_DOT_AFTER_CR, /* the CR is held back until its LF is seen */
    RELAIS_DOT_BROKEN
} RelaisDotState;

/* Zero-initialised for each message. */
typedef struct {
    RelaisDotState state;
} RelaisDotStuff;

/* Takes output in order; the bytes are borrowed. */
typedef void (*RelaisDotEmit) (gpointer data, const guint8 *bytes, gsize size);

/* Passes on what may leave. False, then and ever after, when a bare CR or LF is met: it and what
 * follows it is not passed on. */
bool relais_dot_stuff (RelaisDotStuff *stuff, const guint8 *bytes, gsize size, RelaisDotEmit emit,
                       gpointer data);
/* After the last bytes: the CRLF if it is missing, and the final dot. False as above. */
bool relais_dot_stuff_end (RelaisDotStuff *stuff, RelaisDotEmit emit, gpointer data);
