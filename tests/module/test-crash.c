/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: crash records are read as they were written; what was torn, flipped or moved is none and hides no other;
 * what follows from them for modules and messages.
 */
#include "config.h"

#include "module/crash-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND ((gint64)1000000)

static RelaisCrash
crash_of (guint64 number, const char *module, gint64 wall_us, guint64 id)
{
    RelaisCrash crash = {
        .number = number, .wall_us = wall_us, .id = id, .signal = 6, .hooks = 5, .what = "rewrite"};

    g_strlcpy (crash.module, module, sizeof crash.module);
    return crash;
}

static GByteArray *
file_of (const RelaisCrash *crashes, guint n)
{
    GByteArray *bytes = g_byte_array_new ();

    for (guint i = 0; i < n; i++) {
        const gsize at = (gsize)relais_crash_offset (crashes[i].number);

        if (bytes->len < at + RELAIS_CRASH_BYTES) {
            const guint before = bytes->len;

            g_byte_array_set_size (bytes, (guint)at + RELAIS_CRASH_BYTES);
            memset (bytes->data + before, 0, bytes->len - before);
        }
        relais_crash_encode (&crashes[i], bytes->data + at);
    }
    return bytes;
}

static void
test_coding (void)
{
    RelaisCrash crash = crash_of (7, "dkim", 123456789, 42), read;
    guint8 bytes[RELAIS_CRASH_BYTES];

    crash.flags = RELAIS_CRASH_STUCK;
    crash.hooks |= RELAIS_CRASH_HOOKS_KNOWN;
    relais_crash_encode (&crash, bytes);
    g_assert_true (relais_crash_decode (bytes, &read));
    g_assert_cmpmem (&crash, sizeof crash, &read, sizeof read);
    for (guint bit = 0; bit < RELAIS_CRASH_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (guint8)(1 << bit % 8);
        g_assert_false (relais_crash_decode (bytes, &read));
        bytes[bit / 8] ^= (guint8)(1 << bit % 8);
    }
}

/* Longer names are cut; what does not print is refused. */
static void
test_names (void)
{
    RelaisCrash crash = crash_of (1, "", 1, 0), read;
    guint8 bytes[RELAIS_CRASH_BYTES];

    memset (crash.module, 'x', sizeof crash.module);
    relais_crash_encode (&crash, bytes);
    g_assert_true (relais_crash_decode (bytes, &read));
    g_assert_cmpuint (strlen (read.module), ==, RELAIS_CRASH_NAME_BYTES - 1);
    crash = crash_of (1, "a\nb", 1, 0);
    relais_crash_encode (&crash, bytes);
    g_assert_false (relais_crash_decode (bytes, &read));
}

static void
test_file (void)
{
    const RelaisCrash written[] = {crash_of (1, "a", 1, 0), crash_of (2, "b", 2, 0),
                                   crash_of (3, "c", 3, 0)};
    g_autoptr (GByteArray) bytes = file_of (written, 3);
    GArray *read;

    /* Torn at each octet: those before are there. */
    for (guint size = 0; size <= bytes->len; size++) {
        read = relais_crashes_read (bytes->data, size);
        g_assert_cmpuint (read->len, ==, size / RELAIS_CRASH_BYTES);
        g_assert_cmpuint (relais_crashes_next (read), ==, read->len + 1);
        g_array_unref (read);
    }
    bytes->data[RELAIS_CRASH_BYTES + 50] ^= 1;
    read = relais_crashes_read (bytes->data, bytes->len);
    g_assert_cmpuint (read->len, ==, 2);
    g_assert_cmpstr (g_array_index (read, RelaisCrash, 1).module, ==, "c");
    g_assert_cmpuint (relais_crashes_next (read), ==, 4);
    g_array_unref (read);
    /* A record at another's place is none. */
    memcpy (bytes->data + RELAIS_CRASH_BYTES, bytes->data, RELAIS_CRASH_BYTES);
    read = relais_crashes_read (bytes->data, bytes->len);
    g_assert_cmpuint (read->len, ==, 2);
    g_array_unref (read);
}

/* The file is a ring: the newest take the places of the oldest, and the order is that of writing. */
static void
test_ring (void)
{
    g_autofree RelaisCrash *written = g_new (RelaisCrash, RELAIS_CRASH_SLOTS + 3);
    g_autoptr (GByteArray) bytes = NULL;
    g_autoptr (GArray) read = NULL;

    for (guint i = 0; i < RELAIS_CRASH_SLOTS + 3; i++)
        written[i] = crash_of (i + 1, "m", i, 0);
    bytes = file_of (written, RELAIS_CRASH_SLOTS + 3);
    g_assert_cmpuint (bytes->len, ==, RELAIS_CRASH_SLOTS * RELAIS_CRASH_BYTES);
    read = relais_crashes_read (bytes->data, bytes->len);
    g_assert_cmpuint (read->len, ==, RELAIS_CRASH_SLOTS);
    g_assert_cmpuint (g_array_index (read, RelaisCrash, 0).number, ==, 4);
    g_assert_cmpuint (relais_crashes_next (read), ==, RELAIS_CRASH_SLOTS + 4);
}

