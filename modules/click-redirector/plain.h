/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Links in text/plain (plain.c). Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Finds the next http or https URL of the decoded text of a text/plain part at or behind `*position`, and
 * moves that behind it. An URL never goes over the end of a line. Where programs that make links of text
 * would not agree on where it ends there is none. False: no more. */
bool
click_plain_next (const guint8 *text, gsize size, gsize *position, gsize *offset, gsize *length);
