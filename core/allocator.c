/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the allocator keeps and gives back. See the header. The loop's thread, but for the jobs, of which one at a time
 * is under way: `floor`, `looks` and `pause` are theirs.
 */
#include "config.h"

#include "allocator-private.h"

#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include "loop/ticker-private.h"

enum { LOOK_S = 60, MOST_PAUSE = 16, STATM_BYTES = 128 };

struct RelaisAllocator {
    RelaisPool *pool;
    RelaisTicker *ticker;
    guint64 floor; /* memory of the process, the least since free pages went; 0: they never did */
    guint looks, pause; /* since then, and after which they go again */
    bool wanted;        /* whatever it has grown */
    bool under_way;
    bool again; /* asked for meanwhile */
    bool gave;
    guint64 given_back;
};

/* Returned to the system with each lull, every page would have to be mapped and cleared again. */
void
relais_allocator_settle (void)
{
#ifdef M_TRIM_THRESHOLD
    mallopt (M_TRIM_THRESHOLD, 64 << 20);
    mallopt (M_TOP_PAD, 1 << 20);
    mallopt (M_MMAP_THRESHOLD, 4 << 20);
#endif
}

/* Octets that are in memory and of no file; 0 where that is not known. */
static guint64
memory_of_process (void)
{
    char text[STATM_BYTES];
    guint64 resident, shared;
    char *at;
    int fd = open ("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close (fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    (void)g_ascii_strtoull (text, &at, 10); /* of the address space */
    resident = g_ascii_strtoull (at, &at, 10);
    shared = g_ascii_strtoull (at, NULL, 10);
    return shared < resident ? (resident - shared) * (guint64)sysconf (_SC_PAGESIZE) : 0;
}

static void
work (gpointer data)
{
    RelaisAllocator *allocator = data;
    const guint64 before = memory_of_process ();
    const bool grown = before > allocator->floor + (guint64)RELAIS_ALLOCATOR_GROWTH;

    allocator->looks++;
    allocator->gave = allocator->wanted || grown || allocator->looks >= allocator->pause;
    if (!allocator->gave) {
        allocator->floor = MIN (allocator->floor, before);
        return;
    }
#ifdef __GLIBC__
    malloc_trim (0);
#endif
    allocator->floor = memory_of_process ();
    allocator->looks = 0;
    allocator->pause = grown ? 1 : MIN (2 * allocator->pause, MOST_PAUSE);
}

static void begin (RelaisAllocator *allocator, bool wanted);

static void
done (gpointer data)
{
    RelaisAllocator *allocator = data;

    allocator->under_way = false;
    allocator->given_back += allocator->gave;
    if (allocator->again) {
        allocator->again = false;
        begin (allocator, true);
    }
}

static void
begin (RelaisAllocator *allocator, bool wanted)
{
    if (allocator->under_way) {
        allocator->again = allocator->again || wanted;
        return;
    }
    allocator->wanted = wanted;
    allocator->under_way = relais_pool_run (allocator->pool, work, done, allocator);
}

void
relais_allocator_look (RelaisAllocator *allocator)
{
    begin (allocator, false);
}

void
relais_allocator_give_back (RelaisAllocator *allocator)
{
    begin (allocator, true);
}

guint64
relais_allocator_given_back (const RelaisAllocator *allocator)
{
    return allocator->given_back;
}

static void
on_tick (gpointer data)
{
    relais_allocator_look (data);
}

RelaisAllocator *
relais_allocator_new (RelaisLoop *loop, RelaisPool *pool)
{
    RelaisAllocator *allocator = g_new0 (RelaisAllocator, 1);

    allocator->pool = pool;
    allocator->pause = 1;
    allocator->ticker = relais_ticker_new (loop, LOOK_S, on_tick, allocator);
    return allocator;
}

void
relais_allocator_free (RelaisAllocator *allocator)
{
    if (allocator == NULL)
        return;
    relais_ticker_free (allocator->ticker);
    g_free (allocator);
}
