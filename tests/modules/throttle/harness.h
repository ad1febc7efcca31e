/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of throttle as a module share: it is loaded with a store and a clock that stands still, and asked
 * as the queue asks. What was used is written down, so that any limit can be held against every interval.
 */
#pragma once

#include <relais/test.h>
#include <relais/timer.h>

#include <stdbool.h>
#include <string.h>

#define SECOND G_GINT64_CONSTANT (1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
/* 2040-01-01: expiry in stores goes by the machine's clock, which is behind. */
#define BEGIN (25567 * DAY)
#define BEGIN_DAY "2040-01-01"

typedef struct {
    RelaisTest *test;
    char *state_dir; /* of store-gdbm; NULL: none, or in memory */
    GArray *sent;    /* gint64 wall-clock time, one for each recipient */
    gint64 wall_us;
} World;

/* With a store in memory. */
World *world_new (const char *config);
/* Without one. */
World *world_new_bare (const char *config);
/* With a store on disk in `dir`, at that time. */
World *world_new_at (const char *config, const char *dir, gint64 wall_us);
/* What was sent is handed over: owned. */
GArray *world_end (World *world);
void world_free (World *world);
void world_advance (World *world, gint64 delta_us);
/* Asks admit for one recipient and sends it: until when it waits, relative, or 0 once it is sent. */
gint64 world_send (World *world);
gint64 world_send_many (World *world, guint32 n);
/* Opens a connection, and closes it. */
gint64 world_connect (World *world);
/* Sends as fast as it may for so long; how many. */
guint world_run (World *world, gint64 for_us);
void world_reload (World *world, const char *config);
/* What a peer says to one recipient. */
void
world_reply (World *world, const char *phase, guint code, const char *enhanced, const char *text);
void world_deliver (World *world);
const char *world_reason (World *world);
RelaisWaitScope world_scope (World *world);
/* The next event as text, of that action; owned, and the ones before are dropped. NULL. */
char *world_take_event (World *world, const char *action);
/* No interval has more than burst + n * t / period. */
void assert_kept (const GArray *sent, gint64 n, gint64 period_us, gint64 burst);
char *make_dir (void);
void remove_dir (char *dir);
