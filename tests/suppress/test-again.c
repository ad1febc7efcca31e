/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/suppress: a list that cannot be read at start comes back by itself once it can.
 */
#include "config.h"

#include "fixture.h"
#include "suppress/state-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

enum { ADDRESSES = 5 };

static char *
address (guint i)
{
    return g_strdup_printf ("%c@rcpt.test", 'a' + (int)i);
}

/* A journal of some addresses, closed. */
static void
make_journal (Fixture *f)
{
    fixture_init (f, "");
    for (guint i = 0; i < ADDRESSES; i++) {
        g_autofree char *one = address (i);

        g_assert_cmpuint (fixture_report (f, RELAIS_SUPPRESS_HARD, one, NULL, NULL, NULL), ==,
                          RELAIS_SUPPRESS_SUPPRESSED);
    }
    fixture_close (f);
}

static void
assert_all (Fixture *f, RelaisSuppressAnswer answer)
{
    for (guint i = 0; i < ADDRESSES; i++) {
        g_autofree char *one = address (i);

        g_assert_cmpuint (fixture_check (f, one, NULL, NULL), ==, answer);
    }
}

static void
assert_unreadable (Fixture *f)
{
    g_autofree char *advice = relais_suppression_advice (f->list);

    g_assert_nonnull (relais_suppression_trouble (f->list));
    g_assert_nonnull (advice);
    g_assert_nonnull (strstr (advice, "451"));
    g_assert_cmpint (relais_again_wait_us (f->list), >=, 0);
    assert_all (f, RELAIS_SUPPRESS_UNKNOWN);
    g_assert_cmpuint (fixture_report (f, RELAIS_SUPPRESS_HARD, "new@rcpt.test", NULL, NULL, NULL),
                      ==, RELAIS_SUPPRESS_FAILED);
}

static void
assert_good (Fixture *f)
{
    g_autofree char *advice = relais_suppression_advice (f->list);

    g_assert_null (relais_suppression_trouble (f->list));
    g_assert_null (advice);
    assert_all (f, RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (fixture_check (f, "new@rcpt.test", NULL, NULL), ==, RELAIS_SUPPRESS_ABSENT);
}

/* The next try, to its end. */
static void
try_again (Fixture *f)
{
    const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    f->skip_us += relais_again_wait_us (f->list) + 1000;
    while (relais_again_wait_us (f->list) > 0)
        (void)relais_loop_turn (f->loop, false);
    while (relais_again_wait_us (f->list) == 0) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        if (!relais_loop_turn (f->loop, false))
            g_usleep (200);
    }
}

static void
hide (const Fixture *f, bool hidden)
{
    g_autofree char *journal = fixture_path (f, "journal");
    g_autofree char *aside = fixture_path (f, "aside");

    if (!hidden)
        g_assert_cmpint (g_rmdir (journal), ==, 0);
    g_assert_cmpint (g_rename (hidden ? journal : aside, hidden ? aside : journal), ==, 0);
    if (hidden)
        g_assert_cmpint (g_mkdir (journal, 0700), ==, 0);
}

/* With a directory in its place nothing is known, and it is tried less and less often, but at least all
 * five minutes; once the file is back it is read, written behind, and all there at the next start. */
static void
test_directory (void)
{
    Fixture f;
    gint64 last = 0;

    make_journal (&f);
    hide (&f, true);
    fixture_open (&f);
    assert_unreadable (&f);
    for (guint i = 0; i < 12; i++) {
        g_assert_cmpint (relais_again_wait_us (f.list), <=, 300 * G_USEC_PER_SEC);
        g_assert_cmpint (relais_again_wait_us (f.list), >=, last / 2);
        last = relais_again_wait_us (f.list);
        try_again (&f);
    }
    g_assert_cmpint (last, >, 200 * G_USEC_PER_SEC);
    assert_unreadable (&f);
    hide (&f, false);
    try_again (&f);
    assert_good (&f);
    g_assert_cmpuint (
        fixture_report (&f, RELAIS_SUPPRESS_HARD, "later@rcpt.test", NULL, NULL, NULL), ==,
        RELAIS_SUPPRESS_SUPPRESSED);
    fixture_close (&f);
    fixture_open (&f);
    assert_good (&f);
    g_assert_cmpuint (fixture_check (&f, "later@rcpt.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_PRESENT);
    fixture_clear (&f);
}

/* A disk that gives errors, for a while. */
static void
test_read_error (void)
{
    Fixture f;

    make_journal (&f);
    fixture_read_fault = (FixtureFault){.error = EIO, .n = 2};
    fixture_open (&f);
    assert_unreadable (&f);
    try_again (&f);
    assert_unreadable (&f);
    try_again (&f);
    assert_good (&f);
    fixture_clear (&f);
}

/* What is read then and proves damaged is for an operator, as at start. */
static void
test_damaged (void)
{
    Fixture f;
    gsize size;
    g_autofree char *bytes = NULL;
    g_autofree char *advice = NULL;

    make_journal (&f);
    bytes = fixture_read (&f, "journal", &size);
    bytes[size / 2] ^= 1;
    fixture_write (&f, "journal", bytes, size);
    hide (&f, true);
    fixture_open (&f);
    assert_unreadable (&f);
    hide (&f, false);
    try_again (&f);
    assert_all (&f, RELAIS_SUPPRESS_UNKNOWN);
    advice = relais_suppression_advice (f.list);
    g_assert_nonnull (strstr (advice, "repair"));
    g_assert_cmpint (relais_again_wait_us (f.list), ==, -1);
    fixture_clear (&f);
}

/* The end may come while it waits, and while it reads. */
static void
test_end (void)
{
    Fixture f;

    make_journal (&f);
    for (int readable = 0; readable <= 1; readable++) {
        hide (&f, true);
        fixture_open (&f);
        fixture_close (&f);
        fixture_open (&f);
        if (readable)
            hide (&f, false);
        f.skip_us += relais_again_wait_us (f.list) + 1000;
        while (relais_again_wait_us (f.list) > 0)
            (void)relais_loop_turn (f.loop, false);
        fixture_close (&f);
        if (!readable)
            hide (&f, false);
    }
    fixture_open (&f);
    assert_good (&f);
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/suppress/again/directory", test_directory);
    g_test_add_func ("/suppress/again/read-error", test_read_error);
    g_test_add_func ("/suppress/again/damaged", test_damaged);
    g_test_add_func ("/suppress/again/end", test_end);
    return g_test_run ();
}
