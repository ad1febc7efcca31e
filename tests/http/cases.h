/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests as octets: those that must be refused with a status, and those that must be taken. Used on the
 * parser alone and against the whole front.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;
    guint status;
    const char *bytes;
    gsize size; /* 0: a string */
} BadCase;

extern const BadCase bad_cases[];
extern const guint n_bad_cases;
extern const char *const good_cases[];
extern const guint n_good_cases;
