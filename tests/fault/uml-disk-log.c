/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into User-mode Linux by flushes.py, beside uml-registers.c: whatever the machine does to its
 * disk, a file of the host, is appended to a log once it is done, and before the machine hears of it:
 *
 *   RELAIS_UML_DISK  the file that is the disk
 *   RELAIS_UML_LOG   entries of 32 octets in the order of the host (disk_log.py reads them): magic, what it
 *                    was, CLOCK_MONOTONIC in ns, offset, length; those of a write are followed by its octets
 *
 * One thread of that kernel alone does the work of the disk, on a stack of few pages.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x4c444d55 };

typedef enum { WRITTEN = 1, SYNCED = 2, ZEROED = 3 } What;

typedef struct {
    uint32_t magic, what;
    uint64_t time_ns, offset, length;
} Entry;

static int log_fd = -1;
static struct stat disk;
static long disk_thread; /* what writes to the disk; 0 before it does */

__attribute__ ((constructor)) static void
open_log (void)
{
    const char *name = getenv ("RELAIS_UML_DISK"), *log = getenv ("RELAIS_UML_LOG");

    if (name != NULL && log != NULL && stat (name, &disk) == 0)
        log_fd = open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool
is_disk (int fd)
{
    struct stat st;

    return log_fd >= 0 && fstat (fd, &st) == 0 && st.st_dev == disk.st_dev &&
           st.st_ino == disk.st_ino;
}

/* A log without room ends the machine: nothing may be done to the disk that is not in it. */
static void
note (What what, off_t offset, size_t length, const void *octets)
{
    struct timespec now;
    Entry entry = {.magic = MAGIC, .what = what, .offset = (uint64_t)offset, .length = length};
    const struct iovec parts[] = {{&entry, sizeof entry},
                                  {(void *)octets, octets != NULL ? length : 0}};

    clock_gettime (CLOCK_MONOTONIC, &now);
    entry.time_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    if (syscall (SYS_writev, log_fd, parts, 2) != (long)(sizeof entry + parts[1].iov_len))
        abort ();
}

ssize_t
pwrite64 (int fd, const void *octets, size_t length, off64_t offset)
{
    const ssize_t n = syscall (SYS_pwrite64, fd, octets, length, offset);

    if (n > 0 && is_disk (fd)) {
        disk_thread = syscall (SYS_gettid);
        note (WRITTEN, offset, (size_t)n, octets);
    }
    return n;
}

/*
 * A flush comes to the thread of the disk as a request of no parts, for which that kernel (6.1) calls nothing
 * of the host: it is seen when the thread hands the requests back, as addresses, through a pipe. Of each (struct
 * io_thread_req of arch/um/drivers/ubd_kern.c) the descriptor and the number of parts are looked at.
 */
static bool
is_flush (const uint8_t *request)
{
    int fd, parts;

    memcpy (&fd, request + 8, sizeof fd);
    memcpy (&parts, request + 48, sizeof parts);
    return parts == 0 && is_disk (fd);
}

ssize_t
write (int fd, const void *octets, size_t length)
{
    if (log_fd >= 0 && length % sizeof (void *) == 0 && disk_thread == syscall (SYS_gettid))
        for (size_t at = 0; at < length; at += sizeof (void *)) {
            const uint8_t *request;

            memcpy (&request, (const uint8_t *)octets + at, sizeof request);
            if (is_flush (request))
                note (SYNCED, 0, 0, NULL);
        }
    return syscall (SYS_write, fd, octets, length);
}

/* A hole and a range of zeros read alike. */
int
fallocate64 (int fd, int mode, off64_t offset, off64_t length)
{
    const int result = (int)syscall (SYS_fallocate, fd, mode, offset, length);

    if (result == 0 && is_disk (fd))
        note (ZEROED, offset, (size_t)length, NULL);
    return result;
}
