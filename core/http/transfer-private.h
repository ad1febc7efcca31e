/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One request to one address, as libcurl makes it: options, the answer as it comes in, what an error
 * of libcurl's means. Loop thread only.
 */
#pragma once

#include "http/curl-private.h"
#include "http/fetch-url-private.h"

#include <relais/fetch.h>

enum { RELAIS_FETCH_ANSWER_HEADER_BYTES = 64 * 1024 };

typedef struct {
    const RelaisFetchUrl *url; /* borrowed */
    const char *method;
    const char *const *headers; /* or NULL */
    GBytes *body;               /* or NULL */
    guint64 max_bytes;
    bool fresh;
    gint64 connect_us; /* time for connect and handshake */
} RelaisTransferRequest;

typedef struct {
    RelaisFetchOutcome outcome;
    RelaisFetchStep reached;
    guint status;
    char **headers;
    GBytes *body;
    char *text; /* NULL with OK */
    gint64 certificate_expires_us;
} RelaisTransferAnswer;
void relais_transfer_answer_clear (RelaisTransferAnswer *answer);

typedef struct RelaisTransfer RelaisTransfer;

/* Begins; `data` is what RelaisCurlFunc gets once libcurl is done. The request must live until the
 * transfer is freed. NULL if libcurl refuses. */
RelaisTransfer *relais_transfer_new (RelaisCurl *curl, const RelaisTransferRequest *request,
                                     const struct sockaddr_storage *address, gpointer data);
/* What came, once it is done with `code`. The answer's fields are the caller's. */
void relais_transfer_take (RelaisTransfer *transfer, CURLcode code, RelaisTransferAnswer *answer);
/* How far it is. */
RelaisFetchStep relais_transfer_reached (const RelaisTransfer *transfer);
/* Ends it if it is under way. Accepts NULL. */
void relais_transfer_free (RelaisTransfer *transfer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RelaisTransferAnswer, relais_transfer_answer_clear)
