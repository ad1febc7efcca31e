/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Landlock: the process opens what the rules allow and nothing else. By raw calls, as the C library has none.
 * See confine-private.h. Main thread, at start.
 *
 * What it does not do: a file's attributes are still seen, links read, sockets connected to; descriptors that are open
 * stay so; and who runs code of his own here needs no execve for it. That is what the user's rights are for.
 */
#include "config.h"

#include "confine-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of later headers than the oldest that we build with (landlock(7) says which ABI brought which). */
enum { ABI_TRUNCATE = 3, ABI_IOCTL = 5, ABI_SCOPES = 6 };
static const guint64 TRUNCATE_RIGHT = G_GUINT64_CONSTANT (1) << 14;
static const guint64 IOCTL_RIGHT = G_GUINT64_CONSTANT (1) << 15;
static const guint64 SCOPE_SIGNAL_BIT = G_GUINT64_CONSTANT (1) << 1;

typedef struct {
    guint64 files, net, scopes;
} Ruleset;

static const guint64 READ_RIGHTS = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const guint64 WRITE_RIGHTS =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
static const guint64 NEVER_RIGHTS = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
/* What a rule for something that is no directory may hold. */
static const guint64 FILE_RIGHTS =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;

int
relais_landlock_abi (void)
{
    const long abi =
        syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi > 0 ? (int)abi : 0;
}

static guint64
rights_of (guint rights, bool is_dir, int abi)
{
    const guint64 truncate = abi >= ABI_TRUNCATE ? TRUNCATE_RIGHT : 0;
    guint64 out = 0;

    if ((rights & RELAIS_CONFINE_READ) != 0)
        out |= READ_RIGHTS;
    if ((rights & RELAIS_CONFINE_WRITE) != 0)
        out |= WRITE_RIGHTS | truncate;
    if ((rights & RELAIS_CONFINE_RUN) != 0)
        out |= LANDLOCK_ACCESS_FS_EXECUTE;
    return is_dir ? out : out & (FILE_RIGHTS | truncate);
}

/* A path that went meanwhile needs no rule. */
static bool
add_rule (int ruleset, const RelaisConfineRule *rule, int abi)
{
    struct landlock_path_beneath_attr beneath;
    struct stat info;
    bool good = true;

    beneath.parent_fd = open (rule->path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return errno == ENOENT || errno == EACCES;
    if (fstat (beneath.parent_fd, &info) == 0) {
        beneath.allowed_access = rights_of (rule->rights, S_ISDIR (info.st_mode), abi);
        good =
            syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
    }
    close (beneath.parent_fd);
    return good;
}

bool
relais_landlock_enter (const GPtrArray *rules, int abi)
{
    const Ruleset all = {
        .files = READ_RIGHTS | WRITE_RIGHTS | NEVER_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE |
                 (abi >= ABI_TRUNCATE ? TRUNCATE_RIGHT : 0) | (abi >= ABI_IOCTL ? IOCTL_RIGHT : 0),
        .scopes = abi >= ABI_SCOPES ? SCOPE_SIGNAL_BIT : 0};
    const gsize size = abi >= ABI_SCOPES ? sizeof all : sizeof all.files;
    const int ruleset = (int)syscall (SYS_landlock_create_ruleset, &all, size, 0);
    bool good = ruleset >= 0;
    int saved;

    for (guint i = 0; good && i < rules->len; i++)
        good = add_rule (ruleset, g_ptr_array_index (rules, i), abi);
    good = good && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall (SYS_landlock_restrict_self, ruleset, 0) == 0;
    saved = errno;
    if (ruleset >= 0)
        close (ruleset);
    errno = saved;
    return good;
}
