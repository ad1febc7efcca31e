/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Words that reports are made of: addresses, replies and status codes in a text. Pure, linear; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    BOUNCE_ADDRESS_BYTES = 320,    /* 64 + 1 + 255, RFC 5321 section 4.5.3.1 */
    BOUNCE_DIAGNOSTIC_BYTES = 2048 /* of a diagnostic */
};

/* Where an address stands in a line. */
typedef struct {
    gsize from, to;
} BounceAddress;

/* The next one from `at` on; false if there is none. */
bool bounce_address_find (const char *line, gsize size, gsize at, BounceAddress *address);
/* With the domain in lower case. Owned. */
char *bounce_address_dup (const char *line, const BounceAddress *address);
/* The first one in a text; NULL if there is none. Owned. */
char *bounce_address_dup_first (const char *text);
/* Whether its local part is one that reports come from: postmaster, mailer-daemon and the like. */
bool bounce_address_is_daemon (const char *address);

/* The status at `text`, "5.1.1": its size, or 0 if there is none. */
gsize bounce_status_size (const char *text);
/* The first one in a text that stands for itself; NULL if there is none. Owned. */
char *bounce_status_dup_first (const char *text);

/* The first SMTP reply of 4xx or 5xx in a text: its place, or NULL if there is none; `*code` is its code. */
const char *bounce_reply_find (const char *text, guint *code);
/* A reply of several lines or a folded one as one text: blanks once, no code again where a line began. At most
 * BOUNCE_DIAGNOSTIC_BYTES. Owned. */
char *bounce_reply_join (const char *text, gsize size);

/* Whether a text has one of these, in any case; a list ends with NULL, words are in lower case. `text` must be folded by
 * bounce_text_fold (). */
bool bounce_text_has (const char *folded, const char *const *phrases);
bool bounce_text_starts (const char *folded, const char *const *phrases);
/* Lower case, blanks once, typographic apostrophes plain. Owned. */
char *bounce_text_fold (const char *text);
