/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the module and the program around libspf2 say to each other: a request is a check and all answers of DNS
 * that are known so far; a reply is a verdict, or the questions that it needs answers to first. No state is kept
 * between them. Pure; both sides.
 */
#pragma once

#include "spf.h"

enum {
    SPF_WIRE_ANSWERS = 256,  /* in a request */
    SPF_WIRE_RECORDS = 200,  /* of an answer */
    SPF_WIRE_QUESTIONS = 16, /* in a reply */
    SPF_WIRE_TEXT = 70000    /* octets of a name or a record */
};

typedef struct {
    char *name;
    SpfDnsType type;
    SpfDnsOutcome outcome;
    GPtrArray *records; /* GBytes */
} SpfWireAnswer;
SpfWireAnswer *spf_wire_answer_new (const char *name, SpfDnsType type, const SpfAnswer *answer);
void spf_wire_answer_free (gpointer answer);

typedef struct {
    char *ip, *sender, *helo;
    GPtrArray *answers; /* SpfWireAnswer */
} SpfWireRequest;

typedef struct {
    SpfResult result;
    char *problem;        /* in the library's words, or NULL */
    GPtrArray *questions; /* SpfWireAnswer without an answer; not empty: there is no verdict yet */
} SpfWireReply;

GBytes *spf_wire_pack_request (const SpfWireRequest *request);
GBytes *spf_wire_pack_reply (const SpfWireReply *reply);
/* False for what is out of form. To be cleared either way. */
bool spf_wire_unpack_request (GBytes *bytes, SpfWireRequest *request);
bool spf_wire_unpack_reply (GBytes *bytes, SpfWireReply *reply);
void spf_wire_request_clear (SpfWireRequest *request);
void spf_wire_reply_clear (SpfWireReply *reply);
/* What is known of a question; NULL if nothing is. */
const SpfWireAnswer *spf_wire_find (const GPtrArray *answers, const char *name, SpfDnsType type);
