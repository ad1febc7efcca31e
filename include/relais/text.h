/* SPDX-License-Identifier: MIT
 *
 * Text of header fields for people, as UTF-8: encoded words (RFC 2047), parameters (RFC 2231), charsets. What
 * cannot be decoded stands as it was. Pure, linear in the size of what is given; any thread.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum { RELAIS_TEXT_BYTES = 65536 /* of a value that are looked at */ };

typedef guint32 RelaisTextFlags;
enum {
    RELAIS_TEXT_UNKNOWN_CHARSET =
        1 << 0, /* something stands as it was, its charset being none that is known */
    RELAIS_TEXT_MALFORMED =
        1 << 1, /* something was not as it should be; what could not be read stands as it was */
    RELAIS_TEXT_CUT = 1 << 2 /* the value is longer than RELAIS_TEXT_BYTES; the rest is left out */
};

/* The value of a field as it stands in a header (RelaisHeaderField), folds and all, as one line of valid
 * UTF-8: folds are undone, encoded words decoded wherever they stand, blanks between two of them dropped, and
 * control characters are spaces. `flags` (nullable) is set. Owned. */
RELAIS_API gchar *relais_text_decode (const gchar *value, guint64 size, RelaisTextFlags *flags);
/* The same of the parameter `name` in such a value ("attachment; filename*=UTF-8''na%C3%AFve.txt"): in pieces, with a
 * charset, or plain, when encoded words are decoded, too, as many write them. NULL if it is not there. Owned. */
RELAIS_API gchar *relais_text_decode_parameter (const gchar *value, guint64 size, const gchar *name,
                                                RelaisTextFlags *flags);
/* Octets of a charset, by a name that a message gave it ("Shift_JIS"), as UTF-8. NULL for a charset that is
 * not known, and for octets that are not of it. Names of many systems are known; NULL is none of them. A NUL
 * becomes a space. Owned. */
RELAIS_API gchar *
relais_text_from_charset (const gchar *octets, guint64 size, const gchar *charset);

G_END_DECLS
