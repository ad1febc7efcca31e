/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Events: hostile values in lines, the log over days, crashes and failures, the search.
 */
#include "config.h"

#include "event/cursor-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DAY_ONE = 1782000000 }; /* 2026-06-21 UTC */

typedef struct {
    RelaisClock clock;
    _Atomic gint64 wall_us; /* the log's and the index's threads read it */
} TestClock;

static gint64
test_wall (const RelaisClock *self)
{
    return ((const TestClock *)self)->wall_us;
}

static gint64
test_mono (const RelaisClock *self)
{
    return g_get_monotonic_time ();
}

typedef struct {
    TestClock clock;
    RelaisLoop *loop;
    char *dir;
} Bed;

static void
bed_set_up (Bed *bed)
{
    bed->clock.clock = (RelaisClock){test_wall, test_mono};
    bed->clock.wall_us = DAY_ONE * RELAIS_USEC_PER_SEC;
    bed->loop = relais_loop_new (&bed->clock.clock, NULL);
    bed->dir = g_dir_make_tmp ("relais-event-XXXXXX", NULL);
    g_assert_nonnull (bed->dir);
}

static void
bed_tear_down (Bed *bed)
{
    GDir *dir = g_dir_open (bed->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (bed->dir, name, NULL);

        g_unlink (path);
    }
    g_dir_close (dir);
    g_rmdir (bed->dir);
    g_free (bed->dir);
    relais_loop_free (bed->loop);
}

static GBytes *
make_line (int number)
{
    RelaisEventLine *line = relais_event_line_new ("delivered", 0, "00000000000a1", number, 1);

    relais_event_line_add_int (line, "number", number);
    return relais_event_line_end (line);
}

static void
append_number (RelaisEventLog *log, guint64 seq, int number)
{
    g_autoptr (GBytes) line = make_line (number);

    relais_event_log_append (log, seq, line);
}

static RelaisEventLog *
open_log (Bed *bed)
{
    GError *error = NULL;
    RelaisEventLog *log = relais_event_log_open (bed->dir, bed->loop, &error);

    g_assert_no_error (error);
    return log;
}

static char *
log_file (Bed *bed, const char *day)
{
    g_autofree char *name = g_strconcat ("events-", day, ".jsonl", NULL);

    return g_build_filename (bed->dir, name, NULL);
}

static void
append_raw (Bed *bed, const char *day, gconstpointer bytes, gsize size)
{
    g_autofree char *path = log_file (bed, day);
    FILE *file = g_fopen (path, "a");

    g_assert_cmpuint (fwrite (bytes, 1, size, file), ==, size);
    fclose (file);
}

static JsonObject *
parse_json (const char *line, gsize size, JsonParser **parser)
{
    GError *error = NULL;

    *parser = json_parser_new ();
    json_parser_load_from_data (*parser, line, (gssize)size, &error);
    g_assert_no_error (error);
    return json_node_get_object (json_parser_get_root (*parser));
}

typedef struct {
    GArray *numbers; /* gint64 */
    guint limit;
} Found;

static bool
note_found (gpointer data, const char *line, gsize size)
{
    Found *found = data;
    g_autoptr (JsonParser) parser = NULL;
    JsonObject *object = parse_json (line, size, &parser);
    gint64 number = json_object_get_int_member (object, "number");

    g_assert_true (json_object_has_member (object, "seq"));
    g_array_append_val (found->numbers, number);
    return found->limit == 0 || found->numbers->len < found->limit;
}

/* The "number" members of all lines that contain `needle`, as "1 2 3". */
static char *
numbers_found (Bed *bed, const char *needle, guint limit)
{
    g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (gint64));
    Found found = {numbers, limit};
    GString *text = g_string_new (NULL);
    GError *error = NULL;

    g_assert_true (relais_event_log_search (bed->dir, needle, note_found, &found, &error));
    g_assert_no_error (error);
    for (guint i = 0; i < numbers->len; i++)
        g_string_append_printf (text, "%s%d", i > 0 ? " " : "",
                                (int)g_array_index (numbers, gint64, i));
    return g_string_free (text, FALSE);
}

#define assert_numbers(bed, needle, wanted)                                                        \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_autofree char *got = numbers_found (bed, needle, 0);                                     \
        g_assert_cmpstr (got, ==, wanted);                                                         \
    }                                                                                              \
    G_STMT_END

