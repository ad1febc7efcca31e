/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * confine: a module for quick-confine.py alone, which tries what a module has no business to do. `relaisctl confine try
 * DEED PATH` says what came of it, by the number of the error. Loop: its deeds are for a test and short.
 */
#define _GNU_SOURCE /* unshare () */
#include <relais/command.h>
#include <relais/module.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static gint
result_of (long result)
{
    return result >= 0 ? 0 : errno;
}

static gint
try_open (const gchar *path, gint flags)
{
    const gint fd = open (path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close (fd);
    return result_of (fd);
}

static gint
try_run (const gchar *path)
{
    gchar *const argv[] = {(gchar *)path, NULL};
    pid_t pid;

    return posix_spawn (&pid, path, NULL, NULL, argv, NULL);
}

static gint
do_deed (const gchar *deed, const gchar *path)
{
    if (g_str_equal (deed, "read"))
        return try_open (path, O_RDONLY);
    if (g_str_equal (deed, "write"))
        return try_open (path, O_WRONLY | O_CREAT);
    if (g_str_equal (deed, "list"))
        return try_open (path, O_RDONLY | O_DIRECTORY);
    if (g_str_equal (deed, "mkdir"))
        return result_of (mkdir (path, 0700));
    if (g_str_equal (deed, "unlink"))
        return result_of (unlink (path));
    if (g_str_equal (deed, "truncate"))
        return result_of (truncate (path, 0));
    if (g_str_equal (deed, "run"))
        return try_run (path);
    if (g_str_equal (deed, "mount"))
        return result_of (mount ("none", path, "tmpfs", 0, NULL));
    if (g_str_equal (deed, "ptrace"))
        return result_of (ptrace (PTRACE_ATTACH, G_MAXINT, NULL, NULL));
    if (g_str_equal (deed, "unshare"))
        return result_of (unshare (CLONE_NEWUTS));
    if (g_str_equal (deed, "signal"))
        return result_of (kill (getppid (), 0));
    return ENOSYS;
}

static void
run_try (RelaisCommandCall *call, gpointer data)
{
    (void)data;
    relais_command_put_int (call, "error",
                            do_deed (relais_command_arg (call, 0), relais_command_arg (call, 1)));
    relais_command_end_row (call);
    relais_command_finish (call);
}

static const RelaisCommand commands[] = {
    {"confine", "try", "DEED PATH", "", "Try something.", RELAIS_COMMAND_ONLINE, 0, run_try},
};

static const RelaisOption options[] = {
    {"module", "file", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL, "A file."},
    {"module", "dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, NULL, 0, 0, NULL, "A directory."},
};

static gboolean
init (RelaisModule *module, GError **error)
{
    (void)module, (void)error;
    return TRUE;
}

static const RelaisModuleOps ops = {.struct_size = sizeof ops, .init = init};

RELAIS_MODULE_DEFINE (confine, .name = "confine", .version = "1",
                      .summary = "a guest of bad manners", .license = "GPL-3.0-or-later",
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
