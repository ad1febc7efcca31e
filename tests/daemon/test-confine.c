/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/confine: what rules cover, how they are told on, and that the kernel refuses each call of the list.
 */
#include "config.h"

#include "confine-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFUSED_LEAST = 50, WRONG = 77 };

static void
test_cover (void)
{
    g_autofree char *top = g_dir_make_tmp ("relais-confine-XXXXXX", NULL);
    g_autofree char *inner = g_build_filename (top, "a", NULL);
    g_autofree char *beside = g_build_filename (top, "ab", NULL);
    g_autofree char *missing = g_build_filename (top, "a", "not", "there", NULL);
    g_autoptr (GPtrArray) rules = relais_confine_rules_new ();

    g_assert_cmpint (g_mkdir (inner, 0700), ==, 0);
    g_assert_cmpint (g_mkdir (beside, 0700), ==, 0);
    relais_confine_rules_add (rules, inner, RELAIS_CONFINE_READ);
    g_assert_true (relais_confine_rules_cover (rules, inner, RELAIS_CONFINE_READ));
    g_assert_true (relais_confine_rules_cover (rules, missing, RELAIS_CONFINE_READ));
    g_assert_false (relais_confine_rules_cover (rules, inner, RELAIS_CONFINE_WRITE));
    g_assert_false (relais_confine_rules_cover (rules, beside, RELAIS_CONFINE_READ));
    g_assert_false (relais_confine_rules_cover (rules, top, RELAIS_CONFINE_READ));
    relais_confine_rules_add (rules, inner, RELAIS_CONFINE_WRITE);
    g_assert_cmpuint (rules->len, ==, 1);
    g_assert_true (
        relais_confine_rules_cover (rules, inner, RELAIS_CONFINE_READ | RELAIS_CONFINE_WRITE));
    relais_confine_rules_add (rules, missing, RELAIS_CONFINE_READ);
    g_assert_cmpuint (rules->len, ==, 1);
    g_rmdir (inner);
    g_rmdir (beside);
    g_rmdir (top);
}

/* A file that is renamed over stays within reach, and so does what a link leads to. */
static void
test_named (void)
{
    g_autofree char *top = g_dir_make_tmp ("relais-confine-XXXXXX", NULL);
    g_autofree char *live = g_build_filename (top, "live", NULL);
    g_autofree char *archive = g_build_filename (top, "archive", NULL);
    g_autofree char *link = g_build_filename (live, "cert.pem", NULL);
    g_autofree char *file = g_build_filename (archive, "cert1.pem", NULL);
    g_autofree char *next = g_build_filename (archive, "cert2.pem", NULL);
    g_autoptr (GPtrArray) rules = relais_confine_rules_new ();

    g_assert_cmpint (g_mkdir (live, 0700), ==, 0);
    g_assert_cmpint (g_mkdir (archive, 0700), ==, 0);
    g_assert_true (g_file_set_contents (file, "x", 1, NULL));
    g_assert_cmpint (symlink (file, link), ==, 0);
    relais_confine_rules_add_named (rules, link, RELAIS_CONFINE_READ);
    g_assert_true (relais_confine_rules_cover (rules, next, RELAIS_CONFINE_READ));
    g_assert_true (relais_confine_rules_cover (rules, live, RELAIS_CONFINE_READ));
    g_assert_false (relais_confine_rules_cover (rules, top, RELAIS_CONFINE_READ));
    relais_confine_rules_add_named (rules, "/relais-not-there", RELAIS_CONFINE_READ);
    g_assert_false (relais_confine_rules_cover (rules, "/", RELAIS_CONFINE_READ));
    g_unlink (link);
    g_unlink (file);
    g_rmdir (live);
    g_rmdir (archive);
    g_rmdir (top);
}

static void
test_text (void)
{
    const char *text = "1 /etc\n7 /a b\n3 /c\n";
    g_auto (GStrv) lines =
        g_strsplit ("1 /etc\n7 /a b\n8 /no\n0 /no\n1 no\n1\n\nx /no\n3 /c", "\n", -1);
    g_autoptr (GPtrArray) rules = relais_confine_rules_parse (lines);
    g_autofree char *back = relais_confine_rules_to_text (rules);

    g_assert_cmpstr (back, ==, text);
}

/* With arguments that no call takes: one that is let through answers by another error. */
static int
try_each (void)
{
    const char *const *names = relais_refused_calls ();

    if (!relais_refuse_calls ())
        return WRONG;
    for (int i = 0; names[i] != NULL; i++) {
        const int call = seccomp_syscall_resolve_name (names[i]);

        if (call >= 0 && (syscall (call, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM))
            return i + 1;
    }
    return syscall (SYS_clone3, -1L, 0L) == -1 && errno == ENOSYS ? 0 : WRONG + 1;
}

static void
test_refused (void)
{
    const char *const *names = relais_refused_calls ();
    const pid_t pid = fork ();
    int status;

    if (pid == 0)
        _exit (try_each ());
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_true (WIFEXITED (status));
    if (WEXITSTATUS (status) > 0 && WEXITSTATUS (status) < WRONG)
        g_error ("%s is let through", names[WEXITSTATUS (status) - 1]);
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
    g_assert_cmpuint (g_strv_length ((char **)names), >=, REFUSED_LEAST);
    g_assert_cmpuint (g_strv_length ((char **)names), <, WRONG);
    g_assert_true (g_strv_contains (names, "bpf"));
    g_assert_false (g_strv_contains (names, "execve"));
}

/* In a child: files within the rules, and none besides. */
static void
test_files (void)
{
    const int abi = relais_landlock_abi ();
    g_autoptr (GPtrArray) rules = relais_confine_rules_new ();
    pid_t pid;
    int status;

    if (abi < 2) {
        g_test_skip ("no landlock here");
        return;
    }
    relais_confine_rules_add (rules, "/etc", RELAIS_CONFINE_READ);
    pid = fork ();
    if (pid == 0)
        _exit (!relais_landlock_enter (rules, abi)    ? 1
               : access ("/etc/passwd", R_OK) != 0    ? 2
               : g_open ("/etc/passwd", O_RDONLY) < 0 ? 3
               : g_open ("/etc/passwd", O_RDWR) >= 0  ? 4
               : g_open ("/", O_RDONLY) >= 0          ? 5
                                                      : 0);
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_true (WIFEXITED (status));
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/daemon/confine/cover", test_cover);
    g_test_add_func ("/daemon/confine/named", test_named);
    g_test_add_func ("/daemon/confine/text", test_text);
    g_test_add_func ("/daemon/confine/refused", test_refused);
    g_test_add_func ("/daemon/confine/files", test_files);
    return g_test_run ();
}
