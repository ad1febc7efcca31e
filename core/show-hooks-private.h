/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisd --show-hooks`: which functions of modules are asked on each hook, in which order. The
 * program's only thread.
 */
#pragma once

#include "module/host-private.h"

/* Prints the chains of a host that was initialised: a table, or a JSON object a function. */
void relais_show_hooks (const RelaisHost *host, bool json);
