/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/throttle: rates as they are written, and buckets, looked at by brute force: in no interval that begins and
 * ends with something sent is there more than burst + n * t / period, whatever time does, whether what was taken is
 * used at once, late or never, and also after the limit was changed and after a bucket was made anew.
 */
#include "bucket.h"
#include "window.h"

#include <string.h>

__extension__ typedef __int128 Wide;

/* --- Rates ------------------------------------------------------------------------------------ */

static void
test_parse (void)
{
    static const struct {
        const char *text;
        guint n;
        ThrottleRate first, last;
    } cases[] = {
        {"100/m", 1, {100, THROTTLE_MINUTE_US, 9}, {100, THROTTLE_MINUTE_US, 9}},
        {"1/d", 1, {1, THROTTLE_DAY_US, 1}, {1, THROTTLE_DAY_US, 1}},
        {"60/h", 1, {60, THROTTLE_HOUR_US, 1}, {60, THROTTLE_HOUR_US, 1}},
        {"12/m", 1, {12, THROTTLE_MINUTE_US, 1}, {12, THROTTLE_MINUTE_US, 1}},
        {"13/m", 1, {13, THROTTLE_MINUTE_US, 2}, {13, THROTTLE_MINUTE_US, 2}},
        {"10/s burst 7", 1, {10, THROTTLE_SECOND_US, 7}, {10, THROTTLE_SECOND_US, 7}},
        {" 100/m burst 20 ,\t1000/h ",
         2,
         {100, THROTTLE_MINUTE_US, 20},
         {1000, THROTTLE_HOUR_US, 2}},
        {"1/s,2/m,3/h,4/d", 4, {1, THROTTLE_SECOND_US, 5}, {4, THROTTLE_DAY_US, 1}},
        {"100000000/d burst 100000000",
         1,
         {100000000, THROTTLE_DAY_US, 100000000},
         {100000000, THROTTLE_DAY_US, 100000000}},
        {"unlimited", 0, {0}, {0}},
        {" unlimited ", 0, {0}, {0}},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        ThrottleRates rates;
        char *problem = NULL;

        g_test_message ("%s", cases[i].text);
        g_assert_true (throttle_rates_parse (cases[i].text, &rates, &problem));
        g_assert_null (problem);
        g_assert_cmpuint (rates.n, ==, cases[i].n);
        if (rates.n == 0)
            continue;
        g_assert_true (memcmp (&rates.rates[0], &cases[i].first, sizeof (ThrottleRate)) == 0);
        g_assert_true (memcmp (&rates.rates[rates.n - 1], &cases[i].last, sizeof (ThrottleRate)) ==
                       0);
    }
}

static void
test_refused (void)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "expected a number"},
        {"m", "expected a number"},
        {"0/m", "expected a number"},
        {"100000001/m", "expected a number"},
        {"99999999999999999999999/m", "expected a number"},
        {"-1/m", "expected a number"},
        {"100", "expected \"/\" and a unit"},
        {"100 /m", "expected \"/\" and a unit"},
        {"100/w", "the unit must be"},
        {"100/min", "the unit must be"},
        {"100/", "the unit must be"},
        {"100/m burst", "expected \"burst\" and a number"},
        {"100/m burst 0", "the burst must be"},
        {"100/m burst 100000001", "the burst must be"},
        {"100/m burst20", "expected \"burst\" and a number"},
        {"100/m 1000/h", "expected a comma"},
        {"100/m,", "expected a number"},
        {"100/m burst 3 4", "expected a comma"},
        {"1/s,2/m,3/h,4/d,5/d", "more than 4"},
        {"unlimited, 1/s", "expected a number"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        ThrottleRates rates;
        g_autofree char *problem = NULL;

        g_test_message ("%s", cases[i].text);
        g_assert_false (throttle_rates_parse (cases[i].text, &rates, &problem));
        g_assert_nonnull (strstr (problem, cases[i].problem));
        g_assert_cmpuint (rates.n, ==, 0);
    }
}

