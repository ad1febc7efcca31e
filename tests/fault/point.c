/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * To be preloaded: counts the calls that change files below one directory or send on sockets, and
 * kills the process at one of them or makes all calls from one place fail. What is to be done stands in
 * a page that is shared with the test (point.py has the same layout). Environment:
 *
 *   RELAIS_POINT_DIR    paths that contain this are watched
 *   RELAIS_POINT_PAGE   the file with the page
 *   RELAIS_POINT_LOG    optional; gets a line a call: its number, the call, where it stands (object and
 *                       offset), on what
 *
 * A failing sync does what a disk does that lost the data: what was written to the file since its last
 * good sync reads as zeros from then on, whatever a later sync says.
 *
 * Any thread of the process; one lock over the ranges.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__ ((visibility ("default")))

typedef struct {
    uint64_t calls;   /* counted so far */
    uint64_t kill_at; /* the number of the call at which to die; 0: none */
    uint64_t site;    /* the hash of the place whose calls fail; 0: none */
    uint64_t hits;    /* how many failed */
    uint32_t torn;    /* a write at which to die is half done */
    int32_t error;    /* errno of what fails */
    int32_t times;    /* so often; negative: always */
    uint32_t pid;     /* the process that counts: not its children */
} Page;

typedef struct {
    dev_t dev;
    ino_t ino;
    off_t at;
    size_t size;
} Range;

enum { MAX_RANGES = 4096 };

static Page *page;
static const char *dir;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Range ranges[MAX_RANGES];
static unsigned n_ranges;

