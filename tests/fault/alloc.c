/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * To be preloaded: has one allocation fail, the n-th from when it was ordered. Environment:
 *
 *   RELAIS_ALLOC_PAGE   file with a Page, through which orders and counts go (allocations.py)
 *
 * The first process that has the page takes it; what that one starts is left alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    uint64_t calls;   /* since the last order */
    uint64_t fail_at; /* this one fails; 0: none is counted */
    uint32_t hits;
    uint32_t pid; /* who has it */
} Page;

/* glibc's own, which what is below stands before. */
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *old, size_t size);
void *__libc_memalign (size_t alignment, size_t size);

static Page *page;

__attribute__ ((constructor)) static void
take_page (void)
{
    const char *path = getenv ("RELAIS_ALLOC_PAGE");
    const int fd = path != NULL ? open (path, O_RDWR | O_CLOEXEC) : -1;
    Page *found;
    uint32_t nobody = 0;

    if (fd < 0)
        return;
    found = mmap (NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close (fd);
    if (found != MAP_FAILED &&
        __atomic_compare_exchange_n (&found->pid, &nobody, (uint32_t)getpid (), false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        page = found;
}

static bool
refuse (void)
{
    if (page == NULL || __atomic_load_n (&page->fail_at, __ATOMIC_RELAXED) == 0)
        return false;
    if (__atomic_add_fetch (&page->calls, 1, __ATOMIC_RELAXED) != page->fail_at)
        return false;
    __atomic_add_fetch (&page->hits, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return true;
}

void *
malloc (size_t size)
{
    return refuse () ? NULL : __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
    return refuse () ? NULL : __libc_calloc (n, size);
}

void *
realloc (void *old, size_t size)
{
    return refuse () ? NULL : __libc_realloc (old, size);
}

void *
memalign (size_t alignment, size_t size)
{
    return refuse () ? NULL : __libc_memalign (alignment, size);
}

void *
aligned_alloc (size_t alignment, size_t size)
{
    return memalign (alignment, size);
}

int
posix_memalign (void **found, size_t alignment, size_t size)
{
    void *const memory = memalign (alignment, size);

    if (memory == NULL)
        return ENOMEM;
    *found = memory;
    return 0;
}
