/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening a channel: its address is read, looked up, looked at, and connected to; then TLS. What strangers may
 * have named is judged by the very addresses that would be connected to. Loop thread, but for the TLS
 * context, which a worker makes.
 */
#include "config.h"

#include "module/channel-private.h"

#include "conf/net-private.h"
#include "dns/targets-private.h"

#include <netinet/in.h>
#include <relais/dns.h>
#include <string.h>
#include <sys/un.h>

enum { LOWEST_PORT = 1024 /* that strangers may name, but 443 */ };

/* --- The address -------------------------------------------------------------------------------- */

static bool
parse_port (const char *text, guint16 *port)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned (text, 10, 1, 65535, &number, NULL))
        return false;
    *port = (guint16)number;
    return true;
}

static bool
parse_host (const char *text, ChannelAddress *address)
{
    const bool bracket = text[0] == '[';
    const char *end = bracket ? strchr (text, ']') : strchr (text, ':');

    if (end == NULL || end == text + bracket || (bracket && end[1] != ':') ||
        !parse_port (end + bracket + 1, &address->port))
        return false;
    address->host = g_strndup (text + bracket, (gsize)(end - text) - bracket);
    for (const char *c = address->host; *c != '\0'; c++)
        if (!g_ascii_isgraph (*c) || (!bracket && strchr ("[]/@", *c) != NULL))
            return false;
    return true;
}

bool
relais_channel_address_parse (const char *text, ChannelAddress *address, const char **problem)
{
    *address = (ChannelAddress){0};
    if (g_str_has_prefix (text, "unix:")) {
        *problem = "wanted unix:/PATH of at most 107 octets";
        address->path = g_strdup (text + strlen ("unix:"));
        return address->path[0] == '/' &&
               strlen (address->path) < sizeof ((struct sockaddr_un *)NULL)->sun_path;
    }
    *problem = "wanted HOST:PORT, [ADDRESS]:PORT or unix:/PATH";
    return parse_host (text, address);
}

void
relais_channel_address_clear (ChannelAddress *address)
{
    g_free (address->host);
    g_free (address->path);
    *address = (ChannelAddress){0};
}

/* --- Connecting --------------------------------------------------------------------------------- */

static void connect_next (RelaisChannel *channel);

static void
could_not_connect (RelaisChannel *channel, const GError *error)
{
    g_clear_pointer (&channel->stream, relais_stream_free);
    if (channel->next < channel->n_found)
        connect_next (channel);
    else
        relais_channel_fail (channel, RELAIS_CHANNEL_CONNECT,
                             g_strdup_printf ("%s: %s", channel->name, error->message));
}

/* A failure comes from a later turn, but where there are no sockets left. */
static void
connect_next (RelaisChannel *channel)
{
    const guint n = channel->next++;
    g_autoptr (GError) error = NULL;

    channel->stream = relais_stream_connect (
        channel->module->host->loop, (const struct sockaddr *)&channel->found[n],
        channel->found_size[n], NULL, 0, &relais_channel_callbacks, channel, &error);
    if (channel->stream == NULL)
        could_not_connect (channel, error);
}

static void
connect_path (RelaisChannel *channel)
{
    struct sockaddr_un *peer = (struct sockaddr_un *)&channel->found[0];

    peer->sun_family = AF_UNIX;
    g_strlcpy (peer->sun_path, channel->address.path, sizeof peer->sun_path);
    channel->found_size[0] = sizeof *peer;
    channel->n_found = 1;
    connect_next (channel);
}

/* --- Which addresses ---------------------------------------------------------------------------- */

static bool
may_go_to (const RelaisChannel *channel, const struct sockaddr *address)
{
    return (channel->flags & RELAIS_CHANNEL_TRUSTED) != 0 || relais_address_is_public (address);
}

/* One address that is refused is enough: who mixes them wants one of them to be tried. */
static void
judge_and_connect (RelaisChannel *channel)
{
    for (guint i = 0; i < channel->n_found; i++) {
        const struct sockaddr *address = (const struct sockaddr *)&channel->found[i];
        g_autofree char *text = NULL;

        if (may_go_to (channel, address))
            continue;
        text = relais_address_to_text (address);
        relais_channel_fail (channel, RELAIS_CHANNEL_REFUSED_ADDRESS,
                             g_strdup_printf ("%s has the address %s, which is not a public one",
                                              channel->address.host, text));
        return;
    }
    connect_next (channel);
}

/* Each family has half of the room. */
static void
take_answer (RelaisChannel *channel, const RelaisDnsAnswer *answer)
{
    const RelaisDnsOutcome outcome = relais_dns_answer_get_outcome (answer);
    const guint32 n = relais_dns_answer_n_records (answer);

    if (outcome == RELAIS_DNS_TEMPORARY || outcome == RELAIS_DNS_BOGUS)
        channel->dns = RELAIS_CHANNEL_DNS_TEMPORARY;
    for (guint32 i = 0; i < MIN (n, CHANNEL_ADDRESSES / 2); i++) {
        guint64 size;
        const guint8 *bytes = relais_dns_answer_get_bytes (answer, i, &size);

        channel->n_found += relais_address_from_bytes (bytes, (gsize)size, channel->address.port,
                                                       &channel->found[channel->n_found],
                                                       &channel->found_size[channel->n_found]);
    }
}

static void
looked_up (RelaisChannel *channel)
{
    if (channel->lookups[0] != NULL || channel->lookups[1] != NULL)
        return;
    if (channel->n_found > 0)
        judge_and_connect (channel);
    else
        relais_channel_fail (channel, channel->dns,
                             g_strdup_printf (channel->dns == RELAIS_CHANNEL_DNS_ABSENT
                                                  ? "%s has no address"
                                                  : "%s cannot be looked up now",
                                              channel->address.host));
}

