/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies (bytes in memory, or a reader for bytes elsewhere) and the scanner that learns a body's
 * facts while it comes in. A body is immutable and counted; the scanner is pure.
 */
#include "config.h"

#include "message/message-private.h"

#include <gio/gio.h>
#include <string.h>

#include "loop/loop-private.h"
#include "message/lines-private.h"

struct RelaisBody {
    gatomicrefcount refs;
    RelaisBodyFacts facts;
    GBytes *bytes; /* NULL: `read` has them */
    RelaisBodyRead read;
    RelaisBodyPeek peek;
    gpointer data;
    GDestroyNotify destroy;
};

static RelaisBody *
body_new (const RelaisBodyFacts *facts)
{
    RelaisBody *body = g_new0 (RelaisBody, 1);

    g_atomic_ref_count_init (&body->refs);
    body->facts = *facts;
    return body;
}

RelaisBody *
relais_body_new_bytes (GBytes *bytes, const RelaisBodyFacts *facts)
{
    RelaisBody *body = body_new (facts);

    g_assert (g_bytes_get_size (bytes) == facts->size_bytes);
    body->bytes = g_bytes_ref (bytes);
    return body;
}

RelaisBody *
relais_body_new_reader (RelaisBodyRead read, RelaisBodyPeek peek, gpointer data,
                        GDestroyNotify destroy, const RelaisBodyFacts *facts)
{
    RelaisBody *body = body_new (facts);

    body->read = read;
    body->peek = peek;
    body->data = data;
    body->destroy = destroy;
    return body;
}

RelaisBody *
relais_body_ref (RelaisBody *body)
{
    g_atomic_ref_count_inc (&body->refs);
    return body;
}

void
relais_body_unref (RelaisBody *body)
{
    if (body == NULL || !g_atomic_ref_count_dec (&body->refs))
        return;
    g_clear_pointer (&body->bytes, g_bytes_unref);
    if (body->destroy != NULL)
        body->destroy (body->data);
    g_free (body);
}

const RelaisBodyFacts *
relais_body_facts (const RelaisBody *body)
{
    return &body->facts;
}

bool
relais_body_in_memory (const RelaisBody *body)
{
    const guint8 *bytes;

    return body->bytes != NULL || (body->peek != NULL && body->peek (body->data, 0, &bytes) > 0);
}

gsize
relais_body_peek (const RelaisBody *body, guint64 offset, const guint8 **bytes)
{
    if (offset >= body->facts.size_bytes)
        return 0;
    if (body->bytes == NULL)
        return body->peek != NULL ? body->peek (body->data, offset, bytes) : 0;
    *bytes = (const guint8 *)g_bytes_get_data (body->bytes, NULL) + offset;
    return (gsize)(body->facts.size_bytes - offset);
}

bool
relais_body_read (const RelaisBody *body, guint64 offset, gpointer to, gsize size, GError **error)
{
    if (offset > body->facts.size_bytes || size > body->facts.size_bytes - offset) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                             "the range lies outside the message");
        return false;
    }
    if (size == 0)
        return true;
    if (body->bytes != NULL) {
        memcpy (to, (const guint8 *)g_bytes_get_data (body->bytes, NULL) + offset, size);
        return true;
    }
    relais_assert_may_block ();
    return body->read (body->data, offset, to, size, error);
}

/* --- Scanner ---------------------------------------------------------------------------------- */

/* Counts on, without wrapping: a line of 4 GiB is as too long as one of 5. */
static guint32
line_plus (guint32 line, gsize size)
{
    return size > G_MAXUINT32 - line ? G_MAXUINT32 : line + (guint32)size;
}

static void
note_line (RelaisBodyScanner *scanner, guint32 length)
{
    RelaisBodyFacts *facts = &scanner->facts;

    facts->longest_line = MAX (facts->longest_line, length);
    if (!scanner->in_content)
        facts->longest_header_line = MAX (facts->longest_header_line, length);
}

/* Takes a line of the header up to and with the next LF, or all; returns how many octets. A line ends
 * at CRLF alone. */
static gsize
scan_header_line (RelaisBodyScanner *scanner, const guint8 *bytes, gsize size)
{
    const guint8 *lf = memchr (bytes, '\n', size);
    gsize taken = lf != NULL ? (gsize)(lf - bytes) + 1 : size;
    bool ended = lf != NULL && (taken > 1 ? bytes[taken - 2] : scanner->last) == '\r';

    scanner->line = line_plus (scanner->line, taken);
    if (!scanner->facts.eight_bit_header)
        scanner->facts.eight_bit_header = relais_has_eight_bit (bytes, taken);
    scanner->facts.size_bytes += taken;
    scanner->last = bytes[taken - 1];
    if (ended) {
        guint32 length = scanner->line - 2;

        note_line (scanner, length);
        if (length == 0) {
            scanner->in_content = true;
            scanner->facts.header_bytes = scanner->facts.size_bytes;
        }
        scanner->line = 0;
    }
    return taken;
}

/* The lines that end at these places of a block that begins at `at`; `from` is where the line under
 * way began. Returns where the next one does. */
static gsize
note_line_ends (RelaisBodyScanner *scanner, const guint8 *bytes, gsize at, guint64 lfs, gsize from)
{
    for (; lfs != 0; lfs &= lfs - 1) {
        const gsize lf = at + (gsize)__builtin_ctzll (lfs);

        if ((lf > 0 ? bytes[lf - 1] : scanner->last) != '\r')
            continue;
        note_line (scanner, line_plus (scanner->line, lf + 1 - from) - 2);
        scanner->line = 0;
        from = lf + 1;
    }
    return from;
}

static void
scan_content (RelaisBodyScanner *scanner, const guint8 *bytes, gsize size)
{
    guint8 rest[RELAIS_BLOCK_BYTES] = {0};
    gsize from = 0, at = 0;

    if (size == 0)
        return;
    if (!scanner->facts.eight_bit)
        scanner->facts.eight_bit = relais_has_eight_bit (bytes, size);
    for (; size - at >= RELAIS_BLOCK_BYTES; at += RELAIS_BLOCK_BYTES)
        from = note_line_ends (scanner, bytes, at, relais_block_find (bytes + at, '\n'), from);
    if (at < size) {
        memcpy (rest, bytes + at, size - at);
        from = note_line_ends (scanner, bytes, at, relais_block_find (rest, '\n'), from);
    }
    scanner->line = line_plus (scanner->line, size - from);
    scanner->facts.size_bytes += size;
    scanner->last = bytes[size - 1];
}

void
relais_body_scan (RelaisBodyScanner *scanner, const guint8 *bytes, gsize size)
{
    if (size == 0)
        return;
    if (!scanner->facts.has_nul)
        scanner->facts.has_nul = memchr (bytes, '\0', size) != NULL;
    while (size > 0 && !scanner->in_content) {
        gsize taken = scan_header_line (scanner, bytes, size);

        bytes += taken;
        size -= taken;
    }
    scan_content (scanner, bytes, size);
}

const RelaisBodyFacts *
relais_body_scan_end (RelaisBodyScanner *scanner)
{
    note_line (scanner, scanner->line);
    if (!scanner->in_content)
        scanner->facts.header_bytes = scanner->facts.size_bytes;
    return &scanner->facts;
}
