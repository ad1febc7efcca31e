/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The nearest name to a mistyped one. Pure; any thread.
 */
#pragma once

#include <glib.h>

/* Edits (insertion, deletion, replacement, exchange of neighbours) between two names. */
guint relais_edit_distance (const char *a, const char *b);
/* The name among `names` (char *) that `text` was probably meant to be, or NULL. Borrowed. */
const char *relais_nearest_name (const char *text, const GPtrArray *names);
