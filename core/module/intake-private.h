/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modules ask of the queue beside hooks: that it takes a message of theirs, and what has become of one. The
 * queue hands in its functions; whatever was asked is answered once, on the loop. Loop thread.
 */
#pragma once

#include "module/host-private.h"

#include <relais/fetch.h>
#include <relais/queued.h>
#include <relais/submit.h>

/* --- Messages that modules submit. */
typedef struct RelaisSubmission RelaisSubmission;
const char *relais_submission_get_module (const RelaisSubmission *submission);
/* What was asked for; its strings are copies. */
const RelaisSubmitInfo *relais_submission_get_info (const RelaisSubmission *submission);
/* Tells the module, and frees it. `text` says what is wrong, NULL with OK; the id counts with OK alone. */
void relais_submission_end (RelaisSubmission *submission, RelaisSubmitOutcome outcome, guint64 id,
                            const char *text);

/* --- Messages that are asked about. */
typedef struct RelaisInquiry RelaisInquiry;
guint64 relais_inquiry_get_id (const RelaisInquiry *inquiry);
/* What is known of a message that is queued; counted by nobody: handed over with relais_inquiry_end (). */
RelaisQueued *relais_queued_new (RelaisMessage *message);
/* `reply` is copied; nullable. */
void relais_queued_set (RelaisQueued *queued, guint n, RelaisQueuedState state, guint attempts,
                        gint64 next_us, const char *reply);
void relais_queued_free (RelaisQueued *queued);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisQueued, relais_queued_free)
/* Tells the module, and frees it. Takes `queued`, which is NULL where there is no such message, or with `error`. */
void relais_inquiry_end (RelaisInquiry *inquiry, RelaisQueued *queued, const char *error);

typedef struct {
    /* Both are called from a turn of their own, and may end what they are given at once. */
    void (*submit) (gpointer data, RelaisSubmission *submission);
    void (*inquire) (gpointer data, RelaisInquiry *inquiry);
} RelaisIntake;
/* Borrowed; NULL when the queue goes. */
void relais_host_set_intake (RelaisHost *host, const RelaisIntake *intake, gpointer data);

/* What is wrong with what was submitted, as far as it can be said without the configuration: NULL if nothing
 * is. Pure; owned. */
char *relais_submit_info_problem (const RelaisSubmitInfo *info, guint64 max_recipients,
                                  guint64 max_bytes);

/* True where the harness answers in place of the HTTP client; then with the number of the fetch, and with
 * whether it is cancelled. Any thread. */
bool relais_module_fetch_from_test (RelaisModule *module, const RelaisFetchInfo *info,
                                    RelaisFetchFunc done, gpointer data, guint64 *number);
bool relais_module_cancel_in_test (RelaisModule *module, guint64 fetch, gboolean *cancelled);
