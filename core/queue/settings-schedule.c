/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading of [class NAME] and [class NAME/TENANT]: what the second does not set is as in the first. Any thread;
 * may read a time zone from disk that nobody has named before (conf/quiet.c); at a reload a worker has.
 */
#include "config.h"

#include "queue/schedule-private.h"

#include <gio/gio.h>
#include <string.h>

static const char *const class_names[] = {"transactional", "bulk"};

/* Where a key of the class is said. */
static const RelaisSection *
place_of (RelaisConfig *config, guint klass, const RelaisSection *own, const char *key)
{
    if (own != NULL && relais_section_is_set (own, key))
        return own;
    return relais_config_find_section (config, "class", class_names[klass]);
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
    const gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;

    return (left > right) - (left < right);
}

/* Zeros are none. */
static void
read_notices (RelaisSchedule *schedule, const RelaisSection *section)
{
    gsize n;
    const gint64 *times = relais_section_get_durations (section, "delay_notice", &n);
    g_autofree gint64 *sorted = g_memdup2 (times, n * sizeof *times);

    if (n > 0)
        qsort (sorted, n, sizeof *sorted, compare_times);
    for (gsize i = 0; i < n && schedule->n_notices < RELAIS_SCHEDULE_NOTICES; i++)
        if (sorted[i] > 0 && (i == 0 || sorted[i] != sorted[i - 1]))
            schedule->notices_us[schedule->n_notices++] = sorted[i];
}

static bool
read_quiet (RelaisSchedule *schedule, RelaisConfig *config, guint klass, const RelaisSection *own,
            GError **error)
{
    const RelaisSection *section = place_of (config, klass, own, "quiet_hours");
    g_autofree char *bad = NULL;

    schedule->quiet = relais_quiet_parse (
        relais_section_get_list (section, "quiet_hours"),
        relais_section_get_string (place_of (config, klass, own, "quiet_zone"), "quiet_zone"),
        &bad);
    schedule->quiet_spread_us =
        relais_section_get_int (place_of (config, klass, own, "quiet_spread"), "quiet_spread");
    if (bad == NULL)
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "%s: \"%s\" is neither a span of a day nor a time zone",
                 relais_section_get_origin (section, "quiet_hours"), bad);
    return false;
}

/* The configuration has both classes, whether a file names them or not. */
static bool
read_schedule (RelaisSchedule *schedule, RelaisConfig *config, guint klass,
               const RelaisSection *own, GError **error)
{
    const gint64 *retry_us = relais_section_get_durations (place_of (config, klass, own, "retry"),
                                                           "retry", &schedule->n_retry);

    schedule->retry_us = g_memdup2 (retry_us, schedule->n_retry * sizeof *retry_us);
    schedule->lifetime_us =
        relais_section_get_int (place_of (config, klass, own, "lifetime"), "lifetime");
    schedule->bounce_lifetime_us = relais_section_get_int (
        place_of (config, klass, own, "bounce_lifetime"), "bounce_lifetime");
    if (schedule->bounce_lifetime_us == 0)
        schedule->bounce_lifetime_us = schedule->lifetime_us;
    read_notices (schedule, place_of (config, klass, own, "delay_notice"));
    return read_quiet (schedule, config, klass, own, error);
}

static void
schedule_clear (RelaisSchedule *schedule)
{
    g_clear_pointer (&schedule->retry_us, g_free);
    g_clear_pointer (&schedule->quiet, relais_quiet_unref);
}

static void
schedule_free (gpointer schedule)
{
    schedule_clear (schedule);
    g_free (schedule);
}

bool
relais_queue_settings_read_schedules (RelaisQueueSettings *settings, RelaisConfig *config,
                                      GError **error)
{
    const guint n = relais_config_n_sections (config, "class");

    settings->tenant_schedules =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, schedule_free);
    for (guint klass = 0; klass < G_N_ELEMENTS (class_names); klass++)
        if (!read_schedule (&settings->schedules[klass], config, klass, NULL, error))
            return false;
    for (guint i = 0; i < n; i++) {
        const RelaisSection *own = relais_config_nth_section (config, "class", i);
        const char *name = relais_section_get_name (own);
        RelaisSchedule *schedule;

        if (strchr (name, '/') == NULL)
            continue;
        schedule = g_new0 (RelaisSchedule, 1);
        g_hash_table_replace (settings->tenant_schedules, g_strdup (name), schedule);
        if (!read_schedule (schedule, config, g_str_has_prefix (name, "bulk/"), own, error))
            return false;
    }
    return true;
}

void
relais_queue_settings_clear_schedules (RelaisQueueSettings *settings)
{
    for (gsize i = 0; i < G_N_ELEMENTS (settings->schedules); i++)
        schedule_clear (&settings->schedules[i]);
    g_clear_pointer (&settings->tenant_schedules, g_hash_table_unref);
}

const RelaisSchedule *
relais_queue_settings_schedule (const RelaisQueueSettings *settings, guint klass,
                                const char *tenant)
{
    const guint known = klass == RELAIS_CLASS_BULK;
    g_autofree char *name = g_strconcat (class_names[known], "/", tenant, NULL);
    const RelaisSchedule *own = g_hash_table_lookup (settings->tenant_schedules, name);

    return own != NULL ? own : &settings->schedules[known];
}