/* --- Lines -------------------------------------------------------------------------------------- */

/* The octets that a value stands for, as event-private.h says. */
static char *
octets_of (const char *text)
{
    GString *octets = g_string_new (NULL);

    for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);

        if (c >= 0xef80 && c <= 0xefff)
            g_string_append_c (octets, (char)(c & 0xff));
        else
            g_string_append_unichar (octets, c);
    }
    return g_string_free (octets, FALSE);
}

static void
check_value (const char *value)
{
    RelaisEventLine *line = relais_event_line_new ("bounced", DAY_ONE * RELAIS_USEC_PER_SEC + 7,
                                                   "00000000000a1", -1, 2);
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (JsonParser) parser = NULL;
    g_autofree char *octets = NULL;
    JsonObject *object;
    const char *data;
    gsize size;

    relais_event_line_add (line, "reply", value);
    relais_event_line_add (line, "nothing", NULL);
    relais_event_line_add_bool (line, "tls", true);
    bytes = relais_event_line_end (line);
    data = g_bytes_get_data (bytes, &size);
    for (gsize i = 0; i < size; i++)
        g_assert_true ((guint8)data[i] >= 0x20 && data[i] != 0x7f);
    g_assert_true (g_utf8_validate (data, (gssize)size, NULL));
    object = parse_json (data, size, &parser);
    octets = octets_of (json_object_get_string_member (object, "reply"));
    g_assert_cmpstr (octets, ==, value);
    g_assert_cmpstr (json_object_get_string_member (object, "id"), ==,
                     "00000000000a1--1-2-bounced");
    g_assert_cmpstr (json_object_get_string_member (object, "time"), ==,
                     "2026-06-21T00:00:00.000007Z");
    g_assert_true (json_object_get_boolean_member (object, "tls"));
    g_assert_false (json_object_has_member (object, "nothing"));
    g_assert_false (json_object_has_member (object, "recipient_number"));
}

static void
test_hostile_values (void)
{
    static const char *const values[] = {
        "",
        "plain",
        "a\r\nb\nc\",\"type\":\"delivered\"}",
        "\\u0041 \\ \"",
        "\x01\x1b[31m\x7f",
        "caf\xc3\xa9 \xf0\x9f\x98\x80",
        "latin caf\xe9",
        "\xc2\x85 \xe2\x80\xa8 \xe2\x80\xae \xef\xbb\xbf",
        "\xc0\x80 \xed\xa0\x80 \xf5\x80\x80\x80 \xe2\x82",
        "\xff\xfe\x80",
        "\xee\xbe\x85 \x85 \xc2\x85 \xee\xbf\xbf",
        "\xe9 \xc3\xa9",
    };
    g_autoptr (GRand) rand = g_rand_new_with_seed (3);

    for (guint i = 0; i < G_N_ELEMENTS (values); i++)
        check_value (values[i]);
    /* Each control character, C1 ones both as octets and in UTF-8, alone and in the middle of a word. */
    for (int c = 1; c < 0xa0; c++) {
        const char octets[] = {(char)c, '\0'};
        g_autofree char *inside = g_strdup_printf ("a%sb\xc2%s", octets, octets);

        check_value (octets);
        check_value (inside);
    }
    for (int i = 0; i < 2000; i++) {
        char value[24];
        int n = g_rand_int_range (rand, 0, (int)sizeof value);

        for (int j = 0; j < n; j++)
            value[j] = (char)g_rand_int_range (rand, 1, 256);
        value[n] = '\0';
        check_value (value);
    }
}

static void
test_no_raw_controls (void)
{
    RelaisEventLine *line = relais_event_line_new ("held", 0, "x", 0, 0);
    g_autoptr (GBytes) bytes = NULL;

    relais_event_line_add (line, "k", "\xc2\x85\xe2\x80\xa8\xe2\x80\xae");
    bytes = relais_event_line_end (line);
    g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

    g_assert_nonnull (strstr (text, "\"\\u0085\\u2028\\u202e\""));
}

static void
test_long_value (void)
{
    RelaisEventLine *line = relais_event_line_new ("held", 0, "x", 0, 0);
    g_autofree char *value = g_strnfill (100000, 'v');
    g_autoptr (GBytes) bytes = NULL;

    relais_event_line_add (line, "k", value);
    bytes = relais_event_line_end (line);
    g_assert_cmpuint (g_bytes_get_size (bytes), <, 9000);
}

