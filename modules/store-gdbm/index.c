/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GDBM behind answers that do not mix up "not there" and "not readable". Under a key stand eight octets
 * of expiry and the value; under "\0seq" the mark of an index that was closed in order. Keys of the
 * store begin with a namespace, so none is like that. One thread owns an index.
 */
#include "index.h"

#include "files.h"

#include <errno.h>
#include <gdbm.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, EXPIRY_BYTES = 8, MARK_BYTES = 32 };

static const char mark_key[] = {'\0', 's', 'e', 'q'};

struct SgIndex {
    GDBM_FILE file;
    GByteArray *scratch; /* a value with its expiry, being put */
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
    SgIndex *index;

    if (file == NULL) {
        fail (error, path, gdbm_strerror (gdbm_errno));
        return NULL;
    }
    index = g_new (SgIndex, 1);
    *index = (SgIndex){file, g_byte_array_new ()};
    return index;
}

static void
close_file (SgIndex *index)
{
    (void)gdbm_close (index->file);
    g_byte_array_unref (index->scratch);
    g_free (index);
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
    return true;
}

SgIndex *
sg_index_open (const char *path, SgMark *mark, GError **error)
{
    SgIndex *index = open_file (path, GDBM_WRITER, error);

    if (index == NULL || check_mark (index, path, mark, error))
        return index;
    close_file (index);
    return NULL;
}

SgIndex *
sg_index_create (const char *path, GError **error)
{
    if (unlink (path) != 0 && errno != ENOENT) {
        sg_fail (error, path);
        return NULL;
    }
    return open_file (path, GDBM_NEWDB, error);
}

void
sg_index_close (SgIndex *index, const SgMark *mark)
{
    if (index == NULL)
        return;
    /* The mark must not be on disk before what it vouches for. */
    if (mark != NULL && gdbm_sync (index->file) == 0 && write_mark (index, mark))
        (void)gdbm_sync (index->file);
    close_file (index);
}

/* --- Keys ------------------------------------------------------------------------------------- */

static SgAnswer
not_found (const SgIndex *index)
{
    return gdbm_last_errno (index->file) == GDBM_ITEM_NOT_FOUND ? SG_ABSENT : SG_ERROR_ANSWER;
}

SgAnswer
sg_index_get (SgIndex *index, const guint8 *key, gsize key_size, guint8 **value, gsize *value_size,
              gint64 *expires_us)
{
    datum found = gdbm_fetch (index->file, datum_of (key, key_size));

    if (found.dptr == NULL)
        return not_found (index);
    if (found.dsize < EXPIRY_BYTES) {
        free (found.dptr);
        return SG_ERROR_ANSWER;
    }
    memcpy (expires_us, found.dptr, EXPIRY_BYTES);
    *value_size = (gsize)found.dsize - EXPIRY_BYTES;
    memmove (found.dptr, found.dptr + EXPIRY_BYTES, *value_size);
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

    g_byte_array_set_size (scratch, 0);
    g_byte_array_append (scratch, (const guint8 *)&expires_us, EXPIRY_BYTES);
    if (value_size > 0)
        g_byte_array_append (scratch, value, (guint)value_size);
    return gdbm_store (index->file, datum_of (key, key_size),
                       datum_of (scratch->data, scratch->len), GDBM_REPLACE) == 0;
}

bool
sg_index_remove (SgIndex *index, const guint8 *key, gsize key_size)
{
    return gdbm_delete (index->file, datum_of (key, key_size)) == 0 ||
           not_found (index) == SG_ABSENT;
}

SgAnswer
sg_index_next (SgIndex *index, const guint8 *key, gsize key_size, guint8 **next, gsize *next_size)
{
    datum found = key == NULL ? gdbm_firstkey (index->file)
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
    return gdbm_db_strerror (index->file);
}
