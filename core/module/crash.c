/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Crash records: their coding, and what follows from them. See the header. The reader trusts nothing of the file
 * before its checksum, and only text that is terminated and printable after it.
 * Pure but for what is said to read a file; any thread.
 */
#include "config.h"

#include "module/crash-private.h"

#include "spool/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    AT_MAGIC = 0,
    AT_NUMBER = 8,
    AT_WALL = 16,
    AT_ID = 24,
    AT_SIGNAL = 32,
    AT_HOOKS = 36,
    AT_FLAGS = 40,
    AT_MODULE = 48,
    AT_WHAT = AT_MODULE + RELAIS_CRASH_NAME_BYTES,
    AT_CRC = RELAIS_CRASH_BYTES - 4
};

static const guint8 magic[8] = {'R', 'e', 'l', 'C', 'r', 'a', 's', '1'};

/* --- Coding ----------------------------------------------------------------------------------- */

static void
put (guint8 *at, guint64 value, guint size)
{
    for (guint i = 0; i < size; i++)
        at[i] = (guint8)(value >> (8 * i));
}

static guint64
get (const guint8 *at, guint size)
{
    guint64 value = 0;

    for (guint i = 0; i < size; i++)
        value |= (guint64)at[i] << (8 * i);
    return value;
}

void
relais_crash_encode (const RelaisCrash *crash, guint8 bytes[RELAIS_CRASH_BYTES])
{
    memset (bytes, 0, RELAIS_CRASH_BYTES);
    memcpy (bytes + AT_MAGIC, magic, sizeof magic);
    put (bytes + AT_NUMBER, crash->number, 8);
    put (bytes + AT_WALL, (guint64)crash->wall_us, 8);
    put (bytes + AT_ID, crash->id, 8);
    put (bytes + AT_SIGNAL, crash->signal, 4);
    put (bytes + AT_HOOKS, crash->hooks, 4);
    put (bytes + AT_FLAGS, crash->flags, 4);
    memcpy (bytes + AT_MODULE, crash->module, RELAIS_CRASH_NAME_BYTES - 1);
    memcpy (bytes + AT_WHAT, crash->what, RELAIS_CRASH_NAME_BYTES - 1);
    put (bytes + AT_CRC, relais_crc32c (0, bytes, AT_CRC), 4);
}

static bool
take_text (const guint8 *from, char *to)
{
    const guint8 *end = memchr (from, '\0', RELAIS_CRASH_NAME_BYTES);

    if (end == NULL)
        return false;
    memset (to, 0, RELAIS_CRASH_NAME_BYTES);
    for (gsize i = 0; from + i < end; i++) {
        if (!g_ascii_isgraph ((char)from[i]))
            return false;
        to[i] = (char)from[i];
    }
    return true;
}

bool
relais_crash_decode (const guint8 bytes[RELAIS_CRASH_BYTES], RelaisCrash *crash)
{
    RelaisCrash read = {.number = get (bytes + AT_NUMBER, 8),
                        .wall_us = (gint64)get (bytes + AT_WALL, 8),
                        .id = get (bytes + AT_ID, 8),
                        .signal = (guint32)get (bytes + AT_SIGNAL, 4),
                        .hooks = (guint32)get (bytes + AT_HOOKS, 4),
                        .flags = (guint32)get (bytes + AT_FLAGS, 4)};

    if (memcmp (bytes + AT_MAGIC, magic, sizeof magic) != 0 ||
        get (bytes + AT_CRC, 4) != relais_crc32c (0, bytes, AT_CRC) || read.number == 0 ||
        read.number == G_MAXUINT64 || read.wall_us < 0 ||
        !take_text (bytes + AT_MODULE, read.module) || !take_text (bytes + AT_WHAT, read.what))
        return false;
    *crash = read;
    return true;
}

/* --- Files ------------------------------------------------------------------------------------ */

static gint
compare (gconstpointer a, gconstpointer b)
{
    const RelaisCrash *first = a, *second = b;

    return first->number < second->number ? -1 : first->number > second->number;
}

GArray *
relais_crashes_read (const guint8 *bytes, gsize size)
{
    GArray *crashes = g_array_new (FALSE, FALSE, sizeof (RelaisCrash));
    RelaisCrash crash;

    for (gsize at = 0;
         size - at >= RELAIS_CRASH_BYTES && at / RELAIS_CRASH_BYTES < RELAIS_CRASH_SLOTS;
         at += RELAIS_CRASH_BYTES)
        if (relais_crash_decode (bytes + at, &crash) &&
            relais_crash_offset (crash.number) == (gint64)at)
            g_array_append_val (crashes, crash);
    g_array_sort (crashes, compare);
    return crashes;
}

