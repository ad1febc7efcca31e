/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The harness's side of shaping: lanes, outcomes, reservations and sources made by hand, and a clock that
 * stands still. The caller's thread.
 */
#include "config.h"

#include "module/test-private.h"

#include <string.h>

/* --- The clock ---------------------------------------------------------------------------------- */

static gint64
clock_wall (const RelaisClock *self)
{
    const RelaisTestClock *clock = (const RelaisTestClock *)(gconstpointer)self;

    return g_atomic_int_get (&clock->still) ? __atomic_load_n (&clock->wall_us, __ATOMIC_SEQ_CST)
                                            : relais_clock_wall_us (relais_clock_system ());
}

static gint64
clock_mono (const RelaisClock *self)
{
    const RelaisTestClock *clock = (const RelaisTestClock *)(gconstpointer)self;

    return g_atomic_int_get (&clock->still) ? __atomic_load_n (&clock->mono_us, __ATOMIC_SEQ_CST)
                                            : relais_clock_mono_us (relais_clock_system ());
}

void
relais_test_clock_init (RelaisTestClock *clock)
{
    *clock = (RelaisTestClock){.clock = {clock_wall, clock_mono}};
}

void
relais_test_use_clock (RelaisTest *test, gint64 wall_us)
{
    test->clock.wall_us = wall_us;
    test->clock.mono_us = relais_clock_mono_us (relais_clock_system ());
    g_atomic_int_set (&test->clock.still, TRUE);
}

static bool
is_busy (const RelaisTest *test)
{
    return g_atomic_int_get (&test->host->jobs) > 0 ||
           (test->parts != NULL && test->parts->is_busy (test->parts_data));
}

void
relais_test_rest (RelaisTest *test)
{
    do {
        while (is_busy (test))
            relais_loop_turn (test->loop, true);
        relais_store_settle (relais_host_get_store (test->host));
    } while (relais_loop_turn (test->loop, false) || is_busy (test));
}

static void
put_forward (RelaisTestClock *clock, gint64 delta_us)
{
    __atomic_add_fetch (&clock->wall_us, delta_us, __ATOMIC_SEQ_CST);
    __atomic_add_fetch (&clock->mono_us, delta_us, __ATOMIC_SEQ_CST);
}

void
relais_test_advance (RelaisTest *test, gint64 delta_us)
{
    gint64 target = test->clock.mono_us + delta_us;

    g_return_if_fail (g_atomic_int_get (&test->clock.still) && delta_us >= 0);
    relais_test_rest (test);
    for (;;) {
        gint64 next = relais_timer_heap_next_us (relais_loop_timers (test->loop));

        if (next > target)
            break;
        put_forward (&test->clock, MAX (next - test->clock.mono_us, 0));
        relais_loop_turn (test->loop, false);
        relais_test_rest (test);
    }
    put_forward (&test->clock, target - test->clock.mono_us);
    relais_test_rest (test);
}

void
relais_test_wait (RelaisTest *test)
{
    gint64 next;

    if (!g_atomic_int_get (&test->clock.still) || relais_hook_kinds[test->hook].worker) {
        relais_loop_turn (test->loop, true);
        return;
    }
    relais_test_rest (test);
    next = relais_timer_heap_next_us (relais_loop_timers (test->loop));
    if (!test->done && next != G_MAXINT64)
        put_forward (&test->clock, MAX (next - test->clock.mono_us, 0));
    if (!test->done)
        relais_loop_turn (test->loop, next == G_MAXINT64);
}

/* --- What modules call -------------------------------------------------------------------------- */

static void
on_wake (gpointer data, const char *source, const char *site)
{
    ((RelaisTest *)data)->shaping.n_wakes++;
}

static void
on_source (gpointer data, const char *source, const char *reason)
{
}

static bool
on_notice (gpointer data, const char *module, const char *subject, const char *text)
{
    RelaisTest *test = data;
    const RelaisSection *relais = relais_config_find_section (test->host->config, "relais", NULL);

    if (relais_section_get_string (relais, "postmaster") == NULL)
        return false;
    g_free (test->shaping.notice);
    test->shaping.notice = g_strconcat (subject, "\n\n", text, NULL);
    return true;
}

static const RelaisShaper shaper = {on_wake, on_source, on_notice};

void
relais_test_shaping_init (RelaisTest *test)
{
    relais_host_set_shaper (test->host, &shaper, test);
    relais_test_set_lane (test, "default", "default", "site.test", NULL);
    relais_test_set_class (test, "transactional");
    relais_test_set_outcome (test, RELAIS_OUTCOME_DELIVERED, "body", 250, "2.0.0", "taken");
}

static void
end_grant (RelaisTest *test)
{
    relais_grant_end (g_steal_pointer (&test->shaping.grant), RELAIS_RESERVATION_RETURNED, 0);
}

void
relais_test_shaping_clear (RelaisTest *test)
{
    RelaisTestShaping *shaping = &test->shaping;

    end_grant (test);
    g_free (shaping->source);
    g_free (shaping->pool);
    g_free (shaping->site);
    g_free (shaping->provider);
    g_free (shaping->klass);
    g_free (shaping->campaign);
    g_free (shaping->phase);
    g_free (shaping->text);
    g_free (shaping->notice);
}

