/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deliveries found again: the index says where a line may stand, the line in the log says what was. Blocks: a
 * worker.
 */
#include "config.h"

#include "event/index-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "event/files-private.h"

enum {
    FIRST_BYTES = 4096,   /* most lines are shorter */
    LINE_BYTES = 1 << 18, /* and none is longer */
    CLOCK_DAYS = 1        /* before a moment, where the wall clock may have been wrong */
};

void
relais_delivered_free (gpointer delivered)
{
    RelaisDelivered *known = delivered;

    if (known == NULL)
        return;
    g_free (known->queue_id);
    g_free (known->message_id);
    g_free (known->sender);
    g_free (known->recipient);
    g_free (known->tenant);
    g_free (known->campaign);
    g_free (known);
}

/* --- A line --------------------------------------------------------------------------------------- */

/* The line at an offset, NUL-terminated; NULL with errno, 0 if there is no whole line. */
static char *
read_line (int fd, guint64 offset)
{
    for (gsize size = FIRST_BYTES; size <= LINE_BYTES; size *= 8) {
        g_autofree char *bytes = g_malloc (size);
        const ssize_t n = pread (fd, bytes, size, (off_t)offset);
        char *lf = n > 0 ? memchr (bytes, '\n', (gsize)n) : NULL;

        if (n < 0)
            return NULL;
        if (lf != NULL) {
            *lf = '\0';
            return g_steal_pointer (&bytes);
        }
    }
    errno = 0;
    return NULL;
}

static char *
member (JsonObject *object, const char *name)
{
    return g_strdup (json_object_get_string_member_with_default (object, name, NULL));
}

static RelaisDelivered *
parse_line (const char *line)
{
    g_autoptr (JsonParser) parser = json_parser_new ();
    RelaisDelivered *delivered;
    JsonNode *root; /* NULL: nothing but blanks */
    JsonObject *object;

    if (!json_parser_load_from_data (parser, line, -1, NULL) ||
        (root = json_parser_get_root (parser)) == NULL || !JSON_NODE_HOLDS_OBJECT (root))
        return NULL;
    object = json_node_get_object (root);
    if (!g_str_equal (json_object_get_string_member_with_default (object, "type", ""), "delivered"))
        return NULL;
    delivered = g_new0 (RelaisDelivered, 1);
    delivered->queue_id = member (object, "queue_id");
    delivered->number =
        (guint32)json_object_get_int_member_with_default (object, "recipient_number", 0);
    delivered->message_id = member (object, "message_id");
    delivered->sender = member (object, "sender");
    delivered->recipient = member (object, "recipient");
    delivered->tenant = member (object, "tenant");
    delivered->campaign = member (object, "campaign");
    delivered->delivered_us = relais_event_time_from_text (
        json_object_get_string_member_with_default (object, "time", NULL));
    return delivered;
}

/* --- Places --------------------------------------------------------------------------------------- */

/* What was asked for: the line is looked at, too, because two Message-IDs may have one hash. */
typedef struct {
    const guint8 *key;
    const char *message_id;
} Wanted;

static bool
has_key (const RelaisDelivered *delivered, const guint8 *wanted)
{
    guint8 key[RELAIS_EVENT_KEY_BYTES];

    return delivered->queue_id != NULL &&
           relais_event_key_make (key, delivered->queue_id, delivered->number) &&
           memcmp (key, wanted, sizeof key) == 0;
}

static bool
is_known (const GPtrArray *found, const RelaisDelivered *delivered)
{
    for (guint i = 0; i < found->len; i++) {
        const RelaisDelivered *other = g_ptr_array_index (found, i);

        if (other->number == delivered->number &&
            g_str_equal (other->queue_id, delivered->queue_id))
            return true;
    }
    return false;
}

/* Takes what stands at a place; false if it is not what the index says. */
static bool
take (GPtrArray *found, const Wanted *wanted, const char *line)
{
    RelaisDelivered *delivered = line != NULL ? parse_line (line) : NULL;

    if (delivered == NULL || delivered->queue_id == NULL ||
        (wanted->key != NULL && !has_key (delivered, wanted->key))) {
        relais_delivered_free (delivered);
        return false;
    }
    if ((wanted->key == NULL && g_strcmp0 (delivered->message_id, wanted->message_id) != 0) ||
        is_known (found, delivered))
        relais_delivered_free (delivered);
    else
        g_ptr_array_add (found, delivered);
    return true;
}

/* A day file that is gone says nothing. */
static bool
read_place (RelaisEventIndex *index, int dir_fd, const RelaisEventPlace *place, GPtrArray *found,
            const Wanted *wanted, GError **error)
{
    g_autofree char *name = relais_event_day_file (place->day);
    const int fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    g_autofree char *line = NULL;
    bool good = true;

    if (fd < 0)
        return errno == ENOENT || relais_event_fail (error, "open", name);
    line = read_line (fd, place->offset);
    if (line == NULL && errno != 0)
        good = relais_event_fail (error, "read", name);
    else if (!take (found, wanted, line)) {
        relais_event_index_distrust (index, place->day);
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                             "not known yet: the event log is being read");
        good = false;
    }
    close (fd);
    return good;
}

static gint
compare_newest_first (gconstpointer a, gconstpointer b)
{
    const gint64 one = (*(const RelaisDelivered *const *)a)->delivered_us;
    const gint64 two = (*(const RelaisDelivered *const *)b)->delivered_us;

    return one > two ? -1 : one < two;
}

static GPtrArray *
read_places (RelaisEventIndex *index, int dir_fd, const GArray *places, const Wanted *wanted,
             GError **error)
{
    g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (relais_delivered_free);

    for (guint i = 0; i < places->len; i++)
        if (!read_place (index, dir_fd, &g_array_index (places, RelaisEventPlace, i), found, wanted,
                         error))
            return NULL;
    g_ptr_array_sort (found, compare_newest_first);
    return g_steal_pointer (&found);
}

GPtrArray *
relais_event_deliveries_find (RelaisEventIndex *index, int dir_fd, const char *queue_id,
                              guint32 number, gint64 since_us, GError **error)
{
    g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (RelaisEventPlace));
    guint8 key[RELAIS_EVENT_KEY_BYTES];
    const Wanted wanted = {key, NULL};

    if (relais_event_key_make (key, queue_id, number) &&
        !relais_event_index_find (index, key, 0,
                                  relais_event_day (since_us - CLOCK_DAYS * RELAIS_USEC_PER_DAY),
                                  places, 1, error))
        return NULL;
    return read_places (index, dir_fd, places, &wanted, error);
}

GPtrArray *
relais_event_deliveries_find_message_id (RelaisEventIndex *index, int dir_fd,
                                         const char *message_id, guint max, GError **error)
{
    g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (RelaisEventPlace));
    const Wanted wanted = {NULL, message_id};

    if (!relais_event_index_find (index, NULL, relais_event_hash_message_id (message_id), 0, places,
                                  max, error))
        return NULL;
    return read_places (index, dir_fd, places, &wanted, error);
}
