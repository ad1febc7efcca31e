/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line of the suppression journal:
 *
 *   CHECKSUM SP LENGTH SP BODY LF
 *
 * CHECKSUM is CRC32C in 8 hex digits, of all that lies between it and the LF; LENGTH that of BODY in 4. BODY is
 * fields between tabs, the first the version, the second what the line says; in a field, control characters
 * and % are written as %XX:
 *
 *   1 journal ID                  first line of a file; ID tells one file from the next
 *   1 put CLASS HOLDS COUNT FIRST LAST EXPIRES ADDRESS TENANT CAMPAIGN REASON TEXT MARKS
 *                                 all that is known of this key from here on; MARKS is TIME:ID,...
 *   1 remove CLASS ADDRESS TENANT CAMPAIGN
 *   1 group OCTETS                that many octets follow, all of which count or none
 *
 * A damaged line ends at the next LF at the latest, so that the one after it is found. LENGTH tells a line that
 * was never written to its end from one whose LF is damaged. Pure; any thread.
 */
#pragma once

#include <relais/suppress.h>

#include <stdbool.h>

enum {
    RELAIS_JOURNAL_LINE_BYTES = 16 * 1024, /* with LF; no written line comes near */
    RELAIS_JOURNAL_MARKS = 100
};

/* One counted piece of evidence. */
typedef struct {
    gint64 wall_us;
    guint64 id; /* hash of its id; 0: it had none */
} RelaisSuppressMark;

typedef enum {
    RELAIS_JOURNAL_HEAD,
    RELAIS_JOURNAL_PUT,
    RELAIS_JOURNAL_REMOVE,
    RELAIS_JOURNAL_GROUP
} RelaisJournalOp;

typedef struct {
    RelaisJournalOp op;
    guint64 number; /* HEAD: the ID; GROUP: the octets */
    /* PUT, and REMOVE up to the campaign. Strings are "" for none. */
    RelaisSuppressClass suppress_class;
    const char *address, *tenant, *campaign;
    bool holds;
    guint32 count;
    gint64 first_us, last_us, expires_us;
    const char *reason, *text;
    guint n_marks;
    const RelaisSuppressMark *marks;
} RelaisJournalLine;

void relais_journal_line_append (GString *out, const RelaisJournalLine *line);

typedef enum {
    RELAIS_JOURNAL_GOOD,
    RELAIS_JOURNAL_MORE,  /* the line goes on behind `size` */
    RELAIS_JOURNAL_TORN,  /* the file ends inside of the line */
    RELAIS_JOURNAL_BAD,   /* damaged, up to `used` */
    RELAIS_JOURNAL_LATER, /* good, but of a later release */
} RelaisJournalResult;

/* What a line that was read borrows from. Zeroed before the first use. */
typedef struct {
    char bytes[RELAIS_JOURNAL_LINE_BYTES];
    RelaisSuppressMark marks[RELAIS_JOURNAL_MARKS];
} RelaisJournalScratch;

/* Reads the line at the start of `size` octets, at least one, behind which the file ends if `at_end`. GOOD sets `line`, which
 * borrows from `scratch`. GOOD, BAD and LATER set `used`. */
RelaisJournalResult
relais_journal_line_read (const char *bytes, gsize size, bool at_end, RelaisJournalScratch *scratch,
                          RelaisJournalLine *line, gsize *used);

/* A class by its name; NONE if there is none such. */
RelaisSuppressClass relais_suppress_class_from_string (const char *name);
