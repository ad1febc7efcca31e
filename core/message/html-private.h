/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTML spans: where links stand in a decoded text, and where the body ends. A tokenizer after HTML
 * (WHATWG, 13.2.5) that keeps nothing but spans: no tree, no copy; linear. What stands inside a
 * conditional comment ("<!--[if mso]>...<![endif]-->") is looked through as well, once. Pure; any
 * thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    RELAIS_HTML_A,
    RELAIS_HTML_AREA,
    RELAIS_HTML_VML /* an element "v:...", as Outlook's buttons are made of */
} RelaisHtmlElement;

/* The value of the first href of a start tag, without its quotes. Where the first has no value ("<a
 * href>"), there is no link: nothing can be put in its place. */
typedef struct {
    gsize offset, size; /* octets of the text */
    guint8 element;     /* RelaisHtmlElement */
    guint8 quote;       /* '"', '\'', or 0: unquoted, then it is not empty */
    bool in_comment;    /* of a conditional comment */
    bool no_track;      /* the tag has an attribute data-no-track */
} RelaisHtmlLink;

typedef struct {
    GArray *links;  /* RelaisHtmlLink, ascending */
    gsize body_end; /* of the last "</body" that is an end tag; the text's size if there is none */
    bool has_body_end;
    /* Readers may differ on where tags are: a raw text element inside svg or math whose text may
     * hold tags, or a "<![CDATA[" there; plaintext; a tag, comment or raw text that is not closed at
     * the end, be it the end of a conditional comment; NUL. */
    bool doubtful;
    guint64 steps; /* octets looked at, as a measure of the work done; at most 4 an octet */
} RelaisHtmlSpans;

/* Sets all of `spans`, whatever was there. */
void relais_html_scan (const guint8 *text, gsize size, RelaisHtmlSpans *spans);
void relais_html_spans_clear (RelaisHtmlSpans *spans);

/* What an attribute's value says: character references decoded exactly once (WHATWG 13.2.5.72 and
 * on, with what holds for attributes: "&copy=1" and "&copya" stay). References become UTF-8, all
 * other octets stay. Returns a new string, not text that ends with a NUL: `*out_size` octets, and a
 * NUL behind. NULL when the value holds what no URL may, itself or as a reference: U+0000, a
 * surrogate, beyond U+10FFFF. */
char *relais_html_decode_value (const guint8 *value, gsize size, gsize *out_size);

/* Appends octets, none of them NUL, as they must stand in an attribute's value that is quoted so:
 * '"', '\'', or 0. Decoded again they are the same. '<', '>' and line ends become references too, so
 * that the value can stand in a conditional comment and changes no lines. An unquoted value cannot be
 * empty. */
void relais_html_append_value (GString *out, const char *bytes, gsize size, guint8 quote);