/* --- The log ------------------------------------------------------------------------------------ */

static void
test_write_and_reopen (void)
{
    Bed bed;
    RelaisEventLog *log;

    bed_set_up (&bed);
    log = open_log (&bed);
    g_assert_cmpuint (relais_event_log_last_seq (log), ==, 0);
    for (int i = 1; i <= 5; i++)
        append_number (log, (guint64)i * 10, i);
    g_assert_true (relais_event_log_sync (log, 50));
    assert_numbers (&bed, "00000000000a1", "1 2 3 4 5");
    append_number (log, 60, 6);
    relais_event_log_close (log);
    log = open_log (&bed);
    g_assert_cmpuint (relais_event_log_last_seq (log), ==, 60);
    g_assert_true (relais_event_log_sync (log, 1000));
    append_number (log, 61, 7);
    relais_event_log_close (log);
    assert_numbers (&bed, "", "1 2 3 4 5 6 7");
    bed_tear_down (&bed);
}

static void
test_synced_within_a_second (void)
{
    Bed bed;
    RelaisEventLog *log;
    int waited = 0;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 1, 1);
    for (; waited < 300; waited++) {
        g_autofree char *got = numbers_found (&bed, "", 0);

        if (strcmp (got, "1") == 0)
            break;
        g_usleep (10000);
    }
    g_assert_cmpint (waited, <, 300);
    relais_event_log_close (log);
    bed_tear_down (&bed);
}

static void
test_days (void)
{
    Bed bed;
    RelaisEventLog *log;
    g_autofree char *one = NULL, *two = NULL;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 1, 1);
    g_assert_true (relais_event_log_sync (log, 1));
    bed.clock.wall_us += RELAIS_USEC_PER_DAY;
    append_number (log, 2, 2);
    g_assert_true (relais_event_log_sync (log, 2));
    bed.clock.wall_us -= RELAIS_USEC_PER_DAY; /* a step back does not go back a file */
    append_number (log, 3, 3);
    relais_event_log_close (log);
    one = log_file (&bed, "20260621");
    two = log_file (&bed, "20260622");
    g_assert_true (g_file_test (one, G_FILE_TEST_EXISTS));
    g_assert_true (g_file_test (two, G_FILE_TEST_EXISTS));
    assert_numbers (&bed, "", "1 2 3");
    log = open_log (&bed); /* today is the older file, the newest seq is in the other one */
    g_assert_cmpuint (relais_event_log_last_seq (log), ==, 3);
    relais_event_log_close (log);
    bed_tear_down (&bed);
}

/* Nor does it over a restart: whoever read on up to the end sees what comes then. */
static void
test_clock_set_back (void)
{
    Bed bed;
    RelaisEventLog *log;
    RelaisLogPlace place;
    g_autoptr (GPtrArray) lines = NULL;
    g_autofree char *earlier = NULL;
    g_autoptr (GError) error = NULL;
    bool gap;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 1, 1);
    g_assert_true (relais_event_log_sync (log, 1));
    place = relais_event_log_end (log);
    relais_event_log_close (log);
    bed.clock.wall_us -= RELAIS_USEC_PER_DAY;
    log = open_log (&bed);
    g_assert_true (relais_event_log_sync (log, 1)); /* nothing was written yet */
    g_assert_cmpuint (relais_event_log_end (log).offset, ==, place.offset);
    append_number (log, 2, 2);
    g_assert_true (relais_event_log_sync (log, 2));
    lines = relais_event_read_on (log, &place, relais_event_log_end (log), 10, 10000, &gap, &error);
    g_assert_no_error (error);
    g_assert_false (gap);
    g_assert_cmpuint (lines->len, ==, 1);
    relais_event_log_close (log);
    earlier = log_file (&bed, "20260620");
    g_assert_false (g_file_test (earlier, G_FILE_TEST_EXISTS));
    bed.clock.wall_us += 2 * RELAIS_USEC_PER_DAY;
    log = open_log (&bed);
    append_number (log, 3, 3);
    relais_event_log_close (log);
    assert_numbers (&bed, "", "1 2 3");
    bed_tear_down (&bed);
}

