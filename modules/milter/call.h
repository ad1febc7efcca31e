/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One call of a hook, suspended while its milters are asked (call.c), and what its parts ask of each other.
 * Loop.
 */
#pragma once

#include "milter.h"

/* Lives as long as somebody refers to it: the session while it is asked for, and a read on the worker. */
struct MilterCall {
    gatomicrefcount refs;
    Milter *self;
    MilterSession *session; /* NULL once it is over */
    const MilterConfig *config;
    RelaisTicket *ticket;
    RelaisHookId hook;
    guint current; /* link */
    char steps[8]; /* commands of this link; the one under way is the first */
    guint step;
    gint64 deadline_us; /* of this link */
    guint n_progress;
    bool skip_body, quarantine;
    /* The message. */
    RelaisOriginal *original;
    GByteArray *header; /* NULL until it was read */
    guint64 header_at, body_at, body_begin;
    GByteArray *edits;
    guint8 *buffer; /* the worker's, while it reads */
    gint64 n_read;
};

MilterCall *milter_call_ref (MilterCall *call);
void milter_call_unref (MilterCall *call);
/* The conversation with the milter that is asked now. */
MilterLink *milter_call_get_link (MilterCall *call);

/* call.c: each of these ends the call, or its part with this milter; nothing of `call` is used after them. */
void milter_call_finish (MilterCall *call, RelaisVerdict verdict);
/* With a reply; a `text` that is NULL or empty stands for one of ours. */
void milter_call_refuse (MilterCall *call, bool permanent, guint32 code, const char *enhanced,
                         const char *text);
/* The milter cannot be asked: as the administrator has it. */
void milter_call_by_failure (MilterCall *call);
/* The same, for the first time: it is told, counted, and the connection is closed. */
void milter_call_fail (MilterCall *call, const char *what);
void milter_call_lost (MilterCall *call, RelaisChannelOutcome outcome);
/* The ticket's end before ours: the client has gone, or its time is over. */
void milter_call_cancel (gpointer call);
void milter_call_leave (MilterCall *call);

/* ask.c: on to the next milter. */
void milter_call_next_link (MilterCall *call);
/* steps.c: does the step under way, `call->steps[call->step]`. */
void milter_call_next_step (MilterCall *call);
/* answers.c: what the milter has for the next octets: as long as the step has, within what it has for the
 * call. */
gint64 milter_call_time_left (MilterCall *call);
/* Waits for an answer to the step under way. */
void milter_call_await (MilterCall *call);
/* message.c: reads the header on a worker, then does the step under way; shows the next piece of the body. */
void milter_call_read_header (MilterCall *call);
void milter_call_send_body (MilterCall *call);
