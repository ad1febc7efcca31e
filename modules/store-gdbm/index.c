/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GDBM behind answers that do not mix up "not there" and "not readable". Under a key stand eight octets
 * of expiry, XXH3 of that, the value and the key, and the value; under "\0sum" the mark of an index that was
 * closed in order. Keys of the store begin with a namespace, so none is like that. One thread owns an index.
 *
 * GDBM checks little of what it reads, and a key that it does not find because an octet of it has changed is
 * "not there". So a file beside the index says what it was like when it was closed: INDEX.sum, its size and
 * XXH3. It need not be synced: without it, or with that of another moment, the index is built anew. While it is
 * open, its size and the time of its last change are those that we left, or somebody else wrote into it.
 */
#include "index.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    BLOCK_BYTES = 4096,
    CACHE_BUCKETS = 128, /* of BLOCK_BYTES each; unbounded, it would hold them all */
    EXPIRY_BYTES = 8,
    HEAD_BYTES = EXPIRY_BYTES + 8, /* with the check */
    MARK_BYTES = 32,
    READ_BYTES = 1 << 18
};

static const char mark_key[] = {'\0', 's', 'u', 'm'};

struct SgIndex {
    GDBM_FILE file;
    char *path;
    GByteArray *scratch; /* a value with its head, being put */
    const char *damage;  /* what the last ERROR was, if not GDBM's; or NULL */
    off_t size;          /* as we left it, and when */
    struct timespec changed;
};

static datum
datum_of (const guint8 *bytes, gsize size)
{
    return (datum){(char *)bytes, (int)size};
}

static datum
mark_datum (void)
{
    return (datum){(char *)mark_key, sizeof mark_key};
}

static bool
fail (GError **error, const char *path, const char *what)
{
    g_set_error (error, SG_ERROR, SG_ERROR_IO, "%s: %s", path, what);
    return false;
}

static SgIndex *
open_file (const char *path, int mode, GError **error)
{
    GDBM_FILE file = gdbm_open (path, BLOCK_BYTES, mode | GDBM_NOMMAP | GDBM_CLOEXEC, 0600, NULL);
    gsize buckets = CACHE_BUCKETS;
    SgIndex *index;

    if (file == NULL) {
        fail (error, path, gdbm_strerror (gdbm_errno));
        return NULL;
    }
    (void)gdbm_setopt (file, GDBM_SETCACHESIZE, &buckets, sizeof buckets); /* refused: as before */
    index = g_new (SgIndex, 1);
    *index = (SgIndex){.file = file, .path = g_strdup (path), .scratch = g_byte_array_new ()};
    return index;
}

static void
close_file (SgIndex *index)
{
    (void)gdbm_close (index->file);
    g_byte_array_unref (index->scratch);
    g_free (index->path);
    g_free (index);
}

/* --- The sum ---------------------------------------------------------------------------------- */

typedef struct {
    guint64 size, hash;
} Sum;

