/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The limits of memory that the kernel has for this process; see memory-private.h. A group has at most what those above
 * it have, so all up to the root are looked at. What cannot be read limits nothing: where a container shows its own
 * group as the root, the path that /proc tells is not there, but the root's limit is.
 */
#include "config.h"

#include "loop/memory-private.h"

#include <string.h>

#include "loop/loop-private.h"

/* Where a line of /proc/self/cgroup leads: the group's path stands behind the last of two colons. */
static const struct {
    const char *controllers; /* of the line; "" is version 2 */
    const char *home, *file;
} hierarchies[] = {
    {"", "/sys/fs/cgroup", "memory.max"},
    {"", "/sys/fs/cgroup/unified", "memory.max"},
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
};

static char *
read_text (const char *root, const char *path)
{
    g_autofree char *full = g_strconcat (root, path, NULL);
    char *text = NULL;

    return g_file_get_contents (full, &text, NULL, NULL) ? text : NULL;
}

/* A number alone in a file; "max" is none. */
static guint64
read_limit (const char *root, const char *home, const char *group, const char *file)
{
    g_autofree char *path = g_build_filename (home, group, file, NULL);
    g_autofree char *text = read_text (root, path);
    guint64 limit;

    if (text == NULL ||
        !g_ascii_string_to_unsigned (g_strchomp (text), 10, 1, G_MAXUINT64, &limit, NULL))
        return G_MAXUINT64;
    return limit;
}

static guint64
limit_of_group (const char *root, const char *home, const char *file, const char *group)
{
    g_autofree char *path = g_strdup (group);
    guint64 least = read_limit (root, home, "", file);
    char *slash;

    while ((slash = strrchr (path, '/')) != NULL) {
        if (slash[1] != '\0')
            least = MIN (least, read_limit (root, home, path, file));
        *slash = '\0';
    }
    return least;
}

/* "NUMBER:CONTROLLER,CONTROLLER...:PATH" */
static guint64
limit_of_line (const char *root, const char *line)
{
    g_auto (GStrv) parts = g_strsplit (line, ":", 3);
    guint64 least = G_MAXUINT64;

    if (g_strv_length (parts) < 3)
        return least;
    for (guint i = 0; i < G_N_ELEMENTS (hierarchies); i++)
        if (g_str_equal (hierarchies[i].controllers, parts[1]))
            least = MIN (least,
                         limit_of_group (root, hierarchies[i].home, hierarchies[i].file, parts[2]));
    return least;
}

static guint64
limit_of_groups (const char *root)
{
    g_autofree char *text = read_text (root, "/proc/self/cgroup");
    g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", 0);
    guint64 least = G_MAXUINT64;

    for (guint i = 0; lines[i] != NULL; i++)
        least = MIN (least, limit_of_line (root, lines[i]));
    return least;
}

static guint64
memory_of_machine (const char *root)
{
    g_autofree char *text = read_text (root, "/proc/meminfo");
    const char *line = text != NULL ? strstr (text, "MemTotal:") : NULL;
    const guint64 kib = line != NULL ? g_ascii_strtoull (line + strlen ("MemTotal:"), NULL, 10) : 0;

    if (kib == 0 || kib > G_MAXUINT64 / 1024)
        return G_MAXUINT64;
    return kib * 1024;
}

guint64
relais_memory_allowed (const char *root)
{
    relais_assert_may_block ();
    return MIN (memory_of_machine (root), limit_of_groups (root));
}
