/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue's records: the index finds what was put in and nothing else, whatever was taken out; a
 * delivery costs what was promised; the wheel brings each deadline up once; times over restarts.
 */
#include "config.h"

#include "queue/schedule-private.h"
#include "queue/wheel-private.h"

#include "loop/clock-private.h"

static void
test_index_model (void)
{
    RelaisRecords records;
    g_autoptr (GHashTable) model = g_hash_table_new (NULL, NULL);
    g_autoptr (GRand) random = g_rand_new_with_seed (7);

    relais_records_init (&records);
    for (guint step = 0; step < 200000; step++) {
        guint64 id = (guint64)g_rand_int_range (random, 1, 5000) << 20;
        guint32 slot = GPOINTER_TO_UINT (g_hash_table_lookup (model, GSIZE_TO_POINTER (id)));

        g_assert_cmpuint (relais_records_find (&records, id), ==, slot);
        if (slot == 0) {
            slot = relais_records_add_slot (&records, id);
            g_hash_table_insert (model, GSIZE_TO_POINTER (id), GUINT_TO_POINTER (slot));
        } else if (g_rand_boolean (random)) {
            relais_records_remove_slot (&records, slot);
            g_hash_table_remove (model, GSIZE_TO_POINTER (id));
        }
    }
    g_assert_cmpuint (records.slots.used, ==, g_hash_table_size (model));
    relais_records_clear (&records);
}

/* A million messages of one recipient: records, index and the place in a heap. */
static void
test_bytes_per_delivery (void)
{
    enum { N = 1000000, SPOOL_INDEX_BYTES = 40, HEAP_BYTES = 8 };
    RelaisRecords records;
    gsize bytes;

    relais_records_init (&records);
    for (guint i = 1; i <= N; i++)
        (void)relais_records_add_delivery (&records, relais_records_add_slot (&records, i), 0);
    bytes = relais_records_bytes (&records) / N;
    g_test_message ("%zu bytes a delivery in records and index, at most %d in a heap", bytes,
                    HEAP_BYTES);
    g_assert_cmpuint (bytes + HEAP_BYTES + SPOOL_INDEX_BYTES, <=, 160);
    g_assert_cmpuint (sizeof (RelaisDelivery), <=, 48);
    g_assert_cmpuint (sizeof (RelaisMessageSlot), <=, 48);
    relais_records_clear (&records);
}

static void
test_siblings (void)
{
    RelaisRecords records;
    guint32 slot, numbers[4];

    relais_records_init (&records);
    slot = relais_records_add_slot (&records, 9);
    for (guint16 i = 4; i > 0; i--)
        numbers[i - 1] = relais_records_add_delivery (&records, slot, (guint16)(i - 1));
    relais_records_remove_delivery (&records, numbers[1]);
    relais_records_remove_delivery (&records, numbers[3]);
    g_assert_cmpuint (relais_slot_at (&records, slot)->first, ==, numbers[0]);
    g_assert_cmpuint (relais_delivery_at (&records, numbers[0])->after, ==, numbers[2]);
    g_assert_cmpuint (relais_delivery_at (&records, numbers[2])->after, ==, 0);
    relais_records_remove_delivery (&records, numbers[0]);
    g_assert_cmpuint (relais_slot_at (&records, slot)->first, ==, numbers[2]);
    g_assert_cmpuint (relais_slot_at (&records, slot)->open, ==, 1);
    relais_records_clear (&records);
}

/* --- The wheel -------------------------------------------------------------------------------- */

typedef struct {
    RelaisRecords records;
    RelaisWheel *wheel;
    gint64 now_us;
    guint came;
    gint64 latest_us;
} WheelTest;

static void
came (gpointer data, guint32 slot)
{
    WheelTest *test = data;
    /* The test keeps the deadline in born_us. */
    gint64 late = test->now_us - relais_slot_at (&test->records, slot)->born_us;

    g_assert_cmpint (late, >=, 0);
    test->latest_us = MAX (test->latest_us, late);
    test->came++;
}

