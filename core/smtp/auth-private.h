/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH: whether a password is right, and who a user is. Hashing happens on the pool given, one job at a
 * time; a success is remembered for some minutes as an HMAC under a key of this process. The file of users
 * is looked at again by those jobs, never on the loop.
 *
 * Loop thread, but for what parses, which is pure.
 */
#pragma once

#include "loop/pool-private.h"
#include "smtp/sasl-private.h"
#include "smtp/users-private.h"

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
/* Whether SCRAM is offered: only if all users can use it, since clients take what is best of an offer
 * and fail if it is not for them. Has the file looked at if that was not done for a while. */
bool relais_auth_offers_scram (RelaisAuth *auth);
/* Finds a user by name in the file as it is now; never RELAIS_AUTH_KNOWN. */
RelaisAuthStart
relais_auth_find (RelaisAuth *auth, const char *name, RelaisAuthDone done, gpointer data);
/* The salt that a name has which is no user's: always the same one, and of use to nobody. */
void relais_auth_salt_of_nobody (const RelaisAuth *auth, const char *name, guint8 salt[16]);
RelaisAuthStart relais_auth_start (RelaisAuth *auth, const RelaisPlain *plain, RelaisUser **user,
                                   RelaisAuthDone done, gpointer data);
