/* SPDX-License-Identifier: MIT
 *
 * Commands: `relaisctl WORD VERB ARGUMENTS`, declared by the core and by modules in the same
 * table. An ONLINE command runs in the daemon, on its loop, reached through the control socket; an
 * OFFLINE one runs in relaisctl itself, as the user who called it. Either yields rows, which
 * relaisctl renders as a table or, with --json, as one JSON object a line.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef guint32 RelaisCommandKind;
enum { RELAIS_COMMAND_ONLINE = 0, RELAIS_COMMAND_OFFLINE = 1 };

/* Exit status of relaisctl. */
enum {
    RELAIS_EXIT_DONE = 0,
    RELAIS_EXIT_REFUSED = 1,
    RELAIS_EXIT_USAGE = 2,
    RELAIS_EXIT_NO_DAEMON = 3
};

/* Runs a command: may yield rows now or later and must end the call once, by relais_command_finish ()
 * or relais_command_fail (); the call is a counted object of the core's until then. */
typedef void (*RelaisCommandFunc) (RelaisCommandCall *call, gpointer data);

/* One command. Append-only struct. */
typedef struct {
    const gchar *word;  /* "queue", "dkim" */
    const gchar *verb;  /* "list", "keygen"; NULL for the word alone */
    const gchar *usage; /* what follows: "DOMAIN [--selector=NAME]" */
    /* Long options that are taken, "selector= bits= force key@"; "" for none; --json always is. A trailing =
     * takes a value, a trailing @ the name of a file (or - for stdin) that relaisctl reads and hands over; a lone
     * @ does that for the first argument, whose file is named "". A lone < has the first argument's file come in
     * pieces, however large it is: relais_command_when_piece (), ONLINE; -< does so for standard input, whatever
     * the arguments are. */
    const gchar *options;
    const gchar *doc; /* one line, translatable (N_) */
    RelaisCommandKind kind;
    guint32 reserved; /* 0 */
    RelaisCommandFunc func;
} RelaisCommand;

/* --- For the function. Strings are borrowed until the call ends. ONLINE: loop thread; OFFLINE: the
 * only thread there is (blocking is allowed). */
RELAIS_API guint relais_command_n_args (const RelaisCommandCall *call);
RELAIS_API const gchar *relais_command_arg (const RelaisCommandCall *call, guint n);
/* Value of a long option given ("" for one without value), NULL if it was not. */
RELAIS_API const gchar *relais_command_option (const RelaisCommandCall *call, const gchar *name);
/* Content of the file that an option with @ named (at most 16 MiB), NULL if it was not given.
 * Borrowed. */
RELAIS_API GBytes *relais_command_file (const RelaisCommandCall *call, const gchar *name);
/* For a command with a lone < or -<: calls `func` once, from a later turn, when the next piece of the file is
 * there, or its end. Loop. */
RELAIS_API void
relais_command_when_piece (RelaisCommandCall *call, RelaisCommandFunc func, gpointer data);
/* The piece that `func` was called for, borrowed until it returns. NULL: the file has ended; if the call is abandoned
 * then, it was not read to its end. */
RELAIS_API GBytes *relais_command_piece (const RelaisCommandCall *call);
/* The configuration in force (ONLINE) or as read by relaisctl (OFFLINE). Borrowed. */
RELAIS_API RelaisConfig *relais_command_config (const RelaisCommandCall *call);

/* A row is built column by column, then ended; the first row's columns are the table's heads. */
RELAIS_API void
relais_command_put (RelaisCommandCall *call, const gchar *column, const gchar *value);
RELAIS_API void relais_command_put_int (RelaisCommandCall *call, const gchar *column, gint64 value);
RELAIS_API void
relais_command_put_bool (RelaisCommandCall *call, const gchar *column, gboolean value);
/* A moment, wall-clock microseconds: shown as local time, in JSON as RFC 3339 UTC. */
RELAIS_API void
relais_command_put_time (RelaisCommandCall *call, const gchar *column, gint64 wall_us);
RELAIS_API void relais_command_end_row (RelaisCommandCall *call);
/* ONLINE, for commands that may yield many rows: true while relaisctl is slower than they come. The
 * function then returns, and `func` (called once, from a later turn) goes on. A call that goes on
 * all the same is cut off at 64 MiB that wait. FALSE for OFFLINE calls. */
RELAIS_API gboolean relais_command_is_full (const RelaisCommandCall *call);
RELAIS_API void
relais_command_when_drained (RelaisCommandCall *call, RelaisCommandFunc func, gpointer data);
/* Whether nobody waits for the rows any more (relaisctl was ended): a long command may then finish
 * early. Finishing stays a duty. */
RELAIS_API gboolean relais_command_is_abandoned (const RelaisCommandCall *call);
/* Free text for people (what to do next), shown after the table; in JSON {"note": text}. */
RELAIS_API void relais_command_note (RelaisCommandCall *call, const gchar *text);
/* Text as it is, for files (CSV): relaisctl writes it at once, with --json too. The call's function sees to
 * line ends. */
RELAIS_API void relais_command_raw (RelaisCommandCall *call, const gchar *text);
/* "12000 of 1000000", or "12000" with `total` 0: shown on a terminal only. */
RELAIS_API void relais_command_progress (RelaisCommandCall *call, guint64 done, guint64 total);
RELAIS_API void relais_command_finish (RelaisCommandCall *call);
/* Ends the call with an exit status (RELAIS_EXIT_REFUSED, _USAGE) and a message. */
RELAIS_API void relais_command_fail (RelaisCommandCall *call, gint exit_status, const gchar *text);

G_END_DECLS
