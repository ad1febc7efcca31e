/* SPDX-License-Identifier: MIT
 *
 * Helper processes: a place for a library that is not to be trusted with the daemon's memory. A helper is a
 * program beside the module's file that answers one request after the other, bytes for bytes, from within a
 * sandbox: no files, no network, no processes, bounded memory. When it crashes or takes too long it is killed
 * and started anew, and only the request that it worked on is lost.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

#define RELAIS_HELPER_BYTES 1048576 /* of a request, and of a reply */

/* How a call ended. */
typedef guint32 RelaisHelperOutcome;
enum {
    RELAIS_HELPER_OK = 0,      /* there is a reply */
    RELAIS_HELPER_DIED = 1,    /* the process ended over this request, or answered out of form */
    RELAIS_HELPER_TIMEOUT = 2, /* no reply in time; the process was killed */
    RELAIS_HELPER_BUSY = 3,    /* too many wait already, or the request is too large */
    RELAIS_HELPER_STOPPED = 4, /* relais_helper_free () came first */
    RELAIS_HELPER_FAILED = 5   /* the program cannot be started; the log says why */
};

/* --- In the module; loop only. */

typedef struct RelaisHelper RelaisHelper;

/* Versioned; the string is copied. */
typedef struct {
    guint32 struct_size;
    guint32 max_waiting;  /* calls that wait for their turn; 0: 1 024 */
    const gchar *program; /* name of the file, [a-z0-9-]+, in the directory of the module */
    guint64 memory_bytes; /* of address space; 0: 256 MiB */
} RelaisHelperInfo;

/* The process is started by the first call. NULL with an error for a bad `info`. Owned; to be freed in stop at
 * the latest. */
RELAIS_API RelaisHelper *
relais_helper_new (RelaisModule *module, const RelaisHelperInfo *info, GError **error);
/* Called once, from a later turn. `reply` (borrowed) is NULL unless OK. */
typedef void (*RelaisHelperFunc) (RelaisHelperOutcome outcome, GBytes *reply, gpointer data);
/* Asks. Calls are answered in order, one at a time; `timeout_us` (positive) runs from the moment that this one's
 * turn has come. */
RELAIS_API void relais_helper_call (RelaisHelper *helper, GBytes *request, gint64 timeout_us,
                                    RelaisHelperFunc done, gpointer data);
/* Ends the process; what was not answered ends as STOPPED. Accepts NULL. */
RELAIS_API void relais_helper_free (RelaisHelper *helper);

/* --- In the program. */

/* Makes the reply, owned by the caller; NULL ends the process. */
typedef GBytes *(*RelaisHelperServeFunc) (GBytes *request, gpointer data);
/* All of main () but what must be read or opened before: enters the sandbox, then answers until the daemon is
 * gone. One thread. Returns the status to exit with; does not return to answer. */
RELAIS_API gint relais_helper_serve (RelaisHelperServeFunc func, gpointer data);

G_END_DECLS
