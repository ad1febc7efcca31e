/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * CRC32C (Castagnoli), the checksum of everything in the spool. Pure, any thread.
 */
#pragma once

#include <glib.h>

/* Continues `crc` (0 or a seed at the start) over `size` bytes and returns the new value. */
guint32 relais_crc32c (guint32 crc, gconstpointer bytes, gsize size);

/* The same without the processor's instruction: what other machines use, and what tests compare. */
guint32 relais_crc32c_portable (guint32 crc, gconstpointer bytes, gsize size);
