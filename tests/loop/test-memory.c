/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/loop/memory: limits of either version, of a group and of those above it, in a tree of our own.
 */
#include "config.h"

#include "loop/memory-private.h"

#include <glib/gstdio.h>

#define MIB ((guint64)1 << 20)

typedef struct {
    const char *path, *text;
} File;

static const struct {
    const char *name;
    File files[6];
    guint64 allowed;
} cases[] = {
    {"nothing", {{NULL, NULL}}, G_MAXUINT64},
    {"machine", {{"proc/meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\n"}}, 2 * MIB},
    {"v2",
     {{"proc/self/cgroup", "0::/system.slice/relais.service\n"},
      {"proc/meminfo", "MemTotal: 1048576 kB\n"},
      {"sys/fs/cgroup/system.slice/relais.service/memory.max", "67108864\n"},
      {"sys/fs/cgroup/system.slice/memory.max", "max\n"}},
     64 * MIB},
    {"v2-above",
     {{"proc/self/cgroup", "0::/a/b/c\n"},
      {"sys/fs/cgroup/a/b/c/memory.max", "67108864\n"},
      {"sys/fs/cgroup/a/memory.max", "1048576\n"}},
     MIB},
    {"v2-root-of-a-container",
     {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/memory.max", "33554432\n"}},
     32 * MIB},
    {"v1",
     {{"proc/self/cgroup", "9:pids:/\n4:memory:/x\n0::/\n"},
      {"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "16777216\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     16 * MIB},
    {"v1-path-not-there",
     {{"proc/self/cgroup", "4:memory:/docker/0123\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "8388608\n"}},
     8 * MIB},
    {"garbage",
     {{"proc/self/cgroup", "x\n0::\n:::::\n"},
      {"proc/meminfo", "MemTotal: many\n"},
      {"sys/fs/cgroup/memory.max", "-5\n"}},
     G_MAXUINT64},
};

static void
remove_tree (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *full = g_build_filename (path, name, NULL);

        remove_tree (full);
    }
    g_clear_pointer (&dir, g_dir_close);
    g_remove (path);
}

static void
test_case (gconstpointer data)
{
    const guint number = GPOINTER_TO_UINT (data);
    g_autofree char *root = g_dir_make_tmp ("relais-memory-XXXXXX", NULL);

    for (const File *file = cases[number].files; file->path != NULL; file++) {
        g_autofree char *path = g_build_filename (root, file->path, NULL);
        g_autofree char *folder = g_path_get_dirname (path);

        g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
        g_assert_true (g_file_set_contents (path, file->text, -1, NULL));
    }
    g_assert_cmpuint (relais_memory_allowed (root), ==, cases[number].allowed);
    remove_tree (root);
}

static void
test_here (void)
{
    const guint64 allowed = relais_memory_allowed ("");

    g_assert_cmpuint (allowed, >, MIB);
    g_assert_cmpuint (allowed, <, G_MAXUINT64);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strconcat ("/loop/memory/", cases[i].name, NULL);

        g_test_add_data_func (path, GUINT_TO_POINTER (i), test_case);
    }
    g_test_add_func ("/loop/memory/here", test_here);
    return g_test_run ();
}
