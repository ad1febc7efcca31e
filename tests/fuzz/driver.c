/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a fuzz target without libFuzzer: every file of its corpus, then a bounded number of mutations
 * of them, which follow from the seed given. Prints TAP.
 *
 * The target runs in a child; the input under way lies in memory that both share, so that whatever
 * ends the child (a property, a signal, a sanitizer, a leak, no progress for HANG_SECONDS) costs no
 * input: it is written to crash-TARGET-HASH in the current directory, to become a file of the corpus.
 *
 *     TARGET [--runs N] [--seed N] [--seconds N] [--corpus DIR] [FILE...]
 *
 * With files these are run and nothing else.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

enum { LIMIT_BYTES = 128 << 10, HANG_SECONDS = 60, OPERATIONS = 6, GROWTH_BYTES = 8192 };

typedef struct {
    gint64 runs; /* -1: the target's own number, or without end if seconds are given */
    gint64 seconds;
    gint64 seed;
    char *corpus;
    char **files;
} Options;

typedef struct {
    volatile guint64 count; /* inputs begun */
    gsize size;
    guint8 bytes[LIMIT_BYTES];
} Shared;

static Options options = {.runs = -1, .seed = 1};
static Shared *shared;
static GPtrArray *seeds; /* GBytes * */
static const char *target_name;
static guint n_cases, n_failed;

/* --- Mutations ---------------------------------------------------------------------------------- */

static const guint8 telling[] = {'\0', '\r', '\n', ' ', '\t', '.', '<', '>', '@',  ':',  ';',
                                 '"',  '\\', '-',  '=', '(',  ')', '[', ',', 0x7f, 0x80, 0xff};

static const char *const common_words[] = {
    "\r\n",     "\r\n.\r\n",    "\n.\r\n",  "\r\n.\n",    "\r.\r",
    "\n",       "\r",           ".",        "\r\n\r\n",   "\r\n ",
    "0",        "-1",           "65536",    "4294967296", "18446744073709551616",
    "\xc3\xa9", "\xe2\x80\xa8", "\xff\xfe", NULL};

/* Makes room for `n` octets at `at`; returns how many fit. */
static gsize
open_gap (gsize at, gsize n)
{
    n = MIN (n, LIMIT_BYTES - shared->size);
    memmove (shared->bytes + at + n, shared->bytes + at, shared->size - at);
    shared->size += n;
    return n;
}

static void
insert (gsize at, const guint8 *bytes, gsize n)
{
    g_autofree guint8 *copy = g_memdup2 (bytes, n); /* may lie in the buffer itself */

    n = open_gap (at, n);
    if (n > 0)
        memcpy (shared->bytes + at, copy, n);
}

static const char *
pick_word (FuzzRandom *random)
{
    const guint n_own = fuzz_target.words != NULL ? g_strv_length ((char **)fuzz_target.words) : 0;
    const guint n_common = G_N_ELEMENTS (common_words) - 1;

    if (n_own > 0 && fuzz_random_below (random, 3) > 0)
        return fuzz_target.words[fuzz_random_below (random, n_own)];
    return common_words[fuzz_random_below (random, n_common)];
}

static gsize
pick_length (FuzzRandom *random, gsize limit)
{
    static const gsize lengths[] = {4, 16, 64, 256, 1024, GROWTH_BYTES};
    const gsize longest = lengths[fuzz_random_below (random, G_N_ELEMENTS (lengths))];

    return limit > 0 ? 1 + fuzz_random_below (random, MIN (limit, longest)) : 0;
}

static void
change_octet (FuzzRandom *random, gsize at)
{
    if (at >= shared->size)
        return;
    switch (fuzz_random_below (random, 4)) {
    case 0: shared->bytes[at] ^= (guint8)(1u << fuzz_random_below (random, 8)); break;
    case 1: shared->bytes[at] = (guint8)fuzz_random_next (random); break;
    case 2: shared->bytes[at] = (guint8)(shared->bytes[at] + 1 - 2 * (at & 1)); break;
    default: shared->bytes[at] = telling[fuzz_random_below (random, sizeof telling)]; break;
    }
}

static void
put_word (FuzzRandom *random, gsize at)
{
    const char *word = pick_word (random);
    const gsize n = strlen (word);

    if (fuzz_random_below (random, 3) == 0 && at + n <= shared->size)
        memcpy (shared->bytes + at, word, n);
    else
        insert (at, (const guint8 *)word, n);
}

