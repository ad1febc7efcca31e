/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store as the core sees it: checks a call, puts it into the caller's namespace, hands it to the
 * backend, and brings the answer back to the main loop (or to the worker that waits). It keeps nothing
 * itself and knows no backend.
 *
 * The loop's thread makes, opens, closes and frees a store; calls may come from any thread.
 */
#pragma once

#include <relais/store.h>

#include "loop/loop-private.h"

typedef struct RelaisStore RelaisStore;

enum {
    RELAIS_STORE_WAITING = 65536,          /* calls under way */
    RELAIS_STORE_WAITING_BYTES = 64 << 20, /* octets that they were made with */
    RELAIS_STORE_DONE_A_TURN = 1024        /* callbacks in one turn of the loop */
};

/* The namespace of the core itself; no module may have this name. */
#define RELAIS_STORE_CORE "core"

RelaisStore *relais_store_new (RelaisLoop *loop);
/* No call may be under way. Accepts NULL. */
void relais_store_free (RelaisStore *store);

/* Once; before relais_store_open (). `backend` is copied, `data` borrowed. */
void
relais_store_set_backend (RelaisStore *store, const RelaisStoreBackend *backend, gpointer data);
bool relais_store_has_backend (const RelaisStore *store);
/* Calls are handed to the backend from now on; before and after they end with ERROR. */
void relais_store_open (RelaisStore *store);
/* Takes no more calls and turns the loop until those under way have ended and were told. */
void relais_store_close (RelaisStore *store);
/* Turns the loop until no call is under way, and all were told. */
void relais_store_settle (RelaisStore *store);
/* Calls that the backend has now; any thread. */
guint relais_store_n_waiting (RelaisStore *store);
gint64 relais_store_wall_us (const RelaisStore *store);

/* One call; all that the operation does not use is zero. Everything is copied. */
typedef struct {
    RelaisStoreOp op;
    RelaisStoreFlags flags;
    gconstpointer key; /* SCAN: the prefix */
    gsize key_size;
    gconstpointer value;
    gsize value_size;
    gconstpointer expected;
    gsize expected_size;
    gconstpointer after;
    gsize after_size;
    gint64 expires_us;
    gint64 delta;
    guint32 limit;
} RelaisStoreCall;

/* As the calls of include/relais/store.h, in the namespace `space`. Any thread. */
void relais_store_submit (RelaisStore *store, const char *space, const RelaisStoreCall *call,
                          RelaisStoreFunc done, gpointer data);
RelaisStoreReply *
relais_store_submit_wait (RelaisStore *store, const char *space, const RelaisStoreCall *call);

/* memory.c: a backend that forgets, for tests. It completes each request within submit. */
typedef struct RelaisStoreMemory RelaisStoreMemory;
RelaisStoreMemory *relais_store_memory_new (RelaisStore *store);
void relais_store_memory_free (RelaisStoreMemory *memory);
extern const RelaisStoreBackend relais_store_memory_backend;
/* From now on every request ends with ERROR and this text; NULL: no longer. Any thread. */
void relais_store_memory_fail (RelaisStoreMemory *memory, const char *text);
