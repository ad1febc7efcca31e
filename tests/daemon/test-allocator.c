/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/allocator: what a backlog left behind goes back to the system, though what still lives lies between it.
 */
#include "config.h"

#include "allocator-private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1000, N_BLOCKS = 96 << 10, EACH = 1000 };

static guint64
resident_bytes (void)
{
    guint64 size = 0, resident = 0;
    FILE *file = fopen ("/proc/self/statm", "r");

    g_assert_nonnull (file);
    g_assert_cmpint (fscanf (file, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &size, &resident),
                     ==, 2);
    fclose (file);
    return resident * (guint64)sysconf (_SC_PAGESIZE);
}

static void
look (RelaisLoop *loop, RelaisAllocator *allocator, guint64 given_back)
{
    relais_allocator_look (allocator);
    for (guint i = 0; i < 200 && relais_allocator_given_back (allocator) != given_back; i++) {
        g_usleep (10000);
        relais_loop_turn (loop, false);
    }
    g_assert_cmpuint (relais_allocator_given_back (allocator), ==, given_back);
}

/* Nothing to wait for: the job that finds no reason to do anything has been and gone. */
static void
look_idly (RelaisLoop *loop, RelaisAllocator *allocator, guint64 given_back)
{
    relais_allocator_look (allocator);
    g_usleep (200000);
    relais_loop_turn (loop, false);
    g_assert_cmpuint (relais_allocator_given_back (allocator), ==, given_back);
}

static void
test_backlog (void)
{
    RelaisLoop *loop = relais_loop_new (NULL, NULL);
    RelaisPool *pool = relais_pool_new (loop, "worker", 1, 10);
    RelaisAllocator *allocator = relais_allocator_new (loop, pool);
    char **blocks = g_new (char *, N_BLOCKS);
    guint64 full;

    relais_allocator_settle ();
    look (loop, allocator, 1); /* what was needed to start */
    look_idly (loop, allocator, 1);
    for (guint i = 0; i < N_BLOCKS; i++) {
        blocks[i] = g_malloc (BLOCK_BYTES);
        memset (blocks[i], 1, BLOCK_BYTES);
    }
    full = resident_bytes ();
    for (guint i = 0; i < N_BLOCKS; i++)
        if (i % EACH != EACH - 1)
            g_clear_pointer (&blocks[i], g_free);
    g_assert_cmpuint (resident_bytes (), >, full / 2);
    look (loop, allocator, 2);
#ifndef RELAIS_SANITIZED /* those keep what was freed, to find who uses it */
    g_assert_cmpuint (resident_bytes (), <, full / 2);
    /* It had grown: so it is tried again soon, and then ever more rarely. */
    look (loop, allocator, 3);
    look_idly (loop, allocator, 3);
    look (loop, allocator, 4);
#endif
    relais_allocator_give_back (allocator);
    relais_allocator_give_back (allocator); /* while the first is under way: once more after it */
    relais_pool_free (pool);
    g_assert_cmpuint (relais_allocator_given_back (allocator), >=, 3);
    relais_allocator_free (allocator);
    for (guint i = 0; i < N_BLOCKS; i++)
        g_free (blocks[i]);
    g_free (blocks);
    relais_loop_free (loop);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/daemon/allocator/backlog", test_backlog);
    return g_test_run ();
}
