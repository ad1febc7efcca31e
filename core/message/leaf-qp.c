/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leaves in quoted-printable (RFC 2045 section 6.7). Owned by the caller; one thread at a time.
 *
 * The content is a row of units: octets for themselves, "=XX", soft line breaks. A cursor walks over
 * them from the last place known to the octets that an edit replaces. Then the lines with edits are
 * laid out anew, out of tokens: what is kept between two edits, which can be moved to a line of its
 * own but not divided, and octets of replacements. Before each token stands a soft line break if it
 * does not fit:
 *
 *     <a href="http:/=                    kept
 *     /example.org/a/long/address=        replacement, octet by octet
 *     ">                                  kept
 */
#include "config.h"

#include "message/leaf-codec-private.h"

#include <string.h>

#include "message/qp-private.h"

static bool
is_blank (guint8 octet)
{
    return octet == ' ' || octet == '\t';
}

/* --- Units ------------------------------------------------------------------------------------ */

typedef enum { UNIT_BAD, UNIT_LITERAL, UNIT_OCTET, UNIT_SOFT_BREAK } UnitKind;

static UnitKind
equals_unit (const guint8 *raw, gsize size, gsize at, gsize *length)
{
    gsize i = at + 1;

    if (size - at >= 3 && g_ascii_isxdigit (raw[at + 1]) && g_ascii_isxdigit (raw[at + 2])) {
        *length = 3;
        return UNIT_OCTET;
    }
    while (i < size && is_blank (raw[i]))
        i++;
    if (size - i < 2 || raw[i] != '\r' || raw[i + 1] != '\n')
        return UNIT_BAD;
    *length = i + 2 - at;
    return UNIT_SOFT_BREAK;
}

static UnitKind
unit_at (const guint8 *raw, gsize size, gsize at, gsize *length)
{
    if (raw[at] == '=')
        return equals_unit (raw, size, at, length);
    *length = 1;
    return UNIT_LITERAL;
}

static guint8
octet_of (const guint8 *unit)
{
    if (unit[0] != '=')
        return unit[0];
    return (guint8)(g_ascii_xdigit_value ((char)unit[1]) << 4 |
                    g_ascii_xdigit_value ((char)unit[2]));
}

const char *
relais_leaf_decode_qp (RelaisLeaf *leaf)
{
    const guint8 *raw = leaf->raw;
    gsize text = 0, length;

    leaf->decoded = g_malloc (leaf->raw_size);
    for (gsize at = 0; at < leaf->raw_size; at += length) {
        const UnitKind kind = unit_at (raw, leaf->raw_size, at, &length);

        if (kind == UNIT_BAD)
            return "a \"=\" that begins neither an octet nor a soft line break";
        leaf->steps += length;
        if (kind != UNIT_SOFT_BREAK)
            leaf->decoded[text++] = octet_of (raw + at);
        if (raw[at + length - 1] == '\n' && (length > 1 || (at > 0 && raw[at - 1] == '\r')))
            relais_leaf_note_place (leaf, at + length, text);
    }
    leaf->decoded = g_realloc (leaf->decoded, text);
    leaf->text_size = text;
    return NULL;
}

/* --- The cursor ------------------------------------------------------------------------------- */

typedef struct {
    RelaisLeaf *leaf;
    gsize raw, text; /* both places are before the same unit */
    gsize line;      /* where its line begins */
    guint place;     /* the first that may be ahead */
} Cursor;

/* The octets of the content that an edit replaces. */
typedef struct {
    gsize from, to;
    gsize line;         /* where the line of `from` begins */
    bool blanks_inside; /* some at the end of a line, with replaced octets on both sides */
} Span;

static void
go_over (Cursor *cursor)
{
    const RelaisLeaf *leaf = cursor->leaf;
    const guint8 *raw = leaf->raw;
    gsize length;
    const UnitKind kind = unit_at (raw, leaf->raw_size, cursor->raw, &length);

    cursor->leaf->steps += length;
    cursor->raw += length;
    if (kind != UNIT_SOFT_BREAK)
        cursor->text++;
    if (raw[cursor->raw - 1] == '\n' &&
        (kind == UNIT_SOFT_BREAK || (cursor->raw > 1 && raw[cursor->raw - 2] == '\r')))
        cursor->line = cursor->raw;
}