static void
test_wheel (void)
{
    WheelTest test = {.now_us = 5 * RELAIS_USEC_PER_SEC};
    g_autoptr (GRand) random = g_rand_new_with_seed (3);
    enum { N = 5000 };

    relais_records_init (&test.records);
    test.wheel = relais_wheel_new (&test.records, test.now_us);
    for (guint i = 1; i <= N; i++) {
        guint32 slot = relais_records_add_slot (&test.records, i);
        gint64 deadline = test.now_us + (gint64)(g_rand_double (random) * 3e11);

        relais_slot_at (&test.records, slot)->born_us = deadline;
        relais_wheel_set (test.wheel, slot, deadline);
        if (i % 5 == 0)
            relais_wheel_remove (test.wheel, slot);
    }
    while (relais_wheel_next_us (test.wheel) != G_MAXINT64) {
        gint64 next = relais_wheel_next_us (test.wheel);

        g_assert_cmpint (next, >, test.now_us);
        test.now_us = next;
        relais_wheel_advance (test.wheel, test.now_us, came, &test);
    }
    g_assert_cmpuint (test.came, ==, N - N / 5);
    g_assert_cmpint (test.latest_us, <=, RELAIS_USEC_PER_SEC);
    relais_wheel_free (test.wheel);
    relais_records_clear (&test.records);
}

/* A clock that jumps over more than the wheel's round brings everything up, once. */
static void
test_wheel_jump (void)
{
    WheelTest test = {.now_us = 5 * RELAIS_USEC_PER_SEC};

    relais_records_init (&test.records);
    test.wheel = relais_wheel_new (&test.records, test.now_us);
    for (guint i = 1; i <= 100; i++) {
        guint32 slot = relais_records_add_slot (&test.records, i);

        relais_wheel_set (test.wheel, slot, test.now_us + i * RELAIS_USEC_PER_HOUR);
    }
    test.now_us += 50 * RELAIS_USEC_PER_HOUR + 2 * RELAIS_USEC_PER_SEC;
    relais_wheel_advance (test.wheel, test.now_us, came, &test);
    g_assert_cmpuint (test.came, ==, 50);
    g_assert_cmpuint (test.wheel->n, ==, 50);
    relais_wheel_free (test.wheel);
    relais_records_clear (&test.records);
}

/* --- Times ------------------------------------------------------------------------------------ */

static void
test_schedule (void)
{
    gint64 retry[] = {5 * RELAIS_USEC_PER_MIN, 10 * RELAIS_USEC_PER_MIN};
    RelaisSchedule schedule = {retry, 2, 5 * RELAIS_USEC_PER_DAY, RELAIS_USEC_PER_DAY, {0}, 0,
                               NULL,  0};
    const gint64 day = RELAIS_USEC_PER_DAY, wall = 20000 * day;

    for (guint32 random = 0; random < 4000000000u; random += 99999999u) {
        gint64 first = relais_schedule_wait_us (&schedule, 1, random);

        g_assert_cmpint (first, >=, retry[0]);
        g_assert_cmpint (first, <=, retry[0] + retry[0] / 10);
        g_assert_cmpint (relais_schedule_wait_us (&schedule, 9, random), >=, retry[1]);
    }
    /* An honest restart: the age is the time since acceptance. */
    g_assert_cmpint (relais_schedule_age_us (0, wall - day / 2, wall), ==, day / 2);
    g_assert_cmpint (relais_schedule_age_us (2 * day, wall - 2 * day - 1, wall), ==, 2 * day + 1);
    /* The wall clock stepped over a year, or back. */
    g_assert_cmpint (relais_schedule_age_us (day, wall - 365 * day, wall), ==, 2 * day);
    g_assert_cmpint (relais_schedule_age_us (day, wall + 365 * day, wall), ==, day);
    g_assert_cmpint (relais_schedule_age_us (day, G_MININT64, G_MAXINT64), ==, day);
    g_assert_cmpint (relais_schedule_rest_us (&schedule, 1, wall + 365 * day, wall), <=,
                     retry[0] + retry[0] / 10);
    g_assert_cmpint (relais_schedule_rest_us (&schedule, 1, wall - day, wall), ==, 0);
    g_assert_cmpint (relais_schedule_rest_us (&schedule, 0, wall + day, wall), ==, 0);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/records/index-model", test_index_model);
    g_test_add_func ("/queue/records/bytes-per-delivery", test_bytes_per_delivery);
    g_test_add_func ("/queue/records/siblings", test_siblings);
    g_test_add_func ("/queue/wheel/each-once", test_wheel);
    g_test_add_func ("/queue/wheel/jump", test_wheel_jump);
    g_test_add_func ("/queue/schedule", test_schedule);
    return g_test_run ();
}
