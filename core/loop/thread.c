/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads without capabilities. See the header.
 */
#include "config.h"

#include "loop/thread-private.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    GThreadFunc func;
    gpointer data;
} Start;

/* To give up needs no right; it fails on no Linux that has capabilities. */
static void
give_up_capabilities (void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

    if (syscall (SYS_capset, &header, none) != 0)
        g_error ("a thread cannot give up its capabilities: %m");
}

static gpointer
begin (gpointer data)
{
    const Start start = *(Start *)data;

    g_free (data);
    if (geteuid () != 0)
        give_up_capabilities ();
    return start.func (start.data);
}

GThread *
relais_thread_new (const char *name, GThreadFunc func, gpointer data)
{
    Start *start = g_new (Start, 1);

    *start = (Start){func, data};
    return g_thread_new (name, begin, start);
}
