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
    guint16 enhanced[3]; /* class 2, 4, 5, subject, detail; RFC 3463: up to 999; class 0: none given */
    char *text;         /* all lines joined by a blank, without codes; printable UTF-8, the rest as
                           \xNN; at most RELAIS_REPLY_TEXT_BYTES; NULL only if code is 0 */
} RelaisSmtpReply;

enum {
    RELAIS_REPLY_TEXT_BYTES = 1024,      /* kept of the text */
    RELAIS_REPLY_LINE_BYTES = 8192,      /* one line; longer is a protocol error */
    RELAIS_REPLY_TOTAL_BYTES = 64 * 1024 /* all lines of one reply */
};

/* Both take a reply that is zeroed or holds one before. */
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

/* Feeds bytes; `*used` is how many were taken (the rest belongs to the next call). `reply`, zeroed
 * or holding an earlier reply, is written on DONE alone. */
RelaisReplyStatus relais_reply_parse (RelaisReplyParser *parser, const guint8 *bytes, gsize size,
                                      gsize *used, RelaisSmtpReply *reply);
/* Text of the line that LINE or DONE just read, raw, without code and line end; NUL-terminated. */
const char *relais_reply_parser_line (const RelaisReplyParser *parser);
/* A lone LF ends a line too, as some hosts send it: what a peer says is its own affair, and two
 * readers of one reply do not exist. Strict refuses it: where bytes change their meaning (STARTTLS)
 * nothing may be taken two ways. */
void relais_reply_parser_set_strict (RelaisReplyParser *parser, bool strict);
/* True when no part of a reply has been read since the last whole one. */
bool relais_reply_parser_is_empty (const RelaisReplyParser *parser);
/* What was wrong, after BROKEN. */
const char *relais_reply_parser_problem (const RelaisReplyParser *parser);
