/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message/html: which links stand where, in what readers take for tags and what they do not;
 * where the body ends; what values say, and that what is written is read back; that twice the text
 * is twice the work, whatever it is.
 */
#include "config.h"

#include "message/html-private.h"

#include <string.h>

#include "message/html-entities-private.h"

/* --- Spans -------------------------------------------------------------------------------------- */

static void
append_link (GString *out, const guint8 *text, const RelaisHtmlLink *link)
{
    static const char *const elements[] = {"a", "area", "v"};
    const char quote[] = {link->quote != 0 ? (char)link->quote : '=', '\0'};

    g_string_append_printf (out, "%s%s%s%s", link->in_comment ? "c." : "",
                            link->no_track ? "n." : "", elements[link->element], quote);
    g_string_append_len (out, (const char *)text + link->offset, (gssize)link->size);
    g_string_append_printf (out, "%s|", link->quote != 0 ? quote : "");
}

static void
check_spans (const guint8 *text, gsize size, const RelaisHtmlSpans *spans)
{
    gsize end = 0;

    for (guint i = 0; i < spans->links->len; i++) {
        const RelaisHtmlLink *link = &g_array_index (spans->links, RelaisHtmlLink, i);

        g_assert_cmpuint (link->offset, >, end);
        g_assert_cmpuint (link->size, <, size - link->offset);
        end = link->offset + link->size;
        if (link->quote != 0) {
            g_assert_cmpuint (text[link->offset - 1], ==, link->quote);
            g_assert_cmpuint (text[end], ==, link->quote);
        }
    }
    g_assert_cmpuint (spans->body_end, <=, size);
    g_assert_true (spans->has_body_end || spans->body_end == size);
    g_assert_cmpuint (spans->steps, <=, 4 * size + 100);
}

/* `c.` in a comment, `n.` data-no-track, element, quote ('=' for none), value, quote, '|'; then '/'
 * and what begins where the body ends, '?' if doubtful. From a copy of exactly the size. */
static char *
scan (const char *text, gsize size)
{
    g_autofree guint8 *copy = g_memdup2 (text, size);
    GString *out = g_string_new (NULL);
    RelaisHtmlSpans spans;

    relais_html_scan (copy, size, &spans);
    check_spans (copy, size, &spans);
    for (guint i = 0; i < spans.links->len; i++)
        append_link (out, copy, &g_array_index (spans.links, RelaisHtmlLink, i));
    if (spans.has_body_end)
        g_string_append_printf (out, "/%s", text + spans.body_end);
    if (spans.doubtful)
        g_string_append_c (out, '?');
    relais_html_spans_clear (&spans);
    return g_string_free (out, FALSE);
}

typedef struct {
    const char *text, *found;
} Vector;

static void
check_vectors (const Vector *vectors, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        const gsize size = strlen (vectors[i].text);
        g_autofree char *found = scan (vectors[i].text, size);

        if (strcmp (found, vectors[i].found) != 0)
            g_error ("'%s': '%s', not '%s'", vectors[i].text, found, vectors[i].found);
        /* Wherever it is cut off, nothing is read or found beyond the cut. */
        for (gsize cut = 0; cut < size; cut++)
            g_free (scan (vectors[i].text, cut));
    }
}

