/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of the index: a head, the entries by key, the same by hash of Message-ID, all in pages that carry
 * a checksum, so that a lookup reads and checks but the few pages that it steps on. Blocks: the index's thread, a
 * worker, start-up.
 *
 *   page     CHECKSUM (8)  DATA (4088, what is not used is 0)
 *   head     MAGIC (8)  DAY (4)  N (4)  FROM (8)  TO (8)  LEAST (16)  MOST (16)
 *   by key   KEY (16)  OFFSET (8)       170 a page
 *   by hash  HASH (8)  OFFSET (8)       255 a page
 *
 * Numbers are big-endian, so that octets compare as what they stand for.
 */
#include "config.h"

#include "event/index-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/files-private.h"

static const char magic[] = "RLSIDX01";

#define NAME_PREFIX "events-"
#define NAME_FORMAT NAME_PREFIX "%08u.%u.idx"

enum {
    CHECKSUM_BYTES = 8,
    DATA_BYTES = RELAIS_EVENT_PAGE_BYTES - CHECKSUM_BYTES,
    MAGIC_BYTES = 8,
    NUMBER_BYTES = 8, /* of an offset, a hash */
    KEY_RECORD_BYTES = RELAIS_EVENT_KEY_BYTES + NUMBER_BYTES,
    HASH_RECORD_BYTES = NUMBER_BYTES + NUMBER_BYTES,
    KEYS_A_PAGE = DATA_BYTES / KEY_RECORD_BYTES,
    HASHES_A_PAGE = DATA_BYTES / HASH_RECORD_BYTES,
    NAME_BYTES = 64
};

/* --- Life and name -------------------------------------------------------------------------------- */

RelaisEventRun *
relais_event_run_ref (RelaisEventRun *run)
{
    g_atomic_ref_count_inc (&run->refs);
    return run;
}

void
relais_event_run_unref (RelaisEventRun *run)
{
    if (g_atomic_ref_count_dec (&run->refs))
        g_free (run);
}

char *
relais_event_run_name (guint32 day, guint32 number)
{
    return g_strdup_printf (NAME_FORMAT, day, number);
}

bool
relais_event_run_parse_name (const char *name, guint32 *day, guint32 *number)
{
    g_autofree char *again = NULL;
    char *end;

    if (!g_str_has_prefix (name, NAME_PREFIX))
        return false;
    *day = (guint32)g_ascii_strtoull (name + sizeof NAME_PREFIX - 1, &end, 10);
    *number = *end == '.' ? (guint32)g_ascii_strtoull (end + 1, NULL, 10) : 0;
    again = relais_event_run_name (*day, *number);
    return g_str_equal (name, again);
}

static void
put_number (guint8 *to, guint64 value)
{
    value = GUINT64_TO_BE (value);
    memcpy (to, &value, sizeof value);
}

static guint64
get_number (const guint8 *from)
{
    guint64 value;

    memcpy (&value, from, sizeof value);
    return GUINT64_FROM_BE (value);
}

/* --- Pages ---------------------------------------------------------------------------------------- */

typedef struct {
    guint8 bytes[RELAIS_EVENT_PAGE_BYTES];
} Page;

static guint8 *
page_data (Page *page)
{
    return page->bytes + CHECKSUM_BYTES;
}

static void
page_seal (Page *page)
{
    put_number (page->bytes, relais_event_hash (page_data (page), DATA_BYTES));
}

static bool
page_read (Page *page, int fd, guint number)
{
    gsize held = 0;

    while (held < sizeof page->bytes) {
        const ssize_t n = pread (fd, page->bytes + held, sizeof page->bytes - held,
                                 (off_t)number * RELAIS_EVENT_PAGE_BYTES + (off_t)held);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        held += (gsize)n;
    }
    return get_number (page->bytes) == relais_event_hash (page_data (page), DATA_BYTES);
}

static guint
pages_of (guint n, guint a_page)
{
    return (n + a_page - 1) / a_page;
}

/* --- Writing -------------------------------------------------------------------------------------- */

static gint
compare_keys (gconstpointer a, gconstpointer b)
{
    return memcmp (((const RelaisEventEntry *)a)->key, ((const RelaisEventEntry *)b)->key,
                   RELAIS_EVENT_KEY_BYTES);
}

static gint
compare_hashes (gconstpointer a, gconstpointer b)
{
    const guint64 one = ((const RelaisEventEntry *)a)->hash;
    const guint64 two = ((const RelaisEventEntry *)b)->hash;

    return one < two ? -1 : one > two;
}

static void
put_key_record (guint8 *to, const RelaisEventEntry *entry)
{
    memcpy (to, entry->key, RELAIS_EVENT_KEY_BYTES);
    put_number (to + RELAIS_EVENT_KEY_BYTES, entry->offset);
}

