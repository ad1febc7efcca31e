/* SPDX-License-Identifier: MIT
 *
 * The store: small values under keys, kept over restarts. Every module has a namespace of its own that
 * no other one reaches. What keeps them is a backend, a module too; without one every call ends with
 * RELAIS_STORE_ERROR.
 *
 * A call has one of three outcomes that are never mixed up: the key is there, the key is not there, or
 * nobody knows. Who must not act on a guess looks for the one outcome it needs, not for the absence of
 * another. An ERROR of a call that changes something means that it did not happen, unless the daemon
 * ends before the backend has recovered: then it may have.
 *
 * Keys and values are octets; what is passed is copied. Times are wall-clock microseconds. A key whose
 * time has come is absent from that moment on. Calls about one key take effect in the order in which
 * they were made.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* More ends with ERROR. */
enum {
    RELAIS_STORE_KEY_BYTES = 512, /* at least 1 */
    RELAIS_STORE_VALUE_BYTES = 65536,
    RELAIS_STORE_ROWS = 1000 /* of one scan call; a larger limit is cut down to it */
};

/* 0 is ERROR, so that what nobody filled in is never taken for an answer. */
typedef guint32 RelaisStoreResult;
enum {
    RELAIS_STORE_ERROR = 0,   /* not known; see relais_store_reply_get_error () */
    RELAIS_STORE_FOUND = 1,   /* it is there, or was done */
    RELAIS_STORE_ABSENT = 2,  /* it is not there, for sure */
    RELAIS_STORE_CONFLICT = 3 /* compare-and-set: something else is there, and stays */
};

typedef guint32 RelaisStoreFlags;
enum {
    /* increment: acknowledged before it is on disk, which it is within a second. For counters: what the
     * last second counted may be lost with the machine's power, never with the process. */
    RELAIS_STORE_LAZY = 1 << 0
};

/* The outcome of a call; counted, immutable, any thread. */
typedef struct RelaisStoreReply RelaisStoreReply;

/* Called once for each call, on the main loop, from a later turn, in order of completion. The reply is
 * borrowed; relais_store_reply_ref () keeps it. */
typedef void (*RelaisStoreFunc) (gpointer data, const RelaisStoreReply *reply);

/* --- Calls. Any thread, between start and stop of the module; they never block. `done` may be NULL.
 * With 65536 calls, or 64 MiB of keys and values, under way the next ends with ERROR ("busy"). */

/* FOUND with value and expiry, ABSENT, ERROR. */
RELAIS_API void relais_store_get (RelaisModule *module, gconstpointer key, gsize key_size,
                                  RelaisStoreFunc done, gpointer data);
/* FOUND once it is on disk, ERROR. `expires_us`: when the key goes; 0 never. */
RELAIS_API void
relais_store_put (RelaisModule *module, gconstpointer key, gsize key_size, gconstpointer value,
                  gsize value_size, gint64 expires_us, RelaisStoreFunc done, gpointer data);
/* FOUND (it was there, and its end is on disk), ABSENT, ERROR. */
RELAIS_API void relais_store_remove (RelaisModule *module, gconstpointer key, gsize key_size,
                                     RelaisStoreFunc done, gpointer data);
/* Adds to a number, which is kept as decimal text; what is absent counts as 0. FOUND with the new
 * number; ERROR also where the value is no number or would not fit into 64 bits. A key that this call
 * makes gets `expires_us`; one that is there keeps what it has. */
RELAIS_API void relais_store_increment (RelaisModule *module, gconstpointer key, gsize key_size,
                                        gint64 delta, gint64 expires_us, RelaisStoreFlags flags,
                                        RelaisStoreFunc done, gpointer data);
/* Sets the key to `value` (NULL: removes it) if it now holds `expected` (NULL: if it is absent). FOUND
 * (done), CONFLICT with the value that is there (NULL if none is), ERROR. */
RELAIS_API void
relais_store_compare_and_set (RelaisModule *module, gconstpointer key, gsize key_size,
                              gconstpointer expected, gsize expected_size, gconstpointer value,
                              gsize value_size, gint64 expires_us, RelaisStoreFunc done,
                              gpointer data);
/* The keys that begin with `prefix` (size 0: all), in the order of their octets, from the first one
 * behind `after` (NULL: from the start), at most `limit`. FOUND with rows, ABSENT if there are none,
 * ERROR. A key that is there all the while is in exactly one page of a scan. */
RELAIS_API void relais_store_scan (RelaisModule *module, gconstpointer prefix, gsize prefix_size,
                                   gconstpointer after, gsize after_size, guint32 limit,
                                   RelaisStoreFunc done, gpointer data);

/* --- The same, waiting. Workers only: on the main loop they end the process. The reply is the
 * caller's. */
RELAIS_API RelaisStoreReply *
relais_store_get_wait (RelaisModule *module, gconstpointer key, gsize key_size);
RELAIS_API RelaisStoreReply *
relais_store_put_wait (RelaisModule *module, gconstpointer key, gsize key_size, gconstpointer value,
                       gsize value_size, gint64 expires_us);
RELAIS_API RelaisStoreReply *
relais_store_remove_wait (RelaisModule *module, gconstpointer key, gsize key_size);
RELAIS_API RelaisStoreReply *
relais_store_increment_wait (RelaisModule *module, gconstpointer key, gsize key_size, gint64 delta,
                             gint64 expires_us, RelaisStoreFlags flags);
RELAIS_API RelaisStoreReply *
relais_store_compare_and_set_wait (RelaisModule *module, gconstpointer key, gsize key_size,
                                   gconstpointer expected, gsize expected_size, gconstpointer value,
                                   gsize value_size, gint64 expires_us);
