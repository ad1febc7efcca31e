/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: mail that is queued follows the routing that a reload brings, wherever it lies: waiting, due behind hosts
 * that sleep or a lane that is held, being sent, held by an operator. What a reload leaves alone stays as it is.
 */
#include "config.h"

#include "scene.h"

#include "queue/connection-private.h"
#include "queue/destination-private.h"
#include "queue/reroute-private.h"
#include "queue/verbs-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* *.rcpt.test goes to the scene's own sink, as does moved.test at first; then there is another. */
typedef struct {
    Test test;
    Sink *other;
} World;

static const char MOVED[] = "[route moved]\nhost = 127.0.0.1\nport = @PORT@\ntls = none\n"
                            "domains = moved.test *.moved.test\nconnections = 1\n";

static void
open_world (World *world, const char *conf)
{
    test_open (&world->test, conf);
    world->other = sink_new (world->test.fixture.loop, "127.0.0.1", 0);
}

static void
close_world (World *world)
{
    sink_free (world->other);
    test_close (&world->test);
}

/* @OTHER@ is the other sink's port. */
static void
reload (World *world, const char *more)
{
    g_autofree char *port = g_strdup_printf ("%u", world->other->port);
    GString *text = g_string_new (more);

    g_string_replace (text, "@OTHER@", port, 0);
    fixture_reload (&world->test.fixture, text->str);
    g_string_free (text, TRUE);
}

static void
move (World *world)
{
    reload (world, "[route moved]\nport = @OTHER@\n");
    fixture_settle (&world->test.fixture);
    fixture_check (&world->test.fixture);
}

static void
mail (World *world, const char *recipient)
{
    fixture_mail (&world->test.fixture, recipient);
    fixture_settle (&world->test.fixture);
}

static void
check_sinks (const World *world, guint n, guint n_other)
{
    g_assert_cmpuint (world->test.sink->messages->len, ==, n);
    g_assert_cmpuint (world->other->messages->len, ==, n_other);
    g_assert_cmpuint (fixture_count (&world->test.fixture, "delivered"), ==, n + n_other);
}

static void
test_waiting (void)
{
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    World world;

    open_world (&world, MOVED);
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    mail (&world, "x@moved.test");
    mail (&world, "x@a.rcpt.test");
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 2);
    move (&world);
    check_sinks (&world, 0, 1);
    g_assert_cmpuint (figures (&world.test).deliveries, ==,
                      1); /* of the route that was left alone */
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 2);
    close_world (&world);
}

/* All but the first wait until the hosts that sleep are tried again. */
static void
test_due (void)
{
    Rule rules[] = {{"CONNECT", "!", 0}, {NULL, NULL, 0}};
    World world;

    open_world (&world, MOVED);
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    for (guint i = 0; i < 5; i++)
        fixture_mail (&world.test.fixture, "x@moved.test");
    fixture_settle (&world.test.fixture);
    g_assert_cmpuint (figures (&world.test).due, >, 0);
    move (&world);
    check_sinks (&world, 0, 5);
    close_world (&world);
}

static RelaisFlow *
only_flow (World *world)
{
    const RelaisQueue *queue = world->test.fixture.queue;

    for (guint i = 0; i < queue->flow_table->len; i++)
        if (queue->flow_table->pdata[i] != NULL)
            return queue->flow_table->pdata[i];
    return NULL;
}

/* A lane that modules hold back holds nothing of another route's. */
static void
test_held_lane (void)
{
    World world;
    gint64 until_us;

    open_world (&world, MOVED);
    mail (&world, "x@moved.test");
    until_us = relais_loop_now_us (world.test.fixture.loop) + RELAIS_USEC_PER_HOUR;
    relais_hold_begin (&only_flow (&world)->strands[0].lane->order.hold, until_us,
                       g_strdup ("a test"));
    mail (&world, "x@moved.test");
    check_sinks (&world, 1, 0);
    g_assert_cmpuint (figures (&world.test).due, ==, 1);
    move (&world);
    check_sinks (&world, 1, 1);
    close_world (&world);
}

/* What is being sent is sent; the connection takes no more of it, nor does its place count for the new route, which may
 * have one connection. */