static void
test_torn_ends (void)
{
    static const struct {
        const char *torn;
        gsize size;
    } ends[] = {
        {"{\"seq\":99,\"v\":1", 15},
        {"{", 1},
        {"\0\0\0\0\0", 5},
        {"{\"seq\":99,\"v\":\0\0\0\0\n", 20},
        {"{\"seq\":99999999999999999999999,\"number\":9}\n", 44},
        {"{\"seq\":9", 8},
    };

    for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
        Bed bed;
        RelaisEventLog *log;

        bed_set_up (&bed);
        log = open_log (&bed);
        append_number (log, 7, 1);
        append_number (log, 8, 2);
        relais_event_log_close (log);
        append_raw (&bed, "20260621", ends[i].torn, ends[i].size);
        log = open_log (&bed);
        g_assert_cmpuint (relais_event_log_last_seq (log), ==, 8);
        append_number (log, 9, 3);
        relais_event_log_close (log);
        assert_numbers (&bed, "", "1 2 3");
        bed_tear_down (&bed);
    }
}

/* A power cut left zeros in what was not synced, and whole lines behind them. What comes after the last line before
 * the zeros is wanted again, and nothing of it stands there twice. */
static void
test_zeros (void)
{
    enum { MOST = 3 << 20 };
    static const gsize sizes[] = {1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, MOST};
    static const char *const behind[] = {"", "1}\n",
                                         "9,\"number\":5}\n{\"seq\":12,\"number\":6}\n"};
    g_autofree char *zeros = g_malloc0 (MOST);

    for (guint i = 0; i < G_N_ELEMENTS (sizes) * G_N_ELEMENTS (behind); i++) {
        const char *rest = behind[i % G_N_ELEMENTS (behind)];
        Bed bed;
        RelaisEventLog *log;

        bed_set_up (&bed);
        log = open_log (&bed);
        append_number (log, 7, 1);
        append_number (log, 8, 2);
        relais_event_log_close (log);
        append_raw (&bed, "20260621", "{\"seq\":9,\"nu", 12);
        append_raw (&bed, "20260621", zeros, sizes[i / G_N_ELEMENTS (behind)]);
        append_raw (&bed, "20260621", rest, strlen (rest));
        log = open_log (&bed);
        g_assert_cmpuint (relais_event_log_last_seq (log), ==, 8);
        append_number (log, 8, 2);
        append_number (log, 9, 3);
        append_number (log, 12, 6);
        relais_event_log_close (log);
        assert_numbers (&bed, "", "1 2 3 6");
        bed_tear_down (&bed);
    }
}

/* Of a day that is over all was synced: zeros in it are not a power cut's, and nothing behind them comes again. */
static void
test_zeros_of_an_old_day (void)
{
    Bed bed;
    RelaisEventLog *log;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 7, 1);
    relais_event_log_close (log);
    append_raw (&bed, "20260621", "\0\0\0\n{\"seq\":8,\"number\":2}\n", 25);
    bed.clock.wall_us += RELAIS_USEC_PER_DAY;
    append_raw (&bed, "20260622", "{\"seq\":9,\"number\":3}\n", 21);
    log = open_log (&bed);
    g_assert_cmpuint (relais_event_log_last_seq (log), ==, 9);
    relais_event_log_close (log);
    assert_numbers (&bed, "number", "1 2 3");
    bed_tear_down (&bed);
}

/* What is no line of ours, as somebody leaves it who truncates a file that is written to, is passed over by whoever
 * reads or searches, and not kept in memory as a whole. */
static void
test_no_line (void)
{
    enum { HOLE_BYTES = 256 << 20, MOST_KIB = 150 << 10 };
    Bed bed;
    RelaisEventLog *log;
    RelaisLogPlace place = {0}, end;
    g_autoptr (GPtrArray) lines = NULL;
    g_autofree char *file = NULL;
    g_autoptr (GError) error = NULL;
    struct rusage before, after;
    bool gap;

    bed_set_up (&bed);
    append_raw (&bed, "20260620", "{\"seq\":1,\"number\":1}\n", 21);
    file = log_file (&bed, "20260620");
    g_assert_no_errno (truncate (file, HOLE_BYTES));
    append_raw (&bed, "20260620", "\n{\"seq\":2,\"number\":2}\n", 22);
    append_raw (&bed, "20260621", "{\"seq\":3,\"number\":3}\n", 21);
    assert_numbers (&bed, "number", "1 2 3");
    log = open_log (&bed);
    end = relais_event_log_end (log);
    g_assert_no_errno (getrusage (RUSAGE_SELF, &before));
    lines = relais_event_read_on (log, &place, end, 10, 10000, &gap, &error);
    g_assert_no_error (error);
    g_assert_no_errno (getrusage (RUSAGE_SELF, &after));
    g_assert_cmpint (after.ru_maxrss - before.ru_maxrss, <, MOST_KIB);
    g_assert_cmpuint (lines->len, ==, 3);
    g_assert_cmpuint (place.offset, ==, end.offset);
    relais_event_log_close (log);
    bed_tear_down (&bed);
}