static GArray *
array_of (const RelaisCrash *crashes, guint n)
{
    GArray *array = g_array_new (FALSE, FALSE, sizeof *crashes);

    return g_array_append_vals (array, crashes, n);
}

static void
test_module (void)
{
    RelaisCrash crashes[] = {crash_of (1, "a", 0, 0), crash_of (2, "b", 1, 0),
                             crash_of (3, "a", 10 * SECOND, 0),
                             crash_of (4, "a", RELAIS_CRASH_WITHIN_US, 0)};
    GArray *array = array_of (crashes, 3);

    g_assert_null (relais_crashes_against_module (array, "a")); /* two */
    g_array_append_val (array, crashes[3]);
    g_assert_nonnull (relais_crashes_against_module (array, "a")); /* three, at the boundary */
    g_assert_null (relais_crashes_against_module (array, "b"));
    g_array_index (array, RelaisCrash, 3).wall_us++;
    g_assert_null (relais_crashes_against_module (array, "a"));
    g_array_index (array, RelaisCrash, 3).wall_us--;
    g_array_index (array, RelaisCrash, 0).flags = RELAIS_CRASH_FORGIVEN;
    g_assert_null (relais_crashes_against_module (array, "a"));
    g_array_unref (array);
}

static void
test_hooks (void)
{
    RelaisCrash crashes[] = {crash_of (1, "a", 0, 0), crash_of (2, "a", 1, 0)};
    GArray *array;

    crashes[0].hooks = RELAIS_CRASH_HOOKS_KNOWN | 1;
    crashes[1].hooks = RELAIS_CRASH_HOOKS_KNOWN | 4;
    array = array_of (crashes, 2);
    g_assert_cmphex (relais_crashes_hooks (array, "a"), ==, RELAIS_CRASH_HOOKS_KNOWN | 5);
    g_assert_cmphex (relais_crashes_hooks (array, "b"), ==, 0);
    g_array_index (array, RelaisCrash, 1).hooks = 4; /* it died in init */
    g_assert_cmphex (relais_crashes_hooks (array, "a"), ==, 5);
    g_array_unref (array);
}

static void
test_message (void)
{
    const RelaisCrash crashes[] = {crash_of (1, "a", 0, 9), crash_of (2, "b", 1, 8),
                                   crash_of (3, "b", 2, 9), crash_of (4, "b", 2, 0),
                                   crash_of (5, "b", 2, 0)};
    GArray *array = array_of (crashes, 5);

    g_assert_nonnull (relais_crashes_against_message (array, 9));
    g_assert_null (relais_crashes_against_message (array, 8));
    g_assert_null (relais_crashes_against_message (array, 0)); /* no message at all */
    g_array_index (array, RelaisCrash, 0).flags = RELAIS_CRASH_SETTLED;
    g_assert_null (relais_crashes_against_message (array, 9));
    g_array_unref (array);
}

static void
test_disk (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-crash-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "crashes", NULL);
    RelaisCrash crash = crash_of (1, "a", 5, 9);
    guint8 bytes[RELAIS_CRASH_BYTES];
    GArray *read = relais_crashes_load (path, NULL);
    int fd;

    g_assert_cmpuint (read->len, ==, 0); /* not there */
    g_array_unref (read);
    relais_crash_encode (&crash, bytes);
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint (pwrite (fd, bytes, sizeof bytes, 0), ==, sizeof bytes);
    g_assert_true (relais_crash_flag (fd, &crash, RELAIS_CRASH_FORGIVEN, NULL));
    close (fd);
    read = relais_crashes_load (path, NULL);
    g_assert_cmpuint (read->len, ==, 1);
    g_assert_cmpuint (g_array_index (read, RelaisCrash, 0).flags, ==, RELAIS_CRASH_FORGIVEN);
    g_array_unref (read);
    g_assert_null (relais_crashes_load (dir, NULL)); /* no regular file */
    g_unlink (path);
    g_rmdir (dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/crash/coding", test_coding);
    g_test_add_func ("/crash/names", test_names);
    g_test_add_func ("/crash/file", test_file);
    g_test_add_func ("/crash/ring", test_ring);
    g_test_add_func ("/crash/module", test_module);
    g_test_add_func ("/crash/hooks", test_hooks);
    g_test_add_func ("/crash/message", test_message);
    g_test_add_func ("/crash/disk", test_disk);
    return g_test_run ();
}