static void
put_hash_record (guint8 *to, const RelaisEventEntry *entry)
{
    put_number (to, entry->hash);
    put_number (to + NUMBER_BYTES, entry->offset);
}

static void
add_records (GByteArray *file, const GArray *entries, guint a_page, guint record_bytes,
             void (*put) (guint8 *to, const RelaisEventEntry *entry))
{
    for (guint i = 0; i < entries->len;) {
        Page page = {{0}};

        for (guint k = 0; k < a_page && i < entries->len; k++, i++)
            put (page_data (&page) + k * record_bytes,
                 &g_array_index (entries, RelaisEventEntry, i));
        page_seal (&page);
        g_byte_array_append (file, page.bytes, sizeof page.bytes);
    }
}

static void
add_head (GByteArray *file, const RelaisEventRun *run)
{
    Page page = {{0}};
    guint8 *to = page_data (&page);

    memcpy (to, magic, MAGIC_BYTES);
    put_number (to + MAGIC_BYTES, (guint64)run->day << 32 | run->n);
    put_number (to + MAGIC_BYTES + NUMBER_BYTES, run->from);
    put_number (to + MAGIC_BYTES + 2 * NUMBER_BYTES, run->to);
    memcpy (to + MAGIC_BYTES + 3 * NUMBER_BYTES, run->least, RELAIS_EVENT_KEY_BYTES);
    memcpy (to + MAGIC_BYTES + 3 * NUMBER_BYTES + RELAIS_EVENT_KEY_BYTES, run->most,
            RELAIS_EVENT_KEY_BYTES);
    page_seal (&page);
    g_byte_array_append (file, page.bytes, sizeof page.bytes);
}

static GByteArray *
lay_out (RelaisEventRun *run, GArray *entries)
{
    GByteArray *file = g_byte_array_new ();

    g_array_sort (entries, compare_keys);
    if (run->n > 0) {
        memcpy (run->least, g_array_index (entries, RelaisEventEntry, 0).key,
                RELAIS_EVENT_KEY_BYTES);
        memcpy (run->most, g_array_index (entries, RelaisEventEntry, run->n - 1).key,
                RELAIS_EVENT_KEY_BYTES);
    }
    add_head (file, run);
    add_records (file, entries, KEYS_A_PAGE, KEY_RECORD_BYTES, put_key_record);
    g_array_sort (entries, compare_hashes);
    add_records (file, entries, HASHES_A_PAGE, HASH_RECORD_BYTES, put_hash_record);
    return file;
}

