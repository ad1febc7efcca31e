/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH: what a client's SASL answer means, and whether a password is right. Hashing happens on the
 * pool given, one job at a time; a success is remembered for some minutes as an HMAC under a key of
 * this process. The file of users is looked at again by those jobs, never on the loop.
 *
 * Loop thread, but for relais_auth_parse_plain (), which is pure.
 */
#pragma once

#include "loop/pool-private.h"
#include "smtp/users-private.h"

/* The message of PLAIN (RFC 4616) in base64. The strings are owned; the password is wiped by
 * relais_plain_clear (). */
typedef struct {
    char *name, *password;
} RelaisPlain;
typedef enum {
    RELAIS_PLAIN_OK,
    RELAIS_PLAIN_NOT_BASE64,
    RELAIS_PLAIN_REFUSED /* well coded, but no name and password, or on behalf of another */
} RelaisPlainStatus;
RelaisPlainStatus relais_auth_parse_plain (const char *text, gsize size, RelaisPlain *plain);
void relais_plain_clear (RelaisPlain *plain);

typedef struct RelaisAuth RelaisAuth;

/* Reads the users: may block. */
RelaisAuth *
relais_auth_new (RelaisLoop *loop, RelaisPool *pool, const char *users_file, GError **error);
/* What is under way ends later without calling back. NULL ok. */
void relais_auth_free (RelaisAuth *auth);

typedef enum {
    RELAIS_AUTH_KNOWN,   /* remembered: `*user` is set, with a reference */
    RELAIS_AUTH_STARTED, /* `done` will be called, from a later turn */
    RELAIS_AUTH_BUSY     /* the queue is full; nothing was started */
} RelaisAuthStart;
/* `user` is borrowed; NULL: wrong name or password, which take the same time. */
typedef void (*RelaisAuthDone) (gpointer data, const RelaisUser *user);
RelaisAuthStart relais_auth_start (RelaisAuth *auth, const RelaisPlain *plain, RelaisUser **user,
                                   RelaisAuthDone done, gpointer data);