static void
cut (FuzzRandom *random, gsize at)
{
    gsize n = pick_length (random, shared->size - at);

    if (fuzz_random_below (random, 4) == 0)
        n = shared->size - at; /* the rest */
    memmove (shared->bytes + at, shared->bytes + at + n, shared->size - at - n);
    shared->size -= n;
}

static void
duplicate (FuzzRandom *random, gsize at)
{
    const gsize n = pick_length (random, shared->size - at);

    insert (fuzz_random_below (random, shared->size + 1), shared->bytes + at, n);
}

/* One octet or word many times: limits are there to be reached. */
static void
repeat (FuzzRandom *random, gsize at)
{
    const char *word = pick_word (random);
    const gsize size = strlen (word);
    const gsize n = pick_length (random, GROWTH_BYTES);
    g_autofree guint8 *run = g_malloc (n);

    for (gsize i = 0; i < n; i++)
        run[i] = (guint8)word[i % size];
    insert (at, run, n);
}

static void
splice (FuzzRandom *random, gsize at)
{
    GBytes *other = g_ptr_array_index (seeds, fuzz_random_below (random, seeds->len));
    gsize size;
    const guint8 *bytes = g_bytes_get_data (other, &size);
    const gsize from = fuzz_random_below (random, size + 1);

    if (size == 0)
        return;
    if (fuzz_random_below (random, 2) == 0)
        shared->size = at;
    insert (at, bytes + from, pick_length (random, size - from));
}

static void
put_chance (FuzzRandom *random, gsize at)
{
    guint8 bytes[16];
    const gsize n = 1 + fuzz_random_below (random, sizeof bytes);

    for (gsize i = 0; i < n; i++)
        bytes[i] = (guint8)(fuzz_random_next (random) >> 24);
    insert (at, bytes, n);
}

static void
mutate (FuzzRandom *random)
{
    static void (*const operations[]) (FuzzRandom * random, gsize at) = {
        change_octet, change_octet, change_octet, put_word, put_word,  put_word,
        cut,          duplicate,    repeat,       splice,   put_chance};
    const gsize n = 1 + fuzz_random_below (random, OPERATIONS);

    for (gsize i = 0; i < n; i++) {
        const gsize at = fuzz_random_below (random, shared->size + 1);

        operations[fuzz_random_below (random, G_N_ELEMENTS (operations))](random, at);
    }
}

/* --- In the child ------------------------------------------------------------------------------- */

static void
load_seed (guint i)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (seeds, i), &size);

    shared->size = MIN (size, (gsize)LIMIT_BYTES);
    if (size > 0)
        memcpy (shared->bytes, bytes, shared->size);
}

static void
run_input (void)
{
    guint8 *exact = fuzz_exact (shared->bytes, shared->size);

    shared->count++;
    LLVMFuzzerTestOneInput (exact, shared->size);
    free (exact);
}

static void
replay (void)
{
    for (guint i = 0; i < seeds->len; i++) {
        load_seed (i);
        run_input ();
    }
}

static void
run_mutations (void)
{
    const gint64 until = g_get_monotonic_time () + options.seconds * G_USEC_PER_SEC;
    gint64 runs = options.runs;

    if (runs < 0)
        runs = options.seconds > 0 ? G_MAXINT64 : (gint64)fuzz_target.runs;
    for (gint64 i = 0; i < runs; i++) {
        FuzzRandom random = {
            ((((guint64)options.seed << 32) + (guint64)i) * 0x9e3779b97f4a7c15ull) | 1};

        if (options.seconds > 0 && i % 16 == 0 && g_get_monotonic_time () >= until)
            return;
        fuzz_random_next (&random);
        load_seed ((guint)fuzz_random_below (&random, seeds->len));
        mutate (&random);
        run_input ();
    }
}

/* --- In the parent ------------------------------------------------------------------------------ */

/* Waits for the child; false if nothing moved for too long. */
static bool
watch (pid_t child, int *status)
{
    guint64 count = 0;
    gint64 moved = g_get_monotonic_time ();

    while (waitpid (child, status, WNOHANG) == 0) {
        g_usleep (2000);
        if (shared->count != count) {
            count = shared->count;
            moved = g_get_monotonic_time ();
        } else if (g_get_monotonic_time () - moved > HANG_SECONDS * G_USEC_PER_SEC) {
            kill (child, SIGKILL);
            waitpid (child, status, 0);
            return false;
        }
    }
    return true;
}

