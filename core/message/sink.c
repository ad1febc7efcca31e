/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sinks, their temporary file, and the encoders. The file is made in the directory for temporary
 * files (TMPDIR), never has a name, and lives as long as a rope refers to it.
 */
#include "config.h"

#include "message/sink-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop-private.h"
#include "message/qp-private.h"

enum { BASE64_COLUMNS = 76, TEXT_COLUMNS = 990 };

struct RelaisSpill {
    gatomicrefcount refs;
    int fd;
    guint64 size;
};

/* What a body's reader gets: a range of the file. */
typedef struct {
    RelaisSpill *spill;
    guint64 start;
} SpillRange;

/* --- The temporary file ----------------------------------------------------------------------- */

static void
spill_unref (RelaisSpill *spill)
{
    if (!g_atomic_ref_count_dec (&spill->refs))
        return;
    close (spill->fd);
    g_free (spill);
}

static void
fail_errno (GError **error, const char *what)
{
    int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s: %s", what,
                 g_strerror (saved));
}

/* The environment before GLib, which keeps what it first saw: the daemon sets it when it is confined. */
static const char *
get_directory (void)
{
    const char *dir = g_getenv ("TMPDIR");

    return dir != NULL && dir[0] != '\0' ? dir : g_get_tmp_dir ();
}

static int
open_unnamed (void)
{
    g_autofree char *path = NULL;
    int fd = open (get_directory (), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    path = g_build_filename (get_directory (), "relais-XXXXXX", NULL);
    fd = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        g_unlink (path);
    return fd;
}

static RelaisSpill *
spill_new (GError **error)
{
    RelaisSpill *spill;
    int fd;

    relais_assert_may_block ();
    fd = open_unnamed ();
    if (fd < 0) {
        fail_errno (error, "cannot make a temporary file");
        return NULL;
    }
    spill = g_new0 (RelaisSpill, 1);
    g_atomic_ref_count_init (&spill->refs);
    spill->fd = fd;
    return spill;
}

static bool
spill_write (RelaisSpill *spill, const guint8 *bytes, gsize size, GError **error)
{
    while (size > 0) {
        ssize_t n = pwrite (spill->fd, bytes, size, (off_t)spill->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fail_errno (error, "cannot write a temporary file");
            return false;
        }
        bytes += n;
        size -= (gsize)n;
        spill->size += (guint64)n;
    }
    return true;
}

static bool
spill_read (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    const SpillRange *range = data;
    guint8 *at = to;

    while (size > 0) {
        ssize_t n = pread (range->spill->fd, at, size, (off_t)(range->start + offset));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            fail_errno (error, "cannot read a temporary file");
            return false;
        }
        at += n;
        size -= (gsize)n;
        offset += (guint64)n;
    }
    return true;
}

static void
spill_range_free (gpointer data)
{
    SpillRange *range = data;

    spill_unref (range->spill);
    g_free (range);
}

/* --- The sink --------------------------------------------------------------------------------- */

void
relais_sink_init (RelaisSink *sink, RelaisRope *rope)
{
    *sink = (RelaisSink){.rope = rope, .memory_limit = RELAIS_SINK_MEMORY_BYTES};
    sink->buffer = g_malloc (RELAIS_SINK_BUFFER_BYTES);
}

void
relais_sink_clear (RelaisSink *sink)
{
    g_clear_pointer (&sink->buffer, g_free);
    g_clear_pointer (&sink->spill, spill_unref);
    g_clear_error (&sink->error);
}

/* The buffer to memory or, beyond the limit and once begun until the next flush, to the file. */
static void
empty_buffer (RelaisSink *sink)
{
    const gsize size = sink->used;
    const bool spilling = sink->spill != NULL && sink->spill->size > sink->spill_start;

    sink->used = 0;
    if (sink->error != NULL || size == 0)
        return;
    if (!spilling && size <= sink->memory_limit - sink->memory_bytes) {
        relais_rope_append_copy (sink->rope, sink->buffer, size);
        sink->memory_bytes += size;
        return;
    }
    if (sink->spill == NULL)
        sink->spill = spill_new (&sink->error);
    if (sink->spill != NULL)
        spill_write (sink->spill, sink->buffer, size, &sink->error);
}

