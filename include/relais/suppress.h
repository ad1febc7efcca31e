/* SPDX-License-Identifier: MIT
 *
 * The suppression list: addresses that get no more mail, and why. Modules report evidence; how much of which class
 * suppresses, where, and for how long, is the administrator's ([suppress CLASS]). An address that is on the list
 * is refused at RCPT, and what is queued for it is not attempted. What is not known for sure to be absent is held back.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

typedef guint32 RelaisSuppressClass;
enum {
    RELAIS_SUPPRESS_NONE = 0,
    RELAIS_SUPPRESS_HARD = 1,        /* there is no such mailbox or domain */
    RELAIS_SUPPRESS_SOFT = 2,        /* the mailbox refuses, and may be dead */
    RELAIS_SUPPRESS_COMPLAINT = 3,   /* its owner called a message of ours spam */
    RELAIS_SUPPRESS_UNSUBSCRIBE = 4, /* its owner wants no more */
    RELAIS_SUPPRESS_MANUAL = 5       /* somebody here put it on the list */
};

/* Evidence against an address. Versioned. Strings are copied, and cut at 512 octets but for the address. */
typedef struct {
    guint32 struct_size;
    RelaisSuppressClass suppress_class; /* not NONE */
    const gchar *address;               /* local@domain; folded by the list */
    const gchar *tenant;                /* whose mail it was; NULL: nobody's */
    const gchar *campaign;              /* NULL: none */
    const gchar *reason;                /* [a-z0-9.-]+ of at most 64 octets; NULL: none */
    const gchar *text;                  /* what was said, raw; NULL: nothing */
    const gchar *id; /* of what it tells: the same id twice counts once. NULL: none */
    gint64 wall_us;  /* when it was; 0: now */
} RelaisEvidence;

typedef guint32 RelaisSuppressResult;
enum {
    RELAIS_SUPPRESS_FAILED = 0,    /* not kept: report it again, or have the peer come again */
    RELAIS_SUPPRESS_COUNTED = 1,   /* on disk; not enough to suppress, or that class never does */
    RELAIS_SUPPRESS_SUPPRESSED = 2 /* on disk, and the address is on the list (or was already) */
};
/* Once for each report, on the loop, from a later turn, when the evidence is on disk. */
typedef void (*RelaisSuppressFunc) (gpointer data, RelaisSuppressResult result);
/* Any thread, between start and stop. `done` may be NULL. Evidence that is not well-formed ends with FAILED. */
RELAIS_API void relais_suppress_report (RelaisModule *module, const RelaisEvidence *evidence,
                                        RelaisSuppressFunc done, gpointer data);

/* 0 is UNKNOWN, so that what nobody filled in never lets mail go. */
typedef guint32 RelaisSuppressAnswer;
enum {
    RELAIS_SUPPRESS_UNKNOWN = 0, /* the list cannot be read now */
    RELAIS_SUPPRESS_ABSENT = 1,
    RELAIS_SUPPRESS_PRESENT = 2
};
/* Whether mail of that tenant and campaign (both nullable) to the address is suppressed. Loop. */
RELAIS_API RelaisSuppressAnswer relais_suppress_check (RelaisModule *module, const gchar *address,
                                                       const gchar *tenant, const gchar *campaign);

/* Static: "hard"; "none" for values that are none. Any thread. */
RELAIS_API const gchar *relais_suppress_class_to_string (RelaisSuppressClass suppress_class);

G_END_DECLS