static bool
is_at_soft_break (const Cursor *cursor)
{
    const RelaisLeaf *leaf = cursor->leaf;
    gsize length;

    return cursor->raw < leaf->raw_size &&
           unit_at (leaf->raw, leaf->raw_size, cursor->raw, &length) == UNIT_SOFT_BREAK;
}

/* To the unit of the octet at `text`, behind the soft line breaks before it. */
static void
seek (Cursor *cursor, gsize text)
{
    const GArray *places = cursor->leaf->places;

    while (cursor->place < places->len) {
        const RelaisLeafPlace *place = &g_array_index (places, RelaisLeafPlace, cursor->place);

        if (place->text > text)
            break;
        if (place->content > cursor->raw) {
            cursor->raw = cursor->line = place->content;
            cursor->text = place->text;
        }
        cursor->leaf->steps++;
        cursor->place++;
    }
    while (cursor->text < text || is_at_soft_break (cursor))
        go_over (cursor);
}

static Span
find_span (Cursor *cursor, const RelaisLeafEdit *edit)
{
    const guint8 *raw = cursor->leaf->raw;
    const gsize end = edit->offset + edit->size;
    gsize blanks = 0; /* how many stand before the cursor */
    Span span;

    seek (cursor, edit->offset);
    span = (Span){cursor->raw, cursor->raw, cursor->line, false};
    while (cursor->text < end) {
        const gsize at = cursor->raw;

        if (blanks > 0 && cursor->text - blanks > edit->offset &&
            relais_leaf_line_ends_at (cursor->leaf, at))
            span.blanks_inside = true;
        blanks = is_blank (raw[at]) ? blanks + 1 : 0;
        go_over (cursor);
    }
    span.to = cursor->raw;
    return span;
}

/* --- Laying out ------------------------------------------------------------------------------- */

typedef enum { TOKEN_NONE, TOKEN_KEPT, TOKEN_OCTET } TokenKind;

typedef struct {
    TokenKind kind;
    guint8 octet;
    gsize from, to; /* of the content, when kept */
} Token;

/* What follows a token on its line. */
typedef enum {
    NEXT_MORE,
    NEXT_END,     /* of the line, which is new here */
    NEXT_SAME_END /* it was so before */
} Next;

typedef struct {
    RelaisLeaf *leaf;
    GArray *out;
    GString *bytes; /* what is to stand between what was kept last and what is kept next */
    gsize kept_to;  /* where what was kept last ends */
    gsize at;       /* what stands before is kept or replaced */
    gsize column;   /* without `token` */
    Token token;    /* the last one, held back until it is known what follows */
    bool begun;
} Layout;

static void
put (Layout *layout, gconstpointer bytes, gsize size)
{
    g_string_append_len (layout->bytes, bytes, (gssize)size);
    layout->leaf->steps += size;
}

static void
break_line (Layout *layout)
{
    put (layout, "=\r\n", 3);
    layout->column = 0;
}

/* The replacement of what stands before `kept`. */
static void
flush (Layout *layout, gsize kept)
{
    if (layout->bytes->len > 0 || kept > layout->kept_to)
        relais_leaf_add_edit (layout->out, layout->kept_to, kept - layout->kept_to, layout->bytes);
    layout->kept_to = kept;
}

/* A whole line is kept, has no room for a "=" and is to go on: its last unit goes to the next line. */
static void
divide_kept (Layout *layout, gsize to)
{
    const gsize last = layout->leaf->raw[to - 3] == '=' ? 3 : 1;

    put (layout, "=\r\n", 3);
    relais_leaf_add_edit (layout->out, to - last, 0, layout->bytes);
    layout->column = last;
}

/* Whether a CR kept before and a LF kept now, each alone, would meet and end a line. */
static bool
would_join (const Layout *layout, gsize from)
{
    const guint8 *raw = layout->leaf->raw;

    return layout->bytes->len == 0 && layout->kept_to > 0 && layout->kept_to < from &&
           raw[layout->kept_to - 1] == '\r' && raw[from] == '\n';
}