static void
test_scale (void)
{
    static const guint32 parts[] = {1000000, 999999, 500000, 333333, 1000, 1, 0};
    static const struct {
        const char *text;
        guint32 parts;
        const char *shown;
    } cases[] = {
        {"20/m", 1000000, "20/m"},
        {"20/m", 500000, "10/m"},
        {"100/m burst 20, 1000/h", 500000, "50/m burst 10, 500/h"},
        {"10/s", 1000, "36/h"},
        {"1/m", 500000, "30/h"},
        {"1/d", 500000, "<1/d"},
        {"300/m burst 300", 250000, "75/m burst 75"},
        {"unlimited", 1000, "unlimited"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        ThrottleRates rates;
        char *problem = NULL;
        g_autofree char *shown = NULL;

        g_assert_true (throttle_rates_parse (cases[i].text, &rates, &problem));
        shown = throttle_rates_to_string (&rates, cases[i].parts);
        g_assert_cmpstr (shown, ==, cases[i].shown);
    }
    /* What is scaled is never above its part, and fits into a bucket. */
    for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
        const ThrottleRate most = {THROTTLE_RATE_MOST, THROTTLE_DAY_US, THROTTLE_RATE_MOST};
        const ThrottleRate scaled = throttle_rate_scale (&most, parts[i]);
        const guint32 by = CLAMP (parts[i], THROTTLE_PARTS_LEAST, THROTTLE_PARTS);

        g_assert_true ((Wide)scaled.n * most.period_us * THROTTLE_PARTS <=
                       (Wide)most.n * scaled.period_us * by);
        g_assert_true ((Wide)scaled.burst * scaled.period_us <= G_MAXINT64);
        g_assert_cmpint (scaled.burst, >=, 1);
        g_assert_cmpuint (throttle_rate_divide (&scaled, &most), <=, by);
        g_assert_cmpuint (throttle_rate_divide (&scaled, &most), >=, by - 1);
        g_assert_cmpint (throttle_rate_is_below (&scaled, &most), ==, by < THROTTLE_PARTS);
    }
}

/* --- Buckets ---------------------------------------------------------------------------------- */

/* What went when. */
typedef struct {
    gint64 at_us, n;
} Sent;

static void
note (GArray *sent, gint64 at_us, gint64 n)
{
    const Sent entry = {at_us, n};

    if (n > 0)
        g_array_append_val (sent, entry);
}

/* Every interval from the `from`-th on. */
static void
assert_kept (const GArray *sent, guint from, const ThrottleRate *rate)
{
    for (guint i = from; i < sent->len; i++) {
        const gint64 begin_us = g_array_index (sent, Sent, i).at_us;
        gint64 n = 0;

        for (guint j = i; j < sent->len; j++) {
            const Sent *last = &g_array_index (sent, Sent, j);

            n += last->n;
            g_assert_true ((Wide)(n - rate->burst) * rate->period_us <=
                           (Wide)rate->n * (last->at_us - begin_us));
        }
    }
}

static ThrottleRate
random_whole_rate (void)
{
    static const gint64 periods[] = {THROTTLE_SECOND_US, THROTTLE_MINUTE_US, THROTTLE_HOUR_US,
                                     THROTTLE_DAY_US};
    ThrottleRate rate =
        throttle_rate_new (g_test_rand_int_range (1, 500), periods[g_test_rand_int_range (0, 4)]);

    if (g_test_rand_bit ())
        rate.burst = g_test_rand_int_range (1, 50);
    return rate;
}

/* As it is written, or as a warm-up scales it. */
static ThrottleRate
random_rate (void)
{
    ThrottleRate rate = random_whole_rate ();

    if (g_test_rand_bit ())
        rate = throttle_rate_scale (&rate, (guint32)g_test_rand_int_range (1000, 1000000));
    return rate;
}

