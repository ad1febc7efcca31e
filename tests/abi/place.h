/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Built fixtures, put where a loader looks for modules. GLib alone.
 */
#pragma once

#include <glib.h>

/* Copies tests/abi/.libs/FIXTURE.so of the build folder to DIR/NAME.so. */
void
abi_place (const char *build_dir, const char *dir, const char *fixture, const char *name, int mode);
/* Removes a directory of files. */
void abi_remove_all (const char *dir);
