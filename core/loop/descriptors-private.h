/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may take the last descriptors. Clients can take as many as they like to come, and what is left must
 * do for deliveries, and in the end for the spool, without which no mail is kept. Any thread.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    RELAIS_DESCRIPTOR_OF_CLIENT,  /* leaves a quarter of the limit, from 16 to 256, to all others */
    RELAIS_DESCRIPTOR_OF_DELIVERY /* leaves 8 to the spool, resolver and logs */
} RelaisDescriptorUse;

/* Whether `fd`, just made for that use, is one of those that are kept for others, and is to be closed. The
 * kernel gives the lowest number that is free, so that a number tells how many are in use. */
bool relais_descriptor_is_kept (int fd, RelaisDescriptorUse use);