/* Mostly about the time of a token, sometimes none, sometimes an hour, a year. */
static gint64
random_step (const ThrottleRate *rate)
{
    const gint64 token_us = rate->period_us / rate->n;

    switch (g_test_rand_int_range (0, 20)) {
    case 0: return 0;
    case 1: return THROTTLE_HOUR_US;
    case 2: return 365 * THROTTLE_DAY_US;
    default: return (gint64)(g_test_rand_double () * 2 * (double)token_us);
    }
}

/* Taken, on their way. */
typedef struct {
    gint64 n;
} Hold;

enum { TURNS = 600 };

typedef struct {
    ThrottleBucket bucket;
    GArray *taken, *used; /* Sent; `taken` without what came back */
    GArray *holds;
    gint64 now_us;
} Run;

static void
settle_one (Run *run)
{
    const guint i = (guint)g_test_rand_int_range (0, (gint32)run->holds->len);
    const gint64 n = g_array_index (run->holds, Hold, i).n;
    const gint64 used =
        g_test_rand_int_range (0, 4) == 0 ? g_test_rand_int_range (0, (gint32)n + 1) : n;

    throttle_bucket_settle (&run->bucket, run->now_us, n, used);
    note (run->used, run->now_us, used);
    g_array_remove_index_fast (run->holds, i);
}

static void
take_some (Run *run, bool late)
{
    gint64 n = throttle_bucket_count (&run->bucket, run->now_us);
    const gint64 ready_us = throttle_bucket_ready_us (&run->bucket, run->now_us);

    g_assert_cmpint (ready_us == run->now_us, ==, n > 0);
    if (n == 0)
        return;
    n = g_test_rand_int_range (1, (gint32)n + 1);
    throttle_bucket_take (&run->bucket, run->now_us, n);
    if (!late) {
        throttle_bucket_settle (&run->bucket, run->now_us, n, n);
        note (run->used, run->now_us, n);
        note (run->taken, run->now_us, n);
        return;
    }
    g_array_append_val (run->holds, ((Hold){n}));
}

static void
run_bucket (bool late)
{
    const ThrottleRate rate = random_rate ();
    Run run = {.taken = g_array_new (FALSE, FALSE, sizeof (Sent)),
               .used = g_array_new (FALSE, FALSE, sizeof (Sent)),
               .holds = g_array_new (FALSE, FALSE, sizeof (Hold)),
               .now_us = g_test_rand_int_range (0, 1000000)};
    gint64 back_us;

    throttle_bucket_init (&run.bucket, &rate, run.now_us,
                          g_test_rand_bit () ? G_MININT64 : run.now_us);
    for (guint i = 0; i < TURNS; i++) {
        run.now_us += random_step (&rate);
        /* A clock that goes back is one that stands. */
        back_us = run.bucket.at_us - g_test_rand_int_range (0, 1000000000);
        g_assert_cmpint (throttle_bucket_count (&run.bucket, back_us), ==, 0);
        take_some (&run, late);
        if (run.holds->len > 0 && g_test_rand_bit ())
            settle_one (&run);
    }
    assert_kept (run.used, 0, &rate);
    assert_kept (run.taken, 0, &rate);
    g_array_unref (run.taken);
    g_array_unref (run.used);
    g_array_unref (run.holds);
}

static void
test_window (void)
{
    for (guint i = 0; i < 150; i++)
        run_bucket (i % 2 == 0);
}

