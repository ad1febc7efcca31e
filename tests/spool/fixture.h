/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the spool's tests share: a loop, a pool and a spool in a directory of its own, with calls
 * that wait.
 */
#pragma once

#include "spool/spool-private.h"

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisEventLog *events; /* owned; NULL unless a test opens one */
    RelaisSpool *spool;
    char *dir; /* holds "spool" and what a test adds */
    RelaisSpoolOptions options;
    char *spool_dir;
} Fixture;

/* Segments of 64 KiB, so that there are many. */
void fixture_init (Fixture *fixture);
void fixture_clear (Fixture *fixture);
void fixture_open (Fixture *fixture);
void fixture_close (Fixture *fixture);

/* A message whose content is `size` bytes drawn from `seed`, so that it can be told what was lost or
 * changed. */
RelaisMessage *fixture_message (Fixture *fixture, guint seed);
GBytes *fixture_body (guint seed, gsize size);
RelaisDraft *fixture_draft (Fixture *fixture, GBytes *body);

/* Submit and wait. */
typedef struct {
    bool written, synced;
    GError *error;
} Outcome;
void outcome_clear (Outcome *outcome);
void
fixture_submit (Fixture *fixture, RelaisGroup *group, RelaisGroupUrgency urgency, Outcome *outcome);
/* Submits without waiting; `outcome` must live until it is synced. */
void fixture_submit_only (RelaisGroup *group, RelaisGroupUrgency urgency, Outcome *outcome);
void fixture_wait (Fixture *fixture, const bool *done);
/* Accepts a message; returns its id. */
guint64 fixture_accept (Fixture *fixture, guint seed, gsize size);
void fixture_done (Fixture *fixture, guint64 id);
/* id -> RelaisMessage of all that recovery finds. */
GHashTable *fixture_recover (Fixture *fixture);
RelaisMessage *fixture_load (Fixture *fixture, guint64 id, GError **error);
/* Ends the test unless the message is the one made from `seed` with a body of `size`. */
void fixture_check (RelaisMessage *message, guint seed, gsize size);

/* Name of the first segment file. */
char *fixture_first_segment (Fixture *fixture);
void fixture_copy_dir (const char *from, const char *to);
void fixture_remove_dir (const char *dir);
/* Warnings about damage are part of what is tested and do not end it. */
void fixture_allow_warnings (void);
