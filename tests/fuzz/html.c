/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Links in HTML and what their values say (core/message/html.c, html-value.c). Properties: spans lie
 * in the text, one behind the other, and hold no octet that would end them; the work is bounded by
 * the size; a text whose values are all written anew has the same links, which say the same.
 *
 * Parsers: core/message/html.c, core/message/html-value.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/html-private.h"

static const char *const words[] = {"<a href=\"",
                                    "<a href='x'>",
                                    "<a href=x data-no-track>",
                                    "<area href=",
                                    "<v:rect href=\"x\">",
                                    "<!--[if mso]>",
                                    "<![endif]-->",
                                    "<!--[if !mso]><!-->",
                                    "<!--<![endif]-->",
                                    "<!--",
                                    "-->",
                                    "--!>",
                                    "<style>",
                                    "</style>",
                                    "<title>",
                                    "</title>",
                                    "<script>",
                                    "</script>",
                                    "<svg>",
                                    "<![CDATA[",
                                    "</body>",
                                    "<plaintext>",
                                    "&amp;",
                                    "&#45;&#45;&gt;",
                                    "&#x3c;",
                                    "&copy",
                                    "&#0;",
                                    "\"'",
                                    " = ",
                                    "/>",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

static bool
is_blank (guint8 octet)
{
    return octet != 0 && strchr (" \t\r\n\f", octet) != NULL;
}

static void
check_link (const RelaisHtmlLink *link, const guint8 *bytes, gsize size)
{
    g_assert_cmpuint (link->offset, <, size);
    g_assert_cmpuint (link->size, <, size - link->offset);
    g_assert_true (link->quote == 0 || link->quote == '"' || link->quote == '\'');
    for (gsize i = link->offset; i < link->offset + link->size; i++)
        g_assert_true (link->quote != 0 ? bytes[i] != link->quote
                                        : bytes[i] != '>' && !is_blank (bytes[i]));
    if (link->quote == 0) {
        g_assert_cmpuint (link->size, >, 0);
        return;
    }
    g_assert_cmpuint (bytes[link->offset - 1], ==, link->quote);
    g_assert_cmpuint (bytes[link->offset + link->size], ==, link->quote);
}

static void
check_spans (const RelaisHtmlSpans *spans, const guint8 *bytes, gsize size)
{
    gsize end = 0;

    for (guint i = 0; i < spans->links->len; i++) {
        const RelaisHtmlLink *link = &g_array_index (spans->links, RelaisHtmlLink, i);

        g_assert_cmpuint (link->offset, >, end);
        check_link (link, bytes, size);
        end = link->offset + link->size;
    }
    g_assert_cmpuint (spans->body_end, <=, size);
    if (spans->has_body_end)
        g_assert_true (size - spans->body_end >= 7 &&
                       g_ascii_strncasecmp ((const char *)bytes + spans->body_end, "</body", 6) ==
                           0);
    else
        g_assert_cmpuint (spans->body_end, ==, size);
    g_assert_cmpuint (spans->steps, <=, 4 * size + 100);
}

static char *
decode (const RelaisHtmlLink *link, const guint8 *bytes, gsize *size)
{
    guint8 *exact = fuzz_exact (bytes + link->offset, link->size);
    char *says = relais_html_decode_value (exact, link->size, size);

    free (exact);
    return says;
}

/* A value that says nothing stays. */
static GString *
write_anew (const RelaisHtmlSpans *spans, const guint8 *bytes, gsize size)
{
    GString *out = g_string_new (NULL);
    gsize at = 0, n;

    for (guint i = 0; i < spans->links->len; i++) {
        const RelaisHtmlLink *link = &g_array_index (spans->links, RelaisHtmlLink, i);
        g_autofree char *says = decode (link, bytes, &n);

        if (says == NULL)
            continue;
        g_string_append_len (out, (const char *)bytes + at, (gssize)(link->offset - at));
        relais_html_append_value (out, says, n, link->quote);
        at = link->offset + link->size;
    }
    g_string_append_len (out, (const char *)bytes + at, (gssize)(size - at));
    return out;
}

static void
check_same (const RelaisHtmlLink *a, const guint8 *a_bytes, const RelaisHtmlLink *b,
            const guint8 *b_bytes)
{
    gsize a_size = 0, b_size = 0;
    g_autofree char *a_says = decode (a, a_bytes, &a_size);
    g_autofree char *b_says = decode (b, b_bytes, &b_size);

    g_assert_true (a->element == b->element && a->quote == b->quote &&
                   a->in_comment == b->in_comment && a->no_track == b->no_track);
    g_assert_true ((a_says != NULL) == (b_says != NULL));
    fuzz_assert_same (a_says, a_size, b_says, b_size);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (GString) anew = NULL;
    const guint8 *anew_bytes;
    RelaisHtmlSpans spans, spans_anew;

    relais_html_scan (bytes, size, &spans);
    check_spans (&spans, bytes, size);
    anew = write_anew (&spans, bytes, size);
    anew_bytes = (const guint8 *)anew->str;
    relais_html_scan (anew_bytes, anew->len, &spans_anew);
    check_spans (&spans_anew, anew_bytes, anew->len);
    g_assert_cmpuint (spans_anew.links->len, ==, spans.links->len);
    g_assert_true (spans_anew.doubtful == spans.doubtful &&
                   spans_anew.has_body_end == spans.has_body_end);
    for (guint i = 0; i < spans.links->len; i++)
        check_same (&g_array_index (spans.links, RelaisHtmlLink, i), bytes,
                    &g_array_index (spans_anew.links, RelaisHtmlLink, i), anew_bytes);
    relais_html_spans_clear (&spans);
    relais_html_spans_clear (&spans_anew);
    return 0;
}