/* What it says when the next is there is exact, not a microsecond late, and nothing drifts: the whole rate goes. */
static void
test_exact (void)
{
    for (guint round = 0; round < 50; round++) {
        const ThrottleRate rate = random_rate ();
        const gint64 begin_us = g_test_rand_int_range (0, 1000000);
        gint64 now_us = begin_us, n = 0;
        ThrottleBucket bucket;

        throttle_bucket_init (&bucket, &rate, now_us, G_MININT64);
        for (guint i = 0; i < 2000; i++) {
            if (throttle_bucket_count (&bucket, now_us) == 0) {
                const gint64 ready_us = throttle_bucket_ready_us (&bucket, now_us);

                g_assert_cmpint (ready_us, >, now_us);
                g_assert_cmpint (throttle_bucket_count (&bucket, ready_us - 1), ==, 0);
                g_assert_cmpint (throttle_bucket_count (&bucket, ready_us), ==, 1);
                now_us = ready_us;
            }
            throttle_bucket_take (&bucket, now_us, 1);
            throttle_bucket_settle (&bucket, now_us, 1, 1);
            n++;
        }
        /* All that the limit allows, to the last one. */
        n += throttle_bucket_count (&bucket, now_us);
        g_assert_cmpint (
            n, ==, rate.burst + (gint64)((Wide)rate.n * (now_us - begin_us) / rate.period_us));
    }
}

/* Changed limits: from each change on the new one holds, and going to and fro wins nothing. */
static void
test_changed (void)
{
    for (guint round = 0; round < 60; round++) {
        ThrottleRate rate = random_rate (), widest;
        g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (Sent));
        guint from = 0;
        gint64 now_us = 0;
        ThrottleBucket bucket;

        throttle_bucket_init (&bucket, &rate, now_us, G_MININT64);
        for (guint i = 0; i < TURNS; i++) {
            gint64 n;

            now_us += random_step (&rate);
            if (g_test_rand_int_range (0, 50) == 0) {
                assert_kept (sent, from, &rate);
                from = sent->len;
                widest = rate;
                rate = random_rate ();
                n = throttle_bucket_count (&bucket, now_us);
                throttle_bucket_set_rate (&bucket, now_us, &rate);
                g_assert_cmpint (throttle_bucket_count (&bucket, now_us), <=, n);
                g_assert_cmpint (widest.n, >, 0);
            }
            n = throttle_bucket_count (&bucket, now_us);
            if (n == 0)
                continue;
            n = g_test_rand_int_range (1, (gint32)n + 1);
            throttle_bucket_take (&bucket, now_us, n);
            throttle_bucket_settle (&bucket, now_us, n, n);
            note (sent, now_us, n);
        }
        assert_kept (sent, from, &rate);
    }
}

/* Smaller, larger and back, as a closed loop does: never more than the configured rate over the whole. */
static void
test_scaled_to_and_fro (void)
{
    for (guint round = 0; round < 40; round++) {
        const ThrottleRate rate = random_whole_rate ();
        g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (Sent));
        gint64 now_us = 0;
        ThrottleBucket bucket;

        throttle_bucket_init (&bucket, &rate, now_us, G_MININT64);
        for (guint i = 0; i < TURNS; i++) {
            gint64 n;

            now_us += random_step (&rate);
            if (g_test_rand_int_range (0, 10) == 0) {
                const ThrottleRate scaled =
                    throttle_rate_scale (&rate, (guint32)g_test_rand_int_range (1000, 1000001));

                throttle_bucket_set_rate (&bucket, now_us, &scaled);
            }
            n = throttle_bucket_count (&bucket, now_us);
            throttle_bucket_take (&bucket, now_us, n);
            throttle_bucket_settle (&bucket, now_us, n, n);
            note (sent, now_us, n);
        }
        assert_kept (sent, 0, &rate);
    }
}

/* Made anew and empty, as after a crash, at any moment: the windows across it hold as well. */
static void
test_restarted (void)
{
    for (guint round = 0; round < 60; round++) {
        const ThrottleRate rate = random_rate ();
        g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (Sent));
        gint64 now_us = 0;
        ThrottleBucket bucket;

        throttle_bucket_init (&bucket, &rate, now_us, G_MININT64);
        for (guint i = 0; i < TURNS; i++) {
            gint64 n;

            now_us += random_step (&rate);
            if (g_test_rand_int_range (0, 30) == 0)
                throttle_bucket_init (&bucket, &rate, now_us + g_test_rand_int_range (0, 1000),
                                      now_us);
            n = throttle_bucket_count (&bucket, now_us);
            if (n > 0)
                n = g_test_rand_int_range (1, (gint32)n + 1);
            throttle_bucket_take (&bucket, now_us, n);
            throttle_bucket_settle (&bucket, now_us, n, n);
            note (sent, now_us, n);
        }
        assert_kept (sent, 0, &rate);
    }
}