/* --- The subject -------------------------------------------------------------------------------- */

static void
replace (char **place, const char *text)
{
    g_free (*place);
    *place = g_strdup (text);
}

void
relais_test_set_lane (RelaisTest *test, const gchar *source, const gchar *pool, const gchar *site,
                      const gchar *provider)
{
    replace (&test->shaping.source, source);
    replace (&test->shaping.pool, pool);
    replace (&test->shaping.site, site);
    replace (&test->shaping.provider, provider);
}

void
relais_test_set_connections (RelaisTest *test, guint32 n)
{
    test->shaping.n_connections = n;
}

void
relais_test_set_class (RelaisTest *test, const gchar *name)
{
    replace (&test->shaping.klass, name);
}

void
relais_test_set_campaign (RelaisTest *test, const gchar *campaign)
{
    replace (&test->shaping.campaign, campaign);
}

void
relais_test_set_outcome (RelaisTest *test, RelaisOutcome outcome, const gchar *phase, guint32 code,
                         const gchar *enhanced, const gchar *text)
{
    RelaisTestShaping *shaping = &test->shaping;

    shaping->outcome = outcome;
    shaping->code = code;
    replace (&shaping->phase, phase);
    replace (&shaping->text, text);
    memset (shaping->enhanced, 0, sizeof shaping->enhanced);
    for (guint i = 0; enhanced != NULL && i < G_N_ELEMENTS (shaping->enhanced); i++) {
        char *end;

        shaping->enhanced[i] = (guint16)g_ascii_strtoull (enhanced, &end, 10);
        enhanced = *end == '.' ? end + 1 : NULL;
    }
}

void
relais_test_shaping_begin (RelaisTest *test, RelaisHookId hook)
{
    RelaisTestShaping *shaping = &test->shaping;
    RelaisSubject *subject = &test->subject;
    bool asked = hook == RELAIS_HOOK_LANE || hook == RELAIS_HOOK_ADMIT;

    end_grant (test);
    shaping->limits = (RelaisLaneLimits){0};
    shaping->max_recipients = 0;
    if (!asked && hook < RELAIS_HOOK_REWRITE)
        return;
    subject->source = shaping->source;
    subject->pool = shaping->pool;
    subject->site = shaping->site;
    subject->provider = shaping->provider;
    if (hook != RELAIS_HOOK_LANE) {
        subject->klass = shaping->klass;
        subject->campaign = shaping->campaign;
    } else {
        subject->tenant = NULL;
    }
    if (asked) {
        subject->n_connections = shaping->n_connections;
        subject->grant = shaping->grant = relais_grant_new ();
    }
    if (hook != RELAIS_HOOK_RESULT)
        return;
    subject->outcome = shaping->outcome;
    subject->phase = shaping->phase;
    subject->internal = shaping->code == 0;
    subject->reply_code = (guint16)shaping->code;
    subject->reply_enhanced = shaping->enhanced;
    subject->reply_text = shaping->text;
}

void
relais_test_shaping_end (RelaisTest *test)
{
    RelaisTestShaping *shaping = &test->shaping;

    (void)relais_grant_get_limits (shaping->grant, &shaping->limits);
    shaping->max_recipients = relais_grant_get_max_recipients (shaping->grant);
    if (test->result.verdict != RELAIS_VERDICT_CONTINUE)
        end_grant (test);
}

/* --- What came of it ---------------------------------------------------------------------------- */

gint64
relais_test_get_wait (const RelaisTest *test, RelaisWaitScope *scope, const gchar **reason)
{
    *scope = test->result.wait_scope;
    *reason = test->result.wait_reason;
    return test->result.wait_until_us;
}

void
relais_test_get_lane_limits (const RelaisTest *test, RelaisLaneLimits *limits)
{
    *limits = test->shaping.limits;
    limits->struct_size = sizeof *limits;
}

guint32
relais_test_get_max_recipients (const RelaisTest *test)
{
    return test->shaping.max_recipients;
}

gboolean
relais_test_step_reservation (RelaisTest *test, RelaisReservationStep step, guint32 n)
{
    RelaisTestShaping *shaping = &test->shaping;

    if (shaping->grant == NULL)
        return FALSE;
    if (step == RELAIS_RESERVATION_RETURNED || step == RELAIS_RESERVATION_ENDED ||
        (step == RELAIS_RESERVATION_USED && test->hook == RELAIS_HOOK_ADMIT))
        relais_grant_end (g_steal_pointer (&shaping->grant), step, n);
    else
        relais_grant_tell (shaping->grant, step, n);
    return TRUE;
}

guint32
relais_test_n_wakes (const RelaisTest *test)
{
    return test->shaping.n_wakes;
}

const gchar *
relais_test_get_source_reason (const RelaisTest *test, const gchar *source)
{
    return relais_host_source_reason (test->host, source);
}

gchar *
relais_test_take_notice (RelaisTest *test)
{
    return g_steal_pointer (&test->shaping.notice);
}
