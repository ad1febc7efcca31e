/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message/lines: the search by blocks finds what a search octet by octet finds, whatever stands
 * where.
 */
#include "config.h"

#include "message/lines-private.h"

#include <string.h>

/* The definition, word for word. */
static gsize
ordinary_by_octets (const guint8 *bytes, gsize size, bool line_start)
{
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '.' && line_start)
            return i;
        if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r'))
            return i;
        if (bytes[i] == '\r' && (i + 1 == size || bytes[i + 1] != '\n'))
            return i;
        line_start = bytes[i] == '\n';
    }
    return size;
}

static void
compare (const guint8 *bytes, gsize size)
{
    for (int line_start = 0; line_start < 2; line_start++) {
        const gsize wanted = ordinary_by_octets (bytes, size, line_start != 0);

        g_assert_cmpuint (relais_lines_ordinary (bytes, size, line_start != 0), ==, wanted);
        g_assert_cmpuint (relais_lines_ordinary_portable (bytes, size, line_start != 0), ==,
                          wanted);
    }
}

/* Each text of up to six of the octets that matter, at each place around a block's edge. */
static void
test_edges (void)
{
    static const char octets[] = "\r\n.x";
    guint8 text[3 * RELAIS_BLOCK_BYTES];

    for (gsize before = 0; before <= RELAIS_BLOCK_BYTES + 1; before++) {
        for (guint code = 0; code < 4096; code++) {
            memset (text, 'y', sizeof text);
            for (guint i = 0; i < 6; i++)
                text[before + i] = (guint8)octets[code >> (2 * i) & 3];
            for (gsize n = 0; n <= 6; n += 3)
                compare (text, before + n);
            compare (text, sizeof text);
        }
    }
}

/* Mostly well-formed lines of every length, with something odd now and then. */
static void
test_random (void)
{
    enum { SIZE = 700, ROUNDS = 20000 };
    guint8 text[SIZE];

    for (guint round = 0; round < ROUNDS; round++) {
        gsize size = (gsize)g_test_rand_int_range (1, SIZE);

        for (gsize i = 0; i < size; i++) {
            int choice = g_test_rand_int_range (0, 400);

            text[i] = choice == 0 ? '\r' : choice == 1 ? '\n' : choice < 40 ? '.' : (guint8)choice;
            if (choice > 380 && i > 0) {
                text[i - 1] = '\r';
                text[i] = '\n';
            }
        }
        compare (text, size);
    }
}

/* An octet that is not ASCII is seen wherever it stands. */
static void
test_eight_bit (void)
{
    guint8 bytes[100];

    memset (bytes, 'x', sizeof bytes);
    for (gsize size = 0; size <= sizeof bytes; size++) {
        g_assert_false (relais_has_eight_bit (bytes, size));
        for (gsize at = 0; at < sizeof bytes; at++) {
            bytes[at] = 0x80;
            g_assert_true (relais_has_eight_bit (bytes, size) == (at < size));
            bytes[at] = 'x';
        }
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/lines/eight-bit", test_eight_bit);
    g_test_add_func ("/message/lines/edges", test_edges);
    g_test_add_func ("/message/lines/random", test_random);
    return g_test_run ();
}