static void
test_sending (void)
{
    World world;

    open_world (&world, MOVED);
    world.test.sink->hold = true;
    for (guint i = 0; i < 3; i++)
        fixture_mail (&world.test.fixture, "x@moved.test");
    fixture_settle (&world.test.fixture);
    g_assert_cmpuint (sink_held (world.test.sink), ==, 1);
    move (&world);
    check_sinks (&world, 0, 2);
    g_assert_cmpuint (sink_held (world.test.sink), ==, 1);
    g_assert_cmpuint (sink_release (world.test.sink, 1), ==, 1);
    fixture_settle (&world.test.fixture);
    check_sinks (&world, 1, 2);
    g_assert_cmpuint (world.test.sink->open, ==, 0);
    g_assert_cmpuint (figures (&world.test).deliveries, ==, 0);
    close_world (&world);
}

/* The last that the old next hop says of it is "later": the new one is asked at once. */
static void
test_sending_fails (void)
{
    Rule rules[] = {{".", "451 4.3.0 later", 0}, {NULL, NULL, 0}};
    World world;

    open_world (&world, MOVED);
    world.test.sink->hold = true;
    mail (&world, "x@moved.test");
    move (&world);
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    g_assert_cmpuint (sink_release (world.test.sink, 1), ==, 1);
    fixture_settle (&world.test.fixture);
    check_sinks (&world, 0, 1);
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 1);
    close_world (&world);
}

/* Nothing of it was sent: it does not wait for the end of that. */
static void
test_opening (void)
{
    Rule rules[] = {{"CONNECT", "", 0}, {NULL, NULL, 0}};
    World world;

    open_world (&world, MOVED);
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    mail (&world, "x@moved.test");
    g_assert_cmpuint (figures (&world.test).active, ==, 1);
    move (&world);
    check_sinks (&world, 0, 1);
    g_assert_cmpuint (world.test.sink->open, ==, 0);
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 0);
    close_world (&world);
}

/* The same where the old way stays, for others: no route's, so that its lane does not end. */
static void
test_opening_at_mx (void)
{
    Rule rules[] = {{"CONNECT", "", 1}, {NULL, NULL, 0}};
    World world;

    open_world (&world, "");
    fake_dns_set ("moved.test", "mx.test=127.0.0.1");
    fake_dns_set ("stays.test", "mx.test=127.0.0.1");
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    mail (&world, "x@moved.test");
    g_assert_cmpuint (figures (&world.test).active, ==, 1);
    reload (&world,
            "[route moved]\nhost = 127.0.0.1\nport = @OTHER@\ntls = none\ndomains = moved.test\n");
    fixture_settle (&world.test.fixture);
    check_sinks (&world, 0, 1);
    mail (&world, "x@stays.test");
    check_sinks (&world, 1, 1);
    close_world (&world);
}

static void
on_applied (gpointer data, guint64 n, guint64 n_waiting)
{
    g_assert_cmpuint (n, ==, 1);
}

static void
apply (World *world, RelaisVerb verb)
{
    const RelaisSelection all = {0};

    relais_queue_apply (world->test.fixture.queue, verb, &all, on_applied, NULL);
    fixture_settle (&world->test.fixture);
}

static void
test_held (void)
{
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    World world;

    open_world (&world, MOVED);
    world.test.sink->answer = by_rules;
    world.test.sink->data = rules;
    mail (&world, "x@moved.test");
    apply (&world, RELAIS_VERB_HOLD);
    g_assert_cmpuint (figures (&world.test).held, ==, 1);
    move (&world);
    check_sinks (&world, 0, 0);
    g_assert_cmpuint (figures (&world.test).held, ==, 1);
    apply (&world, RELAIS_VERB_RELEASE);
    check_sinks (&world, 0, 1);
    close_world (&world);
}

static void
test_idle_connection (void)
{
    World world;

    open_world (&world, MOVED);
    mail (&world, "x@moved.test");
    mail (&world, "x@a.rcpt.test");
    g_assert_cmpuint (world.test.sink->open, ==, 2);
    move (&world);
    g_assert_cmpuint (world.test.sink->open, ==, 1);
    mail (&world, "x@moved.test");
    mail (&world, "x@a.rcpt.test");
    check_sinks (&world, 3, 1);
    g_assert_cmpuint (world.test.sink->accepted, ==, 2); /* the one that was left alone */
    close_world (&world);
}

