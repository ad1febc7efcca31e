/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677), the server's side, on libgsasl. What is kept
 * of a user is StoredKey and ServerKey, so that an exchange costs three hashes here and may be done on
 * the loop; the many rounds are the client's, and those of who sets the password.
 *
 * An exchange belongs to one thread; the rest is pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    RELAIS_SCRAM_ITERATIONS = 100000, /* of a new password; RFC 7677 asks for 4096 at least */
    RELAIS_SCRAM_KEY_BYTES = 32,
    RELAIS_SCRAM_SALT_BYTES = 16,
    RELAIS_SCRAM_BINDING_BYTES = 32
};

/* Whether the text is base64 as RFC 4648 section 4 has it, of one octet at least. */
bool relais_base64_is_good (const char *text, gsize size);

/* A new password's keys as the file of users has them, "ITERATIONS,SALT,STOREDKEY,SERVERKEY" with the
 * latter in base64. Takes a tenth of a second. */
char *relais_scram_hash (const char *password, GError **error);
/* Whether the text is such keys. */
bool relais_scram_keys_are_good (const char *keys);
/* Keys that belong to no password, for who is no user: what the client sees of them is `salt` and a
 * usual number of iterations. Owned. */
char *relais_scram_keys_of_nobody (const guint8 salt[RELAIS_SCRAM_SALT_BYTES]);

/* The name in a client's first message, which must want to act for nobody else; owned, NULL if there
 * is none that a user could have. */
char *relais_scram_find_name (const char *first, gsize size);
/* Whether it says that the server had no channel binding to offer ("y"). */
bool relais_scram_misses_binding (const char *first, gsize size);

typedef struct RelaisScram RelaisScram;
/* `binding`: that of the channel, for -PLUS; NULL without. */
RelaisScram *relais_scram_new (const char *keys, const guint8 binding[RELAIS_SCRAM_BINDING_BYTES]);
void relais_scram_free (RelaisScram *scram);
typedef enum {
    RELAIS_SCRAM_MORE, /* `*answer` is to be sent, another message is due */
    RELAIS_SCRAM_DONE, /* the client knows the password; `*answer` proves that we know it */
    RELAIS_SCRAM_FAILED
} RelaisScramStatus;
/* Takes a message of the client; `*answer` is owned, and set unless it failed. */
RelaisScramStatus
relais_scram_step (RelaisScram *scram, const char *message, gsize size, char **answer);
