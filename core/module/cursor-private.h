/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For who sets up a host: where modules' cursors keep their places.
 */
#pragma once

#include "module/host-private.h"

/* Below this directory, which must be there by the time the modules start. Copied. */
void relais_host_set_state_dir (RelaisHost *host, const char *dir);