static void
settle_kept (Layout *layout, gsize from, gsize to, Next next)
{
    /* Blanks that were not the end of a line become it; a "=" behind them keeps them. */
    const bool blanks = next == NEXT_END && is_blank (layout->leaf->raw[to - 1]);
    const bool goes_on = next == NEXT_MORE || blanks;
    const gsize room = goes_on ? RELAIS_QP_COLUMNS : RELAIS_QP_LINE_OCTETS;

    layout->leaf->steps++;
    if (layout->column > 0 && (layout->column + (to - from) > room || would_join (layout, from)))
        break_line (layout);
    flush (layout, from);
    layout->kept_to = to;
    layout->column += to - from;
    if (goes_on && layout->column > room && relais_leaf_line_ends_at (layout->leaf, to))
        divide_kept (layout, to);
    if (blanks)
        break_line (layout);
}

static void
settle_octet (Layout *layout, guint8 octet, Next next)
{
    const bool ends_line = next != NEXT_MORE;
    const gsize room = ends_line ? RELAIS_QP_LINE_OCTETS : RELAIS_QP_COLUMNS;
    guint8 written[3];
    guint n = relais_qp_write (octet, layout->column, ends_line, written);

    if (layout->column > 0 && layout->column + n > room) {
        break_line (layout);
        n = relais_qp_write (octet, 0, ends_line, written);
    }
    put (layout, written, n);
    layout->column += n;
}

static void
settle (Layout *layout, Next next)
{
    const Token token = layout->token;

    layout->token.kind = TOKEN_NONE;
    if (token.kind == TOKEN_KEPT)
        settle_kept (layout, token.from, token.to, next);
    else if (token.kind == TOKEN_OCTET)
        settle_octet (layout, token.octet, next);
}

static void
keep_to (Layout *layout, gsize to)
{
    if (to == layout->at)
        return;
    settle (layout, NEXT_MORE);
    layout->token = (Token){.kind = TOKEN_KEPT, .from = layout->at, .to = to};
    layout->at = to;
}

static void
put_replacement (Layout *layout, GBytes *bytes)
{
    gsize size;
    const guint8 *octets = g_bytes_get_data (bytes, &size);

    for (gsize i = 0; i < size; i++) {
        if (octets[i] == '\r' && i + 1 < size && octets[i + 1] == '\n') {
            settle (layout, NEXT_END);
            put (layout, "\r\n", 2);
            layout->column = 0;
            i++;
        } else {
            settle (layout, NEXT_MORE);
            layout->token = (Token){.kind = TOKEN_OCTET, .octet = octets[i]};
        }
    }
}

/* Ends the line of the content on which the last edit ended. */
static void
end_line (Layout *layout)
{
    const gsize end = relais_leaf_line_end (layout->leaf, layout->at);
    const bool same_end = end > layout->at;

    keep_to (layout, end);
    settle (layout, same_end ? NEXT_SAME_END : NEXT_END);
    flush (layout, end);
}

static void
replace (Layout *layout, const Span *span, GBytes *bytes)
{
    if (!layout->begun || layout->at < span->line) {
        if (layout->begun)
            end_line (layout);
        layout->begun = true;
        layout->column = 0;
        layout->kept_to = layout->at = span->line;
    }
    keep_to (layout, span->from);
    layout->at = span->to;
    put_replacement (layout, bytes);
}

void
relais_leaf_map_qp (RelaisLeaf *leaf, const RelaisLeafEdit *edits, guint n, GArray *out,
                    guint *left_out)
{
    Cursor cursor = {.leaf = leaf};
    Layout layout = {.leaf = leaf, .out = out, .bytes = g_string_new (NULL)};

    for (guint i = 0; i < n; i++) {
        Span span;

        leaf->steps++;
        if (relais_leaf_edit_is_empty (&edits[i]))
            continue;
        span = find_span (&cursor, &edits[i]);
        if (span.blanks_inside || relais_leaf_splits_line_end (leaf, span.from) ||
            relais_leaf_splits_line_end (leaf, span.to))
            ++*left_out;
        else
            replace (&layout, &span, edits[i].bytes);
    }
    if (layout.begun)
        end_line (&layout);
    g_string_free (layout.bytes, TRUE);
}
