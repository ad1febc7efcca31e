/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into User-mode Linux by uml.py: where the processor has more registers than its kernel has
 * room for (the tiles of AMX), the host refuses to set a part of them, and no process of the guest would
 * start. What is beyond the kernel's room is asked for and set as unused. Used by one thread at a time, as
 * ptrace () is in that kernel.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Where the bits stand of what is in use, and those that are within every kernel's room: up to PKRU. */
#define IN_USE 512
#define KNOWN UINT64_C (0x3ff)

static uint8_t area[65536];

static long
call (enum __ptrace_request request, pid_t pid, void *address, void *data)
{
    return syscall (SYS_ptrace, request, pid, address, data);
}

static long
registers (enum __ptrace_request request, pid_t pid, void *address, const struct iovec *wanted)
{
    struct iovec all = {area, sizeof area};
    uint64_t in_use;

    if (call (PTRACE_GETREGSET, pid, address, &all) < 0)
        return -1;
    if (request == PTRACE_GETREGSET) {
        memcpy (wanted->iov_base, area,
                wanted->iov_len < all.iov_len ? wanted->iov_len : all.iov_len);
        return 0;
    }
    if (wanted->iov_len < all.iov_len)
        memset (area + wanted->iov_len, 0, all.iov_len - wanted->iov_len);
    memcpy (area, wanted->iov_base, wanted->iov_len < all.iov_len ? wanted->iov_len : all.iov_len);
    memcpy (&in_use, area + IN_USE, sizeof in_use);
    in_use &= KNOWN;
    memcpy (area + IN_USE, &in_use, sizeof in_use);
    return call (request, pid, address, &all);
}

long
ptrace (enum __ptrace_request request, ...)
{
    va_list arguments;
    pid_t pid;
    void *address, *data;
    long word = 0;

    va_start (arguments, request);
    pid = va_arg (arguments, pid_t);
    address = va_arg (arguments, void *);
    data = va_arg (arguments, void *);
    va_end (arguments);
    if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) &&
        address == (void *)NT_X86_XSTATE)
        return registers (request, pid, address, data);
    if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
        return call (request, pid, address, data);
    if (call (request, pid, address, &word) < 0)
        return -1;
    errno = 0;
    return word;
}
