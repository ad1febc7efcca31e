/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dns check [DOMAIN]`: our addresses' names, where answers to our domains' mail would go, and what each
 * module has to say of a domain: every command WORD test DOMAIN is run, and its rows are taken in. One step after the
 * other. Loop thread; a check ends with its last step, or with the daemon.
 */
#include "config.h"

#include "dns-check-private.h"

#include "conf/net-private.h"
#include "control/call-private.h"
#include "control/wire-private.h"
#include "dns/ptr-check-private.h"
#include "message/address-private.h"
#include "message/domain-set-private.h"
#include "queue/source-private.h"

#include <glib/gi18n-lib.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

typedef struct Check Check;
typedef struct Step Step;

/* One step: an address, a domain's MX, or a module's test of a domain. */
struct Step {
    void (*run) (Check *check, const Step *step);
    char *about; /* the source's name, or the domain */
    char *helo;
    struct sockaddr_storage address;
    const RelaisCommand *command;
    bool is_authors; /* mail is From that domain */
};

struct Check {
    RelaisDnsCheck *parts;
    RelaisCommandCall *call;
    RelaisDomainSet *authors; /* what tenants may send mail From */
    GPtrArray *steps;         /* Step */
    guint next;
    guint n_found, n_bad;
    RelaisPtrCheck *ptr;
    RelaisMailLookup *mail;
    RelaisCommandCall *test; /* a module's, under way */
    guint test_rows;
    GList place;
};

static void go_on (Check *check);

static void
step_free (gpointer data)
{
    Step *step = data;

    g_free (step->about);
    g_free (step->helo);
    g_free (step);
}

static const Step *
current (const Check *check)
{
    return g_ptr_array_index (check->steps, check->next);
}

static void
check_free (Check *check)
{
    g_queue_unlink (&check->parts->running, &check->place);
    relais_ptr_check_free (check->ptr);
    relais_dns_cancel_mail (check->mail);
    if (check->test != NULL)
        relais_call_abandon (check->test);
    relais_call_unref (check->test);
    g_ptr_array_unref (check->steps);
    relais_domain_set_free (check->authors);
    g_free (check);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static bool
is_good (const char *state)
{
    return g_str_equal (state, "good") || g_str_equal (state, "published");
}

/* In words, and whole: a table has no room for it. */
static void
explain (Check *check, const RelaisDnsFinding *finding)
{
    g_autoptr (GString) text = g_string_new (NULL);

    g_string_append_printf (text, "%s, %s: %s", finding->about, finding->check, finding->state);
    if (finding->reason != NULL)
        g_string_append_printf (text, ": %s", finding->reason);
    if (finding->publish != NULL)
        g_string_append_printf (text, _ ("\n  publish at %s: %s"),
                                finding->name != NULL ? finding->name : finding->about,
                                finding->publish);
    relais_command_note (check->call, text->str);
}

static void
put (Check *check, const RelaisDnsFinding *finding)
{
    RelaisCommandCall *call = check->call;

    relais_command_put (call, "about", finding->about);
    relais_command_put (call, "check", finding->check);
    relais_command_put (call, "state", finding->state);
    relais_command_put (call, "name", finding->name);
    relais_command_put (call, "reason", finding->reason);
    relais_command_put (call, "publish", finding->publish);
    relais_command_end_row (call);
    check->n_found++;
    check->n_bad += !is_good (finding->state);
    if (!is_good (finding->state) || finding->reason != NULL)
        explain (check, finding);
}

static void
finish (Check *check)
{
    RelaisCommandCall *call = check->call;
    const guint n_bad = check->n_bad, n_found = check->n_found;
    g_autofree char *text = NULL;

    check_free (check);
    if (n_bad == 0) {
        relais_command_finish (call);
        return;
    }
    text = g_strdup_printf (_ ("%u of %u are not as they should be"), n_bad, n_found);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, text);
}

/* The step is over. */
static void
step_done (Check *check)
{
    check->next++;
    go_on (check);
}

/* --- An address ------------------------------------------------------------------------------- */

static void
on_ptr_finding (gpointer data, const RelaisDnsFinding *finding)
{
    Check *check = data;

    if (finding != NULL) {
        put (check, finding);
        return;
    }
    check->ptr = NULL;
    step_done (check);
}

static void
run_address (Check *check, const Step *step)
{

    check->ptr =
        relais_ptr_check_new (check->parts->dns, step->about, step->helo,
                              (const struct sockaddr *)&step->address, on_ptr_finding, check);
}

/* --- Where answers go ------------------------------------------------------------------------- */

static void
on_mail (gpointer data, RelaisMailRoute *route)
{
    Check *check = data;
    const char *domain = current (check)->about;
    RelaisDnsFinding finding = {
        .about = domain, .check = "mx", .state = "good", .name = domain, .reason = route->text};

    check->mail = NULL;
    if (route->outcome == RELAIS_ROUTE_TEMPORARY)
        finding.state = "unknown";
    else if (route->outcome == RELAIS_ROUTE_PERMANENT)
        finding.state = g_str_equal (route->enhanced, "5.4.6") ? "different" : "missing";
    else if (route->implicit_mx)
        finding.reason = _ ("it has no MX record: mail to it goes to its own address");
    put (check, &finding);
    relais_mail_route_free (route);
    step_done (check);
}

static void
run_mail (Check *check, const Step *step)
{
    check->mail = relais_dns_lookup_mail (check->parts->dns, step->about, on_mail, check);
}

/* --- A module's test -------------------------------------------------------------------------- */

static void
on_test_line (gpointer data, const char *line, gsize size)
{
    Check *check = data;
    const Step *step = current (check);
    JsonObject *object = relais_wire_parse (line, size > 0 ? size - 1 : 0);
    JsonObject *row = object != NULL ? relais_wire_get_object (object, "row") : NULL;
    const char *state = row != NULL ? relais_wire_get_string (row, "state") : NULL;

    if (state != NULL) {
        const RelaisDnsFinding finding = {step->about,
                                          step->command->word,
                                          state,
                                          relais_wire_get_string (row, "name"),
                                          relais_wire_get_string (row, "reason"),
                                          relais_wire_get_string (row, "publish")};

        put (check, &finding);
        check->test_rows++;
    }
    g_clear_pointer (&object, json_object_unref);
}

/* A test that says nothing but why it did not come to anything: that is for domains which mail is From. */
static void
on_test_ended (gpointer data, int status, const char *text)
{
    Check *check = data;
    const Step *step = current (check);

    if (status != RELAIS_EXIT_DONE && check->test_rows == 0 && step->is_authors) {
        const RelaisDnsFinding finding = {
            step->about, step->command->word, "not tested", step->about, text, NULL};

        put (check, &finding);
    }
    g_clear_pointer (&check->test, relais_call_unref);
    step_done (check);
}

static bool
is_full (gpointer data)
{
    return relais_command_is_full (((Check *)data)->call);
}

static void
wait_for_room (gpointer data)
{
    relais_call_resume_later (((Check *)data)->test);
}

static void
run_test (Check *check, const Step *step)
{
    static const RelaisCallSink sink = {
        .line = on_test_line, .is_full = is_full, .wait = wait_for_room, .ended = on_test_ended};
    RelaisCommands *commands = check->parts->commands;
    RelaisCommandCall *test;
    gpointer command_data;

    (void)relais_commands_find (commands, step->command->word, step->command->verb, &command_data);
    check->test_rows = 0;
    test = relais_call_new (step->command, relais_command_config (check->call), check->parts->loop);
    check->test = relais_call_ref (test);
    relais_call_set_owner (test, relais_commands_owner (commands, step->command));
    relais_call_add_arg (test, step->about);
    relais_call_run (test, command_data, &sink, check);
    relais_call_unref (test);
}

/* --- The walk --------------------------------------------------------------------------------- */

static void
go_on (Check *check)
{
    const Step *step;

    if (check->next == check->steps->len || relais_command_is_abandoned (check->call)) {
        finish (check);
        return;
    }
    relais_command_progress (check->call, check->next, check->steps->len);
    step = current (check);
    step->run (check, step);
}

static Step *
add_step (Check *check, void (*run) (Check *check, const Step *step), const char *about)
{
    Step *step = g_new0 (Step, 1);

    step->run = run;
    step->about = g_strdup (about);
    g_ptr_array_add (check->steps, step);
    return step;
}

typedef struct {
    Check *check;
    const char *domain;
    bool is_authors;
} Tested;

static void
add_test (gpointer data, const RelaisCommand *command)
{
    const Tested *tested = data;
    Step *step;

    if (g_strcmp0 (command->verb, "test") != 0 || command->kind != RELAIS_COMMAND_ONLINE ||
        command->usage == NULL || !g_str_has_prefix (command->usage, "DOMAIN"))
        return;
    step = add_step (tested->check, run_test, tested->domain);
    step->command = command;
    step->is_authors = tested->is_authors;
}

static void
add_domain (Check *check, const char *domain)
{
    Tested tested = {check, domain, relais_domain_set_has (check->authors, domain)};

    add_step (check, run_mail, domain);
    relais_commands_each (check->parts->commands, add_test, &tested);
}

static RelaisDomainSet *
read_authors (RelaisConfig *config)
{
    RelaisDomainSet *authors = relais_domain_set_new ();

    for (guint i = 0; i < relais_config_n_sections (config, "tenant"); i++) {
        const gchar *const *domains =
            relais_section_get_list (relais_config_nth_section (config, "tenant", i), "domains");

        for (; *domains != NULL; domains++)
            (void)relais_domain_set_add (authors, *domains);
    }
    return authors;
}

/* Adds a domain of the configuration once; what stands for all below a name is none itself. */
static void
add_once (Check *check, GHashTable *seen, const char *text)
{
    char *domain = relais_domain_normalise (text, strlen (text));

    if (domain != NULL && g_hash_table_add (seen, domain))
        add_domain (check, domain);
}

/* Those that mail is From, and those that mail comes back to. */
static void
add_domains (Check *check, RelaisConfig *config)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < relais_config_n_sections (config, "tenant"); i++) {
        const gchar *const *domains =
            relais_section_get_list (relais_config_nth_section (config, "tenant", i), "domains");

        for (; *domains != NULL; domains++)
            add_once (check, seen, *domains);
    }
    for (guint i = 0; i < relais_config_n_sections (config, "domain"); i++)
        add_once (check, seen,
                  relais_section_get_name (relais_config_nth_section (config, "domain", i)));
}

/* --- Our addresses ---------------------------------------------------------------------------- */

/* The address that the machine's routing would send from to the public network; false if there is no way. No packet
 * leaves. */
static bool
find_own_address (sa_family_t family, struct sockaddr_storage *address)
{
    socklen_t size;
    const int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Any of the public network: those of the root name server A. */
    bool found = fd >= 0 &&
                 relais_address_from_text (family == AF_INET ? "198.41.0.4" : "2001:503:ba3e::2:30",
                                           53, address, &size) &&
                 connect (fd, (const struct sockaddr *)address, size) == 0 &&
                 getsockname (fd, (struct sockaddr *)address, &size) == 0;

    if (fd >= 0)
        close (fd);
    return found;
}

static void
add_address (Check *check, const RelaisSource *source, const struct sockaddr_storage *address)
{
    Step *step = add_step (check, run_address, source->name);

    step->helo = g_strdup (source->helo);
    step->address = *address;
}

static void
add_source (gpointer data, const RelaisSource *source)
{
    Check *check = data;
    struct sockaddr_storage address;

    if (source->size4 > 0)
        add_address (check, source, &source->address4);
    if (source->size6 > 0)
        add_address (check, source, &source->address6);
    if (source->size4 > 0 || source->size6 > 0)
        return;
    if (find_own_address (AF_INET, &address))
        add_address (check, source, &address);
    if (find_own_address (AF_INET6, &address))
        add_address (check, source, &address);
}

/* --- The command ------------------------------------------------------------------------------ */

static void
dns_check (RelaisCommandCall *call, gpointer data)
{
    RelaisDnsCheck *parts = data;
    const char *word = relais_command_arg (call, 0);
    g_autofree char *domain = word != NULL ? relais_domain_normalise (word, strlen (word)) : NULL;
    Check *check;

    if (relais_command_n_args (call) > 1 || (word != NULL && domain == NULL)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("wanted one DOMAIN, or none for all"));
        return;
    }
    check = g_new0 (Check, 1);
    check->parts = parts;
    check->call = call;
    check->steps = g_ptr_array_new_with_free_func (step_free);
    check->authors = read_authors (relais_command_config (call));
    check->place.data = check;
    g_queue_push_tail_link (&parts->running, &check->place);
    if (domain != NULL) {
        add_domain (check, domain);
    } else {
        relais_sources_each (parts->queue, add_source, check);
        add_domains (check, relais_command_config (call));
    }
    go_on (check);
}

void
relais_dns_check_stop (RelaisDnsCheck *parts)
{
    while (parts->running.length > 0) {
        Check *check = parts->running.head->data;
        RelaisCommandCall *call = check->call;

        check_free (check);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon stops"));
    }
}

static const RelaisCommand commands[] = {
    {"dns", "check", "[DOMAIN]", "",
     N_ ("Look whether the DNS says what our mail needs, and what to publish."),
     RELAIS_COMMAND_ONLINE, 0, dns_check},
};

const RelaisCommand *
relais_dns_check_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
