/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deleting what was put aside as damaged, by its exact name: `relaisctl spool delete`. The event is on disk
 * before the octets go. What a segment still holds is not saved again at the next start: an empty file
 * under the name stands for the wish, until the segment is gone. Loop; files are seen to on workers, and at
 * start.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/salvage.h"
#include "spool/spool-state.h"

typedef struct {
    RelaisSpool *spool;
    char *name;
    RelaisDamageName parsed;
    guint64 bytes;
    GError *error;
    RelaisSpoolDiscarded done;
    gpointer data;
} Discard;

static void
end (gpointer data)
{
    Discard *discard = data;

    discard->done (discard->data, discard->bytes, discard->error);
    g_clear_error (&discard->error);
    g_free (discard->name);
    g_free (discard);
}

/* --- The files ---------------------------------------------------------------------------------- */

/* Worker. */
static void
look (gpointer data)
{
    Discard *discard = data;
    struct stat st;

    if (fstatat (discard->spool->quarantine_fd, discard->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        relais_spool_set_errno (&discard->error, errno, discard->name);
    else if (!S_ISREG (st.st_mode) || st.st_size == 0)
        relais_spool_set_errno (&discard->error, ENOENT, discard->name);
    else
        discard->bytes = (guint64)st.st_size;
}

static bool
segment_is_there (const RelaisSpool *spool, guint32 number)
{
    char name[RELAIS_SEGMENT_NAME_BYTES];

    relais_segment_name (name, number);
    return faccessat (spool->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Worker. */
static void
discard_file (gpointer data)
{
    Discard *discard = data;
    const RelaisSpool *spool = discard->spool;
    bool good;
    int fd;

    if (discard->parsed.kind == RELAIS_DAMAGE_STRETCH &&
        segment_is_there (spool, discard->parsed.number)) {
        fd = openat (spool->quarantine_fd, discard->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        good = fd >= 0 && ftruncate (fd, 0) == 0 && fdatasync (fd) == 0;
        if (!good)
            relais_spool_set_errno (&discard->error, errno, discard->name);
        if (fd >= 0)
            close (fd);
        return;
    }
    if (unlinkat (spool->quarantine_fd, discard->name, 0) < 0 || fsync (spool->quarantine_fd) < 0)
        relais_spool_set_errno (&discard->error, errno, discard->name);
}

/* --- The event ---------------------------------------------------------------------------------- */

static void
on_synced (gpointer data, const GError *error)
{
    Discard *discard = data;

    if (error == NULL) {
        relais_spool_run_job (discard->spool, discard_file, end, discard);
        return;
    }
    discard->error = g_error_copy (error);
    end (discard);
}

static void
on_found (gpointer data)
{
    Discard *discard = data;
    RelaisSpool *spool = discard->spool;
    g_autoptr (GBytes) event = NULL;
    RelaisEventLine *line;
    RelaisGroup *group;

    if (discard->error != NULL) {
        end (discard);
        return;
    }
    line = relais_event_line_new_module (NULL, "damage-deleted", relais_loop_wall_us (spool->loop),
                                         NULL, -1);
    relais_event_line_add (line, "file", discard->name);
    relais_event_line_add_int (line, "size", (gint64)discard->bytes);
    event = relais_event_line_end (line);
    g_message ("spool \"%s\": the operator deletes %s, %" G_GUINT64_FORMAT
               " octets that were put aside",
               spool->dir, discard->name, discard->bytes);
    group = relais_group_new (spool);
    relais_group_add_event (group, event);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_synced, discard);
}

bool
relais_spool_is_damage (const char *name)
{
    const RelaisDamageKind kind = relais_damage_name_parse (name).kind;

    return kind != RELAIS_DAMAGE_OTHER && kind != RELAIS_DAMAGE_HEADER;
}

void
relais_spool_discard (RelaisSpool *spool, const char *name, RelaisSpoolDiscarded done,
                      gpointer data)
{
    Discard *discard = g_new0 (Discard, 1);

    *discard = (Discard){.spool = spool,
                         .name = g_strdup (name),
                         .parsed = relais_damage_name_parse (name),
                         .done = done,
                         .data = data};
    relais_spool_run_job (spool, look, on_found, discard);
}

/* --- At start ----------------------------------------------------------------------------------- */

/* What stands for wishes, and headers, of segments that are gone. */
static bool
is_useless (const RelaisSpool *spool, const char *name, const RelaisDamageName *parsed,
            GHashTable *kept)
{
    struct stat st;
    gconstpointer number = GUINT_TO_POINTER (parsed->number);

    if (g_hash_table_contains (spool->segments, number))
        return false;
    if (parsed->kind == RELAIS_DAMAGE_HEADER)
        return !g_hash_table_contains (kept, number);
    return parsed->kind == RELAIS_DAMAGE_STRETCH &&
           fstatat (spool->quarantine_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0;
}

void
relais_spool_tidy_damage (RelaisSpool *spool)
{
    g_autoptr (GPtrArray) names = relais_damage_list (spool->quarantine_fd);
    g_autoptr (GHashTable) kept = g_hash_table_new (NULL, NULL); /* segments of stretches */

    for (int headers = 0; headers <= 1; headers++)
        for (guint i = 0; i < names->len; i++) {
            const char *name = g_ptr_array_index (names, i);
            const RelaisDamageName parsed = relais_damage_name_parse (name);

            if ((parsed.kind == RELAIS_DAMAGE_HEADER) != (headers == 1))
                continue;
            if (is_useless (spool, name, &parsed, kept))
                unlinkat (spool->quarantine_fd, name, 0);
            else if (parsed.kind == RELAIS_DAMAGE_STRETCH)
                g_hash_table_add (kept, GUINT_TO_POINTER (parsed.number));
        }
}
