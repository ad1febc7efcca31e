/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the core itself does to a message between REWRITE and SEAL, so that it can go to this peer:
 * quoted-printable for a peer without 8BITMIME or for lines over 998 octets, folding of header lines
 * over 998. Worker threads (may read bodies).
 */
#pragma once

#include "message/rope-private.h"

typedef struct {
    bool eight_bit_allowed; /* the peer has 8BITMIME */
    bool pass_long_lines;   /* of sealed parts, instead of the bounce */
} RelaisTransportLimits;

typedef enum {
    RELAIS_TRANSPORT_AS_IS,   /* nothing was to do: `*out` is the rope itself, with a reference */
    RELAIS_TRANSPORT_CHANGED, /* `*out` is a new rope */
    RELAIS_TRANSPORT_REFUSED, /* 5.6.3: a sealed part would have to change */
    RELAIS_TRANSPORT_ERROR    /* the body could not be read: `error` */
} RelaisTransportResult;

/* `facts` are what is known of the rope (longest_line, eight_bit, eight_bit_header), so that the common case costs
 * nothing; NULL: the rope is looked through. `*eight_bit`, for AS_IS and CHANGED, tells whether what goes out
 * holds octets above 127 (BODY=8BITMIME); those of headers are left as they are, whatever the peer takes. */
RelaisTransportResult relais_outgoing_fit (RelaisRope *rope, const RelaisBodyFacts *facts,
                                           const RelaisTransportLimits *limits, RelaisRope **out,
                                           bool *eight_bit, GError **error);
