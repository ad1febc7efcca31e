/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Channels of modules (include/relais/channel.h): life, reads with their deadlines, writes. What a module is told
 * it is told last, since it may free the channel then. Loop thread.
 */
#include "config.h"

#include "module/channel-private.h"

#include <gio/gio.h>
#include <string.h>

#define LINGER_US (5 * RELAIS_USEC_PER_SEC)

/* --- Telling ------------------------------------------------------------------------------------ */

/* The channel may be gone after it. */
static void
tell (RelaisChannel *channel, RelaisChannelOutcome outcome, const char *bytes, gsize size)
{
    const RelaisChannelFunc func = channel->func;
    RelaisGuard outer;

    relais_timer_stop (&channel->deadline);
    channel->func = NULL;
    relais_guard_enter (&outer, channel->module, "channel", 0);
    func (channel, outcome, bytes, size, channel->data);
    relais_guard_leave (&outer);
}

void
relais_channel_fail (RelaisChannel *channel, RelaisChannelOutcome outcome, char *text)
{
    if (channel->outcome == RELAIS_CHANNEL_OK) {
        channel->outcome = outcome;
        g_free (channel->text);
        channel->text = g_strdup (text);
        relais_channel_drop (channel);
    }
    g_free (text);
    if (channel->func != NULL)
        tell (channel, channel->outcome, NULL, 0);
}

static void
on_deadline (gpointer data)
{
    relais_channel_fail (
        data, RELAIS_CHANNEL_TIMEOUT,
        g_strdup (((RelaisChannel *)data)->open ? "no answer in time" : "no connection in time"));
}

/* --- Reading ------------------------------------------------------------------------------------ */

/* How much of the input the read that waits takes with it, and of that is its answer; 0: not there yet. */
static gsize
measure (const RelaisChannel *channel, const guint8 *bytes, gsize size, gsize *answer)
{
    const guint8 *lf;

    if (channel->size > 0) {
        *answer = channel->size;
        return size >= channel->size ? channel->size : 0;
    }
    lf = size > 0 ? memchr (bytes, '\n', size) : NULL;
    if (lf == NULL)
        return 0;
    *answer = (gsize)(lf - bytes);
    if (*answer > 0 && lf[-1] == '\r')
        (*answer)--;
    return (gsize)(lf - bytes) + 1;
}

/* Gives the read that waits what is there, if it is enough. */
static void
look (RelaisChannel *channel)
{
    g_autofree char *copy = NULL;
    const guint8 *bytes;
    gsize size, taken, answer = 0;

    if (channel->func == NULL || channel->stream == NULL || !channel->open)
        return;
    if (channel->size == CHANNEL_DRAIN) {
        if (relais_stream_unwritten (channel->stream) < RELAIS_STREAM_HIGH_BYTES)
            tell (channel, RELAIS_CHANNEL_OK, "", 0);
        return;
    }
    bytes = relais_stream_peek (channel->stream, &size);
    taken = measure (channel, bytes, size, &answer);
    if (taken == 0 ? channel->size == 0 && size > RELAIS_CHANNEL_READ_BYTES + 1 /* a CR */
                   : answer > RELAIS_CHANNEL_READ_BYTES) {
        relais_channel_fail (channel, RELAIS_CHANNEL_TOO_LARGE, g_strdup ("a line without end"));
        return;
    }
    if (taken == 0)
        return;
    copy = g_strndup ("", answer);
    memcpy (copy, bytes, answer);
    relais_stream_consume (channel->stream, taken);
    tell (channel, RELAIS_CHANNEL_OK, copy, answer);
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    look (data);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    look (data);
}

/* What came before the end can still be read; then it is over. */
static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    RelaisChannel *channel = data;

    channel->closed = true;
    if (error != NULL) {
        g_free (channel->text);
        channel->text = g_strdup (error->message);
    }
    relais_timer_set (&channel->turn, 0);
}