RELAIS_API RelaisStoreReply *
relais_store_scan_wait (RelaisModule *module, gconstpointer prefix, gsize prefix_size,
                        gconstpointer after, gsize after_size, guint32 limit);

/* --- Replies. */
RELAIS_API RelaisStoreReply *relais_store_reply_ref (const RelaisStoreReply *reply);
RELAIS_API void relais_store_reply_unref (RelaisStoreReply *reply);
RELAIS_API RelaisStoreResult relais_store_reply_get_result (const RelaisStoreReply *reply);
/* get: what was found; compare-and-set: what was in the way. Borrowed; NULL if there is none. */
RELAIS_API gconstpointer relais_store_reply_get_value (const RelaisStoreReply *reply, gsize *size);
/* Of the value; 0 never. */
RELAIS_API gint64 relais_store_reply_get_expires_us (const RelaisStoreReply *reply);
/* increment: the new number. */
RELAIS_API gint64 relais_store_reply_get_number (const RelaisStoreReply *reply);
/* English, one line; NULL unless ERROR. */
RELAIS_API const gchar *relais_store_reply_get_error (const RelaisStoreReply *reply);
/* scan: the rows, borrowed; whether there are more behind the last one. FALSE for n too large. */
RELAIS_API guint32 relais_store_reply_n_rows (const RelaisStoreReply *reply);
RELAIS_API gboolean relais_store_reply_get_row (const RelaisStoreReply *reply, guint32 n,
                                                gconstpointer *key, gsize *key_size,
                                                gconstpointer *value, gsize *value_size);
RELAIS_API gboolean relais_store_reply_get_more (const RelaisStoreReply *reply);

/* --- For backends. A request is an opaque object: an operation that is added later is a new value of
 * RelaisStoreOp and new accessors, and no backend is handed an operation that it did not name. */
typedef guint32 RelaisStoreOp;
enum {
    RELAIS_STORE_GET = 0,
    RELAIS_STORE_PUT = 1,
    RELAIS_STORE_REMOVE = 2,
    RELAIS_STORE_INCREMENT = 3,
    RELAIS_STORE_COMPARE_AND_SET = 4,
    RELAIS_STORE_SCAN = 5
};

/* The backend's until it completes it, once. */
typedef struct RelaisStoreRequest RelaisStoreRequest;

typedef struct {
    guint32 struct_size;
    guint32 ops; /* 1 << RELAIS_STORE_GET | ...: those that it has; others end with ERROR */
    /* Takes a request over. Any thread, never blocks; between the module's start and stop. What was
     * taken must be completed before stop returns. */
    void (*submit) (gpointer data, RelaisStoreRequest *request);
} RelaisStoreBackend;

/* Makes the module the backend; in its init. Fails, naming both, if there is one already. The vtable is
 * copied. The backend is started before all other modules and stopped after them. */
RELAIS_API gboolean relais_module_provide_store (RelaisModule *module,
                                                 const RelaisStoreBackend *backend, gpointer data,
                                                 GError **error);
/* The wall clock that expiry goes by; any thread. */
RELAIS_API gint64 relais_store_now_us (const RelaisModule *module);

/* What is asked; any thread while the request is the backend's, all borrowed. Keys, prefixes and rows are
 * whole: NAMESPACE, a NUL, and the key. A prefix has its namespace too. */
RELAIS_API RelaisStoreOp relais_store_request_get_op (const RelaisStoreRequest *request);
RELAIS_API RelaisStoreFlags relais_store_request_get_flags (const RelaisStoreRequest *request);
/* scan: the prefix. */
RELAIS_API gconstpointer relais_store_request_get_key (const RelaisStoreRequest *request,
                                                       gsize *size);
/* NULL: compare-and-set removes. */
RELAIS_API gconstpointer relais_store_request_get_value (const RelaisStoreRequest *request,
                                                         gsize *size);
/* NULL: compare-and-set wants it absent. */
RELAIS_API gconstpointer relais_store_request_get_expected (const RelaisStoreRequest *request,
                                                            gsize *size);
/* NULL: scan from the start. */
RELAIS_API gconstpointer relais_store_request_get_after (const RelaisStoreRequest *request,
                                                         gsize *size);
RELAIS_API gint64 relais_store_request_get_expires_us (const RelaisStoreRequest *request);
RELAIS_API gint64 relais_store_request_get_delta (const RelaisStoreRequest *request);
RELAIS_API guint32 relais_store_request_get_limit (const RelaisStoreRequest *request);

/* The answer; one thread at a time. Bytes are copied. */
RELAIS_API void relais_store_request_set_value (RelaisStoreRequest *request, gconstpointer value,
                                                gsize size, gint64 expires_us);
RELAIS_API void relais_store_request_set_number (RelaisStoreRequest *request, gint64 number);
/* Rows in ascending order of whole keys; at most `limit` are taken. */
RELAIS_API void
relais_store_request_add_row (RelaisStoreRequest *request, gconstpointer key, gsize key_size,
                              gconstpointer value, gsize value_size);
RELAIS_API void relais_store_request_set_more (RelaisStoreRequest *request, gboolean more);
/* Ends the request; any thread. */
RELAIS_API void
relais_store_request_complete (RelaisStoreRequest *request, RelaisStoreResult result);
/* Ends it with ERROR, and with nothing else that was set. */
RELAIS_API void relais_store_request_fail (RelaisStoreRequest *request, const gchar *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisStoreReply, relais_store_reply_unref)

G_END_DECLS
