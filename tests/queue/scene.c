/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The scene of the queue's tests.
 */
#include "config.h"

#include "scene.h"

#include <string.h>

#define CONF                                                                                       \
    "[route sink]\nhost = 127.0.0.1\nport = %u\ntls = none\ndomains = *.rcpt.test\n"               \
    "[queue]\nsmtp_port = %u\ntls = none\nsleep_first = 1m\n"                                      \
    "[class transactional]\nretry = 5m 10m\nlifetime = 2d\n"                                       \
    "[class bulk]\nretry = 5m 10m\nlifetime = 2d\n"

/* The sink needs the loop and the configuration the sink's port: the port is found first. */
void
test_open (Test *test, const char *more)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    Sink *first = sink_new (loop, "127.0.0.1", 0);
    guint16 port = first->port;
    g_autofree char *conf = g_strdup_printf (CONF, port, port);
    g_autofree char *digits = g_strdup_printf ("%u", port);
    GString *text;

    sink_free (first);
    text = g_string_new (conf);
    g_string_append (text, more);
    g_string_replace (text, "@PORT@", digits, 0);
    test->conf = g_string_free (text, FALSE);
    fixture_open (&test->fixture, test->conf);
    test->sink = sink_new (test->fixture.loop, "127.0.0.1", port);
}

void
test_close (Test *test)
{
    fixture_check (&test->fixture);
    sink_free (test->sink);
    fixture_close (&test->fixture);
    g_free (test->conf);
}

void
restart (Test *test, gint64 away_us)
{
    guint16 port = test->sink->port;

    sink_free (test->sink);
    fixture_restart (&test->fixture, test->conf, away_us);
    test->sink = sink_new (test->fixture.loop, "127.0.0.1", port);
}

RelaisQueueFigures
figures (Test *test)
{
    RelaisQueueFigures figures;

    relais_queue_figures (test->fixture.queue, &figures);
    return figures;
}

const char *
by_rules (gpointer data, Sink *sink, const char *line)
{
    for (Rule *rule = data; rule->line != NULL; rule++) {
        if (!g_str_has_prefix (line, rule->line) &&
            !(rule->line[0] == '<' && strstr (line, rule->line) != NULL))
            continue;
        if (rule->n == 0 || rule->n-- > 1)
            return rule->answer;
        rule->line = "(used up)";
        return rule->answer;
    }
    return NULL;
}
