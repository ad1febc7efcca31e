/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may take the last descriptors; see descriptors-private.h. Any thread.
 */
#include "config.h"

#include "loop/descriptors-private.h"

#include <glib.h>
#include <sys/resource.h>

enum { CLIENTS_LEAVE_MIN = 16, CLIENTS_LEAVE_MAX = 256, DELIVERIES_LEAVE = 8 };

bool
relais_descriptor_is_kept (int fd, RelaisDescriptorUse use)
{
    struct rlimit limit;
    rlim_t kept = DELIVERIES_LEAVE;

    if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    if (use == RELAIS_DESCRIPTOR_OF_CLIENT)
        kept = CLAMP (limit.rlim_cur / 4, CLIENTS_LEAVE_MIN, CLIENTS_LEAVE_MAX);
    return (rlim_t)fd + kept >= limit.rlim_cur;
}
