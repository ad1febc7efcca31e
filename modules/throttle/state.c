/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What outlives the process, in the store: "l..." a lane, "s..." a stop, "mark" whether the module runs or has been
 * stopped. Lanes are written a few seconds after they changed, many at once, and all at the stop. Mail waits only for
 * what is read at the start, and for a warm-up's count to be noted; a store that fails stops no mail.
 *
 * Levels of buckets are believed only after a clean stop: else what was sent since they were written is unknown, and
 * buckets begin empty. Those of tenants and campaigns, which may be many, are not kept, and begin empty always.
 * Loop thread.
 */
#include "throttle.h"

#include <relais/log.h>

#include <string.h>

enum { WRITES = 500 /* lanes in one go */, KEEP_DAYS = 14 };

#define WRITE_US (3 * THROTTLE_SECOND_US)

#define MARK "mark"
#define RUNNING "running"
#define STOPPED "stopped"

/* --- Trouble ---------------------------------------------------------------------------------- */

static void
complain (ThrottleModule *module, const RelaisStoreReply *reply)
{
    relais_counter_add (module->store_errors, NULL, 1);
    if (!module->told)
        relais_log (module->module, RELAIS_LOG_WARNING,
                    "the store does not work (%s): what is learned is kept in memory alone, and "
                    "warm-up counts may be lost in a crash",
                    relais_store_reply_get_error (reply));
    module->told = true;
}

static void
on_written (gpointer data, const RelaisStoreReply *reply)
{
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        complain (data, reply);
}

/* --- Writing ---------------------------------------------------------------------------------- */

char *
throttle_state_key (const char *kind, const char *key)
{
    if (strlen (kind) + strlen (key) <= RELAIS_STORE_KEY_BYTES)
        return g_strconcat (kind, key, NULL);
    {
        g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, key, -1);

        return g_strconcat (kind, sum, NULL);
    }
}

static void
put (ThrottleModule *module, const char *kind, const char *key, GVariant *record, gint64 expires_us,
     RelaisStoreFunc done, gpointer data)
{
    g_autoptr (GVariant) owned = g_variant_ref_sink (record);
    g_autofree char *whole = throttle_state_key (kind, key);
    const gsize size = g_variant_get_size (owned);

    relais_store_put (module->module, whole, strlen (whole), g_variant_get_data (owned), size,
                      expires_us, done, data);
}

/* A warm-up is kept until its plan is over by the calendar: what comes later begins where that ended. */
static gint64
expires_us (const ThrottleLane *lane, gint64 wall_us)
{
    const ThrottleWarmup *warmup = &lane->warmup;
    const gint64 keep_us = KEEP_DAYS * THROTTLE_DAY_US;
    gint64 days;

    if (warmup->day == 0 || lane->plan == NULL)
        return wall_us + keep_us;
    days = warmup->start + warmup->held + lane->plan->plan->caps->len;
    return MAX (wall_us, throttle_day_begins_us (days)) + keep_us;
}

static void
write_lane (ThrottleLane *lane, RelaisStoreFunc done, gpointer data)
{
    ThrottleModule *module = lane->module;
    const gint64 wall_us = relais_module_wall_us (module->module);

    throttle_lane_sync (lane); /* a reload may have been since it changed */
    put (module, "l", lane->key,
         throttle_codec_pack (lane, relais_module_now_us (module->module), wall_us),
         expires_us (lane, wall_us), done, data);
}

static void
unmark (ThrottleLane *lane)
{
    if (lane->dirty)
        g_queue_unlink (&lane->module->dirty, &lane->dirty_link);
    lane->dirty = false;
}

static void
on_write_timer (gpointer data)
{
    ThrottleModule *module = data;

    for (guint n = 0; n < WRITES && module->dirty.head != NULL; n++) {
        ThrottleLane *lane = module->dirty.head->data;

        unmark (lane);
        write_lane (lane, on_written, module);
    }
    if (module->dirty.head != NULL)
        relais_module_timer_set (module->write_timer, WRITE_US);
}

void
throttle_state_mark (ThrottleLane *lane)
{
    ThrottleModule *module = lane->module;

    if (lane->dirty || !module->stored || !module->loaded)
        return;
    lane->dirty = true;
    g_queue_push_tail_link (&module->dirty, &lane->dirty_link);
    if (module->running && !relais_module_timer_is_set (module->write_timer))
        relais_module_timer_set (module->write_timer, WRITE_US);
}

void
throttle_state_keep_stop (ThrottleModule *module, const ThrottleStop *stop)
{
    const gint64 left_us = stop->until_us - relais_module_now_us (module->module);

    if (module->stored)
        put (module, "s", stop->key, throttle_codec_pack_stop (module, stop),
             relais_module_wall_us (module->module) + left_us, on_written, module);
}