static void
test_attributes (void)
{
    static const Vector vectors[] = {
        {"", ""},
        {"text", ""},
        {"<a href=\"http://x/\">y</a>", "a\"http://x/\"|"},
        {"<a href='http://x/'>", "a'http://x/'|"},
        {"<a href=http://x/>", "a=http://x/|"},
        {"<a href=http://x/ id=y>", "a=http://x/|"},
        {"<a href=x/>", "a=x/|"},
        {"<a href=\"x\"/>", "a\"x\"|"},
        {"<a href=\"x\" />", "a\"x\"|"},
        {"<A HREF=\"x\">", "a\"x\"|"},
        {"<a HrEf=x>", "a=x|"},
        {"<a href=\"1\" href=\"2\">", "a\"1\"|"},
        {"<a href=1 HREF='2'>", "a=1|"},
        {"<a href href=\"2\">", ""},
        {"<a href= href=\"2\">", "a=href=\"2\"|"},
        {"<a href>", ""},
        {"<a href=>", ""},
        {"<a href= >", ""},
        {"<a href=\"\">", "a\"\"|"},
        {"<a href=''>", "a''|"},
        {"<a href \n=\r\n\t\"x\">", "a\"x\"|"},
        {"<a href\f=\fx>", "a=x|"},
        {"<a\nhref=\"x\"\n>", "a\"x\"|"},
        {"<a/href=\"x\">", "a\"x\"|"},
        {"<a / href=\"x\">", "a\"x\"|"},
        {"<a///href=\"x\"///>", "a\"x\"|"},
        {"<a href/=\"x\">", ""},
        {"<a =href=\"x\">", ""},
        {"<a ==\"x\" href=y>", "a=y|"},
        {"<a href=\"a\nb\r\nc\">", "a\"a\nb\r\nc\"|"},
        {"<a href=\"a>b<c\">", "a\"a>b<c\"|"},
        {"<a href='\"x\"'>", "a'\"x\"'|"},
        {"<a href=\"it's\">", "a\"it's\"|"},
        {"<a href=a\"b>", "a=a\"b|"},
        {"<a href=a'b=c`d<e>", "a=a'b=c`d<e|"},
        {"<a id=\"1\"href=\"2\"class=\"3\">", "a\"2\"|"},
        {"<a title=\"<a href='1'>\" href='2'>", "a'2'|"},
        {"<a title='>' href=2>", "a=2|"},
        {"<a title=\"href=1\">", ""},
        {"<a data-href=1>", ""},
        {"<a hrefs=1>", ""},
        {"<a hre=1 href=2>", "a=2|"},
        {"<a \"href=1 href=2>", "a=2|"},
        {"<a <href=1 href=2>", "a=2|"},
        {"<a href=\"http://u@h/p@q?x=%7B#gr\u00fcn\">", "a\"http://u@h/p@q?x=%7B#gr\u00fcn\"|"},
        {"<a href=\"{{link}}\">", "a\"{{link}}\"|"},
        {"<a href=\"x?a=1&amp;b=2&c=3\">", "a\"x?a=1&amp;b=2&c=3\"|"},
        {"<a data-no-track href=x>", "n.a=x|"},
        {"<a href=x data-no-track>", "n.a=x|"},
        {"<a href=x DATA-NO-TRACK=\"false\">", "n.a=x|"},
        {"<a href=x data-no-track/>", "n.a=x|"},
        {"<a data-no-tracks href=x>", "a=x|"},
        {"<a data-no-track>x</a><a href=x>", "a=x|"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_tags (void)
{
    static const Vector vectors[] = {
        {"<area href=\"x\">", "area\"x\"|"},
        {"<AREA shape=rect href=x>", "area=x|"},
        {"<v:roundrect href=\"x\">", "v\"x\"|"},
        {"<V:Rect HREF='x'/>", "v'x'|"},
        {"<v: href=x>", ""},
        {"<link href=x><base href=x><abbr href=x><o:p href=x>", ""},
        {"<a href=1><a href=2><area href=3>", "a=1|a=2|area=3|"},
        {"<a:b href=x>", ""},
        {"<a\"b href=x>", ""},
        {"</a href=x>", ""},
        {"< a href=x>", ""},
        {"<<a href=x>", "a=x|"},
        {"<1><a href=x>", "a=x|"},
        {"a < b <a href=x>", "a=x|"},
        {"<", ""},
        {"</", ""},
        {"</>", ""},
        {"</><a href=x>", "a=x|"},
        {"</ x='<a href=1>'><a href=2>", "a=2|"},
        {"<div<a href=x>", ""},
        {"<p <a href=x>", ""},
        {"<div><p><a href=x></div>", "a=x|"},
        {"<noscript><a href=x></noscript>", "a=x|"},
        {"<svg><a href=x></a></svg>", "a=x|"},
        {"<a", "?"},
        {"<a href=\"x\"", "?"},
        {"<a href=\"x", "?"},
        {"<a href=x", "?"},
        {"<a href=\"x><a href=\"y\">", "a\"x><a href=\"|"},
        {"<a href=1><a href='2>", "a=1|?"},
        {"</a", "?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_comments (void)
{
    static const Vector vectors[] = {
        {"<!-- <a href=x> -->", ""},
        {"<!-- <a href=1> --><a href=2>", "a=2|"},
        {"<!--><a href=x>", "a=x|"},
        {"<!---><a href=x>", "a=x|"},
        {"<!----><a href=x>", "a=x|"},
        {"<!-----><a href=x>", "a=x|"},
        {"<!--x--!><a href=x>", "a=x|"},
        {"<!----!><a href=x>", "a=x|"},
        {"<!---!><a href=1>--><a href=2>", "a=2|"},
        {"<!--!><a href=1>--><a href=2>", "a=2|"},
        {"<!-- x -- ><a href=1>--><a href=2>", "a=2|"},
        {"<!-- x -><a href=1>--><a href=2>", "a=2|"},
        {"<!-- x --!--><a href=2>", "a=2|"},
        {"<!-- <!-- --><a href=x> -->", "a=x|"},
        {"<!-x--><a href=x>", "a=x|"},
        {"<!- ><a href=x>", "a=x|"},
        {"<!><a href=x>", "a=x|"},
        {"<!x \">\"<a href=x>", "a=x|"},
        {"<?xml version=\"1.0\"?><a href=x>", "a=x|"},
        {"<?php '>' <a href=x>", "a=x|"},
        {"<!DOCTYPE html><a href=x>", "a=x|"},
        {"<!DOCTYPE html PUBLIC \"-//W3C//DTD>\" <a href=x>", "a=x|"},
        {"<![CDATA[<a href=x>]]><a href=y>", "a=y|"},
        {"<svg><![CDATA[ x ]]></svg><a href=y>", "a=y|?"},
        {"<!-- <a href=x>", "?"},
        {"<!--", "?"},
        {"<!--x-", "?"},
        {"<!--x--", "?"},
        {"<!--x--!", "?"},
        {"<!", "?"},
        {"<!x", "?"},
        {"<?x", "?"},
        {"</ x", "?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_conditional (void)
{
    static const Vector vectors[] = {
        {"<!--[if mso]><a href=x><![endif]-->", "c.a=x|"},
        {"<!--[IF gte mso 9]><v:roundrect href=\"x\" data-no-track><![endif]--><a href=y>",
         "c.n.v\"x\"|a=y|"},
        {"<!--[if (mso)|(IE)]><v:rect\n href='x'></v:rect><![ENDIF]-->", "c.v'x'|"},
        {"<a href=1><!--[if mso]><a href=2><![endif]--><a href=3>", "a=1|c.a=2|a=3|"},
        {"<!--[if mso]><a href=x>-->", "c.a=x|"},
        {"<!--[if mso]><a href=x><![endif]--!>", "c.a=x|"},
        {"<!--[if !mso]><!--><a href=x><!--<![endif]-->", "a=x|"},
        {"<!--[if !mso]><!-- --><a href=x><!-- <![endif]-->", "a=x|"},
        {"<!--[if !mso]> <!--><a href=x><!--<![endif]-->", "a=x|"},
        {"<!--[if !mso]>--><a href=x><!--<![endif]-->", "a=x|"},
        {"<![if !mso]><a href=x><![endif]>", "a=x|"},
        {"<!--[if mso]><![if gte mso 9]><a href=x><![endif]><![endif]-->", "c.a=x|"},
        {"<!--[if mso]></body><![endif]-->", ""},
        {"<!--[if mso]><style>a > b {}</style><a href=x><![endif]-->", "c.a=x|"},
        {"<!--[if mso]><title><a href=1></title><a href=2><![endif]-->", "c.a=2|"},
        {"<!--[if mso]><!--[if x]><a href=1><![endif]--><a href=2>", "a=2|?"},
        {"<!--[if mso]><!-- x --><a href=2>", "a=2|?"},
        {"<!--[if mso]><style><a href=1><![endif]--><a href=2>", "a=2|?"},
        {"<!--[if mso]><svg><![endif]--><style><</style>", ""},
        {"<!--[if mso]><a href=\"1<![endif]--><a href=2>", "a=2|?"},
        {"<!--[if mso]><a href=\"-->\"><a href=2>", "a=2|?"},
        {"<!--[if mso]><a href=1><![endif] --><a href=2>", "c.a=1|a=2|"},
        {"<!--[if mso]><a href=1><!x--><a href=2>", "c.a=1|a=2|?"},
        {"<!-- [if mso]><a href=1><![endif]-->", ""},
        {"<!--[if mso] ><a href=1><![endif]-->", ""},
        {"<!--[if mso><a href=1>-->", ""},
        {"<!--[if mso]-->", ""},
        {"<!--[if mso]>-->", ""},
        {"<!--[if -->", ""},
        {"<!--[if mso]><a href=1>", "?"},
        {"<!--[if !mso]><!", "?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_raw_text (void)
{
    static const Vector vectors[] = {
        {"<style><a href=1></style><a href=2>", "a=2|"},
        {"<STYLE type=x><a href=1></Style ><a href=2>", "a=2|"},
        {"<style/><a href=1></style/><a href=2>", "a=2|"},
        {"<style></styles><a href=1></style x='>'><a href=2>", "a=2|"},
        {"<style><!-- </style><a href=1> -->", "a=1|"},
        {"<style></ style></style\n><a href=2>", "a=2|"},
        {"<title><a href=1></title><a href=2>", "a=2|"},
        {"<title>&lt;/title><a href=1></title><a href=2>", "a=2|"},
        {"<textarea><a href=1></textarea><a href=2>", "a=2|"},
        {"<xmp><a href=1></xmp><a href=2>", "a=2|"},
        {"<iframe><a href=1></iframe><a href=2>", "a=2|"},
        {"<noembed><a href=1></noembed><a href=2>", "a=2|"},
        {"<noframes><a href=1></noframes><a href=2>", "a=2|"},
        {"<title><style></title><a href=2>", "a=2|"},
        {"<styles><a href=1></styles>", "a=1|"},
        {"</style><a href=1>", "a=1|"},
        {"<plaintext><a href=1></plaintext><a href=2>", "?"},
        {"<style><a href=1>", "?"},
        {"<style></style", "?"},
        {"<title>", "?"},
        {"<svg><style>a{}</style></svg><a href=1>", "a=1|"},
        {"<svg><style><a href=1></style></svg><a href=2>", "a=2|?"},
        {"<svg><title>x</title></svg>", ""},
        {"<svg><title/><a href=1></title></svg>", "?"},
        {"<math><script>x</script></math>", "?"},
        {"<svg></svg><style><</style>", ""},
        {"<svg/><style><</style>", ""},
        {"<svg><math></svg><style><</style>", "?"},
        {"</svg><svg><style><</style>", "?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_script (void)
{
    static const Vector vectors[] = {
        {"<script><a href=1></script><a href=2>", "a=2|"},
        {"<script>x</scripts></SCRIPT\t><a href=2>", "a=2|"},
        {"<script><!-- <a href=1></script><a href=2>", "a=2|"},
        {"<script><!-- <script></script><a href=1></script><a href=2>", "a=2|"},
        {"<script><!-- <script --></script><a href=1>", "a=1|"},
        {"<script><!-- <script>--></script><a href=1>", "a=1|"},
        {"<script><!-- <script/></script/><a href=1>--></script><a href=2>", "a=2|"},
        {"<script><!-- <script </script <script </script </script><a href=2>", "a=2|"},
        {"<script><!-- <scripts></script><a href=1>", "a=1|"},
        {"<script><!--><script></script><a href=1>", "a=1|"},
        {"<script><!---><script></script><a href=1>", "a=1|"},
        {"<script><!-- - -> <script> - -> </script> </script><a href=1>", "a=1|"},
        {"<script><script></script><a href=1>", "a=1|"},
        {"<script><!- <script></script><a href=1>", "a=1|"},
        {"<script>--><!--<script>--></script><a href=1>", "a=1|"},
        {"<script><!--<!--<script></script></script><a href=1>", "a=1|"},
        {"<script><!--<script><script></script></script><a href=1>", "a=1|"},
        {"<script><!--<script></script><a href=1>", "?"},
        {"<script>", "?"},
        {"<script></script", "?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_body_end (void)
{
    static const Vector vectors[] = {
        {"<body>x</body></html>", "/</body></html>"},
        {"<body>x</BODY\n>", "/</BODY\n>"},
        {"<body></body class=\">\"> ", "/</body class=\">\"> "},
        {"</body></body> <a href=x>", "a=x|/</body> <a href=x>"},
        {"</body/>", "/</body/>"},
        {"</body>x<!-- </body> -->", "/</body>x<!-- </body> -->"},
        {"</body><style></body></style>", "/</body><style></body></style>"},
        {"<body>", ""},
        {"</bodys>", ""},
        {"<a title='</body>'>", ""},
        {"<body/>", ""},
        {"</body>x</body", "/</body>x</body?"},
    };

    check_vectors (vectors, G_N_ELEMENTS (vectors));
}

static void
test_nul (void)
{
    static const struct {
        const char *text;
        gsize size;
        const char *found;
    } texts[] = {
        {"\0", 1, "?"},
        {"\0<a href=x>", 11, "a=x|?"},
        {"<a href=x>\0", 11, "a=x|?"},
        {"<\0a href=x>", 11, "?"},
        {"<a\0 href=x>", 11, "?"},
        {"<a hre\0f=x>", 11, "?"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autofree char *found = scan (texts[i].text, texts[i].size);

        g_assert_cmpstr (found, ==, texts[i].found);
    }
}

/* --- Values ------------------------------------------------------------------------------------- */

static char *
decode (const char *value, gsize size, gsize *out_size)
{
    g_autofree guint8 *copy = g_memdup2 (value, size);

    return relais_html_decode_value (copy, size, out_size);
}

static void
test_decode (void)
{
    static const struct {
        const char *value, *says; /* NULL: nothing for a URL */
    } values[] = {
        {"", ""},
        {"x", "x"},
        {"&", "&"},
        {"&&", "&&"},
        {"a&b", "a&b"},
        {"&amp;", "&"},
        {"&amp", "&"},
        {"&AMP;", "&"},
        {"&AMP", "&"},
        {"&Amp;", "&Amp;"},
        {"&amp;amp;", "&amp;"},
        {"&amp;#38;", "&#38;"},
        {"&#38;amp;", "&amp;"},
        {"&#38;", "&"},
        {"&#38", "&"},
        {"&#038;", "&"},
        {"&#0000000000000000000038;", "&"},
        {"&#x26;", "&"},
        {"&#X26;", "&"},
        {"&#x26", "&"},
        {"&#x00026;", "&"},
        {"&#38x", "&x"},
        {"&#x26g", "&g"},
        {"&#38=", "&="},
        {"&#38;;", "&;"},
        {"&#", "&#"},
        {"&#;", "&#;"},
        {"&#x", "&#x"},
        {"&#x;", "&#x;"},
        {"&#xg", "&#xg"},
        {"&# 38;", "&# 38;"},
        {"&#-1;", "&#-1;"},
        {"&&#38;&", "&&&"},
        {"?a=1&copy=1", "?a=1&copy=1"},
        {"?a=1&copy;=1", "?a=1\u00a9=1"},
        {"?a=1&copya", "?a=1&copya"},
        {"?a=1&copy1", "?a=1&copy1"},
        {"?a=1&copy", "?a=1\u00a9"},
        {"?a=1&copy&b", "?a=1\u00a9&b"},
        {"&copy-", "\u00a9-"},
        {"&copy_", "\u00a9_"},
        {"&copy\u00fc", "\u00a9\u00fc"},
        {"&copy.x", "\u00a9.x"},
        {"&not;", "\u00ac"},
        {"&not", "\u00ac"},
        {"&notit;", "&notit;"},
        {"&notin;", "\u2209"},
        {"&notin", "&notin"},
        {"&not in", "\u00ac in"},
        {"&notin=", "&notin="},
        {"&not&in;", "\u00ac\u2208"},
        {"&amp=1", "&amp=1"},
        {"?x&lt=1&gt;", "?x&lt=1>"},
        {"?region=1&reg=2&regs;", "?region=1&reg=2&regs;"},
        {"&unknown;", "&unknown;"},
        {"&unknown", "&unknown"},
        {"&;", "&;"},
        {"&am\u00fcp;", "&am\u00fcp;"},
        {"& amp;", "& amp;"},
        {"&quot;&apos;&lt;&gt;", "\"'<>"},
        {"&apos", "&apos"},
        {"&nbsp;", "\u00a0"},
        {"&Tab;&NewLine;&colon;&sol;&period;", "\t\n:/."},
        {"&commat;&num;&quest;&equals;&lbrace;", "@#?={"},
        {"&NotEqualTilde;", "\u2242\u0338"},
        {"&fjlig;", "fj"},
        {"&CounterClockwiseContourIntegral;", "\u2233"},
        {"&CounterClockwiseContourIntegral", "&CounterClockwiseContourIntegral"},
        {"&Aacute;&aacute;", "\u00c1\u00e1"},
        {"&zwnj;&zwj;&zwnj", "\u200c\u200d&zwnj"},
        {"&#128;", "\u20ac"},
        {"&#x80;", "\u20ac"},
        {"&#x9F;", "\u0178"},
        {"&#150;&#151", "\u2013\u2014"},
        {"&#x81;", "\xc2\x81"},
        {"&#xA0;", "\u00a0"},
        {"&#x7f;", "\x7f"},
        {"&#10;&#13;&#9;", "\n\r\t"},
        {"&#252;", "\u00fc"},
        {"&#x1F600;", "\U0001f600"},
        {"&#x10FFFF;", "\U0010ffff"},
        {"&#xfdd0;&#xffff;", "\ufdd0\uffff"},
        {"&#0;", NULL},
        {"a&#x0;b", NULL},
        {"&#x110000;", NULL},
        {"&#99999999999999999999;", NULL},
        {"&#xFFFFFFFFFFFFFFFFF", NULL},
        {"&#xD800;", NULL},
        {"&#xdfff;", NULL},
        {"&#xd7ff;&#xe000;", "\ud7ff\ue000"},
        {"http://x/a@b?c=%7B#gr\u00fcn", "http://x/a@b?c=%7B#gr\u00fcn"},
        {"#gr\xfcn", "#gr\xfcn"},
        {"a\nb\r\nc", "a\nb\r\nc"},
        {"{{a&amp;b}}", "{{a&b}}"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
        gsize size = G_MAXSIZE;
        g_autofree char *says = decode (values[i].value, strlen (values[i].value), &size);

        if (g_strcmp0 (says, values[i].says) != 0)
            g_error ("'%s': '%s', not '%s'", values[i].value, says, values[i].says);
        g_assert_cmpuint (size, ==, says != NULL ? strlen (says) : G_MAXSIZE);
        for (gsize cut = 0; cut < strlen (values[i].value); cut++)
            g_free (decode (values[i].value, cut, &size));
    }
    g_assert_null (decode ("a\0b", 3, &(gsize){0}));
}

/* Each name, alone and with what may follow it. */
static void
test_names (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (html_entity_starts); i++) {
        const char *name = html_entities + html_entity_starts[i];
        const char *means = name + strlen (name) + 1;
        const bool closed = g_str_has_suffix (name, ";");
        g_autofree char *alone = g_strconcat ("&", name, NULL);
        g_autofree char *followed = g_strconcat ("&", name, "=", NULL);
        g_autofree char *meant = g_strconcat (means, "=", NULL);
        gsize size;
        g_autofree char *says = decode (alone, strlen (alone), &size);
        g_autofree char *says_followed = decode (followed, strlen (followed), &size);

        g_assert_cmpstr (says, ==, means);
        g_assert_cmpstr (says_followed, ==, closed ? meant : followed);
    }
    g_assert_cmpuint (G_N_ELEMENTS (html_entity_starts), ==, 2231);
}

static void
test_append (void)
{
    static const struct {
        const char *bytes;
        guint8 quote;
        const char *value;
    } values[] = {
        {"", '"', ""},
        {"", 0, ""},
        {"http://x/?a=1&b=2#c", '"', "http://x/?a=1&amp;b=2#c"},
        {"http://x/?a=1&b=2#c", '\'', "http://x/?a=1&amp;b=2#c"},
        {"http://x/?a=1&b=2#c", 0, "http://x/?a&#61;1&amp;b&#61;2#c"},
        {"&amp;", '"', "&amp;amp;"},
        {"\"'", '"', "&#34;'"},
        {"\"'", '\'', "\"&#39;"},
        {"\"'=` \t\f", 0, "&#34;&#39;&#61;&#96;&#32;&#9;&#12;"},
        {"=` \t", '"', "=` \t"},
        {"<>", '"', "&#60;&#62;"},
        {"\r\n", '\'', "&#13;&#10;"},
        {"a---b", 0, "a-&#45;&#45;b"},
        {"-->", '"', "--&#62;"},
        {"gr\u00fcn", 0, "gr\u00fcn"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
        g_autoptr (GString) out = g_string_new (NULL);

        relais_html_append_value (out, values[i].bytes, strlen (values[i].bytes), values[i].quote);
        g_assert_cmpstr (out->str, ==, values[i].value);
    }
}

/* In a tag, and in a conditional comment. */
static void
check_read_back (const char *bytes, gsize size, guint8 quote)
{
    g_autoptr (GString) text = g_string_new ("<!--[if mso]><a href=");
    g_autofree char *says = NULL;
    const RelaisHtmlLink *link;
    RelaisHtmlSpans spans;
    gsize n;

    if (quote != 0)
        g_string_append_c (text, (char)quote);
    relais_html_append_value (text, bytes, size, quote);
    if (quote != 0)
        g_string_append_c (text, (char)quote);
    g_string_append (text, "><![endif]-->");
    relais_html_scan ((const guint8 *)text->str, text->len, &spans);
    g_assert_false (spans.doubtful);
    g_assert_cmpuint (spans.links->len, ==, 1);
    link = &g_array_index (spans.links, RelaisHtmlLink, 0);
    says = relais_html_decode_value ((const guint8 *)text->str + link->offset, link->size, &n);
    g_assert_cmpuint (n, ==, size);
    g_assert_true (says != NULL && memcmp (says, bytes, size) == 0);
    relais_html_spans_clear (&spans);
}

static void
test_read_back (void)
{
    enum { SIZE = 24, ROUNDS = 20000 };
    static const char telling[] = "&&;#x36ampgtlt-->!\"'=` \t\r\n\f</>[]";
    static const guint8 quotes[] = {'"', '\'', 0};
    char bytes[SIZE];

    for (guint round = 0; round < ROUNDS; round++) {
        const gsize size = (gsize)g_test_rand_int_range (1, SIZE);

        for (gsize i = 0; i < size; i++)
            bytes[i] = g_test_rand_bit ()
                           ? telling[g_test_rand_int_range (0, (gint32)sizeof telling - 1)]
                           : (char)g_test_rand_int_range (1, 256);
        for (guint i = 0; i < G_N_ELEMENTS (quotes); i++)
            check_read_back (bytes, size, quotes[i]);
    }
}

/* --- Work --------------------------------------------------------------------------------------- */

static guint64
steps_of (const char *before, const char *again, gsize again_size, const char *behind, gsize size)
{
    g_autoptr (GString) text = g_string_new (before);
    RelaisHtmlSpans spans;
    guint64 steps;

    while (text->len < size)
        g_string_append_len (text, again, (gssize)again_size);
    g_string_append (text, behind);
    relais_html_scan ((const guint8 *)text->str, text->len, &spans);
    check_spans ((const guint8 *)text->str, text->len, &spans);
    steps = spans.steps;
    relais_html_spans_clear (&spans);
    return steps;
}

static void
test_linear (void)
{
    enum { SIZE = 100000 };
    static const struct {
        const char *before, *again, *behind;
    } texts[] = {
        {"", "x", ""},
        {"", "<", ""},
        {"", "</", ""},
        {"", "<!--", ""},
        {"<!--", "<!-", "-"},
        {"<!--", "-", "x"},
        {"<!--", ">", ""},
        {"", "<!-->", ""},
        {"", "<!", ""},
        {"", "<?>", ""},
        {"<a ", "\"", ""},
        {"<a ", "b='\"' ", ">"},
        {"", "<a href=\"", ""},
        {"", "<a href='\">\"", ""},
        {"", "<div>", ""},
        {"", "<b><i>", "</b>"},
        {"", "<a href=x>", ""},
        {"<style>", "</style", ""},
        {"<style>", "<", "</style>"},
        {"", "<style></styl", ""},
        {"", "<title>", ""},
        {"<a", " b", ">"},
        {"<a", " href=x", ">"},
        {"<a", "=", ">"},
        {"<a", "/", ">"},
        {"<a ", " ", ">"},
        {"<a href=", "x", ">"},
        {"<a href=\"", "&amp", "\">"},
        {"<a href=\"", "x", ""},
        {"<", "a", ""},
        {"<script>", "<!--<script>", ""},
        {"<script>", "<!--<script></script>-->", ""},
        {"<script><!--", "<script", ""},
        {"<script>", "</scrip", "</script>"},
        {"", "<!--[if mso]>", ""},
        {"", "<!--[if mso]><a href=x><![endif]-->", ""},
        {"", "<!--[if x]><!---->", ""},
        {"<!--[if mso", "<!--[if mso", "-->"},
        {"<!--[if mso]>", "<!--[if mso]>", "-->"},
        {"<!--[if mso]>", "<", "-->"},
        {"<!--[if mso]>", "<a href=x>", "-->"},
        {"<!--[if mso]><!", "-", "x-->"},
        {"<!--[if mso]>", "<!", "-->"},
        {"<!--[if mso]><style>", "</style", "-->"},
        {"<!--[if mso]><script><!--", "<script ", "-->"},
        {"", "<svg>", ""},
        {"<svg>", "<style><</style>", ""},
        {"", "&", ""},
        {"<plaintext>", "<a href=x>", ""},
    };
    static const char nuls[4] = "<a\0";

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        const gsize n = strlen (texts[i].again);
        const guint64 once = steps_of (texts[i].before, texts[i].again, n, texts[i].behind, SIZE);
        const guint64 twice =
            steps_of (texts[i].before, texts[i].again, n, texts[i].behind, 2 * SIZE);

        if (once < SIZE || twice * 10 > once * 23)
            g_error ("'%s' again and again: %" G_GUINT64_FORMAT " steps, then %" G_GUINT64_FORMAT,
                     texts[i].again, once, twice);
    }
    g_assert_cmpuint (steps_of ("", nuls, sizeof nuls, "", 2 * SIZE) * 10, <=,
                      steps_of ("", nuls, sizeof nuls, "", SIZE) * 23);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/message/html/attributes", test_attributes);
    g_test_add_func ("/message/html/tags", test_tags);
    g_test_add_func ("/message/html/comments", test_comments);
    g_test_add_func ("/message/html/conditional", test_conditional);
    g_test_add_func ("/message/html/raw-text", test_raw_text);
    g_test_add_func ("/message/html/script", test_script);
    g_test_add_func ("/message/html/body-end", test_body_end);
    g_test_add_func ("/message/html/nul", test_nul);
    g_test_add_func ("/message/html/decode", test_decode);
    g_test_add_func ("/message/html/names", test_names);
    g_test_add_func ("/message/html/append", test_append);
    g_test_add_func ("/message/html/read-back", test_read_back);
    g_test_add_func ("/message/html/linear", test_linear);
    return g_test_run ();
}
