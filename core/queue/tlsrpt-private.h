/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSRPT (RFC 8460): sessions are counted as they are opened or fail, and once a day each domain that asks for it
 * is sent what was counted, by mail through the queue or by HTTPS. Loop thread.
 */
#pragma once

#include "queue/connection-private.h"
#include "queue/tally-private.h"

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
    const char *path;         /* of the file that counts are kept in */
    const char *contact;      /* an address: From of the reports; NULL: nobody counts yet */
    const char *organization; /* for people */
    const char *hostname;
} RelaisTlsrptOptions;

/* Reads the file; what cannot be read is warned of and passed over. May block. */
RelaisTlsrpt *relais_tlsrpt_new (const RelaisTlsrptOptions *options);
/* Whose reports they are from now on; `organization` NULL: the hostname. Without a contact it is to have no queue. */
void relais_tlsrpt_use (RelaisTlsrpt *tlsrpt, const char *contact, const char *organization);
/* Ends what is under way; sends nothing any more. When the queue has gone, before resolver and fetcher do. */
void relais_tlsrpt_stop (RelaisTlsrpt *tlsrpt);
/* Writes what is not written. Pool and spool must be gone. May block. NULL ok. */
void relais_tlsrpt_free (RelaisTlsrpt *tlsrpt);
/* The queue that reports go out by; NULL: none, nothing is sent. */
void relais_tlsrpt_set_queue (RelaisTlsrpt *tlsrpt, RelaisQueue *queue);

void relais_tlsrpt_count (RelaisTlsrpt *tlsrpt, RelaisTallyNote *note);
const RelaisTally *relais_tlsrpt_tally (const RelaisTlsrpt *tlsrpt);

/* --- tlsrpt-count.c: what is counted. All of them do nothing where nobody counts. --- */
/* EHLO is done. */
void relais_tlsrpt_opened (const RelaisConnection *connection, RelaisSmtpClient *client);
/* It did not come so far. */
void relais_tlsrpt_failed (const RelaisConnection *connection, RelaisSmtpClient *client,
                           const RelaisSmtpFailure *failure);
/* The host has no place in the domain's policy. */
void relais_tlsrpt_refused (const RelaisConnection *connection);
/* What was looked up of the domain. */
void relais_tlsrpt_looked_up (RelaisQueue *queue, const char *domain, const RelaisMailRoute *mail,
                              RelaisStsTrouble trouble, const char *text);

/* `tls reports`. */
void relais_queue_command_tls_reports (RelaisCommandCall *call, gpointer queue);