void
relais_sink_put (RelaisSink *sink, gconstpointer bytes, gsize size)
{
    const guint8 *at = bytes;

    while (size > 0) {
        gsize n = MIN (size, RELAIS_SINK_BUFFER_BYTES - sink->used);

        memcpy (sink->buffer + sink->used, at, n);
        sink->used += n;
        at += n;
        size -= n;
        if (sink->used == RELAIS_SINK_BUFFER_BYTES)
            empty_buffer (sink);
    }
}

void
relais_sink_flush (RelaisSink *sink)
{
    g_autoptr (RelaisBody) body = NULL;
    RelaisBodyFacts facts = {0};
    SpillRange *range;

    empty_buffer (sink);
    if (sink->error != NULL || sink->spill == NULL || sink->spill->size == sink->spill_start)
        return;
    range = g_new (SpillRange, 1);
    *range = (SpillRange){sink->spill, sink->spill_start};
    g_atomic_ref_count_inc (&sink->spill->refs);
    facts.size_bytes = sink->spill->size - sink->spill_start;
    body = relais_body_new_reader (spill_read, NULL, range, spill_range_free, &facts);
    relais_rope_append_body (sink->rope, body, 0, facts.size_bytes);
    sink->spill_start = sink->spill->size;
}

static inline void
put_octet (RelaisSink *sink, guint8 octet)
{
    sink->buffer[sink->used++] = octet;
    if (sink->used == RELAIS_SINK_BUFFER_BYTES)
        empty_buffer (sink);
}

/* --- Quoted-printable ------------------------------------------------------------------------- */

static void
qp_write (RelaisQp *qp, guint8 octet, bool ends_line)
{
    guint8 written[3];
    guint n = relais_qp_write (octet, qp->column, ends_line, written);

    if (qp->column + n > RELAIS_QP_COLUMNS) {
        relais_sink_put (qp->sink, "=\r\n", 3);
        qp->column = 0;
        n = relais_qp_write (octet, 0, ends_line, written);
    }
    for (guint i = 0; i < n; i++)
        put_octet (qp->sink, written[i]);
    qp->column += n;
}

/* The blank held back, now that it is known what follows. */
static void
qp_release_blank (RelaisQp *qp, bool ends_line)
{
    if (qp->blank != 0)
        qp_write (qp, qp->blank, ends_line);
    qp->blank = 0;
}

static void
qp_octet (RelaisQp *qp, guint8 octet)
{
    if (qp->cr) {
        qp->cr = false;
        if (octet == '\n') {
            qp_release_blank (qp, true);
            relais_sink_put (qp->sink, "\r\n", 2);
            qp->column = 0;
            return;
        }
        qp_release_blank (qp, false);
        qp_write (qp, '\r', false);
    }
    if (octet == '\r') {
        qp->cr = true;
        return;
    }
    qp_release_blank (qp, false);
    if (octet == ' ' || octet == '\t')
        qp->blank = octet;
    else
        qp_write (qp, octet, false);
}

void
relais_qp_put (RelaisQp *qp, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        qp_octet (qp, bytes[i]);
}

void
relais_qp_end (RelaisQp *qp)
{
    if (qp->cr) {
        qp_release_blank (qp, false);
        qp_write (qp, '\r', false);
        qp->cr = false;
    }
    qp_release_blank (qp, true);
}

/* --- Lines cut -------------------------------------------------------------------------------- */

void
relais_rewrap_put (RelaisRewrap *rewrap, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        const guint8 octet = bytes[i];

        /* Not before "-", lest a cut make a delimiter, nor between the octets of a line end. */
        if (octet != '\r' && octet != '\n' &&
            (rewrap->column >= TEXT_COLUMNS ||
             (rewrap->column >= BASE64_COLUMNS && octet != '-'))) {
            relais_sink_put (rewrap->sink, "\r\n", 2);
            rewrap->column = 0;
        }
        put_octet (rewrap->sink, octet);
        rewrap->column = octet == '\n' ? 0 : rewrap->column + 1;
    }
}

void
relais_tidy_put (RelaisTidy *tidy, const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        const guint8 octet = bytes[i];

        if (tidy->column >= TEXT_COLUMNS && octet != '\r' && octet != '\n') {
            relais_sink_put (tidy->sink, "\r\n ", 3);
            tidy->column = 1;
        }
        put_octet (tidy->sink, tidy->seven_bit && octet >= 0x80 ? '?' : octet);
        tidy->column = octet == '\n' ? 0 : tidy->column + 1;
    }
}