#define REAL(name)                                                                                 \
    ({                                                                                             \
        static __typeof__ (&name) real;                                                            \
        if (real == NULL)                                                                          \
            real = (__typeof__ (&name))dlsym (RTLD_NEXT, #name);                                   \
        real;                                                                                      \
    })

__attribute__ ((constructor)) static void
begin (void)
{
    const char *path = getenv ("RELAIS_POINT_PAGE"), *log = getenv ("RELAIS_POINT_LOG");
    int fd;

    dir = getenv ("RELAIS_POINT_DIR");
    if (path == NULL || dir == NULL)
        return;
    fd = REAL (open) (path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        page = mmap (NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        REAL (close) (fd);
    }
    if (page == MAP_FAILED)
        page = NULL;
    if (page != NULL && page->pid != 0) /* a child */
        page = NULL;
    if (page == NULL)
        return;
    page->pid = (uint32_t)getpid ();
    if (log != NULL) {
        fd = REAL (open) (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        log_fd = fcntl (fd, F_DUPFD_CLOEXEC, 200);
        REAL (close) (fd);
    }
}

/* --- What a call is about ------------------------------------------------------------------------ */

/* The last part of a path, each run of hexadecimal digits that has a decimal one as "#". */
static void
kind_of_path (const char *path, char kind[128])
{
    const char *slash = strrchr (path, '/');
    size_t n = 0;

    if (slash != NULL)
        path = slash + 1;
    while (*path != '\0' && n < 100) {
        size_t hex = strspn (path, "0123456789abcdef");

        if (hex > 0 && strcspn (path, "0123456789") < hex) {
            kind[n++] = '#';
            path += hex;
        } else
            kind[n++] = *path++;
    }
    kind[n] = '\0';
}

/* Of a descriptor: false if it is none that is watched. */
static bool
kind_of_fd (int fd, char kind[128])
{
    char link[64], path[4096];
    struct stat st;
    ssize_t n;

    if (page == NULL || fstat (fd, &st) < 0)
        return false;
    if (S_ISSOCK (st.st_mode)) {
        strcpy (kind, "socket");
        return true;
    }
    if (!S_ISREG (st.st_mode) && !S_ISDIR (st.st_mode))
        return false;
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink (link, path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    if (strstr (path, dir) == NULL)
        return false;
    kind_of_path (path, kind);
    if (S_ISDIR (st.st_mode))
        strcat (kind, "/");
    return true;
}

static bool
kind_of_name (int dir_fd, const char *name, char kind[128])
{
    char link[64], path[4096];
    ssize_t n;

    if (page == NULL)
        return false;
    if (name[0] == '/') {
        if (strstr (name, dir) == NULL)
            return false;
    } else {
        snprintf (link, sizeof link, "/proc/self/fd/%d", dir_fd);
        n = readlink (link, path, sizeof path - 1);
        if (n <= 0)
            return false;
        path[n] = '\0';
        if (strstr (path, dir) == NULL)
            return false;
    }
    kind_of_path (name, kind);
    return true;
}

static uint64_t
hash (const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* --- What becomes of it -------------------------------------------------------------------------- */

enum { GO_ON = 0, DIE_HALFWAY = -1 }; /* or an errno */

_Noreturn static void
die (void)
{
    syscall (SYS_kill, getpid (), SIGKILL);
    for (;;)
        pause ();
}

static int
judge (const char *call, void *from, const char *kind, bool is_write)
{
    char line[512], site[400];
    Dl_info info;
    uint64_t number;
    const char *slash;
    int n;

    if (!dladdr (from, &info) || info.dli_fname == NULL)
        return GO_ON;
    slash = strrchr (info.dli_fname, '/');
    snprintf (site, sizeof site, "%s %s+0x%lx %s", call, slash != NULL ? slash + 1 : info.dli_fname,
              (unsigned long)((char *)from - (char *)info.dli_fbase), kind);
    number = __atomic_add_fetch (&page->calls, 1, __ATOMIC_SEQ_CST);
    if (log_fd >= 0) {
        n = snprintf (line, sizeof line, "%lu %s\n", (unsigned long)number, site);
        (void)!REAL (write) (log_fd, line, (size_t)n);
    }
    if (number == page->kill_at) {
        if (is_write && page->torn)
            return DIE_HALFWAY;
        die ();
    }
    if (page->site == 0 || page->times == 0 || hash (site) != page->site)
        return GO_ON;
    if (page->times > 0 && __atomic_fetch_sub (&page->times, 1, __ATOMIC_SEQ_CST) <= 0)
        return GO_ON;
    __atomic_add_fetch (&page->hits, 1, __ATOMIC_SEQ_CST);
    return page->error;
}

/* --- Writes --------------------------------------------------------------------------------------- */

static void
note_range (int fd, off_t at, ssize_t size)
{
    struct stat st;

    if (size <= 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
        return;
    pthread_mutex_lock (&lock);
    if (n_ranges < MAX_RANGES)
        ranges[n_ranges++] = (Range){st.st_dev, st.st_ino, at, (size_t)size};
    pthread_mutex_unlock (&lock);
}

#define ME __builtin_return_address (0)

#define JUDGE_FD(call, fd, is_write)                                                               \
    char kind[128];                                                                                \
    int saved = errno;                                                                             \
    bool watched = kind_of_fd (fd, kind);                                                          \
    int verdict = watched ? judge (call, ME, kind, is_write) : GO_ON;                              \
    errno = saved;                                                                                 \
    if (verdict > 0) {                                                                             \
        errno = verdict;                                                                           \
        return -1;                                                                                 \
    }

EXPORT ssize_t
write (int fd, const void *bytes, size_t size)
{
    ssize_t done;
    JUDGE_FD ("write", fd, true)

    if (verdict == DIE_HALFWAY) {
        (void)!REAL (write) (fd, bytes, size / 2);
        die ();
    }
    done = REAL (write) (fd, bytes, size);
    saved = errno;
    if (watched)
        note_range (fd, lseek (fd, 0, SEEK_CUR) - done, done);
    errno = saved;
    return done;
}

EXPORT ssize_t
pwrite64 (int fd, const void *bytes, size_t size, off64_t at)
{
    ssize_t done;
    JUDGE_FD ("pwrite", fd, true)

    if (verdict == DIE_HALFWAY) {
        (void)!REAL (pwrite64) (fd, bytes, size / 2, at);
        die ();
    }
    done = REAL (pwrite64) (fd, bytes, size, at);
    saved = errno;
    if (watched)
        note_range (fd, at, done);
    errno = saved;
    return done;
}

/* Half of what the vector has, then death. */
static void
write_half (int fd, const struct iovec *iov, int n, off64_t at)
{
    size_t all = 0;

    for (int i = 0; i < n; i++)
        all += iov[i].iov_len;
    all /= 2;
    for (int i = 0; i < n && all > 0; i++) {
        size_t size = iov[i].iov_len < all ? iov[i].iov_len : all;

        (void)!(at >= 0 ? REAL (pwrite64) (fd, iov[i].iov_base, size, at)
                        : REAL (write) (fd, iov[i].iov_base, size));
        if (at >= 0)
            at += (off64_t)size;
        all -= size;
    }
    die ();
}

EXPORT ssize_t
pwritev64 (int fd, const struct iovec *iov, int n, off64_t at)
{
    ssize_t done;
    JUDGE_FD ("pwritev", fd, true)

    if (verdict == DIE_HALFWAY)
        write_half (fd, iov, n, at);
    done = REAL (pwritev64) (fd, iov, n, at);
    saved = errno;
    if (watched)
        note_range (fd, at, done);
    errno = saved;
    return done;
}

EXPORT ssize_t
pwritev (int fd, const struct iovec *iov, int n, off_t at)
{
    ssize_t done;
    JUDGE_FD ("pwritev", fd, true)

    if (verdict == DIE_HALFWAY)
        write_half (fd, iov, n, at);
    done = REAL (pwritev64) (fd, iov, n, at);
    saved = errno;
    if (watched)
        note_range (fd, at, done);
    errno = saved;
    return done;
}

EXPORT ssize_t
writev (int fd, const struct iovec *iov, int n)
{
    ssize_t done;
    JUDGE_FD ("writev", fd, true)

    if (verdict == DIE_HALFWAY)
        write_half (fd, iov, n, -1);
    done = REAL (writev) (fd, iov, n);
    saved = errno;
    if (watched)
        note_range (fd, lseek (fd, 0, SEEK_CUR) - done, done);
    errno = saved;
    return done;
}

EXPORT ssize_t
pwrite (int fd, const void *bytes, size_t size, off_t at)
{
    ssize_t done;
    JUDGE_FD ("pwrite", fd, false)

    done = REAL (pwrite64) (fd, bytes, size, at);
    saved = errno;
    if (watched)
        note_range (fd, at, done);
    errno = saved;
    return done;
}

EXPORT ssize_t
send (int fd, const void *bytes, size_t size, int flags)
{
    JUDGE_FD ("send", fd, false)
    return REAL (send) (fd, bytes, size, flags);
}

EXPORT ssize_t
sendto (int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t n)
{
    JUDGE_FD ("sendto", fd, false)
    return REAL (sendto) (fd, bytes, size, flags, to, n);
}

EXPORT ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
    JUDGE_FD ("sendmsg", fd, false)
    return REAL (sendmsg) (fd, message, flags);
}

/* --- Syncs and the rest of a descriptor's life ---------------------------------------------------- */

/* The file's ranges leave the table: those that were there when a sync began are safe or, as zeros, gone. */
static void
settle (int fd, unsigned n, bool lost)
{
    static const char zeros[4096];
    char link[64];
    struct stat st;
    unsigned kept = 0;
    int out;

    if (fstat (fd, &st) < 0)
        return;
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    out = lost ? REAL (open) (link, O_WRONLY | O_CLOEXEC) : -1;
    pthread_mutex_lock (&lock);
    for (unsigned i = 0; i < n_ranges; i++) {
        Range *r = &ranges[i];

        if (i >= n || r->dev != st.st_dev || r->ino != st.st_ino) {
            ranges[kept++] = *r;
            continue;
        }
        for (size_t at = 0; out >= 0 && at < r->size; at += sizeof zeros)
            (void)!REAL (pwrite64) (out, zeros,
                                    r->size - at < sizeof zeros ? r->size - at : sizeof zeros,
                                    r->at + (off_t)at);
    }
    n_ranges = kept;
    pthread_mutex_unlock (&lock);
    if (out >= 0)
        REAL (close) (out);
}

static int
sync_call (const char *call, int fd, void *from, int (*real) (int))
{
    char kind[128];
    unsigned n = __atomic_load_n (&n_ranges, __ATOMIC_SEQ_CST);
    bool watched = kind_of_fd (fd, kind);
    int verdict = watched ? judge (call, from, kind, false) : GO_ON, result;

    if (verdict > 0) {
        settle (fd, MAX_RANGES, true);
        errno = verdict;
        return -1;
    }
    result = real (fd);
    if (watched && result == 0)
        settle (fd, n, false);
    return result;
}

EXPORT int
fdatasync (int fd)
{
    return sync_call ("fdatasync", fd, ME, REAL (fdatasync));
}

EXPORT int
fsync (int fd)
{
    return sync_call ("fsync", fd, ME, REAL (fsync));
}

EXPORT int
close (int fd)
{
    char kind[128];
    int verdict = kind_of_fd (fd, kind) ? judge ("close", ME, kind, false) : GO_ON;
    int result = REAL (close) (fd);

    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    return result;
}

EXPORT int
ftruncate (int fd, off_t size)
{
    JUDGE_FD ("ftruncate", fd, false)
    return REAL (ftruncate) (fd, size);
}

/* --- Names ----------------------------------------------------------------------------------------- */

#define JUDGE_NAME(call, dir_fd, name)                                                             \
    char kind[128];                                                                                \
    int saved = errno;                                                                             \
    int verdict = kind_of_name (dir_fd, name, kind) ? judge (call, ME, kind, false) : GO_ON;       \
    errno = saved;                                                                                 \
    if (verdict > 0) {                                                                             \
        errno = verdict;                                                                           \
        return -1;                                                                                 \
    }

static mode_t
mode_of (int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg (args, mode_t) : 0;
}

#define OPEN(name, label)                                                                          \
    EXPORT int name (const char *path, int flags, ...)                                             \
    {                                                                                              \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
        JUDGE_NAME (label, AT_FDCWD, path)                                                         \
                                                                                                   \
        va_start (args, flags);                                                                    \
        mode = mode_of (flags, args);                                                              \
        va_end (args);                                                                             \
        return REAL (name) (path, flags, mode);                                                    \
    }

#define OPENAT(name, label)                                                                        \
    EXPORT int name (int dir_fd, const char *path, int flags, ...)                                 \
    {                                                                                              \
        va_list args;                                                                              \
        mode_t mode;                                                                               \
        JUDGE_NAME (label, dir_fd, path)                                                           \
                                                                                                   \
        va_start (args, flags);                                                                    \
        mode = mode_of (flags, args);                                                              \
        va_end (args);                                                                             \
        return REAL (name) (dir_fd, path, flags, mode);                                            \
    }

OPEN (open, "open")
OPEN (open64, "open")
OPENAT (openat, "openat")
OPENAT (openat64, "openat")

EXPORT int
rename (const char *from, const char *to)
{
    JUDGE_NAME ("rename", AT_FDCWD, to)
    return REAL (rename) (from, to);
}

EXPORT int
renameat (int from_fd, const char *from, int to_fd, const char *to)
{
    JUDGE_NAME ("rename", to_fd, to)
    return REAL (renameat) (from_fd, from, to_fd, to);
}

EXPORT int
renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    JUDGE_NAME ("rename", to_fd, to)
    return REAL (renameat2) (from_fd, from, to_fd, to, flags);
}

EXPORT int
linkat (int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    JUDGE_NAME ("link", to_fd, to)
    return REAL (linkat) (from_fd, from, to_fd, to, flags);
}

EXPORT int
unlink (const char *path)
{
    JUDGE_NAME ("unlink", AT_FDCWD, path)
    return REAL (unlink) (path);
}

EXPORT int
unlinkat (int dir_fd, const char *path, int flags)
{
    JUDGE_NAME ("unlink", dir_fd, path)
    return REAL (unlinkat) (dir_fd, path, flags);
}
