/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The spool as a program, for tests/fault: reads commands from standard input, answers each on
 * standard output in the manner of SMTP.
 *
 *   spool-driver DIR PROBE_MS
 *   accept SIZE   "250 ID" once the message is safe, else "451" or "452" and why
 *   lazy          an outcome (DONE of the message accepted last): "250 ID" once it is safe
 *   stopped       "250 stopped" or "250 running"
 *   list          "250 " and the ids of what recovery found at start
 *   refusal       "250" or what relais_spool_refusal () says
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

typedef struct {
    Fixture f;
    GString *found;
    guint64 last;
    guint seed;
} Driver;

static void answer (const char *format, ...) G_GNUC_PRINTF (1, 2);
static void
answer (const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    line = g_strconcat (text, "\n", NULL);
    if (write (STDOUT_FILENO, line, strlen (line)) < 0)
        exit (1);
}

static void
answer_synced (gpointer data, const GError *error)
{
    guint64 *id = data;

    if (error == NULL)
        answer ("250 %" G_GUINT64_FORMAT, *id);
    else
        answer ("%s %s", error->code == RELAIS_SPOOL_ERROR_IO ? "451" : "452", error->message);
    *id = 0;
}

static void
submit_and_wait (Driver *driver, RelaisGroup *group, RelaisGroupUrgency urgency, guint64 id)
{
    relais_group_submit (group, urgency, NULL, answer_synced, &id);
    while (id != 0)
        relais_loop_turn (driver->f.loop, true);
}

static void
accept_one (Driver *driver, gsize size)
{
    g_autoptr (RelaisMessage) message = fixture_message (&driver->f, ++driver->seed);
    g_autoptr (GBytes) body = fixture_body (driver->seed, size);
    RelaisGroup *group = relais_group_new (driver->f.spool);

    driver->last = message->id;
    relais_group_add_message (group, message, fixture_draft (&driver->f, body));
    submit_and_wait (driver, group, RELAIS_GROUP_URGENT, message->id);
}

static void
finish_one (Driver *driver)
{
    RelaisGroup *group = relais_group_new (driver->f.spool);

    relais_group_add_done (group, driver->last);
    submit_and_wait (driver, group, RELAIS_GROUP_LAZY, driver->last);
}

static void
obey (Driver *driver, char *line)
{
    const GError *refusal;

    if (g_str_has_prefix (line, "accept "))
        accept_one (driver, (gsize)g_ascii_strtoull (line + 7, NULL, 10));
    else if (strcmp (line, "lazy") == 0)
        finish_one (driver);
    else if (strcmp (line, "stopped") == 0)
        answer ("250 %s", relais_spool_is_stopped (driver->f.spool) ? "stopped" : "running");
    else if (strcmp (line, "list") == 0)
        answer ("250 %s", driver->found->str);
    else if (strcmp (line, "refusal") == 0) {
        refusal = relais_spool_refusal (driver->f.spool, 0);
        answer ("%s", refusal == NULL ? "250 none" : refusal->message);
    } else
        answer ("500 what is \"%s\"?", line);
}

static void
note_found (gpointer data, RelaisMessage *message)
{
    g_string_append_printf (data, "%" G_GUINT64_FORMAT " ", message->id);
}

int
main (int argc, char **argv)
{
    Driver driver = {.found = g_string_new (NULL)};
    char line[256];

    if (argc < 3)
        return 2;
    fixture_allow_warnings ();
    fixture_init (&driver.f);
    g_free (driver.f.spool_dir);
    driver.f.spool_dir = g_strdup (argv[1]);
    driver.f.options.probe_us = g_ascii_strtoll (argv[2], NULL, 10) * 1000;
    fixture_open (&driver.f);
    relais_spool_recover (driver.f.spool, note_found, driver.found);
    answer ("220 ready");
    while (fgets (line, sizeof line, stdin) != NULL) {
        g_strchomp (line);
        obey (&driver, line);
    }
    g_string_free (driver.found, TRUE);
    fixture_clear (&driver.f);
    return 0;
}
