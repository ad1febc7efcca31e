/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What came of a run: minutes.tsv (a line for each provider, source and virtual minute in which there was
 * something), violations.tsv (each one, up to a number), result.json, and a line of progress.
 */
#include "config.h"

#include "internet.h"

#include <stdio.h>
#include <unistd.h>

static const char *const KINDS[] = {"rate",           "cap",       "connections", "connection_rate",
                                    "per_connection", "recipients"};
G_STATIC_ASSERT (G_N_ELEMENTS (KINDS) == SIM_VIOLATES_RECIPIENTS + 1);

static const char *
source_name (const SimLane *lane)
{
    return lane->source != NULL ? lane->source->name : "other";
}

void
sim_report_minute (Sim *sim, const SimLane *lane)
{
    gint64 any = 0;

    for (guint i = 0; i < SIM_COUNTS; i++)
        any += lane->now[i];
    if (any == 0 || sim->minutes == NULL)
        return;
    fprintf (sim->minutes, "%" G_GINT64_FORMAT "\t%s\t%s", lane->minute, lane->provider->name,
             source_name (lane));
    for (guint i = 0; i < SIM_COUNTS; i++)
        fprintf (sim->minutes, "\t%" G_GINT64_FORMAT, lane->now[i]);
    fputc ('\n', sim->minutes);
}

void
sim_report_violation (Sim *sim, const SimLane *lane, SimViolation kind)
{
    if (sim->n_violations++ < SIM_VIOLATIONS)
        fprintf (sim->violations, "%.6f\t%s\t%s\t%s\n", (double)sim_now_us (sim) / 1e6,
                 lane->provider->name, source_name (lane), KINDS[kind]);
}

void
sim_report_progress (Sim *sim)
{
    g_printerr ("%s%.2f h: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " done, %" G_GINT64_FORMAT
                " in, %" G_GINT64_FORMAT " moves, %.0f s%s",
                isatty (2) ? "\r" : "", (double)sim_now_us (sim) / (double)SIM_HOUR_US, sim->done,
                sim->total, sim->accepted, sim->moves,
                (double)(sim_real_us () - sim->began_real_us) / 1e6, isatty (2) ? "" : "\n");
}

/* --- The result ------------------------------------------------------------------------------- */

static double
seconds (gint64 us)
{
    return us == SIM_NEVER || us < 0 ? -1 : (double)us / 1e6;
}

static void
put_lane (Sim *sim, FILE *file, SimLane *lane, bool first)
{
    sim_lane_roll (sim, lane);
    sim_lane_end_minute (sim, lane);
    if (lane->day_used > 0 && lane->stage < lane->provider->n_caps) {
        lane->cap_sum += lane->provider->caps[lane->stage];
        lane->cap_used += lane->day_used;
    }
    fprintf (
        file,
        "%s\n    {\"source\": \"%s\", \"accepted\": %" G_GINT64_FORMAT
        ", \"deferred\": %" G_GINT64_FORMAT ", \"refused\": %" G_GINT64_FORMAT
        ", \"violations\": %" G_GINT64_FORMAT ", \"connections\": %" G_GINT64_FORMAT
        ", \"blocks\": %" G_GINT64_FORMAT ", \"blocked\": %s, \"worst_hour\": %" G_GINT64_FORMAT
        ", \"last_violation_s\": %.0f, \"stage\": %" G_GINT64_FORMAT
        ", \"cap_sum\": %" G_GINT64_FORMAT ", \"cap_used\": %" G_GINT64_FORMAT ", \"kinds\": {",
        first ? "" : ",", source_name (lane), lane->sum[SIM_COUNT_ACCEPTED],
        lane->sum[SIM_COUNT_DEFERRED], lane->sum[SIM_COUNT_REFUSED],
        lane->sum[SIM_COUNT_VIOLATIONS], lane->sum[SIM_COUNT_CONNECTIONS], lane->blocks,
        lane->blocked_until_us > sim_now_us (sim) ? "true" : "false", lane->worst_hour,
        seconds (lane->last_violation_us), lane->stage, lane->cap_sum, lane->cap_used);
    for (guint i = 0; i < G_N_ELEMENTS (KINDS); i++)
        fprintf (file, "%s\"%s\": %" G_GINT64_FORMAT, i > 0 ? ", " : "", KINDS[i],
                 lane->of_kind[i]);
    fprintf (file, "}}");
}

static void
put_provider (Sim *sim, FILE *file, SimProvider *provider, bool first)
{
    fprintf (file,
             "%s\n  {\"provider\": \"%s\", \"messages\": %" G_GINT64_FORMAT
             ", \"injected\": %" G_GINT64_FORMAT ", \"delivered\": %" G_GINT64_FORMAT
             ", \"refused\": %" G_GINT64_FORMAT ", \"duplicates\": %" G_GINT64_FORMAT
             ", \"foreign\": %" G_GINT64_FORMAT ", \"first_s\": %.3f, \"last_s\": %.3f"
             ", \"ideal_s\": %.3f, \"lanes\": [",
             first ? "" : ",", provider->name, provider->total, provider->injected,
             provider->delivered, provider->refused, provider->duplicates, provider->foreign,
             seconds (provider->first_us), seconds (provider->last_us),
             seconds (provider->ideal_us));
    for (guint i = 0; i <= sim->scenario->sources->len; i++)
        put_lane (sim, file, &provider->lanes[i], i == 0);
    fprintf (file, "]}");
}

void
sim_report (Sim *sim, const char *how)
{
    g_autofree char *path = g_build_filename (sim->out, "result.json", NULL);
    FILE *file = fopen (path, "w");

    if (file == NULL)
        sim_fail ("cannot write %s", path);
    fprintf (file,
             "{\"how\": \"%s\", \"messages\": %" G_GINT64_FORMAT ", \"accepted\": %" G_GINT64_FORMAT
             ", \"broken\": %" G_GINT64_FORMAT ", \"refused_in\": %" G_GINT64_FORMAT
             ", \"done\": %" G_GINT64_FORMAT ", \"moves\": %" G_GINT64_FORMAT
             ", \"impatient\": %" G_GINT64_FORMAT
             ", \"virtual_s\": %.3f, \"finished_s\": %.3f, \"real_s\": %.3f, \"providers\": [",
             how, sim->total, sim->accepted, sim->broken, sim->refused_in, sim->done, sim->moves,
             sim->impatient, seconds (sim_now_us (sim)), seconds (sim->finished_us),
             (double)(sim_real_us () - sim->began_real_us) / 1e6);
    for (guint i = 0; i < sim->scenario->providers->len; i++)
        put_provider (sim, file, g_ptr_array_index (sim->scenario->providers, i), i == 0);
    fprintf (file, "]}\n");
    fclose (file);
    fclose (sim->minutes);
    fclose (sim->violations);
}
