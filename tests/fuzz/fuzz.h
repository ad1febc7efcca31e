/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput (), which aborts
 * when a property does not hold, and `fuzz_target`, which says how our own driver (driver.c) treats
 * it. Everything a target does follows from the bytes it is given, so that a crash comes again.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size);

typedef struct {
    guint runs;               /* of the driver, unless told otherwise */
    const char *const *words; /* NULL-terminated: what mutations put in; without NUL octets */
} FuzzTarget;
extern const FuzzTarget fuzz_target;

/* Chance drawn from the input. */
typedef struct {
    guint64 state;
} FuzzRandom;

static inline guint64
fuzz_random_next (FuzzRandom *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1dull;
}

/* 0 .. limit - 1; 0 if limit is 0. */
static inline gsize
fuzz_random_below (FuzzRandom *random, gsize limit)
{
    return limit > 0 ? (gsize)((fuzz_random_next (random) >> 16) % limit) : 0;
}

static inline FuzzRandom
fuzz_random_from (const guint8 *bytes, gsize size)
{
    FuzzRandom random = {0xcbf29ce484222325ull};

    for (gsize i = 0; i < size; i++)
        random.state = (random.state ^ bytes[i]) * 0x100000001b3ull;
    random.state |= 1;
    return random;
}

/* How the bytes are cut: 0 whole, 1 octet by octet, else pieces of chance, mostly small. */
static inline gsize
fuzz_next_piece (FuzzRandom *random, guint way, gsize left)
{
    const gsize longest = fuzz_random_below (random, 4) > 0 ? 7 : left;

    if (way <= 1 || left == 0)
        return way == 1 ? MIN (left, 1) : left;
    return 1 + fuzz_random_below (random, MIN (left, longest));
}

/* The bytes in a block of their own, so that a sanitizer sees an over-read. Free with free (). */
static inline guint8 *
fuzz_exact (const guint8 *bytes, gsize size)
{
    guint8 *copy = malloc (size);

    g_assert (copy != NULL || size == 0);
    if (size > 0)
        memcpy (copy, bytes, size);
    return copy;
}

static inline void
fuzz_assert_same (gconstpointer a, gsize a_size, gconstpointer b, gsize b_size)
{
    g_assert_cmpuint (a_size, ==, b_size);
    g_assert_true (a_size == 0 || memcmp (a, b, a_size) == 0);
}

/* As a string: up to the first NUL. Owned. */
static inline char *
fuzz_string (const guint8 *bytes, gsize size)
{
    return g_strndup (size > 0 ? (const char *)bytes : "", size);
}

/* Drops what is logged below CRITICAL, which ends the run. */
void fuzz_quiet (void);
