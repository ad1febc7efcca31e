/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Zones and cases that come as lines on stdin, octets in hexadecimal ("-" for none):
 *
 *     zone                              forgets the one before
 *     record NAME TYPE DATA             TYPE is DNS' number, DATA as SpfAnswer has it
 *     fail NAME TYPE                    TYPE 0: what has no record there
 *     case ID IP SENDER HELO
 */
#pragma once

#include "zone.h"

typedef void (*LinesFunc) (const Zone *zone, const char *id, const SpfIdentity *identity);
/* Calls `func` for each case. The status to exit with. */
int lines_run (LinesFunc func);
