/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a message that came back: a delivery status notification (RFC 3464) or the free text of those who write
 * none, a complaint (ARF, RFC 5965), the reply of a machine. Says what it is and, for each recipient that it
 * tells of, what it says; it judges nothing. Pure and bounded; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    BOUNCE_REPORT_OTHER,     /* a letter, for all that can be seen */
    BOUNCE_REPORT_DSN,       /* with a message/delivery-status that could be read */
    BOUNCE_REPORT_FREETEXT,  /* a bounce without one */
    BOUNCE_REPORT_FEEDBACK,  /* ARF: a complaint, unless feedback_type says otherwise */
    BOUNCE_REPORT_AUTOREPLY, /* absence notes, acknowledgements */
    BOUNCE_REPORT_CHALLENGE  /* asks the sender to prove that he is one */
} BounceReportKind;

typedef enum {
    BOUNCE_REPORT_UNKNOWN,
    BOUNCE_REPORT_FAILED,
    BOUNCE_REPORT_DELAYED,
    BOUNCE_REPORT_DELIVERED,
    BOUNCE_REPORT_RELAYED,
    BOUNCE_REPORT_EXPANDED
} BounceReportAction;

/* Strings are UTF-8 without controls, owned by the report; NULL where it says nothing. */
typedef struct {
    char *recipient; /* Final-Recipient, or the address in the text; no type, no brackets */
    char *original;  /* Original-Recipient */
    BounceReportAction action;
    char *status;     /* "5.1.1" */
    char *diagnostic; /* what the remote side said: "550 5.1.1 no such user" without the type */
    guint code;       /* SMTP code in it; 0: none */
    bool is_smtp;     /* the words are a peer's reply and no report writer's own */
    char *remote_mta;
    const char *phase; /* where in the dialogue, as the events have it; NULL: it does not say */
} BounceReportRecipient;

typedef struct {
    BounceReportKind kind;
    char *feedback_type;   /* FEEDBACK: "abuse", "not-spam", in lower case */
    char *reporting_mta;   /* name of it; or of the user agent of FEEDBACK */
    char *from;            /* address of the report's header From */
    GPtrArray *recipients; /* BounceReportRecipient, at most BOUNCE_REPORT_RECIPIENTS */
    /* Of the original, where a part of it came back: of the last message inside. */
    char *message_id; /* with brackets */
    char *trace;      /* value of its field X-Relais-Trace */
    char *
        sender; /* FEEDBACK: Original-Mail-From; or Return-Path of the original; without brackets */
} BounceReport;

enum {
    BOUNCE_REPORT_RECIPIENTS = 1000,
    BOUNCE_REPORT_BYTES = 1024 * 1024 /* of a message that are looked at */
};

/* Never NULL. */
BounceReport *bounce_report_read (const guint8 *bytes, gsize size);
void bounce_report_free (BounceReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BounceReport, bounce_report_free)
/* "dsn", "freetext", "feedback", "autoreply", "challenge", "other". */
const char *bounce_report_kind_to_string (BounceReportKind kind);
/* "failed", "delayed", ...; "unknown". Static. */
const char *bounce_report_action_to_string (BounceReportAction action);
