/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rates as they are configured (modules/throttle). Properties: what is refused says why; what is taken lies within its
 * bounds, scales down without passing what it was and without ending, fills and empties a bucket within its burst, and
 * reads the same when it was written out.
 *
 * Parsers: modules/throttle/bucket.c.
 */
#include "fuzz.h"

#include "bucket.h"

static const char *const words[] = {"100/m", "burst ", "1/d",       "/h", "/s", ", ",  "100000000",
                                    "0",     " ",      "unlimited", "\t", "-",  "1/m", NULL};
const FuzzTarget fuzz_target = {20000, words};

static const guint32 parts[] = {0, 1, 999, 1000, 500000, 999999, 1000000, G_MAXUINT32};

static void
check_scaled (const ThrottleRate *rate)
{
    for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
        ThrottleRate scaled = throttle_rate_scale (rate, parts[i]);
        g_autofree char *text = throttle_rate_to_string (&scaled);

        g_assert_cmpint (scaled.n, >, 0);
        g_assert_cmpint (scaled.burst, >, 0);
        g_assert_cmpint (scaled.burst, <=, rate->burst);
        g_assert_false (throttle_rate_is_below (rate, &scaled));
        g_assert_cmpuint (throttle_rate_divide (&scaled, rate), <=, THROTTLE_PARTS);
        g_assert_nonnull (text);
    }
}

__extension__ typedef __int128 Wide;

static void
check_bucket (const ThrottleRate *rate)
{
    const gint64 late_us = G_MAXINT64 / 4;
    ThrottleBucket bucket;
    gint64 ready_us;

    throttle_bucket_init (&bucket, rate, 0, G_MININT64);
    g_assert_cmpint (throttle_bucket_count (&bucket, 0), ==, rate->burst);
    throttle_bucket_take (&bucket, 0, rate->burst);
    throttle_bucket_settle (&bucket, 0, rate->burst, rate->burst);
    g_assert_cmpint (throttle_bucket_count (&bucket, 0), ==, 0);
    ready_us = throttle_bucket_ready_us (&bucket, 0);
    g_assert_cmpint (ready_us, >, 0);
    g_assert_cmpint (throttle_bucket_count (&bucket, ready_us - 1), ==, 0);
    g_assert_cmpint (throttle_bucket_count (&bucket, ready_us), >=, 1);
    /* A burst may take longer to come back than that. */
    g_assert_cmpint (throttle_bucket_count (&bucket, late_us), ==,
                     (gint64)MIN ((Wide)rate->burst, (Wide)late_us * rate->n / rate->period_us));
}

/* What was taken and not used is there again; half of it is no more than it; drained, nothing is there before its
 * moment; what begins empty is full later. */
static void
check_meter (const ThrottleRates *rates)
{
    const ThrottleRates none = {0};
    const gint64 later_us = G_USEC_PER_SEC;
    ThrottleMeter meter = {0}, empty = {0};
    guint which = 0;
    gint64 n;

    throttle_meter_set (&meter, &none, THROTTLE_PARTS, 0, G_MININT64);
    throttle_meter_set (&meter, rates, THROTTLE_PARTS, 0, G_MININT64);
    g_assert_true (throttle_meter_is_full (&meter, 0));
    n = throttle_meter_count (&meter, 0, THROTTLE_RATE_MOST);
    throttle_meter_take (&meter, 0, n);
    g_assert_true (throttle_meter_is_full (&meter, 0) == (rates->n == 0));
    throttle_meter_settle (&meter, 0, n, 0);
    g_assert_true (throttle_meter_is_full (&meter, 0));
    g_assert_cmpint (throttle_meter_count (&meter, 0, THROTTLE_RATE_MOST), ==, n);
    throttle_meter_set (&meter, rates, THROTTLE_PARTS / 2, 0, G_MININT64);
    g_assert_cmpint (throttle_meter_count (&meter, 0, THROTTLE_RATE_MOST), <=, n);
    throttle_meter_drain (&meter, later_us);
    g_assert_true (rates->n == 0 || throttle_meter_count (&meter, 0, THROTTLE_RATE_MOST) == 0);
    g_assert_cmpint (throttle_meter_ready_us (&meter, 0, &which), >=, rates->n == 0 ? 0 : later_us);
    g_assert_cmpuint (which, <=, rates->n);
    throttle_meter_set (&empty, rates, THROTTLE_PARTS, 0, 0);
    g_assert_true (throttle_meter_is_full (&empty, 0) == (rates->n == 0));
    g_assert_true (throttle_meter_is_full (&empty, G_MAXINT64 / 4) || rates->n > 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *text = g_strndup ((const char *)bytes, size);
    g_autofree char *problem = NULL, *whole = NULL;
    ThrottleRates rates;

    if (!throttle_rates_parse (text, &rates, &problem)) {
        g_assert_nonnull (problem);
        g_assert_cmpuint (rates.n, ==, 0);
        return 0;
    }
    g_assert_cmpuint (rates.n, <=, THROTTLE_RATES);
    for (guint i = 0; i < rates.n; i++) {
        g_assert_cmpint (rates.rates[i].n, >, 0);
        g_assert_cmpint (rates.rates[i].n, <=, THROTTLE_RATE_MOST);
        g_assert_cmpint (rates.rates[i].burst, <=, THROTTLE_RATE_MOST);
        check_scaled (&rates.rates[i]);
        check_bucket (&rates.rates[i]);
    }
    check_meter (&rates);
    whole = throttle_rates_to_string (&rates, THROTTLE_PARTS);
    g_assert_nonnull (whole);
    return 0;
}
