/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * System calls that no mail server and no library of one has a use for. See confine-private.h. Main thread, at start.
 *
 * They are answered with EPERM and not with the end of the process: a library that tries one by habit goes on without.
 */
#include "config.h"

#include "confine-private.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

static const char *const refused[] = {
/* A sanitizer's leak detector stops the threads by it, and its start turns off address randomisation. */
#ifndef RELAIS_SANITIZED
    "ptrace", "personality",
#endif
    /* Other processes. */
    "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    "migrate_pages", "move_pages",
    /* File systems and namespaces. */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "setns", "unshare", "open_by_handle_at",
    "quotactl", "quotactl_fd", "swapon", "swapoff", "acct", "lookup_dcookie", "nfsservctl",
    /* The kernel and the machine. */
    "kexec_load", "kexec_file_load", "create_module", "init_module", "finit_module",
    "delete_module", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "reboot", "settimeofday", "clock_settime", "clock_settime64",
    "clock_adjtime", "clock_adjtime64", "adjtimex", "stime", "sethostname", "setdomainname",
    "syslog", "iopl", "ioperm", "modify_ldt", "vm86",
    /* Keys of the kernel. */
    "add_key", "request_key", "keyctl",
    /* Programs are run by their paths, which landlock judges. */
    "execveat", NULL};

static const guint64 NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

const char *const *
relais_refused_calls (void)
{
    return refused;
}

/* What this machine's library does not know cannot be called by a name of its either. */
static int
refuse (scmp_filter_ctx filter, const char *name)
{
    const int call = seccomp_syscall_resolve_name (name);

    return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), call, 0);
}

/* One bit a rule: a filter compares, it does not ask whether any of several is set. */
static int
refuse_namespaces (scmp_filter_ctx filter)
{
    int result = 0;

    for (guint64 bit = 1; bit <= NEW_NAMESPACES && result == 0; bit <<= 1)
        if ((NEW_NAMESPACES & bit) != 0)
            result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                                       SCMP_A0 (SCMP_CMP_MASKED_EQ, bit, bit));
    return result;
}

static int
fill (scmp_filter_ctx filter)
{
    int result = seccomp_attr_set (filter, SCMP_FLTATR_CTL_TSYNC, 1);

    for (gsize i = 0; refused[i] != NULL && result == 0; i++)
        result = refuse (filter, refused[i]);
    if (result == 0)
        result = refuse_namespaces (filter);
    /* Its flags lie in memory, out of the filter's sight; the C library goes on with clone (). */
    if (result == 0)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
    /* Keys typed into somebody's terminal. */
    if (result == 0)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                                   SCMP_A1 (SCMP_CMP_MASKED_EQ, G_MAXUINT32, TIOCSTI));
    return result == 0 ? seccomp_load (filter) : result;
}

bool
relais_refuse_calls (void)
{
    scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
    int result = filter != NULL ? fill (filter) : -ENOMEM;

    if (filter != NULL)
        seccomp_release (filter);
    errno = -result;
    return result == 0;
}