/* From the MX to a route, to an inbound route, and back. */
static void
test_to_and_fro (void)
{
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 2}, {NULL, NULL, 0}};
    World world;

    open_world (&world, "");
    fake_dns_set ("moved.test", "mx.test=127.0.0.1");
    world.test.sink->answer = world.other->answer = by_rules;
    world.test.sink->data = world.other->data = rules;
    mail (&world, "x@moved.test");
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 1);
    reload (&world, "[route in]\nhost = 127.0.0.1\nport = @OTHER@\ntls = none\n"
                    "[domain moved.test]\ninbound = in\n");
    fixture_settle (&world.test.fixture);
    fixture_check (&world.test.fixture);
    g_assert_cmpuint (fixture_count (&world.test.fixture, "deferred"), ==, 2);
    g_assert_nonnull (strstr (fixture_last (&world.test.fixture, "deferred"), "\"route:in\""));
    reload (&world, "");
    fixture_settle (&world.test.fixture);
    fixture_check (&world.test.fixture);
    check_sinks (&world, 1, 0);
    g_assert_nonnull (strstr (fixture_last (&world.test.fixture, "delivered"), "\"mx.test\""));
    /* What is of no use any more goes. */
    fixture_advance (&world.test.fixture, 2 * RELAIS_USEC_PER_MIN);
    fixture_settle (&world.test.fixture);
    fixture_advance (&world.test.fixture, 2 * RELAIS_USEC_PER_MIN);
    fixture_settle (&world.test.fixture);
    g_assert_cmpuint (g_hash_table_size (world.test.fixture.queue->destinations), ==, 0);
    g_assert_cmpuint (figures (&world.test).flows, ==, 0);
    g_assert_cmpuint (figures (&world.test).lanes, ==, 0);
    close_world (&world);
}

/* --- Which routes are the same -------------------------------------------------------------------- */

static RelaisStaticRoute *
route_of (const World *world, const char *domain)
{
    return relais_queue_settings_route (&world->test.fixture.queue->settings, domain);
}

static void
check_route (const World *world, const char *domain, const char *name)
{
    const RelaisStaticRoute *route = route_of (world, domain);

    g_assert_cmpstr (route != NULL ? route->name : NULL, ==, name);
}

/* Mail for what stands below a domain of ours goes its inbound way, as it was taken in for it, unless the domain
 * itself or something closer is named. */
static void
test_own_patterns (void)
{
    World world;

    open_world (&world, "[route in]\nhost = 127.0.0.1\nport = @PORT@\ntls = none\n"
                        "[route other]\nhost = 127.0.0.1\nport = @PORT@\n"
                        "domains = far.own.test *.deep.own.test *.own.test *\n"
                        "[domain *.Own.test]\ninbound = in\n"
                        "[domain near.own.test]\ninbound = other\n"
                        "[domain *.b\u00fccher.test]\ninbound = in\n");
    check_route (&world, "a.own.test", "in");
    check_route (&world, "a.b.own.test", "in");
    check_route (&world, "own.test", "other");
    check_route (&world, "near.own.test", "other");
    check_route (&world, "below.near.own.test", "in");
    check_route (&world, "far.own.test", "other");
    check_route (&world, "a.deep.own.test", "other");
    check_route (&world, "deep.own.test", "in");
    check_route (&world, "notown.test", "other");
    check_route (&world, "a.xn--bcher-kva.test", "in");
    mail (&world, "x@a.own.test");
    g_assert_nonnull (strstr (fixture_last (&world.test.fixture, "delivered"), "\"route:in\""));
    reload (&world, "");
    check_route (&world, "a.own.test", "in");
    close_world (&world);
}

static void
write_credentials (const char *path, const char *password)
{
    g_autofree char *text = g_strdup_printf ("ann\n%s\n", password);

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    g_assert_no_errno (g_chmod (path, 0600));
}

