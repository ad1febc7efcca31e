/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One thing that `relaisctl dns check` found: what a record is like that mail of ours needs.
 */
#pragma once

/* Strings are borrowed; those that are nullable say so. */
typedef struct {
    const char *about;   /* the source's name, or the domain */
    const char *check;   /* "ptr", "helo", "mx", or the word of a module's test: "dkim" */
    const char *state;   /* "good" ("published"), "missing", "different", "unusable", "unknown", "not tested", ... */
    const char *name;    /* at which it was looked for; or NULL */
    const char *reason;  /* or NULL */
    const char *publish; /* what should stand there; or NULL */
} RelaisDnsFinding;