static GArray *
fail (GError **error, const char *path)
{
    const int saved = errno;

    g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (saved), "%s: %s", path,
                 g_strerror (saved));
    return NULL;
}

GArray *
relais_crashes_load (const char *path, GError **error)
{
    g_autofree guint8 *bytes = g_malloc (RELAIS_CRASH_SLOTS * RELAIS_CRASH_BYTES);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    gssize got = -1;

    if (fd < 0 && errno == ENOENT)
        return relais_crashes_read (bytes, 0);
    if (fd < 0)
        return fail (error, path);
    if (fstat (fd, &info) == 0) {
        errno = EINVAL;
        if (S_ISREG (info.st_mode))
            got = pread (fd, bytes, RELAIS_CRASH_SLOTS * RELAIS_CRASH_BYTES, 0);
    }
    if (got < 0)
        fail (error, path);
    close (fd);
    return got < 0 ? NULL : relais_crashes_read (bytes, (gsize)got);
}

guint64
relais_crashes_next (const GArray *crashes)
{
    return crashes->len > 0 ? g_array_index (crashes, RelaisCrash, crashes->len - 1).number + 1 : 1;
}

gint64
relais_crash_offset (guint64 number)
{
    return (gint64)((number - 1) % RELAIS_CRASH_SLOTS) * RELAIS_CRASH_BYTES;
}

bool
relais_crash_flag (int fd, RelaisCrash *crash, RelaisCrashFlags flags, GError **error)
{
    guint8 bytes[RELAIS_CRASH_BYTES];
    const gint64 offset = relais_crash_offset (crash->number);

    crash->flags |= flags;
    relais_crash_encode (crash, bytes);
    if (pwrite (fd, bytes, sizeof bytes, offset) == sizeof bytes && fdatasync (fd) == 0)
        return true;
    return fail (error, "crash records") != NULL;
}

/* --- What follows ----------------------------------------------------------------------------- */

static bool
is_against (const RelaisCrash *crash, const char *module)
{
    return (crash->flags & RELAIS_CRASH_FORGIVEN) == 0 && strcmp (crash->module, module) == 0;
}

const RelaisCrash *
relais_crashes_against_module (const GArray *crashes, const char *module)
{
    gint64 times[RELAIS_CRASH_MODULE];
    guint n = 0;
    bool off = false;
    const RelaisCrash *last = NULL;

    for (guint i = 0; i < crashes->len; i++) {
        const RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, i);

        if (!is_against (crash, module))
            continue;
        last = crash;
        times[n++ % RELAIS_CRASH_MODULE] = crash->wall_us;
        /* A clock that was set back makes the difference negative: they count. */
        off = off || (n >= RELAIS_CRASH_MODULE &&
                      crash->wall_us - times[n % RELAIS_CRASH_MODULE] <= RELAIS_CRASH_WITHIN_US);
    }
    return off ? last : NULL;
}

guint32
relais_crashes_hooks (const GArray *crashes, const char *module)
{
    guint32 hooks = 0;
    bool known = true, any = false;

    for (guint i = 0; i < crashes->len; i++) {
        const RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, i);

        if (!is_against (crash, module))
            continue;
        any = true;
        hooks |= crash->hooks & ~RELAIS_CRASH_HOOKS_KNOWN;
        known = known && (crash->hooks & RELAIS_CRASH_HOOKS_KNOWN) != 0;
    }
    return any && known ? hooks | RELAIS_CRASH_HOOKS_KNOWN : hooks;
}

const RelaisCrash *
relais_crashes_against_message (const GArray *crashes, guint64 id)
{
    const RelaisCrash *last = NULL;
    guint n = 0;

    for (guint i = 0; id != 0 && i < crashes->len; i++) {
        const RelaisCrash *crash = &g_array_index (crashes, RelaisCrash, i);

        if (crash->id == id && (crash->flags & RELAIS_CRASH_SETTLED) == 0) {
            last = crash;
            n++;
        }
    }
    return n >= RELAIS_CRASH_MESSAGE ? last : NULL;
}
