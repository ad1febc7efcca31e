/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ropes. Owns an array of pieces, each with the offset at which it starts, so that a position is
 * found by bisection. Built on one thread, then read-only.
 */
#include "config.h"

#include "message/rope-private.h"

#include <string.h>

enum { PIECE_BYTES = 64 * 1024 };

typedef struct {
    guint64 start;    /* in the rope */
    guint64 size;     /* never 0 */
    guint64 offset;   /* in `bytes` or `body` */
    GBytes *bytes;    /* either this */
    RelaisBody *body; /* or this */
} Piece;

struct RelaisRope {
    gatomicrefcount refs;
    guint64 size;
    GArray *pieces; /* Piece */
    bool in_memory;
};

static void
piece_clear (gpointer data)
{
    Piece *piece = data;

    g_clear_pointer (&piece->bytes, g_bytes_unref);
    g_clear_pointer (&piece->body, relais_body_unref);
}

RelaisRope *
relais_rope_new (void)
{
    RelaisRope *rope = g_new0 (RelaisRope, 1);

    g_atomic_ref_count_init (&rope->refs);
    rope->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
    g_array_set_clear_func (rope->pieces, piece_clear);
    rope->in_memory = true;
    return rope;
}

RelaisRope *
relais_rope_ref (RelaisRope *rope)
{
    g_atomic_ref_count_inc (&rope->refs);
    return rope;
}

void
relais_rope_unref (RelaisRope *rope)
{
    if (rope == NULL || !g_atomic_ref_count_dec (&rope->refs))
        return;
    g_array_unref (rope->pieces);
    g_free (rope);
}

static void
append_piece (RelaisRope *rope, Piece piece)
{
    if (piece.size == 0) {
        piece_clear (&piece);
        return;
    }
    piece.start = rope->size;
    rope->size += piece.size;
    g_array_append_val (rope->pieces, piece);
}

void
relais_rope_append_bytes (RelaisRope *rope, GBytes *bytes)
{
    append_piece (rope, (Piece){.size = g_bytes_get_size (bytes), .bytes = g_bytes_ref (bytes)});
}

void
relais_rope_append_copy (RelaisRope *rope, gconstpointer bytes, gsize size)
{
    append_piece (rope, (Piece){.size = size, .bytes = g_bytes_new (bytes, size)});
}

void
relais_rope_append_body (RelaisRope *rope, RelaisBody *body, guint64 offset, guint64 size)
{
    g_assert (offset <= relais_body_facts (body)->size_bytes &&
              size <= relais_body_facts (body)->size_bytes - offset);
    if (size > 0 && !relais_body_in_memory (body))
        rope->in_memory = false;
    append_piece (rope, (Piece){.size = size, .offset = offset, .body = relais_body_ref (body)});
}

void
relais_rope_prepend_copy (RelaisRope *rope, gconstpointer bytes, gsize size)
{
    Piece piece = {.size = size};

    if (size == 0)
        return;
    piece.bytes = g_bytes_new (bytes, size);
    for (guint i = 0; i < rope->pieces->len; i++)
        g_array_index (rope->pieces, Piece, i).start += size;
    g_array_prepend_val (rope->pieces, piece);
    rope->size += size;
}

guint64
relais_rope_size (const RelaisRope *rope)
{
    return rope->size;
}

bool
relais_rope_in_memory (const RelaisRope *rope)
{
    return rope->in_memory;
}

