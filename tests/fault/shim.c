/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * To be preloaded: logs the order of writes and syncs below one directory and of SMTP replies on
 * sockets, and makes them slow or fail as a control file says. Environment:
 *
 *   RELAIS_SHIM_DIR      paths that contain this are watched
 *   RELAIS_SHIM_LOG      file that gets a line a call: begin and end in ns, call, file, result, errno
 *   RELAIS_SHIM_CONTROL  file that is looked at before each call; a word a line:
 *                        delay MS         syncs of segments take that long
 *                        fail-sync ERRNO  the next sync of a segment fails; the file is removed then
 *                        fail-write ERRNO every write of records fails
 *                        fail-all ERRNO   every write and sync of anything fails
 *                        fail-grow ERRNO  every write beyond the end of its file fails
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))

typedef struct {
    long delay_ms;
    int fail_sync, fail_write, fail_all, fail_grow;
} Orders;

static long long
now_ns (void)
{
    struct timespec ts;

    clock_gettime (CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* The name of a watched file, without its directory; false for others. */
static bool
watched (int fd, char name[256])
{
    const char *dir = getenv ("RELAIS_SHIM_DIR");
    char link[64], path[4096];
    ssize_t n;
    const char *slash;

    if (dir == NULL)
        return false;
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink (link, path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    if (strstr (path, dir) == NULL)
        return false;
    slash = strrchr (path, '/');
    snprintf (name, 256, "%.200s", slash != NULL ? slash + 1 : path);
    return true;
}

static Orders
read_orders (void)
{
    const char *path = getenv ("RELAIS_SHIM_CONTROL");
    FILE *file = path != NULL ? fopen (path, "re") : NULL;
    Orders orders = {0, 0, 0, 0, 0};
    char word[32];
    long value;

    if (file == NULL)
        return orders;
    while (fscanf (file, "%31s %ld", word, &value) == 2) {
        if (strcmp (word, "delay") == 0)
            orders.delay_ms = value;
        else if (strcmp (word, "fail-sync") == 0)
            orders.fail_sync = (int)value;
        else if (strcmp (word, "fail-write") == 0)
            orders.fail_write = (int)value;
        else if (strcmp (word, "fail-all") == 0)
            orders.fail_all = (int)value;
        else if (strcmp (word, "fail-grow") == 0)
            orders.fail_grow = (int)value;
    }
    fclose (file);
    return orders;
}

static void
note (long long began, const char *call, const char *name, long result, int saved)
{
    const char *path = getenv ("RELAIS_SHIM_LOG");
    char line[512];
    int n, fd;

    if (path == NULL)
        return;
    n = snprintf (line, sizeof line, "%lld %lld %s %s %ld %d\n", began, now_ns (), call, name,
                  result, result < 0 ? saved : 0);
    fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!REAL (write) (fd, line, (size_t)n);
        close (fd);
    }
}

/* --- Syncs -------------------------------------------------------------------------------------- */

static int
sync_call (int fd, const char *call, int (*real) (int))
{
    char name[256];
    long long began = now_ns ();
    Orders orders;
    bool segment;
    int result = -1, saved;

    if (!watched (fd, name))
        return real (fd);
    orders = read_orders ();
    segment = strncmp (name, "segment-", 8) == 0;
    if (segment && orders.delay_ms > 0)
        usleep ((useconds_t)orders.delay_ms * 1000);
    if (orders.fail_all != 0)
        errno = orders.fail_all;
    else if (segment && orders.fail_sync != 0) {
        unlink (getenv ("RELAIS_SHIM_CONTROL"));
        errno = orders.fail_sync;
    } else
        result = real (fd);
    saved = errno;
    note (began, call, name, result, saved);
    errno = saved;
    return result;
}

int
fdatasync (int fd)
{
    return sync_call (fd, "sync", REAL (fdatasync));
}

int
fsync (int fd)
{
    return sync_call (fd, "sync", REAL (fsync));
}

/* --- Writes ------------------------------------------------------------------------------------- */

/* What is to become of a write up to `end`: an errno, or 0. */
static int
fate_of_write (int fd, bool records, off_t end)
{
    Orders orders = read_orders ();
    struct stat st;

    if (orders.fail_all != 0)
        return orders.fail_all;
    if (records && orders.fail_write != 0)
        return orders.fail_write;
    return orders.fail_grow != 0 && fstat (fd, &st) == 0 && end > st.st_size ? orders.fail_grow : 0;
}

/* Whether this write is to fail; `name` is empty if it is none of ours. */
static bool
refuse_write (int fd, char name[256], bool records, off_t end)
{
    int fate;

    name[0] = '\0';
    if (!watched (fd, name)) {
        name[0] = '\0';
        return false;
    }
    fate = fate_of_write (fd, records, end);
    if (fate != 0)
        errno = fate;
    return fate != 0;
}

ssize_t
pwritev (int fd, const struct iovec *iov, int n, off_t offset)
{
    char name[256];
    long long began = now_ns ();
    ssize_t result = -1;
    off_t end = offset;
    int saved;

    for (int i = 0; i < n; i++)
        end += (off_t)iov[i].iov_len;
    if (!refuse_write (fd, name, offset > 0, end))
        result = REAL (pwritev) (fd, iov, n, offset);
    saved = errno;
    if (name[0] != '\0')
        note (began, offset > 0 ? "write" : "header", name, result, saved);
    errno = saved;
    return result;
}

ssize_t
pwritev64 (int fd, const struct iovec *iov, int n, off64_t offset)
{
    return pwritev (fd, iov, n, offset);
}

ssize_t
pwrite (int fd, const void *bytes, size_t size, off_t offset)
{
    char name[256];
    long long began = now_ns ();
    ssize_t result = -1;
    int saved;

    if (!refuse_write (fd, name, false, offset + (off_t)size))
        result = REAL (pwrite) (fd, bytes, size, offset);
    saved = errno;
    if (name[0] != '\0')
        note (began, "fill", name, result, saved);
    errno = saved;
    return result;
}

ssize_t
pwrite64 (int fd, const void *bytes, size_t size, off64_t offset)
{
    return pwrite (fd, bytes, size, offset);
}

/* --- Replies ------------------------------------------------------------------------------------ */

/* Logs replies such as "250 2.0.0 ..."; what comes with them in one call counts as the first. Before
 * they are sent, so that whoever gets one finds it in the log. */
static void
note_reply (const void *bytes, size_t size)
{
    char text[5] = "";

    if (size < 4)
        return;
    memcpy (text, bytes, 4);
    if (text[0] >= '2' && text[0] <= '5' && (text[3] == ' ' || text[3] == '-')) {
        text[3] = '\0';
        note (now_ns (), "reply", text, 0, 0);
    }
}

ssize_t
write (int fd, const void *bytes, size_t size)
{
    note_reply (bytes, size);
    return REAL (write) (fd, bytes, size);
}

ssize_t
send (int fd, const void *bytes, size_t size, int flags)
{
    note_reply (bytes, size);
    return REAL (send) (fd, bytes, size, flags);
}

ssize_t
writev (int fd, const struct iovec *iov, int n)
{
    if (n > 0)
        note_reply (iov[0].iov_base, iov[0].iov_len);
    return REAL (writev) (fd, iov, n);
}

ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
    if (message->msg_iovlen > 0)
        note_reply (message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return REAL (sendmsg) (fd, message, flags);
}