static void
keep_input (void)
{
    g_autofree char *sum =
        g_compute_checksum_for_data (G_CHECKSUM_SHA256, shared->bytes, shared->size);
    g_autofree char *path = g_strdup_printf ("crash-%s-%.12s", target_name, sum);
    g_autoptr (GError) error = NULL;

    if (g_file_set_contents (path, (const char *)shared->bytes, (gssize)shared->size, &error))
        printf ("# the input is in %s\n", path);
    else
        printf ("# %s\n", error->message);
}

static void
run_case (const char *what, void (*func) (void))
{
    const gint64 began = g_get_monotonic_time ();
    int status = 0;
    pid_t child;
    bool moved;

    shared->count = 0;
    fflush (NULL);
    child = fork ();
    if (child < 0)
        g_error ("fork: %s", g_strerror (errno));
    if (child == 0) {
        fuzz_quiet ();
        func ();
        exit (0);
    }
    moved = watch (child, &status);
    printf ("%sok %u - %s: %s\n", moved && status == 0 ? "" : "not ", ++n_cases, target_name, what);
    printf ("# %" G_GUINT64_FORMAT " executions in %.1f s\n", shared->count,
            (double)(g_get_monotonic_time () - began) / G_USEC_PER_SEC);
    if (moved && status == 0)
        return;
    n_failed++;
    if (!moved)
        printf ("# no progress for %d s\n", HANG_SECONDS);
    else
        printf ("# %s %d\n", WIFSIGNALED (status) ? "ended by signal" : "ended with status",
                WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    keep_input ();
}

/* --- Corpus ------------------------------------------------------------------------------------- */

static void
add_seed (const char *path)
{
    g_autoptr (GError) error = NULL;
    char *bytes;
    gsize size;

    if (!g_file_get_contents (path, &bytes, &size, &error))
        g_error ("%s", error->message);
    g_ptr_array_add (seeds, g_bytes_new_take (bytes, size));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static void
load_corpus (void)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GDir) dir = g_dir_open (options.corpus, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        g_ptr_array_add (names, g_build_filename (options.corpus, name, NULL));
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++)
        add_seed (g_ptr_array_index (names, i));
}

static void
parse_options (int argc, char **argv)
{
    gboolean tap;
    const GOptionEntry entries[] = {
        {"runs", 0, 0, G_OPTION_ARG_INT64, &options.runs, "mutations", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &options.seed, "what chance begins with", "N"},
        {"seconds", 0, 0, G_OPTION_ARG_INT64, &options.seconds, "mutate that long", "N"},
        {"corpus", 0, 0, G_OPTION_ARG_FILENAME, &options.corpus, "where the seeds are", "DIR"},
        {"tap", 0, 0, G_OPTION_ARG_NONE, &tap, "print TAP, as always", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.files, NULL, "FILE..."},
        {NULL}};
    g_autoptr (GOptionContext) context = g_option_context_new (NULL);
    g_autoptr (GError) error = NULL;
    const char *source = g_getenv ("RELAIS_SRCDIR");

    g_option_context_add_main_entries (context, entries, NULL);
    if (!g_option_context_parse (context, &argc, &argv, &error)) {
        g_printerr ("%s: %s\n", argv[0], error->message);
        exit (2);
    }
    if (options.corpus == NULL)
        options.corpus = g_build_filename (source != NULL ? source : "..", "tests", "fuzz",
                                           "corpus", target_name, NULL);
}

int
main (int argc, char **argv)
{
    target_name = g_path_get_basename (argv[0]);
    parse_options (argc, argv);
    shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        g_error ("mmap: %s", g_strerror (errno));
    seeds = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    if (options.files != NULL)
        for (char **file = options.files; *file != NULL; file++)
            add_seed (*file);
    else
        load_corpus ();
    if (seeds->len == 0) {
        printf ("Bail out! no seeds in %s\n", options.corpus);
        return 1;
    }
    printf ("1..%d\n", options.files != NULL ? 1 : 2);
    run_case (options.files != NULL ? "files" : "corpus", replay);
    if (options.files == NULL)
        run_case ("mutations", run_mutations);
    g_ptr_array_unref (seeds);
    return n_failed > 0 ? 1 : 0;
}
