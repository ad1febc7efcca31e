/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Helper processes, the program's side (include/relais/helper.h): limits and the sandbox, then requests from
 * standard input, which is a socket to the daemon, one by one. One thread, which may wait.
 *
 * The sandbox lets through what memory, time and that socket need. What libraries do by habit (looking
 * for a file, for the terminal, for the machine's name) fails politely; all else ends the process.
 */
#include "config.h"

#include "module/helper-private.h"

#include <relais/command.h>

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The sandbox ------------------------------------------------------------------------------ */

static const int allowed[] = {SCMP_SYS (read),
                              SCMP_SYS (write),
                              SCMP_SYS (readv),
                              SCMP_SYS (writev),
                              SCMP_SYS (exit),
                              SCMP_SYS (exit_group),
                              SCMP_SYS (brk),
                              SCMP_SYS (munmap),
                              SCMP_SYS (mremap),
                              SCMP_SYS (madvise),
                              SCMP_SYS (futex),
                              SCMP_SYS (rt_sigreturn),
                              SCMP_SYS (rt_sigprocmask),
                              SCMP_SYS (rt_sigaction),
                              SCMP_SYS (sigaltstack),
                              SCMP_SYS (clock_gettime),
                              SCMP_SYS (gettimeofday),
                              SCMP_SYS (time),
                              SCMP_SYS (getrandom),
                              SCMP_SYS (getpid),
                              SCMP_SYS (gettid),
                              SCMP_SYS (tgkill),
                              SCMP_SYS (sched_yield),
                              SCMP_SYS (restart_syscall),
                              SCMP_SYS (nanosleep),
                              SCMP_SYS (clock_nanosleep),
                              SCMP_SYS (close),
                              SCMP_SYS (fstat)};

static const int refused[] = {SCMP_SYS (open),       SCMP_SYS (openat),   SCMP_SYS (stat),
                              SCMP_SYS (newfstatat), SCMP_SYS (readlink), SCMP_SYS (ioctl),
                              SCMP_SYS (uname),      SCMP_SYS (prlimit64)};

static bool
add_rules (scmp_filter_ctx filter)
{
    bool good = true;

    for (gsize i = 0; i < G_N_ELEMENTS (allowed); i++)
        good &= seccomp_rule_add (filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
        good &= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EACCES), refused[i], 0) == 0;
    /* Memory, but none that can be run. */
    good &= seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (mmap), 1,
                              SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    good &= seccomp_rule_add (filter, SCMP_ACT_ALLOW, SCMP_SYS (mprotect), 1,
                              SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    return good;
}

static bool
set_limit (int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};

    return setrlimit ((__rlimit_resource_t)resource, &limit) == 0;
}

static bool
set_limits (void)
{
    const char *memory = g_getenv ("RELAIS_HELPER_MEMORY");
    guint64 bytes = 0;

    if (memory == NULL || !g_ascii_string_to_unsigned (memory, 10, 1, G_MAXINT64, &bytes, NULL))
        return false;
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is larger than any limit */
    if (!set_limit (RLIMIT_AS, bytes))
        return false;
#endif
    return set_limit (RLIMIT_CORE, 0) && set_limit (RLIMIT_FSIZE, 0) &&
           set_limit (RLIMIT_NPROC, 0) && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static bool
enter_sandbox (void)
{
    scmp_filter_ctx filter = seccomp_init (SCMP_ACT_KILL_PROCESS);
    bool good = filter != NULL && close_range (STDERR_FILENO + 1, ~0u, 0) == 0 && set_limits () &&
                add_rules (filter) && seccomp_load (filter) == 0;

    if (filter != NULL)
        seccomp_release (filter);
    return good;
}

/* --- Requests --------------------------------------------------------------------------------- */

static bool
read_all (gpointer to, gsize size)
{
    for (gsize done = 0; done < size;) {
        const gssize n = read (STDIN_FILENO, (guint8 *)to + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

static bool
write_all (gconstpointer from, gsize size)
{
    for (gsize done = 0; done < size;) {
        const gssize n = write (STDIN_FILENO, (const guint8 *)from + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

static GBytes *
read_request (RelaisHelperHead *head)
{
    guint8 *bytes;

    if (!read_all (head, sizeof *head) || head->size > RELAIS_HELPER_BYTES)
        return NULL;
    bytes = g_malloc (MAX (head->size, 1));
    if (!read_all (bytes, head->size)) {
        g_free (bytes);
        return NULL;
    }
    return g_bytes_new_take (bytes, head->size);
}

static bool
write_reply (guint32 number, GBytes *reply)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (reply, &size);
    const RelaisHelperHead head = {(guint32)size, number};

    return size <= RELAIS_HELPER_BYTES && write_all (&head, sizeof head) && write_all (bytes, size);
}

static bool
serve_one (RelaisHelperServeFunc func, gpointer data)
{
    RelaisHelperHead head;
    g_autoptr (GBytes) request = read_request (&head);
    g_autoptr (GBytes) reply = request != NULL ? func (request, data) : NULL;

    return reply != NULL && write_reply (head.number, reply);
}

static bool
is_socket (int fd)
{
    int type;
    socklen_t size = sizeof type;

    return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

gint
relais_helper_serve (RelaisHelperServeFunc func, gpointer data)
{
    if (!is_socket (STDIN_FILENO)) {
        g_printerr (
            _ ("This program is started by relaisd; there is nothing to do with it by hand.\n"));
        return RELAIS_EXIT_USAGE;
    }
    if (!enter_sandbox ()) {
        g_printerr (
            _ ("The sandbox cannot be entered: no seccomp here, or a limit was refused.\n"));
        return RELAIS_EXIT_REFUSED;
    }
    while (serve_one (func, data))
        ;
    _exit (RELAIS_EXIT_DONE); /* what runs at exit is not let through */
}
