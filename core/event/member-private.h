/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Members of a line of the event log, found by their very octets: the lines are our own (line.c), and as a quote within
 * a value is escaped, no value can look like a member. Pure; any thread. For this room.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A text as it stands in the line: escaped, without its quotes. Borrowed from the line. */
typedef struct {
    const char *start;
    gsize size;
} RelaisEventText;

/* The text of that name ("campaign"), of at most 40 octets; not the line's first member. False: there is none. */
bool
relais_event_find_text (const char *line, gsize size, const char *name, RelaisEventText *found);
/* The same for a number that is not negative; `missing` if there is none. */
gint64 relais_event_find_int (const char *line, gsize size, const char *name, gint64 missing);
bool relais_event_text_is (const RelaisEventText *text, const char *word);
/* As the line has it, for a value that is looked for: escaped. Owned. */
char *relais_event_escape (const char *value);
/* What it says. Owned; "" if it is no JSON text. */
char *relais_event_unescape (const RelaisEventText *text);
