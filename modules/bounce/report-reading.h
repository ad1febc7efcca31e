/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the report reader share: a report while it is read. For report*.c alone. One thread at a time.
 */
#pragma once

#include "report-mail.h"
#include "report.h"

typedef struct {
    BounceMail *mail;
    BounceReport *report;
    char *subject; /* folded, never NULL */
    char *from;    /* its From, folded; never NULL */
    char *
        text; /* what the parts say that are for people, never NULL; cut where the original begins */
    char *tail;   /* the original behind that, in the same part; NULL: none */
    char *folded; /* `text`, folded */
    /* The last of their kinds; NULL: none. */
    const BouncePart *status, *feedback, *returned;
    bool is_report;    /* it is a multipart/report of deliveries */
    bool is_inner;     /* the report in a report */
    GHashTable *known; /* address in lower case -> its recipient */
} BounceReading;

/* As bounce_report_read (); `*steps` counts the octets that were looked at. */
BounceReport *bounce_report_read_counted (const guint8 *bytes, gsize size, guint64 *steps);

/* Appends one. Takes the address. NULL when there are too many or it is known. */
BounceReportRecipient *bounce_report_add (BounceReading *reading, char *recipient);
BounceReportRecipient *bounce_report_find (const BounceReading *reading, const char *recipient);
/* Sets `diagnostic`, and `code` and `status` where they are told in it and not known yet. */
void bounce_report_set_diagnostic (BounceReportRecipient *recipient, const char *text, gsize size,
                                   bool is_smtp);

/* report-status.c: the fields of RFC 3464, in a part of their own or in a text. How many recipients they tell of. */
guint bounce_status_read (BounceReading *reading, const char *text);

/* report-free.c: recipients and what is said of them in `text`. */
void bounce_free_read (BounceReading *reading);
/* The recipient is the original's, nobody is named. */
void bounce_free_read_unnamed (BounceReading *reading);
/* What `text` says of recipients that are known: the phase, and words where nothing is said yet. */
void bounce_free_complete (BounceReading *reading);
/* Sets the actions that are not known yet. */
void bounce_free_set_actions (BounceReading *reading);

/* report-phase.c: static, a phase as events have it; NULL: it does not say, or several. The text is folded. */
const char *bounce_phase_find (const char *folded);

/* report-kind.c */
/* Where the original begins in a text, `*end` where what stands before it ends; NULL if nowhere. */
const char *bounce_kind_find_original (const char *text, const char **end);
/* Whether a message is a bounce, though there is no part that says so. */
bool bounce_kind_is_bounce (const BounceReading *reading);

/* report-notice.c: Amazon's notices, one JSON object in the text. */
bool bounce_notice_read (BounceReading *reading);

/* report-feedback.c */
bool bounce_feedback_read (BounceReading *reading);

/* Whether a machine answers that a person is absent, or that a letter arrived; `surely`: by what no bounce has. */
bool bounce_kind_is_autoreply (const BounceReading *reading, bool surely);
bool bounce_kind_is_challenge (const BounceReading *reading);

/* report-original.c: what is told of the original. */
void bounce_original_read (BounceReading *reading);
/* The one to whom the original went, as far as its header tells; NULL: nobody or several. Owned. */
char *bounce_original_dup_recipient (BounceReading *reading);

/* report-phrases.c: what reports of many programs and languages say. Texts are folded. */
bool bounce_phrases_subject_fails (const char *subject);
bool bounce_phrases_subject_delays (const char *subject);
bool bounce_phrases_subject_succeeds (const char *subject);
bool
bounce_phrases_subject_answers (const char *subject); /* Re:, Fwd: and what they are elsewhere */
bool bounce_phrases_text_fails (const char *text);
bool bounce_phrases_text_delays (const char *text);
bool bounce_phrases_text_succeeds (const char *text);
/* A line that ends with such a word has the recipient behind it: "Recipient:". */
bool bounce_phrases_is_label (const char *before);
/* The line before the original. */
bool bounce_phrases_is_separator (const char *line);