static void
test_out (void)
{
    const ThrottleRate rate = {60, THROTTLE_MINUTE_US, 2};
    ThrottleBucket bucket;

    throttle_bucket_init (&bucket, &rate, 0, G_MININT64);
    throttle_bucket_take (&bucket, 0, 2);
    /* Both are on their way for a minute: nothing comes meanwhile, and it is not known when. */
    g_assert_cmpint (throttle_bucket_count (&bucket, THROTTLE_MINUTE_US), ==, 0);
    g_assert_cmpint (throttle_bucket_ready_us (&bucket, THROTTLE_MINUTE_US), ==, THROTTLE_NEVER);
    throttle_bucket_settle (&bucket, THROTTLE_MINUTE_US, 1, 1);
    g_assert_cmpint (throttle_bucket_ready_us (&bucket, THROTTLE_MINUTE_US), ==,
                     THROTTLE_MINUTE_US + THROTTLE_SECOND_US);
    /* One that came back is there at once. */
    throttle_bucket_settle (&bucket, THROTTLE_MINUTE_US, 1, 0);
    g_assert_cmpint (throttle_bucket_count (&bucket, THROTTLE_MINUTE_US), ==, 1);
    g_assert_false (throttle_bucket_is_full (&bucket, THROTTLE_MINUTE_US));
    g_assert_true (throttle_bucket_is_full (&bucket, THROTTLE_MINUTE_US + THROTTLE_SECOND_US));
    throttle_bucket_drain (&bucket, 2 * THROTTLE_MINUTE_US);
    g_assert_cmpint (throttle_bucket_count (&bucket, 2 * THROTTLE_MINUTE_US), ==, 0);
    g_assert_cmpint (throttle_bucket_ready_us (&bucket, THROTTLE_MINUTE_US), ==,
                     2 * THROTTLE_MINUTE_US + THROTTLE_SECOND_US);
}

/* --- Meters ----------------------------------------------------------------------------------- */

static ThrottleRates
parse (const char *text)
{
    ThrottleRates rates;
    char *problem = NULL;

    g_assert_true (throttle_rates_parse (text, &rates, &problem));
    return rates;
}

static void
test_meter (void)
{
    const ThrottleRates two = parse ("10/s burst 10, 30/m burst 3"), none = parse ("unlimited"),
                        one = parse ("10/s burst 1");
    ThrottleMeter meter = {0};
    guint which;

    throttle_meter_set (&meter, &two, THROTTLE_PARTS, 0, G_MININT64);
    g_assert_cmpint (throttle_meter_count (&meter, 0, 100), ==, 3);
    g_assert_cmpint (throttle_meter_count (&meter, 0, 2), ==, 2);
    g_assert_cmpint (throttle_meter_ready_us (&meter, 0, &which), ==, 0);
    throttle_meter_take (&meter, 0, 3);
    throttle_meter_settle (&meter, 0, 3, 3);
    g_assert_cmpint (throttle_meter_ready_us (&meter, 0, &which), ==, 2 * THROTTLE_SECOND_US);
    g_assert_cmpuint (which, ==, 1);
    throttle_meter_set (&meter, &none, THROTTLE_PARTS, 0, G_MININT64);
    g_assert_cmpint (throttle_meter_count (&meter, 0, 100), ==, 100);
    g_assert_true (throttle_meter_is_full (&meter, 0));
    /* What is on its way when a limit comes counts against it. */
    throttle_meter_take (&meter, 0, 2);
    throttle_meter_set (&meter, &one, THROTTLE_PARTS, 0, G_MININT64);
    g_assert_cmpint (throttle_meter_ready_us (&meter, THROTTLE_MINUTE_US, &which), ==,
                     THROTTLE_NEVER);
    throttle_meter_settle (&meter, THROTTLE_MINUTE_US, 2, 2);
    g_assert_cmpint (throttle_meter_ready_us (&meter, THROTTLE_MINUTE_US, &which), ==,
                     THROTTLE_MINUTE_US + 2 * THROTTLE_SECOND_US / 10);
}