static bool
add_up (int fd, Sum *sum)
{
    g_autofree guint8 *bytes = g_malloc (READ_BYTES);
    XXH3_state_t *state = XXH3_createState ();
    gssize n = -1;

    *sum = (Sum){0};
    (void)XXH3_64bits_reset (state);
    while ((n = read (fd, bytes, READ_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        (void)XXH3_64bits_update (state, bytes, (gsize)n);
        sum->size += (guint64)n;
    }
    sum->hash = XXH3_64bits_digest (state);
    XXH3_freeState (state);
    return n == 0;
}

static bool
sum_file (const char *path, Sum *sum)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && add_up (fd, sum);

    if (fd >= 0)
        close (fd);
    return good;
}

/* Without it the index is built anew at the next start, so a disk that does not take it is no failure. */
static void
write_sum (const char *path)
{
    g_autofree char *beside = g_strconcat (path, ".sum", NULL);
    int fd;
    Sum sum;

    if (!sum_file (path, &sum))
        return;
    fd = open (beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    (void)!write (fd, &sum, sizeof sum);
    close (fd);
}

/* Whether the file is as write_sum () saw it. */
static bool
check_sum (const char *path)
{
    g_autofree char *beside = g_strconcat (path, ".sum", NULL);
    int fd = open (beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    Sum wanted, found;
    bool good = fd >= 0 && read (fd, &wanted, sizeof wanted) == (gssize)sizeof wanted;

    if (fd >= 0)
        close (fd);
    return good && sum_file (path, &found) && memcmp (&wanted, &found, sizeof found) == 0;
}

/* --- Whose it is ------------------------------------------------------------------------------ */

static void
note_state (SgIndex *index)
{
    struct stat info = {0};

    (void)fstat (gdbm_fdesc (index->file), &info);
    index->size = info.st_size;
    index->changed = info.st_mtim;
}

/* Whether nobody else wrote into it, or cut it, since we did. */
static bool
is_ours (SgIndex *index)
{
    struct stat info;
    const bool ours = fstat (gdbm_fdesc (index->file), &info) == 0 && info.st_size == index->size &&
                      info.st_mtim.tv_sec == index->changed.tv_sec &&
                      info.st_mtim.tv_nsec == index->changed.tv_nsec;

    index->damage = ours ? NULL : _ ("somebody else wrote into it");
    return ours;
}

/* --- The mark --------------------------------------------------------------------------------- */

static bool
read_mark (SgIndex *index, SgMark *mark)
{
    datum found = gdbm_fetch (index->file, mark_datum ());
    guint64 words[MARK_BYTES / 8];
    bool good = found.dptr != NULL && found.dsize == MARK_BYTES;

    if (good) {
        memcpy (words, found.dptr, sizeof words);
        *mark = (SgMark){words[0], words[1], words[2], words[3]};
    }
    free (found.dptr);
    return good;
}

static bool
write_mark (SgIndex *index, const SgMark *mark)
{
    const guint64 words[] = {mark->store_id, mark->seq, mark->journal, mark->journal_bytes};

    return gdbm_store (index->file, mark_datum (), (datum){(char *)words, sizeof words},
                       GDBM_REPLACE) == 0;
}

/* Whether it may be trusted; its mark is gone then, on disk too. */
static bool
check_mark (SgIndex *index, const char *path, SgMark *mark, GError **error)
{
    SgMark found;

    if (!read_mark (index, &found))
        return fail (error, path, _ ("it was not closed in order"));
    if (found.store_id != mark->store_id)
        return fail (error, path, _ ("it belongs to another store"));
    if (found.journal != mark->journal || found.journal_bytes != mark->journal_bytes)
        return fail (error, path, _ ("it is not of the same moment as the journal"));
    mark->seq = found.seq;
    if (gdbm_delete (index->file, mark_datum ()) != 0 || gdbm_sync (index->file) != 0)
        return fail (error, path, sg_index_trouble (index));
    note_state (index);
    return true;
}

SgIndex *
sg_index_open (const char *path, SgMark *mark, GError **error)
{
    SgIndex *index;

    if (access (path, F_OK) == 0 && !check_sum (path)) {
        fail (error, path, _ ("it is not as it was when it was closed in order"));
        return NULL;
    }
    index = open_file (path, GDBM_WRITER, error);
    if (index == NULL || check_mark (index, path, mark, error))
        return index;
    close_file (index);
    return NULL;
}

SgIndex *
sg_index_create (const char *path, GError **error)
{
    SgIndex *index;

    if (unlink (path) != 0 && errno != ENOENT) {
        sg_fail (error, path);
        return NULL;
    }
    index = open_file (path, GDBM_NEWDB, error);
    if (index != NULL)
        note_state (index);
    return index;
}

void
sg_index_close (SgIndex *index, const SgMark *mark)
{
    g_autofree char *path = NULL;
    bool trusted;

    if (index == NULL)
        return;
    path = g_strdup (index->path);
    trusted = mark != NULL && is_ours (index);
    /* The mark must not be on disk before what it vouches for. */
    if (trusted && gdbm_sync (index->file) == 0 && write_mark (index, mark))
        (void)gdbm_sync (index->file);
    close_file (index);
    if (trusted)
        write_sum (path);
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* Of an entry: its expiry, and all that stands behind its head. */
static guint64
check_of (const guint8 *key, gsize key_size, const guint8 expiry[EXPIRY_BYTES], const guint8 *value,
          gsize value_size)
{
    const XXH64_hash_t seed =
        XXH3_64bits_withSeed (expiry, EXPIRY_BYTES, XXH3_64bits (key, key_size));

    return XXH3_64bits_withSeed (value, value_size, seed);
}

static SgAnswer
not_found (const SgIndex *index)
{
    return gdbm_last_errno (index->file) == GDBM_ITEM_NOT_FOUND ? SG_ABSENT : SG_ERROR_ANSWER;
}

static bool
is_whole (const guint8 *key, gsize key_size, const guint8 *entry, int size)
{
    guint64 check;

    if (size < HEAD_BYTES)
        return false;
    memcpy (&check, entry + EXPIRY_BYTES, sizeof check);
    return check == check_of (key, key_size, entry, entry + HEAD_BYTES, (gsize)size - HEAD_BYTES);
}

SgAnswer
sg_index_get (SgIndex *index, const guint8 *key, gsize key_size, guint8 **value, gsize *value_size,
              gint64 *expires_us)
{
    datum found;

    if (!is_ours (index))
        return SG_ERROR_ANSWER;
    found = gdbm_fetch (index->file, datum_of (key, key_size));
    if (found.dptr == NULL)
        return not_found (index);
    if (!is_whole (key, key_size, (const guint8 *)found.dptr, found.dsize)) {
        free (found.dptr);
        index->damage = _ ("an entry is damaged");
        return SG_ERROR_ANSWER;
    }
    memcpy (expires_us, found.dptr, EXPIRY_BYTES);
    *value_size = (gsize)found.dsize - HEAD_BYTES;
    memmove (found.dptr, found.dptr + HEAD_BYTES, *value_size);
    *value = (guint8 *)found.dptr;
    return SG_FOUND;
}

SgAnswer
sg_index_get_expiry (SgIndex *index, const guint8 *key, gsize key_size, gint64 *expires_us)
{
    guint8 *value;
    gsize value_size;
    SgAnswer answer = sg_index_get (index, key, key_size, &value, &value_size, expires_us);

    if (answer != SG_FOUND)
        return answer;
    free (value);
    return *expires_us != 0 ? SG_FOUND : SG_ABSENT;
}

bool
sg_index_put (SgIndex *index, const guint8 *key, gsize key_size, const guint8 *value,
              gsize value_size, gint64 expires_us)
{
    GByteArray *scratch = index->scratch;
    const guint64 check = check_of (key, key_size, (const guint8 *)&expires_us, value, value_size);

    g_byte_array_set_size (scratch, 0);
    g_byte_array_append (scratch, (const guint8 *)&expires_us, EXPIRY_BYTES);
    g_byte_array_append (scratch, (const guint8 *)&check, sizeof check);
    if (value_size > 0)
        g_byte_array_append (scratch, value, (guint)value_size);
    if (!is_ours (index) || gdbm_store (index->file, datum_of (key, key_size),
                                        datum_of (scratch->data, scratch->len), GDBM_REPLACE) != 0)
        return false;
    note_state (index);
    return true;
}

bool
sg_index_remove (SgIndex *index, const guint8 *key, gsize key_size)
{
    if (!is_ours (index))
        return false;
    if (gdbm_delete (index->file, datum_of (key, key_size)) != 0)
        return not_found (index) == SG_ABSENT;
    note_state (index);
    return true;
}

SgAnswer
sg_index_next (SgIndex *index, const guint8 *key, gsize key_size, guint8 **next, gsize *next_size)
{
    datum found;

    if (!is_ours (index))
        return SG_ERROR_ANSWER;
    found = key == NULL ? gdbm_firstkey (index->file)
                        : gdbm_nextkey (index->file, datum_of (key, key_size));
    if (found.dptr == NULL)
        return not_found (index);
    *next = (guint8 *)found.dptr;
    *next_size = (gsize)found.dsize;
    return SG_FOUND;
}

guint64
sg_index_count (SgIndex *index)
{
    gdbm_count_t count = 0;

    return gdbm_count (index->file, &count) == 0 ? count : 0;
}

const char *
sg_index_trouble (const SgIndex *index)
{
    return index->damage != NULL ? index->damage : gdbm_db_strerror (index->file);
}
