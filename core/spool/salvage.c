/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What can still be read of damaged parts of a spool: `relaisctl spool damaged` and `export`. Takes no lock
 * and changes nothing of the spool; what is exported goes below a directory of the caller's, never over a
 * file that is there. No length is trusted whose checksum is wrong: octets between records are told as
 * such. Blocks; relaisctl and tests.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/body-file.h"
#include "spool/crc32c.h"
#include "spool/rows.h"
#include "spool/salvage.h"

enum { COPY_BYTES = 1 << 20 };

typedef struct {
    int dir_fd, quarantine_fd, bodies_fd, to_fd; /* -1: none */
    RelaisSpoolRow row;
    gpointer data;
    GError *error; /* the first failure to write */
} Salvage;

/* Octets of a segment, in memory. */
typedef struct {
    guint32 number, start; /* bytes[0] stood at `start` of segment `number` */
    bool framed;           /* the segment's header is known */
    RelaisFraming framing;
    const guint8 *bytes;
    gsize size;
} Stretch;

/* --- Names -------------------------------------------------------------------------------------- */

char *
relais_damage_name (guint32 number, guint32 start, guint32 end)
{
    return g_strdup_printf ("segment-%08x-%u-%u", number, start, end);
}

static bool
parse_stretch (char *const *parts, RelaisDamage *stretch)
{
    guint64 start, end;

    if (g_strv_length ((char **)parts) != 4 ||
        !g_ascii_string_to_unsigned (parts[2], 10, 0, G_MAXUINT32, &start, NULL) ||
        !g_ascii_string_to_unsigned (parts[3], 10, start, G_MAXUINT32, &end, NULL))
        return false;
    *stretch = (RelaisDamage){(guint32)start, (guint32)end};
    return true;
}