/* Lines of one group share a seq; a crash may have kept some of them only. */
static void
test_handed_over_again (void)
{
    Bed bed;
    RelaisEventLog *log;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 7, 1);
    append_number (log, 8, 2);
    append_number (log, 8, 3);
    relais_event_log_close (log);
    log = open_log (&bed);
    append_number (log, 8, 2);
    append_number (log, 8, 3);
    append_number (log, 8, 4);
    append_number (log, 9, 2);
    relais_event_log_close (log);
    assert_numbers (&bed, "", "1 2 3 4 2");
    bed_tear_down (&bed);
}

static void
test_foreign_files (void)
{
    Bed bed;
    RelaisEventLog *log;
    g_autofree char *path = NULL, *kept = NULL;

    bed_set_up (&bed);
    append_raw (&bed, "2026062x", "not ours", 8);
    append_raw (&bed, "20260620", "someone's notes\n", 16);
    log = open_log (&bed);
    append_number (log, 1, 1);
    relais_event_log_close (log);
    path = log_file (&bed, "20260620");
    g_assert_true (g_file_get_contents (path, &kept, NULL, NULL));
    g_assert_cmpstr (kept, ==, "someone's notes\n");
    assert_numbers (&bed, "a1", "1");
    bed_tear_down (&bed);
}

typedef struct {
    RelaisLoop *loop;
    guint told, good, wanted;
} Told;

static void
on_synced (gpointer data, bool good)
{
    Told *told = data;

    relais_loop_assert_owner (told->loop);
    told->good += good;
    if (++told->told == told->wanted)
        relais_loop_quit (told->loop);
}

static void
append_told (RelaisEventLog *log, int number, Told *told)
{
    g_autoptr (GBytes) line = make_line (number);

    told->wanted++;
    relais_event_log_append_now (log, line, on_synced, told);
}

/* Who waits for a line is told when it can be read after a crash, all of them after one sync, and in order. */
static void
test_told (void)
{
    Bed bed;
    RelaisEventLog *log;
    Told told = {0};

    bed_set_up (&bed);
    told.loop = bed.loop;
    log = open_log (&bed);
    for (int i = 1; i <= 3; i++)
        append_told (log, i, &told);
    g_assert_cmpuint (told.told, ==, 0); /* never within the call */
    relais_loop_run (bed.loop);
    g_assert_cmpuint (told.good, ==, 3);
    assert_numbers (&bed, "", "1 2 3");
    append_told (log, 4, &told);
    told.wanted++;                /* nobody quits the loop, which does not run */
    relais_event_log_close (log); /* whoever waits still is told by the end */
    g_assert_cmpuint (told.good, ==, 4);
    bed_tear_down (&bed);
}

static void
test_write_fails (void)
{
    Bed bed;
    RelaisEventLog *log;
    Told told = {0};
    struct rlimit old, small;

    bed_set_up (&bed);
    log = open_log (&bed);
    append_number (log, 1, 1);
    g_assert_true (relais_event_log_sync (log, 1));
    g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
    small = old;
    small.rlim_cur = 300; /* the second line does not fit */
    signal (SIGXFSZ, SIG_IGN);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*event log: cannot write*");
    append_number (log, 2, 2);
    append_number (log, 3, 3);
    g_assert_false (relais_event_log_sync (log, 3));
    g_test_assert_expected_messages ();
    told.loop = bed.loop;
    append_told (log, 4, &told);
    relais_loop_run (bed.loop);
    g_assert_cmpuint (told.good, ==, 0); /* it failed once more, and is tried on */
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
    g_assert_true (relais_event_log_sync (log, 3));
    relais_event_log_close (log);
    assert_numbers (&bed, "", "1 2 3 4");
    bed_tear_down (&bed);
}

