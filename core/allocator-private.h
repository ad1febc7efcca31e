/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the allocator keeps, and what it gives back to the system. Messages come and go by the thousand, and what they
 * leave is kept for the next ones; but after a backlog, or a reload, a daemon that has little to do must not look as if
 * it needed all of that. Loop thread.
 */
#pragma once

#include "loop/pool-private.h"

typedef struct RelaisAllocator RelaisAllocator;

/* Sets what is kept. Main thread, before there is another. */
void relais_allocator_settle (void);

/* Looks at the process once a minute. When its memory (without mapped files) has grown by RELAIS_ALLOCATOR_GROWTH since
 * free pages were given back, they are given back again; so they are a minute after that, for what filled it
 * may be over then, and after twice the time each, up to a quarter of an hour. On a worker of `pool`, which must be freed first: the loop waits
 * for a part of the heap while its free pages go. */
#define RELAIS_ALLOCATOR_GROWTH (16 << 20) /* octets */
RelaisAllocator *relais_allocator_new (RelaisLoop *loop, RelaisPool *pool);
/* Accepts NULL. */
void relais_allocator_free (RelaisAllocator *allocator);
/* Gives back what is free now, as soon as a worker has time. */
void relais_allocator_give_back (RelaisAllocator *allocator);
/* Looks now, as each minute. */
void relais_allocator_look (RelaisAllocator *allocator);
/* How often free pages were given back. */
guint64 relais_allocator_given_back (const RelaisAllocator *allocator);
