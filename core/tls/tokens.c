/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rotation of the tokens' keys. See the header. Loop thread; the file is written on a worker, which
 * works on the job alone.
 */
#include "config.h"

#include "tls/tokens-private.h"

#include <glib/gi18n-lib.h>

/* A rotation that failed is tried again. */
#define RETRY_US RELAIS_USEC_PER_HOUR

typedef struct {
    RelaisTokens *tokens;
    RelaisKeyRing *before, *after; /* `after` is NULL if it failed */
    char *path;
    gint64 wall_us, keep_us;
    GError *error;
    RelaisTokensDone done;
    gpointer data;
} Rotation;

struct RelaisTokens {
    RelaisLoop *loop;
    RelaisPool *pool;
    char *path;
    gint64 rotate_us, keep_us;
    RelaisTimer timer;
    bool rotating;
    GMutex mutex; /* over `ring` */
    RelaisKeyRing *ring;
};

static void
schedule (RelaisTokens *tokens)
{
    const gint64 age_us =
        relais_loop_wall_us (tokens->loop) - relais_key_ring_newest (tokens->ring)->created_us;

    if (tokens->rotate_us > 0)
        relais_timer_set (&tokens->timer, CLAMP (tokens->rotate_us - age_us, 0, tokens->rotate_us));
}

/* --- A rotation ------------------------------------------------------------------------------- */

static void
make_and_save (gpointer data)
{
    Rotation *rotation = data;
    g_autoptr (RelaisKeyRing) ring = relais_key_ring_rotate (rotation->before, rotation->wall_us,
                                                             rotation->keep_us, &rotation->error);

    if (ring != NULL && relais_key_ring_save (ring, rotation->path, &rotation->error))
        rotation->after = g_steal_pointer (&ring);
}

static void
put_in_force (RelaisTokens *tokens, RelaisKeyRing *ring)
{
    g_mutex_lock (&tokens->mutex);
    relais_key_ring_unref (tokens->ring);
    tokens->ring = relais_key_ring_ref (ring);
    g_mutex_unlock (&tokens->mutex);
}

static void
end_rotation (gpointer data)
{
    Rotation *rotation = data;
    RelaisTokens *tokens = rotation->tokens;

    tokens->rotating = false;
    if (rotation->after != NULL) {
        put_in_force (tokens, rotation->after);
        g_message ("tokens: key %u is in use", relais_key_ring_newest (rotation->after)->id);
        schedule (tokens);
    } else {
        g_warning ("tokens: no new key: %s; the old one stays in use", rotation->error->message);
        relais_timer_set (&tokens->timer, RETRY_US);
    }
    if (rotation->done != NULL)
        rotation->done (rotation->data, rotation->error);
    relais_key_ring_unref (rotation->before);
    relais_key_ring_unref (rotation->after);
    g_clear_error (&rotation->error);
    g_free (rotation->path);
    g_free (rotation);
}

bool
relais_tokens_rotate (RelaisTokens *tokens, RelaisTokensDone done, gpointer data)
{
    Rotation *rotation;

    if (tokens->rotating)
        return false;
    rotation = g_new0 (Rotation, 1);
    rotation->tokens = tokens;
    rotation->before = relais_key_ring_ref (tokens->ring);
    rotation->path = g_strdup (tokens->path);
    rotation->wall_us = relais_loop_wall_us (tokens->loop);
    rotation->keep_us = tokens->keep_us;
    rotation->done = done;
    rotation->data = data;
    tokens->rotating = relais_pool_run (tokens->pool, make_and_save, end_rotation, rotation);
    if (tokens->rotating)
        return true;
    relais_key_ring_unref (rotation->before);
    g_free (rotation->path);
    g_free (rotation);
    return false;
}

static void
on_timer (gpointer data)
{
    RelaisTokens *tokens = data;

    if (!relais_tokens_rotate (tokens, NULL, NULL))
        relais_timer_set (&tokens->timer, RETRY_US);
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisTokens *
relais_tokens_new (const RelaisTokensOptions *options, GError **error)
{
    RelaisKeyRing *ring =
        relais_key_ring_open (options->path, relais_loop_wall_us (options->loop), error);
    RelaisTokens *tokens;

    if (ring == NULL)
        return NULL;
    tokens = g_new0 (RelaisTokens, 1);
    tokens->loop = options->loop;
    tokens->pool = options->pool;
    tokens->path = g_strdup (options->path);
    tokens->rotate_us = options->rotate_us;
    tokens->keep_us = options->keep_us;
    tokens->ring = ring;
    g_mutex_init (&tokens->mutex);
    relais_timer_init (&tokens->timer, tokens->loop, on_timer, tokens);
    schedule (tokens);
    return tokens;
}

void
relais_tokens_free (RelaisTokens *tokens)
{
    if (tokens == NULL)
        return;
    g_assert (!tokens->rotating);
    relais_timer_stop (&tokens->timer);
    relais_key_ring_unref (tokens->ring);
    g_mutex_clear (&tokens->mutex);
    g_free (tokens->path);
    g_free (tokens);
}

RelaisKeyRing *
relais_tokens_ring (RelaisTokens *tokens)
{
    RelaisKeyRing *ring;

    g_mutex_lock (&tokens->mutex);
    ring = relais_key_ring_ref (tokens->ring);
    g_mutex_unlock (&tokens->mutex);
    return ring;
}

/* --- Commands --------------------------------------------------------------------------------- */

static void
command_list (RelaisCommandCall *call, gpointer data)
{
    const RelaisTokens *tokens = data;
    const RelaisKeyRing *ring = tokens->ring;

    for (guint i = 0; i < relais_key_ring_n_keys (ring); i++) {
        const RelaisKey *key = relais_key_ring_nth (ring, i);

        relais_command_put_int (call, "key", key->id);
        relais_command_put_time (call, "made", key->created_us);
        relais_command_put (call, "use",
                            key == relais_key_ring_newest (ring) ? "seals and opens" : "opens");
        relais_command_end_row (call);
    }
    relais_command_finish (call);
}

static void
rotated (gpointer data, const GError *error)
{
    RelaisCommandCall *call = data;

    if (error != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
    else
        relais_command_finish (call);
}

static void
command_rotate (RelaisCommandCall *call, gpointer data)
{
    if (!relais_tokens_rotate (data, rotated, call))
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("another key is being made just now; try again"));
}

static const RelaisCommand commands[] = {
    {"token", "list", "", "",
     N_ ("The keys that links, pixels and the like are sealed with (no secrets)."),
     RELAIS_COMMAND_ONLINE, 0, command_list},
    {"token", "rotate", "", "",
     N_ ("Make a new key now; what was sealed with the old ones stays good."),
     RELAIS_COMMAND_ONLINE, 0, command_rotate},
};

const RelaisCommand *
relais_tokens_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
