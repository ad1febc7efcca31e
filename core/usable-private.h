/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether the daemon's rooms could work by a configuration that core/conf found good: what only they can
 * tell of their own options. Asked by relaisd, before it does anything else, and by relaisctl conf check.
 * Owns nothing.
 */
#pragma once

#include <relais/option.h>

#include <stdbool.h>

/* Files that it names are not opened: the daemon's user may read others than the caller. Reads time zones:
 * may block. False with what is wrong. */
bool relais_config_is_usable (RelaisConfig *config, GError **error);
