/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two sides of a helper process agree on; both run on one machine, in its own byte order.
 */
#pragma once

#include <relais/helper.h>

#include <sys/types.h>

/* Goes before a request and before its reply. */
typedef struct {
    guint32 size;   /* octets that follow, at most RELAIS_HELPER_BYTES */
    guint32 number; /* of the request */
} RelaisHelperHead;

/* Of the process, or -1 while there is none. For tests. */
pid_t relais_helper_pid (const RelaisHelper *helper);
