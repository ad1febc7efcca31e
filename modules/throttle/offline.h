/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl throttle lint` and `throttle replay`, and the pure parts they are made of. They run in relaisctl, as
 * its caller, and need neither daemon nor module: the configuration is what they look at.
 */
#pragma once

#include <relais/command.h>

#include "rules.h"

/* --- lint.c, nearest.c: what of a configuration can never apply. Pure. ------------------------------- */

typedef struct {
    char *place; /* FILE:LINE, or the section where no key of it is set */
    char *what, *mend;
} ThrottleFinding;
/* ThrottleFinding, owned by the array: of providers, then of what names them, then of rules. */
GPtrArray *throttle_lint (RelaisConfig *config);
/* The name that was probably meant, or NULL. Borrowed. */
const char *throttle_nearest (const char *name, const GPtrArray *names);

/* --- replay.c: recorded replies, a line each. Pure. -------------------------------------------------- */

typedef enum {
    THROTTLE_LINE_EMPTY, /* or a comment, or an event that tells of no reply */
    THROTTLE_LINE_BAD,
    THROTTLE_LINE_REPLY
} ThrottleLineType;
typedef struct {
    ThrottleLineType type;
    char *provider, *phase, *enhanced, *text; /* NULL: none said */
    guint code;
} ThrottleLine;
enum { THROTTLE_LINE_BYTES = 64 * 1024 }; /* longer is BAD */
/* "421 4.7.28 text"; "PROVIDER<TAB>PHASE<TAB>421 4.7.28 text" (- or nothing: none); a line of the event log. */
void throttle_line_parse (const char *bytes, gsize size, ThrottleLine *line);
void throttle_line_clear (ThrottleLine *line);

/* --- offline.c ----------------------------------------------------------------------------------------- */

void throttle_command_lint (RelaisCommandCall *call, gpointer data);
void throttle_command_replay (RelaisCommandCall *call, gpointer data);

/* A part of the module's one table of commands; its user includes <glib/gi18n-lib.h>. */
#define THROTTLE_OFFLINE_COMMANDS                                                                  \
    {"throttle",                                                                                   \
     "lint",                                                                                       \
     "",                                                                                           \
     "",                                                                                           \
     N_ ("Find providers and rules that can never apply."),                                        \
     RELAIS_COMMAND_OFFLINE,                                                                       \
     0,                                                                                            \
     throttle_command_lint},                                                                       \
    {                                                                                              \
        "throttle", "replay", N_ ("FILE"),                                                         \
            "@ provider=", N_ ("Show what the rules make of recorded replies."),                   \
            RELAIS_COMMAND_OFFLINE, 0, throttle_command_replay                                     \
    }