/* --- Noting a warm-up's count in advance ------------------------------------------------------------- */

/* The lane may be gone when the store answers. */
typedef struct {
    ThrottleModule *module;
    char *key;
    gint64 day, sure;
} Noting;

static void
on_noted (gpointer data, const RelaisStoreReply *reply)
{
    Noting *noting = data;
    ThrottleModule *module = noting->module;
    ThrottleLane *lane = module->running ? g_hash_table_lookup (module->lanes, noting->key) : NULL;

    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        complain (module, reply);
    if (lane != NULL) {
        lane->sure_asked = 0;
        if (lane->warmup.day == noting->day)
            lane->warmup.sure = MAX (lane->warmup.sure, noting->sure);
        relais_lanes_wake (module->module, lane->source, lane->site);
    }
    g_free (noting->key);
    g_free (noting);
}

void
throttle_state_reserve (ThrottleLane *lane, const ThrottlePlan *plan)
{
    const gint64 cap = throttle_warmup_cap (&lane->warmup, plan);
    Noting *noting;

    if (lane->sure_asked != 0)
        return;
    noting = g_new0 (Noting, 1);
    lane->sure_asked =
        MIN (cap, MAX (lane->warmup.used, lane->warmup.sure) + throttle_warmup_block (cap));
    *noting = (Noting){lane->module, g_strdup (lane->key), lane->warmup.day, lane->sure_asked};
    write_lane (lane, on_noted, noting);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Mail goes from here on. */
static void
end_loading (ThrottleModule *module, bool stored)
{
    module->loaded = true;
    module->stored = stored;
    if (module->running)
        relais_lanes_wake (module->module, NULL, NULL);
}

/* As after a crash: buckets are empty, also those of lanes that were asked about while the store was read. */
static void
begin_empty (ThrottleModule *module)
{
    const gint64 now_us = relais_module_now_us (module->module);

    module->empty_us = now_us;
    for (GList *link = module->order.head; link != NULL; link = link->next) {
        ThrottleLane *lane = link->data;

        throttle_meter_drain (&lane->messages, now_us);
        throttle_meter_drain (&lane->connects, now_us);
        throttle_meter_drain (&lane->spread, now_us);
    }
}

/* Nothing is known of what was: as after a crash. */
static void
go_without (ThrottleModule *module, const RelaisStoreReply *reply)
{
    begin_empty (module);
    complain (module, reply);
    end_loading (module, false);
}

/* `kind`: 'l' or 's'. False for what is none. */
static bool
take_record (ThrottleModule *module, char kind, gconstpointer value, gsize size, bool clean)
{
    g_autoptr (GBytes) bytes = g_bytes_new (value, size);
    g_autoptr (GVariant) record =
        g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));

    if (!g_variant_is_normal_form (record))
        return false;
    return kind == 's' ? throttle_codec_unpack_stop (module, record)
                       : throttle_codec_unpack (module, record, clean);
}

static void
take_row (ThrottleModule *module, const RelaisStoreReply *reply, guint32 n)
{
    gconstpointer key, value;
    gsize key_size, value_size;

    if (!relais_store_reply_get_row (reply, n, &key, &key_size, &value, &value_size) ||
        key_size == 0)
        return;
    if (((const char *)key)[0] != 'l' && ((const char *)key)[0] != 's')
        return; /* the mark */
    if (!take_record (module, ((const char *)key)[0], value, value_size,
                      module->empty_us == G_MININT64))
        relais_log (module->module, RELAIS_LOG_WARNING,
                    "a record of the store is not as this module writes them: it is left alone");
}

static void
on_page (gpointer data, const RelaisStoreReply *reply)
{
    ThrottleModule *module = data;
    const guint32 n = relais_store_reply_n_rows (reply);
    const guint most = throttle_config_get_lanes (module->config);
    gconstpointer key, value;
    gsize key_size, value_size;

    if (!module->running)
        return;
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR) {
        go_without (module, reply);
        return;
    }
    for (guint32 i = 0; i < n && module->n_loaded < most; i++, module->n_loaded++)
        take_row (module, reply, i);
    /* More than the table has room for stay where they are until they are asked about. */
    module->put_away = module->put_away || module->n_loaded >= most;
    if (n == 0 || !relais_store_reply_get_more (reply) || module->n_loaded >= most ||
        !relais_store_reply_get_row (reply, n - 1, &key, &key_size, &value, &value_size)) {
        end_loading (module, true);
        return;
    }
    relais_store_scan (module->module, NULL, 0, key, key_size, RELAIS_STORE_ROWS, on_page, module);
}

