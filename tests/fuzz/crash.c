/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of crash records (core/module/crash.c). Properties: whatever the bytes, the records that are found stand in the
 * order of their numbers, each at the place of its own, with names that print; written again each is found again;
 * a file that is cut or changed in one octet keeps all records but the one that was hit.
 *
 * Parsers: core/module/crash.c.
 */
#include "config.h"

#include "fuzz.h"
#include "module/crash-private.h"

static const char *const words[] = {"RelCras1", "rewrite", "\1", NULL};
const FuzzTarget fuzz_target = {30000, words};

enum { SOME = 5 };

static void
check_text (const char *text)
{
    g_assert_cmpuint (strlen (text), <, RELAIS_CRASH_NAME_BYTES);
    for (; *text != '\0'; text++)
        g_assert_true (g_ascii_isgraph (*text));
}

static void
check_found (const guint8 *bytes, gsize size)
{
    g_autoptr (GArray) crashes = relais_crashes_read (bytes, size);
    guint64 last = 0;

    g_assert_cmpuint (crashes->len, <=, MIN (size / RELAIS_CRASH_BYTES, (gsize)RELAIS_CRASH_SLOTS));
    for (guint i = 0; i < crashes->len; i++) {
        const RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, i);
        guint8 again[RELAIS_CRASH_BYTES];
        RelaisCrash read;

        g_assert_cmpuint (crash->number, >, last);
        last = crash->number;
        check_text (crash->module);
        check_text (crash->what);
        relais_crash_encode (crash, again);
        g_assert_true (relais_crash_decode (again, &read));
        fuzz_assert_same (crash, sizeof *crash, &read, sizeof read);
        (void)relais_crashes_against_module (crashes, crash->module);
        (void)relais_crashes_hooks (crashes, crash->module);
        (void)relais_crashes_against_message (crashes, crash->id);
    }
    g_assert_cmpuint (relais_crashes_next (crashes), ==, last + 1);
}

/* Records with what the input gives for their fields; one octet of them is changed, the end is cut off. */
static void
write_and_harm (const guint8 *bytes, gsize size, FuzzRandom *random)
{
    guint8 file[SOME * RELAIS_CRASH_BYTES];
    const gsize hit = fuzz_random_below (random, sizeof file);
    const gsize end = fuzz_random_below (random, sizeof file + 1);
    g_autoptr (GArray) crashes = NULL;
    guint wanted = 0;

    for (guint i = 0; i < SOME; i++) {
        RelaisCrash crash = {.number = i + 1,
                             .wall_us = (gint64)(fuzz_random_next (random) >> 1),
                             .id = fuzz_random_next (random),
                             .what = "job"};

        for (gsize k = 0; k < MIN (size, (gsize)RELAIS_CRASH_NAME_BYTES - 1); k++)
            crash.module[k] = (char)('!' + bytes[k] % 90);
        relais_crash_encode (&crash, file + i * RELAIS_CRASH_BYTES);
        wanted += hit / RELAIS_CRASH_BYTES != i && (i + 1) * RELAIS_CRASH_BYTES <= end;
    }
    file[hit] ^= (guint8)(1 + fuzz_random_below (random, 255));
    crashes = relais_crashes_read (file, end);
    g_assert_cmpuint (crashes->len, ==, wanted);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    guint8 *exact = fuzz_exact (bytes, size);

    check_found (exact, size);
    write_and_harm (exact, size, &random);
    free (exact);
    return 0;
}