static void
test_opening_fails (void)
{
    Bed bed;
    g_autoptr (GError) error = NULL;
    g_autofree char *path = NULL;

    bed_set_up (&bed);
    append_raw (&bed, "20260621", "", 0);
    path = log_file (&bed, "20260621");
    g_assert_null (relais_event_log_open (path, bed.loop, &error));
    g_assert_nonnull (error);
    bed_tear_down (&bed);
}

/* --- Observers and threads ---------------------------------------------------------------------- */

typedef struct {
    RelaisLoop *loop;
    RelaisEventLog *log;
    guint64 last;
    guint wanted, seen;
} Watch;

static void
count_observed (gpointer data, guint64 seq, GBytes *line)
{
    Watch *watch = data;

    relais_loop_assert_owner (watch->loop);
    g_assert_cmpuint (seq, >, watch->last);
    watch->last = seq;
    if (++watch->seen == watch->wanted)
        relais_loop_quit (watch->loop);
}

static gpointer
append_many (gpointer data)
{
    Watch *watch = data;

    for (guint i = 1; i <= watch->wanted; i++)
        append_number (watch->log, i, (int)i);
    g_assert_true (relais_event_log_sync (watch->log, watch->wanted));
    return NULL;
}

static void
test_observer (void)
{
    Bed bed;
    Watch watch = {.wanted = 5000};
    g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (gint64));
    Found found = {numbers, 0};
    GThread *thread;

    bed_set_up (&bed);
    watch.loop = bed.loop;
    watch.log = open_log (&bed);
    relais_event_log_set_observer (watch.log, count_observed, &watch);
    thread = g_thread_new ("appender", append_many, &watch);
    relais_loop_run (bed.loop);
    g_thread_join (thread);
    g_assert_cmpuint (watch.seen, ==, watch.wanted);
    relais_event_log_close (watch.log);
    g_assert_true (relais_event_log_search (bed.dir, "", note_found, &found, NULL));
    g_assert_cmpuint (numbers->len, ==, watch.wanted);
    bed_tear_down (&bed);
}

/* --- Search ------------------------------------------------------------------------------------- */

static void
test_search (void)
{
    Bed bed;
    RelaisEventLog *log;
    g_autoptr (GError) error = NULL;
    g_autofree char *first = NULL;

    bed_set_up (&bed);
    log = open_log (&bed);
    for (int i = 0; i < 20000; i++)
        append_number (log, (guint64)i + 1, i);
    relais_event_log_close (log);
    assert_numbers (&bed, "\"number\":12345}", "12345");
    assert_numbers (&bed, "nowhere", "");
    first = numbers_found (&bed, "", 3);
    g_assert_cmpstr (first, ==, "0 1 2");
    g_assert_false (relais_event_log_search ("/nonexistent", "x", note_found, NULL, &error));
    g_assert_nonnull (error);
    bed_tear_down (&bed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/event/line/hostile-values", test_hostile_values);
    g_test_add_func ("/event/line/no-raw-controls", test_no_raw_controls);
    g_test_add_func ("/event/line/long-value", test_long_value);
    g_test_add_func ("/event/log/write-and-reopen", test_write_and_reopen);
    g_test_add_func ("/event/log/synced-within-a-second", test_synced_within_a_second);
    g_test_add_func ("/event/log/days", test_days);
    g_test_add_func ("/event/log/clock-set-back", test_clock_set_back);
    g_test_add_func ("/event/log/torn-ends", test_torn_ends);
    g_test_add_func ("/event/log/no-line", test_no_line);
    g_test_add_func ("/event/log/zeros", test_zeros);
    g_test_add_func ("/event/log/zeros-of-an-old-day", test_zeros_of_an_old_day);
    g_test_add_func ("/event/log/handed-over-again", test_handed_over_again);
    g_test_add_func ("/event/log/foreign-files", test_foreign_files);
    g_test_add_func ("/event/log/told", test_told);
    g_test_add_func ("/event/log/write-fails", test_write_fails);
    g_test_add_func ("/event/log/opening-fails", test_opening_fails);
    g_test_add_func ("/event/observer", test_observer);
    g_test_add_func ("/event/search", test_search);
    return g_test_run ();
}
