/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a token says of its message comes out as it went in; whatever else is read is refused or harmless.
 */
#include <string.h>

#include "tracking.h"

static void
check_round (const TrackingIdentity *in)
{
    g_autoptr (GByteArray) bytes = tracking_identity_encode (in);
    TrackingIdentity out;

    g_assert_true (tracking_identity_decode (&out, bytes->data, bytes->len));
    g_assert_cmpint (out.individual, ==, in->individual);
    g_assert_cmpint (out.trap, ==, in->trap);
    g_assert_cmpint (out.probe, ==, in->probe);
    g_assert_cmpint (out.sent_us, ==, in->sent_us);
    g_assert_cmpuint (out.link, ==, in->link);
    g_assert_cmpuint (out.n_links, ==, in->n_links);
    g_assert_cmpstr (out.tenant, ==, in->tenant);
    g_assert_cmpstr (out.campaign, ==, in->campaign);
    g_assert_cmpstr (out.url, ==, in->url);
    if (in->individual) {
        g_assert_cmpstr (out.queue_id, ==, in->queue_id);
        g_assert_cmpuint (out.recipient, ==, in->recipient);
    }
    tracking_identity_clear (&out);
}

static void
test_round (void)
{
    static const guint32 numbers[] = {0, 1, 127, 128, 16383, 16384, G_MAXUINT32};
    g_autofree char *name = g_strnfill (255, 'n');
    g_autofree char *url = g_strnfill (8192, 'u');

    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
        TrackingIdentity identity = {.individual = true,
                                     .recipient = numbers[i],
                                     .queue_id = "001j1a8o22ojg",
                                     .sent_us = G_GINT64_CONSTANT (1795855493) * G_USEC_PER_SEC,
                                     .n_links = 1,
                                     .link = numbers[i],
                                     .tenant = name,
                                     .campaign = name,
                                     .url = url};

        check_round (&identity);
        g_strlcpy (identity.queue_id, "fvvvvvvvvvvvv", sizeof identity.queue_id);
        check_round (&identity);
        identity = (TrackingIdentity){.url = (char *)"", .probe = true};
        check_round (&identity);
        identity = (TrackingIdentity){.url = (char *)"https://a/", .trap = true, .n_links = 3};
        check_round (&identity);
    }
}

/* Every piece of one, and one with an octet changed: no crash, and no text with a NUL in it. */
static void
test_damaged (void)
{
    const TrackingIdentity identity = {.individual = true,
                                       .recipient = 300,
                                       .queue_id = "001j1a8o22ojg",
                                       .n_links = 5,
                                       .tenant = (char *)"tenant",
                                       .campaign = (char *)"campaign",
                                       .url = (char *)"https://example.com/"};
    g_autoptr (GByteArray) bytes = tracking_identity_encode (&identity);
    TrackingIdentity out;

    for (guint n = 0; n < 34; n++) /* up to where the URL begins, which may be of any length */
        g_assert_false (tracking_identity_decode (&out, bytes->data, n));
    for (guint at = 0; at < bytes->len; at++)
        for (guint value = 0; value < 256; value++) {
            g_autofree guint8 *copy = g_memdup2 (bytes->data, bytes->len);

            copy[at] = (guint8)value;
            if (tracking_identity_decode (&out, copy, bytes->len))
                tracking_identity_clear (&out);
        }
    bytes->data[0] = 2;
    g_assert_false (tracking_identity_decode (&out, bytes->data, bytes->len));
}

static void
test_limits (void)
{
    g_autofree char *longer = g_strnfill (256, 'n');
    const TrackingIdentity identity = {.tenant = longer, .url = (char *)""};
    g_autoptr (GByteArray) bytes = tracking_identity_encode (&identity);
    g_autofree guint8 *url = g_malloc (8199);
    TrackingIdentity out;

    g_assert_true (tracking_identity_decode (&out, bytes->data, bytes->len));
    g_assert_null (out.tenant);
    tracking_identity_clear (&out);
    memset (url, 'u', 8199);
    memcpy (url, "\1\0\0\0\0\0", 6);
    g_assert_true (tracking_identity_decode (&out, url, 8198));
    tracking_identity_clear (&out);
    g_assert_false (tracking_identity_decode (&out, url, 8199));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tracking/identity/round", test_round);
    g_test_add_func ("/tracking/identity/damaged", test_damaged);
    g_test_add_func ("/tracking/identity/limits", test_limits);
    return g_test_run ();
}
