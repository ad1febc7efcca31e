/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message that came back, cut into its parts: leniently, unlike the core's splitter, whose work is to leave alone what
 * readers may see differently. Here nothing is edited and half a report is better than none: line ends of any kind,
 * boundaries that are not the ones that were announced, encodings where none are allowed. A message inside is one
 * part, whose content is not cut any further. Pure, linear, bounded; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    BOUNCE_MAIL_DEPTH = 20,
    BOUNCE_MAIL_PARTS = 200,
    BOUNCE_MAIL_TEXT_BYTES = 256 * 1024, /* of a part's text */
    BOUNCE_MAIL_FIELD_BYTES = 16 * 1024  /* of a field's value, unfolded */
};

typedef enum { BOUNCE_PLAIN, BOUNCE_QUOTED_PRINTABLE, BOUNCE_BASE64 } BounceEncoding;

typedef struct {
    char *type;    /* "text/plain" in lower case; never NULL */
    char *charset; /* in lower case; NULL: none is named */
    char *boundary;
    BounceEncoding encoding;
    guint depth;
    bool container; /* a multipart: what stands in it are parts of their own */
    gsize header, header_size;
    gsize content, content_size;
} BouncePart;

typedef struct {
    char *bytes; /* lines end in LF alone, no NUL */
    gsize size;
    GPtrArray *parts; /* BouncePart; the first is the message itself */
    guint64 steps;    /* octets looked at, as a measure of the work done */
} BounceMail;

/* Looks at the first `limit` octets. */
BounceMail *bounce_mail_new (const guint8 *bytes, gsize size, gsize limit);
void bounce_mail_free (BounceMail *mail);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BounceMail, bounce_mail_free)

static inline const BouncePart *
bounce_mail_part (const BounceMail *mail, guint n)
{
    return g_ptr_array_index (mail->parts, n);
}

/* What a part says, in UTF-8 without controls but tabs and line ends. Owned. */
char *bounce_mail_dup_text (BounceMail *mail, const BouncePart *part);
/* The same, of HTML without its tags. */
char *bounce_mail_dup_text_of_html (BounceMail *mail, const BouncePart *part);
/* A field of the message's own header, unfolded, encoded words (RFC 2047) decoded; NULL if there is none. */
char *bounce_mail_dup_field (BounceMail *mail, const char *name);

/* --- Headers in a text whose lines end in LF. */

/* Steps over one field; `*value` is unfolded and owned. False at the end of the header. */
bool bounce_header_next (const char **at, const char *end, char **name, char **value);
/* "a; b=c": the value of a parameter, without quotes; NULL if there is none. */
char *bounce_header_dup_parameter (const char *value, const char *name);

/* --- Octets to UTF-8. */

/* `charset` NULL: none is named. What is no text in it is taken for UTF-8, then for Windows-1252. Owned. */
char *bounce_charset_to_utf8 (const char *octets, gsize size, const char *charset);
/* Controls become blanks, but for tabs and line ends if `lines`; what is no UTF-8, question marks. Owned. */
char *bounce_text_clean (const char *text, gssize size, bool lines);
GString *bounce_decode_quoted_printable (const char *octets, gsize size, bool word);
GString *bounce_decode_base64 (const char *octets, gsize size);
/* Encoded words. Owned. */
char *bounce_text_decode_words (const char *text);
