/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * spf-check-libspf2: the program that libspf2 lives in, beside the module, within the sandbox of helper processes.
 * One request, one reply, nothing kept. One thread.
 */
#include "spf2.h"

#include <relais/helper.h>

#include <string.h>

static GBytes *
answer (GBytes *bytes, gpointer data)
{
    SpfWireRequest request = {0};
    SpfWireReply reply = {0};
    GBytes *packed = NULL;

    if (spf_wire_unpack_request (bytes, &request)) {
        spf2_evaluate (data, &request, &reply);
        packed = spf_wire_pack_reply (&reply);
        spf_wire_reply_clear (&reply);
    }
    spf_wire_request_clear (&request);
    return packed;
}

int
main (void)
{
    return relais_helper_serve (answer, spf2_new ());
}
