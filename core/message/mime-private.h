/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The MIME splitter (RFC 2045, 2046): a message as segments, byte ranges in the order in which they
 * stand, none overlapping and none left out. Fed with bytes in any pieces, keeps nothing of them
 * but the header under way; linear; at most 50 deep and 2 000 parts. Pure, but for
 * relais_mime_splitter_read (); any thread.
 *
 * What two readers could split differently is marked sealed, so that nobody edits it: unknown or
 * doubled Content-Type or Content-Transfer-Encoding fields, multiparts without a usable boundary, malformed part headers, what
 * lies beyond the limits.
 */
#pragma once

#include "message/rope-private.h"

enum { RELAIS_MIME_DEPTH = 50, RELAIS_MIME_PARTS = 2000, RELAIS_MIME_HEADER_BYTES = 1 << 24 };

typedef enum {
    RELAIS_MIME_LEAF,
    RELAIS_MIME_MULTIPART,
    RELAIS_MIME_MESSAGE /* its one child is the message inside */
} RelaisMimeKind;

typedef enum {
    RELAIS_MIME_7BIT, /* also when nothing is said */
    RELAIS_MIME_8BIT,
    RELAIS_MIME_BINARY,
    RELAIS_MIME_QUOTED_PRINTABLE,
    RELAIS_MIME_BASE64,
    RELAIS_MIME_OTHER
} RelaisMimeEncoding;

typedef struct {
    int parent; /* index; -1 for the message itself */
    guint8 depth;
    guint8 kind;      /* RelaisMimeKind */
    guint8 encoding;  /* RelaisMimeEncoding */
    bool sealed;      /* its content must not change: signed, encrypted, or doubtful */
    bool has_type;    /* a Content-Type field is there */
    bool has_version; /* a MIME-Version field is there */
} RelaisMimePart;

typedef enum {
    RELAIS_MIME_HEADER,   /* of `part`, with its empty line if there is one */
    RELAIS_MIME_CONTENT,  /* of a leaf, without the CRLF that belongs to the delimiter after it */
    RELAIS_MIME_GAP,      /* preamble or epilogue of a multipart */
    RELAIS_MIME_DELIMITER /* with the CRLF before it and its own */
} RelaisMimeSegmentKind;

typedef struct {
    guint64 offset, size;
    guint part;
    guint8 kind; /* RelaisMimeSegmentKind */
    bool eight_bit;
    guint32 longest_line; /* octets without CRLF */
} RelaisMimeSegment;

typedef struct RelaisMimeSplitter RelaisMimeSplitter;
RelaisMimeSplitter *relais_mime_splitter_new (void);
void relais_mime_splitter_free (RelaisMimeSplitter *splitter);
void relais_mime_splitter_feed (RelaisMimeSplitter *splitter, const guint8 *bytes, gsize size);
/* After the last piece. The arrays are the splitter's. */
void relais_mime_splitter_end (RelaisMimeSplitter *splitter);
/* Both, for all of a rope. False on error; blocks as relais_rope_read (). */
bool
relais_mime_splitter_read (RelaisMimeSplitter *splitter, const RelaisRope *rope, GError **error);
const GArray *relais_mime_splitter_segments (const RelaisMimeSplitter *splitter);
const GArray *relais_mime_splitter_parts (const RelaisMimeSplitter *splitter);
/* Lines and comparisons of boundaries, as a measure of the work done. */
guint64 relais_mime_splitter_steps (const RelaisMimeSplitter *splitter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisMimeSplitter, relais_mime_splitter_free)

static inline const RelaisMimePart *
relais_mime_part (const RelaisMimeSplitter *splitter, guint i)
{
    return &g_array_index (relais_mime_splitter_parts (splitter), RelaisMimePart, i);
}

/* --- The fields that say how a part is made; for the splitter. */
typedef struct {
    char *type;     /* "text/plain" in lower case; NULL if there is none or it is malformed */
    char *boundary; /* NULL if there is none that can be used */
    char *charset;  /* in lower case; NULL if none is named, "" when in doubt */
    guint8 encoding;
    bool has_type, has_version;
    bool attachment; /* Content-Disposition says something else than inline */
    bool doubtful;   /* fields twice, or an encoding that nobody knows */
} RelaisMimeFields;
void relais_mime_fields_read (RelaisMimeFields *fields, const guint8 *header, gsize size);
void relais_mime_fields_clear (RelaisMimeFields *fields);