/* Index of the piece that holds `offset`, which lies inside the rope. */
static guint
find_piece (const RelaisRope *rope, guint64 offset)
{
    guint low = 0, high = rope->pieces->len;

    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        if (g_array_index (rope->pieces, Piece, middle).start <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The bytes of a piece behind `skip` of them, as relais_rope_peek () says. */
static gsize
piece_peek (const Piece *piece, guint64 skip, const guint8 **bytes)
{
    gsize n = (gsize)(piece->size - skip);

    if (piece->bytes == NULL)
        return MIN (n, relais_body_peek (piece->body, piece->offset + skip, bytes));
    *bytes = (const guint8 *)g_bytes_get_data (piece->bytes, NULL) + piece->offset + skip;
    return n;
}

/* Copies as much of a piece at once as can be; 0 on error. */
static gsize
piece_read (const Piece *piece, guint64 skip, gpointer to, gsize size, GError **error)
{
    gsize n = (gsize)MIN ((guint64)size, piece->size - skip);
    const guint8 *bytes;
    const gsize seen = piece_peek (piece, skip, &bytes);

    if (seen > 0) {
        n = MIN (n, seen);
        memcpy (to, bytes, n);
    } else if (!relais_body_read (piece->body, piece->offset + skip, to, n, error))
        return 0;
    return n;
}

gssize
relais_rope_read (const RelaisRope *rope, guint64 offset, gpointer to, gsize size, GError **error)
{
    guint8 *at = to;
    gsize left;

    if (offset >= rope->size)
        return 0;
    left = (gsize)MIN (MIN ((guint64)size, rope->size - offset), (guint64)G_MAXSSIZE);
    for (guint i = find_piece (rope, offset); left > 0;) {
        const Piece *piece = &g_array_index (rope->pieces, Piece, i);
        const gsize n = piece_read (piece, offset - piece->start, at, left, error);

        if (n == 0)
            return -1;
        at += n;
        offset += n;
        left -= n;
        i += offset == piece->start + piece->size;
    }
    return at - (guint8 *)to;
}

gsize
relais_rope_peek (const RelaisRope *rope, guint64 offset, const guint8 **bytes)
{
    const Piece *piece;

    if (offset >= rope->size)
        return 0;
    piece = &g_array_index (rope->pieces, Piece, find_piece (rope, offset));
    return piece_peek (piece, offset - piece->start, bytes);
}

bool
relais_rope_each (const RelaisRope *rope, guint64 offset, guint64 size, RelaisRopeFunc func,
                  gpointer data, GError **error)
{
    g_autofree guint8 *buffer = NULL;

    while (size > 0) {
        const guint8 *bytes;
        gsize n = relais_rope_peek (rope, offset, &bytes);

        if (n == 0) {
            gssize got;

            if (buffer == NULL)
                buffer = g_malloc (PIECE_BYTES);
            got = relais_rope_read (rope, offset, buffer, (gsize)MIN (size, (guint64)PIECE_BYTES),
                                    error);
            if (got < 0)
                return false;
            bytes = buffer;
            n = (gsize)got;
        }
        n = (gsize)MIN ((guint64)n, size);
        func (data, bytes, n);
        offset += n;
        size -= n;
    }
    return true;
}

void
relais_rope_append_rope (RelaisRope *rope, const RelaisRope *other, guint64 offset, guint64 size)
{
    g_assert (offset <= other->size && size <= other->size - offset);
    for (guint i = size > 0 ? find_piece (other, offset) : 0; size > 0; i++) {
        const Piece *piece = &g_array_index (other->pieces, Piece, i);
        const guint64 skip = offset - piece->start;
        const guint64 n = MIN (size, piece->size - skip);

        if (piece->body != NULL) {
            relais_rope_append_body (rope, piece->body, piece->offset + skip, n);
        } else {
            append_piece (rope, (Piece){.size = n,
                                        .offset = piece->offset + skip,
                                        .bytes = g_bytes_ref (piece->bytes)});
        }
        offset += n;
        size -= n;
    }
}

RelaisRope *
relais_rope_new_message (const RelaisMessage *message)
{
    RelaisRope *rope = relais_rope_new ();
    const guint64 size = relais_body_facts (message->body)->size_bytes;
    guint64 at = 0;

    if (message->prepend != NULL)
        relais_rope_append_bytes (rope, message->prepend);
    for (guint i = 0; message->cuts != NULL && i < message->cuts->len; i++) {
        const RelaisRange *cut = &g_array_index (message->cuts, RelaisRange, i);

        relais_rope_append_body (rope, message->body, at, cut->offset - at);
        at = cut->offset + cut->size;
    }
    relais_rope_append_body (rope, message->body, at, size - at);
    return rope;
}