/* --- Windows ---------------------------------------------------------------------------------- */

static void
test_counts (void)
{
    ThrottleWindow window = {0};
    guint64 total, bad;

    throttle_window_sum (&window, 0, &total, &bad);
    g_assert_cmpuint (total + bad, ==, 0);
    for (gint64 minute = 0; minute < 20; minute++) {
        throttle_window_add (&window, minute * THROTTLE_MINUTE_US, 10 * THROTTLE_MINUTE_US, 3, 1);
        throttle_window_sum (&window, minute * THROTTLE_MINUTE_US, &total, &bad);
        g_assert_cmpuint (total, ==, 3 * MIN (minute + 1, 10));
        g_assert_cmpuint (bad, ==, MIN (minute + 1, 10));
    }
    throttle_window_sum (&window, 29 * THROTTLE_MINUTE_US, &total, &bad);
    g_assert_cmpuint (total, ==, 0);
    throttle_window_add (&window, 30 * THROTTLE_MINUTE_US, 10 * THROTTLE_MINUTE_US, 3, 1);
    throttle_window_add (&window, 30 * THROTTLE_MINUTE_US, 5 * THROTTLE_MINUTE_US, 1, 0);
    throttle_window_sum (&window, 30 * THROTTLE_MINUTE_US, &total, &bad);
    g_assert_cmpuint (total, ==, 1);
    throttle_window_clear (&window);
    throttle_window_sum (&window, 30 * THROTTLE_MINUTE_US, &total, &bad);
    g_assert_cmpuint (total, ==, 0);
}

static void
test_hits (void)
{
    ThrottleHits *hits = throttle_hits_new (3);

    g_assert_false (throttle_hits_add (hits, 0, 100));
    g_assert_false (throttle_hits_add (hits, 99, 100));
    g_assert_false (throttle_hits_add (hits, 101, 100)); /* the first is too old */
    g_assert_true (throttle_hits_add (hits, 199, 100));
    g_assert_false (throttle_hits_add (hits, 199, 100)); /* they are spent */
    throttle_hits_free (hits);
    hits = throttle_hits_new (1);
    g_assert_true (throttle_hits_add (hits, 0, 0));
    g_assert_true (throttle_hits_add (hits, 0, 0));
    throttle_hits_free (hits);
    hits = throttle_hits_new (G_MAXUINT32);
    g_assert_cmpuint (throttle_hits_get_wanted (hits), ==, THROTTLE_HITS_MOST);
    throttle_hits_free (hits);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/throttle/rates/parse", test_parse);
    g_test_add_func ("/throttle/rates/refused", test_refused);
    g_test_add_func ("/throttle/rates/scale", test_scale);
    g_test_add_func ("/throttle/bucket/window", test_window);
    g_test_add_func ("/throttle/bucket/exact", test_exact);
    g_test_add_func ("/throttle/bucket/changed", test_changed);
    g_test_add_func ("/throttle/bucket/scaled-to-and-fro", test_scaled_to_and_fro);
    g_test_add_func ("/throttle/bucket/restarted", test_restarted);
    g_test_add_func ("/throttle/bucket/out", test_out);
    g_test_add_func ("/throttle/meter", test_meter);
    g_test_add_func ("/throttle/window/counts", test_counts);
    g_test_add_func ("/throttle/window/hits", test_hits);
    return g_test_run ();
}