static bool
write_all (int fd, const GByteArray *file)
{
    for (gsize done = 0; done < file->len;) {
        const ssize_t n = write (fd, file->data + done, file->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (gsize)n;
    }
    return fdatasync (fd) == 0;
}

static bool
save (int dir_fd, const char *name, const GByteArray *file, GError **error)
{
    g_autofree char *temporary = g_strconcat (name, ".new", NULL);
    const int fd =
        openat (dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool good = fd >= 0 && write_all (fd, file);

    good = good && renameat (dir_fd, temporary, dir_fd, name) == 0 && fsync (dir_fd) == 0;
    if (!good)
        relais_event_fail (error, "write", name);
    if (fd >= 0)
        close (fd);
    if (!good && fd >= 0)
        (void)unlinkat (dir_fd, temporary, 0);
    return good;
}

RelaisEventRun *
relais_event_run_write (int dir_fd, guint32 day, guint32 number, guint64 from, guint64 to,
                        GArray *entries, GError **error)
{
    RelaisEventRun *run = g_new0 (RelaisEventRun, 1);
    g_autoptr (GByteArray) file = NULL;
    g_autofree char *name = relais_event_run_name (day, number);

    g_atomic_ref_count_init (&run->refs);
    run->day = day;
    run->number = number;
    run->from = from;
    run->to = to;
    run->n = entries->len;
    file = lay_out (run, entries);
    if (save (dir_fd, name, file, error))
        return run;
    relais_event_run_unref (run);
    return NULL;
}

/* --- Reading -------------------------------------------------------------------------------------- */

static int
open_file (int dir_fd, guint32 day, guint32 number)
{
    char name[NAME_BYTES];

    g_snprintf (name, sizeof name, NAME_FORMAT, day, number);
    return openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool
head_read (RelaisEventRun *run, int fd)
{
    Page page;
    const guint8 *from = page_data (&page);
    struct stat st;
    guint64 number;

    if (!page_read (&page, fd, 0) || memcmp (from, magic, MAGIC_BYTES) != 0 || fstat (fd, &st) < 0)
        return false;
    number = get_number (from + MAGIC_BYTES);
    run->n = (guint32)number;
    run->from = get_number (from + MAGIC_BYTES + NUMBER_BYTES);
    run->to = get_number (from + MAGIC_BYTES + 2 * NUMBER_BYTES);
    memcpy (run->least, from + MAGIC_BYTES + 3 * NUMBER_BYTES, RELAIS_EVENT_KEY_BYTES);
    memcpy (run->most, from + MAGIC_BYTES + 3 * NUMBER_BYTES + RELAIS_EVENT_KEY_BYTES,
            RELAIS_EVENT_KEY_BYTES);
    return number >> 32 == run->day && run->from < run->to && run->n <= RELAIS_EVENT_RUN_ENTRIES &&
           st.st_size ==
               (off_t)(1 + pages_of (run->n, KEYS_A_PAGE) + pages_of (run->n, HASHES_A_PAGE)) *
                   RELAIS_EVENT_PAGE_BYTES;
}

RelaisEventRun *
relais_event_run_open (int dir_fd, guint32 day, guint32 number)
{
    RelaisEventRun *run = g_new0 (RelaisEventRun, 1);
    const int fd = open_file (dir_fd, day, number);
    bool good;

    g_atomic_ref_count_init (&run->refs);
    run->day = day;
    run->number = number;
    good = fd >= 0 && head_read (run, fd);
    if (fd >= 0)
        close (fd);
    if (good)
        return run;
    relais_event_run_unref (run);
    return NULL;
}

/* --- Looking up ----------------------------------------------------------------------------------- */

/* Records of one order: where they stand, and what of them is compared. */
typedef struct {
    int fd;
    guint first_page, n, a_page, record_bytes, key_bytes;
    const guint8 *key;
} Table;

static bool
table_read (const Table *table, guint page_number, Page *page)
{
    return page_read (page, table->fd, table->first_page + page_number);
}

static int
compare (const Table *table, Page *page, guint place)
{
    return memcmp (page_data (page) + place * table->record_bytes, table->key, table->key_bytes);
}

static guint
records_in (const Table *table, guint page_number)
{
    return MIN (table->a_page, table->n - page_number * table->a_page);
}

/* The first page whose last record is not before the key; the number of pages if there is none. */
static bool
find_page (const Table *table, guint *found)
{
    guint low = 0, high = pages_of (table->n, table->a_page);

    while (low < high) {
        const guint middle = low + (high - low) / 2;
        Page page;

        if (!table_read (table, middle, &page))
            return false;
        if (compare (table, &page, records_in (table, middle) - 1) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low;
    return true;
}

static bool
find_all (const Table *table, GArray *offsets, guint max)
{
    guint page_number;

    if (!find_page (table, &page_number))
        return false;
    for (; page_number < pages_of (table->n, table->a_page); page_number++) {
        Page page;

        if (!table_read (table, page_number, &page))
            return false;
        for (guint i = 0; i < records_in (table, page_number); i++) {
            const int order = compare (table, &page, i);
            const guint64 offset =
                get_number (page_data (&page) + i * table->record_bytes + table->key_bytes);

            if (order > 0 || offsets->len >= max)
                return true;
            if (order == 0)
                g_array_append_val (offsets, offset);
        }
    }
    return true;
}

static bool
look_up (const RelaisEventRun *run, int dir_fd, Table *table, GArray *offsets, guint max)
{
    bool good;

    table->fd = open_file (dir_fd, run->day, run->number);
    table->n = run->n;
    if (table->fd < 0)
        return false;
    good = find_all (table, offsets, max);
    close (table->fd);
    return good;
}

bool
relais_event_run_find_key (const RelaisEventRun *run, int dir_fd,
                           const guint8 key[RELAIS_EVENT_KEY_BYTES], GArray *offsets, guint max)
{
    Table table = {.first_page = 1,
                   .a_page = KEYS_A_PAGE,
                   .record_bytes = KEY_RECORD_BYTES,
                   .key_bytes = RELAIS_EVENT_KEY_BYTES,
                   .key = key};

    if (run->n == 0 || memcmp (key, run->least, RELAIS_EVENT_KEY_BYTES) < 0 ||
        memcmp (key, run->most, RELAIS_EVENT_KEY_BYTES) > 0)
        return true;
    return look_up (run, dir_fd, &table, offsets, max);
}

bool
relais_event_run_find_hash (const RelaisEventRun *run, int dir_fd, guint64 hash, GArray *offsets,
                            guint max)
{
    guint8 key[NUMBER_BYTES];
    Table table = {.first_page = 1 + pages_of (run->n, KEYS_A_PAGE),
                   .a_page = HASHES_A_PAGE,
                   .record_bytes = HASH_RECORD_BYTES,
                   .key_bytes = NUMBER_BYTES,
                   .key = key};

    put_number (key, hash);
    return run->n == 0 || look_up (run, dir_fd, &table, offsets, max);
}