static void
on_six (const RelaisDnsAnswer *answer, gpointer data)
{
    RelaisChannel *channel = data;

    channel->lookups[0] = NULL;
    take_answer (channel, answer);
    looked_up (channel);
}

static void
on_four (const RelaisDnsAnswer *answer, gpointer data)
{
    RelaisChannel *channel = data;

    channel->lookups[1] = NULL;
    take_answer (channel, answer);
    looked_up (channel);
}

static void
look_up (RelaisChannel *channel)
{
    const char *host = channel->address.host;

    channel->dns = RELAIS_CHANNEL_DNS_ABSENT;
    channel->lookups[0] = relais_lookup (channel->module, host, RELAIS_DNS_AAAA, on_six, channel);
    channel->lookups[1] = relais_lookup (channel->module, host, RELAIS_DNS_A, on_four, channel);
}

static void
find_addresses (RelaisChannel *channel)
{
    if (channel->address.path != NULL)
        connect_path (channel);
    else if (relais_address_from_text (channel->address.host, channel->address.port,
                                       &channel->found[0], &channel->found_size[0])) {
        channel->n_found = 1;
        judge_and_connect (channel);
    } else
        look_up (channel);
}

/* --- TLS ---------------------------------------------------------------------------------------- */

static void
make_tls (gpointer data)
{
    ChannelTls *making = data;

    making->context = relais_tls_context_new_client (true, NULL);
}

static void
made_tls (gpointer data)
{
    ChannelTls *making = data;
    RelaisChannel *channel = making->channel;

    if (making->host->channel_tls == NULL)
        making->host->channel_tls = g_steal_pointer (&making->context);
    g_clear_pointer (&making->context, relais_tls_context_unref);
    g_free (making);
    if (channel == NULL)
        return;
    channel->making_tls = NULL;
    if (channel->module->host->channel_tls != NULL)
        find_addresses (channel);
    else
        relais_channel_fail (channel, RELAIS_CHANNEL_TLS, g_strdup ("no TLS context can be made"));
}

static bool
prepare_tls (RelaisChannel *channel)
{
    RelaisHost *host = channel->module->host;

    channel->making_tls = g_new0 (ChannelTls, 1);
    channel->making_tls->host = host;
    channel->making_tls->channel = channel;
    if (relais_worker_run (channel->module, make_tls, made_tls, channel->making_tls))
        return true;
    g_clear_pointer (&channel->making_tls, g_free);
    return false;
}

/* --- The whole ---------------------------------------------------------------------------------- */

static bool
stranger_may_name (const ChannelAddress *address)
{
    return address->path == NULL && (address->port >= LOWEST_PORT || address->port == 443);
}

/* Where the harness has a service of that address. */
static bool
meet_test_peer (RelaisChannel *channel)
{
    const RelaisHost *host = channel->module->host;
    RelaisChannelOutcome outcome = RELAIS_CHANNEL_OK;
    int fd = -1;

    if (host->channel_peer != NULL)
        outcome = host->channel_peer (host->channel_peer_data, channel->name, &fd);
    if (outcome != RELAIS_CHANNEL_OK) {
        relais_channel_fail (channel, outcome, g_strdup ("as the test has it"));
        return true;
    }
    if (fd < 0)
        return false;
    channel->stream = relais_stream_new (host->loop, fd, &relais_channel_callbacks, channel, NULL);
    channel->connected = true;
    relais_channel_opened (channel);
    return true;
}

void
relais_channel_begin (RelaisChannel *channel)
{
    RelaisHost *host = channel->module->host;

    channel->begun = true;
    if (meet_test_peer (channel))
        return;
    if (host->stopped)
        relais_channel_fail (channel, RELAIS_CHANNEL_STOPPED, g_strdup ("the daemon stops"));
    else if ((channel->flags & RELAIS_CHANNEL_TRUSTED) == 0 &&
             !stranger_may_name (&channel->address))
        relais_channel_fail (channel, RELAIS_CHANNEL_REFUSED_ADDRESS,
                             g_strdup ("strangers may name ports from 1024 on and 443 alone"));
    else if ((channel->flags & RELAIS_CHANNEL_WITH_TLS) == 0 || host->channel_tls != NULL)
        find_addresses (channel);
    else if (!prepare_tls (channel))
        relais_channel_fail (channel, RELAIS_CHANNEL_TLS, g_strdup ("too many jobs wait"));
}

void
relais_channel_drop (RelaisChannel *channel)
{
    for (guint i = 0; i < G_N_ELEMENTS (channel->lookups); i++)
        relais_lookup_cancel (g_steal_pointer (&channel->lookups[i]));
    if (channel->making_tls != NULL)
        channel->making_tls->channel = NULL;
    channel->making_tls = NULL;
    g_clear_pointer (&channel->stream, relais_stream_free);
}

void
relais_channel_ready (RelaisChannel *channel, const GError *error)
{
    if (error != NULL && channel->connected) {
        relais_channel_fail (channel, RELAIS_CHANNEL_TLS, g_strdup (error->message));
    } else if (error != NULL) {
        could_not_connect (channel, error);
    } else if (!channel->connected && (channel->flags & RELAIS_CHANNEL_WITH_TLS) != 0) {
        channel->connected = true;
        relais_stream_start_tls (channel->stream, channel->module->host->channel_tls,
                                 channel->tls_name != NULL ? channel->tls_name
                                                           : channel->address.host);
    } else {
        channel->connected = true;
        relais_channel_opened (channel);
    }
}
