/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The header block: iteration over fields, and what submission does to it (design.md section 4, mail hygiene).
 * Pure, linear, bounded; any thread.
 */
#pragma once

#include "message/message-private.h"

/* One field. Pointers into the block; `value` is raw: from after the colon to before the final CRLF,
 * folding included. `offset` and `size` cover the whole field with its CRLF. */
typedef struct {
    const char *name;
    gsize name_size;
    const char *value;
    gsize value_size;
    gsize offset, size;
} RelaisField;

/* Steps through a header block (with or without its empty line). `*position` starts at 0. False at
 * the end. A line that is no field (no colon, blank in the name) ends the header there: it and what
 * follows is content, see relais_header_is_well_formed (). */
bool relais_header_next (const guint8 *block, gsize size, gsize *position, RelaisField *field);
/* The same as readers see it that are less strict: they pass over a line that is no field (its name is empty
 * here, or no name), and let blanks stand before the colon (RFC 5322 section 4.5). To the end of the
 * block; the value may have its CRLF. */
bool
relais_header_next_lenient (const guint8 *block, gsize size, gsize *position, RelaisField *field);
bool relais_header_is_well_formed (const guint8 *block, gsize size);
/* How many fields these lines are: whole ones (each line with CRLF, at most 998 octets, without NUL or CR
 * inside), folds allowed. 0 if they are anything else. */
guint relais_header_count_fields (const char *bytes, gsize size);
bool relais_field_is (const RelaisField *field, const char *name);
/* Value unfolded (CRLF before white space removed), trimmed. Owned. */
char *relais_field_unfold (const RelaisField *field);
/* First field of that name; false if none. */
bool relais_header_find (const guint8 *block, gsize size, const char *name, RelaisField *field);
/* Addresses of a From, Sender, ... value (RFC 5322 section 3.4: groups, comments, quoted strings, display
 * names): appends each as by relais_address_parse () to `to` (char *). False if the value is not a
 * well-formed list of at most `limit` mailboxes. */
bool relais_header_parse_mailboxes (const char *value, gsize size, guint limit, GPtrArray *to);
/* The address of a From value that names exactly one author and no group; else false. */
bool relais_header_parse_author (const char *value, gsize size, char **address);

/* What is wrong with a submitted header, as a reply. */
typedef struct {
    guint16 code;
    const char *enhanced;
    char *text;
} RelaisHeaderRefusal;

typedef struct {
    bool submission; /* not inbound mail: missing fields may be added */
    guint missing;   /* ENUM of listener.missing_headers: 0 fix, 1 reject, 2 pass */
    guint duplicate; /* ENUM of listener.duplicate_headers: 0 reject, 1 pass */
    guint max_hops, max_fields;
    const char *hostname;      /* ours: for Received and Message-ID */
    const char *authserv_id;   /* ours: Authentication-Results under it are cut; NULL: none is */
    const char *received_with; /* "ESMTP", "ESMTPSA", ... */
    const char
        *client_name_and_address; /* text for "from HELO (...)"; hostile parts already escaped */
    const char *tls;              /* "TLSv1.3 with cipher X" or NULL */
    gint64 wall_us;
    const char *author;      /* of submitted mail without From: whose is added; NULL: none is */
    const char *author_name; /* its display name, or NULL */
} RelaisHygieneOptions;

/* Looks through the header of `message` (envelope filled in, `block` the header as it came) and sets overlay,
 * message_id, header_from, campaign (X-Relais-Campaign) and, unless `klass_fixed`, klass: Received is added,
 * Bcc, Return-Path, our X-Relais- fields and forged Authentication-Results are cut, Date and Message-ID
 * added, duplicates of single-instance fields refused, hops counted. Of submitted mail every other field
 * X-Relais-NAME becomes the attribute "x-relais.name" (lower case; its value unfolded). True, or false with
 * the refusal. */
bool relais_hygiene_apply (RelaisMessage *message, const guint8 *block, gsize size,
                           const RelaisHygieneOptions *options, bool klass_header_allowed,
                           bool klass_fixed, RelaisHeaderRefusal *refusal);
/* Whether X-Relais-Campaign could say so: 1 to 128 letters, digits, ".", "_", ":" or "-". */
bool relais_campaign_is_valid (const char *text);
void relais_header_refusal_clear (RelaisHeaderRefusal *refusal);
/* RFC 5322 date of a moment, in UTC ("+0000"). */
char *relais_date_to_string (gint64 wall_us);