static bool
is_enough (RelaisChannel *channel)
{
    gsize size, answer;
    const guint8 *bytes = relais_stream_peek (channel->stream, &size);

    return measure (channel, bytes, size, &answer) > 0;
}

static void
on_turn (gpointer data)
{
    RelaisChannel *channel = data;

    if (!channel->begun)
        relais_channel_begin (channel);
    else if (channel->outcome != RELAIS_CHANNEL_OK)
        relais_channel_fail (channel, channel->outcome, NULL);
    else if (channel->closed && channel->func != NULL && !is_enough (channel))
        relais_channel_fail (
            channel, RELAIS_CHANNEL_CLOSED,
            g_strdup (channel->text[0] != '\0' ? channel->text : "the peer closed"));
    else
        look (channel);
}

static bool
begin_read (RelaisChannel *channel, gsize size, gint64 timeout_us, RelaisChannelFunc func,
            gpointer data)
{
    relais_loop_assert_owner (channel->module->host->loop);
    if (channel->func != NULL)
        return false;
    channel->func = func;
    channel->data = data;
    channel->size = size;
    relais_timer_set (&channel->deadline, timeout_us);
    relais_timer_set (&channel->turn, 0);
    return true;
}

gboolean
relais_channel_read_line (RelaisChannel *channel, gint64 timeout_us, RelaisChannelFunc func,
                          gpointer data)
{
    g_return_val_if_fail (channel != NULL && func != NULL && timeout_us > 0, FALSE);
    return begin_read (channel, 0, timeout_us, func, data);
}

gboolean
relais_channel_read (RelaisChannel *channel, guint64 size, gint64 timeout_us,
                     RelaisChannelFunc func, gpointer data)
{
    g_return_val_if_fail (channel != NULL && func != NULL && timeout_us > 0, FALSE);
    g_return_val_if_fail (size > 0 && size <= RELAIS_CHANNEL_READ_BYTES, FALSE);
    return begin_read (channel, (gsize)size, timeout_us, func, data);
}

gboolean
relais_channel_drain (RelaisChannel *channel, gint64 timeout_us, RelaisChannelFunc func,
                      gpointer data)
{
    g_return_val_if_fail (channel != NULL && func != NULL && timeout_us > 0, FALSE);
    return begin_read (channel, CHANNEL_DRAIN, timeout_us, func, data);
}

/* --- Writing ------------------------------------------------------------------------------------ */

gboolean
relais_channel_write (RelaisChannel *channel, const gchar *bytes, guint64 size)
{
    guint64 waiting;

    g_return_val_if_fail (channel != NULL && (bytes != NULL || size == 0), FALSE);
    relais_loop_assert_owner (channel->module->host->loop);
    if (channel->outcome != RELAIS_CHANNEL_OK || channel->closed)
        return FALSE;
    waiting = channel->open ? relais_stream_unwritten (channel->stream) : channel->unsent->len;
    if (size > RELAIS_CHANNEL_WRITE_BYTES || waiting > RELAIS_CHANNEL_WRITE_BYTES - size)
        return FALSE;
    if (channel->open)
        relais_stream_write (channel->stream, bytes, (gsize)size);
    else
        g_byte_array_append (channel->unsent, (const guint8 *)bytes, (guint)size);
    return TRUE;
}

void
relais_channel_opened (RelaisChannel *channel)
{
    channel->open = true;
    relais_stream_write (channel->stream, channel->unsent->data, channel->unsent->len);
    g_byte_array_set_size (channel->unsent, 0);
    relais_timer_set (&channel->turn, 0);
}

/* --- Life --------------------------------------------------------------------------------------- */

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    relais_channel_ready (data, error);
}

const RelaisStreamCallbacks relais_channel_callbacks = {
    .input = on_input, .drained = on_drained, .ready = on_ready, .closed = on_closed};

