/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A helper that does what it is asked, good or bad: what the sandbox must stop, and what the daemon must
 * outlive.
 */
#include "config.h"

#include <relais/helper.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static GBytes *
say (const char *text)
{
    return g_bytes_new (text, strlen (text));
}

static GBytes *
try_open (void)
{
    return say (open ("/etc/hostname", O_RDONLY) >= 0 ? "opened" : g_strerror (errno));
}

static GBytes *
try_memory (void)
{
    g_autofree guint8 *block = g_try_malloc (1u << 30);

    return say (block != NULL ? "had" : "refused");
}

static GBytes *
hang (void)
{
    for (volatile guint64 i = 0; i < G_MAXUINT64; i++)
        ;
    return NULL;
}

static GBytes *
run_a_program (void)
{
    execl ("/bin/true", "true", NULL);
    return say (g_strerror (errno));
}

static GBytes *
open_a_socket (void)
{
    return say (socket (AF_INET, SOCK_STREAM, 0) >= 0 ? "opened" : g_strerror (errno));
}

static GBytes *
map_code (void)
{
    const void *code = mmap (NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return say (code != MAP_FAILED ? "mapped" : g_strerror (errno));
}

static GBytes *
large (gsize size)
{
    return g_bytes_new_take (memset (g_malloc (size), 'x', size), size);
}

static GBytes *
leave (void)
{
    _exit (3);
}

static GBytes *
answer (GBytes *request, gpointer data)
{
    gsize size;
    const char *bytes = g_bytes_get_data (request, &size);
    g_autofree char *word = g_strndup (bytes, MIN (size, 16));

    if (g_str_equal (word, "open"))
        return try_open ();
    if (g_str_equal (word, "memory"))
        return try_memory ();
    if (g_str_equal (word, "hang"))
        return hang ();
    if (g_str_equal (word, "abort"))
        abort ();
    if (g_str_equal (word, "exit"))
        return leave ();
    if (g_str_equal (word, "exec"))
        return run_a_program ();
    if (g_str_equal (word, "socket"))
        return open_a_socket ();
    if (g_str_equal (word, "code"))
        return map_code ();
    if (g_str_equal (word, "largest"))
        return large (RELAIS_HELPER_BYTES);
    if (g_str_equal (word, "larger"))
        return large (RELAIS_HELPER_BYTES + 1);
    if (g_str_equal (word, "twice") && write (STDIN_FILENO, "\1\0\0\0\0\0\0\0x", 9) == 9)
        return say ("y");
    return g_bytes_ref (request);
}

int
main (void)
{
    return relais_helper_serve (answer, NULL);
}
