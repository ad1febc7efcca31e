/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tokens' keys in a running daemon: the ring in force, its file, and its rotation when the newest key is
 * old enough. A new ring is on disk before anything is sealed with it.
 *
 * Loop thread, but relais_tokens_ring ().
 */
#pragma once

#include <relais/command.h>

#include "loop/pool-private.h"
#include "tls/key-ring-private.h"

typedef struct RelaisTokens RelaisTokens;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    const char *path;
    gint64 rotate_us; /* age of the newest key at which another one is made; 0 never */
    gint64 keep_us;   /* how long tokens of a key open after it was last the newest */
} RelaisTokensOptions;

/* Reads the file, or makes it. May block: start-up. */
RelaisTokens *relais_tokens_new (const RelaisTokensOptions *options, GError **error);
/* A rotation under way must have ended: after the pool was freed. Accepts NULL. */
void relais_tokens_free (RelaisTokens *tokens);

/* The ring in force; a new reference. Any thread. */
RelaisKeyRing *relais_tokens_ring (RelaisTokens *tokens);

/* Makes another key; `done` is called from a later turn, with an error if it could not be kept. False, and
 * nothing happens, while a rotation is under way or no worker is free. */
typedef void (*RelaisTokensDone) (gpointer data, const GError *error);
bool relais_tokens_rotate (RelaisTokens *tokens, RelaisTokensDone done, gpointer data);

/* `relaisctl token list` and `token rotate`; their data is the RelaisTokens. */
const RelaisCommand *relais_tokens_commands (gsize *n);
