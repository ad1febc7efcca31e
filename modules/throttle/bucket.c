/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Token buckets and meters. Pure; one thread at a time.
 */
#include "bucket.h"

__extension__ typedef __int128 Wide;

/* What the bucket may hold now. */
static gint64
capacity (const ThrottleBucket *bucket)
{
    return (bucket->rate.burst - bucket->out) * bucket->rate.period_us;
}

static void
fill (ThrottleBucket *bucket, gint64 now_us)
{
    const gint64 room = capacity (bucket) - bucket->level;
    gint64 passed;

    if (now_us <= bucket->at_us)
        return;
    passed = now_us - bucket->at_us;
    bucket->at_us = now_us;
    if (room <= 0)
        return;
    /* No overflow: below that many microseconds the product is below the room. */
    if (passed > room / bucket->rate.n)
        bucket->level += room;
    else
        bucket->level += passed * bucket->rate.n;
}

void
throttle_bucket_init (ThrottleBucket *bucket, const ThrottleRate *rate, gint64 now_us,
                      gint64 empty_us)
{
    *bucket = (ThrottleBucket){.rate = *rate, .at_us = now_us};
    bucket->level = capacity (bucket);
    if (empty_us == G_MININT64)
        return;
    bucket->level = 0;
    bucket->at_us = empty_us;
    fill (bucket, now_us);
}

gint64
throttle_bucket_count (ThrottleBucket *bucket, gint64 now_us)
{
    fill (bucket, now_us);
    /* Drained in advance: nothing before that moment. */
    if (bucket->level <= 0 || now_us < bucket->at_us)
        return 0;
    return bucket->level / bucket->rate.period_us;
}

gint64
throttle_bucket_ready_us (ThrottleBucket *bucket, gint64 now_us)
{
    const gint64 n = bucket->rate.n;
    gint64 missing, from;

    fill (bucket, now_us);
    missing = bucket->rate.period_us - bucket->level;
    from = MAX (bucket->at_us, now_us);
    if (missing <= 0)
        return from;
    if (bucket->rate.burst - bucket->out < 1)
        return THROTTLE_NEVER;
    return from + (missing + n - 1) / n;
}

void
throttle_bucket_take (ThrottleBucket *bucket, gint64 now_us, gint64 n)
{
    fill (bucket, now_us);
    bucket->level -= n * bucket->rate.period_us;
    bucket->out += n;
}

void
throttle_bucket_settle (ThrottleBucket *bucket, gint64 now_us, gint64 taken, gint64 used)
{
    fill (bucket, now_us);
    bucket->out -= taken;
    bucket->level += (taken - used) * bucket->rate.period_us;
    /* The rate may have been changed meanwhile. */
    bucket->level = MIN (bucket->level, capacity (bucket));
}

void
throttle_bucket_set_rate (ThrottleBucket *bucket, gint64 now_us, const ThrottleRate *rate)
{
    const ThrottleRate old = bucket->rate;
    Wide level;

    fill (bucket, now_us);
    level = (Wide)bucket->level * rate->period_us;
    level = level >= 0 ? level / old.period_us : -((-level + old.period_us - 1) / old.period_us);
    if (rate->burst < old.burst && level > 0)
        level = level * rate->burst / old.burst;
    bucket->rate = *rate;
    level = MAX (level, -(Wide)(G_MAXINT64 / 4));
    bucket->level = (gint64)MIN (level, (Wide)capacity (bucket));
}

void
throttle_bucket_drain (ThrottleBucket *bucket, gint64 at_us)
{
    bucket->level = MIN (bucket->level, 0);
    bucket->at_us = MAX (bucket->at_us, at_us);
}

bool
throttle_bucket_is_full (ThrottleBucket *bucket, gint64 now_us)
{
    fill (bucket, now_us);
    return bucket->out == 0 && now_us >= bucket->at_us && bucket->level >= capacity (bucket);
}

/* --- Meters ----------------------------------------------------------------------------------- */

/* The bucket that keeps this rate, or else one of the same period; n: none. `used`: bits of those that are taken. */
static guint
find_bucket (const ThrottleBucket *buckets, guint n, guint used, const ThrottleRate *rate)
{
    guint found = n;

    for (guint i = 0; i < n; i++) {
        const ThrottleRate *other = &buckets[i].rate;

        if ((used & 1U << i) != 0 || other->period_us != rate->period_us)
            continue;
        if (other->n == rate->n && other->burst == rate->burst)
            return i;
        if (found == n)
            found = i;
    }
    return found;
}

