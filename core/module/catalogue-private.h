/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message catalogue as msgfmt writes it (.mo), of either byte order, in UTF-8. All of it is checked when it is
 * opened, so that looking up never leaves it. Texts with a plural form are passed over: no page of ours has one. The hash
 * table that may be in it is not used: the texts are sorted. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_CATALOGUE_BYTES = 4 << 20 /* of one that is taken */
};

/* Borrows the octets. */
typedef struct {
    const guint8 *bytes;
    gsize size;
    bool swapped; /* of the other byte order */
    guint32 n;    /* texts */
    guint32 originals, translations;
} RelaisCatalogue;

/* NULL, or why the octets are no catalogue for us: static, English. */
const char *relais_catalogue_open (RelaisCatalogue *catalogue, const guint8 *bytes, gsize size);
/* The translation; NULL if there is none. Borrowed from the octets. */
const char *relais_catalogue_find (const RelaisCatalogue *catalogue, const char *text);
