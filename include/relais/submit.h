/* SPDX-License-Identifier: MIT
 *
 * Submitting: a message of the module's own into the queue, as a program would by SMTP, but for the right to do so: a
 * module may send to anybody. It is checked like submitted mail (addresses, header, size, lines, and the domains of
 * its tenant), given a Received field and what its header lacks, and goes out like all other mail: rewrite and seal
 * see it, the suppression list holds. The hooks before the queue (connect to message) do not. What a module sends
 * because of mail it saw should be marked Auto-Submitted, and not answer what is so marked.
 */
#pragma once

#include <relais/message.h>

G_BEGIN_DECLS

enum { RELAIS_SUBMISSIONS = 1000 /* of all modules, that were not told of yet */ };

typedef guint32 RelaisSubmitOutcome;
enum {
    RELAIS_SUBMIT_OK = 0, /* it is on disk, and will be delivered or returned */
    RELAIS_SUBMIT_REFUSED =
        1, /* there is something wrong with it; the same again will be refused, too */
    RELAIS_SUBMIT_FULL = 2,  /* no room on the disk, or in memory, now: nothing was kept */
    RELAIS_SUBMIT_FAILED = 3 /* the disk failed, or the daemon stops: nothing was kept */
};

/* Versioned; everything is copied, the message counted. */
typedef struct {
    guint32 struct_size;
    RelaisMessageClass message_class;
    const gchar *sender;            /* of the envelope; "" is <>, of which no bounce comes back */
    const gchar *const *recipients; /* NULL-terminated; 1 to [limits] recipients of them */
    GBytes *message; /* header and body, CRLF line ends; at most [limits] message_size */
    const gchar
        *tenant; /* a [tenant NAME], which must own the domains of sender and From; NULL: none */
    const gchar *campaign; /* NULL: what X-Relais-Campaign says, if it is there */
} RelaisSubmitInfo;

/* Borrowed for the call; fields may be added at the end. */
typedef struct {
    guint32 struct_size;
    RelaisSubmitOutcome outcome;
    const gchar *queue_id; /* 13 characters; NULL unless OK */
    const gchar *text;     /* one line of English: what is wrong, for a log; "" with OK */
} RelaisSubmitResult;

/* Once, on the loop, from a later turn, when the message is synced or will not be. */
typedef void (*RelaisSubmitFunc) (const RelaisSubmitResult *result, gpointer data);

/* Submits. Any thread, from the module's start to its stop. FALSE, and `done` (nullable) is not called: too many wait
 * (RELAIS_SUBMISSIONS), or `info` is not of this Relais. */
RELAIS_API gboolean relais_submit (RelaisModule *module, const RelaisSubmitInfo *info,
                                   RelaisSubmitFunc done, gpointer data);

G_END_DECLS
