/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/loop/descriptors: the last number that a client and a delivery get, at several limits.
 */
#include "config.h"

#include "loop/descriptors-private.h"

#include <glib.h>
#include <sys/resource.h>

static void
set_limit (rlim_t n)
{
    struct rlimit limit;

    g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = n;
    g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

static void
check_first_kept (RelaisDescriptorUse use, int first)
{
    g_assert_false (relais_descriptor_is_kept (first - 1, use));
    g_assert_true (relais_descriptor_is_kept (first, use));
}

static void
test_boundaries (void)
{
    set_limit (40);
    check_first_kept (RELAIS_DESCRIPTOR_OF_CLIENT, 40 - 16);
    check_first_kept (RELAIS_DESCRIPTOR_OF_DELIVERY, 40 - 8);
    set_limit (400);
    check_first_kept (RELAIS_DESCRIPTOR_OF_CLIENT, 400 - 100);
    check_first_kept (RELAIS_DESCRIPTOR_OF_DELIVERY, 400 - 8);
    set_limit (2000);
    check_first_kept (RELAIS_DESCRIPTOR_OF_CLIENT, 2000 - 256);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/loop/descriptors/boundaries", test_boundaries);
    return g_test_run ();
}