RelaisDamageName
relais_damage_name_parse (const char *name)
{
    RelaisDamageName parsed = {0};
    g_auto (GStrv) parts = g_strsplit (name, "-", 5);
    g_autofree char *segment = NULL;
    guint64 unused;

    if (relais_body_file_parse_name (name, &unused))
        parsed.kind = RELAIS_DAMAGE_BODY;
    else if (relais_segment_parse_name (name, "segment-", &parsed.number))
        parsed.kind = RELAIS_DAMAGE_SEGMENT;
    else if (parse_stretch (parts, &parsed.stretch)) {
        segment = g_strconcat (parts[0], "-", parts[1], NULL);
        if (relais_segment_parse_name (segment, "segment-", &parsed.number))
            parsed.kind = parsed.stretch.start == 0 ? RELAIS_DAMAGE_HEADER : RELAIS_DAMAGE_STRETCH;
    }
    return parsed;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
relais_damage_list (int quarantine_fd)
{
    GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
    const int fd = openat (quarantine_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd >= 0 ? fdopendir (fd) : NULL;
    struct dirent *entry;

    while (files != NULL && (entry = readdir (files)) != NULL)
        g_ptr_array_add (names, g_strdup (entry->d_name));
    if (files != NULL)
        closedir (files);
    g_ptr_array_sort (names, compare_names);
    return names;
}

/* --- Reading ------------------------------------------------------------------------------------ */

static bool
decode_header (int fd, guint32 number, RelaisFraming *framing)
{
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    RelaisHeaderVerdict verdict;
    const bool good = fd >= 0 && relais_segment_read_header (fd, header, &verdict, NULL) &&
                      verdict == RELAIS_HEADER_GOOD && header->number == number;

    if (good)
        *framing = relais_segment_framing (header);
    if (fd >= 0)
        close (fd);
    return good;
}

/* By the segment, if it is still there, or by its header that was saved with what is damaged. */
static void
find_framing (const Salvage *salvage, Stretch *stretch)
{
    char segment[RELAIS_SEGMENT_NAME_BYTES];
    g_autofree char *saved = relais_damage_name (stretch->number, 0, RELAIS_SEGMENT_HEADER_BYTES);

    relais_segment_name (segment, stretch->number);
    stretch->framed =
        decode_header (openat (salvage->dir_fd, segment, O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
                       stretch->number, &stretch->framing) ||
        decode_header (openat (salvage->quarantine_fd, saved, O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
                       stretch->number, &stretch->framing);
}

static guint8 *
read_range (int fd, guint64 from, guint64 size, GError **error)
{
    g_autofree guint8 *bytes = g_try_malloc (MAX (size, 1));

    if (bytes == NULL) {
        relais_spool_set_errno (error, ENOMEM, _ ("cannot read what is damaged"));
        return NULL;
    }
    return relais_spool_pread (fd, bytes, size, from, error) ? g_steal_pointer (&bytes) : NULL;
}

static int
open_file (int dir_fd, const char *name, guint64 *size, GError **error)
{
    struct stat st;
    int fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode)) {
        *size = (guint64)st.st_size;
        return fd;
    }
    if (fd >= 0)
        close (fd);
    relais_spool_set_errno (error, fd >= 0 ? EINVAL : errno, name);
    return -1;
}

/* --- Writing ------------------------------------------------------------------------------------ */

static void
note_errno (Salvage *salvage, const char *name)
{
    if (salvage->error == NULL)
        relais_spool_set_errno (&salvage->error, errno, name);
}

static bool
write_all (int fd, const guint8 *bytes, gsize size)
{
    while (size > 0) {
        ssize_t n = write (fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        size -= (gsize)n;
    }
    return true;
}

static int
create (Salvage *salvage, const char *name)
{
    int fd =
        openat (salvage->to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        note_errno (salvage, name);
    return fd;
}

static void
finish (Salvage *salvage, int fd, const char *name, bool good)
{
    if (close (fd) < 0 || !good)
        note_errno (salvage, name);
}

static void
save (Salvage *salvage, const char *name, const guint8 *bytes, gsize size)
{
    int fd = create (salvage, name);

    if (fd >= 0)
        finish (salvage, fd, name, write_all (fd, bytes, size));
}

/* --- Rows of an export -------------------------------------------------------------------------- */

typedef struct {
    const char *file;                 /* of the spool */
    guint64 offset, bytes;            /* there */
    const char *type, *id;            /* of a record; NULL: not known */
    const char *header, *head, *body; /* "good", "damaged", "cut", or NULL: there is none */
    const char *saved;                /* the file that was written */
} Told;

static void
tell (const Salvage *salvage, const Told *told)
{
    JsonBuilder *row = relais_spool_row_begin ("file", told->file);

    relais_spool_row_add_int (row, "offset", told->offset);
    relais_spool_row_add_int (row, "bytes", told->bytes);
    relais_spool_row_add (row, "type", told->type);
    relais_spool_row_add (row, "id", told->id);
    relais_spool_row_add (row, "header", told->header);
    relais_spool_row_add (row, "head", told->head);
    relais_spool_row_add (row, "body", told->body);
    relais_spool_row_add (row, "saved", told->saved);
    relais_spool_row_end (row, salvage->row, salvage->data);
}

/* --- Body files --------------------------------------------------------------------------------- */

/* Copies the file, and tells how it compares with what its MESSAGE says of it; NULL `ref`: nothing says. */
static const char *
copy_body (Salvage *salvage, int fd, guint64 size, const RelaisBodyFileRef *ref, const char *saved)
{
    g_autofree guint8 *piece = g_malloc (COPY_BYTES);
    int to = create (salvage, saved);
    guint32 crc = 0;
    bool good = true;
    guint64 at = 0;

    while (to >= 0 && good && at < size) {
        const gsize n = (gsize)MIN (size - at, COPY_BYTES);

        if (!relais_spool_pread (fd, piece, n, at, NULL))
            break;
        crc = relais_crc32c (crc, piece, n);
        good = write_all (to, piece, n);
        at += n;
    }
    if (to >= 0)
        finish (salvage, to, saved, good);
    if (at < size || (ref != NULL && size < ref->size_bytes))
        return "cut";
    if (ref == NULL)
        return "unknown";
    return size == ref->size_bytes && crc == ref->crc ? "good" : "damaged";
}

/* The body of a MESSAGE that is a file, where it is or where it was put aside. */
static const char *
export_body_file (Salvage *salvage, const guint8 *bytes, const char *saved)
{
    RelaisBodyFileRef ref;
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    const char *state;
    guint64 size;
    int fd;

    relais_body_file_ref_decode (bytes, &ref);
    relais_body_file_name (name, ref.number);
    fd = salvage->bodies_fd >= 0 ? open_file (salvage->bodies_fd, name, &size, NULL) : -1;
    if (fd < 0 && salvage->quarantine_fd >= 0)
        fd = open_file (salvage->quarantine_fd, name, &size, NULL);
    if (fd < 0)
        return "missing";
    state = copy_body (salvage, fd, size, &ref, saved);
    close (fd);
    return state;
}

/* --- Records ------------------------------------------------------------------------------------ */

static const char *
state_of (const Stretch *stretch, gsize at, guint32 size, guint32 crc)
{
    if (at > stretch->size || size > stretch->size - at)
        return "cut";
    return relais_record_crc (&stretch->framing, stretch->bytes + at, size) == crc ? "good"
                                                                                   : "damaged";
}

/* Its message part, if its end is known and there; sets `told->saved` where there is one. */
static void
export_message (Salvage *salvage, const Stretch *stretch, const RelaisRecord *record, gsize body_at,
                const char *saved, Told *told)
{
    const guint8 *body = stretch->bytes + body_at;

    if (g_str_equal (told->body, "cut"))
        return;
    if ((record->flags & RELAIS_RECORD_FILE) == 0) {
        save (salvage, saved, body, record->body_bytes);
        told->saved = saved;
    } else if (g_str_equal (told->body, "good") && record->body_bytes == RELAIS_BODY_FILE_BYTES) {
        told->body = export_body_file (salvage, body, saved);
        told->saved = g_str_equal (told->body, "missing") ? NULL : saved;
    }
}

/* Returns where to look for the next one. */
static gsize
export_record (Salvage *salvage, const Stretch *stretch, const char *file, gsize at,
               const RelaisRecord *record)
{
    const gsize head_at = at + RELAIS_RECORD_BYTES;
    const gsize body_at = head_at + record->head_bytes;
    const guint32 offset = stretch->start + (guint32)at;
    g_autofree char *saved = g_strdup_printf ("segment-%08x-%u.eml", stretch->number, offset);
    char id[RELAIS_ID_TEXT_BYTES];
    Told told = {
        .file = file,
        .offset = offset,
        .bytes = relais_record_size (record),
        .type = relais_spool_type_name (record->type),
        .header = "good",
        .head = state_of (stretch, head_at, record->head_bytes, record->head_crc),
        .body = record->body_bytes > 0
                    ? state_of (stretch, body_at, record->body_bytes, record->body_crc)
                    : NULL,
    };

    if (record->id != 0) {
        relais_id_to_text (record->id, id);
        told.id = id;
    }
    if (record->type == RELAIS_RECORD_MESSAGE && told.body != NULL)
        export_message (salvage, stretch, record, body_at, saved, &told);
    tell (salvage, &told);
    return relais_record_size (record) > stretch->size - at ? head_at
                                                            : at + relais_record_size (record);
}

/* The next record whose own header is right; `size` if there is none. */
static gsize
find_record (const Stretch *stretch, gsize at, RelaisRecord *record)
{
    for (; stretch->framed && at + RELAIS_RECORD_BYTES <= stretch->size; at++)
        if (relais_record_decode (&stretch->framing, stretch->bytes + at, record))
            return at;
    return stretch->size;
}

static void
export_records (Salvage *salvage, const Stretch *stretch, const char *file)
{
    for (gsize at = 0; at < stretch->size;) {
        RelaisRecord record;
        const gsize found = find_record (stretch, at, &record);

        if (found > at)
            tell (salvage, &(Told){.file = file,
                                   .offset = stretch->start + at,
                                   .bytes = found - at,
                                   .type = "octets",
                                   .header = stretch->framed ? "damaged" : "unknown"});
        at = found < stretch->size ? export_record (salvage, stretch, file, found, &record) : found;
    }
}

static guint
count_messages (const Stretch *stretch)
{
    RelaisRecord record;
    guint n = 0;

    for (gsize at = 0; (at = find_record (stretch, at, &record)) < stretch->size; at++)
        n += record.type == RELAIS_RECORD_MESSAGE;
    return n;
}

/* --- What is to be exported --------------------------------------------------------------------- */

static void
export_stretch (Salvage *salvage, const Stretch *stretch)
{
    char file[RELAIS_SEGMENT_NAME_BYTES];
    g_autofree char *name = relais_damage_name (stretch->number, stretch->start,
                                                stretch->start + (guint32)stretch->size);
    g_autofree char *saved = g_strconcat (name, ".bin", NULL);

    relais_segment_name (file, stretch->number);
    save (salvage, saved, stretch->bytes, stretch->size);
    tell (salvage, &(Told){.file = file,
                           .offset = stretch->start,
                           .bytes = stretch->size,
                           .type = "raw",
                           .saved = saved});
    export_records (salvage, stretch, file);
}

static bool
export_saved_stretch (Salvage *salvage, const char *name, const RelaisDamageName *parsed,
                      GError **error)
{
    Stretch stretch = {.number = parsed->number, .start = parsed->stretch.start};
    g_autofree guint8 *bytes = NULL;
    guint64 size;
    int fd = open_file (salvage->quarantine_fd, name, &size, error);

    if (fd < 0)
        return false;
    bytes = read_range (fd, 0, size, error);
    close (fd);
    if (bytes == NULL)
        return false;
    stretch.bytes = bytes;
    stretch.size = size;
    find_framing (salvage, &stretch);
    export_stretch (salvage, &stretch);
    return true;
}

/* A body file that nobody wants, or a segment without a header: copied as it is. */
static bool
export_file (Salvage *salvage, const char *name, RelaisDamageKind kind, GError **error)
{
    g_autofree char *saved = g_strconcat (name, kind == RELAIS_DAMAGE_BODY ? ".eml" : ".bin", NULL);
    guint64 size;
    int fd = open_file (salvage->quarantine_fd, name, &size, error);
    const char *state;

    if (fd < 0)
        return false;
    state = copy_body (salvage, fd, size, NULL, saved);
    close (fd);
    tell (salvage, &(Told){.file = name,
                           .bytes = size,
                           .type = kind == RELAIS_DAMAGE_BODY ? "body" : "raw",
                           .body = state,
                           .saved = saved});
    return true;
}

/* The damaged octets that begin at `offset`, or hold it. */
static bool
find_damage (int fd, const RelaisFraming *framing, guint32 valid, guint32 offset,
             RelaisDamage *found, GError **error)
{
    g_auto (RelaisScanRoom) room = {0};
    RelaisScan scan = {0};
    bool is_there = false;

    if (!relais_segment_scan_file (fd, framing, valid, &room, &scan, error))
        return false;
    for (guint i = 0; i < scan.damages->len && !is_there; i++) {
        *found = g_array_index (scan.damages, RelaisDamage, i);
        is_there = offset >= found->start && offset < found->end;
    }
    relais_scan_clear (&scan);
    if (!is_there)
        g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE,
                     _ ("there is neither a record nor anything damaged at octet %u"), offset);
    return is_there;
}

static bool
export_at (Salvage *salvage, guint32 number, guint32 offset, GError **error)
{
    Stretch stretch = {.number = number, .start = offset};
    char name[RELAIS_SEGMENT_NAME_BYTES];
    g_autofree guint8 *bytes = NULL;
    guint8 start[RELAIS_RECORD_BYTES];
    RelaisDamage range = {offset, offset};
    RelaisRecord record;
    guint64 size;
    int fd;

    relais_segment_name (name, number);
    fd = open_file (salvage->dir_fd, name, &size, error);
    if (fd < 0)
        return false;
    find_framing (salvage, &stretch);
    if (stretch.framed && relais_spool_pread (fd, start, sizeof start, offset, NULL) &&
        relais_record_decode (&stretch.framing, start, &record))
        range.end = (guint32)MIN (offset + relais_record_size (&record), size);
    else if (!find_damage (fd, &stretch.framing, (guint32)MIN (size, G_MAXUINT32), offset, &range,
                           error)) {
        close (fd);
        return false;
    }
    bytes = read_range (fd, range.start, range.end - range.start, error);
    close (fd);
    if (bytes == NULL)
        return false;
    stretch.start = range.start;
    stretch.bytes = bytes;
    stretch.size = range.end - range.start;
    export_stretch (salvage, &stretch);
    return true;
}

/* "segment-XXXXXXXX:OFFSET" */
static bool
parse_position (const char *what, guint32 *number, guint32 *offset)
{
    const char *colon = strchr (what, ':');
    g_autofree char *name = colon != NULL ? g_strndup (what, (gsize)(colon - what)) : NULL;
    guint64 at;

    if (name == NULL || !relais_segment_parse_name (name, "segment-", number) ||
        !g_ascii_string_to_unsigned (colon + 1, 10, RELAIS_SEGMENT_HEADER_BYTES, G_MAXINT32, &at,
                                     NULL))
        return false;
    *offset = (guint32)at;
    return true;
}

static bool
export_what (Salvage *salvage, const char *dir, const char *what, GError **error)
{
    const RelaisDamageName parsed = relais_damage_name_parse (what);
    guint32 number, offset;
    guint64 id;

    switch (parsed.kind) {
    case RELAIS_DAMAGE_STRETCH: return export_saved_stretch (salvage, what, &parsed, error);
    case RELAIS_DAMAGE_SEGMENT:
    case RELAIS_DAMAGE_BODY: return export_file (salvage, what, parsed.kind, error);
    case RELAIS_DAMAGE_HEADER:
    case RELAIS_DAMAGE_OTHER: break;
    }
    if (parse_position (what, &number, &offset))
        return export_at (salvage, number, offset, error);
    if (relais_id_from_text (what, &id) && id != 0)
        return relais_spool_find_message (dir, id, &number, &offset, error) &&
               export_at (salvage, number, offset, error);
    g_set_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE,
                 _ ("\"%s\" is neither a queue id, nor SEGMENT:OFFSET as `spool verify` tells it, "
                    "nor a file as `spool damaged` does"),
                 what);
    return false;
}

/* --- The whole ---------------------------------------------------------------------------------- */

static bool
open_spool (Salvage *salvage, const char *dir, GError **error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

    relais_assert_may_block ();
    salvage->dir_fd = open (dir, flags);
    if (salvage->dir_fd < 0) {
        relais_spool_set_errno (error, errno, _ ("cannot open the spool"));
        return false;
    }
    salvage->quarantine_fd = openat (salvage->dir_fd, "quarantine", flags);
    salvage->bodies_fd = openat (salvage->dir_fd, "bodies", flags);
    return true;
}

static void
close_spool (Salvage *salvage)
{
    const int fds[] = {salvage->dir_fd, salvage->quarantine_fd, salvage->bodies_fd, salvage->to_fd};

    for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
        if (fds[i] >= 0)
            close (fds[i]);
    g_clear_error (&salvage->error);
}

bool
relais_spool_export (const char *dir, const char *what, const char *to, RelaisSpoolRow row,
                     gpointer data, GError **error)
{
    Salvage salvage = {.to_fd = -1, .row = row, .data = data};
    bool good;

    if (!open_spool (&salvage, dir, error))
        return false;
    if (g_mkdir_with_parents (to, 0700) == 0)
        salvage.to_fd = open (to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (salvage.to_fd < 0)
        relais_spool_set_errno (error, errno, to);
    good = salvage.to_fd >= 0 && export_what (&salvage, dir, what, error);
    if (good && salvage.error != NULL) {
        g_propagate_error (error, g_steal_pointer (&salvage.error));
        good = false;
    }
    close_spool (&salvage);
    return good;
}

static void
tell_damaged (Salvage *salvage, const char *name)
{
    static const char *const kinds[] = {NULL, "records", NULL, "segment", "body"};
    const RelaisDamageName parsed = relais_damage_name_parse (name);
    Stretch stretch = {.number = parsed.number, .start = parsed.stretch.start};
    guint64 size = 0;
    int fd =
        kinds[parsed.kind] != NULL ? open_file (salvage->quarantine_fd, name, &size, NULL) : -1;
    g_autofree guint8 *bytes = NULL;
    JsonBuilder *row;

    if (fd >= 0 && parsed.kind == RELAIS_DAMAGE_STRETCH && size > 0)
        bytes = read_range (fd, 0, size, NULL);
    if (fd >= 0)
        close (fd);
    if (fd < 0 || size == 0)
        return;
    row = relais_spool_row_begin ("file", name);
    relais_spool_row_add (row, "what", kinds[parsed.kind]);
    relais_spool_row_add_int (row, "bytes", size);
    if (bytes != NULL) {
        stretch.bytes = bytes;
        stretch.size = size;
        find_framing (salvage, &stretch);
    }
    relais_spool_row_add_int (row, "messages",
                              parsed.kind == RELAIS_DAMAGE_BODY ? 1 : count_messages (&stretch));
    relais_spool_row_end (row, salvage->row, salvage->data);
}

bool
relais_spool_damaged (const char *dir, RelaisSpoolRow row, gpointer data, GError **error)
{
    Salvage salvage = {.to_fd = -1, .row = row, .data = data};
    g_autoptr (GPtrArray) names = NULL;

    if (!open_spool (&salvage, dir, error))
        return false;
    names = relais_damage_list (salvage.quarantine_fd);
    for (guint i = 0; i < names->len; i++)
        tell_damaged (&salvage, g_ptr_array_index (names, i));
    close_spool (&salvage);
    return true;
}
