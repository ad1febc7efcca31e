/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The milter protocol's octets, version 6 (Sendmail's libmilter, mfdef.h and docs of smfi_...). A packet is
 * its size in four octets, most significant first, then a letter and what belongs to it. Pure and bounded;
 * any thread. What a milter sends is not trusted.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    MILTER_VERSION = 6,
    MILTER_DATA_VERSION = 4, /* the first that has DATA (SMFIC_DATA) */
    MILTER_LENGTH_BYTES = 4,
    MILTER_PACKET_BYTES =
        65536,                 /* of a milter, letter included: what one read of a channel gives */
    MILTER_DATA_BYTES = 65535, /* to a milter, behind the letter: libmilter hangs up on more */
    MILTER_CHUNK_BYTES = MILTER_DATA_BYTES, /* of a body, that a milter takes at once */
    MILTER_TEXT_BYTES = 400                 /* of a reply that is passed on */
};

/* What a milter may ask for (SMFIF_). */
enum {
    MILTER_ADD_HEADERS = 0x01,
    MILTER_CHANGE_HEADERS = 0x10,
    MILTER_QUARANTINE = 0x20,
    MILTER_OFFERED_ACTIONS = 0x31
};

/* Which steps it does without, and which it does not answer (SMFIP_). */
enum {
    MILTER_NO_CONNECT = 0x1,
    MILTER_NO_HELO = 0x2,
    MILTER_NO_MAIL = 0x4,
    MILTER_NO_RCPT = 0x8,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADERS = 0x20,
    MILTER_NO_EOH = 0x40,
    MILTER_NR_HEADER = 0x80,
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_NO_DATA = 0x200,
    MILTER_SKIP = 0x400,
    MILTER_NR_CONNECT = 0x1000,
    MILTER_NR_HELO = 0x2000,
    MILTER_NR_MAIL = 0x4000,
    MILTER_NR_RCPT = 0x8000,
    MILTER_NR_DATA = 0x10000,
    MILTER_NR_UNKNOWN = 0x20000,
    MILTER_NR_EOH = 0x40000,
    MILTER_NR_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000,
    /* All but being shown recipients that were refused. Some (rspamd) do without every answer but the last,
     * asked or not. */
    MILTER_OFFERED_STEPS = 0x1ff7ff
};

typedef enum {
    MILTER_ADD_RECIPIENT = '+',
    MILTER_DELETE_RECIPIENT = '-',
    MILTER_ADD_RECIPIENT_ARGS = '2',
    MILTER_SHUTDOWN = '4',
    MILTER_NEGOTIATED = 'O',
    MILTER_ACCEPT = 'a',
    MILTER_REPLACE_BODY = 'b',
    MILTER_CONTINUE = 'c',
    MILTER_DISCARD = 'd',
    MILTER_CHANGE_FROM = 'e',
    MILTER_CONNECTION_FAILED = 'f',
    MILTER_ADD_HEADER = 'h',
    MILTER_INSERT_HEADER = 'i',
    MILTER_CHANGE_HEADER = 'm',
    MILTER_PROGRESS = 'p',
    MILTER_HOLD = 'q',
    MILTER_REJECT = 'r',
    MILTER_SKIP_BODY = 's',
    MILTER_TEMPFAIL = 't',
    MILTER_REPLY_CODE = 'y'
} MilterReplyKind;

/* A packet of a milter, read. The strings end with NUL and lie in the packet. */
typedef struct {
    MilterReplyKind kind;
    guint32 version, actions, steps; /* NEGOTIATED */
    guint32 index;                   /* INSERT_HEADER, CHANGE_HEADER */
    const char *name, *value;        /* of a header field; HOLD: value is the reason */
    guint32 code;                    /* REPLY_CODE: 400 to 599 */
    char *enhanced;                  /* nullable */
    char *text;                      /* one line of printable octets, of MILTER_TEXT_BYTES */
} MilterReply;

/* Size of the packet that follows these MILTER_LENGTH_BYTES; 0 if it is none, or larger than may be. */
gsize milter_length_parse (const guint8 *bytes);
/* Reads a packet, which has a NUL behind its `size` octets. FALSE, and nothing is to be freed, if it is not
 * one of the protocol; reply texts may have any octets, and are made fit to be passed on. */
bool milter_reply_parse (const char *packet, gsize size, MilterReply *reply);
void milter_reply_clear (MilterReply *reply);

/* --- What is sent: packets one behind the other in one array. */
/* Begins a packet; returns where, for milter_packet_end (). */
guint milter_packet_begin (GByteArray *out, char letter);
void milter_packet_put_string (GByteArray *out, const char *text);
void milter_packet_put_number (GByteArray *out, guint32 number);
void milter_packet_end (GByteArray *out, guint begin);
/* A packet with nothing but its letter. */
void milter_packet_put (GByteArray *out, char letter);
/* SMFIC_CONNECT; an address that is neither IPv4 nor IPv6 is told as an unknown one. `name` NULL: it has
 * none that is known to be its own. */
void
milter_packet_put_connect (GByteArray *out, const char *name, const char *address, guint16 port);
/* SMFIC_HEADER: the raw value as it stands in the message; folds as LF, the blank in front only where wanted. False if
 * it was cut to MILTER_DATA_BYTES: libmilter (mi_rd_cmd) gives up the session on more unless another size was agreed on
 * (SMFIP_MDS_, which is not offered), and the protocol knows no header in pieces. */
bool milter_packet_put_header (GByteArray *out, const char *name, gsize name_size,
                               const char *value, gsize value_size, bool leading_space);
