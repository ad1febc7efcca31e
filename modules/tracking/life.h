/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long the links of a module may live. Shared by all that have links, unsubscribe too. Any thread.
 */
#pragma once

#include <relais/option.h>
#include <stdbool.h>

#ifndef GETTEXT_PACKAGE
#define GETTEXT_PACKAGE "relais"
#endif

/* A token dies with the key that it was sealed with, whatever its own time is: `life` of `section`, which is [`name`],
 * must not be longer than `keep` of [tokens]. False with an error of G_IO_ERROR that names both lines. */
bool tracking_life_check (const RelaisConfig *config, const RelaisSection *section,
                          const char *name, GError **error);