/* A certificate that is not held against a name is anybody's. */
static bool
names_its_peer (const RelaisChannelInfo *info, const ChannelAddress *address, const char **problem)
{
    *problem = "wanted tls_name, as a path is no name of a certificate";
    return (info->flags & RELAIS_CHANNEL_WITH_TLS) == 0 || info->tls_name != NULL ||
           address->host != NULL;
}

RelaisChannel *
relais_channel_new (RelaisModule *module, const RelaisChannelInfo *info, GError **error)
{
    RelaisChannelInfo known;
    RelaisChannel *channel;
    ChannelAddress address = {0};
    const char *problem = "wanted a RelaisChannelInfo of this Relais";

    g_return_val_if_fail (module != NULL && info != NULL && info->address != NULL, NULL);
    relais_loop_assert_owner (module->host->loop);
    if (!relais_copy_known (&known, sizeof known, info, info->struct_size) ||
        (known.flags & ~(guint32)(RELAIS_CHANNEL_WITH_TLS | RELAIS_CHANNEL_TRUSTED)) != 0 ||
        known.address == NULL ||
        !relais_channel_address_parse (known.address, &address, &problem) ||
        !names_its_peer (&known, &address, &problem)) {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s': %s", info->address,
                     problem);
        relais_channel_address_clear (&address);
        return NULL;
    }
    channel = g_new0 (RelaisChannel, 1);
    channel->module = module;
    channel->flags = known.flags;
    channel->name = g_strdup (known.address);
    channel->address = address;
    channel->tls_name = g_strdup (known.tls_name);
    channel->text = g_strdup ("");
    channel->unsent = g_byte_array_new ();
    channel->link.data = channel;
    relais_timer_init (&channel->deadline, module->host->loop, on_deadline, channel);
    relais_timer_init (&channel->turn, module->host->loop, on_turn, channel);
    relais_timer_set (&channel->turn, 0);
    g_queue_push_tail_link (&module->host->channels, &channel->link);
    return channel;
}

void
relais_channel_free (RelaisChannel *channel)
{
    if (channel == NULL)
        return;
    if (channel->open && channel->outcome == RELAIS_CHANNEL_OK && !channel->closed &&
        relais_stream_unwritten (channel->stream) > 0)
        relais_stream_finish (g_steal_pointer (&channel->stream), LINGER_US);
    relais_channel_drop (channel);
    relais_timer_stop (&channel->deadline);
    relais_timer_stop (&channel->turn);
    g_queue_unlink (&channel->module->host->channels, &channel->link);
    relais_channel_address_clear (&channel->address);
    g_byte_array_unref (channel->unsent);
    g_free (channel->tls_name);
    g_free (channel->name);
    g_free (channel->text);
    g_free (channel);
}

const gchar *
relais_channel_get_text (const RelaisChannel *channel)
{
    return channel->outcome != RELAIS_CHANNEL_OK ? channel->text : "";
}

const gchar *
relais_channel_outcome_to_string (RelaisChannelOutcome outcome)
{
    static const char *const names[] = {"ok",      "dns-absent", "dns-temporary", "refused-address",
                                        "connect", "tls",        "timeout",       "too-large",
                                        "closed",  "stopped"};

    return outcome < G_N_ELEMENTS (names) ? names[outcome] : "unknown";
}

/* --- The host ----------------------------------------------------------------------------------- */

void
relais_host_end_channels (RelaisHost *host)
{
    /* A read that is told may free its channel; those that are left were told. */
    for (guint n = host->channels.length; n > 0 && host->channels.head != NULL; n--) {
        RelaisChannel *channel = host->channels.head->data;

        g_queue_unlink (&host->channels, &channel->link);
        g_queue_push_tail_link (&host->channels, &channel->link);
        relais_channel_fail (channel, RELAIS_CHANNEL_STOPPED, g_strdup ("the daemon stops"));
    }
}

guint
relais_host_n_reading (const RelaisHost *host)
{
    guint n = 0;

    for (const GList *l = host->channels.head; l != NULL; l = l->next)
        n += ((const RelaisChannel *)l->data)->func != NULL;
    return n;
}