/* A route is another if its way is, files included; limits and patterns are not of it. */
static void
test_same_routes (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-reroute-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "login", NULL);
    g_autofree char *more = g_strdup_printf ("[route moved]\nauth_file = %s\n", path);
    RelaisStaticRoute *route;
    World world;
    guint routing;

    write_credentials (path, "one");
    open_world (&world, MOVED);
    reload (&world, more);
    fixture_settle (&world.test.fixture);
    route = relais_static_route_ref (route_of (&world, "moved.test"));
    routing = world.test.fixture.queue->routing;

    reload (&world, more);
    g_assert_true (route_of (&world, "moved.test") == route);
    g_assert_cmpuint (world.test.fixture.queue->routing, ==, routing);
    more = (g_free (more), g_strdup_printf ("[route moved]\nauth_file = %s\nconnections = 7\n"
                                            "domains = elsewhere.test\n",
                                            path));
    reload (&world, more);
    g_assert_true (route_of (&world, "elsewhere.test") == route);
    g_assert_cmpuint (route->connections, ==, 7);
    g_assert_null (route_of (&world, "moved.test"));
    g_assert_cmpuint (world.test.fixture.queue->routing, ==, routing + 1);
    g_assert_false (route->gone);

    write_credentials (path, "two");
    reload (&world, more);
    g_assert_true (route->gone);
    g_assert_false (route_of (&world, "elsewhere.test") == route);
    g_assert_cmpstr (route->credentials->password, ==, "one");
    fixture_settle (&world.test.fixture);
    relais_static_route_unref (route);
    close_world (&world);
    g_unlink (path);
    g_rmdir (dir);
}

/* --- Growth ----------------------------------------------------------------------------------------- */

enum { MANY = 10000 };

/* As if each had been tried. */
static void
make_wait (World *world)
{
    RelaisQueue *queue = world->test.fixture.queue;
    RelaisFlow *flow = only_flow (world);
    const gint64 due_us = relais_loop_now_us (world->test.fixture.loop) + RELAIS_USEC_PER_HOUR;

    while (flow->due[0].n > 0) {
        guint32 number = flow->due[0].head;

        relais_flow_remove (flow, number);
        relais_flow_put_waiting (flow, number, due_us);
    }
    g_assert_cmpuint (queue->records.deliveries.used, ==, MANY);
}

static void
test_many (void)
{
    const char *recipients[] = {"x@moved.test", NULL};
    const Mail one = {.sender = "a@sender.test", .recipients = recipients};
    World world;
    RelaisQueue *queue;
    guint turns = 0;

    open_world (&world, "");
    fake_dns_set ("moved.test", "4.4.3 no answer");
    fixture_submit_many (&world.test.fixture, MANY, &one);
    fixture_settle (&world.test.fixture);
    make_wait (&world);
    queue = world.test.fixture.queue;

    /* Nothing is looked at for a reload that leaves routes alone. */
    guint64 before = queue->steps;
    reload (&world, "[queue]\nconnections = 3\n");
    fixture_settle (&world.test.fixture);
    g_assert_cmpuint (queue->steps, ==, before);

    reload (&world,
            "[route moved]\nhost = 127.0.0.1\nport = @OTHER@\ntls = none\ndomains = moved.test\n");
    while (queue->next_rerouted != 0) {
        before = queue->steps;
        relais_loop_turn (world.test.fixture.loop, false);
        if (queue->next_rerouted == 0)
            break;
        g_assert_cmpuint (queue->steps - before, <=, RELAIS_REROUTE_STEPS + 2);
        g_assert_cmpuint (figures (&world.test).active, ==, 0); /* nothing new goes meanwhile */
        turns++;
    }
    g_assert_cmpuint (turns, >=, 2 * MANY / RELAIS_REROUTE_STEPS - 1);
    g_assert_cmpuint (figures (&world.test).due, ==, MANY);
    fixture_until_messages (&world.test.fixture, world.other, 20);
    fixture_check (&world.test.fixture);
    close_world (&world);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/reroute/waiting", test_waiting);
    g_test_add_func ("/queue/reroute/due", test_due);
    g_test_add_func ("/queue/reroute/held-lane", test_held_lane);
    g_test_add_func ("/queue/reroute/sending", test_sending);
    g_test_add_func ("/queue/reroute/sending-fails", test_sending_fails);
    g_test_add_func ("/queue/reroute/opening", test_opening);
    g_test_add_func ("/queue/reroute/opening-at-mx", test_opening_at_mx);
    g_test_add_func ("/queue/reroute/held", test_held);
    g_test_add_func ("/queue/reroute/idle-connection", test_idle_connection);
    g_test_add_func ("/queue/reroute/to-and-fro", test_to_and_fro);
    g_test_add_func ("/queue/reroute/own-patterns", test_own_patterns);
    g_test_add_func ("/queue/reroute/same-routes", test_same_routes);
    g_test_add_func ("/queue/reroute/many", test_many);
    return g_test_run ();
}
