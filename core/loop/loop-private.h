/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The main loop: one GSource over one epoll descriptor, a timer heap, a queue that other threads
 * post to, and functions run at the end of each turn. GLib's own sources stay possible (a handful:
 * signals, libraries), connections and timers never become GSources, because GMainContext costs
 * O(sources) a turn.
 *
 * One thread, the owner, makes and runs the loop and may call everything here; other threads may
 * call relais_loop_post () alone. Nothing on the loop may block: what may block says so with
 * relais_assert_may_block (), which ends a debug build that does it on the loop.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "loop/clock-private.h"
#include "loop/timer-private.h"

typedef struct RelaisLoop RelaisLoop;
typedef struct RelaisIo RelaisIo;

/* Makes a loop owned by the calling thread. `clock` is borrowed for ever; NULL is the system's.
 * Fails when the process has no descriptors left. */
RelaisLoop *relais_loop_new (const RelaisClock *clock, GError **error);

/* Frees a loop that is not running. Watches and timers must be gone; what was posted and did not
 * run is dropped. Accepts NULL. */
void relais_loop_free (RelaisLoop *loop);

/* Runs until relais_loop_quit (). */
void relais_loop_run (RelaisLoop *loop);
void relais_loop_quit (RelaisLoop *loop);

/* One turn; waits for something to do if `may_wait`. True if anything was done. For tests. */
bool relais_loop_turn (RelaisLoop *loop, bool may_wait);

/* Times: monotonic and wall clock as they were when the current turn began, and the clock itself. */
gint64 relais_loop_now_us (const RelaisLoop *loop);
gint64 relais_loop_wall_us (const RelaisLoop *loop);
const RelaisClock *relais_loop_clock (const RelaisLoop *loop);

/* The longest time that one turn kept the loop from looking at its descriptors, and the time since
 * start. The clock of the machine, whatever clock was injected. Resets when `reset`. */
gint64 relais_loop_longest_gap_us (RelaisLoop *loop, bool reset);
/* Microseconds spent in turns, since the loop was made. */
gint64 relais_loop_busy_us (const RelaisLoop *loop);
/* When the turn that is under way began, by the machine's monotonic clock; 0 between turns. Any thread. */
gint64 relais_loop_turn_began_us (const RelaisLoop *loop);

/* The context the loop runs in, for GLib sources (signals). Borrowed. */
GMainContext *relais_loop_context (RelaisLoop *loop);

/* Ends the process if called on another thread than the owner's. */
void relais_loop_assert_owner (const RelaisLoop *loop);

/* To be called at the head of everything that may wait for a disk, a lock held over I/O, or a
 * process: on the loop's thread, while a loop runs there, it aborts (unless --disable-loop-asserts). */
void relais_assert_may_block (void);

/* --- Descriptors. `events` are EPOLLIN and EPOLLOUT; EPOLLERR and EPOLLHUP come uncalled.
 * Level-triggered. `func` may free the watch, or any other one, of the same turn too. */
typedef void (*RelaisIoFunc) (gpointer data, guint32 events);

/* Watches `fd`, which is borrowed and must outlive the watch. Fails with the system's error. */
RelaisIo *relais_io_new (RelaisLoop *loop, int fd, guint32 events, RelaisIoFunc func, gpointer data,
                         GError **error);
/* Changes what is waited for; 0 for nothing (errors still come). Costs a system call only if it
 * differs from before. */
void relais_io_set_events (RelaisIo *io, guint32 events);
/* Ends the watch; to be called before close (fd). Accepts NULL. */
void relais_io_free (RelaisIo *io);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisIo, relais_io_free)

/* --- Work handed to the loop. */
typedef void (*RelaisLoopFunc) (gpointer data);

/* Has `func` called on the loop's thread in a later turn, in the order of posting. Any thread. */
void relais_loop_post (RelaisLoop *loop, RelaisLoopFunc func, gpointer data);

/* Has `func` called at the end of every turn until removed: the place to hand over in one go what
 * the turn's events collected. Returns a handle for relais_loop_remove_turn_func (). */
guint relais_loop_add_turn_func (RelaisLoop *loop, RelaisLoopFunc func, gpointer data);
void relais_loop_remove_turn_func (RelaisLoop *loop, guint handle);

/* --- A clock that stands still until somebody moves it (clock-virtual-private.h). With an observer the loop
 * waits without bound for its descriptors, whatever timers there are, and says when it does. */
typedef struct {
    /* It goes to sleep at `now_us`; its first timer is due at `due_us`. Loop thread. */
    void (*sleeps) (gpointer data, gint64 now_us, gint64 due_us);
    void (*wakes) (gpointer data);
    gpointer data;
    gint32 *jobs; /* counts those of its pools; atomic */
} RelaisLoopObserver;
/* Copied; NULL: none. While no pool has a job. */
void relais_loop_set_observer (RelaisLoop *loop, const RelaisLoopObserver *observer);
/* For pool.c: that many jobs more. Any thread. */
void relais_loop_count_jobs (RelaisLoop *loop, int change);

/* For timer.c. */
RelaisTimerHeap *relais_loop_timers (RelaisLoop *loop);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisLoop, relais_loop_free)