/* Which of `n` buckets goes on with each of `rates`; n: a new one. What a bucket has counted is about its period: so
 * wherever they stand in a list, those of a period belong together. What is left over is taken in its order. */
static void
match (const ThrottleBucket *buckets, guint n, const ThrottleRates *rates,
       guint which[THROTTLE_RATES])
{
    guint used = 0;

    for (guint i = 0; i < rates->n; i++) {
        which[i] = find_bucket (buckets, n, used, &rates->rates[i]);
        if (which[i] < n)
            used |= 1U << which[i];
    }
    for (guint i = 0; i < rates->n; i++) {
        if (which[i] < n)
            continue;
        for (which[i] = 0; which[i] < n && (used & 1U << which[i]) != 0;)
            which[i]++;
        if (which[i] < n)
            used |= 1U << which[i];
    }
}

static ThrottleRates
scale (const ThrottleRates *rates, guint32 parts)
{
    ThrottleRates scaled = {.n = rates->n};

    for (guint i = 0; i < rates->n; i++)
        scaled.rates[i] = throttle_rate_scale (&rates->rates[i], parts);
    return scaled;
}

void
throttle_meter_set (ThrottleMeter *meter, const ThrottleRates *rates, guint32 parts, gint64 now_us,
                    gint64 empty_us)
{
    const ThrottleRates before = scale (rates, meter->parts), wanted = scale (rates, parts);
    ThrottleMeter next = {.n = rates->n, .parts = parts, .out = meter->out};
    guint which[THROTTLE_RATES];

    match (meter->buckets, meter->n, &before, which);
    for (guint i = 0; i < wanted.n; i++) {
        ThrottleBucket *bucket = &next.buckets[i];

        if (which[i] < meter->n) {
            *bucket = meter->buckets[which[i]];
            throttle_bucket_set_rate (bucket, now_us, &wanted.rates[i]);
        } else {
            throttle_bucket_init (bucket, &wanted.rates[i], now_us, empty_us);
            throttle_bucket_take (bucket, now_us, meter->out);
        }
    }
    *meter = next;
}

void
throttle_meter_restore (ThrottleMeter *meter, const ThrottleBucket *saved, guint n, gint64 now_us)
{
    ThrottleRates rates = {.n = meter->n};
    guint which[THROTTLE_RATES];

    for (guint i = 0; i < meter->n; i++)
        rates.rates[i] = meter->buckets[i].rate;
    match (saved, n, &rates, which);
    for (guint i = 0; i < meter->n; i++)
        if (which[i] < n) {
            meter->buckets[i] = saved[which[i]];
            throttle_bucket_set_rate (&meter->buckets[i], now_us, &rates.rates[i]);
        }
}

gint64
throttle_meter_count (ThrottleMeter *meter, gint64 now_us, gint64 most)
{
    for (guint i = 0; i < meter->n; i++)
        most = MIN (most, throttle_bucket_count (&meter->buckets[i], now_us));
    return most;
}

gint64
throttle_meter_ready_us (ThrottleMeter *meter, gint64 now_us, guint *which)
{
    gint64 ready_us = now_us;

    *which = 0;
    for (guint i = 0; i < meter->n; i++) {
        const gint64 at_us = throttle_bucket_ready_us (&meter->buckets[i], now_us);

        if (at_us > ready_us) {
            ready_us = at_us;
            *which = i;
        }
    }
    return ready_us;
}

void
throttle_meter_take (ThrottleMeter *meter, gint64 now_us, gint64 n)
{
    meter->out += n;
    for (guint i = 0; i < meter->n; i++)
        throttle_bucket_take (&meter->buckets[i], now_us, n);
}

void
throttle_meter_settle (ThrottleMeter *meter, gint64 now_us, gint64 taken, gint64 used)
{
    meter->out -= taken;
    for (guint i = 0; i < meter->n; i++)
        throttle_bucket_settle (&meter->buckets[i], now_us, taken, used);
}

void
throttle_meter_drain (ThrottleMeter *meter, gint64 at_us)
{
    for (guint i = 0; i < meter->n; i++)
        throttle_bucket_drain (&meter->buckets[i], at_us);
}

bool
throttle_meter_is_full (ThrottleMeter *meter, gint64 now_us)
{
    for (guint i = 0; i < meter->n; i++)
        if (!throttle_bucket_is_full (&meter->buckets[i], now_us))
            return false;
    return true;
}
