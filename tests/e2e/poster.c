/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * poster: a webhook as somebody might write it with the public headers alone, for tests/fault/consumers.py. It reads
 * the event log by a cursor and posts what it got, a line an event, to [poster] url; it acknowledges what was answered
 * with 2xx and posts the rest again, after a wait that doubles. Loop.
 */
#include <relais/cursor.h>
#include <relais/fetch.h>
#include <relais/log.h>
#include <relais/module.h>
#include <relais/timer.h>

#include <string.h>

enum { EVENTS = 50 };

#define TIMEOUT_US (G_USEC_PER_SEC / 2)
#define FIRST_WAIT_US (G_USEC_PER_SEC / 20)
#define LAST_WAIT_US (G_USEC_PER_SEC / 2)

typedef struct {
    RelaisModule *module;
    RelaisCursor *cursor;
    RelaisModuleTimer *timer;
    GBytes *body; /* that is not acknowledged; or NULL */
    gint64 wait_us;
    guint64 fetch;
} Poster;

static const RelaisOption options[] = {
    {"poster", "url", RELAIS_OPTION_STRING, 0, "http://127.0.0.1:1/", 0, 0, NULL,
     "Where events are posted to."},
};

static void on_events (RelaisCursor *cursor, const GPtrArray *events, gboolean gap,
                       const gchar *error, gpointer data);

static void
wait_a_while (Poster *poster, const char *why)
{
    relais_log (poster->module, RELAIS_LOG_NOTICE, "posted again later: %s", why);
    relais_module_timer_set (poster->timer, poster->wait_us);
    poster->wait_us = MIN (2 * poster->wait_us, LAST_WAIT_US);
}

static void
read_on (Poster *poster)
{
    (void)relais_cursor_next (poster->cursor, EVENTS, on_events, poster);
}

/* What could not be acknowledged is posted once more: an event comes at least once. */
static void
on_acked (RelaisCursor *cursor, const gchar *error, gpointer data)
{
    Poster *poster = data;

    if (error != NULL) {
        wait_a_while (poster, error);
        return;
    }
    g_clear_pointer (&poster->body, g_bytes_unref);
    poster->wait_us = FIRST_WAIT_US;
    read_on (poster);
}

static void
on_answer (const RelaisFetchResult *result, gpointer data)
{
    Poster *poster = data;
    g_autofree char *status = g_strdup_printf ("status %u", result->status);

    poster->fetch = 0;
    if (result->outcome == RELAIS_FETCH_OK && result->status / 100 == 2)
        (void)relais_cursor_ack (poster->cursor, on_acked, poster);
    else
        wait_a_while (poster, result->outcome != RELAIS_FETCH_OK ? result->text : status);
}

static void
post (gpointer data)
{
    Poster *poster = data;
    const char *url = relais_module_get_config (poster->module);
    const RelaisFetchInfo info = {.struct_size = sizeof info,
                                  .url = url,
                                  .body = poster->body,
                                  .timeout_us = TIMEOUT_US,
                                  .max_bytes = 4096};

    if (poster->body == NULL)
        read_on (poster);
    else if ((poster->fetch = relais_fetch (poster->module, &info, on_answer, poster)) == 0)
        wait_a_while (poster, "it could not be asked for");
}

static void
on_events (RelaisCursor *cursor, const GPtrArray *events, gboolean gap, const gchar *error,
           gpointer data)
{
    Poster *poster = data;
    GByteArray *lines = g_byte_array_new ();

    for (guint i = 0; i < events->len; i++) {
        gsize size;
        const guint8 *bytes = g_bytes_get_data (events->pdata[i], &size);

        g_byte_array_append (lines, bytes, (guint)size);
        g_byte_array_append (lines, (const guint8 *)"\n", 1);
    }
    if (error != NULL) {
        g_byte_array_unref (lines);
        wait_a_while (poster, error);
        return;
    }
    poster->body = g_byte_array_free_to_bytes (lines);
    post (poster);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "poster", NULL);

    *object = g_strdup (relais_section_get_string (section, "url"));
    return TRUE;
}

static gboolean
start (RelaisModule *module, GError **error)
{
    Poster *poster = g_new0 (Poster, 1);

    poster->module = module;
    poster->cursor = relais_cursor_new (module, "web", RELAIS_CURSOR_FROM_OLDEST);
    poster->timer = relais_module_timer_new (module, post, poster);
    poster->wait_us = FIRST_WAIT_US;
    relais_module_set_data (module, poster);
    read_on (poster);
    return TRUE;
}

static void
stop (RelaisModule *module)
{
    Poster *poster = relais_module_get_data (module);

    if (poster == NULL)
        return;
    if (poster->fetch != 0)
        (void)relais_fetch_cancel (module, poster->fetch);
    relais_cursor_free (poster->cursor);
    relais_module_timer_free (poster->timer);
    g_clear_pointer (&poster->body, g_bytes_unref);
    g_free (poster);
    relais_module_set_data (module, NULL);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .prepare_config = prepare_config,
    .free_config = g_free,
    .start = start,
    .stop = stop,
};

RELAIS_MODULE_DEFINE (poster, .name = "poster", .version = "1", .summary = "posts events",
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