/* From now on a crash is known as one. */
static void
on_running (gpointer data, const RelaisStoreReply *reply)
{
    ThrottleModule *module = data;

    if (!module->running)
        return;
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        go_without (module, reply);
    else
        relais_store_scan (module->module, NULL, 0, NULL, 0, RELAIS_STORE_ROWS, on_page, module);
}

static void
on_mark (gpointer data, const RelaisStoreReply *reply)
{
    ThrottleModule *module = data;
    gsize size = 0;
    const char *mark = relais_store_reply_get_value (reply, &size);

    if (!module->running)
        return;
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR) {
        go_without (module, reply);
        return;
    }
    /* Absent: it never ran. */
    if (relais_store_reply_get_result (reply) != RELAIS_STORE_ABSENT)
        module->shares_us = relais_module_now_us (module->module);
    if (relais_store_reply_get_result (reply) != RELAIS_STORE_ABSENT &&
        (mark == NULL || size != strlen (STOPPED) || memcmp (mark, STOPPED, size) != 0))
        begin_empty (module);
    relais_store_put (module->module, MARK, strlen (MARK), RUNNING, strlen (RUNNING), 0, on_running,
                      module);
}

void
throttle_state_start (ThrottleModule *module)
{
    module->write_timer = relais_module_timer_new (module->module, on_write_timer, module);
    relais_store_get (module->module, MARK, strlen (MARK), on_mark, module);
}

/* --- Lanes that the table has no room for ------------------------------------------------------------ */

/* Where the store does not help: as if the lane had used as much of the day as any that was put away. */
static void
count_lost (ThrottleLane *lane)
{
    ThrottleWarmup *warmup = &lane->warmup;

    if (throttle_ask_plan (lane) != NULL && warmup->day == lane->module->lost_day)
        warmup->used = MAX (warmup->used, lane->module->lost_used);
}

void
throttle_state_put_away (ThrottleLane *lane)
{
    ThrottleModule *module = lane->module;
    ThrottleWarmup *warmup = &lane->warmup;
    const bool warm = throttle_ask_plan (lane) != NULL;

    if (warm) {
        module->put_away = true;
        module->lost_used =
            warmup->day == module->lost_day ? MAX (warmup->used, module->lost_used) : warmup->used;
        module->lost_day = warmup->day;
        warmup->sure = warmup->used; /* nothing is on its way: that is all there was */
    }
    if (module->stored && module->loaded && (warm || lane->dirty))
        write_lane (lane, on_written, module);
}

static void
on_recalled (gpointer data, const RelaisStoreReply *reply)
{
    ThrottleLane *lane = data; /* in use: it is there, unless the module has ended */
    ThrottleModule *module = lane->module;
    const RelaisStoreResult result = relais_store_reply_get_result (reply);
    gsize size = 0;
    const void *value = relais_store_reply_get_value (reply, &size);

    lane->uses--;
    lane->recalling = false;
    lane->known = true;
    if (!module->running)
        return;
    if (result == RELAIS_STORE_ERROR) {
        complain (module, reply);
        count_lost (lane);
    } else if (value != NULL && !take_record (module, 'l', value, size, false))
        count_lost (lane);
    relais_lanes_wake (module->module, lane->source, lane->site);
}

bool
throttle_state_recall (ThrottleLane *lane)
{
    ThrottleModule *module = lane->module;
    g_autofree char *key = NULL;

    if (lane->known || lane->plan == NULL || !module->put_away)
        return true;
    if (lane->recalling)
        return false;
    if (!module->stored) {
        lane->known = true;
        count_lost (lane);
        return true;
    }
    key = throttle_state_key ("l", lane->key);
    lane->recalling = true;
    lane->uses++;
    relais_store_get (module->module, key, strlen (key), on_recalled, lane);
    return false;
}

/* --- The stop --------------------------------------------------------------------------------- */

static bool
is_worth_writing (ThrottleLane *lane, gint64 now_us)
{
    return lane->dirty || lane->warmup.day != 0 || !throttle_learned_is_clear (&lane->learned) ||
           !throttle_meter_is_full (&lane->messages, now_us) ||
           !throttle_meter_is_full (&lane->connects, now_us);
}

void
throttle_state_stop (ThrottleModule *module)
{
    const gint64 now_us = relais_module_now_us (module->module);

    if (module->stored && module->loaded) {
        for (GList *link = module->order.head; link != NULL; link = link->next) {
            ThrottleLane *lane = link->data;

            if (is_worth_writing (lane, now_us))
                write_lane (lane, NULL, NULL);
            unmark (lane);
        }
        relais_store_put (module->module, MARK, strlen (MARK), STOPPED, strlen (STOPPED), 0, NULL,
                          NULL);
    }
    g_clear_pointer (&module->write_timer, relais_module_timer_free);
}
