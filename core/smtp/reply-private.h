/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An SMTP reply and the bounded, resumable parser for replies of a peer (RFC 5321 section 4.2,
 * RFC 2034). Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    guint16 code;       /* 200..599; 0: no reply */
    guint8 enhanced[3]; /* class 2, 4, 5, subject, detail; class 0: none given */
    char *
        text; /* all lines joined by a blank, escaped to printable UTF-8, without codes; at most RELAIS_REPLY_TEXT_BYTES */
} RelaisSmtpReply;

enum {
    RELAIS_REPLY_TEXT_BYTES = 1024,      /* kept of the text */
    RELAIS_REPLY_LINE_BYTES = 8192,      /* one line; longer is a protocol error */
    RELAIS_REPLY_TOTAL_BYTES = 64 * 1024 /* all lines of one reply */
};

void relais_smtp_reply_clear (RelaisSmtpReply *reply);
void relais_smtp_reply_copy (RelaisSmtpReply *to, const RelaisSmtpReply *from);

typedef struct RelaisReplyParser RelaisReplyParser;
RelaisReplyParser *relais_reply_parser_new (void);
void relais_reply_parser_free (RelaisReplyParser *parser);

typedef enum {
    RELAIS_REPLY_MORE, /* a reply is not complete yet */
    RELAIS_REPLY_LINE, /* one more line of a multi-line reply was read (EHLO keywords): see _line () */
    RELAIS_REPLY_DONE,  /* `reply` holds a whole reply */
    RELAIS_REPLY_BROKEN /* not SMTP, or over a limit: cut the connection */
} RelaisReplyStatus;

/* Feeds bytes; `*used` is how many were taken (the rest belongs to the next call). */
RelaisReplyStatus relais_reply_parse (RelaisReplyParser *parser, const guint8 *bytes, gsize size,
                                      gsize *used, RelaisSmtpReply *reply);
/* Text of the line that LINE or DONE just read, raw, without code and line end; NUL-terminated. */
const char *relais_reply_parser_line (const RelaisReplyParser *parser);
/* What was wrong, after BROKEN. */
const char *relais_reply_parser_problem (const RelaisReplyParser *parser);
