/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A call under way: what was asked, then what was answered. One object is both the request that a
 * backend sees and the reply that the caller sees. Nothing outside core/store includes it.
 */
#pragma once

#include "store/store-private.h"

typedef struct {
    GMutex mutex;
    GCond ended;
    bool done;
} RelaisStoreWaiter;

typedef struct {
    guint32 key_at, key_size, value_at, value_size; /* in the request's `rows` */
} RelaisStoreRow;

/* Octets within `bytes`; `given` tells what is empty from what is not there. */
typedef struct {
    guint32 at, size;
    bool given;
} RelaisStoreSpan;

struct RelaisStoreRequest {
    gatomicrefcount refs;
    RelaisStore *store;
    GList link; /* in the store's list of what has ended */
    RelaisStoreFunc done;
    gpointer data;
    RelaisStoreWaiter *waiter; /* of a waiting twin; on its stack */
    /* asked */
    RelaisStoreOp op;
    RelaisStoreFlags flags;
    gint64 expires_us, delta;
    guint32 limit;
    guint64 octets;     /* that the call counts for while it is under way */
    guint32 space_size; /* of the namespace and its NUL, before each key */
    RelaisStoreSpan key, value, expected, after;
    /* answered */
    RelaisStoreResult result;
    gint64 number;
    guint8 *found;
    gsize found_size;
    gint64 found_expires_us;
    char *error;
    GArray *row_places; /* RelaisStoreRow */
    GByteArray *rows;
    bool more;
    guint8 bytes[]; /* all that was asked with */
};

RelaisStoreRequest *
relais_store_request_new (RelaisStore *store, const char *space, const RelaisStoreCall *call);
/* store.c: the request has its answer. */
void relais_store_ended (RelaisStore *store, RelaisStoreRequest *request);
