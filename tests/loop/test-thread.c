/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/loop: a thread that is started while the process may bind low ports cannot bind them.
 */
#include "config.h"

#include "loop/thread-private.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* What the calling thread may take, of the first 32. */
static guint32
permitted (void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    g_assert_cmpint (syscall (SYS_capget, &header, data), ==, 0);
    return data[0].permitted;
}

static gpointer
look (gpointer data)
{
    *(guint32 *)data = permitted ();
    return data;
}

static void
test_capabilities (void)
{
    const guint32 bind = 1u << CAP_NET_BIND_SERVICE;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct kept[2] = {{bind, bind, 0}, {0, 0, 0}};
    guint32 seen = G_MAXUINT32;

    if (geteuid () != 0 || (permitted () & bind) == 0) {
        g_test_skip ("only root has a capability to lose");
        return;
    }
    if (!g_test_subprocess ()) {
        g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed ();
        return;
    }
    g_assert_cmpint (prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint (setresuid (NOBODY, NOBODY, NOBODY), ==, 0);
    g_assert_cmpint (syscall (SYS_capset, &header, kept), ==, 0);
    g_assert_true (g_thread_join (relais_thread_new ("test", look, &seen)) == &seen);
    g_assert_cmphex (seen, ==, 0);
    g_assert_cmphex (permitted (), ==, bind);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/thread/capabilities", test_capabilities);
    return g_test_run ();
}
