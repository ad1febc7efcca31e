/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The grammar of commands that the server takes (RFC 5321 section 4.1, RFC 1870, 3030, 3461, 4865,
 * 4954, 6152, 6531). Pure and bounded: bytes in, values or a refusing reply out. Any thread.
 */
#pragma once

#include "message/message-private.h"

/* What the server says. `enhanced` is NULL where RFC 2034 wants none (greeting, HELO, 3xx). */
typedef struct {
    guint16 code;
    const char *enhanced;
    const char *text;
} RelaisServerReply;

typedef enum {
    RELAIS_LINE_MORE,     /* not whole yet */
    RELAIS_LINE_WHOLE,    /* `*line_size` octets, CRLF included */
    RELAIS_LINE_TOO_LONG, /* over the limit */
    RELAIS_LINE_BARE      /* a CR or LF alone stands in it */
} RelaisLineStatus;
/* Looks for one line at the start of the bytes; `limit` counts its CRLF. */
RelaisLineStatus
relais_command_find_line (const guint8 *bytes, gsize size, gsize limit, gsize *line_size);

/* Splits a line (without CRLF) into a verb and what follows the blanks after it, trailing blanks
 * left out. False if the line holds control characters. */
typedef struct {
    const char *verb;
    gsize verb_size;
    const char *args;
    gsize args_size;
} RelaisCommandLine;
bool relais_command_split (const char *line, gsize size, RelaisCommandLine *command);

/* MAIL FROM and RCPT TO with their parameters. Zero-initialise; cleared with
 * relais_path_command_clear (). */
typedef struct {
    char *address; /* "" for <>, "postmaster" for <postmaster> */
    guint64 size;
    char *envid;
    char *release; /* FUTURERELEASE, as in message/release-private.h */
    RelaisRet ret;
    guint8 notify;
    char *orcpt; /* ASCII: one that came in UTF-8 is in the form of utf-8-addr-xtext (RFC 6533) */
    bool smtputf8;
    guint seen; /* parameters that were given, one bit each */
} RelaisPathCommand;
void relais_path_command_clear (RelaisPathCommand *command);
/* `args` is what follows the verb: "FROM:<...> SIZE=1". NULL if it is well-formed. */
const RelaisServerReply *
relais_command_parse_mail (const char *args, gsize size, RelaisPathCommand *command);
/* `smtputf8`: MAIL had that parameter, without which nothing beyond ASCII is taken (553 5.6.7). */
const RelaisServerReply *
relais_command_parse_rcpt (const char *args, gsize size, bool smtputf8, RelaisPathCommand *command);

/* What follows BDAT: "1000" or "1000 LAST" (RFC 3030 section 2). False if it is something else, or a
 * number that nobody could mean; then nobody knows where the next command begins. */
bool relais_command_parse_bdat (const char *args, gsize size, guint64 *chunk_bytes, bool *last);

/* The name after HELO or EHLO: a domain, an address literal, or near enough to one to be written
 * into a header (letters, digits, "-._:[]"); at most 255 octets. */
bool relais_command_is_helo_name (const char *text, gsize size);
/* RFC 3461 section 4: xtext whose decoded octets are printable ASCII. */
bool relais_command_is_xtext (const char *text, gsize size);
char *relais_command_to_xtext (const char *text);
