/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the suppression list's tests share: a list in a directory of its own, with a clock that stands still, and writes and
 * syncs that fail when told to.
 */
#pragma once

#include "conf/conf-private.h"
#include "suppress/suppress-private.h"

typedef struct {
    RelaisClock clock;
    gint64 now_us;  /* wall */
    gint64 skip_us; /* that the monotonic clock is ahead of the machine's */
    char *dir, *list_dir;
    char *conf; /* what stands in the configuration */
    RelaisConfig *config;
    RelaisLoop *loop;
    RelaisSuppression *list;
} Fixture;

void fixture_init (Fixture *fixture, const char *conf);
void fixture_open (Fixture *fixture);
void fixture_close (Fixture *fixture);
void fixture_clear (Fixture *fixture);
void fixture_configure (Fixture *fixture, const char *conf);
void fixture_allow_warnings (void);

/* Turns the loop until `*flag` is not `was`, for 20 s at most. */
void fixture_wait (Fixture *fixture, const guint *flag, guint was);

/* One report, and how it ended. */
RelaisSuppressResult
fixture_report (Fixture *fixture, RelaisSuppressClass suppress_class, const char *address,
                const char *tenant, const char *campaign, const char *id);
RelaisSuppressAnswer
fixture_check (Fixture *fixture, const char *address, const char *tenant, const char *campaign);

char *fixture_path (const Fixture *fixture, const char *name);
char *fixture_read (const Fixture *fixture, const char *name, gsize *size);
void fixture_write (const Fixture *fixture, const char *name, const char *bytes, gsize size);
bool fixture_has (const Fixture *fixture, const char *name);

/* Calls that fail: the next `n` with that errno; of writes, `after` octets of the first are still written. */
typedef struct {
    int error;
    guint n;
    gsize after;
} FixtureFault;
extern FixtureFault fixture_read_fault, fixture_write_fault, fixture_sync_fault,
    fixture_dir_sync_fault, fixture_cut_fault;
extern guint fixture_syncs; /* calls of fdatasync */
