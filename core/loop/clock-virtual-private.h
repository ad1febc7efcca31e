/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A clock that somebody else moves, for laboratories: relaisd --clock FILE. FILE is a page shared with the
 * one who moves the clock (tests/lab/clock); between its writes time stands still, and the loop sleeps until
 * there is input or the clock was moved. Time goes forward only: a smaller value is not seen.
 *
 * To move it: write wall_us, then mono_us, then one octet to the FIFO "FILE.wake". The daemon is at rest at
 * that time when seen_us is mono_us, sleeping is 1, jobs and waiting are 0, and turns stays as it is
 * between two looks; then nothing happens before due_us, and the clock may be put there at once.
 *
 * The times may be read by any thread; the rest is the loop's.
 */
#pragma once

#include "loop/loop-private.h"

enum { RELAIS_CLOCK_MAGIC = 0x4b434c52 /* "RLCK" */, RELAIS_CLOCK_VERSION = 2 };

/* The page, in the machine's byte order; each field is read and written as a whole. */
typedef struct {
    guint32 magic;
    guint32 version;
    /* Of the one who moves it. */
    gint64 mono_us;
    gint64 wall_us;
    /* Of the daemon. */
    gint64 seen_us;  /* mono_us as the loop knew it when it went to sleep */
    gint64 due_us;   /* of its first timer; G_MAXINT64: there is none */
    guint64 turns;   /* of the loop */
    gint32 sleeping; /* 1 from the moment it has nothing to do */
    gint32 jobs;     /* that run or wait in its pools */
    gint32 waiting;  /* for peers and disks: what was asked and is not answered yet */
    gint32 pid;
    /* Parts of `waiting`, for one who plays the peers and may keep an answer back: connections in use, and
     * deliveries that are being tried. What is left when both are taken off is for others. */
    gint32 peers;
    gint32 tried;
} RelaisClockPage;
G_STATIC_ASSERT (sizeof (RelaisClockPage) == 72);

typedef struct RelaisVirtualClock RelaisVirtualClock;

/* Maps the page, which must be there, and makes the FIFO if it is not. May block. */
RelaisVirtualClock *relais_virtual_clock_open (const char *path, GError **error);
/* After the loop. NULL ok. */
void relais_virtual_clock_free (RelaisVirtualClock *clock);
/* For relais_loop_new (). Lives as long as `clock`. */
const RelaisClock *relais_virtual_clock_get (const RelaisVirtualClock *clock);
/* Has the loop, made with this clock, published and woken. Before pools are made. */
bool relais_virtual_clock_attach (RelaisVirtualClock *clock, RelaisLoop *loop, GError **error);
/* The other way round, before the loop is freed. */
void relais_virtual_clock_detach (RelaisVirtualClock *clock);
/* What `waiting` is; asked each time the loop goes to sleep. */
typedef guint (*RelaisVirtualClockWaiting) (gpointer data);
void relais_virtual_clock_set_waiting (RelaisVirtualClock *clock, RelaisVirtualClockWaiting func,
                                       gpointer data);
/* What `peers` and `tried` are; asked right after that. */
typedef void (*RelaisVirtualClockPeers) (gpointer data, guint *peers, guint *tried);
void relais_virtual_clock_set_peers (RelaisVirtualClock *clock, RelaisVirtualClockPeers func,
                                     gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisVirtualClock, relais_virtual_clock_free)
